//! `doorward conformance`.

use std::io::{IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use doorward_issuer::conformance::{
    self, Access, Answer, Probe, Report, RouteSpec, Settings, State, Suite, SuiteError, Tone,
};
use reqwest::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::output::{self, BAD, BOLD, DIM, Failure, GOOD, ODD, UNAVAILABLE, paint};

/// Check that a running API refuses every bad token.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the API listens, as in http://127.0.0.1:8000
    target: String,

    /// The OpenAPI 3 document, JSON or YAML: a file or a URL (default: looked for at the target)
    #[arg(long, value_name = "FILE|URL", help_heading = ROUTES)]
    openapi: Option<String>,
    /// A protected route, as in 'GET /posts/{id}'; may be repeated
    #[arg(long = "route", value_name = "ROUTE", help_heading = ROUTES)]
    routes: Vec<String>,
    /// Check these routes only: a path with * in it, a method before it if you like; may be repeated
    #[arg(long, value_name = "PATTERN", help_heading = ROUTES)]
    only: Vec<String>,
    /// Leave these routes out; may be repeated
    #[arg(long, value_name = "PATTERN", help_heading = ROUTES)]
    skip: Vec<String>,
    /// These routes are open to everybody, whatever the document says; may be repeated
    #[arg(long, value_name = "PATTERN", help_heading = ROUTES)]
    public: Vec<String>,
    /// These routes take credentials but do not need them, whatever the document says; may be repeated
    #[arg(long, value_name = "PATTERN", help_heading = ROUTES)]
    optional: Vec<String>,
    /// Every route that is not named by --public or --optional is protected, whatever the document says
    #[arg(long, help_heading = ROUTES)]
    protect_all: bool,
    /// What to put into a path's parameter, as in id=42; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", help_heading = ROUTES)]
    parameters: Vec<String>,

    /// A token that the API takes, or "-" to read it from standard input
    #[arg(long, env = "CONFORMANCE_TOKEN", hide_env_values = true, help_heading = TOKENS)]
    token: Option<String>,
    /// A running `doorward dev` that the API trusts: it mints a good token, and the ones that are nearly good
    #[arg(long, value_name = "URL", help_heading = TOKENS)]
    dev_issuer: Option<String>,
    /// What a good token says, as JSON for the local issuer: '{"kind": "oauth", "aud": "my-api"}'
    #[arg(long, value_name = "JSON", requires = "dev_issuer", help_heading = TOKENS)]
    mint: Option<String>,
    /// The issuer that the API trusts, exactly as `iss` has it (default: that of the good token)
    #[arg(long, value_name = "URL", help_heading = TOKENS)]
    issuer: Option<String>,
    /// The issuer's key set (default: that of --dev-issuer)
    #[arg(long, value_name = "FILE|URL", help_heading = TOKENS)]
    jwks: Option<String>,
    /// A cookie in which the API takes tokens, too
    #[arg(long, value_name = "NAME", help_heading = TOKENS)]
    cookie: Option<String>,
    /// Leave an attack out, by its name in the report; may be repeated
    #[arg(long, value_name = "ATTACK", help_heading = TOKENS)]
    waive: Vec<String>,

    /// Send the good token to POST, PUT, PATCH and DELETE, too, and probe public ones: the API will act on it
    #[arg(long, help_heading = REQUESTS)]
    unsafe_methods: bool,
    /// A field for every request, as in 'X-Tenant: acme'; may be repeated
    #[arg(long = "header", value_name = "FIELD", help_heading = REQUESTS)]
    headers: Vec<String>,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300), help_heading = REQUESTS)]
    timeout: u64,
    /// Requests under way at once
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32), help_heading = REQUESTS)]
    concurrency: u8,
    /// The most requests that may be sent
    #[arg(long, value_name = "NUMBER", default_value_t = Suite::MOST_PROBES, help_heading = REQUESTS)]
    max_probes: usize,

    /// Show the routes and what is expected of them, and send nothing to them
    #[arg(long, help_heading = REPORT)]
    list: bool,
    /// Warnings count as failures
    #[arg(long, help_heading = REPORT)]
    strict: bool,
    /// How to report (default: table, or json with --json)
    #[arg(long, value_enum, help_heading = REPORT)]
    format: Option<Format>,
    /// Write the report into this file
    #[arg(long, value_name = "FILE", help_heading = REPORT)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For scripts
    Json,
    /// For build servers
    Junit,
}

const ROUTES: &str = "Which routes";
const TOKENS: &str = "With which tokens";
const REQUESTS: &str = "How to ask";
const REPORT: &str = "The report";

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    let format = match (arguments.format, as_json) {
        (Some(Format::Table | Format::Junit), true) => {
            return Err(Failure::usage(
                "--json and --format ask for different reports",
            ));
        }
        (Some(format), _) => format,
        (None, true) => Format::Json,
        (None, false) => Format::Table,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(error.to_string()))?;
    runtime.block_on(async {
        let target = Target::parse(&arguments.target)?;
        let network = Network::new(arguments, &target)?;
        let suite = network.suite().await?;
        if arguments.list {
            list(&suite, format);
            return Ok(ExitCode::SUCCESS);
        }
        let progress = Progress::new(suite.probes().len(), format != Format::Json);
        let report = network.ask(suite, progress).await?;
        deliver(&report, format, arguments.output.as_deref())?;
        let mut failures = report
            .findings
            .iter()
            .filter(|finding| finding.state == State::Fail);
        Ok(if report.passed {
            ExitCode::SUCCESS
        } else if report.summary.failures > 0 && failures.all(|f| f.code == "unavailable") {
            ExitCode::from(UNAVAILABLE)
        } else {
            ExitCode::FAILURE
        })
    })
}

/// What is to be checked: an origin, and perhaps a path under which everything is.
struct Target {
    text: String,
    origin: Url,
    base: Option<String>,
}

impl Target {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!(
                "the target {why}; expected a URL as in http://127.0.0.1:8000"
            ))
        };
        let url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("is no http or https URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "has credentials in it, which every request would carry",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has a query or a fragment"));
        }
        let base = url.path().trim_end_matches('/').to_owned();
        let mut origin = url.clone();
        origin.set_path("/");
        Ok(Self {
            text: url.as_str().trim_end_matches('/').to_owned(),
            origin,
            base: Some(base).filter(|base| !base.is_empty()),
        })
    }

    fn origin(&self) -> String {
        self.origin.origin().ascii_serialization()
    }

    fn url(&self, target: &str) -> Result<Url, Failure> {
        let text = format!("{}{target}", self.origin());
        Url::parse(&text).map_err(|_| Failure::usage("a route's path makes no URL"))
    }

    fn is_on_this_machine(&self) -> bool {
        let host = self.origin.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        address.map_or(
            host == "localhost" || host.ends_with(".localhost"),
            |address| address.is_loopback(),
        )
    }
}

/// Asks the network for what the suite cannot know by itself.
struct Network<'a> {
    arguments: &'a Arguments,
    target: &'a Target,
    client: Client,
}

impl<'a> Network<'a> {
    fn new(arguments: &'a Arguments, target: &'a Target) -> Result<Self, Failure> {
        let mut client = Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(arguments.timeout))
            .user_agent(concat!("doorward-conformance/", env!("CARGO_PKG_VERSION")));
        if target.is_on_this_machine() {
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Self {
            arguments,
            target,
            client,
        })
    }

    async fn suite(&self) -> Result<Suite, Failure> {
        let arguments = self.arguments;
        let mut settings = Settings::default();
        settings.target.clone_from(&self.target.text);
        settings.origin = Some(self.target.origin());
        settings.base.clone_from(&self.target.base);
        for text in &arguments.routes {
            settings.routes.push(RouteSpec::parse(text)?);
        }
        settings.only.clone_from(&arguments.only);
        settings.skip.clone_from(&arguments.skip);
        settings.public.clone_from(&arguments.public);
        settings.optional.clone_from(&arguments.optional);
        settings.protect_all = arguments.protect_all;
        settings.parameters = pairs("--param", '=', &arguments.parameters)?
            .into_iter()
            .collect();
        settings.headers = pairs("--header", ':', &arguments.headers)?;
        settings.cookie.clone_from(&arguments.cookie);
        settings.unsafe_methods = arguments.unsafe_methods;
        settings.waive.clone_from(&arguments.waive);
        settings.max_probes = arguments.max_probes;
        settings.strict = arguments.strict;
        settings.issuer.clone_from(&arguments.issuer);
        if let Some(token) = &arguments.token {
            settings.token = Some(output::token(Some(token))?);
        }
        if let Some(jwks) = &arguments.jwks {
            settings.jwks = Some(self.key_set(jwks).await?);
        }
        if let Some(url) = &arguments.dev_issuer {
            self.mint(url.trim_end_matches('/'), &mut settings).await?;
        }
        settings.openapi = self.document().await?;
        Ok(Suite::new(settings)?)
    }

    /// The document that was named, or else the one that is found, unless there are routes without one.
    async fn document(&self) -> Result<Option<Value>, Failure> {
        if let Some(place) = &self.arguments.openapi {
            let text = self.read("--openapi", place).await?;
            return Ok(Some(conformance::read_document(&text)?));
        }
        if !self.arguments.routes.is_empty() {
            return Ok(None);
        }
        let base = self.target.base.as_deref().unwrap_or_default();
        let mut bases = vec![base, ""];
        bases.dedup();
        for path in conformance::DOCUMENTS {
            for base in &bases {
                let url = self.target.url(&format!("{base}{path}"))?;
                let Ok(answer) = self.fetch(url).await.map_err(|trouble| Failure {
                    message: format!("there is no API at {}: {trouble}", self.target.text),
                    code: UNAVAILABLE,
                })?
                else {
                    continue;
                };
                match conformance::read_document(&answer) {
                    Ok(document) if document.get("openapi").is_some() => return Ok(Some(document)),
                    _ => {}
                }
            }
        }
        Err(Failure::usage(format!(
            "there is no OpenAPI document at {}/openapi.json, nor at {} other usual places; name it with --openapi, or \
             the routes with --route",
            self.target.text,
            conformance::DOCUMENTS.len() - 1
        )))
    }

    /// Has a good token minted, and those that are nearly good.
    async fn mint(&self, issuer: &str, settings: &mut Settings) -> Result<(), Failure> {
        let like: Value = match &self.arguments.mint {
            Some(text) => serde_json::from_str(text)
                .ok()
                .filter(Value::is_object)
                .ok_or_else(|| Failure::usage("--mint: expected a JSON object"))?,
            None => json!({}),
        };
        let away = |trouble: String| Failure {
            message: format!(
                "there is no local issuer at {issuer} ({trouble}); start one with `doorward dev`"
            ),
            code: UNAVAILABLE,
        };
        let url = Url::parse(&format!("{issuer}/dev/mint"))
            .map_err(|_| Failure::usage(format!("--dev-issuer {issuer:?} is no URL")))?;
        // Whoever mints has no proxy in front of it.
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(self.arguments.timeout))
            .build()
            .map_err(|error| Failure::usage(error.to_string()))?;
        for (name, spec) in conformance::mints(&like) {
            let request = client
                .post(url.clone())
                .header("content-type", "application/json")
                .body(spec.to_string());
            let answer = request
                .send()
                .await
                .map_err(|error| away(trouble(&error)))?;
            let minted = answer.status().is_success();
            let text = bounded(answer).await.map_err(away)?;
            let answer: Value =
                serde_json::from_str(&text).map_err(|_| away("it answers no JSON".to_owned()))?;
            match answer["token"].as_str().filter(|_| minted) {
                Some(token) => {
                    settings.minted.insert(name.to_owned(), token.to_owned());
                }
                None => {
                    let why = answer["message"].as_str().unwrap_or("it minted nothing");
                    return Err(Failure::usage(format!("--dev-issuer: {why}")));
                }
            }
        }
        if settings.jwks.is_none() {
            let keys = self
                .read("--dev-issuer", &format!("{issuer}/.well-known/jwks.json"))
                .await?;
            settings.jwks = serde_json::from_str(&keys).ok();
        }
        Ok(())
    }

    async fn key_set(&self, place: &str) -> Result<Value, Failure> {
        let text = self.read("--jwks", place).await?;
        serde_json::from_str(&text)
            .ok()
            .filter(|set: &Value| set["keys"].is_array())
            .ok_or_else(|| {
                Failure::usage(format!(
                    "--jwks {place}: expected a JWK set: {{\"keys\": [...]}}"
                ))
            })
    }

    /// A file, or what is at a URL.
    async fn read(&self, option: &str, place: &str) -> Result<String, Failure> {
        if !place.starts_with("http://") && !place.starts_with("https://") {
            return std::fs::read_to_string(place)
                .map_err(|error| Failure::usage(format!("{option} {place}: {error}")));
        }
        let url = Url::parse(place)
            .map_err(|_| Failure::usage(format!("{option} {place:?} is no URL")))?;
        match self.fetch(url).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(status)) => Err(Failure::usage(format!(
                "{option} {place}: it answered {status}; if it is protected, save it to a file and name that"
            ))),
            Err(trouble) => Err(Failure {
                message: format!("{option} {place}: {trouble}"),
                code: UNAVAILABLE,
            }),
        }
    }

    /// The text at a URL, or the status with which it was not given.
    async fn fetch(&self, url: Url) -> Result<Result<String, u16>, String> {
        let request = self.client.get(url).header("accept", DOCUMENT_TYPES);
        let answer = request.send().await.map_err(|error| trouble(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Ok(Err(status.as_u16()));
        }
        bounded(answer).await.map(Ok)
    }

    /// Sends every probe, a few at a time.
    async fn ask(&self, mut suite: Suite, mut progress: Progress) -> Result<Report, Failure> {
        let requests = suite
            .probes()
            .iter()
            .map(|probe| self.prepare(probe))
            .collect::<Result<Vec<_>, _>>()?;
        let places = Arc::new(Semaphore::new(usize::from(self.arguments.concurrency)));
        let (mut tasks, mut waiting) = (JoinSet::new(), requests.into_iter().enumerate());
        let patience = Arc::new(AtomicU64::new(PATIENCE));
        let mut silences = vec![0_usize; suite.routes().len()];
        let (mut unreachable, mut answered) = (0, 0);
        loop {
            // One more task than may run, so that none waits for this loop.
            while tasks.len() <= usize::from(self.arguments.concurrency) {
                let Some((index, request)) = waiting.next() else {
                    break;
                };
                let route = suite.probes()[index].route;
                let why = if silences[route] >= MOST_SILENCES {
                    Some("the route gave no answer before, so it was not asked again")
                } else if silences.iter().sum::<usize>() >= MOST_SILENCES_IN_ALL {
                    Some("too many requests went unanswered, so it was not asked")
                } else {
                    None
                };
                if let Some(why) = why {
                    suite.record(index, Answer::Silence(why.to_owned()));
                    progress.step();
                    continue;
                }
                let (places, client) = (Arc::clone(&places), self.client.clone());
                let patience = Arc::clone(&patience);
                tasks.spawn(async move {
                    let _place = places.acquire_owned().await;
                    (index, send(&client, request, &patience).await)
                });
            }
            let Some(done) = tasks.join_next().await else {
                break;
            };
            let (index, outcome) = done.map_err(|error| Failure::usage(error.to_string()))?;
            let route = suite.probes()[index].route;
            let answer = match outcome {
                Ok(answer) => {
                    unreachable = 0;
                    answered += 1;
                    answer
                }
                Err(trouble) => {
                    unreachable += usize::from(trouble.unreachable);
                    silences[route] += 1;
                    Answer::Silence(trouble.what)
                }
            };
            if unreachable >= MOST_UNREACHABLE {
                progress.end();
                return Err(Failure {
                    message: match answered {
                        0 => format!("there is no API at {}", self.target.text),
                        _ => format!(
                            "{} cannot be reached any more, after {answered} answers",
                            self.target.text
                        ),
                    },
                    code: UNAVAILABLE,
                });
            }
            suite.record(index, answer);
            progress.step();
        }
        progress.end();
        Ok(suite.report())
    }

    fn prepare(&self, probe: &Probe) -> Result<Prepared, Failure> {
        // Neither the name nor the value is shown: it may be a token.
        let unusable =
            |_| Failure::usage("a field cannot be sent: it has letters that HTTP does not allow");
        let headers = probe
            .headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ());
                let value = HeaderValue::from_str(value).map_err(|_| ());
                Ok((name?, value?))
            })
            .collect::<Result<Vec<_>, ()>>()
            .map_err(unusable)?;
        let method = Method::from_bytes(probe.method.as_bytes())
            .map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Prepared {
            origin: self.target.origin(),
            url: self.target.url(&probe.target)?,
            target: probe.target.clone(),
            method,
            headers,
            body: probe.body.clone(),
        })
    }
}

/// A probe as it goes over the network.
struct Prepared {
    origin: String,
    url: Url,
    target: String,
    method: Method,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<String>,
}

/// Why there was no answer.
struct Trouble {
    what: String,
    unreachable: bool,
}

/// Sends a probe. Waits where the API asks for it, and follows a redirect to the same path of the same origin.
///
/// `patience` is how many seconds all requests together may still wait.
async fn send(
    client: &Client,
    prepared: Prepared,
    patience: &AtomicU64,
) -> Result<Answer, Trouble> {
    let (mut url, mut target) = (prepared.url, prepared.target);
    let (mut tries, mut hops) = (0, 0);
    loop {
        let mut request = client.request(prepared.method.clone(), url.clone());
        for (name, value) in &prepared.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &prepared.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(|error| Trouble {
            what: trouble(&error),
            unreachable: error.is_connect(),
        })?;
        let status = response.status().as_u16();
        let field = |name: HeaderName| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let wait = conformance::retry_after(status, field(RETRY_AFTER).as_deref(), tries);
        if let Some(seconds) = wait.filter(|&seconds| spend(patience, seconds)) {
            tries += 1;
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            continue;
        }
        let next = field(LOCATION).and_then(|location| {
            let origin = Some(prepared.origin.as_str());
            conformance::follow(origin, prepared.method.as_str(), &target, status, &location)
        });
        if let Some(next) = next.filter(|_| hops < MOST_HOPS)
            && let Ok(joined) = Url::parse(&format!("{}{next}", prepared.origin))
        {
            hops += 1;
            (url, target) = (joined, next);
            continue;
        }
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let answer = Answer::response(status, headers);
        // Read to its end, a connection can be used again; a stream has no end.
        if response
            .content_length()
            .is_some_and(|length| length <= SMALL_BODY)
        {
            let _ = response.bytes().await;
        }
        return Ok(answer);
    }
}

/// Takes this many seconds, if they are left. Zero seconds cost one: an API that asks to be asked at once is not asked
/// for ever.
fn spend(patience: &AtomicU64, seconds: u64) -> bool {
    patience
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(seconds.max(1))
        })
        .is_ok()
}

/// What went wrong, without the URL, which may have a token in it.
fn trouble(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "the connection is refused".to_owned()
    } else {
        "the connection was cut".to_owned()
    }
}

/// The body as text, if it is not too long.
async fn bounded(mut answer: Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| trouble(&error))? {
        if bytes.len() + chunk.len() > LARGEST_DOCUMENT {
            return Err(format!("more than {LARGEST_DOCUMENT} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "no UTF-8 text".to_owned())
}

/// `name=value` and `Name: value`.
fn pairs(option: &str, between: char, texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let split = |text: &String| {
        let (name, value) = text.split_once(between)?;
        let (name, value) = (name.trim(), value.trim());
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    texts
        .iter()
        .map(|text| {
            split(text).ok_or_else(|| {
                Failure::usage(format!(
                    "{option}: expected a name, {between:?} and a value"
                ))
            })
        })
        .collect()
}

fn list(suite: &Suite, format: Format) {
    let report = suite.report();
    let probes = |index: usize| {
        let of_route = |probe: &&Probe| probe.route == index;
        suite.probes().iter().filter(of_route).count()
    };
    if format == Format::Json {
        let routes: Vec<Value> = suite
            .routes()
            .iter()
            .enumerate()
            .map(|(index, route)| {
                json!({ "route": route.to_string(), "access": route.access, "probes": probes(index) })
            })
            .collect();
        return output::document(&json!({
            "routes": routes, "skipped": report.skipped, "not_tried": report.not_tried,
        }));
    }
    for (index, (route, probed)) in suite.routes().iter().zip(&report.routes).enumerate() {
        let access = match route.access {
            Access::Protected => paint(GOOD, "protected"),
            Access::Optional => paint(ODD, "optional "),
            Access::Public => paint(ODD, "public   "),
        };
        let requests = paint(DIM, &format!("{} requests", probes(index)));
        output::line(&format!("{access}  {}  {requests}", probed.route));
    }
    for skipped in &report.skipped {
        let why = paint(DIM, &skipped.why);
        output::line(&format!(
            "{}  {}  {why}",
            paint(DIM, "skipped  "),
            skipped.route
        ));
    }
}

fn deliver(report: &Report, format: Format, file: Option<&Path>) -> Result<(), Failure> {
    let text = match format {
        Format::Table => report.painted(&styled),
        Format::Json => format!("{:#}\n", json!(report)),
        Format::Junit => report.junit(),
    };
    let Some(file) = file else {
        output::line(text.trim_end());
        return Ok(());
    };
    let text = match format {
        Format::Table => report.table(),
        Format::Json | Format::Junit => text,
    };
    std::fs::write(file, text)
        .map_err(|error| Failure::usage(format!("--output {}: {error}", file.display())))?;
    output::line(&report.verdict(&styled));
    Ok(())
}

fn styled(tone: Tone, text: &str) -> String {
    let style = match tone {
        Tone::Good => GOOD,
        Tone::Odd => ODD,
        Tone::Bad => BAD,
        Tone::Dim => DIM,
        Tone::Bold => BOLD,
    };
    paint(style, text)
}

/// How far it is, on a terminal.
struct Progress {
    shown: bool,
    done: usize,
    all: usize,
}

impl Progress {
    fn new(all: usize, wanted: bool) -> Self {
        Self {
            shown: wanted && std::io::stderr().is_terminal(),
            done: 0,
            all,
        }
    }

    fn step(&mut self) {
        self.done += 1;
        self.draw(&format!("{} of {} requests", self.done, self.all));
    }

    fn end(&self) {
        self.draw("");
    }

    fn draw(&self, text: &str) {
        if self.shown {
            // A terminal that is gone is no reason to stop.
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "\r\u{1b}[K{text}");
            let _ = stderr.flush();
        }
    }
}

impl From<SuiteError> for Failure {
    fn from(error: SuiteError) -> Self {
        Self::usage(error.to_string())
    }
}

const DOCUMENT_TYPES: &str =
    "application/vnd.oai.openapi+json, application/json, application/yaml;q=0.8, */*;q=0.1";
const LARGEST_DOCUMENT: usize = 16 * 1024 * 1024;
const SMALL_BODY: u64 = 64 * 1024;
/// Redirects that one probe follows.
const MOST_HOPS: u32 = 3;
/// Probes of one route that may wait in vain.
const MOST_SILENCES: usize = 3;
/// Probes that may wait in vain.
const MOST_SILENCES_IN_ALL: usize = 30;
/// Seconds that all probes together may wait because they were asked to.
const PATIENCE: u64 = 60;
/// Refused connections in a row after which there is no API.
const MOST_UNREACHABLE: usize = 4;
