//! The store of one process: bounded, and gone with it.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::ConfigError;
use super::super::secrets::Digest;
use super::{Key, Kind, Put, Redeemed, Redemption, Rotated, Store, StoreError};

/// A [`Store`] in memory, for one node and for tests. What is full takes nothing more until something expires: nobody is
/// pushed out by a stranger.
pub struct MemoryStore {
    state: Mutex<State>,
    capacity: Capacity,
}

/// How many records of each kind a store keeps, 1 to 10,000,000. What is full takes nothing more until something expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Registered clients. 10,000 by default.
    pub clients: usize,
    /// Requests that wait for consent.
    pub transactions: usize,
    /// Sign-ins that went upstream.
    pub logins: usize,
    /// Codes, the used ones that are remembered included.
    pub codes: usize,
    /// Families of refresh tokens, the revoked ones included: one for each time somebody let a client in, for as long as
    /// its refresh token lives. 100,000 by default.
    pub families: usize,
    /// Signing keys.
    pub signing_keys: usize,
    /// People who approved something. 100,000 by default.
    pub approvals: usize,
    /// Client assertions that were used.
    pub assertions: usize,
    /// Tasks that are under way.
    pub leases: usize,
    /// Documents of clients.
    pub documents: usize,
    /// Windows in which something is counted.
    pub windows: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            clients: 10_000,
            transactions: 10_000,
            logins: 10_000,
            codes: 10_000,
            families: 100_000,
            signing_keys: 1000,
            approvals: 100_000,
            assertions: 100_000,
            leases: 100_000,
            documents: 10_000,
            windows: 10_000,
        }
    }
}

impl Capacity {
    /// The most of each kind. More is a typo, or a plan for other stores than these.
    pub const MOST: usize = 10_000_000;

    /// Whether each of them can be meant.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let given = Kind::ALL.map(|kind| (kind.tag(), self.of(kind)));
        let wrong = given
            .into_iter()
            .chain([("window", self.windows)])
            .find(|(_, most)| !(1..=Self::MOST).contains(most));
        match wrong {
            None => Ok(()),
            Some((kind, most)) => Err(ConfigError::new(format!(
                "the capacity for records of the kind {kind:?} is {most}; expected 1 to {}",
                Self::MOST
            ))),
        }
    }

    /// How many records of this kind.
    pub const fn of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Client => self.clients,
            Kind::Transaction => self.transactions,
            Kind::Login => self.logins,
            Kind::Code => self.codes,
            Kind::Family => self.families,
            Kind::SigningKey => self.signing_keys,
            Kind::Approvals => self.approvals,
            Kind::Assertion => self.assertions,
            Kind::Lease => self.leases,
            Kind::Document => self.documents,
        }
    }
}

#[derive(Default)]
struct State {
    records: HashMap<Key, Record>,
    counts: [usize; Kind::ALL.len()],
    windows: HashMap<Digest, Window>,
    swept_at: i64,
}

struct Record {
    value: Vec<u8>,
    expires_at: i64,
    standing: Standing,
}

enum Standing {
    Plain,
    /// A code that was used.
    Used,
    /// A family, the generation that is good, and since when.
    Generation(u32, i64),
    /// A family that was revoked.
    Revoked,
}

struct Window {
    started_at: i64,
    ends_at: i64,
    count: u32,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(capacity: Capacity) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one more, if need be after a sweep.
    fn has_room(&self, state: &mut State, kind: Kind, now: i64) -> bool {
        state.sweep_when_due(now, state.counts[kind as usize] >= self.capacity.of(kind));
        state.counts[kind as usize] < self.capacity.of(kind)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Capacity::default())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    async fn put_if_absent(
        &self,
        key: Key,
        value: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<Put, StoreError> {
        let mut state = self.lock();
        if state.live(key, now).is_some() {
            return Ok(Put::Present);
        }
        if !self.has_room(&mut state, key.kind, now) {
            return Ok(Put::Full);
        }
        let standing = match key.kind {
            Kind::Family => Standing::Generation(1, now),
            _ => Standing::Plain,
        };
        state.insert(
            key,
            Record {
                value,
                expires_at,
                standing,
            },
        );
        Ok(Put::Stored)
    }

    async fn read(
        &self,
        key: Key,
        extend_to: Option<i64>,
        now: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut state = self.lock();
        let Some(record) = state.live(key, now) else {
            return Ok(None);
        };
        if matches!(record.standing, Standing::Revoked) {
            return Ok(None);
        }
        record.expires_at = record.expires_at.max(extend_to.unwrap_or(now));
        Ok(Some(record.value.clone()))
    }

    async fn take(&self, key: Key, now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let mut state = self.lock();
        if state.live(key, now).is_none() {
            return Ok(None);
        }
        Ok(state.remove(key).map(|record| record.value))
    }

    async fn replace(
        &self,
        key: Key,
        before: Vec<u8>,
        after: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let Some(record) = state.live(key, now) else {
            return Ok(false);
        };
        if matches!(record.standing, Standing::Revoked) || record.value != before {
            return Ok(false);
        }
        record.value = after;
        record.expires_at = record.expires_at.max(expires_at);
        Ok(true)
    }

    async fn redeem(&self, redemption: Redemption, now: i64) -> Result<Redeemed, StoreError> {
        let mut state = self.lock();
        let code = Key {
            kind: Kind::Code,
            digest: redemption.code,
        };
        let family = Key {
            kind: Kind::Family,
            digest: redemption.family,
        };
        match state.live(code, now) {
            None => return Ok(Redeemed::Absent),
            Some(record) if matches!(record.standing, Standing::Used) => {
                return Ok(Redeemed::Again);
            }
            Some(_) => {}
        }
        if !self.has_room(&mut state, Kind::Family, now) {
            return Ok(Redeemed::Full);
        }
        if let Some(record) = state.live(code, now) {
            record.standing = Standing::Used;
            record.expires_at = redemption.remember_until;
        }
        let record = Record {
            value: redemption.value,
            expires_at: redemption.expires_at,
            standing: Standing::Generation(1, now),
        };
        state.insert(family, record);
        Ok(Redeemed::First)
    }

    async fn rotate(
        &self,
        family: Digest,
        presented: u32,
        grace: i64,
        extend_to: i64,
        now: i64,
    ) -> Result<Rotated, StoreError> {
        let mut state = self.lock();
        let key = Key {
            kind: Kind::Family,
            digest: family,
        };
        let Some(record) = state.live(key, now) else {
            return Ok(Rotated::Absent);
        };
        let Standing::Generation(current, since) = record.standing else {
            return Ok(Rotated::Absent);
        };
        if presented > current {
            return Ok(Rotated::Absent);
        }
        if presented == current {
            let Some(next) = current.checked_add(1) else {
                return Ok(Rotated::Absent);
            };
            record.standing = Standing::Generation(next, now);
            record.expires_at = record.expires_at.max(extend_to);
            return Ok(Rotated::Next(next));
        }
        if presented == current - 1 && now <= since.saturating_add(grace) {
            return Ok(Rotated::Again(current));
        }
        record.standing = Standing::Revoked;
        Ok(Rotated::Reused)
    }

    async fn revoke_family(&self, family: Digest, now: i64) -> Result<(), StoreError> {
        let key = Key {
            kind: Kind::Family,
            digest: family,
        };
        if let Some(record) = self.lock().live(key, now) {
            record.standing = Standing::Revoked;
        }
        Ok(())
    }

    async fn incr_window(&self, key: Digest, seconds: i64, now: i64) -> Result<u32, StoreError> {
        let mut state = self.lock();
        let full = state.windows.len() >= self.capacity.windows;
        state.sweep_when_due(now, full);
        let room = state.windows.len() < self.capacity.windows;
        let fresh = Window {
            started_at: now,
            ends_at: now.saturating_add(seconds),
            count: 0,
        };
        let window = match state.windows.get_mut(&key) {
            // A clock that went back does not keep a window open for longer than it is.
            Some(window) if (window.started_at..window.ends_at).contains(&now) => window,
            Some(window) => {
                *window = fresh;
                window
            }
            None if room => state.windows.entry(key).or_insert(fresh),
            None => return Ok(u32::MAX),
        };
        window.count = window.count.saturating_add(1);
        Ok(window.count)
    }

    fn sweep(&self, now: i64) -> impl Future<Output = Result<usize, StoreError>> + Send {
        std::future::ready(Ok(self.lock().sweep(now)))
    }
}

impl State {
    /// The record, if it has not expired.
    fn live(&mut self, key: Key, now: i64) -> Option<&mut Record> {
        self.records
            .get_mut(&key)
            .filter(|record| now < record.expires_at)
    }

    fn insert(&mut self, key: Key, record: Record) {
        if self.records.insert(key, record).is_none() {
            self.counts[key.kind as usize] += 1;
        }
    }

    fn remove(&mut self, key: Key) -> Option<Record> {
        let removed = self.records.remove(&key)?;
        self.counts[key.kind as usize] -= 1;
        Some(removed)
    }

    /// A sweep looks at everything, so a full store is not swept for every stranger that knocks.
    fn sweep_when_due(&mut self, now: i64, full: bool) {
        let rest = if full { SWEEP_WHEN_FULL } else { SWEEP_ANYWAY };
        if !(self.swept_at..self.swept_at.saturating_add(rest)).contains(&now) {
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: i64) -> usize {
        self.swept_at = now;
        let before = self.records.len() + self.windows.len();
        self.windows.retain(|_, window| now < window.ends_at);
        let counts = &mut self.counts;
        self.records.retain(|key, record| {
            let lives = now < record.expires_at;
            counts[key.kind as usize] -= usize::from(!lives);
            lives
        });
        before - self.records.len() - self.windows.len()
    }
}

/// Seconds between sweeps of a store that is full, and of one that is not.
const SWEEP_WHEN_FULL: i64 = 1;
const SWEEP_ANYWAY: i64 = 60;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Nothing here ever waits.
    fn now<T>(work: impl Future<Output = Result<T, StoreError>>) -> T {
        let mut work = std::pin::pin!(work);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done.unwrap(),
            Poll::Pending => panic!("a store in memory waited"),
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

    #[test]
    fn a_capacity_is_of_some_use() {
        assert_eq!(Capacity::default().check(), Ok(()));
        let (most, usual) = (Capacity::MOST, Capacity::default);
        for (capacity, kind) in [
            (
                Capacity {
                    families: 0,
                    ..usual()
                },
                "family",
            ),
            (
                Capacity {
                    clients: most + 1,
                    ..usual()
                },
                "client",
            ),
            (
                Capacity {
                    approvals: usize::MAX,
                    ..usual()
                },
                "approvals",
            ),
            (
                Capacity {
                    windows: 0,
                    ..usual()
                },
                "window",
            ),
        ] {
            let error = capacity.check().unwrap_err().to_string();
            assert!(
                error.contains(kind) && error.contains("1 to 10000000"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_there_is_not_replaced_and_what_expired_is_not_there() {
        let store = MemoryStore::default();
        let at = key(Kind::Login, 1);
        assert_eq!(
            now(store.put_if_absent(at, b"a".to_vec(), 110, 100)),
            Put::Stored
        );
        assert_eq!(
            now(store.put_if_absent(at, b"b".to_vec(), 110, 109)),
            Put::Present
        );
        assert_eq!(now(store.read(at, None, 109)), Some(b"a".to_vec()));
        assert_eq!(now(store.read(at, None, 110)), None);
        assert_eq!(now(store.take(at, 110)), None);
        assert_eq!(
            now(store.put_if_absent(at, b"c".to_vec(), 120, 110)),
            Put::Stored
        );
        assert_eq!(now(store.take(at, 111)), Some(b"c".to_vec()));
        assert_eq!(now(store.take(at, 111)), None);
    }

    #[test]
    fn reading_extends_and_never_shortens() {
        let store = MemoryStore::default();
        let at = key(Kind::Client, 1);
        now(store.put_if_absent(at, Vec::new(), 110, 100));
        now(store.read(at, Some(200), 105));
        now(store.read(at, Some(120), 106));
        assert!(now(store.read(at, None, 199)).is_some());
        assert!(now(store.read(at, None, 200)).is_none());
    }

    #[test]
    fn what_changed_meanwhile_is_not_replaced() {
        let store = MemoryStore::default();
        let replace = |at, before: &[u8], after: &[u8], now_is| {
            now(store.replace(at, before.to_vec(), after.to_vec(), 150, now_is))
        };
        let at = key(Kind::Approvals, 1);
        assert!(!replace(at, b"", b"a", 100), "it replaces, it does not put");
        now(store.put_if_absent(at, b"a".to_vec(), 110, 100));
        assert!(!replace(at, b"b", b"c", 101));
        assert!(replace(at, b"a", b"b", 101));
        assert!(!replace(at, b"a", b"c", 102), "somebody was faster");
        assert_eq!(now(store.read(at, None, 149)), Some(b"b".to_vec()));
        assert!(!replace(at, b"b", b"c", 150), "it expired");
        // A family keeps its generation, and a revoked one its peace.
        let family = key(Kind::Family, 9);
        now(store.put_if_absent(family, b"a".to_vec(), 200, 100));
        now(store.rotate([9; 32], 1, 30, 200, 101));
        assert!(replace(family, b"a", b"b", 102));
        let rotate = |presented| now(store.rotate([9; 32], presented, 30, 200, 103));
        assert_eq!(rotate(2), Rotated::Next(3));
        now(store.revoke_family([9; 32], 104));
        assert!(!replace(family, b"b", b"c", 105));
    }

    #[test]
    fn a_kind_is_bounded_and_does_not_crowd_another() {
        let store = MemoryStore::new(Capacity {
            clients: 3,
            ..Capacity::default()
        });
        for name in 0..3 {
            assert_eq!(
                now(store.put_if_absent(key(Kind::Client, name), Vec::new(), 200, 100)),
                Put::Stored
            );
        }
        let more = key(Kind::Client, 9);
        assert_eq!(
            now(store.put_if_absent(more, Vec::new(), 200, 100)),
            Put::Full
        );
        assert_eq!(
            now(store.put_if_absent(key(Kind::Code, 9), Vec::new(), 200, 100)),
            Put::Stored
        );
        assert_eq!(
            now(store.put_if_absent(more, Vec::new(), 900, 201)),
            Put::Stored
        );
        assert_eq!(now(store.sweep(900)), 1);
    }

    #[test]
    fn a_code_opens_one_family_and_is_remembered() {
        let store = MemoryStore::default();
        assert_eq!(now(store.redeem(redemption(), 100)), Redeemed::Absent);
        now(store.put_if_absent(key(Kind::Code, 1), b"c".to_vec(), 160, 100));
        assert_eq!(now(store.redeem(redemption(), 159)), Redeemed::First);
        assert_eq!(now(store.redeem(redemption(), 699)), Redeemed::Again);
        assert_eq!(now(store.redeem(redemption(), 700)), Redeemed::Absent);
        assert_eq!(
            now(store.read(key(Kind::Family, 9), None, 700)),
            Some(b"ada".to_vec())
        );
    }

    #[test]
    fn a_code_is_not_lost_when_there_is_no_room_for_its_family() {
        let store = MemoryStore::new(Capacity {
            families: 0,
            ..Capacity::default()
        });
        now(store.put_if_absent(key(Kind::Code, 1), b"c".to_vec(), 160, 100));
        assert_eq!(now(store.redeem(redemption(), 101)), Redeemed::Full);
        assert_eq!(now(store.redeem(redemption(), 102)), Redeemed::Full);
    }

    #[test]
    fn a_family_moves_on_with_grace_and_dies_of_reuse() {
        let store = MemoryStore::default();
        now(store.put_if_absent(key(Kind::Code, 1), Vec::new(), 160, 100));
        now(store.redeem(redemption(), 100));
        let rotate = |presented, at| now(store.rotate([9; 32], presented, 30, 20_000, at));
        assert_eq!(rotate(2, 200), Rotated::Absent);
        assert_eq!(rotate(1, 200), Rotated::Next(2));
        assert_eq!(rotate(1, 230), Rotated::Again(2));
        assert_eq!(rotate(2, 230), Rotated::Next(3));
        assert_eq!(rotate(2, 231), Rotated::Again(3));
        assert_eq!(rotate(3, 15_000), Rotated::Next(4), "it was extended");
        assert_eq!(rotate(3, 15_031), Rotated::Reused);
        assert_eq!(rotate(4, 15_031), Rotated::Absent);
        assert_eq!(now(store.read(key(Kind::Family, 9), None, 15_031)), None);
    }

    #[test]
    fn what_is_older_than_the_last_generation_has_no_grace() {
        let store = MemoryStore::default();
        now(store.put_if_absent(key(Kind::Family, 9), Vec::new(), 10_000, 100));
        let rotate = |presented| now(store.rotate([9; 32], presented, 30, 10_000, 101));
        assert_eq!((rotate(1), rotate(2)), (Rotated::Next(2), Rotated::Next(3)));
        assert_eq!(rotate(1), Rotated::Reused);
    }

    #[test]
    fn windows_count_end_and_are_bounded() {
        let store = MemoryStore::new(Capacity {
            windows: 2,
            ..Capacity::default()
        });
        let count = |name, at| now(store.incr_window([name; 32], 60, at));
        assert_eq!((count(1, 100), count(1, 159), count(1, 160)), (1, 2, 1));
        assert_eq!(count(2, 160), 1);
        assert_eq!(count(3, 161), u32::MAX);
        assert_eq!(count(1, 161), 2);
        assert_eq!(count(3, 300), 1);
        assert_eq!(count(3, 10), 1, "the clock went back");
    }

    #[test]
    fn of_thirty_two_threads_one_is_first() {
        let store = Arc::new(MemoryStore::default());
        now(store.put_if_absent(key(Kind::Code, 1), Vec::new(), 160, 100));
        now(store.put_if_absent(key(Kind::Login, 1), Vec::new(), 160, 100));
        let threads: Vec<_> = (0..32)
            .map(|_| {
                let store = Arc::clone(&store);
                std::thread::spawn(move || {
                    (
                        now(store.redeem(redemption(), 101)),
                        now(store.take(key(Kind::Login, 1), 101)),
                    )
                })
            })
            .collect();
        let results: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(
            results
                .iter()
                .filter(|(first, _)| *first == Redeemed::First)
                .count(),
            1
        );
        assert_eq!(
            results.iter().filter(|(_, taken)| taken.is_some()).count(),
            1
        );
    }
}
