//! What is known of families that were checked lately, so that most requests need neither store nor upstream.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::{Cache, EntryAction, EntryResult};
use serde_json::{Map, Value};

use super::secrets::Digest;
use super::settings::DEFAULT_CHECK;
use super::standing::digest;
use super::{
    AuthorizationServer, Moment, Standing, Store, Transport, UpstreamCheck, UpstreamToken, observe,
};

/// Checks families and remembers what came of it, for as long as the [policy](UpstreamCheck) says. However many ask about
/// one family at once, it is checked once.
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
    /// When it stood for sure.
    stood_at: Option<i64>,
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
        let (Some(digest), Some(moment)) = (digest(sid), Moment::of_the_system()) else {
            return Standing::Ended;
        };
        let now = moment.now;
        if self.server.0.settings.upstream_check == UpstreamCheck::Always {
            return self.ask(sid, moment).await;
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
            EntryResult::Replaced(guard, before) => (guard, before.stood_at),
            EntryResult::Removed(..) | EntryResult::Timeout => return Standing::Unknown,
        };
        let told = self.ask(sid, moment).await;
        let tolerance = self.server.0.settings.outage_tolerance;
        let stood_lately =
            before.is_some_and(|at| (at..at.saturating_add(tolerance)).contains(&now));
        let checked = Checked {
            standing: match told {
                Standing::Unknown if stood_lately => Standing::Stands,
                told => told,
            },
            at: now,
            stood_at: match told {
                Standing::Stands => Some(now),
                Standing::Unknown => before,
                Standing::Ended => None,
            },
            sure: told != Standing::Unknown,
        };
        let _ = guard.insert(checked);
        checked.standing
    }

    async fn ask(&self, sid: &str, moment: Moment) -> Standing {
        let exchange = self.server.check(sid, moment);
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
        let seconds = match self.server.0.settings.upstream_check {
            _ if !checked.sure => UNSURE_SECONDS,
            UpstreamCheck::Always => 0,
            UpstreamCheck::Every(seconds) => seconds,
            UpstreamCheck::Never => DEFAULT_CHECK,
        };
        // A clock that went back does not keep anything known for longer.
        (checked.at..checked.at.saturating_add(seconds)).contains(&now)
    }
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
/// Seconds in which nobody is asked again who was away.
const UNSURE_SECONDS: i64 = 2;
