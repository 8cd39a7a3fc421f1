//! What is known of families that were checked lately, so that most requests need neither store nor upstream.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::{Cache, EntryAction, EntryResult};
use serde_json::{Map, Value};

use super::secrets::Digest;
use super::standing::digest;
use super::{
    AuthorizationServer, Exchange, Moment, Standing, Store, Transport, UpstreamCheck,
    UpstreamToken, observe,
};

/// Checks families and remembers what came of it. The upstream is asked as often as the [policy](UpstreamCheck) says, the
/// store once a minute at the least, so that what ends here is noticed however seldom the upstream is asked. However many
/// ask about one family at once, it is checked once.
///
/// One for each process: a pre-forking server makes it after the fork.
pub struct Sessions<S, T> {
    server: AuthorizationServer,
    store: Arc<S>,
    transport: Arc<T>,
    known: Cache<Digest, Checked>,
}

#[derive(Clone, Copy)]
struct Checked {
    /// What is said.
    standing: Standing,
    at: i64,
    /// When it last stood here for sure.
    here_at: Option<i64>,
    /// When the upstream, too, last stood by it for sure.
    upstream_at: Option<i64>,
    /// Whether somebody knew it.
    sure: bool,
}

impl<S: Store, T: Transport> Sessions<S, T> {
    /// Nothing is known yet.
    pub fn new(server: AuthorizationServer, store: Arc<S>, transport: Arc<T>) -> Self {
        Self {
            server,
            store,
            transport,
            known: Cache::new(CAPACITY),
        }
    }

    /// Whether the family with this `sid` stands, if that is known at `now` (seconds since 1970) without asking.
    pub fn known(&self, sid: &str, now: i64) -> Option<Standing> {
        let Some(digest) = digest(sid) else {
            return Some(Standing::Ended);
        };
        let checked = self.known.get(&digest)?;
        self.holds(&checked, now).then_some(checked.standing)
    }

    /// Whether the family with this `sid` stands.
    pub async fn check(&self, sid: &str) -> Standing {
        match Moment::of_the_system() {
            Some(moment) => self.check_at(sid, moment).await,
            None => Standing::Ended,
        }
    }

    pub(super) async fn check_at(&self, sid: &str, moment: Moment) -> Standing {
        let Some(digest) = digest(sid) else {
            return Standing::Ended;
        };
        let now = moment.now;
        if self.server.0.settings.upstream_check == UpstreamCheck::Always {
            return self.ask(self.server.check(sid, moment)).await;
        }
        let entry = self.known.entry_async(&digest, |_, checked| {
            if self.holds(checked, now) {
                EntryAction::Retain(checked.standing)
            } else {
                EntryAction::ReplaceWithGuard
            }
        });
        let (guard, before) = match entry.await {
            EntryResult::Retained(standing) => return standing,
            EntryResult::Vacant(guard) => (guard, None),
            EntryResult::Replaced(guard, before) => (guard, Some(before)),
            EntryResult::Removed(..) | EntryResult::Timeout => return Standing::Unknown,
        };
        let (here_at, upstream_at) =
            before.map_or((None, None), |before| (before.here_at, before.upstream_at));
        let only_here = self.upstream_holds(upstream_at, now);
        // Where the upstream need not be asked, the store is the only one that can be away.
        let (exchange, stood_at) = if only_here {
            (self.server.check_here(sid, moment), here_at)
        } else {
            (self.server.check(sid, moment), upstream_at)
        };
        let told = self.ask(exchange).await;
        let tolerance = self.server.0.settings.outage_tolerance;
        let stood_lately = within(stood_at, tolerance, now);
        let stood = |before| match told {
            Standing::Stands => Some(now),
            Standing::Unknown => before,
            Standing::Ended => None,
        };
        let checked = Checked {
            standing: match told {
                Standing::Unknown if stood_lately => Standing::Stands,
                told => told,
            },
            at: now,
            here_at: stood(here_at),
            upstream_at: match told {
                Standing::Stands if only_here => upstream_at,
                _ => stood(upstream_at),
            },
            sure: told != Standing::Unknown,
        };
        let _ = guard.insert(checked);
        checked.standing
    }

    async fn ask(&self, exchange: Exchange<Standing>) -> Standing {
        let standing = exchange.run(&*self.store, &*self.transport).await;
        observe::checked(standing);
        standing
    }

    /// The upstream's access token of the family with this `sid`, refreshed if need be: for tools that call the upstream
    /// themselves, and for nobody else.
    ///
    /// # Errors
    /// The family has ended or holds none, or who would know is away.
    pub async fn upstream_token(&self, sid: &str) -> Result<UpstreamToken, Standing> {
        let moment = Moment::of_the_system().ok_or(Standing::Unknown)?;
        let exchange = self.server.upstream_token(sid, moment);
        exchange.run(&*self.store, &*self.transport).await
    }

    /// What the upstream tells about the person of the family with this `sid`, asked anew.
    ///
    /// # Errors
    /// The family has ended, the upstream refuses its token, or who would know is away or has no such endpoint.
    pub async fn userinfo(&self, sid: &str) -> Result<Map<String, Value>, Standing> {
        let moment = Moment::of_the_system().ok_or(Standing::Unknown)?;
        let exchange = self.server.userinfo(sid, moment);
        exchange.run(&*self.store, &*self.transport).await
    }

    /// The server that these are the sessions of.
    pub fn server(&self) -> &AuthorizationServer {
        &self.server
    }

    fn holds(&self, checked: &Checked, now: i64) -> bool {
        if !checked.sure {
            return within(Some(checked.at), UNSURE_SECONDS, now);
        }
        let said = match (self.server.0.settings.upstream_check, checked.standing) {
            (UpstreamCheck::Always, _) => false,
            (UpstreamCheck::Every(_), Standing::Stands) => {
                self.upstream_holds(checked.upstream_at, now)
            }
            _ => true,
        };
        said && within(Some(checked.at), HERE_SECONDS, now)
    }

    /// Whether what the upstream said still counts.
    fn upstream_holds(&self, upstream_at: Option<i64>, now: i64) -> bool {
        match self.server.0.settings.upstream_check {
            UpstreamCheck::Every(seconds) => within(upstream_at, seconds, now),
            UpstreamCheck::Never | UpstreamCheck::Always => false,
        }
    }
}

/// A clock that went back does not keep anything known for longer.
fn within(at: Option<i64>, seconds: i64, now: i64) -> bool {
    at.is_some_and(|at| (at..at.saturating_add(seconds)).contains(&now))
}

impl<S, T> fmt::Debug for Sessions<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("server", &self.server)
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}

/// Families that are remembered.
const CAPACITY: usize = 100_000;
/// Seconds after which the store is asked again, at the latest.
const HERE_SECONDS: i64 = 60;
/// Seconds in which nobody is asked again who was away.
const UNSURE_SECONDS: i64 = 2;
