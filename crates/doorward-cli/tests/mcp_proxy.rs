//! `doorward mcp-proxy` as an operator runs it: a real process before a real server, and clients that try everything.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../../../tests/support/mcp_client.rs"]
mod mcp_client;

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use doorward::core::{AlgorithmSet, JwkSet, jws};
use mcp_client::{Accounts, McpClient, call, challenge, initialize, listener, quoted, read, serve};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The MCP server behind the proxy: it says what it saw.
#[derive(Default)]
struct Server {
    /// What the next stream says, piece by piece.
    stream: Mutex<Option<mpsc::Receiver<String>>>,
}

async fn seen(
    State(server): State<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some(pieces) = server.stream.lock().unwrap().take() {
        let pieces = futures_util::stream::unfold(pieces, |mut pieces| async move {
            let piece = pieces.recv().await?;
            Some((Ok::<_, Infallible>(piece), pieces))
        });
        return (
            [("content-type", "text/event-stream")],
            Body::from_stream(pieces),
        )
            .into_response();
    }
    let body = axum::body::to_bytes(body, 1 << 24)
        .await
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    match &*text {
        "401" => {
            return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer")]).into_response();
        }
        "307" => {
            return (
                StatusCode::TEMPORARY_REDIRECT,
                [("location", "http://127.0.0.1:1/")],
            )
                .into_response();
        }
        _ => {}
    }
    let fields: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let said =
        json!({"method": method.as_str(), "uri": uri.to_string(), "headers": fields, "body": text});
    let mut response = said.to_string().into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        ("set-cookie", "stolen=1"),
        ("access-control-allow-origin", "*"),
        ("x-powered-by", "something"),
        ("doorward-identity", "echoed"),
        ("mcp-own", "kept"),
        ("connection", "mcp-hop"),
        ("mcp-hop", "dropped"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    if text.contains("\"initialize\"") {
        headers.insert("mcp-session-id", "inner".parse().unwrap());
    }
    response
}

/// The command, until it is dropped.
struct Proxy {
    child: Child,
    base: String,
}

impl Proxy {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(arguments);
        let mut child = command
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut told)
            .unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let base = told["resource"]
            .as_str()
            .unwrap()
            .strip_suffix("/mcp")
            .unwrap();
        Self {
            child,
            base: base.to_owned(),
        }
    }

    fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// Octets as they are, and all that is answered.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    for (name, _) in std::env::vars() {
        if name.starts_with("DOORWARD_") || name.starts_with("CLERK_") {
            command.env_remove(name);
        }
    }
    command.args(["--json", "mcp-proxy"]).args(arguments);
    command
}

/// A proxy that gives tokens itself, the server behind it, and a client.
async fn world(more: &[&str]) -> (Proxy, Arc<Server>, McpClient) {
    let (accounts, up) = Accounts::start().await;
    let server = Arc::new(Server::default());
    let (listener, upstream) = listener().await;
    serve(
        listener,
        Router::new()
            .route("/mcp", any(seen))
            .with_state(Arc::clone(&server)),
    );
    let arguments = [
        "--upstream",
        &upstream,
        "--sign-in-at",
        &up,
        "--client-id",
        "us",
    ];
    let fixed = [
        "--listen",
        "127.0.0.1:0",
        "--scopes",
        "notes:read,notes:write",
    ];
    let arguments = [&arguments[..], &fixed, more].concat();
    let proxy = tokio::task::block_in_place(|| {
        Proxy::start(
            &arguments,
            &[("DOORWARD_MCP_UPSTREAM_AUTHORIZATION", "Bearer of-the-proxy")],
        )
    });
    let client = McpClient::new(proxy.base.clone(), accounts);
    (proxy, server, client)
}

async fn logged_in(client: &McpClient, person: &'static str) -> String {
    let refused = client.speak("", None, &initialize()).await;
    assert_eq!(refused.status(), 401);
    client.log_in(person, &challenge(&refused)).await
}

fn field<'s>(seen: &'s Value, name: &str) -> Option<&'s str> {
    let fields = seen["headers"].as_array().unwrap();
    let mut named = fields.iter().filter(|field| field[0] == name);
    let value = named.next()?[1].as_str();
    assert!(named.next().is_none(), "{name} twice");
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_the_server_is_told_who_calls() {
    let (_proxy, _, client) = world(&[]).await;
    let token = logged_in(&client, "ada").await;
    let answer = client
        .speak(&token, None, &call("whoami", &json!({})))
        .await;
    assert_eq!(answer.status(), 200);
    let headers = answer.headers().clone();
    assert_eq!(headers["mcp-own"], "kept");
    for dropped in [
        "set-cookie",
        "access-control-allow-origin",
        "x-powered-by",
        "doorward-identity",
        "mcp-hop",
    ] {
        assert!(!headers.contains_key(dropped), "{dropped}");
    }
    let seen = read(answer).await;
    assert_eq!(field(&seen, "authorization"), Some("Bearer of-the-proxy"));
    assert!(!seen.to_string().contains(&token));

    let keys = client
        .get(&format!("{}/doorward/identity/jwks.json", client.base))
        .await;
    let keys = JwkSet::parse(&keys.to_string(), AlgorithmSet::ASYMMETRIC).unwrap();
    let identity = field(&seen, "doorward-identity").unwrap();
    let claims = jws::verify(identity, &keys, AlgorithmSet::ASYMMETRIC).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let header: Value = serde_json::from_str(&jws::decode_unverified(identity).unwrap().0).unwrap();
    assert_eq!(header["typ"], "doorward-identity+jwt");
    assert_eq!(
        (&claims["sub"], &claims["iss"]),
        (&json!("ada"), &json!(client.base))
    );
    assert_eq!(
        claims["aud"].as_str().unwrap(),
        format!("http://{}", field(&seen, "host").unwrap())
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        60
    );
    assert_eq!(claims["scope"], "notes:read notes:write");

    // The statement is no token, here.
    let refused = client.speak(identity, None, &initialize()).await;
    assert_eq!(refused.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_a_caller_writes_passes_for_somebody() {
    let (_proxy, _, client) = world(&[]).await;
    let token = logged_in(&client, "ada").await;
    let mut request = client.client.post(format!("{}/mcp?x=1", client.base));
    for (name, value) in [
        ("doorward-identity", "forged"),
        ("doorward_identity", "forged"),
        ("x-forwarded-user", "root"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-real-ip", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
        ("remote-user", "root"),
        ("remote_user", "root"),
        ("x-auth-request-email", "root@example.com"),
        ("x-amzn-oidc-data", "root"),
        ("cf-access-jwt-assertion", "root"),
        ("proxy-authorization", "Basic cm9vdDpyb290"),
        ("cookie", "session=root"),
        ("te", "trailers"),
        ("upgrade", "websocket"),
        ("connection", "mcp-secret, keep-alive"),
        ("mcp-secret", "for one hop"),
        ("mcp-session_id", "forged"),
        ("mcp-kept", "yes"),
        ("last-event-id", "7"),
        ("x-http-method-override", "DELETE"),
    ] {
        request = request.header(name, value);
    }
    let answer = request
        .header("authorization", format!("Bearer {token}"))
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let seen = read(answer).await;
    let mut names: Vec<&str> = seen["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field[0].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "authorization",
        "content-length",
        "doorward-identity",
        "host",
        "last-event-id",
        "mcp-kept",
    ];
    assert_eq!(names, expected);
    assert_eq!(seen["uri"], "/mcp?x=1");
    assert!(!seen.to_string().contains("forged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_through_as_they_come() {
    let (_proxy, server, client) = world(&["--max-requests", "1"]).await;
    let token = logged_in(&client, "ada").await;
    let (say, stream) = mpsc::channel(1);
    *server.stream.lock().unwrap() = Some(stream);
    say.send("data: 1\n\n".to_owned()).await.unwrap();
    let request = client.client.get(format!("{}/mcp", client.base));
    let mut answer = request
        .header("authorization", format!("Bearer {token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    // Each piece is here before the next one is said.
    assert_eq!(
        answer.chunk().await.unwrap().unwrap(),
        Bytes::from_static(b"data: 1\n\n")
    );
    say.send("data: 2\n\n".to_owned()).await.unwrap();
    assert_eq!(
        answer.chunk().await.unwrap().unwrap(),
        Bytes::from_static(b"data: 2\n\n")
    );
    // It takes the one place there is.
    let crowded = client.speak(&token, None, &initialize()).await;
    assert_eq!(crowded.status(), 503);
    assert!(crowded.headers().contains_key("retry-after"));
    // A client that goes away is gone for the server as well.
    drop(answer);
    tokio::time::timeout(Duration::from_secs(10), say.closed())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_bound_and_tools_take_scopes() {
    let folder = std::env::temp_dir().join(format!("doorward-mcp-proxy-{}", std::process::id()));
    std::fs::write(
        &folder,
        "challenge_scopes = [\"notes:read\"]\ndefault_tool_scopes = \"notes:read\"\n\
         [tool_scopes]\nadd_note = \"notes:write\"\n[scope_implies]\n\"notes:write\" = [\"notes:read\"]\n",
    )
    .unwrap();
    let (_proxy, _, client) = world(&["--config", folder.to_str().unwrap()]).await;
    std::fs::remove_file(&folder).unwrap();
    let ada = logged_in(&client, "ada").await;
    let begun = client.speak(&ada, None, &initialize()).await;
    let session = begun.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let list = call("list", &json!({}));
    let seen = read(client.speak(&ada, Some(&session), &list).await).await;
    assert_eq!(field(&seen, "mcp-session-id"), Some("inner"));
    assert_eq!(seen["body"], list.to_string());
    let eve = logged_in(&client, "eve").await;
    for name in [&*session, "inner"] {
        assert_eq!(client.speak(&eve, Some(name), &list).await.status(), 404);
    }
    let refused = client
        .speak(&ada, Some(&session), &call("add_note", &json!({})))
        .await;
    assert_eq!(refused.status(), 403);
    let more = challenge(&refused);
    assert_eq!(quoted(&more, "scope"), "notes:read notes:write");
    let wider = client.log_in("ada", &more).await;
    assert_eq!(
        client
            .speak(&wider, None, &call("add_note", &json!({})))
            .await
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_behind_the_door_is_nobodys_bad_token() {
    let (_proxy, _, client) = world(&["--max-body-bytes", "2000"]).await;
    let token = logged_in(&client, "ada").await;
    let say = async |body: String| {
        let request = client.client.post(format!("{}/mcp", client.base));
        let request = request
            .header("authorization", format!("Bearer {token}"))
            .body(body);
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.headers().contains_key("www-authenticate"),
        )
    };
    assert_eq!(say("401".to_owned()).await, (502, false));
    assert_eq!(say("307".to_owned()).await, (502, false));
    assert_eq!(say("x".repeat(2001)).await, (413, false));
    assert_eq!(say("x".repeat(2000)).await, (200, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_said_to_be() {
    let (accounts, up) = Accounts::start().await;
    let arguments = [
        "--upstream",
        "http://127.0.0.1:1",
        "--sign-in-at",
        &up,
        "--client-id",
        "us",
    ];
    let arguments = [&arguments[..], &["--listen", "127.0.0.1:0"]].concat();
    let proxy = tokio::task::block_in_place(|| Proxy::start(&arguments, &[]));
    let client = McpClient::new(proxy.base.clone(), accounts);
    let refused = client.speak("", None, &initialize()).await;
    let no_scope = format!("{}, scope=\"\"", challenge(&refused));
    let token = client.log_in("ada", &no_scope).await;
    assert_eq!(
        client.speak(&token, None, &initialize()).await.status(),
        502
    );
    // So says the check, beforehand.
    let checked = command(&[&arguments[..], &["--check"]].concat())
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_pages_and_tricks_get_nowhere() {
    let (proxy, _, client) = world(&[]).await;
    let token = logged_in(&client, "ada").await;
    let own = proxy.address().to_owned();
    let ask = |host: &str, more: &str, body: &str| {
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{more}"
        );
        tokio::task::block_in_place(|| proxy.raw(&format!("{head}\r\n{body}")))
    };
    let length = "Content-Length: 1\r\n";
    assert!(ask(&own, length, "x").starts_with("HTTP/1.1 200"));
    assert!(ask("evil.example", length, "x").starts_with("HTTP/1.1 403"));
    assert!(ask(&format!("{own}.evil.example"), length, "x").starts_with("HTTP/1.1 403"));
    let page = |origin: &str| format!("{length}Origin: {origin}\r\n");
    let allowed = ask(&own, &page(&proxy.base), "x");
    assert!(
        allowed.starts_with("HTTP/1.1 200")
            && allowed.contains(&format!("access-control-allow-origin: {}", proxy.base))
    );
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert!(
            ask(&own, &page(origin), "x").starts_with("HTTP/1.1 403"),
            "{origin}"
        );
    }
    // RFC 9112 §6.3: a message with two lengths has none.
    let two = "Content-Length: 1\r\nContent-Length: 2\r\n";
    assert!(ask(&own, two, "xy").starts_with("HTTP/1.1 400"));
    // RFC 9112 §6.1: with both, the pieces count; what follows them is no second request to the server.
    let both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
    let smuggled = ask(
        &own,
        both,
        "1\r\nx\r\n0\r\n\r\nPOST /admin HTTP/1.1\r\n\r\n",
    );
    assert!(!smuggled.contains("/admin"), "{smuggled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_issuer_elsewhere_will_do() {
    let (accounts, up) = Accounts::start().await;
    let server = Arc::new(Server::default());
    let (listener, upstream) = listener().await;
    serve(
        listener,
        Router::new().route("/mcp", any(seen)).with_state(server),
    );
    let public = "https://mcp.example.com";
    let arguments = [
        "--upstream",
        &upstream,
        "--issuer",
        &up,
        "--listen",
        "127.0.0.1:0",
        "--public-url",
        public,
    ];
    // What it says of itself is its public name; where it listens is for this test to find.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let arguments = [&arguments[..4], &["--listen", &free], &arguments[6..]].concat();
    let mut proxy = tokio::task::block_in_place(|| Proxy::start(&arguments, &[]));
    assert_eq!(proxy.base, public);
    proxy.base = format!("http://{free}");
    let client = McpClient::new(proxy.base.clone(), Arc::clone(&accounts));
    let metadata = client
        .get(&format!(
            "{}/.well-known/oauth-protected-resource/mcp",
            client.base
        ))
        .await;
    assert_eq!(metadata["resource"], "https://mcp.example.com/mcp");
    assert_eq!(metadata["authorization_servers"], json!([up]));
    let mint = |aud: &str| {
        let mint = doorward_issuer::Mint::kind(doorward_issuer::Kind::Oauth).aud(aud);
        accounts.issuer.mint(&mint).unwrap()
    };
    let good = mint("https://mcp.example.com/mcp");
    assert_eq!(client.speak(&good, None, &initialize()).await.status(), 200);
    assert_eq!(
        client
            .speak(&mint("us"), None, &initialize())
            .await
            .status(),
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_clients_are_kept_as_the_operator_says() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcp-proxy-room.toml");
    std::fs::write(&file, "max_clients = 2\nmax_families = 10\n").unwrap();
    let (_proxy, _, client) = world(&["--config", file.to_str().unwrap()]).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let register = client.client.post(format!("{}/register", client.base));
        let body = json!({"redirect_uris": ["http://127.0.0.1:1/cb"]}).to_string();
        let register = register
            .header("content-type", "application/json")
            .body(body);
        statuses.push(register.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [201, 201, 503]);
}

#[test]
fn mistakes_stop_the_start_and_name_their_setting() {
    let refused = |arguments: &[&str], environment: &[(&str, &str)]| {
        let output = command(arguments)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let to = ["--upstream", "http://127.0.0.1:1"];
    let with = |more: &[&'static str]| [&to[..], more].concat();
    let issuer = ["--issuer", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"];
    for (arguments, environment, named) in [
        (vec![], &[][..], "upstream"),
        (with(&[]), &[], "sign_in_at"),
        (
            with(&["--sign-in-at", "http://127.0.0.1:1"]),
            &[],
            "client_id",
        ),
        (vec!["--upstream", "ftp://a.example"], &[], "upstream"),
        (
            vec!["--upstream", "http://u:planted@a.example"],
            &[],
            "UPSTREAM_AUTHORIZATION",
        ),
        (with(&["--path", "/a/../b"]), &[], "path"),
        (with(&["--path", "/.well-known/x"]), &[], "path"),
        (
            with(&["--public-url", "https://a.example/b"]),
            &[],
            "public_url",
        ),
        (
            with(&[&issuer[..], &["--store", "sqlite:///tmp/x.db"]].concat()),
            &[],
            "secret",
        ),
        (
            with(&issuer),
            &[("DOORWARD_MCP_SECRET", "planted")],
            "secret",
        ),
        (
            with(&issuer),
            &[("DOORWARD_MCP_UPSTREAM_AUTHORIZATION", "planted\n")],
            "upstream_authorization",
        ),
        (
            with(&[&issuer[..], &["--public-url", "http://a.example"]].concat()),
            &[],
            "resource",
        ),
        (with(&["--config", "/nonexistent"]), &[], "/nonexistent"),
        (
            with(&[&issuer[..], &["--max-clients", "0"]].concat()),
            &[],
            "max_clients",
        ),
        (
            with(&issuer),
            &[("DOORWARD_MCP_MAX_FAMILIES", "10000001")],
            "max_families",
        ),
    ] {
        let said = refused(&arguments, environment);
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert!(!said.contains("planted"), "{said}");
    }
}
