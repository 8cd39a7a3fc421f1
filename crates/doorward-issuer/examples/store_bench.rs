//! Measures the stores of the OAuth server: operations a second, by one caller and by sixteen at once, sealing included.
//! Starts a Redis and a PostgreSQL of its own, on this machine's disk.
//!
//! `cargo run --release -p doorward-issuer --features sqlite,redis,postgres --example store_bench`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it is a measurement"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use doorward_core::Secret;
use doorward_issuer::authorization_server::{
    AnyStore, Capacity, Key, KeyRing, Kind, Put, Redeemed, Redemption, Rotated, Store as _,
};

#[path = "../../../tests/support/servers.rs"]
mod servers;

use servers::{Folder, Server};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    println!(
        "{:<10} {:>8}{}",
        "",
        "callers",
        OPERATIONS.map(|(name, _)| format!("{name:>10}")).concat()
    );
    measure("memory", "memory:").await;
    let folder = Folder::new("bench");
    measure("sqlite", &folder.sqlite_url()).await;
    let redis = Server::redis();
    measure("redis", &redis.url()).await;
    let postgres = Server::postgres();
    measure("postgres", &postgres.url()).await;
}

/// What is done again and again, each time with a number of its own.
type Operation = fn(Arc<AnyStore>, u64) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

const OPERATIONS: [(&str, Operation); 7] = [
    ("put", |store, number| Box::pin(put(store, number))),
    ("read", |store, number| Box::pin(read(store, number))),
    ("take", |store, number| Box::pin(take(store, number))),
    ("redeem", |store, number| Box::pin(redeem(store, number))),
    ("rotate", |store, number| Box::pin(rotate(store, number))),
    ("count", |store, number| Box::pin(count(store, number))),
    ("login", |store, number| Box::pin(login(store, number))),
];

async fn measure(name: &str, url: &str) {
    let ring = KeyRing::new(&Secret::new("k".repeat(32)), &[]).unwrap();
    let room = 10_000_000;
    let capacity = Capacity {
        clients: room,
        transactions: room,
        logins: room,
        codes: room,
        families: room,
        windows: room,
        ..Capacity::default()
    };
    let store = AnyStore::with_capacity(&Secret::from(url), Some(ring), capacity).unwrap();
    let store = Arc::new(store);
    // What is read, and a family to move on, for each caller.
    for caller in 0..16 {
        let client = key(Kind::Client, 0, caller);
        let put = store.put_if_absent(client, record(), NOW + 100_000, NOW);
        put.await.unwrap();
    }
    for callers in [1, 16] {
        let mut line = format!("{name:<10} {callers:>8}");
        for (place, (_, operation)) in OPERATIONS.iter().enumerate() {
            let rate = rate(&store, *operation, callers, place as u64).await;
            line += &format!("{rate:>10.0}");
        }
        println!("{line}");
    }
}

/// Operations a second.
async fn rate(store: &Arc<AnyStore>, operation: Operation, callers: u64, place: u64) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, done) = (Arc::clone(store), Arc::clone(&done));
            tokio::spawn(async move {
                let mut number = ((place * 2 + u64::from(callers > 1)) << 40) | (caller << 32);
                while begun.elapsed() < PERIOD {
                    number += 1;
                    operation(Arc::clone(&store), number).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

async fn put(store: Arc<AnyStore>, number: u64) {
    put_one(&store, key(Kind::Transaction, 1, number)).await;
}

async fn put_one(store: &AnyStore, at: Key) {
    let put = store.put_if_absent(at, record(), NOW + 600, NOW);
    assert_eq!(put.await.unwrap(), Put::Stored);
}

async fn read(store: Arc<AnyStore>, number: u64) {
    let found = store.read(key(Kind::Client, 0, (number >> 32) & 0xf), None, NOW);
    assert!(found.await.unwrap().is_some());
}

/// With the put that goes before it.
async fn take(store: Arc<AnyStore>, number: u64) {
    let at = key(Kind::Login, 2, number);
    put_one(&store, at).await;
    assert!(store.take(at, NOW).await.unwrap().is_some());
}

/// With the put that goes before it.
async fn redeem(store: Arc<AnyStore>, number: u64) {
    let code = key(Kind::Code, 3, number);
    put_one(&store, code).await;
    let redeemed = store.redeem(redemption(code, number), NOW);
    assert_eq!(redeemed.await.unwrap(), Redeemed::First);
}

/// Each caller has one family, which it makes with its first.
async fn rotate(store: Arc<AnyStore>, number: u64) {
    let (caller, generation) = (number >> 32, (number & 0xffff_ffff) as u32);
    let family = key(Kind::Family, 4, caller);
    if generation == 1 {
        put_one(&store, family).await;
    }
    let rotated = store.rotate(family.digest, generation, 30, NOW + 600, NOW);
    assert_eq!(rotated.await.unwrap(), Rotated::Next(generation + 1));
}

/// All callers in one window, as all requests of a minute are.
async fn count(store: Arc<AnyStore>, _: u64) {
    store.incr_window([7; 32], 60, NOW).await.unwrap();
}

/// The operations of one login of a known client: the page, the consent, the sign-in, the code.
async fn login(store: Arc<AnyStore>, number: u64) {
    let client = key(Kind::Client, 0, (number >> 32) & 0xf);
    for window in [[8; 32], [9; 32]] {
        store.incr_window(window, 60, NOW).await.unwrap();
    }
    store.read(client, None, NOW).await.unwrap();
    for kind in [Kind::Transaction, Kind::Login] {
        let at = key(kind, 5, number);
        put_one(&store, at).await;
        store.read(at, None, NOW).await.unwrap();
        store.take(at, NOW).await.unwrap();
    }
    let code = key(Kind::Code, 5, number);
    put_one(&store, code).await;
    store.read(client, None, NOW).await.unwrap();
    store.read(code, None, NOW).await.unwrap();
    let redeemed = store.redeem(redemption(code, number), NOW);
    assert_eq!(redeemed.await.unwrap(), Redeemed::First);
}

fn redemption(code: Key, number: u64) -> Redemption {
    Redemption {
        code: code.digest,
        remember_until: NOW + 600,
        family: key(Kind::Family, 6, number).digest,
        value: record(),
        expires_at: NOW + 86_400,
    }
}

fn key(kind: Kind, series: u8, number: u64) -> Key {
    let mut digest = [series; 32];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    Key { kind, digest }
}

/// About what a sign-in takes up.
fn record() -> Vec<u8> {
    vec![b'x'; 400]
}

const NOW: i64 = 1_800_000_000;
const PERIOD: Duration = Duration::from_secs(2);
