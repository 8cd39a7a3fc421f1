//! One webhook of 1.1 kB, as Clerk sends a `user.created`, verified again and again.

use aws_lc_rs::hmac;
use base64_simd::STANDARD;
use doorward::core::webhook;
use doorward::{Timestamp, WebhookVerifier};
use http::HeaderMap;

use crate::Effort;
use crate::measure::{self, Case, Figure};

const SECRET: &str = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";

pub(crate) fn section(effort: &Effort) -> Vec<Figure> {
    let now = Timestamp::from(std::time::SystemTime::now());
    let body = body();
    let signed =
        webhook::sign(SECRET, "msg_2bWQPFTSvvPmNZyqcCCdeYhXMKx", now, &body).expect("it signs");
    let mut head = HeaderMap::new();
    for (name, value) in BROWSERLESS {
        head.insert(name, http::HeaderValue::from_static(value));
    }
    for (name, value) in signed.svix() {
        head.insert(name, value.parse().expect("a value"));
    }
    let mut standard = head.clone();
    for (name, value) in signed.standard() {
        standard.insert(name, value.parse().expect("a value"));
    }
    let secret = STANDARD
        .decode_to_vec(&SECRET["whsec_".len()..])
        .expect("base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let content = webhook::signed_content("msg_2bWQPFTSvvPmNZyqcCCdeYhXMKx", now, &body);
    let ours = WebhookVerifier::new([SECRET]).expect("a secret");
    let (old_and_new, lent) = (
        WebhookVerifier::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SECRET]).expect("secrets"),
        doorward::axum::Head(&head),
    );
    let svix = svix::webhooks::Webhook::new(SECRET).expect("a secret");
    let plain = standardwebhooks::Webhook::new(SECRET).expect("a secret");

    let base = "webhook/raw";
    let mut cases = vec![
        Case::new(base, "bare HMAC-SHA256, aws-lc-rs", base, || {
            hmac::sign(&key, &content)
        }),
        Case::new("webhook/ours", "doorward", base, || {
            ours.verify(&lent, &body, now).expect("genuine")
        }),
        Case::new(
            "webhook/rotation",
            "doorward, the second of two secrets",
            base,
            || old_and_new.verify(&lent, &body, now).expect("genuine"),
        ),
        Case::new("webhook/svix", "svix 1 Webhook::verify", base, || {
            svix.verify(&body, &head).expect("genuine")
        }),
        Case::new(
            "webhook/standard",
            "standardwebhooks 1 Webhook::verify",
            base,
            || plain.verify(&body, &standard).expect("genuine"),
        ),
    ];
    measure::measure(&mut cases, effort.rounds, effort.batch_us)
}

const BROWSERLESS: [(&str, &str); 5] = [
    ("host", "api.example.com"),
    (
        "user-agent",
        "Svix-Webhooks/1.62.0 (sender-9YMgn; +https://www.svix.com/http-sender/)",
    ),
    ("accept", "*/*"),
    ("content-type", "application/json"),
    ("x-forwarded-for", "192.0.2.7"),
];

fn body() -> Vec<u8> {
    let padding = "x".repeat(700);
    serde_json::json!({
        "object": "event", "type": "user.created", "timestamp": 1_772_000_000_123_i64,
        "instance_id": "ins_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
        "data": {
            "object": "user", "id": "user_2bWQPFTSvvPmNZyqcCCdeYhXMKx", "first_name": "Ada",
            "email_addresses": [{"id": "idn_1", "email_address": "ada@example.com"}],
            "primary_email_address_id": "idn_1", "public_metadata": {"bio": padding},
        },
    })
    .to_string()
    .into_bytes()
}
