//! A verifier with a memory, a fetcher and a clock.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use doorward_core::{
    Credential, Identity, Issuer, IssuerName, KeySource, Logout, LogoutOutcome, Lookup, Outcome,
    Place, Reason, Rejection, RequestHead, Revocation, RevokedClaim, SessionSeal, TENANT,
    Timestamp, TokenKind, Verifier, sha256,
};

use crate::answers::{AnswerSettings, Answers, Digest};
use crate::ask::Endpoint;
use crate::calls::ToolScopes;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError, KeysAt, Resolved};
use crate::crowd::Source as Stranger;
use crate::fetch::{self, Fetcher};
use crate::flight::Ticket;
use crate::freshness::FetchSettings;
use crate::memory::{KeySlot, KeyStatus, Memory, Source};
use crate::observe;
use crate::resource::ProtectedResource;
use crate::revocation::{Receipt, RevocationError, RevocationStatus, Revocations};
use crate::status::{CacheStatus, EndpointStatus};
use crate::tenants::Tenants;
use crate::userinfo::{self, Userinfo, UserinfoAttempt};

/// Decides who is calling. One per application; cheap to clone and safe to share.
///
/// The warm path is a plain function call: no lock that another request could hold for long, no await, no I/O. Only
/// when keys must be learned does [`authenticate`](Self::authenticate) wait, for a fetch that all requests share.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    verifier: Verifier,
    memory: Memory,
    userinfo: Answers,
    clock: Arc<dyn Clock>,
    fetch: FetchSettings,
    client_address_header: Option<String>,
    explain: bool,
    problem_details: bool,
    resource: Option<ProtectedResource>,
    tools: ToolScopes,
    session_seal: Option<SessionSeal>,
}

/// The result of one try that does not wait.
#[derive(Debug)]
pub enum Attempt {
    /// Somebody.
    Verified(Identity),
    /// Nobody, and why.
    Rejected(Rejection),
    /// Wait for this fetch, then try again.
    Pending(Ticket),
}

/// How often one request may wait. Four are needed at most: for an issuer's answer, for the first key set, for a key that
/// was published since, and for what was revoked.
const MAX_ROUNDS: usize = 5;

impl Authenticator {
    /// Builds an authenticator. Nothing is fetched, started or opened before a request needs it.
    ///
    /// # Errors
    /// The operator's mistake, with the setting, what was found and what would be right.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Self::with_clock(config, Arc::new(SystemClock::new()))
    }

    /// As [`Authenticator::new`], with a clock of your own, for tests.
    ///
    /// # Errors
    /// As [`Authenticator::new`].
    pub fn with_clock(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let fetcher: Fetcher = Arc::new(fetch::fetch);
        Self::assemble(config, clock, &fetcher)
    }

    fn assemble(
        config: &Config,
        clock: Arc<dyn Clock>,
        fetcher: &Fetcher,
    ) -> Result<Self, ConfigError> {
        let Resolved {
            verifier,
            sources,
            fetch,
            cache_bytes,
            explain,
            problem_details,
            endpoints,
            mut answers,
            revocation,
            userinfo,
            userinfo_ttl,
            client_address_header,
            resource,
            tools,
            session_seal,
        } = config.resolve()?;
        let sources = sources.into_iter().zip(verifier.issuers());
        let sources = sources.map(|(source, issuer)| {
            let (algorithms, fetch) = (issuer.algorithms, fetch.clone());
            let (clock, fetcher) = (Arc::clone(&clock), Arc::clone(fetcher));
            let slot = move |url| {
                KeySlot::new(
                    url,
                    algorithms,
                    fetch.clone(),
                    Arc::clone(&clock),
                    Arc::clone(&fetcher),
                )
            };
            match source {
                KeysAt::Hand => Source::Static,
                KeysAt::Url(url) => Source::One(Arc::new(slot(url))),
                KeysAt::Tenants { url, most } => {
                    let make = move |tenant: &str| slot(url.of_tenant(tenant));
                    Source::Tenants(Box::new(Tenants::new(most, make)))
                }
            }
        });
        // What is remembered shares the bytes that the operator gives.
        let used = |endpoints: &[Vec<Endpoint>]| !endpoints.iter().all(Vec::is_empty);
        let shares = 1 + usize::from(used(&endpoints)) + usize::from(used(&userinfo));
        let cache_bytes = cache_bytes / shares;
        answers.cache_bytes = cache_bytes;
        let userinfo_settings = AnswerSettings {
            positive: userinfo_ttl,
            stale_if_error: Duration::ZERO,
            ..answers
        };
        let userinfo = Answers::new(userinfo, userinfo_settings, fetch.clone());
        let answers = Answers::new(endpoints, answers, fetch.clone());
        let revocations = Revocations::new(revocation);
        let memory = Memory::new(sources.collect(), answers, revocations, cache_bytes);
        Ok(Self(Arc::new(Inner {
            verifier,
            memory,
            userinfo,
            clock,
            fetch,
            client_address_header,
            explain,
            problem_details,
            resource,
            tools,
            session_seal,
        })))
    }

    /// Decides who sends this request.
    ///
    /// # Errors
    /// The refusal, to be rendered as it is or, for optional authentication, let through if
    /// [`Rejection::is_absence`].
    pub async fn authenticate<H: RequestHead>(&self, head: &H) -> Result<Identity, Rejection> {
        let source = || self.source(head);
        self.verify_credential(&self.credential(head)?, source)
            .await
    }

    /// As [`Authenticator::authenticate`], blocking the thread while keys are fetched.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`].
    pub fn authenticate_blocking<H: RequestHead>(&self, head: &H) -> Result<Identity, Rejection> {
        self.verify_credential_blocking(&self.credential(head)?, || self.source(head))
    }

    /// As [`Authenticator::authenticate`], without waiting.
    pub fn try_authenticate<H: RequestHead>(&self, head: &H) -> Attempt {
        match self.credential(head) {
            Ok(credential) => self.attempt(&credential, &|| self.source(head)),
            Err(rejection) => Attempt::Rejected(rejection),
        }
    }

    /// Verifies a token that is already in hand.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`].
    pub async fn verify(&self, token: &str) -> Result<Identity, Rejection> {
        self.verify_credential(&Credential::bearer(token), || None)
            .await
    }

    /// As [`Authenticator::verify`], blocking the thread while keys are fetched.
    ///
    /// # Errors
    /// As [`Authenticator::authenticate`].
    pub fn verify_blocking(&self, token: &str) -> Result<Identity, Rejection> {
        self.verify_credential_blocking(&Credential::bearer(token), || None)
    }

    /// As [`Authenticator::verify`], without waiting.
    pub fn try_verify(&self, token: &str) -> Attempt {
        self.attempt(&Credential::bearer(token), &|| None)
    }

    /// What the issuer tells besides about a verified caller (OpenID Connect Core §5.3), by the token that verified them,
    /// at `userinfo_url`. Asked once and remembered for `userinfo_ttl`; no verdict depends on it.
    ///
    /// # Errors
    /// The issuer tells nothing, cannot be asked, or tells of somebody else. To be shown or not: the caller stays verified.
    pub async fn userinfo(&self, identity: &Identity, token: &str) -> Result<Userinfo, Rejection> {
        for _ in 0..MAX_ROUNDS {
            match self.try_userinfo(identity, token) {
                UserinfoAttempt::Told(told) => return Ok(told),
                UserinfoAttempt::Refused(rejection) => return Err(rejection),
                UserinfoAttempt::Pending(ticket) => ticket.await,
            }
        }
        Err(self.gave_up())
    }

    /// As [`Authenticator::userinfo`], blocking the thread while the issuer is asked.
    ///
    /// # Errors
    /// As [`Authenticator::userinfo`].
    pub fn userinfo_blocking(
        &self,
        identity: &Identity,
        token: &str,
    ) -> Result<Userinfo, Rejection> {
        for _ in 0..MAX_ROUNDS {
            match self.try_userinfo(identity, token) {
                UserinfoAttempt::Told(told) => return Ok(told),
                UserinfoAttempt::Refused(rejection) => return Err(rejection),
                UserinfoAttempt::Pending(ticket) => ticket.wait(self.longest_wait()),
            }
        }
        Err(self.gave_up())
    }

    /// As [`Authenticator::userinfo`], without waiting.
    pub fn try_userinfo(&self, identity: &Identity, token: &str) -> UserinfoAttempt {
        let Inner {
            verifier,
            memory,
            userinfo,
            clock,
            ..
        } = &*self.0;
        let (now, elapsed) = (clock.now(), clock.elapsed());
        if let Err(rejection) = userinfo::check(verifier, identity, token) {
            return UserinfoAttempt::Refused(self.refuse(rejection));
        }
        let digest = sha256(token.as_bytes());
        let facts = memory.at(digest, now, elapsed);
        // Whoever is no caller any more is told nothing.
        match verifier.recheck(identity.clone(), Place::Header, &facts, now) {
            Outcome::Verified(_) => {}
            Outcome::Rejected(rejection) => {
                return UserinfoAttempt::Refused(self.refuse(rejection));
            }
            Outcome::Needs(lookup) => {
                return match self.learn(lookup, token, digest, &|| None, now, elapsed) {
                    Attempt::Pending(ticket) => UserinfoAttempt::Pending(ticket),
                    Attempt::Rejected(rejection) => UserinfoAttempt::Refused(rejection),
                    Attempt::Verified(_) => UserinfoAttempt::Refused(self.gave_up()),
                };
            }
        }
        match userinfo::attempt(userinfo, identity, token, digest, now, elapsed) {
            UserinfoAttempt::Refused(rejection) => UserinfoAttempt::Refused(self.refuse(rejection)),
            other => other,
        }
    }

    /// The header field in which the operator's own proxy says who asks, in lower case.
    pub fn client_address_header(&self) -> Option<&str> {
        self.0.client_address_header.as_deref()
    }

    /// Finds what a request presents, without verifying it.
    ///
    /// # Errors
    /// There is nothing, more than one thing, or something malformed.
    pub fn credential<'h, H: RequestHead>(
        &'h self,
        head: &'h H,
    ) -> Result<Credential<'h>, Rejection> {
        self.0
            .verifier
            .credential(head)
            .map_err(|rejection| self.refuse(rejection))
    }

    /// Where a request's credential stands; `None` if there is none, or not exactly one. A browser sends cookies by
    /// itself, so a door that reads them must ask who made the request (cross-site request forgery).
    pub fn place<H: RequestHead>(&self, head: &H) -> Option<Place> {
        let credential = self.0.verifier.credential(head).ok()?;
        Some(credential.place())
    }

    /// The issuers that are trusted, as they are configured: a name, a template with its hole, or `(any, pinned by its
    /// keys)`.
    pub fn issuers(&self) -> Vec<String> {
        self.0.verifier.issuers().iter().map(label).collect()
    }

    /// The origins and clients that tokens may be made for, of all issuers.
    pub fn authorized_parties(&self) -> Vec<&str> {
        let issuers = self.0.verifier.issuers().iter();
        let mut parties: Vec<&str> = issuers
            .flat_map(|issuer| &issuer.authorized_parties.parties)
            .map(String::as_str)
            .collect();
        parties.sort_unstable();
        parties.dedup();
        parties
    }

    /// A revocation of all tokens whose `claim` has this value, of whichever issuer, kept as long as any
    /// (`revocation_retention`). Narrow it with [`Revocation::of`] and [`Revocation::until`].
    pub fn revocation(&self, claim: RevokedClaim, value: impl Into<String>) -> Revocation {
        Revocation::new(claim, value, self.retained_until())
    }

    /// When a revocation of now may be forgotten.
    pub fn retained_until(&self) -> Timestamp {
        self.0.memory.revocations().end(self.0.clock.now())
    }

    /// Refuses what a revocation covers, here from now on, and everywhere as soon as the shared store has it.
    ///
    /// # Errors
    /// It cannot be revoked; or it is refused here, and the store that is shared with others is away. Then it is written
    /// when the store is back.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), RevocationError> {
        match self.begin_to_revoke(revocation)? {
            Some(receipt) => {
                receipt.ticket.clone().await;
                receipt.outcome()
            }
            None => Ok(()),
        }
    }

    /// As [`Authenticator::revoke`], blocking the thread while the shared store is written to.
    ///
    /// # Errors
    /// As [`Authenticator::revoke`].
    pub fn revoke_blocking(&self, revocation: Revocation) -> Result<(), RevocationError> {
        match self.begin_to_revoke(revocation)? {
            Some(receipt) => {
                receipt.ticket.wait(LONGEST_REVOCATION);
                receipt.outcome()
            }
            None => Ok(()),
        }
    }

    /// As [`Authenticator::revoke`], without waiting: it is refused here from now on, and the receipt says when the others
    /// can know. `None` where there are no others.
    ///
    /// # Errors
    /// It cannot be revoked.
    pub fn begin_to_revoke(
        &self,
        mut revocation: Revocation,
    ) -> Result<Option<Receipt>, RevocationError> {
        let verifier = &self.0.verifier;
        if let Some(name) = &revocation.issuer {
            let Some(id) = verifier.issuer_named(name) else {
                return Err(RevocationError::Invalid(format!(
                    "{name:?} is no trusted issuer: {:?}",
                    self.issuers()
                )));
            };
            revocation.issuer = Some(verifier.canonical(id, name).to_owned());
        }
        let now = self.0.clock.now();
        self.0.memory.revocations().revoke(revocation, now)
    }

    /// Verifies a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6) and revokes what it says is over.
    ///
    /// # Errors
    /// Why it is none of a trusted issuer; or 503 if it cannot be verified now, or is refused here and not yet shared.
    pub async fn accept_logout(&self, token: &str) -> Result<Logout, Rejection> {
        for _ in 0..MAX_ROUNDS {
            match self.try_logout(token)? {
                Ok(logout) => {
                    let revoked = self.revoke(self.revocation_of(&logout)).await;
                    return self.logged_out(logout, revoked);
                }
                Err(ticket) => ticket.await,
            }
        }
        Err(self.gave_up())
    }

    /// As [`Authenticator::accept_logout`], blocking the thread.
    ///
    /// # Errors
    /// As [`Authenticator::accept_logout`].
    pub fn accept_logout_blocking(&self, token: &str) -> Result<Logout, Rejection> {
        for _ in 0..MAX_ROUNDS {
            match self.try_logout(token)? {
                Ok(logout) => {
                    let revoked = self.revoke_blocking(self.revocation_of(&logout));
                    return self.logged_out(logout, revoked);
                }
                Err(ticket) => ticket.wait(self.longest_wait()),
            }
        }
        Err(self.gave_up())
    }

    fn try_logout(&self, token: &str) -> Result<Result<Logout, Ticket>, Rejection> {
        let (now, elapsed) = (self.0.clock.now(), self.0.clock.elapsed());
        let facts = self.0.memory.at(Digest::default(), now, elapsed);
        match self.0.verifier.verify_logout(token, &facts, now) {
            LogoutOutcome::Accepted(logout) => Ok(Ok(logout)),
            LogoutOutcome::Rejected(rejection) => Err(self.refuse(rejection)),
            LogoutOutcome::Needs(lookup) => {
                match self.learn(lookup, token, Digest::default(), &|| None, now, elapsed) {
                    Attempt::Pending(ticket) => Ok(Err(ticket)),
                    Attempt::Rejected(rejection) => Err(rejection),
                    Attempt::Verified(_) => Err(self.refuse(cannot_learn())),
                }
            }
        }
    }

    fn revocation_of(&self, logout: &Logout) -> Revocation {
        logout.revocation(self.retained_until())
    }

    fn logged_out(
        &self,
        logout: Logout,
        revoked: Result<(), RevocationError>,
    ) -> Result<Logout, Rejection> {
        let refuse = |error: RevocationError| {
            let reason = match error {
                RevocationError::Invalid(_) => Reason::ClaimMalformed,
                RevocationError::NotShared(_) => Reason::VerificationUnavailable,
            };
            self.refuse(Rejection::new(reason).with_detail(error.to_string()))
        };
        revoked.map(|()| logout).map_err(refuse)
    }

    pub(crate) fn memory_status(&self) -> (CacheStatus, CacheStatus, Vec<EndpointStatus>) {
        let memory = &self.0.memory;
        let (answers, endpoints) = memory.answers().status(self.0.clock.elapsed());
        (memory.token_status(), answers, endpoints)
    }

    /// How revocation is.
    pub fn revocation_status(&self) -> RevocationStatus {
        self.0.memory.revocations().status()
    }

    /// Fetches every remote key set that is not fresh, and what was revoked elsewhere, and waits. To warm up before
    /// traffic comes; never needed.
    pub fn refresh_blocking(&self) {
        let slots = self.0.memory.slots();
        let tickets: Vec<Ticket> = slots.iter().map(|(_, _, slot)| slot.fetch(None)).collect();
        let revoked = self.0.memory.revocations().follow();
        tickets
            .iter()
            .chain(&revoked)
            .for_each(|ticket| ticket.wait(self.longest_wait()));
    }

    /// What is known about each issuer's keys, and about those of the tenants that were asked for lately.
    pub fn key_status(&self) -> Vec<(String, Option<KeyStatus>)> {
        let elapsed = self.0.clock.elapsed();
        let slots = self.0.memory.slots();
        let mut status = Vec::new();
        for (position, issuer) in self.0.verifier.issuers().iter().enumerate() {
            let label = label(issuer);
            let mut own = slots
                .iter()
                .filter(|(issuer, ..)| *issuer == position)
                .peekable();
            if own.peek().is_none() {
                status.push((label.clone(), None));
            }
            for (_, tenant, slot) in own {
                let label = match tenant {
                    Some(tenant) => label.replace(TENANT, tenant),
                    None => label.clone(),
                };
                status.push((label, Some(slot.status(elapsed))));
            }
        }
        status
    }

    /// How many verified tokens are remembered.
    pub fn remembered_tokens(&self) -> usize {
        self.0.memory.tokens()
    }

    /// The protected resource that this authenticator stands in front of, if the operator named it.
    pub fn resource(&self) -> Option<&ProtectedResource> {
        self.0.resource.as_ref()
    }

    pub(crate) fn tool_scopes(&self) -> &ToolScopes {
        &self.0.tools
    }

    pub(crate) fn session_seal(&self) -> Option<&SessionSeal> {
        self.0.session_seal.as_ref()
    }

    /// The verifier.
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// Whether both are the same authenticator, not merely alike.
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Makes a refusal of your own (a policy's) speak the way this authenticator's refusals do.
    #[must_use]
    pub fn refuse(&self, mut rejection: Rejection) -> Rejection {
        if self.0.explain {
            rejection = rejection.explained();
        }
        if self.0.problem_details {
            rejection = rejection.as_problem();
        }
        if let Some(resource) = &self.0.resource {
            rejection = rejection.with_resource(resource.hint().clone());
        }
        observe::rejected(&rejection);
        rejection
    }

    async fn verify_credential(
        &self,
        credential: &Credential<'_>,
        source: impl Fn() -> Option<Stranger>,
    ) -> Result<Identity, Rejection> {
        for _ in 0..MAX_ROUNDS {
            match self.attempt(credential, &source) {
                Attempt::Verified(identity) => return Ok(identity),
                Attempt::Rejected(rejection) => return Err(rejection),
                Attempt::Pending(ticket) => ticket.await,
            }
        }
        Err(self.gave_up())
    }

    fn verify_credential_blocking(
        &self,
        credential: &Credential<'_>,
        source: impl Fn() -> Option<Stranger>,
    ) -> Result<Identity, Rejection> {
        for _ in 0..MAX_ROUNDS {
            match self.attempt(credential, &source) {
                Attempt::Verified(identity) => return Ok(identity),
                Attempt::Rejected(rejection) => return Err(rejection),
                Attempt::Pending(ticket) => ticket.wait(self.longest_wait()),
            }
        }
        Err(self.gave_up())
    }

    /// One round: what is remembered, else what can be verified with the facts at hand.
    fn attempt(
        &self,
        credential: &Credential<'_>,
        source: &dyn Fn() -> Option<Stranger>,
    ) -> Attempt {
        let Inner {
            verifier,
            memory,
            clock,
            ..
        } = &*self.0;
        let (now, elapsed) = (clock.now(), clock.elapsed());
        let too_long = credential.token().len() > verifier.settings().max_token_bytes;
        // Opaque tokens are asked about under their digest, whether or not anything is remembered.
        let wanted = !too_long && (memory.remembers() || !is_signed(credential.token()));
        let digest = if wanted {
            sha256(credential.token().as_bytes())
        } else {
            Digest::default()
        };
        let facts = memory.at(digest, now, elapsed);
        if wanted && let Some(identity) = memory.recall(&digest, elapsed) {
            return match verifier.recheck(identity, credential.place(), &facts, now) {
                Outcome::Verified(identity) => {
                    self.keep_fresh(&identity, elapsed);
                    self.ask_again(&identity, credential, digest, now, elapsed);
                    observe::verified(&identity, true);
                    Attempt::Verified(identity)
                }
                Outcome::Rejected(rejection) => {
                    // Our own trouble passes, and the token is as good as before.
                    if rejection.status() != 503 {
                        memory.forget(&digest);
                    }
                    Attempt::Rejected(self.refuse(rejection))
                }
                Outcome::Needs(lookup) => {
                    self.learn(lookup, credential.token(), digest, &|| None, now, elapsed)
                }
            };
        }
        let judge = || verifier.verify(credential, &facts, now);
        let mut outcome = judge();
        if let Outcome::Rejected(rejection) = &outcome
            && rejection.is_for_an_answer()
            && memory.answers().doubt(&digest, elapsed)
        {
            outcome = judge();
        }
        match outcome {
            Outcome::Verified(identity) => {
                let until = is_opaque(credential, &identity)
                    .then(|| elapsed + memory.answers().good_for(&digest, elapsed));
                memory.remember(digest, identity.clone(), until);
                memory.revocations().note_life(&identity);
                self.keep_fresh(&identity, elapsed);
                observe::verified(&identity, false);
                Attempt::Verified(identity)
            }
            Outcome::Rejected(rejection) => Attempt::Rejected(self.refuse(rejection)),
            Outcome::Needs(lookup) => {
                self.learn(lookup, credential.token(), digest, source, now, elapsed)
            }
        }
    }

    /// Begins to learn a fact, or joins whoever does.
    fn learn(
        &self,
        lookup: Lookup,
        token: &str,
        digest: Digest,
        source: &dyn Fn() -> Option<Stranger>,
        now: Timestamp,
        elapsed: Duration,
    ) -> Attempt {
        let memory = &self.0.memory;
        let (ticket, refusal): (_, fn() -> Rejection) = match lookup {
            Lookup::Answer { issuer, kind } => {
                let answers = memory.answers();
                let ticket = answers.ask(digest, token, (issuer, kind), source(), now, elapsed);
                (ticket, too_many_questions)
            }
            Lookup::Keys {
                issuer,
                tenant,
                kid,
            } => {
                let ticket = memory.fetch(issuer, tenant.as_deref(), kid, elapsed);
                (ticket, too_many_tenants)
            }
            Lookup::Revocations => (memory.revocations().follow(), cannot_learn),
            _ => (None, cannot_learn),
        };
        match ticket {
            Some(ticket) => Attempt::Pending(ticket),
            None => Attempt::Rejected(self.refuse(refusal())),
        }
    }

    /// Refreshes keys before they are too old. Only a verified caller gets this far, so strangers cannot cause it.
    fn keep_fresh(&self, identity: &Identity, elapsed: Duration) {
        self.0.memory.keep_fresh(identity, elapsed);
    }

    /// Asks about an opaque token again before its answer is too old, and lets nobody wait for it.
    fn ask_again(
        &self,
        identity: &Identity,
        credential: &Credential<'_>,
        digest: Digest,
        now: Timestamp,
        elapsed: Duration,
    ) {
        let answers = self.0.memory.answers();
        if is_opaque(credential, identity) && answers.is_due(&digest, elapsed) {
            let whom = (identity.provenance().issuer, identity.kind());
            drop(answers.ask(digest, credential.token(), whom, None, now, elapsed));
        }
    }

    /// Where a request comes from: what the operator's own proxy says, else the other end of the connection. Of a list the
    /// last address counts, which the nearest proxy wrote; those before it may be anybody's invention.
    fn source<H: RequestHead>(&self, head: &H) -> Option<Stranger> {
        let written = self.0.client_address_header.as_deref().and_then(|name| {
            let line = head.field(name).last()?;
            address(std::str::from_utf8(line).ok()?.rsplit(',').next()?)
        });
        written.or_else(|| head.peer()).map(Stranger::from)
    }

    /// A fetch ends by its own deadline; this is the belt to those braces.
    fn longest_wait(&self) -> Duration {
        self.0.fetch.total_timeout + Duration::from_secs(1)
    }

    fn gave_up(&self) -> Rejection {
        self.refuse(
            Rejection::new(Reason::KeysUnavailable)
                .with_detail("the keys changed faster than they were read"),
        )
    }
}

/// Whoever writes to the shared store answers sooner; this is the belt to those braces.
const LONGEST_REVOCATION: Duration = Duration::from_secs(15);

fn label(issuer: &Issuer) -> String {
    match &issuer.name {
        IssuerName::Exact(name) => name.clone(),
        IssuerName::Template(template) => template.to_string(),
        _ => "(any, pinned by its keys)".to_owned(),
    }
}

/// Whether the caller is known by its issuer's word, not by a signature.
fn is_opaque(credential: &Credential<'_>, identity: &Identity) -> bool {
    identity.kind() != TokenKind::Session && !is_signed(credential.token())
}

/// RFC 7515 §3.1: a compact JWS has two dots.
fn is_signed(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// An address, perhaps with a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.trim_matches(['[', ']']).parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    bare().or_else(with_port)
}

fn too_many_questions() -> Rejection {
    Rejection::new(Reason::VerificationUnavailable)
        .with_retry_after(1)
        .with_detail("too many opaque tokens that were not known before were presented at once")
}

fn cannot_learn() -> Rejection {
    Rejection::new(Reason::VerificationUnavailable)
        .with_retry_after(5)
        .with_detail("a fact is missing that this authenticator cannot learn")
}

fn too_many_tenants() -> Rejection {
    Rejection::new(Reason::KeysUnavailable)
        .with_retry_after(1)
        .with_detail("too many tenants that were not known before were asked for at once")
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers = self.0.verifier.issuers();
        let describe = |keys: &KeySource| matches!(keys, KeySource::Remote);
        f.debug_struct("Authenticator")
            .field(
                "issuers",
                &issuers
                    .iter()
                    .map(|issuer| &issuer.name)
                    .collect::<Vec<_>>(),
            )
            .field(
                "remote",
                &issuers
                    .iter()
                    .filter(|issuer| describe(&issuer.keys))
                    .count(),
            )
            .field("accepts", &self.0.verifier.settings().accepts)
            .finish()
    }
}

#[cfg(test)]
#[path = "authenticator_tests.rs"]
mod tests;
