//! When a key set is good enough, due for a refresh, or beyond use: a pure function of time.

use std::sync::Arc;
use std::time::Duration;

use crate::carrier::SharedCarrier;

/// The intervals that govern key sets. All have defaults that need no thought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSettings {
    /// How long a set is fresh when its source does not say (`Cache-Control: max-age`). Default 5 minutes.
    pub default_ttl: Duration,
    /// The least time a set is fresh, whatever its source says. Default 1 minute.
    pub min_ttl: Duration,
    /// The most time a set is fresh, whatever its source says; so long may a withdrawn key live on. Default 1 hour.
    pub max_ttl: Duration,
    /// After a stranger's `kid` made us ask in vain, how long until another may. Default 10 seconds.
    pub cooldown: Duration,
    /// How long the last good set is served while its source is down. Default 24 hours.
    pub max_stale: Duration,
    /// The deadline of a connection attempt. Default 2 seconds.
    pub connect_timeout: Duration,
    /// The deadline of a fetch with all its tries. Default 5 seconds.
    pub total_timeout: Duration,
    /// The longest document, in bytes. Default 512 KiB.
    pub max_bytes: usize,
    /// The most keys in a set. Default 200.
    pub max_keys: usize,
    /// Certificate authorities to trust besides the system's, in PEM. Default: none.
    pub certificate_authorities: Option<Arc<str>>,
    /// Who carries requests in the place of our own HTTP client. Default: nobody.
    pub carrier: Option<SharedCarrier>,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            default_ttl: Duration::from_secs(300),
            min_ttl: Duration::from_secs(60),
            max_ttl: Duration::from_secs(3600),
            cooldown: Duration::from_secs(10),
            max_stale: Duration::from_secs(24 * 3600),
            connect_timeout: Duration::from_secs(2),
            total_timeout: Duration::from_secs(5),
            max_bytes: 512 * 1024,
            max_keys: 200,
            certificate_authorities: None,
            carrier: None,
        }
    }
}

/// What is remembered of an issuer's fetches. Times are a [`Clock`](crate::Clock)'s `elapsed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// When the set in hand arrived, and how long it is fresh.
    pub(crate) arrived: Option<(Duration, Duration)>,
    /// When the latest attempt failed, and how many have failed in a row.
    pub(crate) failed: Option<(Duration, u32)>,
    /// When a stranger's `kid` last made us ask in vain.
    pub(crate) in_vain: Option<Duration>,
}

/// What to do about a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Use the set.
    Use,
    /// Use the set, and refresh it meanwhile.
    UseAndRefresh,
    /// Fetch, then ask again.
    Fetch,
    /// The key is not there; it is too early to ask again.
    Absent,
    /// There is no usable set; the source may be asked again in so long.
    Down(Duration),
}

impl History {
    /// What to do, given whether the set in hand covers the wanted key.
    pub(crate) fn advise(&self, covers: bool, settings: &FetchSettings, now: Duration) -> Advice {
        let wait = self.wait_after_failure(now);
        let Some((arrived, ttl)) = self
            .arrived
            .filter(|(at, _)| now.saturating_sub(*at) < settings.max_stale)
        else {
            return wait.map_or(Advice::Fetch, Advice::Down);
        };
        let age = now.saturating_sub(arrived);
        if !covers {
            return match (wait, self.in_vain) {
                (Some(wait), _) => Advice::Down(wait),
                (None, Some(at)) if now.saturating_sub(at) < settings.cooldown => Advice::Absent,
                _ => Advice::Fetch,
            };
        }
        match wait {
            // The source is down: the last good set serves on.
            Some(_) => Advice::Use,
            None if self.failed_lately(now) => Advice::UseAndRefresh,
            // Nobody has asked for so long that a withdrawn key might still be in the set.
            None if age >= ttl * 2 => Advice::Fetch,
            None if age >= ttl * 4 / 5 => Advice::UseAndRefresh,
            None => Advice::Use,
        }
    }

    /// Whether the source was seen to be down a moment ago, so that waiting for it is likely to be in vain.
    fn failed_lately(&self, now: Duration) -> bool {
        const LATELY: Duration = Duration::from_secs(30);
        self.failed
            .is_some_and(|(at, _)| now.saturating_sub(at) < LATELY)
    }

    /// How long to leave a failing source alone: 1, 2, 4, 8, then 10 seconds.
    fn wait_after_failure(&self, now: Duration) -> Option<Duration> {
        let (at, times) = self.failed?;
        let pause =
            Duration::from_secs(1 << times.saturating_sub(1).min(4)).min(Duration::from_secs(10));
        (at + pause).checked_sub(now).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn advise(history: History, covers: bool, now: u64) -> Advice {
        history.advise(covers, &FetchSettings::default(), seconds(now))
    }

    const ARRIVED: Option<(Duration, Duration)> = Some((seconds(1000), seconds(300)));

    #[test]
    fn nothing_known_is_fetched() {
        assert_eq!(advise(History::default(), false, 0), Advice::Fetch);
    }

    #[test]
    fn a_set_is_used_then_refreshed_then_waited_for() {
        let history = History {
            arrived: ARRIVED,
            ..History::default()
        };
        for (now, expected) in [
            (1000, Advice::Use),
            (1239, Advice::Use),
            (1240, Advice::UseAndRefresh),
            (1599, Advice::UseAndRefresh),
            (1600, Advice::Fetch),
        ] {
            assert_eq!(advise(history, true, now), expected, "{now}");
        }
    }

    #[test]
    fn a_strangers_kid_asks_once_per_cooldown() {
        let first = History {
            arrived: ARRIVED,
            ..History::default()
        };
        assert_eq!(advise(first, false, 1001), Advice::Fetch);
        let asked = History {
            in_vain: Some(seconds(1001)),
            ..first
        };
        assert_eq!(advise(asked, false, 1010), Advice::Absent);
        assert_eq!(advise(asked, false, 1011), Advice::Fetch);
        assert_eq!(advise(asked, true, 1002), Advice::Use);
    }

    #[test]
    fn the_last_good_set_serves_while_the_source_is_down_and_not_for_ever() {
        let down = |at| History {
            arrived: ARRIVED,
            failed: Some((seconds(at), 9)),
            in_vain: None,
        };
        assert_eq!(advise(down(50_000), true, 50_001), Advice::Use);
        assert_eq!(advise(down(50_000), true, 50_010), Advice::UseAndRefresh);
        assert_eq!(
            advise(down(50_000), false, 50_001),
            Advice::Down(seconds(9))
        );
        let beyond = 1000 + 24 * 3600;
        assert_eq!(
            advise(down(beyond), true, beyond),
            Advice::Down(seconds(10))
        );
        assert_eq!(advise(down(beyond), true, beyond + 10), Advice::Fetch);
    }

    #[test]
    fn a_failing_source_is_left_alone_longer_each_time() {
        for (times, pause) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (50, 10)] {
            let history = History {
                failed: Some((seconds(100), times)),
                ..History::default()
            };
            assert_eq!(
                advise(history, false, 100),
                Advice::Down(seconds(pause)),
                "{times}"
            );
            assert_eq!(
                advise(history, false, 100 + pause),
                Advice::Fetch,
                "{times}"
            );
        }
    }
}
