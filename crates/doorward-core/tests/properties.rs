//! What holds for every input: no panic, one verdict, nothing accepted that was changed.
//!
//! Work is bounded because input is: nothing longer than `max_token_bytes` is looked at. No test here takes the time.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64_simd::URL_SAFE_NO_PAD;
use doorward_core::{
    AlgorithmSet, Audience, Credential, Decoder, Identity, Issuer, JwkSet, KeySource, KindSet,
    NoFacts, Outcome, Place, Reason, Secret, Settings, SharedSecret, Timestamp, TokenKind,
    Verifier, jws,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://api.example";
const COOKIE: &str = "__session";

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        refused_without_panic(&text);
    }

    #[test]
    fn any_bytes_are_judged(bytes in vec(any::<u8>(), 0..2000)) {
        refused_without_panic(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn anything_of_a_tokens_shape_is_judged(text in "[A-Za-z0-9_=+/ -]{0,60}(\\.[A-Za-z0-9_-]{0,60}){0,6}") {
        refused_without_panic(&text);
    }

    #[test]
    fn any_three_encoded_segments_are_judged(
        header in vec(any::<u8>(), 0..200), payload in vec(any::<u8>(), 0..200), signature in vec(any::<u8>(), 0..2000),
    ) {
        let [header, payload, signature] = [header, payload, signature].map(|bytes| b64(&bytes));
        refused_without_panic(&format!("{header}.{payload}.{signature}"));
    }

    /// Whatever an issuer signs is read without panic, and what is accepted says what it must.
    #[test]
    fn any_signed_bytes_are_judged(payload in vec(any::<u8>(), 0..300)) {
        refused_without_panic(&Signer::new(1).token(&header("a"), &payload));
    }

    #[test]
    fn any_signed_object_is_judged(object in object()) {
        let token = Signer::new(1).token(&header("a"), object.to_string().as_bytes());
        check_acceptance(&token, &object);
    }

    #[test]
    fn any_change_of_a_claim_is_judged(
        name in prop_oneof![
            proptest::sample::select(vec!["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "act", "sts", "scope", "v", "o", "fea"]).prop_map(str::to_owned),
            ".{0,8}",
        ],
        value in json_value(),
    ) {
        let mut claims = claims("user_ada");
        claims[&name] = value;
        let token = Signer::new(1).token(&header("a"), claims.to_string().as_bytes());
        check_acceptance(&token, &claims);
    }

    #[test]
    fn any_change_of_the_header_is_judged(name in "(alg|kid|typ|cat|crit|jwk|b64|[a-z]{1,4})", value in json_value()) {
        let mut header: Value = serde_json::from_str(&header("a")).unwrap();
        header[&name] = value;
        let claims = claims("user_ada");
        let token = Signer::new(1).token(&header.to_string(), claims.to_string().as_bytes());
        check_acceptance(&token, &claims);
    }

    /// Inserting, deleting and replacing pieces of a token; the signature stays what it was.
    #[test]
    fn a_damaged_token_is_refused(from in 0usize..400, to in 0usize..400, piece in "[ -~]{0,12}") {
        let token = good();
        let (from, to) = (from.min(to) % token.len(), from.max(to) % token.len());
        let damaged = format!("{}{piece}{}", &token[..from.min(to)], &token[from.max(to)..]);
        if damaged != token {
            let verdict = verdict(&verifier(), &damaged);
            prop_assert!(verdict.is_err(), "{damaged}");
        }
    }

    #[test]
    fn what_is_signed_and_right_is_accepted(subject in "\\PC{1,40}", extra in object(), ttl in 1i64..100_000) {
        let mut claims = claims(&subject);
        for (name, value) in extra.as_object().unwrap() {
            claims[format!("x-{name}")] = value.clone();
        }
        claims["exp"] = json!(NOW + ttl);
        let token = Signer::new(1).token(&header("a"), claims.to_string().as_bytes());
        let identity = verdict(&verifier(), &token).unwrap();
        prop_assert_eq!(identity.subject(), subject);
        prop_assert!(identity.raw_claims() == claims.to_string().as_bytes());
    }

    #[test]
    fn the_order_of_members_does_not_matter(keys in Just(vec!["iss", "sub", "aud", "exp", "iat"]).prop_shuffle(), expired in any::<bool>()) {
        let mut claims = claims("user_ada");
        if expired {
            claims["exp"] = json!(NOW - 100);
        }
        let members: Vec<String> = keys.iter().map(|key| format!("{}:{}", json!(key), claims[key])).collect();
        let token = Signer::new(1).token(&header("a"), format!("{{{}}}", members.join(",")).as_bytes());
        let verdict = verdict(&verifier(), &token).map(|identity| identity.subject().to_owned());
        prop_assert_eq!(verdict, if expired { Err(Reason::TokenExpired) } else { Ok("user_ada".to_owned()) });
    }

    #[test]
    fn the_order_of_issuers_does_not_matter(
        order in Just(vec![0usize, 1, 2, 3]).prop_shuffle(), name in 0usize..5, signer in 0u8..5, kid in "[abcd]",
    ) {
        let mut claims = claims("user_ada");
        claims["iss"] = json!(format!("https://issuer-{name}.example"));
        let token = Signer::new(signer).token(&header(&kid), claims.to_string().as_bytes());
        let plain = several(&[0, 1, 2, 3]);
        let shuffled = several(&order);
        let text = |verifier: &Verifier| match verdict(verifier, &token) {
            Ok(identity) => format!("{} {}", identity.issuer(), identity.subject()),
            Err(reason) => reason.to_string(),
        };
        prop_assert_eq!(text(&plain), text(&shuffled));
    }

    /// A verdict is a function of its input: asked twice, by one verifier or by two, it is the same in every letter.
    #[test]
    fn the_same_question_has_the_same_answer(name in "(iss|sub|exp|aud|o|x)", value in json_value(), now in -10i64..2_000_000_000) {
        let mut claims = claims("user_ada");
        claims[&name] = value;
        let token = Signer::new(1).token(&header("a"), claims.to_string().as_bytes());
        let (one, other) = (verifier(), verifier());
        let now = Timestamp::from_secs(now);
        let ask = |verifier: &Verifier| format!("{:?}", verifier.verify(&Credential::bearer(&token), &NoFacts, now));
        let first = ask(&one);
        prop_assert_eq!(&first, &ask(&one));
        prop_assert_eq!(&first, &ask(&other));
    }

    #[test]
    fn any_request_head_is_read(
        fields in vec((prop_oneof!["authorization", "Authorization", "cookie", "Cookie", "[a-z-]{1,12}"], vec(any::<u8>(), 0..80)), 0..6),
    ) {
        let verifier = verifier();
        if let Ok(credential) = verifier.credential(&fields) {
            prop_assert!(!credential.token().is_empty());
        }
    }

    #[test]
    fn any_authorization_value_is_read(value in "(?i)(bearer|basic)?[ \t]{0,2}[!-~ ]{0,40}") {
        let head = [("authorization".to_owned(), value.clone().into_bytes())].to_vec();
        let verifier = verifier();
        if let Ok(credential) = verifier.credential(&head) {
            prop_assert_eq!(credential.place(), Place::Header);
            prop_assert!(!credential.token().contains([' ', ',', '"', '\t']));
            prop_assert!(value.contains(credential.token()));
        }
    }

    /// Other people's cookies, however malformed, never hide ours and never fail.
    #[test]
    fn foreign_cookies_are_passed_over(before in vec(vec(any::<u8>(), 0..30), 0..5), after in vec(vec(any::<u8>(), 0..30), 0..5)) {
        let foreign = |pieces: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
            let clean = |piece: Vec<u8>| piece.into_iter().filter(|byte| *byte != b';').collect::<Vec<u8>>();
            let ours = |piece: &Vec<u8>| piece.trim_ascii().starts_with(COOKIE.as_bytes());
            pieces.into_iter().map(clean).filter(|piece| !ours(piece)).collect()
        };
        let (before, after) = (foreign(before), foreign(after));
        let pieces: Vec<Vec<u8>> = before.into_iter().chain([format!("{COOKIE}=T").into_bytes()]).chain(after).collect();
        let head = [("cookie".to_owned(), pieces.join(&b"; "[..]))].to_vec();
        let verifier = verifier();
        let credential = verifier.credential(&head).unwrap();
        prop_assert_eq!((credential.token(), credential.place()), ("T", Place::Cookie));
    }

    #[test]
    fn any_key_set_is_read(text in any::<String>(), object in object()) {
        drop(JwkSet::parse(&text, AlgorithmSet::ASYMMETRIC));
        drop(JwkSet::read(text.as_bytes(), AlgorithmSet::ASYMMETRIC));
        drop(JwkSet::parse(&json!({"keys": [object]}).to_string(), AlgorithmSet::ASYMMETRIC));
    }

    #[test]
    fn any_change_of_a_key_is_read(name in "(kty|crv|alg|use|key_ops|kid|x|y|n|e|d)", value in json_value()) {
        let mut jwk = Signer::new(1).jwk("a");
        jwk[&name] = value;
        let set = JwkSet::parse(&json!({"keys": [jwk, Signer::new(2).jwk("b")]}).to_string(), AlgorithmSet::ASYMMETRIC).unwrap();
        prop_assert!(set.covers(Some("b")) || set.skipped().len() == 1, "{:?}", set);
    }
}

/// Every single bit of a token, one after the other.
#[test]
fn a_token_with_one_bit_changed_is_refused() {
    let (verifier, token) = (verifier(), good());
    assert!(verdict(&verifier, &token).is_ok());
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            assert!(
                verdict(&verifier, &changed).is_err(),
                "bit {bit} of byte {at}"
            );
        }
    }
}

/// As above, where the secret is shared.
#[test]
fn a_mac_with_one_bit_changed_is_refused() {
    let secret = "a shared secret of a test, of at least thirty-two bytes";
    let hs256 = AlgorithmSet::from(doorward_core::Algorithm::HS256);
    let shared = SharedSecret::new(&Secret::from(secret), hs256).unwrap();
    let keys = KeySource::SharedSecret(shared);
    let issuer = Issuer::new(
        ISSUER,
        Audience::OneOf(vec![AUDIENCE.to_owned()]),
        keys,
        hs256,
    );
    let verifier = Verifier::new(vec![issuer], Settings::default()).unwrap();
    let input = format!(
        "{}.{}",
        b64(br#"{"alg":"HS256"}"#),
        b64(claims("user_ada").to_string().as_bytes())
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
    let sealed = |tag: &[u8]| format!("{input}.{}", b64(tag));
    assert!(verdict(&verifier, &sealed(tag.as_ref())).is_ok());
    for bit in 0..256 {
        let mut changed = tag.as_ref().to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            verdict(&verifier, &sealed(&changed)).unwrap_err(),
            Reason::SignatureInvalid
        );
    }
    for length in 0..32 {
        assert_eq!(
            verdict(&verifier, &sealed(&tag.as_ref()[..length])).unwrap_err(),
            Reason::SignatureInvalid
        );
    }
}

/// If a token is accepted, its claims say what they must.
fn check_acceptance(token: &str, claims: &Value) {
    if let Ok(identity) = verdict(&verifier(), token) {
        // A slow and simple reading of the same claims.
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["sub"], identity.subject());
        let audience = match &claims["aud"] {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        assert!(audience.iter().all(Value::is_string) && audience.contains(&json!(AUDIENCE)));
        assert!(claims["exp"].as_f64().unwrap() + 5.0 > NOW as f64);
        for name in ["nbf", "iat"] {
            if let Some(time) = claims.get(name) {
                assert!(time.as_f64().unwrap() <= NOW as f64 + 5.0);
            }
        }
        assert!(claims.get("cnf").is_none());
        assert_ne!(claims["sts"], "pending");
    }
}

fn refused_without_panic(text: &str) {
    assert!(verdict(&verifier(), text).is_err());
    drop(jws::decode_unverified(text));
    let keys = Signer::new(1).keys("a");
    drop(jws::verify(text, &keys, AlgorithmSet::ASYMMETRIC));
}

fn verdict(verifier: &Verifier, token: &str) -> Result<Identity, Reason> {
    let now = Timestamp::from_secs(NOW);
    match verifier.verify(&Credential::bearer(token), &NoFacts, now) {
        Outcome::Verified(identity) => Ok(identity),
        Outcome::Rejected(rejection) => Err(rejection.reason()),
        Outcome::Needs(lookup) => panic!("static keys need nothing: {lookup:?}"),
    }
}

/// Reads everything there is, so that every line of reading is exercised.
fn verifier() -> Verifier {
    let mut issuer = trusting(ISSUER, 1);
    issuer.decoder = Decoder::Clerk;
    let settings = Settings {
        accepts: KindSet::from_iter(TokenKind::ALL),
        cookies: vec![COOKIE.to_owned()],
        ..Settings::default()
    };
    Verifier::new(vec![issuer], settings).unwrap()
}

/// Issuers 0 to 3, each with a key of its own, under one name.
fn several(order: &[usize]) -> Verifier {
    let issuers = order
        .iter()
        .map(|n| trusting(&format!("https://issuer-{n}.example"), *n as u8))
        .collect();
    Verifier::new(issuers, Settings::default()).unwrap()
}

fn trusting(name: &str, seed: u8) -> Issuer {
    let keys = KeySource::Static(Signer::new(seed).keys("a"));
    let audience = Audience::OneOf(vec![AUDIENCE.to_owned()]);
    Issuer::new(name, audience, keys, AlgorithmSet::ASYMMETRIC)
}

struct Signer(Ed25519KeyPair);

impl Signer {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn jwk(&self, kid: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(self.0.public_key().as_ref())})
    }

    fn keys(&self, kid: &str) -> JwkSet {
        JwkSet::parse(&self.jwk(kid).to_string(), AlgorithmSet::ASYMMETRIC).unwrap()
    }

    fn token(&self, header: &str, payload: &[u8]) -> String {
        let mut token = format!("{}.{}", b64(header.as_bytes()), b64(payload));
        let signature = self.0.sign(token.as_bytes());
        write!(token, ".{}", b64(signature.as_ref())).unwrap();
        token
    }
}

fn good() -> String {
    Signer::new(1).token(&header("a"), claims("user_ada").to_string().as_bytes())
}

fn header(kid: &str) -> String {
    json!({"alg": "EdDSA", "kid": kid, "typ": "JWT"}).to_string()
}

fn claims(subject: &str) -> Value {
    json!({"iss": ISSUER, "sub": subject, "aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 300})
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (NOW - 20..NOW + 20).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        proptest::sample::select(vec![
            ISSUER, AUDIENCE, "", "JWT", "at+jwt", "EdDSA", "none", "a", "pending", "o:a,u:b",
            "1,2"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((".{0,6}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let name = prop_oneof!["(iss|sub|aud|exp|nbf|iat|act|o|v|fea|per|fpm)", ".{0,6}"];
    vec((name, json_value()), 0..8)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}
