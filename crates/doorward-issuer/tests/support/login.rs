//! Nodes of the OAuth server, a place where people sign in, and a client that walks through a login step by step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward_core::Secret;
use doorward_issuer::authorization_server::axum::router_with_source;
use doorward_issuer::authorization_server::transport::{HttpSettings, HttpTransport};
use doorward_issuer::authorization_server::{
    AnyStore, AuthorizationServer, Pages, Registration, Settings, Upstream, UpstreamAuthentication,
};
use doorward_issuer::{DevIssuer, Kind, Mint, SigningAlgorithm};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::web::{attribute, cookie, form, location, parameter};

/// What every node is told to be, wherever it listens.
const ISSUER: &str = "http://127.0.0.1:1";
const RESOURCE: &str = "http://127.0.0.1:1/mcp";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:2/callback";
pub(crate) const CLIENT_NAME: &str = "Ada's very own notebook";
pub(crate) const STATE: &str = "state-of-the-client-0123456789";
/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const PERSON: &str = "user_ada_lovelace";

/// Serves a place where everybody is Ada. Its codes are the nonces.
pub(crate) async fn accounts() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = DevIssuer::builder()
        .issuer(&url)
        .algorithms(&[SigningAlgorithm::ES256])
        .build()
        .unwrap();
    let routes = Router::new()
        .route("/keys", get(keys))
        .route("/token", post(token))
        .with_state(Arc::new(issuer));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    url
}

async fn keys(State(issuer): State<Arc<DevIssuer>>) -> Json<Value> {
    Json(issuer.jwks())
}

async fn token(State(issuer): State<Arc<DevIssuer>>, body: String) -> Json<Value> {
    let mut fields = url::form_urlencoded::parse(body.as_bytes());
    let (_, code) = fields.find(|(name, _)| name == "code").unwrap();
    let mint = Mint::kind(Kind::Oidc)
        .sub(PERSON)
        .aud("us")
        .claim("nonce", code.into_owned());
    Json(json!({ "id_token": issuer.mint(&mint).unwrap() }))
}

/// Serves a node over this store, and says where.
pub(crate) async fn node(store: AnyStore, accounts: &str) -> String {
    let upstream = Upstream::new(
        accounts,
        format!("{accounts}/authorize"),
        format!("{accounts}/token"),
        format!("{accounts}/keys"),
        "us",
        UpstreamAuthentication::None,
    );
    let secret = Secret::from("0123456789abcdef0123456789abcdef");
    let mut settings = Settings::new(ISSUER, RESOURCE, secret, upstream);
    settings.scopes = vec!["notes:read".to_owned()];
    settings.registration = Registration::Open {
        lifetime: 86_400,
        each_minute: 1000,
        all_each_minute: 10_000,
    };
    let server = AuthorizationServer::with_rotating_keys(settings).unwrap();
    let transport = HttpTransport::new(&HttpSettings::default()).unwrap();
    // Each request says where it came from, so that many logins fit into a minute.
    let source = |parts: &http::request::Parts| {
        let said = parts.headers.get("x-source")?.to_str().ok()?;
        said.parse().ok()
    };
    let routes = router_with_source(
        server,
        Arc::new(store),
        Arc::new(transport),
        Pages::default(),
        source,
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    base
}

/// A client and its user's browser. Each step names the node that it goes to.
#[derive(Clone)]
pub(crate) struct Program(Client);

/// A consent page that is shown.
pub(crate) struct Shown {
    pub(crate) transaction: String,
    pub(crate) form_token: String,
    pub(crate) cookie: String,
}

/// A sign-in that went upstream.
pub(crate) struct SigningIn {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) cookie: String,
}

/// What the token endpoint said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl Told {
    pub(crate) fn text(&self, name: &str) -> &str {
        let text = self.body[name].as_str();
        text.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

impl Program {
    pub(crate) fn new() -> Self {
        // A killed node's connections are not tried again.
        let builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30));
        Self(builder.build().unwrap())
    }

    pub(crate) async fn register(&self, base: &str) -> String {
        let told = told(self.register_at(base)).await.unwrap();
        assert_eq!(told.status, 201, "{told:?}");
        told.text("client_id").to_owned()
    }

    pub(crate) fn register_at(&self, base: &str) -> RequestBuilder {
        let said = json!({
            "client_name": CLIENT_NAME,
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        sourced(self.0.post(format!("{base}/register")))
            .header("content-type", "application/json")
            .body(said.to_string())
    }

    pub(crate) fn authorize_at(&self, base: &str, client_id: &str) -> RequestBuilder {
        let asked = form(&[
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", REDIRECT_URI),
            ("state", STATE),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", RESOURCE),
        ]);
        sourced(self.0.get(format!("{base}/authorize?{asked}"))).header("accept", "text/html")
    }

    pub(crate) async fn authorize(&self, base: &str, client_id: &str) -> Shown {
        let shown = self.authorize_at(base, client_id).send().await.unwrap();
        assert_eq!(shown.status(), 200);
        let cookie = cookie(&shown);
        let page = shown.text().await.unwrap();
        Shown {
            transaction: attribute(&page, r#"name="transaction" value=""#).to_owned(),
            form_token: attribute(&page, r#"name="form_token" value=""#).to_owned(),
            cookie,
        }
    }

    pub(crate) async fn consent(&self, base: &str, shown: &Shown) -> SigningIn {
        let fields = [
            ("transaction", shown.transaction.as_str()),
            ("form_token", shown.form_token.as_str()),
            ("decision", "allow"),
        ];
        let request = self.form_at(&format!("{base}/consent"), &fields);
        let gone = request
            .header("cookie", &shown.cookie)
            .send()
            .await
            .unwrap();
        let to = location(&gone);
        SigningIn {
            state: parameter(&to, "state"),
            nonce: parameter(&to, "nonce"),
            cookie: cookie(&gone),
        }
    }

    /// Signs in, and gives the code.
    pub(crate) async fn sign_in(&self, base: &str, signing_in: &SigningIn) -> String {
        let answer = form(&[("code", &signing_in.nonce), ("state", &signing_in.state)]);
        let request = self.0.get(format!("{base}/callback?{answer}"));
        let back = request.header("cookie", &signing_in.cookie).send().await;
        let back = location(&back.unwrap());
        assert_eq!(parameter(&back, "state"), STATE);
        parameter(&back, "code")
    }

    /// The published keys.
    pub(crate) async fn keys(&self, base: &str) -> Value {
        let told = told(self.0.get(format!("{base}/jwks"))).await.unwrap();
        assert_eq!(told.status, 200);
        told.body
    }

    /// Everything until there is a code.
    pub(crate) async fn code(&self, base: &str, client_id: &str) -> String {
        let shown = self.authorize(base, client_id).await;
        let signing_in = self.consent(base, &shown).await;
        self.sign_in(base, &signing_in).await
    }

    /// `None` if the node was killed over it.
    pub(crate) async fn redeem(&self, base: &str, client_id: &str, code: &str) -> Option<Told> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        told(self.form_at(&format!("{base}/token"), &fields)).await
    }

    /// `None` if the node was killed over it.
    pub(crate) async fn refresh(&self, base: &str, client_id: &str, token: &str) -> Option<Told> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", token),
        ];
        told(self.form_at(&format!("{base}/token"), &fields)).await
    }

    fn form_at(&self, url: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        sourced(self.0.post(url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(fields))
    }
}

/// From an address of its own.
fn sourced(request: RequestBuilder) -> RequestBuilder {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let [_, a, b, c] = number.to_be_bytes();
    request.header("x-source", format!("10.{a}.{b}.{c}"))
}

pub(crate) async fn told(request: RequestBuilder) -> Option<Told> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let header = response.headers().get("retry-after");
    let retry_after = header.map(|value| value.to_str().unwrap().to_owned());
    let body = response.text().await.ok()?;
    Some(Told {
        status,
        retry_after,
        body: serde_json::from_str(&body).unwrap_or_default(),
    })
}
