//! What a protected resource says about itself (RFC 9728): to whom callers turn, and with which scopes they begin. It
//! follows from the configuration alone, never from what a request says of its host.

use doorward_core::{Issuer, IssuerName, ResourceHint, ScopeHierarchy, is_scope};
use serde_json::{Map, Value};
use url::Url;

use crate::config::{ANY_AUDIENCE, Config, ConfigError, IssuerConfig, OneOrMany};
use crate::fetch::is_loopback;

/// A protected resource: its identifier, and its metadata as they go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    identifier: String,
    /// Of the identifier, without a slash at its end.
    path: String,
    document: String,
    hint: ResourceHint,
}

/// An answer about the resource, for any web framework to send as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceReply {
    /// The HTTP status: 200, 204 or 405.
    pub status: u16,
    /// Header fields besides `content-length`, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON document (RFC 9728 §3.2), or nothing.
    pub body: Vec<u8>,
}

impl ProtectedResource {
    /// The identifier: the URL that clients know, and the `aud` of their tokens (RFC 8707 §2).
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Where the metadata is (RFC 9728 §3.1): the identifier's path stands behind the well-known one.
    pub fn metadata_url(&self) -> &str {
        &self.hint.metadata_url
    }

    /// The metadata, a JSON object with registered members only (RFC 9728 §2).
    pub fn metadata(&self) -> &str {
        &self.document
    }

    /// The paths the metadata are at: the one of [`metadata_url`](Self::metadata_url), and the bare one, where clients look
    /// that were told of none.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = vec![WELL_KNOWN.to_owned()];
        if !self.path.is_empty() {
            paths.push(format!("{WELL_KNOWN}{}", self.path));
        }
        paths
    }

    /// The answer to a request for the metadata; `None` for another path. They are for everybody, web pages as well.
    pub fn answer(&self, method: &str, path: &str) -> Option<ResourceReply> {
        let suffix = path.strip_prefix(WELL_KNOWN)?;
        let suffix = suffix.strip_suffix('/').unwrap_or(suffix);
        if !suffix.is_empty() && suffix != self.path {
            return None;
        }
        let mut headers = vec![("access-control-allow-origin", "*".to_owned())];
        let mut more = |fields: &[(&'static str, &str)]| {
            headers.extend(
                fields
                    .iter()
                    .map(|(name, value)| (*name, (*value).to_owned())),
            );
        };
        let (status, body) = match method {
            "GET" | "HEAD" => {
                more(&[
                    ("content-type", "application/json"),
                    ("cache-control", "public, max-age=300"),
                ]);
                let body = if method == "GET" { &*self.document } else { "" };
                (200, body)
            }
            "OPTIONS" => {
                more(&[
                    ("access-control-allow-methods", ALLOWED),
                    ("access-control-allow-headers", "mcp-protocol-version"),
                    ("access-control-max-age", "600"),
                ]);
                (204, "")
            }
            _ => {
                more(&[("allow", ALLOWED)]);
                (405, "")
            }
        };
        Some(ResourceReply {
            status,
            headers,
            body: body.as_bytes().to_vec(),
        })
    }

    pub(crate) fn hint(&self) -> &ResourceHint {
        &self.hint
    }
}

impl Config {
    /// The resource, if the operator names one.
    pub(crate) fn protected_resource(
        &self,
        issuers: &[Issuer],
    ) -> Result<Option<ProtectedResource>, ConfigError> {
        let Some(identifier) = &self.resource else {
            return match self.needless() {
                Some(setting) => Err(ConfigError::new(
                    setting,
                    "says something of a resource, and there is none: set `resource`, or leave this out",
                )),
                None => Ok(None),
            };
        };
        let url = resource_url(identifier)?;
        let path = url.path().trim_end_matches('/').to_owned();
        let servers = self.authorization_servers(issuers)?;
        let supported = self.scopes_supported.as_ref();
        let mut supported = scopes("scopes_supported", supported)?.unwrap_or_default();
        let challenge = scopes("challenge_scopes", self.challenge_scopes.as_ref())?;
        let mut challenge = challenge.unwrap_or_else(|| supported.clone());
        for (setting, list) in [
            ("scopes_supported", &mut supported),
            ("challenge_scopes", &mut challenge),
        ] {
            let named = list.iter().any(|scope| scope == OFFLINE_ACCESS);
            match (self.offline_access.unwrap_or(false), named) {
                // MCP authorization, "Refresh Tokens": a resource should not advertise it; some deployments must.
                (false, true) => {
                    return Err(ConfigError::new(
                        setting,
                        "names offline_access, which no resource needs; if your clients get no refresh token without it, \
                         set `offline_access = true`",
                    ));
                }
                (true, false) => list.push(OFFLINE_ACCESS.to_owned()),
                _ => {}
            }
        }
        let mut document = Map::new();
        let mut member = |name: &str, value: Value| {
            document.insert(name.to_owned(), value);
        };
        member("resource", identifier.as_str().into());
        if !servers.is_empty() {
            member("authorization_servers", servers.into());
        }
        if !supported.is_empty() {
            member("scopes_supported", supported.into());
        }
        member("bearer_methods_supported", vec!["header"].into());
        if let Some(name) = &self.resource_name {
            member("resource_name", name.as_str().into());
        }
        for (name, url) in self.about() {
            if let Some(url) = url {
                public_url(url).map_err(|why| ConfigError::new(name, why))?;
                member(name, url.as_str().into());
            }
        }
        let origin = url.origin().ascii_serialization();
        Ok(Some(ProtectedResource {
            identifier: identifier.clone(),
            hint: ResourceHint {
                metadata_url: format!("{origin}{WELL_KNOWN}{path}").into(),
                scope: challenge.join(" ").into(),
            },
            path,
            document: Value::Object(document).to_string(),
        }))
    }

    /// RFC 9728 §2: issuer identifiers. Those of the trusted issuers, unless somebody else gives their tokens.
    fn authorization_servers(&self, issuers: &[Issuer]) -> Result<Vec<String>, ConfigError> {
        let setting = "authorization_servers";
        let given = match &self.authorization_servers {
            Some(given) => given.split(),
            None => issuers.iter().map(name_of).collect::<Result<_, _>>()?,
        };
        if given.is_empty() {
            return Err(ConfigError::new(
                setting,
                "is empty, so nobody would learn where tokens are given",
            ));
        }
        for server in &given {
            public_url(server).map_err(|why| ConfigError::new(setting, why))?;
        }
        Ok(given)
    }

    fn about(&self) -> [(&'static str, &Option<String>); 3] {
        [
            ("resource_documentation", &self.resource_documentation),
            ("resource_policy_uri", &self.resource_policy_uri),
            ("resource_tos_uri", &self.resource_tos_uri),
        ]
    }

    fn needless(&self) -> Option<&'static str> {
        let mut settings = [
            (
                "authorization_servers",
                self.authorization_servers.is_some(),
            ),
            ("scopes_supported", self.scopes_supported.is_some()),
            ("challenge_scopes", self.challenge_scopes.is_some()),
            ("offline_access", self.offline_access.is_some()),
            ("resource_name", self.resource_name.is_some()),
        ]
        .into_iter()
        .chain(self.about().map(|(name, url)| (name, url.is_some())));
        settings.find(|(_, set)| *set).map(|(name, _)| name)
    }

    pub(crate) fn scope_hierarchy(&self) -> Result<ScopeHierarchy, ConfigError> {
        let setting = "scope_implies";
        let read = |(scope, holds): (&String, &OneOrMany)| {
            scopes(setting, Some(&OneOrMany::Many(vec![scope.clone()])))?;
            let holds = scopes(setting, Some(holds))?.unwrap_or_default();
            if holds.is_empty() {
                let why = format!("{scope:?} holds nothing");
                return Err(ConfigError::new(setting, why));
            }
            Ok((scope.clone(), holds))
        };
        let direct = self.scope_implies.iter().flatten().map(read);
        Ok(ScopeHierarchy::new(direct.collect::<Result<Vec<_>, _>>()?))
    }

    /// Makes the resource the audience of an issuer, if the operator names no other; what a preset says is no more than a
    /// guess. True where the preset waives the check, because its provider's sessions have no audience: those need none
    /// here either, but what names one must name the resource.
    pub(crate) fn audience_is_the_resource(
        &self,
        given: &IssuerConfig,
        completed: &mut IssuerConfig,
    ) -> bool {
        // Where the audience is looked for elsewhere, the preset knows what stands there.
        let said = given.audience.is_some() || completed.audience_claim.is_some();
        let Some(resource) = self.resource.as_ref().filter(|_| !said) else {
            return false;
        };
        let own = OneOrMany::Many(vec![resource.clone()]);
        let preset = completed.audience.replace(own);
        preset.is_some_and(|preset| preset.items() == [ANY_AUDIENCE])
    }
}

fn name_of(issuer: &Issuer) -> Result<String, ConfigError> {
    match &issuer.name {
        IssuerName::Exact(name) => Ok(name.clone()),
        _ => Err(ConfigError::new(
            "authorization_servers",
            "is missing; an issuer is known by its keys or stands for many tenants, so its name does not tell where tokens \
             are given",
        )),
    }
}

/// RFC 9728 §1.2: `https`, no fragment; and here no query, which nobody needs and many get wrong.
fn resource_url(text: &str) -> Result<Url, ConfigError> {
    let wrong = |why: String| Err(ConfigError::new("resource", why));
    let url = match public_url(text) {
        Ok(url) => url,
        Err(why) => return wrong(why),
    };
    if text.contains(['?', '#']) {
        return wrong(format!("{text:?} has a query or a fragment"));
    }
    let normal = url.as_str();
    let bare = normal.strip_suffix('/').unwrap_or(normal);
    if text != normal && text != bare {
        return wrong(format!(
            "is {text:?}; clients and tokens compare it byte by byte, so write it as {bare:?}"
        ));
    }
    Ok(url)
}

/// `https`, or `http` on this machine, for local work.
fn public_url(text: &str) -> Result<Url, String> {
    let wrong = || format!("{text:?} is no https URL, nor http on a loopback host");
    let url = Url::parse(text).map_err(|_| wrong())?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not quoted: it would be in a log for ever.
        return Err("a URL here has no user and no password in it".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(wrong()),
    }
}

/// Scopes: a list, or one text in which they are parted by spaces or commas.
pub(crate) fn scopes(
    setting: &str,
    given: Option<&OneOrMany>,
) -> Result<Option<Vec<String>>, ConfigError> {
    let Some(given) = given else {
        return Ok(None);
    };
    let found: Vec<String> = match given {
        OneOrMany::One(text) => {
            let pieces = text.split([' ', ',']).filter(|piece| !piece.is_empty());
            pieces.map(str::to_owned).collect()
        }
        OneOrMany::Many(many) => many.clone(),
    };
    match found.iter().find(|scope| !is_scope(scope)) {
        Some(odd) => Err(ConfigError::new(
            setting,
            format!("{odd:?} is no scope (RFC 6749 §3.3)"),
        )),
        None => Ok(Some(found)),
    }
}

/// RFC 9728 §3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const ALLOWED: &str = "GET, HEAD, OPTIONS";
const OFFLINE_ACCESS: &str = "offline_access";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn config(settings: Value) -> Config {
        let mut all = json!({"issuer": [{"issuer": "https://login.example", "keys": KEY}]});
        let (Value::Object(more), Some(all)) = (settings, all.as_object_mut()) else {
            panic!("settings are an object");
        };
        all.extend(more);
        Config::from_json(&json!(all).to_string()).unwrap()
    }

    fn resource(settings: Value) -> ProtectedResource {
        config(settings).resolve().unwrap().resource.unwrap()
    }

    fn error(settings: Value) -> String {
        let resolved = config(settings).resolve();
        resolved.err().expect("a mistake").to_string()
    }

    #[test]
    fn the_document_has_registered_members_only() {
        let minimal = resource(json!({"resource": "https://api.example"}));
        let read = |resource: &ProtectedResource| -> Value {
            serde_json::from_str(resource.metadata()).unwrap()
        };
        assert_eq!(
            read(&minimal),
            json!({
                "resource": "https://api.example",
                "authorization_servers": ["https://login.example"],
                "bearer_methods_supported": ["header"],
            })
        );
        assert_eq!(&*minimal.hint().scope, "");
        let full = resource(json!({
            "resource": "https://api.example/mcp",
            "authorization_servers": "https://a.example/x",
            "scopes_supported": "notes:read, notes:write",
            "challenge_scopes": ["notes:read"],
            "offline_access": true,
            "resource_name": "Notes",
            "resource_documentation": "https://api.example/docs",
            "resource_policy_uri": "https://api.example/policy",
            "resource_tos_uri": "https://api.example/terms",
        }));
        assert_eq!(
            read(&full),
            json!({
                "resource": "https://api.example/mcp",
                "authorization_servers": ["https://a.example/x"],
                "scopes_supported": ["notes:read", "notes:write", "offline_access"],
                "bearer_methods_supported": ["header"],
                "resource_name": "Notes",
                "resource_documentation": "https://api.example/docs",
                "resource_policy_uri": "https://api.example/policy",
                "resource_tos_uri": "https://api.example/terms",
            })
        );
        assert_eq!(&*full.hint().scope, "notes:read offline_access");
    }

    #[test]
    fn the_path_stands_behind_the_well_known_one() {
        let known = "/.well-known/oauth-protected-resource";
        for (identifier, url, paths) in [
            ("https://a.example", "https://a.example", &[""][..]),
            ("https://a.example/", "https://a.example", &[""]),
            ("https://a.example/mcp", "https://a.example", &["", "/mcp"]),
            (
                "https://a.example/x/mcp/",
                "https://a.example",
                &["", "/x/mcp"],
            ),
            (
                "http://127.0.0.1:8000/mcp",
                "http://127.0.0.1:8000",
                &["", "/mcp"],
            ),
        ] {
            let resource = resource(json!({ "resource": identifier }));
            let last = paths.last().unwrap();
            assert_eq!(resource.metadata_url(), format!("{url}{known}{last}"));
            let expected: Vec<String> = paths.iter().map(|path| format!("{known}{path}")).collect();
            assert_eq!(resource.paths(), expected);
        }
    }

    #[test]
    fn every_method_is_answered_and_other_paths_are_not() {
        let resource = resource(json!({"resource": "https://a.example/mcp"}));
        let known = "/.well-known/oauth-protected-resource";
        let answer = |method: &str, path: &str| resource.answer(method, path);
        for path in [known, &format!("{known}/mcp"), &format!("{known}/mcp/")] {
            let reply = answer("GET", path).unwrap();
            assert_eq!(
                (reply.status, &*reply.body),
                (200, resource.metadata().as_bytes())
            );
            let head = answer("HEAD", path).unwrap();
            assert_eq!((head.status, head.body.len()), (200, 0));
            assert_eq!(answer("OPTIONS", path).unwrap().status, 204);
            assert_eq!(answer("POST", path).unwrap().status, 405);
        }
        for path in [
            "/",
            "/mcp",
            &format!("{known}/other"),
            &format!("{known}mcp"),
            &format!("{known}/mcp//"),
        ] {
            assert_eq!(answer("GET", path), None, "{path}");
        }
    }

    #[test]
    fn mistakes_name_their_setting() {
        for (settings, named) in [
            (json!({"resource": "api.example"}), "resource"),
            (json!({"resource": "http://api.example"}), "https"),
            (json!({"resource": "https://api.example/?a"}), "query"),
            (json!({"resource": "https://api.example/#a"}), "fragment"),
            (json!({"resource": "https://ada@api.example"}), "user"),
            (
                json!({"resource": "HTTPS://api.example"}),
                "\"https://api.example\"",
            ),
            (
                json!({"resource": "https://API.example/mcp"}),
                "\"https://api.example/mcp\"",
            ),
            (
                json!({"resource": "https://api.example:443/mcp"}),
                "\"https://api.example/mcp\"",
            ),
            (
                json!({"resource": "https://a.example", "authorization_servers": []}),
                "authorization_servers",
            ),
            (
                json!({"resource": "https://a.example", "authorization_servers": "http://b.example"}),
                "authorization_servers",
            ),
            (
                json!({"resource": "https://a.example", "scopes_supported": ["a b"]}),
                "scopes_supported",
            ),
            (
                json!({"resource": "https://a.example", "scopes_supported": "offline_access"}),
                "offline_access = true",
            ),
            (
                json!({"resource": "https://a.example", "challenge_scopes": "offline_access"}),
                "offline_access = true",
            ),
            (
                json!({"resource": "https://a.example", "resource_tos_uri": "javascript:alert(1)"}),
                "resource_tos_uri",
            ),
            (
                json!({"resource": "https://a.example", "scope_implies": {"a": []}}),
                "scope_implies",
            ),
            (
                json!({"resource": "https://a.example", "scope_implies": {"a b": ["c"]}}),
                "scope_implies",
            ),
            (json!({"resource_name": "Notes"}), "`resource`"),
            (json!({}), "audience"),
        ] {
            let error = error(settings.clone());
            assert!(error.contains(named), "{settings}: {error}");
        }
    }

    #[test]
    fn the_resource_is_the_audience_unless_the_operator_says_otherwise() {
        let audience = |issuer: Value| {
            let settings = json!({"resource": "https://a.example", "issuer": [issuer]});
            let resolved = config(settings).resolve().unwrap();
            let issuer = &resolved.verifier.issuers()[0];
            format!("{:?} {:?}", issuer.audience, issuer.without_audience.kinds)
        };
        let plain = |more: &str| {
            let mut issuer = json!({"issuer": "https://login.example", "keys": KEY});
            if !more.is_empty() {
                issuer["audience"] = more.into();
            }
            audience(issuer)
        };
        assert_eq!(plain(""), r#"OneOf(["https://a.example"]) {}"#);
        assert_eq!(plain("other"), r#"OneOf(["other"]) {}"#);
        assert_eq!(plain("*"), "Any {}");
        let clerk = json!({"preset": "clerk", "publishable_key": "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"});
        assert_eq!(audience(clerk), r#"OneOf(["https://a.example"]) {Session}"#);
        let cognito = json!({"preset": "cognito", "region": "eu-west-1", "user_pool_id": "eu-west-1_a", "client_id": "c"});
        assert_eq!(audience(cognito), r#"OneOf(["c"]) {}"#);
    }
}
