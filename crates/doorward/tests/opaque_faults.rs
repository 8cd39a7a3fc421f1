//! Drills: what becomes of opaque tokens when the endpoint, the network, the clock or a crowd misbehaves. Each has its
//! verdict and a bound; none is timed tightly.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::needless_pass_by_value, reason = "json! reads better so")]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt as _;
use doorward::{Authenticator, Config, ManualClock, Reason, RequestHead, Timestamp};
use serde_json::{Value, json};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const NOW: i64 = 1_800_000_000;
const DEADLINE: Duration = Duration::from_millis(1500);
/// What a busy machine may add.
const NOISE: Duration = Duration::from_secs(5);

/// An endpoint that knows every token beginning with `good`, and does as it is told.
#[derive(Default)]
struct Endpoint {
    asked: AtomicUsize,
    connections: AtomicUsize,
    mode: Mutex<Mode>,
    delays: Mutex<HashMap<String, Duration>>,
}

#[derive(Clone, Default)]
enum Mode {
    #[default]
    Well,
    Slow(Duration),
    Status(u16, Option<u32>),
    Body(&'static str),
}

impl Endpoint {
    async fn serve() -> (Arc<Self>, String) {
        let endpoint = Arc::new(Self::default());
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&endpoint));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/introspect", listener.local_addr().unwrap());
        let counted = Arc::clone(&endpoint);
        let listener = listener.tap_io(move |_| {
            counted.connections.fetch_add(1, Ordering::SeqCst);
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        (endpoint, url)
    }

    fn does(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, body: Bytes) -> Response {
    endpoint.asked.fetch_add(1, Ordering::SeqCst);
    let body = String::from_utf8(body.to_vec()).unwrap();
    let token = body
        .split('&')
        .next()
        .unwrap()
        .strip_prefix("token=")
        .unwrap();
    let delay = endpoint.delays.lock().unwrap().get(&token[..4]).copied();
    tokio::time::sleep(delay.unwrap_or_default()).await;
    let mode = endpoint.mode.lock().unwrap().clone();
    let told = match token.starts_with("good") {
        true => json!({
            "active": true, "sub": token, "aud": "my-api", "iat": NOW - 10, "exp": NOW + 600,
        }),
        false => json!({"active": false}),
    };
    match mode {
        Mode::Well => axum::Json(told).into_response(),
        Mode::Slow(delay) => {
            tokio::time::sleep(delay).await;
            axum::Json(told).into_response()
        }
        Mode::Status(status, retry_after) => {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", seconds.into());
            }
            response
        }
        Mode::Body(body) => body.into_response(),
    }
}

fn config(url: &str, changes: Value) -> Config {
    let mut settings = json!({
        "issuer": "https://login.example.com", "audience": "my-api", "accepts": "oauth_token",
        "jwks_url": "https://login.example.com/jwks", "introspection_url": url,
    });
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let mut config = Config::from_json(&settings.to_string()).unwrap();
    config.fetch.total_timeout = DEADLINE;
    config.fetch.connect_timeout = Duration::from_millis(500);
    config
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_secs(NOW)))
}

fn standing_still(url: &str, clock: &Arc<ManualClock>) -> Authenticator {
    Authenticator::with_clock(&config(url, json!({})), Arc::<ManualClock>::clone(clock)).unwrap()
}

async fn verdict(auth: &Authenticator, token: &str) -> Result<(), Reason> {
    let verdict = auth.verify(token).await;
    verdict.map(drop).map_err(|rejection| rejection.reason())
}

/// A good token meets trouble: 503 with Retry-After within the deadline, and who was known before notices nothing.
async fn meets_trouble(auth: &Authenticator, token: &str) -> Duration {
    let begin = Instant::now();
    let refused = auth.verify(token).await.unwrap_err();
    let took = begin.elapsed();
    assert_eq!(refused.reason(), Reason::VerificationUnavailable);
    assert_eq!(refused.status(), 503);
    assert!(refused.retry_after().is_some());
    assert!(took < DEADLINE + NOISE, "{took:?}");
    assert!(!format!("{refused:?}").contains(token));
    took
}

#[tokio::test]
async fn every_trouble_of_the_endpoint_is_503_within_the_deadline_and_passes() {
    let (endpoint, url) = Endpoint::serve().await;
    let clock = clock();
    let settings = config(&url, json!({"answer_ttl": 600}));
    let auth = Authenticator::with_clock(&settings, Arc::<ManualClock>::clone(&clock)).unwrap();
    assert_eq!(verdict(&auth, "good-known").await, Ok(()));
    for (number, mode) in [
        Mode::Slow(Duration::from_secs(60)),
        Mode::Status(429, Some(1)),
        Mode::Status(429, Some(86_400)),
        Mode::Status(500, None),
        Mode::Status(503, Some(30)),
        Mode::Status(401, None),
        Mode::Status(403, None),
        Mode::Status(404, None),
        Mode::Status(204, None),
        Mode::Status(302, None),
        Mode::Body(""),
        Mode::Body("<html>sign in to the hotel</html>"),
        Mode::Body("{\"active\":true"),
        Mode::Body("{}"),
        Mode::Body("{\"active\":\"true\",\"sub\":\"x\"}"),
        Mode::Body("null"),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("good-{number}");
        endpoint.does(mode);
        meets_trouble(&auth, &token).await;
        assert_eq!(verdict(&auth, "good-known").await, Ok(()));
        endpoint.does(Mode::Well);
        // The longest that an issuer is left alone.
        clock.advance(Duration::from_secs(10));
        assert_eq!(
            verdict(&auth, &token).await,
            Ok(()),
            "after trouble {number}"
        );
        assert_eq!(verdict(&auth, "good-known").await, Ok(()));
    }
}

#[tokio::test]
async fn a_retry_after_is_kept_to() {
    let (endpoint, url) = Endpoint::serve().await;
    let clock = clock();
    let auth = standing_still(&url, &clock);
    endpoint.does(Mode::Status(429, Some(7)));
    let refused = auth.verify("good-a").await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(7));
    let asked = endpoint.asked();
    for _ in 0..100 {
        assert!(verdict(&auth, "good-a").await.is_err());
    }
    assert_eq!(endpoint.asked(), asked, "nobody asks about it meanwhile");
    endpoint.does(Mode::Well);
    clock.advance(Duration::from_secs(7));
    assert_eq!(verdict(&auth, "good-a").await, Ok(()));
}

#[tokio::test]
async fn an_endpoint_that_is_down_and_one_that_has_no_name() {
    let dead = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for url in [
        format!("http://{dead}/introspect"),
        // RFC 6761 §6.4: no such name, ever.
        "https://login.invalid/introspect".to_owned(),
    ] {
        let auth = standing_still(&url, &clock());
        meets_trouble(&auth, "good-a").await;
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_learns_no_token() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let decode = |text: &str| base64_simd::STANDARD.decode_to_vec(text).unwrap();
    let certificate = CertificateDer::from(decode(CERTIFICATE));
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(decode(KEY)));
    let tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let (tried, spoken) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (seen, heard) = (Arc::clone(&tried), Arc::clone(&spoken));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            if acceptor.accept(stream).await.is_ok() {
                heard.store(true, Ordering::SeqCst);
            }
        }
    });
    let auth = standing_still(&format!("https://{address}/introspect"), &clock());
    meets_trouble(&auth, "good-a").await;
    assert!(tried.load(Ordering::SeqCst) > 0);
    assert!(!spoken.load(Ordering::SeqCst), "the handshake must fail");
}

#[tokio::test]
async fn clocks_that_jump_neither_revive_a_token_nor_ask_more() {
    let (endpoint, url) = Endpoint::serve().await;
    let clock = clock();
    let auth = standing_still(&url, &clock);
    assert_eq!(verdict(&auth, "good-a").await, Ok(()));
    let at = |seconds: i64| Timestamp::from_secs(NOW + seconds);
    for _ in 0..3 {
        clock.step_to(at(3600));
        assert_eq!(verdict(&auth, "good-a").await, Err(Reason::TokenExpired));
        clock.step_to(at(-3600));
        assert_eq!(
            verdict(&auth, "good-a").await,
            Err(Reason::TokenIssuedInFuture)
        );
        clock.step_to(at(0));
        assert_eq!(verdict(&auth, "good-a").await, Ok(()));
    }
    assert_eq!(endpoint.asked(), 1);
    // What the issuer said a minute ago is old by the clock that does not jump, whatever the other one shows.
    clock.advance(Duration::from_secs(61));
    clock.step_to(at(0));
    assert_eq!(verdict(&auth, "good-a").await, Ok(()));
    assert_eq!(endpoint.asked(), 2);
    // A jump while a question is in the air.
    endpoint.does(Mode::Slow(Duration::from_millis(200)));
    let waiting = tokio::spawn({
        let auth = auth.clone();
        async move { verdict(&auth, "good-b").await }
    });
    while endpoint.asked() < 3 {
        tokio::task::yield_now().await;
    }
    clock.step_to(at(3600));
    assert_eq!(waiting.await.unwrap(), Err(Reason::TokenExpired));
}

#[tokio::test]
async fn an_answer_that_nobody_fetched_for_long_is_asked_for_again() {
    let (endpoint, url) = Endpoint::serve().await;
    let clock = clock();
    let auth = standing_still(&url, &clock);
    assert_eq!(verdict(&auth, "good-a").await, Ok(()));
    // Due: it is asked again in the background, and nobody comes for the answer.
    clock.advance(Duration::from_secs(50));
    assert_eq!(verdict(&auth, "good-a").await, Ok(()));
    while endpoint.asked() < 2 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(400));
    endpoint.does(Mode::Body("{\"active\":false}"));
    assert_eq!(verdict(&auth, "good-a").await, Err(Reason::TokenInvalid));
}

#[tokio::test]
async fn a_hundred_questions_use_few_connections() {
    let (endpoint, url) = Endpoint::serve().await;
    let auth = standing_still(&url, &clock());
    for number in 0..100 {
        assert_eq!(verdict(&auth, &format!("good-{number}")).await, Ok(()));
    }
    assert_eq!(endpoint.asked(), 100);
    let used = endpoint.connections.load(Ordering::SeqCst);
    assert!(used <= 2, "{used} connections");
}

/// A request with a token, from an address.
struct From {
    peer: Option<IpAddr>,
    fields: Vec<(&'static str, String)>,
}

impl From {
    fn address(address: impl Into<IpAddr>, token: &str) -> Self {
        Self {
            peer: Some(address.into()),
            fields: vec![("authorization", format!("Bearer {token}"))],
        }
    }
}

impl RequestHead for From {
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let same = move |(key, _): &&(&str, String)| *key == name;
        let fields = self.fields.iter().filter(same);
        fields.map(|(_, value)| value.as_bytes())
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

#[tokio::test]
async fn a_flood_from_one_source_leaves_room_for_the_good_tokens_of_others() {
    let (endpoint, url) = Endpoint::serve().await;
    let auth = standing_still(&url, &clock());
    let mut shed = 0;
    for number in 0..2_000 {
        let head = From::address(Ipv4Addr::new(192, 0, 2, 1), &format!("evil-{number}"));
        let refused = auth.authenticate(&head).await.unwrap_err();
        shed += usize::from(refused.status() == 503);
        assert!(matches!(refused.status(), 401 | 503));
    }
    assert!(shed > 1_500, "{shed}");
    assert!(endpoint.asked() < 300, "{}", endpoint.asked());
    // The clock stands still, so nothing flows back: what is left was kept for them.
    for number in 0..100 {
        let address = Ipv4Addr::new(198, 51, 100, number);
        let head = From::address(address, &format!("good-{number}"));
        assert!(auth.authenticate(&head).await.is_ok(), "{number}");
    }
}

#[tokio::test]
async fn a_slow_flood_from_one_source_leaves_room_in_the_air() {
    let (endpoint, url) = Endpoint::serve().await;
    let auth = Authenticator::new(&config(&url, json!({"leeway": 300}))).unwrap();
    endpoint
        .delays
        .lock()
        .unwrap()
        .insert("evil".to_owned(), Duration::from_secs(1));
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let auth = auth.clone();
        flood.spawn(async move {
            let head = From::address(Ipv4Addr::new(192, 0, 2, 1), &format!("evil-{number}"));
            auth.authenticate(&head).await.unwrap_err().status()
        });
    }
    while endpoint.asked() < 100 {
        tokio::task::yield_now().await;
    }
    let begin = Instant::now();
    for number in 0..20 {
        let address = Ipv4Addr::new(198, 51, 100, number);
        let head = From::address(address, &format!("good-{number}"));
        let verdict = auth.authenticate(&head).await;
        // The local clock is not NOW, so a good token has yet to be valid; what counts is that it was asked about.
        let reason = verdict.map_err(|rejection| rejection.reason()).unwrap_err();
        assert_eq!(reason, Reason::TokenIssuedInFuture, "{number}");
    }
    assert!(begin.elapsed() < NOISE, "{:?}", begin.elapsed());
    while let Some(status) = flood.join_next().await {
        assert!(matches!(status.unwrap(), 401 | 503));
    }
}

#[tokio::test]
async fn behind_a_proxy_its_word_counts_and_nobody_elses() {
    let (_, url) = Endpoint::serve().await;
    let settings = json!({"client_address_header": "X-Forwarded-For"});
    let build = |settings| {
        let clock: Arc<ManualClock> = clock();
        Authenticator::with_clock(&config(&url, settings), clock).unwrap()
    };
    let through = |address: &str, token: &str| {
        let mut head = From::address(Ipv4Addr::new(10, 0, 0, 1), token);
        head.fields.push(("x-forwarded-for", address.to_owned()));
        head
    };
    let auth = build(settings);
    // Whatever a stranger writes in front, the proxy adds where they come from.
    for number in 0..1_000 {
        let lie = format!("203.0.113.{}, 192.0.2.1", number % 250);
        let head = through(&lie, &format!("evil-{number}"));
        assert!(auth.authenticate(&head).await.is_err());
    }
    for (number, address) in [
        "198.51.100.1",
        " 198.51.100.2:4711",
        "[2001:db8::1]:80",
        "x",
    ]
    .iter()
    .enumerate()
    {
        let head = through(address, &format!("good-{number}"));
        assert!(auth.authenticate(&head).await.is_ok(), "{address}");
    }
    let head = through("192.0.2.1", "good-shared-with-the-flood");
    let refused = auth.authenticate(&head).await.unwrap_err();
    assert_eq!(refused.status(), 503);
}

/// 10,000 forged tokens while 16 clients use good ones, some of them new: not one of theirs is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_forged_tokens_refuse_nobody_who_is_good() {
    let (endpoint, url) = Endpoint::serve().await;
    let auth = standing_still(&url, &clock());
    endpoint
        .delays
        .lock()
        .unwrap()
        .insert("evil".to_owned(), Duration::from_millis(20));
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..16_u8 {
        let (auth, over) = (auth.clone(), Arc::clone(&over));
        clients.spawn(async move {
            let address = Ipv4Addr::new(198, 51, 100, client);
            let (mut round, mut uses) = (0, 0);
            while !over.load(Ordering::Relaxed) || uses < 100 {
                // A new token five times, and each of them many times.
                round = (uses / 40).min(4);
                let head = From::address(address, &format!("good-{client}-{round}"));
                let verdict = auth.authenticate(&head).await;
                verdict.unwrap_or_else(|why| panic!("client {client}, round {round}: {why:?}"));
                uses += 1;
                tokio::task::yield_now().await;
            }
            (round, uses)
        });
    }
    let mut flood = tokio::task::JoinSet::new();
    for attacker in 0..4 {
        let auth = auth.clone();
        flood.spawn(async move {
            for number in 0..2_500 {
                let head = From::address(
                    Ipv4Addr::new(192, 0, 2, 1),
                    &format!("evil-{attacker}-{number}"),
                );
                let status = auth.authenticate(&head).await.unwrap_err().status();
                assert!(matches!(status, 401 | 503), "{status}");
            }
        });
    }
    while let Some(done) = flood.join_next().await {
        done.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let mut uses = 0;
    while let Some(client) = clients.join_next().await {
        uses += client.unwrap().1;
    }
    assert!(uses >= 1_600);
    assert!(endpoint.asked() < 500, "{}", endpoint.asked());
}

/// A TEST KEY, published here and good for nothing.
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjhUAYyI0xJxht8YSx7rDw1tpKA8JIVKSZQNFh8WZT42hRANCAASNhNpmXfrdlme9KQYNVdqozn7CHXlK1zFI/nF77Cy/BHtlXjf8nc5gNhYc+//YIVI+D7DlqyNiodE+fQNBVplN";
/// Self-signed, for `localhost` and 127.0.0.1.
const CERTIFICATE: &str = "MIIBnDCCAUGgAwIBAgIUOui1YViqOxZWbkDcFUgVo4vBMqUwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEzMTU0OVoYDzIxMjYxMDI4MTMxNTQ5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASNhNpmXfrdlme9KQYNVdqozn7CHXlK1zFI/nF77Cy/BHtlXjf8nc5gNhYc+//YIVI+D7DlqyNiodE+fQNBVplNo28wbTAdBgNVHQ4EFgQU8WKI1/88NpPPgdELIQKdQAiOM1kwHwYDVR0jBBgwFoAU8WKI1/88NpPPgdELIQKdQAiOM1kwDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZIzj0EAwIDSQAwRgIhAJdgpSrgqX13cOnQTJLIQMrauQCYwp9XXGr5W1UqN74hAiEArj0l8S3IibAT+vzLrJFgB39QVEFjiSqTLITNOcv3JRs=";
