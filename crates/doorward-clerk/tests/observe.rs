//! What operators see of calls: operations and outcomes, and nothing of whom they are about.
#![cfg(all(feature = "client", feature = "metrics", feature = "tracing"))]
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../../../tests/support/seen.rs"]
mod seen;
mod server;

use doorward_clerk::{Clerk, ClerkConfig};
use doorward_core::Secret;
use seen::Seen;
use server::{Reply, Server};

const PLANTED: [&str; 4] = [
    "sk_test_planted",
    "user_planted",
    "hunter2",
    "ada@example.com",
];

#[test]
fn operations_are_seen_and_people_are_not() {
    let seen = Seen::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    tracing::subscriber::with_default(seen.clone(), || {
        metrics::with_local_recorder(&seen, || runtime.block_on(calls()));
    });
    let text = seen.text();
    for planted in PLANTED {
        assert!(!text.contains(planted), "{planted} in {text}");
    }
    for expected in [
        "operation=\"UpdateUser\" status=200",
        "operation=\"GetUser\" kind=Refused status=404 code=\"resource_not_found\"",
        "doorward_clerk_calls_total operation=UpdateUser outcome=success",
        "doorward_clerk_calls_total operation=GetUser outcome=refused",
        "doorward_clerk_retries_total operation=GetUser",
        "doorward_clerk_call_seconds operation=GetUser",
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
}

async fn calls() {
    let body = |text: &str| text.as_bytes().to_vec();
    let server = Server::replying([
        Reply::Answer(
            200,
            vec![],
            body(r#"{"id":"user_planted","username":"ada@example.com"}"#),
        ),
        Reply::Answer(
            503,
            vec![("retry-after", "0".to_owned())],
            body("ada@example.com"),
        ),
        Reply::Answer(
            404,
            vec![],
            body(r#"{"errors":[{"code":"resource_not_found","message":"ada@example.com"}]}"#),
        ),
    ])
    .await;
    let clerk = Clerk::with_config(ClerkConfig {
        secret_key: Some(Secret::new(PLANTED[0])),
        base_url: server.url.clone(),
        ..ClerkConfig::default()
    });
    let clerk = clerk.unwrap();
    let update = clerk.users().update("user_planted").password("hunter2");
    update.send().await.unwrap();
    clerk.users().get("user_planted").send().await.unwrap_err();
}
