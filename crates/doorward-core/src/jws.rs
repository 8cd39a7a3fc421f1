//! JSON Web Signature, compact serialization (RFC 7515 §7.1), and its JOSE header (§4).

use std::borrow::Cow;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};

use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::base64url;
use crate::json::{self, Field};
use crate::jwk::JwkSet;
use crate::rejection::{Reason, Rejection};

/// Verifies a compact JWS and returns its payload. For signatures that are not tokens: no claim is looked at, nothing
/// expires, and nobody is identified. Tokens go through [`Verifier`](crate::Verifier).
///
/// # Errors
/// A [`Rejection`] that says which check failed.
pub fn verify(
    compact: &str,
    keys: &JwkSet,
    algorithms: AlgorithmSet,
) -> Result<Vec<u8>, Rejection> {
    let jws = Compact::split(compact)?;
    let json = jws.header_json()?;
    let header = Header::parse(&json)?;
    let algorithm = header.algorithm;
    if !algorithms.contains(algorithm) {
        return Err(
            Rejection::new(Reason::AlgorithmNotAllowed).with_detail(format!(
                "the header says {algorithm}, allowed are: {algorithms}"
            )),
        );
    }
    let candidates = keys.candidates(header.kid.as_deref());
    if candidates.is_empty() {
        return Err(Reason::KeyUnknown.into());
    }
    let payload = jws.payload_bytes()?;
    jws.verify_with(algorithm, candidates.iter())?;
    Ok(payload)
}

/// Decodes a compact JWS without verifying anything, for people to look at: the header's JSON, and the payload.
///
/// # Errors
/// The text is no compact JWS.
pub fn decode_unverified(compact: &str) -> Result<(String, Vec<u8>), Rejection> {
    let jws = Compact::split(compact)?;
    Ok((jws.header_json()?, jws.payload_bytes()?))
}

/// The three segments of a compact JWS, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'t> {
    signing_input: &'t [u8],
    header: &'t [u8],
    payload: &'t [u8],
    signature: &'t [u8],
}

/// The widest signature we verify: RSA with 8192 bits.
const MAX_SIGNATURE: usize = 1024;

impl<'t> Compact<'t> {
    /// Finds the two dots, and says what else it might be when they are not two.
    pub(crate) fn split(token: &'t str) -> Result<Self, Rejection> {
        let bytes = token.as_bytes();
        let malformed = |detail| Rejection::new(Reason::TokenMalformed).with_detail(detail);
        let Some(first) = memchr::memchr(b'.', bytes) else {
            return Err(malformed(
                "the token has one segment; a JWT has three, separated by dots",
            ));
        };
        let Some(second) = memchr::memchr(b'.', &bytes[first + 1..]).map(|at| first + 1 + at)
        else {
            return Err(malformed(
                "the token has two segments; a JWT has three, separated by dots",
            ));
        };
        let mut further = memchr::memchr_iter(b'.', &bytes[second + 1..]);
        if further.next().is_some() {
            return Err(match (further.next(), further.next()) {
                // RFC 7516 §9: five segments are a JWE.
                (Some(_), None) => Rejection::new(Reason::TokenEncrypted)
                    .with_detail("the token has the five segments of a JWE"),
                _ => malformed("the token has more than three segments"),
            });
        }
        Ok(Self {
            signing_input: &bytes[..second],
            header: &bytes[..first],
            payload: &bytes[first + 1..second],
            signature: &bytes[second + 1..],
        })
    }

    /// The decoded header, as text.
    pub(crate) fn header_json(&self) -> Result<String, Rejection> {
        let bytes = base64url::decode(self.header).map_err(|_| not_canonical("header"))?;
        String::from_utf8(bytes).map_err(|_| {
            Rejection::new(Reason::HeaderMalformed).with_detail("the header is not UTF-8")
        })
    }

    /// The decoded payload.
    pub(crate) fn payload_bytes(&self) -> Result<Vec<u8>, Rejection> {
        base64url::decode(self.payload).map_err(|_| not_canonical("payload"))
    }

    /// Succeeds if one of `keys` verifies the signature under `algorithm`.
    pub(crate) fn verify_with<'k>(
        &self,
        algorithm: Algorithm,
        keys: impl Iterator<Item = &'k crate::jwk::Jwk>,
    ) -> Result<(), Rejection> {
        let mut buffer = [0; MAX_SIGNATURE];
        let signature = base64url::decode_into(self.signature, &mut buffer)
            .map_err(|_| not_canonical("signature"))?;
        let mut suitable = 0;
        for verifier in keys.filter_map(|key| key.verifier(algorithm)) {
            if suitable == MAX_KEYS_TRIED {
                break;
            }
            suitable += 1;
            if verifier.verifies(self.signing_input, signature) {
                return Ok(());
            }
        }
        Err(match suitable {
            0 => Rejection::new(Reason::KeyUnsuitable)
                .with_detail(format!("no key of this `kid` may verify {algorithm}")),
            _ => Reason::SignatureInvalid.into(),
        })
    }

    /// Succeeds if the MAC is right.
    pub(crate) fn verify_mac(&self, key: &crate::crypto::MacKey) -> Result<(), Rejection> {
        let mut buffer = [0; MAX_SIGNATURE];
        let tag = base64url::decode_into(self.signature, &mut buffer)
            .map_err(|_| not_canonical("signature"))?;
        if key.verifies(self.signing_input, tag) {
            Ok(())
        } else {
            Err(Reason::SignatureInvalid.into())
        }
    }
}

/// How many keys a token without `kid` may be tried against.
pub(crate) const MAX_KEYS_TRIED: usize = 4;

fn not_canonical(segment: &str) -> Rejection {
    Rejection::new(Reason::EncodingInvalid).with_detail(format!(
        "the {segment} is not canonical base64url without padding"
    ))
}

/// The members of a JOSE header that we act on.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<Cow<'a, str>>,
    pub(crate) typ: Option<Cow<'a, str>>,
    pub(crate) cat: Option<Cow<'a, str>>,
}

/// A `kid` is compared and nothing else, but it ends up in logs and in the memory of unknown keys.
const MAX_KID: usize = 256;

impl<'a> Header<'a> {
    /// Reads a header and refuses everything that would make the signature mean something else.
    pub(crate) fn parse(json: &'a str) -> Result<Self, Rejection> {
        let malformed =
            |detail: String| Rejection::new(Reason::HeaderMalformed).with_detail(detail);
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let raw = deserializer
            .deserialize_map(HeaderVisitor)
            .and_then(|raw| deserializer.end().map(|()| raw))
            .map_err(|error| malformed(json::explain(&error)))?;
        if raw.encrypted {
            return Err(Rejection::new(Reason::TokenEncrypted).with_detail("the header has `enc`"));
        }
        if let Some(name) = raw.unsupported {
            // RFC 7515 §4.1.11: an extension that is critical and not understood invalidates the JWS; we support none.
            return Err(Rejection::new(Reason::HeaderUnsupported)
                .with_detail(format!("the header has `{name}`")));
        }
        if let Some(name) = raw.embedded {
            // RFC 8725 §3.10: never a key that the token itself suggests.
            return Err(
                Rejection::new(Reason::EmbeddedKey).with_detail(format!("the header has `{name}`"))
            );
        }
        let text = |name: &str, field: Field<'a>| match field {
            Field::Absent => Ok(None),
            Field::Text(text) => Ok(Some(text)),
            other => Err(malformed(format!(
                "`{name}` is {}, expected a string",
                other.type_name()
            ))),
        };
        let name = text("alg", raw.alg)?.ok_or_else(|| malformed("`alg` is missing".into()))?;
        let algorithm = Algorithm::from_name(&name).ok_or_else(|| {
            Rejection::new(Reason::AlgorithmNotAllowed).with_detail(format!(
                "`alg` {:?} is not a signature algorithm we know",
                json::short(&name)
            ))
        })?;
        let kid = text("kid", raw.kid)?;
        if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(malformed(format!("`kid` is longer than {MAX_KID} bytes")));
        }
        let (typ, cat) = (text("typ", raw.typ)?, text("cat", raw.cat)?);
        Ok(Self {
            algorithm,
            kid,
            typ,
            cat,
        })
    }
}

#[derive(Default)]
struct RawHeader<'a> {
    alg: Field<'a>,
    kid: Field<'a>,
    typ: Field<'a>,
    cat: Field<'a>,
    unsupported: Option<&'static str>,
    embedded: Option<&'static str>,
    encrypted: bool,
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = RawHeader<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader<'de>, A::Error> {
        let mut header = RawHeader::default();
        let first = map.next_key()?;
        json::members(first, map, 0, |name, value| {
            match &**name {
                "alg" => header.alg = value,
                "kid" => header.kid = value,
                "typ" => header.typ = value,
                "cat" => header.cat = value,
                "crit" => header.unsupported = Some("crit"),
                "b64" => header.unsupported = Some("b64"),
                "zip" => header.unsupported = Some("zip"),
                "jwk" => header.embedded = Some("jwk"),
                "jku" => header.embedded = Some("jku"),
                "x5u" => header.embedded = Some("x5u"),
                "x5c" => header.embedded = Some("x5c"),
                "enc" => header.encrypted = true,
                _ => {}
            }
            Ok(())
        })?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(header: &str) -> Reason {
        Header::parse(header).expect_err(header).reason()
    }

    #[test]
    fn reads_what_it_needs_and_ignores_the_rest() {
        let header =
            Header::parse(r#"{"alg":"RS256","kid":"k","typ":"JWT","cat":"c","oiat":1}"#).unwrap();
        assert_eq!(
            (header.algorithm, header.kid.as_deref()),
            (Algorithm::RS256, Some("k"))
        );
        assert_eq!(
            (header.typ.as_deref(), header.cat.as_deref()),
            (Some("JWT"), Some("c"))
        );
    }

    #[test]
    fn refuses_each_trick_for_its_own_reason() {
        for (header, expected) in [
            (r#"{"alg":"none"}"#, Reason::AlgorithmNotAllowed),
            (r#"{"alg":"nOnE"}"#, Reason::AlgorithmNotAllowed),
            (r#"{"alg":"rs256"}"#, Reason::AlgorithmNotAllowed),
            (r#"{"alg":5}"#, Reason::HeaderMalformed),
            (r#"{"kid":"k"}"#, Reason::HeaderMalformed),
            (r#"{"alg":"RS256","kid":7}"#, Reason::HeaderMalformed),
            (r#"{"alg":"RS256","alg":"RS256"}"#, Reason::HeaderMalformed),
            (
                r#"{"alg":"RS256","crit":["exp"]}"#,
                Reason::HeaderUnsupported,
            ),
            (r#"{"alg":"RS256","crit":[]}"#, Reason::HeaderUnsupported),
            (r#"{"alg":"RS256","b64":false}"#, Reason::HeaderUnsupported),
            (r#"{"alg":"RS256","zip":"DEF"}"#, Reason::HeaderUnsupported),
            (r#"{"alg":"RS256","jwk":{}}"#, Reason::EmbeddedKey),
            (
                r#"{"alg":"RS256","jku":"https://evil.example"}"#,
                Reason::EmbeddedKey,
            ),
            (r#"{"alg":"RS256","x5u":""}"#, Reason::EmbeddedKey),
            (r#"{"alg":"dir","enc":"A256GCM"}"#, Reason::TokenEncrypted),
            ("[]", Reason::HeaderMalformed),
            ("\"RS256\"", Reason::HeaderMalformed),
            ("{} ", Reason::HeaderMalformed),
            ("", Reason::HeaderMalformed),
        ] {
            assert_eq!(reason(header), expected, "{header}");
        }
        assert_eq!(
            reason(&format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(257))),
            Reason::HeaderMalformed
        );
    }

    #[test]
    fn counts_segments() {
        for (token, expected) in [
            ("", Reason::TokenMalformed),
            ("a", Reason::TokenMalformed),
            ("a.b", Reason::TokenMalformed),
            ("a.b.c.d", Reason::TokenMalformed),
            ("a.b.c.d.e", Reason::TokenEncrypted),
            ("a.b.c.d.e.f", Reason::TokenMalformed),
        ] {
            assert_eq!(
                Compact::split(token).err().map(|r| r.reason()),
                Some(expected),
                "{token}"
            );
        }
        assert!(Compact::split(&".".repeat(200_000)).is_err());
        assert!(Compact::split("a.b.c").is_ok());
    }
}
