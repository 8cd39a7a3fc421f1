//! What every store promises: the same suite over memory, SQLite, Redis and PostgreSQL.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::Secret;
use doorward_issuer::authorization_server::{
    AnyStore, Capacity, Key, Kind, Put, Redeemed, Redemption, Rotated, Store, StoreError,
};
use support::servers::{Folder, Server};
use support::{open, ring};

/// One scenario, run over every store.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Place::new("memory:")).await;
            })*
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let folder = super::Folder::new("stores");
                super::$name(super::Place::new(&folder.sqlite_url())).await;
            })*
        }

        /// One server for all of them, emptied in between.
        #[tokio::test]
        async fn redis() {
            let server = Server::redis();
            $({
                println!("{}", stringify!($name));
                server.ask_redis("FLUSHALL");
                $name(Place::new(&server.url())).await;
            })*
        }

        #[tokio::test]
        async fn postgres() {
            let server = Server::postgres();
            // An operator's default that would have writers told to try again.
            server.run_sql("ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'");
            $({
                println!("{}", stringify!($name));
                server.run_sql("DROP TABLE IF EXISTS doorward_oauth_records, doorward_oauth_windows");
                $name(Place::new(&server.url())).await;
            })*
        }
    };
}

scenarios!(
    what_is_there_is_not_replaced_and_what_expired_is_not_there,
    reading_extends_and_never_shortens,
    what_changed_meanwhile_is_not_replaced,
    a_kind_is_bounded_and_does_not_crowd_another,
    what_went_makes_room,
    a_code_opens_one_family_and_is_remembered,
    a_code_is_not_lost_when_there_is_no_room_for_its_family,
    a_family_moves_on_with_grace_and_dies_of_reuse,
    what_is_older_than_the_last_generation_has_no_grace,
    a_revoked_family_is_absent,
    windows_count_end_and_are_bounded,
    any_bytes_are_kept,
    extreme_times_do_no_harm,
    every_kind_is_kept_by_itself,
    sweeping_forgets_what_expired_only,
    of_thirty_two_takers_one_has_it,
    of_thirty_two_writers_one_puts_it,
    of_thirty_two_redemptions_one_is_first,
    of_thirty_two_rotations_one_moves_on,
    of_thirty_two_replacements_one_replaces,
    thirty_two_requests_are_counted,
    two_that_begin_at_once_find_one_store,
    an_old_key_opens_until_everything_is_sealed_anew,
    with_the_wrong_key_a_record_is_absent_and_stays,
);

/// Where a scenario runs.
struct Place {
    url: String,
    /// All nodes of a store in memory are one.
    memory: Option<Arc<AnyStore>>,
}

impl Place {
    fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            memory: None,
        }
    }

    fn store(&mut self) -> Arc<AnyStore> {
        self.sized(Capacity::default())
    }

    /// Another node's store, in the same place.
    fn sized(&mut self, capacity: Capacity) -> Arc<AnyStore> {
        let opened = || Arc::new(open(&self.url, &["a"], capacity));
        if self.is_memory() {
            return Arc::clone(self.memory.get_or_insert_with(opened));
        }
        opened()
    }

    fn is_memory(&self) -> bool {
        self.url == "memory:"
    }
}

fn key(kind: Kind, name: u8) -> Key {
    Key {
        kind,
        digest: [name; 32],
    }
}

fn redemption() -> Redemption {
    Redemption {
        code: [1; 32],
        remember_until: 700,
        family: [9; 32],
        value: b"ada".to_vec(),
        expires_at: 10_000,
    }
}

async fn put(store: &AnyStore, at: Key, value: &[u8], expires_at: i64, now: i64) -> Put {
    let put = store.put_if_absent(at, value.to_vec(), expires_at, now);
    put.await.unwrap_or_else(|_| panic!("{:?}", store.status()))
}

async fn read(store: &AnyStore, at: Key, now: i64) -> Option<Vec<u8>> {
    store.read(at, None, now).await.unwrap()
}

async fn rotate(store: &AnyStore, presented: u32, now: i64) -> Rotated {
    let rotated = store.rotate([9; 32], presented, 30, 20_000, now);
    rotated
        .await
        .unwrap_or_else(|_| panic!("{:?}", store.status()))
}

async fn what_is_there_is_not_replaced_and_what_expired_is_not_there(mut place: Place) {
    let (store, at) = (place.store(), key(Kind::Login, 1));
    assert_eq!(put(&store, at, b"a", 110, 100).await, Put::Stored);
    assert_eq!(put(&store, at, b"b", 110, 109).await, Put::Present);
    assert_eq!(read(&store, at, 109).await, Some(b"a".to_vec()));
    assert_eq!(read(&store, at, 110).await, None);
    assert_eq!(store.take(at, 110).await.unwrap(), None);
    assert_eq!(put(&store, at, b"c", 120, 110).await, Put::Stored);
    let other = place.store();
    assert_eq!(other.take(at, 111).await.unwrap(), Some(b"c".to_vec()));
    assert_eq!(store.take(at, 111).await.unwrap(), None);
    assert_eq!(read(&store, at, 111).await, None);
}

async fn reading_extends_and_never_shortens(mut place: Place) {
    let (store, at) = (place.store(), key(Kind::Client, 1));
    put(&store, at, b"a", 110, 100).await;
    for (to, now) in [(200, 105), (120, 106)] {
        let found = store.read(at, Some(to), now).await.unwrap();
        assert_eq!(found, Some(b"a".to_vec()));
    }
    assert!(read(&store, at, 199).await.is_some());
    assert!(read(&store, at, 200).await.is_none());
    let late = store.read(at, Some(900), 200).await.unwrap();
    assert_eq!(late, None, "what expired is not brought back");
    assert!(read(&store, at, 200).await.is_none());
}

async fn what_changed_meanwhile_is_not_replaced(mut place: Place) {
    let store = place.store();
    let replace = async |at, before: &[u8], after: &[u8], now| {
        let replaced = store.replace(at, before.to_vec(), after.to_vec(), 150, now);
        replaced.await.unwrap()
    };
    let at = key(Kind::Approvals, 1);
    assert!(!replace(at, b"", b"a", 100).await, "it puts nothing");
    put(&store, at, b"a", 110, 100).await;
    assert!(!replace(at, b"b", b"c", 101).await);
    assert!(replace(at, b"a", b"b", 101).await);
    assert!(!replace(at, b"a", b"c", 102).await, "somebody was faster");
    assert_eq!(read(&store, at, 149).await, Some(b"b".to_vec()));
    assert!(!replace(at, b"b", b"c", 150).await, "it expired");
    // A family keeps its generation, and a revoked one its peace.
    let family = key(Kind::Family, 9);
    put(&store, family, b"a", 200, 100).await;
    assert_eq!(rotate(&store, 1, 101).await, Rotated::Next(2));
    assert!(replace(family, b"a", b"b", 102).await);
    assert_eq!(rotate(&store, 2, 103).await, Rotated::Next(3));
    store.revoke_family([9; 32], 104).await.unwrap();
    assert!(!replace(family, b"b", b"c", 105).await);
}

async fn a_kind_is_bounded_and_does_not_crowd_another(mut place: Place) {
    let store = place.sized(Capacity {
        clients: 3,
        ..Capacity::default()
    });
    for name in 0..3 {
        let at = key(Kind::Client, name);
        assert_eq!(put(&store, at, b"", 200, 100).await, Put::Stored);
    }
    let more = key(Kind::Client, 9);
    assert_eq!(put(&store, more, b"", 200, 100).await, Put::Full);
    let known = key(Kind::Client, 1);
    assert_eq!(put(&store, known, b"", 200, 100).await, Put::Present);
    let code = key(Kind::Code, 9);
    assert_eq!(put(&store, code, b"", 200, 100).await, Put::Stored);
    assert_eq!(put(&store, more, b"", 900, 201).await, Put::Stored);
    assert!(read(&store, more, 899).await.is_some());
    store.sweep(900).await.unwrap();
    assert_eq!(put(&store, more, b"", 999, 901).await, Put::Stored);
}

async fn what_went_makes_room(mut place: Place) {
    let store = place.sized(Capacity {
        logins: 1,
        ..Capacity::default()
    });
    for name in 0..20 {
        let at = key(Kind::Login, name);
        assert_eq!(put(&store, at, b"a", 200, 100).await, Put::Stored);
        let next = key(Kind::Login, name + 1);
        assert_eq!(put(&store, next, b"", 200, 100).await, Put::Full);
        assert!(store.take(at, 100).await.unwrap().is_some());
    }
}

async fn a_code_opens_one_family_and_is_remembered(mut place: Place) {
    let store = place.store();
    let redeem = async |now| store.redeem(redemption(), now).await.unwrap();
    let (code, family) = (key(Kind::Code, 1), key(Kind::Family, 9));
    assert_eq!(redeem(100).await, Redeemed::Absent);
    assert_eq!(read(&store, family, 100).await, None);
    put(&store, code, b"c", 160, 100).await;
    assert_eq!(redeem(160).await, Redeemed::Absent, "it expired");
    assert_eq!(redeem(159).await, Redeemed::First);
    assert_eq!(read(&store, code, 699).await, Some(b"c".to_vec()));
    assert_eq!(redeem(699).await, Redeemed::Again);
    assert_eq!(redeem(700).await, Redeemed::Absent);
    assert_eq!(read(&store, family, 700).await, Some(b"ada".to_vec()));
    assert_eq!(rotate(&store, 1, 701).await, Rotated::Next(2));
}

async fn a_code_is_not_lost_when_there_is_no_room_for_its_family(mut place: Place) {
    let store = place.sized(Capacity {
        families: 1,
        ..Capacity::default()
    });
    put(&store, key(Kind::Family, 3), b"", 150, 100).await;
    let redeem = async |now| store.redeem(redemption(), now).await.unwrap();
    assert_eq!(redeem(100).await, Redeemed::Absent);
    put(&store, key(Kind::Code, 1), b"c", 160, 100).await;
    assert_eq!(redeem(101).await, Redeemed::Full);
    assert_eq!(redeem(102).await, Redeemed::Full);
    assert_eq!(redeem(151).await, Redeemed::First);
    assert_eq!(
        redeem(152).await,
        Redeemed::Again,
        "though it is full again"
    );
}

async fn a_family_moves_on_with_grace_and_dies_of_reuse(mut place: Place) {
    let store = place.store();
    assert_eq!(rotate(&store, 1, 100).await, Rotated::Absent);
    put(&store, key(Kind::Code, 1), b"", 160, 100).await;
    store.redeem(redemption(), 100).await.unwrap();
    for (presented, now, expected) in [
        (2, 200, Rotated::Absent),
        (u32::MAX, 200, Rotated::Absent),
        (1, 200, Rotated::Next(2)),
        (1, 230, Rotated::Again(2)),
        (2, 230, Rotated::Next(3)),
        (2, 231, Rotated::Again(3)),
        (3, 15_000, Rotated::Next(4)),
        (3, 15_031, Rotated::Reused),
        (4, 15_031, Rotated::Absent),
    ] {
        assert_eq!(rotate(&store, presented, now).await, expected);
    }
    assert_eq!(read(&store, key(Kind::Family, 9), 15_031).await, None);
}

async fn what_is_older_than_the_last_generation_has_no_grace(mut place: Place) {
    let store = place.store();
    put(&store, key(Kind::Family, 9), b"", 10_000, 100).await;
    assert_eq!(rotate(&store, 1, 101).await, Rotated::Next(2));
    assert_eq!(rotate(&store, 2, 101).await, Rotated::Next(3));
    assert_eq!(rotate(&store, 1, 101).await, Rotated::Reused);
    put(&store, key(Kind::Family, 9), b"", 90_000, 20_000).await;
    assert_eq!(rotate(&store, 1, 20_001).await, Rotated::Next(2));
}

async fn a_revoked_family_is_absent(mut place: Place) {
    let (store, at) = (place.store(), key(Kind::Family, 9));
    store.revoke_family([9; 32], 100).await.unwrap();
    put(&store, at, b"a", 500, 100).await;
    place.store().revoke_family([9; 32], 101).await.unwrap();
    assert_eq!(read(&store, at, 101).await, None);
    assert_eq!(store.read(at, Some(900), 101).await.unwrap(), None);
    assert_eq!(rotate(&store, 1, 101).await, Rotated::Absent);
    // Its name stays taken, so that who is late cannot open it again.
    assert_eq!(put(&store, at, b"b", 500, 499).await, Put::Present);
    assert_eq!(put(&store, at, b"b", 900, 500).await, Put::Stored);
    assert_eq!(read(&store, at, 501).await, Some(b"b".to_vec()));
}

async fn windows_count_end_and_are_bounded(mut place: Place) {
    let store = place.sized(Capacity {
        windows: 2,
        ..Capacity::default()
    });
    let count = async |name, now| store.incr_window([name; 32], 60, now).await.unwrap();
    assert_eq!(count(1, 100).await, 1);
    assert_eq!(count(1, 159).await, 2);
    assert_eq!(count(1, 160).await, 1);
    assert_eq!(count(2, 160).await, 1);
    assert_eq!(count(3, 161).await, u32::MAX);
    assert_eq!(count(1, 161).await, 2);
    assert_eq!(count(3, 300).await, 1);
    assert_eq!(count(3, 301).await, 2);
    assert_eq!(count(3, 10).await, 1, "the clock went back");
}

async fn any_bytes_are_kept(mut place: Place) {
    let store = place.store();
    let all: Vec<u8> = (0..=255).collect();
    let long = all.repeat(256);
    for (name, value) in [&b""[..], b"\0", b"\xff\xfe", b"'; --", &all, &long]
        .into_iter()
        .enumerate()
    {
        let at = key(Kind::Document, name as u8);
        assert_eq!(put(&store, at, value, 200, 100).await, Put::Stored);
        assert_eq!(read(&store, at, 101).await.as_deref(), Some(value));
        let replaced = store.replace(at, value.to_vec(), long.clone(), 200, 101);
        assert!(replaced.await.unwrap());
        assert_eq!(store.take(at, 102).await.unwrap(), Some(long.clone()));
    }
}

async fn extreme_times_do_no_harm(mut place: Place) {
    let store = place.store();
    let far = key(Kind::Client, 1);
    assert_eq!(put(&store, far, b"a", i64::MAX, 100).await, Put::Stored);
    let found = store.read(far, Some(i64::MAX), 100).await.unwrap();
    assert_eq!(found, Some(b"a".to_vec()));
    let gone = key(Kind::Client, 2);
    assert_eq!(put(&store, gone, b"a", i64::MIN, 100).await, Put::Stored);
    assert_eq!(read(&store, gone, 100).await, None);
    let before = key(Kind::Client, 3);
    assert_eq!(put(&store, before, b"a", -10, -20).await, Put::Stored);
    assert_eq!(read(&store, before, -11).await, Some(b"a".to_vec()));
    assert_eq!(read(&store, before, -10).await, None);
    put(&store, key(Kind::Family, 9), b"", 500, 100).await;
    let rotate = async |presented, grace, now| {
        let rotated = store.rotate([9; 32], presented, grace, i64::MAX, now);
        rotated.await.unwrap()
    };
    assert_eq!(rotate(1, i64::MAX, 100).await, Rotated::Next(2));
    assert_eq!(rotate(1, i64::MAX, 499).await, Rotated::Again(2));
    assert_eq!(store.incr_window([1; 32], i64::MAX, 100).await, Ok(1));
    assert_eq!(store.incr_window([1; 32], i64::MAX, 101).await, Ok(2));
}

async fn every_kind_is_kept_by_itself(mut place: Place) {
    let store = place.store();
    for kind in Kind::ALL {
        let value = kind.tag().as_bytes();
        assert_eq!(
            put(&store, key(kind, 7), value, 200, 100).await,
            Put::Stored
        );
    }
    for kind in Kind::ALL {
        let value = kind.tag().as_bytes().to_vec();
        assert_eq!(store.take(key(kind, 7), 101).await.unwrap(), Some(value));
    }
}

async fn sweeping_forgets_what_expired_only(mut place: Place) {
    let store = place.store();
    for name in 0..60 {
        let end = if name % 2 == 0 { 110 } else { 500 };
        put(&store, key(Kind::Transaction, name), b"", end, 100).await;
    }
    store.incr_window([1; 32], 10, 100).await.unwrap();
    store.incr_window([2; 32], 400, 100).await.unwrap();
    assert_eq!(store.sweep(109).await.unwrap(), 0);
    assert_eq!(store.sweep(110).await.unwrap(), 31);
    assert_eq!(store.sweep(110).await.unwrap(), 0);
    for name in 0..60 {
        let there = read(&store, key(Kind::Transaction, name), 111).await;
        assert_eq!(there.is_some(), name % 2 == 1, "{name}");
    }
    assert_eq!(store.incr_window([2; 32], 400, 111).await, Ok(2));
}

/// The same from two nodes, 32 times at once.
async fn at_once<T, F>(
    place: &mut Place,
    work: impl Fn(Arc<AnyStore>, u32) -> F + Send + Sync + 'static,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let nodes = [place.store(), place.store()];
    let start = Arc::new(tokio::sync::Barrier::new(32));
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let (node, start) = (&nodes[number as usize % 2], Arc::clone(&start));
            let work = work(Arc::clone(node), number);
            tokio::spawn(async move {
                start.wait().await;
                work.await
            })
        })
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

async fn of_thirty_two_takers_one_has_it(mut place: Place) {
    put(&place.store(), key(Kind::Login, 1), b"a", 200, 100).await;
    let taken = at_once(&mut place, |store, _| async move {
        store.take(key(Kind::Login, 1), 101).await.unwrap()
    });
    let taken = taken.await;
    assert_eq!(taken.iter().flatten().count(), 1);
}

async fn of_thirty_two_writers_one_puts_it(mut place: Place) {
    // One has expired there, which is where two could both believe to be the first.
    put(&place.store(), key(Kind::Lease, 1), b"a", 90, 80).await;
    let done = at_once(&mut place, |store, number| async move {
        let value = number.to_string().into_bytes();
        let put = put(&store, key(Kind::Lease, 1), &value, 200, 100).await;
        (put, value)
    });
    let done = done.await;
    let winners: Vec<_> = done.iter().filter(|(put, _)| *put == Put::Stored).collect();
    let [(_, value)] = winners[..] else {
        panic!("{winners:?}");
    };
    assert!(done.iter().all(|(put, _)| *put != Put::Full));
    let found = read(&place.store(), key(Kind::Lease, 1), 101).await;
    assert_eq!(found.as_ref(), Some(value));
}

async fn of_thirty_two_redemptions_one_is_first(mut place: Place) {
    put(&place.store(), key(Kind::Code, 1), b"c", 160, 100).await;
    let done = at_once(&mut place, |store, _| async move {
        store.redeem(redemption(), 101).await.unwrap()
    });
    let done = done.await;
    let count = |what| done.iter().filter(|one| **one == what).count();
    assert_eq!((count(Redeemed::First), count(Redeemed::Again)), (1, 31));
    assert_eq!(rotate(&place.store(), 1, 102).await, Rotated::Next(2));
}

async fn of_thirty_two_rotations_one_moves_on(mut place: Place) {
    put(&place.store(), key(Kind::Family, 9), b"a", 900, 100).await;
    for generation in 1..4 {
        let done = at_once(&mut place, move |store, _| async move {
            rotate(&store, generation, 101).await
        });
        let done = done.await;
        let count = |what| done.iter().filter(|one| **one == what).count();
        let (next, again) = (
            Rotated::Next(generation + 1),
            Rotated::Again(generation + 1),
        );
        assert_eq!((count(next), count(again)), (1, 31), "{done:?}");
    }
    // And when an old one is among them, all who come after it find nothing.
    let done = at_once(&mut place, |store, number| async move {
        rotate(&store, if number == 0 { 1 } else { 4 }, 101).await
    });
    let done = done.await;
    let reused = done.iter().filter(|one| **one == Rotated::Reused).count();
    assert_eq!(reused, 1, "{done:?}");
    assert_eq!(rotate(&place.store(), 5, 102).await, Rotated::Absent);
}

async fn of_thirty_two_replacements_one_replaces(mut place: Place) {
    put(&place.store(), key(Kind::Approvals, 1), b"a", 200, 100).await;
    let done = at_once(&mut place, |store, number| async move {
        let after = number.to_string().into_bytes();
        let replaced = store.replace(key(Kind::Approvals, 1), b"a".to_vec(), after, 200, 101);
        replaced.await.unwrap()
    });
    let done = done.await;
    assert_eq!(done.iter().filter(|replaced| **replaced).count(), 1);
}

async fn thirty_two_requests_are_counted(mut place: Place) {
    let done = at_once(&mut place, |store, _| async move {
        store.incr_window([5; 32], 60, 100).await.unwrap()
    });
    let counts: BTreeSet<u32> = done.await.into_iter().collect();
    assert_eq!(counts, (1..=32).collect());
}

async fn two_that_begin_at_once_find_one_store(mut place: Place) {
    let nodes: Vec<_> = (0..8).map(|_| place.store()).collect();
    let tasks: Vec<_> = nodes
        .into_iter()
        .map(|node| {
            tokio::spawn(async move { put(&node, key(Kind::Lease, 1), b"", 200, 100).await })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        stored += usize::from(task.await.unwrap() == Put::Stored);
    }
    assert_eq!(stored, 1);
}

async fn an_old_key_opens_until_everything_is_sealed_anew(place: Place) {
    if place.is_memory() {
        return;
    }
    let with = |names: &[&str]| open(&place.url, names, Capacity::default());
    let (used, unused) = (key(Kind::Client, 1), key(Kind::Client, 2));
    let first = with(&["a"]);
    put(&first, used, b"used", 500, 100).await;
    put(&first, unused, b"unused", 500, 100).await;
    put(&first, key(Kind::Code, 1), b"c", 500, 100).await;
    first.redeem(redemption(), 101).await.unwrap();
    // Every node learns the new key before any seals with it.
    let (learned, turned) = (with(&["a", "b"]), with(&["b", "a"]));
    put(&turned, key(Kind::Client, 3), b"new", 500, 100).await;
    let found = read(&learned, key(Kind::Client, 3), 101).await;
    assert_eq!(found, Some(b"new".to_vec()));
    assert_eq!(read(&turned, used, 102).await, Some(b"used".to_vec()));
    assert_eq!(
        read(&turned, key(Kind::Family, 9), 102).await,
        Some(b"ada".to_vec())
    );
    assert_eq!(rotate(&turned, 1, 102).await, Rotated::Next(2));
    let last = with(&["b"]);
    assert_eq!(read(&last, used, 103).await, Some(b"used".to_vec()));
    assert_eq!(
        read(&last, key(Kind::Family, 9), 103).await,
        Some(b"ada".to_vec())
    );
    assert_eq!(last.status().unopened, 0);
    assert_eq!(read(&last, unused, 103).await, None, "nobody had used it");
    assert_eq!(last.status().unopened, 1);
}

async fn with_the_wrong_key_a_record_is_absent_and_stays(place: Place) {
    if place.is_memory() {
        return;
    }
    let right = open(&place.url, &["a"], Capacity::default());
    let wrong = open(&place.url, &["b"], Capacity::default());
    let at = key(Kind::SigningKey, 1);
    put(&right, at, b"a", 500, 100).await;
    assert_eq!(read(&wrong, at, 101).await, None);
    let replaced = wrong.replace(at, b"a".to_vec(), b"b".to_vec(), 500, 101);
    assert!(!replaced.await.unwrap());
    assert_eq!(put(&wrong, at, b"b", 500, 101).await, Put::Present);
    assert_eq!(wrong.take(at, 101).await.unwrap(), None);
    assert_eq!(read(&right, at, 102).await, Some(b"a".to_vec()));
    assert!(wrong.status().unopened >= 2);
    assert_eq!(right.status().unopened, 0);
}

#[tokio::test]
async fn a_redis_that_goes_away_comes_back_by_itself() {
    let mut server = Server::redis();
    let store = open(&server.url(), &["a"], Capacity::default());
    goes_and_comes_back(&store, &mut server, false).await;
}

#[tokio::test]
async fn a_postgres_that_goes_away_comes_back_by_itself() {
    let mut server = Server::postgres();
    let store = open(&server.url(), &["a"], Capacity::default());
    goes_and_comes_back(&store, &mut server, true).await;
    // And one that was emptied meanwhile is filled again.
    server.run_sql("DROP TABLE doorward_oauth_records");
    let at = key(Kind::Login, 9);
    assert!(store.put_if_absent(at, Vec::new(), 200, 100).await.is_err());
    assert_eq!(put(&store, at, b"", 200, 100).await, Put::Stored);
}

async fn goes_and_comes_back(store: &AnyStore, server: &mut Server, keeps: bool) {
    let at = key(Kind::Login, 1);
    put(store, at, b"a", 200, 100).await;
    assert!(!store.status().is_away);
    server.kill();
    for _ in 0..2 {
        let failed = tokio::time::timeout(Duration::from_secs(10), store.read(at, None, 101));
        assert_eq!(failed.await.unwrap(), Err(StoreError));
    }
    let status = store.status();
    assert!(status.is_away && status.failures == 2, "{status:?}");
    let said = status.last_error.unwrap();
    assert!(!said.is_empty() && !said.contains("test-only"), "{said}");
    server.start();
    // A connection that was lost is noticed once at most.
    let found = match store.read(at, None, 102).await {
        Ok(found) => found,
        Err(StoreError) => store.read(at, None, 102).await.unwrap(),
    };
    assert_eq!(found.is_some(), keeps);
    assert!(!store.status().is_away);
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    // It accepts and says nothing.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    for scheme in ["redis", "rediss", "postgres"] {
        let store = open(
            &format!("{scheme}://u:hunter2@{address}/0"),
            &["a"],
            Capacity::default(),
        );
        let begun = std::time::Instant::now();
        let asked = tokio::time::timeout(Duration::from_secs(20), store.sweep(100));
        assert_eq!(asked.await.unwrap(), Err(StoreError));
        assert!(begun.elapsed() < Duration::from_secs(10), "{scheme}");
        let said = store.status().last_error.unwrap();
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn a_sqlite_file_that_was_replaced_is_opened_anew() {
    let folder = Folder::new("stores");
    let store = open(&folder.sqlite_url(), &["a"], Capacity::default());
    let at = key(Kind::Code, 1);
    put(&store, at, b"a", 200, 100).await;
    for name in ["doorward.db", "doorward.db-wal", "doorward.db-shm"] {
        std::fs::rename(
            folder.path().join(name),
            folder.path().join(format!("{name}.old")),
        )
        .unwrap();
    }
    assert_eq!(read(&store, at, 101).await, None);
    assert_eq!(put(&store, at, b"b", 200, 101).await, Put::Stored);
    let other = open(&folder.sqlite_url(), &["a"], Capacity::default());
    assert_eq!(read(&other, at, 102).await, Some(b"b".to_vec()));
}

#[tokio::test]
async fn a_sqlite_store_without_a_key_makes_one_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new("stores");
    let url = Secret::from(folder.sqlite_url());
    let openers: Vec<_> = (0..16)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || AnyStore::open(&url, None).unwrap())
        })
        .collect();
    let stores: Vec<_> = openers.into_iter().map(|one| one.join().unwrap()).collect();
    let at = key(Kind::Client, 1);
    put(&stores[0], at, b"a", 200, 100).await;
    for store in &stores {
        assert_eq!(read(store, at, 101).await, Some(b"a".to_vec()));
    }
    let path = stores[0].status().key_file.unwrap();
    assert_eq!(path, folder.path().join("doorward.db.key"));
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let names: BTreeSet<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [
        "doorward.db",
        "doorward.db-shm",
        "doorward.db-wal",
        "doorward.db.key",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
    for name in names {
        assert_eq!(mode(&folder.path().join(&name)), 0o600, "{name}");
    }
    // A key that others can read is no key.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let said = AnyStore::open(&url, None).unwrap_err().to_string();
    assert!(
        said.contains("mode 640") && said.contains("expected 600"),
        "{said}"
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "short").unwrap();
    let said = AnyStore::open(&url, None).unwrap_err().to_string();
    assert!(said.contains("it has 5 bytes"), "{said}");
    // With a key of one's own there is no file.
    let own = AnyStore::open(&url, Some(ring(&["a"]))).unwrap();
    assert_eq!(own.status().key_file, None);
    assert_eq!(read(&own, at, 102).await, None);
}
