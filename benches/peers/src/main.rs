//! Measures one verification of one token by the engine and by the crates people use today, in one process.
//!
//! `--json` prints the figures for machines, `--quick` measures less, and `--only RS256` (or another
//! section) makes one table.

mod http;
mod measure;
mod opaque;
mod ours;
mod peers;
mod token;
mod webhooks;

use doorward::axum::AuthLayer;
use doorward::core::Outcome;
use serde_json::json;

use measure::{Case, Figure};
use token::{AUDIENCE, ISSUER, Signer};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let effort = if asked("--quick") {
        Effort {
            rounds: 15,
            batch_us: 1_500.0,
            served_rounds: 5,
        }
    } else {
        Effort {
            rounds: 41,
            batch_us: 4_000.0,
            served_rounds: 15,
        }
    };

    let sections: Vec<(&str, Vec<Figure>)> = SECTIONS
        .iter()
        .filter(|(name, _)| !asked("--only") || asked(name))
        .map(|(name, measure)| (*name, measure(&effort)))
        .collect();
    if asked("--json") {
        let rows = sections
            .iter()
            .flat_map(|(section, figures)| figures.iter().map(move |figure| row(section, figure)));
        println!("{}", serde_json::Value::from_iter(rows));
    } else {
        sections
            .iter()
            .for_each(|(section, figures)| print(section, figures));
    }
}

type Section = (&'static str, fn(&Effort) -> Vec<Figure>);

const SECTIONS: [Section; 7] = [
    ("RS256", rs256),
    ("ES256", es256),
    ("EdDSA", eddsa),
    ("webhooks", webhooks::section),
    ("opaque tokens", opaque::section),
    ("axum, in process", in_process),
    ("axum, served", on_the_wire),
];

struct Effort {
    rounds: usize,
    batch_us: f64,
    served_rounds: usize,
}

fn rs256(effort: &Effort) -> Vec<Figure> {
    let signer = &Signer::rs256();
    let token = signer.token(0, None);
    let token = token.as_str();
    let with_audience = signer.token(0, Some(AUDIENCE));
    let (input, signature) = token::parts(token);
    let public = signer.public();
    let (verifier, now) = (ours::verifier(signer), ours::now());
    let one = || vec![ours::issuer(signer, ISSUER, 0)];
    let cold = ours::authenticator(one(), false);
    let cached = ours::authenticator(one(), true);
    let many_keys = ours::authenticator(vec![ours::issuer(signer, ISSUER, 9_999)], false);
    let many_issuers = ours::authenticator(ours::among_others(signer, 999), false);
    let many_issuers_cached = ours::authenticator(ours::among_others(signer, 999), true);
    let (remote, remote_cached) = (ours::remote(signer, false), ours::remote(signer, true));
    let tokens: Vec<String> = (0..1_000).map(|nonce| signer.token(nonce, None)).collect();
    let mut turn = tokens.iter().cycle();
    let busy = ours::authenticator(one(), true);
    tokens
        .iter()
        .for_each(|token| drop(busy.verify_blocking(token).expect("valid")));
    let jsonwebtoken = peers::jsonwebtoken(signer);
    let jwt_authorizer = peers::jwt_authorizer(signer);
    let oauth = peers::oauth_resource_server(signer);
    let clerk = peers::clerk_rs(signer);
    let verify =
        |auth: &doorward::Authenticator, token: &str| auth.verify_blocking(token).expect("valid");

    let base = "rs256/raw";
    let mut cases = vec![
        Case::new(base, "raw signature check, aws-lc-rs", base, || {
            public.verify_sig(&input, &signature).expect("valid");
        }),
        Case::new("rs256/core", "doorward-core, static keys", base, || {
            let outcome = ours::decide(&verifier, token, now);
            assert!(matches!(outcome, Outcome::Verified(_)));
            outcome
        }),
        Case::new("rs256/cold", "doorward, cache off", base, || {
            verify(&cold, token)
        }),
        Case::new(
            "rs256/cold-remote",
            "doorward, cache off, fetched keys",
            base,
            || verify(&remote, token),
        ),
        Case::new(
            "rs256/cold-10000-keys",
            "doorward, cache off, 10,000 keys",
            base,
            || verify(&many_keys, token),
        ),
        Case::new(
            "rs256/cold-1000-issuers",
            "doorward, cache off, 1,000 issuers",
            base,
            || verify(&many_issuers, token),
        ),
        Case::new(
            "rs256/jsonwebtoken",
            "jsonwebtoken 11 [aws_lc_rs] -> struct",
            base,
            || jsonwebtoken(token),
        ),
        Case::new(
            "rs256/jwt-authorizer",
            "jwt-authorizer 0.15 check_auth",
            base,
            || jwt_authorizer(token),
        ),
        Case::new(
            "rs256/tower-oauth2",
            "tower-oauth2-resource-server 0.12 [aws], its layer",
            base,
            peers::through(peers::tower_oauth2(signer), token),
        ),
        Case::new(
            "rs256/oauth-rs",
            "oauth-resource-server 0.4 validate",
            base,
            || oauth(&with_audience),
        ),
        Case::new(
            "rs256/clerk-rs",
            "clerk-rs 0.5 validate_jwt_with_key",
            base,
            || clerk(token),
        ),
        Case::new(
            "rs256/layer",
            "doorward, cache off, its layer",
            base,
            peers::through(AuthLayer::required(cold.clone()), token),
        ),
        Case::new("rs256/hit", "doorward, cached", base, || {
            verify(&cached, token)
        }),
        Case::new(
            "rs256/hit-remote",
            "doorward, cached, fetched keys",
            base,
            || verify(&remote_cached, token),
        ),
        Case::new(
            "rs256/hit-1000-issuers",
            "doorward, cached, 1,000 issuers",
            base,
            || verify(&many_issuers_cached, token),
        ),
        Case::new(
            "rs256/hit-1000-tokens",
            "doorward, cached, 1,000 tokens in turn",
            base,
            || verify(&busy, turn.next().expect("endless")),
        ),
    ];
    measure::measure(&mut cases, effort.rounds, effort.batch_us)
}

fn es256(effort: &Effort) -> Vec<Figure> {
    let ids = [
        "es256/raw",
        "es256/core",
        "es256/cold",
        "es256/jsonwebtoken",
        "es256/jwt-authorizer",
    ];
    narrow(&Signer::es256(), ids, effort)
}

fn eddsa(effort: &Effort) -> Vec<Figure> {
    let ids = [
        "eddsa/raw",
        "eddsa/core",
        "eddsa/cold",
        "eddsa/jsonwebtoken",
        "eddsa/jwt-authorizer",
    ];
    narrow(&Signer::eddsa(), ids, effort)
}

fn narrow(signer: &Signer, ids: [&'static str; 5], effort: &Effort) -> Vec<Figure> {
    let token = signer.token(0, None);
    let token = token.as_str();
    let (input, signature) = token::parts(token);
    let public = signer.public();
    let (verifier, now) = (ours::verifier(signer), ours::now());
    let cold = ours::authenticator(vec![ours::issuer(signer, ISSUER, 0)], false);
    let jsonwebtoken = peers::jsonwebtoken(signer);
    let jwt_authorizer = peers::jwt_authorizer(signer);
    let [base, core, authenticator, plain, authorizer] = ids;
    let mut cases = vec![
        Case::new(base, "raw signature check, aws-lc-rs", base, || {
            public.verify_sig(&input, &signature).expect("valid");
        }),
        Case::new(core, "doorward-core, static keys", base, || {
            let outcome = ours::decide(&verifier, token, now);
            assert!(matches!(outcome, Outcome::Verified(_)));
            outcome
        }),
        Case::new(authenticator, "doorward, cache off", base, || {
            cold.verify_blocking(token).expect("valid")
        }),
        Case::new(plain, "jsonwebtoken 11 [aws_lc_rs] -> struct", base, || {
            jsonwebtoken(token)
        }),
        Case::new(authorizer, "jwt-authorizer 0.15 check_auth", base, || {
            jwt_authorizer(token)
        }),
    ];
    measure::measure(&mut cases, effort.rounds, effort.batch_us)
}

fn in_process(effort: &Effort) -> Vec<Figure> {
    let signer = Signer::rs256();
    let token = signer.token(0, None);
    let auth = |cache| ours::authenticator(vec![ours::issuer(&signer, ISSUER, 0)], cache);
    let guarded = |cache| http::hello().layer(AuthLayer::required(auth(cache)));
    let tower_oauth2 = http::hello().layer(peers::tower_oauth2(&signer));
    let raw = http::hello_after(raw_check(&signer, &token));
    let base = "router/hello";
    let mut cases = vec![
        Case::new(
            base,
            "hello, the header is ignored",
            base,
            http::call(http::hello(), &token),
        ),
        Case::new(
            "router/hit",
            "hello behind doorward, cached",
            base,
            http::call(guarded(true), &token),
        ),
        Case::new(
            "router/cold",
            "hello behind doorward, cache off",
            base,
            http::call(guarded(false), &token),
        ),
        Case::new(
            "router/raw",
            "hello that checks the raw signature",
            base,
            http::call(raw, &token),
        ),
        Case::new(
            "router/tower-oauth2",
            "hello behind tower-oauth2-resource-server",
            base,
            http::call(tower_oauth2, &token),
        ),
    ];
    measure::measure(&mut cases, effort.rounds, effort.batch_us)
}

fn on_the_wire(effort: &Effort) -> Vec<Figure> {
    let signer = Signer::rs256();
    let token = signer.token(0, None);
    let auth = |cache| ours::authenticator(vec![ours::issuer(&signer, ISSUER, 0)], cache);
    let guarded = |cache| http::hello().layer(AuthLayer::required(auth(cache)));
    let raw = http::hello_after(raw_check(&signer, &token));
    let base = "served/hello";
    let apps = vec![
        (base, "hello, the header is ignored", base, http::hello()),
        (
            "served/hit",
            "hello behind doorward, cached",
            base,
            guarded(true),
        ),
        (
            "served/cold",
            "hello behind doorward, cache off",
            base,
            guarded(false),
        ),
        (
            "served/raw",
            "hello that checks the raw signature",
            base,
            raw,
        ),
    ];
    http::served(apps, &token, effort.served_rounds)
}

fn raw_check(signer: &Signer, token: &str) -> impl Fn() + Clone + Send + Sync + 'static {
    let public = std::sync::Arc::new(signer.public());
    let (input, signature) = token::parts(token);
    move || public.verify_sig(&input, &signature).expect("valid")
}

fn row(section: &str, figure: &Figure) -> serde_json::Value {
    json!({
        "section": section,
        "id": figure.id,
        "name": figure.name,
        "base": figure.base,
        "us": figure.us,
        "minimum": figure.minimum,
        "ratio": figure.ratio,
        "over": figure.over,
    })
}

fn print(section: &str, figures: &[Figure]) {
    println!(
        "\n{section:<52} {:>8} {:>8} {:>7} {:>8}",
        "µs", "min", "ratio", "over"
    );
    for Figure {
        name,
        us,
        minimum,
        ratio,
        over,
        ..
    } in figures
    {
        println!("{name:<52} {us:>8.2} {minimum:>8.2} {ratio:>7.2} {over:>+8.2}");
    }
}
