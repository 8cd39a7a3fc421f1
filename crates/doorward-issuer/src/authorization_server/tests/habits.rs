//! What clients of today do, right or wrong, and get along with here.

use super::*;

/// Finishes a login for a client that goes to `redirect_uri`.
fn code(world: &mut World, request: Request<Vec<u8>>) -> String {
    let reply = world.ask(request);
    let Reply::Consent(prompt) = reply else {
        panic!("{reply:?}")
    };
    let to = location(&world.decide(&prompt, "allow"));
    let (nonce, challenge) = (parameter(&to, "nonce"), parameter(&to, "code_challenge"));
    *world.upstream.asked.lock().unwrap() = (nonce.unwrap(), challenge.unwrap());
    let state = parameter(&to, "state").unwrap();
    let back = world.back(&[("code", "upstream-code"), ("state", &state)]);
    parameter(&location(&back), "code").unwrap()
}

#[test]
fn chatgpt_adds_a_query_to_the_resource() {
    let mut world = world();
    let client_id = world.registered();
    let resource = "https://mcp.example.com/mcp?session=1";
    let code = code(&mut world, authorize(&client_id, &[("resource", resource)]));
    let mut form = redeem(&client_id, &code);
    form[5].1 = resource;
    let (status, given) = world.token(&form);
    assert_eq!(status, 200, "{given}");
    assert_eq!(claims(&given["access_token"])["aud"], RESOURCE);
}

#[test]
fn older_clients_name_no_resource() {
    let mut world = world();
    let client_id = world.registered();
    let code = code(&mut world, authorize(&client_id, &[("resource", "")]));
    let (status, given) = world.token(&redeem(&client_id, &code)[..5]);
    assert_eq!(status, 200, "{given}");
    assert_eq!(claims(&given["access_token"])["aud"], RESOURCE);
}

#[test]
fn who_speaks_oauth_2_1_does_not_repeat_the_redirect_uri() {
    let mut world = world();
    let client_id = world.registered();
    let code = world.code(&client_id);
    let mut form = redeem(&client_id, &code);
    form[3].1 = "";
    assert_eq!(world.token(&form).0, 200);
}

#[test]
fn cursor_comes_back_under_its_own_scheme() {
    let mut settings = settings();
    settings.custom_schemes = vec!["cursor".into()];
    let mut world = with(settings);
    let uri = "cursor://anysphere.cursor-mcp/oauth/callback";
    let (status, said) = world.register(&json!({
        "redirect_uris": [uri],
        "grant_types": ["authorization_code", "refresh_token"],
    }));
    assert_eq!(status, 201, "{said}");
    let client_id = said["client_id"].as_str().unwrap().to_owned();
    let code = code(&mut world, authorize(&client_id, &[("redirect_uri", uri)]));
    let mut form = redeem(&client_id, &code);
    form[3].1 = uri;
    assert_eq!(world.token(&form).0, 200);
}

/// claude.ai may be given the upstream's own `client_id`: a client like any other then, with its redirect URIs.
#[test]
fn the_upstreams_client_id_is_one_that_the_operator_names() {
    let callback = "https://claude.ai/api/mcp/auth_callback";
    let mut settings = settings();
    let client = StaticClient::new("doorward-mcp", "Claude", vec![callback.into()]);
    settings.clients.push(client);
    let mut world = with(settings);
    let evil = [("redirect_uri", "https://evil.example/cb")];
    assert_eq!(
        world.respond(authorize("doorward-mcp", &evil)).status(),
        400
    );
    let request = authorize("doorward-mcp", &[("redirect_uri", callback)]);
    let code = code(&mut world, request);
    let mut form = redeem("doorward-mcp", &code);
    form[3].1 = callback;
    assert_eq!(world.token(&form).0, 200);
    // Where nobody named it, it is nobody's.
    assert_eq!(
        super::world()
            .respond(authorize("doorward-mcp", &[]))
            .status(),
        400
    );
}

/// Several tabs or processes of one client refresh at once, and one keeps what it had.
#[test]
fn a_client_that_refreshes_twice_loses_nothing() {
    let mut world = world();
    let client_id = world.registered();
    let first = world.tokens(&client_id)["refresh_token"].clone();
    let (_, one) = world.refresh(&client_id, &first);
    let (_, other) = world.refresh(&client_id, &first);
    assert_eq!(one["refresh_token"], other["refresh_token"]);
    world.now += 31;
    assert_eq!(world.refresh(&client_id, &one["refresh_token"]).0, 200);
}

#[test]
fn who_refreshes_poorly_may_be_given_longer_tokens() {
    let mut settings = settings();
    settings.access_token_lifetime = 30 * 86_400;
    let mut world = with(settings);
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    assert_eq!(given["expires_in"], 30 * 86_400);
}

/// Claude asks for every scope that is advertised where no challenge names any: all of them are granted here.
#[test]
fn every_scope_that_is_advertised_can_be_had() {
    let mut world = world();
    let client_id = world.registered();
    let path = "/.well-known/oauth-authorization-server/auth";
    let (_, metadata) = told(&world.respond(Request::get(path).body(Vec::new()).unwrap()));
    let scopes: Vec<_> = metadata["scopes_supported"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scope| scope.as_str().unwrap())
        .collect();
    let code = code(
        &mut world,
        authorize(&client_id, &[("scope", &scopes.join(" "))]),
    );
    let (_, given) = world.token(&redeem(&client_id, &code));
    assert_eq!(given["scope"], scopes.join(" "));
}
