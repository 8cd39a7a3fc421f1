//! Keeps: an inbox that runs handlers once for each webhook message, and tables that follow the provider.
//!
//! A message goes in by [`Inbox::accept`] and is durable when that returns. A [`Worker`] takes it out under a lease,
//! writes what it says into the tables, runs your [`Handler`]s, and marks it done, all in one transaction: what happens
//! in that transaction happens once for each message, however often it is delivered and whoever is killed meanwhile.
//!
//! ```
//! use doorward_core::Timestamp;
//! use doorward_sync::{Database, Inbox, Message, Schema, Tables, Worker};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let folder = std::env::temp_dir().join(format!("doorward-sync-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let url = format!("sqlite://{}/app.db", folder.display());
//! let database = Database::connect(&url).await?;
//! let schema = Schema::default();
//! schema.migrate(&database, Timestamp::from_secs(1_800_000_000)).await?;
//!
//! let inbox = Inbox::new(database, &schema);
//! let worker = Worker::new(inbox.clone()).tables(Tables::default());
//!
//! let body = br#"{"type": "user.created", "timestamp": 1800000000000,
//!                 "data": {"object": "user", "id": "user_1", "updated_at": 1800000000000}}"#;
//! let message = Message::new("msg_1", body)?;
//! let now = Timestamp::from_secs(1_800_000_001);
//! inbox.accept(&message, now).await?;
//! inbox.accept(&message, now).await?;
//!
//! let turn = worker.turn(now).await?;
//! assert_eq!(turn.done, 1);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accept;
mod backfill;
mod change;
mod database;
mod inbox;
mod message;
mod notify;
mod schema;
mod status;
mod tables;
mod worker;

pub use backfill::{Backfill, BackfillError, Progress};
pub use database::{Database, SyncError, Transaction};
pub use inbox::{Claim, Inbox, InboxSettings, Letter, Point, Replay};
pub use message::{Message, MessageError};
pub use notify::Notify;
pub use schema::{Migration, Schema};
pub use status::{InboxStatus, TableStatus};
pub use tables::{Resource, Tables};
pub use worker::{Handled, Handler, HandlerError, Outlet, Turn, Verdict, Worker};

/// The sender's last attempt comes this long after its first (Svix: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h, with room
/// for a clock that is off). No record may expire earlier.
pub const RETRY_HORIZON: std::time::Duration = std::time::Duration::from_secs(28 * 3600);
