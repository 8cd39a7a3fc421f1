//! A token bucket: so many at once, and so many each second.

use std::time::Duration;

pub(crate) struct Budget {
    at_once: f64,
    each_second: f64,
    left: f64,
    at: Duration,
}

impl Budget {
    pub(crate) fn new(at_once: f64, each_second: f64) -> Self {
        Self {
            at_once,
            each_second,
            left: at_once,
            at: Duration::ZERO,
        }
    }

    /// Puts one back.
    pub(crate) fn give_back(&mut self) {
        self.left = (self.left + 1.0).min(self.at_once);
    }

    /// How much there is at this moment of the clock's `elapsed`.
    pub(crate) fn left(&self, elapsed: Duration) -> f64 {
        let since = elapsed.saturating_sub(self.at).as_secs_f64();
        (self.left + since * self.each_second).min(self.at_once)
    }

    /// Takes one, if there is one at this moment of the clock's `elapsed`.
    pub(crate) fn spend(&mut self, elapsed: Duration) -> Option<()> {
        let left = self.left(elapsed);
        if left < 1.0 {
            return None;
        }
        (self.left, self.at) = (left - 1.0, elapsed.max(self.at));
        Some(())
    }
}
