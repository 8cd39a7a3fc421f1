use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response as Answer};
use axum::routing::any;
use doorward_core::Secret;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::authorization_server::{DiscoveryError, Upstream, UpstreamAuthentication};

/// A server that answers by path, and counts.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<AtomicUsize>,
    away: Arc<std::sync::atomic::AtomicBool>,
}

async fn answer(State(server): State<Server>, uri: Uri, headers: HeaderMap) -> Answer {
    server.asked.fetch_add(1, Ordering::SeqCst);
    if server.away.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let host = headers[HOST].to_str().unwrap().to_owned();
    match uri.path() {
        "/elsewhere" => Redirect::to("/keys").into_response(),
        "/long" => "x".repeat(UpstreamCall::MAX_ANSWER + 1).into_response(),
        "/packed" => ([(CONTENT_ENCODING, "gzip")], "x").into_response(),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            "slow".into_response()
        }
        "/tenant/.well-known/openid-configuration" => StatusCode::NOT_FOUND.into_response(),
        "/.well-known/oauth-authorization-server/tenant" => axum::Json(json!({
            "issuer": "https://accounts.example.com/tenant",
            "authorization_endpoint": "https://accounts.example.com/authorize",
            "token_endpoint": "https://accounts.example.com/token",
            "jwks_uri": "https://accounts.example.com/keys",
            "revocation_endpoint": "https://accounts.example.com/revoke",
            "scopes_supported": ["email"],
            "authorization_response_iss_parameter_supported": true,
        }))
        .into_response(),
        "/.well-known/openid-configuration" => axum::Json(json!({
            "issuer": "https://evil.example",
            "authorization_endpoint": "https://evil.example/authorize",
            "token_endpoint": "https://evil.example/token",
            "jwks_uri": "https://evil.example/keys",
        }))
        .into_response(),
        "/document" => {
            if headers.get(IF_NONE_MATCH).is_some() {
                return StatusCode::NOT_MODIFIED.into_response();
            }
            ([(ETAG, "\"1\""), (CACHE_CONTROL, "max-age=90")], "{}").into_response()
        }
        "/missing" => StatusCode::NOT_FOUND.into_response(),
        _ => host.into_response(),
    }
}

async fn serve() -> (Server, String) {
    let server = Server::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .fallback(any(answer))
        .with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (server, at)
}

fn transport() -> HttpTransport {
    HttpTransport::new(&HttpSettings::default()).unwrap()
}

fn get(url: &str) -> UpstreamCall {
    UpstreamCall::get(url, None)
}

fn document(url: &str) -> DocumentCall {
    DocumentCall {
        url: url.to_owned(),
        etag: None,
        max_bytes: 5 * 1024,
    }
}

#[tokio::test]
async fn keys_are_asked_for_once_however_many_want_them() {
    let (server, at) = serve().await;
    let transport = Arc::new(transport());
    let url = format!("{at}/slow");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (transport, url) = (Arc::clone(&transport), url.clone());
        tasks.spawn(async move { transport.call(get(&url)).await.unwrap().body });
    }
    let bodies = tasks.join_all().await;
    assert!(bodies.iter().all(|body| body == b"slow"));
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    // What just came is not asked for again by who needs it fresh, either.
    let fresh = UpstreamCall {
        fresh: true,
        ..get(&url)
    };
    transport.call(fresh).await.unwrap();
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_source_that_is_away_is_left_alone_for_a_while() {
    let (server, at) = serve().await;
    let transport = transport();
    server.away.store(true, Ordering::SeqCst);
    let url = format!("{at}/keys");
    for _ in 0..2 {
        assert_eq!(transport.call(get(&url)).await.unwrap().status, 502);
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    // What is not remembered is asked every time: here, who somebody is.
    let authorization = || Some(Secret::from("Bearer x"));
    for _ in 0..2 {
        let call = UpstreamCall::get(&url, authorization());
        assert_eq!(transport.call(call).await.unwrap().status, 502);
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_last_keys_do_while_their_source_is_away() {
    let (server, at) = serve().await;
    let settings = HttpSettings {
        keys_lifetime: Duration::ZERO,
        ..HttpSettings::default()
    };
    let transport = HttpTransport::new(&settings).unwrap();
    let url = format!("{at}/keys");
    transport.call(get(&url)).await.unwrap();
    server.away.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(transport.call(get(&url)).await.unwrap().status, 200);
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_too_long_or_packed_or_nowhere_is_no_answer_and_redirects_are_not_followed() {
    let (server, at) = serve().await;
    let transport = transport();
    for path in ["/long", "/packed"] {
        assert!(transport.call(get(&format!("{at}{path}"))).await.is_err());
    }
    let elsewhere = transport.call(get(&format!("{at}/elsewhere"))).await;
    assert_eq!(elsewhere.unwrap().status, 303);
    assert_eq!(server.asked.load(Ordering::SeqCst), 3);
    assert!(transport.call(get("http://127.0.0.1:1/")).await.is_err());
}

#[tokio::test]
async fn metadata_names_the_endpoints_of_the_issuer_that_was_asked_for() {
    let (_, at) = serve().await;
    let transport = transport()
        .dangerously_connect_for_tests("accounts.example.com", &at)
        .unwrap();
    let discover = |issuer: &str, authentication| {
        let (issuer, transport) = (issuer.to_owned(), &transport);
        async move { Upstream::discover(issuer, "us", authentication, transport).await }
    };
    let tenant = "https://accounts.example.com/tenant";
    let found = discover(tenant, UpstreamAuthentication::None)
        .await
        .unwrap();
    assert_eq!(found.token_endpoint, "https://accounts.example.com/token");
    assert_eq!(
        found.revocation_endpoint.as_deref(),
        Some("https://accounts.example.com/revoke")
    );
    assert!(found.iss_parameter_supported);
    assert_eq!(found.scopes, ["openid", "email"]);
    let post = UpstreamAuthentication::Post(Secret::from("x"));
    for (issuer, authentication) in [
        ("https://accounts.example.com", UpstreamAuthentication::None),
        (tenant, post),
        ("nowhere", UpstreamAuthentication::None),
    ] {
        let error = discover(issuer, authentication).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::Unusable(_)), "{error}");
    }
    let nobody = discover("http://127.0.0.1:1", UpstreamAuthentication::None).await;
    assert!(matches!(nobody, Err(DiscoveryError::Unreachable(_))));
}

#[tokio::test]
async fn the_connect_map_leads_to_this_machine_only() {
    let (_, at) = serve().await;
    for instead in [
        "https://127.0.0.1:1",
        "http://example.com",
        "http://127.0.0.1:1/x",
        "x",
    ] {
        let wrong = transport().dangerously_connect_for_tests("a.example", instead);
        assert!(wrong.is_err(), "{instead}");
    }
    let transport = transport()
        .dangerously_connect_for_tests("a.example:8443", &at)
        .unwrap();
    let answer = transport.call(get("https://a.example:8443/who")).await;
    assert_eq!(answer.unwrap().body, b"a.example:8443");
}

#[tokio::test]
async fn documents_come_from_public_addresses() {
    let transport = transport();
    for url in [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "http://example.com/x",
        "ftp://example.com/x",
        // A name that leads inside, by the machine's own table of hosts.
        "https://localhost/x",
    ] {
        let refused = transport.document(document(url)).await;
        assert!(
            matches!(refused, Err(DocumentError::Refused(_))),
            "{url}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_document_comes_with_what_its_header_says_or_not_at_all() {
    let (_, at) = serve().await;
    let transport = transport();
    let fetch = |path: &str, etag: Option<&str>, max_bytes| {
        let call = DocumentCall {
            etag: etag.map(str::to_owned),
            max_bytes,
            ..document(&format!("{at}{path}"))
        };
        transport.document(call)
    };
    let found = fetch("/document", None, 100).await.unwrap();
    assert_eq!((found.status, found.body.as_slice()), (200, &b"{}"[..]));
    assert_eq!(
        (found.etag.as_deref(), found.max_age),
        (Some("\"1\""), Some(90))
    );
    assert_eq!(
        fetch("/document", Some("\"1\""), 100).await.unwrap().status,
        304
    );
    for (path, most) in [("/document", 1), ("/elsewhere", 100), ("/missing", 100)] {
        let refused = fetch(path, None, most).await;
        assert!(matches!(refused, Err(DocumentError::Refused(_))), "{path}");
    }
}

#[test]
fn what_a_source_says_of_its_age() {
    for (header, expected) in [
        ("max-age=60", Some(60)),
        ("public, Max-Age=\"60\"", Some(60)),
        ("no-store, max-age=60", Some(0)),
        ("max-age=-1", None),
        ("max-age=x", None),
    ] {
        let headers = HeaderMap::from_iter([(CACHE_CONTROL, header.parse().unwrap())]);
        assert_eq!(max_age(&headers), expected, "{header}");
    }
}

#[test]
fn settings_that_cannot_be_used_stop_the_start() {
    for settings in [
        HttpSettings {
            proxy: Some("http://user:hunter2@[::".into()),
            ..HttpSettings::default()
        },
        HttpSettings {
            certificate_authorities: Some(b"x".to_vec()),
            ..HttpSettings::default()
        },
    ] {
        let error = HttpTransport::new(&settings).unwrap_err().to_string();
        assert!(
            !format!("{error} {settings:?}").contains("hunter2"),
            "{error}"
        );
    }
}
