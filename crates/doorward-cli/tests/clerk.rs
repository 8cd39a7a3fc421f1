//! `doorward clerk` as a user runs it: the real program, against the local issuer as Clerk's Backend API.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
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
        Self::with_users(0)
    }

    fn with_users(users: u64) -> Self {
        let issuer = DevIssuer::builder()
            .algorithms(&[SigningAlgorithm::ES256])
            .people(users, 0);
        let issuer = Arc::new(issuer.build().unwrap());
        let served = issuer.serve("127.0.0.1:0".parse().unwrap()).unwrap();
        Self {
            url: format!("{}/v1", served.url()),
            key: issuer.secret_key().to_owned(),
            _served: served,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command
            .args(arguments)
            .env("CLERK_API_URL", &self.url)
            .env("CLERK_SECRET_KEY", &self.key)
            .env("NO_COLOR", "1");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
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
        (&["clerk", "users", "get", ""], "empty"),
        (&["clerk", "users", "get", ".."], "not an id"),
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

/// What the API says goes to standard error, once and without what a terminal would obey; standard output stays clean.
#[test]
fn what_the_api_refuses_is_told_once() {
    let api = Api::start();
    for as_json in [&["--json"][..], &[]] {
        let output = api.run(&[as_json, &["clerk", "users", "get", "user_\u{1b}[2J"]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.contains("resource_not_found"), "{said}");
        assert_eq!(said.matches("trace ").count(), 1, "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
        if !as_json.is_empty() {
            let told: Value = serde_json::from_str(&said).unwrap();
            assert!(told["error"].is_string(), "{told}");
        }
    }
    let entry = [
        "waitlist_entries",
        "create",
        "--email-address",
        "a@x.example",
    ];
    let absent = api.run(&[&["clerk"], &entry[..]].concat());
    assert_eq!(absent.status.code(), Some(3), "{absent:?}");
    let said = text(&absent.stderr);
    assert!(said.contains("not_implemented"), "{said}");
    assert!(!said.contains("taken effect"), "{said}");
    let stranger = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["clerk", "users", "count"])
        .env("CLERK_API_URL", &api.url)
        .env("CLERK_SECRET_KEY", "sk_test_stranger_0123")
        .output()
        .unwrap();
    assert_eq!(stranger.status.code(), Some(1));
    let said = text(&stranger.stderr);
    assert!(said.contains("CLERK_SECRET_KEY"), "{said}");
    assert!(!said.contains("stranger_0123"), "{said}");
}

#[test]
fn an_api_that_is_away_is_named() {
    let url = "http://127.0.0.1:1";
    let output = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["clerk", "users", "count", "--api-url", url])
        .env("CLERK_SECRET_KEY", "sk_test_x")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains(url) && said.contains("--api-url"), "{said}");
    assert!(!said.contains("taken effect"), "{said}");
}

#[test]
fn names_can_be_typed_with_dashes_and_by_alias() {
    let api = Api::start();
    for typed in [
        &["api-keys", "list", "--subject", "user_x", "--limit", "5"][..],
        &["api_keys", "get_api_keys", "--subject", "user_x"],
        &["api_keys", "get-api-keys", "--subject", "user_x"],
        &["organization-memberships", "list", "org_x", "--dry-run"],
        &[
            "users",
            "get-organization-memberships",
            "user_x",
            "--dry-run",
        ],
    ] {
        api.told(typed);
    }
    let asked = api.told(&[
        "api-keys",
        "list",
        "--subject",
        "user_x",
        "--limit",
        "5",
        "--dry-run",
    ]);
    assert!(
        asked["url"].as_str().unwrap().ends_with("limit=5"),
        "{asked}"
    );
}

/// Arguments come from standard input where nobody else on the machine can read them, and are masked where they are shown.
#[test]
fn a_body_comes_from_standard_input() {
    let api = Api::start();
    let piped = |arguments: &[&str], body: &[u8]| {
        let mut process = api
            .command(&[&["--json", "clerk"], arguments].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(body).unwrap();
        drop(stdin);
        process.wait_with_output().unwrap()
    };
    let body = br#"{"email_address": ["ada@example.com"], "password": "hunter2hunter2",
                    "private_metadata": {"api_key": "planted"}, "first_name": "Ada"}"#;
    let create = ["users", "create", "--data", "-"];
    let shown = piped(&[&create[..], &["--dry-run"]].concat(), body);
    let shown = text(&shown.stdout);
    assert!(
        shown.contains("Ada") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(!shown.contains("planted"), "{shown}");
    let made = piped(&create, body);
    assert!(made.status.success(), "{made:?}");
    for (body, why) in [
        (&b"{"[..], "JSON"),
        (b"[]", "JSON object"),
        (b"\xff", "UTF-8"),
        (b"", "JSON"),
    ] {
        let output = piped(&create, body);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(why), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

/// `doorward clerk … | head` ends without a word.
#[test]
fn a_reader_that_leaves_is_no_failure() {
    let api = Api::with_users(1500);
    let mut process = api
        .command(&["--json", "clerk", "users", "list", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let output = process.wait_with_output().unwrap();
    assert_eq!((line.as_str(), text(&output.stderr).as_str()), ("{\n", ""));
    assert_ne!(output.status.code(), Some(101), "{output:?}");
}

/// What exists outlives the process, however that ends; a seed is sown once.
#[test]
fn the_state_of_a_local_issuer_outlives_it() {
    let folder = Folder::new("state");
    let (state, seed) = (folder.path("state.db"), folder.path("seed.yaml"));
    let people = "users:\n  - {id: user_ada, email_address: [ada@example.com]}\n\
                  organizations:\n  - {id: org_acme, name: Acme, created_by: user_ada}\n";
    std::fs::write(&seed, people).unwrap();
    let start = || Dev::start(&["--state", &state, "--seed", &seed]);
    let mut dev = start();
    assert_eq!(
        dev.told(&["organizations", "get", "org_acme"])["name"],
        "Acme"
    );
    let mail = "grace@example.com";
    let grace = dev.told(&["users", "create", "--email-address", mail]);
    let grace = grace["id"].as_str().unwrap().to_owned();
    // SIGKILL: nothing is written on the way out.
    dev.process.kill().unwrap();
    dev.process.wait().unwrap();
    let dev = start();
    let ids = |dev: &Dev| -> Vec<String> {
        let list = dev.told(&["users", "list", "--order-by", "+created_at"]);
        let users = list["data"].as_array().unwrap();
        let id = |user: &Value| user["id"].as_str().unwrap().to_owned();
        users.iter().map(id).collect()
    };
    assert_eq!(ids(&dev), ["user_ada", grace.as_str()]);
    dev.told(&["users", "delete", "user_ada"]);
    drop(dev);
    // A transaction that the crash cut off.
    let log = format!("{state}-wal");
    let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    log.write_all(&[7; 100]).unwrap();
    let dev = start();
    assert_eq!(ids(&dev), [grace.as_str()], "nobody is sown again");
    let second = dev_that_fails(&["--state", &state]);
    assert!(second.contains("another process"), "{second}");
}

#[test]
fn a_broken_seed_names_the_place_and_the_reason() {
    let folder = Folder::new("seed");
    let (state, seed) = (folder.path("state.db"), folder.path("seed.yaml"));
    for (text, expected) in [
        (
            "users:\n  - id: user_ada\n    email_address: [ada@example.com\n  - x: 1\n",
            &["seed.yaml", "line 4"][..],
        ),
        ("usres:\n  - id: user_ada\n", &["usres", "users"]),
        (
            "users:\n  - email_address: [ada@example.com]\n  - email_address: [nobody]\n",
            &["users, entry 2", "email_address"],
        ),
        (
            "users:\n  - frist_name: Ada\n",
            &["users, entry 1", "frist_name"],
        ),
        ("users: 7\n", &["users", "list"]),
    ] {
        std::fs::write(&seed, text).unwrap();
        let said = dev_that_fails(&["--state", &state, "--seed", &seed]);
        for word in expected {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    // Nothing of what was broken is there, so that it can be mended and sown.
    std::fs::write(&seed, "users: [{id: user_ada}]").unwrap();
    let dev = Dev::start(&["--state", &state, "--seed", &seed]);
    assert_eq!(dev.told(&["users", "count"])["total_count"], 1);
    let missing = dev_that_fails(&["--seed", &folder.path("nowhere.yaml")]);
    assert!(missing.contains("nowhere.yaml"), "{missing}");
    std::fs::write(folder.path("odd.db"), "no state\n").unwrap();
    let odd = dev_that_fails(&["--state", &folder.path("odd.db")]);
    assert!(odd.contains("odd.db: not a file that"), "{odd}");
}

/// A `doorward dev` in a process of its own, which ends with the test.
struct Dev {
    process: Child,
    url: String,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let mut process = dev(arguments).spawn().unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let told = serde_json::from_str::<Value>(&line);
        let told = told.unwrap_or_else(|_| panic!("{:?}", rest_of(&mut process)));
        let url = told["backend_api"].as_str().unwrap().to_owned();
        Self { process, url }
    }

    fn told(&self, arguments: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(["--json", "clerk"])
            .args(arguments)
            .env("CLERK_API_URL", &self.url)
            .env("CLERK_SECRET_KEY", "sk_test_dev")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        drop(self.process.kill());
        self.process.wait().unwrap();
    }
}

fn dev(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command
        .args(["--json", "dev", "--issuer-only", "--port", "0"])
        .args(["--secret-key", "sk_test_dev"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What one says that refuses to start.
fn dev_that_fails(arguments: &[&str]) -> String {
    let mut process = dev(arguments).spawn().unwrap();
    let mut line = String::new();
    let stdout = process.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    if !line.is_empty() {
        process.kill().unwrap();
        panic!("it started: {line}");
    }
    let said = rest_of(&mut process);
    assert_eq!(process.wait().unwrap().code(), Some(2), "{said}");
    said
}

fn rest_of(process: &mut Child) -> String {
    let mut said = String::new();
    process
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    said
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("clerk-{name}-{}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
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
    let update = api.run(&["clerk", "users", "update", "--help"]);
    let update = text(&update.stdout);
    assert!(
        update.contains("Metadata are changed by update_metadata and replace_metadata."),
        "{update}"
    );
}
