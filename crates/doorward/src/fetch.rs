//! Fetching key sets: bounded in time, size and trust (RFC 8414 §3, OpenID Connect Discovery §4, RFC 9111 §5.2.2.1).

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use doorward_core::{AlgorithmSet, JwkSet, Secret, TENANT, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, DATE, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, ClientBuilder, StatusCode, Url};
use serde::Deserialize;

use crate::carrier::{self, Broken};
use crate::freshness::FetchSettings;

/// Where an issuer publishes its keys.
#[derive(Clone, PartialEq, Eq)]
pub struct KeysUrl {
    /// The document: a JWK set, or the issuer itself when `discover` is set.
    pub url: String,
    /// Whether `url` is an issuer whose metadata names the key set.
    pub discover: bool,
    /// A bearer secret that the source wants to see.
    pub bearer: Option<Secret>,
    /// Further header fields that the source wants to see.
    pub headers: Vec<(String, Secret)>,
    /// Whether plain http will do, even to another machine.
    pub plain_http: bool,
}

impl KeysUrl {
    /// The same source for one of many tenants. A tenant's name has no letters that mean anything in a URL.
    pub(crate) fn of_tenant(&self, tenant: &str) -> Self {
        Self {
            url: self.url.replace(TENANT, tenant),
            ..self.clone()
        }
    }
}

impl fmt::Debug for KeysUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.discover { "discovery" } else { "jwks" };
        write!(f, "{kind} {}", without_secrets(&self.url))
    }
}

/// A key set as it arrived.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) keys: JwkSet,
    /// `max-age`, if the source gave one.
    pub(crate) max_age: Option<Duration>,
    /// `Date`, if the source gave one: its clock, to be compared with ours.
    pub(crate) date: Option<Timestamp>,
}

/// A document, and what its header said about it.
struct Document {
    text: String,
    max_age: Option<Duration>,
    date: Option<Timestamp>,
}

/// Why a key set could not be fetched. The network's trouble: it is logged, and the caller sees a 503.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No answer: no connection, or none in time.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why not, in the network's words.
        why: String,
    },
    /// An answer with a status that means no.
    #[error("{url} answered {status}")]
    Status {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that makes no sense.
    #[error("{url} answered with something unusable: {why}")]
    Unusable {
        /// What was asked.
        url: String,
        /// What was wrong with it.
        why: String,
    },
}

/// A URL as it may be shown: without what may be a secret in it.
pub(crate) fn without_secrets(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{}", &rest[end..])
        }
        None => bare.to_owned(),
    }
}

/// Fetches an issuer's keys. Blocks until the deadline at most; meant for a helper thread.
pub(crate) fn fetch(
    source: &KeysUrl,
    allowed: AlgorithmSet,
    settings: &FetchSettings,
) -> Result<Fetched, FetchError> {
    let trouble = |why: String| FetchError::Unreachable {
        url: source.url.clone(),
        why,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| trouble(error.to_string()))?;
    let deadline = settings.total_timeout;
    let session = Session {
        start: std::time::Instant::now(),
        client: client(settings).map_err(trouble)?,
        source,
        settings,
    };
    let fetched = runtime.block_on(async {
        tokio::time::timeout(deadline, session.keys(allowed))
            .await
            .unwrap_or_else(|_| Err(trouble(format!("no complete answer within {deadline:?}"))))
    });
    // A resolver thread may still hang; it is not waited for.
    runtime.shutdown_background();
    fetched
}

/// Whether a URL may be fetched: `https`, or `http` on the loopback interface.
///
/// # Errors
/// Why not.
pub fn trusted_url(text: &str, plain_http: bool) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not quoted: it would be in a log for ever.
        return Err("a URL here has no user and no password in it".to_owned());
    }
    if url.host().is_none() {
        return Err(format!("{text:?} has no host"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) || plain_http => Ok(url),
        "http" => Err(format!(
            "{text:?} is plain http, which others can read and change on the way; expected https, except to this machine"
        )),
        scheme => Err(format!(
            "{text:?} has the scheme {scheme:?}, expected https"
        )),
    }
}

/// Whether its host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

struct Session<'s> {
    start: std::time::Instant,
    client: Client,
    source: &'s KeysUrl,
    settings: &'s FetchSettings,
}

impl Session<'_> {
    async fn keys(&self, allowed: AlgorithmSet) -> Result<Fetched, FetchError> {
        let url = match self.source.discover {
            false => self.source.url.clone(),
            true => self.discover().await?,
        };
        let Document {
            text,
            max_age,
            date,
        } = self.document(&url).await?;
        let unusable = |why: String| FetchError::Unusable {
            url: url.clone(),
            why,
        };
        let keys = JwkSet::parse(&text, allowed).map_err(|error| unusable(error.to_string()))?;
        let count = keys.keys().len() + keys.skipped().len();
        if count > self.settings.max_keys {
            return Err(unusable(format!(
                "{count} keys; at most {} are taken",
                self.settings.max_keys
            )));
        }
        if keys.keys().is_empty() {
            let why = keys.skipped().first().map_or("no keys", String::as_str);
            return Err(unusable(format!("there is no usable key in it ({why})")));
        }
        Ok(Fetched {
            keys,
            max_age,
            date,
        })
    }

    /// OpenID Connect Discovery §4 appends its path to the issuer, RFC 8414 §3.1 puts its own before the issuer's path.
    async fn discover(&self) -> Result<String, FetchError> {
        let issuer = self.source.url.as_str();
        let base = issuer.trim_end_matches('/');
        let mut candidates = vec![format!("{base}/.well-known/openid-configuration")];
        if let Ok(url) = Url::parse(base) {
            let path = url.path().trim_end_matches('/').to_owned();
            let origin = url.origin().ascii_serialization();
            candidates.push(format!(
                "{origin}/.well-known/oauth-authorization-server{path}"
            ));
        }
        let mut last = None;
        for url in candidates {
            match self.document(&url).await {
                Ok(document) => return self.jwks_uri(&url, &document.text),
                Err(error @ FetchError::Status { status: 404, .. }) => last = last.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| FetchError::Unusable {
            url: issuer.to_owned(),
            why: "there is no metadata document".to_owned(),
        }))
    }

    fn jwks_uri(&self, url: &str, text: &str) -> Result<String, FetchError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let unusable = |why: String| FetchError::Unusable {
            url: url.to_owned(),
            why,
        };
        let metadata: Metadata =
            serde_json::from_str(text).map_err(|error| unusable(error.to_string()))?;
        // RFC 8414 §3.3: the same issuer, byte for byte, or somebody else answers in its name.
        if metadata.issuer != self.source.url {
            return Err(unusable(format!(
                "its `issuer` is {:?}, configured is {:?}",
                metadata.issuer, self.source.url
            )));
        }
        trusted_url(&metadata.jwks_uri, self.source.plain_http).map_err(unusable)?;
        Ok(metadata.jwks_uri)
    }

    /// One document, with up to three tries where another try can help. A 4xx is an answer, so it is not repeated.
    async fn document(&self, url: &str) -> Result<Document, FetchError> {
        const TRIES: u32 = 3;
        let mut attempt = 1;
        loop {
            let (error, wait) = match self.once(url).await {
                Ok(document) => return Ok(document),
                Err(failure) => failure,
            };
            let Some(wait) = wait.filter(|_| attempt < TRIES) else {
                return Err(error);
            };
            let pause = wait.mul_f64(0.5 + jitter()) * attempt;
            if self.start.elapsed() + pause >= self.settings.total_timeout {
                // There is no time for another try, and this error says more than a passed deadline would.
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// One try. A failure says how long to wait before the next, if there should be one.
    async fn once(&self, url: &str) -> Result<Document, (FetchError, Option<Duration>)> {
        const PAUSE: Duration = Duration::from_millis(150);
        const LONGEST_PAUSE: Duration = Duration::from_secs(2);
        let unusable = |why: String| {
            (
                FetchError::Unusable {
                    url: url.to_owned(),
                    why,
                },
                None,
            )
        };
        let broken = |broken: Broken| {
            let failure = FetchError::Unreachable {
                url: url.to_owned(),
                why: broken.why,
            };
            (failure, broken.retry.then_some(PAUSE))
        };
        let mut request = self.client.get(url).header(ACCEPT, "application/json");
        if let Some(secret) = &self.source.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {}", secret.expose()));
        }
        for (name, value) in &self.source.headers {
            request = request.header(name, value.expose());
        }
        let carrier = self.settings.carrier.as_ref();
        let mut response = carrier::send(carrier, request).await.map_err(broken)?;
        let status = response.status();
        if status != StatusCode::OK {
            let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
            let asked = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            let pause = asked.map_or(PAUSE, Duration::from_secs).min(LONGEST_PAUSE);
            let failure = FetchError::Status {
                url: url.to_owned(),
                status: status.as_u16(),
            };
            return Err((failure, busy.then_some(pause)));
        }
        let encoding = response.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            // We ask for no compression; a body that claims it would grow beyond what was received.
            return Err(unusable(
                "the body is compressed, which nobody asked for".to_owned(),
            ));
        }
        let max_age = response
            .headers()
            .get(CACHE_CONTROL)
            .and_then(|value| max_age(value.to_str().ok()?));
        let date = response
            .headers()
            .get(DATE)
            .and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok());
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken(error.into()))?
        {
            if body.len() + chunk.len() > self.settings.max_bytes {
                return Err(unusable(format!(
                    "longer than {} bytes",
                    self.settings.max_bytes
                )));
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(body).map_err(|_| unusable("not UTF-8".to_owned()))?;
        Ok(Document {
            text,
            max_age,
            date: date.map(Timestamp::from),
        })
    }
}

pub(crate) fn client(settings: &FetchSettings) -> Result<Client, String> {
    let trusted = settings.certificate_authorities.as_deref();
    let trusted = trusted.map_or(Ok(Vec::new()), certificates);
    let trusted = trusted.map_err(|error| reason(&error))?;
    let builder = client_builder(settings.connect_timeout).tls_certs_merge(trusted);
    client_of(builder.redirect(Policy::custom(same_origin)))
}

/// The certificates in a PEM text.
pub(crate) fn certificates(pem: &str) -> Result<Vec<Certificate>, reqwest::Error> {
    Certificate::from_pem_bundle(pem.as_bytes())
}

/// What all our HTTP clients have in common. Proxies and further certificate authorities come from the environment.
pub fn client_builder(connect_timeout: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
}

/// The client that the builder makes.
///
/// # Errors
/// Why there is none; as a rule no certificate authorities can be read. Where they come from is named.
pub fn client_of(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| {
        let why = reason(&error);
        let set = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .into_iter()
            .filter_map(|name| Some(format!("{name} is {:?}", std::env::var_os(name)?)));
        match set.collect::<Vec<_>>().join(" and ") {
            set if set.is_empty() => why,
            set => format!("{why}; {set}"),
        }
    })
}

/// Follows at most three redirects, and only within the origin that the operator named.
fn same_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let stays = attempt
        .previous()
        .first()
        .is_some_and(|first| first.origin() == attempt.url().origin());
    if !stays {
        attempt.error("the source redirects to another origin")
    } else if attempt.previous().len() > 3 {
        attempt.error("the source redirects too often")
    } else {
        attempt.follow()
    }
}

/// RFC 9111 §5.2.2.1. `no-store` and `no-cache` ask for the least we allow.
fn max_age(cache_control: &str) -> Option<Duration> {
    let mut age = None;
    for directive in cache_control.split(',').map(str::trim) {
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache")
        {
            return Some(Duration::ZERO);
        }
        if let Some((name, seconds)) = directive.split_once('=')
            && name.eq_ignore_ascii_case("max-age")
        {
            age = seconds
                .trim_matches('"')
                .parse()
                .ok()
                .map(Duration::from_secs);
        }
    }
    age
}

/// The innermost cause, which is the one that helps: "connection refused" rather than "error sending request".
pub fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A number from 0 to 1 that differs between processes and calls.
pub fn jitter() -> f64 {
    (RandomState::new().hash_one(0) >> 11) as f64 / (1u64 << 53) as f64
}

/// How the memory gets its keys; replaceable in tests.
pub(crate) type Fetcher = Arc<
    dyn Fn(&KeysUrl, AlgorithmSet, &FetchSettings) -> Result<Fetched, FetchError> + Send + Sync,
>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://a.example/jwks",
            "http://127.0.0.1:1/x",
            "http://localhost/x",
            "http://[::1]/x",
        ] {
            assert!(trusted_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/",
            "ftp://a.example",
            "file:///etc/passwd",
            "data:,x",
            "jwks",
            "http://127.0.0.1.evil.example/",
            "http://localhost.evil.example",
        ] {
            assert!(trusted_url(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_max_age() {
        for (header, expected) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=\"60\"", Some(60)),
            ("no-store", Some(0)),
            ("max-age=x", None),
            ("", None),
        ] {
            assert_eq!(
                max_age(header),
                expected.map(Duration::from_secs),
                "{header}"
            );
        }
    }
}
