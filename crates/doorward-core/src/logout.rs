//! Logout tokens: an issuer says that somebody's session is over (OpenID Connect Back-Channel Logout 1.0).

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::claims::Unverified;
use crate::facts::{Facts, Lookup};
use crate::issuer::{Audience, Issuer};
use crate::json;
use crate::jws::{Compact, Header};
use crate::rejection::{Reason, Rejection};
use crate::revocation::{Revocation, RevokedClaim};
use crate::timestamp::Timestamp;
use crate::verifier::{Halt, Verifier, signature};

/// What an issuer said in a logout token. Only a [`Verifier`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logout {
    /// Who says so.
    pub issuer: String,
    /// Whose session is over. Without a session, all of them are.
    pub subject: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// `jti`.
    pub token_id: String,
    /// `iat`.
    pub issued_at: Timestamp,
}

impl Logout {
    /// What follows for tokens, to be remembered until `expires_at`.
    pub fn revocation(&self, expires_at: Timestamp) -> Revocation {
        let revocation = match (&self.session_id, &self.subject) {
            // §2.7: a named session ends for good; of a subject, what there has been so far.
            (Some(session), _) => {
                Revocation::new(RevokedClaim::SessionId, session.clone(), expires_at)
            }
            (None, subject) => {
                let subject = subject.clone().unwrap_or_default();
                Revocation::new(RevokedClaim::Subject, subject, expires_at).until(self.issued_at)
            }
        };
        revocation.of(self.issuer.clone())
    }
}

/// A verdict on a logout token, or the question it hangs on.
#[derive(Debug)]
pub enum LogoutOutcome {
    /// The issuer said so.
    Accepted(Logout),
    /// It did not, and why.
    Rejected(Rejection),
    /// Learn this fact and ask again.
    Needs(Lookup),
}

/// How old a logout token may be that does not say when it expires. §2.4 wants `exp`; older issuers leave it out.
const LONGEST_WITHOUT_EXPIRY: Duration = Duration::from_secs(120);
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl Verifier {
    /// The verdict on a logout token (§2.6).
    pub fn verify_logout<F: Facts + ?Sized>(
        &self,
        token: &str,
        facts: &F,
        now: Timestamp,
    ) -> LogoutOutcome {
        match self.judge_logout(token, facts, now) {
            Ok(logout) => LogoutOutcome::Accepted(logout),
            Err(Halt::Reject(rejection)) => LogoutOutcome::Rejected(rejection),
            Err(Halt::Ask(lookup)) => LogoutOutcome::Needs(lookup),
        }
    }

    fn judge_logout<F: Facts + ?Sized>(
        &self,
        token: &str,
        facts: &F,
        now: Timestamp,
    ) -> Result<Logout, Halt> {
        self.small_enough(token)?;
        let jws = Compact::split(token)?;
        let header_json = jws.header_json()?;
        let header = Header::parse(&header_json)?;
        let typ = header.typ.as_deref().unwrap_or("JWT");
        let known = ["logout+jwt", "application/logout+jwt", "JWT", "Logout"];
        if !known.iter().any(|known| known.eq_ignore_ascii_case(typ)) {
            let detail = format!("`typ` is {:?}, expected \"logout+jwt\"", json::short(typ));
            return Err(kind(&detail).into());
        }
        let payload = jws.payload_bytes()?;
        let claims = Unverified::parse(&payload)?;
        let (id, issuer, tenant) = self.issuer(&claims)?;
        let name = self.canonical(id, claims.issuer()?).to_owned();
        signature(&jws, &header, id, issuer, tenant, facts)?;

        let told: Told = serde_json::from_slice(&payload).map_err(|error| {
            Rejection::new(Reason::ClaimMalformed).with_detail(json::explain(&error))
        })?;
        Ok(told.judge(name, issuer, now)?)
    }
}

/// The claims of a logout token (§2.4). An absent one is refused below, each in its own words.
#[derive(Deserialize)]
struct Told {
    aud: Option<OneOrMany>,
    iat: Option<f64>,
    exp: Option<f64>,
    jti: Option<String>,
    events: Option<Map<String, Value>>,
    sub: Option<String>,
    sid: Option<String>,
    /// Null is a value too.
    #[serde(default, deserialize_with = "present")]
    nonce: bool,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Told {
    fn judge(self, issuer: String, trusted: &Issuer, now: Timestamp) -> Result<Logout, Rejection> {
        let missing = |name: &str| {
            Rejection::new(Reason::ClaimMissing).with_detail(format!("`{name}` is missing"))
        };
        let event = self.events.as_ref().and_then(|events| events.get(EVENT));
        if !event.is_some_and(Value::is_object) {
            return Err(kind(&format!("`events` has no {EVENT:?}")));
        }
        // §2.4: so that no ID token is taken for one.
        if self.nonce {
            return Err(kind("it has a `nonce`, as only ID tokens have"));
        }
        for_us(self.aud.as_ref(), trusted)?;
        let date = |name: &str, seconds: Option<f64>| match seconds {
            None => Ok(None),
            Some(seconds) => Timestamp::from_secs_f64(seconds).map(Some).ok_or_else(|| {
                Rejection::new(Reason::ClaimMalformed)
                    .with_detail(format!("`{name}` is out of range"))
            }),
        };
        let issued_at = date("iat", self.iat)?.ok_or_else(|| missing("iat"))?;
        let expires_at =
            date("exp", self.exp)?.unwrap_or_else(|| issued_at.plus(LONGEST_WITHOUT_EXPIRY));
        let explain = |reason: Reason, name: &str, time: Timestamp| {
            Rejection::new(reason).with_detail(format!("`{name}` is {time}, now is {now}"))
        };
        if now >= expires_at.plus(trusted.leeway) {
            return Err(explain(Reason::TokenExpired, "exp", expires_at));
        }
        if now.plus(trusted.leeway) < issued_at {
            return Err(explain(Reason::TokenIssuedInFuture, "iat", issued_at));
        }
        let named = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (subject, session_id) = (named(self.sub), named(self.sid));
        if subject.is_none() && session_id.is_none() {
            return Err(missing("sub` or `sid"));
        }
        Ok(Logout {
            issuer,
            subject,
            session_id,
            token_id: named(self.jti).ok_or_else(|| missing("jti"))?,
            issued_at,
        })
    }
}

/// §2.4: `aud` is the client's id, which need not be the audience of access tokens.
fn for_us(aud: Option<&OneOrMany>, trusted: &Issuer) -> Result<(), Rejection> {
    let found: &[String] = match aud {
        None => &[],
        Some(OneOrMany::One(one)) => std::slice::from_ref(one),
        Some(OneOrMany::Many(many)) => many,
    };
    let wanted: &[String] = match &trusted.audience {
        _ if !trusted.logout_clients.is_empty() => &trusted.logout_clients,
        Audience::OneOf(audiences) => audiences,
        Audience::Any => &[],
    };
    if found.iter().any(|audience| wanted.contains(audience)) {
        return Ok(());
    }
    let reason = match found {
        [] => Reason::AudienceMissing,
        _ => Reason::AudienceMismatch,
    };
    let found: Vec<&str> = found.iter().take(3).map(|a| json::short(a)).collect();
    let detail = format!("`aud` is {found:?}, `logout_client_id` is {wanted:?}");
    Err(Rejection::new(reason).with_detail(detail))
}

fn kind(detail: &str) -> Rejection {
    Rejection::new(Reason::TokenKindNotAccepted).with_detail(format!("no logout token: {detail}"))
}
