//! What an issuer says of an opaque token it is asked about (RFC 7662), plain or signed (RFC 9701), read as strictly as a
//! token.
//!
//! Three things may be wrong, and they are never mixed up: the issuer says no (the caller's trouble, 401), the issuer
//! says something that makes no sense (ours, 503), or nobody could ask (ours, 503).

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::claim_map::Mapped;
use crate::claims::{Actor, Claims};
use crate::issuer::Issuer;
use crate::json;
use crate::jws::Compact;
use crate::kind::TokenKind;
use crate::rejection::{Reason, Rejection};
use crate::timestamp::Timestamp;

/// An issuer's answer about one token: a JSON object, strict JSON and not yet judged; its signature, if it has one, not
/// yet verified. `Debug` shows its members' names.
#[derive(Clone, PartialEq)]
pub struct Answer {
    members: Map<String, Value>,
    raw: Vec<u8>,
    envelope: Option<Envelope>,
}

/// What is around a signed answer (RFC 9701 §5). Only the verifier may believe any of it, and the members inside, once
/// the signature is verified.
#[derive(Clone, PartialEq)]
pub(crate) struct Envelope {
    compact: String,
    claims: Map<String, Value>,
    asked_at: Timestamp,
}

impl Answer {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// It is no JSON object. That is the issuer's trouble, never the caller's.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8".to_owned())?;
        json::check(text)
            .map_err(|error| format!("the answer is no JSON: {}", json::explain(&error)))?;
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(Self {
                members,
                raw: body.to_vec(),
                envelope: None,
            }),
            _ => Err("the answer is no JSON object".to_owned()),
        }
    }

    /// Reads the body of a signed answer, the JWT of RFC 9701 §5, to a question that was asked at `asked_at`. Nothing is
    /// verified here: the [`Verifier`](crate::Verifier) does that when it judges the token, with the issuer's keys.
    ///
    /// # Errors
    /// It is no signed JWT with an object `token_introspection`. That is the issuer's trouble, never the caller's.
    pub fn signed(body: &[u8], asked_at: Timestamp) -> Result<Self, String> {
        let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8".to_owned())?;
        let compact = text.trim_ascii();
        if compact.starts_with('{') {
            return Err(
                "the answer is plain JSON, not signed; is the client registered for signed answers \
                 (`introspection_signed_response_alg`)?"
                    .to_owned(),
            );
        }
        let unread = |rejection: Rejection| match rejection.reason() {
            Reason::TokenEncrypted => {
                "the answer is encrypted, and nobody here could read it; register the client \
                                       without `introspection_encrypted_response_alg`"
                    .to_owned()
            }
            _ => format!("the answer is no signed JWT: {}", rejection.detail()),
        };
        let payload = Compact::split(compact)
            .and_then(|jws| jws.payload_bytes())
            .map_err(unread)?;
        let Self {
            members: mut claims,
            ..
        } = Self::parse(&payload)?;
        match claims.remove("token_introspection") {
            Some(Value::Object(members)) => Ok(Self {
                raw: serde_json::to_vec(&members).map_err(|error| error.to_string())?,
                members,
                envelope: Some(Envelope {
                    compact: compact.to_owned(),
                    claims,
                    asked_at,
                }),
            }),
            _ => Err("the signed answer has no object `token_introspection`".to_owned()),
        }
    }

    /// When the token expires, if the answer says so: no longer may it be remembered.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let millis = self
            .members
            .get("expiration")
            .and_then(Value::as_i64)
            .map(Timestamp::from_millis);
        let seconds = self.members.get("exp").and_then(Value::as_f64);
        millis.or(seconds.and_then(Timestamp::from_secs_f64))
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let envelope = self.envelope.as_ref();
        // A tree of small pieces takes more than its text: measured (benches/README.md).
        4 * self.raw.len() + 800 + envelope.map_or(0, |envelope| 2 * envelope.compact.len())
    }

    /// The subject, as the answer has it: `None` if it names none, or none that is text.
    pub fn subject(&self) -> Option<&str> {
        self.get("sub").and_then(Value::as_str)
    }

    /// The answer's JSON. Not judged, and of a signed answer not verified.
    pub fn json(&self) -> &[u8] {
        &self.raw
    }

    pub(crate) fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A member that is text if it is there at all.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Rejection> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(senseless(format!("`{name}` is no string"))),
        }
    }

    /// A member that is a truth value if it is there at all.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Rejection> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(senseless(format!("`{name}` is neither true nor false"))),
        }
    }

    /// A member that is text or a list of texts. `split` takes one text as several, divided by blanks.
    pub(crate) fn texts(&self, name: &str, split: bool) -> Result<Vec<String>, Rejection> {
        let wrong = || {
            senseless(format!(
                "`{name}` is neither a string nor a list of strings"
            ))
        };
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if split => {
                Ok(text.split_ascii_whitespace().map(str::to_owned).collect())
            }
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(Value::Array(items)) => {
                let text = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(wrong);
                items.iter().map(text).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// `act` (RFC 8693 §4.1), read as in a JWT.
    pub(crate) fn actor(&self) -> Result<Option<Actor>, Rejection> {
        let Some(claim) = self.get("act") else {
            return Ok(None);
        };
        let members = claim
            .as_object()
            .ok_or_else(|| senseless("`act` is no object"))?;
        let own = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Some(Actor {
            subject: own("sub"),
            issuer: own("iss"),
            session_id: own("sid"),
            kind: own("type"),
        }))
    }

    fn seconds(&self, name: &str) -> Result<Option<Timestamp>, Rejection> {
        let wrong = || senseless(format!("`{name}` is no number of seconds since 1970"));
        match self.get(name) {
            None => Ok(None),
            Some(value) => {
                let seconds = value.as_f64().and_then(Timestamp::from_secs_f64);
                seconds.map(Some).ok_or_else(wrong)
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.members.keys().map(|name| json::short(name)).collect();
        f.debug_struct("Answer").field("members", &names).finish()
    }
}

impl Envelope {
    pub(crate) fn compact(&self) -> &str {
        &self.compact
    }

    /// RFC 9701 §5: made by this issuer, for this client, and now. The signature is verified already.
    pub(crate) fn judge(&self, issuer: &Issuer, client_id: &str) -> Result<(), Rejection> {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str);
        if !text("iss").is_some_and(|name| issuer.is_named(name)) {
            let found = text("iss").map(json::short);
            return Err(senseless(format!(
                "it is signed, and its `iss` is {found:?}, not the issuer's"
            )));
        }
        let for_us = match self.claims.get("aud") {
            Some(Value::String(one)) => one == client_id,
            Some(Value::Array(several)) => several.iter().any(|one| one == client_id),
            _ => false,
        };
        if !for_us {
            return Err(senseless(format!(
                "it is signed for another client than {client_id:?}"
            )));
        }
        let issued_at = self.claims.get("iat").and_then(Value::as_f64);
        let Some(issued_at) = issued_at.and_then(Timestamp::from_secs_f64) else {
            return Err(senseless("it is signed, and has no `iat`"));
        };
        let soonest = self.asked_at.plus(LONGEST_QUESTION).plus(issuer.leeway);
        if issued_at.plus(OLDEST_ANSWER) < self.asked_at || issued_at > soonest {
            return Err(senseless(format!(
                "it was signed at {issued_at} and asked for at {}",
                self.asked_at
            )));
        }
        Ok(())
    }
}

/// RFC 9701 §5: what tells a signed answer from every other JWT of the same issuer.
pub(crate) fn is_answer_type(typ: Option<&str>) -> bool {
    let names = [
        "token-introspection+jwt",
        "application/token-introspection+jwt",
    ];
    typ.is_some_and(|typ| names.iter().any(|name| typ.eq_ignore_ascii_case(name)))
}

/// A signed answer may come from a cache on the way, but not from last week's recording.
const OLDEST_ANSWER: Duration = Duration::from_secs(300);
/// From the question to the signature.
const LONGEST_QUESTION: Duration = Duration::from_secs(10);

/// Who an answer says the caller is.
pub(crate) struct Judged {
    pub(crate) claims: Claims,
    pub(crate) mapped: Mapped,
}

/// RFC 7662 §2.2: only `active` decides, and what else there is must fit.
pub(crate) fn judge(answer: &Answer, issuer: &Issuer) -> Result<Judged, Rejection> {
    match answer.flag("active")? {
        Some(true) => {}
        Some(false) => return Err(Reason::TokenInvalid.into()),
        None => return Err(senseless("`active` is missing")),
    }
    let name = answer.text("iss")?;
    if let Some(name) = name.as_deref().filter(|name| !issuer.is_named(name)) {
        return Err(Rejection::new(Reason::IssuerUnknown)
            .with_detail(format!("the answer's `iss` is {:?}", json::short(name))));
    }
    // RFC 7662 leaves `sub` optional; a client that acts for itself has only its id.
    let client_id = answer.text("client_id")?;
    let subject = answer.text("sub")?.or_else(|| client_id.clone());
    let subject = subject
        .filter(|subject| !subject.is_empty())
        .ok_or_else(|| {
            Rejection::new(Reason::ClaimMissing)
                .with_detail("the answer names neither `sub` nor `client_id`")
        })?;
    let bound = answer.get("cnf").is_some();
    let dpop = answer
        .text("token_type")?
        .is_some_and(|kind| kind.eq_ignore_ascii_case("dpop"));
    let mut claims = Claims::of(
        name.unwrap_or_else(|| issuer.label()),
        subject,
        answer.seconds("exp")?.unwrap_or(Timestamp::LAST),
    );
    claims.not_before = answer.seconds("nbf")?;
    claims.issued_at = answer.seconds("iat")?;
    claims.token_id = answer.text("jti")?;
    claims.session_id = answer.text("sid")?;
    claims.audience = answer.texts("aud", false)?;
    claims.scopes = answer.texts("scope", true)?;
    claims.authorized_party = answer.text("azp")?;
    claims.client_id = client_id;
    claims.actor = answer.actor()?;
    claims.sender_constrained = bound || dpop;
    let mapped = if issuer.claim_map.is_empty() {
        Mapped::default()
    } else {
        issuer.claim_map.apply(answer.raw(), &mut claims)?
    };
    Ok(Judged { claims, mapped })
}

/// The claims that a token must have besides, whatever their value.
pub(crate) fn require(answer: &Answer, names: &[String]) -> Result<(), Rejection> {
    match names.iter().find(|name| answer.get(name).is_none()) {
        Some(name) => Err(Rejection::new(Reason::ClaimMissing)
            .with_detail(format!("the answer has no `{}`", json::short(name)))),
        None => Ok(()),
    }
}

/// An answer that makes no sense: our trouble and the issuer's, not the caller's.
pub(crate) fn senseless(detail: impl Into<String>) -> Rejection {
    Rejection::new(Reason::VerificationUnavailable)
        .with_detail(format!("the issuer's answer: {}", detail.into()))
        .for_an_answer()
}

/// What a kind of token is called in an operator's messages.
pub(crate) fn refuse_unasked(kind: TokenKind) -> Rejection {
    Rejection::new(Reason::VerificationUnavailable).with_detail(format!(
        "no issuer is configured to be asked about an opaque {kind}"
    ))
}
