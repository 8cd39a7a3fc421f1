//! An upstream by its metadata instead of by its endpoints (RFC 8414 §3, OpenID Connect Discovery §4).

use std::fmt;

use serde::Deserialize;
use url::Url;

use super::{Transport, Upstream, UpstreamAuthentication, UpstreamCall};

/// Why an upstream's metadata cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// No document came: nobody answers, or nobody knows it. Another try may help.
    Unreachable(String),
    /// A document came that says something unusable: what.
    Unusable(String),
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(url) => write!(f, "no metadata comes from {url}"),
            Self::Unusable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for DiscoveryError {}

/// What is read of the metadata (RFC 8414 §2, RFC 9207 §3).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    revocation_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    scopes_supported: Option<Vec<String>>,
}

impl Upstream {
    /// An upstream whose endpoints its own metadata names. What else there is to set can be set on what is returned; what
    /// the metadata said is checked with it when a server is made.
    ///
    /// # Errors
    /// No document comes, or it is another issuer's, or lacks what is needed.
    pub async fn discover(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        authentication: UpstreamAuthentication,
        transport: &impl Transport,
    ) -> Result<Self, DiscoveryError> {
        let issuer = issuer.into();
        let candidates = candidates(&issuer)?;
        let mut last = DiscoveryError::Unreachable(issuer.clone());
        for url in candidates {
            let Ok(answer) = transport.call(UpstreamCall::get(&url, None)).await else {
                return Err(DiscoveryError::Unreachable(url));
            };
            match answer.status {
                200 => {
                    let metadata: Metadata =
                        serde_json::from_slice(&answer.body).map_err(|error| {
                            DiscoveryError::Unusable(format!("the metadata at {url}: {error}"))
                        })?;
                    return metadata.upstream(issuer, client_id.into(), authentication);
                }
                // Elsewhere, perhaps.
                400..=499 => last = DiscoveryError::Unreachable(url),
                _ => return Err(DiscoveryError::Unreachable(url)),
            }
        }
        Err(last)
    }
}

impl Metadata {
    fn upstream(
        self,
        issuer: String,
        client_id: String,
        authentication: UpstreamAuthentication,
    ) -> Result<Upstream, DiscoveryError> {
        // RFC 8414 §3.3: the same issuer, byte for byte, or somebody else answers in its name.
        if self.issuer != issuer {
            return Err(DiscoveryError::Unusable(format!(
                "the metadata's `issuer` is {:?}, configured is {issuer:?}",
                self.issuer
            )));
        }
        // RFC 8414 §2: who says nothing understands Basic. A public client shows nothing.
        let understood = self
            .token_endpoint_auth_methods_supported
            .unwrap_or_else(|| vec!["client_secret_basic".to_owned(), "none".to_owned()]);
        let method = authentication.method();
        if !understood.iter().any(|known| known == method) {
            return Err(DiscoveryError::Unusable(format!(
                "{issuer} understands {}, and {method} is configured",
                understood.join(", ")
            )));
        }
        let mut upstream = Upstream::new(
            issuer,
            self.authorization_endpoint,
            self.token_endpoint,
            self.jwks_uri,
            client_id,
            authentication,
        );
        upstream.revocation_endpoint = self.revocation_endpoint;
        upstream.introspection_endpoint = self.introspection_endpoint;
        upstream.userinfo_endpoint = self.userinfo_endpoint;
        upstream.iss_parameter_supported = self.authorization_response_iss_parameter_supported;
        // Some refuse scopes that they do not know.
        if let Some(known) = self.scopes_supported {
            upstream
                .scopes
                .retain(|scope| scope == "openid" || known.contains(scope));
        }
        Ok(upstream)
    }
}

/// OpenID Connect Discovery §4 appends its path to the issuer, RFC 8414 §3.1 puts its own before the issuer's path.
fn candidates(issuer: &str) -> Result<[String; 3], DiscoveryError> {
    let wrong = || DiscoveryError::Unusable(format!("{issuer:?} is no issuer's URL"));
    let url = Url::parse(issuer).map_err(|_| wrong())?;
    if url.query().is_some() || url.fragment().is_some() || !url.has_host() {
        return Err(wrong());
    }
    let (origin, path) = (
        url.origin().ascii_serialization(),
        url.path().trim_end_matches('/'),
    );
    Ok([
        format!("{origin}{path}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ])
}
