//! What was revoked, for look-ups without allocation; bounded by count and by age.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use doorward_core::{Claims, Revocation, RevokedClaim, Timestamp, is_issued_until};

/// Whatever was revoked and is not over yet.
#[derive(Clone)]
pub(crate) struct Denylist {
    of_any_issuer: ByClaim,
    of_issuer: HashMap<Arc<str>, ByClaim>,
    /// Who goes first. What was prolonged since stands here twice, and the earlier end counts for nothing.
    ends: BinaryHeap<Reverse<(Timestamp, Slot)>>,
    len: usize,
    most: usize,
    dropped: u64,
}

/// By claim, in the order of [`RevokedClaim::ALL`].
type ByClaim = [HashMap<Arc<str>, Entry>; 4];

#[derive(Clone, Copy)]
struct Entry {
    /// `None`: whenever the token was issued.
    issued_until: Option<Timestamp>,
    expires_at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    issuer: Option<Arc<str>>,
    claim: RevokedClaim,
    value: Arc<str>,
}

impl Denylist {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            of_any_issuer: ByClaim::default(),
            of_issuer: HashMap::new(),
            ends: BinaryHeap::new(),
            len: 0,
            most: most.max(1),
            dropped: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many had to go before their time, because there were too many.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// By which claim a token is revoked. What is over counts until somebody sweeps: a refused token has expired then.
    pub(crate) fn find(&self, issuer: &str, claims: &Claims) -> Option<RevokedClaim> {
        let of_issuer = self.of_issuer.get(issuer);
        let places = [Some(&self.of_any_issuer), of_issuer];
        RevokedClaim::ALL.into_iter().find(|claim| {
            let value = claim.of(claims);
            let entry = |place: &ByClaim| place[position(*claim)].get(value?).copied();
            places
                .into_iter()
                .flatten()
                .filter_map(entry)
                .any(|entry| is_issued_until(claims.issued_at, entry.issued_until))
        })
    }

    /// Takes it in, or makes what is known reach further. Answers whether that changed anything.
    pub(crate) fn insert(&mut self, revocation: &Revocation, now: Timestamp) -> bool {
        if revocation.expires_at <= now {
            return false;
        }
        let issuer = revocation.issuer.as_deref();
        let known = self
            .place(issuer)
            .and_then(|place| place[position(revocation.claim)].get_key_value(&*revocation.value));
        let slot = Slot {
            issuer: issuer.map(|issuer| {
                let known = self.of_issuer.get_key_value(issuer);
                known.map_or_else(|| issuer.into(), |(known, _)| Arc::clone(known))
            }),
            claim: revocation.claim,
            value: known.map_or_else(
                || revocation.value.as_str().into(),
                |(own, _)| Arc::clone(own),
            ),
        };
        let before = known.map(|(_, entry)| *entry);
        let entry = match before {
            None => Entry {
                issued_until: revocation.issued_until,
                expires_at: revocation.expires_at,
            },
            Some(before) => Entry {
                // Whenever reaches further than any date.
                issued_until: before
                    .issued_until
                    .zip(revocation.issued_until)
                    .map(|(one, other)| one.max(other)),
                expires_at: before.expires_at.max(revocation.expires_at),
            },
        };
        let same = |before: Entry| {
            (before.issued_until, before.expires_at) == (entry.issued_until, entry.expires_at)
        };
        if before.is_some_and(same) {
            return false;
        }
        if before.is_none() {
            self.make_room(now);
            self.len += 1;
        }
        if before.is_none_or(|before| before.expires_at < entry.expires_at) {
            self.ends.push(Reverse((entry.expires_at, slot.clone())));
        }
        let place = match slot.issuer {
            None => &mut self.of_any_issuer,
            Some(issuer) => self.of_issuer.entry(issuer).or_default(),
        };
        place[position(slot.claim)].insert(slot.value, entry);
        true
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        while let Some(first) = self.ends.peek()
            && first.0.0 <= now
            && let Some(Reverse((end, slot))) = self.ends.pop()
        {
            self.forget(end, &slot);
        }
    }

    /// Everything that is not over.
    pub(crate) fn all(&self, now: Timestamp) -> Vec<Revocation> {
        let of_issuers = self
            .of_issuer
            .iter()
            .map(|(issuer, place)| (Some(issuer), place));
        std::iter::once((None, &self.of_any_issuer))
            .chain(of_issuers)
            .flat_map(|(issuer, place)| {
                RevokedClaim::ALL
                    .into_iter()
                    .zip(place)
                    .flat_map(move |(claim, entries)| {
                        entries
                            .iter()
                            .map(move |(value, entry)| (issuer, claim, value, entry))
                    })
            })
            .filter(|(.., entry)| entry.expires_at > now)
            .map(|(issuer, claim, value, entry)| {
                let mut revocation = Revocation::new(claim, &**value, entry.expires_at);
                revocation.issuer = issuer.map(|issuer| issuer.to_string());
                revocation.issued_until = entry.issued_until;
                revocation
            })
            .collect()
    }

    fn place(&self, issuer: Option<&str>) -> Option<&ByClaim> {
        match issuer {
            None => Some(&self.of_any_issuer),
            Some(issuer) => self.of_issuer.get(issuer),
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        self.sweep(now);
        while self.len >= self.most
            && let Some(Reverse((end, slot))) = self.ends.pop()
        {
            self.dropped += u64::from(self.forget(end, &slot));
        }
    }

    /// Forgets one that ends then. Answers false if it was prolonged since.
    fn forget(&mut self, end: Timestamp, slot: &Slot) -> bool {
        let place = match &slot.issuer {
            None => Some(&mut self.of_any_issuer),
            Some(issuer) => self.of_issuer.get_mut(issuer),
        };
        let Some(place) = place else { return false };
        let entries = &mut place[position(slot.claim)];
        if entries
            .get(&slot.value)
            .is_none_or(|entry| entry.expires_at != end)
        {
            return false;
        }
        entries.remove(&slot.value);
        self.len -= 1;
        if let Some(issuer) = &slot.issuer
            && place.iter().all(HashMap::is_empty)
        {
            self.of_issuer.remove(issuer);
        }
        true
    }
}

fn position(claim: RevokedClaim) -> usize {
    match claim {
        RevokedClaim::SessionId => 0,
        RevokedClaim::TokenId => 1,
        RevokedClaim::Subject => 2,
        // `ALL` has four.
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn subject(value: &str, expires_at: i64) -> Revocation {
        Revocation::new(RevokedClaim::Subject, value, at(expires_at))
    }

    fn texts(list: &Denylist, now: i64) -> Vec<String> {
        let mut texts: Vec<String> = list.all(at(now)).into_iter().map(|r| r.value).collect();
        texts.sort();
        texts
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut list = Denylist::new(10);
        assert!(list.insert(&subject("a", 1_010), NOW));
        assert!(list.insert(&subject("b", 1_020).of("https://b"), NOW));
        assert!(!list.insert(&subject("c", 1_000), NOW), "it is over");
        list.sweep(at(1_010));
        assert_eq!((list.len(), texts(&list, 1_010)), (1, vec!["b".to_owned()]));
        list.sweep(at(1_020));
        assert_eq!(list.len(), 0);
        assert!(list.of_issuer.is_empty() && list.ends.is_empty());
    }

    #[test]
    fn a_repeated_one_reaches_as_far_as_both() {
        let mut list = Denylist::new(10);
        assert!(list.insert(&subject("a", 1_010).until(at(900)), NOW));
        assert!(!list.insert(&subject("a", 1_005).until(at(800)), NOW));
        assert!(list.insert(&subject("a", 1_030).until(at(800)), NOW));
        let [kept] = &list.all(NOW)[..] else {
            panic!("one entry")
        };
        assert_eq!(*kept, subject("a", 1_030).until(at(900)));
        list.sweep(at(1_010));
        assert_eq!(list.len(), 1, "it was prolonged");
        assert!(list.insert(&subject("a", 1_030), NOW));
        assert_eq!(list.all(NOW)[0].issued_until, None);
        list.sweep(at(1_030));
        assert_eq!(list.len(), 0);
    }

    #[test]
    fn too_many_push_out_whatever_ends_first() {
        let mut list = Denylist::new(3);
        for (value, end) in [("a", 1_040), ("b", 1_010), ("c", 1_030), ("d", 1_020)] {
            assert!(list.insert(&subject(value, end), NOW));
        }
        assert_eq!(texts(&list, 1_000), ["a", "c", "d"]);
        assert_eq!((list.len(), list.dropped()), (3, 1));
        // What is over makes room without a loss.
        assert!(list.insert(&subject("e", 1_050), at(1_025)));
        assert_eq!((list.len(), list.dropped()), (3, 1));
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn revocation() -> impl Strategy<Value = Revocation> {
        let claim = prop::sample::select(&RevokedClaim::ALL[..]);
        let value = prop::sample::select(&["a", "b", "c"][..]);
        let issuer = prop::sample::select(&[None, Some("x"), Some("y")][..]);
        let until = prop::option::of(0..20i64);
        (claim, value, issuer, until, 1..50i64).prop_map(|(claim, value, issuer, until, end)| {
            let mut revocation = Revocation::new(claim, value, Timestamp::from_secs(end));
            revocation.issuer = issuer.map(str::to_owned);
            revocation.issued_until = until.map(Timestamp::from_secs);
            revocation
        })
    }

    fn claims([sub, sid, jti, client]: [&str; 4], issued_at: Option<i64>) -> Claims {
        let mut claims = Claims::of(String::new(), sub.to_owned(), Timestamp::LAST);
        claims.session_id = Some(sid.to_owned());
        claims.token_id = Some(jti.to_owned());
        claims.client_id = Some(client.to_owned());
        claims.issued_at = issued_at.map(Timestamp::from_secs);
        claims
    }

    proptest! {
        /// The list finds what going through all of them would find.
        #[test]
        fn the_list_agrees_with_a_walk(
            revocations in prop::collection::vec(revocation(), 0..12),
            values in prop::array::uniform4(prop::sample::select(&["a", "b", "c", "d"][..])),
            issuer in prop::sample::select(&["x", "y", "z"][..]),
            issued_at in prop::option::of(0..20i64),
        ) {
            let mut list = Denylist::new(100);
            for revocation in &revocations {
                list.insert(revocation, Timestamp::from_secs(0));
            }
            let claims = claims(values, issued_at);
            let walked = revocations.iter().any(|revocation| revocation.covers(issuer, &claims));
            prop_assert_eq!(list.find(issuer, &claims).is_some(), walked);
            list.sweep(Timestamp::from_secs(100));
            prop_assert_eq!(list.len(), 0);
            prop_assert!(list.find(issuer, &claims).is_none());
        }
    }
}
