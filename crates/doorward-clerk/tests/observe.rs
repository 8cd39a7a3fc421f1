//! What operators see of calls: operations and outcomes, and nothing of whom they are about.
#![cfg(all(feature = "client", feature = "metrics", feature = "tracing"))]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod server;

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use doorward_clerk::{Clerk, ClerkConfig};
use doorward_core::Secret;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use server::{Reply, Server};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};

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
    let text = seen.0.lock().unwrap().clone();
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

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<String>>);

impl Seen {
    fn write(&self, text: fmt::Arguments<'_>) {
        writeln!(self.0.lock().unwrap(), "{text}").unwrap();
    }
}

impl Subscriber for Seen {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("doorward")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Fields(String);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                write!(self.0, "{}={value:?} ", field.name()).unwrap();
            }
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.write(format_args!("{}", fields.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.key(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.key(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.key(key);
        Histogram::noop()
    }
}

impl Seen {
    fn key(&self, key: &Key) {
        let labels = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(" ");
        self.write(format_args!("{} {labels}", key.name()));
    }
}
