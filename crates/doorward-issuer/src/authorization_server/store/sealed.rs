//! A store that seals what it is given before another store keeps it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::secrets::Digest;
use super::key_ring::KeyRing;
use super::{Key, Kind, Put, Redeemed, Redemption, Rotated, Store, StoreError, observe};

/// A [`Store`] whose records are sealed with a [`KeyRing`]; what keeps them sees kinds, keyed digests, times and
/// generations, and no contents.
///
/// A record that no key of the ring opens is absent: to whoever reads it or takes it, not to whoever puts another in its
/// place, so that a node with the wrong ring destroys nobody's records. One that an old key opens is sealed anew when it
/// is read, so that an old key can be dropped once everything that nobody uses has expired.
pub struct Sealed<S> {
    inner: S,
    ring: KeyRing,
    unopened: AtomicU64,
}

impl<S: Store> Sealed<S> {
    /// Seals what `inner` keeps.
    pub fn new(inner: S, ring: KeyRing) -> Self {
        Self {
            inner,
            ring,
            unopened: AtomicU64::new(0),
        }
    }

    /// The store that keeps what is sealed.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// How many records were found so far that no key of the ring opens.
    pub fn unopened(&self) -> u64 {
        self.unopened.load(Ordering::Relaxed)
    }

    fn seal(&self, key: Key, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.ring.seal(key, value).ok_or(StoreError)
    }

    /// The value, and whether it is to be sealed anew.
    fn open(&self, key: Key, sealed: &[u8]) -> Option<(Vec<u8>, bool)> {
        let Some(opened) = self.ring.open(key, sealed) else {
            self.unopened.fetch_add(1, Ordering::Relaxed);
            observe::unopened(key.kind);
            return None;
        };
        Some((opened.value, !opened.by_current))
    }
}

impl<S: Store> Store for Sealed<S> {
    async fn put_if_absent(
        &self,
        key: Key,
        value: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<Put, StoreError> {
        let sealed = self.seal(key, &value)?;
        self.inner.put_if_absent(key, sealed, expires_at, now).await
    }

    async fn read(
        &self,
        key: Key,
        extend_to: Option<i64>,
        now: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(sealed) = self.inner.read(key, extend_to, now).await? else {
            return Ok(None);
        };
        let Some((value, is_old)) = self.open(key, &sealed) else {
            return Ok(None);
        };
        if is_old {
            let fresh = self.seal(key, &value)?;
            // Somebody may have been faster, or the store away by now: then it is sealed anew the next time.
            let _ = self.inner.replace(key, sealed, fresh, now, now).await;
        }
        Ok(Some(value))
    }

    async fn take(&self, key: Key, now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        // A node whose ring is behind takes nothing from those that can open it.
        let there = self.inner.read(key, None, now).await?;
        if there.is_none_or(|sealed| self.open(key, &sealed).is_none()) {
            return Ok(None);
        }
        let sealed = self.inner.take(key, now).await?;
        Ok(sealed.and_then(|sealed| Some(self.open(key, &sealed)?.0)))
    }

    async fn replace(
        &self,
        key: Key,
        before: Vec<u8>,
        after: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        let after = self.seal(key, &after)?;
        // What stands there may be sealed anew meanwhile, and be the same.
        for _ in 0..REPLACE_TRIES {
            let Some(sealed) = self.inner.read(key, None, now).await? else {
                return Ok(false);
            };
            if self
                .open(key, &sealed)
                .is_none_or(|(value, _)| value != before)
            {
                return Ok(false);
            }
            let after = after.clone();
            if self
                .inner
                .replace(key, sealed, after, expires_at, now)
                .await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn redeem(&self, redemption: Redemption, now: i64) -> Result<Redeemed, StoreError> {
        let family = Key {
            kind: Kind::Family,
            digest: redemption.family,
        };
        let value = self.seal(family, &redemption.value)?;
        let sealed = Redemption {
            value,
            ..redemption
        };
        self.inner.redeem(sealed, now).await
    }

    async fn rotate(
        &self,
        family: Digest,
        presented: u32,
        grace: i64,
        extend_to: i64,
        now: i64,
    ) -> Result<Rotated, StoreError> {
        self.inner
            .rotate(family, presented, grace, extend_to, now)
            .await
    }

    async fn revoke_family(&self, family: Digest, now: i64) -> Result<(), StoreError> {
        self.inner.revoke_family(family, now).await
    }

    async fn incr_window(&self, key: Digest, seconds: i64, now: i64) -> Result<u32, StoreError> {
        self.inner.incr_window(key, seconds, now).await
    }

    async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        self.inner.sweep(now).await
    }
}

impl<S: fmt::Debug> fmt::Debug for Sealed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("inner", &self.inner)
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}

const REPLACE_TRIES: u32 = 3;
