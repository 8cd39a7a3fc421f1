//! What the operator decides, read once and checked (RFC 8414 §2, RFC 9728 §1.2).

use std::fmt;
use std::sync::Arc;

use doorward_core::{AlgorithmSet, JwkSet, Secret};
use url::{Host, Url};

use crate::keys::SigningKey;

/// The server's settings. Where a field has a safe default, [`Settings::new`] sets it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Its issuer identifier: `https`, or `http` on a loopback host; without query, fragment or slash at its end
    /// (RFC 8414 §2). Every endpoint stands below it, and it goes out byte by byte as it stands here.
    pub issuer: String,
    /// The protected resource, the MCP server's URL: the `aud` of every access token (RFC 8707 §2, RFC 9728 §1.2).
    pub resource: String,
    /// The scopes it grants (RFC 6749 §3.3). Who asks for none is asked to approve them all.
    pub scopes: Vec<String>,
    /// What lookup keys, refresh tokens and form tokens are keyed with: 32 random bytes at least, the same on every
    /// node, and nobody else's secret.
    pub secret: Secret,
    /// Where people sign in.
    pub upstream: Upstream,
    /// How often the upstream is asked whether it still stands by somebody. Every minute by default.
    pub upstream_check: UpstreamCheck,
    /// Seconds in which what stood counts as standing while nobody can say. 0 by default: an outage is a 503.
    pub outage_tolerance: i64,
    /// The claims of the upstream's ID token that access tokens carry too, such as `email` or `org_id`, so that tools know
    /// them without asking. None by default.
    pub claims: Vec<String>,
    /// When a person is asked about a client.
    pub consent: Consent,
    /// Clients that are known from the start.
    pub clients: Vec<StaticClient>,
    /// Clients whose `client_id` is the URL of a document about them. Let in by default, since a client that anybody may
    /// write is trusted no more than one that anybody may register; `None` keeps them out.
    pub client_documents: Option<ClientDocuments>,
    /// Who may register a client (RFC 7591).
    pub registration: Registration,
    /// Redirect URI schemes of native applications besides `http` on loopback and `https`, such as `cursor`
    /// (RFC 8252 §7.1). None by default.
    pub custom_schemes: Vec<String>,
    /// Where clients may send people back to at most, whatever they registered: redirect URIs, which may end in `/*` for
    /// every path below, or be `http://localhost:*` for every port of the person's own machine. `None`, the default, is
    /// whatever was registered.
    pub allowed_redirect_uris: Option<Vec<String>>,
    /// Where the upstream sends people back to: a path below `issuer`, as it was registered there. `/callback` by default.
    pub callback_path: String,
    /// Seconds until an access token expires. 3600 by default.
    pub access_token_lifetime: i64,
    /// Seconds that a signing key signs, with [rotating keys](super::AuthorizationServer::with_rotating_keys): an hour at
    /// least, and as long as an access token lives. 30 days by default.
    pub signing_key_period: i64,
    /// Seconds that a family of refresh tokens outlives its last use. 30 days by default.
    pub refresh_lifetime: i64,
    /// Answers `invalid_grant` with 401, as some clients were built to expect, instead of RFC 6749 §5.2's 400.
    pub invalid_grant_is_unauthorized: bool,
}

/// The authorization server at which people sign in; to it, this one is a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Upstream {
    /// Its `iss`, exactly.
    pub issuer: String,
    /// Where the browser is sent.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Where its public keys are.
    pub jwks_uri: String,
    /// Our name there.
    pub client_id: String,
    /// How we show who we are there.
    pub authentication: UpstreamAuthentication,
    /// Where tokens are taken back (RFC 7009), if anywhere.
    pub revocation_endpoint: Option<String>,
    /// Where it says whether a token is still good (RFC 7662), if anywhere.
    pub introspection_endpoint: Option<String>,
    /// Where it tells about people (OpenID Connect Core §5.3), if anywhere.
    pub userinfo_endpoint: Option<String>,
    /// Parameters besides the protocol's own that the browser is sent with, such as `prompt` or `audience`.
    pub extra_authorize_parameters: Vec<(String, String)>,
    /// Whether the upstream is told the resource (RFC 8707). Not by default.
    pub forward_resource: bool,
    /// What we ask for; `openid` is among it. By default `openid email profile`.
    pub scopes: Vec<String>,
    /// Whether its metadata says `authorization_response_iss_parameter_supported`. Then an answer without `iss` is
    /// refused; a wrong `iss` is refused in any case (RFC 9207 §2.4).
    pub iss_parameter_supported: bool,
}

/// How a client shows who it is (RFC 6749 §2.3.1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UpstreamAuthentication {
    /// Not at all: a public client.
    None,
    /// HTTP Basic, both halves form-encoded.
    Basic(Secret),
    /// In the body.
    Post(Secret),
    /// By a statement that is signed with this key, anew for each call (RFC 7523 §2.2).
    PrivateKeyJwt(Arc<SigningKey>),
}

/// How often the upstream is asked whether it still stands by somebody: by introspection where that endpoint is set, else
/// at the userinfo endpoint. Where its access token has expired, or neither endpoint is set, its refresh token is used;
/// who then has none has to sign in again, unless there was nobody to ask from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamCheck {
    /// Never. What ends here is still noticed within a minute.
    Never,
    /// Once in so many seconds for each family of tokens. What ends here is noticed within a minute, if not sooner.
    Every(i64),
    /// For every request.
    Always,
}

/// When a person is asked about a client before it gets anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Consent {
    /// Every time.
    #[default]
    Always,
    /// Not again for what this person approved in this browser: for the same client, redirect URI and scopes, where the
    /// redirect URI is `https`, the client was registered here and the browser says that no other site sent it. Whether it
    /// was this person is judged after the sign-in, and if it was not, they are asked then.
    Remember,
    /// Never here: something in front of this server asks. Where nothing does, whoever registers a client is let into the
    /// account of anybody who follows a link.
    External,
}

/// A client that the operator knows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StaticClient {
    /// Its name.
    pub client_id: String,
    /// What the consent page calls it.
    pub client_name: String,
    /// Where it may be sent back to. One that only acts for itself needs nothing here.
    pub redirect_uris: Vec<String>,
    /// Its secret, if it shows who it is by that.
    pub client_secret: Option<Secret>,
    /// Its public keys, a JWK set, if it shows who it is by those (`private_key_jwt`).
    pub keys: Option<String>,
    /// The scopes it may have, if it is limited.
    pub scopes: Option<Vec<String>>,
    /// Whether it may have tokens for itself, without a person (RFC 6749 §4.4). It has a secret or keys then.
    pub client_credentials: bool,
}

/// Which clients are let in by a document about them (OAuth Client ID Metadata Document).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientDocuments {
    /// The only domains that clients may be of: `example.com` is that name, `*.example.com` every name below it. All by
    /// default.
    pub allowed_domains: Option<Vec<String>>,
    /// Domains that no client may be of.
    pub denied_domains: Vec<String>,
    /// How many documents are fetched in a minute for one source. 10 by default.
    pub each_minute: u32,
    /// How many are fetched in a minute for all sources together. 60 by default.
    pub all_each_minute: u32,
    /// For tests only: lets in documents on a loopback host, by `http` too. Whoever can write a file on this machine, or
    /// has a server on it answer, is a client then.
    pub dangerously_allow_loopback_for_tests: bool,
}

/// Who may register a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody; `/register` is not there.
    Off,
    /// Everybody, within bounds.
    Open {
        /// Seconds that a client outlives the last token that it was given. Until it was given one, an hour at most.
        lifetime: i64,
        /// How many one source may register in a minute.
        each_minute: u32,
        /// How many all sources together may register in a minute.
        all_each_minute: u32,
    },
}

/// A setting that is unsafe or useless: which one, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl Settings {
    /// Settings with defaults for everything that has a safe one.
    pub fn new(
        issuer: impl Into<String>,
        resource: impl Into<String>,
        secret: Secret,
        upstream: Upstream,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            resource: resource.into(),
            scopes: Vec::new(),
            secret,
            upstream,
            upstream_check: UpstreamCheck::Every(DEFAULT_CHECK),
            outage_tolerance: 0,
            claims: Vec::new(),
            consent: Consent::default(),
            clients: Vec::new(),
            client_documents: Some(ClientDocuments::default()),
            registration: Registration::default(),
            custom_schemes: Vec::new(),
            allowed_redirect_uris: None,
            callback_path: CALLBACK.to_owned(),
            access_token_lifetime: 3600,
            signing_key_period: 30 * 86_400,
            refresh_lifetime: 30 * 86_400,
            invalid_grant_is_unauthorized: false,
        }
    }

    /// Whether the operator lets people be sent back to a redirect URI.
    pub(super) fn lets_back_to(&self, uri: &str) -> bool {
        let allowed = self.allowed_redirect_uris.as_ref();
        allowed.is_none_or(|all| all.iter().any(|one| super::redirect::allows(one, uri)))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let issuer = address("issuer", &self.issuer)?;
        if self.issuer.ends_with('/') || self.issuer.contains(['?', '#']) {
            return Err(ConfigError(format!(
                "`issuer` is {:?}; it has no query, no fragment and no slash at its end",
                self.issuer
            )));
        }
        let normal = issuer.as_str().strip_suffix('/').unwrap_or(issuer.as_str());
        if normal != self.issuer {
            return Err(ConfigError(format!(
                "`issuer` is {:?}; clients compare it byte by byte, so write it as {normal:?}",
                self.issuer
            )));
        }
        // CVE-2025-6514: some clients hand addresses to a shell.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_~[]".contains(&byte);
        if !self.issuer.bytes().all(plain) {
            return Err(ConfigError(format!(
                "`issuer` is {:?}; its path has letters, digits and `-._~` only",
                self.issuer
            )));
        }
        address("resource", &self.resource)?;
        if self.resource.contains(['?', '#']) {
            return Err(ConfigError(
                "`resource` has a query or a fragment".to_owned(),
            ));
        }
        if self.secret.expose().len() < MIN_SECRET {
            return Err(ConfigError(format!(
                "`secret` has {} bytes; {MIN_SECRET} random ones at least are needed",
                self.secret.expose().len()
            )));
        }
        for scope in self.scopes.iter().chain(&self.upstream.scopes) {
            if !is_scope(scope) {
                return Err(ConfigError(format!(
                    "`scopes` has {scope:?}, which is no scope"
                )));
            }
        }
        let upstream = &self.upstream;
        for (name, url) in [
            ("authorization_endpoint", &upstream.authorization_endpoint),
            ("token_endpoint", &upstream.token_endpoint),
            ("jwks_uri", &upstream.jwks_uri),
        ] {
            if address(name, url)?.fragment().is_some() {
                return Err(ConfigError(format!("`{name}` has a fragment")));
            }
        }
        for (name, url) in [
            ("revocation_endpoint", &upstream.revocation_endpoint),
            ("introspection_endpoint", &upstream.introspection_endpoint),
            ("userinfo_endpoint", &upstream.userinfo_endpoint),
        ] {
            if let Some(url) = url {
                address(name, url)?;
            }
        }
        if !upstream.scopes.iter().any(|scope| scope == "openid") {
            return Err(ConfigError(
                "`upstream.scopes` lacks `openid`, so nobody would say who signed in".to_owned(),
            ));
        }
        for (name, _) in &upstream.extra_authorize_parameters {
            if OWN_PARAMETERS.contains(&name.as_str()) {
                return Err(ConfigError(format!(
                    "`upstream.extra_authorize_parameters` has {name:?}, which is the protocol's own"
                )));
            }
        }
        for claim in &self.claims {
            if claim.is_empty() || OWN_CLAIMS.contains(&claim.as_str()) {
                return Err(ConfigError(format!(
                    "`claims` has {claim:?}, which access tokens say of themselves"
                )));
            }
        }
        for (name, seconds, range) in [
            (
                "upstream_check",
                self.upstream_check.seconds(),
                1..=MAX_LIFETIME,
            ),
            ("outage_tolerance", self.outage_tolerance, 0..=MAX_LIFETIME),
        ] {
            if !range.contains(&seconds) {
                return Err(ConfigError(format!(
                    "`{name}` is {seconds} s; expected {} to {MAX_LIFETIME}",
                    range.start()
                )));
            }
        }
        for scheme in &self.custom_schemes {
            if !is_custom_scheme(scheme) {
                return Err(ConfigError(format!(
                    "`custom_schemes` has {scheme:?}; expected a native application's own scheme, in lower case"
                )));
            }
        }
        for pattern in self.allowed_redirect_uris.iter().flatten() {
            super::redirect::check_pattern(pattern, &self.custom_schemes).map_err(|why| {
                ConfigError(format!("`allowed_redirect_uris` has {pattern:?}: {why}"))
            })?;
        }
        if !is_own_path(&self.callback_path) {
            return Err(ConfigError(format!(
                "`callback_path` is {:?}; expected a path of its own, such as \"/auth/callback\"",
                self.callback_path
            )));
        }
        for client in &self.clients {
            client
                .check(&self.scopes)
                .map_err(|why| ConfigError(format!("`clients`: {:?}: {why}", client.client_id)))?;
            for uri in &client.redirect_uris {
                super::redirect::check(uri, &self.custom_schemes).map_err(|why| {
                    ConfigError(format!("`redirect_uris` of {:?}: {why}", client.client_id))
                })?;
            }
        }
        let named: std::collections::HashSet<_> = self
            .clients
            .iter()
            .map(|client| &client.client_id)
            .collect();
        if named.len() != self.clients.len() {
            return Err(ConfigError("`clients` names one client twice".to_owned()));
        }
        for (name, seconds) in [
            ("access_token_lifetime", self.access_token_lifetime),
            ("refresh_lifetime", self.refresh_lifetime),
        ] {
            if !(1..=MAX_LIFETIME).contains(&seconds) {
                return Err(ConfigError(format!(
                    "`{name}` is {seconds} s; expected 1 to {MAX_LIFETIME}"
                )));
            }
        }
        match self.registration {
            Registration::Open { lifetime, .. } if !(60..=MAX_LIFETIME).contains(&lifetime) => {
                Err(ConfigError(format!(
                    "`registration.lifetime` is {lifetime} s; expected 60 to {MAX_LIFETIME}"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Upstream {
    /// An upstream whose endpoints stand where its metadata says.
    pub fn new(
        issuer: impl Into<String>,
        authorization_endpoint: impl Into<String>,
        token_endpoint: impl Into<String>,
        jwks_uri: impl Into<String>,
        client_id: impl Into<String>,
        authentication: UpstreamAuthentication,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            authorization_endpoint: authorization_endpoint.into(),
            token_endpoint: token_endpoint.into(),
            jwks_uri: jwks_uri.into(),
            client_id: client_id.into(),
            authentication,
            revocation_endpoint: None,
            introspection_endpoint: None,
            userinfo_endpoint: None,
            scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
            extra_authorize_parameters: Vec::new(),
            forward_resource: false,
            iss_parameter_supported: false,
        }
    }
}

impl UpstreamCheck {
    fn seconds(self) -> i64 {
        match self {
            Self::Every(seconds) => seconds,
            Self::Never | Self::Always => DEFAULT_CHECK,
        }
    }
}

impl UpstreamAuthentication {
    /// Its name in metadata (RFC 8414 §2, RFC 7591 §2).
    pub fn method(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }
}

impl StaticClient {
    /// A public client: what shows who it is, and what else there is to say, can be set on what is returned.
    pub fn new(
        client_id: impl Into<String>,
        client_name: impl Into<String>,
        redirect_uris: Vec<String>,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            client_name: client_name.into(),
            redirect_uris,
            client_secret: None,
            keys: None,
            scopes: None,
            client_credentials: false,
        }
    }

    fn check(&self, scopes: &[String]) -> Result<(), String> {
        if self.client_id.is_empty() || super::documents::is_document(&self.client_id) {
            return Err("its `client_id` is empty, or a URL".to_owned());
        }
        if self.redirect_uris.is_empty() && !self.client_credentials {
            return Err("it has no `redirect_uris`".to_owned());
        }
        if self.client_secret.is_some() && self.keys.is_some() {
            return Err("it has a `client_secret` and `keys`; one shows who it is".to_owned());
        }
        if self.client_credentials && self.client_secret.is_none() && self.keys.is_none() {
            return Err(
                "`client_credentials` needs a `client_secret` or `keys`, or anybody could ask"
                    .to_owned(),
            );
        }
        if let Some(keys) = &self.keys {
            let read = JwkSet::parse(keys, AlgorithmSet::ASYMMETRIC);
            let read = read.map_err(|error| format!("its `keys`: {error}"))?;
            if read.keys().is_empty() {
                return Err("its `keys` has no usable key".to_owned());
            }
        }
        let unknown = self
            .scopes
            .iter()
            .flatten()
            .find(|scope| !scopes.contains(scope));
        match unknown {
            Some(scope) => Err(format!(
                "its `scopes` has {scope:?}, which is not granted here"
            )),
            None => Ok(()),
        }
    }
}

impl Default for ClientDocuments {
    fn default() -> Self {
        Self {
            allowed_domains: None,
            denied_domains: Vec::new(),
            each_minute: 10,
            all_each_minute: 60,
            dangerously_allow_loopback_for_tests: false,
        }
    }
}

impl Default for Registration {
    /// Open: 90 days, ten a minute for each source, a hundred for all.
    fn default() -> Self {
        Self::Open {
            lifetime: 90 * 86_400,
            each_minute: 10,
            all_each_minute: 100,
        }
    }
}

impl ConfigError {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// RFC 6749 §3.3: one `scope-token`.
pub(super) fn is_scope(text: &str) -> bool {
    let fits =
        |byte: u8| byte == 0x21 || (0x23..=0x5b).contains(&byte) || (0x5d..=0x7e).contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// Whether this host is the machine itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether an endpoint may stand there: a plain path, and no other endpoint's.
fn is_own_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    path == CALLBACK
        || path.starts_with('/')
            && path.bytes().all(plain)
            && path
                .split('/')
                .skip(1)
                .all(|segment| !matches!(segment, "" | "." | ".."))
            && !path.starts_with("/.well-known/")
            && !super::ENDPOINTS.contains(&path)
}

fn address(name: &str, text: &str) -> Result<Url, ConfigError> {
    let wrong = || {
        ConfigError(format!(
            "`{name}` is {text:?}; expected an https URL, or http on a loopback host"
        ))
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let safe = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    };
    let bare = url.username().is_empty() && url.password().is_none();
    (safe && bare).then_some(url).ok_or_else(wrong)
}

/// RFC 3986 §3.1, less the schemes that a browser acts on itself.
fn is_custom_scheme(scheme: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(fits)
        && !NEVER_CUSTOM.contains(&scheme)
}

const NEVER_CUSTOM: [&str; 13] = [
    "http",
    "https",
    "javascript",
    "data",
    "file",
    "vbscript",
    "blob",
    "about",
    "ftp",
    "ws",
    "wss",
    "filesystem",
    "view-source",
];
const OWN_PARAMETERS: [&str; 12] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
];
/// RFC 9068 §2.2, RFC 7519 §4.1, and what changes whose token it is or how it is bound.
const OWN_CLAIMS: [&str; 17] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "client_id",
    "azp",
    "scope",
    "scp",
    "cnf",
    "act",
    "may_act",
    "nonce",
    "auth_time",
];
/// Seconds between two questions about one family, by default.
pub(super) const DEFAULT_CHECK: i64 = 60;
pub(super) const CALLBACK: &str = "/callback";
const MIN_SECRET: usize = 32;
const MAX_LIFETIME: i64 = 400 * 86_400;

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    #[test]
    fn what_is_unsafe_stops_the_start() {
        assert_eq!(settings().check(), Ok(()));
        type Spoil = fn(&mut Settings);
        let wrong: [(&str, Spoil); 30] = [
            ("redirect_uris", |s| {
                s.clients = vec![StaticClient::new("a", "A", Vec::new())]
            }),
            ("client_id", |s| {
                s.clients[0].client_id = "https://a.example/c".into()
            }),
            ("client_credentials", |s| {
                s.clients[0].client_secret = None;
                s.clients[0].client_credentials = true;
            }),
            ("keys", |s| s.clients[0].keys = Some("{}".into())),
            ("keys", |s| {
                s.clients[0].client_secret = None;
                s.clients[0].keys = Some(r#"{"keys":[]}"#.into());
            }),
            ("not granted here", |s| {
                s.clients[0].scopes = Some(vec!["admin".into()])
            }),
            ("upstream_check", |s| {
                s.upstream_check = UpstreamCheck::Every(0)
            }),
            ("outage_tolerance", |s| s.outage_tolerance = -1),
            ("claims", |s| s.claims = vec!["email".into(), "sub".into()]),
            ("extra_authorize_parameters", |s| {
                s.upstream.extra_authorize_parameters = vec![("state".into(), "x".into())]
            }),
            ("issuer", |s| s.issuer = "http://mcp.example.com".into()),
            ("issuer", |s| s.issuer = "https://mcp.example.com/".into()),
            ("issuer", |s| s.issuer = "https://MCP.example.com".into()),
            ("issuer", |s| s.issuer = "https://u@mcp.example.com".into()),
            ("issuer", |s| s.issuer = "https://mcp.example.com?x".into()),
            ("resource", |s| s.resource = "mcp".into()),
            ("resource", |s| {
                s.resource = "https://a.example/mcp#x".into()
            }),
            ("secret", |s| s.secret = Secret::from("short")),
            ("scopes", |s| s.scopes = vec!["a b".into()]),
            ("token_endpoint", |s| {
                s.upstream.token_endpoint = "http://a.example/t".into()
            }),
            ("jwks_uri", |s| {
                s.upstream.jwks_uri = "file:///etc/passwd".into()
            }),
            ("openid", |s| s.upstream.scopes = vec!["email".into()]),
            ("custom_schemes", |s| {
                s.custom_schemes = vec!["javascript".into()]
            }),
            ("custom_schemes", |s| {
                s.custom_schemes = vec!["Cursor".into()]
            }),
            ("access_token_lifetime", |s| s.access_token_lifetime = 0),
            ("callback_path", |s| s.callback_path = "/token".into()),
            ("callback_path", |s| s.callback_path = "/a/../b".into()),
            ("allowed_redirect_uris", |s| {
                s.allowed_redirect_uris = Some(vec!["https://*.example.com/cb".into()]);
            }),
            ("allowed_redirect_uris", |s| {
                s.allowed_redirect_uris = Some(vec!["https://app.example.com:*".into()]);
            }),
            ("redirect_uris", |s| {
                s.clients = vec![StaticClient::new(
                    "a",
                    "A",
                    vec!["https://a.example/#x".into()],
                )];
            }),
        ];
        for (named, spoil) in wrong {
            let mut settings = settings();
            spoil(&mut settings);
            let error = settings.check().expect_err(named).to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }

    #[test]
    fn a_loopback_host_may_do_without_tls() {
        for issuer in [
            "http://127.0.0.1:8000",
            "http://localhost",
            "http://[::1]:1/x",
        ] {
            let mut settings = settings();
            settings.issuer = issuer.into();
            assert_eq!(settings.check(), Ok(()), "{issuer}");
        }
    }
}
