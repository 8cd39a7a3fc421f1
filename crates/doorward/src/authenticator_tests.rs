//! The driver with a fetcher of the test's own and a clock that stands still: every interval is exact, nothing sleeps.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use doorward_core::{JwkSet, Timestamp};
use doorward_issuer::{Defect, DevIssuer, Mint, SigningAlgorithm};

use super::*;
use crate::clock::ManualClock;
use crate::config::IssuerConfig;
use crate::fetch::{FetchError, Fetched};

const ISSUER: &str = "https://issuer.example";
const START: i64 = 1_800_000_000;

/// An issuer behind a fetcher that can be switched off.
struct World {
    issuer: Arc<DevIssuer>,
    clock: Arc<ManualClock>,
    fetches: Arc<AtomicUsize>,
    down: Arc<Mutex<bool>>,
    auth: Authenticator,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
        let told = Arc::clone(&clock);
        let issuer = DevIssuer::builder()
            .issuer(ISSUER)
            .algorithms(&[SigningAlgorithm::ES256])
            .clock(move || told.now().as_secs())
            .build()
            .unwrap();
        let issuer = Arc::new(issuer);
        let (fetches, down) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(false)));
        let (counted, switched, asked) =
            (Arc::clone(&fetches), Arc::clone(&down), Arc::clone(&issuer));
        let fetcher: Fetcher = Arc::new(move |source, allowed, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            if *switched.lock().unwrap() {
                return Err(FetchError::Status {
                    url: source.url.clone(),
                    status: 500,
                });
            }
            let keys = JwkSet::parse(&asked.jwks().to_string(), allowed).unwrap();
            Ok(Fetched {
                keys,
                max_age: None,
                date: None,
            })
        });
        let mut trusted = IssuerConfig::new(ISSUER, "*");
        trusted.decoder = Some("clerk".to_owned());
        let mut config = Config::new([trusted]);
        change(&mut config);
        let auth =
            Authenticator::assemble(&config, Arc::<ManualClock>::clone(&clock), &fetcher).unwrap();
        Self {
            issuer,
            clock,
            fetches,
            down,
            auth,
        }
    }

    fn mint(&self) -> String {
        self.issuer.mint(&Mint::default().ttl(1_000_000)).unwrap()
    }

    fn forge(&self) -> String {
        self.issuer
            .mint(&Mint::defective(Defect::UnknownKid))
            .unwrap()
    }

    fn verdict(&self, token: &str) -> Result<(), Reason> {
        self.auth
            .verify_blocking(token)
            .map(drop)
            .map_err(|rejection| rejection.reason())
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Waits for the refresh in the background, if there is one.
    fn settle(&self) {
        let slots = self.auth.0.memory.slots();
        slots.iter().for_each(|(_, _, slot)| slot.landed());
    }
}

#[test]
fn nothing_is_fetched_before_a_request_needs_it_and_then_once() {
    let world = World::new();
    assert_eq!(world.fetches(), 0);
    let token = world.mint();
    for _ in 0..10 {
        assert_eq!(world.verdict(&token), Ok(()));
    }
    assert_eq!(world.fetches(), 1);
}

#[test]
fn nothing_is_fetched_for_a_token_that_fails_without_keys() {
    let world = World::new();
    for defect in [
        Defect::WrongIss,
        Defect::AlgNone,
        Defect::CritUnknown,
        Defect::EmbeddedJwk,
        Defect::LogoutTyp,
        Defect::Junk,
    ] {
        assert!(
            world
                .verdict(&world.issuer.mint(&Mint::defective(defect)).unwrap())
                .is_err(),
            "{defect:?}"
        );
    }
    assert_eq!(world.fetches(), 0);
}

#[test]
fn forged_kids_cost_one_fetch_per_cooldown_and_good_tokens_do_not_notice() {
    let world = World::new();
    let good = world.mint();
    assert_eq!(world.verdict(&good), Ok(()));
    for round in 1..=3 {
        for _ in 0..200 {
            assert_eq!(world.verdict(&world.forge()), Err(Reason::KeyUnknown));
        }
        assert_eq!(world.verdict(&good), Ok(()));
        assert_eq!(world.fetches(), 1 + round);
        world.advance(10);
    }
}

#[test]
fn a_bad_signature_causes_no_fetch() {
    let world = World::new();
    assert_eq!(world.verdict(&world.mint()), Ok(()));
    for defect in [Defect::WrongKey, Defect::BadSignature] {
        for _ in 0..50 {
            let token = world.issuer.mint(&Mint::defective(defect)).unwrap();
            assert_eq!(world.verdict(&token), Err(Reason::SignatureInvalid));
        }
    }
    world.advance(100);
    assert_eq!(world.fetches(), 1);
}

#[test]
fn a_rotation_is_noticed_at_the_first_token_of_the_new_key() {
    let world = World::new();
    assert_eq!(world.verdict(&world.mint()), Ok(()));
    for _ in 0..5 {
        world.issuer.rotate_overlapping().unwrap();
        assert_eq!(world.verdict(&world.mint()), Ok(()));
    }
    assert_eq!(world.fetches(), 6);
}

#[test]
fn a_withdrawn_key_dies_at_the_next_refresh_even_for_remembered_tokens() {
    let world = World::new();
    let old = world.mint();
    assert_eq!(world.verdict(&old), Ok(()));
    world.issuer.rotate().unwrap();
    assert_eq!(
        world.verdict(&old),
        Ok(()),
        "nobody knows of the rotation yet"
    );
    assert_eq!(
        world.verdict(&world.mint()),
        Ok(()),
        "the new key is learned"
    );
    assert_eq!(world.verdict(&old), Err(Reason::KeyUnknown));
}

#[test]
fn an_unchanged_set_keeps_remembered_tokens() {
    let world = World::new();
    let token = world.mint();
    assert_eq!(world.verdict(&token), Ok(()));
    world.advance(250);
    assert_eq!(world.verdict(&token), Ok(()));
    world.settle();
    assert_eq!(world.fetches(), 2, "refreshed in the background");
    assert_eq!(world.auth.remembered_tokens(), 1);
    assert_eq!(world.verdict(&token), Ok(()));
}

#[test]
fn the_last_good_keys_serve_through_an_outage_and_not_for_ever() {
    let world = World::new();
    let token = world.mint();
    assert_eq!(world.verdict(&token), Ok(()));
    *world.down.lock().unwrap() = true;
    let mut hours = 0;
    while hours < 23 {
        world.advance(3600);
        hours += 1;
        assert_eq!(world.verdict(&token), Ok(()), "{hours} h");
        world.settle();
        assert_eq!(
            world.verdict(&world.mint()),
            Ok(()),
            "{hours} h, a token not seen before"
        );
    }
    world.advance(2 * 3600);
    assert_eq!(world.verdict(&token), Err(Reason::KeysUnavailable));
    *world.down.lock().unwrap() = false;
    world.advance(10);
    assert_eq!(world.verdict(&token), Ok(()));
}

#[test]
fn an_outage_at_start_is_our_trouble_and_mends_itself() {
    let world = World::new();
    *world.down.lock().unwrap() = true;
    let token = world.mint();
    let rejection = world.auth.verify_blocking(&token).unwrap_err();
    assert_eq!(
        (rejection.reason(), rejection.status()),
        (Reason::KeysUnavailable, 503)
    );
    assert_eq!(rejection.retry_after(), Some(1));
    assert_eq!(rejection.challenge(), None);
    *world.down.lock().unwrap() = false;
    world.advance(1);
    assert_eq!(world.verdict(&token), Ok(()));
}

#[test]
fn a_new_key_during_an_outage_is_not_called_unknown() {
    let world = World::new();
    assert_eq!(world.verdict(&world.mint()), Ok(()));
    world.issuer.rotate_overlapping().unwrap();
    *world.down.lock().unwrap() = true;
    assert_eq!(world.verdict(&world.mint()), Err(Reason::KeysUnavailable));
}

#[test]
fn remembered_tokens_expire_on_time() {
    let world = World::new();
    let token = world.issuer.mint(&Mint::default().ttl(60)).unwrap();
    assert_eq!(world.verdict(&token), Ok(()));
    world.advance(64);
    assert_eq!(world.verdict(&token), Ok(()), "within the leeway of 5 s");
    world.advance(1);
    assert_eq!(world.verdict(&token), Err(Reason::TokenExpired));
    assert_eq!(world.auth.remembered_tokens(), 0);
}

#[test]
fn a_clock_that_jumps_revives_nothing_and_storms_nobody() {
    let world = World::new();
    let token = world.issuer.mint(&Mint::default().ttl(60)).unwrap();
    assert_eq!(world.verdict(&token), Ok(()));
    world.clock.step_to(Timestamp::from_secs(START + 3600));
    assert_eq!(world.verdict(&token), Err(Reason::TokenExpired));
    world.clock.step_to(Timestamp::from_secs(START - 3600));
    assert_eq!(world.verdict(&token), Err(Reason::TokenNotYetValid));
    world.clock.step_to(Timestamp::from_secs(-2_000_000_000));
    assert!(world.verdict(&token).is_err());
    world.clock.step_to(Timestamp::LAST);
    assert!(world.verdict(&token).is_err());
    assert_eq!(world.fetches(), 1);
}

#[test]
fn only_verified_tokens_are_remembered_and_the_cache_can_be_off() {
    let world = World::new();
    for _ in 0..20 {
        assert!(world.verdict(&world.forge()).is_err());
    }
    assert_eq!(world.auth.remembered_tokens(), 0);
    let off = World::with(|config| config.cache_bytes = Some(0));
    let token = off.mint();
    assert_eq!((off.verdict(&token), off.verdict(&token)), (Ok(()), Ok(())));
    assert_eq!(off.auth.remembered_tokens(), 0);
}

#[test]
fn the_cache_is_bounded_by_bytes() {
    let world = World::with(|config| config.cache_bytes = Some(100_000));
    for n in 0..200 {
        assert_eq!(
            world.verdict(
                &world
                    .issuer
                    .mint(&Mint::default().sub(format!("user_{n}")))
                    .unwrap()
            ),
            Ok(())
        );
    }
    assert!(
        world.auth.remembered_tokens() < 100,
        "{}",
        world.auth.remembered_tokens()
    );
}

#[test]
fn many_cold_requests_share_one_fetch() {
    let world = World::new();
    let token = world.mint();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..64 {
            let (sender, world, token) = (sender.clone(), &world, &token);
            scope.spawn(move || sender.send(world.verdict(token)).unwrap());
        }
    });
    assert_eq!(receiver.iter().take(64).filter(Result::is_ok).count(), 64);
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn a_cancelled_request_cancels_nobodys_fetch() {
    let world = World::new();
    let token = world.mint();
    let Attempt::Pending(ticket) = world.auth.try_verify(&token) else {
        panic!("the keys are not known")
    };
    {
        let first = world.auth.verify(&token);
        tokio::select! {
            biased;
            () = std::future::ready(()) => {}
            _ = first => {}
        }
    }
    ticket.await;
    assert!(matches!(
        world.auth.try_verify(&token),
        Attempt::Verified(_)
    ));
    assert_eq!(world.fetches(), 1);
}

#[test]
fn a_fetch_that_panics_leaves_nobody_waiting() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
    let fetcher: Fetcher = Arc::new(|_, _, _| panic!("a bug in the fetcher"));
    let auth = Authenticator::assemble(
        &Config::new([IssuerConfig::new(ISSUER, "*")]),
        clock,
        &fetcher,
    )
    .unwrap();
    let issuer = DevIssuer::builder()
        .issuer(ISSUER)
        .algorithms(&[SigningAlgorithm::ES256])
        .clock(|| START)
        .build()
        .unwrap();
    let token = issuer.mint(&Mint::default()).unwrap();
    assert_eq!(
        auth.verify_blocking(&token).unwrap_err().reason(),
        Reason::KeysUnavailable
    );
}

#[test]
fn a_machine_token_is_not_taken_from_a_cookie_even_if_remembered() {
    let world = World::with(|config| {
        config.accepts = Some("session_token,m2m_token".into());
        config.cookies = Some("__session".into());
    });
    let token = world
        .issuer
        .mint(&Mint::kind(doorward_issuer::Kind::M2m))
        .unwrap();
    let header = vec![("authorization", format!("Bearer {token}"))];
    let cookie = vec![("cookie", format!("__session={token}"))];
    assert!(world.auth.authenticate_blocking(&header).is_ok());
    let rejection = world.auth.authenticate_blocking(&cookie).unwrap_err();
    assert_eq!(rejection.reason(), Reason::TokenKindNotAccepted);
}

/// Many tenants of one server, each with a key of its own: `https://h.example.com/<tenant>` publishes `<tenant>`'s key.
struct Tenancy {
    clock: Arc<ManualClock>,
    fetched: Arc<Mutex<Vec<String>>>,
    issuers: Arc<Mutex<std::collections::HashMap<String, Arc<DevIssuer>>>>,
    auth: Authenticator,
}

impl Tenancy {
    fn new(tenants: &str, most: usize) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
        let (fetched, issuers) = (Arc::<Mutex<Vec<String>>>::default(), Arc::default());
        let (noted, known) = (Arc::clone(&fetched), Arc::clone(&issuers));
        let fetcher: Fetcher = Arc::new(move |source, allowed, _| {
            noted.lock().unwrap().push(source.url.clone());
            let known: &Mutex<std::collections::HashMap<String, Arc<DevIssuer>>> = &known;
            let base = source.url.trim_end_matches("/keys");
            let issuer = known.lock().unwrap().get(base).cloned();
            let issuer = issuer.ok_or(FetchError::Status {
                url: source.url.clone(),
                status: 404,
            })?;
            let keys = JwkSet::parse(&issuer.jwks().to_string(), allowed).unwrap();
            Ok(Fetched {
                keys,
                max_age: None,
                date: None,
            })
        });
        let mut trusted = IssuerConfig::new("https://h.example.com/{tenant}", "*");
        trusted.jwks_url = Some("https://h.example.com/{tenant}/keys".to_owned());
        trusted.tenants = Some(tenants.into());
        trusted.max_tenants = std::num::NonZeroUsize::new(most);
        let config = Config::new([trusted]);
        let auth =
            Authenticator::assemble(&config, Arc::<ManualClock>::clone(&clock), &fetcher).unwrap();
        Self {
            clock,
            fetched,
            issuers,
            auth,
        }
    }

    fn issuer(&self, tenant: &str) -> Arc<DevIssuer> {
        let name = format!("https://h.example.com/{tenant}");
        let make = || {
            let builder = DevIssuer::builder().issuer(&name).clock(|| START);
            Arc::new(
                builder
                    .algorithms(&[SigningAlgorithm::EdDSA])
                    .build()
                    .unwrap(),
            )
        };
        Arc::clone(
            self.issuers
                .lock()
                .unwrap()
                .entry(name.clone())
                .or_insert_with(make),
        )
    }

    fn mint(&self, tenant: &str) -> String {
        self.issuer(tenant).mint(&Mint::default()).unwrap()
    }

    fn fetches(&self) -> usize {
        self.fetched.lock().unwrap().len()
    }
}

#[test]
fn each_tenant_has_its_own_keys_and_nobody_elses() {
    let world = Tenancy::new("acme, globex", 10);
    for _ in 0..3 {
        for tenant in ["acme", "globex"] {
            let identity = world.auth.verify_blocking(&world.mint(tenant)).unwrap();
            assert_eq!(identity.tenant(), Some(tenant));
        }
    }
    assert_eq!(world.fetches(), 2);
    // Globex signs a token that says it is Acme's.
    let mut forged = Mint::default();
    forged = forged.iss("https://h.example.com/acme");
    let forged = world.issuer("globex").mint(&forged).unwrap();
    let refused = world.auth.verify_blocking(&forged).unwrap_err().reason();
    assert_eq!(refused, Reason::KeyUnknown);
    // Whoever is not named is not asked for keys.
    let before = world.fetches();
    let stranger = world.auth.verify_blocking(&world.mint("evil")).unwrap_err();
    assert_eq!(stranger.reason(), Reason::IssuerUnknown);
    assert_eq!(world.fetches(), before);
}

#[test]
fn a_withdrawn_key_does_not_return_with_its_tenant() {
    let world = Tenancy::new("*", 1);
    let old = world.mint("acme");
    assert!(world.auth.verify_blocking(&old).is_ok());
    // Another tenant takes the only place, and the first one changes its keys meanwhile.
    assert!(world.auth.verify_blocking(&world.mint("globex")).is_ok());
    world.issuer("acme").rotate().unwrap();
    assert!(world.auth.verify_blocking(&world.mint("acme")).is_ok());
    let refused = world.auth.verify_blocking(&old).unwrap_err().reason();
    assert_eq!(refused, Reason::KeyUnknown);
}

#[test]
fn a_flood_of_invented_tenants_forgets_no_real_one() {
    let world = Tenancy::new("*", 5);
    for _ in 0..3 {
        assert!(world.auth.verify_blocking(&world.mint("acme")).is_ok());
        for number in 0..300 {
            let mint = Mint::default().iss(format!("https://h.example.com/none{number}"));
            let forged = world.issuer("stranger").mint(&mint).unwrap();
            assert!(world.auth.verify_blocking(&forged).is_err());
            world.clock.advance(Duration::from_millis(20));
        }
    }
    let acme = |url: &&String| url.contains("/acme/");
    assert_eq!(world.fetched.lock().unwrap().iter().filter(acme).count(), 1);
}

#[test]
fn named_tenants_are_all_let_in_at_once() {
    let names: Vec<String> = (0..80).map(|number| format!("t{number}")).collect();
    let world = Tenancy::new(&names.join(","), 1);
    for _ in 0..2 {
        for name in &names {
            assert!(
                world.auth.verify_blocking(&world.mint(name)).is_ok(),
                "{name}"
            );
        }
    }
    assert_eq!(world.fetches(), 80);
}

#[test]
fn a_machine_shows_itself_late_and_stays_out_of_cookies() {
    let mut trusted = IssuerConfig::new(ISSUER, "*");
    trusted.machine_values = Some([("gty".to_owned(), "client-credentials".into())].into());
    let world = World::with(|config| {
        config.issuers = vec![trusted];
        config.accepts = Some(vec!["session_token".to_owned(), "m2m_token".to_owned()].into());
        config.cookies = Some("tok".into());
    });
    let mint = Mint::kind(doorward_issuer::Kind::Oidc);
    let token = world
        .issuer
        .mint(&mint.claim("gty", "client-credentials"))
        .unwrap();
    let by = |name: &str, value: String| {
        let head = vec![(name.to_owned(), value)];
        world
            .auth
            .authenticate_blocking(&head)
            .map_err(|rejection| rejection.reason())
    };
    for _ in 0..3 {
        let cookie = by("cookie", format!("tok={token}"));
        assert_eq!(cookie.map(drop), Err(Reason::TokenKindNotAccepted));
        assert!(by("authorization", format!("Bearer {token}")).is_ok());
    }
}

#[test]
fn invented_tenants_cost_a_bounded_number_of_fetches() {
    let world = Tenancy::new("*", 100);
    assert!(world.auth.verify_blocking(&world.mint("acme")).is_ok());
    let issuer = world.issuer("stranger");
    for number in 0..500 {
        let mint = Mint::default().iss(format!("https://h.example.com/none{number}"));
        let refused = world
            .auth
            .verify_blocking(&issuer.mint(&mint).unwrap())
            .unwrap_err();
        assert_eq!(refused.status(), 503, "{refused}");
    }
    assert!(world.fetches() <= 51, "{}", world.fetches());
    // Acme does not notice, and a new tenant gets in a moment later.
    assert!(world.auth.verify_blocking(&world.mint("acme")).is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert!(world.auth.verify_blocking(&world.mint("globex")).is_ok());
}

#[test]
fn thousands_of_tenants_take_a_bounded_memory() {
    let world = Tenancy::new("*", 100);
    let issuer = world.issuer("shared");
    for number in 0..2_000 {
        let name = format!("https://h.example.com/t{number}");
        world
            .issuers
            .lock()
            .unwrap()
            .insert(name.clone(), Arc::clone(&issuer));
        let token = issuer
            .mint(&Mint::default().iss(&name).ttl(10_000))
            .unwrap();
        assert!(world.auth.verify_blocking(&token).is_ok(), "{name}");
        world.clock.advance(Duration::from_millis(200));
    }
    let known = world.auth.key_status().len();
    assert!(
        (50..=110).contains(&known),
        "{known} key sets are remembered"
    );
}
