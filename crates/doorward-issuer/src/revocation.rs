//! Revocation: of a token (RFC 7009), a session, a subject, a client; and what is remembered of it for JWTs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::issuer::DevIssuer;
use crate::line::Line;
use crate::oauth::{Form, OauthError};
use crate::opaque::{Digest, digest_of};
use crate::requests::Endpoint;
use crate::strike::{Answer, answered};

/// What is to be revoked. In JSON one member, as in `{"sid": "sess_a"}`.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Revocation {
    /// This token, opaque or a JWT of the issuer's.
    Token(String),
    /// The token with this id, whenever it is issued.
    Jti(String),
    /// This session: every token that names it, whenever it is issued.
    Sid(String),
    /// Every token of this subject so far; of JWTs, those of the same second too.
    Sub(String),
    /// Every token of this client so far; of JWTs, those of the same second too.
    ClientId(String),
}

impl Revocation {
    /// The claim that is compared, and its value.
    pub(crate) fn claim(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Token(_) => None,
            Self::Jti(value) => Some(("jti", value)),
            Self::Sid(value) => Some(("sid", value)),
            Self::Sub(value) => Some(("sub", value)),
            Self::ClientId(value) => Some(("client_id", value)),
        }
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.claim() {
            Some((name, value)) => write!(formatter, "Revocation({name}: {value:?})"),
            None => formatter.write_str("Revocation(token)"),
        }
    }
}

/// What JWTs cannot know themselves.
#[derive(Default)]
pub(crate) struct Revocations {
    claims: VecDeque<(&'static str, String, i64)>,
    tokens: VecDeque<Digest>,
}

impl Revocations {
    pub(crate) fn add(&mut self, name: &'static str, value: &str, now: i64) {
        self.claims
            .retain(|(known, of, _)| (*known, of.as_str()) != (name, value));
        if self.claims.len() == MAX_REVOCATIONS {
            self.claims.pop_front();
        }
        self.claims.push_back((name, value.to_owned(), now));
    }

    /// Revokes a JWT by what its signature covers: the signature itself may have a second spelling.
    pub(crate) fn add_jwt(&mut self, signed: &str) {
        if self.tokens.len() == MAX_REVOCATIONS {
            self.tokens.pop_front();
        }
        self.tokens.push_back(digest_of(signed));
    }

    /// Whether a token with these claims is revoked whenever it was issued.
    pub(crate) fn cover_for_good(&self, claims: &Map<String, Value>) -> bool {
        self.claims.iter().any(|(name, value, _)| {
            matches!(*name, "jti" | "sid")
                && claims.get(*name).and_then(Value::as_str) == Some(value)
        })
    }

    /// Whether this JWT is revoked.
    pub(crate) fn cover_jwt(&self, claims: &Map<String, Value>, signed: &str) -> bool {
        let iat = claims.get("iat").and_then(Value::as_f64).unwrap_or(0.0);
        let so_far = self.claims.iter().any(|(name, value, at)| {
            iat <= *at as f64 && claims.get(*name).and_then(Value::as_str) == Some(value)
        });
        so_far || self.cover_for_good(claims) || self.tokens.contains(&digest_of(signed))
    }
}

/// `POST /oauth/revoke` (RFC 7009), and the same where Clerk has it.
pub(crate) async fn revoke(
    State(issuer): State<Arc<DevIssuer>>,
    ConnectInfo(line): ConnectInfo<Line>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(&issuer, Endpoint::Revoke, &line, |_| {
        match revoked(&issuer, uri.path(), &headers, &body) {
            Ok(()) => Answer::empty(),
            Err(error) => error.answer(),
        }
    })
    .await
}

fn revoked(
    issuer: &DevIssuer,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), OauthError> {
    let form = Form::read(headers, body)?;
    let caller = issuer.caller(path, headers, &form)?;
    let token = form.required("token")?;
    // RFC 7009 §2.1: a hint is a hint.
    form.one("token_type_hint")?;
    match (issuer.client_of(token), caller) {
        // §2.2: unknown is as good as revoked. A refresh token is known by its digest alone.
        (None, caller) => {
            if let Some(caller) = caller {
                issuer.sign_ins().revoke(token, &caller);
            }
            Ok(())
        }
        (Some(client), Some(caller)) if client == caller => {
            issuer.revoke(&Revocation::Token(token.to_owned()), None);
            Ok(())
        }
        _ => Err(OauthError::new(
            "invalid_grant",
            "the token was issued to another client",
        )),
    }
}

const MAX_REVOCATIONS: usize = 4096;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_thing_is_revoked_at_a_time_and_no_token_is_printed() {
        let read = |form: Value| serde_json::from_value::<Revocation>(form);
        let token = read(json!({"token": "ak_hidden"})).unwrap();
        assert_eq!(token, Revocation::Token("ak_hidden".to_owned()));
        assert_eq!(format!("{token:?}"), "Revocation(token)");
        assert_eq!(
            read(json!({"client_id": "c"})).unwrap().claim(),
            Some(("client_id", "c"))
        );
        for form in [
            json!({}),
            json!({"sub": "a", "sid": "b"}),
            json!({"user": "a"}),
            json!("token"),
        ] {
            assert!(read(form.clone()).is_err(), "{form}");
        }
    }

    #[test]
    fn subjects_are_revoked_so_far_and_sessions_for_good() {
        let mut revocations = Revocations::default();
        revocations.add("sub", "ada", 100);
        revocations.add("sid", "s", 100);
        let covered = |claims: Value| revocations.cover_jwt(claims.as_object().unwrap(), "signed");
        assert!(covered(json!({"sub": "ada", "iat": 99})) && covered(json!({"sub": "ada"})));
        assert!(covered(json!({"sub": "ada", "iat": 100})));
        assert!(!covered(json!({"sub": "ada", "iat": 101})) && !covered(json!({"sub": "bob"})));
        assert!(covered(json!({"sub": "bob", "sid": "s", "iat": 101})));
        assert!(!covered(json!({"sub": ["ada"]})));
        revocations.add_jwt("signed");
        assert!(revocations.cover_jwt(&Map::new(), "signed"));
        assert!(!revocations.cover_jwt(&Map::new(), "other"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut revocations = Revocations::default();
        for number in 0..=MAX_REVOCATIONS {
            revocations.add("sub", &number.to_string(), 0);
            revocations.add_jwt(&number.to_string());
        }
        assert_eq!(revocations.claims.len(), MAX_REVOCATIONS);
        assert_eq!(revocations.tokens.len(), MAX_REVOCATIONS);
        revocations.add("sub", "7", 1);
        assert_eq!(revocations.claims.len(), MAX_REVOCATIONS);
    }
}
