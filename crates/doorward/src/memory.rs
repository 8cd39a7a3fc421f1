//! What is remembered between requests: key sets, and tokens that were verified. All of it bounded.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use doorward_core::{
    AlgorithmSet, Answer, Claims, Facts, Identity, IssuerId, JwkSet, Known, Provenance,
    RevokedClaim, Timestamp, TokenKind,
};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Serialize;

use crate::answers::{Answers, Digest};
use crate::clock::Clock;
use crate::fetch::{FetchError, Fetched, Fetcher, KeysUrl};
use crate::flight::Ticket;
use crate::freshness::{Advice, FetchSettings, History};
use crate::revocation::Revocations;
use crate::status::CacheStatus;
use crate::tenants::Tenants;

/// The facts store of one [`Authenticator`](crate::Authenticator).
pub(crate) struct Memory {
    /// By issuer.
    sources: Vec<Source>,
    tokens: Option<Cache<[u8; 32], Remembered, ByWeight>>,
    answers: Answers,
    revocations: Revocations,
}

/// A verified caller, and until when an issuer's word about an opaque token is believed.
#[derive(Clone)]
struct Remembered {
    identity: Identity,
    until: Option<Duration>,
}

impl Memory {
    pub(crate) fn new(
        sources: Vec<Source>,
        answers: Answers,
        revocations: Revocations,
        cache_bytes: usize,
    ) -> Self {
        const TYPICAL_ENTRY: usize = 2500;
        let tokens = (cache_bytes > 0).then(|| {
            Cache::with_weighter(
                cache_bytes / TYPICAL_ENTRY + 1,
                cache_bytes as u64,
                ByWeight,
            )
        });
        Self {
            sources,
            tokens,
            answers,
            revocations,
        }
    }

    /// The keys of an issuer; `None` where they are static, or where nobody has asked for this tenant's lately.
    pub(crate) fn slot(&self, issuer: IssuerId, tenant: Option<&str>) -> Option<Arc<KeySlot>> {
        match (self.sources.get(issuer.index())?, tenant) {
            (Source::Static, _) => None,
            (Source::One(slot), _) => Some(Arc::clone(slot)),
            (Source::Tenants(tenants), Some(tenant)) => tenants.slot(tenant),
            (Source::Tenants(_), None) => None,
        }
    }

    /// Joins or starts the fetch of an issuer's keys; `None` where there is nothing to fetch, or too much already.
    pub(crate) fn fetch(
        &self,
        issuer: IssuerId,
        tenant: Option<&str>,
        kid: Option<String>,
        elapsed: Duration,
    ) -> Option<Ticket> {
        let slot = match (self.sources.get(issuer.index())?, tenant) {
            (Source::Tenants(tenants), Some(tenant)) => tenants.open(tenant, elapsed)?,
            _ => self.slot(issuer, tenant)?,
        };
        Some(slot.fetch(kid))
    }

    /// Every key set that is fetched, with the tenant it belongs to.
    pub(crate) fn slots(&self) -> Vec<(usize, Option<String>, Arc<KeySlot>)> {
        let mut slots = Vec::new();
        for (issuer, source) in self.sources.iter().enumerate() {
            match source {
                Source::Static => {}
                Source::One(slot) => slots.push((issuer, None, Arc::clone(slot))),
                Source::Tenants(tenants) => {
                    let known = tenants.all().into_iter();
                    slots.extend(known.map(|(tenant, slot)| (issuer, Some(tenant), slot)));
                }
            }
        }
        slots
    }

    /// Starts a refresh of the keys that verified somebody, if one is due.
    pub(crate) fn keep_fresh(&self, identity: &Identity, elapsed: Duration) {
        let issuer = identity.provenance().issuer;
        match self.sources.get(issuer.index()) {
            None | Some(Source::Static) => {}
            Some(Source::One(slot)) => slot.keep_fresh(elapsed),
            Some(Source::Tenants(_)) => {
                if let Some(slot) = self.slot(issuer, identity.tenant()) {
                    slot.keep_fresh(elapsed);
                }
            }
        }
    }

    /// The facts at one moment.
    pub(crate) fn at(&self, digest: Digest, now: Timestamp, elapsed: Duration) -> At<'_> {
        At {
            memory: self,
            digest,
            now,
            elapsed,
        }
    }

    /// A verified token, if it was remembered and the keys that verified it still stand.
    pub(crate) fn recall(&self, digest: &[u8; 32], elapsed: Duration) -> Option<Identity> {
        let tokens = self.tokens.as_ref()?;
        let Remembered { identity, until } = tokens.get(digest)?;
        if until.is_none_or(|until| elapsed < until) && self.stands(&identity, elapsed) {
            return Some(identity);
        }
        tokens.remove(digest);
        None
    }

    /// Remembers a verified token by its digest. Only verified tokens get here, so strangers cannot fill the cache.
    pub(crate) fn remember(&self, digest: [u8; 32], identity: Identity, until: Option<Duration>) {
        if let Some(tokens) = &self.tokens {
            tokens.insert(digest, Remembered { identity, until });
        }
    }

    /// What issuers said about opaque tokens.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// What was revoked.
    pub(crate) fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    pub(crate) fn forget(&self, digest: &[u8; 32]) {
        if let Some(tokens) = &self.tokens {
            tokens.remove(digest);
        }
    }

    pub(crate) fn remembers(&self) -> bool {
        self.tokens.is_some()
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens.as_ref().map_or(0, Cache::len)
    }

    pub(crate) fn token_status(&self) -> CacheStatus {
        self.tokens.as_ref().map(cache_status).unwrap_or_default()
    }

    fn stands(&self, identity: &Identity, elapsed: Duration) -> bool {
        let Provenance {
            issuer, generation, ..
        } = *identity.provenance();
        match self.sources.get(issuer.index()) {
            // No key was asked: it was the issuer's word, over a connection.
            _ if generation == 0 => true,
            None | Some(Source::Static) => true,
            Some(Source::One(slot)) => slot.stands(generation, elapsed),
            Some(Source::Tenants(_)) => self
                .slot(issuer, identity.tenant())
                .is_some_and(|slot| slot.stands(generation, elapsed)),
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("sources", &self.sources.len())
            .field("tokens", &self.tokens())
            .finish()
    }
}

pub(crate) fn cache_status<T: Clone, W: Weighter<[u8; 32], T> + Clone>(
    cache: &Cache<[u8; 32], T, W>,
) -> CacheStatus {
    CacheStatus {
        entries: cache.len(),
        bytes: cache.weight(),
        max_bytes: cache.capacity(),
        hits: cache.hits(),
        misses: cache.misses(),
    }
}

/// What is known at one moment.
pub(crate) struct At<'m> {
    memory: &'m Memory,
    /// Of the token that is being judged.
    digest: Digest,
    now: Timestamp,
    elapsed: Duration,
}

impl Facts for At<'_> {
    fn keys(
        &self,
        issuer: IssuerId,
        tenant: Option<&str>,
        kid: Option<&str>,
    ) -> Known<Arc<JwkSet>> {
        match (self.memory.sources.get(issuer.index()), tenant) {
            (None | Some(Source::Static), _) | (Some(Source::Tenants(_)), None) => Known::No,
            (Some(Source::One(slot)), _) => slot.keys(kid, self.elapsed),
            (Some(Source::Tenants(_)), Some(tenant)) => {
                match self.memory.slot(issuer, Some(tenant)) {
                    Some(slot) => slot.keys(kid, self.elapsed),
                    // Whether it may be asked for is decided where the fetch begins.
                    None => Known::NotYet,
                }
            }
        }
    }

    fn answer(&self, issuer: IssuerId, kind: TokenKind) -> Known<Arc<Answer>> {
        self.memory
            .answers
            .look_up(&self.digest, issuer, kind, self.now, self.elapsed)
    }

    fn revoked(&self, issuer: &str, claims: &Claims) -> Known<RevokedClaim> {
        self.memory.revocations.revoked(issuer, claims)
    }
}

/// Where an issuer's keys come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// They were given.
    Static,
    /// One set.
    One(Arc<KeySlot>),
    /// A set for each tenant.
    Tenants(Box<Tenants>),
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<[u8; 32], Remembered> for ByWeight {
    fn weight(&self, digest: &[u8; 32], remembered: &Remembered) -> u64 {
        (digest.len() + remembered.identity.weight() + 120) as u64
    }
}

/// The keys of one issuer: an immutable snapshot that readers take without a lock, and the fetch that replaces it.
pub(crate) struct KeySlot {
    source: KeysUrl,
    algorithms: AlgorithmSet,
    settings: FetchSettings,
    clock: Arc<dyn Clock>,
    fetcher: Fetcher,
    state: ArcSwap<KeyState>,
    flight: ArcSwapOption<Ticket>,
    fetches: AtomicU64,
}

#[derive(Default)]
struct KeyState {
    keys: Option<Arc<JwkSet>>,
    history: History,
    last_error: Option<FetchError>,
    /// By how many milliseconds the source's clock was ahead of ours.
    clock_ahead: Option<i64>,
}

impl KeySlot {
    pub(crate) fn new(
        source: KeysUrl,
        algorithms: AlgorithmSet,
        settings: FetchSettings,
        clock: Arc<dyn Clock>,
        fetcher: Fetcher,
    ) -> Self {
        let (state, flight) = (ArcSwap::default(), ArcSwapOption::empty());
        Self {
            source,
            algorithms,
            settings,
            clock,
            fetcher,
            state,
            flight,
            fetches: AtomicU64::new(0),
        }
    }

    /// Whether a set ever arrived.
    pub(crate) fn has_keys(&self) -> bool {
        self.state.load().keys.is_some()
    }

    fn keys(&self, kid: Option<&str>, elapsed: Duration) -> Known<Arc<JwkSet>> {
        let state = self.state.load();
        let covers = state.keys.as_ref().is_some_and(|keys| keys.covers(kid));
        match (
            state.history.advise(covers, &self.settings, elapsed),
            &state.keys,
        ) {
            (Advice::Use | Advice::UseAndRefresh, Some(keys)) => Known::Yes(Arc::clone(keys)),
            (Advice::Absent, _) => Known::No,
            (Advice::Down(wait), _) => {
                Known::Unreachable(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1))
            }
            (Advice::Fetch | Advice::Use | Advice::UseAndRefresh, _) => Known::NotYet,
        }
    }

    /// Whether what this generation of keys verified may still be believed without looking at the signature again.
    fn stands(&self, generation: u64, elapsed: Duration) -> bool {
        let state = self.state.load();
        let same = state
            .keys
            .as_ref()
            .is_some_and(|keys| keys.generation() == generation);
        same && matches!(
            state.history.advise(true, &self.settings, elapsed),
            Advice::Use | Advice::UseAndRefresh
        )
    }

    /// Starts a refresh in the background if one is due.
    pub(crate) fn keep_fresh(self: &Arc<Self>, elapsed: Duration) {
        let due = self
            .state
            .load()
            .history
            .advise(true, &self.settings, elapsed)
            == Advice::UseAndRefresh;
        if due {
            self.fetch(None);
        }
    }

    /// Joins the fetch that is in the air, or starts one on a thread of its own. The thread ends with the fetch, so
    /// nothing is there to be lost in a fork, and no request's cancellation can cancel it.
    pub(crate) fn fetch(self: &Arc<Self>, wanted: Option<String>) -> Ticket {
        let current = self.flight.load();
        if let Some(ticket) = current.as_deref().filter(|ticket| ticket.flies()) {
            return ticket.clone();
        }
        let ticket = Ticket::new();
        let previous = self
            .flight
            .compare_and_swap(&*current, Some(Arc::new(ticket.clone())));
        let lost_the_race = match (previous.as_deref(), current.as_deref()) {
            (Some(now), Some(before)) => !now.same_as(before),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if lost_the_race && let Some(winner) = previous.as_deref() {
            return winner.clone();
        }
        let slot = Arc::clone(self);
        let landing = Landing {
            ticket: ticket.clone(),
            slot: Arc::clone(self),
        };
        let thread = std::thread::Builder::new()
            .name("doorward-keys".to_owned())
            .spawn(move || {
                let landing = landing;
                slot.learn(wanted.as_deref());
                drop(landing);
            });
        if let Err(error) = thread {
            self.note(
                Err(FetchError::Unreachable {
                    url: self.source.url.clone(),
                    why: error.to_string(),
                }),
                None,
            );
            ticket.land();
        }
        ticket
    }

    /// Waits until no fetch is in the air.
    #[cfg(test)]
    pub(crate) fn landed(&self) {
        if let Some(ticket) = self.flight.load_full() {
            ticket.wait(Duration::from_secs(60));
        }
    }

    fn learn(&self, wanted: Option<&str>) {
        // Another flight may have landed between the question and this one's start.
        let covers = |state: &KeyState| state.keys.as_ref().is_some_and(|keys| keys.covers(wanted));
        let state = self.state.load_full();
        let advice = state
            .history
            .advise(covers(&state), &self.settings, self.clock.elapsed());
        if matches!(advice, Advice::Fetch | Advice::UseAndRefresh) {
            self.fetches.fetch_add(1, Ordering::Relaxed);
            self.note(
                (self.fetcher)(&self.source, self.algorithms, &self.settings),
                wanted,
            );
        }
    }

    /// Writes the outcome of a fetch down. A failure never clears keys. Only the one flight writes, so a plain store
    /// loses nothing.
    fn note(&self, outcome: Result<Fetched, FetchError>, wanted: Option<&str>) {
        let elapsed = self.clock.elapsed();
        let before = self.state.load_full();
        let state = match outcome {
            Ok(Fetched {
                keys,
                max_age,
                date,
            }) => {
                let clock_ahead = date.map(|date| date.millis_since(self.clock.now()));
                let ttl = max_age
                    .unwrap_or(self.settings.default_ttl)
                    .max(self.settings.min_ttl)
                    .min(self.settings.max_ttl);
                let keys = match &before.keys {
                    Some(known) if known.same_document(&keys) => Arc::clone(known),
                    _ => {
                        // Counted for the whole process: a slot that is made anew must not repeat an older one's.
                        static GENERATIONS: AtomicU64 = AtomicU64::new(1);
                        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
                        Arc::new(keys.with_generation(generation))
                    }
                };
                let in_vain = if keys.covers(wanted) {
                    before.history.in_vain
                } else {
                    Some(elapsed)
                };
                let history = History {
                    arrived: Some((elapsed, ttl)),
                    failed: None,
                    in_vain,
                };
                KeyState {
                    keys: Some(keys),
                    history,
                    last_error: None,
                    clock_ahead,
                }
            }
            Err(error) => {
                let times = before
                    .history
                    .failed
                    .map_or(0, |(_, times)| times)
                    .saturating_add(1);
                let history = History {
                    failed: Some((elapsed, times)),
                    ..before.history
                };
                KeyState {
                    keys: before.keys.clone(),
                    history,
                    last_error: Some(error),
                    clock_ahead: before.clock_ahead,
                }
            }
        };
        crate::observe::fetched(&self.source.url, state.last_error.as_ref());
        self.state.store(Arc::new(state));
    }

    /// A snapshot for people.
    pub(crate) fn status(&self, elapsed: Duration) -> KeyStatus {
        let state = self.state.load();
        let advice = state.history.advise(true, &self.settings, elapsed);
        KeyStatus {
            source: format!("{:?}", self.source),
            state: match (&state.keys, advice) {
                (None, Advice::Down(_)) => "unreachable",
                (None, _) => "not fetched yet",
                (Some(_), Advice::Down(_)) => "too stale to use",
                (Some(_), _) if state.history.failed.is_some() => "stale, the source is down",
                (Some(_), Advice::Use) => "fresh",
                (Some(_), _) => "due for refresh",
            },
            keys: state
                .keys
                .iter()
                .flat_map(|set| set.keys())
                .map(|key| key.kid().map(str::to_owned))
                .collect(),
            skipped: state
                .keys
                .iter()
                .flat_map(|set| set.skipped().to_vec())
                .collect(),
            age: state
                .history
                .arrived
                .map(|(at, _)| elapsed.saturating_sub(at)),
            last_error: state.last_error.as_ref().map(FetchError::to_string),
            clock_ahead_seconds: state.clock_ahead.map(|millis| millis as f64 / 1000.0),
            fetches: self.fetches.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySlot")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// Lands the ticket even if the fetching thread panics, so that nobody waits in vain.
struct Landing {
    ticket: Ticket,
    slot: Arc<KeySlot>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.slot.note(
                Err(FetchError::Unusable {
                    url: self.slot.source.url.clone(),
                    why: "reading it failed in a way that is a mistake of ours".to_owned(),
                }),
                None,
            );
        }
        self.ticket.land();
    }
}

/// What is known about one issuer's keys, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Where the keys come from.
    pub source: String,
    /// `fresh`, `due for refresh`, `stale, the source is down`, `too stale to use`, `not fetched yet`, `unreachable`.
    pub state: &'static str,
    /// The `kid`s of the usable keys; `None` for a key without one.
    pub keys: Vec<Option<String>>,
    /// What was left out of the set, and why.
    pub skipped: Vec<String>,
    /// How long ago the set arrived. In JSON, seconds.
    #[serde(serialize_with = "crate::status::seconds")]
    pub age: Option<Duration>,
    /// What the latest attempt failed with, if it failed.
    pub last_error: Option<String>,
    /// By how many seconds the source's clock was ahead of ours when it last answered. The header has no fractions.
    pub clock_ahead_seconds: Option<f64>,
    /// How often the source was asked.
    pub fetches: u64,
}
