//! The suite as a whole: what it plans, against applications in three lines.

use serde_json::json;

use super::attack::Family;
use super::*;
use crate::{DevIssuer, SigningAlgorithm};

fn settings(routes: &[&str]) -> Settings {
    let routes = routes.iter().map(|text| RouteSpec::parse(text).unwrap());
    Settings {
        routes: routes.collect(),
        ..Settings::default()
    }
}

fn error(settings: Settings) -> String {
    Suite::new(settings).unwrap_err().to_string()
}

fn issuer() -> DevIssuer {
    DevIssuer::builder()
        .issuer("https://issuer.test")
        .algorithms(&[SigningAlgorithm::ES256])
        .build()
        .unwrap()
}

fn with_issuer(mut settings: Settings, issuer: &DevIssuer) -> Settings {
    for (name, spec) in mints(&json!({})) {
        let mint = serde_json::from_value(spec).unwrap();
        let token = issuer.mint(&mint).unwrap();
        settings.minted.insert(name.to_owned(), token);
    }
    settings.jwks = Some(issuer.jwks());
    settings
}

/// The first `Authorization` field.
fn authorization(probe: &Probe) -> Option<&str> {
    probe
        .headers
        .iter()
        .find(|(name, _)| name == "Authorization")
        .map(|(_, value)| value.as_str())
}

/// Answers every probe.
fn run(suite: &mut Suite, answer: impl Fn(&Probe) -> u16) -> Report {
    for index in 0..suite.probes().len() {
        let status = answer(&suite.probes()[index]);
        let challenge = ("WWW-Authenticate", "Bearer");
        suite.record(index, Answer::response(status, [challenge]));
    }
    suite.report()
}

#[test]
fn a_sound_application_passes_and_each_hole_is_found() {
    let issuer = issuer();
    let mut settings = with_issuer(settings(&["/me", "POST /posts", "/health"]), &issuer);
    settings.public = vec!["/health".to_owned()];
    let suite = || Suite::new(settings.clone()).unwrap();
    let good = suite()
        .probes()
        .iter()
        .find(|probe| probe.attack.name == "good_token")
        .and_then(authorization)
        .unwrap()
        .to_owned();
    let sound = |probe: &Probe| {
        let fields = probe
            .headers
            .iter()
            .filter(|(name, _)| name == "Authorization");
        let same = |token: &str| token.eq_ignore_ascii_case(&good);
        match (probe.target.as_str(), fields.count(), authorization(probe)) {
            ("/health", ..) => 200,
            (_, 1, Some(token)) if same(token) => 200,
            _ => 401,
        }
    };
    let report = run(&mut suite(), sound);
    assert!(report.passed, "{}", report.table());
    assert_eq!(report.summary.warnings, 0, "{}", report.table());
    // Every attack but the ones for which something is missing was tried, on every protected route where it may be.
    for attack in Attack::ALL {
        let tried = |route: &str| {
            let of_route = |finding: &&Finding| finding.route == route;
            let mut findings = report.findings.iter().filter(of_route);
            findings.any(|finding| finding.attack == attack.name)
        };
        let missing = report
            .not_tried
            .iter()
            .any(|missing| missing.attack == attack.name);
        let keyed = attack.name == "api_key_junk";
        assert_eq!(tried("GET /me"), !missing && !keyed, "{}", attack.name);
        let needs_good = attack.family == Family::Good
            || ["token_in_query", "good_then_junk", "junk_then_good"].contains(&attack.name);
        let of_get = ["head", "method_override"].contains(&attack.name);
        assert_eq!(
            tried("POST /posts"),
            !missing && !keyed && !needs_good && !of_get,
            "{}",
            attack.name
        );
    }
    // Whichever single attack is let in, that one is found, on the route where it is.
    for hole in Attack::ALL {
        if hole.family == Family::Good || report.findings.iter().all(|f| f.attack != hole.name) {
            continue;
        }
        let report = run(&mut suite(), |probe| {
            if probe.attack.name == hole.name && probe.target.starts_with("/me") {
                200
            } else {
                sound(probe)
            }
        });
        let odd: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.state != State::Pass)
            .collect();
        assert!(!odd.is_empty(), "{}", hole.name);
        for finding in odd {
            assert_eq!(
                (finding.attack.as_str(), finding.route.as_str()),
                (hole.name, "GET /me")
            );
            assert_eq!(finding.code, "let_in");
        }
    }
}

#[test]
fn the_good_token_never_goes_to_a_route_that_acts() {
    let issuer = issuer();
    let plan = |allowed| {
        let mut settings = with_issuer(
            settings(&["/me", "POST /a", "PUT /a", "PATCH /a", "DELETE /a"]),
            &issuer,
        );
        settings.token = Some("good.good.good".to_owned());
        settings.unsafe_methods = allowed;
        Suite::new(settings).unwrap()
    };
    let minted = |suite: &Suite| -> Vec<String> {
        let good = suite
            .probes()
            .iter()
            .filter(|probe| probe.attack.name == "good_token");
        good.filter_map(authorization)
            .map(|value| value.trim_start_matches("Bearer ").to_owned())
            .collect()
    };
    let suite = plan(false);
    let goods = minted(&suite);
    assert_eq!(goods.len(), 2);
    let acts = |probe: &&Probe| !["GET", "HEAD"].contains(&probe.method.as_str());
    for probe in suite.probes().iter().filter(acts) {
        let everything = format!("{} {:?}", probe.target, probe.headers);
        assert!(!goods.iter().any(|good| everything.contains(good)));
        assert_eq!(probe.body.is_some(), probe.method != "DELETE");
    }
    assert_eq!(minted(&plan(true)).len(), 10);
}

#[test]
fn ways_around_a_guard_are_tried_and_need_not_be_there() {
    let suite = || Suite::new(settings(&["/me", "/list/", "POST /posts"])).unwrap();
    let suite_of = suite();
    let of = |name: &str| -> Vec<String> {
        let probes = suite_of.probes().iter();
        probes
            .filter(|probe| probe.attack.name == name)
            .map(|probe| format!("{} {}", probe.method, probe.target))
            .collect()
    };
    assert_eq!(of("head"), ["HEAD /me", "HEAD /list/"]);
    assert_eq!(
        of("trailing_slash"),
        ["GET /me/", "GET /list", "POST /posts/"]
    );
    assert_eq!(of("method_override"), ["GET /me", "GET /list/"]);
    assert_eq!(of("made_up_identity").len(), 3);
    for status in [404, 405, 501] {
        let report = run(&mut suite(), |probe| match probe.attack.name {
            "head" | "trailing_slash" | "method_override" => status,
            _ => 401,
        });
        assert!(report.passed, "{}", report.table());
        assert_eq!(report.summary.warnings, 0, "{}", report.table());
    }
    let report = run(&mut suite(), |probe| match probe.attack.name {
        "made_up_identity" => 404,
        _ => 401,
    });
    assert!(!report.passed, "{}", report.table());
}

#[test]
fn a_public_route_that_acts_is_left_alone() {
    let plan = |allowed| {
        let mut settings = settings(&["/me", "POST /contact", "DELETE /cache"]);
        settings.public = vec!["/contact".to_owned()];
        settings.optional = vec!["/cache".to_owned()];
        settings.unsafe_methods = allowed;
        Suite::new(settings).unwrap()
    };
    let routes =
        |suite: &Suite| -> Vec<String> { suite.routes().iter().map(Route::to_string).collect() };
    assert_eq!(routes(&plan(false)), ["GET /me"]);
    assert_eq!(plan(false).report().skipped.len(), 2);
    assert_eq!(routes(&plan(true)).len(), 3);
    let public = plan(true);
    let contact = public.probes().iter().filter(|probe| probe.route == 1);
    assert_eq!(contact.count(), 1);
}

#[test]
fn routes_are_picked_and_overridden() {
    let document = json!({
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.example/v1"}],
        "components": {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/me": {"get": {"security": [{"b": []}]}},
            "/open": {"get": {}},
            "/maybe": {"get": {"security": [{"b": []}, {}]}},
        },
    });
    let plan = |change: fn(&mut Settings)| {
        let mut settings = settings(&[]);
        settings.openapi = Some(document.clone());
        change(&mut settings);
        let suite = Suite::new(settings).unwrap();
        let told = suite
            .routes()
            .iter()
            .map(|route| format!("{} {}", route.path, route.access));
        (told.collect::<Vec<_>>(), suite.probes()[0].target.clone())
    };
    let (told, target) = plan(|_| {});
    assert_eq!(told, ["/maybe optional", "/me protected", "/open public"]);
    assert_eq!(target, "/v1/maybe");
    let (told, target) = plan(|settings| {
        settings.protect_all = true;
        settings.public = vec!["/api/maybe".to_owned()];
        settings.base = Some("/api/".to_owned());
    });
    assert_eq!(told, ["/maybe public", "/me protected", "/open protected"]);
    assert_eq!(target, "/api/maybe");
    let (told, _) = plan(|settings| settings.only = vec!["GET /m*".to_owned()]);
    assert_eq!(told, ["/maybe optional", "/me protected"]);
    let (told, _) = plan(|settings| settings.skip = vec!["/maybe".to_owned()]);
    assert_eq!(told, ["/me protected", "/open public"]);
}

#[test]
fn mistakes_are_answered_before_anything_is_sent() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = settings(&["/me", "/health"]);
        change(&mut settings);
        error(settings)
    };
    for (change, said) in [
        (
            (|s| s.public = vec!["/helth".to_owned()]) as fn(&mut Settings),
            "did you mean \"/health\"",
        ),
        (
            |s| s.public = vec!["/*".to_owned()],
            "no route is protected",
        ),
        (|s| s.skip = vec!["/*".to_owned()], "no route to check"),
        (|s| s.skip = vec!["me".to_owned()], "begins with '/'"),
        (|s| s.waive = vec!["alg_non".to_owned()], "alg_none"),
        (|s| s.waive = vec!["junk".to_owned()], "compared"),
        (|s| s.max_probes = 10, "at most 10"),
        (
            |s| s.headers = vec![("authorization".to_owned(), "x".to_owned())],
            "would hide",
        ),
        (
            |s| s.headers = vec![("X-Tenant".to_owned(), "a\r\nb: c".to_owned())],
            "does not allow",
        ),
        (|s| s.cookie = Some("a=b".to_owned()), "its name alone"),
        (
            |s| s.token = Some("Bearer a.b.c".to_owned()),
            "without its scheme",
        ),
        (|s| s.openapi = Some(json!({"swagger": "2.0"})), "OpenAPI 3"),
        (|s| s.routes[0].method = Some("FETCH".to_owned()), "DELETE"),
    ] {
        let told = with(change);
        assert!(told.contains(said), "{told}");
    }
    assert!(error(Settings::default()).contains("no route"));
}

#[test]
fn credentials_go_where_the_document_says() {
    let scheme = |place: &str| json!({"type": "apiKey", "in": place, "name": format!("x-{place}")});
    let document = json!({
        "openapi": "3.0.3",
        "components": {"securitySchemes": {
            "h": scheme("header"), "q": scheme("query"), "c": scheme("cookie"),
        }},
        "paths": {"/me": {"get": {
            "security": [{"h": [], "q": [], "c": []}],
            "parameters": [{"name": "page", "in": "query", "required": true, "schema": {"type": "integer"}}],
        }}},
    });
    let mut settings = settings(&[]);
    settings.openapi = Some(document);
    settings.cookie = Some("__session".to_owned());
    settings.headers = vec![("X-Tenant".to_owned(), "acme".to_owned())];
    let suite = Suite::new(settings).unwrap();
    let with_field = |name: &str| {
        let has = |probe: &&Probe| probe.headers.iter().any(|(known, _)| known == name);
        suite.probes().iter().filter(has).count()
    };
    assert_eq!(with_field("x-header"), 1);
    assert_eq!(with_field("X-Tenant"), suite.probes().len());
    let in_query = suite
        .probes()
        .iter()
        .filter(|probe| probe.target == format!("/me?page=1&x-query={MADE_UP}"));
    assert_eq!(in_query.count(), 1);
    let cookies: Vec<_> = suite
        .probes()
        .iter()
        .filter(|probe| probe.label().ends_with("(cookie)"))
        .flat_map(|probe| &probe.headers)
        .filter(|(name, _)| name == "Cookie")
        .map(|(_, value)| value.split('=').next().unwrap())
        .collect();
    assert!(cookies.contains(&"x-cookie") && cookies.contains(&"__session"));
}

#[test]
fn what_was_waived_is_told_and_not_sent() {
    let mut settings = settings(&["/me"]);
    settings.waive = vec!["alg_none".to_owned(), "expired".to_owned()];
    let suite = Suite::new(settings).unwrap();
    assert!(
        suite
            .probes()
            .iter()
            .all(|probe| probe.attack.name != "alg_none")
    );
    let report = suite.report();
    let waived: Vec<_> = report
        .not_tried
        .iter()
        .filter(|missing| missing.needs == "waived")
        .map(|missing| missing.attack)
        .collect();
    assert_eq!(waived, ["alg_none", "expired"]);
}

#[test]
fn a_probe_that_was_not_answered_fails() {
    let report = Suite::new(settings(&["/me"])).unwrap().report();
    assert!(!report.passed);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.code == "no_answer")
    );
}

#[test]
fn documents_are_read_in_json_and_yaml() {
    let yaml = "openapi: 3.0.3\npaths:\n  /me:\n    get:\n      security: [{b: []}]\n      responses:\n        200: {description: ok}\n";
    let json = r#"{"openapi": "3.0.3", "paths": {"/me": {"get": {"security": [{"b": []}], "responses": {"200": {"description": "ok"}}}}}}"#;
    assert_eq!(read_document(yaml).unwrap(), read_document(json).unwrap());
    for broken in [
        "{\"a\": ",
        "a: [1",
        "<!doctype html>\n<p>Hello: [",
        "\t\tx: - y",
    ] {
        let told = read_document(broken).unwrap_err().to_string();
        assert!(told.starts_with("the document is"), "{told}");
        assert!(!told.contains('\n'));
    }
    let bomb = (0..40).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let alias = format!("*a{level}");
        let next = level + 1;
        format!(
            "{text}a{next}: &a{next} [{}]\n",
            [alias.as_str(); 9].join(", ")
        )
    });
    assert!(read_document(&bomb).is_err());
}

#[test]
fn nothing_secret_is_printed() {
    let issuer = issuer();
    let mut settings = with_issuer(settings(&["/me"]), &issuer);
    settings.token = Some("plantedsecret.plantedsecret.plantedsecret".to_owned());
    settings.cookie = Some("__session".to_owned());
    let printed = format!("{settings:?}");
    let mut suite = Suite::new(settings).unwrap();
    let tokens: Vec<String> = suite
        .probes()
        .iter()
        .filter_map(authorization)
        .filter_map(|value| value.rsplit_once(' ').map(|(_, token)| token.to_owned()))
        .filter(|token| token.len() > 20)
        .collect();
    assert!(tokens.len() > 20);
    let report = run(&mut suite, |_| 200);
    let everything = format!(
        "{printed}{suite:?}{report:?}{}{}{}",
        report.table(),
        report.junit(),
        serde_json::to_string(&report).unwrap()
    );
    assert!(!everything.contains("plantedsecret"));
    assert!(!tokens.iter().any(|token| everything.contains(token)));
}
