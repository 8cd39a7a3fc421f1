//! Deadlines for a store's operations, and how the store fares.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{StoreError, observe};

/// How a store fares.
pub(super) struct Health {
    backend: &'static str,
    is_away: AtomicBool,
    failures: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Health {
    pub(super) fn new(backend: &'static str) -> Self {
        Self {
            backend,
            is_away: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            last_error: Mutex::default(),
        }
    }

    /// Waits for an operation, as long as anybody should wait.
    pub(super) async fn watch<T>(
        &self,
        operation: impl Future<Output = Result<T, String>>,
    ) -> Result<T, StoreError> {
        let why = match tokio::time::timeout(DEADLINE, operation).await {
            Ok(Ok(done)) => {
                self.answered();
                return Ok(done);
            }
            Ok(Err(why)) => why,
            Err(_) => format!("it did not answer within {} s", DEADLINE.as_secs()),
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        // One line for an outage, not one for each request in it.
        if !self.is_away.swap(true, Ordering::Relaxed) {
            observe::away(self.backend, &why);
        }
        *self.lock() = Some(why);
        Err(StoreError)
    }

    pub(super) fn backend(&self) -> &'static str {
        self.backend
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.lock().clone()
    }

    fn answered(&self) {
        if self.is_away.load(Ordering::Relaxed) && self.is_away.swap(false, Ordering::Relaxed) {
            observe::back(self.backend);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest that an operation may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
