//! What was revoked before its time: known here at once, and to the other processes through a store they share.
//!
//! The list in memory decides, so a request never waits for the store. Only the first one does, until the list has been
//! loaded or the store is known to be away; and what then becomes of tokens is a setting ([`OnOutage`]).

mod denylist;
#[cfg_attr(
    not(any(feature = "postgres", feature = "redis", feature = "sqlite")),
    allow(dead_code, unused_mut)
)]
mod follower;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg_attr(
    not(any(feature = "postgres", feature = "redis", feature = "sqlite")),
    allow(
        dead_code,
        unused_variables,
        unreachable_code,
        reason = "there is no store to follow"
    )
)]
mod store;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use arc_swap::ArcSwap;
use doorward_core::{Claims, Identity, Known, Revocation, RevokedClaim, Secret, Timestamp};
use serde::Serialize;

use self::denylist::Denylist;
use self::follower::Follower;
pub use self::follower::{Receipt, StoreStatus};
pub(crate) use self::store::Address;
use crate::clock::{Clock as _, SystemClock};
use crate::config::ConfigError;
use crate::flight::Ticket;

/// What is revoked, as it is configured.
#[derive(Clone, Debug)]
pub(crate) struct RevocationSettings {
    pub(crate) store: Option<Address>,
    pub(crate) on_outage: OnOutage,
    /// How long a revocation is kept that does not say so itself, and the longest any may be kept.
    pub(crate) retention: Duration,
    pub(crate) most: usize,
}

/// What becomes of a good token while the shared store is away, so that nobody can tell whether it was revoked
/// elsewhere. What is known here is refused either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnOutage {
    /// It is accepted: the token's own expiry bounds the harm.
    Accept,
    /// It is refused, with 503 and Retry-After.
    Refuse,
}

impl OnOutage {
    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Refuse => "refuse",
        }
    }
}

/// Why something is not revoked everywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// It cannot be revoked at all: what was found and what would be right.
    #[error("{0}")]
    Invalid(String),
    /// It is refused in this process, and others will hear of it when the store is back: it is tried until then.
    #[error("it is revoked here, and not yet known to others: {0}")]
    NotShared(String),
}

/// How many revocations are known at once, unless a setting says so.
pub(crate) const DEFAULT_MAX_REVOCATIONS: usize = 1_000_000;
/// How long one is kept, unless a setting says so.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(86_400);
/// Whether a text may be a claim's value or an issuer.
fn is_fit(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT && !text.contains('\0')
}

/// The longest `sid`, `jti`, `sub`, `client_id` or issuer, in bytes.
const MAX_TEXT: usize = 512;

pub(crate) struct Revocations {
    known: Arc<List>,
    follower: Option<Follower>,
    settings: RevocationSettings,
    /// The longest life of a token that was accepted, in seconds.
    longest_life: AtomicU64,
}

impl Revocations {
    pub(crate) fn new(settings: RevocationSettings) -> Self {
        let known = Arc::new(List::new(settings.most));
        let follower = settings.store.clone().map(|address| {
            Follower::new(
                address,
                Arc::clone(&known),
                settings.on_outage,
                settings.retention,
            )
        });
        Self {
            known,
            follower,
            settings,
            longest_life: AtomicU64::new(0),
        }
    }

    /// Whether a token is revoked, as far as is known here.
    pub(crate) fn revoked(&self, issuer: &str, claims: &Claims) -> Known<RevokedClaim> {
        if let Some(claim) = self.known.find(issuer, claims) {
            return Known::Yes(claim);
        }
        match &self.follower {
            None => Known::No,
            Some(follower) => follower.is_in_touch(),
        }
    }

    /// Loads what was revoked elsewhere, and goes on following it.
    pub(crate) fn follow(&self) -> Option<Ticket> {
        self.follower.as_ref().map(Follower::open)
    }

    /// When a revocation of now may be forgotten: at the full minute, so that one that is repeated is the same one.
    pub(crate) fn end(&self, now: Timestamp) -> Timestamp {
        let end = now.plus(self.settings.retention).as_secs();
        Timestamp::from_secs(end.saturating_add(60) / 60 * 60)
    }

    /// Refuses what it covers from here on, and tells the others. The receipt says when they can know.
    pub(crate) fn revoke(
        &self,
        revocation: Revocation,
        now: Timestamp,
    ) -> Result<Option<Receipt>, RevocationError> {
        self.check(&revocation, now)?;
        let news = self.known.insert(std::slice::from_ref(&revocation), now);
        // What is known already, everywhere, is not told again: whoever repeats a logout token fills no store.
        let told = |follower: &&Follower| news || !follower.has_told_everything();
        let follower = self.follower.as_ref().filter(told);
        Ok(follower.map(|follower| follower.publish(revocation)))
    }

    fn check(&self, revocation: &Revocation, now: Timestamp) -> Result<(), RevocationError> {
        let invalid = |why: String| Err(RevocationError::Invalid(why));
        let texts = [Some(&revocation.value), revocation.issuer.as_ref()];
        for text in texts.into_iter().flatten() {
            if !is_fit(text) {
                let (claim, length) = (revocation.claim, text.len());
                return invalid(format!(
                    "`{claim}` and its issuer have 1 to {MAX_TEXT} bytes and no NUL; one has {length}"
                ));
            }
        }
        if revocation.expires_at > self.end(now) {
            return invalid(format!(
                "it ends at {}, later than `revocation_retention` ({} s) keeps anything",
                revocation.expires_at,
                self.settings.retention.as_secs()
            ));
        }
        if revocation.expires_at <= now {
            let end = revocation.expires_at;
            return invalid(format!("it ended at {end}, and now is {now}"));
        }
        Ok(())
    }

    /// Notes how long tokens live: revocations must be kept as long.
    pub(crate) fn note_life(&self, identity: &Identity) {
        let Some(issued_at) = identity.issued_at() else {
            return;
        };
        let life = identity.expires_at().millis_since(issued_at) / 1000;
        // One that never expires is asked about again and again.
        if identity.expires_at() < Timestamp::LAST {
            let life = u64::try_from(life).unwrap_or(0);
            self.longest_life.fetch_max(life, Ordering::Relaxed);
        }
    }

    pub(crate) fn status(&self) -> RevocationStatus {
        let (entries, dropped) = self.known.read(|list| (list.len(), list.dropped()));
        RevocationStatus {
            entries,
            max_entries: self.settings.most,
            dropped,
            retention_seconds: self.settings.retention.as_secs_f64(),
            longest_token_seconds: self.longest_life.load(Ordering::Relaxed),
            on_outage: self.settings.on_outage.as_str(),
            store: self.follower.as_ref().map(Follower::status),
        }
    }
}

/// Revokes for others: writes to the store that they follow, and verifies nothing itself. For whoever hears of sessions
/// that end, and is no door.
#[derive(Clone, Debug)]
pub struct Revoker(Arc<Revocations>);

impl Revoker {
    /// Takes the store's URL, as in `revocation_store`, and how long a revocation is kept. Nothing is opened yet.
    ///
    /// # Errors
    /// The URL is of no store, or of one that this build has not.
    pub fn new(store: &Secret, retention: Duration) -> Result<Self, ConfigError> {
        let wrong = |why| ConfigError::new("revocation_store", why);
        Ok(Self(Arc::new(Revocations::new(RevocationSettings {
            store: Some(Address::read(store).map_err(wrong)?),
            on_outage: OnOutage::Accept,
            retention,
            most: DEFAULT_MAX_REVOCATIONS,
        }))))
    }

    /// When a revocation of now may be forgotten.
    pub fn retained_until(&self) -> Timestamp {
        self.0.end(SystemClock::new().now())
    }

    /// Returns when the store has it.
    ///
    /// # Errors
    /// It cannot be revoked; or the store is away, and it is written when the store is back.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), RevocationError> {
        match self.0.revoke(revocation, SystemClock::new().now())? {
            Some(receipt) => {
                receipt.ticket.clone().await;
                receipt.outcome()
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("entries", &self.known.len.load(Ordering::Relaxed))
            .field("store", &self.settings.store)
            .finish()
    }
}

/// The list that requests read and a follower writes.
///
/// A process may fork while another thread writes; the child inherits a lock that nobody will open. It notices, and
/// begins with a list of its own that it loads anew.
pub(crate) struct List {
    current: ArcSwap<Guarded>,
    /// So that nobody opens a lock to find nothing.
    len: AtomicUsize,
    most: usize,
    /// When the store was heard of last, in milliseconds of the follower's; 0: the list was never loaded.
    heard_at: AtomicU64,
}

struct Guarded {
    process: u32,
    list: RwLock<Denylist>,
}

impl Guarded {
    fn new(list: Denylist) -> Self {
        Self {
            process: std::process::id(),
            list: RwLock::new(list),
        }
    }

    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }
}

impl List {
    fn new(most: usize) -> Self {
        Self {
            current: ArcSwap::from_pointee(Guarded::new(Denylist::new(most))),
            len: AtomicUsize::new(0),
            most,
            heard_at: AtomicU64::new(0),
        }
    }

    fn find(&self, issuer: &str, claims: &Claims) -> Option<RevokedClaim> {
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.read(|list| list.find(issuer, claims))
    }

    /// Takes them in; answers whether anything was new.
    fn insert(&self, revocations: &[Revocation], now: Timestamp) -> bool {
        let mut current = self.current.load();
        if !current.is_of_this_process() {
            // A reader that did not come along into the fork would keep us from writing for ever.
            let kept = current.list.try_read().map(|list| list.clone()).ok();
            self.begin_anew(kept);
            current = self.current.load();
        }
        let mut list = current.list.write().unwrap_or_else(PoisonError::into_inner);
        list.sweep(now);
        let mut news = false;
        for revocation in revocations {
            news |= list.insert(revocation, now);
        }
        self.len.store(list.len(), Ordering::Release);
        news
    }

    fn all(&self, now: Timestamp) -> Vec<Revocation> {
        self.read(|list| list.all(now))
    }

    fn read<T>(&self, look: impl FnOnce(&Denylist) -> T) -> T {
        let current = self.current.load();
        // Nothing in there can be left half done.
        let list = match current.list.try_read() {
            Ok(list) => list,
            Err(TryLockError::Poisoned(list)) => list.into_inner(),
            Err(TryLockError::WouldBlock) if current.is_of_this_process() => {
                current.list.read().unwrap_or_else(PoisonError::into_inner)
            }
            Err(TryLockError::WouldBlock) => {
                self.begin_anew(None);
                return self.read(look);
            }
        };
        look(&list)
    }

    fn begin_anew(&self, kept: Option<Denylist>) {
        self.heard_at.store(0, Ordering::Release);
        let list = kept.unwrap_or_else(|| Denylist::new(self.most));
        self.len.store(list.len(), Ordering::Release);
        self.current.store(Arc::new(Guarded::new(list)));
    }
}

/// What there is to say about revocation, for people and monitors.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RevocationStatus {
    /// How many are known.
    pub entries: usize,
    /// How many there may be.
    pub max_entries: usize,
    /// How many had to go before their time, because there were too many: `revocation_max_entries` is too small.
    pub dropped: u64,
    /// How long one is kept, in seconds.
    pub retention_seconds: f64,
    /// The longest life of a token that was accepted so far, in seconds. One that lives longer than `retention_seconds`
    /// may come back.
    pub longest_token_seconds: u64,
    /// What becomes of tokens while the store is away: `accept` or `refuse`.
    pub on_outage: &'static str,
    /// The store that is shared with other processes, if there is one.
    pub store: Option<StoreStatus>,
}

impl RevocationStatus {
    /// Whether every revocation reaches every token it should, as far as this process can tell.
    pub fn is_healthy(&self) -> bool {
        self.problems().is_empty()
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.dropped > 0 {
            problems.push(format!(
                "{} revocations were dropped before their time: raise `revocation_max_entries` ({})",
                self.dropped, self.max_entries
            ));
        }
        // Only where something is revoked at all does it matter how long that is kept.
        let in_use = self.entries > 0 || self.store.is_some();
        if in_use && self.longest_token_seconds as f64 > self.retention_seconds {
            problems.push(format!(
                "tokens live for {} s and revocations for {} s: raise `revocation_retention`",
                self.longest_token_seconds, self.retention_seconds
            ));
        }
        if let Some(store) = &self.store {
            let meanwhile = match self.on_outage {
                "refuse" => "refused",
                _ => "accepted, even if others have revoked them",
            };
            let error = store.last_error.as_deref().unwrap_or_default();
            match store.state {
                "away" => problems.push(format!(
                    "the store of revocations is away, and tokens are {meanwhile}: {error}"
                )),
                "loading" => problems.push(format!(
                    "the store of revocations is being read, and tokens are {meanwhile}"
                )),
                _ => {}
            }
        }
        problems
    }
}
