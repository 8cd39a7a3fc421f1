//! The one tokio runtime of a process, and promises that Python waits for.
//!
//! It is started when somebody first needs it, so a fork loses nothing; a forked child starts its own. Its thread never
//! calls Python.

use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::Handle;

static RUNTIME: Mutex<Option<(u32, Handle)>> = Mutex::new(None);

/// The runtime of this process.
pub(crate) fn handle() -> PyResult<Handle> {
    let process = std::process::id();
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    match &*runtime {
        Some((own, handle)) if *own == process => return Ok(handle.clone()),
        _ => {}
    }
    let failed = |error: std::io::Error| PyRuntimeError::new_err(error.to_string());
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let handle = built.handle().clone();
    std::thread::Builder::new()
        .name("doorward-issuer".to_owned())
        .spawn(move || built.block_on(std::future::pending::<()>()))
        .map_err(failed)?;
    *runtime = Some((process, handle.clone()));
    Ok(handle)
}

/// What a task of the runtime will have brought about.
pub(crate) struct Promise<T>(Arc<Kept<T>>);

impl<T> Clone for Promise<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Kept<T> {
    value: Mutex<Option<T>>,
    arrived: Condvar,
}

impl<T: Clone + Send + 'static> Promise<T> {
    /// Runs `work` on the runtime.
    pub(crate) fn of(work: impl Future<Output = T> + Send + 'static) -> PyResult<Self> {
        let promise = Self::open();
        let kept = promise.clone();
        handle()?.spawn(async move { kept.keep(work.await) });
        Ok(promise)
    }

    /// One that somebody else will [`keep`](Self::keep).
    pub(crate) fn open() -> Self {
        Self(Arc::new(Kept {
            value: Mutex::new(None),
            arrived: Condvar::new(),
        }))
    }

    /// Keeps it. The first value stays.
    pub(crate) fn keep(&self, value: T) {
        self.0.lock().get_or_insert(value);
        self.0.arrived.notify_all();
    }

    /// Tells it from others, as long as it is held.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>() as usize
    }

    pub(crate) fn value(&self) -> Option<T> {
        self.0.lock().clone()
    }

    /// Waits without the GIL, and lets Ctrl-C through.
    pub(crate) fn wait(&self, py: Python<'_>) -> PyResult<()> {
        const SLICE: Duration = Duration::from_millis(100);
        let mut left = LONGEST_WAIT;
        while !left.is_zero() {
            let kept = &self.0;
            let there = py.detach(|| {
                let value = kept.lock();
                let waited = kept
                    .arrived
                    .wait_timeout_while(value, SLICE, |v| v.is_none());
                waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
            });
            if there {
                return Ok(());
            }
            py.check_signals()?;
            left = left.saturating_sub(SLICE);
        }
        Ok(())
    }
}

impl<T> Kept<T> {
    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every call has its own deadline; this is the belt to those braces.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
