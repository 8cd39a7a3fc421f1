//! Tokens nobody may be let in with: made from a good one where there is one, else from what is known of the issuer.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use serde_json::{Map, Value, json};

use super::SuiteError;
use crate::encoding::{base64, base64url};
use crate::{DevIssuer, Mint, SigningAlgorithm, SigningKey};

/// Bad tokens by the names of their attacks, the good ones, and the attacks for which something is missing.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) good: Vec<String>,
    pub(super) bad: Vec<(&'static str, String)>,
    pub(super) missing: Vec<(&'static str, &'static str)>,
}

/// What is known of the tokens that the API takes.
pub(super) struct Known<'a> {
    /// A token that was given, and one that was minted.
    pub(super) good: Vec<String>,
    /// The issuer's `iss`.
    pub(super) issuer: Option<&'a str>,
    /// The issuer's key set.
    pub(super) jwks: Option<&'a Value>,
    /// What an issuer that the API trusts has minted, by name.
    pub(super) minted: &'a BTreeMap<String, String>,
}

/// Every token that can be made.
pub(super) fn tokens(known: Known<'_>) -> Result<Tokens, SuiteError> {
    let model = Model::of(&known)?;
    let mut tokens = Tokens::default();
    tokens.bad.extend([
        ("junk", "not!.a!.token!".to_owned()),
        ("opaque", "conformance-0123456789abcdef".to_owned()),
    ]);
    let none = |alg: &str| compact(&model.header(&[("alg", json!(alg))]), &model.claims, b"");
    tokens.bad.push(("alg_none", none("none")));
    tokens.bad.push(("alg_none_spelling", none("nOnE")));
    tokens
        .bad
        .push(("no_signature", compact(&model.header, &model.claims, b"")));
    let zeros = model.header(&[("alg", json!("ES256"))]);
    tokens
        .bad
        .push(("zero_signature", compact(&zeros, &model.claims, &[0; 64])));
    by_strangers(&model, &mut tokens)?;
    by_hmac(&model, known.jwks, &mut tokens);
    match known.good.first() {
        Some(good) => spoiled(good, &mut tokens),
        None => tokens
            .missing
            .extend(NEED_A_GOOD_TOKEN.map(|name| (name, "a good token"))),
    }
    for name in MINTED {
        match known.minted.get(name) {
            Some(token) => tokens.bad.push((name, token.clone())),
            None => tokens
                .missing
                .push((name, what_minting_needs(name, known.minted))),
        }
    }
    tokens.good = known.good;
    Ok(tokens)
}

fn what_minting_needs(name: &str, minted: &BTreeMap<String, String>) -> &'static str {
    match name {
        "wrong_aud" if !minted.is_empty() => "an audience in the good token",
        "wrong_azp" if !minted.is_empty() => "an authorized party in the good token",
        "pending" if !minted.is_empty() => "a good token that is a session",
        _ => "an issuer that the API trusts and that mints",
    }
}

/// What to have minted by an issuer that the API trusts: names, and the specifications for `POST /dev/mint`.
///
/// `like` is the specification of a good token, and may be empty.
pub(super) fn mints(like: &Value) -> Vec<(&'static str, Value)> {
    let mut base = like.as_object().cloned().unwrap_or_default();
    // A token that expires while the suite runs would be refused for that, whatever else is wrong with it.
    base.entry("ttl").or_insert(json!(LONG_ENOUGH));
    let kind = base.get("kind").and_then(Value::as_str);
    let session = matches!(kind, None | Some("session" | "session_v1"));
    let has_party = session || kind == Some("template") || base.contains_key("azp");
    let has_audience = base.contains_key("aud");
    let applies = |name: &str| match name {
        "wrong_aud" => has_audience,
        "wrong_azp" => has_party,
        "pending" => session,
        _ => true,
    };
    let mut mints = vec![(GOOD, Value::Object(base.clone()))];
    for name in MINTED.into_iter().filter(|name| applies(name)) {
        let mut spec = base.clone();
        spec.insert("defect".to_owned(), json!(name));
        mints.push((name, Value::Object(spec)));
    }
    mints
}

/// Header and claims.
type Parts = (Map<String, Value>, Map<String, Value>);

/// The header and the claims that forged tokens have, so that each is wrong in one thing.
struct Model {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    algorithm: SigningAlgorithm,
}

impl Model {
    fn of(known: &Known<'_>) -> Result<Self, SuiteError> {
        let (mut header, mut claims) = match known.good.iter().find_map(|good| decode(good)) {
            Some(parts) => parts,
            None => Self::typical(known)?,
        };
        if let Some(issuer) = known.issuer {
            claims.insert("iss".to_owned(), json!(issuer));
        }
        // What is forged shall not be refused for its age.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |time| time.as_secs().try_into().unwrap_or(i64::MAX));
        let late = LONG_ENOUGH.saturating_add(now);
        let exp = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
        claims.insert("exp".to_owned(), json!(exp.max(late)));
        let published = known.jwks.and_then(|set| set["keys"].get(0));
        if let Some(kid) = published.and_then(|key| key.get("kid")) {
            header
                .entry("kid".to_owned())
                .or_insert_with(|| kid.clone());
        }
        let named = |from: Option<&Value>| SigningAlgorithm::from_name(from?.as_str()?);
        let algorithm = named(header.get("alg"))
            .or_else(|| named(published.and_then(|key| key.get("alg"))))
            .unwrap_or_default();
        header.insert("alg".to_owned(), json!(algorithm.as_str()));
        Ok(Self {
            header,
            claims,
            algorithm,
        })
    }

    /// A session token as the local issuer writes it, under no key in particular.
    fn typical(known: &Known<'_>) -> Result<Parts, SuiteError> {
        let failed = |error: &dyn std::fmt::Display| SuiteError::new(error.to_string());
        let issuer = DevIssuer::builder()
            .issuer(known.issuer.unwrap_or(DevIssuer::UNSERVED))
            .algorithms(&[SigningAlgorithm::EdDSA])
            .build()
            .map_err(|error| failed(&error))?;
        let token = issuer
            .mint(&Mint::default())
            .map_err(|error| failed(&error))?;
        let (mut header, claims) = decode(&token).unwrap_or_default();
        header.remove("kid");
        header.remove("alg");
        Ok((header, claims))
    }

    fn header(&self, changes: &[(&str, Value)]) -> Map<String, Value> {
        let mut header = self.header.clone();
        for (name, value) in changes {
            header.insert((*name).to_owned(), value.clone());
        }
        header
    }
}

fn by_strangers(model: &Model, tokens: &mut Tokens) -> Result<(), SuiteError> {
    let failed = |error| SuiteError::new(format!("a stranger's key: {error}"));
    let key = SigningKey::generate(model.algorithm).map_err(failed)?;
    let mut embedded = model.header(&[("jwk", key.jwk())]);
    embedded.insert("kid".to_owned(), json!(key.kid()));
    for (name, header) in [
        ("stranger_key", model.header.clone()),
        (
            "unknown_kid",
            model.header(&[("kid", json!("conformance-unknown"))]),
        ),
        ("embedded_jwk", embedded),
    ] {
        let signed = signed_part(&header, &model.claims);
        let signature = key.sign(signed.as_bytes()).map_err(failed)?;
        tokens
            .bad
            .push((name, format!("{signed}.{}", base64url(signature))));
    }
    Ok(())
}

fn by_hmac(model: &Model, jwks: Option<&Value>, tokens: &mut Tokens) {
    let header = model.header(&[("alg", json!("HS256"))]);
    let keyed = |header: &Map<String, Value>, key: &[u8]| {
        let signed = signed_part(header, &model.claims);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
        format!("{signed}.{}", base64url(tag))
    };
    let nowhere = model.header(&[
        ("alg", json!("HS256")),
        ("kid", json!("../../../../../../../../dev/null")),
    ]);
    tokens.bad.push(("hmac_empty_key", keyed(&nowhere, b"")));
    tokens
        .bad
        .push(("hmac_weak_secret", keyed(&header, b"secret")));
    let before = tokens.bad.len();
    let keys = jwks.and_then(|set| set["keys"].as_array());
    for jwk in keys.into_iter().flatten().take(MOST_KEYS) {
        let Some(der) = public_der(jwk) else {
            continue;
        };
        let mut header = header.clone();
        if let Some(kid) = jwk.get("kid") {
            header.insert("kid".to_owned(), kid.clone());
        }
        // An application holds its key as the file has it, without the last newline, or decoded.
        let pem = public_pem(&der);
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &der] {
            tokens
                .bad
                .push(("hmac_with_public_key", keyed(&header, secret)));
        }
    }
    if tokens.bad.len() == before {
        tokens
            .missing
            .push(("hmac_with_public_key", "the issuer's key set"));
    }
}

/// A good token, damaged.
fn spoiled(good: &str, tokens: &mut Tokens) {
    let cut = good.len().saturating_sub(9);
    let truncated = good.get(..cut).unwrap_or_default();
    tokens.bad.push(("truncated", truncated.to_owned()));
    let Some((signed, signature)) = good.rsplit_once('.') else {
        // Opaque: all there is to change is its text.
        let last = if good.ends_with('A') { 'B' } else { 'A' };
        let head = good.get(..good.len().saturating_sub(1)).unwrap_or_default();
        tokens.bad.push(("bad_signature", format!("{head}{last}")));
        return;
    };
    if let Some(mut octets) = base64url_decode(signature) {
        if let Some(first) = octets.first_mut() {
            *first ^= 1;
        }
        let changed = format!("{signed}.{}", base64url(octets));
        tokens.bad.push(("bad_signature", changed));
    }
    if let (Some((header, _)), Some((_, mut claims))) = (signed.split_once('.'), decode(good)) {
        claims.insert("sub".to_owned(), json!("user_conformance"));
        let payload = base64url(Value::Object(claims).to_string());
        let changed = format!("{header}.{payload}.{signature}");
        tokens.bad.push(("payload_changed", changed));
    }
}

fn signed_part(header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
    let part = |map: &Map<String, Value>| base64url(Value::Object(map.clone()).to_string());
    format!("{}.{}", part(header), part(claims))
}

fn compact(header: &Map<String, Value>, claims: &Map<String, Value>, signature: &[u8]) -> String {
    format!("{}.{}", signed_part(header, claims), base64url(signature))
}

/// Header and claims of a compact JWS, unverified.
fn decode(token: &str) -> Option<Parts> {
    let mut parts = token.split('.');
    let mut part = || serde_json::from_slice(&base64url_decode(parts.next()?)?).ok();
    Some((part()?, part()?))
}

/// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of a public JWK.
fn public_der(jwk: &Value) -> Option<Vec<u8>> {
    let octets = |name: &str| base64url_decode(jwk.get(name)?.as_str()?);
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let components = PublicKeyComponents {
                n: octets("n")?,
                e: octets("e")?,
            };
            Some(components.as_der().ok()?.as_ref().to_vec())
        }
        ("EC", Some("P-256")) => {
            Some([P256, &[4], octets("x")?.as_slice(), &octets("y")?].concat())
        }
        ("EC", Some("P-384")) => {
            Some([P384, &[4], octets("x")?.as_slice(), &octets("y")?].concat())
        }
        ("OKP", Some("Ed25519")) => Some([ED25519, octets("x")?.as_slice()].concat()),
        _ => None,
    }
}

fn public_pem(der: &[u8]) -> String {
    let text = base64(der);
    // Base64 is ASCII, so any cut is between letters.
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body = lines.fold(String::new(), |body, line| body + &line + "\n");
    format!("-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n")
}

fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// What stands before the point in the SubjectPublicKeyInfo of each curve (RFC 5480 §2, RFC 8410 §4).
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// The good token's name among what is minted.
pub(super) const GOOD: &str = "good_token";
/// Defects that take the issuer's own key. `no_kid` and `no_azp` are no defects for every API.
const MINTED: [&str; 13] = [
    "expired",
    "not_yet_valid",
    "issued_in_future",
    "wrong_iss",
    "wrong_aud",
    "wrong_azp",
    "no_exp",
    "no_sub",
    "pending",
    "string_exp",
    "crit_unknown",
    "logout_typ",
    "duplicate_claim",
];
const NEED_A_GOOD_TOKEN: [&str; 8] = [
    "bad_signature",
    "truncated",
    "payload_changed",
    "token_in_query",
    "good_then_junk",
    "junk_then_good",
    "good_token",
    "lower_case_scheme",
];
/// Seconds. Longer than any run.
const LONG_ENOUGH: i64 = 3600;
/// Keys of a set that are tried as HMAC secrets.
const MOST_KEYS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Defect;
    use crate::conformance::Attack;

    fn known<'a>(
        good: &[&str],
        jwks: Option<&'a Value>,
        minted: &'a BTreeMap<String, String>,
    ) -> Known<'a> {
        Known {
            good: good.iter().map(|good| (*good).to_owned()).collect(),
            issuer: None,
            jwks,
            minted,
        }
    }

    fn bad(tokens: &Tokens, name: &str) -> String {
        let found = tokens.bad.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("{name}")).1.clone()
    }

    #[test]
    fn every_name_is_an_attack_and_every_minted_one_a_defect() {
        for name in MINTED {
            assert!(Defect::ALL.iter().any(|defect| defect.as_str() == name));
        }
        for name in MINTED.into_iter().chain(NEED_A_GOOD_TOKEN) {
            assert!(Attack::named(name).is_some(), "{name}");
        }
        for (name, spec) in mints(&json!({"kind": "oidc", "aud": "a", "azp": "b"})) {
            assert!(
                serde_json::from_value::<Mint>(spec.clone()).is_ok(),
                "{spec}"
            );
            assert!(Attack::named(name).is_some() && spec["ttl"] == LONG_ENOUGH);
        }
    }

    #[test]
    fn what_is_minted_follows_from_the_good_token() {
        let names =
            |like: Value| -> Vec<&str> { mints(&like).into_iter().map(|(name, _)| name).collect() };
        let session = names(json!({}));
        assert!(session.contains(&"pending") && session.contains(&"wrong_azp"));
        assert!(!session.contains(&"wrong_aud") && session[0] == GOOD);
        let oauth = names(json!({"kind": "oauth", "aud": "https://api.test"}));
        assert!(oauth.contains(&"wrong_aud") && !oauth.contains(&"pending"));
        assert!(!oauth.contains(&"wrong_azp"));
        assert_eq!(mints(&json!({"ttl": 5}))[0].1["ttl"], 5);
    }

    #[test]
    fn forged_tokens_are_wrong_in_one_thing() {
        let issuer = DevIssuer::builder()
            .issuer("https://issuer.test")
            .algorithms(&[SigningAlgorithm::ES256])
            .build()
            .unwrap();
        let good = issuer.mint(&Mint::default().sub("user_ada")).unwrap();
        let jwks = issuer.jwks();
        let none = BTreeMap::new();
        let tokens = tokens(known(&[&good], Some(&jwks), &none)).unwrap();
        let (header, mut claims) = decode(&good).unwrap();
        claims.remove("exp");
        for (name, changed) in [
            ("alg_none", vec!["alg"]),
            ("alg_none_spelling", vec!["alg"]),
            ("no_signature", vec![]),
            ("stranger_key", vec![]),
            ("unknown_kid", vec!["kid"]),
            ("embedded_jwk", vec!["kid", "jwk"]),
            ("hmac_weak_secret", vec!["alg"]),
            ("hmac_with_public_key", vec!["alg"]),
            ("bad_signature", vec![]),
        ] {
            let token = bad(&tokens, name);
            let (mut forged, mut found) = decode(&token).unwrap();
            found.remove("exp");
            assert_eq!(found, claims, "{name}");
            let mut right = header.clone();
            for name in changed {
                assert_ne!(forged.remove(name), right.remove(name), "{name}");
            }
            assert_eq!(forged, right, "{name}");
            assert_ne!(token, good);
        }
        let changed = decode(&bad(&tokens, "payload_changed")).unwrap().1;
        assert_eq!(changed["sub"], "user_conformance");
        assert!(good.starts_with(&bad(&tokens, "truncated")));
        assert_eq!(tokens.good, [good]);
    }

    #[test]
    fn the_hmac_is_keyed_with_what_the_application_holds() {
        for algorithm in [
            SigningAlgorithm::RS256,
            SigningAlgorithm::ES256,
            SigningAlgorithm::ES384,
            SigningAlgorithm::EdDSA,
        ] {
            let key = SigningKey::generate(algorithm).unwrap();
            let der = public_der(&key.jwk()).unwrap();
            assert_eq!(public_pem(&der), key.public_pem(), "{algorithm}");
            let jwks = json!({ "keys": [key.jwk()] });
            let none = BTreeMap::new();
            let tokens = tokens(known(&[], Some(&jwks), &none)).unwrap();
            let token = bad(&tokens, "hmac_with_public_key");
            let (signed, tag) = token.rsplit_once('.').unwrap();
            let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_pem().as_bytes());
            hmac::verify(&secret, signed.as_bytes(), &base64url_decode(tag).unwrap()).unwrap();
            assert_eq!(decode(&token).unwrap().0["kid"], key.kid());
        }
    }

    #[test]
    fn what_cannot_be_tried_is_told() {
        let none = BTreeMap::new();
        let bare = tokens(known(&[], None, &none)).unwrap();
        let missing: Vec<_> = bare.missing.iter().map(|(name, _)| *name).collect();
        for name in ["good_token", "hmac_with_public_key", "expired", "wrong_aud"] {
            assert!(missing.contains(&name), "{name}");
        }
        let minted = mints(&json!({}))
            .into_iter()
            .map(|(name, _)| (name.to_owned(), "a.b.c".to_owned()))
            .collect();
        let rich = tokens(known(&["a.b.c"], None, &minted)).unwrap();
        let missing: Vec<_> = rich.missing.iter().map(|(name, _)| *name).collect();
        assert_eq!(missing, ["hmac_with_public_key", "wrong_aud"]);
    }

    #[test]
    fn an_opaque_good_token_is_spoiled_too() {
        let none = BTreeMap::new();
        let tokens = tokens(known(&["oat_secretsecret"], None, &none)).unwrap();
        assert_eq!(bad(&tokens, "bad_signature"), "oat_secretsecreA");
        assert_eq!(bad(&tokens, "truncated"), "oat_sec");
    }
}
