//! One test for each class of published hole in servers of this kind: the vulnerability is named where it has a name.

use super::*;

/// GHSA-c2jp-c369-7pvx: whoever registers a client rides on the upstream's trust in this server.
#[test]
fn nothing_goes_upstream_before_somebody_consented() {
    let mut world = world();
    let client_id = world.registered();
    let reply = world.ask(authorize(&client_id, &[("prompt", "none")]));
    let Reply::Consent(prompt) = reply else {
        panic!("{reply:?}")
    };
    assert!(prompt.scopes == ["notes:read"] && prompt.redirect_uri == CALLBACK);
    let cookies: Vec<_> = prompt
        .headers()
        .get_all(SET_COOKIE)
        .iter()
        .cloned()
        .collect();
    assert!(
        cookies
            .iter()
            .all(|cookie| !cookie.to_str().unwrap().contains("_state_"))
    );
    assert!(world.upstream.calls.lock().unwrap().is_empty());
}

/// CVE-2025-69196: a token that is good at another resource of the same server's.
#[test]
fn a_token_names_the_resource_that_was_asked_for() {
    let mut world = world();
    let client_id = world.registered();
    let code = world.code(&client_id);
    let mut elsewhere = redeem(&client_id, &code).to_vec();
    elsewhere[5].1 = ISSUER;
    assert_eq!(world.token(&elsewhere).1["error"], "invalid_target");
    let (_, given) = world.token(&redeem(&client_id, &code));
    assert_eq!(claims(&given["access_token"])["aud"], RESOURCE);
}

/// CVE-2026-27124 (GHSA-rww4-4w9c-7733): a link from the middle of an attacker's sign-in.
#[test]
fn a_callback_in_another_browser_gives_no_code() {
    let mut world = world();
    let client_id = world.registered();
    let state = world.upstream_state(&client_id);
    world.jar.clear();
    // The victim has cookies of its own sign-in, under way.
    let _ = world.upstream_state(&client_id);
    let back = world.back(&[("code", "upstream-code"), ("state", &state)]);
    assert_eq!(back.status(), 403);
    assert!(back.headers().get(LOCATION).is_none());
}

/// GHSA-6x8h-498w-gv8c: consent that is remembered, and a client that is a document.
#[test]
fn what_is_remembered_is_nothing_to_a_document() {
    let mut settings = settings();
    settings.consent = Consent::Remember;
    let mut world = with(settings);
    let url = "https://evil.example/client.json";
    let document = json!({
        "client_id": url,
        "client_name": "Desk",
        "redirect_uris": ["https://evil.example/cb"],
    });
    let answer = DocumentAnswer {
        status: 200,
        content_type: Some("application/json".into()),
        body: document.to_string().into_bytes(),
        ..DocumentAnswer::default()
    };
    let documents = world.upstream.documents.get_mut().unwrap();
    documents.insert(url.to_owned(), Ok(answer));
    for _ in 0..2 {
        let there = [("redirect_uri", "https://evil.example/cb")];
        let mut request = authorize(url, &there);
        request
            .headers_mut()
            .insert("sec-fetch-site", "none".parse().unwrap());
        let Reply::Consent(prompt) = world.ask(request) else {
            panic!("nobody was asked")
        };
        let to = location(&world.decide(&prompt, "allow"));
        let (nonce, challenge) = (parameter(&to, "nonce"), parameter(&to, "code_challenge"));
        *world.upstream.asked.lock().unwrap() = (nonce.unwrap(), challenge.unwrap());
        let state = parameter(&to, "state").unwrap();
        let back = world.back(&[("code", "upstream-code"), ("state", &state)]);
        assert!(parameter(&location(&back), "code").is_some());
    }
}

/// CVE-2025-6514: a client that hands our addresses to a shell. Ours have nothing in them that a shell acts on.
#[test]
fn addresses_that_are_told_are_plain() {
    for path in ["$(x)", "a;b", "a'b", "a&b", "a|b", "a(b)", "a%24"] {
        let mut settings = settings();
        settings.issuer = format!("https://mcp.example.com/{path}");
        let error = AuthorizationServer::with_rotating_keys(settings).unwrap_err();
        assert!(error.to_string().contains("issuer"), "{path}: {error}");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_~[]".contains(&byte);
    let mut world = world();
    let path = "/.well-known/oauth-authorization-server/auth";
    let (_, metadata) = told(&world.respond(Request::get(path).body(Vec::new()).unwrap()));
    for (name, value) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name.ends_with("_uri") {
            assert!(value.as_str().unwrap().bytes().all(plain), "{name}");
        }
    }
}

/// A refresh token where an access token belongs, and the other way round.
#[test]
fn kinds_of_tokens_do_not_mix() {
    let mut world = world();
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    assert_eq!(world.refresh(&client_id, &given["access_token"]).0, 400);
    let keys = JwkSet::parse(&world.server.jwks().to_string(), AlgorithmSet::ASYMMETRIC).unwrap();
    let refresh = given["refresh_token"].as_str().unwrap();
    assert!(doorward_core::jws::verify(refresh, &keys, AlgorithmSet::ASYMMETRIC).is_err());
    // An upstream's access token is none of ours.
    let foreign = world
        .upstream
        .issuer
        .mint(&Mint::kind(TokenShape::Oauth))
        .unwrap();
    let form = [
        ("client_id", client_id.as_str()),
        ("token", foreign.as_str()),
    ];
    assert_eq!(world.post("/auth/revoke", &form).status(), 200);
    assert_eq!(world.refresh(&client_id, &given["refresh_token"]).0, 200);
}

/// HMAC with the public key as its secret: nothing here is verified by a MAC that a stranger made.
#[test]
fn a_public_key_is_no_shared_secret() {
    let mut world = world();
    world.upstream.spoil = |mint| mint.defect(crate::Defect::HmacWithPublicKey);
    let client_id = world.registered();
    let state = world.upstream_state(&client_id);
    let to = location(&world.back(&[("code", "upstream-code"), ("state", &state)]));
    assert_eq!(parameter(&to, "error").as_deref(), Some("server_error"));
}

/// Grants that nobody switched on, identity assertions (ID-JAG) among them.
#[test]
fn what_is_not_granted_here_is_not_granted() {
    let mut world = world();
    let client_id = world.registered();
    for grant in [
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:device_code",
        "password",
        "implicit",
        "Authorization_Code",
    ] {
        let form = [
            ("grant_type", grant),
            ("client_id", &client_id),
            ("assertion", "x"),
        ];
        let (status, told) = world.token(&form);
        assert_eq!(
            (status, &told["error"]),
            (400, &json!("unsupported_grant_type")),
            "{grant}"
        );
    }
}

/// A redirect URI of one client in a request, or a redemption, of another's.
#[test]
fn clients_do_not_lend_redirect_uris_or_codes() {
    let mut world = world();
    let (one, other) = (world.registered(), world.registered());
    let (_, said) = world.register(&json!({ "redirect_uris": ["https://evil.example/cb"] }));
    let evil = said["client_id"].as_str().unwrap().to_owned();
    let there = [("redirect_uri", "https://evil.example/cb")];
    assert_eq!(world.respond(authorize(&one, &there)).status(), 400);
    assert_eq!(world.respond(authorize(&evil, &[])).status(), 400);
    let code = world.code(&one);
    assert_eq!(
        world.token(&redeem(&other, &code)).1["error"],
        "invalid_grant"
    );
    assert_eq!(world.token(&redeem(&one, &code)).0, 200);
}
