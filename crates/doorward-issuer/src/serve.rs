//! The issuer on a port: keys, metadata and the `/dev` routes that change them.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::serve::Listener;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::answer::{error, fresh, refused};
use crate::backend_api::backend_api;
use crate::client::Client;
use crate::fault::{Fault, Struck};
use crate::introspection::introspect;
use crate::issuer::DevIssuer;
use crate::line::{Line, Lines};
use crate::logout::LogoutError;
use crate::mint::Mint;
use crate::page::page;
use crate::requests::{Endpoint, MAX_BACKEND_API_BODY, MAX_BODY, recorded};
use crate::revocation::{Revocation, revoke};
use crate::sign_in::{self, SignIn};
use crate::strike::{Answer, answered};
use crate::userinfo::userinfo;
use crate::verify::{self, Refusal};

impl DevIssuer {
    /// Serves on `address` (port 0: any free one) until the answer is dropped or shut down.
    ///
    /// The server has a thread and a runtime of its own, so synchronous and asynchronous callers use it alike. Keep it
    /// on a loopback address: it mints for whoever asks.
    pub fn serve(self: &Arc<Self>, address: SocketAddr) -> io::Result<Served> {
        let listener = StdTcpListener::bind(address)?;
        let url = format!("http://{}", listener.local_addr()?);
        self.run(listener, url, |plain| plain)
    }

    /// As [`DevIssuer::serve`], over HTTPS: at `https://localhost:PORT`, for clients that insist on it.
    #[cfg(feature = "tls")]
    pub fn serve_tls(
        self: &Arc<Self>,
        address: SocketAddr,
        tls: &crate::tls::Tls,
    ) -> io::Result<Served> {
        let listener = StdTcpListener::bind(address)?;
        let port = listener.local_addr()?.port();
        let url = format!("https://{}:{port}", crate::tls::HOST);
        let tls = tls.clone();
        self.run(listener, url, move |plain| tls.listener(plain))
    }

    fn run<L>(
        self: &Arc<Self>,
        listener: StdTcpListener,
        url: String,
        wrapped: impl FnOnce(TcpListener) -> L,
    ) -> io::Result<Served>
    where
        L: Listener,
        L::Addr: std::fmt::Debug,
    {
        listener.set_nonblocking(true)?;
        self.served_at(&url);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            wrapped(TcpListener::from_std(listener)?)
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let service = router(Arc::clone(self)).into_make_service_with_connect_info::<Line>();
        let thread = std::thread::Builder::new()
            .name("doorward-issuer".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = axum::serve(Lines(listener), service) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Served {
            url,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// A server that runs until this is dropped.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct Served {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// The base URL, without a slash at its end: `http://127.0.0.1:41234`, or `https://localhost:41234`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the server, open connections included, and waits until its thread is gone.
    pub fn shutdown(self) {
        drop(self);
    }

    /// Waits until the server ends by itself, which it does not: for a program that does nothing else.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Neither can fail in a way that matters: a server that is gone is what we want.
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

fn router(issuer: Arc<DevIssuer>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/oauth-authorization-server", get(discovery))
        .route("/v1/jwks", get(backend_jwks))
        .route("/api_keys/verify", post(verify::api_key))
        .route("/v1/api_keys/verify", post(verify::api_key))
        .route(
            "/oauth_applications/access_tokens/verify",
            post(verify::access_token),
        )
        .route(
            "/v1/oauth_applications/access_tokens/verify",
            post(verify::access_token),
        )
        .route("/m2m_tokens/verify", post(verify::machine_token))
        .route("/v1/m2m_tokens/verify", post(verify::machine_token))
        .merge(backend_api_routes())
        .route("/oauth/introspect", post(introspect))
        .route("/oauth/token_info", post(introspect))
        .route(
            "/oauth/authorize",
            get(sign_in::authorize).post(sign_in::authorize),
        )
        .route("/oauth/token", post(sign_in::token))
        .route("/oauth/userinfo", get(userinfo).post(userinfo))
        .route("/oauth/revoke", post(revoke))
        .route("/oauth/token/revoke", post(revoke))
        .route("/dev/mint", post(mint))
        .route("/dev/rotate", post(rotate))
        .route("/dev/withdraw", post(withdraw))
        .route("/dev/revoke", post(revoke_here))
        .route("/dev/backchannel", post(backchannel))
        .route("/dev/sign-in", post(set_sign_in))
        .route("/dev/clients", post(register))
        .route("/dev/machines", post(machine))
        .route("/dev/webhooks", get(webhooks).post(listen))
        .route("/dev/fault", post(set_fault))
        .route("/dev/requests", get(requests).delete(forget_requests))
        .route("/dev/state", get(state).delete(reset))
        .fallback(async || {
            error(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is nothing here; see /",
            )
        })
        .method_not_allowed_fallback(async || {
            error(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "not with this method; see /",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(Arc::clone(&issuer), recorded))
        .with_state(issuer)
}

/// Clerk's Backend API, and what of it is served without `/v1` too.
fn backend_api_routes() -> Router<Arc<DevIssuer>> {
    Router::new()
        .route("/v1/{*rest}", any(backend_api))
        .route("/api_keys", any(backend_api))
        .route("/api_keys/{*rest}", any(backend_api))
        .route("/m2m_tokens", any(backend_api))
        .route("/m2m_tokens/{*rest}", any(backend_api))
        .layer(DefaultBodyLimit::max(MAX_BACKEND_API_BODY))
}

type Issuer = State<Arc<DevIssuer>>;

async fn index(State(issuer): Issuer) -> Response {
    (
        [(
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        )],
        Html(page(&issuer)),
    )
        .into_response()
}

async fn jwks(State(issuer): Issuer, ConnectInfo(line): ConnectInfo<Line>) -> Response {
    answered(&issuer, Endpoint::Jwks, &line, |fault| {
        published(&issuer, fault)
    })
    .await
}

async fn discovery(State(issuer): Issuer, ConnectInfo(line): ConnectInfo<Line>) -> Response {
    answered(&issuer, Endpoint::Discovery, &line, |_| {
        Answer::json(&issuer.discovery()).kept(issuer.max_age())
    })
    .await
}

/// The keys as Clerk's Backend API gives them: to those who have a secret key.
async fn backend_jwks(
    State(issuer): Issuer,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
) -> Response {
    answered(&issuer, Endpoint::Jwks, &line, |fault| {
        let allowed = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer sk_test_"))
            .is_some_and(|rest| !rest.is_empty());
        if allowed {
            return published(&issuer, fault);
        }
        let refusal = Refusal {
            status: StatusCode::UNAUTHORIZED,
            code: "authentication_invalid",
            message: "Invalid authentication",
            long: "Send `Authorization: Bearer sk_test_…`; for its keys, this local issuer takes any such key."
                .to_owned(),
        };
        refusal.answer()
    })
    .await
}

/// The key set, or what a fault makes of its content.
fn published(issuer: &DevIssuer, fault: &Fault) -> Answer {
    let mut set = issuer.jwks();
    if let Some(keys) = set.get_mut("keys").and_then(Value::as_array_mut) {
        match fault {
            Fault::Empty => keys.clear(),
            Fault::OneBroken => {
                let broken = json!({"kty": "RSA", "kid": "dev_broken", "alg": "RS256", "use": "sig", "n": "!", "e": 3});
                keys.insert(0, broken);
            }
            _ => {}
        }
    }
    Answer::json(&set).kept(issuer.max_age())
}

async fn mint(State(issuer): Issuer, asked: Result<Json<Mint>, JsonRejection>) -> Response {
    let mint = match asked {
        Ok(Json(mint)) => mint,
        Err(rejection) => return refused(&rejection),
    };
    match issuer.mint(&mint) {
        Ok(token) => fresh(&json!({ "token": token })),
        Err(problem) => error(
            StatusCode::UNPROCESSABLE_ENTITY,
            "cannot_mint",
            &problem.to_string(),
        ),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    overlapping: bool,
}

async fn rotate(
    State(issuer): Issuer,
    asked: Result<Option<Json<Rotation>>, JsonRejection>,
) -> Response {
    let overlapping = match asked {
        Ok(asked) => asked.is_some_and(|Json(rotation)| rotation.overlapping),
        Err(rejection) => return refused(&rejection),
    };
    match if overlapping {
        issuer.rotate_overlapping()
    } else {
        issuer.rotate()
    } {
        Ok(kid) => fresh(&json!({ "kid": kid, "kids": issuer.kids() })),
        Err(problem) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "cannot_rotate",
            &problem.to_string(),
        ),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawal {
    kid: String,
}

async fn withdraw(
    State(issuer): Issuer,
    asked: Result<Json<Withdrawal>, JsonRejection>,
) -> Response {
    match asked {
        Ok(Json(asked)) if issuer.withdraw(&asked.kid) => fresh(&json!({ "kids": issuer.kids() })),
        Ok(_) => error(
            StatusCode::NOT_FOUND,
            "unknown_kid",
            "no key of this name is published",
        ),
        Err(rejection) => refused(&rejection),
    }
}

async fn revoke_here(
    State(issuer): Issuer,
    asked: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Response {
    let mut members = match asked {
        Ok(Json(members)) => members,
        Err(rejection) => return refused(&rejection),
    };
    let reason = match members.remove("reason") {
        None | Some(Value::Null) => None,
        Some(Value::String(reason)) => Some(reason),
        Some(_) => return unreadable("reason: expected a string"),
    };
    let what: Revocation = match serde_json::from_value(members.into()) {
        Ok(what) => what,
        Err(problem) => return unreadable(&problem.to_string()),
    };
    match (issuer.revoke(&what, reason.as_deref()), what) {
        (0, Revocation::Token(_)) => error(
            StatusCode::NOT_FOUND,
            "unknown_token",
            "no token of this issuer, or one that it has forgotten",
        ),
        (count, _) => fresh(&json!({ "revoked": count })),
    }
}

async fn backchannel(
    State(issuer): Issuer,
    asked: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Response {
    let mut members = match asked {
        Ok(Json(members)) => members,
        Err(rejection) => return refused(&rejection),
    };
    let Some(Value::String(url)) = members.remove("url") else {
        return unreadable("url: expected a string");
    };
    let mint: Mint = match serde_json::from_value(members.into()) {
        Ok(mint) => mint,
        Err(problem) => return unreadable(&problem.to_string()),
    };
    // It blocks, and the application may ask for keys before it answers.
    let sent = tokio::task::spawn_blocking(move || issuer.send_logout(&url, &mint)).await;
    match sent.map_err(|problem| LogoutError::NoAnswer(problem.to_string())) {
        Ok(Ok(status)) => fresh(&json!({ "status": status })),
        Err(problem) | Ok(Err(problem @ LogoutError::NoAnswer(_))) => {
            error(StatusCode::BAD_GATEWAY, "no_answer", &problem.to_string())
        }
        Ok(Err(problem)) => unreadable(&problem.to_string()),
    }
}

async fn register(State(issuer): Issuer, asked: Result<Json<Client>, JsonRejection>) -> Response {
    match asked.map(|Json(client)| issuer.register(client)) {
        Ok(Ok(client)) => fresh(&json!(client)),
        Ok(Err(problem)) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "cannot_register",
            &problem.to_string(),
        ),
        Err(rejection) => refused(&rejection),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    machine_id: String,
}

async fn machine(State(issuer): Issuer, asked: Result<Json<Machine>, JsonRejection>) -> Response {
    let Machine { machine_id } = match asked {
        Ok(Json(machine)) => machine,
        Err(rejection) => return refused(&rejection),
    };
    match issuer.machine_secret_key(&machine_id) {
        Ok(key) => fresh(&json!({ "machine_id": machine_id, "secret_key": key })),
        Err(problem) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "cannot_make_a_key",
            &problem.to_string(),
        ),
    }
}

async fn set_sign_in(
    State(issuer): Issuer,
    asked: Result<Json<SignIn>, JsonRejection>,
) -> Response {
    match asked {
        Ok(Json(how)) => {
            let told = json!(how);
            issuer.sign_in(how);
            fresh(&told)
        }
        Err(rejection) => refused(&rejection),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listening {
    url: String,
    secret: Option<String>,
}

async fn listen(
    State(issuer): State<Arc<DevIssuer>>,
    asked: Result<Json<Listening>, JsonRejection>,
) -> Response {
    let Listening { url, secret } = match asked {
        Ok(Json(asked)) => asked,
        Err(rejection) => return refused(&rejection),
    };
    match issuer.send_webhooks_to(&url, secret.as_deref()) {
        Ok(secret) => fresh(&json!({ "url": url, "secret": secret })),
        Err(why) => unreadable(&why),
    }
}

async fn webhooks(State(issuer): Issuer) -> Response {
    fresh(&issuer.backend_api().deliveries.shown())
}

async fn set_fault(State(issuer): Issuer, asked: Result<Json<Struck>, JsonRejection>) -> Response {
    match asked {
        Ok(Json(Struck { endpoint, fault })) => {
            let told = json!({ "fault": fault, "endpoint": endpoint });
            match endpoint {
                Some(endpoint) => issuer.set_fault_at(endpoint, fault),
                None => issuer.set_fault(fault),
            }
            fresh(&told)
        }
        Err(rejection) => refused(&rejection),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    endpoint: Option<Endpoint>,
}

async fn requests(State(issuer): Issuer, asked: Result<Query<Which>, QueryRejection>) -> Response {
    match asked {
        Ok(Query(Which { endpoint })) => fresh(&json!({
            "counts": issuer.log().counts(),
            "requests": issuer.log().told(endpoint),
        })),
        Err(rejection) => unreadable(&rejection.body_text()),
    }
}

async fn reset(State(issuer): Issuer) -> Response {
    issuer.reset();
    fresh(&json!({}))
}

async fn forget_requests(State(issuer): Issuer) -> Response {
    issuer.log().clear();
    fresh(&json!({ "counts": issuer.log().counts(), "requests": [] }))
}

async fn state(State(issuer): Issuer) -> Response {
    let opaque_tokens = issuer.tokens().count();
    fresh(&json!({
        "issuer": issuer.issuer(),
        "publishable_key": issuer.publishable_key(),
        "secret_key": issuer.secret_key(),
        "client": issuer.client(),
        "clients": issuer.client_ids(),
        "kids": issuer.kids(),
        "fault": issuer.fault(),
        "faults": issuer.faults(),
        "opaque_tokens": opaque_tokens,
        "jwks_fetches": issuer.jwks_fetches(),
        "discovery_fetches": issuer.discovery_fetches(),
        "authorized_fetches": issuer.authorized_fetches(),
        "requests": issuer.log().counts(),
    }))
}

fn unreadable(message: &str) -> Response {
    error(StatusCode::UNPROCESSABLE_ENTITY, "bad_request", message)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::SigningAlgorithm;
    use crate::strike::OVERSIZE;

    fn served() -> (Arc<DevIssuer>, Served) {
        let issuer = DevIssuer::builder()
            .algorithms(&[SigningAlgorithm::ES256])
            .build()
            .unwrap();
        let issuer = Arc::new(issuer);
        let served = issuer.serve("127.0.0.1:0".parse().unwrap()).unwrap();
        (issuer, served)
    }

    struct Answer {
        status: u16,
        head: String,
        body: Vec<u8>,
    }

    impl Answer {
        fn json(&self) -> Value {
            serde_json::from_slice(&self.body).unwrap()
        }
    }

    fn ask(served: &Served, method: &str, path: &str, headers: &str, body: &str) -> Option<Answer> {
        let mut stream =
            std::net::TcpStream::connect(served.url().strip_prefix("http://").unwrap()).unwrap();
        let length = body.len();
        // HTTP/1.0: the end of the body is the end of the connection.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut bytes = Vec::new();
        // A cut connection may also be reset.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec())
            .unwrap()
            .to_ascii_lowercase();
        Some(Answer {
            status: head[9..12].parse().unwrap(),
            head,
            body: bytes[end + 4..].to_vec(),
        })
    }

    fn fetch(served: &Served, path: &str) -> Answer {
        ask(served, "GET", path, "", "").unwrap()
    }

    fn send(served: &Served, path: &str, body: &Value) -> Answer {
        ask(
            served,
            "POST",
            path,
            "content-type: application/json\r\n",
            &body.to_string(),
        )
        .unwrap()
    }

    const JWKS: &str = "/.well-known/jwks.json";

    #[test]
    fn it_is_its_own_issuer_and_publishes_where_it_says() {
        let (issuer, served) = served();
        assert_eq!(issuer.issuer(), served.url());
        for path in [
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
        ] {
            let metadata = fetch(&served, path).json();
            assert_eq!(metadata["issuer"], served.url());
            assert_eq!(metadata["jwks_uri"], format!("{}{JWKS}", served.url()));
        }
        let keys = fetch(&served, JWKS);
        assert!(keys.status == 200 && keys.head.contains("cache-control: public, max-age=300"));
        assert_eq!(keys.json(), issuer.jwks());
        let mint = send(&served, "/dev/mint", &json!({"sub": "user_b"})).json();
        assert_eq!(mint["token"].as_str().unwrap().split('.').count(), 3);
        assert_eq!(
            (
                issuer.jwks_fetches(),
                issuer.discovery_fetches(),
                issuer.authorized_fetches()
            ),
            (1, 2, 0)
        );
    }

    #[test]
    fn the_backend_wants_a_secret_key() {
        let (issuer, served) = served();
        for (header, status) in [
            ("", 401),
            ("authorization: Bearer sk_test_\r\n", 401),
            ("authorization: Bearer sk_live_a\r\n", 401),
            ("authorization: Bearer sk_test_a\r\n", 200),
        ] {
            let answer = ask(&served, "GET", "/v1/jwks", header, "").unwrap();
            assert_eq!(answer.status, status, "{header}");
            assert_eq!(answer.json().get("keys").is_some(), status == 200);
        }
        assert_eq!((issuer.jwks_fetches(), issuer.authorized_fetches()), (4, 3));
    }

    #[test]
    fn keys_are_rotated_and_withdrawn_over_http() {
        let (issuer, served) = served();
        let old = issuer.kids();
        let new = send(&served, "/dev/rotate", &json!({"overlapping": true})).json();
        assert_eq!(new["kids"], json!([new["kid"], old[0]]));
        let left = send(&served, "/dev/withdraw", &json!({"kid": old[0]})).json();
        assert_eq!(left["kids"], json!([new["kid"]]));
        assert_eq!(
            send(&served, "/dev/withdraw", &json!({"kid": "?"})).status,
            404
        );
        assert_eq!(
            ask(&served, "POST", "/dev/rotate", "", "").unwrap().status,
            200
        );
        assert_eq!(issuer.kids().len(), 1);
    }

    #[test]
    fn mistakes_are_answered_in_json() {
        let (_issuer, served) = served();
        let large = "a".repeat(MAX_BODY);
        for (method, path, body, status) in [
            ("GET", "/nowhere", json!(null), 404),
            ("GET", "/dev/mint", json!(null), 405),
            ("POST", "/dev/mint", json!({"subject": "ada"}), 422),
            ("POST", "/dev/mint", json!({"features": ["posts"]}), 422),
            ("POST", "/dev/mint", json!({"sub": large}), 413),
            ("POST", "/dev/fault", json!({"kind": "on_fire"}), 422),
            ("POST", "/dev/rotate", json!({"overlaping": true}), 422),
        ] {
            let answer = ask(
                &served,
                method,
                path,
                "content-type: application/json\r\n",
                &body.to_string(),
            )
            .unwrap();
            assert_eq!(answer.status, status, "{method} {path}");
            assert!(answer.json()["message"].is_string());
        }
        assert_eq!(
            ask(&served, "POST", "/dev/mint", "", "{}").unwrap().status,
            415
        );
    }

    #[test]
    fn every_fault_is_what_its_name_says_and_can_be_lifted() {
        let (issuer, served) = served();
        let set = |fault: Value| assert_eq!(send(&served, "/dev/fault", &fault).status, 200);
        for (fault, status) in [
            (json!({"kind": "down"}), 503),
            (json!({"kind": "status", "status": 418}), 418),
            (json!({"kind": "status", "status": 100}), 500),
            (json!({"kind": "not_found"}), 404),
            (json!({"kind": "garbage"}), 200),
            (
                json!({"kind": "redirect", "url": "https://elsewhere.test/"}),
                302,
            ),
        ] {
            set(fault.clone());
            for path in [JWKS, "/.well-known/openid-configuration", "/v1/jwks"] {
                let answer = fetch(&served, path);
                assert_eq!(answer.status, status, "{fault}");
                match fault["kind"].as_str().unwrap() {
                    "redirect" => {
                        assert!(answer.head.contains("location: https://elsewhere.test/"))
                    }
                    "garbage" => assert!(answer.head.contains("text/html")),
                    "down" => assert!(answer.head.contains("retry-after: 1")),
                    _ => assert!(answer.json()["error"].is_string()),
                }
            }
        }

        set(json!({"kind": "empty"}));
        assert_eq!(fetch(&served, JWKS).json(), json!({"keys": []}));
        set(json!({"kind": "one_broken"}));
        let keys = fetch(&served, JWKS).json();
        assert_eq!(
            (&keys["keys"][0]["n"], &keys["keys"][1]),
            (&json!("!"), &issuer.jwks()["keys"][0])
        );

        set(json!({"kind": "refuse"}));
        assert!(ask(&served, "GET", JWKS, "", "").is_none());

        set(json!({"kind": "oversize"}));
        let large = fetch(&served, JWKS);
        assert!(large.body.len() > OVERSIZE);
        assert_eq!(large.json()["keys"], issuer.jwks()["keys"]);

        set(json!({"kind": "gzip_bomb"}));
        let bomb = fetch(&served, JWKS);
        assert!(bomb.head.contains("content-encoding: gzip"));
        assert_eq!(bomb.body.len(), 33_053);

        set(json!({"kind": "slow", "milliseconds": 150}));
        let start = Instant::now();
        assert_eq!(fetch(&served, JWKS).json(), issuer.jwks());
        assert!(start.elapsed() >= Duration::from_millis(150));

        assert_eq!(fetch(&served, "/dev/state").json()["fault"]["kind"], "slow");
        set(json!({"kind": "none"}));
        assert_eq!(fetch(&served, JWKS).status, 200);
    }

    #[test]
    fn a_drip_is_a_byte_at_a_time_and_does_not_keep_the_server_alive() {
        let (issuer, served) = served();
        issuer.set_fault(Fault::Drip);
        let mut stream =
            std::net::TcpStream::connect(served.url().strip_prefix("http://").unwrap()).unwrap();
        write!(stream, "GET {JWKS} HTTP/1.0\r\n\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(350));
        let start = Instant::now();
        served.shutdown();
        assert!(start.elapsed() < Duration::from_secs(2));
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!body.is_empty() && body.len() < 20, "{body}");
    }

    #[test]
    fn the_page_shows_the_issuer_and_escapes_what_it_shows() {
        let (issuer, served) = served();
        issuer.set_fault(Fault::Redirect("https://a.test/<script>".to_owned()));
        let page = fetch(&served, "/");
        let text = String::from_utf8(page.body).unwrap();
        assert!(
            page.head
                .contains("content-security-policy: default-src 'none'")
        );
        assert!(text.contains(&issuer.kids()[0]) && text.contains(served.url()));
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script"));
    }
}
