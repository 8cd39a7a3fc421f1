//! How fast to send: as fast as it goes, until a 429 teaches otherwise.
//!
//! Clerk counts requests over ten seconds for each instance (1000 in production, 100 in development). After a 429 nothing
//! is sent until the time it names, and from then on a little less in ten seconds than got through in those before it.
//! With every ten seconds that pass without another, the limit rises by a tenth, until it is forgotten.

use std::time::Duration;

/// What was sent lately, and what was learned. Times are a monotonic clock's, told by the caller.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// How many requests were sent in each of the last seconds: the second, and the count.
    sent: [(u64, u32); WINDOW],
    learned: Option<Learned>,
    silent_until: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Learned {
    /// The most requests in a window.
    limit: f64,
    /// What it was when it was learned.
    first: f64,
    /// When it was learned or last raised.
    at: Duration,
}

impl Pace {
    /// Counts a request as sent now, or says how long to wait before asking again.
    pub(crate) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        if let Some(wait) = self
            .silent_until
            .checked_sub(now)
            .filter(|wait| !wait.is_zero())
        {
            return Err(wait);
        }
        if let Some(learned) = &mut self.learned {
            while now >= learned.at + SPAN {
                learned.limit *= RISE;
                learned.at += SPAN;
                if learned.limit >= learned.first * FORGOTTEN {
                    self.learned = None;
                    break;
                }
            }
        }
        if let Some(learned) = self.learned
            && f64::from(self.count(now)) >= learned.limit
        {
            return Err(self.room_in(now));
        }
        let second = now.as_secs();
        let slot = &mut self.sent[(second % WINDOW as u64) as usize];
        match slot {
            (known, count) if *known == second => *count = count.saturating_add(1),
            _ => *slot = (second, 1),
        }
        Ok(())
    }

    /// Learns from a 429 to a request that was sent at `sent_at`.
    pub(crate) fn refused(&mut self, sent_at: Duration, now: Duration, asked: Option<Duration>) {
        let silence = asked.unwrap_or(SILENCE).min(LONGEST_SILENCE);
        // What was sent before the last lesson is part of it.
        let news = self.learned.is_none_or(|learned| sent_at >= learned.at)
            && sent_at >= self.silent_until;
        self.silent_until = self.silent_until.max(now + silence);
        if let Some(learned) = self.learned.as_mut().filter(|_| !news) {
            // One more of the same burst that did not get through.
            if sent_at + SPAN > learned.at {
                learned.limit = (learned.limit - LESS).max(LEAST);
                learned.first = learned.limit;
            }
        } else if news {
            let limit = (f64::from(self.count(now)) * LESS).max(LEAST).floor();
            self.learned = Some(Learned {
                limit,
                first: limit,
                at: now,
            });
        }
    }

    fn count(&self, now: Duration) -> u32 {
        let oldest = (now.as_secs() + 1).saturating_sub(WINDOW as u64);
        let recent = self.sent.iter().filter(|(second, _)| *second >= oldest);
        recent.map(|(_, count)| count).sum()
    }

    /// How long until the oldest second leaves the window.
    fn room_in(&self, now: Duration) -> Duration {
        let oldest = (now.as_secs() + 1).saturating_sub(WINDOW as u64);
        let seconds = self.sent.iter().filter(|(_, count)| *count > 0);
        let first = seconds
            .map(|(second, _)| *second)
            .filter(|second| *second >= oldest)
            .min();
        let leaves = first.map_or(now, |second| Duration::from_secs(second + WINDOW as u64));
        leaves.saturating_sub(now).max(Duration::from_millis(1))
    }
}

const WINDOW: usize = 10;
const SPAN: Duration = Duration::from_secs(WINDOW as u64);
/// How much less is sent than was sent when the 429 came.
const LESS: f64 = 0.9;
/// The lowest limit: when we sent less than this, others used the instance up, and silence is enough.
const LEAST: f64 = 10.0;
const RISE: f64 = 1.1;
/// By how much a limit must have risen to be forgotten.
const FORGOTTEN: f64 = 2.0;
/// The silence after a 429 that names none.
const SILENCE: Duration = Duration::from_secs(1);
/// The longest silence that one answer can impose.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(1_000_000 + millis)
    }

    #[test]
    fn nothing_is_held_back_until_a_429() {
        let mut pace = Pace::default();
        for _ in 0..100_000 {
            assert_eq!(pace.admit(at(0)), Ok(()));
        }
    }

    #[test]
    fn a_429_silences_and_teaches() {
        let mut pace = Pace::default();
        for request in 0..100 {
            pace.admit(at(request * 10)).unwrap();
        }
        pace.refused(at(990), at(1000), Some(Duration::from_secs(3)));
        assert_eq!(pace.admit(at(1000)), Err(Duration::from_secs(3)));
        assert_eq!(pace.admit(at(3999)), Err(Duration::from_millis(1)));
        // The hundred are still within the window, so there is no room before the first of them leave it.
        let wait = pace.admit(at(4000)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(6));
        let sent = (0..200).filter(|_| pace.admit(at(10_500)).is_ok()).count();
        assert_eq!(sent, 90);
    }

    #[test]
    fn a_burst_of_429s_is_one_lesson() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.admit(at(0)).unwrap();
        }
        for _ in 0..50 {
            pace.refused(at(0), at(100), None);
        }
        let later = 10_000 + 1500;
        let sent = (0..200).filter(|_| pace.admit(at(later)).is_ok()).count();
        // Half of them got through, and ten seconds have passed since.
        assert!((40..=52).contains(&sent), "{sent}");
    }

    #[test]
    fn the_limit_of_a_server_is_found_after_one_burst() {
        const LIMIT: u32 = 100;
        let mut pace = Pace::default();
        let mut refused = 0;
        for burst in 0..3 {
            // A window has passed, and everybody who waits comes at once.
            let now = at(burst * 11_000);
            let sent = (0..1000).filter(|_| pace.admit(now).is_ok()).count() as u32;
            assert!(sent >= LIMIT * 8 / 10, "{burst}: {sent}");
            for _ in LIMIT..sent {
                pace.refused(now, now + Duration::from_millis(5), None);
                refused += 1;
            }
        }
        assert!(refused < 920, "hardly any but the first: {refused}");
    }

    #[test]
    fn a_lesson_is_forgotten() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            pace.admit(at(0)).unwrap();
        }
        pace.refused(at(0), at(0), None);
        assert!(pace.learned.is_some());
        pace.admit(at(100_000)).unwrap();
        assert!(pace.learned.is_none());
    }

    #[test]
    fn no_answer_silences_for_ever() {
        let mut pace = Pace::default();
        pace.refused(at(0), at(0), Some(Duration::MAX));
        assert_eq!(pace.admit(at(0)), Err(LONGEST_SILENCE));
        assert_eq!(pace.admit(at(60_000)), Ok(()));
    }
}
