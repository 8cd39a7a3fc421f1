//! Every row of `vectors/http/`, through axum's own router.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use axum::body::{Body, to_bytes};
use axum::extract;
use axum::http::{HeaderName, HeaderValue, Request, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use doorward::axum::{AuthLayer, Demand, Identity, Permitted};
use doorward::{Authenticator, Config, IssuerConfig, ManualClock, Policy, Timestamp, TokenKind};
use doorward_issuer::{DevIssuer, Mint};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://clerk.example.com";
const PARTY: &str = "http://localhost:3000";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    explain: bool,
    #[serde(default)]
    problem_details: bool,
    #[serde(default)]
    issuer_down: bool,
    #[serde(default)]
    resource: serde_json::Map<String, Value>,
    tokens: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    method: String,
    path: String,
    /// axum's layer always stands in front of the routes, so here it makes no difference.
    #[serde(default, rename = "in_front")]
    _in_front: bool,
    headers: Vec<(String, String)>,
    status: u16,
    www_authenticate: Option<String>,
    retry_after: bool,
    body: Option<Value>,
}

#[tokio::test]
async fn every_row_is_answered_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/http");
    let issuer = DevIssuer::builder()
        .issuer(ISSUER)
        .clock(|| NOW)
        .build()
        .unwrap();
    let (mut rows, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let table: Table = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let app = app(&authenticator(&issuer, &table));
        let tokens: Vec<_> = table
            .tokens
            .iter()
            .map(|(name, spec)| (format!("<{name}>"), token(&issuer, spec)))
            .collect();
        for case in &table.cases {
            rows += 1;
            let response = app.clone().oneshot(request(case, &tokens)).await.unwrap();
            let kind = if table.problem_details {
                "application/problem+json"
            } else {
                "application/json"
            };
            if let Err(difference) = compare(case, kind, response).await {
                wrong.push(format!(
                    "{} / {}: {difference}",
                    path.file_stem().unwrap().display(),
                    case.name
                ));
            }
        }
    }
    assert!(rows > 100, "only {rows} rows were found");
    assert!(
        wrong.is_empty(),
        "{} of {rows} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn authenticator(issuer: &DevIssuer, table: &Table) -> Authenticator {
    let mut clerk = IssuerConfig::preset("clerk");
    clerk.publishable_key = Some(issuer.publishable_key());
    clerk.authorized_parties = Some(PARTY.into());
    if table.issuer_down {
        clerk.jwks_url = Some(format!("http://127.0.0.1:{}/jwks.json", closed_port()));
    } else {
        clerk.keys = Some(issuer.jwks().to_string().as_str().into());
    }
    let mut settings = table.resource.clone();
    settings.insert("issuer".to_owned(), json!([]));
    let mut config = Config::from_json(&Value::Object(settings).to_string()).unwrap();
    config.issuers = vec![clerk];
    let mut config = config.accepts([TokenKind::Session, TokenKind::Oauth]);
    config.explain = Some(table.explain);
    config.problem_details = Some(table.problem_details);
    let clock = ManualClock::at(Timestamp::from_secs(NOW));
    Authenticator::with_clock(&config, Arc::new(clock)).unwrap()
}

/// A port where nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn token(issuer: &DevIssuer, spec: &Value) -> String {
    match (spec, spec.get("repeat"), spec.get("times")) {
        (Value::String(text), ..) => text.clone(),
        (_, Some(text), Some(times)) => text
            .as_str()
            .unwrap()
            .repeat(usize::try_from(times.as_u64().unwrap()).unwrap()),
        _ => issuer
            .mint(&serde_json::from_value::<Mint>(spec.clone()).unwrap())
            .unwrap(),
    }
}

fn request(case: &Case, tokens: &[(String, String)]) -> Request<Body> {
    let fill = |text: &str| {
        tokens.iter().fold(text.to_owned(), |text, (hole, token)| {
            text.replace(hole.as_str(), token)
        })
    };
    let mut request = Request::builder()
        .method(case.method.as_str())
        .uri(fill(&case.path));
    for (name, value) in &case.headers {
        let name = HeaderName::try_from(name).unwrap();
        request = request.header(
            name,
            HeaderValue::from_bytes(fill(value).as_bytes()).unwrap(),
        );
    }
    request.body(Body::empty()).unwrap()
}

async fn compare(case: &Case, refusals_are: &str, response: Response<Body>) -> Result<(), String> {
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap().to_owned())
    };
    let refused = case.status >= 400 && case.body.is_some();
    let found = (
        response.status().as_u16(),
        header("www-authenticate"),
        header("retry-after").is_some(),
    );
    let expected = (case.status, case.www_authenticate.clone(), case.retry_after);
    let (cache, kind) = (header("cache-control"), header("content-type"));
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    if found != expected {
        return Err(format!(
            "\n   expected {expected:?}\n      found {found:?} {body:?}"
        ));
    }
    if refused && (cache.as_deref(), kind.as_deref()) != (Some("no-store"), Some(refusals_are)) {
        return Err(format!("cache-control {cache:?}, content-type {kind:?}"));
    }
    let Some(expected) = &case.body else {
        return Ok(());
    };
    let body: Value =
        serde_json::from_slice(&body).map_err(|error| format!("{error}: {body:?}"))?;
    if body == *expected {
        Ok(())
    } else {
        Err(format!("\n   expected {expected}\n      found {body}"))
    }
}

fn app(auth: &Authenticator) -> Router {
    let guarded = Router::new()
        .route("/me", get(me))
        .route("/posts/{post}", delete(delete_post))
        .route("/admin", get(admin))
        .route("/scoped", get(scoped))
        .layer(AuthLayer::required(auth.clone()));
    let public = get(public).layer(AuthLayer::optional(auth.clone()));
    Router::new().route("/public", public).merge(guarded)
}

async fn public(caller: Option<Identity>) -> Json<Value> {
    Json(json!({ "hello": caller.as_ref().map_or("stranger", |caller| caller.subject()) }))
}

async fn me(caller: Identity) -> Json<Value> {
    Json(json!({
        "subject": caller.subject(),
        "kind": caller.kind().as_str(),
        "organization": caller.organization_id(),
        "role": caller.role(),
    }))
}

async fn delete_post(
    extract::Path(post): extract::Path<u64>,
    caller: Permitted<DeletePosts>,
) -> Json<Value> {
    Json(json!({ "deleted": post, "by": caller.subject() }))
}

async fn admin(caller: Permitted<Administer>) -> Json<Value> {
    Json(json!({ "admin": caller.subject() }))
}

async fn scoped(caller: Permitted<ReadPosts>) -> Json<Value> {
    Json(json!({ "scopes": caller.scopes() }))
}

macro_rules! demand {
    ($name:ident, $policy:expr) => {
        struct $name;

        impl Demand for $name {
            fn policy() -> &'static Policy {
                static POLICY: LazyLock<Policy> = LazyLock::new(|| $policy);
                &POLICY
            }
        }
    };
}

demand!(DeletePosts, Policy::new().permission("org:posts:delete"));
demand!(Administer, Policy::new().role("admin"));
demand!(ReadPosts, Policy::new().scopes(["posts:read"]));

/// A service that does not look at the method must not act for a request dressed as a preflight.
#[tokio::test]
async fn a_preflight_goes_no_further() {
    let issuer = DevIssuer::new().unwrap();
    let mut trusted = IssuerConfig::new(issuer.issuer(), "*");
    trusted.keys = Some(issuer.jwks().to_string().as_str().into());
    let auth = Authenticator::new(&Config::new([trusted])).unwrap();
    let act = || async { "acted" };
    let behind = |layer: AuthLayer| {
        Router::new()
            .route("/", axum::routing::any(act))
            .layer(layer)
    };
    for (layer, status) in [
        (AuthLayer::required(auth.clone()), 405),
        (AuthLayer::optional(auth), 200),
    ] {
        let request = Request::builder()
            .method("OPTIONS")
            .uri("/")
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "DELETE")
            .body(Body::empty())
            .unwrap();
        let response = behind(layer).oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
    }
}
