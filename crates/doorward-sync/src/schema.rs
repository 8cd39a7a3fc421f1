//! The tables, in versions.

use std::sync::Arc;

use doorward_core::Timestamp;

use crate::database::{Database, Dialect, Sql, SyncError, Transaction};

/// Under which names the tables stand. Without a prefix they are `users`, `email_addresses`, `organizations`,
/// `memberships`, `sessions` and `doorward_inbox`; a prefix sets them apart from an application's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    prefix: String,
}

/// One step from a version of the tables to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1.
    pub version: i64,
    /// What it adds.
    pub name: &'static str,
    text: &'static str,
}

/// Every migration, oldest first. One that has shipped never changes.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "inbox",
        text: include_str!("../migrations/0001_inbox.sql"),
    },
    Migration {
        version: 2,
        name: "tables",
        text: include_str!("../migrations/0002_tables.sql"),
    },
    Migration {
        version: 3,
        name: "backfill",
        text: include_str!("../migrations/0003_backfill.sql"),
    },
];

impl Schema {
    /// Tables whose names begin with `prefix`: up to 20 letters, digits and underscores, with a letter first. In
    /// PostgreSQL a schema of its own does as well: `?options=-csearch_path%3Dclerk` in the URL.
    ///
    /// # Errors
    /// The prefix is something else.
    pub fn with_prefix(prefix: &str) -> Result<Self, SyncError> {
        let fits = prefix.len() <= MAX_PREFIX
            && prefix
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && prefix
                .bytes()
                .next()
                .is_none_or(|byte| byte.is_ascii_lowercase());
        if !fits {
            return Err(SyncError::Configuration(format!(
                "prefix: expected at most {MAX_PREFIX} lower-case letters, digits and underscores, a letter first"
            )));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
        })
    }

    /// A table's name, prefix and all.
    pub fn table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Brings the tables to the newest version, and says which steps that took. Several nodes may do it at once.
    ///
    /// # Errors
    /// A table of one of our names stands there and is not ours, the database is newer than this program, or it is out
    /// of reach.
    pub async fn migrate(
        &self,
        database: &Database,
        now: Timestamp,
    ) -> Result<Vec<Migration>, SyncError> {
        let mut tx = database.begin().await?;
        if matches!(tx, Transaction::Postgres(_)) {
            // CREATE TABLE IF NOT EXISTS races with itself.
            let lock = Sql::from("SELECT pg_advisory_xact_lock($1)::text");
            tx.rows(&lock, &[MIGRATION_LOCK.into()]).await?;
        }
        let create = self.sql(
            "CREATE TABLE IF NOT EXISTS {p}doorward_migrations (
                version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(80) NOT NULL, applied_at BIGINT NOT NULL)",
            &tx,
        );
        tx.execute(&create, &[]).await?;
        let at = self.version_in(&mut tx).await?;
        let missing = missing(at)?;
        for migration in missing {
            for statement in statements(migration.text) {
                let statement = self.sql(&statement, &tx);
                tx.execute(&statement, &[])
                    .await
                    .map_err(|error| self.in_the_way(error))?;
            }
            let record = self.sql(
                "INSERT INTO {p}doorward_migrations (version, name, applied_at) VALUES ($1, $2, $3)",
                &tx,
            );
            let values = [
                migration.version.into(),
                migration.name.into(),
                now.as_millis().into(),
            ];
            tx.execute(&record, &values).await?;
        }
        tx.commit().await?;
        Ok(missing.to_vec())
    }

    /// The steps that [`Schema::migrate`] would take.
    ///
    /// # Errors
    /// The database is newer than this program, or out of reach.
    pub async fn pending(&self, database: &Database) -> Result<Vec<Migration>, SyncError> {
        let mut tx = database.begin().await?;
        let version = self.version_in(&mut tx).await;
        let version = match version {
            Ok(version) => version,
            // There is no such table yet.
            Err(SyncError::Refused(_)) => 0,
            Err(other) => return Err(other),
        };
        Ok(missing(version)?.to_vec())
    }

    /// That the tables are those this program knows.
    ///
    /// # Errors
    /// They are not, and what to do; or the database is out of reach.
    pub async fn check(&self, database: &Database) -> Result<(), SyncError> {
        match self.pending(database).await?.as_slice() {
            [] => Ok(()),
            missing => Err(SyncError::Configuration(format!(
                "the database lacks {} of {} migrations; run `doorward sync migrate`",
                missing.len(),
                MIGRATIONS.len()
            ))),
        }
    }

    async fn version_in(&self, tx: &mut Transaction) -> Result<i64, SyncError> {
        let newest = self.sql(
            "SELECT COALESCE(MAX(version), 0) FROM {p}doorward_migrations",
            tx,
        );
        let rows = tx.rows(&newest, &[]).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    fn in_the_way(&self, error: SyncError) -> SyncError {
        match error {
            SyncError::Refused(said) if said.contains("already exists") => {
                let hint = if self.prefix.is_empty() {
                    "choose a prefix (--prefix clerk_) to set our tables apart, or give us a database of our own"
                } else {
                    "choose another prefix"
                };
                SyncError::Configuration(format!("{said}, and it is not ours: {hint}"))
            }
            other => other,
        }
    }

    /// Fills in what depends on the prefix and on the database.
    pub(crate) fn sql(&self, text: &str, tx: &Transaction) -> Sql {
        let dialect = match tx {
            Transaction::Sqlite(_) => Dialect::Sqlite,
            Transaction::Postgres(_) => Dialect::Postgres,
        };
        self.fill(text, dialect)
    }

    pub(crate) fn fill(&self, text: &str, dialect: Dialect) -> Sql {
        let text = text
            .replace("{p}", &self.prefix)
            .replace("{key}", dialect.key())
            .replace("{random}", dialect.random())
            .replace("{skip_locked}", dialect.skip_locked());
        Arc::from(text)
    }
}

fn missing(at: i64) -> Result<&'static [Migration], SyncError> {
    usize::try_from(at)
        .ok()
        .and_then(|done| MIGRATIONS.get(done..))
        .ok_or_else(|| {
            SyncError::Configuration(format!(
                "the database is at version {at}, and this program knows {}: upgrade doorward",
                MIGRATIONS.len()
            ))
        })
}

/// The statements of a file, without its comments.
fn statements(text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect();
    code.join("\n")
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

const MAX_PREFIX: usize = 20;

/// Any number will do, as long as it is always the same.
const MIGRATION_LOCK: i64 = 0x646f_6f72_7761_7264;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one() {
        for (migration, expected) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.version, expected);
            assert!(!statements(migration.text).is_empty());
        }
    }

    #[test]
    fn prefixes_cannot_carry_sql() {
        for good in ["", "clerk_", "a1"] {
            assert!(Schema::with_prefix(good).is_ok());
        }
        for bad in [
            "1a",
            "_a",
            "a;",
            "a b",
            "A_",
            "a\"",
            "abcdefghijklmnopqrstu",
        ] {
            assert!(Schema::with_prefix(bad).is_err(), "{bad}");
        }
    }
}
