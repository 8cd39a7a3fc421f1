//! Every case of `vectors/event/`, through the public API. `vectors/README.md` explains the files.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(
    clippy::disallowed_methods,
    reason = "the engine reads no file; its tests do"
)]

use std::path::Path;

use base64_simd::STANDARD;
use doorward_core::Timestamp;
use doorward_core::webhook::WebhookEvent;
use serde_json::{Value, json};

#[test]
fn bodies() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/event/bodies.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let body = match case["body_base64"].as_str() {
            Some(encoded) => STANDARD.decode_to_vec(encoded).unwrap(),
            None => text(&case["body"]).into_bytes(),
        };
        let expected = &case["expect"];
        match WebhookEvent::read(&body) {
            Ok(event) => {
                assert_eq!(expected, "accept", "{}", case["name"]);
                let whole = event.to_object();
                let found = json!({
                    "type": event.kind(),
                    "happened_at": event.happened_at().map(Timestamp::as_millis),
                    "data": whole.get("data").cloned().unwrap_or_default(),
                });
                assert_eq!(found, case["event"], "{}", case["name"]);
            }
            Err(rejection) => {
                assert_eq!(expected, rejection.reason().code(), "{}", case["name"]);
                assert!(!rejection.detail().is_empty());
            }
        }
    }
}

fn text(text: &Value) -> String {
    if let Some(text) = text.as_str() {
        return text.to_owned();
    }
    let part = |name: &str| text[name].as_str().unwrap();
    let times = usize::try_from(text["times"].as_u64().unwrap()).unwrap();
    part("prefix").to_owned() + &part("repeat").repeat(times) + part("suffix")
}
