//! Revocation: what is refused from when on, here and in another authenticator that shares a real store with this one,
//! and what becomes of it all when the store is taken away.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use doorward::axum::BackchannelLogout;
use doorward::core::TokenKind;
use doorward::{
    Authenticator, Config, IssuerConfig, ManualClock, Reason, RevocationError, RevokedClaim,
    SecretText, SystemClock, Timestamp,
};
use doorward_issuer::{DevIssuer, Kind, Mint, SigningAlgorithm};

#[path = "../../../tests/support/servers.rs"]
mod servers;

use servers::{Folder, Server};

const ISSUER: &str = "http://localhost:4000";
const START: i64 = 1_800_000_000;
/// How long something may take to arrive that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

fn issuer(clock: impl Fn() -> i64 + Send + Sync + 'static) -> DevIssuer {
    DevIssuer::builder()
        .issuer(ISSUER)
        .algorithms(&[SigningAlgorithm::ES256])
        .clock(clock)
        .build()
        .unwrap()
}

fn config(issuer: &DevIssuer) -> Config {
    let mut trusted = IssuerConfig::new(ISSUER, "*");
    trusted.decoder = Some("clerk".to_owned());
    trusted.keys = Some(issuer.jwks().to_string().as_str().into());
    trusted.logout_client_id = Some("my-app".into());
    Config::new([trusted]).accepts([TokenKind::Session, TokenKind::Oauth])
}

fn manual() -> (DevIssuer, Authenticator, Arc<ManualClock>) {
    let issuer = issuer(|| START);
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
    let auth =
        Authenticator::with_clock(&config(&issuer), Arc::<ManualClock>::clone(&clock)).unwrap();
    (issuer, auth, clock)
}

fn reason(auth: &Authenticator, token: &str) -> Option<Reason> {
    auth.verify_blocking(token)
        .err()
        .map(|refused| refused.reason())
}

#[test]
fn each_claim_revokes_its_tokens_and_no_others() {
    let (issuer, auth, _) = manual();
    let session = issuer
        .mint(&Mint::default().sub("ada").sid("sess_1"))
        .unwrap();
    let same_session = issuer
        .mint(&Mint::default().sub("ada").sid("sess_1").ttl(90))
        .unwrap();
    let other_session = issuer
        .mint(&Mint::default().sub("ada").sid("sess_2"))
        .unwrap();
    let oauth = Mint::kind(Kind::Oauth).sub("bob").client_id("client_1");
    let oauth = issuer.mint(&oauth.claim("jti", "token_1")).unwrap();
    let all = [&session, &same_session, &other_session, &oauth];
    let refused = || all.map(|token| reason(&auth, token) == Some(Reason::TokenRevoked));
    // Each is remembered before it is revoked.
    assert_eq!(refused(), [false; 4]);
    assert_eq!(auth.remembered_tokens(), 4);

    let revoke = |claim, value: &str| auth.revoke_blocking(auth.revocation(claim, value)).unwrap();
    revoke(RevokedClaim::SessionId, "sess_1");
    assert_eq!(refused(), [true, true, false, false]);
    revoke(RevokedClaim::TokenId, "token_1");
    assert_eq!(refused(), [true, true, false, true]);
    revoke(RevokedClaim::Subject, "ada");
    assert_eq!(refused(), [true, true, true, true]);
    assert_eq!(auth.revocation_status().entries, 3);
    let why = auth.verify_blocking(&session).unwrap_err();
    assert_eq!(
        (why.status(), why.reason().error()),
        (401, Some("invalid_token"))
    );
    assert_eq!(why.detail(), "`sid` \"sess_1\" was revoked");

    let (issuer, auth, _) = manual();
    let oauth = Mint::kind(Kind::Oauth).sub("bob").client_id("client_1");
    let oauth = issuer.mint(&oauth).unwrap();
    let client = auth.revocation(RevokedClaim::ClientId, "client_1");
    auth.revoke_blocking(client).unwrap();
    assert_eq!(reason(&auth, &oauth), Some(Reason::TokenRevoked));
}

#[test]
fn what_is_issued_afterwards_is_good() {
    let (issuer, auth, clock) = manual();
    let before = issuer
        .mint(&Mint::default().sub("ada").issued_at(START - 10))
        .unwrap();
    let after = issuer
        .mint(&Mint::default().sub("ada").issued_at(START + 1))
        .unwrap();
    let so_far = auth
        .revocation(RevokedClaim::Subject, "ada")
        .until(Timestamp::from_secs(START));
    auth.revoke_blocking(so_far).unwrap();
    assert_eq!(reason(&auth, &before), Some(Reason::TokenRevoked));
    assert_eq!(reason(&auth, &after), None);
    // A day later it is forgotten, and so would the token have been.
    clock.advance(Duration::from_secs(86_520));
    let other = auth.revocation(RevokedClaim::Subject, "bob");
    auth.revoke_blocking(other).unwrap();
    assert_eq!(auth.revocation_status().entries, 1);
}

#[test]
fn an_issuers_revocation_is_for_its_own_tokens() {
    let (issuer, auth, _) = manual();
    let token = issuer.mint(&Mint::default().sub("ada")).unwrap();
    let of_another = auth
        .revocation(RevokedClaim::Subject, "ada")
        .of("https://other.example");
    let refused = auth.revoke_blocking(of_another).unwrap_err();
    assert!(matches!(&refused, RevocationError::Invalid(why) if why.contains("no trusted issuer")));
    assert_eq!(reason(&auth, &token), None);
    auth.revoke_blocking(auth.revocation(RevokedClaim::Subject, "ada").of(ISSUER))
        .unwrap();
    assert_eq!(reason(&auth, &token), Some(Reason::TokenRevoked));
}

#[test]
fn senseless_revocations_are_refused_and_revoke_nothing() {
    let (_, auth, _) = manual();
    let subject = |value: &str| auth.revocation(RevokedClaim::Subject, value);
    let mut too_late = subject("a");
    too_late.expires_at = Timestamp::from_secs(START + 100_000);
    let mut over = subject("a");
    over.expires_at = Timestamp::from_secs(START);
    for wrong in [
        subject(""),
        subject(&"a".repeat(513)),
        subject("a\0b"),
        too_late,
        over,
    ] {
        assert!(matches!(
            auth.revoke_blocking(wrong),
            Err(RevocationError::Invalid(_))
        ));
    }
    assert_eq!(auth.revocation_status().entries, 0);
}

#[test]
fn tokens_that_outlive_their_revocation_show_in_the_status() {
    let (issuer, auth, _) = manual();
    assert!(auth.revocation_status().is_healthy());
    let long = issuer.mint(&Mint::default().ttl(100_000)).unwrap();
    assert_eq!(reason(&auth, &long), None);
    let status = auth.revocation_status();
    assert_eq!(status.longest_token_seconds, 100_000);
    assert!(status.is_healthy(), "nothing is revoked");
    auth.revoke_blocking(auth.revocation(RevokedClaim::Subject, "ada"))
        .unwrap();
    assert!(!auth.revocation_status().is_healthy());
    assert!(auth.status().problems[0].contains("revocation_retention"));
}

#[test]
fn a_logout_token_revokes_what_it_names() {
    let (issuer, auth, _) = manual();
    let session = issuer
        .mint(&Mint::default().sub("ada").sid("sess_1"))
        .unwrap();
    let other = issuer
        .mint(&Mint::default().sub("ada").sid("sess_2"))
        .unwrap();
    let logout = Mint::kind(Kind::Logout)
        .aud("my-app")
        .sub("ada")
        .sid("sess_1");
    let logout = issuer.mint(&logout).unwrap();
    let told = auth.accept_logout_blocking(&logout).unwrap();
    assert_eq!(
        (told.session_id.as_deref(), told.subject.as_deref()),
        (Some("sess_1"), Some("ada"))
    );
    assert_eq!(reason(&auth, &session), Some(Reason::TokenRevoked));
    assert_eq!(reason(&auth, &other), None);
    // As an access token it is nothing.
    assert!(auth.verify_blocking(&logout).is_err());

    let everywhere = Mint::kind(Kind::Logout)
        .aud("my-app")
        .sub("ada")
        .without("sid");
    auth.accept_logout_blocking(&issuer.mint(&everywhere).unwrap())
        .unwrap();
    assert_eq!(reason(&auth, &other), Some(Reason::TokenRevoked));
    let later = issuer
        .mint(&Mint::default().sub("ada").issued_at(START + 2))
        .unwrap();
    assert_eq!(reason(&auth, &later), None);
}

#[test]
fn what_is_no_logout_token_revokes_nothing() {
    let (issuer, auth, _) = manual();
    let logout = || {
        Mint::kind(Kind::Logout)
            .aud("my-app")
            .sub("ada")
            .sid("sess_1")
    };
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let cases: Vec<(&str, Mint, Reason)> = vec![
        (
            "a session token",
            Mint::default().aud("my-app"),
            Reason::TokenKindNotAccepted,
        ),
        (
            "an access token",
            Mint::kind(Kind::Oauth).aud("my-app"),
            Reason::TokenKindNotAccepted,
        ),
        (
            "typ",
            logout().header("typ", "at+jwt"),
            Reason::TokenKindNotAccepted,
        ),
        (
            "no event",
            logout().without("events"),
            Reason::TokenKindNotAccepted,
        ),
        (
            "another event",
            logout().claim("events", serde_json::json!({"x": {}})),
            Reason::TokenKindNotAccepted,
        ),
        (
            "an event that is no object",
            logout().claim("events", serde_json::json!({event: true})),
            Reason::TokenKindNotAccepted,
        ),
        (
            "events that are no object",
            logout().claim("events", "x"),
            Reason::ClaimMalformed,
        ),
        (
            "a nonce",
            logout().claim("nonce", "n"),
            Reason::TokenKindNotAccepted,
        ),
        (
            "a nonce that is null",
            logout().claim("nonce", serde_json::Value::Null),
            Reason::TokenKindNotAccepted,
        ),
        (
            "another client's",
            logout().aud("your-app"),
            Reason::AudienceMismatch,
        ),
        ("nobody's", logout().without("aud"), Reason::AudienceMissing),
        (
            "nobody named",
            logout().without("sub").without("sid"),
            Reason::ClaimMissing,
        ),
        ("no jti", logout().without("jti"), Reason::ClaimMissing),
        ("no iat", logout().without("iat"), Reason::ClaimMissing),
        (
            "old",
            logout().issued_at(START - 4_000),
            Reason::TokenExpired,
        ),
        (
            "old and without end",
            logout().issued_at(START - 200).without("exp"),
            Reason::TokenExpired,
        ),
        (
            "of tomorrow",
            logout().issued_at(START + 100),
            Reason::TokenIssuedInFuture,
        ),
        (
            "another issuer's",
            logout().iss("https://evil.example"),
            Reason::IssuerUnknown,
        ),
        (
            "a huge date",
            logout().claim("iat", 1e300),
            Reason::ClaimMalformed,
        ),
    ];
    for (name, mint, expected) in cases {
        let token = issuer
            .mint(&mint)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let refused = auth.accept_logout_blocking(&token).unwrap_err();
        assert_eq!(refused.reason(), expected, "{name}: {:?}", refused.detail());
    }
    let stranger = DevIssuer::builder()
        .issuer(ISSUER)
        .clock(|| START)
        .build()
        .unwrap();
    let forged = stranger.mint(&logout()).unwrap();
    assert!(auth.accept_logout_blocking(&forged).is_err());
    for junk in ["", "a.b", "a.b.c", "....", &"a".repeat(20_000)] {
        assert!(auth.accept_logout_blocking(junk).is_err());
    }
    assert_eq!(auth.revocation_status().entries, 0);
    assert!(
        auth.accept_logout_blocking(&issuer.mint(&logout().without("exp")).unwrap())
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_issuers_own_sender_is_understood() {
    let issuer = Arc::new(issuer(|| START));
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
    let auth = Authenticator::with_clock(&config(&issuer), clock).unwrap();
    let logout = |logout: BackchannelLogout| async { logout };
    let app = axum::Router::new()
        .route("/logout", axum::routing::post(logout))
        .with_state(auth.clone());
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let listener = listener.unwrap();
    let url = format!("http://{}/logout", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let token = issuer.mint(&Mint::default().sid("sess_9")).unwrap();
    let who = Mint::default().aud("my-app").sid("sess_9");
    let (again, url_again) = (Arc::clone(&issuer), url.clone());
    let sent = tokio::task::spawn_blocking(move || issuer.send_logout(&url, &who))
        .await
        .unwrap();
    assert_eq!(sent.unwrap(), 200);
    let other = Mint::default().aud("your-app").sid("sess_8");
    let sent = tokio::task::spawn_blocking(move || again.send_logout(&url_again, &other)).await;
    assert_eq!(sent.unwrap().unwrap(), 400);
    assert_eq!(
        auth.verify(&token).await.unwrap_err().reason(),
        Reason::TokenRevoked
    );
}

#[test]
fn a_store_that_is_written_wrong_stops_the_start() {
    let issuer = issuer(|| START);
    let refused = |store: &str, on_outage: Option<&str>| {
        let mut config = config(&issuer);
        config.revocation_store = Some(SecretText::from(store.to_owned()));
        config.revocation_on_outage = on_outage.map(str::to_owned);
        Authenticator::new(&config).unwrap_err().to_string()
    };
    for (store, says) in [
        (
            "mysql://h/d",
            "revocation_store: is of a kind that is not known",
        ),
        (
            "redis//h",
            "revocation_store: is of a kind that is not known",
        ),
        (
            "redis://:hunter2@:x",
            "revocation_store: is no URL of Redis",
        ),
        (
            "postgres://a:hunter2@h:x/d",
            "revocation_store: is no URL of PostgreSQL",
        ),
        (
            "sqlite::memory:",
            "revocation_store: a database in memory is not shared",
        ),
        (
            "sqlite:///no/such/folder/file",
            "revocation_store: there is no folder /no/such/folder",
        ),
    ] {
        let error = refused(store, None);
        assert!(error.starts_with(says), "{store}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let typo = refused("redis://h", Some("refuze"));
    assert!(
        typo.contains("did you mean") && typo.contains("refuse"),
        "{typo}"
    );
}

/// Two authenticators that know of each other only by a store.
struct Pair {
    issuer: DevIssuer,
    here: Authenticator,
    there: Authenticator,
}

impl Pair {
    fn sharing(store: &str, on_outage: &str) -> Self {
        let clock = SystemClock::new();
        let issuer = issuer(move || doorward::Clock::now(&clock).as_secs());
        let mut config = config(&issuer);
        config.revocation_store = Some(SecretText::from(store.to_owned()));
        config.revocation_on_outage = Some(on_outage.to_owned());
        Self {
            here: Authenticator::new(&config).unwrap(),
            there: Authenticator::new(&config).unwrap(),
            issuer,
        }
    }

    fn mint(&self, sid: &str) -> String {
        self.issuer
            .mint(&Mint::default().sid(sid).ttl(3600))
            .unwrap()
    }

    fn revoke(&self, sid: &str) -> Result<(), RevocationError> {
        let revocation = self.here.revocation(RevokedClaim::SessionId, sid);
        self.here.revoke_blocking(revocation)
    }
}

/// Asks until the answer is as expected, for a bounded time; answers how long it took.
#[allow(clippy::needless_pass_by_value, reason = "it reads better")]
fn becomes<T: PartialEq + std::fmt::Debug>(expected: T, ask: impl Fn() -> T) -> Duration {
    let begun = Instant::now();
    loop {
        let found = ask();
        if found == expected {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "still {found:?}, expected {expected:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What holds for every kind of store.
fn is_shared_through(store: &str) {
    let pair = Pair::sharing(store, "accept");
    let (first, second) = (pair.mint("sess_1"), pair.mint("sess_2"));
    for token in [&first, &second] {
        assert_eq!(reason(&pair.here, token), None);
        assert_eq!(reason(&pair.there, token), None);
    }
    pair.revoke("sess_1").unwrap();
    assert_eq!(reason(&pair.here, &first), Some(Reason::TokenRevoked));
    becomes(Some(Reason::TokenRevoked), || reason(&pair.there, &first));
    assert_eq!(reason(&pair.there, &second), None);
    let status = pair.there.revocation_status();
    let store_status = status.store.as_ref().unwrap();
    assert_eq!((store_status.state, status.entries), ("following", 1));
    assert!(
        status.is_healthy() && !store_status.address.contains("test-only"),
        "{status:?}"
    );

    // One that starts later knows it before it answers for the first time.
    let late = Pair::sharing(store, "accept");
    let token = late.issuer.mint(&Mint::default().sid("sess_1")).unwrap();
    assert_eq!(reason(&late.here, &token), Some(Reason::TokenRevoked));

    // Everything a revocation has comes through.
    let narrow = pair.here.revocation(RevokedClaim::Subject, "ad\"a ü");
    let narrow = narrow.of(ISSUER).until(Timestamp::from_secs(START - 1));
    pair.here.revoke_blocking(narrow).unwrap();
    let sub = |at: i64| Mint::default().sub("ad\"a ü").issued_at(at).ttl(90_000_000);
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
    let mut config = config(&pair.issuer);
    config.revocation_store = Some(SecretText::from(store.to_owned()));
    let reader = Authenticator::with_clock(&config, clock).unwrap();
    let before = pair.issuer.mint(&sub(START - 1)).unwrap();
    becomes(Some(Reason::TokenRevoked), || reason(&reader, &before));
    let after = pair.issuer.mint(&sub(START)).unwrap();
    assert_eq!(reason(&reader, &after), None);
}

#[test]
fn redis_shares() {
    let server = Server::redis();
    is_shared_through(&server.url());
}

#[test]
fn postgresql_shares() {
    let server = Server::postgres();
    is_shared_through(&server.url());
}

#[test]
fn sqlite_shares() {
    let folder = Folder::new("sqlite");
    is_shared_through(&folder.sqlite_url());
}

/// A store that goes away and comes back: what was known stays refused, and what was revoked meanwhile arrives.
fn survives_an_outage(server: &mut Server, store: &str) {
    let pair = Pair::sharing(store, "accept");
    let tokens: Vec<String> = (0..3).map(|n| pair.mint(&format!("sess_{n}"))).collect();
    for auth in [&pair.here, &pair.there] {
        assert_eq!(reason(auth, &tokens[0]), None);
    }
    pair.revoke("sess_0").unwrap();
    becomes(Some(Reason::TokenRevoked), || {
        reason(&pair.there, &tokens[0])
    });

    server.kill();
    becomes("away", || {
        pair.there.revocation_status().store.unwrap().state
    });
    assert!(!pair.there.revocation_status().is_healthy());
    assert_eq!(reason(&pair.there, &tokens[0]), Some(Reason::TokenRevoked));
    assert_eq!(
        reason(&pair.there, &tokens[1]),
        None,
        "it accepts what it cannot know"
    );
    // Refused here at once, and the caller learns that the others do not know.
    let refused = pair.revoke("sess_1").unwrap_err();
    assert!(
        matches!(refused, RevocationError::NotShared(_)),
        "{refused}"
    );
    assert_eq!(reason(&pair.here, &tokens[1]), Some(Reason::TokenRevoked));
    assert_eq!(pair.here.revocation_status().store.unwrap().unsent, 1);

    server.start();
    becomes(Some(Reason::TokenRevoked), || {
        reason(&pair.there, &tokens[1])
    });
    becomes(true, || pair.here.revocation_status().is_healthy());
    becomes(true, || pair.there.revocation_status().is_healthy());
    assert_eq!(reason(&pair.there, &tokens[2]), None);
    // Even what the store itself has forgotten: whoever knows it writes it again.
    becomes(Some(Reason::TokenRevoked), || {
        let late = Pair::sharing(store, "accept");
        let token = late.issuer.mint(&Mint::default().sid("sess_0")).unwrap();
        reason(&late.here, &token)
    });
}

#[test]
fn redis_may_go_away_and_come_back_empty() {
    let mut server = Server::redis();
    let store = server.url();
    survives_an_outage(&mut server, &store);
}

#[test]
fn postgresql_may_go_away_and_come_back() {
    let mut server = Server::postgres();
    let store = server.url();
    survives_an_outage(&mut server, &store);
}

#[test]
fn whoever_wants_to_be_sure_refuses_while_the_store_is_away() {
    let mut server = Server::redis();
    let pair = Pair::sharing(&server.url(), "refuse");
    let (good, bad) = (pair.mint("sess_1"), pair.mint("sess_2"));
    pair.revoke("sess_2").unwrap();
    assert_eq!(reason(&pair.there, &good), None);
    assert_eq!(reason(&pair.there, &bad), Some(Reason::TokenRevoked));
    server.kill();
    becomes(Some(Reason::VerificationUnavailable), || {
        reason(&pair.there, &good)
    });
    let refused = pair.there.verify_blocking(&good).unwrap_err();
    assert_eq!((refused.status(), refused.retry_after()), (503, Some(1)));
    assert_eq!(
        reason(&pair.there, &bad),
        Some(Reason::TokenRevoked),
        "it is known"
    );
    server.start();
    becomes(None, || reason(&pair.there, &good));
}

#[test]
fn a_store_that_was_never_there_delays_the_first_request_only() {
    for (on_outage, expected) in [
        ("accept", None),
        ("refuse", Some(Reason::VerificationUnavailable)),
    ] {
        let pair = Pair::sharing("redis://127.0.0.1:1/0", on_outage);
        let token = pair.mint("sess_1");
        let begun = Instant::now();
        assert_eq!(reason(&pair.here, &token), expected);
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "{:?}",
            begun.elapsed()
        );
        let again = Instant::now();
        for _ in 0..100 {
            assert_eq!(reason(&pair.here, &token), expected);
        }
        assert!(
            again.elapsed() < Duration::from_secs(5),
            "they do not wait again"
        );
    }
}

/// Everybody who knows more than a store writes it again, at once and without getting in each other's way.
fn is_repaired_by_many(store: &str, empty: impl FnOnce()) {
    let nodes: Vec<Pair> = (0..4).map(|_| Pair::sharing(store, "accept")).collect();
    let all = || nodes.iter().flat_map(|pair| [&pair.here, &pair.there]);
    all().for_each(Authenticator::refresh_blocking);
    for number in 0..1_500 {
        let revocation = nodes[0]
            .here
            .revocation(RevokedClaim::SessionId, format!("sess_{number}"));
        nodes[0].here.revoke_blocking(revocation).unwrap();
    }
    becomes(true, || {
        all().all(|auth| auth.revocation_status().entries == 1_500)
    });
    empty();
    becomes(1_500, || {
        let late = Pair::sharing(store, "accept");
        late.here.refresh_blocking();
        late.here.revocation_status().entries
    });
    becomes(true, || {
        all().all(|auth| auth.revocation_status().is_healthy())
    });
}

#[test]
fn many_repair_a_redis_that_forgot() {
    let mut server = Server::redis();
    is_repaired_by_many(&server.url(), || {
        server.kill();
        server.start();
    });
}

#[test]
fn many_repair_a_postgresql_that_forgot() {
    let mut server = Server::postgres();
    is_repaired_by_many(&server.url(), || {
        server.run_sql("TRUNCATE doorward_revocations");
        server.kill();
        server.start();
    });
}

#[test]
fn a_file_that_was_replaced_is_noticed() {
    let folder = Folder::new("replaced");
    let file = folder.path().join("doorward.db");
    let pair = Pair::sharing(&folder.sqlite_url(), "accept");
    let token = pair.mint("sess_1");
    assert_eq!(reason(&pair.there, &token), None);
    pair.revoke("sess_0").unwrap();
    for part in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{part}", file.display())));
    }
    becomes(true, || file.exists());
    pair.revoke("sess_1").unwrap();
    becomes(Some(Reason::TokenRevoked), || reason(&pair.there, &token));
}

#[test]
fn an_alias_is_the_issuer_that_it_stands_for() {
    let issuer = issuer(|| START);
    let mut exact = config(&issuer).issuers.remove(0);
    exact.issuer = Some("https://login.example.com/main".to_owned());
    exact.issuer_aliases = Some(ISSUER.into());
    let mut template = IssuerConfig::new("https://login.example.com/{tenant}", "*");
    template.tenants = Some("*".into());
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
    let auth = Authenticator::with_clock(&Config::new([template, exact]), clock).unwrap();
    let token = issuer.mint(&Mint::default().sub("ada")).unwrap();
    assert_eq!(reason(&auth, &token), None);
    for name in [ISSUER, "https://login.example.com/main"] {
        let revocation = auth.revocation(RevokedClaim::Subject, "ada").of(name);
        auth.revoke_blocking(revocation).unwrap();
        assert_eq!(auth.revocation_status().entries, 1, "they are one");
    }
    assert_eq!(reason(&auth, &token), Some(Reason::TokenRevoked));
}

#[test]
fn who_repeats_a_logout_token_fills_no_store() {
    let server = Server::redis();
    let pair = Pair::sharing(&server.url(), "accept");
    let token = pair.mint("sess_1");
    assert_eq!(reason(&pair.here, &token), None);
    for _ in 0..50 {
        pair.revoke("sess_1").unwrap();
    }
    let length = server.ask_redis("XLEN doorward:revocations");
    assert!([":1\r\n", ":2\r\n"].contains(&length.as_str()), "{length}");
}

/// Requests go on while the store is killed and restarted again and again: nothing that was revoked is accepted once it
/// was refused, and nothing good is refused.
#[test]
fn under_load_nothing_revoked_comes_back() {
    let mut server = Server::redis();
    let pair = Pair::sharing(&server.url(), "accept");
    let good = pair.mint("sess_good");
    let revoked: Vec<String> = (0..30).map(|n| pair.mint(&format!("sess_{n}"))).collect();
    assert_eq!(reason(&pair.there, &good), None);
    let (over, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut refused = vec![false; revoked.len()];
            while !over.load(Ordering::Acquire) {
                assert_eq!(reason(&pair.there, &good), None);
                for (refused, token) in refused.iter_mut().zip(&revoked) {
                    let now = reason(&pair.there, token) == Some(Reason::TokenRevoked);
                    assert!(now || !*refused, "it came back");
                    *refused = now;
                }
                seen.store(
                    refused.iter().filter(|refused| **refused).count(),
                    Ordering::Release,
                );
            }
        });
        for (number, _) in revoked.iter().enumerate() {
            if number % 15 == 5 {
                server.kill();
            }
            drop(pair.revoke(&format!("sess_{number}")));
            if number % 15 == 5 {
                server.start();
            }
        }
        becomes(30, || seen.load(Ordering::Acquire));
        over.store(true, Ordering::Release);
    });
}
