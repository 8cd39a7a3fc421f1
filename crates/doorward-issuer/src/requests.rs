//! What was asked: a counter for every endpoint, and a bounded log that holds no secret.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName,
    USER_AGENT,
};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::answer::error;
use crate::backend_api::too_large;
use crate::issuer::DevIssuer;

/// What others ask an issuer for. `/dev` and the page are none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Endpoint {
    /// The key set, for everybody and for the back end.
    Jwks,
    /// The metadata documents.
    Discovery,
    /// Clerk's three verify endpoints, with and without `/v1`.
    Verify,
    /// `/oauth/introspect` and Clerk's `/oauth/token_info`.
    Introspect,
    /// `/oauth/userinfo`.
    Userinfo,
    /// `/oauth/revoke` and Clerk's `/oauth/token/revoke`.
    Revoke,
    /// `/oauth/authorize`, where people sign in.
    Authorize,
    /// `/oauth/token`.
    Token,
    /// Everything else of Clerk's Backend API.
    BackendApi,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 9] = [
        Self::Jwks,
        Self::Discovery,
        Self::Verify,
        Self::Introspect,
        Self::Userinfo,
        Self::Revoke,
        Self::Authorize,
        Self::Token,
        Self::BackendApi,
    ];

    /// The name, as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwks => "jwks",
            Self::Discovery => "discovery",
            Self::Verify => "verify",
            Self::Introspect => "introspect",
            Self::Userinfo => "userinfo",
            Self::Revoke => "revoke",
            Self::Authorize => "authorize",
            Self::Token => "token",
            Self::BackendApi => "backend_api",
        }
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.as_str() == name)
    }

    fn at(path: &str) -> Option<Self> {
        match path {
            "/.well-known/jwks.json" | "/v1/jwks" => Some(Self::Jwks),
            "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server" => {
                Some(Self::Discovery)
            }
            "/oauth/introspect" | "/oauth/token_info" => Some(Self::Introspect),
            "/oauth/userinfo" => Some(Self::Userinfo),
            "/oauth/revoke" | "/oauth/token/revoke" => Some(Self::Revoke),
            "/oauth/authorize" => Some(Self::Authorize),
            "/oauth/token" => Some(Self::Token),
            _ => match path.strip_prefix("/v1").unwrap_or(path) {
                "/api_keys/verify"
                | "/m2m_tokens/verify"
                | "/oauth_applications/access_tokens/verify" => Some(Self::Verify),
                bare if bare.len() < path.len() || is_unversioned(bare) => Some(Self::BackendApi),
                _ => None,
            },
        }
    }
}

/// Whether Clerk serves this without `/v1` too.
fn is_unversioned(path: &str) -> bool {
    let first = path.split('/').nth(1);
    matches!(first, Some("api_keys" | "m2m_tokens"))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Counters, and the last [`MAX_ENTRIES`] requests.
#[derive(Default)]
pub(crate) struct RequestLog {
    counts: [AtomicU64; Endpoint::ALL.len()],
    authorized: AtomicU64,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    kept: VecDeque<Entry>,
}

struct Entry {
    number: u64,
    endpoint: Option<Endpoint>,
    told: Value,
    status: Option<u16>,
}

impl RequestLog {
    pub(crate) fn count(&self, endpoint: Endpoint) -> u64 {
        self.counts[endpoint as usize].load(Ordering::Relaxed)
    }

    /// How many fetches of keys and metadata carried an `Authorization` header.
    pub(crate) fn authorized(&self) -> u64 {
        self.authorized.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> Value {
        Endpoint::ALL
            .iter()
            .map(|&endpoint| (endpoint.as_str().to_owned(), json!(self.count(endpoint))))
            .collect::<Map<_, _>>()
            .into()
    }

    /// The requests that are remembered, oldest first.
    pub(crate) fn told(&self, of: Option<Endpoint>) -> Vec<Value> {
        self.entries()
            .kept
            .iter()
            .filter(|entry| of.is_none() || entry.endpoint == of)
            .map(|entry| {
                let mut told = entry.told.clone();
                told["number"] = json!(entry.number);
                told["endpoint"] = json!(entry.endpoint);
                told["status"] = json!(entry.status);
                told
            })
            .collect()
    }

    /// Forgets the requests, not the counts.
    pub(crate) fn clear(&self) {
        self.entries().kept.clear();
    }

    /// Forgets the requests and the counts.
    pub(crate) fn reset(&self) {
        for count in self.counts.iter().chain([&self.authorized]) {
            count.store(0, Ordering::Relaxed);
        }
        self.clear();
    }

    fn arrived(&self, endpoint: Option<Endpoint>, authorized: bool, told: Value) -> u64 {
        if let Some(endpoint) = endpoint {
            self.counts[endpoint as usize].fetch_add(1, Ordering::Relaxed);
            let fetch = matches!(endpoint, Endpoint::Jwks | Endpoint::Discovery);
            self.authorized
                .fetch_add(u64::from(fetch && authorized), Ordering::Relaxed);
        }
        let mut entries = self.entries();
        let number = entries.next;
        entries.next += 1;
        if entries.kept.len() == MAX_ENTRIES {
            entries.kept.pop_front();
        }
        entries.kept.push_back(Entry {
            number,
            endpoint,
            told,
            status: None,
        });
        number
    }

    fn answered(&self, number: u64, status: StatusCode) {
        let mut entries = self.entries();
        let found = entries.kept.iter_mut().rev();
        if let Some(entry) = { found }.find(|entry| entry.number == number) {
            entry.status = Some(status.as_u16());
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks an answer that is never sent.
#[derive(Clone, Copy)]
pub(crate) struct Unsent;

/// The layer that counts and remembers.
pub(crate) async fn recorded(
    State(issuer): State<Arc<DevIssuer>>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path() == "/" || request.uri().path().starts_with("/dev/") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let endpoint = Endpoint::at(parts.uri.path());
    let limit = match endpoint {
        Some(Endpoint::BackendApi) => MAX_BACKEND_API_BODY,
        _ => MAX_BODY,
    };
    let body = to_bytes(body, limit).await;
    let fields = body.as_deref().map_or_else(
        |_| Vec::new(),
        |bytes| body_fields(parts.headers.get(CONTENT_TYPE), bytes),
    );
    let number = issuer.log().arrived(
        endpoint,
        parts.headers.contains_key(AUTHORIZATION),
        told(&parts.method, &parts.uri, &parts.headers, &fields),
    );
    let response = match body {
        Ok(bytes) => {
            next.run(Request::from_parts(parts, Body::from(bytes)))
                .await
        }
        Err(_) if endpoint == Some(Endpoint::BackendApi) => too_large().into_response(),
        Err(_) => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "a body of 64 kB at most",
        ),
    };
    if response.extensions().get::<Unsent>().is_none() {
        issuer.log().answered(number, response.status());
    }
    response
}

fn told(method: &Method, uri: &Uri, headers: &HeaderMap, fields: &[String]) -> Value {
    let mut shown = Map::new();
    for name in SHOWN
        .into_iter()
        .chain(SHOWN_OF_CLERKS.map(HeaderName::from_static))
    {
        if let Some(value) = headers.get(&name) {
            let text = String::from_utf8_lossy(value.as_bytes());
            let value = match name {
                AUTHORIZATION => masked(&text),
                COOKIE => MASK.to_owned(),
                _ => cut(&text),
            };
            shown.insert(name.as_str().to_owned(), value.into());
        }
    }
    let query = uri.query().unwrap_or_default();
    json!({
        "method": cut(method.as_str()),
        "path": safe_path(uri.path()),
        "query_fields": names(form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name)),
        "headers": shown,
        "body_fields": fields,
    })
}

/// The names of the members of a JSON object, or of the fields of a form; never a value.
fn body_fields(content_type: Option<&HeaderValue>, body: &[u8]) -> Vec<String> {
    let content_type = content_type.and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|text| text.starts_with(FORM)) {
        return names(form_urlencoded::parse(body).map(|(name, _)| name));
    }
    let members: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    names(members.keys())
}

/// Names that look like names: a secret sent in the place of one is not shown.
fn names(found: impl Iterator<Item = impl AsRef<str>>) -> Vec<String> {
    found
        .take(MAX_NAMES)
        .map(|name| {
            let name = name.as_ref();
            let word = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
            let plain = name.len() <= MAX_NAME && name.chars().all(word) && !is_secret(name);
            if plain { name } else { MASK }.to_owned()
        })
        .collect()
}

/// The scheme, and the prefix that says what kind of credential it was.
fn masked(authorization: &str) -> String {
    let (scheme, credential) = match authorization.split_once(' ') {
        Some((scheme, rest)) if scheme.len() <= MAX_NAME && !is_secret(scheme) => {
            (format!("{scheme} "), rest)
        }
        _ => (String::new(), authorization),
    };
    let prefix = PREFIXES
        .into_iter()
        .find(|prefix| credential.starts_with(prefix));
    format!("{scheme}{}{MASK}", prefix.unwrap_or_default())
}

fn is_secret(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// The path, with a mask for what may be somebody's token.
fn safe_path(path: &str) -> String {
    if Endpoint::at(path).is_some_and(|endpoint| endpoint != Endpoint::BackendApi) {
        return path.to_owned();
    }
    let safe = |segment: &str| {
        if segment.len() > MAX_NAME || is_secret(segment) {
            MASK.to_owned()
        } else {
            segment.to_owned()
        }
    };
    cut(&path.split('/').map(safe).collect::<Vec<_>>().join("/"))
}

fn cut(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(MAX_TEXT)
        .collect()
}

const SHOWN: [HeaderName; 7] = [
    ACCEPT,
    ACCEPT_ENCODING,
    AUTHORIZATION,
    CONTENT_TYPE,
    COOKIE,
    HOST,
    USER_AGENT,
];
const SHOWN_OF_CLERKS: [&str; 2] = ["clerk-api-version", "x-clerk-sdk"];
/// How credentials begin, and how much of them may be shown.
const PREFIXES: [&str; 8] = [
    "sk_test_", "sk_live_", "ak_", "oat_", "mt_", "m2m_", "eyJ", "pk_",
];
const MASK: &str = "…";
const FORM: &str = "application/x-www-form-urlencoded";
/// Of a request's body.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// Of a request's body to the Backend API, which takes pictures.
pub(crate) const MAX_BACKEND_API_BODY: usize = 10 * 1024 * 1024;
const MAX_ENTRIES: usize = 256;
const MAX_NAMES: usize = 16;
const MAX_NAME: usize = 32;
const MAX_TEXT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_endpoint() {
        for (path, endpoint) in [
            ("/v1/jwks", Some(Endpoint::Jwks)),
            ("/jwks", None),
            ("/api_keys/verify", Some(Endpoint::Verify)),
            ("/v1/m2m_tokens/verify", Some(Endpoint::Verify)),
            ("/v1/v1/m2m_tokens/verify", Some(Endpoint::BackendApi)),
            ("/v1/users/user_1", Some(Endpoint::BackendApi)),
            ("/api_keys/ak_1/revoke", Some(Endpoint::BackendApi)),
            ("/users", None),
            ("/oauth/token_info", Some(Endpoint::Introspect)),
            ("/", None),
        ] {
            assert_eq!(Endpoint::at(path), endpoint, "{path}");
        }
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::from_name(endpoint.as_str()), Some(endpoint));
            assert_eq!(json!(endpoint), endpoint.as_str());
        }
    }

    #[test]
    fn nothing_secret_is_remembered() {
        let secret = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6";
        let mut headers = HeaderMap::new();
        for (credentials, shown) in [
            (format!("Bearer sk_test_{secret}"), "Bearer sk_test_…"),
            (format!("Bearer {secret}"), "Bearer …"),
            (format!("Basic {secret}"), "Basic …"),
            (format!("ak_{secret}"), "ak_…"),
            (format!("ak_{secret} x"), "ak_…"),
            (secret.to_owned(), "…"),
            (format!("{secret} {secret}"), "…"),
        ] {
            headers.insert(AUTHORIZATION, credentials.parse().unwrap());
            headers.insert(COOKIE, format!("__session={secret}").parse().unwrap());
            headers.insert("x-api-key", secret.parse().unwrap());
            let form = HeaderValue::from_static(FORM);
            let mut fields =
                body_fields(Some(&form), format!("token={secret}&{secret}").as_bytes());
            fields.extend(body_fields(
                None,
                json!({"secret": secret, secret: 1}).to_string().as_bytes(),
            ));
            let uri = format!("/x/{secret}/ak_1?access_token={secret}&{secret}=1");
            let told = told(&Method::POST, &uri.parse().unwrap(), &headers, &fields);
            assert!(!told.to_string().contains(secret), "{told}");
            assert_eq!(told["headers"]["authorization"], shown);
            assert_eq!(told["path"], "/x/…/…");
            assert_eq!(told["query_fields"], json!(["access_token", "…"]));
            assert_eq!(told["body_fields"][0], "token");
        }
    }

    #[test]
    fn the_log_is_bounded_and_the_counts_are_not() {
        let log = RequestLog::default();
        for _ in 0..300 {
            let number = log.arrived(Some(Endpoint::Verify), true, json!({}));
            log.answered(number, StatusCode::OK);
        }
        let unanswered = log.arrived(None, true, json!({}));
        assert_eq!(log.count(Endpoint::Verify), 300);
        assert_eq!((log.count(Endpoint::Jwks), log.authorized()), (0, 0));
        let told = log.told(None);
        assert_eq!(told.len(), MAX_ENTRIES);
        assert_eq!(told[MAX_ENTRIES - 1]["number"], json!(unanswered));
        assert_eq!(told[MAX_ENTRIES - 1]["status"], Value::Null);
        assert_eq!(told[0]["status"], 200);
        assert_eq!(log.told(Some(Endpoint::Verify)).len(), MAX_ENTRIES - 1);
        log.clear();
        assert_eq!(
            (log.told(None).len(), log.count(Endpoint::Verify)),
            (0, 300)
        );
    }
}
