//! What the server remembers: a store with semantics, each operation atomic, everything with an end.

mod any;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod fork;
#[cfg_attr(
    not(any(feature = "postgres", feature = "redis", feature = "sqlite")),
    allow(dead_code, reason = "memory has no health to watch")
)]
mod health;
#[cfg(feature = "sqlite")]
mod key_file;
mod key_ring;
mod memory;
#[cfg_attr(
    not(all(feature = "sqlite", any(feature = "postgres", feature = "redis"))),
    allow(dead_code, reason = "not everything happens to every store")
)]
mod observe;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod room;
mod sealed;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::future::Future;

pub use any::{AnyStore, StoreStatus};
pub use key_ring::KeyRing;
pub use memory::{Capacity, MemoryStore};
pub use sealed::Sealed;

use super::secrets::Digest;

/// Where the server keeps what it has to remember between requests.
///
/// Every operation is atomic against every other, on every node. Keys are keyed digests: a store never sees a code, a
/// state or a token. Times are in seconds since 1970; what has expired is as good as absent, swept or not.
pub trait Store: Send + Sync {
    /// Keeps `value` until `expires_at`, unless the key is taken.
    fn put_if_absent(
        &self,
        key: Key,
        value: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// The value, which stays; with `extend_to`, at least until then. That of a revoked family is absent; that of a code
    /// is there as long as the code is remembered.
    fn read(
        &self,
        key: Key,
        extend_to: Option<i64>,
        now: i64,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// The value, which is gone then: of many that take, one gets it.
    fn take(
        &self,
        key: Key,
        now: i64,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// Puts `after` in the place of `before`, if that is what is there, and tells whether it was. The record lives at
    /// least until `expires_at`; a family's generation stays, and a revoked one is absent.
    fn replace(
        &self,
        key: Key,
        before: Vec<u8>,
        after: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Uses a code and opens its family, both or neither. The code is remembered as used until `remember_until`.
    fn redeem(
        &self,
        redemption: Redemption,
        now: i64,
    ) -> impl Future<Output = Result<Redeemed, StoreError>> + Send;

    /// Moves a family on from the generation that was presented; a generation that was replaced longer than `grace`
    /// seconds ago, or is older than the last, revokes the family.
    fn rotate(
        &self,
        family: Digest,
        presented: u32,
        grace: i64,
        extend_to: i64,
        now: i64,
    ) -> impl Future<Output = Result<Rotated, StoreError>> + Send;

    /// Ends a family. One that is not there needs no end.
    fn revoke_family(
        &self,
        family: Digest,
        now: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Counts one more in the window of so many seconds that `now` is in, and tells the count. A store that can count no
    /// more sources tells [`u32::MAX`].
    fn incr_window(
        &self,
        key: Digest,
        seconds: i64,
        now: i64,
    ) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Forgets what has expired; says how much that was.
    fn sweep(&self, now: i64) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A registered client.
    Client,
    /// A request that waits for consent.
    Transaction,
    /// A sign-in that went upstream.
    Login,
    /// An authorization code.
    Code,
    /// A family of refresh tokens.
    Family,
    /// The key that access tokens are signed with in one period.
    SigningKey,
    /// What one person approved.
    Approvals,
    /// A client assertion that was used.
    Assertion,
    /// A task that one node has taken on.
    Lease,
    /// A document that a client publishes about itself.
    Document,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Client,
        Self::Transaction,
        Self::Login,
        Self::Code,
        Self::Family,
        Self::SigningKey,
        Self::Approvals,
        Self::Assertion,
        Self::Lease,
        Self::Document,
    ];

    /// Its name in a store: short, and the same in every release.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Transaction => "transaction",
            Self::Login => "login",
            Self::Code => "code",
            Self::Family => "family",
            Self::SigningKey => "signing_key",
            Self::Approvals => "approvals",
            Self::Assertion => "assertion",
            Self::Lease => "lease",
            Self::Document => "document",
        }
    }
}

/// A record's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its name's keyed digest.
    pub digest: Digest,
}

/// A code to be used, and the family it opens.
#[derive(Clone)]
pub struct Redemption {
    /// The code.
    pub code: Digest,
    /// Until when a second use is recognised.
    pub remember_until: i64,
    /// The family.
    pub family: Digest,
    /// What is known of it.
    pub value: Vec<u8>,
    /// When it ends unless it is used.
    pub expires_at: i64,
}

/// What came of putting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is kept.
    Stored,
    /// The key was taken.
    Present,
    /// There is no room.
    Full,
}

/// What came of using a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// It was the first use.
    First,
    /// It had been used.
    Again,
    /// There is no such code.
    Absent,
    /// There is no room for its family; the code was not used.
    Full,
}

/// What came of moving a family on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// To this generation.
    Next(u32),
    /// It had been moved on to this generation just now, and the answer was lost.
    Again(u32),
    /// An old generation came back: the family is revoked.
    Reused,
    /// There is no such family, or it is revoked, or it never had such a generation.
    Absent,
}

/// The store is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreError;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store does not answer")
    }
}

impl std::error::Error for StoreError {}

/// One operation, as an [`Exchange`](super::Exchange) asks for it.
#[derive(Clone)]
#[expect(missing_docs, reason = "the methods of `Store` document each")]
pub enum Operation {
    PutIfAbsent {
        key: Key,
        value: Vec<u8>,
        expires_at: i64,
    },
    Read {
        key: Key,
        extend_to: Option<i64>,
    },
    Take {
        key: Key,
    },
    Replace {
        key: Key,
        before: Vec<u8>,
        after: Vec<u8>,
        expires_at: i64,
    },
    Redeem(Redemption),
    Rotate {
        family: Digest,
        presented: u32,
        grace: i64,
        extend_to: i64,
    },
    RevokeFamily {
        family: Digest,
    },
    IncrWindow {
        key: Digest,
        seconds: i64,
    },
}

/// What came of an [`Operation`].
#[derive(Clone)]
#[expect(missing_docs, reason = "the methods of `Store` document each")]
pub enum Outcome {
    Put(Put),
    Value(Option<Vec<u8>>),
    Replaced(bool),
    Redeemed(Redeemed),
    Rotated(Rotated),
    Revoked,
    Count(u32),
}

impl Operation {
    /// Performs it.
    pub async fn perform(self, store: &impl Store, now: i64) -> Result<Outcome, StoreError> {
        Ok(match self {
            Self::PutIfAbsent {
                key,
                value,
                expires_at,
            } => Outcome::Put(store.put_if_absent(key, value, expires_at, now).await?),
            Self::Read { key, extend_to } => Outcome::Value(store.read(key, extend_to, now).await?),
            Self::Take { key } => Outcome::Value(store.take(key, now).await?),
            Self::Replace {
                key,
                before,
                after,
                expires_at,
            } => Outcome::Replaced(store.replace(key, before, after, expires_at, now).await?),
            Self::Redeem(redemption) => Outcome::Redeemed(store.redeem(redemption, now).await?),
            Self::Rotate {
                family,
                presented,
                grace,
                extend_to,
            } => Outcome::Rotated(
                store
                    .rotate(family, presented, grace, extend_to, now)
                    .await?,
            ),
            Self::RevokeFamily { family } => {
                store.revoke_family(family, now).await?;
                Outcome::Revoked
            }
            Self::IncrWindow { key, seconds } => {
                Outcome::Count(store.incr_window(key, seconds, now).await?)
            }
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::PutIfAbsent { .. } => "PutIfAbsent",
            Self::Read { .. } => "Read",
            Self::Take { .. } => "Take",
            Self::Replace { .. } => "Replace",
            Self::Redeem(_) => "Redeem",
            Self::Rotate { .. } => "Rotate",
            Self::RevokeFamily { .. } => "RevokeFamily",
            Self::IncrWindow { .. } => "IncrWindow",
        }
    }
}

// Values hold a client's state, a PKCE verifier, a nonce: none of it is printed.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(put) => put.fmt(f),
            Self::Value(value) => write!(f, "Value({} bytes)", value.as_ref().map_or(0, Vec::len)),
            Self::Replaced(replaced) => write!(f, "Replaced({replaced})"),
            Self::Redeemed(redeemed) => redeemed.fmt(f),
            Self::Rotated(rotated) => rotated.fmt(f),
            Self::Revoked => f.write_str("Revoked"),
            Self::Count(count) => write!(f, "Count({count})"),
        }
    }
}

impl fmt::Debug for Redemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redemption")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_tag_of_its_own_that_a_key_can_hold() {
        let tags: std::collections::BTreeSet<_> = Kind::ALL.map(Kind::tag).into_iter().collect();
        assert_eq!(tags.len(), Kind::ALL.len());
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(tags.iter().all(|tag| tag.bytes().all(fits)));
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(place, kind as usize);
        }
    }
}
