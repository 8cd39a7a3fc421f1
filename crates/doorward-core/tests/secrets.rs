//! No secret and no token in what the public types print.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(
    clippy::disallowed_methods,
    reason = "the engine reads no file; its tests do"
)]

use std::fmt::{Debug, Display};
use std::path::Path;

use doorward_core::{
    Algorithm, AlgorithmSet, Audience, Challenge, Claims, Credential, Issuer, JwkSet, KeySource,
    NoFacts, Outcome, Policy, Rejection, Secret, Settings, SharedSecret, Timestamp, Verifier,
    WebhookVerifier, jws, webhook,
};
use serde_json::Value;

const SECRET: &str = "planted-secret-0123456789-planted-secret-0123456789";

#[test]
fn a_shared_secret_is_never_printed() {
    let secret = Secret::from(SECRET);
    let mut said = Said::default();
    said.debug(&secret);
    said.display(&secret);
    said.debug(&Some(secret.clone()));
    let hs256 = AlgorithmSet::from(Algorithm::HS256);
    let shared = || SharedSecret::new(&secret, hs256).unwrap();
    said.debug(&shared());
    said.debug(&KeySource::SharedSecret(shared()));
    let issuer = || {
        Issuer::new(
            "https://issuer.example",
            Audience::Any,
            KeySource::SharedSecret(shared()),
            hs256,
        )
    };
    said.debug(&issuer());
    let verifier = Verifier::new(vec![issuer()], Settings::default()).unwrap();
    said.debug(&verifier);
    said.debug(verifier.settings());
    // A secret that is too short, and one that is configured together with a signature algorithm.
    said.debug(&SharedSecret::new(&Secret::from(&SECRET[..20]), hs256).unwrap_err());
    let mut mixed = issuer();
    mixed.algorithms = AlgorithmSet::ASYMMETRIC;
    said.debug(&Verifier::new(vec![mixed], Settings::default()).unwrap_err());
    said.without(&[SECRET, &SECRET[..20]]);
}

#[test]
fn key_material_is_never_printed() {
    let keys = root().join("keys");
    let pem = std::fs::read_to_string(keys.join("TEST-KEY-rsa-2048.pem")).unwrap();
    let lines: Vec<&str> = pem.lines().filter(|line| line.len() == 64).collect();
    assert!(lines.len() > 10);
    let all = AlgorithmSet::ASYMMETRIC;
    let mut said = Said::default();
    // Given by mistake, in several spellings; the error repeats none of it.
    let one_line = pem.replace('\n', "\\n");
    let body: String = lines.concat();
    for text in [
        &pem,
        &one_line,
        &body,
        &format!("{{\"kty\":\"RSA\",\"d\":\"{body}\"}}"),
        &format!("x{body}"),
    ] {
        let error = JwkSet::read(text.as_bytes(), all).unwrap_err();
        said.debug(&error);
        said.display(&error);
    }
    for set in [
        format!(
            "{{\"keys\":[{{\"kty\":\"oct\",\"kid\":\"k\",\"k\":\"{body}\"}},{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{body}\",\"d\":\"{body}\"}}]}}"
        ),
        format!("{{\"keys\":[\"{body}\"]}}"),
        format!(
            "{{\"keys\":[{{\"kty\":\"RSA\",\"n\":\"{body}\",\"n\":\"{body}\",\"e\":\"AQAB\"}}]}}"
        ),
    ] {
        said.debug(&JwkSet::parse(&set, all).unwrap());
    }
    said.without(&lines);
}

#[test]
fn a_webhooks_secret_is_never_printed() {
    let encoded = "AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";
    let secret = format!("whsec_{encoded}");
    let now = Timestamp::from_secs(1_800_000_000);
    let mut said = Said::default();
    let verifier = WebhookVerifier::new([&secret]).unwrap();
    said.debug(&verifier);
    let headers = webhook::sign(&secret, "msg_1", now, b"{}").unwrap();
    said.debug(&headers);
    let signature = headers.signature().to_owned();
    let head = headers.standard().to_vec();
    said.debug(&verifier.verify(&head, b"{}", now).unwrap());
    for (body, at) in [(&b"x"[..], now), (b"{}", Timestamp::from_secs(0))] {
        let rejection = verifier.verify(&head, body, at).unwrap_err();
        said.debug(&rejection);
        said.display(&rejection);
        said.display(&rejection.body());
    }
    for wrong in [
        format!("whsec_{secret}"),
        format!("sk_test_{encoded}"),
        format!("whsk_{encoded}"),
        format!("{secret}!"),
        format!("whpk_{}", &encoded[..24]),
    ] {
        said.debug(&WebhookVerifier::new([&wrong]).unwrap_err());
        said.debug(&webhook::sign(&wrong, "msg_1", now, b"").unwrap_err());
    }
    said.without(&[encoded, &encoded[..16], &signature, &signature[3..19]]);
}

#[test]
fn a_token_is_never_printed() {
    for file in [
        "algorithm",
        "claims",
        "clerk_sessions",
        "encoding",
        "header",
        "json",
        "structure",
        "time",
    ] {
        let text = std::fs::read_to_string(root().join(format!("jwt/{file}.json"))).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let issuer = &file["verifier"]["issuers"][0];
        let keys = JwkSet::parse(&issuer["keys"].to_string(), AlgorithmSet::ASYMMETRIC).unwrap();
        let public = JwkSet::parse(&issuer["keys"].to_string(), AlgorithmSet::ASYMMETRIC).unwrap();
        let trusted = Issuer::new(
            issuer["issuer"].as_str().unwrap(),
            Audience::Any,
            KeySource::Static(keys),
            AlgorithmSet::ASYMMETRIC,
        );
        let verifier = Verifier::new(vec![trusted], Settings::default()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let Some(token) = case["token"].as_str() else {
                continue;
            };
            let mut said = Said::default();
            let credential = Credential::bearer(token);
            said.debug(&credential);
            let outcome =
                verifier.verify(&credential, &NoFacts, Timestamp::from_secs(1_800_000_000));
            said.debug(&outcome);
            match outcome {
                Outcome::Verified(identity) => {
                    said.debug(&identity);
                    said.debug::<Claims>(identity.claims());
                    let policy = Policy::new().scopes(["nobody:has"]).role("nobody");
                    said.debug(&policy);
                    said.rejection(policy.permit(&identity).unwrap_err());
                }
                Outcome::Rejected(rejection) => said.rejection(rejection),
                Outcome::Needs(lookup) => said.debug(&lookup),
            }
            if let Err(rejection) = jws::verify(token, &public, AlgorithmSet::ASYMMETRIC) {
                said.rejection(rejection);
            }
            let segments: Vec<&str> = token.split('.').filter(|s| s.len() > 20).collect();
            said.without(&segments);
        }
    }
}

/// Everything that was printed.
#[derive(Default)]
struct Said(String);

impl Said {
    fn debug<T: Debug + ?Sized>(&mut self, value: &T) {
        self.0 += &format!("{value:?} {value:#?}\n");
    }

    fn display<T: Display>(&mut self, value: &T) {
        self.0 += &format!("{value}\n");
    }

    fn rejection(&mut self, rejection: Rejection) {
        self.debug(&rejection);
        self.display(&rejection);
        self.debug::<Option<Challenge>>(&rejection.challenge());
        self.debug(&rejection.headers());
        self.display(&rejection.body());
        // For development the detail goes to the caller; a token is not in it either.
        self.display(&rejection.explained().body());
    }

    fn without(&self, planted: &[&str]) {
        for text in planted {
            assert!(!self.0.contains(text), "{text:?} is in:\n{}", self.0);
        }
    }
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}
