//! What the two SQL stores have in common: one row for each record, and statements that are atomic by themselves.

use super::super::secrets::Digest;
use super::health::Health;
#[cfg(feature = "postgres")]
use super::postgres::Postgres;
use super::room::{Room, Table};
#[cfg(feature = "sqlite")]
use super::sqlite::Sqlite;
use super::{Capacity, Key, Kind, Put, Redeemed, Redemption, Rotated, Store, StoreError};

/// A store in a SQL database.
pub(super) struct SqlStore {
    database: Database,
    room: Room,
    pub(super) health: Health,
}

pub(super) enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

/// A value for a statement.
#[derive(Clone, Copy)]
pub(super) enum Value<'v> {
    Text(&'static str),
    Bytes(&'v [u8]),
    Int(i64),
}

/// One row of an answer, read by column number.
pub(super) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

/// A family that is presented a generation of.
#[derive(Clone, Copy)]
pub(super) struct Rotation {
    pub(super) family: Digest,
    pub(super) presented: u32,
    /// A generation that was replaced before this is worth nothing.
    pub(super) earliest: i64,
    pub(super) extend_to: i64,
    pub(super) now: i64,
}

impl SqlStore {
    pub(super) fn new(database: Database, capacity: Capacity) -> Self {
        let backend = match &database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "postgres",
        };
        Self {
            database,
            room: Room::new(capacity),
            health: Health::new(backend),
        }
    }

    /// Reserves a place for one more, if there is one. Now and then it sweeps first, and counts.
    async fn reserve(&self, table: Table, now: i64) -> Result<bool, String> {
        if self.room.is_to_be_swept(table, now) {
            // Another node's clock may be a little behind ours.
            let until = now.saturating_sub(SWEEP_SLACK);
            if self.sweep_batch(table, until).await? == SWEEP_BATCH {
                self.room.sweep_soon(table);
            }
        }
        if let Some(fits) = self.room.reserve(table, now) {
            return Ok(fits);
        }
        let most = Value::Int(i64::try_from(self.room.most(table)).unwrap_or(i64::MAX));
        let counted = match table {
            Table::Records(kind) => {
                let values = [Value::Text(kind.tag()), Value::Int(now), most];
                self.row(COUNT_RECORDS, &values).await?
            }
            Table::Windows => self.row(COUNT_WINDOWS, &[Value::Int(now), most]).await?,
        };
        let count = counted.map_or(Ok(0), |row| row.int(0))?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(self.room.counted(table, count, now))
    }

    /// Whether the record is there and has not expired; and its standing.
    async fn standing(&self, key: Key, now: i64) -> Result<Option<i64>, String> {
        let row = self.read_row(STANDING, &named(&key, now)).await?;
        row.map(|row| row.int(0)).transpose()
    }

    async fn sweep_batch(&self, table: Table, until: i64) -> Result<u64, String> {
        let (records, windows) = match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => (Sqlite::SWEEP_RECORDS, Sqlite::SWEEP_WINDOWS),
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => (Postgres::SWEEP_RECORDS, Postgres::SWEEP_WINDOWS),
        };
        let batch = Value::Int(SWEEP_BATCH as i64);
        match table {
            Table::Records(kind) => {
                let values = [Value::Text(kind.tag()), Value::Int(until), batch];
                self.execute(records, &values).await
            }
            Table::Windows => self.execute(windows, &[Value::Int(until), batch]).await,
        }
    }

    async fn row(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Option<Row>, String> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.row(sql, values).await,
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.row(sql, values).await,
        }
    }

    /// As [`SqlStore::row`], for a statement that writes nothing.
    async fn read_row(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, String> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.read_row(sql, values).await,
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.row(sql, values).await,
        }
    }

    /// How many rows a statement touched.
    async fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, String> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(sqlite) => sqlite.execute(sql, values).await,
            #[cfg(feature = "postgres")]
            Database::Postgres(postgres) => postgres.execute(sql, values).await,
        }
    }
}

impl Store for SqlStore {
    async fn put_if_absent(
        &self,
        key: Key,
        value: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<Put, StoreError> {
        let table = Table::Records(key.kind);
        self.health
            .watch(async {
                if !self.reserve(table, now).await? {
                    let there = self.standing(key, now).await?.is_some();
                    return Ok(if there { Put::Present } else { Put::Full });
                }
                let (tag, digest) = (Value::Text(key.kind.tag()), Value::Bytes(&key.digest));
                let (value, end) = (Value::Bytes(&value), Value::Int(expires_at));
                let values = [tag, digest, value, end, Value::Int(now)];
                let stored = self.execute(PUT, &values).await;
                if !matches!(stored, Ok(1)) {
                    self.room.release(table);
                }
                Ok(if stored? == 1 {
                    Put::Stored
                } else {
                    Put::Present
                })
            })
            .await
    }

    async fn read(
        &self,
        key: Key,
        extend_to: Option<i64>,
        now: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.health
            .watch(async {
                let [tag, digest, at] = named(&key, now);
                let Some(row) = self.read_row(READ, &[tag, digest, at]).await? else {
                    return Ok(None);
                };
                match extend_to {
                    Some(end) if row.int(1)? < end => {
                        let values = [tag, digest, at, Value::Int(end)];
                        let row = self.row(EXTEND, &values).await?;
                        row.map(|row| row.bytes(0)).transpose()
                    }
                    _ => row.bytes(0).map(Some),
                }
            })
            .await
    }

    async fn take(&self, key: Key, now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        self.health
            .watch(async {
                let Some(row) = self.row(TAKE, &named(&key, now)).await? else {
                    return Ok(None);
                };
                self.room.release(Table::Records(key.kind));
                row.bytes(0).map(Some)
            })
            .await
    }

    async fn replace(
        &self,
        key: Key,
        before: Vec<u8>,
        after: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        self.health
            .watch(async {
                let [tag, digest, at] = named(&key, now);
                let (before, after) = (Value::Bytes(&before), Value::Bytes(&after));
                let values = [tag, digest, at, before, after, Value::Int(expires_at)];
                Ok(self.execute(REPLACE, &values).await? == 1)
            })
            .await
    }

    async fn redeem(&self, redemption: Redemption, now: i64) -> Result<Redeemed, StoreError> {
        let table = Table::Records(Kind::Family);
        self.health
            .watch(async {
                if !self.reserve(table, now).await? {
                    let code = Key {
                        kind: Kind::Code,
                        digest: redemption.code,
                    };
                    return Ok(match self.standing(code, now).await? {
                        None => Redeemed::Absent,
                        Some(FRESH) => Redeemed::Full,
                        Some(_) => Redeemed::Again,
                    });
                }
                let redeemed = match &self.database {
                    #[cfg(feature = "sqlite")]
                    Database::Sqlite(sqlite) => sqlite.redeem(&redemption, now).await,
                    #[cfg(feature = "postgres")]
                    Database::Postgres(postgres) => postgres.redeem(&redemption, now).await,
                };
                if !matches!(redeemed, Ok(Redeemed::First)) {
                    self.room.release(table);
                }
                redeemed
            })
            .await
    }

    async fn rotate(
        &self,
        family: Digest,
        presented: u32,
        grace: i64,
        extend_to: i64,
        now: i64,
    ) -> Result<Rotated, StoreError> {
        // There is no generation after the last.
        if presented == u32::MAX {
            return Ok(Rotated::Absent);
        }
        let rotation = Rotation {
            family,
            presented,
            earliest: now.saturating_sub(grace),
            extend_to,
            now,
        };
        let rotated = async {
            match &self.database {
                #[cfg(feature = "sqlite")]
                Database::Sqlite(sqlite) => sqlite.rotate(rotation).await,
                #[cfg(feature = "postgres")]
                Database::Postgres(postgres) => postgres.rotate(rotation).await,
            }
        };
        self.health.watch(rotated).await
    }

    async fn revoke_family(&self, family: Digest, now: i64) -> Result<(), StoreError> {
        let values = [Value::Bytes(&family), Value::Int(now)];
        let revoked = self.health.watch(self.execute(REVOKE, &values)).await;
        revoked.map(drop)
    }

    async fn incr_window(&self, key: Digest, seconds: i64, now: i64) -> Result<u32, StoreError> {
        self.health
            .watch(async {
                let end = Value::Int(now.saturating_add(seconds));
                let values = [Value::Bytes(&key), Value::Int(now), end];
                let reserved = self.reserve(Table::Windows, now).await?;
                let row = self.row(if reserved { COUNT_ONE } else { COUNT_KNOWN }, &values);
                let number = match row.await {
                    Ok(row) => row.map(|row| row.int(0)).transpose(),
                    Err(why) => Err(why),
                };
                // Only a new window takes up room.
                if reserved && !matches!(number, Ok(Some(1))) {
                    self.room.release(Table::Windows);
                }
                let number = number?.unwrap_or(i64::MAX);
                Ok(u32::try_from(number).unwrap_or(u32::MAX))
            })
            .await
    }

    async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        let records = Kind::ALL.into_iter().map(Table::Records);
        let mut swept = 0;
        for table in records.chain([Table::Windows]) {
            for _ in 0..MAX_BATCHES {
                let batch = self.health.watch(self.sweep_batch(table, now)).await?;
                swept += usize::try_from(batch).unwrap_or(0);
                if batch < SWEEP_BATCH {
                    break;
                }
            }
        }
        Ok(swept)
    }
}

/// Which record, and the time.
fn named(key: &Key, now: i64) -> [Value<'_>; 3] {
    let tag = Value::Text(key.kind.tag());
    [tag, Value::Bytes(&key.digest), Value::Int(now)]
}

impl Row {
    pub(super) fn int(&self, column: usize) -> Result<i64, String> {
        use sqlx::Row as _;
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get(column).map_err(why),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column).map_err(why),
        }
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, String> {
        use sqlx::Row as _;
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(row) => row.try_get(column).map_err(why),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column).map_err(why),
        }
    }
}

/// Binds values of mixed types, in the dialect of the query at hand.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match *value {
                $crate::authorization_server::store::sql::Value::Text(text) => query.bind(text),
                $crate::authorization_server::store::sql::Value::Bytes(bytes) => query.bind(bytes),
                $crate::authorization_server::store::sql::Value::Int(number) => query.bind(number),
            };
        }
        query
    }};
}
pub(super) use bound;

/// What an operator may be told. Of a database's error that is the primary message, which repeats no values.
#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(super) fn why(error: sqlx::Error) -> String {
    match &error {
        sqlx::Error::Database(reported) => {
            let code = reported.code().unwrap_or_default();
            format!("{} ({code})", reported.message())
        }
        sqlx::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        sqlx::Error::Tls(_) => "TLS failed".to_owned(),
        sqlx::Error::PoolTimedOut => "no connection was to be had in time".to_owned(),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            "the connections are closed".to_owned()
        }
        sqlx::Error::Protocol(_) => "the connection broke".to_owned(),
        _ => "the answer cannot be read".to_owned(),
    }
}

/// How a record stands: as it was put, a code that was used, a family that was revoked.
pub(super) const FRESH: i64 = 0;

const PUT: &str = "
    INSERT INTO doorward_oauth_records (kind, digest, value, expires_at, standing, generation, since)
    VALUES ($1, $2, $3, $4, 0, 1, $5)
    ON CONFLICT (kind, digest) DO UPDATE
    SET value = excluded.value, expires_at = excluded.expires_at, standing = 0, generation = 1, since = excluded.since
    WHERE doorward_oauth_records.expires_at <= $5";
const READ: &str = "
    SELECT value, expires_at FROM doorward_oauth_records
    WHERE kind = $1 AND digest = $2 AND expires_at > $3 AND standing <> 2";
const EXTEND: &str = "
    UPDATE doorward_oauth_records SET expires_at = CASE WHEN expires_at < $4 THEN $4 ELSE expires_at END
    WHERE kind = $1 AND digest = $2 AND expires_at > $3 AND standing <> 2
    RETURNING value";
const TAKE: &str = "
    DELETE FROM doorward_oauth_records WHERE kind = $1 AND digest = $2 AND expires_at > $3
    RETURNING value";
const REPLACE: &str = "
    UPDATE doorward_oauth_records
    SET value = $5, expires_at = CASE WHEN expires_at < $6 THEN $6 ELSE expires_at END
    WHERE kind = $1 AND digest = $2 AND expires_at > $3 AND standing <> 2 AND value = $4";
const STANDING: &str = "
    SELECT CAST(standing AS bigint) FROM doorward_oauth_records
    WHERE kind = $1 AND digest = $2 AND expires_at > $3";
const REVOKE: &str = "
    UPDATE doorward_oauth_records SET standing = 2
    WHERE kind = 'family' AND digest = $1 AND expires_at > $2";
/// A clock that went back does not keep a window open for longer than it is.
const COUNT_ONE: &str = "
    INSERT INTO doorward_oauth_windows AS w (digest, started_at, ends_at, number) VALUES ($1, $2, $3, 1)
    ON CONFLICT (digest) DO UPDATE
    SET number = CASE WHEN w.started_at <= $2 AND $2 < w.ends_at THEN w.number + 1 ELSE 1 END,
        ends_at = CASE WHEN w.started_at <= $2 AND $2 < w.ends_at THEN w.ends_at ELSE $3 END,
        started_at = CASE WHEN w.started_at <= $2 AND $2 < w.ends_at THEN w.started_at ELSE $2 END
    RETURNING number";
const COUNT_KNOWN: &str = "
    UPDATE doorward_oauth_windows
    SET number = CASE WHEN started_at <= $2 AND $2 < ends_at THEN number + 1 ELSE 1 END,
        ends_at = CASE WHEN started_at <= $2 AND $2 < ends_at THEN ends_at ELSE $3 END,
        started_at = CASE WHEN started_at <= $2 AND $2 < ends_at THEN started_at ELSE $2 END
    WHERE digest = $1
    RETURNING number";
const COUNT_RECORDS: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM doorward_oauth_records WHERE kind = $1 AND expires_at > $2 LIMIT $3
    ) AS live";
const COUNT_WINDOWS: &str = "
    SELECT count(*) FROM (SELECT 1 FROM doorward_oauth_windows WHERE ends_at > $1 LIMIT $2) AS live";

/// Rows that one sweep deletes at once, so that nobody waits for it for long.
const SWEEP_BATCH: u64 = 500;
/// Batches in one call to `sweep`, of each kind.
const MAX_BATCHES: u32 = 1000;
/// Seconds that clocks of several nodes may differ by without one sweeping what another still needs.
const SWEEP_SLACK: i64 = 300;
