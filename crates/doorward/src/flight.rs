//! One fetch in the air, and those who wait for it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A ticket for a fetch: wait for it in a thread or in a task. It belongs to no async runtime, and
/// dropping one stops neither the fetch nor the others who wait.
#[derive(Clone)]
pub struct Ticket(Arc<Flight>);

struct Flight {
    /// The process that flies it. A forked child inherits the ticket, but not the thread that would land it.
    process: u32,
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Default)]
struct State {
    landed: bool,
    wakers: Vec<Waker>,
}

impl Ticket {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Flight {
            process: std::process::id(),
            state: Mutex::new(State::default()),
            landed: Condvar::new(),
        }))
    }

    /// Whether it is still in the air, seen from this process.
    pub(crate) fn flies(&self) -> bool {
        self.0.process == std::process::id() && !self.lock().landed
    }

    /// Whether waiting is over, seen from this process.
    pub fn has_landed(&self) -> bool {
        !self.flies()
    }

    /// Tells tickets of different fetches apart, as long as one of them is held.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn land(&self) {
        let wakers = {
            let mut state = self.lock();
            state.landed = true;
            std::mem::take(&mut state.wakers)
        };
        self.0.landed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Blocks until the fetch has ended, well or badly, or `longest` has passed.
    pub fn wait(&self, longest: Duration) {
        if self.0.process == std::process::id() {
            let state = self.lock();
            drop(
                self.0
                    .landed
                    .wait_timeout_while(state, longest, |state| !state.landed),
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Ticket {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.process != std::process::id() {
            return Poll::Ready(());
        }
        let mut state = self.lock();
        if state.landed {
            return Poll::Ready(());
        }
        if !state
            .wakers
            .iter()
            .any(|waker| waker.will_wake(context.waker()))
        {
            state.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket(flies: {})", self.flies())
    }
}
