//! The OAuth server over HTTP, with a real client in front and a real server behind.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward_core::Secret;
use doorward_issuer::authorization_server::axum::router;
use doorward_issuer::authorization_server::transport::{HttpSettings, HttpTransport};
use doorward_issuer::authorization_server::{
    AuthorizationServer, MemoryStore, Pages, Settings, Upstream, UpstreamAuthentication,
};
use doorward_issuer::{DevIssuer, Kind, Mint, SigningAlgorithm, SigningKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[path = "support/web.rs"]
mod web;

use web::{attribute, client, cookie, form, location, parameter, post_form, serve};

struct Accounts {
    issuer: DevIssuer,
    nonce: Mutex<String>,
}

async fn keys(State(accounts): State<Arc<Accounts>>) -> Json<Value> {
    Json(accounts.issuer.jwks())
}

async fn token(State(accounts): State<Arc<Accounts>>, body: String) -> Json<Value> {
    assert!(body.contains("code=upstream-code") && body.contains("code_verifier="));
    let nonce = accounts.nonce.lock().unwrap().clone();
    let mint = Mint::kind(Kind::Oidc)
        .sub("user_ada")
        .aud("us")
        .claim("nonce", nonce);
    Json(json!({ "id_token": accounts.issuer.mint(&mint).unwrap() }))
}

#[tokio::test]
async fn a_login_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let up = format!("http://{}", listener.local_addr().unwrap());
    let accounts = Arc::new(Accounts {
        issuer: DevIssuer::builder()
            .issuer(&up)
            .algorithms(&[SigningAlgorithm::ES256])
            .build()
            .unwrap(),
        nonce: Mutex::default(),
    });
    let routes = Router::new()
        .route("/keys", get(keys))
        .route("/token", post(token))
        .with_state(Arc::clone(&accounts));
    tokio::spawn(serve(listener, routes));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let upstream = Upstream::new(
        up.as_str(),
        format!("{up}/authorize"),
        format!("{up}/token"),
        format!("{up}/keys"),
        "us",
        UpstreamAuthentication::None,
    );
    let secret = Secret::from("0123456789abcdef0123456789abcdef");
    let mut settings = Settings::new(base.as_str(), format!("{base}/mcp"), secret, upstream);
    settings.scopes = vec!["notes:read".to_owned()];
    let key = SigningKey::generate(SigningAlgorithm::ES256).unwrap();
    let server = AuthorizationServer::new(settings, vec![key]).unwrap();
    let routes = router(
        server,
        Arc::new(MemoryStore::default()),
        Arc::new(HttpTransport::new(&HttpSettings::default()).unwrap()),
        Pages::default(),
    );
    tokio::spawn(serve(listener, routes));

    let client = client();
    let metadata = format!("{base}/.well-known/oauth-authorization-server");
    let metadata = client
        .get(&metadata)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["issuer"], base.as_str());
    let endpoint = |name: &str| metadata[name].as_str().unwrap().to_owned();

    let redirect_uri = "http://127.0.0.1:1/callback";
    let said = json!({
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let registered = client
        .post(endpoint("registration_endpoint"))
        .header("content-type", "application/json")
        .body(said.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(registered.status(), 201);
    let registered: Value = serde_json::from_str(&registered.text().await.unwrap()).unwrap();
    let client_id = registered["client_id"].as_str().unwrap();

    // RFC 7636, appendix B.
    let (verifier, challenge) = (
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    );
    let asked = form(&[
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("state", "mine"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("resource", &format!("{base}/mcp")),
    ]);
    let to = format!("{}?{asked}", endpoint("authorization_endpoint"));
    let shown = client.get(to).send().await.unwrap();
    assert_eq!(shown.status(), 200);
    assert_eq!(shown.headers()["x-frame-options"], "DENY");
    let bound = cookie(&shown);
    let shown = shown.text().await.unwrap();
    let fields = [
        (
            "transaction",
            attribute(&shown, r#"name="transaction" value=""#),
        ),
        (
            "form_token",
            attribute(&shown, r#"name="form_token" value=""#),
        ),
        ("decision", "allow"),
    ];
    let action = attribute(&shown, r#"<form method="post" action=""#);
    let allowed = post_form(&client, action, &fields, &bound).await;
    let (bound, to) = (cookie(&allowed), location(&allowed));
    *accounts.nonce.lock().unwrap() = parameter(&to, "nonce");

    let answer = form(&[
        ("code", "upstream-code"),
        ("state", &parameter(&to, "state")),
    ]);
    let back = format!("{}?{answer}", parameter(&to, "redirect_uri"));
    let back = client
        .get(back)
        .header("cookie", bound)
        .send()
        .await
        .unwrap();
    let back = location(&back);
    assert_eq!(
        (parameter(&back, "state"), parameter(&back, "iss")),
        ("mine".into(), base.clone())
    );

    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", &parameter(&back, "code")),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier),
    ];
    let given = post_form(&client, &endpoint("token_endpoint"), &fields, "").await;
    assert_eq!(given.status(), 200);
    let given: Value = serde_json::from_str(&given.text().await.unwrap()).unwrap();
    assert_eq!(given["scope"], "notes:read");
    let again = post_form(&client, &endpoint("token_endpoint"), &fields, "").await;
    assert_eq!(again.status(), 400);

    // A person is told in a page, a program in JSON.
    let stray = format!("{}?client_id=nobody", endpoint("authorization_endpoint"));
    for (accept, content_type, said) in [
        (
            "text/html,*/*;q=0.8",
            "text/html; charset=utf-8",
            "<h1>This application is not known here</h1>",
        ),
        ("*/*", "application/json", r#""error":"invalid_request""#),
    ] {
        let refused = client
            .get(&stray)
            .header("accept", accept)
            .send()
            .await
            .unwrap();
        assert_eq!(
            (
                refused.status().as_u16(),
                &refused.headers()["content-type"]
            ),
            (400, &content_type.parse().unwrap())
        );
        let refused = refused.text().await.unwrap();
        assert!(refused.contains(said), "{refused}");
    }

    let long = "x".repeat(65 * 1024);
    let long = post_form(&client, &endpoint("token_endpoint"), &[("code", &long)], "").await;
    assert_eq!(long.status(), 413);

    // By the connection's address: ten in a minute, one of them above, however the minute falls.
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let request = client.post(endpoint("registration_endpoint"));
        let request = request.header("content-type", "application/json");
        let response = request.body(said.to_string()).send().await.unwrap();
        statuses.push(response.status().as_u16());
    }
    assert!(
        statuses.contains(&429) && statuses[..9] == [201; 9],
        "{statuses:?}"
    );
}
