//! `doorward webhooks send`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use doorward::core::{Secret, webhook};
use doorward_issuer::{WEBHOOK_EVENTS, webhook_event};
use futures_util::stream;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::serve::signing_secret;
use crate::output::{self, BAD, DIM, Failure, GOOD, ODD, paint};
use crate::store::{block_on, now};

/// Send events as Clerk does, and misbehave on demand. They are about people who do not exist, and signed with the secret
/// in `CLERK_WEBHOOK_SIGNING_SECRET` or `DOORWARD_WEBHOOK_SECRET`. Exit status 1 if one was not delivered, or a forged
/// one was accepted.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where to send them
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8484/webhooks/clerk"
    )]
    to: String,
    /// The type of event, as in user.created; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = known, conflicts_with = "all")]
    kinds: Vec<String>,
    /// Every documented type
    #[arg(long)]
    all: bool,
    /// So many events of each type, each about another person
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The number of the first person
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Deliver each event so often
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    duplicates: u32,
    /// Deliver in no order
    #[arg(long)]
    shuffle: bool,
    /// Of a hundred events, so many are preceded by a forged one
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    bad_signatures: u8,
    /// Take so long to send each body
    #[arg(long, value_name = "DURATION", value_parser = crate::store::duration)]
    slow: Option<Duration>,
    /// Deliveries at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// Do not try again what was not answered 2xx
    #[arg(long)]
    no_retry: bool,
    /// Let the rests between attempts (5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h) be so many times shorter
    #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    hurry: u32,
    /// What chance begins with; the same seed misbehaves in the same way
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn known(name: &str) -> Result<String, String> {
    if WEBHOOK_EVENTS.contains(&name) {
        return Ok(name.to_owned());
    }
    let near = WEBHOOK_EVENTS
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name));
    Err(near.map_or_else(
        || {
            format!(
                "expected a documented type, one of {}",
                WEBHOOK_EVENTS.join(", ")
            )
        },
        |near| format!("did you mean {near}?"),
    ))
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    // Whoever verifies must be able to: a mistake in the secret is found here, not by 400s.
    doorward::webhooks_from_env()?;
    let secret = signing_secret().ok_or_else(|| Failure::usage("there is no signing secret"))?;
    webhook::sign(secret.expose(), "msg_probe", now(), b"{}").map_err(Failure::usage)?;
    let url = reqwest::Url::parse(&arguments.to).map_err(|_| {
        Failure::usage("--to: expected a URL such as http://127.0.0.1:8484/webhooks/clerk")
    })?;
    let client = reqwest::Client::builder()
        .user_agent(concat!("doorward-webhooks/", env!("CARGO_PKG_VERSION")))
        .timeout(ANSWER_WITHIN + arguments.slow.unwrap_or_default())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let sender = Sender {
        client,
        url,
        secret,
        slow: arguments.slow,
        rests: if arguments.no_retry { &[] } else { &RESTS },
        hurry: arguments.hurry,
    };
    let total = block_on(send(Arc::new(sender), deliveries(arguments), arguments))?;
    total.print(as_json);
    Ok(if total.undelivered + total.forged_accepted > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// One thing to post.
struct Delivery {
    id: String,
    body: String,
    forged: bool,
}

fn deliveries(arguments: &Arguments) -> Vec<Delivery> {
    let kinds: Vec<&str> = match (arguments.all, arguments.kinds.as_slice()) {
        (true, _) => WEBHOOK_EVENTS.to_vec(),
        (false, []) => vec!["user.created"],
        (false, kinds) => kinds.iter().map(String::as_str).collect(),
    };
    let run = now().as_millis();
    let mut chance = Chance(arguments.seed);
    let mut all = Vec::new();
    for number in arguments.first..arguments.first.saturating_add(arguments.count) {
        for kind in &kinds {
            let place = i64::try_from(all.len()).unwrap_or_default();
            let Some(event) = webhook_event(kind, number, run + place) else {
                continue;
            };
            let id = format!("msg_dev{run}{place:06}");
            let body = event.to_string();
            if chance.below(100) < u64::from(arguments.bad_signatures) {
                all.push(Delivery {
                    id: format!("{id}forged"),
                    body: body.clone(),
                    forged: true,
                });
            }
            for _ in 0..arguments.duplicates {
                all.push(Delivery {
                    id: id.clone(),
                    body: body.clone(),
                    forged: false,
                });
            }
        }
    }
    if arguments.shuffle {
        for last in (1..all.len()).rev() {
            let other = usize::try_from(chance.below(last as u64 + 1)).unwrap_or(last);
            all.swap(last, other);
        }
    }
    all
}

#[derive(Default)]
struct Total {
    delivered: u64,
    attempts: u64,
    undelivered: u64,
    forged_refused: u64,
    forged_accepted: u64,
    troubles: Vec<String>,
}

async fn send(
    sender: Arc<Sender>,
    deliveries: Vec<Delivery>,
    arguments: &Arguments,
) -> Result<Total, Failure> {
    let lanes = Arc::new(Semaphore::new(usize::from(arguments.concurrency)));
    let mut total = Total::default();
    let mut running = JoinSet::new();
    for delivery in deliveries {
        let lane = Arc::clone(&lanes).acquire_owned().await;
        let lane = lane.map_err(|error| Failure::usage(error.to_string()))?;
        let sender = Arc::clone(&sender);
        running.spawn(async move {
            let result = sender.deliver(&delivery).await;
            drop(lane);
            (delivery, result)
        });
        while let Some(Ok((delivery, result))) = running.try_join_next() {
            total.add(&delivery, &result);
        }
    }
    while let Some(joined) = running.join_next().await {
        if let Ok((delivery, result)) = joined {
            total.add(&delivery, &result);
        }
    }
    Ok(total)
}

struct Sender {
    client: reqwest::Client,
    url: reqwest::Url,
    secret: Secret,
    slow: Option<Duration>,
    rests: &'static [Duration],
    hurry: u32,
}

/// How many attempts it took, and the last answer.
struct Outcome {
    attempts: u64,
    last: Result<u16, String>,
}

impl Outcome {
    fn is_delivered(&self) -> bool {
        matches!(self.last, Ok(200..=299))
    }
}

impl Sender {
    async fn deliver(&self, delivery: &Delivery) -> Outcome {
        let mut rests = self.rests.iter();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let outcome = Outcome {
                attempts,
                last: self.attempt(delivery).await,
            };
            // 410: the endpoint is gone for good. A forged one is not tried again.
            if outcome.is_delivered() || delivery.forged || outcome.last == Ok(410) {
                return outcome;
            }
            let Some(rest) = rests.next() else {
                return outcome;
            };
            tokio::time::sleep(*rest / self.hurry).await;
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<u16, String> {
        // Every attempt is signed anew, at its own time, with the same id.
        let body = delivery.body.as_bytes();
        let signed = if delivery.forged { &b"{}"[..] } else { body };
        let headers = webhook::sign(self.secret.expose(), &delivery.id, now(), signed)?;
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json");
        let request = headers
            .svix()
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            });
        let answer = request
            .body(self.body(&delivery.body))
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        Ok(answer.status().as_u16())
    }

    fn body(&self, text: &str) -> reqwest::Body {
        let Some(slow) = self.slow else {
            return text.to_owned().into();
        };
        let bytes = text.as_bytes();
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let parts = [(Duration::ZERO, first.to_vec()), (slow, second.to_vec())];
        let paced = stream::unfold(parts.into_iter(), |mut parts| async {
            let (rest, part) = parts.next()?;
            tokio::time::sleep(rest).await;
            Some((Ok::<_, std::io::Error>(part), parts))
        });
        reqwest::Body::wrap_stream(paced)
    }
}

impl Total {
    fn add(&mut self, delivery: &Delivery, outcome: &Outcome) {
        self.attempts += outcome.attempts;
        match (delivery.forged, outcome.is_delivered()) {
            (false, true) => self.delivered += 1,
            (false, false) => {
                self.undelivered += 1;
                let why = match &outcome.last {
                    Ok(status) => format!("answered {status}"),
                    Err(error) => error.clone(),
                };
                if self.troubles.len() < TOLD {
                    self.troubles.push(format!("{}: {why}", delivery.id));
                }
            }
            (true, true) => self.forged_accepted += 1,
            (true, false) => self.forged_refused += 1,
        }
    }

    fn print(&self, as_json: bool) {
        if as_json {
            return output::document(&json!({
                "delivered": self.delivered, "attempts": self.attempts, "undelivered": self.undelivered,
                "forged_refused": self.forged_refused, "forged_accepted": self.forged_accepted,
                "troubles": self.troubles,
            }));
        }
        let attempts = paint(DIM, &format!("in {} attempts", self.attempts));
        output::line(&format!(
            "{} delivered {attempts}",
            paint(GOOD, &self.delivered.to_string())
        ));
        if self.forged_refused > 0 {
            output::line(&format!("{} forged ones were refused", self.forged_refused));
        }
        if self.forged_accepted > 0 {
            let count = paint(BAD, &self.forged_accepted.to_string());
            output::line(&format!(
                "{count} forged ones were accepted: signatures are not checked there"
            ));
        }
        if self.undelivered > 0 {
            output::line(&format!(
                "{} not delivered",
                paint(ODD, &self.undelivered.to_string())
            ));
            for trouble in &self.troubles {
                output::line(&format!("  {trouble}"));
            }
        }
    }
}

/// Numbers that look random and are not.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

/// Svix's schedule, after the first attempt.
const RESTS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(10 * 3600),
];

/// How long the sender waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// So many failures are told in words.
const TOLD: usize = 10;
