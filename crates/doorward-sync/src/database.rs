//! SQLite and PostgreSQL behind one face: the same statements, the same transactions.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteError, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Postgres, Row as _, Sqlite};

/// Binds values of mixed types, in the dialect of the query at hand.
macro_rules! bound {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                Value::Text(text) => query.bind(text.map(str::to_owned)),
                Value::Owned(text) => query.bind(text.clone()),
                Value::Int(number) => query.bind(*number),
            };
        }
        query
    }};
}

/// A pool of connections, to a SQLite file or to PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub enum Database {
    /// A SQLite file. One connection writes at a time.
    Sqlite(SqlitePool),
    /// PostgreSQL, for many nodes.
    Postgres(PgPool),
}

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The store is out of reach or overloaded. Answer 503, and the sender comes again.
    #[error("the store is out of reach: {0}")]
    Unavailable(String),
    /// Somebody else had the same rows. The transaction is gone; trying again is right.
    #[error("the store asks to try again: {0}")]
    Conflict(String),
    /// The store refused: a missing table, a value it cannot hold.
    #[error("the store refused: {0}")]
    Refused(String),
    /// The operator's mistake: a URL, a setting, a schema that is too old or too new.
    #[error("{0}")]
    Configuration(String),
}

impl SyncError {
    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict(_))
    }

    /// The same for somebody else who waited for it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Unavailable(said) => Self::Unavailable(said.clone()),
            Self::Conflict(said) => Self::Conflict(said.clone()),
            Self::Refused(said) => Self::Refused(said.clone()),
            Self::Configuration(said) => Self::Configuration(said.clone()),
        }
    }
}

impl Database {
    /// Connects to `sqlite:///path/to/file.db` (made if it is missing; WAL, and every commit is on disk before it
    /// returns) or to `postgresql://user@host/database`.
    ///
    /// # Errors
    /// The URL is neither, or nobody answers there.
    pub async fn connect(url: &str) -> Result<Self, SyncError> {
        Self::open(url, true).await
    }

    /// As [`Database::connect`], and makes no SQLite file.
    ///
    /// # Errors
    /// As there; or there is no such file.
    pub async fn connect_existing(url: &str) -> Result<Self, SyncError> {
        Self::open(url, false).await
    }

    async fn open(url: &str, create: bool) -> Result<Self, SyncError> {
        let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
        match scheme {
            "sqlite" => Self::sqlite(url, create).await,
            "postgres" | "postgresql" => Self::postgres(url).await,
            // The URL may hold a password, so it is not repeated.
            other => Err(SyncError::Configuration(format!(
                "database: expected a URL that begins with sqlite: or postgresql:, found {:?}",
                other.chars().take(20).collect::<String>()
            ))),
        }
    }

    async fn sqlite(url: &str, create: bool) -> Result<Self, SyncError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| SyncError::Configuration("database: this is no SQLite URL; expected sqlite:///absolute/path.db or sqlite://relative.db".to_owned()))?
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that an answer relies on must survive a power cut, which WAL alone (NORMAL) does not promise.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        if !create && !options.get_filename().exists() {
            return Err(SyncError::Configuration(format!(
                "database: there is no file {}; `doorward sync migrate` makes it",
                options.get_filename().display()
            )));
        }
        // A second connection could only wait for the first one's write lock, by polling; here callers queue instead.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        Ok(Self::Sqlite(pool))
    }

    async fn postgres(url: &str) -> Result<Self, SyncError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| SyncError::Configuration("database: this is no PostgreSQL URL; expected postgresql://user:password@host:5432/database".to_owned()))?
            .application_name("doorward")
            // An answer relies on the commit, whatever the server's default is.
            .options([("synchronous_commit", "on")]);
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await?;
        Ok(Self::Postgres(pool))
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// The store is out of reach.
    pub async fn begin(&self) -> Result<Transaction, SyncError> {
        Ok(match self {
            // A deferred transaction that turns to writing late fails at once if another one wrote meanwhile.
            Self::Sqlite(pool) => Transaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            // Whatever the database's default is: who waited for a lock sees what its holder did.
            Self::Postgres(pool) => {
                let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
                Transaction::Postgres(pool.begin_with(begin).await?)
            }
        })
    }

    /// Begins a transaction that may be lost in a power cut, as a whole, with those after it: what it does can be done
    /// again. PostgreSQL need not wait for the disk then. SQLite decides that for a connection, so it waits.
    pub(crate) async fn begin_repeatable(&self) -> Result<Transaction, SyncError> {
        Ok(match self {
            Self::Sqlite(_) => self.begin().await?,
            Self::Postgres(pool) => {
                let begin =
                    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off";
                Transaction::Postgres(pool.begin_with(begin).await?)
            }
        })
    }

    /// Closes every connection, after the transactions under way have ended.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

/// A pool of your own. Let it commit durably (`PRAGMA synchronous = FULL`), with a busy timeout.
impl From<SqlitePool> for Database {
    fn from(pool: SqlitePool) -> Self {
        Self::Sqlite(pool)
    }
}

/// A pool of your own.
impl From<PgPool> for Database {
    fn from(pool: PgPool) -> Self {
        Self::Postgres(pool)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "Database(SQLite)",
            Self::Postgres(_) => "Database(PostgreSQL)",
        })
    }
}

/// A transaction. Dropped, it is rolled back. Match on it to run statements of your own beside ours.
pub enum Transaction {
    /// On SQLite.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On PostgreSQL.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Makes everything in it durable.
    ///
    /// # Errors
    /// The store is out of reach, or refuses. Then it is unknown whether the commit took place.
    pub async fn commit(self) -> Result<(), SyncError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Undoes everything in it.
    ///
    /// # Errors
    /// The store is out of reach; then it undoes it by itself.
    pub async fn rollback(self) -> Result<(), SyncError> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }

    /// Fails in a transaction that a statement of somebody else's has broken.
    pub(crate) async fn probe(&mut self) -> Result<(), SyncError> {
        if let Self::Postgres(tx) = self {
            sqlx::query("SELECT 1").execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// Runs one statement with `$1`, `$2`, … and says how many rows it touched.
    pub(crate) async fn execute(
        &mut self,
        sql: &Sql,
        values: &[Value<'_>],
    ) -> Result<u64, SyncError> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let query = bound!(sqlx::query(AssertSqlSafe(Arc::clone(sql))), values);
                query.execute(&mut **tx).await?.rows_affected()
            }
            Self::Postgres(tx) => {
                let query = bound!(sqlx::query(AssertSqlSafe(Arc::clone(sql))), values);
                query.execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    /// Runs one statement and reads every row of its answer.
    pub(crate) async fn rows(
        &mut self,
        sql: &Sql,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, SyncError> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let query = bound!(sqlx::query(AssertSqlSafe(Arc::clone(sql))), values);
                let rows = query.fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(tx) => {
                let query = bound!(sqlx::query(AssertSqlSafe(Arc::clone(sql))), values);
                let rows = query.fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "Transaction(SQLite)",
            Self::Postgres(_) => "Transaction(PostgreSQL)",
        })
    }
}

/// A statement, put together once from our own words.
pub(crate) type Sql = Arc<str>;

/// What differs between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The type of a table's own key.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Sqlite => "INTEGER PRIMARY KEY",
            Self::Postgres => "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        }
    }

    /// A fresh random text for each row.
    pub(crate) const fn random(self) -> &'static str {
        match self {
            Self::Sqlite => "lower(hex(randomblob(16)))",
            Self::Postgres => "gen_random_uuid()::text",
        }
    }

    /// A table `r` out of `$1`, a JSON list of objects: one statement, and one round trip, for any number of rows.
    pub(crate) fn rows(self, columns: &[(&str, &str)]) -> String {
        let each = |one: &dyn Fn(&str, &str) -> String| {
            let all: Vec<String> = columns.iter().map(|(name, kind)| one(name, kind)).collect();
            all.join(", ")
        };
        match self {
            // The WHERE tells SQLite's parser that no join's ON follows.
            Self::Sqlite => {
                let columns = each(&|name, _| format!("value ->> '$.{name}' AS {name}"));
                format!("(SELECT {columns} FROM json_each($1)) AS r WHERE TRUE")
            }
            Self::Postgres => {
                let columns = each(&|name, kind| format!("{name} {kind}"));
                format!("json_to_recordset(CAST($1 AS json)) AS r({columns}) WHERE TRUE")
            }
        }
    }

    /// That `column` is among the values of `field` in [`Dialect::rows`]. PostgreSQL takes a function for a hundred rows
    /// and would read a table of thousands from end to end; an array is looked up in the index.
    pub(crate) fn among(self, column: &str, field: &str, rows: &str) -> String {
        match self {
            Self::Sqlite => format!("{column} IN (SELECT r.{field} FROM {rows})"),
            Self::Postgres => format!("{column} = ANY(ARRAY(SELECT r.{field} FROM {rows}))"),
        }
    }

    /// Takes the rows that nobody else is taking at this moment. SQLite has one writer, so there is nobody.
    pub(crate) const fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FOR UPDATE SKIP LOCKED",
        }
    }
}

/// A value for a statement.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Text(Option<&'a str>),
    Owned(Option<String>),
    Int(Option<i64>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

/// Rows for [`Dialect::rows`].
impl From<Vec<serde_json::Value>> for Value<'_> {
    fn from(rows: Vec<serde_json::Value>) -> Self {
        Self::Owned(Some(serde_json::Value::Array(rows).to_string()))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

/// One row of an answer, read by column number.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(crate) fn text(&self, column: usize) -> Result<String, SyncError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<String>, SyncError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64, SyncError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    pub(crate) fn optional_int(&self, column: usize) -> Result<Option<i64>, SyncError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }
}

/// The message of a database error repeats no values of ours: SQLite never does, and of PostgreSQL's only the primary
/// message is taken, not the detail.
impl From<sqlx::Error> for SyncError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(reported) => {
                let code = reported.code().unwrap_or_default();
                let said = format!("{} ({code})", reported.message());
                if reported.try_downcast_ref::<SqliteError>().is_some() {
                    return sqlite_error(&code, said);
                }
                if code == READ_ONLY {
                    return Self::Unavailable(said);
                }
                match code.get(..2) {
                    // Connection exceptions, out of resources, operator intervention, a system error; not logged in yet.
                    Some("08" | "53" | "57" | "58") => Self::Unavailable(said),
                    // A serialization failure or a deadlock; a lock that was not to be had.
                    Some("40" | "55") => Self::Conflict(said),
                    Some("28" | "3D") => Self::Configuration(format!("database: {said}")),
                    _ => Self::Refused(said),
                }
            }
            sqlx::Error::Io(error) => Self::Unavailable(error.kind().to_string()),
            sqlx::Error::Tls(_) => Self::Unavailable("TLS failed".to_owned()),
            sqlx::Error::PoolTimedOut => {
                Self::Unavailable("no connection became free in time".to_owned())
            }
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unavailable("the connections are closed".to_owned())
            }
            sqlx::Error::Protocol(_) => Self::Unavailable("the connection broke".to_owned()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// SQLite's primary result codes (<https://sqlite.org/rescode.html>); the extended ones add a higher byte.
fn sqlite_error(code: &str, said: String) -> SyncError {
    let code: u32 = code.parse().unwrap_or_default();
    match code & 0xff {
        // BUSY, LOCKED
        5 | 6 => SyncError::Conflict(said),
        // IOERR, FULL, CANTOPEN, READONLY
        8 | 10 | 13 | 14 => SyncError::Unavailable(said),
        _ => SyncError::Refused(said),
    }
}

/// How long anybody waits for a connection or for SQLite's write lock. A sender waits 15 s for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections to PostgreSQL from one process.
const MAX_CONNECTIONS: u32 = 8;

/// `read_only_sql_transaction`: a primary that has become a standby.
const READ_ONLY: &str = "25006";
