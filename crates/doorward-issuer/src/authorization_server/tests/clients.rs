//! Clients of every kind: by document, by key, for themselves.

use super::*;

const DOCUMENT: &str = "https://app.example.com/client.json";
const KEYS: &str = "https://app.example.com/keys";

fn metadata() -> Value {
    json!({
        "client_id": DOCUMENT,
        "client_name": "Published",
        "redirect_uris": ["https://app.example.com/cb", "http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "logo_uri": "https://app.example.com/logo.png",
    })
}

fn published(body: &Value) -> DocumentAnswer {
    DocumentAnswer {
        status: 200,
        content_type: Some("application/json; charset=utf-8".into()),
        etag: Some("\"1\"".into()),
        max_age: Some(600),
        body: body.to_string().into_bytes(),
    }
}

impl World {
    fn publish(&mut self, url: &str, answer: Result<DocumentAnswer, DocumentError>) {
        let documents = self.upstream.documents.get_mut().unwrap();
        documents.insert(url.to_owned(), answer);
    }

    fn fetches(&self) -> usize {
        self.upstream.fetched.lock().unwrap().len()
    }
}

#[test]
fn a_client_that_is_a_document_logs_in() {
    let mut world = world();
    world.publish(DOCUMENT, Ok(published(&metadata())));
    let prompt = world.prompt(DOCUMENT);
    assert_eq!(prompt.client_name, "Published");
    assert_eq!(prompt.verified_domain.as_deref(), Some("app.example.com"));
    assert!(
        prompt.only_on_this_machine,
        "its redirect leads to the person's machine"
    );
    let given = world.tokens(DOCUMENT);
    assert_eq!(claims(&given["access_token"])["client_id"], DOCUMENT);
    assert_eq!(world.refresh(DOCUMENT, &given["refresh_token"]).0, 200);
    assert_eq!(world.fetches(), 1, "it is fresh for as long as it says");
    world.now += 600;
    let unchanged = DocumentAnswer {
        status: 304,
        ..DocumentAnswer::default()
    };
    world.publish(DOCUMENT, Ok(unchanged));
    let _ = world.prompt(DOCUMENT);
    let sent = world.upstream.fetched.lock().unwrap()[1].etag.clone();
    assert_eq!(sent.as_deref(), Some("\"1\""));
    // What its source withdraws is trusted no longer, and while its source is away the last word counts for a day.
    world.now += 4000;
    world.publish(DOCUMENT, Err(DocumentError::Unreachable));
    let _ = world.prompt(DOCUMENT);
    world.now += 86_400;
    assert_eq!(world.respond(authorize(DOCUMENT, &[])).status(), 400);
    world.publish(DOCUMENT, Err(DocumentError::Refused("it is not there")));
    assert_eq!(world.respond(authorize(DOCUMENT, &[])).status(), 400);
}

#[test]
fn a_document_speaks_for_itself_and_for_nothing_else() {
    let spoiled = |name: &str, value: Value| {
        let mut metadata = metadata();
        metadata[name] = value;
        Ok(published(&metadata))
    };
    let without = |name: &str| {
        let mut metadata = metadata();
        metadata.as_object_mut().unwrap().remove(name);
        Ok(published(&metadata))
    };
    let mut other = published(&metadata());
    other.content_type = Some("text/html".into());
    let mut html = published(&metadata());
    html.body = b"<html>".to_vec();
    let mut long = published(&metadata());
    long.body = vec![b' '; 5 * 1024 + 1];
    for (named, answer) in [
        (
            "another client_id",
            spoiled("client_id", json!("https://app.example.com/other")),
        ),
        (
            "a slash more",
            spoiled("client_id", json!(format!("{DOCUMENT}/"))),
        ),
        ("no client_id", without("client_id")),
        ("no name", without("client_name")),
        ("no redirect_uris", without("redirect_uris")),
        ("none", spoiled("redirect_uris", json!([]))),
        (
            "a pattern",
            spoiled("redirect_uris", json!(["https://*.example.com/cb"])),
        ),
        (
            "a path pattern",
            spoiled("redirect_uris", json!(["https://app.example.com/*"])),
        ),
        (
            "a script",
            spoiled("redirect_uris", json!([CALLBACK, "javascript:alert(1)"])),
        ),
        (
            "plain http",
            spoiled(
                "redirect_uris",
                json!([CALLBACK, "http://app.example.com/"]),
            ),
        ),
        ("a secret", spoiled("client_secret", json!("x"))),
        (
            "a shared secret",
            spoiled("token_endpoint_auth_method", json!("client_secret_basic")),
        ),
        (
            "no keys",
            spoiled("token_endpoint_auth_method", json!("private_key_jwt")),
        ),
        (
            "no code",
            spoiled("grant_types", json!(["client_credentials"])),
        ),
        ("another type", Ok(other)),
        ("no JSON", Ok(html)),
        ("too long", Ok(long)),
        ("refused", Err(DocumentError::Refused("it redirects"))),
    ] {
        let mut world = world();
        world.publish(DOCUMENT, answer);
        let response = world.respond(authorize(DOCUMENT, &[]));
        assert_eq!(response.status(), 400, "{named}");
        assert!(response.headers().get(LOCATION).is_none(), "{named}");
    }
    let mut world = world();
    world.publish(DOCUMENT, Ok(published(&metadata())));
    for uri in [
        "https://app.example.com/cb/",
        "https://evil.example/cb",
        "http://127.0.0.1:1/x",
    ] {
        let response = world.respond(authorize(DOCUMENT, &[("redirect_uri", uri)]));
        assert_eq!(response.status(), 400, "{uri}");
    }
}

#[test]
fn documents_are_fetched_within_a_budget_from_domains_that_are_let_in() {
    let mut few = settings();
    let policy = few.client_documents.as_mut().unwrap();
    policy.each_minute = 2;
    policy.denied_domains = vec!["evil.example".into()];
    let mut world = with(few);
    for url in [
        "https://evil.example/c",
        "https://evil.example./c",
        "https://127.0.0.1/c",
        "http://127.0.0.1/c",
        "https://app.example.com/",
    ] {
        assert_eq!(world.respond(authorize(url, &[])).status(), 400, "{url}");
    }
    assert_eq!(world.fetches(), 0);
    for (number, status) in [(1, 400), (2, 400), (3, 429)] {
        let url = format!("https://app.example.com/{number}");
        assert_eq!(world.respond(authorize(&url, &[])).status(), status);
    }
    assert_eq!(world.fetches(), 2);
    // Who is known is let in all the same.
    world.now += 60;
    world.publish(DOCUMENT, Ok(published(&metadata())));
    let given = world.tokens(DOCUMENT);
    world.now += 600;
    for number in [4, 5] {
        let url = format!("https://app.example.com/{number}");
        assert_eq!(world.respond(authorize(&url, &[])).status(), 400);
    }
    assert_eq!(world.refresh(DOCUMENT, &given["refresh_token"]).0, 200);
    assert_eq!(world.fetches(), 5);
    let mut none = settings();
    none.client_documents = None;
    let mut world = with(none);
    world.publish(DOCUMENT, Ok(published(&metadata())));
    assert_eq!(world.respond(authorize(DOCUMENT, &[])).status(), 400);
    let path = "/.well-known/oauth-authorization-server/auth";
    let get = || Request::get(path).body(Vec::new()).unwrap();
    let (_, said) = told(&world.respond(get()));
    assert!(said.get("client_id_metadata_document_supported").is_none());
    let (_, said) = told(&super::world().respond(get()));
    assert_eq!(said["client_id_metadata_document_supported"], true);
}

struct Signer(SigningKey);

impl Signer {
    fn new() -> Self {
        Self(SigningKey::generate(SigningAlgorithm::ES256).unwrap())
    }

    fn jwks(&self) -> Value {
        json!({ "keys": [self.0.jwk()] })
    }

    fn assertion(&self, client_id: &str, change: &Value) -> String {
        let mut claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": ISSUER,
            "exp": NOW + 60,
            "jti": "1",
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        crate::jws::sign("JWT", &claims, &self.0).unwrap()
    }
}

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[test]
fn a_client_shows_who_it_is_by_a_signature_once() {
    let (signer, thief) = (Signer::new(), Signer::new());
    let mut known = settings();
    known.clients[0].client_secret = None;
    known.clients[0].keys = Some(signer.jwks().to_string());
    known.clients[0].client_credentials = true;
    let mut world = with(known);
    let mut ask = |assertion: &str, more: &[(&str, &str)]| {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion),
        ];
        form.extend(more);
        let (status, told) = world.token(&form);
        (
            status,
            told["error"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let good = signer.assertion("desk", &json!({}));
    let as_said = |status, code: &str| (status, code.to_owned());
    assert_eq!(
        ask(&good, &[("client_id", "other")]),
        as_said(400, "invalid_request")
    );
    assert_eq!(
        ask(&good, &[("client_secret", "x")]),
        as_said(400, "invalid_request")
    );
    assert_eq!(ask(&good, &[("client_id", "desk")]), as_said(200, ""));
    assert_eq!(
        ask(&good, &[]),
        as_said(401, "invalid_client"),
        "it was used"
    );
    for change in [
        json!({ "jti": "2", "iss": "other" }),
        json!({ "jti": "2", "sub": "other" }),
        json!({ "jti": "2", "aud": "https://other.example.com" }),
        json!({ "jti": "2", "aud": RESOURCE }),
        json!({ "jti": "2", "aud": [ISSUER, "https://other.example.com"] }),
        json!({ "jti": "2", "exp": NOW - 31 }),
        json!({ "jti": "2", "exp": NOW + 331 }),
        json!({ "jti": "2", "exp": null }),
        json!({ "jti": "2", "nbf": NOW + 60 }),
        json!({ "jti": "2", "iat": NOW + 60 }),
        json!({ "jti": "" }),
        json!({ "jti": null }),
        json!({ "jti": "x".repeat(300) }),
    ] {
        let said = ask(&signer.assertion("desk", &change), &[]);
        assert_eq!(said, as_said(401, "invalid_client"), "{change}");
    }
    for jti in ["3", "4"] {
        let aud = if jti == "3" {
            json!(["https://mcp.example.com/auth/token"])
        } else {
            json!("https://mcp.example.com/auth/token")
        };
        let assertion = signer.assertion("desk", &json!({ "jti": jti, "aud": aud }));
        assert_eq!(ask(&assertion, &[]).0, 200);
    }
    let forged = thief.assertion("desk", &json!({ "jti": "5" }));
    assert_eq!(ask(&forged, &[]).0, 401);
    assert_eq!(ask("x", &[]).0, 401);
    assert_eq!(ask("a.b.c", &[]).0, 401);
    assert_eq!(
        world
            .token(&[("grant_type", "client_credentials"), ("client_id", "desk")])
            .0,
        401
    );
    // A public client shows nothing, so it signs nothing.
    let client_id = world.registered();
    let assertion = thief.assertion(&client_id, &json!({}));
    let form = [
        ("grant_type", "refresh_token"),
        ("client_assertion_type", TYPE),
        ("client_assertion", &assertion),
    ];
    assert_eq!(world.token(&form).0, 401);
}

#[test]
fn what_one_client_signs_leaves_room_for_the_others() {
    let signer = Signer::new();
    let mut known = settings();
    let mut other = known.clients[0].clone();
    other.client_id = "other".to_owned();
    known.clients.push(other);
    for client in &mut known.clients {
        client.client_secret = None;
        client.keys = Some(signer.jwks().to_string());
        client.client_credentials = true;
    }
    let mut world = with(known);
    let ask = |world: &mut World, client: &str, jti: usize| {
        let exp = world.now + 60;
        let change = json!({ "jti": jti.to_string(), "exp": exp });
        let assertion = signer.assertion(client, &change);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        world.token(&form).0
    };
    for jti in 0..600 {
        assert_eq!(ask(&mut world, "desk", jti), 200, "{jti}");
        // What was used before does not count.
        if jti % 10 == 0 {
            assert_eq!(ask(&mut world, "desk", jti), 401);
        }
    }
    assert_eq!(ask(&mut world, "desk", 600), 429);
    assert_eq!(ask(&mut world, "desk", 0), 401);
    assert_eq!(ask(&mut world, "other", 0), 200);
    world.now += 60;
    assert_eq!(ask(&mut world, "desk", 601), 200);
}

#[test]
fn a_document_names_keys_and_they_may_change() {
    let (old, new) = (Signer::new(), Signer::new());
    let mut world = world();
    let mut metadata = metadata();
    metadata["token_endpoint_auth_method"] = json!("private_key_jwt");
    metadata["jwks_uri"] = json!(KEYS);
    world.publish(DOCUMENT, Ok(published(&metadata)));
    world.publish(KEYS, Ok(published(&old.jwks())));
    let code = world.code(DOCUMENT);
    let redeemed = |world: &mut World, signer: &Signer, jti: &str| {
        let assertion = signer.assertion(DOCUMENT, &json!({ "jti": jti, "exp": world.now + 60 }));
        let mut form = redeem(DOCUMENT, &code).to_vec();
        form.extend([
            ("client_assertion_type", TYPE),
            ("client_assertion", &assertion),
        ]);
        world.token(&form)
    };
    assert_eq!(
        world.token(&redeem(DOCUMENT, &code)).0,
        401,
        "it has to sign"
    );
    assert_eq!(redeemed(&mut world, &new, "1").0, 401);
    world.publish(KEYS, Ok(published(&new.jwks())));
    assert_eq!(redeemed(&mut world, &new, "2").0, 401, "they came just now");
    let given = redeemed(&mut world, &old, "3").1;
    world.now += 61;
    let refresh = given["refresh_token"].as_str().unwrap();
    let assertion = new.assertion(DOCUMENT, &json!({ "jti": "4", "exp": world.now + 60 }));
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_assertion_type", TYPE),
        ("client_assertion", &assertion),
    ];
    assert_eq!(world.token(&form).0, 200);
    // Keys are not fetched from inside.
    metadata["jwks_uri"] = json!("https://169.254.169.254/keys");
    let mut world = super::world();
    world.publish(DOCUMENT, Ok(published(&metadata)));
    assert_eq!(world.respond(authorize(DOCUMENT, &[])).status(), 400);
}

#[test]
fn a_client_acts_for_itself_as_far_as_the_operator_says() {
    let mut known = settings();
    let mut robot = StaticClient::new("robot", "Robot", Vec::new());
    robot.client_secret = Some(Secret::from("robot's own"));
    robot.scopes = Some(vec!["notes:read".into()]);
    robot.client_credentials = true;
    known.clients.push(robot);
    let mut world = with(known);
    let form = |scope: &'static str, client: &'static str, secret: &'static str| {
        vec![
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret),
            ("scope", scope),
        ]
    };
    let (status, given) = world.token(&form("", "robot", "robot's own"));
    assert_eq!(status, 200, "{given}");
    assert_eq!(given["scope"], "notes:read");
    assert!(given.get("refresh_token").is_none());
    let said = claims(&given["access_token"]);
    assert_eq!(
        (&said["sub"], &said["client_id"]),
        (&json!("robot"), &json!("robot"))
    );
    assert_eq!(said["aud"], RESOURCE);
    assert!(said.get("sid").is_none());
    for (scope, client, secret, status, error) in [
        ("notes:write", "robot", "robot's own", 400, "invalid_scope"),
        ("", "robot", "wrong", 401, "invalid_client"),
        ("", "desk", "desk&secret", 400, "unauthorized_client"),
    ] {
        let (given, told) = world.token(&form(scope, client, secret));
        assert_eq!((given, &told["error"]), (status, &json!(error)));
    }
    let mut elsewhere = form("", "robot", "robot's own");
    elsewhere.push(("resource", "https://other.example.com/mcp"));
    assert_eq!(world.token(&elsewhere).1["error"], "invalid_target");
    let client_id = world.registered();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id.as_str()),
    ];
    assert_eq!(world.token(&form).1["error"], "unauthorized_client");
    // One that only acts for itself leads nobody anywhere.
    assert_eq!(world.respond(authorize("robot", &[])).status(), 400);
}

#[test]
fn a_static_client_is_limited_to_its_scopes() {
    let mut known = settings();
    known.clients[0].scopes = Some(vec!["notes:read".into()]);
    let mut world = with(known);
    let there = ("redirect_uri", "https://desk.example.com/cb");
    let to = location(&world.respond(authorize("desk", &[there, ("scope", "notes:write")])));
    assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_scope"));
    let Reply::Consent(prompt) = world.ask(authorize("desk", &[there, ("scope", "")])) else {
        panic!("nobody was asked")
    };
    assert_eq!(prompt.scopes, ["notes:read"]);
}

#[test]
fn an_application_is_where_it_says_to_be() {
    let mut open = settings();
    open.custom_schemes = vec!["cursor".into()];
    let mut world = with(open);
    let https = "https://app.example.com/cb";
    for (kind, uri, status) in [
        (json!("web"), https, 201),
        (json!("web"), CALLBACK, 400),
        (json!("web"), "https://localhost/cb", 400),
        (json!("web"), "cursor://x/cb", 400),
        (json!("native"), CALLBACK, 201),
        (json!("native"), "cursor://x/cb", 201),
        (json!("native"), https, 201),
        (json!("native"), "http://app.example.com/cb", 400),
        (json!("desktop"), https, 400),
        (Value::Null, CALLBACK, 201),
    ] {
        let said = json!({ "redirect_uris": [uri], "application_type": kind });
        let (given, told) = world.register(&said);
        assert_eq!(given, status, "{said} {told}");
        if status == 201 {
            assert_eq!(
                told.get("application_type").cloned().unwrap_or_default(),
                kind
            );
        }
        world.now += 60;
    }
}

#[test]
fn the_metadata_is_found_as_openid_configuration_too() {
    let mut world = world();
    let get = |path: &str| Request::get(path).body(Vec::new()).unwrap();
    let (_, plain) = told(&world.respond(get("/.well-known/oauth-authorization-server/auth")));
    for path in [
        "/.well-known/openid-configuration/auth",
        "/auth/.well-known/openid-configuration",
    ] {
        let (status, mut openid) = told(&world.respond(get(path)));
        assert_eq!(status, 200, "{path}");
        let members = openid.as_object_mut().unwrap();
        // OpenID Connect Discovery §3: required there.
        assert_eq!(
            members.remove("subject_types_supported"),
            Some(json!(["public"]))
        );
        let signed = members.remove("id_token_signing_alg_values_supported");
        assert_eq!(signed, Some(json!(["ES256"])));
        assert_eq!(openid, plain);
    }
    assert_eq!(plain["issuer"], ISSUER);
    let methods = json!([
        "none",
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt"
    ]);
    assert_eq!(plain["token_endpoint_auth_methods_supported"], methods);
    // RFC 8414 §2: required beside `private_key_jwt`, and `none` is no algorithm.
    let algorithms = &plain["token_endpoint_auth_signing_alg_values_supported"];
    assert!(algorithms.as_array().unwrap().contains(&json!("ES256")));
    assert!(!algorithms.to_string().contains("HS") && !algorithms.to_string().contains("none"));
    assert_eq!(
        plain["grant_types_supported"],
        json!(["authorization_code", "refresh_token"])
    );
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/auth/",
    ] {
        assert_eq!(world.respond(get(path)).status(), 404, "{path}");
    }
}
