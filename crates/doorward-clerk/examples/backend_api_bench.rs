//! How fast the client is: calls per second on the loopback interface, and the time to the first field of 500 users.
//!
//! `cargo run --release -p doorward-clerk --features client --example backend_api_bench`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it is a program that prints numbers"
)]

#[path = "../tests/server/mod.rs"]
mod server;

use std::time::{Duration, Instant};

use doorward_clerk::{Clerk, ClerkConfig};
use doorward_core::Secret;
use serde_json::{Value, json};
use server::{Reply, Server};

const TIME: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let many: Vec<Value> = (0..500).map(user).collect();
    let (one, many) = (user(0).to_string(), Value::from(many).to_string());
    println!("500 users: {} kB", many.len() / 1024);
    let server = Server::deciding(move |arrived| {
        let body = if arrived.target.contains("limit=500") {
            &many
        } else {
            &one
        };
        Reply::Answer(200, vec![], body.clone().into_bytes())
    })
    .await;
    let clerk = Clerk::with_config(ClerkConfig {
        secret_key: Some(Secret::new("sk_test_x")),
        base_url: server.url.clone(),
        ..ClerkConfig::default()
    });
    let clerk = clerk.unwrap();

    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < TIME {
        clerk.users().get("user_1").send().await.unwrap();
        calls += 1;
    }
    report("users.get, one after the other", calls, start);

    let start = Instant::now();
    let workers = (0..32).map(|_| {
        let clerk = clerk.clone();
        tokio::spawn(async move {
            let mut calls = 0;
            while start.elapsed() < TIME {
                clerk.users().get("user_1").send().await.unwrap();
                calls += 1;
            }
            calls
        })
    });
    let mut calls = 0;
    for worker in workers.collect::<Vec<_>>() {
        calls += worker.await.unwrap();
    }
    report("users.get, 32 at once", calls, start);

    let blocking = clerk.clone();
    let (calls, start) = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let mut calls = 0;
        while start.elapsed() < TIME {
            blocking.users().get("user_1").send_blocking().unwrap();
            calls += 1;
        }
        (calls, start)
    })
    .await
    .unwrap();
    report("users.get, from a thread", calls, start);

    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < TIME {
        let users = clerk.users().list().limit(500).send().await.unwrap();
        assert_eq!(users[499].first_name(), Some("Ada"));
        calls += 1;
    }
    report("users.list of 500", calls, start);
}

fn report(what: &str, calls: u32, start: Instant) {
    let took = start.elapsed();
    let (rate, each) = (f64::from(calls) / took.as_secs_f64(), took / calls);
    println!("{what:32} {rate:9.0} calls/s {each:9.1?} each");
}

/// A user as the API has them: all fields, one e-mail address.
fn user(number: u32) -> Value {
    let verification =
        json!({"status": "verified", "strategy": "email_code", "attempts": 1, "expire_at": null});
    json!({
        "id": format!("user_2g7np7Hrk0SN6kj5EDMLDaKNL{number:03}"), "object": "user", "external_id": null,
        "primary_email_address_id": format!("idn_{number}"), "primary_phone_number_id": null,
        "primary_web3_wallet_id": null, "username": format!("ada{number}"), "first_name": "Ada",
        "last_name": "Lovelace", "image_url": "https://img.example.com/eyJ0eXBlIjoiZGVmYXVsdCJ9", "has_image": false,
        "public_metadata": {"plan": "pro"}, "private_metadata": {"note": "x"}, "unsafe_metadata": {},
        "email_addresses": [{
            "id": format!("idn_{number}"), "object": "email_address", "reserved": false, "linked_to": [],
            "email_address": format!("ada{number}@example.com"), "verification": verification,
            "matches_sso_connection": false,
            "created_at": 1_772_000_000_123_i64, "updated_at": 1_772_000_000_123_i64,
        }],
        "phone_numbers": [], "web3_wallets": [], "passkeys": [], "password_enabled": true,
        "two_factor_enabled": false, "totp_enabled": false, "backup_code_enabled": false, "mfa_enabled_at": null,
        "mfa_disabled_at": null, "external_accounts": [], "saml_accounts": [], "enterprise_accounts": [],
        "last_sign_in_at": 1_772_000_000_123_i64, "banned": false, "locked": false,
        "lockout_expires_in_seconds": null, "verification_attempts_remaining": 100,
        "updated_at": 1_772_000_000_123_i64, "created_at": 1_772_000_000_123_i64, "delete_self_enabled": true,
        "create_organization_enabled": true, "last_active_at": 1_772_000_000_123_i64, "legal_accepted_at": null,
    })
}
