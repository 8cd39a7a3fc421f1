//! `doorward webhooks` and `doorward sync` as a user runs them: real processes, real databases.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../../../tests/support/servers.rs"]
mod servers;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use servers::{Folder, Server};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn every_event_walks_from_the_sender_to_the_tables() {
    let folder = Folder::new("walk");
    let serve = Serve::start(&folder.sqlite_url(), &["--sessions"]);
    let sent = run(&[
        "--json",
        "webhooks",
        "send",
        "--to",
        &serve.webhooks,
        "--all",
        "--duplicates",
        "3",
        "--shuffle",
    ]);
    assert_eq!(sent["delivered"], 45 * 3, "{sent}");
    let status = settled(&folder.sqlite_url());
    assert_eq!(status["inbox"]["done"], 45);
    assert_eq!(status["inbox"]["dead"], 0);
    // Of each, the deletion is among the events, and it is final.
    for table in ["users", "organizations", "memberships", "sessions"] {
        assert_eq!(status["tables"][table]["deleted"], 1, "{status}");
        assert_eq!(status["tables"][table]["present"], 0, "{status}");
    }
    let metrics = get(&serve.admin, "/metrics");
    assert!(
        metrics.contains("doorward_webhooks_received_total{outcome=\"accepted\"} 45"),
        "{metrics}"
    );
    assert!(metrics.contains("doorward_webhooks_received_total{outcome=\"repeated\"} 90"));
    assert!(metrics.contains("doorward_messages_handled_total{outcome=\"done\"} 45"));
    assert!(get(&serve.admin, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(&serve.admin, "/readyz").starts_with("HTTP/1.1 200"));
    let tail = output(&[
        "--json",
        "webhooks",
        "tail",
        "--since",
        "1h",
        "--no-follow",
        "--database",
        &folder.sqlite_url(),
    ]);
    let told = String::from_utf8(tail.stdout).unwrap();
    assert_eq!(told.lines().count(), 45);
    let first: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!(first["state"], "done");
}

#[test]
fn a_session_that_ends_is_revoked_where_apis_look() {
    let folder = Folder::new("revoke");
    let store = format!("{}-revoked", folder.sqlite_url());
    // Where else messages go is away, and keeps no revocation from its store.
    let away = ["--forward", "http://127.0.0.1:1/"];
    let serve = Serve::start(
        &folder.sqlite_url(),
        &[&["--revocation-store", &store], &away[..]].concat(),
    );
    let to = ["--to", &serve.webhooks];
    let sent = run(&[&["--json", "webhooks", "send", "--all"], &to[..]].concat());
    assert_eq!(sent["delivered"], 45, "{sent}");
    let mut trusted = doorward::IssuerConfig::new("http://localhost:4000", "*");
    trusted.jwks_url = Some("http://127.0.0.1:1/".to_owned());
    let mut config = doorward::Config::new([trusted]);
    config.revocation_store = Some(doorward::SecretText::from(store));
    let auth = doorward::Authenticator::new(&config).unwrap();
    auth.refresh_blocking();
    // The one session, which ended in three ways, and the one user.
    let begun = Instant::now();
    while auth.revocation_status().entries != 2 {
        let status = auth.revocation_status();
        assert!(begun.elapsed() < Duration::from_secs(60), "{status:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_forged_message_is_refused_and_a_genuine_one_is_kept() {
    let folder = Folder::new("forged");
    let serve = Serve::start(&folder.sqlite_url(), &[]);
    let sent = run(&[
        "--json",
        "webhooks",
        "send",
        "--to",
        &serve.webhooks,
        "--count",
        "10",
        "--bad-signatures",
        "100",
        "--slow",
        "0s",
    ]);
    assert_eq!(sent["delivered"], 10, "{sent}");
    assert_eq!(sent["forged_refused"], 10);
    assert_eq!(sent["forged_accepted"], 0);
    let status = settled(&folder.sqlite_url());
    assert_eq!(status["tables"]["users"]["present"], 10);
    assert!(post(&serve.webhooks, "{}").starts_with("HTTP/1.1 400"));
    assert!(get(&serve.admin, "/webhooks/clerk").starts_with("HTTP/1.1 405"));
}

#[test]
fn handles_before_the_answer_if_asked() {
    let folder = Folder::new("inline");
    let serve = Serve::start(&folder.sqlite_url(), &["--inline", "--workers", "0"]);
    let sent = run(&[
        "--json",
        "webhooks",
        "send",
        "--to",
        &serve.webhooks,
        "--count",
        "3",
    ]);
    assert_eq!(sent["delivered"], 3);
    let status = run(&[
        "--json",
        "sync",
        "status",
        "--database",
        &folder.sqlite_url(),
    ]);
    assert_eq!(status["inbox"]["done"], 3);
    assert_eq!(status["tables"]["users"]["present"], 3);
}

#[test]
fn what_cannot_be_forwarded_is_buried_and_replayed() {
    let folder = Folder::new("forward");
    // Nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let target = format!("http://127.0.0.1:{port}/events");
    let flags = ["--forward", &target, "--max-failures", "1"];
    let serve = Serve::start(&folder.sqlite_url(), &flags);
    run(&["--json", "webhooks", "send", "--to", &serve.webhooks]);
    let letters = until(|| {
        let letters = run(&[
            "--json",
            "sync",
            "dead-letters",
            "--database",
            &folder.sqlite_url(),
        ]);
        (letters.as_array().unwrap().len() == 1).then_some(letters)
    });
    assert!(
        letters[0]["last_error"]
            .as_str()
            .unwrap()
            .starts_with("forward: ")
    );
    // The tables did not wait for it.
    let status = run(&[
        "--json",
        "sync",
        "status",
        "--database",
        &folder.sqlite_url(),
    ]);
    assert_eq!(status["tables"]["users"]["present"], 1);
    let receiver = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let replayed = run(&[
        "--json",
        "sync",
        "replay",
        "--all",
        "--database",
        &folder.sqlite_url(),
    ]);
    assert_eq!(replayed["replayed"], 1);
    let (mut stream, _) = receiver.accept().unwrap();
    let request = read_request(&mut stream);
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let request = request.to_lowercase();
    assert!(request.starts_with("post /events"), "{request}");
    for header in [
        "webhook-id: msg_dev",
        "webhook-signature: v1,",
        "svix-signature: v1,",
    ] {
        assert!(request.contains(header), "{request}");
    }
    assert_eq!(settled(&folder.sqlite_url())["inbox"]["done"], 1);
    let unknown = output(&[
        "sync",
        "replay",
        "msg_nobody",
        "--database",
        &folder.sqlite_url(),
    ]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn fans_out_to_redis() {
    let redis = Server::redis();
    let folder = Folder::new("redis");
    let serve = Serve::start(
        &folder.sqlite_url(),
        &["--redis", &redis.url(), "--redis-stream", "events"],
    );
    run(&[
        "--json",
        "webhooks",
        "send",
        "--to",
        &serve.webhooks,
        "--count",
        "2",
    ]);
    settled(&folder.sqlite_url());
    let listed = redis.ask_redis("XRANGE events - +");
    assert_eq!(listed.matches("user.created").count() / 2, 2, "{listed}");
}

#[test]
fn serves_postgres_and_says_503_while_it_is_away() {
    let mut server = Server::postgres();
    let url = server.url();
    // What was in hand when the database went away comes back when its lease is over.
    let flags = [
        "--notify", "doorward", "--prefix", "clerk_", "--lease", "2s",
    ];
    let serve = Serve::start(&url, &flags);
    let sent = run(&[
        "--json",
        "webhooks",
        "send",
        "--to",
        &serve.webhooks,
        "--count",
        "5",
    ]);
    assert_eq!(sent["delivered"], 5);
    server.kill();
    let ready = get(&serve.admin, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(get(&serve.admin, "/healthz").starts_with("HTTP/1.1 200"));
    let refused = run(&[
        "--json",
        "webhooks",
        "send",
        "--to",
        &serve.webhooks,
        "--no-retry",
    ]);
    assert_eq!(
        refused["troubles"][0].as_str().unwrap().rsplit(' ').next(),
        Some("503"),
        "{refused}"
    );
    server.start();
    let sent = run(&[
        "--json",
        "webhooks",
        "send",
        "--to",
        &serve.webhooks,
        "--hurry",
        "5",
        "--first",
        "9",
    ]);
    assert_eq!(sent["delivered"], 1, "{sent}");
    let status = until(|| {
        let status = run(&[
            "--json",
            "sync",
            "status",
            "--database",
            &url,
            "--prefix",
            "clerk_",
        ]);
        (status["inbox"]["waiting"] == 0).then_some(status)
    });
    assert_eq!(status["tables"]["clerk_users"]["present"], 6);
}

#[test]
fn backfills_resumes_and_waits_when_told_to() {
    let folder = Folder::new("backfill");
    let url = folder.sqlite_url();
    let early = output(&["sync", "status", "--database", &url]);
    assert_eq!(early.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&early.stderr).contains("doorward sync migrate"));
    let check = || output(&["sync", "migrate", "--check", "--database", &url]);
    assert_eq!(check().status.code(), Some(2));
    // A slip in the name makes no new database.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let applied = run(&["--json", "sync", "migrate", "--database", &url]);
    assert_eq!(applied["applied"].as_array().unwrap().len(), 3);
    assert_eq!(check().status.code(), Some(0));

    let issuer = doorward_issuer::DevIssuer::builder()
        .people(730, 31)
        .rate_limit(12)
        .build()
        .unwrap();
    let issuer = std::sync::Arc::new(issuer);
    let served = issuer.serve(([127, 0, 0, 1], 0).into()).unwrap();
    let api = format!("{}/v1", served.url());
    let backfill = |key: &str, page: &str| {
        doorward(&[
            "--json",
            "sync",
            "backfill",
            "--database",
            &url,
            "--api",
            &api,
            "--page-size",
            page,
        ])
        .env("CLERK_SECRET_KEY", key)
        .output()
        .unwrap()
    };
    let stranger = backfill("sk_test_stranger", "100");
    assert_eq!(stranger.status.code(), Some(2));
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(
        said.contains("refused the secret key") && !said.contains("stranger"),
        "{said}"
    );

    // 1 + 1 + 8 + 9 requests; the limit makes it wait.
    let done = backfill(issuer.secret_key(), "100");
    assert!(done.status.success(), "{done:?}");
    let status = run(&["--json", "sync", "status", "--database", &url]);
    assert_eq!(status["tables"]["users"]["present"], 730);
    assert_eq!(status["tables"]["email_addresses"]["present"], 730);
    assert_eq!(status["tables"]["organizations"]["present"], 31);
    assert_eq!(status["tables"]["memberships"]["present"], 730);
    assert_eq!(status["tables"]["memberships"]["held"], 0);
    drop(served);
    // Everything is there, so nobody is asked again.
    assert!(backfill(issuer.secret_key(), "100").status.success());
}

#[test]
fn a_backfill_leaves_out_what_it_cannot_read() {
    let folder = Folder::new("unreadable");
    let url = folder.sqlite_url();
    run(&["--json", "sync", "migrate", "--database", &url]);
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let users = format!(
        r#"[{{"id": "user_1", "updated_at": 1, "unsafe_metadata": {deep}}}, {{"id": 7}}, {{"id": "user_2", "updated_at": 1}}]"#
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        // Organizations, the count of users, users, memberships.
        for _ in 0..4 {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&mut stream);
            let path = request.split([' ', '?']).nth(1).unwrap();
            let body = match path {
                "/v1/users" => users.as_str(),
                "/v1/users/count" => r#"{"total_count": 3}"#,
                _ => r#"{"data": [], "total_count": 0}"#,
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let arguments = [
        "--json",
        "sync",
        "backfill",
        "--database",
        &url,
        "--api",
        &api,
    ];
    let filled = doorward(&arguments)
        .env("CLERK_SECRET_KEY", "sk_test_abc")
        .output()
        .unwrap();
    assert!(filled.status.success(), "{filled:?}");
    let told = String::from_utf8(filled.stdout).unwrap();
    assert!(
        told.contains(r#""seen":3,"table":"users","unreadable":1"#),
        "{told}"
    );
    let status = run(&["--json", "sync", "status", "--database", &url]);
    assert_eq!(status["tables"]["users"]["present"], 2);
    server.join().unwrap();
}

#[test]
fn whoever_sends_no_head_is_not_waited_for() {
    let folder = Folder::new("slow");
    let serve = Serve::start(&folder.sqlite_url(), &[]);
    let address = serve.admin.trim_start_matches("http://");
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"POST /webhooks/clerk HTTP/1.1\r\nhost: x\r\nx: y")
        .unwrap();
    let mut idle = TcpStream::connect(address).unwrap();
    // Others are served meanwhile.
    assert!(get(&serve.admin, "/healthz").starts_with("HTTP/1.1 200"));
    for stream in [&mut slow, &mut idle] {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }
}

#[test]
fn what_is_forwarded_is_signed_with_the_secret_that_can() {
    let folder = Folder::new("signed");
    let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}/", receiver.local_addr().unwrap());
    let flags = ["--forward", &target];
    let both = format!("{public},{SECRET}");
    let serve = Serve::start_with(&folder.sqlite_url(), &flags, &both);
    run(&["--json", "webhooks", "send", "--to", &serve.webhooks]);
    let (mut stream, _) = receiver.accept().unwrap();
    let request = read_request(&mut stream).to_lowercase();
    assert!(request.contains("webhook-signature: v1,"), "{request}");
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let url = folder.sqlite_url();
    let alone = doorward(&[
        "webhooks",
        "serve",
        "--database",
        &url,
        "--forward",
        &target,
    ])
    .env("CLERK_WEBHOOK_SIGNING_SECRET", public)
    .output()
    .unwrap();
    assert_eq!(alone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("cannot sign"));
}

#[test]
fn a_mistake_is_told_at_the_start() {
    let folder = Folder::new("mistakes");
    let url = folder.sqlite_url();
    for (arguments, secret, said) in [
        (
            vec!["webhooks", "serve", "--database", &url],
            None,
            "CLERK_WEBHOOK_SIGNING_SECRET",
        ),
        (
            vec!["webhooks", "serve", "--database", "mysql://x"],
            Some(SECRET),
            "sqlite: or postgresql:",
        ),
        (
            vec!["webhooks", "serve", "--database", &url, "--retention", "1h"],
            Some(SECRET),
            "28 hours",
        ),
        (
            vec![
                "webhooks",
                "serve",
                "--database",
                &url,
                "--retention",
                "soon",
            ],
            Some(SECRET),
            "7d",
        ),
        (
            vec!["webhooks", "serve", "--database", &url, "--notify", "x"],
            Some(SECRET),
            "PostgreSQL",
        ),
        (
            vec![
                "webhooks",
                "serve",
                "--database",
                &url,
                "--path",
                "/metrics",
            ],
            Some(SECRET),
            "taken",
        ),
        (
            vec!["webhooks", "serve", "--database", &url, "--prefix", "a;b"],
            Some(SECRET),
            "prefix",
        ),
        (
            vec![
                "webhooks",
                "serve",
                "--database",
                &url,
                "--redis",
                "localhost",
            ],
            Some(SECRET),
            "--redis",
        ),
        (
            vec!["webhooks", "send", "--type", "User.Created"],
            Some(SECRET),
            "did you mean user.created",
        ),
        (
            vec!["sync", "backfill", "--database", &url],
            Some(SECRET),
            "CLERK_SECRET_KEY",
        ),
    ] {
        let mut command = doorward(&arguments);
        command.env_remove("CLERK_WEBHOOK_SIGNING_SECRET");
        if let Some(secret) = secret {
            command.env("CLERK_WEBHOOK_SIGNING_SECRET", secret);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
}

fn doorward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command
        .args(arguments)
        .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET);
    for name in [
        "DOORWARD_WEBHOOK_SECRET",
        "DOORWARD_DATABASE",
        "DOORWARD_REDIS",
        "CLERK_SECRET_KEY",
    ] {
        command.env_remove(name);
    }
    command
}

fn output(arguments: &[&str]) -> Output {
    doorward(arguments).output().unwrap()
}

/// What a command says in JSON.
fn run(arguments: &[&str]) -> Value {
    let output = output(arguments);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

/// The status once nothing is waiting.
fn settled(url: &str) -> Value {
    until(|| {
        let status = run(&["--json", "sync", "status", "--database", url]);
        (status["inbox"]["waiting"] == json!(0)).then_some(status)
    })
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "it did not come about in 30 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A `doorward webhooks serve` that ends with the test.
struct Serve {
    process: Child,
    webhooks: String,
    admin: String,
}

impl Serve {
    fn start(database: &str, flags: &[&str]) -> Self {
        Self::start_with(database, flags, SECRET)
    }

    fn start_with(database: &str, flags: &[&str], secrets: &str) -> Self {
        let fixed = [
            "--json",
            "webhooks",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database",
            database,
        ];
        let mut process = doorward(&[&fixed, flags].concat())
            .env("CLERK_WEBHOOK_SIGNING_SECRET", secrets)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self {
            process,
            webhooks: told["webhooks"].as_str().unwrap().to_owned(),
            admin: told["admin"].as_str().unwrap().to_owned(),
        }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // As a process manager ends it; it has to end by itself.
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if let Ok(Some(status)) = self.process.try_wait() {
                if !std::thread::panicking() {
                    assert!(status.success(), "{status}");
                }
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        assert!(std::thread::panicking(), "it did not end when asked to");
    }
}

fn get(base: &str, path: &str) -> String {
    exchange(
        base,
        &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
    )
}

fn post(url: &str, body: &str) -> String {
    let rest = url.trim_start_matches("http://");
    let (host, path) = rest.split_once('/').unwrap();
    let length = body.len();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    exchange(host, &request)
}

fn exchange(base: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn read_request(stream: &mut TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains("\r\n\r\n") {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0);
        seen.extend(&piece[..count]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}
