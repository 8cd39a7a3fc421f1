//! How things stand.

use doorward_core::Timestamp;

use crate::database::SyncError;
use crate::inbox::Inbox;
use crate::tables::Resource;

/// The inbox at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxStatus {
    /// Messages to be handled, those in hand and those that rest after a failure included.
    pub waiting: u64,
    /// When the oldest of them was accepted.
    pub oldest_waiting: Option<Timestamp>,
    /// Messages in the hands of a worker.
    pub in_hand: u64,
    /// Messages that failed and will be tried again.
    pub resting: u64,
    /// Messages that were handled, as far back as they are remembered.
    pub done: u64,
    /// Dead letters.
    pub dead: u64,
}

/// A table at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableStatus {
    /// The table's name, with its prefix.
    pub table: String,
    /// Objects that exist.
    pub present: u64,
    /// Objects that are deleted at the provider.
    pub deleted: u64,
    /// Memberships whose organization or user has not arrived.
    pub held: u64,
    /// When the provider last changed one of them.
    pub newest: Option<Timestamp>,
}

impl Inbox {
    /// How the inbox stands.
    ///
    /// # Errors
    /// The store failed.
    pub async fn status(&self, now: Timestamp) -> Result<InboxStatus, SyncError> {
        let (database, schema) = (self.database(), self.schema());
        let mut tx = database.begin().await?;
        let waiting = schema.sql(
            "SELECT COUNT(*), MIN(received_at), COUNT(CASE WHEN claim IS NOT NULL AND due_at > $1 THEN 1 END),
                COUNT(CASE WHEN claim IS NULL AND failures > 0 THEN 1 END)
             FROM {p}doorward_inbox WHERE state = 'waiting'",
            &tx,
        );
        let finished = schema.sql(
            "SELECT COUNT(CASE WHEN state = 'done' THEN 1 END), COUNT(CASE WHEN state = 'dead' THEN 1 END)
             FROM {p}doorward_inbox WHERE state <> 'waiting'",
            &tx,
        );
        let rows = tx.rows(&waiting, &[now.as_millis().into()]).await?;
        let ended = tx.rows(&finished, &[]).await?;
        let (Some(waiting), Some(finished)) = (rows.first(), ended.first()) else {
            return Err(SyncError::Refused("a count came back empty".to_owned()));
        };
        Ok(InboxStatus {
            waiting: count(waiting.int(0)?),
            oldest_waiting: waiting.optional_int(1)?.map(Timestamp::from_millis),
            in_hand: count(waiting.int(2)?),
            resting: count(waiting.int(3)?),
            done: count(finished.int(0)?),
            dead: count(finished.int(1)?),
        })
    }

    /// How the tables stand.
    ///
    /// # Errors
    /// The store failed.
    pub async fn tables(&self) -> Result<Vec<TableStatus>, SyncError> {
        let (database, schema) = (self.database(), self.schema());
        let mut tx = database.begin().await?;
        let names = ["users", "email_addresses"].into_iter();
        let others = [
            Resource::Organizations,
            Resource::Memberships,
            Resource::Sessions,
        ];
        let mut all = Vec::new();
        for name in names.chain(others.map(Resource::table)) {
            let table = schema.table(name);
            let counts = schema.sql(
                &format!("SELECT COUNT(*), COUNT(deleted_at), MAX(updated_at) FROM {{p}}{name}"),
                &tx,
            );
            let rows = tx.rows(&counts, &[]).await?;
            let Some(row) = rows.first() else { continue };
            let deleted = count(row.int(1)?);
            let held = if name == "memberships" {
                let held = schema.sql("SELECT COUNT(*) FROM {p}held_memberships", &tx);
                let rows = tx.rows(&held, &[]).await?;
                rows.first().map_or(Ok(0), |row| row.int(0))?
            } else {
                0
            };
            all.push(TableStatus {
                table,
                present: count(row.int(0)?) - deleted,
                deleted,
                held: count(held),
                newest: row.optional_int(2)?.map(Timestamp::from_millis),
            });
        }
        Ok(all)
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
