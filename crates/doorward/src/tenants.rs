//! The key sets of tenants, those that were asked for lately. A stranger may name any tenant the template admits, so
//! their number is bounded, and so is how often an unknown name leads to a fetch. Names that never had keys stand apart:
//! no flood of them makes room by forgetting a tenant that has.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::budget::Budget;
use crate::memory::KeySlot;

/// One issuer's tenants.
pub(crate) struct Tenants {
    /// How many with keys are remembered; `None` where the tenants are named, and so bounded already.
    most: Option<NonZeroUsize>,
    state: Mutex<State>,
    make: Box<dyn Fn(&str) -> KeySlot + Send + Sync>,
}

struct State {
    /// Those whose keys arrived.
    known: LruCache<String, Arc<KeySlot>>,
    /// Those whose keys did not, yet.
    new: LruCache<String, Arc<KeySlot>>,
    budget: Budget,
}

const MOST_NEW: NonZeroUsize = NonZeroUsize::new(256).unwrap();
const NEW_TENANTS_AT_ONCE: f64 = 50.0;
const NEW_TENANTS_EACH_SECOND: f64 = 10.0;

impl Tenants {
    pub(crate) fn new(
        most: Option<NonZeroUsize>,
        make: impl Fn(&str) -> KeySlot + Send + Sync + 'static,
    ) -> Self {
        Self {
            most,
            state: Mutex::new(State {
                known: LruCache::unbounded(),
                new: LruCache::unbounded(),
                budget: Budget::new(NEW_TENANTS_AT_ONCE, NEW_TENANTS_EACH_SECOND),
            }),
            make: Box::new(make),
        }
    }

    /// The slot of a tenant, if somebody asked for it lately.
    pub(crate) fn slot(&self, tenant: &str) -> Option<Arc<KeySlot>> {
        let mut state = self.state();
        if let Some(slot) = state.known.get(tenant) {
            return Some(Arc::clone(slot));
        }
        let slot = Arc::clone(state.new.get(tenant)?);
        if slot.has_keys() {
            // It was no invention, so it gives back what it took.
            state.new.pop(tenant);
            state.budget.give_back();
            state.known.put(tenant.to_owned(), Arc::clone(&slot));
            if self.most.is_some_and(|most| state.known.len() > most.get()) {
                state.known.pop_lru();
            }
        }
        Some(slot)
    }

    /// The slot of a tenant, made if there is none and the budget allows.
    pub(crate) fn open(&self, tenant: &str, elapsed: Duration) -> Option<Arc<KeySlot>> {
        if let Some(slot) = self.slot(tenant) {
            return Some(slot);
        }
        let mut state = self.state();
        // Another request may have been here between the two looks.
        if let Some(slot) = state.new.get(tenant) {
            return Some(Arc::clone(slot));
        }
        if self.most.is_some() {
            state.budget.spend(elapsed)?;
        }
        let slot = Arc::new((self.make)(tenant));
        state.new.put(tenant.to_owned(), Arc::clone(&slot));
        if self.most.is_some() && state.new.len() > MOST_NEW.get() {
            state.new.pop_lru();
        }
        Some(slot)
    }

    /// Those that were asked for lately, the latest first.
    pub(crate) fn all(&self) -> Vec<(String, Arc<KeySlot>)> {
        let state = self.state();
        let all = state.known.iter().chain(state.new.iter());
        all.map(|(name, slot)| (name.clone(), Arc::clone(slot)))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in there can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.state().known.len();
        f.debug_struct("Tenants")
            .field("known", &known)
            .finish_non_exhaustive()
    }
}
