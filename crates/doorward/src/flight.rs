//! One fetch in the air, and those who wait for it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A ticket for a fetch: wait for it in a thread or in a task. It belongs to no async runtime, and
/// dropping one stops neither the fetch nor the others who wait.
pub struct Ticket {
    flight: Arc<Flight>,
    /// Where among those who wait this ticket's task stands.
    place: Option<usize>,
}

impl Clone for Ticket {
    fn clone(&self) -> Self {
        Self {
            flight: Arc::clone(&self.flight),
            place: None,
        }
    }
}

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
        Self {
            flight: Arc::new(Flight {
                process: std::process::id(),
                state: Mutex::new(State::default()),
                landed: Condvar::new(),
            }),
            place: None,
        }
    }

    /// Whether it is still in the air, seen from this process.
    pub(crate) fn flies(&self) -> bool {
        self.flight.process == std::process::id() && !self.lock().landed
    }

    /// Whether waiting is over, seen from this process.
    pub fn has_landed(&self) -> bool {
        !self.flies()
    }

    /// Tells tickets of different fetches apart, as long as one of them is held.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.flight) as usize
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.flight, &other.flight)
    }

    pub(crate) fn land(&self) {
        let wakers = {
            let mut state = self.lock();
            state.landed = true;
            std::mem::take(&mut state.wakers)
        };
        self.flight.landed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Blocks until the fetch has ended, well or badly, or `longest` has passed.
    pub fn wait(&self, longest: Duration) {
        if self.flight.process == std::process::id() {
            let state = self.lock();
            drop(
                self.flight
                    .landed
                    .wait_timeout_while(state, longest, |state| !state.landed),
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.flight
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Ticket {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.flight.process != std::process::id() {
            return Poll::Ready(());
        }
        let flight = Arc::clone(&self.flight);
        let mut state = flight.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.landed {
            return Poll::Ready(());
        }
        // Each ticket keeps one place, so ten thousand tasks that wait cost ten thousand look-ups, not their square.
        let waker = context.waker();
        match self.place.and_then(|place| state.wakers.get_mut(place)) {
            Some(own) => own.clone_from(waker),
            None => {
                self.place = Some(state.wakers.len());
                state.wakers.push(waker.clone());
            }
        }
        Poll::Pending
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket(flies: {})", self.flies())
    }
}
