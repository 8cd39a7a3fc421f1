//! A client of MCP servers that knows nothing beforehand, and the accounts at which its people sign in.

#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward_issuer::{DevIssuer, Kind, Mint, SigningAlgorithm};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

/// Where people sign in: as whom the test says.
pub(crate) struct Accounts {
    pub(crate) issuer: DevIssuer,
    person: Mutex<&'static str>,
    nonces: Mutex<HashMap<String, String>>,
}

type Fields = HashMap<String, String>;

async fn sign_in(State(accounts): State<Arc<Accounts>>, Query(asked): Query<Fields>) -> Redirect {
    let code = format!("{}-{}", accounts.person.lock().unwrap(), asked["state"]);
    let mut nonces = accounts.nonces.lock().unwrap();
    nonces.insert(code.clone(), asked["nonce"].clone());
    let mut back = Url::parse(&asked["redirect_uri"]).unwrap();
    back.query_pairs_mut()
        .extend_pairs([("code", &code), ("state", &asked["state"])]);
    Redirect::to(back.as_str())
}

async fn redeem(State(accounts): State<Arc<Accounts>>, body: String) -> Json<Value> {
    let asked: Fields = form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let code = &asked["code"];
    let nonce = accounts.nonces.lock().unwrap().remove(code).unwrap();
    let (person, _) = code.split_once('-').unwrap();
    let mint = Mint::kind(Kind::Oidc)
        .sub(person)
        .aud("us")
        .claim("nonce", nonce);
    Json(
        json!({"id_token": accounts.issuer.mint(&mint).unwrap(), "access_token": "upstream", "token_type": "Bearer"}),
    )
}

async fn keys(State(accounts): State<Arc<Accounts>>) -> Json<Value> {
    Json(accounts.issuer.jwks())
}

pub(crate) async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}

pub(crate) fn serve(listener: TcpListener, router: Router) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
}

impl Accounts {
    /// Accounts that answer, and their issuer.
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let (listener, up) = listener().await;
        let issuer = DevIssuer::builder()
            .issuer(&up)
            .algorithms(&[SigningAlgorithm::ES256]);
        let accounts = Arc::new(Self {
            issuer: issuer.build().unwrap(),
            person: Mutex::new("ada"),
            nonces: Mutex::default(),
        });
        let metadata = json!({
            "issuer": up,
            "authorization_endpoint": format!("{up}/authorize"),
            "token_endpoint": format!("{up}/token"),
            "jwks_uri": format!("{up}/keys"),
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
        });
        let routes = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async move || Json(metadata)),
            )
            .route("/authorize", get(sign_in))
            .route("/token", post(redeem))
            .route("/keys", get(keys));
        serve(listener, routes.with_state(Arc::clone(&accounts)));
        (accounts, up)
    }
}

/// A client of the MCP server at `base`, path `/mcp`.
pub(crate) struct McpClient {
    pub(crate) base: String,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) client: reqwest::Client,
}

impl McpClient {
    pub(crate) fn new(base: String, accounts: Arc<Accounts>) -> Self {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy();
        Self {
            base,
            accounts,
            client: client.timeout(Duration::from_secs(20)).build().unwrap(),
        }
    }

    pub(crate) async fn get(&self, url: &str) -> Value {
        let response = self.client.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
        read(response).await
    }

    /// Follows a challenge to a token, as a client does that knows nothing beforehand.
    pub(crate) async fn log_in(&self, person: &'static str, challenge: &str) -> String {
        *self.accounts.person.lock().unwrap() = person;
        let resource = self.get(&quoted(challenge, "resource_metadata")).await;
        let issuer = resource["authorization_servers"][0].as_str().unwrap();
        let known = format!("{issuer}/.well-known/oauth-authorization-server");
        let metadata = self.get(&known).await;
        assert_eq!(metadata["issuer"], issuer);
        let endpoint = |name: &str| metadata[name].as_str().unwrap().to_owned();

        let redirect_uri = "http://127.0.0.1:1/callback";
        let registration = json!({"client_name": "A client", "redirect_uris": [redirect_uri]});
        let registered = self.client.post(endpoint("registration_endpoint"));
        let registered = registered.header("content-type", "application/json");
        let registered = registered
            .body(registration.to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(registered.status(), 201);
        let client_id = read(registered).await["client_id"]
            .as_str()
            .unwrap()
            .to_owned();

        // RFC 7636, appendix B.
        let (verifier, challenged) = (
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        );
        let mut to = Url::parse(&endpoint("authorization_endpoint")).unwrap();
        to.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &client_id),
            ("redirect_uri", redirect_uri),
            ("state", "mine"),
            ("scope", &quoted(challenge, "scope")),
            ("code_challenge", challenged),
            ("code_challenge_method", "S256"),
            ("resource", resource["resource"].as_str().unwrap()),
        ]);
        let shown = self.client.get(to).send().await.unwrap();
        assert_eq!(shown.status(), 200);
        let cookie = cookie(&shown);
        let page = shown.text().await.unwrap();
        let field = |name: &str| between(&page, &format!("name=\"{name}\" value=\""));
        let allowed = self
            .client
            .post(between(&page, "<form method=\"post\" action=\""));
        let allowed = form(
            allowed.header("cookie", cookie),
            &[
                ("transaction", &field("transaction")),
                ("form_token", &field("form_token")),
                ("decision", "allow"),
            ],
        );
        let mut answer = allowed.send().await.unwrap();
        let bound = self::cookie(&answer);
        let back = loop {
            let to = answer.headers()["location"].to_str().unwrap().to_owned();
            if to.starts_with(redirect_uri) {
                break Url::parse(&to).unwrap();
            }
            let next = self.client.get(&to).header("cookie", &bound);
            answer = next.send().await.unwrap();
            assert!(
                answer.status().is_redirection(),
                "{to}: {}",
                answer.status()
            );
        };
        let answered: Fields = back.query_pairs().into_owned().collect();
        assert_eq!(
            (&*answered["state"], &answered["iss"]),
            ("mine", &self.base)
        );
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", &client_id),
            ("code", &answered["code"]),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let given = form(self.client.post(endpoint("token_endpoint")), &fields);
        let given = given.send().await.unwrap();
        assert_eq!(given.status(), 200);
        read(given).await["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// One MCP message, in a session or in none.
    pub(crate) async fn speak(
        &self,
        token: &str,
        session: Option<&str>,
        message: &Value,
    ) -> Response {
        let request = self.client.post(format!("{}/mcp", self.base));
        let mut request = request
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        request.body(message.to_string()).send().await.unwrap()
    }

    pub(crate) async fn initialize(&self, token: &str) -> String {
        let answer = self.speak(token, None, &initialize()).await;
        assert_eq!(answer.status(), 200);
        let session = answer.headers()["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(
            self.speak(token, Some(&session), &ready).await.status(),
            202
        );
        session
    }

    /// What a tool answers.
    pub(crate) async fn call(
        &self,
        token: &str,
        session: &str,
        tool: &str,
        arguments: &Value,
    ) -> String {
        let answer = self
            .speak(token, Some(session), &call(tool, arguments))
            .await;
        assert_eq!(answer.status(), 200);
        let stream = answer.text().await.unwrap();
        let result = stream.lines().filter_map(|line| line.strip_prefix("data:"));
        let result: Value = result
            .filter_map(|data| serde_json::from_str(data).ok())
            .next_back()
            .unwrap();
        result["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

pub(crate) fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }})
}

pub(crate) fn call(tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

pub(crate) async fn read(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

pub(crate) fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

pub(crate) fn challenge(response: &Response) -> String {
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    challenge.to_owned()
}

/// A quoted parameter of a challenge.
pub(crate) fn quoted(challenge: &str, name: &str) -> String {
    between(challenge, &format!("{name}=\""))
}

pub(crate) fn between(text: &str, before: &str) -> String {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"));
    // A page's attributes have their slashes escaped.
    rest.split_once('"').unwrap().0.replace("&#x2f;", "/")
}

pub(crate) fn cookie(response: &Response) -> String {
    let mut cookies = response.headers().get_all("set-cookie").iter();
    let set = cookies.rfind(|cookie| !cookie.to_str().unwrap().contains("Max-Age=0"));
    let set = set.unwrap().to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}
