//! Answers, and why a request ends early (RFC 6749 §5.2, RFC 7591 §3.2.2).

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    PRAGMA, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::pages::{self, Screen};
use super::store::StoreError;
use super::{Call, Reply};
use crate::oauth::OauthError;

/// Why a request ends early. It holds nothing that a request brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Halt {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) description: &'static str,
    header: Option<(HeaderName, &'static str)>,
    /// What a person is told.
    told: &'static str,
}

impl Halt {
    pub(super) fn new(code: &'static str, description: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            description,
            header: None,
            told: "failed",
        }
    }

    /// Names what a person is told instead: one of the texts of [`super::pages`].
    pub(super) fn told(self, told: &'static str) -> Self {
        Self { told, ..self }
    }

    pub(super) fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn invalid_grant(description: &'static str) -> Self {
        Self::new("invalid_grant", description)
    }

    /// RFC 6749 §5.2: 401 and a challenge.
    pub(super) fn invalid_client(description: &'static str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            header: Some((WWW_AUTHENTICATE, r#"Basic realm="doorward""#)),
            ..Self::new("invalid_client", description)
        }
    }

    pub(super) fn forbidden(description: &'static str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            ..Self::new("access_denied", description)
        }
    }

    pub(super) fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            told: "missing",
            ..Self::new("not_found", "there is nothing here")
        }
    }

    pub(super) fn method(endpoint: &str) -> Self {
        let allowed = match endpoint {
            "/authorize" => "GET, POST",
            "/callback" => "GET",
            "/consent" => "POST",
            "/jwks" => "GET, HEAD, OPTIONS",
            _ => "POST, OPTIONS",
        };
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            header: Some((ALLOW, allowed)),
            told: "missing",
            ..Self::invalid_request("this endpoint has other methods")
        }
    }

    pub(super) fn too_large() -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::invalid_request("the body is too long")
        }
    }

    pub(super) fn too_many() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            header: Some((RETRY_AFTER, "60")),
            told: "busy",
            ..Self::new("temporarily_unavailable", "too many requests")
        }
    }

    /// Trouble on our side.
    pub(super) fn unavailable() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            header: Some((RETRY_AFTER, "5")),
            told: "away",
            ..Self::new("temporarily_unavailable", "try again later")
        }
    }
}

impl From<StoreError> for Halt {
    fn from(StoreError: StoreError) -> Self {
        Self::unavailable()
    }
}

impl From<OauthError> for Halt {
    fn from(error: OauthError) -> Self {
        Self::new(error.code(), error.description())
    }
}

impl Call<'_> {
    pub(super) fn halted(&self, halt: Halt) -> Response<Vec<u8>> {
        let compatible = self.server.settings.invalid_grant_is_unauthorized;
        let status = match halt.code {
            "invalid_grant" if compatible => StatusCode::UNAUTHORIZED,
            _ => halt.status,
        };
        let body = json!({ "error": halt.code, "error_description": halt.description });
        let mut response = private(&body);
        *response.status_mut() = status;
        if let Some((name, value)) = halt.header {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        if self.is_browsed() {
            let screen = self.screen(halt.told, halt.code, halt.description);
            response.extensions_mut().insert(screen);
        }
        response
    }

    /// A redirect that a form leads to.
    pub(super) fn onward(&self, reply: Reply, told: &'static str) -> Reply {
        match reply {
            Reply::Response(mut response) if self.is_browsed() => {
                let screen = self.screen(told, "", "");
                response.extensions_mut().insert(screen);
                Reply::Response(response)
            }
            reply => reply,
        }
    }

    fn is_browsed(&self) -> bool {
        FOR_PEOPLE.contains(&self.endpoint()) && pages::wants_page(self.request.headers())
    }

    fn screen(&self, told: &'static str, code: &'static str, description: &'static str) -> Screen {
        Screen {
            told,
            code,
            description,
            resource: self.server.settings.resource.clone(),
            accept_language: pages::accept_language(self.request.headers()),
        }
    }
}

/// JSON that nobody keeps (RFC 6749 §5.1).
pub(super) fn private(body: &Value) -> Response<Vec<u8>> {
    let mut response = json_response(body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// JSON for everybody.
pub(super) fn document(body: &Value) -> Response<Vec<u8>> {
    let mut response = json_response(body);
    let kept = HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(CACHE_CONTROL, kept);
    response
}

/// A redirect by GET (RFC 9700 §4.12), with a cookie or two.
pub(super) fn redirect(to: &str, cookies: &[String]) -> Option<Response<Vec<u8>>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, to.parse().ok()?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie.parse().ok()?);
    }
    Some(response)
}

pub(super) fn preflight() -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, mcp-protocol-version",
        ),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn json_response(body: &Value) -> Response<Vec<u8>> {
    let mut response = Response::new(body.to_string().into_bytes());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// Where people are sent.
const FOR_PEOPLE: [&str; 3] = ["/authorize", "/callback", "/consent"];
