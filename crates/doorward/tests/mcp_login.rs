//! The example server as an MCP client meets it, over HTTP: a challenge, metadata, registration, consent, a token, calls, and
//! a step up. The authorization server and the resource are one process; people sign in at an upstream of the test's.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;

use doorward::{Authenticator, Config, Secret};
use doorward_issuer::authorization_server::axum::router;
use doorward_issuer::authorization_server::transport::{HttpSettings, HttpTransport};
use doorward_issuer::authorization_server::{
    AuthorizationServer, MemoryStore, Pages, Settings, Upstream, UpstreamAuthentication,
};
use doorward_issuer::{Kind, Mint, SigningAlgorithm, SigningKey};
use mcp_client::{Accounts, McpClient, call, challenge, initialize, listener, quoted, serve};
use serde_json::json;

#[allow(dead_code, reason = "its `main` is run by people")]
#[path = "../examples/mcp_server.rs"]
mod example;

#[path = "../../../tests/support/mcp_client.rs"]
mod mcp_client;

/// The example behind the layer, the authorization server beside it, and the accounts.
async fn world() -> McpClient {
    let (accounts, up) = Accounts::start().await;
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
    McpClient::new(base, accounts)
}

#[tokio::test]
async fn a_client_gets_in_calls_and_steps_up() {
    let world = world().await;
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
    let world = world().await;
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
    let world = world().await;
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
    let world = world().await;
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
