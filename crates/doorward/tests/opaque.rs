//! Opaque tokens against a real server that answers as providers do: each answer, its verdict, and how often it is asked.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::needless_pass_by_value, reason = "json! reads better so")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use doorward::{Authenticator, Config, ManualClock, Reason, Timestamp};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "sk_test_TEST-KEY";

/// What is answered: a status, a header field, a body, after so long.
#[derive(Clone)]
struct Reply {
    status: u16,
    retry_after: Option<u32>,
    body: String,
    delay: Duration,
}

impl Reply {
    fn json(body: &Value) -> Self {
        Self {
            status: 200,
            retry_after: None,
            body: body.to_string(),
            delay: Duration::ZERO,
        }
    }

    fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::json(&json!({"errors": [{"code": "x", "message": "x"}]}))
        }
    }
}

#[derive(Default)]
struct Provider {
    replies: Mutex<HashMap<String, Reply>>,
    asked: AtomicUsize,
    /// Path, authorization and body of each question.
    log: Mutex<Vec<(String, String, String)>>,
}

impl Provider {
    async fn serve() -> (Arc<Self>, SocketAddr) {
        let provider = Arc::new(Self::default());
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&provider));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        (provider, address)
    }

    fn says(&self, token: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(token.to_owned(), reply);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(
    State(provider): State<Arc<Provider>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    provider.asked.fetch_add(1, Ordering::SeqCst);
    let text = String::from_utf8(body.to_vec()).unwrap();
    let shown = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().to_owned());
    let found = {
        let replies = provider.replies.lock().unwrap();
        replies
            .iter()
            .find(|(token, _)| text.contains(token.as_str()))
            .map(|(_, reply)| reply.clone())
    };
    provider
        .log
        .lock()
        .unwrap()
        .push((uri.path().to_owned(), shown.unwrap_or_default(), text));
    let reply = found.unwrap_or_else(|| Reply::status(404));
    tokio::time::sleep(reply.delay).await;
    let status = StatusCode::from_u16(reply.status).unwrap();
    let mut response = (status, reply.body).into_response();
    if let Some(seconds) = reply.retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

fn key(changes: Value) -> Value {
    let mut key = json!({
        "object": "api_key", "id": "ak_1", "type": "api_key", "subject": "user_ada", "name": "ci",
        "claims": {"team": "x"}, "scopes": ["posts:read"], "revoked": false, "revocation_reason": null,
        "expired": false, "expiration": null, "created_at": 1_700_000_000_000_i64, "a_new_member": [1, 2],
    });
    for (name, value) in changes.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

fn clerk(address: SocketAddr, clock: &Arc<ManualClock>, changes: Value) -> Authenticator {
    let mut settings = json!({
        "preset": "clerk", "secret_key": SECRET, "api_url": format!("http://{address}"),
        "accepts": ["session_token", "api_key", "m2m_token", "oauth_token"],
    });
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let config = Config::from_json(&settings.to_string()).unwrap();
    Authenticator::with_clock(&config, Arc::<ManualClock>::clone(clock)).unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_secs(NOW)))
}

async fn code(auth: &Authenticator, token: &str) -> &'static str {
    match auth.verify(token).await {
        Ok(_) => "accept",
        Err(rejection) => rejection.reason().code(),
    }
}

#[tokio::test]
async fn each_kind_is_asked_about_at_its_own_endpoint() {
    let (provider, address) = Provider::serve().await;
    let auth = clerk(
        address,
        &clock(),
        json!({"machine_secret_key": "ak_TEST-KEY-machine"}),
    );
    provider.says("ak_good", Reply::json(&key(json!({}))));
    let m2m = json!({"object": "machine_to_machine_token", "subject": "mch_1", "id": "mt_1"});
    provider.says("mt_good", Reply::json(&key(m2m)));
    let oauth = json!({
        "object": "clerk_idp_oauth_access_token", "client_id": "cl_1", "id": "oat_1",
        "expiration": (NOW + 100) * 1000,
    });
    provider.says("oat_good", Reply::json(&key(oauth)));

    let caller = auth.verify("ak_good").await.unwrap();
    assert_eq!(caller.kind().as_str(), "api_key");
    assert_eq!(
        (caller.user_id(), caller.token_id()),
        (Some("user_ada"), Some("ak_1"))
    );
    assert_eq!(caller.scopes(), ["posts:read"]);
    assert_eq!(caller.expires_at(), Timestamp::LAST);
    let machine = auth.verify("mt_good").await.unwrap();
    assert_eq!((machine.subject(), machine.user_id()), ("mch_1", None));
    let app = auth.verify("oat_good").await.unwrap();
    assert_eq!(
        (app.user_id(), app.client_id()),
        (Some("user_ada"), Some("cl_1"))
    );
    assert_eq!(app.expires_at(), Timestamp::from_secs(NOW + 100));

    let log = provider.log.lock().unwrap().clone();
    let expected = [
        (
            "/api_keys/verify",
            format!("Bearer {SECRET}"),
            json!({"secret": "ak_good"}),
        ),
        (
            "/m2m_tokens/verify",
            "Bearer ak_TEST-KEY-machine".to_owned(),
            json!({"token": "mt_good"}),
        ),
        (
            "/oauth_applications/access_tokens/verify",
            format!("Bearer {SECRET}"),
            json!({"access_token": "oat_good"}),
        ),
    ];
    for ((path, shown, body), expected) in log.into_iter().zip(expected) {
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((path.as_str(), shown, body), expected);
    }
}

#[tokio::test]
async fn every_answer_has_its_verdict() {
    let (provider, address) = Provider::serve().await;
    let auth = clerk(address, &clock(), json!({}));
    let with = |changes: Value| Reply::json(&key(changes));
    let text = |text: &str| Reply {
        body: text.to_owned(),
        ..Reply::json(&json!(null))
    };
    let cases = [
        (with(json!({})), "accept"),
        (with(json!({"expiration": (NOW + 1) * 1000})), "accept"),
        (
            with(json!({"revoked": true, "revocation_reason": "leaked"})),
            "token_revoked",
        ),
        (with(json!({"expired": true})), "token_expired"),
        (
            with(json!({"expiration": (NOW - 60) * 1000})),
            "token_expired",
        ),
        (Reply::json(&json!({"active": false})), "token_invalid"),
        (Reply::status(404), "token_invalid"),
        (Reply::status(400), "token_invalid"),
        // What follows is nobody's fault but ours and the provider's.
        (
            with(json!({"subject": "client_1"})),
            "verification_unavailable",
        ),
        (
            with(json!({"subject": "user_"})),
            "verification_unavailable",
        ),
        (
            with(json!({"object": "machine_to_machine_token"})),
            "verification_unavailable",
        ),
        (with(json!({"revoked": "no"})), "verification_unavailable"),
        (with(json!({"expired": null})), "verification_unavailable"),
        (with(json!({"scopes": [1]})), "verification_unavailable"),
        (
            with(json!({"expiration": "soon"})),
            "verification_unavailable",
        ),
        (text("null"), "verification_unavailable"),
        (text("[]"), "verification_unavailable"),
        (text("{}"), "verification_unavailable"),
        (text("<html>"), "verification_unavailable"),
        (
            text(r#"{"active": true, "active": false}"#),
            "verification_unavailable",
        ),
        (Reply::status(401), "verification_unavailable"),
        (Reply::status(403), "verification_unavailable"),
        (Reply::status(500), "verification_unavailable"),
        (Reply::status(429), "verification_unavailable"),
    ];
    for (number, (reply, expected)) in cases.into_iter().enumerate() {
        // Failures in a row would open the breaker, so good answers stand between.
        let good = format!("ak_between{number}x");
        provider.says(&good, with(json!({})));
        assert_eq!(code(&auth, &good).await, "accept", "before case {number}");
        let token = format!("ak_case{number}x");
        let described = format!("{} {}", reply.status, reply.body);
        provider.says(&token, reply);
        assert_eq!(code(&auth, &token).await, expected, "{described}");
    }
}

#[tokio::test]
async fn a_token_is_asked_about_once_for_as_long_as_its_answer_is_believed() {
    let (provider, address) = Provider::serve().await;
    let clock = clock();
    let auth = clerk(
        address,
        &clock,
        json!({"answer_ttl": 60, "answer_negative_ttl": 10}),
    );
    let slow = Reply {
        delay: Duration::from_millis(50),
        ..Reply::json(&key(json!({})))
    };
    provider.says("ak_good", slow);
    // A thousand at once, and one question.
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let auth = auth.clone();
        callers.spawn(async move { auth.verify("ak_good").await.is_ok() });
    }
    while let Some(admitted) = callers.join_next().await {
        assert!(admitted.unwrap());
    }
    assert_eq!(provider.asked(), 1);
    for _ in 0..100 {
        assert_eq!(code(&auth, "ak_stranger").await, "token_invalid");
    }
    assert_eq!(provider.asked(), 2);
    clock.advance(Duration::from_secs(11));
    assert_eq!(code(&auth, "ak_stranger").await, "token_invalid");
    assert_eq!(provider.asked(), 3);
    // A revoked key is refused when its answer is too old.
    provider.says("ak_good", Reply::json(&key(json!({"revoked": true}))));
    assert_eq!(code(&auth, "ak_good").await, "accept");
    clock.advance(Duration::from_secs(50));
    assert_eq!(code(&auth, "ak_good").await, "token_revoked");
}

#[tokio::test]
async fn an_answer_is_never_believed_beyond_the_tokens_expiry() {
    let (provider, address) = Provider::serve().await;
    let clock = clock();
    let auth = clerk(address, &clock, json!({"answer_ttl": 3600, "leeway": 0}));
    provider.says(
        "ak_short",
        Reply::json(&key(json!({"expiration": (NOW + 20) * 1000}))),
    );
    assert_eq!(code(&auth, "ak_short").await, "accept");
    clock.advance(Duration::from_secs(19));
    assert_eq!(code(&auth, "ak_short").await, "accept");
    clock.advance(Duration::from_secs(2));
    assert_eq!(code(&auth, "ak_short").await, "token_expired");
}

#[tokio::test]
async fn an_outage_is_not_a_bad_token_and_is_waited_out() {
    let (provider, address) = Provider::serve().await;
    let clock = clock();
    let auth = clerk(address, &clock, json!({"answer_stale_if_error": 300}));
    provider.says("ak_good", Reply::json(&key(json!({}))));
    assert_eq!(code(&auth, "ak_good").await, "accept");
    provider.says("ak_", Reply::status(503));
    provider.says("ak_good", Reply::status(503));
    clock.advance(Duration::from_secs(61));
    // The old answer stands in, as the setting asks, and not for ever.
    assert_eq!(code(&auth, "ak_good").await, "accept");
    for number in 0..8 {
        let refused = auth.verify(&format!("ak_new{number}")).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::VerificationUnavailable);
        assert!(refused.retry_after().is_some());
    }
    let before = provider.asked();
    assert_eq!(code(&auth, "ak_another").await, "verification_unavailable");
    assert_eq!(provider.asked(), before, "the breaker is open");
    clock.advance(Duration::from_secs(400));
    assert_eq!(code(&auth, "ak_good").await, "verification_unavailable");
}

#[tokio::test]
async fn strangers_do_not_starve_those_who_are_known() {
    let (provider, address) = Provider::serve().await;
    let auth = clerk(address, &clock(), json!({}));
    provider.says("ak_good", Reply::json(&key(json!({}))));
    assert_eq!(code(&auth, "ak_good").await, "accept");
    for number in 0..2_000 {
        let refused = auth
            .verify(&format!("ak_forged{number}"))
            .await
            .unwrap_err();
        assert!(matches!(
            refused.reason(),
            Reason::TokenInvalid | Reason::VerificationUnavailable
        ));
        assert_eq!(code(&auth, "ak_good").await, "accept");
    }
    // The clock stands still, so what is left is the burst.
    assert!(provider.asked() <= 501, "{}", provider.asked());
}

#[tokio::test]
async fn any_issuer_is_asked_as_rfc_7662_says() {
    let (provider, address) = Provider::serve().await;
    let settings = json!({
        "issuer": "https://login.example.com", "audience": "my-api", "accepts": "oauth_token",
        "jwks_url": format!("http://{address}/jwks"),
        "introspection_url": format!("http://{address}/introspect"),
        "introspection_client_id": "me:too", "introspection_client_secret": "TEST KEY",
        "roles_claim": "/realm/roles",
    });
    let config = Config::from_json(&settings.to_string()).unwrap();
    let auth = Authenticator::with_clock(&config, clock()).unwrap();
    let good = json!({
        "active": true, "sub": "ada", "aud": ["my-api"], "scope": "read write", "client_id": "web",
        "exp": NOW + 60, "iss": "https://login.example.com", "realm": {"roles": ["admin"]},
    });
    let with = |changes: Value| {
        let mut answer = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            answer[name] = value.clone();
        }
        Reply::json(&answer)
    };
    provider.says("token-good", with(json!({})));
    let caller = auth.verify("token-good").await.unwrap();
    assert_eq!(
        (caller.user_id(), caller.client_id()),
        (Some("ada"), Some("web"))
    );
    assert_eq!(
        (caller.scopes(), caller.roles()),
        (
            &["read".to_owned(), "write".to_owned()][..],
            &["admin".to_owned()][..]
        )
    );
    let (path, shown, body) = provider.log.lock().unwrap()[0].clone();
    assert_eq!(
        (path.as_str(), body.as_str()),
        (
            "/introspect",
            "token=token-good&token_type_hint=access_token"
        )
    );
    // RFC 6749 §2.3.1: form-encoded, then base64 of both with a colon between.
    assert_eq!(
        shown,
        format!(
            "Basic {}",
            base64_simd::STANDARD.encode_to_string("me%3Atoo:TEST+KEY")
        )
    );

    for (name, reply, expected) in [
        (
            "inactive",
            Reply::json(&json!({"active": false})),
            "token_invalid",
        ),
        ("expired", with(json!({"exp": NOW - 60})), "token_expired"),
        (
            "audience",
            with(json!({"aud": "other"})),
            "audience_mismatch",
        ),
        (
            "issuer",
            with(json!({"iss": "https://evil.example.com"})),
            "issuer_unknown",
        ),
        (
            "bound",
            with(json!({"cnf": {"jkt": "x"}})),
            "sender_constrained",
        ),
        (
            "dpop",
            with(json!({"token_type": "DPoP"})),
            "sender_constrained",
        ),
        (
            "text",
            with(json!({"active": "true"})),
            "verification_unavailable",
        ),
        (
            "silent",
            Reply::json(&json!({"sub": "ada"})),
            "verification_unavailable",
        ),
        (
            "nobody",
            Reply::json(&json!({"active": true, "aud": "my-api"})),
            "claim_missing",
        ),
        ("unknown", Reply::status(404), "verification_unavailable"),
        ("refused", Reply::status(401), "verification_unavailable"),
    ] {
        let token = format!("token-{name}");
        provider.says(&token, reply);
        assert_eq!(code(&auth, &token).await, expected, "{name}");
    }
}

#[test]
fn a_kind_that_nobody_can_be_asked_about_is_a_mistake() {
    let settings = json!({
        "preset": "clerk", "publishable_key": "pk_test_Y2xlcmsuY2xlcmsuZGV2JA", "accepts": "api_key",
    });
    let config = Config::from_json(&settings.to_string()).unwrap();
    let error = Authenticator::new(&config).unwrap_err().to_string();
    assert!(
        error.contains("api_key") && error.contains("secret_key"),
        "{error}"
    );
}
