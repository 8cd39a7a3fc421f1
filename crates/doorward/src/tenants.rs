//! The key sets of tenants, those that were asked for lately. A stranger may name any tenant the template admits, so
//! their number is bounded, and so is how often an unknown name leads to a fetch.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::budget::Budget;
use crate::memory::KeySlot;

/// One issuer's tenants.
pub(crate) struct Tenants {
    state: Mutex<State>,
    make: Box<dyn Fn(&str) -> KeySlot + Send + Sync>,
}

struct State {
    slots: LruCache<String, Arc<KeySlot>>,
    budget: Budget,
}

const NEW_TENANTS_AT_ONCE: f64 = 50.0;
const NEW_TENANTS_EACH_SECOND: f64 = 10.0;

impl Tenants {
    pub(crate) fn new(
        most: NonZeroUsize,
        make: impl Fn(&str) -> KeySlot + Send + Sync + 'static,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                slots: LruCache::new(most),
                budget: Budget::new(NEW_TENANTS_AT_ONCE, NEW_TENANTS_EACH_SECOND),
            }),
            make: Box::new(make),
        }
    }

    /// The slot of a tenant, if somebody asked for it lately.
    pub(crate) fn slot(&self, tenant: &str) -> Option<Arc<KeySlot>> {
        self.state().slots.get(tenant).cloned()
    }

    /// The slot of a tenant, made if there is none and the budget allows.
    pub(crate) fn open(&self, tenant: &str, elapsed: Duration) -> Option<Arc<KeySlot>> {
        let mut state = self.state();
        if let Some(slot) = state.slots.get(tenant) {
            return Some(Arc::clone(slot));
        }
        state.budget.spend(elapsed)?;
        let slot = Arc::new((self.make)(tenant));
        state.slots.put(tenant.to_owned(), Arc::clone(&slot));
        Some(slot)
    }

    /// Those that are known, the latest first.
    pub(crate) fn all(&self) -> Vec<(String, Arc<KeySlot>)> {
        let state = self.state();
        state
            .slots
            .iter()
            .map(|(name, slot)| (name.clone(), Arc::clone(slot)))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in there can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.state().slots.len();
        f.debug_struct("Tenants")
            .field("known", &known)
            .finish_non_exhaustive()
    }
}
