//! How many requests are passed on at once, of all and of each caller: streams have no end of their own, and nobody is to keep
//! the others out by opening many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use doorward::Identity;

/// Who is being answered.
pub(super) struct Turns {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_caller: HashMap<String, usize>,
}

/// A place among those who are being answered, until it is dropped.
pub(super) struct Turn {
    turns: Arc<Turns>,
    caller: String,
}

impl Turns {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// A place for this caller; `None` if all are taken, or too many by them.
    pub(super) fn take(self: &Arc<Self>, caller: &Identity) -> Option<Turn> {
        // No issuer has a line break in its name.
        self.take_for(format!("{}\n{}", caller.issuer(), caller.subject()))
    }

    fn take_for(self: &Arc<Self>, caller: String) -> Option<Turn> {
        let each = (self.most / SHARE).max(LEAST);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.by_caller.get(&caller).copied().unwrap_or_default();
        if taken.all >= self.most || own >= each {
            return None;
        }
        taken.all += 1;
        taken.by_caller.insert(caller.clone(), own + 1);
        Some(Turn {
            turns: Arc::clone(self),
            caller,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let taken = self.turns.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_caller.get_mut(&self.caller) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_caller.remove(&self.caller);
            }
        }
    }
}

/// One caller takes at most this part of all places, and at least so many.
const SHARE: usize = 16;
const LEAST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_leaves_room_for_others() {
        let turns = Turns::new(32);
        let take = |caller: &str| turns.take_for(caller.to_owned());
        let mut held: Vec<Turn> = std::iter::from_fn(|| take("ada")).collect();
        assert_eq!(held.len(), LEAST);
        held.push(take("eve").expect("a place"));
        drop(held.remove(0));
        held.push(take("ada").expect("a place"));
        assert!(take("ada").is_none());
        held.clear();
        assert!(turns.taken.lock().expect("a lock").by_caller.is_empty());
        let all: Vec<Turn> = (0..33)
            .filter_map(|number| take(&number.to_string()))
            .collect();
        assert_eq!(all.len(), 32);
    }
}
