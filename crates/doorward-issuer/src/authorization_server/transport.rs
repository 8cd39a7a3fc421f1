//! Calls over HTTP: bounded in time and size, redirected nowhere, public keys remembered (RFC 9111 §5.2.2.1).

mod public;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HOST, HeaderMap,
    HeaderName, IF_NONE_MATCH,
};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Proxy, RequestBuilder, Response};
use url::Url;

use super::settings::is_loopback;
use super::{
    ConfigError, DocumentAnswer, DocumentCall, DocumentError, Transport, UpstreamAnswer,
    UpstreamCall, UpstreamUnreachable, observe,
};
use public::PublicOnly;

/// How calls are made. `Debug` does not show the proxy, which may have a password in it.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpSettings {
    /// How long a connection may take. 5 s by default.
    pub connect_timeout: Duration,
    /// How long a whole answer may take. 10 s by default; where a form is sent, 15 s at most.
    pub timeout: Duration,
    /// The proxy for calls to the upstream, such as `http://proxy.example.com:3128`. Without one the environment's
    /// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are followed. Documents of strangers go through no proxy: it would look
    /// up their addresses itself.
    pub proxy: Option<String>,
    /// Certificate authorities besides the system's: PEM, one or several.
    pub certificate_authorities: Option<Vec<u8>>,
    /// How long public keys are remembered where their source says nothing. 5 minutes by default; what a source says
    /// counts between a minute and an hour.
    pub keys_lifetime: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            proxy: None,
            certificate_authorities: None,
            keys_lifetime: Duration::from_secs(300),
        }
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("proxy", &self.proxy.is_some())
            .field(
                "certificate_authorities",
                &self.certificate_authorities.is_some(),
            )
            .field("keys_lifetime", &self.keys_lifetime)
            .finish()
    }
}

/// A [`Transport`] over HTTP/1.1, for any tokio runtime. Connections to the upstream are kept.
pub struct HttpTransport {
    upstream: Client,
    strangers: Client,
    timeout: Duration,
    keys_lifetime: Duration,
    remembered: Mutex<HashMap<String, Arc<Remembered>>>,
    connect_map: HashMap<String, String>,
}

impl HttpTransport {
    /// One with these settings.
    ///
    /// # Errors
    /// The proxy is no URL, or the certificates cannot be read.
    pub fn new(settings: &HttpSettings) -> Result<Self, ConfigError> {
        let wrong = |what: &str, error: reqwest::Error| {
            ConfigError::new(format!("`{what}` cannot be used: {}", error.without_url()))
        };
        let certificates = match &settings.certificate_authorities {
            None => Vec::new(),
            Some(pem) => Certificate::from_pem_bundle(pem)
                .map_err(|error| wrong("certificate_authorities", error))?,
        };
        if settings.certificate_authorities.is_some() && certificates.is_empty() {
            return Err(ConfigError::new(
                "`certificate_authorities` has no certificate in PEM",
            ));
        }
        let builder = || -> ClientBuilder {
            Client::builder()
                .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(settings.connect_timeout)
                .timeout(settings.timeout)
                .redirect(Policy::none())
        };
        let mut upstream = builder().tls_certs_merge(certificates);
        if let Some(proxy) = &settings.proxy {
            upstream = upstream.proxy(Proxy::all(proxy).map_err(|error| wrong("proxy", error))?);
        }
        // No connection is kept: each is to an address that was looked up and judged for it.
        let strangers = builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .dns_resolver(PublicOnly);
        Ok(Self {
            upstream: upstream
                .build()
                .map_err(|error| wrong("transport", error))?,
            strangers: strangers
                .build()
                .map_err(|error| wrong("transport", error))?,
            timeout: settings.timeout,
            keys_lifetime: settings.keys_lifetime,
            remembered: Mutex::default(),
            connect_map: HashMap::new(),
        })
    }

    /// For tests only: sends what is meant for `host`, such as `accounts.example.com` or `accounts.example.com:8443`, to
    /// `http://127.0.0.1:port` instead, without TLS, with the `Host` it was meant for.
    ///
    /// # Errors
    /// The other place is not plain HTTP on a loopback host.
    pub fn dangerously_connect_for_tests(
        mut self,
        host: impl Into<String>,
        instead: &str,
    ) -> Result<Self, ConfigError> {
        let local = Url::parse(instead)
            .ok()
            .filter(|url| url.scheme() == "http" && is_loopback(url) && url.path() == "/")
            .ok_or_else(|| ConfigError::new("expected http://127.0.0.1:port"))?;
        let origin = local.origin().ascii_serialization();
        self.connect_map.insert(host.into(), origin);
        Ok(self)
    }

    /// A request to where it is really sent.
    fn request(&self, client: &Client, method: Method, url: &str) -> RequestBuilder {
        let meant = Url::parse(url)
            .ok()
            .filter(|_| !self.connect_map.is_empty());
        let found = meant.as_ref().and_then(|url| {
            let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
            Some((authority, self.connect_map.get(authority)?, url))
        });
        match found {
            None => client.request(method, url),
            Some((authority, origin, url)) => {
                let rest = &url[url::Position::BeforePath..];
                let request = client.request(method, format!("{origin}{rest}"));
                request.header(HOST, authority)
            }
        }
    }

    async fn send(
        &self,
        call: &UpstreamCall,
    ) -> Result<(UpstreamAnswer, HeaderMap), UpstreamUnreachable> {
        let away = |why: &str| {
            observe::upstream_away(&call.url, why);
            UpstreamUnreachable
        };
        let mut request = self
            .request(&self.upstream, call.method.clone(), &call.url)
            .header(ACCEPT, "application/json");
        if let Some(value) = &call.authorization {
            request = request.header(AUTHORIZATION, value.expose());
        }
        if let Some(form) = &call.form {
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .timeout(self.timeout.min(MOST_FOR_A_FORM))
                .body(form.expose().to_owned());
        }
        let response = request
            .send()
            .await
            .map_err(|error| away(&reason(&error)))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = read(response, UpstreamCall::MAX_ANSWER).await;
        let body = body.map_err(|error| away(&error.to_string()))?;
        Ok((UpstreamAnswer { status, body }, headers))
    }

    /// Public keys and metadata: from memory while they are fresh, else asked for once however many want them, and while
    /// their source is away the last ones for an hour.
    async fn remembered(&self, call: &UpstreamCall) -> Result<UpstreamAnswer, UpstreamUnreachable> {
        let slot = {
            let mut slots = lock(&self.remembered);
            if slots.len() >= MAX_REMEMBERED && !slots.contains_key(&call.url) {
                slots.clear();
            }
            Arc::clone(slots.entry(call.url.clone()).or_default())
        };
        if let Some(known) = slot.known(call.fresh) {
            return known;
        }
        // Who comes now waits for who is asking. Nobody who is content with what is remembered comes here.
        let _asking = slot.asking.lock().await;
        if let Some(known) = slot.known(call.fresh) {
            return known;
        }
        let answered = self.send(call).await;
        let mut state = lock(&slot.state);
        match answered {
            Ok((answer, headers)) if answer.status == 200 => {
                let fresh_for = max_age(&headers).map_or(self.keys_lifetime, |seconds| {
                    Duration::from_secs(seconds.unsigned_abs()).clamp(LEAST_AGE, MOST_AGE)
                });
                *state = Kept {
                    answer: Some((answer.clone(), Instant::now(), fresh_for)),
                    failed: None,
                };
                Ok(answer)
            }
            failed => {
                let status = failed.ok().map(|(answer, _)| answer.status);
                state.failed = Some((Instant::now(), status));
                state.without_asking()
            }
        }
    }
}

impl Transport for HttpTransport {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamUnreachable> {
        if call.method == Method::GET && call.authorization.is_none() {
            self.remembered(&call).await
        } else {
            self.send(&call).await.map(|(answer, _)| answer)
        }
    }

    async fn document(&self, call: DocumentCall) -> Result<DocumentAnswer, DocumentError> {
        let url = Url::parse(&call.url).map_err(|_| DocumentError::Refused("it is no URL"))?;
        let client = match url.scheme() {
            // The server lets nobody name such a URL unless its operator allows it for tests.
            "http" if is_loopback(&url) => &self.upstream,
            "https" if public::may_be_public(&url) => &self.strangers,
            "https" => return Err(DocumentError::Refused("its address is not public")),
            _ => return Err(DocumentError::Refused("expected https")),
        };
        let mut request = self
            .request(client, Method::GET, &call.url)
            .header(ACCEPT, "application/json");
        if let Some(etag) = &call.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(|error| {
            if public::refused(&error) {
                DocumentError::Refused("its address is not public")
            } else {
                DocumentError::Unreachable
            }
        })?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        match status {
            200 => {}
            304 if call.etag.is_some() => {}
            429 | 500..=599 => return Err(DocumentError::Unreachable),
            300..=399 => return Err(DocumentError::Refused("it redirects")),
            _ => return Err(DocumentError::Refused("it is not there")),
        }
        let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let body = read(response, call.max_bytes)
            .await
            .map_err(|why| match why {
                Unread::Broken(_) => DocumentError::Unreachable,
                Unread::TooLong => DocumentError::Refused("the document is too long"),
                Unread::Compressed => DocumentError::Refused("the document is compressed"),
            })?;
        Ok(DocumentAnswer {
            status,
            content_type: text(CONTENT_TYPE),
            etag: text(ETAG).filter(|etag| etag.len() <= MAX_ETAG),
            max_age: max_age(&headers),
            body,
        })
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").finish_non_exhaustive()
    }
}

/// What is remembered of one URL.
#[derive(Default)]
struct Remembered {
    asking: tokio::sync::Mutex<()>,
    state: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The last good answer, when it came, and how long it is fresh.
    answer: Option<(UpstreamAnswer, Instant, Duration)>,
    /// The last failure since then: when, and the status if there was one.
    failed: Option<(Instant, Option<u16>)>,
}

impl Remembered {
    /// What is to be said without asking, if anything.
    fn known(&self, fresh: bool) -> Option<Result<UpstreamAnswer, UpstreamUnreachable>> {
        let state = lock(&self.state);
        if let Some((answer, at, fresh_for)) = &state.answer
            && at.elapsed() < if fresh { COOLDOWN } else { *fresh_for }
        {
            return Some(Ok(answer.clone()));
        }
        let failed_lately = state.failed.is_some_and(|(at, _)| at.elapsed() < COOLDOWN);
        failed_lately.then(|| state.without_asking())
    }
}

impl Kept {
    /// The last good answer while it does, else how asking failed.
    fn without_asking(&self) -> Result<UpstreamAnswer, UpstreamUnreachable> {
        match (&self.answer, self.failed) {
            (Some((answer, at, _)), _) if at.elapsed() < MOST_AGE => Ok(answer.clone()),
            (_, Some((_, Some(status)))) => Ok(UpstreamAnswer {
                status,
                body: Vec::new(),
            }),
            _ => Err(UpstreamUnreachable),
        }
    }
}

enum Unread {
    Broken(String),
    TooLong,
    Compressed,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken(why) => why,
            Self::TooLong => "the answer is too long",
            Self::Compressed => "the answer is compressed, which nobody asked for",
        })
    }
}

async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, Unread> {
    let encoding = response.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(Unread::Compressed);
    }
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| Unread::Broken(reason(&error));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > most {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// RFC 9111 §5.2.2. `no-store` and `no-cache` ask for the least that is allowed.
fn max_age(headers: &HeaderMap) -> Option<i64> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let directives = values.filter_map(|value| value.to_str().ok());
    let mut age = None;
    for directive in directives.flat_map(|value| value.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(0);
        }
        if name.eq_ignore_ascii_case("max-age") {
            age = value.trim_matches('"').parse().ok();
        }
    }
    age.filter(|seconds| *seconds >= 0)
}

/// The innermost cause, which is the one that helps.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is used up by being sent has to be over before another node may try: a lease lasts 20 seconds.
const MOST_FOR_A_FORM: Duration = Duration::from_secs(15);
/// How long nobody is asked again: after a failure, and when what just came does not do.
const COOLDOWN: Duration = Duration::from_secs(5);
const LEAST_AGE: Duration = Duration::from_secs(60);
const MOST_AGE: Duration = Duration::from_secs(3600);
/// Configured URLs are few.
const MAX_REMEMBERED: usize = 64;
const MAX_ETAG: usize = 256;

#[cfg(test)]
mod tests;
