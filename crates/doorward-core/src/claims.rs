//! The claims set of a token (RFC 7519 §4, RFC 9068 §2.2, RFC 8693 §4.1), before and after its signature is known.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::json::{self, Field, FieldSeed, Name, Names};
use crate::rejection::{Reason, Rejection};
use crate::timestamp::Timestamp;

/// Data whose signature is not verified. It may choose an issuer, a key and a kind, and nothing else.
pub(crate) struct Unverified<T>(T);

impl<'a> Unverified<Parsed<'a>> {
    /// Reads a payload. Everything is checked for shape here, nothing is believed.
    pub(crate) fn parse(payload: &'a [u8]) -> Result<Self, Rejection> {
        let malformed =
            |detail: String| Rejection::new(Reason::ClaimsMalformed).with_detail(detail);
        let text = std::str::from_utf8(payload)
            .map_err(|_| malformed("the payload is not UTF-8".to_owned()))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer
            .deserialize_map(ParsedVisitor)
            .and_then(|parsed| deserializer.end().map(|()| Self(parsed)))
            .map_err(|error| malformed(json::explain(&error)))
    }

    /// `iss`, to find the issuer by exact match.
    pub(crate) fn issuer(&self) -> Result<&str, Rejection> {
        self.0.required_text("iss", &self.0.iss)
    }

    /// `sub`, whose prefix tells machines from users.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.0.sub.text()
    }

    /// The claims, once `_evidence` shows that they were signed.
    pub(crate) fn verified(self, _evidence: &crate::verifier::SignatureValid) -> Parsed<'a> {
        self.0
    }
}

/// The claims we know, as they were spelled.
#[derive(Default)]
pub(crate) struct Parsed<'a> {
    iss: Field<'a>,
    sub: Field<'a>,
    aud: Field<'a>,
    exp: Field<'a>,
    nbf: Field<'a>,
    iat: Field<'a>,
    jti: Field<'a>,
    azp: Field<'a>,
    client_id: Field<'a>,
    scope: Field<'a>,
    scp: Field<'a>,
    scopes: Field<'a>,
    permissions: Field<'a>,
    sid: Field<'a>,
    sts: Field<'a>,
    act: Option<Nested<'a>>,
    cnf: bool,
    names: Names<'a>,
    pub(crate) provider: ProviderClaims<'a>,
}

/// Claims that only a provider's decoder understands (`decoders.rs`).
#[derive(Default)]
pub(crate) struct ProviderClaims<'a> {
    pub(crate) v: Field<'a>,
    pub(crate) fea: Field<'a>,
    pub(crate) pla: Field<'a>,
    pub(crate) fva: Field<'a>,
    pub(crate) o: Option<Nested<'a>>,
    pub(crate) org_id: Field<'a>,
    pub(crate) org_slug: Field<'a>,
    pub(crate) org_role: Field<'a>,
    pub(crate) org_permissions: Field<'a>,
}

/// A claim that ought to be an object with string members.
#[derive(Default)]
pub(crate) struct Nested<'a> {
    members: Vec<(Cow<'a, str>, Field<'a>)>,
    /// What it is instead, if it is no object.
    wrong: Option<&'static str>,
}

impl<'a> Nested<'a> {
    pub(crate) fn member(&self, name: &str) -> &Field<'a> {
        const ABSENT: &Field<'static> = &Field::Absent;
        self.members
            .iter()
            .find(|(own, _)| own == name)
            .map_or(ABSENT, |(_, value)| value)
    }

    pub(crate) fn is_object(&self) -> bool {
        self.wrong.is_none()
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.member(name).text().map(str::to_owned)
    }
}

impl<'a> Parsed<'a> {
    fn required_text<'s>(&'s self, name: &str, field: &'s Field<'a>) -> Result<&'s str, Rejection> {
        match field {
            Field::Text(text) if !text.is_empty() => Ok(text),
            Field::Text(_) => Err(wrong(name, "an empty string", "a non-empty string")),
            Field::Absent => Err(missing(name)),
            other => Err(wrong(name, other.type_name(), "a string")),
        }
    }

    /// Refuses a token that lacks one of `names`, whatever its value.
    pub(crate) fn require(&self, names: &[String]) -> Result<(), Rejection> {
        match names.iter().find(|name| !self.names.contains(name)) {
            Some(name) => Err(missing(name)),
            None => Ok(()),
        }
    }

    /// Checks the types of the registered claims and copies them out. A claim that is present but unusable is an
    /// error, never treated as absent (RFC 7519 §4.1).
    pub(crate) fn into_claims(self) -> Result<(Claims, ProviderClaims<'a>), Rejection> {
        let text = |name: &str, field: &Field<'a>| match field {
            Field::Absent => Ok(None),
            Field::Text(text) => Ok(Some(text.clone().into_owned())),
            other => Err(wrong(name, other.type_name(), "a string")),
        };
        if self.exp.is_absent() {
            return Err(missing("exp"));
        }
        let claims = Claims {
            issuer: self.required_text("iss", &self.iss)?.to_owned(),
            subject: self.required_text("sub", &self.sub)?.to_owned(),
            audience: audience(&self.aud)?,
            expires_at: date("exp", &self.exp, Timestamp::from_secs_f64)?
                .ok_or_else(|| missing("exp"))?,
            not_before: date("nbf", &self.nbf, Timestamp::from_secs_f64_up)?,
            issued_at: date("iat", &self.iat, Timestamp::from_secs_f64_up)?,
            token_id: text("jti", &self.jti)?,
            authorized_party: text("azp", &self.azp)?,
            client_id: text("client_id", &self.client_id)?,
            session_id: text("sid", &self.sid)?,
            session_status: text("sts", &self.sts)?,
            scopes: scopes([&self.scope, &self.scp, &self.scopes])?,
            permissions: match &self.permissions {
                Field::List(list) => list.iter().map(|p| p.clone().into_owned()).collect(),
                _ => Vec::new(),
            },
            actor: actor(self.act.as_ref())?,
            sender_constrained: self.cnf,
        };
        Ok((claims, self.provider))
    }
}

/// The registered claims of a verified token, and those that most providers share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`, a string or a list in the token; empty if absent.
    pub audience: Vec<String>,
    /// `exp`. An opaque token that never expires has [`Timestamp::LAST`].
    pub expires_at: Timestamp,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// `jti`.
    pub token_id: Option<String>,
    /// `azp`: the client or origin the token was made for.
    pub authorized_party: Option<String>,
    /// `client_id` (RFC 8693 §4.3, RFC 9068 §2.2).
    pub client_id: Option<String>,
    /// `sid`: the session at the issuer.
    pub session_id: Option<String>,
    /// `sts`: the session's status, where the issuer tells it.
    pub session_status: Option<String>,
    /// `scope` (RFC 8693 §4.2), `scp` or `scopes`, split.
    pub scopes: Vec<String>,
    /// A top-level `permissions` list, as some providers have it.
    pub permissions: Vec<String>,
    /// `act`: who acts for the subject (RFC 8693 §4.1).
    pub actor: Option<Actor>,
    /// Whether there is a `cnf` claim (RFC 7800): the token is bound to a key of its sender.
    pub sender_constrained: bool,
}

impl Claims {
    /// The least that is known of a token. Claims prove nothing by themselves.
    pub fn of(issuer: String, subject: String, expires_at: Timestamp) -> Self {
        Self {
            issuer,
            subject,
            audience: Vec::new(),
            expires_at,
            not_before: None,
            issued_at: None,
            token_id: None,
            authorized_party: None,
            client_id: None,
            session_id: None,
            session_status: None,
            scopes: Vec::new(),
            permissions: Vec::new(),
            actor: None,
            sender_constrained: false,
        }
    }
}

/// Who acts for the subject: an impersonating administrator, or an agent (RFC 8693 §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Actor {
    /// The actor's own `sub`.
    pub subject: Option<String>,
    /// The actor's own `iss`.
    pub issuer: Option<String>,
    /// The actor's own session.
    pub session_id: Option<String>,
    /// What kind of actor it is, such as `agent`.
    pub kind: Option<String>,
}

fn missing(name: &str) -> Rejection {
    Rejection::new(Reason::ClaimMissing).with_detail(format!("`{}` is missing", json::short(name)))
}

fn wrong(name: &str, found: &str, expected: &str) -> Rejection {
    Rejection::new(Reason::ClaimMalformed)
        .with_detail(format!("`{name}` is {found}, expected {expected}"))
}

fn date(
    name: &str,
    field: &Field<'_>,
    round: impl Fn(f64) -> Option<Timestamp>,
) -> Result<Option<Timestamp>, Rejection> {
    match field {
        Field::Absent => Ok(None),
        Field::Number(seconds) => match round(*seconds) {
            Some(time) => Ok(Some(time)),
            None => Err(wrong(
                name,
                "out of range",
                "seconds since 1970, before the year 10000",
            )),
        },
        other => Err(wrong(
            name,
            other.type_name(),
            "a number of seconds since 1970",
        )),
    }
}

fn audience(field: &Field<'_>) -> Result<Vec<String>, Rejection> {
    match field {
        Field::Absent => Ok(Vec::new()),
        Field::Text(one) => Ok(vec![one.clone().into_owned()]),
        Field::List(many) => Ok(many.iter().map(|one| one.clone().into_owned()).collect()),
        other => Err(wrong(
            "aud",
            other.type_name(),
            "a string or a list of strings",
        )),
    }
}

fn scopes(fields: [&Field<'_>; 3]) -> Result<Vec<String>, Rejection> {
    for (name, field) in ["scope", "scp", "scopes"].into_iter().zip(fields) {
        match field {
            Field::Absent => {}
            Field::Text(text) => {
                return Ok(text.split_ascii_whitespace().map(str::to_owned).collect());
            }
            Field::List(list) => {
                return Ok(list
                    .iter()
                    .map(|scope| scope.clone().into_owned())
                    .collect());
            }
            other => {
                return Err(wrong(
                    name,
                    other.type_name(),
                    "a string or a list of strings",
                ));
            }
        }
    }
    Ok(Vec::new())
}

fn actor(claim: Option<&Nested<'_>>) -> Result<Option<Actor>, Rejection> {
    let Some(claim) = claim else { return Ok(None) };
    if let Some(found) = claim.wrong {
        return Err(wrong("act", found, "an object"));
    }
    Ok(Some(Actor {
        subject: claim.owned("sub"),
        issuer: claim.owned("iss"),
        session_id: claim.owned("sid"),
        kind: claim.owned("type"),
    }))
}

struct ParsedVisitor;

impl<'de> Visitor<'de> for ParsedVisitor {
    type Value = Parsed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed<'de>, A::Error> {
        let mut claims = Parsed {
            names: Names::roomy(),
            ..Parsed::default()
        };
        while let Some(Name(name)) = map.next_key()? {
            let slot = match &*name {
                "iss" => &mut claims.iss,
                "sub" => &mut claims.sub,
                "aud" => &mut claims.aud,
                "exp" => &mut claims.exp,
                "nbf" => &mut claims.nbf,
                "iat" => &mut claims.iat,
                "jti" => &mut claims.jti,
                "azp" => &mut claims.azp,
                "client_id" => &mut claims.client_id,
                "scope" => &mut claims.scope,
                "scp" => &mut claims.scp,
                "scopes" => &mut claims.scopes,
                "permissions" => &mut claims.permissions,
                "sid" => &mut claims.sid,
                "sts" => &mut claims.sts,
                "v" => &mut claims.provider.v,
                "fea" => &mut claims.provider.fea,
                "pla" => &mut claims.provider.pla,
                "fva" => &mut claims.provider.fva,
                "org_id" => &mut claims.provider.org_id,
                "org_slug" => &mut claims.provider.org_slug,
                "org_role" => &mut claims.provider.org_role,
                "org_permissions" => &mut claims.provider.org_permissions,
                "o" => {
                    claims.provider.o = Some(map.next_value_seed(NestedSeed)?);
                    claims.names.insert(name)?;
                    continue;
                }
                "act" => {
                    claims.act = Some(map.next_value_seed(NestedSeed)?);
                    claims.names.insert(name)?;
                    continue;
                }
                other => {
                    claims.cnf |= other == "cnf";
                    map.next_value_seed(FieldSeed { depth: 1 })?;
                    claims.names.insert(name)?;
                    continue;
                }
            };
            *slot = map.next_value_seed(FieldSeed { depth: 1 })?;
            claims.names.insert(name)?;
        }
        Ok(claims)
    }
}

struct NestedSeed;

impl<'de> DeserializeSeed<'de> for NestedSeed {
    type Value = Nested<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Nested<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NestedSeed {
    type Value = Nested<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Nested<'de>, A::Error> {
        let mut members = Vec::with_capacity(5);
        let first = map.next_key()?;
        json::members(first, map, 1, |name, value| {
            members.push((name.clone(), value));
            Ok(())
        })?;
        Ok(Nested {
            members,
            wrong: None,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Nested<'de>, A::Error> {
        FieldSeed { depth: 1 }.visit_seq(sequence)?;
        Ok(Nested::not_an_object("a list"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Nested<'de>, E> {
        Ok(Nested::not_an_object("a string"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Nested<'de>, E> {
        Ok(Nested::not_an_object("a boolean"))
    }

    fn visit_unit<E>(self) -> Result<Nested<'de>, E> {
        Ok(Nested::not_an_object("null"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Nested<'de>, E> {
        Ok(Nested::not_an_object("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Nested<'de>, E> {
        Ok(Nested::not_an_object("a number"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Nested<'de>, E> {
        Ok(Nested::not_an_object("a number"))
    }
}

impl Nested<'_> {
    fn not_an_object(found: &'static str) -> Self {
        Self {
            members: Vec::new(),
            wrong: Some(found),
        }
    }
}

/// The items of a list that is spelled as one comma-separated string.
pub(crate) fn split(list: &str) -> Vec<&str> {
    if list.is_empty() {
        return Vec::new();
    }
    list.split(',').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Claims, Rejection> {
        Unverified::parse(json.as_bytes())?
            .0
            .into_claims()
            .map(|(claims, _)| claims)
    }

    #[test]
    fn dates_are_numbers_and_nothing_else() {
        let with = |exp: &str| read(&format!(r#"{{"iss":"i","sub":"s","exp":{exp}}}"#));
        assert_eq!(
            with("1800000000").unwrap().expires_at,
            Timestamp::from_secs(1_800_000_000)
        );
        assert_eq!(
            with("1800000000.9996").unwrap().expires_at.as_millis(),
            1_800_000_000_999
        );
        assert_eq!(
            with("1.8e9").unwrap().expires_at,
            Timestamp::from_secs(1_800_000_000)
        );
        for bad in [
            "\"1800000000\"",
            "true",
            "null",
            "[1]",
            "{}",
            "1e300",
            "-1e300",
            "1e17",
        ] {
            assert_eq!(
                with(bad).unwrap_err().reason(),
                Reason::ClaimMalformed,
                "{bad}"
            );
        }
        for bad in ["NaN", "Infinity", "1e999"] {
            assert_eq!(
                with(bad).unwrap_err().reason(),
                Reason::ClaimsMalformed,
                "{bad}"
            );
        }
    }

    #[test]
    fn issuer_subject_and_expiry_are_required() {
        for (json, what) in [
            (r#"{"sub":"s","exp":1}"#, "`iss`"),
            (r#"{"iss":"i","exp":1}"#, "`sub`"),
            (r#"{"iss":"i","sub":"s"}"#, "`exp`"),
        ] {
            let rejection = read(json).unwrap_err();
            assert_eq!(rejection.reason(), Reason::ClaimMissing);
            assert!(rejection.detail().contains(what), "{rejection}");
        }
        assert_eq!(
            read(r#"{"iss":"i","sub":"","exp":1}"#)
                .unwrap_err()
                .reason(),
            Reason::ClaimMalformed
        );
        assert_eq!(
            read(r#"{"iss":["i"],"sub":"s","exp":1}"#)
                .unwrap_err()
                .reason(),
            Reason::ClaimMalformed
        );
    }

    #[test]
    fn scopes_are_read_in_each_spelling() {
        let with = |member: &str| {
            read(&format!(r#"{{"iss":"i","sub":"s","exp":1,{member}}}"#)).map(|c| c.scopes)
        };
        assert_eq!(with(r#""scope":"a b""#).unwrap(), ["a", "b"]);
        assert_eq!(with(r#""scp":["a","b"]"#).unwrap(), ["a", "b"]);
        assert_eq!(with(r#""scopes":"a""#).unwrap(), ["a"]);
        assert_eq!(
            with(r#""scope":7"#).unwrap_err().reason(),
            Reason::ClaimMalformed
        );
    }

    #[test]
    fn a_payload_is_one_object() {
        for bad in [
            "",
            "[]",
            "\"x\"",
            "1",
            "null",
            "{}{}",
            r#"{"a":1,"a":1}"#,
            "{\"a\":\"\u{0}\"}",
        ] {
            assert_eq!(
                read(bad).unwrap_err().reason(),
                Reason::ClaimsMalformed,
                "{bad}"
            );
        }
        let utf16 = [b'{', 0, b'}', 0];
        let rejection = Unverified::parse(&utf16).err().unwrap();
        assert_eq!(rejection.reason(), Reason::ClaimsMalformed);
        assert_eq!(
            Unverified::parse(&[0xff]).err().unwrap().detail(),
            "the payload is not UTF-8"
        );
    }
}
