//! `doorward clerk` as a user runs it: the real program, against the local issuer as Clerk's Backend API.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::process::{Command, Output};
use std::sync::Arc;

use doorward_issuer::{DevIssuer, SigningAlgorithm};
use serde_json::{Value, json};

struct Api {
    url: String,
    key: String,
    _served: doorward_issuer::Served,
}

impl Api {
    fn start() -> Self {
        let issuer = DevIssuer::builder().algorithms(&[SigningAlgorithm::ES256]);
        let issuer = Arc::new(issuer.build().unwrap());
        let served = issuer.serve("127.0.0.1:0".parse().unwrap()).unwrap();
        Self {
            url: format!("{}/v1", served.url()),
            key: issuer.secret_key().to_owned(),
            _served: served,
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(arguments)
            .env("CLERK_API_URL", &self.url)
            .env("CLERK_SECRET_KEY", &self.key)
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }

    fn told(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json", "clerk"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_user_is_made_found_changed_and_removed() {
    let api = Api::start();
    let mail = "grace@example.com";
    let made = api.told(&[
        "users",
        "create",
        "--email-address",
        mail,
        "--first-name",
        "Grace",
    ]);
    let id = made["id"].as_str().unwrap();
    let list = api.told(&["users", "list", "--email-address", mail]);
    assert_eq!(list["data"][0]["id"], id);
    let changed = api.told(&[
        "users",
        "update",
        id,
        "--first-name",
        "G.",
        "--null",
        "last_name",
    ]);
    assert_eq!(
        (&changed["first_name"], &changed["last_name"]),
        (&json!("G."), &Value::Null)
    );
    let by_data = api.told(&[
        "users",
        "update",
        id,
        "--data",
        r#"{"last_name": "Hopper"}"#,
    ]);
    assert_eq!(by_data["last_name"], "Hopper");
    let table = api.run(&["clerk", "users", "list", "--email-address", mail]);
    let table = text(&table.stdout);
    assert!(table.starts_with("id ") && table.contains(mail), "{table}");
    let shown = api.run(&["clerk", "users", "get", id]);
    assert!(text(&shown.stdout).contains("Hopper"));
    assert_eq!(api.told(&["users", "delete", id])["deleted"], true);
    let gone = api.run(&["clerk", "users", "get", id]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        text(&gone.stderr).contains("resource_not_found"),
        "{gone:?}"
    );
}

#[test]
fn pages_are_followed_to_the_end() {
    let api = Api::start();
    for number in 0..7 {
        let mail = format!("p{number}@example.com");
        api.told(&["users", "create", "--email-address", &mail]);
    }
    let page = api.told(&["users", "list", "--limit", "3"]);
    assert_eq!(page["data"].as_array().unwrap().len(), 3);
    let all = api.told(&["users", "list", "--limit", "3", "--all"]);
    let mut ids: Vec<_> = all["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["id"])
        .collect();
    let count = ids.len();
    ids.dedup();
    assert!(count >= 7 && ids.len() == count, "{count}");
}

#[test]
fn a_dry_run_sends_nothing_and_shows_no_secret() {
    let api = Api::start();
    let told = api.told(&[
        "users",
        "create",
        "--email-address",
        "a@example.com",
        "--password",
        "hunter2hunter2",
        "--dry-run",
    ]);
    assert_eq!(told["method"], "POST");
    assert!(told["url"].as_str().unwrap().ends_with("/v1/users"));
    assert_eq!(told["body"]["password"], "***");
    assert_eq!(told["body"]["email_address"], json!(["a@example.com"]));
    let list = api.told(&["users", "list", "--email-address", "a@example.com"]);
    assert_eq!(list["data"], json!([]));
    let plain = api.run(&["clerk", "users", "ban", "user_1", "--dry-run"]);
    let plain = text(&plain.stdout);
    assert!(
        plain.contains("POST") && plain.contains("/users/user_1/ban"),
        "{plain}"
    );
    assert!(!plain.contains(&api.key));
}

#[test]
fn what_is_typed_wrongly_is_said_before_anything_is_sent() {
    let api = Api::start();
    for (typed, expected) in [
        (&["clerk", "user", "list"][..], "users"),
        (&["clerk", "users", "lst"], "list"),
        (
            &["clerk", "users", "list", "--emial-address", "a"],
            "--email-address",
        ),
        (
            &["clerk", "users", "list", "--limit", "many"],
            "whole number",
        ),
        (&["clerk", "users", "get"], "USER_ID"),
        (
            &["clerk", "users", "update", "u", "--data", "[1]"],
            "JSON object",
        ),
        (
            &["clerk", "organizations", "create", "--null", "nmae"],
            "nmae",
        ),
    ] {
        let output = api.run(typed);
        assert_eq!(output.status.code(), Some(2), "{typed:?}: {output:?}");
        assert!(
            text(&output.stderr).contains(expected),
            "{typed:?}: {output:?}"
        );
    }
    let keyless = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["clerk", "users", "list"])
        .env_remove("CLERK_SECRET_KEY")
        .output()
        .unwrap();
    assert_eq!(keyless.status.code(), Some(2));
    assert!(text(&keyless.stderr).contains("CLERK_SECRET_KEY"));
}

#[test]
fn help_names_every_resource_and_its_verbs() {
    let api = Api::start();
    let help = api.run(&["clerk", "--help"]);
    let help = text(&help.stdout);
    for resource in ["users", "organizations", "api_keys", "jwks"] {
        assert!(help.contains(resource), "{help}");
    }
    let verb = api.run(&["clerk", "users", "list", "--help"]);
    let verb = text(&verb.stdout);
    assert!(
        verb.contains("--email-address") && verb.contains("GET /users"),
        "{verb}"
    );
}
