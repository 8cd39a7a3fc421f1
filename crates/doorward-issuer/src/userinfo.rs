//! UserInfo (OpenID Connect Core §5.3).

use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::issuer::DevIssuer;
use crate::line::Line;
use crate::oauth::OauthError;
use crate::requests::Endpoint;
use crate::strike::{Answer, answered};
use crate::verify::EVE;

/// `GET` and `POST /oauth/userinfo`.
pub(crate) async fn userinfo(
    State(issuer): State<Arc<DevIssuer>>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
) -> Response {
    answered(&issuer, Endpoint::Userinfo, &line, |fault| {
        let text = headers
            .get(AUTHORIZATION)
            .and_then(|text| text.to_str().ok());
        let token = text
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match token {
            Some((_, token)) => {
                told(&issuer, fault, token.trim()).unwrap_or_else(OauthError::answer)
            }
            // RFC 6750 §3.1: no error for whoever did not try.
            None => Answer::json(&json!({ "error": "unauthorized" }))
                .status(StatusCode::UNAUTHORIZED)
                .header(WWW_AUTHENTICATE, "Bearer"),
        }
    })
    .await
}

fn told(issuer: &DevIssuer, fault: &Fault, token: &str) -> Result<Answer, OauthError> {
    let claims = issuer
        .access_token(token)
        .filter(|_| !matches!(fault, Fault::Revoked | Fault::Expired));
    let claims = claims.ok_or_else(|| {
        OauthError::bearer(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "the token is unknown, expired or revoked",
        )
    })?;
    let scope = claims.get("scope").and_then(Value::as_str);
    let scopes: Vec<_> = scope.unwrap_or_default().split_whitespace().collect();
    // A token that says nothing about scopes may know everything: a test that wants less says so.
    if !scopes.is_empty() && !scopes.contains(&"openid") {
        return Err(OauthError::bearer(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "the token was not granted openid",
        ));
    }
    let mut told = Map::new();
    for (scope, names) in CLAIMS {
        if scopes.is_empty() || scopes.contains(&scope) {
            let found = names.iter().filter_map(|&name| claims.get_key_value(name));
            told.extend(found.map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    if *fault == Fault::OtherSubject {
        told.insert("sub".to_owned(), json!(EVE));
    }
    Ok(Answer::json(&told.into()))
}

/// Which scope asks for which claims (§5.4). They come from the `claims` of what was minted.
const CLAIMS: [(&str, &[&str]); 5] = [
    ("openid", &["sub"]),
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];
