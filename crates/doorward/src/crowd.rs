//! Whose turn it is when more is asked than can be: strangers share what there is, and none of them takes another's part.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;

use crate::budget::Budget;

/// Whoever shares an address: a host by IPv4, a network of /64 by IPv6, which is the least that a subscriber gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            v4 => v4,
        })
    }
}

/// One budget for all, and as soon as half of it is gone, one for each source besides.
///
/// So a source alone, such as a proxy that speaks for everybody, gets all there is; a flood from one source leaves half to
/// the others.
pub(crate) struct Crowd {
    all: Budget,
    half: f64,
    each: LruCache<Source, Budget>,
}

/// New tokens of all strangers.
const AT_ONCE: f64 = 500.0;
const EACH_SECOND: f64 = 200.0;
/// New tokens of one source, while they are scarce.
const OF_A_SOURCE_AT_ONCE: f64 = 20.0;
const OF_A_SOURCE_EACH_SECOND: f64 = 10.0;
const MOST_SOURCES: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

impl Crowd {
    pub(crate) fn new() -> Self {
        Self {
            all: Budget::new(AT_ONCE, EACH_SECOND),
            half: AT_ONCE / 2.0,
            // Grows with its use: most programs never see a crowd.
            each: LruCache::unbounded(),
        }
    }

    /// Takes one, if it is this source's turn. Who has no address known shares with all who have none.
    pub(crate) fn spend(&mut self, source: Option<Source>, elapsed: Duration) -> Option<()> {
        if let Some(source) = source
            && self.all.left(elapsed) < self.half
        {
            let own = || Budget::new(OF_A_SOURCE_AT_ONCE, OF_A_SOURCE_EACH_SECOND);
            self.each.get_or_insert_mut(source, own).spend(elapsed)?;
            if self.each.len() > MOST_SOURCES.get() {
                self.each.pop_lru();
            }
        }
        self.all.spend(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_network_is_one_source() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn a_flood_from_one_source_leaves_half_to_the_others() {
        let mut crowd = Crowd::new();
        let now = Duration::from_secs(1);
        let flood = Some(source("192.0.2.1"));
        let admitted = (0..100_000).filter_map(|_| crowd.spend(flood, now)).count();
        assert_eq!(admitted, 271);
        for number in 0..100 {
            let other = Some(source(&format!("198.51.100.{number}")));
            assert!(crowd.spend(other, now).is_some(), "{number}");
        }
        assert!(crowd.spend(flood, now).is_none());
    }

    #[test]
    fn one_source_alone_gets_all_that_flows() {
        let mut crowd = Crowd::new();
        let proxy = Some(source("10.0.0.1"));
        let mut admitted = 0;
        for tenth in 1..=200_u32 {
            let now = Duration::from_millis(100) * tenth;
            admitted += (0..50).filter_map(|_| crowd.spend(proxy, now)).count();
        }
        // 20 seconds of 200, and the burst.
        assert!(admitted >= 4_200, "{admitted}");
    }

    #[test]
    fn those_without_an_address_share_what_all_have() {
        let mut crowd = Crowd::new();
        let admitted = (0..1_000).filter_map(|_| crowd.spend(None, Duration::ZERO));
        assert_eq!(admitted.count(), 500);
    }

    #[test]
    fn sources_are_forgotten() {
        let mut crowd = Crowd::new();
        for _ in 0..260 {
            crowd.spend(None, Duration::ZERO);
        }
        for number in 0..10_000_u32 {
            crowd.spend(Some(Source(IpAddr::V4(number.into()))), Duration::ZERO);
        }
        assert_eq!(crowd.each.len(), MOST_SOURCES.get());
    }
}
