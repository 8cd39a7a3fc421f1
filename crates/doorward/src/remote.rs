//! One thread that asks issuers about tokens, with connections that are kept.
//!
//! It is started when somebody first asks and ends when nobody has for a while, so nothing is at rest that a fork could
//! lose; a forked child starts its own. It touches nothing that a lock guards but the tickets it lands.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::Client;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::fetch;
use crate::freshness::FetchSettings;

/// What the thread runs: it is given the client and says nothing back.
pub(crate) type Job = Box<dyn FnOnce(Client) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

struct Worker {
    process: u32,
    jobs: UnboundedSender<Job>,
}

static WORKER: ArcSwapOption<Worker> = ArcSwapOption::const_empty();

/// How long the thread waits for another job before it ends.
const IDLE: Duration = Duration::from_secs(30);

/// Hands a job over.
///
/// # Errors
/// No thread can be started, or no client can be built: the reason, for the log.
pub(crate) fn run(job: Job, settings: &FetchSettings) -> Result<(), String> {
    let process = std::process::id();
    let job = match &*WORKER.load() {
        Some(worker) if worker.process == process => match worker.jobs.send(job) {
            Ok(()) => return Ok(()),
            // It has just ended.
            Err(refused) => refused.0,
        },
        _ => job,
    };
    let client = fetch::client(settings)?;
    let (jobs, inbox) = unbounded_channel();
    let sent = jobs.send(job);
    debug_assert!(sent.is_ok(), "the inbox is in hand");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    std::thread::Builder::new()
        .name("doorward-ask".to_owned())
        .spawn(move || runtime.block_on(work(inbox, client)))
        .map_err(|error| error.to_string())?;
    // Whoever started one at the same moment loses nothing: both run, and one of them soon has nothing to do.
    WORKER.store(Some(Arc::new(Worker { process, jobs })));
    Ok(())
}

/// Runs something of a neighbour's on the thread.
///
/// # Errors
/// No thread can be started: the reason, for the log.
pub fn background(job: impl Future<Output = ()> + Send + 'static) -> Result<(), String> {
    run(Box::new(|_| Box::pin(job)), &FetchSettings::default())
}

async fn work(mut inbox: UnboundedReceiver<Job>, client: Client) {
    let mut running = tokio::task::JoinSet::new();
    loop {
        match tokio::time::timeout(IDLE, inbox.recv()).await {
            Ok(Some(job)) => drop(running.spawn(job(client.clone()))),
            Ok(None) => break,
            Err(_) if running.is_empty() => break,
            Err(_) => {}
        }
        while running.try_join_next().is_some() {}
    }
    // Nothing can be sent any more; what was sent is finished.
    inbox.close();
    while let Some(job) = inbox.recv().await {
        running.spawn(job(client.clone()));
    }
    while running.join_next().await.is_some() {}
}
