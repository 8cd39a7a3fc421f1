//! The issuer on a port: keys, metadata and the `/dev` routes that change them.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Interval;

use crate::fault::Fault;
use crate::issuer::DevIssuer;
use crate::mint::Mint;
use crate::page::page;

impl DevIssuer {
    /// Serves on `address` (port 0: any free one) until the answer is dropped or shut down.
    ///
    /// The server has a thread and a runtime of its own, so synchronous and asynchronous callers use it alike. Keep it
    /// on a loopback address: it mints for whoever asks.
    pub fn serve(self: &Arc<Self>, address: SocketAddr) -> io::Result<Served> {
        let listener = StdTcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        self.served_at(&url);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
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
    /// The base URL, without a slash at its end: `http://127.0.0.1:41234`.
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
        .route("/dev/mint", post(mint))
        .route("/dev/rotate", post(rotate))
        .route("/dev/withdraw", post(withdraw))
        .route("/dev/fault", post(set_fault))
        .route("/dev/state", get(state))
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
        .with_state(issuer)
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

async fn jwks(
    State(issuer): Issuer,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
) -> Response {
    issuer.count_fetch(true, headers.contains_key(AUTHORIZATION));
    with_fault(&issuer, &line, issuer.jwks()).await
}

async fn discovery(
    State(issuer): Issuer,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
) -> Response {
    issuer.count_fetch(false, headers.contains_key(AUTHORIZATION));
    with_fault(&issuer, &line, issuer.discovery()).await
}

/// The keys as Clerk's Backend API gives them: to those who have a secret key.
async fn backend_jwks(
    State(issuer): Issuer,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
) -> Response {
    let authorization = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    issuer.count_fetch(true, headers.contains_key(AUTHORIZATION));
    let allowed = authorization
        .and_then(|value| value.strip_prefix("Bearer sk_test_"))
        .is_some_and(|rest| !rest.is_empty());
    if allowed || issuer.fault() != Fault::None {
        return with_fault(&issuer, &line, issuer.jwks()).await;
    }
    let body = json!({
        "errors": [{
            "code": "authentication_invalid",
            "message": "Invalid authentication",
            "long_message": "Send `Authorization: Bearer sk_test_…`; this local issuer takes any such key.",
        }],
    });
    (
        StatusCode::UNAUTHORIZED,
        [(WWW_AUTHENTICATE, "Bearer")],
        Json(body),
    )
        .into_response()
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

async fn set_fault(State(issuer): Issuer, asked: Result<Json<Fault>, JsonRejection>) -> Response {
    match asked {
        Ok(Json(fault)) => {
            issuer.set_fault(fault);
            fresh(&json!({ "fault": issuer.fault() }))
        }
        Err(rejection) => refused(&rejection),
    }
}

async fn state(State(issuer): Issuer) -> Response {
    fresh(&json!({
        "issuer": issuer.issuer(),
        "publishable_key": issuer.publishable_key(),
        "kids": issuer.kids(),
        "fault": issuer.fault(),
        "jwks_fetches": issuer.jwks_fetches(),
        "discovery_fetches": issuer.discovery_fetches(),
        "authorized_fetches": issuer.authorized_fetches(),
    }))
}

/// The right answer, or what the fault makes of it.
async fn with_fault(issuer: &DevIssuer, line: &Line, mut right: Value) -> Response {
    let fault = issuer.fault();
    match &fault {
        Fault::Slow(time) => tokio::time::sleep((*time).min(MAX_SLOWNESS)).await,
        Fault::Empty => {
            if let Some(keys) = right.get_mut("keys") {
                *keys = json!([]);
            }
        }
        Fault::OneBroken => {
            if let Some(keys) = right.get_mut("keys").and_then(Value::as_array_mut) {
                let broken = json!({"kty": "RSA", "kid": "dev_broken", "alg": "RS256", "use": "sig", "n": "!", "e": 3});
                keys.insert(0, broken);
            }
        }
        _ => {}
    }
    let text = right.to_string();
    let cache = (
        CACHE_CONTROL,
        format!("public, max-age={}", issuer.max_age()),
    );
    let json = (CONTENT_TYPE, "application/json".to_owned());
    match fault {
        Fault::None | Fault::Slow(_) | Fault::Empty | Fault::OneBroken => {
            ([cache, json], text).into_response()
        }
        Fault::Down => {
            let mut down = error(StatusCode::SERVICE_UNAVAILABLE, "down", "down on purpose");
            down.headers_mut()
                .insert(RETRY_AFTER, axum::http::HeaderValue::from_static("1"));
            down
        }
        Fault::Garbage => {
            Html("<!doctype html><title>Sign in to the network</title><p>Sign in.").into_response()
        }
        Fault::Status(status) => {
            // An informational status is no answer; nor is one that HTTP does not know.
            let status = StatusCode::from_u16(status)
                .ok()
                .filter(|status| (200..600).contains(&status.as_u16()));
            error(
                status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                "status",
                "this status on purpose",
            )
        }
        Fault::NotFound => error(StatusCode::NOT_FOUND, "not_found", "not found on purpose"),
        Fault::Redirect(url) => match url.parse::<axum::http::HeaderValue>() {
            Ok(url) => (StatusCode::FOUND, [(LOCATION, url)]).into_response(),
            Err(_) => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "redirect",
                "the fault's URL is no header value",
            ),
        },
        Fault::Oversize => {
            let head = text.trim_end_matches('}').to_owned() + r#","padding":""#;
            let padding = std::iter::repeat_n(vec![b'a'; CHUNK], OVERSIZE / CHUNK);
            let pieces = std::iter::once(head.into_bytes())
                .chain(padding)
                .chain([br#""}"#.to_vec()]);
            ([cache, json], Body::from_stream(Pieces::at_once(pieces))).into_response()
        }
        Fault::GzipBomb => {
            ([json, (CONTENT_ENCODING, "gzip".to_owned())], gzip_bomb()).into_response()
        }
        Fault::Drip => {
            let mut bytes = text.into_bytes();
            let rest = bytes.split_off(bytes.len().min(DRIPS));
            let pieces = bytes.into_iter().map(|byte| vec![byte]).chain([rest]);
            ([cache, json], Body::from_stream(Pieces::slowly(pieces))).into_response()
        }
        Fault::Refuse => {
            line.cut();
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

fn fresh(body: &Value) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "error": code, "message": message });
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn refused(rejection: &JsonRejection) -> Response {
    error(rejection.status(), "bad_request", &rejection.body_text())
}

/// A body in pieces, at once or one every tenth of a second.
struct Pieces {
    pieces: Box<dyn Iterator<Item = Vec<u8>> + Send>,
    pace: Option<Interval>,
}

impl Pieces {
    fn at_once(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Self {
        Self {
            pieces: Box::new(pieces),
            pace: None,
        }
    }

    fn slowly(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Self {
        Self {
            pieces: Box::new(pieces),
            pace: Some(tokio::time::interval(PACE)),
        }
    }
}

impl futures_core::Stream for Pieces {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(context));
        }
        Poll::Ready(self.pieces.next().map(Ok))
    }
}

/// A gzip member of 34,074,577 spaces: in a dynamic Huffman block, zero octets each mean four matches of 258.
fn gzip_bomb() -> Vec<u8> {
    const HEAD: [u8; 26] = [
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03, 0xed, 0xc1, 0x81, 0, 0, 0, 0, 0xc3, 0x20,
        0x95, 0xf9, 0x53, 0x1e, 0xe4, 0x55, 0x01,
    ];
    const REPEATS: usize = 33_017;
    const END: [u8; 2] = [0xf7, 0x06];
    const CRC_AND_LENGTH: [u8; 8] = [0x36, 0x3c, 0x23, 0x62, 0xd1, 0xef, 0x07, 0x02];
    [&HEAD[..], &[0; REPEATS], &END, &CRC_AND_LENGTH].concat()
}

/// A listener whose connections can be cut from inside a handler: HTTP has no way to say nothing.
struct Lines(TcpListener);

impl Listener for Lines {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (
            CuttableStream {
                stream,
                line: Line::default(),
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A handle on a connection.
#[derive(Clone, Default)]
struct Line(Arc<AtomicBool>);

impl Line {
    /// Nothing more is written; the server closes.
    fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_cut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connected<IncomingStream<'_, Lines>> for Line {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        stream.io().line.clone()
    }
}

struct CuttableStream {
    stream: TcpStream,
    line: Line,
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.line.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const MAX_BODY: usize = 64 * 1024;
const MAX_SLOWNESS: Duration = Duration::from_secs(3600);
const CHUNK: usize = 64 * 1024;
const OVERSIZE: usize = 8 * 1024 * 1024;
const PACE: Duration = Duration::from_millis(100);
/// Ten seconds' worth.
const DRIPS: usize = 100;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Instant;

    use super::*;
    use crate::SigningAlgorithm;

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
