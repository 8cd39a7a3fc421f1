//! PostgreSQL's NOTIFY, in the transaction that marks the message as done: heard once for each message.

use doorward_core::webhook::Members;
use serde_json::{Value as Json, json};

use crate::database::{Database, Sql, SyncError, Transaction};
use crate::message::Message;
use crate::worker::{Handled, Handler, HandlerError};

/// Tells those who LISTEN: `{"id": "msg_…", "type": "user.created", "object_id": "user_…"}`. The rest is in the tables,
/// for a notification holds 8,000 bytes at most.
#[derive(Debug)]
pub struct Notify {
    channel: String,
    statement: Sql,
}

impl Notify {
    /// On this channel of a PostgreSQL.
    ///
    /// # Errors
    /// It is no PostgreSQL, or the channel's name is not 1 to 63 bytes long.
    pub fn new(database: &Database, channel: &str) -> Result<Self, SyncError> {
        let wrong = |what: &str| Err(SyncError::Configuration(what.to_owned()));
        if !matches!(database, Database::Postgres(_)) {
            return wrong("notify: only PostgreSQL has NOTIFY");
        }
        if !(1..=63).contains(&channel.len()) || channel.contains('\0') {
            return wrong("notify: expected a channel's name of 1 to 63 bytes");
        }
        Ok(Self {
            channel: channel.to_owned(),
            statement: Sql::from("SELECT pg_notify($1, $2)::text"),
        })
    }
}

impl Handler for Notify {
    fn handle<'a>(&'a self, message: &'a Message, tx: &'a mut Transaction) -> Handled<'a> {
        Box::pin(async move {
            let event = message.event().map_err(HandlerError::new)?;
            let data = event.data().and_then(Members::of);
            let object_id = data.and_then(|data| data.to_object().remove("id"));
            let object_id = object_id.as_ref().and_then(Json::as_str);
            let told = json!({
                "id": message.id(),
                "type": message.kind(),
                "object_id": object_id.filter(|id| id.len() <= MAX_OBJECT_ID),
            });
            let told = told.to_string();
            let values = [self.channel.as_str().into(), told.as_str().into()];
            tx.rows(&self.statement, &values).await?;
            Ok(())
        })
    }
}

const MAX_OBJECT_ID: usize = 255;
