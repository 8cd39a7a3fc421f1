//! Workers take messages out of the inbox and handle them.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use doorward_core::Timestamp;
use tokio::sync::watch;

use crate::change::Change;
use crate::database::{SyncError, Transaction};
use crate::inbox::{Claim, Inbox};
use crate::message::Message;
use crate::tables::Tables;

/// What a handler's future looks like.
pub type Handled<'a> = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 'a>>;

/// Code of yours that runs for each message, in the transaction that marks the message as done. What it writes there
/// happens once for each message. What it does elsewhere (a mail, a call) happens at least once.
pub trait Handler: Send + Sync {
    /// Handles one message. Do not commit.
    ///
    /// # Errors
    /// It failed, panicked, or took longer than half of the lease: everything in the transaction is undone, and the
    /// message comes again after a rest.
    fn handle<'a>(&'a self, message: &'a Message, tx: &'a mut Transaction) -> Handled<'a>;
}

/// Code of yours that takes each message somewhere else before the transaction begins, at least once: a queue, a URL.
pub trait Outlet: Send + Sync {
    /// Passes one message on.
    ///
    /// # Errors
    /// It failed: the tables are written nevertheless, and the message comes again after a rest.
    fn pass_on<'a>(&'a self, message: &'a Message) -> Handled<'a>;
}

/// Why a message could not be handled: a sentence that is kept with it.
#[derive(Clone, PartialEq, Eq)]
pub struct HandlerError(String);

impl HandlerError {
    /// With these words. They are stored and shown, so leave secrets out.
    pub fn new(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Takes messages out of an inbox and handles them. Cheap to clone; any number may run, in any number of processes.
#[derive(Clone)]
pub struct Worker {
    inbox: Inbox,
    tables: Option<Tables>,
    handlers: Vec<Arc<dyn Handler>>,
    outlets: Vec<Arc<dyn Outlet>>,
}

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// Messages that were handled.
    pub done: u64,
    /// Messages that failed, and rest.
    pub failed: u64,
    /// Messages that failed for the last time.
    pub dead: u64,
    /// Messages that somebody else took, because we were slower than the lease.
    pub lost: u64,
}

impl Turn {
    /// How many messages were in hand.
    pub fn taken(&self) -> u64 {
        self.done + self.failed + self.dead + self.lost
    }

    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.failed += other.failed;
        self.dead += other.dead;
        self.lost += other.lost;
    }
}

/// What became of one message that was to be handled at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is done, by us or before: answer 2xx.
    Done,
    /// It is a dead letter: answer 2xx, for the sender can do nothing about it.
    Dead,
    /// It failed and rests: answer 500, and the sender's retry is the next attempt, unless a worker is faster.
    Failed,
    /// Somebody else has it in hand: answer 503.
    InHand,
}

impl Worker {
    /// A worker that does nothing with messages but mark them as done.
    pub fn new(inbox: Inbox) -> Self {
        Self {
            inbox,
            tables: None,
            handlers: Vec::new(),
            outlets: Vec::new(),
        }
    }

    /// Keeps the tables as well.
    #[must_use]
    pub fn tables(mut self, tables: Tables) -> Self {
        self.tables = Some(tables);
        self
    }

    /// Runs this handler for each message, after the tables are written.
    #[must_use]
    pub fn handler(mut self, handler: impl Handler + 'static) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// Passes each message on.
    #[must_use]
    pub fn outlet(mut self, outlet: impl Outlet + 'static) -> Self {
        self.outlets.push(Arc::new(outlet));
        self
    }

    /// Handles what is due, up to one batch, and says what became of it. Without handlers and outlets a batch is one
    /// transaction; with them each message has its own, so that one failure undoes one message.
    ///
    /// # Errors
    /// The store failed. Nothing is lost: what was in hand comes back.
    pub async fn turn(&self, now: Timestamp) -> Result<Turn, SyncError> {
        let alone = !self.handlers.is_empty() || !self.outlets.is_empty();
        let most = if alone { BATCH_ALONE } else { BATCH };
        let claims = self.inbox.claim(most, now).await?;
        let mut turn = Turn::default();
        // Whatever a worker died over before is handled alone, so that it takes nothing else along this time.
        let (suspects, rest): (Vec<_>, Vec<_>) = claims
            .into_iter()
            .partition(|claim| alone || claim.is_suspect());
        if !rest.is_empty() {
            turn.add(self.handle_together(&rest, now).await?);
        }
        let began = Instant::now();
        for (place, claim) in suspects.iter().enumerate() {
            if began.elapsed() > self.longest() {
                // What remains of the lease may be too short for the next one.
                self.inbox.release(&suspects[place..], now).await?;
                break;
            }
            match self.handle_alone(claim, now).await {
                Ok(one) => turn.add(one),
                Err(error) => {
                    // If even this fails, the lease brings them back.
                    let _ = self.inbox.release(&suspects[place..], now).await;
                    return Err(error);
                }
            }
        }
        Ok(turn)
    }

    /// Handles this one message before anybody answers its sender. It has been accepted.
    ///
    /// # Errors
    /// The store failed: answer 503.
    pub async fn handle_now(&self, id: &str, now: Timestamp) -> Result<Verdict, SyncError> {
        let Some(claim) = self.inbox.claim_one(id, now).await? else {
            return Ok(match self.inbox.state(id).await?.as_deref() {
                Some("done") => Verdict::Done,
                Some("dead") => Verdict::Dead,
                _ => Verdict::InHand,
            });
        };
        match self.handle_alone(&claim, now).await {
            Ok(turn) if turn.done == 1 => Ok(Verdict::Done),
            Ok(turn) if turn.dead == 1 => Ok(Verdict::Dead),
            Ok(turn) if turn.lost == 1 => Ok(Verdict::InHand),
            Ok(_) => Ok(Verdict::Failed),
            Err(error) => {
                let _ = self.inbox.release(std::slice::from_ref(&claim), now).await;
                Err(error)
            }
        }
    }

    /// Handles messages until told to stop, then finishes what is in hand. Trouble of the store is waited out.
    pub async fn run(
        &self,
        clock: impl Fn() -> Timestamp,
        mut report: impl FnMut(&Result<Turn, SyncError>),
        mut stop: watch::Receiver<bool>,
    ) {
        let mut swept_at = None;
        while !*stop.borrow() {
            let now = clock();
            let due = swept_at.is_none_or(|then: Timestamp| {
                !(0..SWEEP_EVERY_MILLIS).contains(&now.millis_since(then))
            });
            if due {
                swept_at = Some(now);
                if let Err(error) = self.inbox.expire(now).await {
                    tracing::warn!(target: "doorward", %error, "old messages could not be removed");
                }
            }
            let turn = self.turn(now).await;
            report(&turn);
            let rest = match turn {
                // There may be more.
                Ok(turn) if turn.taken() > 0 => continue,
                Ok(_) => IDLE,
                Err(error) => {
                    tracing::warn!(target: "doorward", %error, "messages could not be handled");
                    TROUBLED
                }
            };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.inbox.inner.arrived.notified(), if rest == IDLE => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
    }

    /// One transaction for all of them; if it is refused, one for each, so that the guilty one is found.
    async fn handle_together(&self, claims: &[Claim], now: Timestamp) -> Result<Turn, SyncError> {
        match self.try_together(claims, now).await {
            Err(SyncError::Refused(_)) if claims.len() > 1 => {}
            Err(error) => {
                let _ = self.inbox.release(claims, now).await;
                return Err(error);
            }
            done => return done,
        }
        let mut turn = Turn::default();
        for (place, claim) in claims.iter().enumerate() {
            match self.handle_alone(claim, now).await {
                Ok(one) => turn.add(one),
                Err(error) => {
                    let _ = self.inbox.release(&claims[place..], now).await;
                    return Err(error);
                }
            }
        }
        Ok(turn)
    }

    async fn try_together(&self, claims: &[Claim], now: Timestamp) -> Result<Turn, SyncError> {
        let mut turn = Turn::default();
        let mut changes = Vec::new();
        let mut unreadable = Vec::new();
        let mut readable = Vec::new();
        for claim in claims {
            match self.changes(claim) {
                Ok(mut found) => {
                    changes.append(&mut found);
                    readable.push(claim);
                }
                Err(why) => unreadable.push((claim, why)),
            }
        }
        // The message itself is on disk: what is lost here is handled again.
        let mut tx = self.inbox.database().begin_repeatable().await?;
        if !readable.is_empty() {
            turn.done = self.inbox.complete_all(&mut tx, &readable, now).await?;
            // What these say is right all the same: descriptions are ordered by the provider's time.
            turn.lost = (readable.len() as u64).saturating_sub(turn.done);
        }
        if let Some(tables) = &self.tables {
            tables
                .write(&mut tx, self.inbox.schema(), changes, now)
                .await?;
        }
        for (claim, why) in unreadable {
            self.note_failure(&mut tx, claim, &why, now, &mut turn)
                .await?;
        }
        tx.commit().await?;
        Ok(turn)
    }

    async fn handle_alone(&self, claim: &Claim, now: Timestamp) -> Result<Turn, SyncError> {
        let mut turn = Turn::default();
        if self.inbox.is_worn_out(claim) {
            let why = format!(
                "{} workers vanished while they handled it",
                claim.claims().saturating_sub(claim.failures() + 1)
            );
            return self.fail_alone(claim, &why, now).await;
        }
        let changes = match self.changes(claim) {
            Ok(changes) => changes,
            Err(why) => return self.fail_alone(claim, &why, now).await,
        };
        let passed_on = self.pass_on(claim).await;
        let mut tx = self.inbox.database().begin().await?;
        if let Err(why) = passed_on {
            // Our tables do not wait for somebody else's queue.
            self.note_failure(&mut tx, claim, &why.0, now, &mut turn)
                .await?;
        } else if !self.inbox.complete(&mut tx, claim, now).await? {
            // Marked first, so that whoever took it meanwhile is seen, and held off, before anything happens twice.
            tx.rollback().await?;
            turn.lost += 1;
            return Ok(turn);
        }
        if let Some(tables) = &self.tables {
            let schema = self.inbox.schema();
            if let Err(error) = tables.write(&mut tx, schema, changes, now).await {
                drop(tx);
                return self.refused_or_away(claim, error, now).await;
            }
        }
        if turn.taken() > 0 {
            tx.commit().await?;
            return Ok(turn);
        }
        for handler in &self.handlers {
            let handled = self.in_time(handler.handle(claim.message(), &mut tx)).await;
            if let Err(why) = handled {
                drop(tx);
                return self.fail_alone(claim, &why.0, now).await;
            }
        }
        // PostgreSQL answers a commit after a failed statement with a silent rollback. A handler that swallowed the
        // failure must not pass for one that succeeded; any further statement says so.
        if !self.handlers.is_empty()
            && let Err(error) = tx.probe().await
        {
            drop(tx);
            return self.refused_or_away(claim, error, now).await;
        }
        match tx.commit().await {
            Ok(()) => {
                turn.done += 1;
                Ok(turn)
            }
            // For example a deferred constraint that a handler violated.
            Err(error) => self.refused_or_away(claim, error, now).await,
        }
    }

    async fn refused_or_away(
        &self,
        claim: &Claim,
        error: SyncError,
        now: Timestamp,
    ) -> Result<Turn, SyncError> {
        match error {
            SyncError::Refused(why) => self.fail_alone(claim, &why, now).await,
            away => Err(away),
        }
    }

    async fn fail_alone(
        &self,
        claim: &Claim,
        why: &str,
        now: Timestamp,
    ) -> Result<Turn, SyncError> {
        let mut turn = Turn::default();
        let mut tx = self.inbox.database().begin().await?;
        self.note_failure(&mut tx, claim, why, now, &mut turn)
            .await?;
        tx.commit().await?;
        Ok(turn)
    }

    async fn note_failure(
        &self,
        tx: &mut Transaction,
        claim: &Claim,
        why: &str,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<(), SyncError> {
        match self.inbox.fail(tx, claim, why, now).await? {
            Some(again) => {
                turn.failed += 1;
                tracing::warn!(target: "doorward", id = claim.message().id(), kind = claim.message().kind(), why, %again, "a message could not be handled");
            }
            None => {
                turn.dead += 1;
                tracing::error!(target: "doorward", id = claim.message().id(), kind = claim.message().kind(), why, "a message is given up and among the dead letters");
            }
        }
        Ok(())
    }

    fn changes(&self, claim: &Claim) -> Result<Vec<Change>, String> {
        if self.tables.is_none() {
            return Ok(Vec::new());
        }
        let change = Change::of_event(claim.message(), claim.received_at())?;
        Ok(change.into_iter().collect())
    }

    async fn pass_on(&self, claim: &Claim) -> Result<(), HandlerError> {
        let mut first = Ok(());
        for outlet in &self.outlets {
            // One that is away keeps the others from nothing.
            let passed_on = self.in_time(outlet.pass_on(claim.message())).await;
            first = first.and(passed_on);
        }
        first
    }

    /// Runs code that is not ours: it may panic, and it may take longer than the lease.
    async fn in_time(&self, work: Handled<'_>) -> Result<(), HandlerError> {
        let longest = self.longest();
        match tokio::time::timeout(longest, without_panic(work)).await {
            Ok(result) => result,
            Err(_) => Err(HandlerError::new(format!(
                "it took longer than half of the lease, {} s",
                longest.as_secs_f64()
            ))),
        }
    }

    /// A piece of work that begins in the first half of a lease and takes no longer than the other half ends in time.
    fn longest(&self) -> Duration {
        self.inbox.settings().lease / 2
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("tables", &self.tables.is_some())
            .field("handlers", &self.handlers.len())
            .field("outlets", &self.outlets.len())
            .finish_non_exhaustive()
    }
}

async fn without_panic(work: Handled<'_>) -> Result<(), HandlerError> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(HandlerError::new("it panicked"))))
    })
    .await
}

/// Messages in one turn; fewer if each has a transaction of its own.
const BATCH: u32 = 128;
const BATCH_ALONE: u32 = 32;

/// How long to rest when there is nothing to do, and when the store is in trouble.
const IDLE: Duration = Duration::from_millis(100);
const TROUBLED: Duration = Duration::from_secs(1);

const SWEEP_EVERY_MILLIS: i64 = 60_000;
