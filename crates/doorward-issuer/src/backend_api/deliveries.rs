//! Webhooks of what happens here: signed and posted to applications of this machine, in the order of the events.

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::backend_api::world::new_id;
use crate::logout::Target;
use crate::webhook_signer::WebhookSigner;

/// Who is told, and what they were told.
#[derive(Default)]
pub(crate) struct Deliveries {
    told: Mutex<Told>,
    queue: Mutex<Option<SyncSender<Delivery>>>,
    log: Arc<Mutex<VecDeque<Value>>>,
}

/// An event, and who is told.
type Delivery = (Value, Arc<Listener>);

#[derive(Default)]
struct Told {
    listeners: Vec<Arc<Listener>>,
}

struct Listener {
    url: String,
    target: Target,
    signer: WebhookSigner,
}

impl Deliveries {
    /// Tells this URL from now on, in the place of what it was told before.
    pub(crate) fn listen(&self, url: &str, secret: &str) -> Result<(), String> {
        let target = Target::read(url).map_err(|error| error.to_string())?;
        let listener = Listener {
            url: url.to_owned(),
            target,
            signer: WebhookSigner::new([secret])?,
        };
        let mut told = lock(&self.told);
        told.listeners.retain(|known| known.url != url);
        if told.listeners.len() >= MAX_LISTENERS {
            return Err(format!("{MAX_LISTENERS} URLs at most"));
        }
        told.listeners.push(Arc::new(listener));
        Ok(())
    }

    /// Nobody is told any more, and what they were told is forgotten.
    pub(crate) fn forget(&self) {
        lock(&self.told).listeners.clear();
        lock(&self.log).clear();
    }

    /// The URLs, and the last deliveries, oldest first.
    pub(crate) fn shown(&self) -> Value {
        let told = lock(&self.told);
        let urls: Vec<&str> = told.listeners.iter().map(|one| one.url.as_str()).collect();
        json!({ "urls": urls, "deliveries": *lock(&self.log) })
    }

    /// Tells everybody, on a thread of its own. What they have no time for is lost, and shown as such.
    pub(super) fn send(&self, event: &Value) {
        for listener in &lock(&self.told).listeners {
            let queue = self.queue();
            if let Err(lost) = queue.try_send((event.clone(), Arc::clone(listener))) {
                let (event, listener) = match lost {
                    std::sync::mpsc::TrySendError::Full(lost)
                    | std::sync::mpsc::TrySendError::Disconnected(lost) => lost,
                };
                remember(&self.log, &event, &listener.url, "", Err("lost".to_owned()));
            }
        }
    }

    fn queue(&self) -> SyncSender<Delivery> {
        let mut queue = lock(&self.queue);
        if let Some(sender) = &*queue {
            return sender.clone();
        }
        let (sender, receiver) = sync_channel::<Delivery>(MAX_WAITING);
        let log = Arc::clone(&self.log);
        // It ends when the issuer is gone. Without a thread, everything is lost, and shown as such.
        let _ = std::thread::Builder::new()
            .name("doorward-webhooks".to_owned())
            .spawn(move || {
                while let Ok((event, listener)) = receiver.recv() {
                    let id = new_id("msg").unwrap_or_else(|_| "msg_0".to_owned());
                    let outcome = deliver(&event, &id, &listener);
                    remember(&log, &event, &listener.url, &id, outcome);
                }
            });
        queue.insert(sender).clone()
    }
}

/// Posts an event until it is taken, three times at most. Its id stays, its signature does not.
fn deliver(event: &Value, id: &str, listener: &Listener) -> Result<u16, String> {
    let body = event.to_string();
    let mut outcome = Err("not sent".to_owned());
    for rest in RESTS {
        std::thread::sleep(rest);
        // When it is sent, not when it happened: receivers compare it with their own clock.
        let seconds = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |now| now.as_secs().cast_signed());
        let headers = listener.signer.headers(id, seconds, body.as_bytes());
        let sent = listener
            .target
            .post("application/json", &headers, body.as_bytes());
        outcome = sent.map_err(|error| error.to_string());
        if outcome
            .as_ref()
            .is_ok_and(|status| (200..300).contains(status))
        {
            break;
        }
    }
    outcome
}

fn remember(
    log: &Mutex<VecDeque<Value>>,
    event: &Value,
    url: &str,
    id: &str,
    outcome: Result<u16, String>,
) {
    let mut log = lock(log);
    if log.len() == MAX_LOG {
        log.pop_front();
    }
    log.push_back(json!({
        "id": id,
        "type": event["type"],
        "object": event["data"]["id"],
        "url": url,
        "status": outcome.as_ref().ok(),
        "error": outcome.err(),
    }));
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Deliveries")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Before each attempt.
const RESTS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_secs(1),
];
const MAX_LISTENERS: usize = 8;
const MAX_WAITING: usize = 1024;
const MAX_LOG: usize = 256;
