//! Every case of `vectors/webhook/` through axum's own router, and what a hostile client makes of a real server.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::{HeaderName, HeaderValue, Request, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use axum::{Extension, Json, Router};
use base64_simd::STANDARD;
use doorward::axum::{SignedBody, Webhook, WebhookClock};
use doorward::core::webhook;
use doorward::{ManualClock, Timestamp, WebhookVerifier};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

#[path = "../examples/axum_webhook.rs"]
#[allow(dead_code, reason = "its main is not run")]
mod example;

const SECRET: &str = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";
const NOW: i64 = 1_800_000_000;
const WAIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_vector_is_answered_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/webhook");
    let (mut asked, mut unsayable) = (0, 0);
    for name in [
        "body",
        "headers",
        "published",
        "secrets",
        "signatures",
        "timestamp",
    ] {
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let or = |member: &str| match &case[member] {
                Value::Null => file[member].clone(),
                own => own.clone(),
            };
            let secrets: Vec<String> = serde_json::from_value(or("secrets")).unwrap();
            let Ok(verifier) = WebhookVerifier::new(&secrets) else {
                assert_eq!(case["expect"], "config_error", "{}", case["name"]);
                continue;
            };
            // A header with a line break cannot even be made here.
            let Some(request) = request(case) else {
                unsayable += 1;
                continue;
            };
            let now = (or("now").as_f64().unwrap() * 1000.0).round() as i64;
            let app = Router::new()
                .route(
                    "/",
                    post(async |signed: SignedBody| signed.message.id().to_owned()),
                )
                .with_state(verifier)
                .layer(at(Timestamp::from_millis(now)));
            let answer = app.oneshot(request).await.unwrap();
            let (status, content_type) = (
                answer.status(),
                answer.headers().get("content-type").cloned(),
            );
            let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
            asked += 1;
            if case["expect"] == "accept" {
                assert_eq!(status, StatusCode::OK, "{}: {body:?}", case["name"]);
                continue;
            }
            let wanted = if case["expect"] == "body_too_large" {
                413
            } else {
                400
            };
            assert_eq!(status.as_u16(), wanted, "{}", case["name"]);
            assert_eq!(content_type.unwrap(), "application/json");
            assert_eq!(
                body,
                json!({ "detail": case["expect"] }).to_string(),
                "{}",
                case["name"]
            );
        }
    }
    assert!(
        asked > 170 && unsayable < 10,
        "{asked} asked, {unsayable} not"
    );
}

#[tokio::test]
async fn a_payload_that_does_not_fit_is_refused() {
    // What users write into their metadata refuses nothing.
    let deep = format!(
        r#"{{"type":"user.updated","data":{{"id":"user_1","unsafe_metadata":{}1{}}}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    for (body, status) in [
        (
            &br#"{"type":"user.created","data":{"id":"user_1"}}"#[..],
            200,
        ),
        (br#"{"type":"brand.new","data":[],"more":1}"#, 200),
        (br#"{"data":{}}"#, 400),
        (b"[]", 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (br#"{"type":"a"} x"#, 400),
        (deep.as_bytes(), 200),
        (br#"{"type":"a","data":{"name":"\ud800"}}"#, 200),
    ] {
        let answer = example_app().oneshot(signed(body)).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{body:?}");
        if status == 400 {
            let said = to_bytes(answer.into_body(), 10_000).await.unwrap();
            assert_eq!(said, r#"{"detail":"payload_malformed"}"#);
        }
    }
}

#[tokio::test]
async fn the_example_answers() {
    let body = br#"{"type":"user.created","data":{"id":"user_1","primary_email_address_id":"idn_1",
        "email_addresses":[{"id":"idn_1","email_address":"ada@example.com"}]}}"#;
    let answer = example_app().oneshot(signed(body)).await.unwrap();
    let said = to_bytes(answer.into_body(), 10_000).await.unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(
        said,
        json!({"id": "msg_1", "did": "stored", "user": "user_1", "email": "ada@example.com"})
    );
}

/// A type of the application's own, and a state that has more than the verifier.
#[tokio::test]
async fn reads_into_any_type_from_any_state() {
    #[derive(Clone)]
    struct App {
        verifier: WebhookVerifier,
        _name: &'static str,
    }
    impl FromRef<App> for WebhookVerifier {
        fn from_ref(app: &App) -> Self {
            app.verifier.clone()
        }
    }
    #[derive(serde::Deserialize)]
    struct Paid {
        amount: u64,
    }
    async fn paid(event: Webhook<Paid>) -> Json<u64> {
        Json(event.amount)
    }
    let state = App {
        verifier: WebhookVerifier::new([SECRET]).unwrap(),
        _name: "shop",
    };
    let app = Router::new()
        .route("/webhooks/clerk", post(paid))
        .with_state(state)
        .layer(at(Timestamp::from_secs(NOW)));
    let answer = app
        .clone()
        .oneshot(signed(br#"{"amount":7}"#))
        .await
        .unwrap();
    assert_eq!(to_bytes(answer.into_body(), 100).await.unwrap(), "7");
    let answer = app
        .clone()
        .oneshot(signed(br#"{"amount":"7"}"#))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    // A lower limit of the application's own counts.
    let app = app.layer(DefaultBodyLimit::max(5));
    let answer = app.oneshot(signed(br#"{"amount":7}"#)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

/// With the machine's clock, over a socket.
#[tokio::test]
async fn a_real_server_stands_what_clients_send() {
    let router = example::app(WebhookVerifier::new([SECRET]).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let body = r#"{"type":"user.deleted","data":{"id":"user_1"}}"#;
    let now = Timestamp::from(std::time::SystemTime::now());
    let headers = webhook::sign(SECRET, "msg_1", now, body.as_bytes()).unwrap();
    let fields: String = headers
        .svix()
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = |rest: &str| {
        format!("POST /webhooks/clerk HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{rest}")
    };
    let genuine = format!(
        "{}content-length: {}\r\n\r\n{body}",
        head(&fields),
        body.len()
    );
    let folded = genuine.replace("svix-id: msg_1", "svix-id:\r\n msg_1");
    let twice = genuine.replace("svix-id: msg_1", "svix-id: msg_1\r\nSvix-Id: msg_2");
    let not_ascii = genuine.replace("msg_1", "msg_\u{e9}");
    let announced = format!("{}content-length: 99999999999\r\n\r\n", head(&fields));
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    let endless = format!(
        "{}transfer-encoding: chunked\r\n\r\n{}",
        head(&fields),
        chunk.repeat(20)
    );
    let long = format!(
        "{}svix-signature: {}\r\ncontent-length: 0\r\n\r\n",
        head(""),
        "v1,a ".repeat(4000)
    );
    for (name, text, statuses) in [
        ("genuine", &genuine, &[200][..]),
        ("folded", &folded, &[400]),
        ("twice", &twice, &[400]),
        ("not ASCII", &not_ascii, &[400]),
        ("announced", &announced, &[413]),
        ("endless", &endless, &[413]),
        ("long list", &long, &[400, 431]),
    ] {
        let status = ask(address, text.as_bytes()).await;
        assert!(statuses.contains(&status), "{name}: {status}");
    }
    // Cut short: nobody is left to be answered, and the server lives on.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(&genuine.as_bytes()[..genuine.len() - 3])
        .await
        .unwrap();
    drop(stream);
    assert_eq!(ask(address, genuine.as_bytes()).await, 200);
    server.abort();
}

/// What the local signer makes, with a private key and with a shared secret.
#[test]
fn the_local_signers_messages_are_genuine() {
    let (private, public) = doorward_issuer::new_webhook_key_pair().unwrap();
    let shared = doorward_issuer::new_webhook_secret().unwrap();
    let signer = doorward_issuer::WebhookSigner::new([&private, &shared]).unwrap();
    let head = signer.headers("msg_1", NOW, b"{}");
    for secret in [&public, &shared] {
        let verifier = WebhookVerifier::new([secret]).unwrap();
        let now = Timestamp::from_secs(NOW);
        assert_eq!(verifier.verify(&head, b"{}", now).unwrap().id(), "msg_1");
        assert!(verifier.verify(&head, b"{ }", now).is_err());
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_refusal() {
    let request = Request::post("/webhooks/clerk")
        .body(Body::new(Broken))
        .unwrap();
    let answer = example_app().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let said = to_bytes(answer.into_body(), 10_000).await.unwrap();
    assert_eq!(said, r#"{"detail":"body_unreadable"}"#);
}

struct Broken;

impl http_body::Body for Broken {
    type Data = axum::body::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("the line broke"))))
    }
}

fn example_app() -> Router {
    let verifier = WebhookVerifier::new([SECRET]).unwrap();
    example::app(verifier).layer(at(Timestamp::from_secs(NOW)))
}

fn at(now: Timestamp) -> Extension<WebhookClock> {
    Extension(WebhookClock(Arc::new(ManualClock::at(now))))
}

/// A genuine message with this body.
fn signed(body: &[u8]) -> Request<Body> {
    let headers = webhook::sign(SECRET, "msg_1", Timestamp::from_secs(NOW), body).unwrap();
    let mut request = Request::post("/webhooks/clerk");
    for (name, value) in headers.svix() {
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_vec())).unwrap()
}

fn request(case: &Value) -> Option<Request<Body>> {
    let mut request = Request::post("/");
    for field in case["head"].as_array().unwrap() {
        let name = HeaderName::from_bytes(field[0].as_str().unwrap().as_bytes()).unwrap();
        let text = expand(&field[1]);
        let octets: Vec<u8> = text
            .chars()
            .map(|letter| u8::try_from(letter as u32).unwrap())
            .collect();
        request = request.header(name, HeaderValue::from_bytes(&octets).ok()?);
    }
    let body = match &case["body_base64"] {
        Value::String(encoded) => STANDARD.decode_to_vec(encoded).unwrap(),
        _ => expand(&case["body"]).into_bytes(),
    };
    Some(request.body(Body::from(body)).unwrap())
}

fn expand(text: &Value) -> String {
    match text {
        Value::String(text) => text.clone(),
        long => {
            let part = |name: &str| long[name].as_str().unwrap();
            let times = long["times"].as_u64().unwrap() as usize;
            [
                part("prefix"),
                &part("repeat").repeat(times),
                part("suffix"),
            ]
            .concat()
        }
    }
}

/// The status of an answer, which ends the connection.
async fn ask(address: std::net::SocketAddr, request: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let talk = async {
        // The server may answer and close before it has read everything.
        let write = async {
            drop(writer.write_all(request).await);
            std::future::pending::<()>().await;
        };
        let read = async {
            let mut answer = [0; 12];
            reader.read_exact(&mut answer).await.unwrap();
            std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
        };
        tokio::select! {
            status = read => status,
            () = write => unreachable!(),
        }
    };
    tokio::time::timeout(WAIT, talk).await.unwrap()
}

#[test]
fn a_refusal_is_never_kept_by_a_cache() {
    let refusal = doorward::axum::WebhookRefusal(doorward::WebhookReason::HeadersMissing.into());
    let response = refusal.into_response();
    assert_eq!(response.headers()["cache-control"], "no-store");
}
