//! Arrivals: messages that come at the same time share one commit, for a commit waits for the disk.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use doorward_core::Timestamp;
use serde_json::json;
use tokio::sync::oneshot;

use crate::database::{Database, Sql, SyncError, Transaction};
use crate::message::Message;
use crate::schema::Schema;

/// Those waiting to be written. Whoever finds nobody writing starts a task that writes until nobody waits.
#[derive(Debug)]
pub(crate) struct Arrivals {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: Database,
    insert: Sql,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Arrival>,
    writing: bool,
}

#[derive(Debug)]
struct Arrival {
    message: Message,
    now: Timestamp,
    answer: oneshot::Sender<Result<bool, SyncError>>,
}

impl Arrivals {
    pub(crate) fn new(database: &Database, schema: &Schema) -> Self {
        let rows = database.dialect().rows(&[
            ("id", "text"),
            ("type", "text"),
            ("payload", "text"),
            ("received_at", "bigint"),
        ]);
        let insert = schema.fill(
            &format!(
                "INSERT INTO {{p}}doorward_inbox (id, type, payload, state, received_at, due_at, claims, failures)
                 SELECT id, type, payload, 'waiting', received_at, received_at, 0, 0 FROM {rows}
                 ON CONFLICT (id) DO NOTHING RETURNING id"
            ),
            database.dialect(),
        );
        Self {
            shared: Arc::new(Shared {
                database: database.clone(),
                insert,
                queue: Mutex::default(),
            }),
        }
    }

    /// Writes a message, and returns when it is durable; `false` if it was there.
    pub(crate) async fn add(&self, message: &Message, now: Timestamp) -> Result<bool, SyncError> {
        let (answer, answered) = oneshot::channel();
        let starts = {
            let mut queue = self.shared.lock();
            if queue.waiting.len() >= MAX_WAITING {
                return Err(SyncError::Unavailable(
                    "too many messages wait to be written".to_owned(),
                ));
            }
            queue.waiting.push(Arrival {
                message: message.clone(),
                now,
                answer,
            });
            !std::mem::replace(&mut queue.writing, true)
        };
        if starts {
            let shared = Arc::clone(&self.shared);
            // A task of its own: a caller that goes away must not take the others' commit along.
            tokio::spawn(async move { shared.write_all().await });
        }
        answered
            .await
            .unwrap_or_else(|_| Err(SyncError::Unavailable("the writer is gone".to_owned())))
    }

    pub(crate) async fn insert(
        &self,
        tx: &mut Transaction,
        message: &Message,
        now: Timestamp,
    ) -> Result<bool, SyncError> {
        let news = insert(tx, &self.shared.insert, &[(message, now)]).await?;
        Ok(news == [true])
    }
}

impl Shared {
    async fn write_all(&self) {
        // If this task is dropped or panics, the next arrival must find that nobody writes.
        let mut guard = Writing {
            shared: self,
            ended: false,
        };
        while let Some(batch) = self.next() {
            let written = self.write(&batch).await;
            if batch.len() > 1 && matches!(written, Err(SyncError::Refused(_))) {
                // One of them is at fault, and the others are not to suffer for it.
                for arrival in batch {
                    let alone = self.write(std::slice::from_ref(&arrival)).await;
                    let _ = arrival.answer.send(alone.map(|news| news == [true]));
                }
                continue;
            }
            match written {
                Ok(news) => {
                    for (arrival, is_new) in batch.into_iter().zip(news) {
                        // Whoever went away meanwhile is not waiting for an answer.
                        let _ = arrival.answer.send(Ok(is_new));
                    }
                }
                Err(error) => {
                    for arrival in batch {
                        let _ = arrival.answer.send(Err(error.again()));
                    }
                }
            }
        }
        guard.ended = true;
    }

    fn next(&self) -> Option<Vec<Arrival>> {
        let mut queue = self.lock();
        if queue.waiting.is_empty() {
            queue.writing = false;
            return None;
        }
        let mut bytes = 0;
        let fits = |arrival: &&Arrival| {
            bytes += arrival.message.payload().len();
            bytes <= MAX_BATCH_BYTES
        };
        let waiting = queue.waiting.iter().take(MAX_BATCH);
        let count = waiting.take_while(fits).count().max(1);
        Some(queue.waiting.drain(..count).collect())
    }

    /// Whether each was new.
    async fn write(&self, batch: &[Arrival]) -> Result<Vec<bool>, SyncError> {
        let messages: Vec<_> = batch
            .iter()
            .map(|arrival| (&arrival.message, arrival.now))
            .collect();
        let mut tx = self.database.begin().await?;
        let news = insert(&mut tx, &self.insert, &messages).await?;
        tx.commit().await?;
        Ok(news)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writing<'a> {
    shared: &'a Shared,
    ended: bool,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.lock().writing = false;
        }
    }
}

/// Writes messages, and says which were new.
async fn insert(
    tx: &mut Transaction,
    sql: &Sql,
    messages: &[(&Message, Timestamp)],
) -> Result<Vec<bool>, SyncError> {
    let mut sorted: Vec<_> = messages.iter().collect();
    // Two nodes that are sent the same messages must insert them in the same order, or they wait for each other.
    sorted.sort_by(|a, b| a.0.id().cmp(b.0.id()));
    let rows = sorted.into_iter().map(|(message, now)| {
        json!({
            "id": message.id(), "type": message.kind(), "payload": message.payload(),
            "received_at": now.as_millis(),
        })
    });
    let rows: Vec<_> = rows.collect();
    let inserted = tx.rows(sql, &[rows.into()]).await?;
    let ids = inserted.iter().map(|row| row.text(0));
    let mut ids = ids.collect::<Result<HashSet<_>, _>>()?;
    // Of two deliveries in one batch, the first is the new one.
    Ok(messages
        .iter()
        .map(|(message, _)| ids.remove(message.id()))
        .collect())
}

/// Messages in one commit.
const MAX_BATCH: usize = 256;
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Messages that wait for a commit. Beyond that the sender is told to come again.
const MAX_WAITING: usize = 2048;
