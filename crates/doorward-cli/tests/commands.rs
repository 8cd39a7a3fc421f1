//! The command as a user runs it: real processes, real sockets, exit statuses and both kinds of output.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A `doorward dev` that ends with the test.
struct Dev {
    authority: Option<String>,
    process: Child,
    issuer: String,
    key: String,
    api: String,
}

impl Dev {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(arguments: &[&str]) -> Self {
        let mut process = doorward(&[&["--json", "dev", "--port", "0"], arguments].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Self {
            authority: told["certificate_authority"].as_str().map(str::to_owned),
            issuer: text("issuer"),
            key: text("publishable_key"),
            api: text("api"),
            process,
        }
    }

    fn token(&self, arguments: &[&str]) -> String {
        let output = run(&[&["token", "--url", &self.issuer], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn verify(&self, token: &str) -> (Option<i32>, Value) {
        let parties = "http://localhost:3000";
        let output = run(&[
            "--json",
            "verify",
            token,
            "--publishable-key",
            &self.key,
            "--authorized-parties",
            parties,
        ]);
        (
            output.status.code(),
            serde_json::from_slice(&output.stdout).unwrap(),
        )
    }

    fn get(&self, path: &str, token: Option<&str>) -> String {
        let mut stream = TcpStream::connect(self.api.trim_start_matches("http://")).unwrap();
        let credentials = token
            .map(|token| format!("authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{credentials}\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn doorward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    for (name, _) in std::env::vars() {
        if name.starts_with("CLERK_") || name.starts_with("DOORWARD_") {
            command.env_remove(name);
        }
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    doorward(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn over_tls_whoever_trusts_the_authority_verifies_and_nobody_else() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("commands-tls-ca.pem");
    let dev = Dev::with(&["--tls", "--tls-ca", file.to_str().unwrap()]);
    let authority = dev.authority.clone().unwrap();
    assert_eq!(std::path::Path::new(&authority), file);
    assert!(
        dev.issuer.starts_with("https://localhost:"),
        "{}",
        dev.issuer
    );
    assert!(dev.api.starts_with("https://localhost:"), "{}", dev.api);
    let trusting = |variable: &str, arguments: &[&str]| {
        let mut command = doorward(arguments);
        command
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR")
            .env("CLERK_PUBLISHABLE_KEY", &dev.key)
            .env("CLERK_AUTHORIZED_PARTIES", "http://localhost:3000")
            .env(variable, &authority)
            .output()
            .unwrap()
    };
    let minted = trusting("SSL_CERT_FILE", &["token", "--url", &dev.issuer]);
    assert!(minted.status.success(), "{}", text(&minted));
    let token = String::from_utf8(minted.stdout).unwrap();
    let verify = ["--json", "verify", token.trim()];
    for variable in ["SSL_CERT_FILE", "DOORWARD_CERTIFICATE_AUTHORITIES_FILE"] {
        let verified = trusting(variable, &verify);
        assert!(verified.status.success(), "{variable}: {}", text(&verified));
    }
    let stranger = trusting("UNRELATED", &verify);
    assert!(!stranger.status.success());
    assert!(
        text(&stranger).contains("keys_unavailable"),
        "{}",
        text(&stranger)
    );
    // The sample API trusts its own authority.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pem = reqwest::Certificate::from_pem(&std::fs::read(&file).unwrap()).unwrap();
    let answer = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy();
        let client = client.tls_certs_merge([pem]).build().unwrap();
        let me = client.get(format!("{}/me", dev.api));
        let me = me.bearer_auth(token.trim()).send().await.unwrap();
        (me.status().as_u16(), me.text().await.unwrap())
    });
    assert_eq!(answer.0, 200, "{}", answer.1);
    // Who finds the port taken leaves the file to who has it.
    let written = std::fs::read(&file).unwrap();
    let port = dev.issuer.rsplit(':').next().unwrap();
    let flags = ["dev", "--tls", "--port", port, "--tls-ca", &authority];
    let refused = run(&flags);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert_eq!(std::fs::read(&file).unwrap(), written);
    // What is no certificate is not overwritten.
    let precious = file.with_file_name("commands-tls-precious.txt");
    std::fs::write(&precious, "notes").unwrap();
    let refused = run(&["dev", "--tls", "--tls-ca", precious.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert_eq!(std::fs::read(&precious).unwrap(), b"notes");
}

#[test]
fn the_sample_api_is_guarded() {
    let dev = Dev::start();
    let anonymous = dev.get("/me", None);
    assert!(anonymous.starts_with("HTTP/1.1 401"), "{anonymous}");
    assert!(
        anonymous
            .to_ascii_lowercase()
            .contains("www-authenticate: bearer\r\n"),
        "{anonymous}"
    );
    assert!(anonymous.contains("\"hint\""), "{anonymous}");
    let token = dev.token(&[
        "--sub",
        "user_ada",
        "--org",
        "org_acme",
        "--permission",
        "org:posts:read",
    ]);
    let answer = dev.get("/me", Some(&token));
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("org:posts:read"),
        "{answer}"
    );
    assert!(dev.get("/public", None).contains("stranger"));
    assert!(dev.get("/public", Some("junk")).starts_with("HTTP/1.1 401"));
}

#[test]
fn verify_says_who_it_is_or_why_not() {
    let dev = Dev::start();
    let (code, told) = dev.verify(&dev.token(&["--sub", "user_ada"]));
    assert_eq!(
        (code, told["identity"]["subject"].as_str()),
        (Some(0), Some("user_ada")),
        "{told}"
    );
    let (code, told) = dev.verify(&dev.token(&["--defect", "expired"]));
    assert_eq!(
        (code, told["reason"].as_str()),
        (Some(1), Some("token_expired")),
        "{told}"
    );
    assert!(
        told["detail"].as_str().unwrap().contains("ago")
            && !told["hint"].as_str().unwrap().is_empty()
    );
    let (code, told) = dev.verify(&dev.token(&["--kind", "oauth"]));
    assert_eq!(
        (code, told["reason"].as_str()),
        (Some(1), Some("token_kind_not_accepted")),
        "{told}"
    );
}

#[test]
fn keys_out_of_reach_have_a_status_of_their_own() {
    let token = {
        let dev = Dev::start();
        (dev.token(&[]), dev.issuer.clone())
    };
    let output = run(&["verify", &token.0, "--issuer", &token.1, "--audience", "*"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(
        text(&output).contains("keys_unavailable"),
        "{}",
        text(&output)
    );
}

#[test]
fn a_token_comes_from_standard_input_too() {
    let dev = Dev::start();
    let token = dev.token(&[]);
    let mut process = doorward(&["inspect"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(process.stdin.take().unwrap(), "Bearer {token}").unwrap();
    let output = process.wait_with_output().unwrap();
    let told = text(&output);
    assert!(
        output.status.success() && told.contains("NOT VERIFIED"),
        "{told}"
    );
    assert!(
        told.contains("expires 2") && told.contains("authorized party"),
        "{told}"
    );
    assert!(!told.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn inspect_refuses_what_is_no_token() {
    for junk in ["junk", "a.b.c", "..", "eyJ.eyJ.x"] {
        let output = run(&["inspect", junk]);
        assert_eq!(output.status.code(), Some(1), "{junk}: {}", text(&output));
    }
    assert_eq!(run(&["inspect", "-"]).status.code(), Some(2));
}

#[test]
fn doctor_checks_the_live_set_up() {
    let dev = Dev::start();
    let token = dev.token(&[]);
    let parties = "http://localhost:3000";
    let flags = [
        "--publishable-key",
        &dev.key,
        "--authorized-parties",
        parties,
        "--token",
        &token,
    ];
    let output = run(&[&["doctor"], &flags[..]].concat());
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("ok    token"), "{}", text(&output));

    let wrong = dev.token(&["--azp", "http://localhost:9999"]);
    let flags = [
        "--publishable-key",
        &dev.key,
        "--authorized-parties",
        parties,
        "--token",
        &wrong,
    ];
    let output = run(&[&["--json", "doctor"], &flags[..]].concat());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), told["ok"].as_bool()),
        (Some(1), Some(false)),
        "{told:#}"
    );
    let failed: Vec<&Value> = told["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["state"] == "fail")
        .collect();
    assert!(
        failed[0]["found"]
            .as_str()
            .unwrap()
            .contains("http://localhost:9999"),
        "{told:#}"
    );

    let slash = format!("{}/", dev.issuer);
    let output = run(&["doctor", "--preset", "clerk", "--issuer", &slash]);
    assert!(
        text(&output).contains("Remove the slash"),
        "{}",
        text(&output)
    );
}

#[test]
fn doctor_tells_when_the_keys_are_away() {
    let output = run(&[
        "doctor",
        "--issuer",
        "http://127.0.0.1:1",
        "--audience",
        "*",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("cannot be reached"),
        "{}",
        text(&output)
    );
}

#[test]
fn doctor_looks_at_the_store_of_revocations_too() {
    let dev = Dev::start();
    let folder = std::env::temp_dir().join(format!("doorward-doctor-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("revoked.db");
    let examine = |store: &str| {
        doorward(&["--json", "doctor"])
            .env("CLERK_PUBLISHABLE_KEY", &dev.key)
            .env("DOORWARD_REVOCATION_STORE", store)
            .output()
            .unwrap()
    };
    let output = examine(&format!("sqlite://{}", file.display()));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], true, "{told:#}");
    assert_eq!(
        told["status"]["revocation"]["store"]["state"], "following",
        "{told:#}"
    );

    let output = examine("redis://:hunter2@127.0.0.1:1/0");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("redis://127.0.0.1:1/0"),
        "{}",
        text(&output)
    );
    assert!(!text(&output).contains("hunter2"), "{}", text(&output));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn mistakes_are_explained() {
    let output = run(&["verify", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output).contains("CLERK_PUBLISHABLE_KEY"),
        "{}",
        text(&output)
    );
    let output = run(&["verify", "x", "--issuer", "https://a.example"]);
    assert!(text(&output).contains("audience"), "{}", text(&output));
    let output = run(&["token", "--url", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("doorward dev"), "{}", text(&output));
    let output = doorward(&["doctor"])
        .env("DOORWARD_ISUER", "https://a.example")
        .output()
        .unwrap();
    assert!(
        text(&output).contains("DOORWARD_ISSUER"),
        "{}",
        text(&output)
    );
}

#[test]
fn a_defect_nobody_knows_lists_those_that_exist() {
    let dev = Dev::start();
    let output = run(&["token", "--url", &dev.issuer, "--defect", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output).contains("expired") && text(&output).contains("alg_none"),
        "{}",
        text(&output)
    );
}
