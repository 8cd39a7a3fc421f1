//! What each fuzz target does with its bytes, and what must hold whatever they are. The fuzzer runs these, and so does
//! `crates/doorward-core/tests/fuzz_corpus.rs`, over the corpus and on any toolchain.

#![allow(dead_code, reason = "each fuzz target uses one of these")]

use std::sync::LazyLock;

use doorward_core::{
    AlgorithmSet, Audience, Credential, Decoder, Issuer, JwkSet, KeySource, KindSet, NoFacts,
    Outcome, Place, Settings, Timestamp, TokenKind, Verifier, WebhookVerifier, jws,
};

/// The one text that may be accepted: its key has signed nothing else in the corpus, and the fuzzer does not have it.
const GOOD: &str = include_str!("corpus/token/trusted");
const KEYS: &str = include_str!("corpus/jwks/trusted");

/// A token, whole.
pub(crate) fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if accepted(text) {
        assert_eq!(text, GOOD, "a second spelling was accepted");
    }
    drop(jws::decode_unverified(text));
    if jws::verify(text, &keys(), AlgorithmSet::ASYMMETRIC).is_ok() {
        assert_eq!(text, GOOD, "a second spelling was verified");
    }
}

/// The JSON of a header, in front of a payload and a signature that are right for another header.
pub(crate) fn header_json(data: &[u8]) {
    let rest = GOOD.split_once('.').map_or("", |(_, rest)| rest);
    let text = format!("{}.{rest}", base64url(data));
    if accepted(&text) {
        assert_eq!(text, GOOD, "a changed header was accepted");
    }
}

/// A key set, as it comes from a stranger's server, and key material as an operator pastes it.
pub(crate) fn jwks(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for set in [
        JwkSet::parse(text, AlgorithmSet::ASYMMETRIC),
        JwkSet::read(data, AlgorithmSet::ASYMMETRIC),
    ]
    .into_iter()
    .flatten()
    {
        assert!(set.covers(None) != set.keys().is_empty());
        for key in set.keys() {
            assert!(!key.algorithms().is_empty() && set.covers(key.kid()));
        }
        drop(jws::verify(GOOD, &set, AlgorithmSet::ASYMMETRIC));
    }
}

/// Header fields, one a line: `a` in front for Authorization, anything else for Cookie.
pub(crate) fn authorization_cookie(data: &[u8]) {
    let head: Vec<(&str, &[u8])> = data
        .split(|byte| *byte == b'\n')
        .map(|line| match line.strip_prefix(b"a") {
            Some(value) => ("authorization", value),
            None => ("cookie", line),
        })
        .collect();
    let Ok(credential) = VERIFIER.credential(&head) else {
        return;
    };
    let token = credential.token();
    assert!(!token.is_empty());
    let found = |name: &str| {
        head.iter().any(|(own, value)| {
            *own == name
                && value
                    .windows(token.len())
                    .any(|part| part == token.as_bytes())
        })
    };
    match credential.place() {
        Place::Header => {
            assert!(found("authorization"));
            let alone = head.iter().filter(|(name, _)| *name == "authorization");
            assert_eq!(alone.count(), 1, "one of several was taken");
            assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        _ => assert!(found("cookie") && !token.contains(';')),
    }
    drop(VERIFIER.verify(&credential, &NoFacts, NOW));
}

/// A webhook: header fields, one a line, an empty line, the body.
pub(crate) fn webhook(data: &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &b""[..]),
    };
    let head: Vec<(&str, &[u8])> = head
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((
                std::str::from_utf8(&line[..colon]).ok()?,
                &line[colon + 1..],
            ))
        })
        .collect();
    match WEBHOOKS.verify(&head, body, NOW) {
        Ok(message) => {
            assert_eq!((message.id(), message.sent_at()), ("msg_fuzz", NOW));
            assert_eq!(body, WEBHOOK_BODY, "a changed body was accepted");
        }
        Err(rejection) => assert!(matches!(rejection.status(), 400 | 413)),
    }
    // A secret, as an operator pastes it.
    if let Ok(text) = std::str::from_utf8(data) {
        drop(WebhookVerifier::new([text]));
    }
}

/// The one message that may be accepted; its secret is nowhere in the corpus.
const WEBHOOK_BODY: &[u8] = br#"{"type":"user.created"}"#;

static WEBHOOKS: LazyLock<WebhookVerifier> = LazyLock::new(|| {
    let secrets = [
        "whsec_ZnV6ei1zZWNyZXQtZnV6ei1zZWNyZXQ=",
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
    ];
    WebhookVerifier::new(secrets).expect("two secrets")
});

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let issuers = [
        "https://issuer.example",
        "https://other.example",
        "https://clerk.example.com",
    ]
    .map(|name| {
        let audience = Audience::OneOf(vec!["https://api.example".to_owned()]);
        let keys = KeySource::Static(keys());
        let mut issuer = Issuer::new(name, audience, keys, AlgorithmSet::ASYMMETRIC);
        issuer.decoder = Decoder::Clerk;
        issuer
    });
    let settings = Settings {
        accepts: KindSet::from_iter(TokenKind::ALL),
        cookies: vec!["__session_abc".to_owned(), "__session".to_owned()],
        ..Settings::default()
    };
    Verifier::new(issuers.into(), settings).expect("a verifier")
});

fn keys() -> JwkSet {
    JwkSet::parse(KEYS, AlgorithmSet::ASYMMETRIC).expect("a key set")
}

fn accepted(text: &str) -> bool {
    match VERIFIER.verify(&Credential::bearer(text), &NoFacts, NOW) {
        Outcome::Verified(identity) => {
            assert_eq!(identity.subject(), "user_ada");
            true
        }
        Outcome::Rejected(_) => false,
        Outcome::Needs(lookup) => panic!("static keys need nothing: {lookup:?}"),
    }
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(LETTERS[bits >> (18 - 6 * place) & 63]));
        }
    }
    text
}
