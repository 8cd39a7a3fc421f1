//! Signing keys that change, and nodes that agree on them.

use super::*;

const PERIOD: i64 = 7200;

fn rotating() -> World {
    let mut world = world();
    world.server = node();
    // The middle of a period.
    world.now = NOW - NOW.rem_euclid(PERIOD) + PERIOD / 2;
    let now = world.now;
    world.upstream.issuer = DevIssuer::builder()
        .issuer(UPSTREAM)
        .algorithms(&[SigningAlgorithm::ES256])
        .clock(move || now)
        .build()
        .unwrap();
    world
}

fn node() -> AuthorizationServer {
    let mut settings = settings();
    settings.signing_key_period = PERIOD;
    AuthorizationServer::with_rotating_keys(settings).unwrap()
}

impl World {
    fn jwks(&mut self) -> Value {
        let get = Request::get("/auth/jwks").body(Vec::new()).unwrap();
        told(&self.respond(get)).1
    }
}

fn kids(jwks: &Value) -> Vec<String> {
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].to_string()).collect()
}

fn kid(token: &Value) -> String {
    let part = token.as_str().unwrap().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&base64url_decode(part).unwrap()).unwrap();
    header["kid"].to_string()
}

#[test]
fn keys_follow_one_another_and_are_published_before_and_after() {
    let mut world = rotating();
    let client_id = world.registered();
    let first = world.tokens(&client_id);
    let jwks = kids(&world.jwks());
    assert_eq!(jwks.len(), 2, "this period's and the next's");
    assert_eq!(kid(&first["access_token"]), jwks[0]);
    assert!(
        !world.jwks().to_string().contains("\"d\""),
        "no private half"
    );
    world.now += PERIOD;
    let (_, second) = world.refresh(&client_id, &first["refresh_token"]);
    assert_eq!(kid(&second["access_token"]), jwks[1], "it was announced");
    let next = kids(&world.jwks());
    assert_eq!(next.len(), 3);
    assert!(next.contains(&jwks[0]), "its tokens may still be good");
    // It takes a token back by the key of the last period, too.
    let token = first["access_token"].as_str().unwrap();
    let form = [("client_id", client_id.as_str()), ("token", token)];
    world.post("/auth/revoke", &form);
    assert_eq!(world.refresh(&client_id, &second["refresh_token"]).0, 400);
    world.now += PERIOD;
    assert!(!kids(&world.jwks()).contains(&jwks[0]));
}

#[test]
fn nodes_agree_whoever_is_first() {
    let mut world = rotating();
    // In lockstep, so that all have seen that there is no key before one is kept.
    let mut exchanges: Vec<_> = (0..4)
        .map(|_| {
            let moment = Moment::new(world.now, [9; 32]);
            (node(), moment)
        })
        .map(|(node, moment)| node.keys(moment))
        .collect();
    let mut all = Vec::new();
    while !exchanges.is_empty() {
        let mut going = Vec::new();
        for mut exchange in exchanges {
            match exchange.advance() {
                Progress::Needs(Need::Store(operation)) => {
                    let outcome = done(operation.perform(&world.store, world.now));
                    exchange.supply(Supply::Store(outcome));
                    going.push(exchange);
                }
                Progress::Done(keys) => all.push(keys.unwrap()),
                Progress::Needs(need) => panic!("{need:?}"),
            }
        }
        exchanges = going;
    }
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|keys| *keys == all[0]));
    assert_eq!(world.jwks(), all[0]);
}

#[test]
fn a_key_is_read_once() {
    let mut world = rotating();
    assert_eq!(world.server.jwks(), json!({ "keys": [] }));
    let _ = world.jwks();
    assert_eq!(kids(&world.server.jwks()).len(), 2);
    let client_id = world.registered();
    let code = world.code(&client_id);
    let mut exchange = world.exchange(form_request("/auth/token", &redeem(&client_id, &code)));
    let mut operations = Vec::new();
    while let Progress::Needs(Need::Store(operation)) = exchange.advance() {
        operations.push(format!("{operation:?}"));
        let outcome = done(operation.perform(&world.store, world.now));
        exchange.supply(Supply::Store(outcome));
    }
    // The client, the code, its use, and that the client was given something.
    assert_eq!(operations, ["Read", "Read", "Redeem", "Read"]);
}

#[test]
fn a_period_is_no_shorter_than_a_token_lives() {
    for (period, lifetime) in [(3599, 60), (3600, 3601), (367 * 86_400, 60)] {
        let mut settings = settings();
        settings.signing_key_period = period;
        settings.access_token_lifetime = lifetime;
        let error = AuthorizationServer::with_rotating_keys(settings).unwrap_err();
        assert!(error.to_string().contains("signing_key_period"), "{error}");
    }
}
