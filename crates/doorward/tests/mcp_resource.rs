//! What an MCP server behind the layer owes its clients (MCP authorization, revision 2026-07-28; RFC 6750, RFC 9728): every
//! answer, before a server that says what it saw.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::convert::Infallible;
use std::net::TcpListener;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use doorward::mcp::{self, McpLayer};
use doorward::{Authenticator, Config, Policy};
use doorward_issuer::{Defect, DevIssuer, Kind, Mint};
use http_body_util::StreamBody;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
const ISSUER: &str = "https://login.example.com";

fn issuer() -> DevIssuer {
    DevIssuer::builder().issuer(ISSUER).build().unwrap()
}

/// Settings of a resource with three tools that take scopes.
fn settings(issuer: &DevIssuer) -> Value {
    json!({
        "issuer": [{"issuer": ISSUER, "keys": issuer.jwks().to_string(), "accepts": "oauth_token"}],
        "resource": RESOURCE,
        "scopes_supported": ["notes:read", "notes:write"],
        "challenge_scopes": "notes:read",
        "scope_implies": {"notes:write": ["notes:read"]},
        "tool_scopes": {"add": "notes:write", "purge": ["notes:write", "notes:admin"], "ping": []},
        "default_tool_scopes": "notes:read",
        "session_secret": "a secret of 32 bytes, or of more",
    })
}

fn authenticator(settings: &Value) -> Authenticator {
    Authenticator::new(&Config::from_json(&settings.to_string()).unwrap()).unwrap()
}

/// A server that says what it saw, and begins the session `inner` where a client initializes.
async fn seen(method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let field = |name: &str| {
        let mut values = headers.get_all(name).iter();
        values
            .next()
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    let begins = body.contains("\"initialize\"");
    let said = json!({
        "method": method.as_str(),
        "authorization": field("authorization"),
        "session": field("mcp-session-id"),
        "body": body,
    });
    match begins {
        true => ([("mcp-session-id", "inner.1")], said.to_string()).into_response(),
        false => said.to_string().into_response(),
    }
}

struct Server {
    issuer: DevIssuer,
    app: Router,
}

impl Server {
    fn new() -> Self {
        Self::with(|_| {}, |layer| layer)
    }

    fn with(change: impl Fn(&mut Value), wrap: impl Fn(McpLayer) -> McpLayer) -> Self {
        let issuer = issuer();
        let mut settings = settings(&issuer);
        change(&mut settings);
        let auth = authenticator(&settings);
        let layer = wrap(McpLayer::new(auth.clone()).unwrap());
        let app = Router::new().route("/mcp", any(seen)).layer(layer);
        Self {
            issuer,
            app: app.merge(mcp::router(&auth)),
        }
    }

    fn token(&self, mint: &Mint) -> String {
        self.issuer.mint(mint).unwrap()
    }

    /// A token with these scopes.
    fn scoped(&self, scopes: &[&str]) -> String {
        self.token(&access().scopes(scopes.iter().copied()))
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 24).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    async fn post(&self, token: &str, fields: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
        if !fields.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.ask(request.body(body.into()).unwrap()).await
    }
}

fn access() -> Mint {
    Mint::kind(Kind::Oauth).aud(RESOURCE)
}

fn call(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
        .to_string()
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn challenge(&self) -> &str {
        self.field("www-authenticate").unwrap_or_default()
    }

    fn session(&self) -> &str {
        self.field("mcp-session-id").unwrap()
    }

    /// RFC 6750 §3.1, RFC 9728 §5.1: refused for this, with the way in.
    fn refused(&self, status: u16, error: &str, scope: Option<&str>) {
        let challenge = self.challenge();
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            challenge.contains(&format!("error=\"{error}\"")),
            "{self:?}"
        );
        assert!(
            challenge.ends_with(&format!("resource_metadata=\"{METADATA}\"")),
            "{self:?}"
        );
        match scope {
            Some(scope) => assert!(
                challenge.contains(&format!(" scope=\"{scope}\", ")),
                "{self:?}"
            ),
            None => assert!(!challenge.contains("scope=\""), "{self:?}"),
        }
        assert_eq!(self.field("cache-control"), Some("no-store"), "{self:?}");
    }
}

#[tokio::test]
async fn who_sends_nothing_learns_where_to_begin_and_of_no_error() {
    let server = Server::new();
    for request in [
        Request::post("/mcp"),
        Request::get("/mcp"),
        Request::delete("/mcp"),
        Request::post("/mcp?access_token=a.b.c"),
        Request::post("/mcp").header("cookie", "__session=a.b.c"),
        Request::post("/mcp").header("host", "evil.example"),
        Request::post("/mcp").header("x-forwarded-host", "evil.example"),
    ] {
        let answer = server.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 401);
        let expected = format!("Bearer scope=\"notes:read\", resource_metadata=\"{METADATA}\"");
        assert_eq!(answer.challenge(), expected);
    }
}

#[tokio::test]
async fn a_token_in_the_query_or_the_body_is_no_token() {
    let server = Server::new();
    let token = server.scoped(&["notes:read"]);
    let uri = format!("/mcp?access_token={token}");
    let body = format!("access_token={token}");
    let request = Request::post(uri).header("content-type", "application/x-www-form-urlencoded");
    let answer = server.ask(request.body(body.into()).unwrap()).await;
    assert_eq!(answer.body, json!({"detail": "credentials_missing"}));
}

#[tokio::test]
async fn every_form_of_the_header_has_its_answer() {
    let server = Server::new();
    let token = server.scoped(&["notes:read"]);
    for (value, status) in [
        (format!("Bearer {token}"), 200),
        (format!("bearer {token}"), 200),
        (format!("BEARER   {token}"), 200),
        (token.clone(), 401),
        (format!("Bearer {token} {token}"), 400),
        (format!("Bearer \"{token}\""), 400),
        (format!("Bearer {token},"), 400),
        ("Bearer".to_owned(), 400),
        ("Bearer nonsense".to_owned(), 401),
    ] {
        let request = Request::post("/mcp").header("authorization", &value);
        let request = request.header("content-type", "application/json");
        let answer = server.ask(request.body(call("ping").into()).unwrap()).await;
        assert_eq!(answer.status, status, "{value}: {answer:?}");
        if status != 200 {
            assert!(answer.challenge().contains(METADATA), "{value}: {answer:?}");
        }
    }
    let twice = Request::post("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("authorization", format!("Bearer {token}"));
    let answer = server.ask(twice.body(Body::empty()).unwrap()).await;
    answer.refused(400, "invalid_request", None);
}

#[tokio::test]
async fn tokens_that_are_not_good_or_not_for_us_are_refused() {
    let server = Server::new();
    for defect in [
        Defect::Expired,
        Defect::NotYetValid,
        Defect::WrongKey,
        Defect::UnknownKid,
        Defect::WrongIss,
        Defect::WrongAud,
        Defect::AlgNone,
        Defect::HmacWithPublicKey,
    ] {
        let token = server.token(&access().defect(defect));
        let answer = server.post(&token, &[], call("ping")).await;
        answer.refused(401, "invalid_token", Some("notes:read"));
    }
    let audiences: [(Mint, &str); 6] = [
        (Mint::kind(Kind::Oauth), "audience_missing"),
        (
            access().claim("aud", "https://mcp.example.com"),
            "audience_mismatch",
        ),
        (
            access().claim("aud", "https://mcp.example.com/mcp/"),
            "audience_mismatch",
        ),
        (
            access().claim("aud", "https://mcp.example.com/other"),
            "audience_mismatch",
        ),
        (access().claim("aud", Mint::CLIENT), "audience_mismatch"),
        (access().claim("aud", json!([])), "audience_missing"),
    ];
    for (mint, reason) in audiences {
        let answer = server.post(&server.token(&mint), &[], call("ping")).await;
        answer.refused(401, "invalid_token", Some("notes:read"));
        assert_eq!(answer.body, json!({ "detail": reason }));
    }
    // Neither an ID token nor a session is an access token.
    for kind in [Kind::Oidc, Kind::Session] {
        let token = server.token(&Mint::kind(kind).aud(RESOURCE));
        let answer = server.post(&token, &[], call("ping")).await;
        assert_eq!(answer.status, 401);
    }
    let several = server.token(&access().claim("aud", json!(["https://a.example", RESOURCE])));
    assert_eq!(server.post(&several, &[], call("ping")).await.status, 200);
}

#[tokio::test]
async fn the_metadata_are_there_for_everybody() {
    let server = Server::new();
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let request = Request::get(path).header("host", "evil.example");
        let answer = server.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
        assert_eq!(
            answer.body,
            json!({
                "resource": RESOURCE,
                "authorization_servers": [ISSUER],
                "scopes_supported": ["notes:read", "notes:write"],
                "bearer_methods_supported": ["header"],
            })
        );
        let post = server.ask(Request::post(path).body(Body::empty()).unwrap());
        assert_eq!(post.await.status, 405);
    }
}

#[tokio::test]
async fn an_outage_of_the_provider_is_nobodys_bad_token() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = format!("http://{}/jwks", listener.local_addr().unwrap());
    drop(listener);
    let server = Server::with(
        |settings| {
            settings["issuer"][0]["keys"] = Value::Null;
            settings["issuer"][0]["jwks_url"] = down.as_str().into();
        },
        |layer| layer,
    );
    let answer = server
        .post(&server.scoped(&["notes:read"]), &[], call("ping"))
        .await;
    assert_eq!((answer.status, answer.challenge()), (503, ""));
    assert!(answer.field("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test]
async fn a_tool_takes_its_scopes() {
    let server = Server::new();
    let (read, write) = (["notes:read"].as_slice(), ["notes:write"].as_slice());
    for (held, tool, lacking) in [
        (&[][..], "ping", None),
        (&[], "list", Some("notes:read")),
        (read, "list", None),
        (read, "add", Some("notes:read notes:write")),
        (write, "list", None),
        (write, "add", None),
        (write, "purge", Some("notes:write notes:admin")),
        (read, "purge", Some("notes:read notes:write notes:admin")),
        (read, "ADD", None),
        (&["notes:write:x"], "add", Some("notes:write:x notes:write")),
    ] {
        let answer = server.post(&server.scoped(held), &[], call(tool)).await;
        match lacking {
            None => assert_eq!(answer.status, 200, "{held:?} {tool}: {answer:?}"),
            Some(scope) => answer.refused(403, "insufficient_scope", Some(scope)),
        }
    }
    // A batch takes what all of it takes.
    let batch = format!("[{}, {}]", call("list"), call("add"));
    let answer = server.post(&server.scoped(read), &[], batch.clone()).await;
    answer.refused(403, "insufficient_scope", Some("notes:read notes:write"));
    assert_eq!(
        server.post(&server.scoped(write), &[], batch).await.status,
        200
    );
}

#[tokio::test]
async fn a_body_goes_on_as_it_came_or_not_at_all() {
    let server = Server::with(|_| {}, |layer| layer.max_body_bytes(1000));
    let token = server.scoped(&["notes:read"]);
    let odd = " {\"method\" :\"tools\\/call\",\r\n\"params\":{\"name\":\"list\"},\"x\":1e3}\n";
    let answer = server.post(&token, &[], odd).await;
    assert_eq!(answer.body["body"], odd);
    for body in [
        "",
        "{",
        "access_token=a",
        "{\"method\":\"ping\",\"method\":\"tools/call\",\"params\":{\"name\":\"add\"}}",
        "{\"method\":\"tools/call\",\"params\":{\"name\":\"list\",\"Name\":\"add\"}}",
    ] {
        let answer = server.post(&token, &[], body).await;
        answer.refused(400, "invalid_request", None);
        assert_eq!(answer.body, json!({"detail": "call_malformed"}), "{body}");
    }
    let zipped = server
        .post(&token, &[("content-encoding", "gzip")], call("list"))
        .await;
    assert_eq!(zipped.status, 415);
    for content_type in [
        "application/json; charset=utf-7",
        "application/json;charset=utf-16",
        "application/json; charset=utf-8; charset=utf-7",
        "text/plain",
        "",
    ] {
        let spelled = [("content-type", content_type)];
        let answer = server.post(&token, &spelled, call("list")).await;
        assert_eq!(answer.status, 415, "{content_type}");
    }
    let long = format!("{}{}", call("list"), " ".repeat(1000));
    let announced = server.post(&token, &[], long.clone()).await;
    assert_eq!(
        (announced.status, &announced.body),
        (413, &json!({"detail": "body_too_large"}))
    );
    let pieces = long.into_bytes();
    let pieces = pieces.chunks(100).map(|piece| {
        let frame = Bytes::copy_from_slice(piece);
        Ok::<_, Infallible>(http_body::Frame::data(frame))
    });
    let pieces: Vec<_> = pieces.collect();
    let streamed = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
    assert_eq!(server.post(&token, &[], streamed).await.status, 413);
}

#[tokio::test]
async fn only_what_speaks_is_read() {
    let server = Server::with(|_| {}, |layer| layer.max_body_bytes(0));
    let token = server.scoped(&[]);
    for method in ["GET", "DELETE", "POST", "PUT", "PATCH"] {
        let request = Request::builder().method(method).uri("/mcp");
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json");
        let answer = server
            .ask(request.body(call("purge").into()).unwrap())
            .await;
        let expected = if ["GET", "DELETE"].contains(&method) {
            200
        } else {
            413
        };
        assert_eq!(answer.status, expected, "{method}");
    }
    // Where no tool takes a scope, nothing is read at all.
    let open = Server::with(
        |settings| {
            settings
                .as_object_mut()
                .unwrap()
                .remove("default_tool_scopes");
            settings["tool_scopes"] = json!({});
        },
        |layer| layer.max_body_bytes(0),
    );
    let answer = open.post(&open.scoped(&[]), &[], call("purge")).await;
    assert_eq!(
        (answer.status, answer.body["body"].as_str()),
        (200, Some(&*call("purge")))
    );
}

#[tokio::test]
async fn header_fields_are_believed_only_where_the_server_validates_them() {
    let harmless = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "ping"),
    ];
    let doubting = Server::new();
    let answer = doubting
        .post(&doubting.scoped(&[]), &harmless, call("purge"))
        .await;
    assert_eq!(answer.status, 403);
    let trusting = Server::with(|_| {}, McpLayer::server_validates_headers);
    let none = trusting.scoped(&[]);
    assert_eq!(
        trusting.post(&none, &harmless, "not read").await.status,
        200
    );
    let guarded = [harmless[0], harmless[1], ("mcp-name", "purge")];
    let answer = trusting.post(&none, &guarded, "not read").await;
    answer.refused(403, "insufficient_scope", Some("notes:write notes:admin"));
    let older = [
        ("mcp-protocol-version", "2025-11-25"),
        harmless[1],
        harmless[2],
    ];
    assert_eq!(
        trusting.post(&none, &older, call("purge")).await.status,
        403
    );
}

#[tokio::test]
async fn the_server_does_not_see_the_token_unless_it_is_to() {
    let server = Server::new();
    let answer = server.post(&server.scoped(&[]), &[], call("ping")).await;
    assert_eq!(answer.body["authorization"], Value::Null);
    let handing = Server::with(|_| {}, McpLayer::keep_authorization);
    let token = handing.scoped(&[]);
    let answer = handing.post(&token, &[], call("ping")).await;
    assert_eq!(answer.body["authorization"], format!("Bearer {token}"));
}

#[tokio::test]
async fn a_session_is_its_callers_alone() {
    let server = Server::new();
    let initialize = r#"{"id":1,"method":"initialize"}"#;
    let own = || access().scopes(["notes:read"]);
    let token = server.token(&own());
    let bound = server.post(&token, &[], initialize).await;
    let bound = bound.session().to_owned();
    assert!(
        bound.starts_with("inner.1.") && bound.len() == "inner.1.".len() + 43,
        "{bound}"
    );

    // Their own, with another token of theirs as well; the server sees its own name.
    let refreshed = server.token(
        &own()
            .claim("jti", "another")
            .ttl(30)
            .scopes(["notes:write"]),
    );
    for token in [&token, &refreshed] {
        let answer = server
            .post(token, &[("mcp-session-id", &bound)], call("ping"))
            .await;
        assert_eq!(
            (answer.status, answer.body["session"].as_str()),
            (200, Some("inner.1"))
        );
    }
    // Nobody else's, and nothing that was not given out.
    let strangers = [
        own().sub("user_eve"),
        own().client_id("client_eve"),
        own().without("client_id"),
    ];
    for mint in strangers {
        let answer = server
            .post(
                &server.token(&mint),
                &[("mcp-session-id", &bound)],
                call("ping"),
            )
            .await;
        assert_eq!(
            (answer.status, &answer.body),
            (404, &json!({"detail": "session_not_found"}))
        );
    }
    let (id, tag) = bound.rsplit_once('.').unwrap();
    let flipped = format!(
        "{id}.{}",
        tag.replacen(&tag[..1], if &tag[..1] == "A" { "B" } else { "A" }, 1)
    );
    for forged in [
        "inner.1",
        "inner.1.",
        "",
        ".",
        &flipped,
        &format!("inner.2.{tag}"),
        tag,
    ] {
        let answer = server
            .post(&token, &[("mcp-session-id", forged)], call("ping"))
            .await;
        assert_eq!(answer.status, 404, "{forged}");
    }
    let twice = [("mcp-session-id", &*bound), ("mcp-session-id", "inner.1")];
    assert_eq!(server.post(&token, &twice, call("ping")).await.status, 404);
    // Streams and ends are the caller's as well.
    for method in ["GET", "DELETE"] {
        for (sub, status) in [("user_eve", 404), (Mint::USER, 200)] {
            let token = server.token(&own().sub(sub));
            let request = Request::builder().method(method).uri("/mcp");
            let request = request
                .header("authorization", format!("Bearer {token}"))
                .header("mcp-session-id", &bound);
            let answer = server.ask(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, status, "{method} {sub}");
        }
    }
}

#[tokio::test]
async fn nodes_with_one_secret_know_each_others_sessions() {
    let first = Server::new();
    let caller = first.token(&access().scopes(["notes:read"]));
    let bound = first
        .post(&caller, &[], r#"{"id":1,"method":"initialize"}"#)
        .await;
    let bound = bound.session().to_owned();
    let keys = first.issuer.jwks().to_string();
    let node = |secret: Option<&str>| {
        Server::with(
            |settings| {
                settings["issuer"][0]["keys"] = keys.as_str().into();
                settings["session_secret"] = secret.map_or(Value::Null, Into::into);
            },
            |layer| layer,
        )
    };
    let same = node(Some("a secret of 32 bytes, or of more"));
    let answer = same
        .post(&caller, &[("mcp-session-id", &bound)], call("list"))
        .await;
    assert_eq!(answer.status, 200);
    for other in [
        node(Some("another secret of 32 bytes, or more")),
        node(None),
    ] {
        let answer = other
            .post(&caller, &[("mcp-session-id", &bound)], call("list"))
            .await;
        assert_eq!(answer.status, 404);
    }
}

#[tokio::test]
async fn a_policy_holds_for_whatever_is_called() {
    let server = Server::with(
        |_| {},
        |layer| layer.policy(Policy::new().scopes(["notes:read", "mail"])),
    );
    let answer = server
        .post(&server.scoped(&["notes:write"]), &[], call("ping"))
        .await;
    answer.refused(403, "insufficient_scope", Some("notes:read mail"));
}

#[test]
fn mistakes_stop_the_start() {
    let issuer = issuer();
    let error = |change: &dyn Fn(&mut Value)| {
        let mut settings = settings(&issuer);
        change(&mut settings);
        let config = Config::from_json(&settings.to_string());
        let auth = config.and_then(|config| Authenticator::new(&config));
        auth.and_then(McpLayer::new).unwrap_err().to_string()
    };
    assert!(error(&|all| all["session_secret"] = "short".into()).contains("session_secret"));
    assert!(error(&|all| all["tool_scopes"] = json!({"add": "a\"b"})).contains("tool_scopes"));
    assert!(error(&|all| all["tool_scopes"] = json!({"": "a"})).contains("tool_scopes"));
    let without = |all: &mut Value| {
        for name in ["resource", "scopes_supported", "challenge_scopes"] {
            all.as_object_mut().unwrap().remove(name);
        }
        all["issuer"][0]["audience"] = RESOURCE.into();
    };
    assert!(error(&without).starts_with("resource: is missing"));
}

/// What `docs/guides/mcp-rust.md` tells operators to write can be written.
#[test]
fn the_guides_settings_are_settings() {
    let guide = include_str!("../../../docs/guides/mcp-rust.md");
    let mut read = 0;
    for block in guide.split("```toml\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        let settings = match block {
            _ if block.contains("[dependencies]") => continue,
            whole if whole.contains("resource =") => whole.to_owned(),
            piece => format!("resource = {RESOURCE:?}\n{piece}"),
        };
        Authenticator::new(&Config::from_toml(&settings).unwrap()).unwrap();
        read += 1;
    }
    assert_eq!(read, 2);
}
