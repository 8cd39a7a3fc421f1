//! The axum example is a program, and it runs: from the local issuer's events to the rows.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use doorward_core::{Timestamp, webhook};
use doorward_issuer::{WEBHOOK_EVENTS, webhook_event};
use doorward_sync::{Database, Inbox, Schema};
use serde_json::Value;
use support::servers::Folder;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test]
async fn the_axum_example_walks_from_the_event_to_the_row() {
    let folder = Folder::new("sync");
    let (_example, url) = Example::start(&folder.sqlite_url());
    let client = reqwest::Client::new();
    let mut at = now().as_millis();
    for kind in WEBHOOK_EVENTS {
        at += 1;
        let body = webhook_event(kind, 1, at).unwrap().to_string();
        let id = format!("msg_{at}");
        // Twice each, as a sender that lost the answer.
        for _ in 0..2 {
            let headers = webhook::sign(SECRET, &id, now(), body.as_bytes()).unwrap();
            let request = client.post(&url).body(body.clone());
            let request = headers
                .svix()
                .into_iter()
                .fold(request, |request, (name, value)| {
                    request.header(name, value)
                });
            assert_eq!(request.send().await.unwrap().status(), 200, "{kind}");
        }
    }
    let forged = client.post(&url).body("{}").send().await.unwrap();
    assert_eq!(forged.status(), 400);

    let database = Database::connect(&folder.sqlite_url()).await.unwrap();
    let inbox = Inbox::new(database.clone(), &Schema::default());
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let status = inbox.status(now()).await.unwrap();
        if status.done == WEBHOOK_EVENTS.len() as u64 {
            break;
        }
        assert!(Instant::now() < end, "{status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let Database::Sqlite(pool) = database else {
        panic!("it is SQLite")
    };
    let (users, mails): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM users WHERE deleted_at IS NOT NULL), (SELECT COUNT(*) FROM mails)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((users, mails), (1, 1));
}

struct Example(Child);

impl Example {
    fn start(database: &str) -> (Self, String) {
        // Cargo builds the examples of a package beside its tests.
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
        let mut process = Command::new(folder.join("examples").join("axum_sync"))
            .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
            .env_remove("DOORWARD_WEBHOOK_SECRET")
            .env_remove("PORT")
            .env("DATABASE_URL", database)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example, which cargo builds with the tests");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let url = format!("{}/webhooks/clerk", told["url"].as_str().unwrap());
        (Self(process), url)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
