//! An OAuth 2.1 authorization server for MCP servers, without I/O (MCP authorization, revision 2026-07-28).
//!
//! People sign in upstream, at the authorization server that the operator has; programs get tokens here, for one
//! resource. A request goes in, and either an answer comes out or what is needed for one:
//!
//! ```text
//! handle(request, moment) -> Exchange;   advance() -> Needs(store operation | upstream call) | Done(reply)
//! ```
//!
//! The server reads no clock, opens no socket and keeps nothing itself but the signing keys it has read: time and
//! randomness come with the request (but for that inside ES256 signatures and new keys, which the cryptographic library
//! brings), the [`Store`] keeps, a [`Transport`] calls, [`Pages`] shows people what they are asked. [`axum`] makes routes of it.
//!
//! ```
//! use doorward_core::Secret;
//! use doorward_issuer::authorization_server::{
//!     AuthorizationServer, Moment, Progress, Reply, Settings, Upstream, UpstreamAuthentication,
//! };
//! use doorward_issuer::{SigningAlgorithm, SigningKey};
//!
//! let upstream = Upstream::new(
//!     "https://accounts.example.com",
//!     "https://accounts.example.com/oauth/authorize",
//!     "https://accounts.example.com/oauth/token",
//!     "https://accounts.example.com/.well-known/jwks.json",
//!     "our-client-id",
//!     UpstreamAuthentication::Basic(Secret::from("our-client-secret")),
//! );
//! let secret = Secret::from("32 random bytes, better than these");
//! let mut settings =
//!     Settings::new("https://mcp.example.com", "https://mcp.example.com/mcp", secret, upstream);
//! settings.scopes = vec!["notes:read".to_owned()];
//! let key = SigningKey::generate(SigningAlgorithm::ES256)?;
//! let server = AuthorizationServer::new(settings, vec![key])?;
//!
//! let request = http::Request::get("/.well-known/oauth-protected-resource/mcp").body(Vec::new())?;
//! let seed = [7; 32]; // from a random number generator, fresh for each request
//! let mut exchange = server.handle(request, None, Moment::new(1_800_000_000, seed));
//! let Progress::Done(Reply::Response(response)) = exchange.advance() else {
//!     panic!("a document needs nothing");
//! };
//! assert_eq!(response.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Codes last a minute and are used once; a second good use ends what came of the first. A refresh token names its
//! family and its generation under a MAC, and only the family is kept, under a keyed digest: a copy of the store holds no
//! token of this server's. What the upstream gave is kept with the family; nothing hands it out but
//! [`AuthorizationServer::upstream_token`]. An access token is good until it expires, unless whoever takes it asks
//! whether its family stands: [`Sessions::check`].
//!
//! | endpoint | standard |
//! |---|---|
//! | `/.well-known/oauth-authorization-server` and the issuer's path | RFC 8414 §3, RFC 9207 §3 |
//! | `/.well-known/openid-configuration`, before and behind that path | OpenID Connect Discovery §3 |
//! | `/.well-known/oauth-protected-resource`, with and without the resource's path | RFC 9728 §3 |
//! | `/register` | RFC 7591 §3 |
//! | `/authorize`, `/consent`, `/callback` | RFC 6749 §4.1, RFC 7636, RFC 8707, RFC 9207, OpenID Connect Core §3.1 |
//! | `/token` | RFC 6749 §4.1.3, §4.4 and §6, RFC 7523 §2.2, RFC 9068 |
//! | `/revoke` | RFC 7009 |
//! | `/jwks` | RFC 7517 §5 |

pub mod axum;
#[cfg(feature = "transport")]
pub mod transport;

mod approvals;
mod assertion;
mod authorize;
mod callback;
mod client;
mod consent;
mod discovery;
mod documents;
mod exchange;
mod metadata;
mod observe;
mod pages;
mod redirect;
mod registration;
mod respond;
mod secrets;
mod sessions;
mod settings;
mod signing;
mod standing;
mod store;
mod token;
mod upstream;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use doorward_core::{
    AlgorithmSet, Audience, AuthorizedParties, AzpRule, Issuer, KeySource, Verifier,
};
use http::{Method, Request};
use url::Url;

pub use approvals::Approval;
pub use consent::ConsentPrompt;
pub use discovery::DiscoveryError;
pub use exchange::{
    DocumentAnswer, DocumentCall, DocumentError, Exchange, Need, Progress, Reply, Supply,
    Transport, UpstreamAnswer, UpstreamCall, UpstreamUnreachable,
};
pub use pages::{PageSettings, Pages};
pub use secrets::{Digest, Moment};
pub use sessions::Sessions;
pub use settings::{
    ClientDocuments, ConfigError, Consent, Registration, Settings, StaticClient, Upstream,
    UpstreamAuthentication, UpstreamCheck,
};
pub use standing::{Standing, UpstreamToken};
pub use store::{
    AnyStore, Capacity, Key, KeyRing, Kind, MemoryStore, Operation, Outcome, Put, Redeemed,
    Redemption, Rotated, Sealed, Store, StoreError, StoreStatus,
};

use crate::keys::{SigningAlgorithm, SigningKey};
use exchange::Desk;
pub(crate) use settings::is_loopback;

use respond::Halt;
use secrets::Keys;
use settings::CALLBACK;
use signing::{Rotation, Signing};

/// The server. Cheap to clone; it changes never.
#[derive(Clone)]
pub struct AuthorizationServer(Arc<Inner>);

struct Inner {
    settings: Settings,
    keys: Keys,
    signing: Signing,
    /// The issuer's path, without a slash at its end.
    base_path: String,
    resource: Url,
    /// Judges the upstream's ID tokens.
    upstream: Verifier,
}

impl AuthorizationServer {
    /// A server with these settings. The first key signs; all are published, so that tokens of a key that was replaced
    /// stay good until they expire.
    ///
    /// # Errors
    /// The setting that is unsafe or useless.
    pub fn new(settings: Settings, signing: Vec<SigningKey>) -> Result<Self, ConfigError> {
        settings.check()?;
        if signing.is_empty() {
            return Err(ConfigError::new("there is no signing key"));
        }
        let mut kids = BTreeSet::new();
        for key in &signing {
            if key.algorithm() != SigningAlgorithm::ES256 {
                return Err(ConfigError::new(format!(
                    "the signing key {:?} is for {}; access tokens are signed with ES256",
                    key.kid(),
                    key.algorithm()
                )));
            }
            if !kids.insert(key.kid()) {
                return Err(ConfigError::new("two signing keys have one `kid`"));
            }
        }
        let signing = Signing::Fixed(signing.into_iter().map(Arc::new).collect());
        Self::build(settings, signing)
    }

    /// A server whose nodes make their own signing keys, a new one for each
    /// [period](Settings::signing_key_period), and share them by the store.
    ///
    /// # Errors
    /// The setting that is unsafe or useless.
    pub fn with_rotating_keys(settings: Settings) -> Result<Self, ConfigError> {
        settings.check()?;
        let period = settings.signing_key_period;
        if !(settings.access_token_lifetime.max(MIN_PERIOD)..=MAX_PERIOD).contains(&period) {
            return Err(ConfigError::new(format!(
                "`signing_key_period` is {period} s; expected {MIN_PERIOD} to {MAX_PERIOD}, and no less than \
                 `access_token_lifetime`"
            )));
        }
        Self::build(settings, Signing::Rotating(Rotation::new(period)))
    }

    fn build(settings: Settings, signing: Signing) -> Result<Self, ConfigError> {
        let url = |text: &str| Url::parse(text).map_err(|_| ConfigError::new("not a URL"));
        let issuer = url(&settings.issuer)?;
        Ok(Self(Arc::new(Inner {
            keys: Keys::new(&settings.secret, &settings.issuer, &settings.resource),
            base_path: issuer.path().trim_end_matches('/').to_owned(),
            resource: url(&settings.resource)?,
            upstream: upstream_verifier(&settings.upstream).map_err(ConfigError::new)?,
            signing,
            settings,
        })))
    }

    /// Answers a request. `source` is the address it came from, as far as that is known; those of whom it is not known
    /// count as one.
    pub fn handle(
        &self,
        request: Request<Vec<u8>>,
        source: Option<IpAddr>,
        moment: Moment,
    ) -> Exchange {
        let server = self.clone();
        Exchange::new(moment.now, move |desk| async move {
            let call = Call {
                server: &server.0,
                request: &request,
                source,
                moment: &moment,
                desk: &desk,
            };
            match call.answer().await {
                Ok(reply) => {
                    observe::answered(call.endpoint());
                    reply
                }
                Err(halt) => {
                    observe::refused(call.endpoint(), &halt);
                    Reply::Response(call.halted(halt))
                }
            }
        })
    }

    /// An exchange that no request began.
    fn library<T, F>(&self, moment: Moment, work: F) -> Exchange<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c Call<'c>) -> Work<'c, T> + Send + 'static,
    {
        let server = self.clone();
        Exchange::new(moment.now, move |desk| async move {
            let call = Call {
                server: &server.0,
                request: &Request::default(),
                source: None,
                moment: &moment,
                desk: &desk,
            };
            work(&call).await
        })
    }

    /// The paths that this server answers at.
    pub fn paths(&self) -> BTreeSet<String> {
        let inner = &*self.0;
        let below = ENDPOINTS.map(|endpoint| {
            let path = match endpoint {
                CALLBACK => &inner.settings.callback_path,
                other => other,
            };
            format!("{}{path}", inner.base_path)
        });
        below
            .into_iter()
            .chain(inner.well_known().map(|(path, _)| path))
            .collect()
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.0.settings.issuer)
            .field("resource", &self.0.settings.resource)
            .finish_non_exhaustive()
    }
}

type Work<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// One request, and everything it is answered with.
struct Call<'c> {
    server: &'c Inner,
    request: &'c Request<Vec<u8>>,
    source: Option<IpAddr>,
    moment: &'c Moment,
    desk: &'c Desk,
}

impl Call<'_> {
    async fn answer(&self) -> Result<Reply, Halt> {
        let (method, path) = (self.request.method(), self.request.uri().path());
        if self.request.body().len() > MAX_BODY {
            return Err(Halt::too_large());
        }
        if self.request.uri().query().unwrap_or_default().len() > MAX_QUERY {
            return Err(Halt::invalid_request("the query is too long"));
        }
        let mut known = self.server.well_known();
        if let Some((_, document)) = known.find(|(known, _)| known == path) {
            return self.document(&document);
        }
        let endpoint = self.endpoint();
        if method == Method::OPTIONS && OPEN_TO_ORIGINS.contains(&endpoint) {
            return Ok(Reply::Response(respond::preflight()));
        }
        let reply = match (endpoint, method.as_str()) {
            ("/jwks", "GET" | "HEAD") => return self.document(&self.document_of_keys().await?),
            ("/register", "POST") => self.register().await?,
            ("/authorize", "GET" | "POST") => self.authorize().await?,
            ("/consent", "POST") => self.consent().await?,
            (CALLBACK, "GET") => self.callback().await?,
            ("/token", "POST") => self.token().await?,
            ("/revoke", "POST") => self.revoke().await?,
            (known, _) if ENDPOINTS.contains(&known) => return Err(Halt::method(known)),
            _ => return Err(Halt::not_found()),
        };
        Ok(reply)
    }

    /// Its name as the tables of this server have it, the callback under its usual one: nothing that a request made up.
    fn endpoint(&self) -> &'static str {
        let path = self.request.uri().path();
        let endpoint = path.strip_prefix(&self.server.base_path);
        if endpoint == Some(&self.server.settings.callback_path) {
            return CALLBACK;
        }
        let mut others = ENDPOINTS.into_iter().filter(|known| *known != CALLBACK);
        let known = others.find(|known| endpoint == Some(known));
        known.unwrap_or("other")
    }

    fn document(&self, document: &serde_json::Value) -> Result<Reply, Halt> {
        match *self.request.method() {
            Method::GET | Method::HEAD => Ok(Reply::Response(respond::document(document))),
            Method::OPTIONS => Ok(Reply::Response(respond::preflight())),
            _ => Err(Halt::method("/jwks")),
        }
    }

    /// Counts a request against its source and against all, and refuses what is too much.
    async fn within(&self, what: &str, each: u32, all: u32) -> Result<(), Halt> {
        self.within_source(what, each).await?;
        self.within_all(what, all).await
    }

    /// Counts a request against its source alone: against its /64 and its /48, where a household has one of either.
    async fn within_source(&self, what: &str, each: u32) -> Result<(), Halt> {
        match self.source.map(|source| source.to_canonical()) {
            None => self.within_window(what, "unknown", each).await,
            Some(IpAddr::V4(address)) => self.within_window(what, &address.to_string(), each).await,
            Some(IpAddr::V6(address)) => {
                let segments = address.segments();
                for (prefix, most) in [(4, each), (3, each.saturating_mul(EACH_OF_A_48))] {
                    let prefix = format!("{:x?}", &segments[..prefix]);
                    self.within_window(what, &prefix, most).await?;
                }
                Ok(())
            }
        }
    }

    /// Counts a request against all.
    async fn within_all(&self, what: &str, all: u32) -> Result<(), Halt> {
        self.within_window(what, "", all).await
    }

    async fn within_window(&self, what: &str, source: &str, most: u32) -> Result<(), Halt> {
        let operation = Operation::IncrWindow {
            key: self.server.keys.window(what, source),
            seconds: WINDOW,
        };
        match self.desk.store(operation).await? {
            Outcome::Count(count) if count <= most => Ok(()),
            Outcome::Count(_) => Err(Halt::too_many()),
            _ => Err(Halt::unavailable()),
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        key: Key,
        extend_to: Option<i64>,
    ) -> Result<Option<T>, Halt> {
        self.value(Operation::Read { key, extend_to }).await
    }

    async fn take<T: serde::de::DeserializeOwned>(&self, key: Key) -> Result<Option<T>, Halt> {
        self.value(Operation::Take { key }).await
    }

    async fn bytes(&self, key: Key) -> Result<Option<Vec<u8>>, Halt> {
        let read = Operation::Read {
            key,
            extend_to: None,
        };
        match self.desk.store(read).await? {
            Outcome::Value(value) => Ok(value),
            _ => Err(Halt::unavailable()),
        }
    }

    async fn value<T: serde::de::DeserializeOwned>(
        &self,
        operation: Operation,
    ) -> Result<Option<T>, Halt> {
        let Outcome::Value(value) = self.desk.store(operation).await? else {
            return Err(Halt::unavailable());
        };
        // What cannot be read is of another version: as good as absent.
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    async fn put(
        &self,
        key: Key,
        record: &impl serde::Serialize,
        seconds: i64,
    ) -> Result<(), Halt> {
        let value = serde_json::to_vec(record).map_err(|_| Halt::unavailable())?;
        let expires_at = self.moment.now.saturating_add(seconds);
        let operation = Operation::PutIfAbsent {
            key,
            value,
            expires_at,
        };
        match self.desk.store(operation).await? {
            Outcome::Put(Put::Stored) => Ok(()),
            // Taken keys are random: a taken one means that the seed was given twice, and nothing is safe then.
            _ => Err(Halt::unavailable()),
        }
    }
}

impl Inner {
    /// The URL of an endpoint.
    fn at(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.settings.issuer)
    }

    fn is_https(&self) -> bool {
        self.settings.issuer.starts_with("https:")
    }
}

/// OpenID Connect Core §3.1.3.7: an ID token is the upstream's, for us, and no other kind of token.
fn upstream_verifier(upstream: &Upstream) -> Result<Verifier, String> {
    let mut issuer = Issuer::new(
        upstream.issuer.as_str(),
        Audience::OneOf(vec![upstream.client_id.clone()]),
        KeySource::Remote,
        AlgorithmSet::ASYMMETRIC,
    );
    issuer.authorized_parties = AuthorizedParties {
        parties: vec![upstream.client_id.clone()],
        rule: AzpRule::IfPresent,
    };
    issuer.required_claims = ["nonce", "iat"].map(str::to_owned).to_vec();
    Verifier::new(vec![issuer], doorward_core::Settings::default())
}

const ENDPOINTS: [&str; 7] = [
    "/authorize",
    CALLBACK,
    "/consent",
    "/jwks",
    "/register",
    "/revoke",
    "/token",
];
/// Endpoints that a web page may call; none of them looks at a cookie.
const OPEN_TO_ORIGINS: [&str; 4] = ["/jwks", "/register", "/revoke", "/token"];
/// Seconds that a signing key signs: an hour to a year.
const MIN_PERIOD: i64 = 3600;
const MAX_PERIOD: i64 = 366 * 86_400;
const MAX_BODY: usize = 64 * 1024;
const MAX_QUERY: usize = 16 * 1024;
/// How many times as much as a /64 a whole /48 may ask for.
const EACH_OF_A_48: u32 = 4;
/// Seconds in which requests are counted.
const WINDOW: i64 = 60;
