//! The key path against a real HTTP server that misbehaves: what comes of it is a verdict, a bound and a count of
//! fetches, never a hang. The server is the local issuer with its faults; the sockets are this machine's.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::core::{Timestamp, TokenKind};
use doorward::{Attempt, Authenticator, Config, IssuerConfig, ManualClock, Reason};
use doorward_issuer::{Defect, DevIssuer, Fault, Mint, Served, SigningAlgorithm};

const START: i64 = 1_800_000_000;

struct World {
    issuer: Arc<DevIssuer>,
    served: Served,
    clock: Arc<ManualClock>,
    auth: Authenticator,
}

impl World {
    fn new() -> Self {
        Self::with(|issuer, config| {
            config.jwks_url = Some(format!("{issuer}/.well-known/jwks.json"))
        })
    }

    fn with(change: impl FnOnce(&str, &mut IssuerConfig)) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(START)));
        let issuer = DevIssuer::builder()
            .algorithms(&[SigningAlgorithm::ES256])
            .clock(|| START)
            .build()
            .unwrap();
        let issuer = Arc::new(issuer);
        let served = issuer
            .serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let mut trusted = IssuerConfig::new(served.url(), "*");
        trusted.decoder = Some("clerk".to_owned());
        change(served.url(), &mut trusted);
        let mut config = Config::new([trusted]).accepts([TokenKind::Session]);
        config.fetch.total_timeout = Duration::from_millis(1500);
        config.fetch.connect_timeout = Duration::from_millis(500);
        let auth = Authenticator::with_clock(&config, Arc::<ManualClock>::clone(&clock)).unwrap();
        Self {
            issuer,
            served,
            clock,
            auth,
        }
    }

    fn mint(&self) -> String {
        self.issuer.mint(&Mint::default().ttl(1_000_000)).unwrap()
    }

    fn verdict(&self, token: &str) -> Result<(), Reason> {
        self.auth
            .verify_blocking(token)
            .map(drop)
            .map_err(|rejection| rejection.reason())
    }

    fn last_error(&self) -> String {
        self.auth.key_status()[0]
            .1
            .clone()
            .unwrap()
            .last_error
            .unwrap_or_default()
    }

    /// The first fetch meets `fault`: the caller hears of our trouble within the deadline, the operator of its cause,
    /// and when the fault is over, so is the trouble.
    fn meets(&self, fault: &Fault, told: &str) {
        self.issuer.set_fault(fault.clone());
        let token = self.mint();
        let begin = Instant::now();
        assert_eq!(
            self.verdict(&token),
            Err(Reason::KeysUnavailable),
            "{fault:?}"
        );
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{fault:?} took {:?}",
            begin.elapsed()
        );
        let error = self.last_error();
        assert!(error.contains(told), "{fault:?}: {error}");
        self.issuer.set_fault(Fault::None);
        self.clock.advance(Duration::from_secs(1));
        assert_eq!(self.verdict(&token), Ok(()), "after {fault:?}");
    }
}

#[test]
fn down() {
    // Its Retry-After leaves time for one more try at most before the deadline.
    World::new().meets(&Fault::Down, "503");
}

#[test]
fn an_internal_error_is_tried_again() {
    let world = World::new();
    world.meets(&Fault::Status(500), "500");
    assert_eq!(
        world.issuer.jwks_fetches(),
        4,
        "three tries, then the one that succeeds"
    );
}

#[test]
fn a_no_is_taken_for_an_answer() {
    for fault in [
        Fault::NotFound,
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(204),
    ] {
        let world = World::new();
        world.meets(&fault, "answered");
        assert_eq!(
            world.issuer.jwks_fetches(),
            2,
            "one try, then the one that succeeds"
        );
    }
}

#[test]
fn slow() {
    World::new().meets(&Fault::Slow(Duration::from_secs(60)), "1.5");
}

#[test]
fn dripping() {
    World::new().meets(&Fault::Drip, "1.5");
}

#[test]
fn garbage() {
    World::new().meets(&Fault::Garbage, "not a JWK set");
}

#[test]
fn oversize() {
    World::new().meets(&Fault::Oversize, "longer than 524288 bytes");
}

#[test]
fn a_gzip_bomb_is_not_unpacked() {
    World::new().meets(&Fault::GzipBomb, "compressed");
}

#[test]
fn a_connection_that_closes() {
    World::new().meets(&Fault::Refuse, "cannot be reached");
}

#[test]
fn a_set_without_keys() {
    World::new().meets(&Fault::Empty, "no usable key");
}

#[test]
fn a_redirect_to_another_origin_is_not_followed() {
    let canary = std::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
    canary.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}/keys", canary.local_addr().unwrap());
    World::new().meets(&Fault::Redirect(elsewhere), "another origin");
    assert!(canary.accept().is_err(), "somebody followed the redirect");
}

#[test]
fn a_redirect_within_the_origin_is_followed() {
    let world = World::with(|issuer, config| {
        config.jwks_url = Some(format!("{issuer}/.well-known/jwks.json"))
    });
    let own = format!("{}/.well-known/jwks.json", world.served.url());
    world.issuer.set_fault(Fault::Redirect(own));
    // It redirects to itself for ever, so following it ends at the bound and not in a loop.
    assert_eq!(world.verdict(&world.mint()), Err(Reason::KeysUnavailable));
    assert!(
        world.last_error().contains("too often"),
        "{}",
        world.last_error()
    );
    assert!(
        world.issuer.jwks_fetches() <= 5,
        "{}",
        world.issuer.jwks_fetches()
    );
}

#[test]
fn one_broken_key_does_not_take_the_others_down() {
    let world = World::new();
    world.issuer.set_fault(Fault::OneBroken);
    assert_eq!(world.verdict(&world.mint()), Ok(()));
    assert_eq!(
        world.auth.key_status()[0].1.clone().unwrap().skipped.len(),
        1
    );
}

#[test]
fn nobody_is_there() {
    let World {
        issuer,
        served,
        clock,
        auth,
    } = World::new();
    let token = issuer.mint(&Mint::default().ttl(1_000_000)).unwrap();
    served.shutdown();
    assert_eq!(
        auth.verify_blocking(&token).unwrap_err().reason(),
        Reason::KeysUnavailable
    );
    let status = auth.key_status()[0].1.clone().unwrap();
    assert_eq!((status.state, status.fetches), ("unreachable", 1));
    drop(clock);
}

#[test]
fn a_failed_refresh_keeps_the_keys() {
    for fault in [
        Fault::Down,
        Fault::Garbage,
        Fault::Empty,
        Fault::Refuse,
        Fault::NotFound,
    ] {
        let world = World::new();
        let token = world.mint();
        assert_eq!(world.verdict(&token), Ok(()));
        world.issuer.set_fault(fault.clone());
        for _ in 0..5 {
            world.clock.advance(Duration::from_secs(600));
            assert_eq!(world.verdict(&token), Ok(()), "{fault:?}");
            assert_eq!(world.verdict(&world.mint()), Ok(()), "{fault:?}");
        }
    }
}

#[test]
fn twenty_thousand_forged_kids_cost_one_fetch() {
    let world = World::new();
    assert_eq!(world.verdict(&world.mint()), Ok(()));
    let forged: Vec<String> = (0..200)
        .map(|_| {
            world
                .issuer
                .mint(&Mint::defective(Defect::UnknownKid))
                .unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for token in forged.iter().cycle().take(5000) {
                    assert_eq!(world.verdict(token), Err(Reason::KeyUnknown));
                }
            });
        }
    });
    assert_eq!(
        world.issuer.jwks_fetches(),
        2,
        "the first set, and one for all the forgers"
    );
    assert_eq!(world.verdict(&world.mint()), Ok(()));
}

#[test]
fn sixty_four_cold_requests_share_one_fetch() {
    let world = World::new();
    world
        .issuer
        .set_fault(Fault::Slow(Duration::from_millis(200)));
    let token = world.mint();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let verdicts = runtime.block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (auth, token) = (world.auth.clone(), token.clone());
                tokio::spawn(async move { auth.verify(&token).await.is_ok() })
            })
            .collect();
        let mut accepted = 0;
        for task in tasks {
            accepted += usize::from(task.await.unwrap());
        }
        accepted
    });
    assert_eq!((verdicts, world.issuer.jwks_fetches()), (64, 1));
}

#[test]
fn rotation_under_load_refuses_nobody() {
    let world = World::new();
    assert_eq!(world.verdict(&world.mint()), Ok(()));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for n in 0..300 {
                        let token = world
                            .issuer
                            .mint(&Mint::default().sub(format!("user_{n}")))
                            .unwrap();
                        assert_eq!(world.verdict(&token), Ok(()));
                    }
                })
            })
            .collect();
        for rotation in 1..=20 {
            world.issuer.rotate_overlapping().unwrap();
            // The next one when this one has been noticed.
            while world.issuer.jwks_fetches() < rotation
                && !workers.iter().all(|worker| worker.is_finished())
            {
                std::thread::yield_now();
            }
        }
    });
    assert!(world.issuer.jwks_fetches() > 1);
}

#[test]
fn discovery_finds_the_keys_and_checks_who_answers() {
    let world = World::with(|_, _| {});
    assert_eq!(world.verdict(&world.mint()), Ok(()));
    assert_eq!(
        (
            world.issuer.discovery_fetches(),
            world.issuer.jwks_fetches()
        ),
        (1, 1)
    );

    let slash = World::with(|issuer, config| config.issuer = Some(format!("{issuer}/")));
    let token = slash
        .issuer
        .mint(&Mint::default().iss(format!("{}/", slash.served.url())))
        .unwrap();
    assert_eq!(slash.verdict(&token), Err(Reason::KeysUnavailable));
    assert!(
        slash.last_error().contains("its `issuer` is"),
        "{}",
        slash.last_error()
    );
}

#[test]
fn the_secret_goes_to_the_source_that_asks_for_it() {
    let world = World::with(|issuer, config| {
        config.preset = Some("clerk".to_owned());
        config.issuer = None;
        config.audience = None;
        config.api_url = Some(issuer.to_owned());
        config.secret_key = Some("sk_test_of_nobody".to_owned().into());
        config.algorithms = Some("ES256".into());
    });
    assert_eq!(world.verdict(&world.mint()), Ok(()));
    assert_eq!(world.issuer.authorized_fetches(), 1);
    assert!(!format!("{:?}{:?}", world.auth, world.auth.key_status()).contains("sk_test"));
}

#[test]
fn the_warm_path_never_waits_for_a_hanging_source() {
    let world = World::new();
    let token = world.mint();
    assert_eq!(world.verdict(&token), Ok(()));
    world.issuer.set_fault(Fault::Slow(Duration::from_secs(60)));
    world.clock.advance(Duration::from_secs(290));
    for _ in 0..1000 {
        // Due for a refresh, which hangs: each of these must be answered at once, not be pending.
        assert!(matches!(
            world.auth.try_verify(&token),
            Attempt::Verified(_)
        ));
    }
}
