//! Token introspection (RFC 7662), as JSON or as a signed JWT (RFC 9701), and Clerk's narrower `/oauth/token_info`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::Uri;
use axum::http::header::{ACCEPT, HeaderMap};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::issuer::DevIssuer;
use crate::jws::sign;
use crate::line::Line;
use crate::mint::Kind;
use crate::oauth::{Form, OauthError};
use crate::requests::Endpoint;
use crate::strike::{Answer, answered};
use crate::verify::EVE;

impl DevIssuer {
    /// What introspection says of this token: all that is known of an active access token, opaque or a JWT, and
    /// `{"active": false}` of everything else, API keys, machine tokens and sessions included.
    pub fn introspect(&self, token: &str) -> Value {
        let Some(mut claims) = self.access_token(token) else {
            return json!({ "active": false });
        };
        // RFC 9449 §6.2.
        let bound = claims.get("cnf").and_then(|cnf| cnf.get("jkt")).is_some();
        claims.insert("active".to_owned(), json!(true));
        let token_type = if bound { "DPoP" } else { "Bearer" };
        claims.insert("token_type".to_owned(), json!(token_type));
        claims.into()
    }

    /// The claims of an active access token.
    pub(crate) fn access_token(&self, token: &str) -> Option<Map<String, Value>> {
        if let Some(read) = self.own_jws(token) {
            let typ = read.text("typ").unwrap_or_default().to_ascii_lowercase();
            let plain = matches!(typ.as_str(), "jwt" | "at+jwt" | "application/at+jwt");
            // A category says what kind of token of Clerk's it is, and none of those is an OAuth access token.
            let access = plain && !read.header.contains_key("cat");
            return (access && self.stands_by(&read)).then_some(read.claims);
        }
        let now = self.now();
        let tokens = self.tokens();
        let opaque = tokens.active(token, now)?;
        let access = matches!(opaque.kind, Kind::OauthOpaque | Kind::Opaque);
        access.then(|| opaque.claims.clone())
    }
}

/// `POST /oauth/introspect`.
pub(crate) async fn introspect(
    State(issuer): State<Arc<DevIssuer>>,
    ConnectInfo(line): ConnectInfo<Line>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(&issuer, Endpoint::Introspect, &line, |fault| {
        introspected(&issuer, fault, uri.path(), &headers, &body).unwrap_or_else(OauthError::answer)
    })
    .await
}

fn introspected(
    issuer: &DevIssuer,
    fault: &Fault,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer, OauthError> {
    let form = Form::read(headers, body)?;
    let caller = issuer.caller(path, headers, &form)?;
    let token = form.required("token")?;
    // RFC 7662 §2.1: a hint is a hint.
    form.one("token_type_hint")?;
    let mut told = issuer.introspect(token);
    bend(&mut told, fault, issuer);
    if path == TOKEN_INFO {
        if let Some(members) = told.as_object_mut() {
            members.retain(|name, _| TOKEN_INFO_MEMBERS.contains(&name.as_str()));
        }
        return Ok(Answer::json(&told));
    }
    if !wants_jwt(headers) {
        return Ok(Answer::json(&told));
    }
    // RFC 9701 §5: the answer is for somebody.
    let caller = caller
        .ok_or_else(|| OauthError::invalid_client("a signed answer is for a client with a name"))?;
    let claims = json!({
        "iss": issuer.issuer(),
        "aud": caller,
        "iat": issuer.now(),
        "token_introspection": told,
    });
    let failed = || OauthError::new("server_error", "the answer could not be signed");
    let mut key = issuer.signing_key(None).map_err(|_| failed())?;
    if *fault == Fault::Forged {
        key = issuer.stranger(key.algorithm()).map_err(|_| failed())?;
    }
    let jwt = sign("token-introspection+jwt", &claims, &key).map_err(|_| failed())?;
    Ok(Answer::text(INTROSPECTION_JWT, jwt))
}

/// Whether the client asks for a JWT (RFC 9701 §4).
fn wants_jwt(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .flat_map(|accept| accept.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case(INTROSPECTION_JWT))
}

/// What a fault makes of the content.
fn bend(told: &mut Value, fault: &Fault, issuer: &DevIssuer) {
    if told["active"] != true {
        return;
    }
    match fault {
        Fault::Revoked => *told = json!({ "active": false }),
        Fault::Expired => told["exp"] = json!(issuer.now().saturating_sub(3600)),
        Fault::OtherSubject => told["sub"] = json!(EVE),
        _ => {}
    }
}

const INTROSPECTION_JWT: &str = "application/token-introspection+jwt";
const TOKEN_INFO: &str = "/oauth/token_info";
/// All that Clerk documents.
const TOKEN_INFO_MEMBERS: [&str; 6] = ["active", "client_id", "iat", "scope", "sub", "org_id"];
