//! Proxies and certificate authorities come from the environment, which a process has from its start: each case is a child.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod server;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use doorward_clerk::Clerk;
use server::{Reply, Server};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[test]
fn a_proxy_is_used() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(Server::deciding(|_| user()));
    let nowhere = "http://127.0.0.1:9";
    succeeds(&call(nowhere, &[("HTTP_PROXY", &proxy.url)]));
    let log = proxy.log();
    assert_eq!(log[0].target, format!("{nowhere}/v1/users/user_1"));
    let around = call(
        nowhere,
        &[("HTTP_PROXY", &proxy.url), ("NO_PROXY", "127.0.0.1")],
    );
    assert!(!around.status.success());
    assert_eq!(proxy.log().len(), log.len());
}

#[test]
fn an_authority_of_ones_own_is_trusted_and_no_other_is() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (certificate, key) = (file("localhost.pem"), file("localhost.key"));
    let authority = file("authority.pem");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        );
    let tls = TlsAcceptor::from(Arc::new(config.unwrap()));
    let server = runtime.block_on(Server::listening(|_| user(), Some(tls)));
    let stranger = call(&server.url, &[]);
    assert!(!stranger.status.success());
    assert_eq!(server.log().len(), 0, "nothing is said to a stranger");
    succeeds(&call(&server.url, &[("SSL_CERT_FILE", &authority)]));
    assert_eq!(server.log().len(), 1);
}

/// A connection through a proxy is made by CONNECT; the proxy sees whom we call and neither the key nor what is said.
#[test]
fn a_proxy_sees_nothing_of_what_is_encrypted() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(Server::deciding(|_| {
        Reply::Answer(502, vec![], b"no such host".to_vec())
    }));
    let proxy_url = proxy.url.replace("http://", "http://ada:hunter2@");
    let output = call("https://api.invalid", &[("HTTPS_PROXY", &proxy_url)]);
    assert!(!output.status.success());
    let log = proxy.log();
    assert_eq!(
        (log[0].method.as_str(), log[0].target.as_str()),
        ("CONNECT", "api.invalid:443")
    );
    // Base64 of `ada:hunter2`.
    assert_eq!(
        log[0].header("proxy-authorization"),
        Some("Basic YWRhOmh1bnRlcjI=")
    );
    assert!(log.iter().all(|one| !one.head.contains("sk_test_x")));
    let said = said(&output);
    assert!(said.contains("Unreachable"), "{said}");
    assert!(
        !said.contains("hunter2") && !said.contains("sk_test_x"),
        "{said}"
    );
}

/// The operator's mistake is named, with the file.
#[test]
fn authorities_that_cannot_be_read_are_named() {
    for name in ["nowhere.pem", "localhost.key"] {
        let output = call("https://127.0.0.1:9", &[("SSL_CERT_FILE", &file(name))]);
        assert!(!output.status.success());
        let said = said(&output);
        assert!(said.contains("SSL_CERT_FILE"), "{said}");
    }
}

/// What the children run.
#[test]
#[ignore = "the tests above run it, each with an environment of its own"]
fn child() {
    let user = Clerk::from_env()
        .unwrap()
        .users()
        .get("user_1")
        .send_blocking();
    assert_eq!(user.unwrap().id(), Some("user_1"));
}

fn call(api: &str, environment: &[(&str, &str)]) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--ignored", "--nocapture"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        child.env_remove(name).env_remove(name.to_lowercase());
    }
    child.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    child
        .env("CLERK_SECRET_KEY", "sk_test_x")
        .env("CLERK_API_URL", api);
    child.envs(environment.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn succeeds(output: &Output) {
    let said = said(output);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

fn user() -> Reply {
    Reply::Answer(200, vec![], br#"{"id":"user_1"}"#.to_vec())
}

fn file(name: &str) -> String {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    home.join("tests/server")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}
