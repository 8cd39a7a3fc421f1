//! What was given and still stands, or not: families, and the upstream's tokens behind them.

use super::*;

/// An upstream that gives tokens of its own and has every endpoint.
fn holding(change: fn(&mut Settings)) -> World {
    let mut settings = settings();
    let upstream = &mut settings.upstream;
    upstream.revocation_endpoint = Some(format!("{UPSTREAM}/oauth/revoke"));
    upstream.introspection_endpoint = Some(format!("{UPSTREAM}/oauth/token_info"));
    change(&mut settings);
    let mut world = with(settings);
    world.upstream.gives = || {
        json!({
            "access_token": "up-access-0",
            "refresh_token": "up-refresh-0",
            "expires_in": 300,
            "scope": "openid email",
        })
    };
    world
}

fn by_userinfo(settings: &mut Settings) {
    settings.upstream.introspection_endpoint = None;
    settings.upstream.userinfo_endpoint = Some(format!("{UPSTREAM}/oauth/userinfo"));
}

fn by_refresh(settings: &mut Settings) {
    settings.upstream.introspection_endpoint = None;
}

fn sid(given: &Value) -> String {
    claims(&given["access_token"])["sid"]
        .as_str()
        .unwrap()
        .to_owned()
}

impl World {
    fn moment(&mut self) -> Moment {
        self.seeds = self.seeds.wrapping_add(1);
        Moment::new(self.now, [self.seeds; 32])
    }

    fn check(&mut self, sid: &str) -> Standing {
        let moment = self.moment();
        done(
            self.server
                .check(sid, moment)
                .run(&self.store, &self.upstream),
        )
    }

    fn upstream_token(&mut self, sid: &str) -> Result<UpstreamToken, Standing> {
        let moment = self.moment();
        let exchange = self.server.upstream_token(sid, moment);
        done(exchange.run(&self.store, &self.upstream))
    }

    fn calls_to(&self, path: &str) -> usize {
        let calls = self.upstream.calls.lock().unwrap();
        calls.iter().filter(|url| url.ends_with(path)).count()
    }

    fn books(&mut self) -> &mut Books {
        self.upstream.books.get_mut().unwrap()
    }
}

#[test]
fn the_upstream_is_asked_and_what_it_ends_has_ended() {
    for (change, endpoint) in [
        ((|_| {}) as fn(&mut Settings), "/oauth/token_info"),
        (by_userinfo, "/oauth/userinfo"),
    ] {
        let mut world = holding(change);
        let client_id = world.registered();
        let given = world.tokens(&client_id);
        let sid = sid(&given);
        assert_eq!(world.check(&sid), Standing::Stands);
        assert_eq!(world.calls_to(endpoint), 1);
        match endpoint {
            // Somebody else's token is none of this person's.
            "/oauth/userinfo" => world.books().sub = Some("user_eve"),
            _ => world.books().ended = true,
        }
        assert_eq!(world.check(&sid), Standing::Ended, "{endpoint}");
        assert_eq!(world.check(&sid), Standing::Ended);
        assert_eq!(world.refresh(&client_id, &given["refresh_token"]).0, 400);
    }
}

#[test]
fn an_upstream_that_is_away_says_nothing_against_a_token() {
    for change in [(|_| {}) as fn(&mut Settings), by_userinfo] {
        let mut world = holding(change);
        let client_id = world.registered();
        let given = world.tokens(&client_id);
        let sid = sid(&given);
        for status in [500, 502, 429, 401, 403, 400] {
            // A userinfo endpoint that says 401 speaks of the token, and who holds a refresh token may ask for another.
            if status == 401 && world.server.0.settings.upstream.userinfo_endpoint.is_some() {
                continue;
            }
            world.books().status = Some(status);
            assert_eq!(world.check(&sid), Standing::Unknown, "{status}");
            let (given, told) = world.refresh(&client_id, &given["refresh_token"]);
            assert_eq!(
                (given, &told["error"]),
                (503, &json!("temporarily_unavailable"))
            );
        }
        world.books().status = None;
        world.upstream.down = true;
        assert_eq!(world.check(&sid), Standing::Unknown);
        world.upstream.down = false;
        assert_eq!(world.check(&sid), Standing::Stands);
        let (status, told) = world.refresh(&client_id, &given["refresh_token"]);
        assert_eq!(status, 200, "nothing was used up: {told}");
    }
}

#[test]
fn who_may_not_be_asked_is_not_asked() {
    let mut world = holding(|settings| settings.upstream_check = UpstreamCheck::Never);
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    world.upstream.down = true;
    world.now += 3000;
    assert_eq!(world.check(&sid(&given)), Standing::Stands);
    assert_eq!(world.refresh(&client_id, &given["refresh_token"]).0, 200);
}

#[test]
fn a_token_that_expired_upstream_is_renewed_once_and_its_refusal_is_the_end() {
    let mut world = holding(by_refresh);
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    let sid = sid(&given);
    assert_eq!(world.check(&sid), Standing::Stands);
    assert_eq!(world.calls_to("/oauth/token"), 1, "it lasts");
    world.now += 291;
    assert_eq!(world.check(&sid), Standing::Stands);
    assert_eq!(world.check(&sid), Standing::Stands);
    assert_eq!(world.books().rotations, 1);
    let token = world.upstream_token(&sid).unwrap();
    assert_eq!(token.access_token.expose(), "up-access-1");
    assert_eq!(token.scope.as_deref(), Some("openid email"));
    assert_eq!(token.expires_at, Some(world.now + 300));
    world.now += 300;
    world.books().ended = true;
    assert_eq!(world.check(&sid), Standing::Ended);
    assert_eq!(world.refresh(&client_id, &given["refresh_token"]).0, 400);
    assert!(matches!(world.upstream_token(&sid), Err(Standing::Ended)));
}

#[test]
fn who_has_nothing_to_renew_with_signs_in_again_unless_there_was_nobody_to_ask() {
    for (change, standing) in [
        ((|_| {}) as fn(&mut Settings), Standing::Ended),
        (by_refresh, Standing::Stands),
    ] {
        let mut world = holding(change);
        world.upstream.gives = || json!({ "access_token": "up-access-0", "expires_in": 300 });
        let client_id = world.registered();
        let sid = sid(&world.tokens(&client_id));
        assert_eq!(world.check(&sid), Standing::Stands);
        world.now += 300;
        assert_eq!(world.check(&sid), standing);
    }
}

/// Two nodes, in every order of steps that lets one begin while the other is under way.
#[test]
fn two_nodes_never_use_one_refresh_token_of_the_upstream_twice() {
    for stop_after in 0..8 {
        let mut world = holding(by_refresh);
        let client_id = world.registered();
        let sid = sid(&world.tokens(&client_id));
        world.now += 300;
        let moment = world.moment();
        let mut first = world.server.check(&sid, moment);
        let mut standing = None;
        for _ in 0..stop_after {
            match first.advance() {
                Progress::Needs(Need::Store(operation)) => {
                    let outcome = done(operation.perform(&world.store, world.now));
                    first.supply(Supply::Store(outcome));
                }
                Progress::Needs(Need::Upstream(call)) => {
                    first.supply(Supply::Upstream(done(world.upstream.call(call))));
                }
                Progress::Needs(need) => panic!("{need:?}"),
                Progress::Done(told) => {
                    standing = Some(told);
                    break;
                }
            }
        }
        assert_eq!(world.check(&sid), Standing::Stands, "{stop_after}");
        if standing.is_none() {
            standing = Some(done(first.run(&world.store, &world.upstream)));
        }
        assert_eq!(standing, Some(Standing::Stands), "{stop_after}");
        assert_eq!(world.books().rotations, 1, "{stop_after}");
        assert_eq!(world.calls_to("/oauth/token"), 2, "{stop_after}");
        let token = world.upstream_token(&sid).unwrap();
        assert_eq!(token.access_token.expose(), "up-access-1");
    }
}

#[test]
fn a_node_that_died_while_renewing_delays_the_others_and_no_more() {
    let mut world = holding(by_refresh);
    let client_id = world.registered();
    let sid = sid(&world.tokens(&client_id));
    world.now += 300;
    let moment = world.moment();
    let mut dead = world.server.check(&sid, moment);
    // Until its lease is taken and it would ask the upstream.
    while let Progress::Needs(Need::Store(operation)) = dead.advance() {
        let outcome = done(operation.perform(&world.store, world.now));
        dead.supply(Supply::Store(outcome));
    }
    drop(dead);
    assert_eq!(world.check(&sid), Standing::Stands);
    assert!(matches!(world.upstream_token(&sid), Err(Standing::Unknown)));
    assert_eq!(world.books().rotations, 0);
    world.now += 20;
    assert_eq!(world.check(&sid), Standing::Stands);
    assert_eq!(world.books().rotations, 1);
}

#[test]
fn who_failed_to_renew_leaves_the_upstream_alone_for_a_while() {
    let mut world = holding(by_refresh);
    let client_id = world.registered();
    let sid = sid(&world.tokens(&client_id));
    world.now += 300;
    world.upstream.down = true;
    assert_eq!(world.check(&sid), Standing::Unknown);
    world.upstream.down = false;
    assert_eq!(world.check(&sid), Standing::Unknown);
    assert_eq!(world.calls_to("/oauth/token"), 2);
    world.now += 20;
    assert_eq!(world.check(&sid), Standing::Stands);
}

#[test]
fn what_ends_here_ends_upstream() {
    let tokens = ["up-refresh-0", "up-access-0"].map(str::to_owned);
    type Way = fn(&mut World, &str, &Value);
    let ways: [Way; 3] = [
        |world, client_id, given| {
            let token = given["refresh_token"].as_str().unwrap();
            let form = [("client_id", client_id), ("token", token)];
            assert_eq!(world.post("/auth/revoke", &form).status(), 200);
        },
        |world, client_id, given| {
            world.now += 100;
            assert_eq!(world.refresh(client_id, &given["refresh_token"]).0, 200);
            world.now += 100;
            assert_eq!(world.refresh(client_id, &given["refresh_token"]).0, 400);
        },
        |world, client_id, given| {
            let moment = world.moment();
            let exchange = world.server.withdraw("user_ada", client_id, moment);
            done(exchange.run(&world.store, &world.upstream)).unwrap();
            assert_eq!(world.check(&sid(given)), Standing::Ended);
        },
    ];
    for way in ways {
        let mut world = holding(|_| {});
        let client_id = world.registered();
        let given = world.tokens(&client_id);
        way(&mut world, &client_id, &given);
        assert_eq!(world.books().revoked, tokens);
        assert_eq!(world.check(&sid(&given)), Standing::Ended);
        assert!(world.upstream_token(&sid(&given)).is_err());
    }
    // A code that comes again.
    let mut world = holding(|_| {});
    let client_id = world.registered();
    let code = world.code(&client_id);
    assert_eq!(world.token(&redeem(&client_id, &code)).0, 200);
    assert_eq!(world.token(&redeem(&client_id, &code)).0, 400);
    assert_eq!(world.books().revoked, tokens);
}

#[test]
fn an_upstream_that_does_not_revoke_is_asked_twice_and_keeps_nobody_from_ending() {
    let mut world = holding(|_| {});
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    world.books().status = Some(500);
    let token = given["refresh_token"].as_str().unwrap();
    let form = [("client_id", client_id.as_str()), ("token", token)];
    assert_eq!(world.post("/auth/revoke", &form).status(), 200);
    assert_eq!(world.calls_to("/oauth/revoke"), 2);
    assert_eq!(world.check(&sid(&given)), Standing::Ended);
}

#[test]
fn what_ended_while_it_was_renewed_leaves_nothing_upstream() {
    let mut world = holding(by_refresh);
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    let sid = sid(&given);
    world.now += 300;
    let moment = world.moment();
    let mut check = world.server.check(&sid, moment);
    let call = loop {
        match check.advance() {
            Progress::Needs(Need::Store(operation)) => {
                let outcome = done(operation.perform(&world.store, world.now));
                check.supply(Supply::Store(outcome));
            }
            Progress::Needs(Need::Upstream(call)) => break call,
            progress => panic!("{progress:?}"),
        }
    };
    let token = given["refresh_token"].as_str().unwrap();
    let form = [("client_id", client_id.as_str()), ("token", token)];
    assert_eq!(world.post("/auth/revoke", &form).status(), 200);
    check.supply(Supply::Upstream(done(world.upstream.call(call))));
    let standing = done(check.run(&world.store, &world.upstream));
    assert_eq!(standing, Standing::Ended);
    let revoked = &world.books().revoked;
    assert!(revoked.contains(&"up-refresh-1".to_owned()), "{revoked:?}");
}

#[test]
fn a_store_that_hesitates_loses_nothing_of_what_the_upstream_gave() {
    for failures in [1, 2] {
        let mut world = holding(by_refresh);
        let client_id = world.registered();
        let sid = sid(&world.tokens(&client_id));
        world.now += 300;
        let moment = world.moment();
        let mut check = world.server.check(&sid, moment);
        let mut left = failures;
        let told = loop {
            match check.advance() {
                Progress::Needs(Need::Store(operation)) => {
                    let failing = left > 0 && format!("{operation:?}") == "Replace";
                    left -= i32::from(failing);
                    let outcome = match failing {
                        true => Err(StoreError),
                        false => done(operation.perform(&world.store, world.now)),
                    };
                    check.supply(Supply::Store(outcome));
                }
                Progress::Needs(Need::Upstream(call)) => {
                    check.supply(Supply::Upstream(done(world.upstream.call(call))));
                }
                Progress::Needs(need) => panic!("{need:?}"),
                Progress::Done(told) => break told,
            }
        };
        assert_eq!(told, Standing::Stands, "{failures}");
        assert_eq!(world.books().rotations, 1);
        let token = world.upstream_token(&sid).unwrap();
        assert_eq!(token.access_token.expose(), "up-access-1", "{failures}");
    }
}

#[test]
fn userinfo_is_asked_for_by_who_wants_it_and_is_the_persons_own() {
    let mut world = holding(by_userinfo);
    let client_id = world.registered();
    let given = sid(&world.tokens(&client_id));
    assert_eq!(world.calls_to("/oauth/userinfo"), 0);
    let ask = |world: &mut World| {
        let moment = world.moment();
        let exchange = world.server.userinfo(&given, moment);
        done(exchange.run(&world.store, &world.upstream))
    };
    assert_eq!(ask(&mut world).unwrap()["sub"], "user_ada");
    world.books().sub = Some("user_eve");
    assert_eq!(ask(&mut world), Err(Standing::Ended));
    world.books().status = Some(500);
    assert_eq!(ask(&mut world), Err(Standing::Unknown));
}

#[test]
fn a_token_of_another_type_is_not_held() {
    let mut world = holding(by_refresh);
    world.upstream.gives = || json!({ "access_token": "up-access-0", "token_type": "DPoP" });
    let client_id = world.registered();
    let given = sid(&world.tokens(&client_id));
    assert!(world.upstream_token(&given).is_err());
    world.upstream.gives =
        || json!({ "access_token": "up-access-0", "token_type": "bearer", "expires_in": "300" });
    let given = sid(&world.tokens(&client_id));
    let token = world.upstream_token(&given).unwrap();
    assert_eq!(token.expires_at, Some(NOW + 300));
}

#[test]
fn a_stranger_to_the_store_has_no_standing() {
    let mut world = holding(|_| {});
    for sid in ["", "x", "!", &"A".repeat(43), &"A".repeat(100)] {
        assert_eq!(world.check(sid), Standing::Ended, "{sid}");
    }
}

#[test]
fn access_tokens_say_what_the_operator_chose() {
    let mut world = holding(|settings| {
        settings.claims = vec!["email".into(), "org_id".into(), "huge".into()];
    });
    world.upstream.spoil = |mint| mint.claim("huge", json!("x".repeat(3000)));
    let client_id = world.registered();
    let given = world.tokens(&client_id);
    let said = claims(&given["access_token"]);
    assert_eq!(said["email"], "ada@example.com");
    assert!(said.get("org_id").is_none() && said.get("huge").is_none());
    assert!(said.get("name").is_none() && said.get("nonce").is_none());
    let (_, renewed) = world.refresh(&client_id, &given["refresh_token"]);
    assert_eq!(claims(&renewed["access_token"])["email"], "ada@example.com");
}

#[test]
fn the_upstream_is_told_what_the_operator_adds() {
    let mut world = holding(|settings| {
        settings.upstream.forward_resource = true;
        settings.upstream.extra_authorize_parameters = vec![("prompt".into(), "login".into())];
    });
    let client_id = world.registered();
    let prompt = world.prompt(&client_id);
    let to = location(&world.decide(&prompt, "allow"));
    assert_eq!(parameter(&to, "prompt").as_deref(), Some("login"));
    assert_eq!(parameter(&to, "resource").as_deref(), Some(RESOURCE));
}

#[test]
fn a_key_shows_who_we_are_upstream() {
    let key = Arc::new(SigningKey::generate(SigningAlgorithm::ES256).unwrap());
    let mut settings = settings();
    settings.upstream.authentication = UpstreamAuthentication::PrivateKeyJwt(Arc::clone(&key));
    let mut world = with(settings);
    let client_id = world.registered();
    let state = world.upstream_state(&client_id);
    let to = redirect::with_query("/auth/callback", &[("code", "x"), ("state", &state)]);
    let mut request = Request::get(to).body(Vec::new()).unwrap();
    let (name, value) = &world.jar[0];
    let cookie = format!("{name}={value}").parse().unwrap();
    request.headers_mut().insert(COOKIE, cookie);
    let mut exchange = world.exchange(request);
    let call = loop {
        match exchange.advance() {
            Progress::Needs(Need::Store(operation)) => {
                let outcome = done(operation.perform(&world.store, world.now));
                exchange.supply(Supply::Store(outcome));
            }
            Progress::Needs(Need::Upstream(call)) => break call,
            progress => panic!("{progress:?}"),
        }
    };
    assert!(call.authorization.is_none());
    let form = call.form.unwrap();
    let assertion = parameter(&format!("?{}", form.expose()), "client_assertion").unwrap();
    let keys = json!({ "keys": [key.jwk()] }).to_string();
    let keys = JwkSet::parse(&keys, AlgorithmSet::ASYMMETRIC).unwrap();
    let said = doorward_core::jws::verify(&assertion, &keys, AlgorithmSet::ASYMMETRIC).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(
        (&said["iss"], &said["sub"]),
        (&json!("doorward-mcp"), &said["iss"])
    );
    assert_eq!(
        (&said["aud"], &said["exp"]),
        (&json!(UPSTREAM), &json!(NOW + 60))
    );
}

#[test]
fn a_person_sees_and_ends_what_was_approved() {
    let mut world = holding(|_| {});
    let (first, second) = (world.registered(), world.registered());
    let (one, other) = (world.tokens(&first), world.tokens(&second));
    let approvals = |world: &mut World| {
        let moment = world.moment();
        let exchange = world.server.approvals("user_ada", moment);
        done(exchange.run(&world.store, &world.upstream)).unwrap()
    };
    let all = approvals(&mut world);
    assert_eq!(all.len(), 2);
    assert_eq!(
        (all[0].client_name.as_str(), all[0].redirect_uri.as_str()),
        ("A notebook", CALLBACK)
    );
    let moment = world.moment();
    let withdrawn = world.server.withdraw("user_ada", &first, moment);
    done(withdrawn.run(&world.store, &world.upstream)).unwrap();
    assert_eq!(approvals(&mut world).len(), 1);
    assert_eq!(world.refresh(&first, &one["refresh_token"]).0, 400);
    assert_eq!(world.check(&sid(&other)), Standing::Stands);
    world.now += 1;
    let again = world.tokens(&first);
    assert_eq!(
        world.check(&sid(&again)),
        Standing::Stands,
        "a new sign-in counts"
    );
    let moment = world.moment();
    let ended = world.server.end_sessions("user_ada", moment);
    done(ended.run(&world.store, &world.upstream)).unwrap();
    assert_eq!(world.check(&sid(&again)), Standing::Ended);
    assert_eq!(world.check(&sid(&other)), Standing::Ended);
    assert_eq!(approvals(&mut world).len(), 2);
}

/// A request as a browser sends it whom nobody sent.
fn unsent(client_id: &str, instead: &[(&str, &str)], site: Option<&str>) -> Request<Vec<u8>> {
    let mut request = authorize(client_id, instead);
    if let Some(site) = site {
        let site = site.parse().unwrap();
        request.headers_mut().insert("sec-fetch-site", site);
    }
    request
}

#[test]
fn what_is_remembered_is_one_persons_in_one_browser_for_one_place() {
    let mut settings = settings();
    settings.consent = Consent::Remember;
    let mut world = with(settings);
    let desk = [("redirect_uri", "https://desk.example.com/cb")];
    let (_, said) = world.register(&json!({ "redirect_uris": ["https://app.example.com/cb"] }));
    let other = said["client_id"].as_str().unwrap().to_owned();
    let first = match world.ask(unsent("desk", &desk, Some("none"))) {
        Reply::Consent(prompt) => prompt,
        reply => panic!("{reply:?}"),
    };
    let finish = |world: &mut World, to: &str| {
        let (nonce, challenge) = (parameter(to, "nonce"), parameter(to, "code_challenge"));
        *world.upstream.asked.lock().unwrap() = (nonce.unwrap(), challenge.unwrap());
        let state = parameter(to, "state").unwrap();
        let to = redirect::with_query(
            "/auth/callback",
            &[("code", "upstream-code"), ("state", &state)],
        );
        world.ask(Request::get(to).body(Vec::new()).unwrap())
    };
    let code = |reply: Reply| match reply {
        Reply::Response(response) => parameter(&location(&response), "code"),
        Reply::Consent(_) => None,
    };
    let to = location(&world.decide(&first, "allow"));
    assert!(code(finish(&mut world, &to)).is_some());
    // The same again needs no page, unless somebody sent it, or it is more or elsewhere.
    for (instead, client, site) in [
        (&desk[..], "desk", Some("cross-site")),
        (&desk[..], "desk", Some("same-site")),
        (&desk[..], "desk", None),
        (
            &[desk[0], ("scope", "notes:read notes:write")][..],
            "desk",
            Some("none"),
        ),
        (
            &[("redirect_uri", "https://app.example.com/cb")][..],
            &other,
            Some("none"),
        ),
    ] {
        let reply = world.ask(unsent(client, instead, site));
        assert!(matches!(reply, Reply::Consent(_)), "{instead:?} {site:?}");
    }
    let known = world.jar.clone();
    let to = location(&world.respond(unsent("desk", &desk, Some("none"))));
    assert!(code(finish(&mut world, &to)).is_some());
    // Another person in that browser is asked when it is known who they are, and may say no.
    world.jar.clone_from(&known);
    world.upstream.spoil = |mint| mint.sub("user_bob");
    for (decision, granted) in [("deny", false), ("allow", true)] {
        let to = location(&world.respond(unsent("desk", &desk, Some("none"))));
        let Reply::Consent(prompt) = finish(&mut world, &to) else {
            panic!("nobody was asked")
        };
        let back = location(&world.decide(&prompt, decision));
        assert_eq!(parameter(&back, "code").is_some(), granted);
    }
    // What was withdrawn is asked again, whatever the browser remembers.
    let moment = world.moment();
    let withdrawn = world.server.withdraw("user_bob", "desk", moment);
    done(withdrawn.run(&world.store, &world.upstream)).unwrap();
    let to = location(&world.respond(unsent("desk", &desk, Some("none"))));
    assert!(matches!(finish(&mut world, &to), Reply::Consent(_)));
}

#[test]
fn what_any_program_may_pose_as_is_asked_every_time() {
    let mut settings = settings();
    settings.consent = Consent::Remember;
    settings.custom_schemes = vec!["cursor".into()];
    let mut world = with(settings);
    let uris = [
        "http://127.0.0.1/callback",
        "cursor://x/cb",
        "https://localhost/cb",
    ];
    let (_, said) = world.register(&json!({ "redirect_uris": uris }));
    let client_id = said["client_id"].as_str().unwrap().to_owned();
    for uri in uris {
        let request = || unsent(&client_id, &[("redirect_uri", uri)], Some("none"));
        let Reply::Consent(prompt) = world.ask(request()) else {
            panic!("{uri}")
        };
        let to = location(&world.decide(&prompt, "allow"));
        let (nonce, challenge) = (parameter(&to, "nonce"), parameter(&to, "code_challenge"));
        *world.upstream.asked.lock().unwrap() = (nonce.unwrap(), challenge.unwrap());
        let state = parameter(&to, "state").unwrap();
        let back = world.back(&[("code", "upstream-code"), ("state", &state)]);
        assert!(parameter(&location(&back), "code").is_some());
        assert!(matches!(world.ask(request()), Reply::Consent(_)), "{uri}");
    }
}

#[test]
fn who_asks_elsewhere_is_not_asked_here() {
    let mut settings = settings();
    settings.consent = Consent::External;
    let mut world = with(settings);
    let client_id = world.registered();
    let to = location(&world.respond(authorize(&client_id, &[])));
    assert!(to.starts_with(UPSTREAM), "{to}");
    assert_eq!(world.jar.len(), 1, "the callback is bound to the browser");
}

#[test]
fn sessions_remember_and_ask_once() {
    let mut world = holding(|_| {});
    // Sessions go by the system's clock, so nothing here may expire by it.
    let system = Moment::of_the_system().unwrap().now;
    world.now = system;
    world.upstream.issuer = DevIssuer::builder()
        .issuer(UPSTREAM)
        .algorithms(&[SigningAlgorithm::ES256])
        .build()
        .unwrap();
    let client_id = world.registered();
    let sid = sid(&world.tokens(&client_id));
    let World {
        server,
        store,
        upstream,
        ..
    } = world;
    let (store, upstream) = (Arc::new(store), Arc::new(upstream));
    let sessions = Sessions::new(server, Arc::clone(&store), Arc::clone(&upstream));
    assert_eq!(sessions.known(&sid, system), None);
    assert_eq!(sessions.known("x", system), Some(Standing::Ended));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let checks = (0..16).map(|_| sessions.check(&sid));
        for check in checks {
            assert_eq!(check.await, Standing::Stands);
        }
        let token = sessions.upstream_token(&sid).await.unwrap();
        assert_eq!(token.access_token.expose(), "up-access-0");
        assert!(!format!("{token:?} {sessions:?}").contains("up-access"));
    });
    let asked = upstream.calls.lock().unwrap();
    let asked = asked
        .iter()
        .filter(|url| url.ends_with("/oauth/token_info"));
    assert_eq!(asked.count(), 1);
    let now = Moment::of_the_system().unwrap().now;
    assert_eq!(sessions.known(&sid, now), Some(Standing::Stands));
    assert_eq!(sessions.known(&sid, now + 61), None);
    assert_eq!(sessions.known(&sid, now - 100), None, "the clock went back");
}

#[test]
fn what_ends_here_is_noticed_within_a_minute_however_seldom_the_upstream_is_asked() {
    let mut world = holding(|settings| settings.upstream_check = UpstreamCheck::Every(3600));
    let client_id = world.registered();
    // Its upstream token outlives the test.
    world.upstream.gives = || json!({ "access_token": "up-access-0", "expires_in": 86_400 });
    let (given, other) = (world.tokens(&client_id), world.tokens(&client_id));
    let (sid, other) = (sid(&given), sid(&other));
    let (server, start) = (world.server.clone(), world.now);
    let World {
        store, upstream, ..
    } = world;
    let (store, upstream) = (Arc::new(store), Arc::new(upstream));
    let sessions = Sessions::new(server, Arc::clone(&store), Arc::clone(&upstream));
    let check = |sid: &str, after: i64| {
        let moment = Moment::new(start + after, [200; 32]);
        done(sessions.check_at(sid, moment))
    };
    let asked = || {
        let calls = upstream.calls.lock().unwrap();
        let asked = calls.iter().filter(|url| url.ends_with("/token_info"));
        asked.count()
    };
    // Once in an hour the upstream, once in a minute the store.
    for after in [0, 59, 60, 119, 120, 3599] {
        assert_eq!(check(&sid, after), Standing::Stands, "{after}");
        assert_eq!(check(&other, after), Standing::Stands, "{after}");
        assert_eq!(asked(), 2, "{after}");
    }
    assert_eq!(check(&sid, 3600), Standing::Stands);
    assert_eq!(asked(), 3);

    let family = standing::digest(&sid).unwrap();
    done(store.revoke_family(family, start + 3600)).unwrap();
    assert_eq!(check(&sid, 3659), Standing::Stands, "it was asked about");
    assert_eq!(check(&sid, 3660), Standing::Ended);
    assert_eq!(check(&other, 3660), Standing::Stands);
    assert_eq!(
        asked(),
        4,
        "the upstream need not be asked what has ended here"
    );
    // A clock that goes back makes everybody be asked.
    assert_eq!(check(&other, 0), Standing::Stands);
    assert_eq!(asked(), 5);
}
