//! Measures revocation: how soon another authenticator refuses what this one revoked, what a look at the list costs a
//! request, and what the list costs in memory. Starts a Redis and a PostgreSQL of its own.
//!
//! `cargo run --release -p doorward --all-features --example revocation_bench`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it is a measurement"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use doorward::core::TokenKind;
use doorward::{Authenticator, Config, IssuerConfig, RevokedClaim, SecretText};
use doorward_issuer::{DevIssuer, Mint, SigningAlgorithm};

#[path = "../../../tests/support/servers.rs"]
mod servers;

use servers::{Folder, Server};

const ISSUER: &str = "http://localhost:4000";

fn main() {
    let issuer = DevIssuer::builder()
        .issuer(ISSUER)
        .algorithms(&[SigningAlgorithm::ES256])
        .build()
        .unwrap();
    println!("propagation to another authenticator, ms (median, 95th, worst of 300)");
    let redis = Server::redis();
    propagation(&issuer, "redis", &redis.url());
    let postgres = Server::postgres();
    propagation(&issuer, "postgres", &postgres.url());
    let folder = Folder::new("sqlite");
    propagation(&issuer, "sqlite", &folder.sqlite_url());

    println!("a remembered token, ns (median of 60 rounds, interleaved)");
    let sizes = [0, 1, 100_000, 1_000_000];
    let mut before = resident();
    let doors: Vec<(String, Authenticator)> = sizes
        .iter()
        .map(|size| {
            let auth = authenticator(&issuer, None);
            for number in 0..*size {
                let session = format!("sess_2bench{number:016}");
                let revocation = auth.revocation(RevokedClaim::SessionId, session).of(ISSUER);
                auth.revoke_blocking(revocation).unwrap();
            }
            let after = resident();
            if *size > 1 {
                let bytes = (after - before) as f64 / f64::from(*size);
                println!("  {size} revocations take {bytes:.0} bytes each");
            }
            before = after;
            (format!("{size} revocations"), auth)
        })
        .chain([(
            "a shared store, followed".to_owned(),
            authenticator(&issuer, Some(&redis.url())),
        )])
        .collect();
    let token = issuer.mint(&Mint::default().ttl(3600)).unwrap();
    let mut rounds = vec![Vec::new(); doors.len()];
    for round in 0..70 {
        for ((_, auth), rounds) in doors.iter().zip(&mut rounds) {
            let begun = Instant::now();
            for _ in 0..2000 {
                black_box(auth.verify_blocking(black_box(&token)).unwrap());
            }
            if round >= 10 {
                rounds.push(begun.elapsed().as_secs_f64() * 1e9 / 2000.0);
            }
        }
    }
    for ((name, _), mut rounds) in doors.iter().zip(rounds) {
        rounds.sort_by(f64::total_cmp);
        println!("  {name:<28} {:7.0}", rounds[rounds.len() / 2]);
    }
}

fn propagation(issuer: &DevIssuer, name: &str, store: &str) {
    let here = authenticator(issuer, Some(store));
    let there = authenticator(issuer, Some(store));
    let (mut written, mut seen) = (Vec::new(), Vec::new());
    for number in 0..300 {
        let session = format!("sess_{name}_{number}");
        let token = issuer
            .mint(&Mint::default().sid(&session).ttl(3600))
            .unwrap();
        assert!(here.verify_blocking(&token).is_ok() && there.verify_blocking(&token).is_ok());
        let revocation = here.revocation(RevokedClaim::SessionId, session);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                here.revoke_blocking(revocation).unwrap();
                begun.elapsed()
            });
            while there.verify_blocking(&token).is_ok() {
                // Half a millisecond is little against what is measured, and leaves the processor to the store.
                std::thread::sleep(Duration::from_micros(100));
            }
            seen.push(begun.elapsed());
            written.push(writing.join().unwrap());
        });
    }
    println!(
        "  {name:<10} revoke returns {}   refused there {}",
        spread(written),
        spread(seen)
    );
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let millis = |place: usize| times[place].as_secs_f64() * 1000.0;
    let last = times.len() - 1;
    format!(
        "{:6.2} {:6.2} {:6.2}",
        millis(last / 2),
        millis(last * 95 / 100),
        millis(last)
    )
}

fn authenticator(issuer: &DevIssuer, store: Option<&str>) -> Authenticator {
    let mut trusted = IssuerConfig::new(ISSUER, "*");
    trusted.decoder = Some("clerk".to_owned());
    trusted.keys = Some(issuer.jwks().to_string().as_str().into());
    let mut config = Config::new([trusted]).accepts([TokenKind::Session]);
    config.revocation_store = store.map(|store| SecretText::from(store.to_owned()));
    Authenticator::new(&config).unwrap()
}

/// Bytes of memory in use by this process, of Linux.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
