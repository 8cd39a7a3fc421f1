//! `doorward conformance` against real servers: a sound one, and one with a hole behind every door.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router};
use doorward::axum::{AuthLayer, Identity};
use doorward::core::jws;
use doorward::{Authenticator, Config, IssuerConfig};
use doorward_issuer::{DevIssuer, Fault, Mint, Served, SigningAlgorithm};
use serde_json::{Value, json};

/// An issuer that runs until the test ends, and an authenticator that trusts it.
struct Issuer {
    issuer: Arc<DevIssuer>,
    served: Served,
    auth: Authenticator,
}

fn issuer() -> Issuer {
    let issuer = DevIssuer::builder()
        .algorithms(&[SigningAlgorithm::RS256])
        .build()
        .unwrap();
    let issuer = Arc::new(issuer);
    let served = issuer.serve("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut trusted = IssuerConfig::preset("clerk");
    trusted.publishable_key = Some(issuer.publishable_key());
    trusted.authorized_parties = Some(Mint::PARTY.into());
    let auth = Authenticator::new(&Config::new([trusted])).unwrap();
    Issuer {
        issuer,
        served,
        auth,
    }
}

/// Serves `app` on a free port until the process ends.
fn serve(app: Router) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let address = SocketAddr::from(([127, 0, 0, 1], 0));
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    format!("http://{}", told.recv().unwrap())
}

/// A document in which every route but the public ones is protected by a bearer token.
fn document(protected: &[(&str, &str)], public: &[(&str, &str)]) -> Value {
    let mut paths = serde_json::Map::new();
    let all = protected
        .iter()
        .map(|route| (route, json!([{"bearer": []}])));
    for ((method, path), security) in all.chain(public.iter().map(|route| (route, json!([])))) {
        let item = paths.entry(*path).or_insert(json!({}));
        item[*method] = json!({"security": security, "responses": {}});
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": paths,
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    })
}

async fn caller(caller: Identity) -> String {
    caller.subject().to_owned()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn refused(status: StatusCode) -> Response {
    (status, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response()
}

/// The subject of a token that nobody has verified.
fn believed(token: &str) -> Option<(Value, Value)> {
    let (header, claims) = jws::decode_unverified(token).ok()?;
    let header = serde_json::from_str(&header).ok()?;
    Some((header, serde_json::from_slice(&claims).ok()?))
}

/// Verifies, but takes an unsigned token for a signed one.
async fn unsigned(State(auth): State<Authenticator>, headers: HeaderMap) -> Response {
    let Some(token) = bearer(&headers) else {
        return refused(StatusCode::UNAUTHORIZED);
    };
    if believed(token).is_some_and(|(header, _)| header["alg"] == "none") {
        return "welcome".into_response();
    }
    verified(&auth, token).await
}

async fn verified(auth: &Authenticator, token: &str) -> Response {
    match auth.verify(token).await {
        Ok(identity) => identity.subject().to_owned().into_response(),
        Err(_) => refused(StatusCode::UNAUTHORIZED),
    }
}

/// Reads the claims of whatever can be decoded, and only then looks at the body.
async fn decodes(headers: HeaderMap) -> Response {
    match bearer(&headers).and_then(believed) {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        None => refused(StatusCode::UNAUTHORIZED),
    }
}

/// Breaks where it should refuse.
async fn breaks(State(auth): State<Authenticator>, headers: HeaderMap) -> Response {
    match bearer(&headers) {
        None => refused(StatusCode::UNAUTHORIZED),
        Some(token) => match auth.verify(token).await {
            Ok(identity) => identity.subject().to_owned().into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    }
}

/// Says 403 where it should say 401.
async fn forbids(State(auth): State<Authenticator>, headers: HeaderMap) -> Response {
    match bearer(&headers) {
        None => StatusCode::FORBIDDEN.into_response(),
        Some(token) => match auth.verify(token).await {
            Ok(identity) => identity.subject().to_owned().into_response(),
            Err(_) => StatusCode::FORBIDDEN.into_response(),
        },
    }
}

/// Takes tokens from the URL.
async fn queried(
    State(auth): State<Authenticator>,
    Query(query): Query<std::collections::HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    match bearer(&headers).or(query.get("access_token").map(String::as_str)) {
        Some(token) => verified(&auth, token).await,
        None => refused(StatusCode::UNAUTHORIZED),
    }
}

const HOLED: [(&str, &str); 10] = [
    ("get", "/sound"),
    ("get", "/unsigned"),
    ("get", "/forgotten"),
    ("post", "/decodes"),
    ("get", "/breaks"),
    ("get", "/forbids"),
    ("get", "/queried"),
    ("get", "/moved"),
    ("get", "/nowhere"),
    ("delete", "/posts/{post_id}"),
];

/// A handler that counts its requests and lets everybody in.
fn counting(
    count: &Arc<AtomicUsize>,
) -> impl FnOnce() -> std::future::Ready<&'static str> + Clone + Send + Sync + 'static {
    let count = Arc::clone(count);
    move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready("welcome")
    }
}

fn holed(auth: &Authenticator, elsewhere: String, contacts: &Arc<AtomicUsize>) -> Router {
    let moved = get(move || {
        let to = format!("{elsewhere}/moved");
        async move { Redirect::temporary(&to) }
    });
    let public = [("get", "/health"), ("get", "/shut"), ("post", "/contact")];
    let document = document(&HOLED, &public);
    let guard = AuthLayer::required(auth.clone());
    Router::new()
        .route("/sound", get(caller).layer(guard.clone()))
        .route("/unsigned", get(unsigned))
        .route("/forgotten", get(async || "welcome"))
        .route("/decodes", post(decodes))
        .route("/breaks", get(breaks))
        .route("/forbids", get(forbids))
        .route("/queried", get(queried))
        .route("/moved", moved)
        .route("/posts/{post_id}", delete(caller).layer(guard.clone()))
        .route("/health", get(async || "well"))
        .route("/shut", get(caller).layer(guard))
        .route("/contact", post(counting(contacts)))
        .route("/openapi.json", get(async move || Json(document)))
        .with_state(auth.clone())
}

fn doorward(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env_remove("CONFORMANCE_TOKEN")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    doorward(&[&["conformance"], arguments].concat())
        .output()
        .unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What is not as it should be on a route: code, and the attacks.
fn found(report: &Value, route: &str, state: &str) -> Vec<(String, String)> {
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["route"] == route && finding["state"] == state)
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            (text("code"), text("attack"))
        })
        .collect()
}

#[test]
fn every_hole_is_found_and_nothing_else() {
    let issuer = issuer();
    let (visits, contacts) = (Arc::default(), Arc::default());
    let elsewhere = serve(Router::new().fallback(any(counting(&visits))));
    let api = serve(holed(&issuer.auth, elsewhere, &contacts));
    let output = run(&[
        &api,
        "--dev-issuer",
        issuer.served.url(),
        "--format",
        "json",
    ]);
    let report = json_of(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");

    let clean = |route: &str| {
        assert_eq!(found(&report, route, "fail"), [], "{route}");
        assert_eq!(found(&report, route, "warn"), [], "{route}");
        assert!(!found(&report, route, "pass").is_empty(), "{route}");
    };
    clean("GET /sound");
    clean("DELETE /posts/{post_id}");
    clean("GET /health");

    let pair = |code: &str, attack: &str| (code.to_owned(), attack.to_owned());
    assert_eq!(
        found(&report, "GET /unsigned", "fail"),
        [pair("let_in", "alg_none")]
    );
    let forgotten = found(&report, "GET /forgotten", "fail");
    assert!(forgotten.contains(&pair("let_in", "no_credentials")));
    assert!(forgotten.contains(&pair("let_in", "stranger_key")));
    let decodes = found(&report, "POST /decodes", "fail");
    for attack in ["alg_none", "stranger_key", "expired", "wrong_azp", "no_exp"] {
        assert!(decodes.contains(&pair("believed", attack)), "{attack}");
    }
    assert!(!decodes.iter().any(|(_, attack)| attack == "junk"));
    let breaks = found(&report, "GET /breaks", "fail");
    assert!(breaks.iter().all(|(code, _)| code == "server_error"));
    assert!(breaks.contains(&pair("server_error", "junk")));
    let forbids = found(&report, "GET /forbids", "warn");
    assert!(forbids.contains(&pair("forbidden", "no_credentials")));
    assert!(forbids.contains(&pair("forbidden", "expired")));
    assert_eq!(
        found(&report, "GET /queried", "fail"),
        [pair("let_in", "token_in_query")]
    );
    assert_eq!(
        found(&report, "GET /shut", "fail"),
        [pair("open_refused", "no_credentials")]
    );
    // A document that promises a route which is not there, as far as anybody can tell.
    assert_eq!(
        found(&report, "GET /nowhere", "fail"),
        [pair("unproven", "route")]
    );
    // Nobody followed it: the tokens were not meant for another origin.
    assert_eq!(
        found(&report, "GET /moved", "fail"),
        [pair("unproven", "route")]
    );
    assert_eq!(visits.load(Ordering::Relaxed), 0);
    // It would have acted.
    assert_eq!(report["skipped"][0]["route"], "POST /contact");
    assert_eq!(contacts.load(Ordering::Relaxed), 0);
}

#[test]
fn a_sound_api_passes_in_every_format() {
    let issuer = issuer();
    let document = document(
        &[
            ("get", "/me"),
            ("delete", "/posts/{post_id}"),
            ("post", "/posts"),
        ],
        &[("get", "/public")],
    );
    let guarded = Router::new()
        .route("/me", get(caller))
        .route("/posts/{post_id}", delete(caller))
        .route("/posts", post(caller))
        .layer(AuthLayer::required(issuer.auth.clone()));
    let api = Router::new()
        .route("/public", get(async || "hello"))
        .route("/openapi.json", get(async move || Json(document)))
        .merge(guarded);
    let api = serve(Router::new().nest("/api/v1", api));
    let target = format!("{api}/api/v1");
    let issuer_url = issuer.served.url();

    let table = run(&[&target, "--dev-issuer", issuer_url, "--strict"]);
    let shown = text(&table);
    assert_eq!(table.status.code(), Some(0), "{shown}");
    for line in [
        "pass  GET /me",
        "pass  POST /posts",
        "pass  GET /public",
        "passed: 4 routes (3 protected, 1 public)",
        "0 failures, 0 warnings",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colours in a pipe");

    let token = issuer.issuer.mint(&Mint::default().ttl(600)).unwrap();
    let output = doorward(&["--json", "conformance", &target, "--jwks"])
        .arg(format!("{issuer_url}/.well-known/jwks.json"))
        .args(["--unsafe-methods", "--cookie", "__session"])
        .env("CONFORMANCE_TOKEN", &token)
        .output()
        .unwrap();
    let report = json_of(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["passed"], true);
    let tried: Vec<_> = found(&report, "DELETE /posts/{post_id}", "pass");
    for attack in ["good_token", "hmac_with_public_key", "alg_none (cookie)"] {
        assert!(tried.iter().any(|(_, tried)| tried == attack), "{attack}");
    }
    let not_tried = report["not_tried"].to_string();
    assert!(not_tried.contains("expired") && !not_tried.contains("truncated"));
    assert!(!text(&output).contains(&token));

    let file = format!("{}/conformance.xml", env!("CARGO_TARGET_TMPDIR"));
    let arguments = [
        &target, "--token", &token, "--format", "junit", "--output", &file,
    ];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        text(&output).starts_with("passed: 4 routes"),
        "{}",
        text(&output)
    );
    let xml = std::fs::read_to_string(&file).unwrap();
    assert!(
        xml.contains(r#"<testcase classname="GET /me" name="alg_none"/>"#),
        "{xml}"
    );
    assert!(xml.contains(r#"failures="0""#) && !xml.contains(&token));
}

#[test]
fn a_good_token_that_is_refused_proves_nothing() {
    let issuer = issuer();
    let api = serve(Router::new().route(
        "/me",
        get(caller).layer(AuthLayer::required(issuer.auth.clone())),
    ));
    let mint = r#"{"azp": "https://unknown.example"}"#;
    let url = issuer.served.url();
    let output = run(&[&api, "--route", "/me", "--dev-issuer", url, "--mint", mint]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("good_token: 401"),
        "{}",
        text(&output)
    );
}

#[test]
fn the_local_issuers_sample_api_passes() {
    struct Dev(Child);
    impl Drop for Dev {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }
    let process = doorward(&["--json", "dev", "--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut dev = Dev(process);
    let mut line = String::new();
    BufReader::new(dev.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let url = |name: &str| told[name].as_str().unwrap().to_owned();
    let routes = [
        "--route",
        "GET /me",
        "--route",
        "/public",
        "--optional",
        "/public",
    ];
    let issuer = url("issuer");
    let rest = ["--dev-issuer", &issuer, "--strict"];
    let output = run(&[&[url("api").as_str()], &routes[..], &rest[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn slow_moved_and_limited_routes_are_bounded() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let api = Router::new()
        .route("/hangs", get(std::future::pending::<()>))
        .route("/items", get(async || Redirect::temporary("/items/")))
        .route("/items/", get(async || refused(StatusCode::UNAUTHORIZED)))
        .route(
            "/limited",
            get(move || {
                // Every other request has to wait.
                let odd = counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
                async move {
                    match odd {
                        true => {
                            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response()
                        }
                        false => refused(StatusCode::UNAUTHORIZED),
                    }
                }
            }),
        );
    let api = serve(api);
    let start = Instant::now();
    let routes = ["/hangs", "/items", "/limited"];
    let routes: Vec<_> = routes.iter().flat_map(|route| ["--route", route]).collect();
    let output = run(&[
        &[api.as_str(), "--timeout", "1", "--format", "json"],
        &routes[..],
    ]
    .concat());
    let report = json_of(&output);
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(1));
    let hangs = found(&report, "GET /hangs", "fail");
    assert!(
        hangs.iter().all(|(code, _)| code == "no_answer"),
        "{hangs:?}"
    );
    assert_eq!(found(&report, "GET /items", "fail"), []);
    assert_eq!(found(&report, "GET /limited", "fail"), []);
}

#[test]
fn keys_out_of_reach_are_told_apart() {
    let issuer = issuer();
    issuer.issuer.set_fault(Fault::Down);
    let guard = AuthLayer::required(issuer.auth.clone());
    let api = serve(Router::new().route("/me", get(caller).layer(guard)));
    let output = run(&[&api, "--route", "/me", "--dev-issuer", issuer.served.url()]);
    // The local issuer withholds its keys from everybody, from this command as well.
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let token = issuer.issuer.mint(&Mint::default()).unwrap();
    let output = run(&[&api, "--route", "/me", "--token", &token]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("503: it could not decide"));
}

#[test]
fn an_api_that_always_asks_to_wait_is_not_waited_for_for_ever() {
    let limited = async || (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]);
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let api = serve(Router::new().fallback(any(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        limited()
    })));
    let routes = ["--route", "/a", "--route", "/b", "--route", "/c"];
    let more = ["--route", "/d", "--route", "/e", "--route", "/f"];
    let output = run(&[&[api.as_str(), "--json"], &routes[..], &more[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = json_of(&output);
    assert_eq!(
        found(&report, "GET /a", "fail"),
        [("unproven".to_owned(), "route".to_owned())]
    );
    let planned = report["summary"]["probes"].as_u64().unwrap();
    let sent = u64::try_from(hits.load(Ordering::Relaxed)).unwrap();
    assert_eq!(sent, planned + 60);
}

#[test]
fn mistakes_are_usage_errors_and_no_api_is_out_of_reach() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let bare = serve(Router::new().route("/me", get(async || "hello")));
    let document = format!("{}/petstore.yaml", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&document, "openapi: 3.0.0\npaths:\n  /me: {get: {}}\n").unwrap();
    for (arguments, code, said) in [
        (vec!["127.0.0.1:8000"], 2, "http://127.0.0.1:8000"),
        (vec!["http://me:secret@localhost"], 2, "credentials"),
        (vec![&gone], 3, "no API"),
        (vec![&gone, "--route", "/me"], 3, "no API"),
        (vec![&bare], 2, "--openapi"),
        (
            vec![&bare, "--route", "/me", "--public", "/mee"],
            2,
            "did you mean \"/me\"",
        ),
        (
            vec![&bare, "--route", "/me", "--waive", "alg_nun"],
            2,
            "alg_none",
        ),
        (
            vec![&bare, "--route", "/me", "--max-probes", "3"],
            2,
            "at most 3",
        ),
        (
            vec![&bare, "--route", "/me", "--dev-issuer", &gone],
            3,
            "doorward dev",
        ),
        (
            vec![&bare, "--route", "/me", "--header", "Cookie: a=b"],
            2,
            "would hide",
        ),
        (
            vec![&bare, "--route", "/me", "--jwks", "nowhere.json"],
            2,
            "nowhere.json",
        ),
        (
            vec![&bare, "--openapi", &document],
            2,
            "no route is protected",
        ),
        (
            vec![&bare, "--json", "--format", "junit"],
            2,
            "different reports",
        ),
        (vec![&bare, "--mint", "{}"], 2, "--dev-issuer"),
    ] {
        let output = run(&arguments);
        let told = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {told}");
        assert!(told.contains(said), "{arguments:?} {told}");
        assert!(!told.contains("secret@"), "{told}");
    }
    let output = run(&[&bare, "--openapi", &document, "--protect-all", "--list"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).starts_with("protected  GET /me"));
}
