//! People sign in at the local issuer, and their clients get tokens.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;
use std::time::Duration;

use doorward_issuer::{Client, DevIssuer, Fault, Mint, Served, SignIn, SigningAlgorithm};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use url::Url;

const REDIRECT: &str = "http://127.0.0.1:9/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct World {
    issuer: Arc<DevIssuer>,
    served: Served,
    http: reqwest::Client,
    secret: String,
}

fn world() -> World {
    let issuer = DevIssuer::builder()
        .algorithms(&[SigningAlgorithm::ES256])
        .build()
        .unwrap();
    let issuer = Arc::new(issuer);
    let http = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    World {
        served: issuer.serve("127.0.0.1:0".parse().unwrap()).unwrap(),
        secret: issuer.client().client_secret.clone().unwrap(),
        issuer,
        http,
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn request<'f>(instead: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", Mint::CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email"),
        ("state", "mine"),
        ("nonce", "once"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in instead {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    fields
}

fn redeem<'f>(code: &'f str, secret: &'f str) -> Vec<(&'f str, &'f str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", Mint::CLIENT),
        ("client_secret", secret),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

impl World {
    async fn get(&self, fields: &[(&str, &str)]) -> reqwest::Response {
        let url = format!("{}/oauth/authorize?{}", self.served.url(), encoded(fields));
        self.http.get(url).send().await.unwrap()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::Response {
        let request = self
            .http
            .post(format!("{}{path}", self.served.url()))
            .header("content-type", "application/x-www-form-urlencoded");
        request.body(encoded(fields)).send().await.unwrap()
    }

    async fn decide(&self, decision: &[(&str, &str)]) -> Url {
        let mut fields = request(&[]);
        fields.extend_from_slice(decision);
        location(&self.post("/oauth/authorize", &fields).await)
    }

    async fn code(&self) -> String {
        let back = self
            .decide(&[("sub", "user_grace"), ("decision", "allow")])
            .await;
        assert_eq!(parameter(&back, "state").as_deref(), Some("mine"));
        assert_eq!(parameter(&back, "iss"), Some(self.issuer.issuer()));
        parameter(&back, "code").unwrap()
    }

    async fn token(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        let answer = self.post("/oauth/token", fields).await;
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        )
    }
}

fn location(response: &reqwest::Response) -> Url {
    assert_eq!(response.status(), 303);
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    let engine = base64_simd::URL_SAFE_NO_PAD;
    serde_json::from_slice(&engine.decode_to_vec(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn somebody_signs_in_and_the_client_gets_tokens() {
    let world = world();
    let page = world.get(&request(&[("state", "<b>\"mine\"")])).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(
        page.contains(r#"name="state" value="&lt;b&gt;&quot;mine&quot;""#),
        "{page}"
    );
    assert!(page.contains(Mint::USER) && page.contains("<code>email</code>"));

    let code = world.code().await;
    let (status, told) = world.token(&redeem(&code, &world.secret)).await;
    assert_eq!((status, &told["token_type"]), (200, &json!("Bearer")));
    let id_token = claims(&told["id_token"]);
    assert_eq!(
        (
            &id_token["sub"],
            &id_token["aud"],
            &id_token["nonce"],
            &id_token["email"]
        ),
        (
            &json!("user_grace"),
            &json!(Mint::CLIENT),
            &json!("once"),
            &json!("user_grace@example.com")
        )
    );
    assert_eq!(id_token.get("name"), None, "profile was not asked for");
    let access = claims(&told["access_token"]);
    assert_eq!(
        (&access["scope"], &access["client_id"]),
        (&json!("openid email"), &json!(Mint::CLIENT))
    );
    assert_eq!(
        world
            .issuer
            .introspect(told["access_token"].as_str().unwrap())["active"],
        true
    );

    let (status, again) = world.token(&redeem(&code, &world.secret)).await;
    assert_eq!(
        (status, &again["error"]),
        (400, &json!("invalid_grant")),
        "once"
    );
}

#[tokio::test]
async fn a_refresh_token_is_replaced_and_can_be_revoked() {
    let world = world();
    let (_, first) = world
        .token(&redeem(&world.code().await, &world.secret))
        .await;
    let refresh = |token: &Value| {
        let token = token["refresh_token"].as_str().unwrap().to_owned();
        let world = &world;
        async move {
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", Mint::CLIENT),
                ("client_secret", world.secret.as_str()),
                ("refresh_token", token.as_str()),
            ];
            world.token(&fields).await
        }
    };
    let (status, second) = refresh(&first).await;
    assert_eq!(status, 200);
    assert_eq!(claims(&second["id_token"]).get("nonce"), None);
    assert_eq!(refresh(&first).await.0, 400, "replaced");
    let token = second["refresh_token"].as_str().unwrap();
    let fields = [
        ("client_id", Mint::CLIENT),
        ("client_secret", world.secret.as_str()),
        ("token", token),
    ];
    assert_eq!(
        world.post("/oauth/token/revoke", &fields).await.status(),
        200
    );
    assert_eq!(refresh(&second).await.0, 400, "revoked");
}

#[tokio::test]
async fn nobody_is_sent_to_where_the_client_is_not() {
    let world = world();
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "http://localhost.evil.example/cb"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", ""),
    ] {
        assert_eq!(
            world.get(&request(&[(name, value)])).await.status(),
            400,
            "{value}"
        );
    }
    let mut strict = Client::public("strict");
    strict.redirect_uris = vec!["https://app.example/cb".to_owned()];
    world.issuer.register(strict).unwrap();
    let at = |uri: &'static str| request(&[("client_id", "strict"), ("redirect_uri", uri)]);
    assert_eq!(world.get(&at(REDIRECT)).await.status(), 400);
    assert_eq!(world.get(&at("https://app.example/cb")).await.status(), 200);

    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none", "login_required"),
    ] {
        let back = location(&world.get(&request(&[(name, value)])).await);
        assert_eq!(parameter(&back, "error").as_deref(), Some(error));
        assert_eq!(parameter(&back, "iss"), Some(world.issuer.issuer()));
    }
    let back = world.decide(&[("sub", "x"), ("decision", "deny")]).await;
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_code_is_for_its_client_redirect_and_verifier() {
    let world = world();
    let other = world
        .issuer
        .register(Client::with_secret("other", "s"))
        .unwrap();
    for (name, value) in [
        (
            "code_verifier",
            "another-verifier-of-forty-three-letters-at-least",
        ),
        ("code_verifier", ""),
        ("redirect_uri", "http://127.0.0.1:9/other"),
        ("code", "another"),
    ] {
        let code = world.code().await;
        let mut fields = redeem(&code, &world.secret);
        fields.retain(|(known, _)| *known != name);
        fields.push((name, value));
        let (status, told) = world.token(&fields).await;
        assert_eq!(
            (status, &told["error"]),
            (400, &json!("invalid_grant")),
            "{name}"
        );
    }
    let code = world.code().await;
    let mut fields = redeem(&code, "s");
    fields[1] = ("client_id", &other.client_id);
    assert_eq!(world.token(&fields).await.1["error"], "invalid_grant");
    let code = world.code().await;
    assert_eq!(world.token(&redeem(&code, "wrong")).await.0, 401);
}

#[tokio::test]
async fn signing_in_can_be_automatic_and_can_go_wrong() {
    let world = world();
    world.issuer.sign_in(SignIn::automatic("user_eve").opaque());
    let code = parameter(&location(&world.get(&request(&[])).await), "code").unwrap();
    let (_, told) = world.token(&redeem(&code, &world.secret)).await;
    assert!(
        told["access_token"].as_str().unwrap().starts_with("oat_"),
        "{told}"
    );

    let (code, later) = (world.code().await, world.code().await);
    world
        .issuer
        .set_fault_at(doorward_issuer::Endpoint::Token, Fault::Down);
    assert_eq!(world.token(&redeem(&code, &world.secret)).await.0, 503);
    world
        .issuer
        .set_fault_at(doorward_issuer::Endpoint::Token, Fault::OtherSubject);
    let (_, told) = world.token(&redeem(&later, &world.secret)).await;
    assert_ne!(claims(&told["id_token"])["sub"], "user_grace");
    assert_eq!(world.issuer.requests(doorward_issuer::Endpoint::Token), 3);

    world.issuer.reset();
    assert_eq!(world.get(&request(&[])).await.status(), 200, "a page again");
}
