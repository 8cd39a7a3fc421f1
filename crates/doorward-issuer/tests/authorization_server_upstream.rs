//! The OAuth server and what stands behind it, over HTTP: an upstream in every kind of trouble, clients' documents, and
//! many requests at once.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "support/web.rs"]
mod web;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use doorward_core::Secret;
use doorward_issuer::authorization_server::axum::{CheckLayer, router};
use doorward_issuer::authorization_server::transport::{HttpSettings, HttpTransport};
use doorward_issuer::authorization_server::{
    AuthorizationServer, MemoryStore, Pages, Sessions, Settings, Standing, Upstream,
    UpstreamAuthentication, UpstreamCheck,
};
use doorward_issuer::{DevIssuer, Kind, Mint, SigningAlgorithm};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use web::{attribute, client, cookie, form, location, parameter, post_form, serve};

const APP: &str = "https://app.example.com";
const DOCUMENT: &str = "https://app.example.com/client.json";
const CALLBACK: &str = "http://127.0.0.1:1/callback";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// How one endpoint of the upstream's does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    Down,
    Garbage,
    Slow,
}

/// An upstream, and a place where a client's document is.
struct Accounts {
    issuer: DevIssuer,
    nonce: Mutex<String>,
    trouble: Mutex<Option<(&'static str, Trouble)>>,
    ended: Mutex<bool>,
    introspections: AtomicU32,
    /// Seconds that its access tokens live.
    lives: i64,
}

async fn answer(State(accounts): State<Arc<Accounts>>, uri: Uri, body: String) -> Response {
    let path = uri.path();
    let trouble = *accounts.trouble.lock().unwrap();
    match trouble.filter(|(where_, _)| *where_ == path) {
        Some((_, Trouble::Down)) => return StatusCode::BAD_GATEWAY.into_response(),
        Some((_, Trouble::Garbage)) => return "<html>".into_response(),
        Some((_, Trouble::Slow)) => tokio::time::sleep(Duration::from_secs(5)).await,
        None => {}
    }
    let json = |body: Value| axum::Json(body).into_response();
    match path {
        "/keys" => json(accounts.issuer.jwks()),
        "/introspect" => {
            accounts.introspections.fetch_add(1, Ordering::SeqCst);
            json(json!({ "active": !*accounts.ended.lock().unwrap() }))
        }
        "/revoke" => json(json!({})),
        "/token" if body.contains("grant_type=refresh_token") => {
            let ended = *accounts.ended.lock().unwrap();
            let refused = (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#);
            if ended {
                return refused.into_response();
            }
            json(json!({ "access_token": "up-access-1", "expires_in": accounts.lives }))
        }
        "/token" => {
            let nonce = accounts.nonce.lock().unwrap().clone();
            let mint = Mint::kind(Kind::Oidc)
                .sub("user_ada")
                .aud("us")
                .claim("nonce", nonce);
            json(json!({
                "id_token": accounts.issuer.mint(&mint).unwrap(),
                "access_token": "up-access-0",
                "refresh_token": "up-refresh-0",
                "expires_in": accounts.lives,
            }))
        }
        "/client.json" => json(json!({
            "client_id": DOCUMENT,
            "client_name": "Published",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
        })),
        "/moved.json" => ([(header::LOCATION, "/client.json")], StatusCode::FOUND).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

struct Site {
    accounts: Arc<Accounts>,
    base: String,
    client: reqwest::Client,
    sessions: Arc<Sessions<MemoryStore, HttpTransport>>,
}

async fn site(lives: i64, change: fn(&mut Settings)) -> Site {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let up = format!("http://{}", listener.local_addr().unwrap());
    let accounts = Arc::new(Accounts {
        issuer: DevIssuer::builder()
            .issuer(&up)
            .algorithms(&[SigningAlgorithm::ES256])
            .build()
            .unwrap(),
        nonce: Mutex::default(),
        trouble: Mutex::default(),
        ended: Mutex::default(),
        introspections: AtomicU32::new(0),
        lives,
    });
    let routes = Router::new()
        .fallback(any(answer))
        .with_state(Arc::clone(&accounts));
    tokio::spawn(serve(listener, routes));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut upstream = Upstream::new(
        up.as_str(),
        format!("{up}/authorize"),
        format!("{up}/token"),
        format!("{up}/keys"),
        "us",
        UpstreamAuthentication::None,
    );
    upstream.introspection_endpoint = Some(format!("{up}/introspect"));
    upstream.revocation_endpoint = Some(format!("{up}/revoke"));
    let secret = Secret::from("0123456789abcdef0123456789abcdef");
    let mut settings = Settings::new(base.as_str(), format!("{base}/mcp"), secret, upstream);
    settings.scopes = vec!["notes:read".to_owned()];
    change(&mut settings);
    let server = AuthorizationServer::with_rotating_keys(settings).unwrap();
    let http = {
        let mut settings = HttpSettings::default();
        settings.timeout = Duration::from_millis(500);
        settings.keys_lifetime = Duration::ZERO;
        let transport = HttpTransport::new(&settings).unwrap();
        let transport = transport.dangerously_connect_for_tests("app.example.com", &up);
        Arc::new(transport.unwrap())
    };
    let store = Arc::new(MemoryStore::default());
    let sessions = Sessions::new(server.clone(), Arc::clone(&store), Arc::clone(&http));
    tokio::spawn(serve(
        listener,
        router(server, store, http, Pages::default()),
    ));
    Site {
        accounts,
        base,
        client: client(),
        sessions: Arc::new(sessions),
    }
}

impl Site {
    async fn ask(&self, client_id: &str) -> reqwest::Response {
        let asked = form(&[
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let to = format!("{}/authorize?{asked}", self.base);
        self.client.get(to).send().await.unwrap()
    }

    /// Signs in, and tells what came back to the client: `code` or `error`.
    async fn sign_in(&self, client_id: &str, name: &str) -> String {
        let shown = self.ask(client_id).await;
        assert_eq!(shown.status(), 200);
        let bound = cookie(&shown);
        let shown = shown.text().await.unwrap();
        let transaction = attribute(&shown, r#"name="transaction" value=""#);
        let form_token = attribute(&shown, r#"name="form_token" value=""#);
        let fields = [
            ("transaction", transaction),
            ("form_token", form_token),
            ("decision", "allow"),
        ];
        let action = attribute(&shown, r#"<form method="post" action=""#);
        let allowed = post_form(&self.client, action, &fields, &bound).await;
        let (bound, to) = (cookie(&allowed), location(&allowed));
        *self.accounts.nonce.lock().unwrap() = parameter(&to, "nonce");
        let state = parameter(&to, "state");
        let answer = form(&[("code", "upstream-code"), ("state", &state)]);
        let back = format!("{}?{answer}", parameter(&to, "redirect_uri"));
        let back = self.client.get(back).header("cookie", bound);
        parameter(&location(&back.send().await.unwrap()), name)
    }

    async fn token(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/token", self.base);
        let answer = post_form(&self.client, &url, fields, "").await;
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn tokens(&self) -> Value {
        let code = self.sign_in(DOCUMENT, "code").await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", DOCUMENT),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let (status, given) = self.token(&fields).await;
        assert_eq!(status, 200, "{given}");
        given
    }

    fn trouble(&self, path: &'static str, trouble: impl Into<Option<Trouble>>) {
        *self.accounts.trouble.lock().unwrap() = trouble.into().map(|trouble| (path, trouble));
    }
}

fn sid(given: &Value) -> String {
    let payload = given["access_token"].as_str().unwrap().split('.').nth(1);
    let payload = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(payload.unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_trouble_of_the_upstreams_is_a_word_against_a_token() {
    let all = [Trouble::Down, Trouble::Garbage, Trouble::Slow];
    for trouble in all {
        // Each has its own site: who was in trouble is left alone for a while.
        let site = site(3600, |_| {}).await;
        for (path, error) in [
            ("/keys", "temporarily_unavailable"),
            (
                "/token",
                match trouble {
                    Trouble::Garbage => "server_error",
                    Trouble::Down | Trouble::Slow => "temporarily_unavailable",
                },
            ),
        ] {
            site.trouble(path, trouble);
            let told = site.sign_in(DOCUMENT, "error").await;
            assert_eq!(told, error, "{path} {trouble:?}");
        }
    }
}

#[tokio::test]
async fn who_was_let_in_stays_in_while_the_upstream_is_in_trouble_or_waits() {
    let site = site(3600, |settings| {
        settings.upstream_check = UpstreamCheck::Always;
    })
    .await;
    let given = site.tokens().await;
    let sid = sid(&given);
    for trouble in [Trouble::Down, Trouble::Garbage, Trouble::Slow] {
        site.trouble("/introspect", trouble);
        assert_eq!(
            site.sessions.check(&sid).await,
            Standing::Unknown,
            "{trouble:?}"
        );
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", DOCUMENT),
            ("refresh_token", given["refresh_token"].as_str().unwrap()),
        ];
        let (status, told) = site.token(&fields).await;
        assert_eq!(
            (status, &told["error"]),
            (503, &json!("temporarily_unavailable")),
            "{trouble:?}"
        );
    }
    site.trouble("", None);
    assert_eq!(site.sessions.check(&sid).await, Standing::Stands);
    let token = site.sessions.upstream_token(&sid).await.unwrap();
    assert_eq!(token.access_token.expose(), "up-access-0");
    // Whatever the upstream says to it, what is revoked is revoked.
    for (trouble, given) in [(Trouble::Down, given), (Trouble::Slow, site.tokens().await)] {
        site.trouble("/revoke", trouble);
        let token = given["refresh_token"].as_str().unwrap();
        let fields = [("client_id", DOCUMENT), ("token", token)];
        let url = format!("{}/revoke", site.base);
        let answer = post_form(&site.client, &url, &fields, "").await;
        assert_eq!(answer.status(), 200);
        let sid = self::sid(&given);
        assert_eq!(site.sessions.check(&sid).await, Standing::Ended);
        site.trouble("", None);
    }
}

#[tokio::test]
async fn an_access_token_that_expired_upstream_waits_for_the_upstream() {
    // It has expired as soon as it comes.
    let site = site(1, |_| {}).await;
    let given = site.tokens().await;
    site.trouble("/token", Trouble::Slow);
    assert_eq!(site.sessions.check(&sid(&given)).await, Standing::Unknown);
}

#[tokio::test]
async fn of_many_at_once_one_asks() {
    let site = site(3600, |settings| {
        settings.upstream_check = UpstreamCheck::Every(1);
    })
    .await;
    let sid = sid(&site.tokens().await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (sessions, sid) = (Arc::clone(&site.sessions), sid.clone());
        tasks.spawn(async move { sessions.check(&sid).await });
    }
    let standings = tasks.join_all().await;
    assert!(
        standings
            .iter()
            .all(|standing| *standing == Standing::Stands)
    );
    // A second may have begun meanwhile.
    let asked = site.accounts.introspections.load(Ordering::SeqCst);
    assert!((1..=2).contains(&asked), "{asked}");
    // What the upstream ends has ended here when the time is over that is remembered.
    *site.accounts.ended.lock().unwrap() = true;
    let deadline = Instant::now() + Duration::from_secs(10);
    while site.sessions.check(&sid).await != Standing::Ended {
        assert!(Instant::now() < deadline, "it never ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(site.sessions.upstream_token(&sid).await.is_err());
}

#[tokio::test]
async fn a_request_gets_as_far_as_its_family_stands() {
    let site = site(3600, |settings| {
        settings.upstream_check = UpstreamCheck::Always;
    })
    .await;
    let sid = sid(&site.tokens().await);
    let whose = |parts: &Parts| {
        let sid = parts.headers.get("x-verified-sid")?;
        Some(sid.to_str().ok()?.to_owned())
    };
    let routes = Router::new()
        .route("/mcp", any(|| async { "in" }))
        .layer(CheckLayer::new(Arc::clone(&site.sessions), whose));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, routes));
    let ask = |sid: Option<&str>| {
        let request = site.client.post(&url);
        let request = match sid {
            Some(sid) => request.header("x-verified-sid", sid),
            None => request,
        };
        async move { request.send().await.unwrap() }
    };
    assert_eq!(ask(None).await.status(), 200);
    assert_eq!(ask(Some(&sid)).await.status(), 200);
    site.trouble("/introspect", Trouble::Down);
    let unknown = ask(Some(&sid)).await;
    assert_eq!(
        (
            unknown.status().as_u16(),
            unknown.headers()["retry-after"].to_str().unwrap()
        ),
        (503, "5")
    );
    site.trouble("", None);
    *site.accounts.ended.lock().unwrap() = true;
    let ended = ask(Some(&sid)).await;
    assert_eq!(ended.status(), 401);
    let challenge = ended.headers()["www-authenticate"].to_str().unwrap();
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", site.base);
    assert!(
        challenge.contains(&format!(r#"resource_metadata="{metadata}""#)),
        "{challenge}"
    );
    assert_eq!(
        site.client.get(metadata).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn a_document_that_moved_or_that_is_inside_is_no_client() {
    let site = site(3600, |_| {}).await;
    for url in [
        format!("{APP}/moved.json"),
        format!("{APP}/nowhere.json"),
        // Where this test's servers are, by an address, and by a name that leads to one.
        format!("{}/client.json", site.base),
        "https://127.0.0.1/client.json".to_owned(),
        "https://localhost/client.json".to_owned(),
    ] {
        let refused = site.ask(&url).await;
        assert_eq!(refused.status(), 400, "{url}");
    }
}
