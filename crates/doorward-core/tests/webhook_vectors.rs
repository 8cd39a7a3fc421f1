//! Every case of `vectors/webhook/`, through the public API. `vectors/README.md` explains the files.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(
    clippy::disallowed_methods,
    reason = "the engine reads no file; its tests do"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64_simd::STANDARD;
use doorward_core::{Timestamp, WebhookMessage, WebhookReason, WebhookVerifier};
use serde::Deserialize;
use serde_json::Value;

macro_rules! vectors {
    ($($name:ident,)+) => {
        const FILES: &[&str] = &[$(stringify!($name)),+];
        mod files { $(#[test] fn $name() { super::run(stringify!($name)); })+ }
    };
}

vectors! {
    body,
    headers,
    published,
    secrets,
    signatures,
    timestamp,
}

#[test]
fn every_file_has_a_test() {
    let listed: BTreeSet<String> = FILES.iter().map(|name| format!("{name}.json")).collect();
    let found: BTreeSet<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "schema.json")
        .collect();
    assert_eq!(listed, found);
}

#[test]
fn every_reason_has_a_case() {
    let expected: BTreeSet<String> = FILES
        .iter()
        .flat_map(|name| read(name).cases)
        .map(|case| case.expect)
        .collect();
    // What becomes of a genuine message, and of a body that never arrived, is for those who read it.
    let elsewhere = [
        WebhookReason::BodyUnreadable,
        WebhookReason::PayloadMalformed,
    ];
    for reason in WebhookReason::ALL {
        let has_case = expected.contains(reason.code());
        assert_eq!(has_case, !elsewhere.contains(reason), "{reason}");
    }
}

/// A refusal proves something only beside a case that differs in that one thing and is accepted.
#[test]
fn every_file_has_controls() {
    for name in FILES {
        let cases = read(name).cases;
        let accepted = cases.iter().filter(|case| case.expect == "accept").count();
        assert!(accepted > 0 && accepted < cases.len(), "{name}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "description")]
    _description: String,
    now: f64,
    secrets: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default, rename = "comment")]
    _comment: Option<String>,
    secrets: Option<Vec<String>>,
    head: Vec<(String, Value)>,
    body: Option<Value>,
    body_base64: Option<String>,
    now: Option<f64>,
    expect: String,
    message: Option<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    id: Option<String>,
    sent_at: Option<i64>,
    secret_index: Option<usize>,
}

impl Expected {
    fn fits(&self, message: &WebhookMessage) -> bool {
        self.id.as_deref().is_none_or(|id| id == message.id())
            && self
                .sent_at
                .is_none_or(|at| Timestamp::from_secs(at) == message.sent_at())
            && self
                .secret_index
                .is_none_or(|index| index == message.secret_index())
    }
}

fn run(name: &str) {
    let file = read(name);
    let wrong: Vec<String> = file
        .cases
        .iter()
        .filter_map(|case| match judge(&file, case) {
            Ok(message) if case.expect == "accept" => {
                let fits = case
                    .message
                    .as_ref()
                    .is_none_or(|expected| expected.fits(&message));
                (!fits).then(|| format!("{}: {message:?}", case.name))
            }
            Ok(_) => Some(format!("{}: accept, expected {}", case.name, case.expect)),
            Err(found) if found == case.expect => None,
            Err(found) => Some(format!("{}: {found}, expected {}", case.name, case.expect)),
        })
        .collect();
    assert!(wrong.is_empty(), "{name}:\n  {}", wrong.join("\n  "));
}

fn judge(file: &File, case: &Case) -> Result<WebhookMessage, String> {
    let secrets = case.secrets.as_ref().unwrap_or(&file.secrets);
    let verifier = WebhookVerifier::new(secrets).map_err(|why| {
        assert!(
            !secrets
                .iter()
                .any(|secret| secret.len() > 20 && why.contains(secret)),
            "{why}"
        );
        "config_error".to_owned()
    })?;
    let head: Vec<(&str, Vec<u8>)> = case
        .head
        .iter()
        .map(|(name, value)| (name.as_str(), latin_1(&expand(value))))
        .collect();
    let body = match (&case.body, &case.body_base64) {
        (Some(text), None) => expand(text).into_bytes(),
        (None, Some(encoded)) => STANDARD.decode_to_vec(encoded).unwrap(),
        _ => panic!("{}: either a body or its base64", case.name),
    };
    let now = Timestamp::from_millis((case.now.unwrap_or(file.now) * 1000.0).round() as i64);
    let verdict = verifier.verify(&head, &body, now);
    // Who sees to the time elsewhere gets the same verdict on everything else.
    if let Err(timeless) = verifier.verify_ignoring_timestamp(&head, &body) {
        assert_eq!(Some(&timeless), verdict.as_ref().err(), "{}", case.name);
    }
    verdict.map_err(|rejection| rejection.reason().code().to_owned())
}

/// A text, however it is written down.
fn expand(text: &Value) -> String {
    match text {
        Value::String(text) => text.clone(),
        long => {
            let part = |name: &str| long[name].as_str().unwrap();
            let times = long["times"].as_u64().unwrap() as usize;
            [
                part("prefix"),
                &part("repeat").repeat(times),
                part("suffix"),
            ]
            .concat()
        }
    }
}

/// A header value's letters U+0000 to U+00FF are its bytes.
fn latin_1(text: &str) -> Vec<u8> {
    let byte = |letter| u8::try_from(u32::from(letter)).unwrap();
    text.chars().map(byte).collect()
}

fn read(name: &str) -> File {
    let text = fs::read_to_string(root().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/webhook")
}
