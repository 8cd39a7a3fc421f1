//! SQLite: a file that the processes of one machine share. The file's own version number says when to look.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::OnceLock;
use std::time::Duration;

use doorward_core::{Revocation, Timestamp, sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _, Row as _};

use super::store::{self, Store};

/// How often a process looks at the version, and how long it goes on before it says that it is alive.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
const PAGE: usize = 5000;
const WAIT: Duration = Duration::from_secs(1);
/// `record` is written by [`store::write`]; `expires_at` counts milliseconds since 1970. There is one writer at a time, so
/// `position` has the order of the commits.
const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS doorward_revocations (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        digest BLOB NOT NULL UNIQUE,
        record TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS doorward_revocations_expires_at ON doorward_revocations (expires_at);";

pub(crate) struct File {
    connection: SqliteConnection,
    read_until: i64,
    /// Whether the last page was full.
    more: bool,
    version: i64,
    path: PathBuf,
    /// Which file it was that was opened.
    identity: Option<(u64, u64)>,
}

/// Whether a URL is one that the client understands.
pub(crate) fn check(url: &str) -> Result<(), String> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err("a database in memory is not shared; leave the setting out instead".to_owned());
    }
    let path = options(url)?;
    match path.get_filename().parent() {
        _ if path.get_filename().is_dir() || path.get_filename().as_os_str().is_empty() => {
            Err("names no file: write sqlite:///path/to/file".to_owned())
        }
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("there is no folder {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn options(url: &str) -> Result<SqliteConnectOptions, String> {
    let unfit = |_| "is no URL of SQLite: write sqlite:///path/to/file".to_owned();
    let options = SqliteConnectOptions::from_str(url).map_err(unfit)?;
    Ok(options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(3)))
}

impl Store for File {
    async fn open(url: &str) -> Result<Self, String> {
        let options = options(url)?;
        // SQLite's locks do not come along into a fork, and its memory of them does: a child that opened the file again
        // could lose what it writes.
        static FIRST: OnceLock<u32> = OnceLock::new();
        if *FIRST.get_or_init(std::process::id) != std::process::id() {
            let why = "this process was forked from one that has such a file open: let the first request come after the fork";
            return Err(why.to_owned());
        }
        let path = options.get_filename().to_owned();
        let connection = SqliteConnection::connect_with(&options).await;
        let mut connection = connection.map_err(why)?;
        connection.execute(CREATE).await.map_err(why)?;
        Ok(Self {
            connection,
            read_until: 0,
            more: false,
            version: 0,
            identity: identity(&path),
            path,
        })
    }

    async fn rewind(&mut self) -> Result<(), String> {
        self.version = self.version().await?;
        self.read_until = 0;
        Ok(())
    }

    async fn page(&mut self, now: Timestamp) -> Result<Option<Vec<Revocation>>, String> {
        let before = self.read_until;
        let mut page = self.read_on().await?;
        page.retain(|revocation| revocation.expires_at > now);
        Ok((self.read_until != before).then_some(page))
    }

    async fn news(&mut self) -> Result<Vec<Revocation>, String> {
        if identity(&self.path) != self.identity {
            return Err("the file was replaced or removed".to_owned());
        }
        for _ in 0..WAIT.as_millis() / LOOKS_EVERY.as_millis() {
            // A full page may have another one behind it, though the version stays.
            let version = self.version().await?;
            if version != self.version || self.more {
                self.version = version;
                return self.read_on().await;
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
        Ok(Vec::new())
    }

    async fn put(
        &mut self,
        revocations: &[Revocation],
        now: Timestamp,
        _retention: Duration,
    ) -> Result<(), String> {
        let mut transaction = self
            .connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(why)?;
        for revocation in revocations {
            let record = store::write(revocation);
            sqlx::query(
                "INSERT INTO doorward_revocations (digest, record, expires_at) VALUES (?, ?, ?)
                 ON CONFLICT DO NOTHING",
            )
            .bind(sha256(record.as_bytes()).to_vec())
            .bind(record)
            .bind(revocation.expires_at.as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(why)?;
        }
        sqlx::query("DELETE FROM doorward_revocations WHERE expires_at <= ?")
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(why)?;
        transaction.commit().await.map_err(why)
    }
}

impl File {
    /// Changes whenever another connection commits.
    async fn version(&mut self) -> Result<i64, String> {
        let row = self.connection.fetch_one("PRAGMA data_version").await;
        row.map(|row| row.get(0)).map_err(why)
    }

    async fn read_on(&mut self) -> Result<Vec<Revocation>, String> {
        let rows = sqlx::query(
            "SELECT position, record FROM doorward_revocations WHERE position > ? ORDER BY position LIMIT ?",
        )
        .bind(self.read_until)
        .bind(PAGE as i64)
        .fetch_all(&mut self.connection)
        .await
        .map_err(why)?;
        if let Some(last) = rows.last() {
            self.read_until = last.get(0);
        }
        self.more = rows.len() == PAGE;
        let read = |row: &sqlx::sqlite::SqliteRow| store::read(row.get::<&str, _>(1));
        Ok(rows.iter().filter_map(read).collect())
    }
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

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn why(error: sqlx::Error) -> String {
    error.to_string()
}
