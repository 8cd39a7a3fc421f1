//! What the operator says: flags, else the environment, else a file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use doorward::core::Secret;
use doorward::{Config, IssuerConfig, OneOrMany, SecretText};
use doorward_issuer::authorization_server::{Capacity, PageSettings};
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

use crate::output::Failure;
use crate::store::duration;

/// Stand in front of an MCP server: people sign in, programs get tokens, and nobody else gets in.
///
/// The MCP server need not know of any of this. It gets each request without the caller's token, and with a signed header
/// field, Doorward-Identity, that says who is calling. Every flag may stand in the file as well, with underscores.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Read this file (TOML)
    #[arg(long, value_name = "FILE", env = "DOORWARD_MCP_CONFIG")]
    config: Option<PathBuf>,
    /// The MCP server's URL; without a path, it is served at --path
    #[arg(long, value_name = "URL", env = "DOORWARD_MCP_UPSTREAM")]
    upstream: Option<String>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "DOORWARD_MCP_LISTEN")]
    listen: Option<SocketAddr>,
    /// The origin that clients know this by, a scheme and a host [default: where it listens]
    #[arg(long, value_name = "URL", env = "DOORWARD_MCP_PUBLIC_URL")]
    public_url: Option<String>,
    /// The path of the MCP server here [default: /mcp]
    #[arg(long, value_name = "PATH", env = "DOORWARD_MCP_PATH")]
    path: Option<String>,
    /// The OpenID provider at which people sign in; clients get tokens here then
    #[arg(long, value_name = "ISSUER", env = "DOORWARD_MCP_SIGN_IN_AT")]
    sign_in_at: Option<String>,
    /// Our client id there; the secret is read from DOORWARD_MCP_CLIENT_SECRET or the file
    #[arg(long, value_name = "ID", env = "DOORWARD_MCP_CLIENT_ID")]
    client_id: Option<String>,
    /// Or: an issuer that gives clients their tokens itself, for this resource
    #[arg(
        long,
        value_name = "ISSUER",
        env = "DOORWARD_MCP_ISSUER",
        conflicts_with = "sign_in_at"
    )]
    issuer: Option<String>,
    /// The scopes there are, separated by commas or spaces
    #[arg(long, value_name = "SCOPES", env = "DOORWARD_MCP_SCOPES")]
    scopes: Option<String>,
    /// What clients, codes and sign-ins are kept in: memory:, sqlite:///path, redis:// or postgres:// [default: memory:]
    #[arg(
        long,
        value_name = "URL",
        env = "DOORWARD_MCP_STORE",
        hide_env_values = true
    )]
    store: Option<String>,
    /// The longest request, in bytes [default: 4194304]
    #[arg(long, value_name = "BYTES", env = "DOORWARD_MCP_MAX_BODY_BYTES")]
    max_body_bytes: Option<usize>,
    /// How long the MCP server may take to begin its answer [default: 5m]
    #[arg(long, value_name = "DURATION", env = "DOORWARD_MCP_TIMEOUT", value_parser = duration)]
    timeout: Option<Duration>,
    /// The header field in which the proxy in front says who is calling, such as X-Forwarded-For; strangers are counted by
    /// address, and without this by the connection's
    #[arg(long, value_name = "FIELD", env = "DOORWARD_MCP_CLIENT_ADDRESS_HEADER")]
    client_address_header: Option<String>,
    /// How many requests are passed on at once [default: 1024]
    #[arg(long, value_name = "COUNT", env = "DOORWARD_MCP_MAX_REQUESTS")]
    max_requests: Option<usize>,
    /// How many clients that registered themselves are kept [default: 10000]
    #[arg(long, value_name = "COUNT", env = "DOORWARD_MCP_MAX_CLIENTS")]
    max_clients: Option<usize>,
    /// How many sign-ins are kept, each for as long as its refresh token lives [default: 100000]
    #[arg(long, value_name = "COUNT", env = "DOORWARD_MCP_MAX_FAMILIES")]
    max_families: Option<usize>,
    /// Of how many people it is kept what they approved [default: 100000]
    #[arg(long, value_name = "COUNT", env = "DOORWARD_MCP_MAX_APPROVALS")]
    max_approvals: Option<usize>,
    /// Check the settings, the provider and the MCP server, and end
    #[arg(long)]
    pub(super) check: bool,
}

const EXAMPLES: &str = "\
Secrets are read from the environment or the file, never from flags: DOORWARD_MCP_SECRET (32 random bytes; what tokens,
sessions and records are keyed with, the same on every node), DOORWARD_MCP_CLIENT_SECRET, and
DOORWARD_MCP_UPSTREAM_AUTHORIZATION (the MCP server's own credentials, if it wants some).

Examples:
  doorward mcp-proxy --upstream http://127.0.0.1:9000 --sign-in-at https://accounts.example.com --client-id our-app
  doorward mcp-proxy --config mcp.toml --check";

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    upstream: Option<String>,
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    path: Option<String>,
    sign_in_at: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    /// `[[issuer]]` as in `doorward.toml`.
    issuer: Vec<IssuerConfig>,
    scopes: Option<OneOrMany>,
    challenge_scopes: Option<OneOrMany>,
    offline_access: Option<bool>,
    scope_implies: Option<BTreeMap<String, OneOrMany>>,
    tool_scopes: Option<BTreeMap<String, OneOrMany>>,
    default_tool_scopes: Option<OneOrMany>,
    resource_name: Option<String>,
    resource_documentation: Option<String>,
    store: Option<SecretText>,
    secret: Option<SecretText>,
    upstream_authorization: Option<SecretText>,
    identity_key_file: Option<PathBuf>,
    forward_headers: Vec<String>,
    allowed_hosts: Vec<String>,
    allowed_origins: Vec<String>,
    max_body_bytes: Option<usize>,
    /// As a flag has it: `5m`.
    timeout: Option<String>,
    client_address_header: Option<String>,
    max_requests: Option<usize>,
    max_clients: Option<usize>,
    max_families: Option<usize>,
    max_approvals: Option<usize>,
    page: PageSettings,
}

/// What all that means.
pub(super) struct Settings {
    pub(super) upstream: Url,
    pub(super) upstream_authorization: Option<HeaderValue>,
    pub(super) listen: SocketAddr,
    /// Without a slash at its end; `None` is where it listens.
    pub(super) public_url: Option<String>,
    pub(super) path: String,
    pub(super) tokens: Tokens,
    pub(super) scopes: Vec<String>,
    pub(super) store: Secret,
    /// `None` is one for this process alone.
    pub(super) secret: Option<Secret>,
    pub(super) identity_key_file: Option<PathBuf>,
    pub(super) forward_headers: Vec<HeaderName>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) max_body_bytes: usize,
    pub(super) timeout: Duration,
    pub(super) client_address_header: Option<HeaderName>,
    pub(super) max_requests: usize,
    pub(super) capacity: Capacity,
    pub(super) page: PageSettings,
    /// What is said of the resource, without its URL and its issuers.
    pub(super) resource: Config,
}

/// Who gives the tokens.
pub(super) enum Tokens {
    /// This process, to people who sign in at a provider.
    Here {
        provider: String,
        client_id: String,
        client_secret: Option<Secret>,
    },
    /// Issuers of the operator's.
    Elsewhere(Vec<IssuerConfig>),
}

impl Arguments {
    pub(super) fn read(&self) -> Result<Settings, Failure> {
        let file = match &self.config {
            None => File::default(),
            Some(path) => read_file(path)?,
        };
        let wrong = |name: &str, why: &str| Failure::usage(format!("{name}: {why}"));
        let upstream = self.upstream.as_ref().or(file.upstream.as_ref());
        let upstream =
            upstream.ok_or_else(|| wrong("upstream", "is missing; write the MCP server's URL"))?;
        let path = self
            .path
            .clone()
            .or(file.path)
            .unwrap_or_else(|| "/mcp".to_owned());
        check_path(&path).map_err(|why| wrong("path", why))?;
        let upstream = upstream_url(upstream, &path).map_err(|why| wrong("upstream", why))?;
        let public_url = self.public_url.clone().or(file.public_url);
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        let is_origin = |url: &String| {
            url.split_once("://")
                .is_some_and(|(_, rest)| !rest.contains(['/', '?', '#', '@']))
        };
        if public_url.as_ref().is_some_and(|url| !is_origin(url)) {
            return Err(wrong(
                "public_url",
                "expected an origin such as https://mcp.example.com, without a path",
            ));
        }
        let provider = self
            .sign_in_at
            .clone()
            .or(file.sign_in_at)
            .filter(|_| self.issuer.is_none());
        let mut issuers = file.issuer;
        if let Some(name) = &self.issuer {
            let mut issuer = IssuerConfig::default();
            issuer.issuer = Some(name.clone());
            issuers = vec![issuer];
        }
        let tokens = match provider {
            Some(_) if !issuers.is_empty() => {
                let why = "and `[[issuer]]` exclude each other: either tokens are given here, or elsewhere";
                return Err(wrong("sign_in_at", why));
            }
            Some(provider) => {
                let client_id = self.client_id.clone().or(file.client_id);
                let missing = || {
                    wrong(
                        "client_id",
                        "is missing; this is a client of who people sign in at",
                    )
                };
                Tokens::Here {
                    provider,
                    client_id: client_id.ok_or_else(missing)?,
                    client_secret: secret("DOORWARD_MCP_CLIENT_SECRET", file.client_secret),
                }
            }
            None if issuers.is_empty() => {
                let why = "is missing; say where people sign in, or name an `issuer` that gives tokens for this resource";
                return Err(wrong("sign_in_at", why));
            }
            None => {
                for issuer in &mut issuers {
                    issuer.accepts.get_or_insert_with(|| "oauth_token".into());
                }
                Tokens::Elsewhere(issuers)
            }
        };
        let scopes = self.scopes.as_deref().map(OneOrMany::from).or(file.scopes);
        let mut resource = Config::default();
        resource.scopes_supported.clone_from(&scopes);
        resource.challenge_scopes = file.challenge_scopes;
        resource.offline_access = file.offline_access;
        resource.scope_implies = file.scope_implies;
        resource.tool_scopes = file.tool_scopes;
        resource.default_tool_scopes = file.default_tool_scopes;
        resource.resource_name = file.resource_name;
        resource.resource_documentation = file.resource_documentation;
        let store = self.store.clone().map(SecretText::from).or(file.store);
        let store = store.map_or_else(|| Secret::from("memory:"), |store| store.0);
        let own = secret("DOORWARD_MCP_SECRET", file.secret);
        match &own {
            None if store.expose() != "memory:" => {
                let why = "is missing; what is kept in the store is worth nothing after a restart without it";
                return Err(wrong("secret", why));
            }
            Some(own) if own.expose().len() < 32 => {
                return Err(wrong(
                    "secret",
                    "is too short: 32 random bytes at least are needed",
                ));
            }
            _ => {}
        }
        let authorization = secret(
            "DOORWARD_MCP_UPSTREAM_AUTHORIZATION",
            file.upstream_authorization,
        );
        let authorization = authorization.map(|value| {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
                wrong(
                    "upstream_authorization",
                    "has letters that no header field has",
                )
            })?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        });
        let forward = file.forward_headers.iter().map(|name| {
            let name = HeaderName::try_from(name.as_str());
            let name = name
                .map_err(|_| wrong("forward_headers", "has what is no name of a header field"))?;
            super::forward::may_forward(&name)
                .then_some(name)
                .ok_or_else(|| {
                    wrong(
                        "forward_headers",
                        "has a field that says who is calling, or frames the message",
                    )
                })
        });
        let timeout = file.timeout.as_deref().map(duration).transpose();
        let timeout = timeout.map_err(|why| wrong("timeout", &why))?;
        let client_address_header = self
            .client_address_header
            .clone()
            .or(file.client_address_header)
            .map(|name| {
                let why = "is no name of a header field";
                HeaderName::try_from(name).map_err(|_| wrong("client_address_header", why))
            });
        let usual = Capacity::default();
        let capacity = Capacity {
            clients: bounded(
                "max_clients",
                self.max_clients.or(file.max_clients),
                usual.clients,
            )?,
            families: bounded(
                "max_families",
                self.max_families.or(file.max_families),
                usual.families,
            )?,
            approvals: bounded(
                "max_approvals",
                self.max_approvals.or(file.max_approvals),
                usual.approvals,
            )?,
            ..usual
        };
        Ok(Settings {
            upstream,
            upstream_authorization: authorization.transpose()?,
            listen: self
                .listen
                .or(file.listen)
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            public_url,
            path,
            tokens,
            scopes: scopes.map(|scopes| words(&scopes)).unwrap_or_default(),
            store,
            secret: own,
            identity_key_file: file.identity_key_file,
            forward_headers: forward.collect::<Result<_, _>>()?,
            allowed_hosts: file.allowed_hosts,
            allowed_origins: file.allowed_origins,
            max_body_bytes: self
                .max_body_bytes
                .or(file.max_body_bytes)
                .unwrap_or(4 * 1024 * 1024),
            client_address_header: client_address_header.transpose()?,
            timeout: self.timeout.or(timeout).unwrap_or(Duration::from_secs(300)),
            max_requests: self.max_requests.or(file.max_requests).unwrap_or(1024),
            capacity,
            page: file.page,
            resource,
        })
    }
}

fn bounded(name: &str, given: Option<usize>, usual: usize) -> Result<usize, Failure> {
    let most = Capacity::MOST;
    let given = given.unwrap_or(usual);
    (1..=most)
        .contains(&given)
        .then_some(given)
        .ok_or_else(|| Failure::usage(format!("{name}: is {given}; expected 1 to {most}")))
}

fn read_file(path: &Path) -> Result<File, Failure> {
    let named = |why: String| Failure::usage(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    // A message of the parser's may quote a line, and that may hold a secret.
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        named(format!("line {line}: {}", error.message()))
    })
}

/// Secrets come from the environment before the file.
fn secret(variable: &str, file: Option<SecretText>) -> Option<Secret> {
    let own = std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty());
    own.map(Secret::new).or_else(|| file.map(|secret| secret.0))
}

fn words(scopes: &OneOrMany) -> Vec<String> {
    match scopes {
        OneOrMany::One(text) => text
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        OneOrMany::Many(many) => many.clone(),
    }
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let empty = path.trim_start_matches('/').is_empty();
    if empty
        || !path.starts_with('/')
        || path.ends_with('/')
        || path.contains("//")
        || path.contains("..")
    {
        return Err("expected a path such as /mcp");
    }
    if !path.bytes().all(plain) || path.starts_with("/.well-known") || path.starts_with("/doorward")
    {
        return Err("has letters with a meaning of their own, or is taken");
    }
    Ok(())
}

fn upstream_url(text: &str, path: &str) -> Result<Url, &'static str> {
    let mut url = Url::parse(text).map_err(|_| "is no URL")?;
    if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
        return Err("expected a URL such as http://127.0.0.1:9000");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user in it; write credentials into DOORWARD_MCP_UPSTREAM_AUTHORIZATION");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment");
    }
    if url.path() == "/" {
        url.set_path(path);
    }
    Ok(url)
}
