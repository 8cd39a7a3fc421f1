//! The example server as an MCP client meets it, over HTTP: a challenge, metadata, registration, consent, a token, calls, and
//! a step up. The authorization server and the resource are one process; people sign in at an upstream of the test's.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Form, Query, State};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward::{Authenticator, Config, Secret};
use doorward_issuer::authorization_server::axum::router;
use doorward_issuer::authorization_server::transport::{HttpSettings, HttpTransport};
use doorward_issuer::authorization_server::{
    AuthorizationServer, MemoryStore, Pages, Settings, Upstream, UpstreamAuthentication,
};
use doorward_issuer::{DevIssuer, Kind, Mint, SigningAlgorithm, SigningKey};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

#[allow(dead_code, reason = "its `main` is run by people")]
#[path = "../examples/mcp_server.rs"]
mod example;

/// Where people sign in: as whom the test says.
struct Accounts {
    issuer: DevIssuer,
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

async fn redeem(State(accounts): State<Arc<Accounts>>, Form(asked): Form<Fields>) -> Json<Value> {
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

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}

fn serve(listener: TcpListener, router: Router) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
}

/// The example behind the layer, the authorization server beside it, and the upstream.
struct World {
    base: String,
    accounts: Arc<Accounts>,
    client: reqwest::Client,
}

impl World {
    async fn new() -> Self {
        let (upstream_listener, up) = listener().await;
        let issuer = DevIssuer::builder()
            .issuer(&up)
            .algorithms(&[SigningAlgorithm::ES256]);
        let accounts = Arc::new(Accounts {
            issuer: issuer.build().unwrap(),
            person: Mutex::new("ada"),
            nonces: Mutex::default(),
        });
        let routes = Router::new()
            .route("/authorize", get(sign_in))
            .route("/token", post(redeem))
            .route("/keys", get(keys));
        serve(upstream_listener, routes.with_state(Arc::clone(&accounts)));

        let (listener, base) = listener().await;
        let resource = format!("{base}/mcp");
        let upstream = Upstream::new(
            up.as_str(),
            format!("{up}/authorize"),
            format!("{up}/token"),
            format!("{up}/keys"),
            "us",
            UpstreamAuthentication::None,
        );
        let secret = Secret::from("0123456789abcdef0123456789abcdef");
        let mut settings = Settings::new(base.as_str(), resource.as_str(), secret, upstream);
        let scopes = ["notes:read", "notes:write"];
        settings.scopes = scopes.map(str::to_owned).to_vec();
        let key = SigningKey::generate(SigningAlgorithm::ES256).unwrap();
        let server = AuthorizationServer::new(settings, vec![key]).unwrap();

        let config = json!({
            "issuer": [{"issuer": base, "keys": server.jwks().to_string(), "accepts": "oauth_token"}],
            "resource": resource,
            "scopes_supported": scopes,
            "challenge_scopes": "notes:read",
            "scope_implies": {"notes:write": ["notes:read"]},
            "tool_scopes": {"add_note": "notes:write"},
            "default_tool_scopes": "notes:read",
        });
        let auth = Authenticator::new(&Config::from_json(&config.to_string()).unwrap()).unwrap();
        let routes = router(
            server,
            Arc::new(MemoryStore::default()),
            Arc::new(HttpTransport::new(&HttpSettings::default()).unwrap()),
            Pages::default(),
        );
        serve(listener, example::server(&auth).unwrap().merge(routes));
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy();
        Self {
            base,
            accounts,
            client: client.timeout(Duration::from_secs(20)).build().unwrap(),
        }
    }

    async fn get(&self, url: &str) -> Value {
        let response = self.client.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
        read(response).await
    }

    /// Follows a challenge to a token, as a client does that knows nothing beforehand.
    async fn log_in(&self, person: &'static str, challenge: &str) -> String {
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
    async fn speak(&self, token: &str, session: Option<&str>, message: &Value) -> Response {
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

    async fn initialize(&self, token: &str) -> String {
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
    async fn call(&self, token: &str, session: &str, tool: &str, arguments: &Value) -> String {
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

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }})
}

fn call(tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

async fn read(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

fn challenge(response: &Response) -> String {
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    challenge.to_owned()
}

/// A quoted parameter of a challenge.
fn quoted(challenge: &str, name: &str) -> String {
    between(challenge, &format!("{name}=\""))
}

fn between(text: &str, before: &str) -> String {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"));
    // A page's attributes have their slashes escaped.
    rest.split_once('"').unwrap().0.replace("&#x2f;", "/")
}

fn cookie(response: &Response) -> String {
    let mut cookies = response.headers().get_all("set-cookie").iter();
    let set = cookies.rfind(|cookie| !cookie.to_str().unwrap().contains("Max-Age=0"));
    let set = set.unwrap().to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_gets_in_calls_and_steps_up() {
    let world = World::new().await;
    let refused = world.speak("", None, &initialize()).await;
    assert_eq!(refused.status(), 401);
    let first = challenge(&refused);
    assert!(!first.contains("error="), "{first}");
    assert_eq!(quoted(&first, "scope"), "notes:read");
    let token = world.log_in("ada", &first).await;
    let session = world.initialize(&token).await;
    let who = world.call(&token, &session, "whoami", &json!({})).await;
    assert!(who.starts_with("ada by "), "{who}");

    let note = || json!({"text": "buy milk"});
    let refused = world
        .speak(&token, Some(&session), &call("add_note", &note()))
        .await;
    assert_eq!(refused.status(), 403);
    let more = challenge(&refused);
    assert!(more.contains("error=\"insufficient_scope\""), "{more}");
    assert_eq!(quoted(&more, "scope"), "notes:read notes:write");
    let wider = world.log_in("ada", &more).await;
    let own = world.initialize(&wider).await;
    assert_eq!(
        world.call(&wider, &own, "add_note", &note()).await,
        "1 notes"
    );
    assert_eq!(
        world.call(&wider, &own, "list_notes", &json!({})).await,
        "buy milk"
    );
}

#[tokio::test]
async fn a_session_is_nobody_elses() {
    let world = World::new().await;
    let first = challenge(&world.speak("", None, &initialize()).await);
    let ada = world.log_in("ada", &first).await;
    let session = world.initialize(&ada).await;
    let eve = world.log_in("eve", &first).await;
    let whoami = call("whoami", &json!({}));
    let (inner, _) = session.rsplit_once('.').unwrap();
    for name in [&*session, inner] {
        let refused = world.speak(&eve, Some(name), &whoami).await;
        assert_eq!(refused.status(), 404, "{name}");
    }
    // Nor is it another client's, of the same person.
    let other = world.log_in("ada", &first).await;
    assert_eq!(
        world.speak(&other, Some(&session), &whoami).await.status(),
        404
    );
    assert!(
        world
            .call(&ada, &session, "whoami", &json!({}))
            .await
            .starts_with("ada by ")
    );
}

#[tokio::test]
async fn a_token_of_the_upstreams_is_no_token_here() {
    let world = World::new().await;
    let foreign = |mint: &Mint| world.accounts.issuer.mint(mint).unwrap();
    let resource = format!("{}/mcp", world.base);
    for mint in [
        Mint::kind(Kind::Oauth).aud(resource.as_str()),
        Mint::kind(Kind::Oauth)
            .aud(resource.as_str())
            .iss(world.base.as_str()),
        Mint::kind(Kind::Oidc).aud("us"),
    ] {
        let refused = world.speak(&foreign(&mint), None, &initialize()).await;
        assert_eq!(refused.status(), 401);
        assert!(challenge(&refused).contains("error=\"invalid_token\""));
    }
}

#[tokio::test]
async fn a_newer_client_is_judged_by_its_header_fields() {
    let world = World::new().await;
    let first = challenge(&world.speak("", None, &initialize()).await);
    let token = world.log_in("ada", &first).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let speak = async |named: &str, called: &str| {
        let mut message = call(called, &json!({"text": "x"}));
        message["params"]["_meta"] = meta.clone();
        let request = world.client.post(format!("{}/mcp", world.base));
        let request = request
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", named);
        let response = request.body(message.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (status, said) = speak("whoami", "whoami").await;
    assert!(status == 200 && said.contains("ada by "), "{status} {said}");
    let (status, said) = speak("add_note", "add_note").await;
    assert_eq!(status, 403, "{said}");
    // Whoever names one tool and calls another gets past the layer, and no further.
    let (status, said) = speak("whoami", "add_note").await;
    assert!(
        status == 400 && said.contains("Mcp-Name"),
        "{status} {said}"
    );
}
