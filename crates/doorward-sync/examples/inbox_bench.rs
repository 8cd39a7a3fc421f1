//! How many messages a second the inbox takes in, how long each waits for its commit, and how many the worker handles.
//!
//! `cargo run --release -p doorward-sync --example inbox_bench -- sqlite://bench.db 100000 64`

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use doorward_core::Timestamp;
use doorward_sync::{Database, Inbox, Message, Schema, Tables, Worker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("a database URL")?;
    let count: u64 = arguments.next().as_deref().unwrap_or("20000").parse()?;
    let senders: u64 = arguments.next().as_deref().unwrap_or("32").parse()?;
    let database = Database::connect(&url).await?;
    let schema = Schema::default();
    schema.migrate(&database, now()).await?;
    let inbox = Inbox::new(database, &schema);
    let worker = Worker::new(inbox.clone()).tables(Tables::default());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let handled = Arc::new(AtomicU64::new(0));
    let counter = handled.clone();
    let working = tokio::spawn(async move {
        let count = |turn: &Result<doorward_sync::Turn, _>| {
            if let Ok(turn) = turn {
                counter.fetch_add(turn.done, Ordering::Relaxed);
            }
        };
        worker.run(now, count, stopped).await;
    });
    println!("resident before: {} MiB", resident());
    let run = now().as_millis();
    let began = Instant::now();
    let mut tasks = Vec::new();
    for lane in 0..senders {
        let inbox = inbox.clone();
        tasks.push(tokio::spawn(async move {
            let mut waits = Vec::new();
            for number in (lane..count).step_by(usize::try_from(senders).unwrap_or(1)) {
                let message = event(run, number)?;
                let began = Instant::now();
                inbox.accept(&message, now()).await?;
                // Four bytes each, for a million of them must not look like a leak.
                waits.push(u32::try_from(began.elapsed().as_micros())?);
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(waits)
        }));
    }
    while handled.load(Ordering::Relaxed) < count / 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("resident half way: {} MiB", resident());
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await?.map_err(|error| error.to_string())?);
    }
    let accepted = began.elapsed();
    while handled.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let all = began.elapsed();
    stop.send(true)?;
    working.await?;
    waits.sort();
    let at = |share: f64| {
        let place = (waits.len() as f64 * share) as usize;
        Duration::from_micros(waits[place.min(waits.len() - 1)].into())
    };
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "accepted: {:.0} messages/s with {senders} senders",
        rate(accepted)
    );
    println!(
        "commit: p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    println!("accepted and handled: {:.0} messages/s", rate(all));
    println!("resident after: {} MiB", resident());
    Ok(())
}

/// A `user.updated` of about 1.5 kB, about one of 5,000 users.
fn event(run: i64, number: u64) -> Result<Message, Box<dyn Error + Send + Sync>> {
    let user = number % 5000;
    let at = run + i64::try_from(number)?;
    let body = format!(
        r#"{{"object":"event","type":"user.updated","instance_id":"ins_bench","timestamp":{at},"data":{{"id":"user_{user}","object":"user","username":null,"first_name":"Ada","last_name":"Lovelace","external_id":null,"primary_email_address_id":"idn_{user}","email_addresses":[{{"id":"idn_{user}","object":"email_address","email_address":"ada{user}@example.com","verification":{{"status":"verified"}}}}],"phone_numbers":[],"banned":false,"locked":false,"public_metadata":{{"filler":"{}"}},"created_at":1700000000000,"updated_at":{at}}}}}"#,
        "x".repeat(900)
    );
    Ok(Message::new(
        &format!("msg_{run}_{number}"),
        body.as_bytes(),
    )?)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
