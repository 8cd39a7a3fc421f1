//! A door for MCP servers over HTTP (Model Context Protocol, "Streamable HTTP" and "Authorization"): one layer and one
//! router.
//!
//! ```
//! # use doorward::{Authenticator, Config, ConfigError, IssuerConfig};
//! # fn example(service: ::axum::routing::MethodRouter) -> Result<::axum::Router, ConfigError> {
//! use axum::Router;
//! use doorward::mcp::{self, McpLayer};
//!
//! let mut config = Config::new([IssuerConfig::preset("oidc")]);
//! # config.issuers[0].issuer = Some("https://login.example.com".to_owned());
//! config.resource = Some("https://mcp.example.com/mcp".to_owned());
//! config.issuers[0].accepts = Some("oauth_token".into());
//! let auth = Authenticator::new(&config)?;
//!
//! let server = Router::new().route("/mcp", service).layer(McpLayer::new(auth.clone())?);
//! Ok(server.merge(mcp::router(&auth)))
//! # }
//! ```
//!
//! The layer verifies every request, with a challenge that says where to get in; asks for the scopes of the tools that are
//! called (403 `insufficient_scope`, which clients answer by asking for more); binds each session to the caller who began
//! it; and keeps the token to itself. What it lets through has an [`Admission`](crate::tower::Admission) in its extensions,
//! and with the feature `rmcp` a tool takes a [`Caller`].

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::axum::Router;
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use base64_simd::STANDARD;
use bytes::Bytes;
use doorward_core::{Identity, Policy, Reason, Rejection};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use tower_layer::Layer;
use tower_service::Service;

use crate::authenticator::Authenticator;
use crate::axum_webhook::is_too_large;
use crate::calls::TOOLS_CALL;
use crate::config::ConfigError;
use crate::tower::{self, Auth, AuthFuture, AuthLayer};

/// Guards an MCP server: an axum router, or rmcp's `StreamableHttpService`.
#[derive(Clone, Debug)]
pub struct McpLayer {
    auth: AuthLayer,
    rules: Arc<Rules>,
}

#[derive(Clone, Debug)]
struct Rules {
    auth: Authenticator,
    max_body_bytes: usize,
    headers_are_validated: bool,
    keeps_authorization: bool,
}

/// The longest body that is read, where tools take scopes.
pub const DEFAULT_MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

impl McpLayer {
    /// A layer for the resource that this authenticator is configured with.
    ///
    /// # Errors
    /// No `resource` is configured: clients would not learn where to get in.
    pub fn new(auth: Authenticator) -> Result<Self, ConfigError> {
        if auth.resource().is_none() {
            return Err(ConfigError::new(
                "resource",
                "is missing; write the URL that clients know the MCP server by, such as https://mcp.example.com/mcp",
            ));
        }
        Ok(Self {
            auth: AuthLayer::required(auth.clone()),
            rules: Arc::new(Rules {
                auth,
                max_body_bytes: DEFAULT_MAX_BODY_BYTES,
                headers_are_validated: false,
                keeps_authorization: false,
            }),
        })
    }

    /// Demands more of a caller than to be verified, whatever they call.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.auth = self.auth.policy(policy);
        self
    }

    /// Reads bodies up to this length, where tools take scopes; longer ones are refused (413). Bodies are not read where
    /// none does.
    #[must_use]
    pub fn max_body_bytes(mut self, most: usize) -> Self {
        Arc::make_mut(&mut self.rules).max_body_bytes = most;
        self
    }

    /// Believes `Mcp-Method` and `Mcp-Name` of requests of revision 2026-07-28 and later, and does not read their bodies.
    ///
    /// Only for a server that compares them with the body and refuses what differs, as rmcp does (SEP-2243): for any other, a
    /// caller names a harmless tool in the header and another in the body.
    #[must_use]
    pub fn server_validates_headers(mut self) -> Self {
        Arc::make_mut(&mut self.rules).headers_are_validated = true;
        self
    }

    /// Leaves the `Authorization` field in the request. Without this the server does not see the token: it was given for
    /// this resource, and must not be handed on to another.
    #[must_use]
    pub fn keep_authorization(mut self) -> Self {
        Arc::make_mut(&mut self.rules).keeps_authorization = true;
        self
    }
}

impl<S> Layer<S> for McpLayer {
    type Service = Mcp<S>;

    fn layer(&self, inner: S) -> Mcp<S> {
        Mcp(self.auth.layer(Calls {
            rules: Arc::clone(&self.rules),
            inner,
        }))
    }
}

/// The metadata of the resource as routes (RFC 9728), to be merged with those of the MCP server, outside of its layer. Where
/// doorward's own authorization server is in the same router, its routes have them already.
pub fn router<S: Clone + Send + Sync + 'static>(auth: &Authenticator) -> Router<S> {
    crate::axum::resource_routes(auth)
}

/// A guarded MCP server; see [`McpLayer`].
#[derive(Clone, Debug)]
pub struct Mcp<S>(Auth<Calls<S>>);

impl<S, R> Service<Request<Body>> for Mcp<S>
where
    S: Service<Request<Body>, Response = R, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: IntoResponse + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = AuthFuture<Answering, Body, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

/// What stands behind the verification: sessions and calls.
#[derive(Clone, Debug)]
pub struct Calls<S> {
    rules: Arc<Rules>,
    inner: S,
}

/// The answer of a guarded MCP server.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<S, R> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = R, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: IntoResponse + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        // The service that was polled ready goes along; a clone stays behind.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let Some(caller) = tower::identity(request.extensions()).cloned() else {
                // The layer in front lets nobody else through.
                return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
            };
            match rules.admit(request, &caller).await {
                Ok(request) => {
                    let mut response = inner.call(request).await?.into_response();
                    rules.bind_session(response.headers_mut(), &caller);
                    Ok(response)
                }
                Err(refusal) => Ok(refusal.into_response()),
            }
        })
    }
}

/// Why a verified request goes no further.
#[derive(Debug)]
enum Refusal {
    Rejected(Rejection),
    /// MCP, "Session Management": 404 makes a client begin a new one.
    NoSession,
    TooLarge,
    Coded,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = match self {
            Self::Rejected(rejection) => return tower::refuse(&rejection),
            Self::NoSession => (StatusCode::NOT_FOUND, "session_not_found"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Coded => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "body_coded"),
        };
        let mut response = (status, format!(r#"{{"detail":"{code}"}}"#)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Rules {
    /// The request as the server is to see it.
    async fn admit(
        &self,
        mut request: Request<Body>,
        caller: &Identity,
    ) -> Result<Request<Body>, Refusal> {
        if !self.keeps_authorization {
            request.headers_mut().remove(AUTHORIZATION);
        }
        self.own_session(request.headers_mut(), caller)?;
        let speaks = ![Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS]
            .contains(request.method());
        if !speaks {
            // What nobody has looked at, no server may take for a call.
            *request.body_mut() = Body::empty();
            request.headers_mut().remove(CONTENT_LENGTH);
            return Ok(request);
        }
        if !self.auth.guards_tools() {
            return Ok(request);
        }
        if self.headers_are_validated
            && let Some(called) = called_by_header(request.headers())
        {
            let permitted = self.auth.permit_tools(caller, called.as_deref());
            return permitted.map(|()| request).map_err(Refusal::Rejected);
        }
        if !is_plain_json(request.headers()) {
            return Err(Refusal::Coded);
        }
        let (parts, body) = request.into_parts();
        let body = self.read(body).await?;
        let permitted = self.auth.permit_call(caller, &body);
        permitted.map_err(Refusal::Rejected)?;
        Ok(Request::from_parts(parts, body.into()))
    }

    /// Puts the server's own name of a session in the place of the one that this caller was given.
    fn own_session(&self, headers: &mut HeaderMap, caller: &Identity) -> Result<(), Refusal> {
        let mut named = headers.get_all(SESSION).iter();
        let Some(bound) = named.next() else {
            return Ok(());
        };
        if named.next().is_some() {
            return Err(Refusal::NoSession);
        }
        let own = bound.to_str().ok();
        let own = own.and_then(|bound| self.auth.bound_session(bound, caller));
        let own = own.and_then(|own| HeaderValue::from_str(own).ok());
        headers.insert(SESSION, own.ok_or(Refusal::NoSession)?);
        Ok(())
    }

    fn bind_session(&self, headers: &mut HeaderMap, caller: &Identity) {
        let Some(own) = headers.remove(SESSION) else {
            return;
        };
        let bound = own.to_str().ok();
        let bound = bound.and_then(|own| self.auth.bind_session(own, caller));
        if let Some(bound) = bound.and_then(|bound| HeaderValue::from_str(&bound).ok()) {
            headers.insert(SESSION, bound);
        }
    }

    /// The body, if it is not too long. What says so beforehand is not read at all.
    async fn read(&self, body: Body) -> Result<Bytes, Refusal> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > self.max_body_bytes {
            return Err(Refusal::TooLarge);
        }
        match Limited::new(body, self.max_body_bytes).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if is_too_large(&*error) => Err(Refusal::TooLarge),
            Err(_) => {
                let broken = Rejection::new(Reason::CallMalformed);
                let broken = broken.with_detail("the body broke off");
                Err(Refusal::Rejected(self.auth.refuse(broken)))
            }
        }
    }
}

/// Whether every server reads this body as it is read here: whoever unpacks it, or takes it for UTF-7, finds another call.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(text) = only.to_str() else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = |parameter: &str| {
        parameter.is_empty()
            || ["charset=utf-8", "charset=\"utf-8\""]
                .iter()
                .any(|good| parameter.eq_ignore_ascii_case(good))
    };
    json && parts.all(utf8) && !headers.contains_key(CONTENT_ENCODING)
}

/// The tool that the header fields of SEP-2243 say is called, or that none is. `None` where they say nothing that a server
/// validates.
fn called_by_header(headers: &HeaderMap) -> Option<Option<String>> {
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    let version = one(VERSION)?;
    if !is_date(version) || version < FIRST_WITH_HEADERS {
        return None;
    }
    if one(METHOD)? != TOOLS_CALL {
        return Some(None);
    }
    let name = one(NAME)?;
    let coded = name
        .strip_prefix("=?base64?")
        .and_then(|name| name.strip_suffix("?="));
    let name = match coded {
        None => name.to_owned(),
        Some(coded) => String::from_utf8(STANDARD.decode_to_vec(coded).ok()?).ok()?,
    };
    Some(Some(name))
}

/// Revisions are named by their days, and so in their order.
fn is_date(version: &str) -> bool {
    version.len() == 10
        && version
            .bytes()
            .enumerate()
            .all(|(position, byte)| match position {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
}

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// SEP-2243.
const FIRST_WITH_HEADERS: &str = "2026-07-28";

/// The verified caller, as an argument of an rmcp tool (feature `rmcp`):
///
/// ```ignore
/// #[tool(description = "Says who is calling")]
/// async fn whoami(&self, caller: Caller) -> String {
///     caller.subject().to_owned()
/// }
/// ```
#[derive(Clone)]
pub struct Caller(pub Identity);

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "rmcp")]
impl<C: rmcp::handler::server::common::AsRequestContext>
    rmcp::handler::server::common::FromContextPart<C> for Caller
{
    fn from_context_part(context: &mut C) -> Result<Self, rmcp::ErrorData> {
        let extensions = &context.as_request_context().extensions;
        let parts = extensions.get::<http::request::Parts>();
        let caller = parts.and_then(|parts| tower::identity(&parts.extensions));
        match caller {
            Some(caller) => Ok(Self(caller.clone())),
            None => Err(rmcp::ErrorData::internal_error(
                "there is no doorward layer around this server",
                None,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn header_fields_count_only_where_a_server_validates_them() {
        let called = |fields: &[(&'static str, &str)]| called_by_header(&headers(fields));
        let version = ("mcp-protocol-version", "2026-07-28");
        let call = ("mcp-method", "tools/call");
        let add = || Some(Some("add".to_owned()));
        assert_eq!(called(&[version, call, ("mcp-name", "add")]), add());
        assert_eq!(
            called(&[
                ("mcp-protocol-version", "2027-01-01"),
                call,
                ("mcp-name", "add")
            ]),
            add()
        );
        assert_eq!(
            called(&[version, call, ("mcp-name", "=?base64?YWRk?=")]),
            add()
        );
        assert_eq!(called(&[version, ("mcp-method", "tools/list")]), Some(None));
        for fields in [
            &[call, ("mcp-name", "add")][..],
            &[
                ("mcp-protocol-version", "2025-11-25"),
                call,
                ("mcp-name", "add"),
            ],
            &[
                ("mcp-protocol-version", "DRAFT-2026"),
                call,
                ("mcp-name", "add"),
            ],
            &[("mcp-protocol-version", "9999"), call, ("mcp-name", "add")],
            &[version, version, call, ("mcp-name", "add")],
            &[version, call, call, ("mcp-name", "add")],
            &[version, call, ("mcp-name", "add"), ("mcp-name", "other")],
            &[version, call],
            &[version, ("mcp-name", "add")],
            &[version, call, ("mcp-name", "=?base64?!?=")],
        ] {
            assert_eq!(called(fields), None, "{fields:?}");
        }
    }
}
