//! Whether and when to try again: a pure function of what happened (RFC 9110 §9.2.2, §10.2.3).

use std::time::Duration;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There was no connection, so nothing was sent.
    NothingSent,
    /// The connection broke, or the attempt's time was up, after something may have been sent.
    Broken,
    /// An answer with this status, and its Retry-After.
    Answered(u16, Option<Duration>),
}

/// How often, how soon, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The most attempts, the first one included. Default 4; 1 is no retry.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles from then on. Default 250 ms.
    pub pause: Duration,
    /// The longest pause, unless the API asks for a longer one. Default 8 seconds.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(8),
        }
    }
}

impl RetryPolicy {
    /// How long to wait before the next attempt, if there should be one.
    ///
    /// `attempt` is the number of attempts so far, `remaining` the time to the deadline, `dice` a number from 0 to 1.
    pub(crate) fn next(
        &self,
        outcome: Outcome,
        idempotent: bool,
        attempt: u32,
        remaining: Duration,
        dice: f64,
    ) -> Option<Duration> {
        let (again, asked) = match outcome {
            Outcome::NothingSent => (true, None),
            Outcome::Broken => (idempotent, None),
            // RFC 6585 §4: the request was not looked at.
            Outcome::Answered(429, asked) => (true, asked),
            Outcome::Answered(408 | 500 | 502 | 503 | 504, asked) => (idempotent, asked),
            // An edge's own: 520 to 530 say that it did not understand the API behind it.
            Outcome::Answered(520..=530, asked) => (idempotent, asked),
            Outcome::Answered(..) => (false, None),
        };
        if !again || attempt >= self.attempts {
            return None;
        }
        let doubled = self
            .pause
            .saturating_mul(1 << attempt.saturating_sub(1).min(16));
        // Somewhere in the upper half, so that clients do not come back in step.
        let own = doubled.min(self.longest_pause).min(LONGEST_PAUSE);
        let own = own.mul_f64(0.5 + dice / 2.0);
        // Not earlier than asked, a little spread over the time after it, and no sooner for being asked for no time at all.
        let pause = asked.map_or(own, |asked| asked.saturating_add(own.min(SPREAD)).max(own));
        // A pause that leaves no time for an attempt says less than the failure at hand.
        (pause < remaining).then_some(pause)
    }
}

const SPREAD: Duration = Duration::from_millis(250);
/// No deadline is further off, so that no policy is beyond arithmetic.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn next(outcome: Outcome, idempotent: bool) -> Option<Duration> {
        RetryPolicy::default().next(outcome, idempotent, 1, LONG, 0.5)
    }

    #[test]
    fn what_may_have_arrived_is_sent_again_only_if_that_changes_nothing() {
        let seconds = Duration::from_secs;
        for (outcome, idempotent, other) in [
            (Outcome::NothingSent, true, true),
            (Outcome::Answered(429, None), true, true),
            (Outcome::Answered(429, Some(seconds(2))), true, true),
            (Outcome::Broken, true, false),
            (Outcome::Answered(408, None), true, false),
            (Outcome::Answered(500, None), true, false),
            (Outcome::Answered(503, Some(seconds(1))), true, false),
            (Outcome::Answered(522, None), true, false),
            (Outcome::Answered(501, None), false, false),
            (Outcome::Answered(400, None), false, false),
            (Outcome::Answered(422, None), false, false),
            (Outcome::Answered(302, None), false, false),
            (Outcome::Answered(429, Some(seconds(31))), false, false),
            (Outcome::Answered(503, Some(Duration::MAX)), false, false),
        ] {
            assert_eq!(next(outcome, true).is_some(), idempotent, "{outcome:?}");
            assert_eq!(next(outcome, false).is_some(), other, "{outcome:?}");
        }
    }

    #[test]
    fn pauses_double_are_jittered_and_end() {
        let policy = RetryPolicy {
            attempts: 100,
            ..RetryPolicy::default()
        };
        let pause = |attempt, dice| {
            let millis = policy.next(Outcome::NothingSent, true, attempt, LONG, dice);
            millis.unwrap().as_millis()
        };
        assert_eq!((pause(1, 0.0), pause(1, 1.0)), (125, 250));
        assert_eq!((pause(2, 0.0), pause(2, 1.0)), (250, 500));
        assert_eq!((pause(60, 0.0), pause(60, 1.0)), (4000, 8000));
        let default = RetryPolicy::default();
        assert_eq!(default.next(Outcome::NothingSent, true, 4, LONG, 0.0), None);
        let short = Duration::from_millis(100);
        assert_eq!(
            default.next(Outcome::NothingSent, true, 1, short, 0.0),
            None
        );
    }

    #[test]
    fn no_policy_is_beyond_arithmetic() {
        let endless = RetryPolicy {
            attempts: u32::MAX,
            pause: Duration::MAX,
            longest_pause: Duration::MAX,
        };
        for attempt in [1, 2, u32::MAX - 1] {
            for dice in [0.0, 1.0] {
                let pause = endless.next(Outcome::NothingSent, true, attempt, LONG, dice);
                assert_eq!(pause, None);
            }
        }
    }

    #[test]
    fn never_earlier_than_asked() {
        let asked = Duration::from_secs(2);
        for dice in [0.0, 0.5, 1.0] {
            let outcome = Outcome::Answered(429, Some(asked));
            let pause = RetryPolicy::default().next(outcome, false, 1, LONG, dice);
            let pause = pause.unwrap();
            assert!(pause >= asked && pause <= asked + SPREAD, "{pause:?}");
            // A server that says "at once" again and again.
            let outcome = Outcome::Answered(429, Some(Duration::ZERO));
            let pause = RetryPolicy::default().next(outcome, false, 3, LONG, dice);
            assert!(pause.unwrap() >= Duration::from_millis(500), "{pause:?}");
        }
    }
}
