//! Asking a real issuer: who asks is shown by a signature (RFC 7523), answers are signed (RFC 9701), and userinfo tells
//! more (OpenID Connect Core §5.3). The issuer is the local one, which checks what it is shown.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::needless_pass_by_value, reason = "json! reads better so")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use doorward::{Authenticator, Config, Identity, ManualClock, Reason, Rejection, Timestamp};
use doorward_issuer::{
    Client, DevIssuer, Endpoint, Fault, Kind, Mint, Served, SigningAlgorithm, SigningKey,
};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

struct World {
    issuer: Arc<DevIssuer>,
    served: Served,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        let issuer = DevIssuer::builder()
            .algorithms(&[SigningAlgorithm::ES256])
            .clock(|| NOW)
            .build()
            .unwrap();
        let issuer = Arc::new(issuer);
        let served = issuer
            .serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        Self {
            issuer,
            served,
            clock: Arc::new(ManualClock::at(Timestamp::from_secs(NOW))),
        }
    }

    fn settings(&self, changes: Value) -> Value {
        let url = self.served.url();
        let mut settings = json!({
            "issuer": url, "audience": "my-api", "accepts": ["oauth_token"], "discover": true,
            "introspection_url": format!("{url}/oauth/introspect"),
        });
        for (name, value) in changes.as_object().unwrap() {
            settings[name] = value.clone();
        }
        settings
    }

    fn auth(&self, changes: Value) -> Authenticator {
        let config = Config::from_json(&self.settings(changes).to_string()).unwrap();
        Authenticator::with_clock(&config, Arc::<ManualClock>::clone(&self.clock)).unwrap()
    }

    /// As the client that the local issuer knows from the start.
    fn with_secret(&self, changes: Value) -> Authenticator {
        let client = self.issuer.client();
        let mut all = json!({
            "introspection_client_id": client.client_id,
            "introspection_client_secret": client.client_secret,
        });
        for (name, value) in changes.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.auth(all)
    }

    fn mint(&self, kind: Kind) -> String {
        let mut mint = Mint::kind(kind).scopes(["openid", "profile", "email"]);
        for (name, value) in [
            ("aud", json!("my-api")),
            ("name", json!("Ada")),
            ("email", json!("ada@example.com")),
        ] {
            mint = mint.claim(name, value);
        }
        self.issuer.mint(&mint).unwrap()
    }

    fn asked(&self) -> u64 {
        self.issuer.requests(Endpoint::Introspect)
    }

    fn told(&self) -> u64 {
        self.issuer.requests(Endpoint::Userinfo)
    }
}

fn reason(verdict: Result<Identity, Rejection>) -> Result<String, Reason> {
    verdict
        .map(|identity| identity.subject().to_owned())
        .map_err(|rejection| rejection.reason())
}

fn ada() -> Result<String, Reason> {
    Ok(Mint::USER.to_owned())
}

#[test]
fn a_private_key_shows_who_asks() {
    for algorithm in [
        SigningAlgorithm::RS256,
        SigningAlgorithm::PS256,
        SigningAlgorithm::ES256,
        SigningAlgorithm::EdDSA,
    ] {
        let world = World::new();
        let key = SigningKey::generate(algorithm).unwrap();
        let jwks = json!({"keys": [key.jwk()]});
        let client = Client::with_keys("my-api", jwks);
        world.issuer.register(client).unwrap();
        let settings = json!({
            "introspection_client_id": "my-api",
            "introspection_client_key": key.private_pem(),
            "introspection_client_key_id": key.kid(),
            "introspection_client_algorithm": algorithm.as_str(),
        });
        let auth = world.auth(settings);
        // The issuer takes each statement once, so every question must have one of its own.
        for number in 1..=5 {
            let verdict = auth.verify_blocking(&world.mint(Kind::Opaque));
            assert_eq!(reason(verdict), ada(), "{algorithm} {number}");
        }
        assert_eq!(world.asked(), 5);
        assert_eq!(
            reason(auth.verify_blocking("unknown")),
            Err(Reason::TokenInvalid),
            "{algorithm}"
        );
    }
}

#[test]
fn a_key_that_the_issuer_does_not_know_is_our_trouble() {
    let world = World::new();
    let (known, other) = (
        SigningKey::generate(SigningAlgorithm::EdDSA).unwrap(),
        SigningKey::generate(SigningAlgorithm::EdDSA).unwrap(),
    );
    let client = Client::with_keys("my-api", json!({"keys": [known.jwk()]}));
    world.issuer.register(client).unwrap();
    let token = world.mint(Kind::Opaque);
    for (change, expected) in [
        (json!({}), ada()),
        (
            json!({"introspection_client_key": other.private_pem()}),
            Err(Reason::VerificationUnavailable),
        ),
        (
            json!({"introspection_client_id": "another"}),
            Err(Reason::VerificationUnavailable),
        ),
        (
            json!({"introspection_assertion_audience": "https://elsewhere.example"}),
            Err(Reason::VerificationUnavailable),
        ),
        (
            json!({"introspection_assertion_audience": format!("{}/oauth/token", world.served.url())}),
            ada(),
        ),
    ] {
        let mut settings = json!({
            "introspection_client_id": "my-api",
            "introspection_client_key": known.private_pem(),
        });
        for (name, value) in change.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let auth = world.auth(settings);
        assert_eq!(reason(auth.verify_blocking(&token)), expected, "{change}");
    }
}

#[test]
fn a_new_key_signs_as_soon_as_it_stands_first() {
    let world = World::new();
    let (new, old) = (
        SigningKey::generate(SigningAlgorithm::ES256).unwrap(),
        SigningKey::generate(SigningAlgorithm::EdDSA).unwrap(),
    );
    let client = Client::with_keys("my-api", json!({"keys": [new.jwk()]}));
    world.issuer.register(client).unwrap();
    let auth = world.auth(json!({
        "introspection_client_id": "my-api",
        "introspection_client_key": [new.private_pem(), old.private_pem()],
        "introspection_client_key_id": new.kid(),
    }));
    assert_eq!(
        reason(auth.verify_blocking(&world.mint(Kind::Opaque))),
        ada()
    );
}

#[test]
fn mistakes_about_keys_stop_the_start() {
    let world = World::new();
    let key = SigningKey::generate(SigningAlgorithm::ES256).unwrap();
    for (change, expected) in [
        (
            json!({"introspection_auth": "private_key_jwt", "introspection_client_id": "x"}),
            "introspection_client_key",
        ),
        (
            json!({"introspection_client_key": key.private_pem()}),
            "introspection_client_id",
        ),
        (
            json!({"introspection_client_key": key.public_pem(), "introspection_client_id": "x"}),
            "public half",
        ),
        (
            json!({
                "introspection_client_key": key.private_pem(), "introspection_client_id": "x",
                "introspection_client_algorithm": "RS256",
            }),
            "cannot sign RS256",
        ),
        (
            json!({
                "introspection_client_key": key.private_pem(), "introspection_client_id": "x",
                "introspection_client_algorithm": "ES265",
            }),
            "\"ES256\"",
        ),
        (
            json!({
                "introspection_client_key": key.private_pem(), "introspection_client_id": "x",
                "introspection_client_secret": "both",
            }),
            "introspection_auth",
        ),
        (
            json!({"introspection_client_key_file": "no/such/file", "introspection_client_id": "x"}),
            "introspection_client_key_file",
        ),
        (json!({"introspection_response": "jws"}), "\"jwt\""),
        (
            json!({"introspection_response": "jwt"}),
            "introspection_client_id",
        ),
        (json!({"userinfo_url": "http://a.example/"}), "userinfo_url"),
        (json!({"userinfo_ttl": -1}), "userinfo_ttl"),
        (
            json!({"client_address_header": "x forwarded"}),
            "client_address_header",
        ),
    ] {
        let config = Config::from_json(&world.settings(change).to_string()).unwrap();
        let error = Authenticator::new(&config).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        let body: String = key.private_pem().lines().nth(1).unwrap().to_owned();
        assert!(!error.contains(&body), "a key in an error");
    }
}

#[test]
fn signed_answers_are_verified_with_the_issuers_keys() {
    let world = World::new();
    let auth = world.with_secret(json!({"introspection_response": "jwt"}));
    let token = world.mint(Kind::Opaque);
    // The answer is there before the keys are: both are learned for the first caller.
    assert_eq!(reason(auth.verify_blocking(&token)), ada());
    assert_eq!((world.asked(), world.issuer.jwks_fetches()), (1, 1));
    assert_eq!(reason(auth.verify_blocking(&token)), ada());
    assert_eq!(world.asked(), 1);
    assert_eq!(
        reason(auth.verify_blocking("unknown")),
        Err(Reason::TokenInvalid)
    );
    // A key that was published since is learned on the way.
    world.issuer.rotate().unwrap();
    let verdict = auth.verify_blocking(&world.mint(Kind::Opaque));
    assert_eq!(reason(verdict), ada());
    assert_eq!(world.issuer.jwks_fetches(), 2);
    // Who was known by the old key is asked about again, for that answer stands no longer, and notices nothing.
    let before = world.asked();
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(reason(auth.verify_blocking(&token)), ada());
    assert_eq!(world.asked(), before + 1);
}

#[test]
fn a_signed_answer_that_is_not_good_is_nobodys_bad_token() {
    let world = World::new();
    let signed = world.with_secret(json!({"introspection_response": "jwt"}));
    let good = world.mint(Kind::Opaque);
    assert_eq!(reason(signed.verify_blocking(&good)), ada());
    let trouble = Err(Reason::VerificationUnavailable);
    for fault in [
        Fault::Forged,
        Fault::Null,
        Fault::Inactive,
        Fault::NotJson,
        Fault::Garbage,
        Fault::Cut,
    ] {
        world
            .issuer
            .set_fault_at(Endpoint::Introspect, fault.clone());
        let token = world.mint(Kind::Opaque);
        assert_eq!(reason(signed.verify_blocking(&token)), trouble, "{fault:?}");
        world.issuer.set_fault_at(Endpoint::Introspect, Fault::None);
        world.clock.advance(Duration::from_secs(2));
        // It is not believed for long.
        assert_eq!(reason(signed.verify_blocking(&token)), ada(), "{fault:?}");
    }
}

#[test]
fn an_old_recording_is_no_answer() {
    let world = World::new();
    let auth = world.with_secret(json!({"introspection_response": "jwt"}));
    // The issuer's clock stands still at NOW, so its answers are ever older.
    world.clock.advance(Duration::from_secs(299));
    assert_eq!(
        reason(auth.verify_blocking(&world.mint(Kind::Opaque))),
        ada()
    );
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(
        reason(auth.verify_blocking(&world.mint(Kind::Opaque))),
        Err(Reason::VerificationUnavailable)
    );
}

#[test]
fn userinfo_tells_more_and_is_asked_once() {
    let world = World::new();
    let url = format!("{}/oauth/userinfo", world.served.url());
    let auth = world.with_secret(json!({"userinfo_url": url, "userinfo_ttl": 60}));
    for kind in [Kind::Opaque, Kind::Oauth] {
        let before = world.told();
        let token = world.mint(kind);
        let caller = auth.verify_blocking(&token).unwrap();
        assert_eq!(world.told(), before, "nobody wanted it yet");
        for _ in 0..3 {
            let told = auth.userinfo_blocking(&caller, &token).unwrap();
            let claims: Value = told.claims().unwrap();
            assert_eq!(
                (&claims["sub"], &claims["name"], &claims["email"]),
                (&json!(Mint::USER), &json!("Ada"), &json!("ada@example.com"))
            );
            assert!(!format!("{told:?}").contains("Ada"), "{told:?}");
        }
        assert_eq!(world.told(), before + 1);
    }
    // It is forgotten after a while.
    let token = world.mint(Kind::Opaque);
    let caller = auth.verify_blocking(&token).unwrap();
    auth.userinfo_blocking(&caller, &token).unwrap();
    let before = world.told();
    world.clock.advance(Duration::from_secs(61));
    auth.userinfo_blocking(&caller, &token).unwrap();
    assert_eq!(world.told(), before + 1);
    // And not told beyond the token's own expiry.
    world.clock.advance(Duration::from_secs(4000));
    let refused = auth.userinfo_blocking(&caller, &token).unwrap_err();
    assert_eq!(refused.reason(), Reason::TokenExpired);
}

#[tokio::test]
async fn userinfo_about_somebody_else_is_refused_and_changes_no_verdict() {
    let world = World::new();
    let url = format!("{}/oauth/userinfo", world.served.url());
    let auth = world.with_secret(json!({"userinfo_url": url}));
    let trouble = Reason::VerificationUnavailable;
    for (fault, expected, told) in [
        (Fault::OtherSubject, trouble, "somebody else's"),
        (Fault::Revoked, Reason::TokenInvalid, "openid"),
        (Fault::Null, trouble, "cannot be asked"),
        (Fault::Array, trouble, "cannot be asked"),
        (Fault::NotJson, trouble, "cannot be asked"),
        (Fault::NotFound, trouble, "cannot be asked"),
        (Fault::Down, trouble, "cannot be asked"),
        (Fault::Refuse, trouble, "cannot be asked"),
        (Fault::Oversize, trouble, "cannot be asked"),
    ] {
        // A good one between, so that the breaker stays closed.
        world.issuer.set_fault_at(Endpoint::Userinfo, Fault::None);
        let good = world.mint(Kind::Opaque);
        let caller = auth.verify(&good).await.unwrap();
        auth.userinfo(&caller, &good).await.unwrap();

        world.issuer.set_fault_at(Endpoint::Userinfo, fault.clone());
        let token = world.mint(Kind::Opaque);
        let caller = auth.verify(&token).await.unwrap();
        let refused = auth.userinfo(&caller, &token).await.unwrap_err();
        assert_eq!(refused.reason(), expected, "{fault:?}");
        assert!(
            refused.detail().contains(told),
            "{fault:?}: {}",
            refused.detail()
        );
        assert_eq!(reason(auth.verify(&token).await), ada(), "{fault:?}");
    }
    world.issuer.set_fault_at(Endpoint::Userinfo, Fault::None);
    // Another's token tells of another.
    let bob = Mint::kind(Kind::Opaque).claim("sub", json!("user_bob"));
    let bob = world
        .issuer
        .mint(&bob.claim("aud", json!("my-api")))
        .unwrap();
    let caller = auth.verify(&world.mint(Kind::Opaque)).await.unwrap();
    let refused = auth.userinfo(&caller, &bob).await.unwrap_err();
    assert!(refused.detail().contains("somebody else's"));
}

#[test]
fn userinfo_is_asked_of_nobody_without_a_setting_or_about_strangers() {
    let world = World::new();
    let auth = world.with_secret(json!({}));
    let token = world.mint(Kind::Opaque);
    let caller = auth.verify_blocking(&token).unwrap();
    let refused = auth.userinfo_blocking(&caller, &token).unwrap_err();
    assert!(refused.detail().contains("userinfo_url"), "{refused:?}");
    // An identity of another authenticator would send the token to another issuer.
    let elsewhere = World::new();
    let url = format!("{}/oauth/userinfo", elsewhere.served.url());
    let other = elsewhere.with_secret(json!({"userinfo_url": url}));
    let refused = other.userinfo_blocking(&caller, &token).unwrap_err();
    assert!(refused.detail().contains("none of this authenticator's"));
    assert_eq!(elsewhere.told(), 0);
}

#[test]
fn many_who_want_userinfo_at_once_ask_once() {
    let world = World::new();
    let url = format!("{}/oauth/userinfo", world.served.url());
    let auth = world.with_secret(json!({"userinfo_url": url}));
    let token = world.mint(Kind::Opaque);
    let caller = auth.verify_blocking(&token).unwrap();
    world
        .issuer
        .set_fault_at(Endpoint::Userinfo, Fault::Slow(Duration::from_millis(200)));
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| auth.userinfo_blocking(&caller, &token).unwrap());
        }
    });
    assert_eq!(world.told(), 1);
}
