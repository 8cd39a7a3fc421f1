//! The client: one pool of connections, one pace, and calls that are tried again only when that is safe.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use doorward::http::{background, client_builder, client_of, jitter, reason, trusted_url};
use doorward_core::Secret;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use http::{Method, StatusCode};
use reqwest::multipart::{Form, Part as FormPart};
use reqwest::redirect::Policy;
use tokio::time::timeout_at;

use crate::call::{Arguments, Body, Part, Request};
use crate::error::{ApiError, ErrorKind};
use crate::observe;
use crate::pace::Pace;
use crate::response::Response;
use crate::retry::{Outcome, RetryPolicy};
use crate::table::{Auth, Operation};

/// A client of Clerk's Backend API. Cloning it is cheap, and the clones share connections and pace.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let clerk = doorward_clerk::Clerk::new("sk_test_…")?;
/// let user = clerk.users().update("user_1").first_name("Ada").send().await?;
/// println!("{:?}", user.primary_email_address());
/// # Ok(())
/// # }
/// ```
///
/// The asynchronous methods want a tokio runtime with its time and I/O drivers, and always the same one, for the connections
/// end with it; the `_blocking` ones bring their own.
/// Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`), and so do further certificate authorities
/// (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
#[derive(Clone)]
pub struct Clerk(Arc<Shared>);

struct Shared {
    config: ClerkConfig,
    base_url: String,
    /// Each is made when it is first needed, and again in a process that was forked: sockets and locks are not shared.
    pool: Slot<reqwest::Client>,
    /// The same for the thread of our own: connections live as long as the runtime that made them.
    background_pool: Slot<reqwest::Client>,
    paces: Slot<Paces>,
}

type Slot<T> = ArcSwapOption<Owned<T>>;

/// What belongs to one process, or to one thread of it.
struct Owned<T> {
    process: u32,
    thread: Option<ThreadId>,
    value: T,
}

/// One pace for each key, for the API counts by instance.
struct Paces {
    by_key: Mutex<HashMap<Option<Secret>, Pace>>,
    /// From when they count.
    start: Instant,
}

/// How to reach the API.
#[derive(Clone, Debug)]
pub struct ClerkConfig {
    /// The instance's secret key, `sk_test_…` or `sk_live_…`.
    pub secret_key: Option<Secret>,
    /// A machine's secret key, `ak_…`: machine tokens are created with it.
    pub machine_secret_key: Option<Secret>,
    /// Where the API is. Without a path, `/v1` is meant. Default <https://api.clerk.com/v1>.
    pub base_url: String,
    /// The API's version, sent as `Clerk-API-Version`. Default: the table's, 2026-05-12.
    pub api_version: String,
    /// How long a call may take with all its attempts. Default 30 seconds, at most 55.
    pub deadline: Duration,
    /// How long one attempt of a call may take that can be repeated. Default 15 seconds.
    pub attempt_timeout: Duration,
    /// How long a connection may take. Default 5 seconds.
    pub connect_timeout: Duration,
    /// When to try again.
    pub retry: RetryPolicy,
    /// The longest answer, in bytes. Default 32 MiB.
    pub max_response_bytes: usize,
    /// Whether plain http will do, even to another machine. Keys can then be read on the way.
    pub insecure_plain_http: bool,
}

impl Default for ClerkConfig {
    fn default() -> Self {
        Self {
            secret_key: None,
            machine_secret_key: None,
            base_url: BASE_URL.to_owned(),
            api_version: API_VERSION.to_owned(),
            deadline: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
            retry: RetryPolicy::default(),
            max_response_bytes: 32 * 1024 * 1024,
            insecure_plain_http: false,
        }
    }
}

/// A setting that makes no sense: the setting, what was found and what would be right. Never a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {why}")]
pub struct ClerkConfigError {
    /// The setting, or the variable it came from.
    pub setting: &'static str,
    /// What was found and what would be right.
    pub why: String,
}

/// What one call does otherwise.
#[derive(Clone, Default)]
pub struct CallOptions {
    /// Another key.
    pub secret_key: Option<Secret>,
    /// Another deadline for the call with all its attempts.
    pub deadline: Option<Duration>,
    /// Another policy of retries.
    pub retry: Option<RetryPolicy>,
    /// Further header fields; they replace ours of the same name.
    pub headers: HeaderMap,
}

/// Of header fields the names only: the values may be keys.
impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallOptions")
            .field("secret_key", &self.secret_key)
            .field("deadline", &self.deadline)
            .field("retry", &self.retry)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Clerk {
    /// A client with this secret key.
    ///
    /// # Errors
    /// The key cannot be one.
    pub fn new(secret_key: impl Into<Secret>) -> Result<Self, ClerkConfigError> {
        Self::with_config(ClerkConfig {
            secret_key: Some(secret_key.into()),
            ..ClerkConfig::default()
        })
    }

    /// A client as the environment says: `CLERK_SECRET_KEY`, `CLERK_MACHINE_SECRET_KEY`, `CLERK_API_URL`.
    ///
    /// # Errors
    /// There is neither key, or a variable makes no sense.
    pub fn from_env() -> Result<Self, ClerkConfigError> {
        let variable = |name| match std::env::var(name) {
            Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(ClerkConfigError {
                setting: name,
                why: "is not UTF-8".to_owned(),
            }),
        };
        let config = ClerkConfig {
            secret_key: variable("CLERK_SECRET_KEY")?.map(Secret::new),
            machine_secret_key: variable("CLERK_MACHINE_SECRET_KEY")?.map(Secret::new),
            ..ClerkConfig::default()
        };
        if config.secret_key.is_none() && config.machine_secret_key.is_none() {
            return Err(ClerkConfigError {
                setting: "CLERK_SECRET_KEY",
                why: "is not set; it is the key from the dashboard, sk_…".to_owned(),
            });
        }
        Self::with_config(match variable("CLERK_API_URL")? {
            Some(base_url) => ClerkConfig { base_url, ..config },
            None => config,
        })
    }

    /// A client with these settings. Nothing is opened before the first call.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn with_config(config: ClerkConfig) -> Result<Self, ClerkConfigError> {
        let wrong = |setting, why| ClerkConfigError { setting, why };
        for (setting, key) in [
            ("secret_key", &config.secret_key),
            ("machine_secret_key", &config.machine_secret_key),
        ] {
            if let Some(key) = key {
                bearer(key).map_err(|why| wrong(setting, why.to_owned()))?;
            }
        }
        if config.api_version.is_empty() || HeaderValue::from_str(&config.api_version).is_err() {
            let why = "is not a version; it is a date, 2026-05-12".to_owned();
            return Err(wrong("api_version", why));
        }
        let url = trusted_url(&config.base_url, config.insecure_plain_http);
        let url = url.map_err(|why| wrong("base_url", why))?;
        if url.query().is_some() || url.fragment().is_some() {
            let why = "has a query or a fragment; it is https://api.clerk.com/v1".to_owned();
            return Err(wrong("base_url", why));
        }
        let mut base_url = url.as_str().trim_end_matches('/').to_owned();
        if url.path() == "/" {
            base_url += "/v1";
        }
        Ok(Self(Arc::new(Shared {
            config,
            base_url,
            pool: Slot::const_empty(),
            background_pool: Slot::const_empty(),
            paces: Slot::const_empty(),
        })))
    }

    /// The settings.
    pub fn config(&self) -> &ClerkConfig {
        &self.0.config
    }

    /// Where a request goes, in full.
    pub fn url(&self, request: &Request) -> String {
        format!("{}{}", self.0.base_url, request.target())
    }

    /// Calls an operation by name, with arguments by name: for whoever learns both at run time.
    ///
    /// # Errors
    /// What [`ApiError`] says. An answer that is a success is returned as it came.
    pub async fn call(
        &self,
        operation: &'static Operation,
        arguments: Arguments,
        options: &CallOptions,
    ) -> Result<Response, ApiError> {
        let request = operation.request(arguments)?;
        self.send(&request, options).await
    }

    /// As [`Clerk::call`], from a thread that runs nothing asynchronous.
    ///
    /// # Errors
    /// As [`Clerk::call`].
    pub fn call_blocking(
        &self,
        operation: &'static Operation,
        arguments: Arguments,
        options: CallOptions,
    ) -> Result<Response, ApiError> {
        let request = operation.request(arguments)?;
        self.send_blocking(request, options)
    }

    /// Sends a request: the escape hatch for what the table does not know.
    ///
    /// ```no_run
    /// # async fn example(clerk: doorward_clerk::Clerk) -> Result<(), doorward_clerk::ApiError> {
    /// use doorward_clerk::{CallOptions, Request, encoded};
    ///
    /// let path = format!("/users/{}/new_thing", encoded("user_1"));
    /// let request = Request::new("POST", path).with_json(serde_json::json!({"a": 1}));
    /// let answer = clerk.send(&request, &CallOptions::default()).await?;
    /// println!("{}", answer.status());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What [`ApiError`] says.
    pub async fn send(
        &self,
        request: &Request,
        options: &CallOptions,
    ) -> Result<Response, ApiError> {
        self.send_by(request, options, None).await
    }

    /// As [`Clerk::send`], from a thread that runs nothing asynchronous.
    ///
    /// # Errors
    /// As [`Clerk::send`].
    pub fn send_blocking(
        &self,
        request: Request,
        options: CallOptions,
    ) -> Result<Response, ApiError> {
        let name = request.name();
        let (sender, receiver) = mpsc::sync_channel(1);
        let started = self.start(request, options, move |result| {
            // Nobody gave up waiting: below, it waits without end.
            drop(sender.send(result));
        });
        drop(started?);
        receiver.recv().unwrap_or_else(|_| {
            let why = "the thread that sends ended early";
            Err(ApiError::new(ErrorKind::Interrupted, name, why))
        })
    }

    /// Sends a request on a thread of our own, and hands the result to `done` there: for event loops that are not tokio's.
    /// `done` must not block. The thread is started when it is needed and ends when it is not, so a process can fork.
    ///
    /// # Errors
    /// No thread can be started. `done` is not called then.
    pub fn start(
        &self,
        request: Request,
        options: CallOptions,
        done: impl FnOnce(Result<Response, ApiError>) + Send + 'static,
    ) -> Result<Started, ApiError> {
        let (cancel, cancelled) = tokio::sync::oneshot::channel::<Cancel>();
        let name = request.name();
        let clerk = self.clone();
        let job = async move {
            tokio::select! {
                result = clerk.send_here(&request, &options) => done(result),
                Ok(Cancel) = cancelled => {}
            }
        };
        background(job).map_err(|why| ApiError::new(ErrorKind::Unreachable, name, why))?;
        Ok(Started(cancel))
    }

    /// Sends on the thread of our own.
    async fn send_here(
        &self,
        request: &Request,
        options: &CallOptions,
    ) -> Result<Response, ApiError> {
        let thread = std::thread::current().id();
        self.send_by(request, options, Some(thread)).await
    }

    async fn send_by(
        &self,
        request: &Request,
        options: &CallOptions,
        thread: Option<ThreadId>,
    ) -> Result<Response, ApiError> {
        let start = Instant::now();
        let result = self.attempts(request, options, thread, start).await;
        observe::called(request, &result, start.elapsed());
        result
    }

    async fn attempts(
        &self,
        request: &Request,
        options: &CallOptions,
        thread: Option<ThreadId>,
        start: Instant,
    ) -> Result<Response, ApiError> {
        let config = &self.0.config;
        let failure = |kind, why: &str| ApiError::new(kind, request.name(), why);
        let method = Method::from_bytes(request.method().as_bytes());
        let method = method.map_err(|_| failure(ErrorKind::Arguments, "is no HTTP method"))?;
        let sendable = request.sendable();
        sendable.map_err(|why| failure(ErrorKind::Arguments, why))?;
        let key = self.key(request, options)?;
        let sending = Sending {
            request,
            method,
            url: self.url(request),
            headers: self.headers(request, key, options)?,
            max_bytes: config.max_response_bytes,
        };
        let client = self.client(thread);
        let client = client.map_err(|error| failure(ErrorKind::Unreachable, &error))?;
        let paces = belonging(&self.0.paces, None, || Ok(Paces::default()));
        let paces = paces.map_err(|error| failure(ErrorKind::Unreachable, &error))?;
        let paces = &paces.value;
        let retry = options.retry.unwrap_or(config.retry);
        let deadline = start
            + options
                .deadline
                .unwrap_or(config.deadline)
                .min(LONGEST_CALL);
        let mut attempt = 0;
        let mut last: Option<ApiError> = None;
        loop {
            if let Err(wait) = paces.room(key, deadline).await {
                let why = "the limit of requests leaves no room before the deadline";
                let ours = || failure(ErrorKind::Throttled, why).with_retry_after(wait);
                // What the API said before says more.
                return Err(last.unwrap_or_else(ours));
            }
            if Instant::now() >= deadline {
                let ours = || failure(ErrorKind::TimedOut, "there is no time for it");
                return Err(last.unwrap_or_else(ours));
            }
            attempt += 1;
            let sent_at = paces.start.elapsed();
            let patience = match request.idempotent() {
                true => deadline.min(Instant::now() + config.attempt_timeout.min(LONGEST_CALL)),
                // It cannot be repeated, so it gets all the time there is.
                false => deadline,
            };
            let tried = match timeout_at(patience.into(), sending.once(&client.value)).await {
                Ok(tried) => tried,
                Err(_) => Err(Trouble::TimedOut),
            };
            let tried = match tried {
                Ok(response) if response.is_success() => return Ok(response),
                tried => tried,
            };
            let outcome = match &tried {
                Ok(response) => Outcome::Answered(response.status(), response.retry_after()),
                Err(Trouble::NothingSent(_)) => Outcome::NothingSent,
                Err(Trouble::Broken(_) | Trouble::TimedOut) => Outcome::Broken,
                Err(Trouble::Unreadable(..)) => Outcome::Answered(200, None),
            };
            if let Outcome::Answered(429, asked) = outcome {
                let now = paces.start.elapsed();
                paces.of(key, |pace| pace.refused(sent_at, now, asked));
            }
            let remaining = deadline.saturating_duration_since(Instant::now());
            let next = retry.next(outcome, request.idempotent(), attempt, remaining, jitter());
            let error = match tried {
                Ok(response) => ApiError::refused(request.name(), response),
                Err(Trouble::NothingSent(why)) => failure(ErrorKind::Unreachable, &why),
                Err(Trouble::Broken(why)) => failure(ErrorKind::Interrupted, &why),
                Err(Trouble::TimedOut) => failure(ErrorKind::TimedOut, "no answer in time"),
                Err(Trouble::Unreadable(why, response)) => {
                    ApiError::unreadable(request.name(), why, response)
                }
            };
            let arrived = last.as_ref().is_some_and(ApiError::may_have_arrived);
            let error = error.with_attempts(attempt, arrived);
            let Some(pause) = next else {
                return Err(error);
            };
            last = Some(error);
            observe::again(request, outcome, attempt, pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// The key that the operation wants.
    fn key<'k>(
        &'k self,
        request: &Request,
        options: &'k CallOptions,
    ) -> Result<Option<&'k Secret>, ApiError> {
        let (secret, machine) = (
            self.0.config.secret_key.as_ref(),
            self.0.config.machine_secret_key.as_ref(),
        );
        let auth = request
            .operation
            .map_or(Auth::Secret, |operation| operation.auth);
        let (key, why) = match (&options.secret_key, auth) {
            (_, Auth::None) => return Ok(None),
            (Some(key), _) => return Ok(Some(key)),
            (None, Auth::Secret) => (secret, NO_KEY),
            (None, Auth::Machine) => (machine, NO_MACHINE_KEY),
            (None, Auth::Either) => (secret.or(machine), NO_KEY),
        };
        let missing = || ApiError::new(ErrorKind::Arguments, request.name(), why);
        key.ok_or_else(missing).map(Some)
    }

    fn headers(
        &self,
        request: &Request,
        key: Option<&Secret>,
        options: &CallOptions,
    ) -> Result<HeaderMap, ApiError> {
        let failure = |why| ApiError::new(ErrorKind::Arguments, request.name(), why);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(version) = HeaderValue::from_str(&self.0.config.api_version) {
            headers.insert(API_VERSION_HEADER, version);
        }
        if request.json().is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, bearer(key).map_err(failure)?);
        }
        for (name, value) in &options.headers {
            headers.insert(name, value.clone());
        }
        Ok(headers)
    }

    fn client(&self, thread: Option<ThreadId>) -> Result<Arc<Owned<reqwest::Client>>, String> {
        let slot = match thread {
            None => &self.0.pool,
            Some(_) => &self.0.background_pool,
        };
        belonging(slot, thread, || {
            let builder = client_builder(self.0.config.connect_timeout)
                // A redirect would send the body a second time, and the key to wherever it points.
                .redirect(Policy::none())
                // A connection that the other side is about to close costs a POST that cannot be repeated.
                .pool_idle_timeout(REST)
                // What is sent again is decided here alone. The pool repeats only what it took back before a byte was sent.
                .retry(reqwest::retry::never());
            client_of(builder)
        })
    }
}

/// What is in the slot if it belongs to this process and this thread, or what is made now.
fn belonging<T>(
    slot: &Slot<T>,
    thread: Option<ThreadId>,
    make: impl FnOnce() -> Result<T, String>,
) -> Result<Arc<Owned<T>>, String> {
    let process = std::process::id();
    let ours = |owned: &&Arc<Owned<T>>| owned.process == process && owned.thread == thread;
    let known = slot.load();
    if let Some(owned) = known.as_ref().filter(ours) {
        return Ok(Arc::clone(owned));
    }
    let value = make()?;
    let new = Arc::new(Owned {
        process,
        thread,
        value,
    });
    let before = slot.compare_and_swap(&known, Some(Arc::clone(&new)));
    match before.as_ref() {
        // Another thread was faster.
        Some(theirs) if ours(&theirs) => return Ok(Arc::clone(theirs)),
        // The parent's: to drop its sockets could wait for a lock that nobody holds here any more.
        Some(parents) if parents.process != process => mem::forget(Arc::clone(parents)),
        _ => {}
    }
    Ok(new)
}

/// Keys are not shown.
impl fmt::Debug for Clerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clerk")
            .field("base_url", &self.0.base_url)
            .field("api_version", &self.0.config.api_version)
            .finish_non_exhaustive()
    }
}

/// A call that was started. Dropping it lets the call go on.
#[derive(Debug)]
pub struct Started(tokio::sync::oneshot::Sender<Cancel>);

#[derive(Debug)]
struct Cancel;

impl Started {
    /// Stops it, wherever it is; `done` is not called unless it was called already. The request may have taken effect.
    pub fn cancel(self) {
        drop(self.0.send(Cancel));
    }
}

/// Why one attempt has no answer.
enum Trouble {
    NothingSent(String),
    Broken(String),
    TimedOut,
    /// A success whose body cannot be had.
    Unreadable(&'static str, Response),
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            by_key: Mutex::default(),
            start: Instant::now(),
        }
    }
}

impl Paces {
    /// Waits until the pace of this key allows another request.
    async fn room(&self, key: Option<&Secret>, deadline: Instant) -> Result<(), Duration> {
        loop {
            let now = self.start.elapsed();
            let Err(wait) = self.of(key, |pace| pace.admit(now)) else {
                return Ok(());
            };
            if Instant::now() + wait >= deadline {
                return Err(wait);
            }
            // Whoever waits for the same moment comes a little apart.
            tokio::time::sleep(wait + SPREAD.mul_f64(jitter())).await;
        }
    }

    fn of<T>(&self, key: Option<&Secret>, use_it: impl FnOnce(&mut Pace) -> T) -> T {
        let mut paces = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key.cloned();
        if paces.len() >= MOST_PACES && !paces.contains_key(&key) {
            // What was learned is learned again.
            paces.clear();
        }
        use_it(paces.entry(key).or_default())
    }
}

/// A request, ready to be sent as often as it takes.
struct Sending<'r> {
    request: &'r Request,
    method: Method,
    url: String,
    headers: HeaderMap,
    max_bytes: usize,
}

impl Sending<'_> {
    async fn once(&self, client: &reqwest::Client) -> Result<Response, Trouble> {
        let bare = self.method == Method::GET || self.method == Method::HEAD;
        let sending = client.request(self.method.clone(), &self.url);
        let sending = sending.headers(self.headers.clone());
        let sending = match self.request.body() {
            None if bare => sending,
            None => sending.body(""),
            Some(Body::Json(body)) => sending.body(body.to_string()),
            Some(Body::Multipart(parts)) => sending.multipart(form(parts)),
        };
        let mut response = sending.send().await.map_err(|error| trouble(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let most = match status.is_success() {
            true => self.max_bytes,
            false => self.max_bytes.min(MAX_ERROR_BYTES),
        };
        let answer = |body: Vec<u8>| Response::new(status.as_u16(), headers.clone(), body.into());
        let encoding = headers.get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") && status.is_success() {
            // We ask for no compression; a body that claims it would grow beyond what was received.
            let why = "the body is compressed, which nobody asked for";
            return Err(Trouble::Unreadable(why, answer(Vec::new())));
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= most => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) if status.is_success() => {
                    let why = "the answer is longer than `max_response_bytes`";
                    return Err(Trouble::Unreadable(why, answer(body)));
                }
                // The status says enough.
                Ok(Some(_) | None) => return Ok(answer(body)),
                Err(_) if is_refusal(status) => return Ok(answer(body)),
                Err(error) => return Err(Trouble::Broken(reason(&error))),
            }
        }
    }
}

fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error()
}

/// Connecting is all that happens before the first byte of a request is sent.
fn trouble(error: &reqwest::Error) -> Trouble {
    match error.is_connect() || error.is_builder() {
        true => Trouble::NothingSent(reason(error)),
        false => Trouble::Broken(reason(error)),
    }
}

fn form(parts: &[(String, Part)]) -> Form {
    parts
        .iter()
        .fold(Form::new(), |form, (name, part)| match part {
            Part::Text(text) => form.text(name.clone(), text.clone()),
            Part::File(file) => {
                let bytes =
                    || FormPart::bytes(file.bytes.clone()).file_name(file.file_name.clone());
                let typed = bytes().mime_str(&file.content_type);
                form.part(name.clone(), typed.unwrap_or_else(|_| bytes()))
            }
        })
}

fn bearer(key: &Secret) -> Result<HeaderValue, &'static str> {
    let text = key.expose();
    if text.is_empty() {
        return Err("is empty; it is the key from the dashboard, sk_…");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "has spaces or line breaks, or what is not ASCII; it is the key from the dashboard, sk_…",
        );
    }
    let value = HeaderValue::from_str(&format!("Bearer {text}"));
    let mut value = value.map_err(|_| "cannot be sent in a header field")?;
    value.set_sensitive(true);
    Ok(value)
}

const BASE_URL: &str = "https://api.clerk.com/v1";
const API_VERSION: &str = "2026-05-12";
const API_VERSION_HEADER: HeaderName = HeaderName::from_static("clerk-api-version");
const NO_KEY: &str = "wants a secret key, and none was configured";
const NO_MACHINE_KEY: &str = "wants a machine's secret key, and none was configured";
/// No call takes longer with all its attempts, whatever its deadline.
const LONGEST_CALL: Duration = Duration::from_secs(55);
/// The longest answer that is an error, in bytes.
const MAX_ERROR_BYTES: usize = 256 * 1024;
const SPREAD: Duration = Duration::from_millis(50);
/// How long a connection is kept that nobody uses; shorter than servers do.
const REST: Duration = Duration::from_secs(30);
/// How many keys' paces are remembered.
const MOST_PACES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;

    /// They are here too so that a client can be made without reading the table.
    #[test]
    fn what_is_assumed_is_what_the_table_says() {
        assert_eq!(API_VERSION, Table::get().version);
        assert_eq!(BASE_URL, Table::get().base_url);
    }
}
