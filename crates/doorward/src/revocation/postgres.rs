//! PostgreSQL: a table of revocations, and a channel on which each new one is announced.

use std::str::FromStr as _;
use std::time::Duration;

use doorward_core::{Revocation, Timestamp, sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener};
use sqlx::{Connection as _, Executor as _, Row as _};

use super::store::{self, Store};

const CHANNEL: &str = "doorward_revocations";
const PAGE: i64 = 5000;
const WAIT: Duration = Duration::from_secs(1);
/// `record` is written by [`store::write`]; `expires_at` counts milliseconds since 1970.
const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS doorward_revocations (
        digest bytea PRIMARY KEY,
        record jsonb NOT NULL,
        expires_at bigint NOT NULL
    );
    CREATE INDEX IF NOT EXISTS doorward_revocations_expires_at ON doorward_revocations (expires_at);";
/// Two that create or write at once would get in each other's way. The number is arbitrary, and nobody else's.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7363021118264)";

/// One of its two, as it is read or written to.
pub(crate) struct Table {
    connection: Option<PgConnection>,
    listener: Option<PgListener>,
    /// The digest of the last row that was read.
    read_until: Vec<u8>,
    url: String,
}

/// Whether a URL is one that the client understands.
pub(crate) fn check(url: &str) -> Result<(), String> {
    // What it says about a wrong one may hold the password.
    let unfit =
        |_| "is no URL of PostgreSQL: write postgres://user:password@host:5432/database".to_owned();
    PgConnectOptions::from_str(url).map(drop).map_err(unfit)
}

impl Store for Table {
    async fn open(url: &str) -> Result<Self, String> {
        let mut connection = PgConnection::connect(url).await.map_err(why)?;
        let there = "SELECT to_regclass('doorward_revocations') IS NOT NULL";
        let there = connection.fetch_one(there).await.map_err(why)?;
        // Who may write to a table need not be one who may create it.
        if !there.get::<bool, _>(0) {
            let mut transaction = connection.begin().await.map_err(why)?;
            transaction.execute(LOCK).await.map_err(why)?;
            transaction.execute(CREATE).await.map_err(why)?;
            transaction.commit().await.map_err(why)?;
        }
        Ok(Self {
            connection: Some(connection),
            listener: None,
            read_until: Vec::new(),
            url: url.to_owned(),
        })
    }

    async fn rewind(&mut self) -> Result<(), String> {
        self.connection = None;
        self.read_until.clear();
        if self.listener.is_none() {
            let mut listener = PgListener::connect(&self.url).await.map_err(why)?;
            // A lost connection has to show, because what was announced meanwhile is lost with it.
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await.map_err(why)?;
            self.listener = Some(listener);
        }
        Ok(())
    }

    async fn page(&mut self, now: Timestamp) -> Result<Option<Vec<Revocation>>, String> {
        let Some(listener) = &mut self.listener else {
            return Err("it was opened to be written to".to_owned());
        };
        let page = sqlx::query(
            "SELECT digest, record::text FROM doorward_revocations
             WHERE expires_at > $1 AND digest > $2 ORDER BY digest LIMIT $3",
        )
        .bind(now.as_millis())
        .bind(&self.read_until)
        .bind(PAGE);
        let rows = listener.fetch_all(page).await.map_err(why)?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        self.read_until = last.get(0);
        let read = |row: &sqlx::postgres::PgRow| store::read(&row.get::<String, _>(1));
        Ok(Some(rows.iter().filter_map(read).collect()))
    }

    async fn news(&mut self) -> Result<Vec<Revocation>, String> {
        let Some(listener) = &mut self.listener else {
            return Err("it was not read whole".to_owned());
        };
        let mut news = Vec::new();
        match tokio::time::timeout(WAIT, listener.try_recv()).await {
            Ok(Ok(Some(first))) => news.extend(store::read(first.payload())),
            Ok(Ok(None)) => return Err("the connection was lost".to_owned()),
            Ok(Err(error)) => return Err(why(error)),
            Err(_) => {
                listener.execute("SELECT 1").await.map_err(why)?;
            }
        }
        while let Some(next) = listener.next_buffered() {
            news.extend(store::read(next.payload()));
        }
        Ok(news)
    }

    async fn put(
        &mut self,
        revocations: &[Revocation],
        now: Timestamp,
        _retention: Duration,
    ) -> Result<(), String> {
        let Some(connection) = &mut self.connection else {
            return Err("it was opened to be read".to_owned());
        };
        let records: Vec<String> = revocations.iter().map(store::write).collect();
        let digests: Vec<Vec<u8>> = records
            .iter()
            .map(|record| sha256(record.as_bytes()).to_vec())
            .collect();
        let ends: Vec<i64> = revocations
            .iter()
            .map(|revocation| revocation.expires_at.as_millis())
            .collect();
        let mut transaction = connection.begin().await.map_err(why)?;
        // One writer at a time: those who write the same rows in another order would wait for each other.
        transaction.execute(LOCK).await.map_err(why)?;
        // Announced with the commit, so whoever hears of one can read it.
        sqlx::query(
            "WITH given AS (
                 SELECT * FROM UNNEST($1::bytea[], $2::text[], $3::bigint[]) AS g (digest, record, expires_at)
             ), new AS (
                 INSERT INTO doorward_revocations (digest, record, expires_at)
                 SELECT digest, record::jsonb, expires_at FROM given
                 ON CONFLICT DO NOTHING
                 RETURNING digest
             )
             SELECT pg_notify($4, record) FROM given WHERE digest IN (SELECT digest FROM new)",
        )
        .bind(digests)
        .bind(records)
        .bind(ends)
        .bind(CHANNEL)
        .execute(&mut *transaction)
        .await
        .map_err(why)?;
        sqlx::query("DELETE FROM doorward_revocations WHERE expires_at <= $1")
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await
            .map_err(why)?;
        transaction.commit().await.map_err(why)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn why(error: sqlx::Error) -> String {
    error.to_string()
}
