//! Which database a command works on.

use std::time::{Duration, SystemTime};

use clap::Args;
use doorward::core::Timestamp;
use doorward_sync::{Database, Schema, SyncError};

use crate::output::{Failure, UNAVAILABLE};

/// Where the inbox and the tables are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where the tables are")]
pub(crate) struct Store {
    /// sqlite:///path/to/file.db or postgresql://user@host/database
    #[arg(
        long,
        value_name = "URL",
        env = "DOORWARD_DATABASE",
        hide_env_values = true,
        default_value = "sqlite://doorward.db"
    )]
    database: String,
    /// What the tables' names begin with, to set them apart from your own
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
}

impl Store {
    /// Makes a SQLite file that is missing.
    pub(crate) async fn create(&self) -> Result<(Database, Schema), Failure> {
        let schema = Schema::with_prefix(&self.prefix)?;
        let database = Database::connect(&self.database).await?;
        Ok((database, schema))
    }

    /// As [`Store::create`], of a database that is there: a slip in its name makes no new one.
    pub(crate) async fn open(&self) -> Result<(Database, Schema), Failure> {
        let schema = Schema::with_prefix(&self.prefix)?;
        let database = Database::connect_existing(&self.database).await?;
        Ok((database, schema))
    }

    /// As [`Store::open`], whose tables are those this program knows.
    pub(crate) async fn open_migrated(&self) -> Result<(Database, Schema), Failure> {
        let (database, schema) = self.open().await?;
        schema.check(&database).await?;
        Ok((database, schema))
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        let unavailable = error.is_transient();
        Self {
            message: error.to_string(),
            code: if unavailable {
                UNAVAILABLE
            } else {
                crate::output::USAGE
            },
        }
    }
}

/// The time, as libraries are told it.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Runs a command's asynchronous part.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(error.to_string()))?
        .block_on(work)
}

/// `90s`, `15m`, `36h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number and s, m, h or d, as in 7d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    // A thousand years are enough for anybody, and nothing overflows.
    let total = count
        .checked_mul(seconds)
        .filter(|total| *total < 32_000_000_000);
    total.map(Duration::from_secs).ok_or_else(wrong)
}
