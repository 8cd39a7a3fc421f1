//! The inbox: messages by their id, each handled once.

use std::sync::Arc;
use std::time::Duration;

use doorward_core::Timestamp;
use serde_json::json;
use tokio::sync::Notify;

use crate::RETRY_HORIZON;
use crate::accept::Arrivals;
use crate::database::{Database, Dialect, Row, Sql, SyncError, Transaction, Value};
use crate::message::Message;
use crate::schema::Schema;

/// Messages waiting to be handled, and the memory of those that were. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) database: Database,
    pub(crate) schema: Schema,
    pub(crate) arrivals: Arrivals,
    /// Wakes a worker of this process. Others look by themselves.
    pub(crate) arrived: Notify,
    settings: InboxSettings,
    statements: Statements,
}

/// How patient the inbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxSettings {
    /// How long a worker may hold a message before others may take it: twice as long as any handler
    /// may take. 60 s.
    pub lease: Duration,
    /// After so many failures a message is put among the dead letters. 8, over about 80 minutes.
    pub max_failures: u32,
    /// The first retry comes after this long, the next ones after 4, 16, 64 … times as much, at most an hour. 1 s.
    pub first_retry: Duration,
    /// How long a handled message is remembered. 7 days, and never less than [`RETRY_HORIZON`].
    pub retention: Duration,
    /// How long a dead letter waits for somebody. 30 days.
    pub dead_letter_retention: Duration,
}

impl Default for InboxSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            max_failures: 8,
            first_retry: Duration::from_secs(1),
            retention: Duration::from_secs(7 * DAY),
            dead_letter_retention: Duration::from_secs(30 * DAY),
        }
    }
}

impl InboxSettings {
    /// How long a message rests after its n-th failure.
    pub fn rest_after(&self, failures: u32) -> Duration {
        let factor = 4u32.saturating_pow(failures.saturating_sub(1));
        self.first_retry.saturating_mul(factor).min(LONGEST_REST)
    }

    fn check(&self) -> Result<(), SyncError> {
        let wrong = |what: &str| Err(SyncError::Configuration(what.to_owned()));
        if self.retention < RETRY_HORIZON {
            return wrong(
                "retention: less than 28 hours, the sender's retry horizon, would let a late retry run the handlers again",
            );
        }
        if self.lease < Duration::from_secs(1) {
            return wrong("lease: expected 1 second or more");
        }
        if self.max_failures == 0 {
            return wrong("max_failures: expected 1 or more");
        }
        Ok(())
    }
}

/// A message that a worker holds, until it completes it, fails it, or its lease runs out.
#[derive(Clone, Debug)]
pub struct Claim {
    message: Message,
    token: String,
    received_at: Timestamp,
    failures: u32,
    claims: u32,
}

impl Claim {
    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// When it was accepted.
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// How often handling it has failed so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How often it was taken, this time included. More than `failures + 1` says that workers vanished with it.
    pub fn claims(&self) -> u32 {
        self.claims
    }

    /// A worker died over it, or was too slow; it may be the message's doing, so nothing else should suffer from it.
    pub(crate) fn is_suspect(&self) -> bool {
        self.claims > self.failures + 1
    }
}

/// A message that failed too often.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The message.
    pub message: Message,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// When it was given up.
    pub died_at: Timestamp,
    /// How often handling it failed.
    pub failures: u32,
    /// What was said the last time.
    pub last_error: String,
}

/// A point in the order in which messages were accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    received_at: Timestamp,
    id: String,
}

impl Point {
    /// Before whatever is accepted from this moment on.
    pub fn at(moment: Timestamp) -> Self {
        Self {
            received_at: moment,
            id: String::new(),
        }
    }

    /// When the message there was accepted.
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }
}

/// Which messages to handle again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Every dead letter.
    DeadLetters,
    /// One message, dead or done.
    Message(String),
}

impl Inbox {
    /// The inbox of a database that has been migrated.
    pub fn new(database: Database, schema: &Schema) -> Self {
        Self::assembled(database, schema, InboxSettings::default())
    }

    /// With other settings.
    ///
    /// # Errors
    /// A setting would break the promise to handle every message once.
    pub fn with_settings(
        database: Database,
        schema: &Schema,
        settings: InboxSettings,
    ) -> Result<Self, SyncError> {
        settings.check()?;
        Ok(Self::assembled(database, schema, settings))
    }

    fn assembled(database: Database, schema: &Schema, settings: InboxSettings) -> Self {
        let statements = Statements::new(&database, schema);
        let arrivals = Arrivals::new(&database, schema);
        Self {
            inner: Arc::new(Inner {
                database,
                schema: schema.clone(),
                arrivals,
                arrived: Notify::new(),
                settings,
                statements,
            }),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &InboxSettings {
        &self.inner.settings
    }

    /// The database, for transactions of your own.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// The names of the tables.
    pub fn schema(&self) -> &Schema {
        &self.inner.schema
    }

    /// Takes a message in. When this returns, it is on disk: answer 2xx. `false` if it was known already: answer 2xx
    /// too, and nothing happens twice. Calls at the same time share one commit.
    ///
    /// # Errors
    /// The store is out of reach or has more to do than it can: answer 503, and the sender comes again.
    pub async fn accept(&self, message: &Message, now: Timestamp) -> Result<bool, SyncError> {
        let is_new = self.inner.arrivals.add(message, now).await?;
        if is_new {
            self.inner.arrived.notify_one();
        }
        Ok(is_new)
    }

    /// Takes a message in within a transaction of yours: it is there if you commit.
    ///
    /// # Errors
    /// The store failed.
    pub async fn accept_in(
        &self,
        tx: &mut Transaction,
        message: &Message,
        now: Timestamp,
    ) -> Result<bool, SyncError> {
        self.inner.arrivals.insert(tx, message, now).await
    }

    /// Takes up to `most` messages that are due, for one lease.
    ///
    /// # Errors
    /// The store failed.
    pub async fn claim(&self, most: u32, now: Timestamp) -> Result<Vec<Claim>, SyncError> {
        let mut tx = self.inner.database.begin_repeatable().await?;
        let values = [
            now.plus(self.inner.settings.lease).as_millis().into(),
            now.as_millis().into(),
            i64::from(most).into(),
        ];
        let rows = tx.rows(&self.inner.statements.claim, &values).await?;
        let mut claims = rows.iter().map(claim).collect::<Result<Vec<_>, _>>()?;
        tx.commit().await?;
        claims.sort_by_key(|claim| claim.received_at);
        Ok(claims)
    }

    /// Takes this one message, even during its rest after a failure. `None` if it is done, dead, unknown, or held by
    /// somebody else.
    ///
    /// # Errors
    /// The store failed.
    pub async fn claim_one(&self, id: &str, now: Timestamp) -> Result<Option<Claim>, SyncError> {
        let mut tx = self.inner.database.begin().await?;
        let values = [
            now.plus(self.inner.settings.lease).as_millis().into(),
            now.as_millis().into(),
            id.into(),
        ];
        let rows = tx.rows(&self.inner.statements.claim_one, &values).await?;
        let claim = rows.first().map(claim).transpose()?;
        tx.commit().await?;
        Ok(claim)
    }

    /// Whether a message is still waiting, done, or dead; `None` if it is unknown.
    ///
    /// # Errors
    /// The store failed.
    pub async fn state(&self, id: &str) -> Result<Option<String>, SyncError> {
        let mut tx = self.inner.database.begin().await?;
        let rows = tx.rows(&self.inner.statements.state, &[id.into()]).await?;
        rows.first().map(|row| row.text(0)).transpose()
    }

    /// Marks a message as done, in the transaction in which it was handled. `false` if the lease has run out and
    /// somebody else has it now: then roll back, for they will handle it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn complete(
        &self,
        tx: &mut Transaction,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<bool, SyncError> {
        Ok(self.complete_all(tx, &[claim], now).await? == 1)
    }

    /// As [`Inbox::complete`], of several: how many were still ours.
    pub(crate) async fn complete_all(
        &self,
        tx: &mut Transaction,
        claims: &[&Claim],
        now: Timestamp,
    ) -> Result<u64, SyncError> {
        let rows = claims
            .iter()
            .map(|claim| json!({ "id": claim.message.id(), "token": claim.token }));
        let values = [rows.collect::<Vec<_>>().into(), now.as_millis().into()];
        tx.execute(&self.inner.statements.complete, &values).await
    }

    /// Says that handling a message failed: it rests, or becomes a dead letter. The time of the next attempt, if there
    /// is one; `None` as well if somebody else has the message now.
    ///
    /// # Errors
    /// The store failed.
    pub async fn fail(
        &self,
        tx: &mut Transaction,
        claim: &Claim,
        error: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, SyncError> {
        let failures = claim.failures.saturating_add(1);
        let error = shortened(error);
        let settings = &self.inner.settings;
        let worn_out = claim.claims >= settings.max_failures.saturating_mul(CLAIMS_PER_FAILURE);
        let again = now.plus(settings.rest_after(failures));
        let dies = failures >= settings.max_failures || worn_out;
        let values = [
            Value::Owned(Some(if dies { "dead" } else { "waiting" }.to_owned())),
            i64::from(failures).into(),
            error.as_str().into(),
            again.as_millis().into(),
            Value::Int(dies.then_some(now.as_millis())),
            claim.message.id().into(),
            claim.token.as_str().into(),
        ];
        let touched = tx.execute(&self.inner.statements.fail, &values).await?;
        Ok((touched == 1 && !dies).then_some(again))
    }

    /// Gives messages back untouched, for others to take at once: the store stumbled, or this process ends.
    ///
    /// # Errors
    /// The store failed; then they come back when their lease runs out.
    pub async fn release(&self, claims: &[Claim], now: Timestamp) -> Result<(), SyncError> {
        let mut tx = self.inner.database.begin().await?;
        for claim in claims {
            let values = [
                now.as_millis().into(),
                claim.message.id().into(),
                claim.token.as_str().into(),
            ];
            tx.execute(&self.inner.statements.release, &values).await?;
        }
        tx.commit().await
    }

    /// Whether workers vanished with this message so often that it is to blame.
    pub(crate) fn is_worn_out(&self, claim: &Claim) -> bool {
        let most = self
            .inner
            .settings
            .max_failures
            .saturating_mul(CLAIMS_PER_FAILURE);
        claim.claims > most
    }

    /// Dead letters, the latest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn dead_letters(&self, most: u32) -> Result<Vec<Letter>, SyncError> {
        let mut tx = self.inner.database.begin().await?;
        let values = [i64::from(most).into()];
        let rows = tx.rows(&self.inner.statements.letters, &values).await?;
        rows.iter().map(letter).collect()
    }

    /// Messages that were accepted after this point, oldest first, with the point to go on from.
    ///
    /// # Errors
    /// The store failed.
    pub async fn since(
        &self,
        point: &Point,
        most: u32,
    ) -> Result<Vec<(Point, Message, String)>, SyncError> {
        let mut tx = self.inner.database.begin().await?;
        let values = [
            point.received_at.as_millis().into(),
            point.id.as_str().into(),
            i64::from(most).into(),
        ];
        let rows = tx.rows(&self.inner.statements.since, &values).await?;
        rows.iter()
            .map(|row| {
                let message = Message::stored(row.text(0)?, row.text(1)?, row.text(2)?);
                let point = Point {
                    received_at: Timestamp::from_millis(row.int(3)?),
                    id: message.id().to_owned(),
                };
                Ok((point, message, row.text(4)?))
            })
            .collect()
    }

    /// Lets messages be handled again, as if they had just arrived, and says how many.
    ///
    /// # Errors
    /// The store failed.
    pub async fn replay(&self, what: &Replay, now: Timestamp) -> Result<u64, SyncError> {
        let statements = &self.inner.statements;
        let mut tx = self.inner.database.begin().await?;
        let now = now.as_millis().into();
        let touched = match what {
            Replay::DeadLetters => tx.execute(&statements.replay_dead, &[now]).await?,
            Replay::Message(id) => {
                let values = [now, id.as_str().into()];
                tx.execute(&statements.replay_one, &values).await?
            }
        };
        tx.commit().await?;
        Ok(touched)
    }

    /// Forgets what is older than it has to be, and says how much. A few thousand at a time, to hold nobody up. What was
    /// put off by a clock that was ahead is due at once.
    ///
    /// # Errors
    /// The store failed.
    pub async fn expire(&self, now: Timestamp) -> Result<u64, SyncError> {
        let settings = &self.inner.settings;
        let before = |age: Duration| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            Value::from(now.as_millis().saturating_sub(age))
        };
        let longest = settings.lease.max(LONGEST_REST);
        let mut tx = self.inner.database.begin().await?;
        let values = [now.as_millis().into(), now.plus(longest).as_millis().into()];
        tx.execute(&self.inner.statements.recall, &values).await?;
        let mut gone = 0;
        for (state, age) in [
            ("done", settings.retention),
            ("dead", settings.dead_letter_retention),
        ] {
            let values = [state.into(), before(age), EXPIRE_AT_ONCE.into()];
            gone += tx.execute(&self.inner.statements.expire, &values).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }
}

fn claim(row: &Row) -> Result<Claim, SyncError> {
    Ok(Claim {
        message: Message::stored(row.text(0)?, row.text(1)?, row.text(2)?),
        token: row.text(3)?,
        received_at: Timestamp::from_millis(row.int(4)?),
        failures: count(row.int(5)?),
        claims: count(row.int(6)?),
    })
}

fn letter(row: &Row) -> Result<Letter, SyncError> {
    Ok(Letter {
        message: Message::stored(row.text(0)?, row.text(1)?, row.text(2)?),
        received_at: Timestamp::from_millis(row.int(3)?),
        died_at: Timestamp::from_millis(row.optional_int(4)?.unwrap_or_default()),
        failures: count(row.int(5)?),
        last_error: row.optional_text(6)?.unwrap_or_default(),
    })
}

fn count(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// An error as the store can keep it.
fn shortened(error: &str) -> String {
    let short: String = error.chars().take(MAX_ERROR_CHARS).collect();
    short.replace('\0', "\u{fffd}")
}

/// Every statement, with the names filled in.
#[derive(Debug)]
struct Statements {
    claim: Sql,
    claim_one: Sql,
    state: Sql,
    complete: Sql,
    fail: Sql,
    release: Sql,
    letters: Sql,
    replay_dead: Sql,
    replay_one: Sql,
    expire: Sql,
    recall: Sql,
    since: Sql,
}

impl Statements {
    fn new(database: &Database, schema: &Schema) -> Self {
        let sql = |text: &str| schema.fill(text, database.dialect());
        Self {
            // MATERIALIZED: PostgreSQL may otherwise run the subquery again and take more than the limit.
            claim: sql("WITH due AS MATERIALIZED (
                    SELECT id FROM {p}doorward_inbox WHERE state = 'waiting' AND due_at <= $2
                    ORDER BY due_at LIMIT $3 {skip_locked})
                UPDATE {p}doorward_inbox SET claim = {random}, claims = claims + 1, due_at = $1
                WHERE id IN (SELECT id FROM due)
                RETURNING id, type, payload, claim, received_at, failures, claims"),
            claim_one: sql("UPDATE {p}doorward_inbox SET claim = {random}, claims = claims + 1, due_at = $1
                WHERE id = $3 AND state = 'waiting' AND (claim IS NULL OR due_at <= $2)
                RETURNING id, type, payload, claim, received_at, failures, claims"),
            state: sql("SELECT state FROM {p}doorward_inbox WHERE id = $1"),
            complete: sql(&complete(database.dialect())),
            fail: sql("UPDATE {p}doorward_inbox
                SET state = $1, failures = $2, last_error = $3, due_at = $4, finished_at = $5, claim = NULL
                WHERE id = $6 AND claim = $7"),
            release: sql("UPDATE {p}doorward_inbox SET due_at = $1, claims = claims - 1, claim = NULL
                WHERE id = $2 AND claim = $3"),
            letters: sql("SELECT id, type, payload, received_at, finished_at, failures, last_error
                FROM {p}doorward_inbox WHERE state = 'dead' ORDER BY finished_at DESC, id LIMIT $1"),
            replay_dead: sql("UPDATE {p}doorward_inbox
                SET state = 'waiting', due_at = $1, failures = 0, claims = 0, claim = NULL, finished_at = NULL
                WHERE state = 'dead'"),
            replay_one: sql("UPDATE {p}doorward_inbox
                SET state = 'waiting', due_at = $1, failures = 0, claims = 0, claim = NULL, finished_at = NULL
                WHERE id = $2 AND state <> 'waiting'"),
            expire: sql("DELETE FROM {p}doorward_inbox WHERE id IN (
                SELECT id FROM {p}doorward_inbox WHERE state = $1 AND state <> 'waiting' AND finished_at < $2
                ORDER BY finished_at LIMIT $3)"),
            // Nobody puts off what was never taken, and nobody puts anything off for so long.
            recall: sql("UPDATE {p}doorward_inbox SET due_at = $1
                WHERE state = 'waiting' AND due_at > $1 AND ((claims = 0 AND claim IS NULL) OR due_at > $2)"),
            since: sql("SELECT id, type, payload, received_at, state FROM {p}doorward_inbox
                WHERE (received_at, id) > ($1, $2) ORDER BY received_at, id LIMIT $3"),
        }
    }
}

/// A message has a token only while it waits, and nobody else's: so who has the id and the token holds it. To ask for
/// the state as well would lead PostgreSQL, whose statistics lag behind, through everything that waits.
fn complete(dialect: Dialect) -> String {
    let rows = dialect.rows(&[("id", "text"), ("token", "text")]);
    format!(
        "UPDATE {{p}}doorward_inbox SET state = 'done', finished_at = $2, claim = NULL, last_error = NULL
         WHERE {} AND {}",
        dialect.among("id", "id", &rows),
        dialect.among("claim", "token", &rows),
    )
}

const DAY: u64 = 24 * 3600;
const LONGEST_REST: Duration = Duration::from_secs(3600);
const MAX_ERROR_CHARS: usize = 1000;
const EXPIRE_AT_ONCE: i64 = 5000;

/// Workers may vanish for reasons of their own, so it takes more of that than of failures to give a message up.
const CLAIMS_PER_FAILURE: u32 = 3;
