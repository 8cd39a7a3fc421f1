use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Barrier, Mutex};
use std::task::{Context, Poll, Waker};

use doorward_core::{
    AlgorithmSet, Credential, JwkSet, KindSet, NoFacts, Secret, Timestamp, TokenKind,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use http::{Request, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::secrets::s256;
use super::*;
use crate::encoding::{base64, base64url_decode};
use crate::{DevIssuer, Kind as TokenShape, Mint};

mod advisories;
mod clients;
mod habits;
#[cfg(all(feature = "metrics", feature = "tracing"))]
mod observed;
mod sessions;
mod signing;

const NOW: i64 = 1_800_000_000;
const UPSTREAM: &str = "https://accounts.example.com";
const ISSUER: &str = "https://mcp.example.com/auth";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const CALLBACK: &str = "http://127.0.0.1:33418/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

pub(super) fn settings() -> Settings {
    let upstream = Upstream::new(
        UPSTREAM,
        "https://accounts.example.com/oauth/authorize",
        "https://accounts.example.com/oauth/token",
        "https://accounts.example.com/.well-known/jwks.json",
        "doorward-mcp",
        UpstreamAuthentication::Basic(Secret::from("up stream:secret")),
    );
    let secret = Secret::from("0123456789abcdef0123456789abcdef");
    let mut settings = Settings::new(ISSUER, RESOURCE, secret, upstream);
    settings.scopes = ["notes:read", "notes:write"].map(str::to_owned).to_vec();
    let redirect_uris = vec!["https://desk.example.com/cb".into()];
    let mut desk = StaticClient::new("desk", "Desk", redirect_uris);
    desk.client_secret = Some(Secret::from("desk&secret"));
    settings.clients = vec![desk];
    settings
}

/// A server, its store, its upstream, and a browser's cookies.
struct World {
    server: AuthorizationServer,
    store: MemoryStore,
    upstream: Upstreams,
    now: i64,
    seeds: u8,
    jar: Vec<(String, String)>,
}

/// The local issuer in the place of an authorization server that people sign in at.
struct Upstreams {
    issuer: DevIssuer,
    /// What the last redirect asked for: nonce and challenge.
    asked: Mutex<(String, String)>,
    /// Spoils the ID token.
    spoil: fn(Mint) -> Mint,
    down: bool,
    calls: Mutex<Vec<String>>,
    /// What the token endpoint gives besides the ID token, if anything.
    gives: fn() -> Value,
    books: Mutex<Books>,
    /// What strangers publish, and how often it was asked for.
    documents: Mutex<BTreeMap<String, Result<DocumentAnswer, DocumentError>>>,
    fetched: Mutex<Vec<DocumentCall>>,
}

/// What an upstream knows of the tokens it gave.
#[derive(Default)]
struct Books {
    /// How often the refresh token was rotated: the current one is `up-refresh-{rotations}`.
    rotations: u32,
    /// Whether it stands by its tokens no longer.
    ended: bool,
    /// What introspection and userinfo say of the subject.
    sub: Option<&'static str>,
    /// The status of everything but the keys, instead of an answer.
    status: Option<u16>,
    revoked: Vec<String>,
}

impl Transport for Upstreams {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamUnreachable> {
        self.calls.lock().unwrap().push(call.url.clone());
        if self.down {
            return Err(UpstreamUnreachable);
        }
        let path = call.url.strip_prefix(UPSTREAM).unwrap();
        let answer = |status, body: Value| {
            Ok(UpstreamAnswer {
                status,
                body: body.to_string().into_bytes(),
            })
        };
        if path == "/.well-known/jwks.json" {
            return answer(200, self.issuer.jwks());
        }
        let mut books = self.books.lock().unwrap();
        if let Some(status) = books.status {
            return answer(status, json!({}));
        }
        let sub = books.sub.unwrap_or("user_ada");
        if path == "/oauth/userinfo" {
            let bearer = call.authorization.unwrap();
            assert!(bearer.expose().starts_with("Bearer up-access-"));
            let status = if books.ended { 401 } else { 200 };
            return answer(status, json!({ "sub": sub }));
        }
        let header = format!("Basic {}", base64(b"doorward-mcp:up+stream%3Asecret"));
        assert_eq!(call.authorization.unwrap().expose(), header);
        let form = call.form.unwrap();
        let form: Vec<(String, String)> = form_urlencoded::parse(form.expose().as_bytes())
            .into_owned()
            .collect();
        let field = |name: &str| {
            form.iter()
                .find(|(key, _)| key == name)
                .map(|(_, v)| v.as_str())
        };
        match path {
            "/oauth/revoke" => {
                books.revoked.push(field("token").unwrap().to_owned());
                return answer(200, json!({}));
            }
            "/oauth/token_info" => {
                let active = !books.ended;
                return answer(200, json!({ "active": active, "sub": sub }));
            }
            _ => assert_eq!(path, "/oauth/token"),
        }
        if field("grant_type") == Some("refresh_token") {
            let current = format!("up-refresh-{}", books.rotations);
            if books.ended || field("refresh_token") != Some(&current) {
                return answer(400, json!({ "error": "invalid_grant" }));
            }
            books.rotations += 1;
            let body = json!({
                "access_token": format!("up-access-{}", books.rotations),
                "refresh_token": format!("up-refresh-{}", books.rotations),
                "expires_in": 300,
            });
            return answer(200, body);
        }
        let (nonce, challenge) = self.asked.lock().unwrap().clone();
        assert_eq!(s256(field("code_verifier").unwrap()), challenge);
        assert_eq!(
            field("redirect_uri"),
            Some("https://mcp.example.com/auth/callback")
        );
        if field("code") != Some("upstream-code") {
            return answer(400, json!({}));
        }
        let mint = Mint::kind(TokenShape::Oidc)
            .sub("user_ada")
            .aud("doorward-mcp")
            .claim("email", json!("ada@example.com"))
            .claim("nonce", json!(nonce));
        let mut body = (self.gives)();
        body["id_token"] = json!(self.issuer.mint(&(self.spoil)(mint)).unwrap());
        answer(200, body)
    }

    async fn document(&self, call: DocumentCall) -> Result<DocumentAnswer, DocumentError> {
        let documents = self.documents.lock().unwrap();
        let found = documents.get(&call.url).cloned();
        self.fetched.lock().unwrap().push(call);
        found.unwrap_or(Err(DocumentError::Refused("it is not there")))
    }
}

/// Nothing in these tests ever waits.
fn done<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waited"),
    }
}

fn world() -> World {
    with(settings())
}

fn with(settings: Settings) -> World {
    let key = SigningKey::generate(SigningAlgorithm::ES256).unwrap();
    let issuer = DevIssuer::builder()
        .issuer(UPSTREAM)
        .algorithms(&[SigningAlgorithm::ES256])
        .clock(|| NOW)
        .build()
        .unwrap();
    World {
        server: AuthorizationServer::new(settings, vec![key]).unwrap(),
        store: MemoryStore::default(),
        upstream: Upstreams {
            issuer,
            asked: Mutex::default(),
            spoil: |mint| mint,
            down: false,
            calls: Mutex::default(),
            gives: || json!({ "access_token": "x", "token_type": "Bearer" }),
            books: Mutex::default(),
            documents: Mutex::default(),
            fetched: Mutex::default(),
        },
        now: NOW,
        seeds: 0,
        jar: Vec::new(),
    }
}

impl World {
    fn exchange(&mut self, request: Request<Vec<u8>>) -> Exchange {
        self.seeds = self.seeds.wrapping_add(1);
        let moment = Moment::new(self.now, [self.seeds; 32]);
        self.server
            .handle(request, Some([192, 0, 2, 1].into()), moment)
    }

    fn ask(&mut self, mut request: Request<Vec<u8>>) -> Reply {
        let cookies: Vec<_> = self
            .jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request
                .headers_mut()
                .insert(COOKIE, cookies.join("; ").parse().unwrap());
        }
        let exchange = self.exchange(request);
        let reply = done(exchange.run(&self.store, &self.upstream));
        let headers = match &reply {
            Reply::Response(response) => response.headers().clone(),
            Reply::Consent(prompt) => prompt.headers(),
        };
        for cookie in headers.get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap().to_owned();
            self.jar.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.jar.push((name.to_owned(), value));
            }
        }
        reply
    }

    fn respond(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        match self.ask(request) {
            Reply::Response(response) => response,
            Reply::Consent(prompt) => panic!("{prompt:?}"),
        }
    }

    fn register(&mut self, metadata: &Value) -> (u16, Value) {
        let request = Request::post("/auth/register")
            .header(CONTENT_TYPE, "application/json")
            .body(metadata.to_string().into_bytes())
            .unwrap();
        told(&self.respond(request))
    }

    fn registered(&mut self) -> String {
        let metadata = json!({
            "client_name": "A notebook",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let (status, told) = self.register(&metadata);
        assert_eq!(status, 201, "{told}");
        told["client_id"].as_str().unwrap().to_owned()
    }

    fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response<Vec<u8>> {
        self.respond(form_request(path, form))
    }

    fn token(&mut self, form: &[(&str, &str)]) -> (u16, Value) {
        told(&self.post("/auth/token", form))
    }

    /// The same form to `/token` from 32 threads.
    fn at_once(&mut self, form: &[(&str, &str)]) -> Vec<(u16, Value)> {
        let exchanges: Vec<_> = (0..32)
            .map(|_| self.exchange(form_request("/auth/token", form)))
            .collect();
        let (store, upstream, start) = (&self.store, &self.upstream, &Barrier::new(32));
        std::thread::scope(|scope| {
            let begin = |exchange: Exchange| {
                scope.spawn(move || {
                    start.wait();
                    match done(exchange.run(store, upstream)) {
                        Reply::Response(response) => told(&response),
                        reply => panic!("{reply:?}"),
                    }
                })
            };
            let threads: Vec<_> = exchanges.into_iter().map(begin).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        })
    }

    fn prompt(&mut self, client_id: &str) -> Box<ConsentPrompt> {
        let request = authorize(client_id, &[]);
        match self.ask(request) {
            Reply::Consent(prompt) => prompt,
            Reply::Response(response) => panic!("{response:?}"),
        }
    }

    fn decide(&mut self, prompt: &ConsentPrompt, decision: &str) -> Response<Vec<u8>> {
        let form = [
            ("transaction", prompt.transaction.as_str()),
            ("form_token", prompt.form_token.as_str()),
            ("decision", decision),
        ];
        self.post("/auth/consent", &form)
    }

    /// Consents, and tells the state that went upstream.
    fn upstream_state(&mut self, client_id: &str) -> String {
        let prompt = self.prompt(client_id);
        let to = location(&self.decide(&prompt, "allow"));
        let (nonce, challenge) = (parameter(&to, "nonce"), parameter(&to, "code_challenge"));
        *self.upstream.asked.lock().unwrap() = (nonce.unwrap(), challenge.unwrap());
        parameter(&to, "state").unwrap()
    }

    fn back(&mut self, parameters: &[(&str, &str)]) -> Response<Vec<u8>> {
        let to = redirect::with_query("/auth/callback", parameters);
        self.respond(Request::get(to).body(Vec::new()).unwrap())
    }

    fn code(&mut self, client_id: &str) -> String {
        let state = self.upstream_state(client_id);
        let back = self.back(&[
            ("code", "upstream-code"),
            ("state", &state),
            ("iss", UPSTREAM),
        ]);
        parameter(&location(&back), "code").expect("a code")
    }

    fn tokens(&mut self, client_id: &str) -> Value {
        let code = self.code(client_id);
        let (status, told) = self.token(&redeem(client_id, &code));
        assert_eq!(status, 200, "{told}");
        told
    }

    fn refresh(&mut self, client_id: &str, token: &Value) -> (u16, Value) {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", token.as_str().unwrap()),
        ])
    }
}

fn form_request(path: &str, form: &[(&str, &str)]) -> Request<Vec<u8>> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    Request::post(path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.into_bytes())
        .unwrap()
}

/// A good request, with these parameters instead; an empty one is left out.
fn authorize(client_id: &str, instead: &[(&str, &str)]) -> Request<Vec<u8>> {
    let challenge = s256(VERIFIER);
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", CALLBACK),
        ("state", "a state & more"),
        ("scope", "notes:read"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("resource", RESOURCE),
    ];
    for (name, value) in instead {
        parameters.retain(|(known, _)| known != name);
        parameters.extend((!value.is_empty()).then_some((*name, *value)));
    }
    let to = redirect::with_query("/auth/authorize", &parameters);
    Request::get(to).body(Vec::new()).unwrap()
}

fn redeem<'f>(client_id: &'f str, code: &'f str) -> [(&'f str, &'f str); 6] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("resource", RESOURCE),
    ]
}

fn told(response: &Response<Vec<u8>>) -> (u16, Value) {
    (
        response.status().as_u16(),
        serde_json::from_slice(response.body()).unwrap_or_default(),
    )
}

fn location(response: &Response<Vec<u8>>) -> String {
    assert_eq!(response.status(), 303, "{:?}", told(response));
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let first = found.next().map(|(_, value)| value.into_owned());
    assert!(found.next().is_none(), "{name} twice in {url}");
    first
}

fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&base64url_decode(part).unwrap()).unwrap()
}

#[test]
fn a_login_from_the_metadata_to_the_revocation() {
    let mut world = world();
    // RFC 9728, then RFC 8414, as a client goes.
    let get = |path: &str| Request::get(path).body(Vec::new()).unwrap();
    let (_, resource) = told(&world.respond(get("/.well-known/oauth-protected-resource/mcp")));
    assert_eq!(resource["resource"], RESOURCE);
    assert_eq!(resource["authorization_servers"], json!([ISSUER]));
    let (_, metadata) = told(&world.respond(get("/.well-known/oauth-authorization-server/auth")));
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(
        metadata["registration_endpoint"],
        "https://mcp.example.com/auth/register"
    );

    let client_id = world.registered();
    let prompt = world.prompt(&client_id);
    assert_eq!(prompt.client_name, "A notebook");
    assert_eq!(prompt.redirect_host, "http://127.0.0.1:33418");
    assert!(prompt.only_on_this_machine);
    assert_eq!(prompt.scopes, ["notes:read"]);
    assert!(
        world
            .jar
            .iter()
            .all(|(name, _)| name.starts_with("__Host-doorward_consent_"))
    );

    let up = location(&world.decide(&prompt, "allow"));
    assert!(
        up.starts_with("https://accounts.example.com/oauth/authorize?"),
        "{up}"
    );
    assert_eq!(
        parameter(&up, "code_challenge_method").as_deref(),
        Some("S256")
    );
    assert_eq!(parameter(&up, "client_id").as_deref(), Some("doorward-mcp"));
    assert_ne!(parameter(&up, "code_challenge"), Some(s256(VERIFIER)));
    assert!(
        world
            .jar
            .iter()
            .all(|(name, _)| name.starts_with("__Host-doorward_state_"))
    );
    *world.upstream.asked.lock().unwrap() = (
        parameter(&up, "nonce").unwrap(),
        parameter(&up, "code_challenge").unwrap(),
    );

    let state = parameter(&up, "state").unwrap();
    let back = world.back(&[("code", "upstream-code"), ("state", &state)]);
    let back = location(&back);
    assert!(
        back.starts_with("http://127.0.0.1:33418/callback?"),
        "{back}"
    );
    assert_eq!(parameter(&back, "state").as_deref(), Some("a state & more"));
    assert_eq!(parameter(&back, "iss").as_deref(), Some(ISSUER));
    assert!(world.jar.is_empty());

    let code = parameter(&back, "code").unwrap();
    let response = world.post("/auth/token", &redeem(&client_id, &code));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let (status, given) = told(&response);
    assert_eq!((status, &given["token_type"]), (200, &json!("Bearer")));
    assert_eq!(
        (&given["expires_in"], &given["scope"]),
        (&json!(3600), &json!("notes:read"))
    );

    // The resource server's verdict, by the published keys.
    let (_, jwks) = told(&world.respond(get("/auth/jwks")));
    let keys = JwkSet::parse(&jwks.to_string(), AlgorithmSet::ASYMMETRIC).unwrap();
    let audience = Audience::OneOf(vec![RESOURCE.into()]);
    let issuer = Issuer::new(
        ISSUER,
        audience,
        KeySource::Static(keys),
        AlgorithmSet::ASYMMETRIC,
    );
    let accepts: KindSet = [TokenKind::Oauth].into_iter().collect();
    let accepts = doorward_core::Settings {
        accepts,
        ..Default::default()
    };
    let verifier = Verifier::new(vec![issuer], accepts).unwrap();
    let token = given["access_token"].as_str().unwrap();
    let verdict = |at| {
        verifier.verify(
            &Credential::bearer(token),
            &NoFacts,
            Timestamp::from_secs(at),
        )
    };
    let doorward_core::Outcome::Verified(identity) = verdict(NOW) else {
        panic!("{:?}", verdict(NOW));
    };
    assert_eq!(identity.subject(), "user_ada");
    assert_eq!(identity.client_id(), Some(client_id.as_str()));
    assert_eq!(identity.scopes(), ["notes:read"]);
    assert!(matches!(
        verdict(NOW + 3606),
        doorward_core::Outcome::Rejected(_)
    ));
    assert_eq!(claims(&given["access_token"])["aud"], RESOURCE);

    world.now += 3000;
    let (status, renewed) = world.refresh(&client_id, &given["refresh_token"]);
    assert_eq!(status, 200, "{renewed}");
    assert_ne!(renewed["refresh_token"], given["refresh_token"]);
    let token = renewed["refresh_token"].as_str().unwrap();
    let revoked = world.post(
        "/auth/revoke",
        &[("client_id", &client_id), ("token", token)],
    );
    assert_eq!(revoked.status(), 200);
    assert_eq!(
        world.refresh(&client_id, &renewed["refresh_token"]).1["error"],
        "invalid_grant"
    );
}

#[test]
fn documents_stand_where_clients_look_and_name_what_is_there() {
    let paths: Vec<_> = world().server.paths().into_iter().collect();
    assert_eq!(
        paths,
        [
            "/.well-known/oauth-authorization-server/auth",
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/openid-configuration/auth",
            "/auth/.well-known/openid-configuration",
            "/auth/authorize",
            "/auth/callback",
            "/auth/consent",
            "/auth/jwks",
            "/auth/register",
            "/auth/revoke",
            "/auth/token",
        ]
    );
    let mut settings = settings();
    settings.issuer = "https://mcp.example.com".into();
    settings.resource = "https://mcp.example.com".into();
    settings.registration = Registration::Off;
    let mut world = with(settings);
    let path = "/.well-known/oauth-authorization-server";
    let (_, metadata) = told(&world.respond(Request::get(path).body(Vec::new()).unwrap()));
    assert_eq!(metadata["issuer"], "https://mcp.example.com");
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    assert!(metadata.get("registration_endpoint").is_none());
    let request = Request::post("/register").body(Vec::new()).unwrap();
    assert_eq!(world.respond(request).status(), 404);
    for (method, path, status) in [
        ("GET", "/token", 405),
        ("PUT", "/authorize", 405),
        ("POST", path, 405),
        ("OPTIONS", "/token", 204),
        ("OPTIONS", "/authorize", 405),
        ("GET", "/nowhere", 404),
        ("GET", "//token", 404),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Vec::new())
            .unwrap();
        assert_eq!(world.respond(request).status(), status, "{method} {path}");
    }
}

#[test]
fn what_a_client_may_not_register() {
    let mut settings = settings();
    settings.registration = Registration::Open {
        lifetime: 3600,
        each_minute: 100,
        all_each_minute: 100,
    };
    let mut world = with(settings);
    let uris = |uris: Value| json!({ "redirect_uris": uris });
    for (metadata, code) in [
        (json!({}), "invalid_redirect_uri"),
        (uris(json!([])), "invalid_redirect_uri"),
        (
            uris(json!(vec!["https://a.example/"; 11])),
            "invalid_redirect_uri",
        ),
        (
            uris(json!(["https://a.example/#x"])),
            "invalid_redirect_uri",
        ),
        (
            uris(json!(["https://u@a.example/"])),
            "invalid_redirect_uri",
        ),
        (uris(json!(["ftp://a.example/"])), "invalid_redirect_uri"),
        (
            uris(json!(["https://a.example/", "javascript:alert(1)"])),
            "invalid_redirect_uri",
        ),
        (
            uris(json!(vec![
                format!("https://a.example/{}", "x".repeat(1000));
                5
            ])),
            "invalid_redirect_uri",
        ),
        (json!([]), "invalid_client_metadata"),
        (
            json!({"redirect_uris": "https://a.example/"}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "grant_types": ["implicit"]}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "response_types": ["token"]}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "scope": "admin"}),
            "invalid_client_metadata",
        ),
    ] {
        let (status, told) = world.register(&metadata);
        assert_eq!((status, &told["error"]), (400, &json!(code)), "{metadata}");
    }
    let (_, told) = world.register(&json!({
        "redirect_uris": [CALLBACK],
        "client_name": "\u{202e}evil\n",
        "scope": "notes:read",
        "token_endpoint_auth_method": "client_secret_post",
    }));
    assert_eq!(told["client_name"], "evil");
    assert_eq!(told["token_endpoint_auth_method"], "none");
    assert_eq!(told["grant_types"], json!(["authorization_code"]));
    assert!(told.get("client_secret").is_none());
    // What it registered is what it asks for if it does not say; one that steps up says more.
    let stepping = told["client_id"].as_str().unwrap();
    for (scope, shown) in [("", "notes:read"), ("notes:write", "notes:write")] {
        let Reply::Consent(prompt) = world.ask(authorize(stepping, &[("scope", scope)])) else {
            panic!("nobody is asked about {scope:?}");
        };
        assert_eq!(prompt.scopes, [shown]);
    }
}

#[test]
fn registration_is_limited_and_what_is_not_used_is_forgotten() {
    let mut settings = settings();
    settings.registration = Registration::Open {
        lifetime: 3600,
        each_minute: 3,
        all_each_minute: 100,
    };
    let mut world = with(settings);
    let client_id = world.registered();
    world.registered();
    world.registered();
    assert_eq!(world.register(&json!({"redirect_uris": [CALLBACK]})).0, 429);
    world.now += 60;
    world.registered();
    world.now = NOW + 3599;
    let _ = world.prompt(&client_id);
    world.now += 1;
    let response = world.respond(authorize(&client_id, &[]));
    assert_eq!(response.status(), 400);
}

#[test]
fn who_registers_and_is_given_nothing_is_forgotten_within_the_hour() {
    let mut world = world();
    let client_id = world.registered();
    world.now += 3599;
    let _ = world.prompt(&client_id);
    // Anybody can say its name.
    let (status, _) = world.token(&redeem(&client_id, "no code"));
    assert_eq!(status, 400);
    assert_eq!(
        world
            .post("/auth/revoke", &[("client_id", &client_id), ("token", "x")])
            .status(),
        200
    );
    world.now += 1;
    assert_eq!(world.respond(authorize(&client_id, &[])).status(), 400);
}

#[test]
fn what_strangers_register_before_it_is_forgotten_fits_into_the_store() {
    let Registration::Open {
        all_each_minute, ..
    } = Registration::default()
    else {
        panic!("it is open");
    };
    let within_the_hour = usize::try_from(all_each_minute).unwrap() * 61;
    assert!(within_the_hour < Capacity::default().clients);
}

#[test]
fn two_servers_with_one_secret_and_one_store_know_nothing_of_each_other() {
    let mut one = world();
    let client_id = one.registered();
    let code = one.code(&client_id);
    let given = one.tokens(&client_id);
    let mut settings = settings();
    settings.resource = "https://mcp.example.com/other".into();
    let mut other = with(settings);
    other.seeds = 100;
    other.now = one.now;
    std::mem::swap(&mut one.store, &mut other.store);
    assert_eq!(
        other
            .respond(authorize(&client_id, &[("resource", "")]))
            .status(),
        400
    );
    let mut form = redeem(&client_id, &code).to_vec();
    form.pop();
    assert_eq!(other.token(&form).0, 401);
    assert_eq!(other.refresh(&client_id, &given["refresh_token"]).0, 401);
    std::mem::swap(&mut one.store, &mut other.store);
    assert_eq!(one.token(&form).0, 200);
    assert_eq!(one.refresh(&client_id, &given["refresh_token"]).0, 200);
}

#[test]
fn what_the_upstream_was_asked_for_and_did_not_give_is_not_given_here() {
    let mut narrow = settings();
    narrow.scopes.push("email".to_owned());
    let mut world = with(narrow);
    let all = [("scope", "notes:read email")];
    let mut scope = |gives: fn() -> Value| {
        world.upstream.gives = gives;
        let client_id = world.registered();
        let Reply::Consent(prompt) = world.ask(authorize(&client_id, &all)) else {
            panic!("nobody was asked");
        };
        let to = location(&world.decide(&prompt, "allow"));
        let (nonce, challenge) = (parameter(&to, "nonce"), parameter(&to, "code_challenge"));
        *world.upstream.asked.lock().unwrap() = (nonce.unwrap(), challenge.unwrap());
        let state = parameter(&to, "state").unwrap();
        let back = world.back(&[("code", "upstream-code"), ("state", &state)]);
        let code = parameter(&location(&back), "code").expect("a code");
        world.token(&redeem(&client_id, &code)).1["scope"].clone()
    };
    assert_eq!(scope(|| json!({ "access_token": "x" })), "notes:read email");
    let less = || json!({ "access_token": "x", "scope": "openid" });
    assert_eq!(scope(less), "notes:read");
    let same = || json!({ "access_token": "x", "scope": "openid email profile" });
    assert_eq!(scope(same), "notes:read email");
}

#[test]
fn a_use_keeps_a_client_known() {
    let mut settings = settings();
    settings.registration = Registration::Open {
        lifetime: 3600,
        each_minute: 3,
        all_each_minute: 100,
    };
    let mut world = with(settings);
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    world.now += 3000;
    assert_eq!(world.refresh(&client_id, &given["refresh_token"]).0, 200);
    world.now += 3000;
    let _ = world.prompt(&client_id);
}

#[test]
fn nobody_is_sent_to_where_it_was_not_registered() {
    let mut world = world();
    let client_id = world.registered();
    for instead in [
        ("client_id", ""),
        ("client_id", "doorward-mcp"),
        ("client_id", "nobody"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://127.0.0.1:33418/callback/"),
        ("redirect_uri", "http://127.0.0.1:33418/callback?x"),
        ("redirect_uri", "http://127.0.0.1:33418/callback#x"),
        (
            "redirect_uri",
            "http://127.0.0.1:33418@evil.example/callback",
        ),
        ("redirect_uri", "http://localhost:33418/callback"),
    ] {
        let response = world.respond(authorize(&client_id, &[instead]));
        assert_eq!(response.status(), 400, "{instead:?}");
        assert!(response.headers().get(LOCATION).is_none());
    }
    let twice = format!(
        "{}&redirect_uri=https://evil.example/",
        authorize(&client_id, &[]).uri()
    );
    let response = world.respond(Request::get(twice).body(Vec::new()).unwrap());
    assert_eq!(response.status(), 400);
}

#[test]
fn what_is_wrong_with_a_request_goes_back_with_state_and_iss() {
    let mut world = world();
    let client_id = world.registered();
    for (instead, code) in [
        (("response_type", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (
            ("request_uri", "https://evil.example/"),
            "request_not_supported",
        ),
        (("scope", "admin"), "invalid_scope"),
        (
            ("resource", "https://other.example.com/mcp"),
            "invalid_target",
        ),
        (
            ("resource", "https://mcp.example.com/mcp#x"),
            "invalid_target",
        ),
        (
            ("resource", "https://mcp.example.com/mcp/more"),
            "invalid_target",
        ),
    ] {
        let to = location(&world.respond(authorize(&client_id, &[instead])));
        assert!(
            to.starts_with("http://127.0.0.1:33418/callback?error="),
            "{to}"
        );
        assert_eq!(
            parameter(&to, "error").as_deref(),
            Some(code),
            "{instead:?}"
        );
        assert_eq!(parameter(&to, "state").as_deref(), Some("a state & more"));
        assert_eq!(parameter(&to, "iss").as_deref(), Some(ISSUER));
    }
    // RFC 6749 §3.1 forbids it of parameters that nobody reads, too.
    for twice in ["&scope=notes:write", "&x=1&x=1"] {
        let twice = format!("{}{twice}", authorize(&client_id, &[]).uri());
        let to = location(&world.respond(Request::get(twice).body(Vec::new()).unwrap()));
        assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_request"));
    }
}

#[test]
fn people_are_shown_pages_where_they_go_and_programs_json() {
    let mut world = world();
    let pages = Pages::default();
    let mut answered = |mut request: Request<Vec<u8>>, accept: &str| {
        request
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        let reply = world.ask(request);
        let response = pages.answer(reply);
        let content_type = response.headers()["content-type"].to_str().unwrap();
        (response.status().as_u16(), content_type.to_owned())
    };
    let html = "text/html; charset=utf-8".to_owned();
    let json = "application/json".to_owned();
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    for accept in [browser, "*/*", "application/json", "text/html;q=0", ""] {
        let shown = if accept == browser { &html } else { &json };
        assert_eq!(
            answered(authorize("nobody", &[]), accept),
            (400, shown.clone())
        );
        assert_eq!(
            answered(form_request("/auth/consent", &[("a", "b")]), accept),
            (400, shown.clone())
        );
        let stray = Request::get("/auth/callback?state=x");
        let stray = stray.body(Vec::new()).unwrap();
        assert_eq!(answered(stray, accept), (400, shown.clone()));
        // Nobody's window is here.
        for (path, status) in [
            ("/auth/token", 401),
            ("/auth/revoke", 401),
            ("/nowhere", 404),
        ] {
            let request = form_request(path, &[("grant_type", "x")]);
            assert_eq!(answered(request, accept), (status, json.clone()), "{path}");
        }
    }
}

#[test]
fn a_browsers_answer_to_the_form_is_a_page_and_a_programs_a_redirect() {
    let mut world = world();
    let client_id = world.registered();
    for (accept, decision, status) in [
        ("text/html", "allow", 200),
        ("text/html", "deny", 200),
        ("*/*", "allow", 303),
    ] {
        let prompt = world.prompt(&client_id);
        let mut request = form_request(
            "/auth/consent",
            &[
                ("transaction", prompt.transaction.as_str()),
                ("form_token", prompt.form_token.as_str()),
                ("decision", decision),
            ],
        );
        request
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        let response = Pages::default().answer(world.ask(request));
        assert_eq!(response.status(), status);
        let (onward, redirected) = (status == 200, response.headers().contains_key(LOCATION));
        assert_ne!(onward, redirected);
        let body = String::from_utf8(response.body().clone()).unwrap();
        assert_eq!(body.contains(r#"http-equiv="refresh""#), onward, "{body}");
        if onward {
            let policy = response.headers()["content-security-policy"]
                .to_str()
                .unwrap();
            assert!(
                policy.contains("form-action 'self'") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert!(response.headers().contains_key(SET_COOKIE));
        }
    }
}

#[test]
fn a_link_to_here_is_not_a_link_to_anywhere() {
    let mut world = world();
    let (_, said) = world.register(&json!({ "redirect_uris": ["https://evil.example/cb"] }));
    let client_id = said["client_id"].as_str().unwrap().to_owned();
    let wrong = [
        ("redirect_uri", "https://evil.example/cb"),
        ("response_type", "token"),
    ];
    let response = world.respond(authorize(&client_id, &wrong));
    assert_eq!(told(&response).1["error"], "unsupported_response_type");
    assert_eq!(
        (response.status().as_u16(), response.headers().get(LOCATION)),
        (400, None)
    );
    // Whom the operator named is trusted with a browser.
    let wrong = [
        ("redirect_uri", "https://desk.example.com/cb"),
        ("response_type", "token"),
    ];
    let to = location(&world.respond(authorize("desk", &wrong)));
    assert!(to.starts_with("https://desk.example.com/cb?error="), "{to}");
}

#[test]
fn what_is_granted_no_longer_is_not_renewed() {
    let mut world = world();
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    let mut fewer = settings();
    fewer.scopes = vec!["notes:write".into()];
    world.server = with(fewer).server;
    let (status, renewed) = world.refresh(&client_id, &given["refresh_token"]);
    assert_eq!((status, &renewed["scope"]), (200, &json!("")));
}

#[test]
fn a_resource_may_be_spelled_as_clients_do() {
    let mut world = world();
    let client_id = world.registered();
    for resource in [
        "HTTPS://MCP.Example.com/mcp",
        "https://mcp.example.com/mcp/",
        "https://mcp.example.com/mcp?x=1",
        "",
    ] {
        let reply = world.ask(authorize(&client_id, &[("resource", resource)]));
        assert!(matches!(reply, Reply::Consent(_)), "{resource}: {reply:?}");
    }
}

#[test]
fn consent_is_of_one_browser_once_and_may_be_denied() {
    let mut world = world();
    let client_id = world.registered();
    let prompt = world.prompt(&client_id);
    let kept = world.jar.clone();
    world.jar.clear();
    assert_eq!(world.decide(&prompt, "allow").status(), 403);
    // A cookie of another request of the same browser's does not do either.
    let other = world.prompt(&client_id);
    assert_eq!(world.decide(&prompt, "allow").status(), 403);
    world.jar.extend(kept);
    let crossed = [
        ("transaction", prompt.transaction.as_str()),
        ("form_token", other.form_token.as_str()),
        ("decision", "allow"),
    ];
    assert_eq!(world.post("/auth/consent", &crossed).status(), 403);
    let mut request = form_request(
        "/auth/consent",
        &[
            ("transaction", prompt.transaction.as_str()),
            ("form_token", prompt.form_token.as_str()),
            ("decision", "allow"),
        ],
    );
    request
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(world.respond(request).status(), 403);
    assert_eq!(world.decide(&prompt, "perhaps").status(), 400);

    let kept = world.jar.clone();
    let to = location(&world.decide(&prompt, "deny"));
    assert_eq!(parameter(&to, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&to, "iss").as_deref(), Some(ISSUER));
    world.jar = kept;
    assert_eq!(world.decide(&prompt, "allow").status(), 400, "once");
    world.now += 600;
    assert_eq!(world.decide(&other, "allow").status(), 400, "too late");
}

#[test]
fn the_page_is_framed_by_nobody_and_kept_by_nobody() {
    let mut world = world();
    let client_id = world.registered();
    let prompt = world.prompt(&client_id);
    let headers = prompt.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.ends_with("; form-action 'self'"), "{policy}");
    assert_eq!(headers["cache-control"], "no-store");
    let cookie = headers["set-cookie"].to_str().unwrap();
    for part in [
        "__Host-",
        "Path=/",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
        "Max-Age=600",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let printed = format!("{prompt:?}");
    assert!(!printed.contains(&prompt.form_token) && !printed.contains(&prompt.transaction));
}

#[test]
fn the_callback_is_for_the_browser_that_consented_and_once() {
    let mut world = world();
    let client_id = world.registered();
    let state = world.upstream_state(&client_id);
    let kept = std::mem::take(&mut world.jar);
    let answer = [("code", "upstream-code"), ("state", state.as_str())];
    assert_eq!(world.back(&answer).status(), 403, "another browser");
    assert_eq!(world.back(&answer[..1]).status(), 400, "no state");
    world.jar = kept.clone();
    let to = location(&world.back(&answer));
    assert!(parameter(&to, "code").is_some());
    world.jar = kept;
    assert_eq!(world.back(&answer).status(), 400, "replayed");
}

#[test]
fn an_answer_of_another_server_is_not_looked_into() {
    for (parameters, required, code) in [
        (
            &[("code", "upstream-code"), ("iss", "https://evil.example")][..],
            false,
            "server_error",
        ),
        (
            &[
                ("code", "upstream-code"),
                ("iss", "https://accounts.example.com/"),
            ],
            false,
            "server_error",
        ),
        (&[("code", "upstream-code")], true, "server_error"),
        (&[("error", "access_denied")], false, "access_denied"),
        (
            &[("error", "temporarily_unavailable")],
            false,
            "temporarily_unavailable",
        ),
        (&[("error", "<script>")], false, "server_error"),
        (&[], false, "server_error"),
    ] {
        let mut settings = settings();
        settings.upstream.iss_parameter_supported = required;
        let mut world = with(settings);
        let client_id = world.registered();
        let state = world.upstream_state(&client_id);
        let mut parameters = parameters.to_vec();
        parameters.push(("state", &state));
        let to = location(&world.back(&parameters));
        assert_eq!(
            parameter(&to, "error").as_deref(),
            Some(code),
            "{parameters:?}"
        );
        assert!(parameter(&to, "code").is_none());
        assert!(
            world.upstream.calls.lock().unwrap().is_empty(),
            "{parameters:?}"
        );
    }
}

#[test]
fn an_id_token_is_the_upstreams_for_us_and_of_this_sign_in() {
    type Spoil = fn(Mint) -> Mint;
    let wrong: [(&str, Spoil); 9] = [
        ("nonce", |mint| mint.claim("nonce", json!("another"))),
        ("no nonce", |mut mint| {
            mint.without = vec!["nonce".into()];
            mint
        }),
        ("aud", |mint| mint.aud("another-client")),
        ("several aud", |mint| {
            mint.claim("aud", json!(["doorward-mcp", "another"]))
        }),
        ("azp", |mint| mint.azp("another-client")),
        ("iss", |mint| {
            mint.claim("iss", json!("https://evil.example"))
        }),
        ("expired", |mint| mint.claim("exp", json!(NOW - 60))),
        ("an access token", |mint| mint.header("typ", "at+jwt")),
        ("alg none", |mint| mint.defect(crate::Defect::AlgNone)),
    ];
    for (named, spoil) in wrong {
        let mut world = world();
        world.upstream.spoil = spoil;
        let client_id = world.registered();
        let state = world.upstream_state(&client_id);
        let to = location(&world.back(&[("code", "upstream-code"), ("state", &state)]));
        assert_eq!(
            parameter(&to, "error").as_deref(),
            Some("server_error"),
            "{named}"
        );
        assert_eq!(world.upstream.calls.lock().unwrap().len(), 2, "{named}");
    }
}

#[test]
fn an_upstream_that_is_away_is_not_the_clients_fault() {
    let mut world = world();
    let client_id = world.registered();
    let state = world.upstream_state(&client_id);
    world.upstream.down = true;
    let to = location(&world.back(&[("code", "upstream-code"), ("state", &state)]));
    assert_eq!(
        parameter(&to, "error").as_deref(),
        Some("temporarily_unavailable")
    );
    world.upstream.down = false;
    let state = world.upstream_state(&client_id);
    let to = location(&world.back(&[("code", "another"), ("state", &state)]));
    assert_eq!(parameter(&to, "error").as_deref(), Some("server_error"));
}

#[test]
fn a_code_is_for_its_client_redirect_and_verifier_for_a_minute() {
    let mut world = world();
    let (client_id, other) = (world.registered(), world.registered());
    let code = world.code(&client_id);
    let good = redeem(&client_id, &code);
    let unlike = "a".repeat(43);
    for (at, value, status, error) in [
        (1, other.as_str(), 400, "invalid_grant"),
        (1, "nobody", 401, "invalid_client"),
        (2, "another", 400, "invalid_grant"),
        (3, "http://127.0.0.1:33419/callback", 400, "invalid_grant"),
        (4, unlike.as_str(), 400, "invalid_grant"),
        (4, "", 400, "invalid_request"),
        (5, "https://other.example.com/mcp", 400, "invalid_target"),
        (0, "password", 400, "unsupported_grant_type"),
    ] {
        let mut form = good;
        form[at].1 = value;
        let (given, told) = world.token(&form);
        assert_eq!((given, &told["error"]), (status, &json!(error)), "{form:?}");
    }
    world.now += 59;
    assert_eq!(
        world.token(&good).0,
        200,
        "what others tried did not use it up"
    );
    let late = world.code(&client_id);
    world.now += 60;
    assert_eq!(
        world.token(&redeem(&client_id, &late)).1["error"],
        "invalid_grant"
    );
}

#[test]
fn a_code_that_comes_again_ends_what_came_of_it() {
    let mut world = world();
    let client_id = world.registered();
    let code = world.code(&client_id);
    let (_, given) = world.token(&redeem(&client_id, &code));
    // Who has the code alone, from a log, ends nothing.
    let mut stolen = redeem(&client_id, &code);
    let unlike = "a".repeat(43);
    stolen[4].1 = &unlike;
    assert_eq!(world.token(&stolen).0, 400);
    let (_, renewed) = world.refresh(&client_id, &given["refresh_token"]);
    assert!(renewed.get("refresh_token").is_some());
    assert_eq!(
        world.token(&redeem(&client_id, &code)).1["error"],
        "invalid_grant"
    );
    assert_eq!(
        world.refresh(&client_id, &renewed["refresh_token"]).1["error"],
        "invalid_grant"
    );
}

#[test]
fn of_thirty_two_redemptions_one_is_good() {
    let mut world = world();
    let client_id = world.registered();
    let code = world.code(&client_id);
    let mut good = Vec::new();
    for (status, told) in world.at_once(&redeem(&client_id, &code)) {
        match status {
            200 => good.push(told),
            _ => assert_eq!((status, &told["error"]), (400, &json!("invalid_grant"))),
        }
    }
    assert_eq!(good.len(), 1);
    let (status, _) = world.refresh(&client_id, &good[0]["refresh_token"]);
    assert_eq!(status, 400, "the others ended the family");
}

/// The same race, but in lockstep: everybody has read the code before anybody uses it.
#[test]
fn who_has_looked_at_a_code_has_not_used_it() {
    let mut world = world();
    let client_id = world.registered();
    let code = world.code(&client_id);
    let mut exchanges: Vec<_> = (0..8)
        .map(|_| world.exchange(form_request("/auth/token", &redeem(&client_id, &code))))
        .collect();
    let mut statuses = Vec::new();
    while !exchanges.is_empty() {
        let mut going = Vec::new();
        for mut exchange in exchanges {
            match exchange.advance() {
                Progress::Needs(Need::Store(operation)) => {
                    let outcome = done(operation.perform(&world.store, NOW));
                    exchange.supply(Supply::Store(outcome));
                    going.push(exchange);
                }
                Progress::Done(Reply::Response(response)) => {
                    statuses.push(response.status().as_u16());
                }
                progress => panic!("{progress:?}"),
            }
        }
        exchanges = going;
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
}

#[test]
fn a_lost_answer_is_given_again_and_reuse_ends_the_family() {
    let mut world = world();
    let client_id = world.registered();
    let first = world.tokens(&client_id)["refresh_token"].clone();
    world.now += 100;
    let (_, second) = world.refresh(&client_id, &first);
    world.now += 30;
    let (status, again) = world.refresh(&client_id, &first);
    assert_eq!(
        (status, &again["refresh_token"]),
        (200, &second["refresh_token"])
    );
    assert_ne!(
        claims(&again["access_token"])["jti"],
        claims(&second["access_token"])["jti"]
    );
    world.now += 1;
    assert_eq!(
        world.refresh(&client_id, &first).1["error"],
        "invalid_grant"
    );
    let (_, dead) = world.refresh(&client_id, &second["refresh_token"]);
    assert_eq!(dead["error"], "invalid_grant", "the reuse ended it");
}

#[test]
fn thirty_two_refreshes_at_once_give_one_successor() {
    let mut world = world();
    let client_id = world.registered();
    let first = world.tokens(&client_id)["refresh_token"].clone();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client_id.as_str()),
        ("refresh_token", first.as_str().unwrap()),
    ];
    let answers = world.at_once(&form);
    let successors: BTreeSet<_> = answers
        .iter()
        .map(|(_, told)| told["refresh_token"].to_string())
        .collect();
    assert!(answers.iter().all(|(status, _)| *status == 200));
    assert_eq!(successors.len(), 1);
    assert!(successors.iter().all(|token| token.starts_with("\"dwr_")));
}

#[test]
fn a_refresh_is_for_its_client_and_for_no_more_than_was_granted() {
    let mut world = world();
    let (client_id, other) = (world.registered(), world.registered());
    let token = world.tokens(&client_id)["refresh_token"].clone();
    assert_eq!(world.refresh(&other, &token).1["error"], "invalid_grant");
    let mut form = vec![
        ("grant_type", "refresh_token"),
        ("client_id", client_id.as_str()),
        ("refresh_token", token.as_str().unwrap()),
        ("scope", "notes:read notes:write"),
    ];
    assert_eq!(world.token(&form).1["error"], "invalid_scope");
    form[3].1 = "notes:read";
    assert_eq!(world.token(&form).1["scope"], "notes:read");
    for token in [
        "",
        "dwr_x",
        "x",
        "dwr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        form[2].1 = token;
        assert_eq!(world.token(&form).0, 400, "{token}");
    }
}

#[test]
fn a_client_that_may_not_refresh_gets_nothing_to_refresh_with() {
    let mut world = world();
    let (_, told) = world.register(&json!({ "redirect_uris": [CALLBACK] }));
    let client_id = told["client_id"].as_str().unwrap().to_owned();
    let given = world.tokens(&client_id);
    assert!(given.get("refresh_token").is_none());
    let (_, told) = world.refresh(&client_id, &json!("dwr_x"));
    assert_eq!(told["error"], "unauthorized_client");
}

#[test]
fn a_token_is_taken_back_by_its_own_client() {
    let mut world = world();
    let (client_id, other) = (world.registered(), world.registered());
    let given = world.tokens(&client_id);
    let token = given["refresh_token"].as_str().unwrap();
    for (client_id, token) in [
        (&other, token),
        (&client_id, "dwr_x"),
        (&client_id, "a.b.c"),
    ] {
        let response = world.post(
            "/auth/revoke",
            &[("client_id", client_id), ("token", token)],
        );
        assert_eq!(response.status(), 200);
    }
    let (status, renewed) = world.refresh(&client_id, &given["refresh_token"]);
    assert_eq!(status, 200, "{renewed}");
    // An access token takes its family with it.
    let token = given["access_token"].as_str().unwrap();
    let mut forged = token.to_owned();
    forged.replace_range(token.len() - 4.., "AAAA");
    world.post(
        "/auth/revoke",
        &[("client_id", &client_id), ("token", &forged)],
    );
    let (status, renewed) = world.refresh(&client_id, &renewed["refresh_token"]);
    assert_eq!(status, 200, "{renewed}");
    world.post(
        "/auth/revoke",
        &[("client_id", &client_id), ("token", token)],
    );
    assert_eq!(world.refresh(&client_id, &renewed["refresh_token"]).0, 400);
}

#[test]
fn a_confidential_client_shows_its_secret_in_one_way() {
    let mut world = world();
    let right = format!("Basic {}", base64(b"desk:desk%26secret"));
    let wrong = format!("Basic {}", base64(b"desk:wrong"));
    for (header, body, status) in [
        (Some(right.as_str()), None, 400),
        (None, Some("desk&secret"), 400),
        (Some(wrong.as_str()), None, 401),
        (None, Some("wrong"), 401),
        (None, None, 401),
        (Some("Bearer x"), None, 401),
        (Some("Basic !"), None, 401),
        (Some(right.as_str()), Some("desk&secret"), 400),
    ] {
        let mut form = vec![("grant_type", "refresh_token"), ("client_id", "desk")];
        form.extend(body.map(|secret| ("client_secret", secret)));
        let mut request = form_request("/auth/token", &form);
        if let Some(header) = header {
            request
                .headers_mut()
                .insert(AUTHORIZATION, header.parse().unwrap());
        }
        let response = world.respond(request);
        assert_eq!(response.status(), status, "{header:?} {body:?}");
        assert_eq!(
            response.headers().contains_key(WWW_AUTHENTICATE),
            status == 401
        );
    }
    let client_id = world.registered();
    let form = [
        ("grant_type", "x"),
        ("client_id", &client_id),
        ("client_secret", "x"),
    ];
    assert_eq!(world.token(&form).0, 401, "a public client has none");
}

#[test]
fn invalid_grant_may_be_401_for_who_needs_that() {
    let mut settings = settings();
    settings.invalid_grant_is_unauthorized = true;
    let mut world = with(settings);
    let client_id = world.registered();
    let (status, told) = world.token(&redeem(&client_id, "x"));
    assert_eq!((status, &told["error"]), (401, &json!("invalid_grant")));
}

#[test]
fn what_was_registered_is_not_trusted_when_registration_is_closed() {
    let mut world = world();
    let client_id = world.registered();
    let mut closed = settings();
    closed.registration = Registration::Off;
    world.server = with(closed).server;
    assert_eq!(world.respond(authorize(&client_id, &[])).status(), 400);
}

#[test]
fn a_store_that_is_away_or_a_driver_that_errs_is_503() {
    let mut world = world();
    let mut exchange = world.exchange(authorize("desk", &[]));
    let Progress::Needs(Need::Store(_)) = exchange.advance() else {
        panic!("no need")
    };
    exchange.supply(Supply::Store(Err(StoreError)));
    let Progress::Done(Reply::Response(response)) = exchange.advance() else {
        panic!("no end")
    };
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    for supply in [None, Some(Supply::Upstream(Err(UpstreamUnreachable)))] {
        let mut exchange = world.exchange(authorize("desk", &[]));
        let _ = exchange.advance();
        supply
            .into_iter()
            .for_each(|supply| exchange.supply(supply));
        let Progress::Done(Reply::Response(response)) = exchange.advance() else {
            panic!()
        };
        assert_eq!(response.status(), 503);
    }
}

#[test]
fn what_is_too_long_or_too_much_is_refused() {
    let mut world = world();
    let long = "x".repeat(MAX_BODY + 1);
    assert_eq!(world.post("/auth/token", &[("code", &long)]).status(), 413);
    let long = format!("/auth/authorize?state={}", "x".repeat(MAX_QUERY));
    assert_eq!(
        world
            .respond(Request::get(long).body(Vec::new()).unwrap())
            .status(),
        400
    );
    let many: Vec<_> = (0..40).map(|_| ("a", "b")).collect();
    assert_eq!(world.post("/auth/token", &many).status(), 400);
    assert_eq!(
        world
            .post("/auth/token", &[("a", "b"), ("a", "c")])
            .status(),
        400
    );
    for _ in 0..60 {
        assert_eq!(world.respond(authorize("nobody", &[])).status(), 400);
    }
    assert_eq!(world.respond(authorize("nobody", &[])).status(), 429);
}

#[test]
fn nothing_secret_is_printed() {
    let mut world = world();
    let client_id = world.registered();
    let code = world.code(&client_id);
    let mut exchange = world.exchange(form_request("/auth/token", &redeem(&client_id, &code)));
    let mut printed = format!("{:?} {:?}", settings(), world.server);
    loop {
        printed += &format!("{exchange:?}");
        match exchange.advance() {
            Progress::Needs(Need::Store(operation)) => {
                printed += &format!("{operation:?}");
                let outcome = done(operation.perform(&world.store, NOW));
                printed += &format!("{outcome:?}");
                exchange.supply(Supply::Store(outcome));
            }
            Progress::Needs(need) => panic!("{need:?}"),
            Progress::Done(_) => break,
        }
    }
    for secret in [
        code.as_str(),
        VERIFIER,
        "desk&secret",
        "up stream:secret",
        "0123456789abcdef",
    ] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

#[test]
fn keys_that_cannot_sign_stop_the_start() {
    let key = |algorithm| SigningKey::generate(algorithm).unwrap();
    let new = |keys| AuthorizationServer::new(settings(), keys);
    assert!(new(vec![]).is_err());
    assert!(new(vec![key(SigningAlgorithm::EdDSA)]).is_err());
    let same = || key(SigningAlgorithm::ES256).with_kid("a");
    assert!(new(vec![same(), same()]).is_err());
    let rotated = new(vec![
        key(SigningAlgorithm::ES256),
        key(SigningAlgorithm::ES256),
    ])
    .unwrap();
    assert_eq!(rotated.jwks()["keys"].as_array().unwrap().len(), 2);
}
