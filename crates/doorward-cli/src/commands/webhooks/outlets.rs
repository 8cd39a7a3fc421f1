//! Where messages are passed on to, at least once each. Receivers recognize repetitions by the message's id.

use std::time::Duration;

use doorward::Revoker;
use doorward::core::{Secret, webhook};
use doorward_clerk::ClerkEvent;
use doorward_sync::{Handled, HandlerError, Message, Outlet};
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamMaxlen;
use tokio::sync::Mutex;

use crate::output::Failure;
use crate::store::now;

/// Posts each message to a URL, signed anew: the first signature is too old by the time of a retry.
#[derive(Debug)]
pub(super) struct Forward {
    client: reqwest::Client,
    url: reqwest::Url,
    secret: Secret,
}

impl Forward {
    pub(super) fn new(url: &str, secret: Option<Secret>) -> Result<Self, Failure> {
        let wrong = |what: &dyn std::fmt::Display| Failure::usage(format!("--forward: {what}"));
        let url = reqwest::Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| wrong(&"expected a URL such as http://127.0.0.1:3000/events"))?;
        let secret = secret.ok_or_else(|| {
            wrong(&"messages are signed anew, and a public key (`whpk_…`) cannot sign; add a shared secret (`whsec_…`) to the signing secrets")
        })?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Self {
            client,
            url,
            secret,
        })
    }

    async fn post(&self, message: &Message) -> Result<(), HandlerError> {
        let body = message.payload();
        let headers = webhook::sign(self.secret.expose(), message.id(), now(), body.as_bytes())
            .map_err(|why| HandlerError::new(format!("forward: {why}")))?;
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json");
        let signed = headers.standard().into_iter().chain(headers.svix());
        let request = signed.fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        let answer = request
            .body(body.to_owned())
            .send()
            .await
            .map_err(|error| HandlerError::new(format!("forward: {}", error.without_url())))?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(HandlerError::new(format!("forward: answered {status}")));
        }
        Ok(())
    }
}

impl Outlet for Forward {
    fn pass_on<'a>(&'a self, message: &'a Message) -> Handled<'a> {
        Box::pin(self.post(message))
    }
}

/// Adds each message to a Redis stream: `id`, `type`, `payload`.
pub(super) struct Stream {
    client: redis::Client,
    name: String,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Stream {
    pub(super) fn new(url: &str, name: &str) -> Result<Self, Failure> {
        // The URL may hold a password, so it is not repeated.
        let client = redis::Client::open(url).map_err(|_| {
            Failure::usage("--redis: expected a URL such as redis://127.0.0.1:6379/0")
        })?;
        Ok(Self {
            client,
            name: name.to_owned(),
            connection: Mutex::default(),
        })
    }

    async fn add(&self, message: &Message) -> Result<(), HandlerError> {
        let failed =
            |error: redis::RedisError| HandlerError::new(format!("redis: {}", error.category()));
        let work = async {
            let mut kept = self.connection.lock().await;
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self
                    .client
                    .get_multiplexed_async_connection()
                    .await
                    .map_err(failed)?,
            };
            let fields = [
                ("id", message.id()),
                ("type", message.kind()),
                ("payload", message.payload()),
            ];
            let _: String = connection
                .xadd_maxlen(&self.name, StreamMaxlen::Approx(MOST_ENTRIES), "*", &fields)
                .await
                .map_err(failed)?;
            *kept = Some(connection);
            Ok(())
        };
        tokio::time::timeout(PATIENCE, work)
            .await
            .unwrap_or_else(|_| Err(HandlerError::new("redis: no answer in time")))
    }
}

impl Outlet for Stream {
    fn pass_on<'a>(&'a self, message: &'a Message) -> Handled<'a> {
        Box::pin(self.add(message))
    }
}

/// Revokes the tokens of sessions that end and of users who are deleted.
#[derive(Debug)]
pub(super) struct Revoke(Revoker);

impl Revoke {
    pub(super) fn new(url: &str, retention: Duration) -> Result<Self, Failure> {
        let revoker = Revoker::new(&Secret::new(url), retention);
        revoker
            .map(Self)
            .map_err(|error| Failure::usage(format!("--revocation-store {}", error.message)))
    }

    async fn revoke(&self, message: &Message) -> Result<(), HandlerError> {
        // What is no event of Clerk's revokes nothing.
        let event = ClerkEvent::parse(message.payload().as_bytes()).ok();
        let revocation = event.and_then(|event| event.revocation(self.0.retained_until()));
        let Some(revocation) = revocation else {
            return Ok(());
        };
        self.0
            .revoke(revocation)
            .await
            .map_err(|error| HandlerError::new(format!("revocation: {error}")))
    }
}

impl Outlet for Revoke {
    fn pass_on<'a>(&'a self, message: &'a Message) -> Handled<'a> {
        Box::pin(self.revoke(message))
    }
}

const PATIENCE: Duration = Duration::from_secs(15);

/// Older entries of a stream are dropped.
const MOST_ENTRIES: usize = 100_000;
