//! How much of each kind a SQL store holds, as far as this process knows: a count of the rows every few seconds, and what
//! was added and removed here since.
//!
//! So the bound is exact for one process, and several exceed it by no more than what each adds in those seconds. A count
//! that were kept in a row would be exact too, and every writer would wait for every other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Capacity, Kind};

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Records(Kind),
    Windows,
}

pub(super) struct Room {
    capacity: Capacity,
    tables: [Mutex<Estimate>; TABLES],
}

/// What is known of one kind.
struct Estimate {
    count: usize,
    counted_at: Option<i64>,
    swept_at: Option<i64>,
}

impl Room {
    pub(super) fn new(capacity: Capacity) -> Self {
        let unknown = || Estimate {
            count: 0,
            counted_at: None,
            swept_at: None,
        };
        Self {
            capacity,
            tables: std::array::from_fn(|_| Mutex::new(unknown())),
        }
    }

    /// How much there may be.
    pub(super) fn most(&self, table: Table) -> usize {
        match table {
            Table::Records(kind) => self.capacity.of(kind),
            Table::Windows => self.capacity.windows,
        }
    }

    /// Reserves a place. `None`: the rows are to be counted first, and [`Room::counted`] tells.
    pub(super) fn reserve(&self, table: Table, now: i64) -> Option<bool> {
        let most = self.most(table);
        let mut estimate = self.estimate(table);
        let rest = if estimate.count >= most {
            RECOUNT_WHEN_FULL
        } else {
            RECOUNT
        };
        if is_due(estimate.counted_at, rest, now) {
            return None;
        }
        Some(estimate.reserve(most))
    }

    /// Takes a count in, and reserves a place.
    pub(super) fn counted(&self, table: Table, count: usize, now: i64) -> bool {
        let most = self.most(table);
        let mut estimate = self.estimate(table);
        estimate.count = count;
        estimate.counted_at = Some(now);
        estimate.reserve(most)
    }

    /// A place that was reserved was not needed, or something went.
    pub(super) fn release(&self, table: Table) {
        let mut estimate = self.estimate(table);
        estimate.count = estimate.count.saturating_sub(1);
    }

    /// Whether it is time to sweep. Whoever asks does it.
    pub(super) fn is_to_be_swept(&self, table: Table, now: i64) -> bool {
        let mut estimate = self.estimate(table);
        let due = is_due(estimate.swept_at, SWEEP, now);
        if due {
            estimate.swept_at = Some(now);
        }
        due
    }

    /// There was more than one sweep takes.
    pub(super) fn sweep_soon(&self, table: Table) {
        self.estimate(table).swept_at = None;
    }

    fn estimate(&self, table: Table) -> MutexGuard<'_, Estimate> {
        let place = match table {
            Table::Records(kind) => kind as usize,
            Table::Windows => TABLES - 1,
        };
        self.tables[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Estimate {
    fn reserve(&mut self, most: usize) -> bool {
        let fits = self.count < most;
        self.count += usize::from(fits);
        fits
    }
}

/// A clock that went back makes it due as well.
fn is_due(last: Option<i64>, rest: i64, now: i64) -> bool {
    last.is_none_or(|last| !(last..last.saturating_add(rest)).contains(&now))
}

const TABLES: usize = Kind::ALL.len() + 1;
/// Seconds between counts, when there is room and when there is none.
const RECOUNT: i64 = 5;
const RECOUNT_WHEN_FULL: i64 = 1;
/// Seconds between sweeps.
const SWEEP: i64 = 60;
