//! The endpoints of Clerk's Backend API that verify opaque tokens, with and without `/v1`.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::issuer::DevIssuer;
use crate::line::Line;
use crate::mint::Kind;
use crate::requests::Endpoint;
use crate::strike::{Answer, answered};

type Issuer = State<Arc<DevIssuer>>;
type From = ConnectInfo<Line>;

/// `POST /api_keys/verify`.
pub(crate) async fn api_key(
    issuer: Issuer,
    from: From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    verify(Kind::ApiKey, issuer, from, headers, body).await
}

/// `POST /oauth_applications/access_tokens/verify`.
pub(crate) async fn access_token(
    issuer: Issuer,
    from: From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    verify(Kind::OauthOpaque, issuer, from, headers, body).await
}

/// `POST /m2m_tokens/verify`.
pub(crate) async fn machine_token(
    issuer: Issuer,
    from: From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    verify(Kind::M2mOpaque, issuer, from, headers, body).await
}

async fn verify(
    kind: Kind,
    State(issuer): Issuer,
    ConnectInfo(line): From,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(&issuer, Endpoint::Verify, &line, |fault| {
        match verified(kind, &issuer, &headers, &body) {
            Ok(mut object) => {
                bend(&mut object, fault, &issuer);
                Answer::json(&object)
            }
            Err(refusal) => refusal.answer(),
        }
    })
    .await
}

/// What the endpoint says: cheapest first, and nothing to a stranger.
fn verified(
    kind: Kind,
    issuer: &DevIssuer,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, Refusal> {
    let machine = caller(kind, issuer, headers)?;
    let token = secret(kind, body)?;
    if kind == Kind::OauthOpaque
        && let Some(read) = issuer.own_jws(&token)
        && is_access_token(&read.header)
    {
        return Ok(if issuer.stands_by(&read) {
            from_jwt(&read.claims)
        } else {
            json!({ "active": false })
        });
    }
    let now = issuer.now();
    let found = issuer
        .tokens()
        .verify(&token, Some(kind), machine.as_deref(), now);
    found.ok_or_else(|| {
        let name = match kind {
            Kind::ApiKey => "API key not found",
            Kind::M2mOpaque => "Machine token not found",
            _ => "OAuth token not found",
        };
        Refusal {
            status: StatusCode::NOT_FOUND,
            code: "resource_not_found",
            message: name,
            long: name.to_owned(),
        }
    })
}

/// The machine that asks, or nobody in particular: whoever has the instance's secret key.
fn caller(kind: Kind, issuer: &DevIssuer, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let unauthorized = |code, message, long: &str| Refusal {
        status: StatusCode::UNAUTHORIZED,
        code,
        message,
        long: long.to_owned(),
    };
    let text = headers
        .get(AUTHORIZATION)
        .and_then(|text| text.to_str().ok());
    let key = text
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim());
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err(unauthorized(
            "authentication_invalid",
            "Invalid authentication",
            "Send `Authorization: Bearer` and the local issuer's secret key, as `/dev/state` shows it.",
        ));
    };
    if verify_slices_are_equal(key.as_bytes(), issuer.secret_key().as_bytes()).is_ok() {
        return Ok(None);
    }
    match issuer.machine_of(key).filter(|_| kind == Kind::M2mOpaque) {
        Some(machine) => Ok(Some(machine)),
        None => Err(unauthorized(
            "clerk_key_invalid",
            "The provided Clerk Secret Key is invalid.",
            "The local issuer has another secret key; `/dev/state` shows it.",
        )),
    }
}

/// The token in the body. Clerk's Python SDK says `secret` for every kind, so that is understood beside the right word.
fn secret(kind: Kind, body: &[u8]) -> Result<String, Refusal> {
    let bad = |long: &str| Refusal {
        status: StatusCode::BAD_REQUEST,
        code: "bad_request",
        message: "Bad Request",
        long: long.to_owned(),
    };
    let mut members: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| bad("Invalid 'body': Expected a JSON object"))?;
    let (word, strict) = match kind {
        Kind::ApiKey => ("secret", true),
        Kind::M2mOpaque => ("token", true),
        _ => ("access_token", false),
    };
    let given = members.remove(word);
    let given = given.or_else(|| members.remove("secret"));
    if strict && !members.is_empty() {
        return Err(bad("Invalid 'body': Unknown property"));
    }
    match given {
        Some(Value::String(token)) if !token.is_empty() => Ok(token),
        _ => Err(bad(&format!("Invalid 'body.{word}': Expected a string"))),
    }
}

fn is_access_token(header: &Map<String, Value>) -> bool {
    let typ = header
        .get("typ")
        .and_then(Value::as_str)
        .unwrap_or_default();
    matches!(typ, "at+jwt" | "application/at+jwt")
}

/// The object for a JWT access token, from its claims.
fn from_jwt(claims: &Map<String, Value>) -> Value {
    let claim = |name: &str| claims.get(name).cloned().unwrap_or_default();
    let milliseconds =
        |name: &str| json!(claim(name).as_i64().map(|time| time.saturating_mul(1000)));
    json!({
        "object": "clerk_idp_oauth_access_token",
        "id": claim("jti"),
        "client_id": claim("client_id"),
        "subject": claim("sub"),
        "scopes": claim("scp"),
        "revoked": false,
        "revocation_reason": null,
        "expired": false,
        "expiration": milliseconds("exp"),
        "created_at": milliseconds("iat"),
        "updated_at": milliseconds("iat"),
    })
}

/// What a fault makes of the content.
fn bend(object: &mut Value, fault: &Fault, issuer: &DevIssuer) {
    if object.get("object").is_none() {
        return;
    }
    match fault {
        Fault::Revoked => {
            object["revoked"] = json!(true);
            object["revocation_reason"] = json!("Revoked on purpose");
        }
        Fault::Expired => {
            object["expired"] = json!(true);
            object["expiration"] = json!(issuer.now().saturating_sub(3600).saturating_mul(1000));
        }
        Fault::OtherSubject => object["subject"] = json!(EVE),
        _ => {}
    }
}

/// An error as Clerk's proxied groups write it: no `meta`, no trace.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) long: String,
}

impl Refusal {
    pub(crate) fn answer(self) -> Answer {
        let error =
            json!({ "code": self.code, "message": self.message, "long_message": self.long });
        let answer = Answer::json(&json!({ "errors": [error] })).status(self.status);
        match self.status {
            StatusCode::UNAUTHORIZED => answer.header(WWW_AUTHENTICATE, "Bearer"),
            _ => answer,
        }
    }
}

/// Whom the fault `other_subject` names.
pub(crate) const EVE: &str = "user_2doorwardEve";
