//! SQLite, for the processes of one node: a file in WAL mode. One connection writes at a time, and whoever reads does not
//! wait for it.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Executor as _, Sqlite as Dialect, Transaction};
use tokio::sync::Mutex;

use super::fork::Process;
use super::sql::{FRESH, Rotation, Row, Value, bound, why};
use super::{Redeemed, Redemption, Rotated};

pub(super) struct Sqlite {
    options: SqliteConnectOptions,
    /// There from the first use on.
    opened: Mutex<Option<Arc<Opened>>>,
}

struct Opened {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Which file it was that was opened.
    identity: Option<(u64, u64)>,
}

impl Sqlite {
    pub(super) const SWEEP_RECORDS: &str = "
        DELETE FROM doorward_oauth_records WHERE rowid IN (
            SELECT rowid FROM doorward_oauth_records WHERE kind = $1 AND expires_at <= $2 LIMIT $3)";
    pub(super) const SWEEP_WINDOWS: &str = "
        DELETE FROM doorward_oauth_windows WHERE rowid IN (
            SELECT rowid FROM doorward_oauth_windows WHERE ends_at <= $1 LIMIT $2)";

    /// Reads the URL, and looks whether there is a folder for the file.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err("is a SQLite in memory, which nobody shares: write memory:".to_owned());
        }
        let unfit = |_| "is no URL of SQLite: write sqlite:///path/to/file".to_owned();
        let options = SqliteConnectOptions::from_str(url).map_err(unfit)?;
        let path = options.get_filename();
        match path.parent() {
            _ if path.is_dir() || path.as_os_str().is_empty() => {
                return Err("names no file: write sqlite:///path/to/file".to_owned());
            }
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                return Err(format!(
                    "is in a folder that is not there: {}",
                    folder.display()
                ));
            }
            _ => {}
        }
        Ok(Self {
            options: options.busy_timeout(PATIENCE),
            opened: Mutex::default(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.options.get_filename()
    }

    pub(super) async fn row(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, String> {
        let opened = self.opened().await?;
        let row = bound!(sql, values).fetch_optional(&opened.writer).await;
        Ok(row.map_err(why)?.map(Row::Sqlite))
    }

    pub(super) async fn read_row(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, String> {
        let opened = self.opened().await?;
        let row = bound!(sql, values).fetch_optional(&opened.readers).await;
        Ok(row.map_err(why)?.map(Row::Sqlite))
    }

    pub(super) async fn execute(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, String> {
        let opened = self.opened().await?;
        let done = bound!(sql, values).execute(&opened.writer).await;
        Ok(done.map_err(why)?.rows_affected())
    }

    pub(super) async fn redeem(
        &self,
        redemption: &Redemption,
        now: i64,
    ) -> Result<Redeemed, String> {
        let mut transaction = self.begin().await?;
        let values = [Value::Bytes(&redemption.code), Value::Int(now)];
        let code = bound!(CODE, &values)
            .fetch_optional(&mut *transaction)
            .await;
        let code = code.map_err(why)?.map(Row::Sqlite);
        match code.map(|row| row.int(0)).transpose()? {
            None => return Ok(Redeemed::Absent),
            Some(FRESH) => {}
            Some(_) => return Ok(Redeemed::Again),
        }
        let values = [
            Value::Bytes(&redemption.code),
            Value::Int(redemption.remember_until),
        ];
        bound!(USE, &values)
            .execute(&mut *transaction)
            .await
            .map_err(why)?;
        let values = [
            Value::Bytes(&redemption.family),
            Value::Bytes(&redemption.value),
            Value::Int(redemption.expires_at),
            Value::Int(now),
        ];
        bound!(OPEN, &values)
            .execute(&mut *transaction)
            .await
            .map_err(why)?;
        transaction.commit().await.map_err(why)?;
        Ok(Redeemed::First)
    }

    pub(super) async fn rotate(&self, rotation: Rotation) -> Result<Rotated, String> {
        let mut transaction = self.begin().await?;
        let values = [Value::Bytes(&rotation.family), Value::Int(rotation.now)];
        let family = bound!(FAMILY, &values)
            .fetch_optional(&mut *transaction)
            .await;
        let Some(family) = family.map_err(why)?.map(Row::Sqlite) else {
            return Ok(Rotated::Absent);
        };
        let current = u32::try_from(family.int(0)?).map_err(|_| "a generation is out of range")?;
        let presented = rotation.presented;
        if presented > current {
            return Ok(Rotated::Absent);
        }
        if current.checked_sub(1) == Some(presented) && family.int(1)? >= rotation.earliest {
            return Ok(Rotated::Again(current));
        }
        let rotated = if presented == current {
            let next = current.saturating_add(1);
            let values = [
                Value::Bytes(&rotation.family),
                Value::Int(i64::from(next)),
                Value::Int(rotation.now),
                Value::Int(rotation.extend_to),
            ];
            let moved = bound!(MOVE_ON, &values).execute(&mut *transaction).await;
            moved.map_err(why)?;
            Rotated::Next(next)
        } else {
            let values = [Value::Bytes(&rotation.family)];
            let revoked = bound!(REVOKE, &values).execute(&mut *transaction).await;
            revoked.map_err(why)?;
            Rotated::Reused
        };
        transaction.commit().await.map_err(why)?;
        Ok(rotated)
    }

    /// A transaction that has the right to write from its beginning, so that what it reads stays true.
    async fn begin(&self) -> Result<Transaction<'static, Dialect>, String> {
        let opened = self.opened().await?;
        let begun = opened.writer.begin_with("BEGIN IMMEDIATE").await;
        begun.map_err(why)
    }

    /// The open file; opened anew if another one stands in its place, as after a restored copy.
    async fn opened(&self) -> Result<Arc<Opened>, String> {
        // SQLite remembers its locks for the process, whoever has which file open: a child would believe to hold them.
        static FIRST: Process = Process::new();
        FIRST.check()?;
        let mut known = self.opened.lock().await;
        if let Some(opened) = &*known
            && opened.identity == identity(self.path())
        {
            return Ok(Arc::clone(opened));
        }
        *known = None;
        let opened = Arc::new(self.open().await?);
        *known = Some(Arc::clone(&opened));
        Ok(opened)
    }

    async fn open(&self) -> Result<Opened, String> {
        keep_to_owner(self.path())
            .map_err(|error| format!("the file cannot be opened: {}", error.kind()))?;
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writing = self
            .options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that an answer relies on survives a power cut, which WAL alone (NORMAL) does not promise.
            .synchronous(SqliteSynchronous::Full);
        // A second writer could only wait for the first one's lock, by polling; here callers queue instead.
        let writer = pool(1).connect_with(writing).await.map_err(why)?;
        writer.execute(CREATE).await.map_err(why)?;
        let reading = self.options.clone().pragma("query_only", "on");
        Ok(Opened {
            writer,
            readers: pool(READERS).connect_lazy_with(reading),
            identity: identity(self.path()),
        })
    }
}

/// Makes the file for its owner alone, if it is not there; SQLite makes those beside it like it.
fn keep_to_owner(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}

/// Which file stands there, on a system that can tell.
fn identity(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// The file beside the database that keeps its key.
pub(super) fn key_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

/// Times are in seconds since 1970.
const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS doorward_oauth_records (
        kind TEXT NOT NULL,
        digest BLOB NOT NULL,
        value BLOB NOT NULL,
        expires_at INTEGER NOT NULL,
        standing INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (kind, digest)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS doorward_oauth_records_expires_at ON doorward_oauth_records (kind, expires_at);
    CREATE TABLE IF NOT EXISTS doorward_oauth_windows (
        digest BLOB PRIMARY KEY NOT NULL,
        started_at INTEGER NOT NULL,
        ends_at INTEGER NOT NULL,
        number INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS doorward_oauth_windows_ends_at ON doorward_oauth_windows (ends_at);";
const CODE: &str = "
    SELECT standing FROM doorward_oauth_records WHERE kind = 'code' AND digest = $1 AND expires_at > $2";
const USE: &str = "
    UPDATE doorward_oauth_records SET standing = 1, expires_at = $2 WHERE kind = 'code' AND digest = $1";
const OPEN: &str = "
    INSERT OR REPLACE INTO doorward_oauth_records (kind, digest, value, expires_at, standing, generation, since)
    VALUES ('family', $1, $2, $3, 0, 1, $4)";
const FAMILY: &str = "
    SELECT generation, since FROM doorward_oauth_records
    WHERE kind = 'family' AND digest = $1 AND expires_at > $2 AND standing = 0";
const MOVE_ON: &str = "
    UPDATE doorward_oauth_records SET generation = $2, since = $3, expires_at = max(expires_at, $4)
    WHERE kind = 'family' AND digest = $1";
const REVOKE: &str = "
    UPDATE doorward_oauth_records SET standing = 2 WHERE kind = 'family' AND digest = $1";

/// Connections that read.
const READERS: u32 = 4;
/// How long anybody waits for the write lock, or for a connection.
const PATIENCE: Duration = Duration::from_secs(3);
