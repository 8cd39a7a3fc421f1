//! A verified request on its way to the MCP server, and the answer on its way back. Both bodies go through as they come.
//!
//! Only header fields that the protocol needs go either way. A list of what is let through leaves nothing to forget; a list
//! of what is kept out would have to know every name that some server believes (`X-Forwarded-User`, `Remote_User`, …).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::RequestExt as _;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse as _;
use doorward::axum::Identity;
use reqwest::Client;
use url::Url;

use super::assertion::{Assertions, FIELD};
use super::turns::{Turn, Turns};

/// Where requests are passed on to.
pub(super) struct Upstream {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) forward: Vec<HeaderName>,
    pub(super) assertions: Assertions,
    pub(super) turns: Arc<Turns>,
    pub(super) max_body_bytes: usize,
    pub(super) timeout: Duration,
}

impl Upstream {
    /// Passes a request on. It was verified, its tools were permitted, its session is the caller's, whose sign-in stands.
    pub(super) async fn pass_on(&self, caller: Identity, request: Request) -> Response<Body> {
        let Some(turn) = self.turns.take(&caller) else {
            return trouble(StatusCode::SERVICE_UNAVAILABLE, "too_many_requests");
        };
        let Some(assertion) = self.assertion(&caller) else {
            return trouble(StatusCode::SERVICE_UNAVAILABLE, "not_signed");
        };
        let mut url = self.url.clone();
        url.set_query(request.uri().query());
        let method = request.method().clone();
        let mut headers = self.request_headers(request.headers());
        headers.insert(FIELD, assertion);
        let announced = HttpBody::size_hint(request.body());
        if announced.lower() > self.max_body_bytes as u64 {
            return trouble(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
        }
        let mut asked = self.client.request(method, url);
        match announced.exact() {
            Some(0) => {}
            Some(length) => {
                headers.insert(CONTENT_LENGTH, length.into());
                asked = asked.body(body(request));
            }
            None => asked = asked.body(body(request)),
        }
        let sent = asked.headers(headers).send();
        let Ok(sent) = tokio::time::timeout(self.timeout, sent).await else {
            return trouble(StatusCode::GATEWAY_TIMEOUT, "server_timeout");
        };
        match sent {
            Ok(answer) => answered(answer, turn),
            Err(error) if error.is_body() => {
                trouble(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large_or_broken")
            }
            Err(error) => {
                tracing::warn!(reason = %error.without_url(), "the MCP server cannot be reached");
                trouble(StatusCode::BAD_GATEWAY, "server_unreachable")
            }
        }
    }

    fn assertion(&self, caller: &Identity) -> Option<HeaderValue> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let signed = self
            .assertions
            .sign(caller, i64::try_from(now.as_secs()).ok()?)?;
        let mut value = HeaderValue::try_from(signed).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn request_headers(&self, given: &HeaderMap) -> HeaderMap {
        let wanted = |name: &HeaderName| {
            REQUEST.contains(name) || self.forward.contains(name) || is_protocols(name)
        };
        // What `Connection` names is for this hop alone (RFC 9110 §7.6.1), whoever named it.
        let kept = given
            .iter()
            .filter(|(name, _)| wanted(name) && !is_connection_option(given, name));
        let mut headers: HeaderMap = kept
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Some(own) = &self.authorization {
            headers.insert(AUTHORIZATION, own.clone());
        }
        headers
    }
}

/// Whether an operator may have this field passed on.
pub(super) fn may_forward(name: &HeaderName) -> bool {
    let text = name.as_str();
    let starts = |prefix: &str| text.starts_with(prefix);
    // An underscore and a hyphen are one letter to CGI and WSGI.
    !text.contains('_')
        && !NEVER.contains(&text)
        && !["doorward-", "proxy-", "sec-", "x-forwarded-"]
            .into_iter()
            .any(starts)
}

/// The body, up to the limit, as it comes.
fn body(request: Request) -> reqwest::Body {
    reqwest::Body::wrap_stream(request.into_limited_body().into_data_stream())
}

/// The MCP server's answer, as the client is to see it.
fn answered(answer: reqwest::Response, turn: Turn) -> Response<Body> {
    let status = answer.status();
    match status.as_u16() {
        // A client would take these for its own token's, or be led past this door.
        401 | 407 => return trouble(StatusCode::BAD_GATEWAY, "server_refused_the_proxy"),
        300..=399 => return trouble(StatusCode::BAD_GATEWAY, "server_redirected"),
        _ => {}
    }
    let given = answer.headers();
    let wanted = |name: &HeaderName| RESPONSE.contains(name) || is_protocols(name);
    let kept = given
        .iter()
        .filter(|(name, _)| wanted(name) && !is_connection_option(given, name));
    let headers: HeaderMap = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let stream = futures_util::StreamExt::map(answer.bytes_stream(), move |piece| {
        let _held = &turn;
        piece
    });
    let mut response = Response::new(Body::from_stream(stream));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Trouble behind the door: neither the token nor the request is to blame.
pub(super) fn trouble(status: StatusCode, code: &str) -> Response<Body> {
    let mut response = (status, format!(r#"{{"detail":"{code}"}}"#)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Whether it is one of the protocol's own. With an underscore it is not, and yet some servers would take it for one.
fn is_protocols(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("mcp-") && !name.contains('_')
}

fn is_connection_option(headers: &HeaderMap, name: &HeaderName) -> bool {
    let values = headers.get_all("connection").iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
}

/// What goes to the MCP server, besides `mcp-*`.
const REQUEST: [HeaderName; 10] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    USER_AGENT,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-request-id"),
];
/// What comes back, besides `mcp-*`.
const RESPONSE: [HeaderName; 8] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CACHE_CONTROL,
    RETRY_AFTER,
    HeaderName::from_static("x-accel-buffering"),
    HeaderName::from_static("x-request-id"),
];
/// Fields that frame a message, or say who sends it.
const NEVER: [&str; 16] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "remote-user",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-real-ip",
];
