//! Configuration: what an operator writes, in a file, in the environment or in code, and what it means.
//!
//! There is one vocabulary. [`Config`] and [`IssuerConfig`] are `doorward.toml` as types; the environment and the two
//! languages' constructors fill in the same fields; [`Config::resolve`] parses them once, into meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::{
    Algorithm, AlgorithmSet, Audience, AuthorizedParties, AzpRule, ClaimMap, ClaimPath, ClaimRule,
    DEFAULT_MAX_TOKEN_BYTES, Decoder, Issuer, IssuerName, IssuerTemplate, JwkSet, KeySource,
    KindSet, Secret, SessionSeal, Settings, SharedSecret, TENANT, Tenants, TokenKind, Verifier,
    WithoutAudience,
};
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::answers::AnswerSettings;
use crate::ask::{ClientAuth, Endpoint, Form};
use crate::calls::ToolScopes;
use crate::fetch::{KeysUrl, certificates, trusted_url, without_secrets};
use crate::freshness::FetchSettings;
use crate::preset::Preset;
use crate::resource::ProtectedResource;
use crate::revocation::{
    Address, DEFAULT_MAX_REVOCATIONS, DEFAULT_RETENTION, OnOutage, RevocationSettings,
};
use crate::signing::{ALGORITHMS, AssertingClient, SigningKey};

/// Everything about one [`Authenticator`](crate::Authenticator). The fields are those of `doorward.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Config {
    /// The trusted issuers, `[[issuer]]` in the file.
    #[serde(rename = "issuer")]
    pub issuers: Vec<IssuerConfig>,
    /// The kinds of tokens that are accepted of issuers that do not say so themselves. Default: `["session_token"]`, or
    /// what the issuer's preset says.
    pub accepts: Option<OneOrMany>,
    /// Whether a session with tasks left (`sts: pending`) counts as signed in. Default: false.
    pub allow_pending: Option<bool>,
    /// Seconds of leeway for issuers that set none of their own. Default: 5.
    pub leeway: Option<f64>,
    /// Session cookies to read, by exact name, before those of the presets. Default: none.
    pub cookies: Option<OneOrMany>,
    /// Bytes of memory for verified tokens; 0 switches the cache off. Default: 16 MiB.
    pub cache_bytes: Option<usize>,
    /// The longest token that is looked at, in bytes. Default: 16 KiB.
    pub max_token_bytes: Option<usize>,
    /// Whether refusals tell the caller why in detail. For development only. Default: false.
    pub explain: Option<bool>,
    /// Whether refusals are `application/problem+json` (RFC 9457) instead of `{"detail": "<code>"}`. Default: false.
    pub problem_details: Option<bool>,
    /// Seconds that an issuer's word about an opaque token is believed, never beyond the token's own expiry. Default: 60.
    pub answer_ttl: Option<f64>,
    /// Seconds that an opaque token counts as unknown after its issuer said so. Default: 10.
    pub answer_negative_ttl: Option<f64>,
    /// Seconds beyond `answer_ttl` that an issuer's word is believed while the issuer does not answer. Default: 0.
    pub answer_stale_if_error: Option<f64>,
    /// Where processes share what was revoked: `redis://…`, `postgres://…` or `sqlite:///…`. Default: nowhere, each process
    /// knows what it was told.
    pub revocation_store: Option<SecretText>,
    /// What becomes of good tokens while the store is away: `accept` (the default) or `refuse`.
    pub revocation_on_outage: Option<String>,
    /// Seconds that a revocation is kept; not less than the longest life of a token. Default: 86400, a day.
    pub revocation_retention: Option<f64>,
    /// How many revocations are kept in memory. Default: 1000000.
    pub revocation_max_entries: Option<usize>,
    /// Seconds that userinfo is remembered. Default: 300.
    pub userinfo_ttl: Option<f64>,
    /// The header field in which your own proxy says who asks, such as `x-forwarded-for`: the last address in it counts.
    /// Without it, the address at the other end of the connection does. Default: none.
    pub client_address_header: Option<String>,
    /// The URL that clients know this API by (RFC 9728 §1.2). With it, challenges say where its metadata are, and it is the
    /// `audience` of issuers that have none of their own. Default: none.
    pub resource: Option<String>,
    /// The issuer identifiers of who gives tokens for the resource. Default: the issuers' names.
    pub authorization_servers: Option<OneOrMany>,
    /// The scopes that the resource knows, for its metadata. One text is split at spaces and commas. Default: none are named.
    pub scopes_supported: Option<OneOrMany>,
    /// The scopes to begin with, which a 401 names. Default: `scopes_supported`.
    pub challenge_scopes: Option<OneOrMany>,
    /// Whether both lists name `offline_access` as well, for clients that get no refresh token otherwise. Default: false.
    pub offline_access: Option<bool>,
    /// What the resource is called, for people.
    pub resource_name: Option<String>,
    /// A page for developers.
    pub resource_documentation: Option<String>,
    /// A page about what clients may do with the data.
    pub resource_policy_uri: Option<String>,
    /// A page with the terms of service.
    pub resource_tos_uri: Option<String>,
    /// Scopes that hold others: `{ "notes:write" = ["notes:read"] }`. What those hold is held as well.
    pub scope_implies: Option<BTreeMap<String, OneOrMany>>,
    /// The scopes that the tools of an MCP server take, by name: `{ delete_note = ["notes:write"] }`.
    pub tool_scopes: Option<BTreeMap<String, OneOrMany>>,
    /// The scopes that every other tool takes. Default: none.
    pub default_tool_scopes: Option<OneOrMany>,
    /// What names of sessions are bound to their callers with, 32 bytes at least, the same on every node. Default: made anew
    /// by each process.
    pub session_secret: Option<SecretText>,
    /// Certificate authorities to trust besides the system's where issuers are asked for keys, tokens and userinfo, in PEM.
    /// Default: none; `SSL_CERT_FILE` in the environment takes the place of the system's.
    pub certificate_authorities: Option<String>,
    /// A file with them.
    pub certificate_authorities_file: Option<String>,
    /// How key sets are fetched. Not in the file: the defaults need no tuning.
    #[serde(skip)]
    pub fetch: FetchSettings,
}

/// One trusted issuer, `[[issuer]]` in `doorward.toml`. `Debug` shows what names it, and nothing that may be a secret.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct IssuerConfig {
    /// A provider whose settings fill in what is not set here; `docs/providers.md` lists them.
    pub preset: Option<String>,
    /// Its `iss`, exactly; or with `{tenant}` in the place of one label of the host or one segment of the path.
    pub issuer: Option<String>,
    /// Other spellings of its `iss`, exactly.
    pub issuer_aliases: Option<OneOrMany>,
    /// Which tenants are trusted, where `issuer` has a hole for them. `"*"` trusts whoever has a tenant there.
    pub tenants: Option<OneOrMany>,
    /// How many tenants' key sets are remembered. Default: 1000.
    pub max_tenants: Option<NonZeroUsize>,
    /// Takes any `https` issuer, because the keys belong to one instance of one provider. Only with `keys`, or with a
    /// key set that a secret guards.
    pub issuer_pinned_by_keys: Option<bool>,
    /// Which `aud` its tokens must have. `"*"` waives the check. Default: `resource`.
    pub audience: Option<OneOrMany>,
    /// The clients whose tokens pass although they name no audience at all, by `client_id`.
    pub clients_without_audience: Option<OneOrMany>,
    /// Lets every token pass that names no audience, whoever it was made for. Whoever else accepts tokens of this issuer can
    /// then use those they are given here.
    pub dangerously_accept_tokens_without_audience: Option<bool>,
    /// The keys themselves: PEM, DER as base64, JWK or JWK set, in any spelling.
    pub keys: Option<OneOrMany>,
    /// A file with the keys.
    pub keys_file: Option<String>,
    /// Where the JWK set is published. `{tenant}` is the tenant's name.
    pub jwks_url: Option<String>,
    /// A bearer secret the JWK set's source wants to see.
    pub jwks_bearer: Option<SecretText>,
    /// Header fields the JWK set's source wants to see.
    pub jwks_headers: Option<BTreeMap<String, SecretText>>,
    /// Finds the key set by the issuer's metadata document. Default if no keys are given.
    pub discover: Option<bool>,
    /// Fetches keys by plain http, even from other machines. Whoever sits on the way can then sign tokens.
    pub insecure_plain_http: Option<bool>,
    /// A secret shared with the issuer, for HS256, HS384 and HS512; never beside keys.
    pub shared_secret: Option<SecretText>,
    /// The algorithms it signs with. Default: every asymmetric one, as the keys allow; HS256 with a shared secret.
    pub algorithms: Option<OneOrMany>,
    /// The origins (or clients) its tokens may be made for, compared exactly with `azp`. One string is split at commas.
    pub authorized_parties: Option<OneOrMany>,
    /// What becomes of `azp`: `require` (the default with `authorized_parties`), `if_present` or `off`.
    pub azp: Option<String>,
    /// The kinds of tokens that are accepted of it.
    pub accepts: Option<OneOrMany>,
    /// The kinds of tokens it may issue for us. Default: all that can be JWTs.
    pub token_types: Option<OneOrMany>,
    /// Claims that must be there besides `iss`, `sub` and `exp`.
    pub required_claims: Option<OneOrMany>,
    /// Seconds its clock may differ from ours.
    pub leeway: Option<f64>,
    /// Where the user's id stands, if not in `sub`: a claim's name, or a JSON Pointer such as `/user/id`. A token
    /// without the claim is not a user's.
    pub user_id_claim: Option<String>,
    /// Where the roles stand: a string, a list, or an object whose names are the roles.
    pub roles_claim: Option<String>,
    /// Where the scopes stand, if not in `scope`, `scp` or `scopes`.
    pub scopes_claim: Option<String>,
    /// Where the permissions stand, if not in `permissions`.
    pub permissions_claim: Option<String>,
    /// Where the organization's id stands.
    pub organization_claim: Option<String>,
    /// Where the session's id stands, if not in `sid`.
    pub session_claim: Option<String>,
    /// Where the client's id stands, if not in `client_id`.
    pub client_id_claim: Option<String>,
    /// What is compared with `audience`, if not `aud`.
    pub audience_claim: Option<String>,
    /// Claims that must have one of these values; a token with another is of another kind.
    pub required_values: Option<BTreeMap<String, OneOrMany>>,
    /// Claims that mark a token as a machine's (`m2m_token`) if they have one of these values.
    pub machine_values: Option<BTreeMap<String, OneOrMany>>,
    /// Claims without which a token is a machine's (`m2m_token`).
    pub machine_without: Option<OneOrMany>,
    /// How its tokens are read: `standard` or `clerk`.
    pub decoder: Option<String>,
    /// Session cookies that hold its tokens, by exact name.
    pub cookies: Option<OneOrMany>,
    /// The provider's publishable key, from which its issuer follows.
    pub publishable_key: Option<String>,
    /// The provider's secret key, with which its key set can be fetched.
    pub secret_key: Option<SecretText>,
    /// A machine's secret key, with which machine tokens are asked about before the instance's own.
    pub machine_secret_key: Option<SecretText>,
    /// Your OAuth clients, for which the issuer makes logout tokens. Default: whoever `audience` names.
    pub logout_client_id: Option<OneOrMany>,
    /// Where the issuer is asked about opaque tokens (RFC 7662).
    pub introspection_url: Option<String>,
    /// Who asks, at `introspection_url`.
    pub introspection_client_id: Option<String>,
    /// The secret of who asks.
    pub introspection_client_secret: Option<SecretText>,
    /// How who asks is shown: `client_secret_basic` (the default with a secret), `client_secret_post`, `private_key_jwt`
    /// (the default with a key) or `none`.
    pub introspection_auth: Option<String>,
    /// The private key of who asks, in PEM, as a JWK or a JWK set; of several the first signs.
    pub introspection_client_key: Option<SecretTexts>,
    /// A file with it.
    pub introspection_client_key_file: Option<String>,
    /// The `kid` of the first key, where the key does not name itself.
    pub introspection_client_key_id: Option<String>,
    /// What the key signs with: `RS256` (an RSA key's default), `PS256`, `ES256` or `EdDSA`.
    pub introspection_client_algorithm: Option<String>,
    /// What the issuer is called in the `aud` of what is signed. Default: its `iss`.
    pub introspection_assertion_audience: Option<String>,
    /// How it answers: `json` (RFC 7662, the default) or `jwt`, which is signed (RFC 9701).
    pub introspection_response: Option<String>,
    /// Where an access token's issuer tells more about its user (OpenID Connect Core §5.3).
    pub userinfo_url: Option<String>,
    /// Where a provider is asked about opaque tokens in a way of its own, by kind.
    pub opaque: Option<BTreeMap<String, OpaqueConfig>>,
    /// The provider's API, if not the usual one.
    pub api_url: Option<String>,
    /// A preset's hole: the host of the provider's tenant.
    pub domain: Option<String>,
    /// A preset's hole: where the provider runs.
    pub url: Option<String>,
    /// A preset's hole.
    pub region: Option<String>,
    /// A preset's hole.
    pub user_pool_id: Option<String>,
    /// A preset's hole.
    pub tenant_id: Option<String>,
    /// A preset's hole.
    pub project_id: Option<String>,
    /// A preset's hole.
    pub realm: Option<String>,
    /// A preset's hole.
    pub client_id: Option<String>,
    /// A preset's hole.
    pub authorization_server: Option<String>,
}

impl fmt::Debug for IssuerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerConfig")
            .field("preset", &self.preset)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("jwks_url", &self.jwks_url.as_deref().map(without_secrets))
            .finish_non_exhaustive()
    }
}

/// Where a provider is asked about opaque tokens of one kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OpaqueConfig {
    /// The endpoint.
    pub url: String,
    /// The member of the JSON object that holds the token.
    pub member: String,
    /// The secrets that may show who asks, the first that is known.
    pub bearer: Vec<SecretText>,
    /// Header fields the endpoint wants to see.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretText>,
}

/// A string, or a list of strings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One; where a list is meant it is split at commas.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The items as given.
    pub fn items(&self) -> Vec<&str> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many.iter().map(String::as_str).collect(),
        }
    }

    /// A list, from text that is split at commas.
    pub(crate) fn list(text: &str) -> Self {
        let split = Self::from(text).split();
        match split.as_slice() {
            [one] => Self::One(one.clone()),
            _ => Self::Many(split),
        }
    }

    /// The items, with one string split at commas, white space trimmed and empty items dropped.
    pub fn split(&self) -> Vec<String> {
        let pieces: Vec<&str> = match self {
            Self::One(one) => one.split(',').collect(),
            Self::Many(many) => many.iter().map(String::as_str).collect(),
        };
        pieces
            .into_iter()
            .map(str::trim)
            .filter(|piece| !piece.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

impl From<&str> for OneOrMany {
    fn from(one: &str) -> Self {
        Self::One(one.to_owned())
    }
}

impl From<Vec<String>> for OneOrMany {
    fn from(many: Vec<String>) -> Self {
        Self::Many(many)
    }
}

/// A secret in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct SecretText(pub Secret);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// A private key as text or as a JWK, or a list of those, in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Spelled")]
pub struct SecretTexts(pub Vec<Secret>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Spelled {
    Text(String),
    Jwk(serde_json::Map<String, serde_json::Value>),
    Many(Vec<Self>),
}

impl From<Spelled> for SecretTexts {
    fn from(spelled: Spelled) -> Self {
        Self(match spelled {
            Spelled::Text(text) => vec![Secret::new(text)],
            Spelled::Jwk(jwk) => vec![Secret::new(serde_json::Value::from(jwk).to_string())],
            Spelled::Many(several) => several
                .into_iter()
                .flat_map(|spelled| Self::from(spelled).0)
                .collect(),
        })
    }
}

impl From<String> for SecretTexts {
    fn from(text: String) -> Self {
        Self(vec![Secret::new(text)])
    }
}

/// The operator's mistake, found at start-up: which setting, what was found, what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {message}")]
pub struct ConfigError {
    /// The setting, as the operator spelled it.
    pub setting: String,
    /// What was found and what would be right. Never a secret.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(setting: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            setting: setting.into(),
            message: message.into(),
        }
    }
}

/// What an operator's words mean: ready to serve.
pub(crate) struct Resolved {
    pub(crate) verifier: Verifier,
    /// By issuer.
    pub(crate) sources: Vec<KeysAt>,
    pub(crate) fetch: FetchSettings,
    pub(crate) cache_bytes: usize,
    pub(crate) explain: bool,
    pub(crate) problem_details: bool,
    /// By issuer: where it is asked about opaque tokens.
    pub(crate) endpoints: Vec<Vec<Endpoint>>,
    pub(crate) answers: AnswerSettings,
    pub(crate) revocation: RevocationSettings,
    /// By issuer: where it tells more about a user.
    pub(crate) userinfo: Vec<Vec<Endpoint>>,
    pub(crate) userinfo_ttl: Duration,
    pub(crate) client_address_header: Option<String>,
    pub(crate) resource: Option<ProtectedResource>,
    pub(crate) tools: ToolScopes,
    pub(crate) session_seal: Option<SessionSeal>,
}

/// Where an issuer's keys are.
#[derive(Debug)]
pub(crate) enum KeysAt {
    /// They were given.
    Hand,
    /// One document.
    Url(KeysUrl),
    /// A document for each tenant, of which so many are remembered.
    Tenants {
        url: KeysUrl,
        most: Option<NonZeroUsize>,
    },
}

const DEFAULT_MAX_TENANTS: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

/// The settings that hold for all issuers alike.
const SHARED: [&str; 32] = [
    "answer_ttl",
    "answer_negative_ttl",
    "answer_stale_if_error",
    "userinfo_ttl",
    "client_address_header",
    "accepts",
    "allow_pending",
    "leeway",
    "cookies",
    "cache_bytes",
    "max_token_bytes",
    "explain",
    "problem_details",
    "revocation_store",
    "revocation_on_outage",
    "revocation_retention",
    "revocation_max_entries",
    "resource",
    "authorization_servers",
    "scopes_supported",
    "challenge_scopes",
    "offline_access",
    "resource_name",
    "resource_documentation",
    "resource_policy_uri",
    "resource_tos_uri",
    "scope_implies",
    "tool_scopes",
    "default_tool_scopes",
    "session_secret",
    "certificate_authorities",
    "certificate_authorities_file",
];

const DEFAULT_CACHE_BYTES: usize = 16 * 1024 * 1024;

impl Config {
    /// A configuration that trusts these issuers.
    pub fn new(issuers: impl IntoIterator<Item = IssuerConfig>) -> Self {
        Self {
            issuers: issuers.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Reads `doorward.toml`.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has an unknown or mistyped setting.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(path.display().to_string(), error.to_string()))?;
        let mut config = Self::from_toml(&text).map_err(|error| {
            ConfigError::new(
                format!("{}: {}", path.display(), error.setting),
                error.message,
            )
        })?;
        // A relative file is meant relative to the file that names it.
        let authorities = &mut config.certificate_authorities_file;
        let others = config.issuers.iter_mut().flat_map(|issuer| {
            [
                &mut issuer.keys_file,
                &mut issuer.introspection_client_key_file,
            ]
        });
        for file in others.chain([authorities]) {
            if let (Some(file), Some(folder)) = (file, path.parent()) {
                *file = folder.join(&*file).display().to_string();
            }
        }
        Ok(config)
    }

    /// Reads the text of a `doorward.toml`.
    ///
    /// # Errors
    /// As [`Config::from_file`].
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            ConfigError::new(format!("line {line}"), with_suggestion(error.message()))
        })
    }

    /// Reads a JSON object with the settings of a `doorward.toml`. Where there is one issuer, its settings may stand
    /// beside the others: `{"preset": "clerk", "publishable_key": "pk_…"}`.
    ///
    /// # Errors
    /// It is no JSON object, or has an unknown or mistyped setting.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let wrong = |error: serde_json::Error| {
            ConfigError::new("configuration", with_suggestion(&error.to_string()))
        };
        let settings: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(wrong)?;
        if settings
            .get("issuer")
            .is_some_and(|issuer| !issuer.is_string())
        {
            return serde_json::from_value(settings.into()).map_err(wrong);
        }
        let (shared, issuer) = settings
            .into_iter()
            .partition::<serde_json::Map<_, _>, _>(|(name, _)| SHARED.contains(&name.as_str()));
        let mut config: Self = serde_json::from_value(shared.into()).map_err(wrong)?;
        let issuer: IssuerConfig = serde_json::from_value(issuer.into()).map_err(wrong)?;
        config.issuers.push(issuer);
        Ok(config)
    }

    /// Sets the kinds of tokens that are accepted.
    #[must_use]
    pub fn accepts(mut self, kinds: impl IntoIterator<Item = TokenKind>) -> Self {
        self.accepts = Some(OneOrMany::Many(
            kinds
                .into_iter()
                .map(|kind| kind.as_str().to_owned())
                .collect(),
        ));
        self
    }

    /// Parses everything once, into meaning.
    pub(crate) fn resolve(&self) -> Result<Resolved, ConfigError> {
        if self.issuers.is_empty() {
            return Err(ConfigError::new(
                "issuer",
                "no issuer is configured, so every token would be refused",
            ));
        }
        let leeway = self.leeway.map(|s| duration("leeway", s)).transpose()?;
        let mut cookies = self
            .cookies
            .as_ref()
            .map(OneOrMany::split)
            .unwrap_or_default();
        let shared = self.accepts.as_ref();
        let (mut issuers, mut sources) = (Vec::new(), Vec::new());
        let (mut accepted, mut endpoints) = (KindSet::default(), Vec::new());
        let mut userinfo = Vec::new();
        for given in &self.issuers {
            let mut config = given.with_preset()?;
            let sessions_have_none = self.audience_is_the_resource(given, &mut config);
            let (mut issuer, source) = config.resolve(leeway)?;
            if sessions_have_none {
                let kinds = issuer.without_audience.kinds;
                issuer.without_audience.kinds = kinds.union(KindSet::SESSION);
            }
            let accepts = given
                .accepts
                .as_ref()
                .or(shared)
                .or(config.accepts.as_ref());
            let accepts = kinds("accepts", accepts, KindSet::SESSION)?;
            if accepts.is_empty() {
                return Err(ConfigError::new(
                    "accepts",
                    "is empty, so every token of this issuer would be refused",
                ));
            }
            issuer.token_types = issuer.token_types.intersection(accepts);
            let asked = config.endpoints()?;
            let kinds: KindSet = asked.iter().map(|endpoint| endpoint.kind).collect();
            issuer.opaque = kinds.intersection(accepts);
            if accepts.contains(TokenKind::ApiKey) && !kinds.contains(TokenKind::ApiKey) {
                return Err(ConfigError::new(
                    "accepts",
                    "names api_key, which only the issuer's word can verify: give `secret_key`, so that it can be asked",
                ));
            }
            if asked.iter().any(|endpoint| endpoint.signed) {
                issuer.answers_signed_for = Some(config.answers_signed_for(&issuer.name)?);
            }
            endpoints.push(asked);
            userinfo.push(config.userinfo()?);
            accepted = accepted.union(accepts);
            for name in config.cookies.iter().flat_map(OneOrMany::split) {
                if !cookies.contains(&name) {
                    cookies.push(name);
                }
            }
            issuers.push(issuer);
            sources.push(source);
        }
        if self.max_token_bytes == Some(0) {
            return Err(ConfigError::new(
                "max_token_bytes",
                "is 0, so every token would be refused",
            ));
        }
        let settings = Settings {
            accepts: accepted,
            allow_pending: self.allow_pending.unwrap_or(false),
            cookies,
            max_token_bytes: self.max_token_bytes.unwrap_or(DEFAULT_MAX_TOKEN_BYTES),
            scope_implies: self.scope_hierarchy()?,
        };
        let resource = self.protected_resource(&issuers)?;
        let verifier =
            Verifier::new(issuers, settings).map_err(|why| ConfigError::new("issuer", why))?;
        Ok(Resolved {
            verifier,
            sources,
            fetch: self.fetching()?,
            cache_bytes: self.cache_bytes.unwrap_or(DEFAULT_CACHE_BYTES),
            explain: self.explain.unwrap_or(false),
            problem_details: self.problem_details.unwrap_or(false),
            endpoints,
            answers: self.answers()?,
            revocation: self.revocation()?,
            userinfo,
            userinfo_ttl: seconds("userinfo_ttl", self.userinfo_ttl, 300)?,
            client_address_header: self.client_address_header()?,
            resource,
            tools: self.tools()?,
            session_seal: self.session_seal()?,
        })
    }
}

impl Config {
    fn fetching(&self) -> Result<FetchSettings, ConfigError> {
        let mut fetch = self.fetch.clone();
        let (setting, pem) = match (
            &self.certificate_authorities,
            &self.certificate_authorities_file,
        ) {
            (None, None) => return Ok(fetch),
            (Some(pem), None) => ("certificate_authorities", pem.clone()),
            (None, Some(path)) => {
                let name = "certificate_authorities_file";
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError::new(name, format!("{path}: {error}")))?;
                (name, text)
            }
            (Some(_), Some(_)) => {
                return Err(ConfigError::new(
                    "certificate_authorities_file",
                    "and `certificate_authorities` exclude each other",
                ));
            }
        };
        if !certificates(&pem).is_ok_and(|found| !found.is_empty()) {
            let why = "has no certificate, `-----BEGIN CERTIFICATE-----`, that can be read";
            return Err(ConfigError::new(setting, why));
        }
        fetch.certificate_authorities = Some(pem.into());
        Ok(fetch)
    }

    fn revocation(&self) -> Result<RevocationSettings, ConfigError> {
        let store = self.revocation_store.as_ref();
        let store = store.map(|store| Address::read(&store.0)).transpose();
        let on_outage = match self.revocation_on_outage.as_deref() {
            None | Some("accept") => OnOutage::Accept,
            Some("refuse") => OnOutage::Refuse,
            Some(other) => {
                let why = unknown(other, &["accept", "refuse"]);
                return Err(ConfigError::new("revocation_on_outage", why));
            }
        };
        let retention = self
            .revocation_retention
            .unwrap_or(DEFAULT_RETENTION.as_secs_f64());
        let most = self
            .revocation_max_entries
            .unwrap_or(DEFAULT_MAX_REVOCATIONS);
        if most == 0 {
            let why = "is 0, so nothing could be revoked";
            return Err(ConfigError::new("revocation_max_entries", why));
        }
        Ok(RevocationSettings {
            store: store.map_err(|why| ConfigError::new("revocation_store", why))?,
            on_outage,
            retention: Duration::try_from_secs_f64(retention)
                .ok()
                .filter(|given| (60..=366 * 86_400).contains(&given.as_secs()))
                .ok_or_else(|| {
                    let why = format!("{retention} is no number of seconds from 60 to 31622400");
                    ConfigError::new("revocation_retention", why)
                })?,
            most,
        })
    }

    fn answers(&self) -> Result<AnswerSettings, ConfigError> {
        Ok(AnswerSettings {
            positive: seconds("answer_ttl", self.answer_ttl, 60)?,
            negative: seconds("answer_negative_ttl", self.answer_negative_ttl, 10)?,
            stale_if_error: seconds("answer_stale_if_error", self.answer_stale_if_error, 0)?,
            cache_bytes: self.cache_bytes.unwrap_or(DEFAULT_CACHE_BYTES),
        })
    }

    fn client_address_header(&self) -> Result<Option<String>, ConfigError> {
        let Some(name) = &self.client_address_header else {
            return Ok(None);
        };
        let name = HeaderName::try_from(name.as_str()).map_err(|_| {
            ConfigError::new("client_address_header", "is no name of a header field")
        })?;
        Ok(Some(name.as_str().to_owned()))
    }
}

fn seconds(setting: &str, seconds: Option<f64>, default: u64) -> Result<Duration, ConfigError> {
    match seconds {
        None => Ok(Duration::from_secs(default)),
        Some(given) => Duration::try_from_secs_f64(given)
            .ok()
            .filter(|given| *given <= Duration::from_secs(86_400))
            .ok_or_else(|| {
                let why = format!("{given} is no number of seconds from 0 to 86400");
                ConfigError::new(setting, why)
            }),
    }
}

impl IssuerConfig {
    /// An issuer by its `iss`, whose keys are found by discovery unless they are given.
    pub fn new(issuer: impl Into<String>, audience: impl Into<OneOrMany>) -> Self {
        Self {
            issuer: Some(issuer.into()),
            audience: Some(audience.into()),
            ..Self::default()
        }
    }

    /// An issuer of a known provider.
    pub fn preset(name: impl Into<String>) -> Self {
        Self {
            preset: Some(name.into()),
            ..Self::default()
        }
    }

    /// Reads a JSON object with the settings of one issuer.
    ///
    /// # Errors
    /// It is no JSON object, or has an unknown or mistyped setting.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        serde_json::from_str(text)
            .map_err(|error| ConfigError::new("issuer", with_suggestion(&error.to_string())))
    }

    /// Fills in what a preset knows and the operator did not say.
    fn with_preset(&self) -> Result<Self, ConfigError> {
        let Some(name) = &self.preset else {
            return Ok(self.clone());
        };
        Preset::named(name)?.complete(self)
    }

    fn resolve(&self, default_leeway: Option<Duration>) -> Result<(Issuer, KeysAt), ConfigError> {
        let name = self.name()?;
        let algorithms = self.algorithms()?;
        let (keys, source) = self.keys(&name, algorithms)?;
        let leeway = self
            .leeway
            .map(|s| duration("leeway", s))
            .transpose()?
            .or(default_leeway);
        let mut issuer = Issuer::new(String::new(), self.audience()?, keys, algorithms);
        issuer.name = name;
        issuer.without_audience = self.without_audience()?;
        issuer.authorized_parties = self.authorized_parties()?;
        issuer.token_types = kinds("token_types", self.token_types.as_ref(), KindSet::JWT)?;
        issuer.required_claims = self
            .required_claims
            .as_ref()
            .map(OneOrMany::split)
            .unwrap_or_default();
        issuer.leeway = leeway.unwrap_or(issuer.leeway);
        issuer.decoder = self.decoder()?;
        issuer.claim_map = self.claim_map()?;
        let clients = self.logout_client_id.as_ref();
        issuer.logout_clients = clients.map(OneOrMany::split).unwrap_or_default();
        issuer.aliases = self
            .issuer_aliases
            .as_ref()
            .map(OneOrMany::split)
            .unwrap_or_default();
        Ok((issuer, source))
    }

    fn claim_map(&self) -> Result<ClaimMap, ConfigError> {
        let path = |setting: &str, text: &Option<String>| {
            let read =
                |text: &String| ClaimPath::new(text).map_err(|why| ConfigError::new(setting, why));
            text.as_ref().map(read).transpose()
        };
        let rules = |setting: &str, rules: &Option<BTreeMap<String, OneOrMany>>| {
            let read = |(path, values): (&String, &OneOrMany)| {
                let path = ClaimPath::new(path).map_err(|why| ConfigError::new(setting, why))?;
                let values = values.split();
                if values.is_empty() {
                    return Err(ConfigError::new(setting, "names a claim without a value"));
                }
                Ok(ClaimRule { path, values })
            };
            rules
                .iter()
                .flatten()
                .map(read)
                .collect::<Result<_, ConfigError>>()
        };
        let mut map = ClaimMap::default();
        map.user_id = path("user_id_claim", &self.user_id_claim)?;
        map.roles = path("roles_claim", &self.roles_claim)?;
        map.scopes = path("scopes_claim", &self.scopes_claim)?;
        map.permissions = path("permissions_claim", &self.permissions_claim)?;
        map.organization_id = path("organization_claim", &self.organization_claim)?;
        map.session_id = path("session_claim", &self.session_claim)?;
        map.client_id = path("client_id_claim", &self.client_id_claim)?;
        map.audience = path("audience_claim", &self.audience_claim)?;
        map.required = rules("required_values", &self.required_values)?;
        map.machine = rules("machine_values", &self.machine_values)?;
        let without = self.machine_without.iter().flat_map(OneOrMany::split);
        map.machine_without = without
            .map(|name| ClaimPath::new(&name))
            .collect::<Result<_, _>>()
            .map_err(|why| ConfigError::new("machine_without", why))?;
        // `sub` is where it would be looked for anyway.
        map.user_id = map
            .user_id
            .filter(|_| self.user_id_claim.as_deref() != Some("sub"));
        Ok(map)
    }

    fn name(&self) -> Result<IssuerName, ConfigError> {
        match (&self.issuer, self.issuer_pinned_by_keys) {
            (Some(name), _) if name.contains(TENANT) => self.template(name),
            (Some(_), _) if self.tenants.is_some() => Err(ConfigError::new(
                "tenants",
                "`issuer` has no {tenant} in it, so there is one issuer and no tenants",
            )),
            (Some(name), _) => Ok(IssuerName::Exact(name.clone())),
            (None, Some(true)) => {
                let pinned =
                    self.keys.is_some() || self.keys_file.is_some() || self.jwks_bearer.is_some();
                if !pinned {
                    return Err(ConfigError::new(
                        "issuer_pinned_by_keys",
                        "only keys that belong to one instance can stand for an issuer: give `keys` or `issuer`",
                    ));
                }
                Ok(IssuerName::PinnedByKeys)
            }
            (None, _) => Err(ConfigError::new(
                "issuer",
                "is missing; write the tokens' `iss`, exactly",
            )),
        }
    }

    fn template(&self, name: &str) -> Result<IssuerName, ConfigError> {
        let Some(tenants) = &self.tenants else {
            return Err(ConfigError::new(
                "tenants",
                "are missing: name the tenants you trust, or trust whoever has one there with \"*\"",
            ));
        };
        if self.issuer_aliases.is_some() {
            return Err(ConfigError::new(
                "issuer_aliases",
                "cannot stand beside an issuer with a hole: write the tenants' own names",
            ));
        }
        let tenants = match tenants.split() {
            all if all == ["*"] => Tenants::Any,
            names => Tenants::OneOf(BTreeSet::from_iter(names)),
        };
        let template = IssuerTemplate::new(name, tenants);
        template
            .map(IssuerName::Template)
            .map_err(|why| ConfigError::new("issuer", why))
    }

    fn algorithms(&self) -> Result<AlgorithmSet, ConfigError> {
        let Some(names) = &self.algorithms else {
            return Ok(match self.shared_secret {
                Some(_) => Algorithm::HS256.into(),
                None => AlgorithmSet::ASYMMETRIC,
            });
        };
        let read = |name: &String| {
            Algorithm::from_name(name).ok_or_else(|| {
                let known = Algorithm::ALL.map(Algorithm::as_str);
                ConfigError::new("algorithms", unknown(name, &known))
            })
        };
        let algorithms: AlgorithmSet = names.split().iter().map(read).collect::<Result<_, _>>()?;
        if algorithms.is_empty() {
            return Err(ConfigError::new(
                "algorithms",
                "is empty, so nothing could be verified; leave it out for the default",
            ));
        }
        Ok(algorithms)
    }

    fn audience(&self) -> Result<Audience, ConfigError> {
        let Some(audience) = &self.audience else {
            return Err(ConfigError::new(
                "audience",
                "is missing; name this API as the issuer knows it, or set `resource`, or waive the check with \"*\"",
            ));
        };
        let items = audience.items();
        if items == [ANY_AUDIENCE] {
            return Ok(Audience::Any);
        }
        if items.is_empty()
            || items
                .iter()
                .any(|item| item.is_empty() || *item == ANY_AUDIENCE)
        {
            return Err(ConfigError::new(
                "audience",
                "names an empty audience, or mixes \"*\" with names",
            ));
        }
        Ok(Audience::OneOf(
            items.into_iter().map(str::to_owned).collect(),
        ))
    }

    fn without_audience(&self) -> Result<WithoutAudience, ConfigError> {
        let clients = self.clients_without_audience.as_ref();
        let clients = clients.map(OneOrMany::split);
        if clients.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new(
                "clients_without_audience",
                "names no client; leave it out, and every token needs an audience",
            ));
        }
        let any = self.dangerously_accept_tokens_without_audience == Some(true);
        if any && clients.is_some() {
            return Err(ConfigError::new(
                "clients_without_audience",
                "is of no use beside `dangerously_accept_tokens_without_audience`, which lets all clients in; keep one of them",
            ));
        }
        Ok(WithoutAudience {
            clients: clients.unwrap_or_default(),
            kinds: TokenKind::ALL.into_iter().filter(|_| any).collect(),
        })
    }

    fn keys(
        &self,
        name: &IssuerName,
        algorithms: AlgorithmSet,
    ) -> Result<(KeySource, KeysAt), ConfigError> {
        let text = self.keys.as_ref().map(|keys| {
            keys.items()
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        let file = self.keys_file.as_ref().map(|path| {
            std::fs::read(path)
                .map_err(|error| ConfigError::new("keys_file", format!("{path}: {error}")))
        });
        let given = [text.is_some(), file.is_some(), self.shared_secret.is_some()];
        if given.iter().filter(|given| **given).count() > 1 {
            return Err(ConfigError::new(
                "keys",
                "`keys`, `keys_file` and `shared_secret` exclude each other",
            ));
        }
        if let Some(secret) = &self.shared_secret {
            if self.jwks_url.is_some() || self.discover == Some(true) {
                return Err(ConfigError::new(
                    "shared_secret",
                    "never stands beside public keys of the same issuer",
                ));
            }
            let shared = SharedSecret::new(&secret.0, algorithms)
                .map_err(|why| ConfigError::new("shared_secret", why))?;
            return Ok((KeySource::SharedSecret(shared), KeysAt::Hand));
        }
        let fetched =
            self.jwks_url.is_some() || self.jwks_bearer.is_some() || self.discover == Some(true);
        if fetched && (text.is_some() || file.is_some()) {
            return Err(ConfigError::new(
                "keys",
                "keys that are given and keys that are fetched exclude each other; keep one of them",
            ));
        }
        let inputs: Option<Vec<Vec<u8>>> = match (text, file) {
            (Some(texts), _) => Some(texts.into_iter().map(String::into_bytes).collect()),
            (None, Some(bytes)) => Some(vec![bytes?]),
            (None, None) => None,
        };
        if let Some(inputs) = inputs {
            let setting = if self.keys.is_some() {
                "keys"
            } else {
                "keys_file"
            };
            let set = JwkSet::read_all(inputs.iter().map(Vec::as_slice), algorithms)
                .map_err(|error| ConfigError::new(setting, error.to_string()))?;
            return Ok((KeySource::Static(set), KeysAt::Hand));
        }
        let url = self.keys_url(name)?;
        let setting = if url.discover { "issuer" } else { "jwks_url" };
        let holes = url.url.matches(TENANT).count();
        if holes > 0 && !matches!(name, IssuerName::Template(_)) {
            return Err(ConfigError::new(
                setting,
                "has a hole for the tenant, but `issuer` has none",
            ));
        }
        trusted_url(&url.url.replace(TENANT, "tenant"), url.plain_http)
            .map_err(|why| ConfigError::new(setting, why))?;
        let keys = match holes {
            0 => KeysAt::Url(url),
            _ => KeysAt::Tenants {
                url,
                most: self.most_tenants()?,
            },
        };
        Ok((KeySource::Remote, keys))
    }

    /// Where this issuer is asked about opaque tokens.
    fn endpoints(&self) -> Result<Vec<Endpoint>, ConfigError> {
        let plain_http = self.insecure_plain_http.unwrap_or(false);
        let mut endpoints = Vec::new();
        for (kind, how) in self.opaque.iter().flatten() {
            let kind = TokenKind::from_name(kind).ok_or_else(|| {
                let known = TokenKind::ALL.map(TokenKind::as_str);
                ConfigError::new("opaque", unknown(kind, &known))
            })?;
            trusted_url(&how.url, plain_http).map_err(|why| ConfigError::new("opaque", why))?;
            endpoints.push(Endpoint {
                kind,
                url: how.url.clone(),
                form: Form::Json(how.member.clone()),
                auth: how.bearer.first().map_or(ClientAuth::None, |secret| {
                    ClientAuth::Bearer(secret.0.clone())
                }),
                headers: how
                    .headers
                    .iter()
                    .map(|(name, value)| (name.clone(), value.0.clone()))
                    .collect(),
                signed: false,
            });
        }
        if let Some(url) = &self.introspection_url {
            trusted_url(url, plain_http)
                .map_err(|why| ConfigError::new("introspection_url", why))?;
            endpoints.push(Endpoint {
                kind: TokenKind::Oauth,
                url: url.clone(),
                form: Form::Introspection,
                auth: self.introspection_auth(url)?,
                headers: Vec::new(),
                signed: self.introspection_response()?,
            });
        }
        Ok(endpoints)
    }

    /// Whether answers are signed.
    fn introspection_response(&self) -> Result<bool, ConfigError> {
        match self.introspection_response.as_deref() {
            None | Some("json") => Ok(false),
            Some("jwt") => Ok(true),
            Some(other) => Err(ConfigError::new(
                "introspection_response",
                unknown(other, &["json", "jwt"]),
            )),
        }
    }

    /// The client that signed answers are for.
    fn answers_signed_for(&self, name: &IssuerName) -> Result<String, ConfigError> {
        let setting = "introspection_response";
        if !matches!(name, IssuerName::Exact(_)) {
            let why = "signed answers need one `issuer`, by name: its keys verify them";
            return Err(ConfigError::new(setting, why));
        }
        self.introspection_client_id.clone().ok_or_else(|| {
            let why = "is missing; signed answers are for somebody, and name that client in `aud`";
            ConfigError::new("introspection_client_id", why)
        })
    }

    /// Where this issuer tells more about a user.
    fn userinfo(&self) -> Result<Vec<Endpoint>, ConfigError> {
        let Some(url) = &self.userinfo_url else {
            return Ok(Vec::new());
        };
        trusted_url(url, self.insecure_plain_http.unwrap_or(false))
            .map_err(|why| ConfigError::new("userinfo_url", why))?;
        Ok(vec![Endpoint {
            kind: TokenKind::Oauth,
            url: url.clone(),
            form: Form::Userinfo,
            auth: ClientAuth::None,
            headers: Vec::new(),
            signed: false,
        }])
    }

    fn introspection_auth(&self, url: &str) -> Result<ClientAuth, ConfigError> {
        let missing = |setting: &str| {
            ConfigError::new(setting, "is missing; the issuer wants to know who asks")
        };
        let id = || {
            self.introspection_client_id
                .clone()
                .ok_or_else(|| missing("introspection_client_id"))
        };
        let secret = || {
            let secret = self.introspection_client_secret.as_ref();
            secret
                .map(|secret| secret.0.clone())
                .ok_or_else(|| missing("introspection_client_secret"))
        };
        let default = match (
            &self.introspection_client_secret,
            self.introspection_client_key.is_some() || self.introspection_client_key_file.is_some(),
        ) {
            (Some(_), true) if self.introspection_auth.is_none() => {
                return Err(ConfigError::new(
                    "introspection_auth",
                    "is missing; there is both a secret and a key: say `client_secret_basic` or `private_key_jwt`",
                ));
            }
            (_, true) => "private_key_jwt",
            (Some(_), false) => "client_secret_basic",
            (None, false) => "none",
        };
        match self.introspection_auth.as_deref().unwrap_or(default) {
            "none" => Ok(self
                .introspection_client_id
                .clone()
                .map_or(ClientAuth::None, ClientAuth::Public)),
            "client_secret_basic" => Ok(ClientAuth::Basic(id()?, secret()?)),
            "client_secret_post" => Ok(ClientAuth::Post(id()?, secret()?)),
            "private_key_jwt" => Ok(ClientAuth::Assertion(Arc::new(AssertingClient {
                client_id: id()?,
                audience: self.assertion_audience(url),
                key: self.introspection_client_key()?,
            }))),
            other => Err(ConfigError::new(
                "introspection_auth",
                unknown(
                    other,
                    &[
                        "client_secret_basic",
                        "client_secret_post",
                        "private_key_jwt",
                        "none",
                    ],
                ),
            )),
        }
    }

    /// `docs/decisions/0010-client-assertions.md`: one audience, and the issuer's own name.
    fn assertion_audience(&self, url: &str) -> String {
        let name = self.issuer.as_ref().filter(|name| !name.contains(TENANT));
        let audience = self.introspection_assertion_audience.as_ref();
        audience.or(name).map_or(url, String::as_str).to_owned()
    }

    fn introspection_client_key(&self) -> Result<SigningKey, ConfigError> {
        let (setting, texts) = match (
            &self.introspection_client_key,
            &self.introspection_client_key_file,
        ) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::new(
                    "introspection_client_key",
                    "and `introspection_client_key_file` exclude each other",
                ));
            }
            (Some(texts), None) => ("introspection_client_key", texts.0.clone()),
            (None, Some(path)) => {
                let setting = "introspection_client_key_file";
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError::new(setting, format!("{path}: {error}")))?;
                (setting, vec![Secret::new(text)])
            }
            (None, None) => {
                return Err(ConfigError::new(
                    "introspection_client_key",
                    "is missing; it signs what shows the issuer who asks",
                ));
            }
        };
        let algorithm = self.introspection_client_algorithm.as_deref().map(|name| {
            let found = ALGORITHMS.into_iter().find(|known| known.as_str() == name);
            found.ok_or_else(|| {
                let known = ALGORITHMS.map(Algorithm::as_str);
                ConfigError::new("introspection_client_algorithm", unknown(name, &known))
            })
        });
        let kid = self.introspection_client_key_id.as_deref();
        SigningKey::first_of(&texts, kid, algorithm.transpose()?)
            .map_err(|why| ConfigError::new(setting, why))
    }

    /// How many tenants' keys are remembered; `None` where the tenants are named, and so are bounded already.
    fn most_tenants(&self) -> Result<Option<NonZeroUsize>, ConfigError> {
        const CAP: usize = 100_000;
        let named = self
            .tenants
            .as_ref()
            .is_some_and(|tenants| tenants.split() != ["*"]);
        match self.max_tenants {
            _ if named => Ok(None),
            Some(most) if most.get() > CAP => Err(ConfigError::new(
                "max_tenants",
                format!("is {most}; at most {CAP} are remembered"),
            )),
            most => Ok(Some(most.unwrap_or(DEFAULT_MAX_TENANTS))),
        }
    }

    fn keys_url(&self, name: &IssuerName) -> Result<KeysUrl, ConfigError> {
        let mut fields = self.jwks_headers.iter().flatten();
        let unfit = |(name, value): &(&String, &SecretText)| {
            HeaderName::try_from(name.as_str()).is_err()
                || HeaderValue::try_from(value.0.expose()).is_err()
        };
        if let Some((name, _)) = fields.find(unfit) {
            return Err(ConfigError::new(
                "jwks_headers",
                format!("{name:?} is no header field, or its value has letters that no field has"),
            ));
        }
        let bearer = self.jwks_bearer.as_ref().map(|secret| secret.0.clone());
        let headers = self.jwks_headers.iter().flatten();
        let headers = headers
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect();
        let plain_http = self.insecure_plain_http.unwrap_or(false);
        match (&self.jwks_url, self.discover, name) {
            (Some(url), _, _) => Ok(KeysUrl {
                url: url.clone(),
                discover: false,
                bearer,
                headers,
                plain_http,
            }),
            (None, Some(false), _) | (None, _, IssuerName::PinnedByKeys) => Err(ConfigError::new(
                "keys",
                "are missing: give `keys`, `keys_file`, `jwks_url` or `shared_secret`, or let `discover` find them",
            )),
            (None, _, IssuerName::Exact(issuer)) => Ok(KeysUrl {
                url: issuer.clone(),
                discover: true,
                bearer,
                headers,
                plain_http,
            }),
            (None, _, IssuerName::Template(template)) => Ok(KeysUrl {
                url: template.to_string(),
                discover: true,
                bearer,
                headers,
                plain_http,
            }),
            (None, _, _) => Err(ConfigError::new("issuer", "is of a kind that has no keys")),
        }
    }

    fn authorized_parties(&self) -> Result<AuthorizedParties, ConfigError> {
        let parties = self.authorized_parties.as_ref().map(OneOrMany::split);
        let rule = match self.azp.as_deref() {
            None if parties.is_some() => AzpRule::Require,
            None | Some("off") => AzpRule::Off,
            Some("require") => AzpRule::Require,
            Some("if_present") => AzpRule::IfPresent,
            Some(other) => {
                return Err(ConfigError::new(
                    "azp",
                    unknown(other, &["require", "if_present", "off"]),
                ));
            }
        };
        let parties = parties.unwrap_or_default();
        if rule != AzpRule::Off && parties.is_empty() {
            return Err(ConfigError::new(
                "authorized_parties",
                "names no party, so every token would be refused; name your frontend's origin, or leave the setting out",
            ));
        }
        // Parties are compared as they are: a pattern would match no token.
        if let Some(party) = parties.iter().find(|party| party.contains('*')) {
            return Err(ConfigError::new(
                "authorized_parties",
                format!(
                    "{party:?} is a pattern, and parties are compared as they are, so every token would be refused; name \
                     each origin, or leave the setting out to take tokens made for any"
                ),
            ));
        }
        if let Some(party) = parties
            .iter()
            .find(|party| party.starts_with("http") && party.ends_with('/'))
        {
            return Err(ConfigError::new(
                "authorized_parties",
                format!(
                    "{party:?} ends in a slash, which no origin does: write {:?}",
                    party.trim_end_matches('/')
                ),
            ));
        }
        Ok(AuthorizedParties { parties, rule })
    }

    fn decoder(&self) -> Result<Decoder, ConfigError> {
        match self.decoder.as_deref() {
            None | Some("standard") => Ok(Decoder::Standard),
            Some("clerk") => Ok(Decoder::Clerk),
            Some(other) => Err(ConfigError::new(
                "decoder",
                unknown(other, &["standard", "clerk"]),
            )),
        }
    }
}

/// The word that waives an audience.
pub const ANY_AUDIENCE: &str = "*";

/// The host in a publishable key: `pk_test_` or `pk_live_`, then base64 of the host and a dollar sign.
pub(crate) fn frontend_host(publishable_key: &str) -> Result<String, String> {
    let wrong = |what: &str| {
        Err(format!(
            "{what}; a publishable key is pk_test_ or pk_live_ and base64 of the instance's host"
        ))
    };
    if publishable_key.starts_with("sk_") {
        return wrong("this is a secret key, which belongs into `secret_key`");
    }
    let Some(encoded) = publishable_key
        .strip_prefix("pk_test_")
        .or_else(|| publishable_key.strip_prefix("pk_live_"))
    else {
        return wrong("it does not begin with pk_test_ or pk_live_");
    };
    let decoded = base64_simd::forgiving_decode_to_vec(encoded.as_bytes())
        .ok()
        .and_then(|b| String::from_utf8(b).ok());
    match decoded.as_deref().and_then(|text| text.strip_suffix('$')) {
        Some(host)
            if (host.contains('.') || host.split(':').next() == Some("localhost"))
                && !host.contains(['$', '/', '@', ' ']) =>
        {
            Ok(host.to_owned())
        }
        _ => wrong("what it encodes is no host"),
    }
}

fn kinds(
    setting: &str,
    names: Option<&OneOrMany>,
    default: KindSet,
) -> Result<KindSet, ConfigError> {
    let Some(names) = names else {
        return Ok(default);
    };
    let read = |name: &String| {
        TokenKind::from_name(name).ok_or_else(|| {
            let known = TokenKind::ALL.map(TokenKind::as_str);
            ConfigError::new(setting, unknown(name, &known))
        })
    };
    names.split().iter().map(read).collect()
}

fn duration(setting: &str, seconds: f64) -> Result<Duration, ConfigError> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        ConfigError::new(
            setting,
            format!("{seconds} is no number of seconds from 0 to 300"),
        )
    })
}

/// `"leewya" is unknown; did you mean "leeway"?`
pub(crate) fn unknown(found: &str, known: &[&str]) -> String {
    let close = |candidate: &&&str| strsim::jaro_winkler(found, candidate) > 0.8;
    let nearness = |a: &&&str, b: &&&str| {
        strsim::jaro_winkler(found, a).total_cmp(&strsim::jaro_winkler(found, b))
    };
    match known.iter().filter(close).max_by(nearness) {
        Some(nearest) => format!("{found:?} is unknown; did you mean {nearest:?}?"),
        None => format!("{found:?} is unknown; known are: {}", known.join(", ")),
    }
}

/// Adds a suggestion to serde's message about an unknown field.
fn with_suggestion(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(found) if message.starts_with("unknown field") => {
            unknown(found, &quoted.collect::<Vec<_>>())
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn with_keys() -> IssuerConfig {
        IssuerConfig {
            keys: Some(KEY.into()),
            ..IssuerConfig::new("https://a.example", "api")
        }
    }

    fn error(config: IssuerConfig) -> String {
        Config::new([config])
            .resolve()
            .err()
            .expect("a mistake")
            .to_string()
    }

    #[test]
    fn unknown_settings_are_refused_with_a_suggestion() {
        let error =
            Config::from_toml("leeway = 3\n[[issuer]]\nissuer = 'x'\naudiance = 'y'").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 4: \"audiance\" is unknown; did you mean \"audience\"?"
        );
    }

    #[test]
    fn a_missing_audience_is_a_mistake_and_not_a_waiver() {
        assert!(
            error(IssuerConfig {
                audience: None,
                ..with_keys()
            })
            .contains("audience")
        );
        assert!(
            error(IssuerConfig {
                audience: Some("".into()),
                ..with_keys()
            })
            .contains("audience")
        );
    }

    #[test]
    fn parties_given_as_one_string_are_split() {
        let config = IssuerConfig {
            authorized_parties: Some("http://a, http://b,".into()),
            ..with_keys()
        };
        let parties = config.authorized_parties().unwrap();
        assert_eq!(parties.parties, ["http://a", "http://b"]);
        assert_eq!(parties.rule, AzpRule::Require);
    }

    #[test]
    fn useless_settings_are_mistakes() {
        let parties = |text: &str| IssuerConfig {
            authorized_parties: Some(text.into()),
            ..with_keys()
        };
        assert!(error(parties("")).contains("authorized_parties"));
        assert!(error(parties("http://a/")).contains("slash"));
        for pattern in ["*", "http://a, *", "https://*.example.com"] {
            assert!(error(parties(pattern)).contains("each origin"), "{pattern}");
        }
        assert!(
            error(IssuerConfig {
                azp: Some("requires".into()),
                ..with_keys()
            })
            .contains("\"require\"")
        );
        assert!(
            error(IssuerConfig {
                leeway: Some(301.0),
                ..with_keys()
            })
            .contains("300")
        );
        assert!(
            error(IssuerConfig {
                leeway: Some(-1.0),
                ..with_keys()
            })
            .contains("leeway")
        );
        assert!(
            error(IssuerConfig {
                algorithms: Some("".into()),
                ..with_keys()
            })
            .contains("algorithms")
        );
        assert!(
            error(IssuerConfig {
                algorithms: Some("HS256".into()),
                ..with_keys()
            })
            .contains("HS256")
        );
        assert!(
            error(IssuerConfig {
                shared_secret: Some("short".to_owned().into()),
                keys: None,
                ..with_keys()
            })
            .contains("shared_secret")
        );
        assert!(error(IssuerConfig::new("http://a.example", "api")).contains("https"));
        assert!(error(IssuerConfig::preset("clark")).contains("\"clerk\""));
    }

    #[test]
    fn a_key_that_is_given_twice_counts_once() {
        let twice = IssuerConfig {
            keys: Some(vec![KEY.to_owned(), format!(" {KEY} ")].into()),
            ..with_keys()
        };
        let resolved = Config::new([twice]).resolve().unwrap();
        let KeySource::Static(set) = &resolved.verifier.issuers()[0].keys else {
            panic!("the keys were given");
        };
        assert_eq!(set.keys().len(), 1);
        assert!(set.skipped().is_empty());
    }

    #[test]
    fn header_fields_are_checked_and_their_values_are_secrets() {
        let with = |name: &str, value: &str| IssuerConfig {
            jwks_url: Some("https://a.example/jwks".to_owned()),
            jwks_headers: Some([(name.to_owned(), value.to_owned().into())].into()),
            ..IssuerConfig::new("https://a.example", "api")
        };
        assert!(error(with("a b", "x")).contains("jwks_headers"));
        assert!(error(with("x-key", "a\nb")).contains("jwks_headers"));
        let good = with("x-key", "planted-secret");
        assert!(!format!("{good:?}").contains("planted"));
        assert!(Config::new([good]).resolve().is_ok());
    }

    #[test]
    fn one_issuer_may_be_written_flat() {
        let flat = r#"{"issuer": "https://a.example", "audience": "api", "explain": true}"#;
        let config = Config::from_json(flat).unwrap();
        assert_eq!(config.explain, Some(true));
        assert_eq!(config.issuers[0].audience, Some("api".into()));
        let nested = r#"{"issuer": [{"issuer": "https://a.example", "audiance": "api"}]}"#;
        let error = Config::from_json(nested).unwrap_err().to_string();
        assert!(error.contains("audience"), "{error}");
        assert!(
            Config::from_json(r#"{"max_token_bytes": 0}"#)
                .unwrap()
                .resolve()
                .is_err()
        );
    }

    #[test]
    fn what_is_accepted_of_one_issuer_is_not_accepted_of_another() {
        let config = Config::from_json(
            r#"{"issuer": [
                {"preset": "clerk", "publishable_key": "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"},
                {"preset": "auth0", "domain": "a.auth0.com", "audience": "api"},
                {"preset": "okta", "domain": "a.okta.com", "audience": "api", "accepts": "m2m_token"}
            ]}"#,
        );
        let resolved = config.unwrap().resolve().unwrap();
        let kinds: Vec<String> = resolved
            .verifier
            .issuers()
            .iter()
            .map(|issuer| issuer.token_types.to_string())
            .collect();
        assert_eq!(
            kinds,
            ["session_token", "session_token, oauth_token", "m2m_token"]
        );
    }

    #[test]
    fn a_publishable_key_names_its_host() {
        assert_eq!(
            frontend_host("pk_test_Y2xlcmsuY2xlcmsuZGV2JA").unwrap(),
            "clerk.clerk.dev"
        );
        assert_eq!(
            frontend_host("pk_live_ZmFrZS1jbGVyay10ZXN0LmNsZXJrLmFjY291bnRzLmRldiQ=").unwrap(),
            "fake-clerk-test.clerk.accounts.dev"
        );
        for bad in [
            "",
            "sk_test_x",
            "pk_test_",
            "pk_test_!!!",
            "pk_test_YWJj",
            "pk_other_Y2xlcmsuY2xlcmsuZGV2JA",
        ] {
            assert!(frontend_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_publishable_key_leads_to_a_local_issuer_with_tls_or_without() {
        let sources = |key: &str| {
            let mut issuer = IssuerConfig::preset("clerk");
            issuer.publishable_key = Some(key.to_owned());
            issuer.authorized_parties = Some("http://localhost:3000".into());
            format!("{:?}", Config::new([issuer]).resolve().unwrap().sources)
        };
        // `localhost:4747$`, `127.0.0.1:4747$`, `localhost.example.com$`
        for (key, url) in [
            ("pk_test_bG9jYWxob3N0OjQ3NDck", "https://localhost:4747"),
            ("pk_test_MTI3LjAuMC4xOjQ3NDck", "http://127.0.0.1:4747"),
            (
                "pk_test_bG9jYWxob3N0LmV4YW1wbGUuY29tJA",
                "https://localhost.example.com",
            ),
        ] {
            let told = sources(key);
            assert!(told.contains(&format!("{url}/.well-known")), "{told}");
        }
    }

    #[test]
    fn authorities_are_read_at_the_start() {
        let resolved = |authorities: Option<&str>, file: Option<&str>| {
            let mut config = Config::new([IssuerConfig::new("https://issuer.test", "api")]);
            config.certificate_authorities = authorities.map(str::to_owned);
            config.certificate_authorities_file = file.map(str::to_owned);
            config.resolve()
        };
        let none = resolved(None, None).unwrap();
        assert_eq!(none.fetch.certificate_authorities, None);
        for (authorities, file, setting) in [
            (Some("x"), None, "certificate_authorities"),
            (Some(""), None, "certificate_authorities"),
            (None, Some("/nowhere.pem"), "certificate_authorities_file"),
            (None, Some("Cargo.toml"), "certificate_authorities_file"),
            (Some("x"), Some("y"), "certificate_authorities_file"),
        ] {
            let error = resolved(authorities, file).err().unwrap();
            assert_eq!(error.setting, setting, "{error}");
        }
        let pem = include_str!("../../doorward-clerk/tests/server/authority.pem");
        let trusting = resolved(Some(pem), None).unwrap();
        assert_eq!(trusting.fetch.certificate_authorities.as_deref(), Some(pem));
    }

    #[test]
    fn the_clerk_preset_follows_what_is_known() {
        let resolved = |config: IssuerConfig| Config::new([config]).resolve().unwrap();
        let key = Some("pk_test_Y2xlcmsuY2xlcmsuZGV2JA".to_owned());
        let secret = || Some("sk_test_x".to_owned().into());
        let public = resolved(IssuerConfig {
            publishable_key: key,
            secret_key: secret(),
            ..IssuerConfig::preset("clerk")
        });
        assert_eq!(
            format!("{:?}", public.sources),
            "[Url(jwks https://clerk.clerk.dev/.well-known/jwks.json)]"
        );
        assert_eq!(
            public.verifier.settings().cookies,
            ["__session_QvfNY2dr", "__session"]
        );
        let private = resolved(IssuerConfig {
            secret_key: secret(),
            ..IssuerConfig::preset("clerk")
        });
        assert_eq!(
            format!("{:?}", private.sources),
            "[Url(jwks https://api.clerk.com/v1/jwks)]"
        );
        assert_eq!(private.verifier.settings().cookies, ["__session"]);
        assert!(error(IssuerConfig::preset("clerk")).contains("publishable_key"));
    }
}
