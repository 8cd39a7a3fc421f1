//! PostgreSQL, for several nodes: each operation is one statement, at READ COMMITTED, and touches its rows in one order.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, Row as _};
use tokio::sync::Mutex;

use super::fork::Process;
use super::sql::{Rotation, Row, Value, bound, why};
use super::{Redeemed, Redemption, Rotated};

pub(super) struct Postgres {
    options: PgConnectOptions,
    /// There from the first use on.
    pool: Mutex<Option<PgPool>>,
    process: Process,
}

impl Postgres {
    /// Locked rows are somebody else's to sweep, so nobody waits for anybody.
    pub(super) const SWEEP_RECORDS: &str = "
        DELETE FROM doorward_oauth_records WHERE kind = $1 AND digest = ANY(ARRAY(
            SELECT digest FROM doorward_oauth_records WHERE kind = $1 AND expires_at <= $2
            LIMIT $3 FOR UPDATE SKIP LOCKED))";
    pub(super) const SWEEP_WINDOWS: &str = "
        DELETE FROM doorward_oauth_windows WHERE digest = ANY(ARRAY(
            SELECT digest FROM doorward_oauth_windows WHERE ends_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";

    /// Reads the URL. What the library says about a wrong one may hold the password.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let unfit = |_| {
            "is no URL of PostgreSQL: write postgres://user:password@host:5432/database".to_owned()
        };
        let options = PgConnectOptions::from_str(url)
            .map_err(unfit)?
            .application_name("doorward")
            .options([
                // Whatever the server's defaults are: what an answer relies on is on disk, and nobody is told to try again.
                ("synchronous_commit", "on"),
                ("default_transaction_isolation", "read committed"),
                ("statement_timeout", "4000"),
            ]);
        Ok(Self {
            options,
            pool: Mutex::default(),
            process: Process::new(),
        })
    }

    pub(super) async fn row(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, String> {
        let pool = self.pool().await?;
        match bound!(sql, values).fetch_optional(&pool).await {
            Ok(row) => Ok(row.map(Row::Postgres)),
            Err(error) => Err(self.failed(error).await),
        }
    }

    pub(super) async fn execute(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, String> {
        let pool = self.pool().await?;
        match bound!(sql, values).execute(&pool).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(error) => Err(self.failed(error).await),
        }
    }

    /// Whoever comes second waits for the row that the first one has, and then finds it used.
    pub(super) async fn redeem(
        &self,
        redemption: &Redemption,
        now: i64,
    ) -> Result<Redeemed, String> {
        let values = [
            Value::Bytes(&redemption.code),
            Value::Int(redemption.remember_until),
            Value::Bytes(&redemption.family),
            Value::Bytes(&redemption.value),
            Value::Int(redemption.expires_at),
            Value::Int(now),
        ];
        let row = self.row(REDEEM, &values).await?;
        let row = row.ok_or("it gave no row")?;
        Ok(match (row.int(0)?, row.int(1)?) {
            (1.., _) => Redeemed::First,
            (_, 1..) => Redeemed::Again,
            _ => Redeemed::Absent,
        })
    }

    pub(super) async fn rotate(&self, rotation: Rotation) -> Result<Rotated, String> {
        let presented = rotation.presented;
        let values = [
            Value::Bytes(&rotation.family),
            Value::Int(i64::from(presented)),
            Value::Int(rotation.earliest),
            Value::Int(rotation.extend_to),
            Value::Int(rotation.now),
        ];
        let Some(row) = self.row(ROTATE, &values).await? else {
            return Ok(Rotated::Absent);
        };
        let (current, change) = (row.int(0)?, row.int(1)?);
        let current = u32::try_from(current).map_err(|_| "a generation is out of range")?;
        Ok(match change {
            MOVED_ON => Rotated::Next(presented.saturating_add(1)),
            REVOKED => Rotated::Reused,
            _ if current > presented => Rotated::Again(current),
            _ => Rotated::Absent,
        })
    }

    /// The pool; the first one to ask makes what is missing in the database.
    async fn pool(&self) -> Result<PgPool, String> {
        self.process.check()?;
        let mut pool = self.pool.lock().await;
        if let Some(pool) = &*pool {
            return Ok(pool.clone());
        }
        let opened = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(PATIENCE)
            // A connection that has just answered is not asked whether it is there.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move {
                    if known.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(self.options.clone());
        make(&opened).await.map_err(why)?;
        *pool = Some(opened.clone());
        Ok(opened)
    }

    /// Who finds no table begins anew: the database was emptied, or is another one now.
    async fn failed(&self, error: sqlx::Error) -> String {
        if let sqlx::Error::Database(reported) = &error
            && reported.code().as_deref() == Some(UNDEFINED_TABLE)
        {
            *self.pool.lock().await = None;
        }
        why(error)
    }
}

/// Who may write to the tables need not be one who may create them.
async fn make(pool: &PgPool) -> Result<(), sqlx::Error> {
    let there = pool.fetch_one(THERE).await?;
    if !there.try_get::<bool, _>(0)? {
        let mut transaction = pool.begin().await?;
        transaction.execute(LOCK).await?;
        transaction.execute(CREATE).await?;
        transaction.commit().await?;
    }
    Ok(())
}

const THERE: &str = "SELECT to_regclass('doorward_oauth_records') IS NOT NULL
    AND to_regclass('doorward_oauth_windows') IS NOT NULL";
/// Two that create at once would get in each other's way. The number is arbitrary, and nobody else's.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7363021118265)";
/// Times are in seconds since 1970. Counts of requests may be lost in a crash, and need not wait for the disk.
const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS doorward_oauth_records (
        kind text NOT NULL,
        digest bytea NOT NULL,
        value bytea NOT NULL,
        expires_at bigint NOT NULL,
        standing smallint NOT NULL,
        generation bigint NOT NULL,
        since bigint NOT NULL,
        PRIMARY KEY (kind, digest)
    );
    CREATE INDEX IF NOT EXISTS doorward_oauth_records_expires_at ON doorward_oauth_records (kind, expires_at);
    CREATE UNLOGGED TABLE IF NOT EXISTS doorward_oauth_windows (
        digest bytea PRIMARY KEY,
        started_at bigint NOT NULL,
        ends_at bigint NOT NULL,
        number bigint NOT NULL
    );
    CREATE INDEX IF NOT EXISTS doorward_oauth_windows_ends_at ON doorward_oauth_windows (ends_at);";
/// How many codes were used, and how many were there when the statement began.
const REDEEM: &str = "
    WITH used AS (
        UPDATE doorward_oauth_records SET standing = 1, expires_at = $2
        WHERE kind = 'code' AND digest = $1 AND expires_at > $6 AND standing = 0
        RETURNING 1
    ), opened AS (
        INSERT INTO doorward_oauth_records (kind, digest, value, expires_at, standing, generation, since)
        SELECT 'family', CAST($3 AS bytea), CAST($4 AS bytea), CAST($5 AS bigint), 0, 1, CAST($6 AS bigint) FROM used
        ON CONFLICT (kind, digest) DO UPDATE
        SET value = excluded.value, expires_at = excluded.expires_at, standing = 0, generation = 1, since = excluded.since
    )
    SELECT (SELECT count(*) FROM used), (
        SELECT count(*) FROM doorward_oauth_records WHERE kind = 'code' AND digest = $1 AND expires_at > $6)";
/// The family as it was when it was locked, and what became of it.
const ROTATE: &str = "
    WITH family AS MATERIALIZED (
        SELECT generation, since FROM doorward_oauth_records
        WHERE kind = 'family' AND digest = $1 AND expires_at > $5 AND standing = 0
        FOR UPDATE
    ), changed AS (
        UPDATE doorward_oauth_records AS r SET
            generation = CASE WHEN family.generation = $2 THEN $2 + 1 ELSE family.generation END,
            since = CASE WHEN family.generation = $2 THEN $5 ELSE family.since END,
            expires_at = CASE WHEN family.generation = $2 THEN GREATEST(r.expires_at, $4) ELSE r.expires_at END,
            standing = CASE WHEN family.generation = $2 THEN 0 ELSE 2 END
        FROM family
        WHERE r.kind = 'family' AND r.digest = $1
            AND family.generation >= $2
            AND NOT (family.generation = $2 + 1 AND family.since >= $3)
        RETURNING r.standing
    )
    SELECT family.generation, COALESCE((SELECT CAST(standing AS bigint) FROM changed), -1) FROM family";
const MOVED_ON: i64 = 0;
const REVOKED: i64 = 2;

const UNDEFINED_TABLE: &str = "42P01";
/// Connections from one process.
const MAX_CONNECTIONS: u32 = 8;
/// How long anybody waits for a connection.
const PATIENCE: Duration = Duration::from_secs(3);
const TRUSTED: Duration = Duration::from_secs(1);
