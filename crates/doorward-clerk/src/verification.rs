//! What is computed with: key sets, and what the API says about a token that was shown to us. Here nothing is tolerated: a
//! field that is missing or of another type makes no caller (<https://clerk.com/docs/reference/backend-api>).

use doorward_core::{AlgorithmSet, JwkSet, KeyError, Timestamp};
use serde_json::Value;

use crate::models::{ApiKey, JWKS, M2MToken, Model, OAuthAccessTokenVerification};

/// Whose a token is, as the API said when it was asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VerifiedToken {
    /// The token's id, `ak_…`, `mt_…`, `oat_…`. Not the token.
    pub id: String,
    /// Whose it is, `user_…`, `org_…`, `mch_…`.
    pub subject: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// Until when it is good; `None` for ever.
    pub expires_at: Option<Timestamp>,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotVerified {
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// The answer does not say what it must.
    #[error("the answer about the token lacks a usable {0:?}")]
    Incomplete(&'static str),
}

impl JWKS {
    /// The keys, ready to verify with.
    ///
    /// # Errors
    /// The set is none.
    pub fn key_set(&self, allowed: AlgorithmSet) -> Result<JwkSet, KeyError> {
        JwkSet::parse(&self.json().to_string(), allowed)
    }
}

impl ApiKey {
    /// Whether the API key is good now.
    ///
    /// # Errors
    /// It is not, or the answer does not say.
    pub fn verified(&self, now: Timestamp) -> Result<VerifiedToken, NotVerified> {
        verified(self.json(), now)
    }
}

impl M2MToken {
    /// Whether the machine token is good now.
    ///
    /// # Errors
    /// It is not, or the answer does not say.
    pub fn verified(&self, now: Timestamp) -> Result<VerifiedToken, NotVerified> {
        verified(self.json(), now)
    }
}

impl OAuthAccessTokenVerification {
    /// Whether the access token is good now.
    ///
    /// # Errors
    /// It is not, or the answer does not say.
    pub fn verified(&self, now: Timestamp) -> Result<VerifiedToken, NotVerified> {
        verified(self.json(), now)
    }
}

fn verified(answer: &Value, now: Timestamp) -> Result<VerifiedToken, NotVerified> {
    use NotVerified::{Expired, Incomplete, Revoked};
    // The answer about an access token in JWT format that is over.
    match answer.get("active") {
        None | Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(Expired),
        Some(_) => return Err(Incomplete("active")),
    }
    let flag = |name| {
        let flag = answer.get(name).and_then(Value::as_bool);
        flag.ok_or(Incomplete(name))
    };
    if flag("revoked")? {
        return Err(Revoked);
    }
    if flag("expired")? {
        return Err(Expired);
    }
    let text = |name| {
        let text = answer.get(name).and_then(Value::as_str);
        let text = text.filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or(Incomplete(name))
    };
    let expires_at = match answer.get("expiration") {
        None | Some(Value::Null) => None,
        Some(value) => Some(moment(value).ok_or(Incomplete("expiration"))?),
    };
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Expired);
    }
    let scopes = match answer.get("scopes") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(scopes)) => {
            let scopes = scopes.iter().map(|scope| scope.as_str().map(str::to_owned));
            scopes.collect::<Option<_>>().ok_or(Incomplete("scopes"))?
        }
        Some(_) => return Err(Incomplete("scopes")),
    };
    Ok(VerifiedToken {
        id: text("id")?,
        subject: text("subject")?,
        scopes,
        expires_at,
    })
}

/// Milliseconds, or seconds: the documentation of OAuth access tokens shows seconds where all else has milliseconds. As
/// seconds, the border is in the year 5138; as milliseconds, in 1973.
fn moment(value: &Value) -> Option<Timestamp> {
    const BORDER: f64 = 100_000_000_000.0;
    match value.as_f64()? {
        number if !number.is_finite() => None,
        number if number.abs() < BORDER => Timestamp::from_secs_f64(number),
        number => Timestamp::from_secs_f64(number / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_772_000_000);

    fn key(change: &Value) -> Result<VerifiedToken, NotVerified> {
        let mut answer = json!({
            "object": "api_key", "id": "ak_1", "subject": "user_1", "scopes": ["read"],
            "revoked": false, "expired": false, "expiration": 1_772_000_001_000_i64,
        });
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::String(text) if text == "missing" => {
                    answer.as_object_mut().unwrap().remove(name);
                }
                value => answer[name] = value.clone(),
            }
        }
        ApiKey::from_json(answer).verified(NOW)
    }

    #[test]
    fn a_good_key_has_a_subject() {
        let key = key(&json!({})).unwrap();
        assert_eq!((key.id.as_str(), key.subject.as_str()), ("ak_1", "user_1"));
        assert_eq!(key.expires_at, Some(Timestamp::from_secs(1_772_000_001)));
    }

    #[test]
    fn whatever_is_missing_or_odd_makes_no_caller() {
        use NotVerified::{Expired, Incomplete, Revoked};
        for (change, why) in [
            (json!({"revoked": true}), Revoked),
            (json!({"expired": true}), Expired),
            (json!({"expiration": 1_772_000_000_000_i64}), Expired),
            (json!({"expiration": 1_771_999_999}), Expired),
            (json!({"active": false}), Expired),
            (json!({"active": "yes"}), Incomplete("active")),
            (json!({"revoked": "missing"}), Incomplete("revoked")),
            (json!({"revoked": null}), Incomplete("revoked")),
            (json!({"revoked": 0}), Incomplete("revoked")),
            (json!({"expired": "missing"}), Incomplete("expired")),
            (json!({"expiration": "soon"}), Incomplete("expiration")),
            (json!({"subject": ""}), Incomplete("subject")),
            (json!({"subject": "missing"}), Incomplete("subject")),
            (json!({"id": 7}), Incomplete("id")),
            (json!({"scopes": "read"}), Incomplete("scopes")),
            (json!({"scopes": ["read", 1]}), Incomplete("scopes")),
        ] {
            assert_eq!(key(&change), Err(why), "{change}");
        }
        for change in [
            json!({"expiration": null}),
            json!({"expiration": "missing"}),
            json!({"expiration": 1_772_000_001}),
            json!({"scopes": "missing"}),
            json!({"active": true}),
        ] {
            assert!(key(&change).is_ok(), "{change}");
        }
    }
}
