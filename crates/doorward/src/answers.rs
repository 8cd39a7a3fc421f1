//! What issuers said about opaque tokens: at most one question for each token at a time, each answer kept for a while, and
//! everything bounded. Keyed by the token's digest; the token itself is held only while somebody asks about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use doorward_core::{Answer, IssuerId, Known, Secret, Timestamp, TokenKind};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::ask::{Endpoint, Said};
use crate::crowd::{Crowd, Source};
use crate::fetch::{FetchError, without_secrets};
use crate::flight::Ticket;
use crate::freshness::FetchSettings;
use crate::memory::cache_status;
use crate::remote;
use crate::status::{CacheStatus, EndpointStatus};

/// The digest of a token.
pub(crate) type Digest = [u8; 32];

/// How long answers are believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerSettings {
    /// That a token is good. Never beyond its own expiry.
    pub(crate) positive: Duration,
    /// That it is unknown.
    pub(crate) negative: Duration,
    /// So long beyond that a good answer is used while its issuer does not answer.
    pub(crate) stale_if_error: Duration,
    pub(crate) cache_bytes: usize,
}

pub(crate) struct Answers {
    /// By issuer: where it is asked about which kinds.
    endpoints: Vec<Vec<Arc<Endpoint>>>,
    settings: AnswerSettings,
    fetch: FetchSettings,
    known: Cache<Digest, Entry, ByWeight>,
    state: Mutex<State>,
}

struct State {
    flights: HashMap<Digest, Arc<Flight>>,
    crowd: Crowd,
    breakers: HashMap<(usize, TokenKind), Breaker>,
}

/// One question in the air.
struct Flight {
    issuer: IssuerId,
    kind: TokenKind,
    source: Option<Source>,
    asked_at: Duration,
    ticket: Ticket,
    said: OnceLock<Said>,
}

#[derive(Clone)]
struct Entry {
    known: Known<Arc<Answer>>,
    /// By the clock's `elapsed`, as all that follows.
    noted_at: Duration,
    until: Duration,
    refresh_at: Duration,
    stale_until: Duration,
}

#[derive(Default)]
struct Breaker {
    failures: u32,
    open_until: Duration,
    asked: u64,
    last_error: Option<String>,
}

impl Breaker {
    fn closed(&mut self) {
        *self = Self {
            asked: self.asked,
            ..Self::default()
        };
    }
}

/// Questions in the air at once. More are refused with 503, and a moment later there is room again.
const MAX_FLIGHTS: usize = 256;
/// As soon as half of those are, no source has more of them in the air.
const MAX_FLIGHTS_OF_A_SOURCE: usize = 16;
/// From an answer's arrival until those who wait have taken it.
const LANDING: Duration = Duration::from_secs(1);
/// So many failures in a row, and the issuer is left alone for a while.
const BREAKS_AFTER: u32 = 5;
const LONGEST_BREAK: Duration = Duration::from_secs(10);

impl Answers {
    pub(crate) fn new(
        endpoints: Vec<Vec<Endpoint>>,
        settings: AnswerSettings,
        fetch: FetchSettings,
    ) -> Self {
        const TYPICAL_ENTRY: usize = 1500;
        let bytes = settings.cache_bytes.max(64 * 1024);
        let endpoints = endpoints
            .into_iter()
            .map(|of_issuer| of_issuer.into_iter().map(Arc::new).collect());
        Self {
            endpoints: endpoints.collect(),
            settings,
            fetch,
            known: Cache::with_weighter(bytes / TYPICAL_ENTRY + 1, bytes as u64, ByWeight),
            state: Mutex::new(State {
                flights: HashMap::new(),
                crowd: Crowd::new(),
                breakers: HashMap::new(),
            }),
        }
    }

    /// What is known about a token at one moment.
    pub(crate) fn look_up(
        &self,
        digest: &Digest,
        issuer: IssuerId,
        kind: TokenKind,
        now: Timestamp,
        elapsed: Duration,
    ) -> Known<Arc<Answer>> {
        if let Some(entry) = self.known.get(digest).filter(|entry| elapsed < entry.until) {
            return entry.known;
        }
        let mut state = self.state();
        if let Some(known) = self.harvest(&mut state, digest, now, elapsed) {
            return known;
        }
        let breaker = state.breakers.get(&(issuer.index(), kind));
        match breaker.map(|breaker| breaker.open_until.saturating_sub(elapsed)) {
            Some(left) if !left.is_zero() => {
                self.stale(digest, elapsed).unwrap_or(unreachable(left))
            }
            _ => Known::NotYet,
        }
    }

    /// How much longer an answer about a token may be believed without looking again.
    pub(crate) fn good_for(&self, digest: &Digest, elapsed: Duration) -> Duration {
        let entry = self.known.get(digest);
        entry.map_or(Duration::ZERO, |entry| entry.until.saturating_sub(elapsed))
    }

    /// Whether the answer about a token should be renewed while it is still believed.
    pub(crate) fn is_due(&self, digest: &Digest, elapsed: Duration) -> bool {
        self.known
            .get(digest)
            .is_some_and(|entry| elapsed >= entry.refresh_at)
    }

    /// An answer that makes no sense is not believed for long: a moment later its issuer is asked again. Whether to ask
    /// at once, because the answer is from before, and perhaps signed with a key that was withdrawn since.
    pub(crate) fn doubt(&self, digest: &Digest, elapsed: Duration) -> bool {
        const MOMENT: Duration = Duration::from_secs(1);
        let entry = self.known.get(digest).filter(|entry| elapsed < entry.until);
        let Some(mut entry) = entry.filter(|entry| matches!(entry.known, Known::Yes(_))) else {
            return false;
        };
        let again = elapsed.saturating_sub(entry.noted_at) > MOMENT;
        let left = if again { Duration::ZERO } else { MOMENT };
        entry.until = entry.until.min(elapsed + left);
        entry.stale_until = Duration::ZERO;
        self.known.insert(*digest, entry);
        again
    }

    /// Joins the question in the air, or asks. `None` if too much is asked already.
    pub(crate) fn ask(
        &self,
        digest: Digest,
        token: &str,
        (issuer, kind): (IssuerId, TokenKind),
        source: Option<Source>,
        now: Timestamp,
        elapsed: Duration,
    ) -> Option<Ticket> {
        let mut state = self.state();
        if let Some(flight) = state.flights.get(&digest) {
            // One of another process will never land here.
            if flight.said.get().is_some() || flight.ticket.flies() {
                return Some(flight.ticket.clone());
            }
            state.flights.remove(&digest);
        }
        let known = self.known.get(&digest);
        // Another request may have been here between the look and the question.
        if let Some(entry) = &known
            && elapsed < entry.until.min(entry.refresh_at)
        {
            let ticket = Ticket::new();
            ticket.land();
            return Some(ticket);
        }
        // A token that was good a moment ago is no stranger.
        let stranger = known.is_none_or(|entry| !matches!(entry.known, Known::Yes(_)));
        if state.is_full_for(source.filter(|_| stranger)) {
            self.sweep(&mut state, now, elapsed);
            if state.is_full_for(source.filter(|_| stranger)) {
                return None;
            }
        }
        if stranger {
            state.crowd.spend(source, elapsed)?;
        }
        let endpoint = self
            .endpoints
            .get(issuer.index())?
            .iter()
            .find(|own| own.kind == kind)?;
        let flight = Arc::new(Flight {
            issuer,
            kind,
            source,
            asked_at: elapsed,
            ticket: Ticket::new(),
            said: OnceLock::new(),
        });
        state.flights.insert(digest, Arc::clone(&flight));
        drop(state);
        let ticket = flight.ticket.clone();
        let (endpoint, token, settings) =
            (Arc::clone(endpoint), Secret::new(token), self.fetch.clone());
        let landing = Landing(Arc::clone(&flight));
        let url = endpoint.url.clone();
        let job: remote::Job = Box::new(move |client| {
            Box::pin(async move {
                let landing = landing;
                let said = endpoint.ask(&client, &settings, &token, now).await;
                drop(landing.0.said.set(said));
                drop(landing);
            })
        });
        if let Err(why) = remote::run(job, &self.fetch) {
            drop(
                flight
                    .said
                    .set(Said::Failed(FetchError::Unreachable { url, why }, None)),
            );
        }
        Some(ticket)
    }

    /// Takes what was said about a token out of the air and writes it down.
    fn harvest(
        &self,
        state: &mut State,
        digest: &Digest,
        now: Timestamp,
        elapsed: Duration,
    ) -> Option<Known<Arc<Answer>>> {
        state.flights.get(digest)?.said.get()?;
        let flight = state.flights.remove(digest)?;
        let said = flight.said.get()?.clone();
        // What was asked in the background may have waited long for somebody to want it.
        let longest = self
            .settings
            .positive
            .max(self.fetch.total_timeout + LANDING);
        if elapsed.saturating_sub(flight.asked_at) > longest {
            return None;
        }
        Some(self.note(state, *digest, &flight, said, now, elapsed))
    }

    fn sweep(&self, state: &mut State, now: Timestamp, elapsed: Duration) {
        let over = |flight: &Arc<Flight>| flight.said.get().is_some() || !flight.ticket.flies();
        let landed: Vec<Digest> = state
            .flights
            .iter()
            .filter(|(_, flight)| over(flight))
            .map(|(digest, _)| *digest)
            .collect();
        for digest in landed {
            if self.harvest(state, &digest, now, elapsed).is_none() {
                state.flights.remove(&digest);
            }
        }
    }

    fn note(
        &self,
        state: &mut State,
        digest: Digest,
        flight: &Flight,
        said: Said,
        now: Timestamp,
        elapsed: Duration,
    ) -> Known<Arc<Answer>> {
        let whom = (flight.issuer.index(), flight.kind);
        let breaker = state.breakers.entry(whom).or_default();
        breaker.asked += 1;
        let entry = match said {
            Said::Yes(answer) => {
                breaker.closed();
                let left = answer.expires_at().map_or(u64::MAX, |exp| {
                    u64::try_from(exp.millis_since(now)).unwrap_or(0)
                });
                let ttl = self.settings.positive.min(Duration::from_millis(left));
                Entry {
                    known: Known::Yes(Arc::new(*answer)),
                    noted_at: elapsed,
                    // It may have been said a while ago.
                    until: flight.asked_at + ttl,
                    refresh_at: flight.asked_at + ttl.mul_f64(0.8),
                    stale_until: elapsed
                        + (ttl + self.settings.stale_if_error).min(Duration::from_millis(left)),
                }
            }
            Said::No => {
                breaker.closed();
                Entry::until(Known::No, elapsed + self.settings.negative)
            }
            Said::Failed(error, wait) => {
                crate::observe::asked(&error);
                breaker.failures = breaker.failures.saturating_add(1);
                breaker.last_error = Some(error.to_string());
                let wait = wait
                    .unwrap_or_default()
                    .max(Duration::from_secs(1))
                    .min(LONGEST_BREAK);
                if breaker.failures >= BREAKS_AFTER {
                    let doubled = 1 << (breaker.failures - BREAKS_AFTER).min(4);
                    breaker.open_until =
                        elapsed + Duration::from_secs(doubled).max(wait).min(LONGEST_BREAK);
                }
                match self.stale(&digest, elapsed) {
                    // The old answer is believed a little longer, and its end is not moved.
                    Some(known) => {
                        let stale_until = self
                            .known
                            .get(&digest)
                            .map_or(elapsed, |entry| entry.stale_until);
                        Entry {
                            known,
                            noted_at: elapsed,
                            until: (elapsed + wait).min(stale_until),
                            refresh_at: elapsed + wait,
                            stale_until,
                        }
                    }
                    None => Entry::until(unreachable(wait), elapsed + wait),
                }
            }
        };
        let known = entry.known.clone();
        self.known.insert(digest, entry);
        known
    }

    /// An answer that is too old, but may be used while its issuer does not answer.
    fn stale(&self, digest: &Digest, elapsed: Duration) -> Option<Known<Arc<Answer>>> {
        let entry = self.known.get(digest)?;
        let usable = matches!(entry.known, Known::Yes(_)) && elapsed < entry.stale_until;
        (usable && !self.settings.stale_if_error.is_zero()).then_some(entry.known)
    }

    /// How full it is, and how those are who are asked.
    pub(crate) fn status(&self, elapsed: Duration) -> (CacheStatus, Vec<EndpointStatus>) {
        let state = self.state();
        let endpoints = self.endpoints.iter().enumerate();
        let endpoints = endpoints.flat_map(|(issuer, of_issuer)| {
            of_issuer.iter().map(move |endpoint| (issuer, endpoint))
        });
        let status = |(issuer, endpoint): (usize, &Arc<Endpoint>)| {
            let breaker = state.breakers.get(&(issuer, endpoint.kind));
            let open = breaker.is_some_and(|breaker| elapsed < breaker.open_until);
            EndpointStatus {
                url: without_secrets(&endpoint.url),
                kind: endpoint.kind.as_str(),
                breaker: if open { "open" } else { "closed" },
                failures: breaker.map_or(0, |breaker| breaker.failures),
                asked: breaker.map_or(0, |breaker| breaker.asked),
                last_error: breaker.and_then(|breaker| breaker.last_error.clone()),
            }
        };
        (cache_status(&self.known), endpoints.map(status).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in there can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is no room in the air for another question, of a stranger from this source if one is given.
    fn is_full_for(&self, source: Option<Source>) -> bool {
        let in_the_air = self.flights.len();
        let own = || {
            let flights = self.flights.values();
            flights.filter(|flight| flight.source == source).count()
        };
        in_the_air >= MAX_FLIGHTS
            || source.is_some() && in_the_air >= MAX_FLIGHTS / 2 && own() >= MAX_FLIGHTS_OF_A_SOURCE
    }
}

impl Entry {
    fn until(known: Known<Arc<Answer>>, until: Duration) -> Self {
        Self {
            known,
            noted_at: Duration::ZERO,
            until,
            refresh_at: Duration::MAX,
            stale_until: Duration::ZERO,
        }
    }
}

fn unreachable<T>(wait: Duration) -> Known<T> {
    Known::Unreachable(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1))
}

/// Lands the ticket even if asking panics or is dropped, so that nobody waits in vain.
struct Landing(Arc<Flight>);

impl Drop for Landing {
    fn drop(&mut self) {
        let lost = || FetchError::Unreachable {
            url: String::new(),
            why: "the question was lost".to_owned(),
        };
        self.0.said.get_or_init(|| Said::Failed(lost(), None));
        self.0.ticket.land();
    }
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<Digest, Entry> for ByWeight {
    fn weight(&self, digest: &Digest, entry: &Entry) -> u64 {
        let answer = match &entry.known {
            Known::Yes(answer) => answer.weight(),
            _ => 0,
        };
        (digest.len() + answer + 150) as u64
    }
}
