//! Workers that are killed, and a database that goes away: nothing is lost, nothing happens twice, nothing gets stuck.
//!
//! `DOORWARD_FULL_PROOF=1` makes it 20,000 events of 500 users and an outage of ten seconds.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use doorward_core::Timestamp;
use doorward_sync::{
    Database, Handled, Handler, Inbox, InboxSettings, Message, Schema, Tables, Transaction, Worker,
};
use sqlx::{AssertSqlSafe, Row as _};
use support::events::{deleted, membership, message, organization, user};
use support::servers::{Folder, Server};
use tokio::process::{Child, Command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_kill_9() {
    let folder = Folder::new("sync");
    prove(&folder.sqlite_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_kill_9() {
    let server = Server::postgres();
    prove(&server.url()).await;
}

/// Not a test: what a worker process runs.
#[tokio::test]
#[ignore = "run by the other tests, as a process of its own"]
async fn worker_process() {
    let Ok(url) = std::env::var("DOORWARD_TEST_DATABASE") else {
        return;
    };
    let inbox = inbox(&url).await;
    let worker = Worker::new(inbox).tables(Tables::default()).handler(Effect);
    let (_keep, stop) = tokio::sync::watch::channel(false);
    worker.run(now, |_| {}, stop).await;
}

async fn prove(url: &str) {
    let story = Story::write(if full() { (500, 40) } else { (100, 20) });
    let inbox = inbox(url).await;
    execute(
        inbox.database(),
        "CREATE TABLE effects (message_id TEXT NOT NULL)",
    )
    .await;
    let mut workers: Vec<Child> = (0..3).map(|_| spawn(url)).collect();

    // Every event three times, in any order, from 32 connections at once.
    let mut deliveries: Vec<usize> = (0..story.messages.len() * 3)
        .map(|place| place % story.messages.len())
        .collect();
    shuffle(&mut deliveries);
    let messages = Arc::new(story.messages.clone());
    let deliveries = Arc::new(deliveries);
    let began = Instant::now();
    let mut senders = Vec::new();
    for lane in 0..32 {
        let (inbox, messages, deliveries) = (inbox.clone(), messages.clone(), deliveries.clone());
        senders.push(tokio::spawn(async move {
            for place in deliveries.iter().skip(lane).step_by(32) {
                // As a sender does that is answered 503.
                while let Err(error) = inbox.accept(&messages[*place], now()).await {
                    assert!(error.is_transient(), "{error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }));
    }
    let killing = async {
        let mut kills = 0;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let victim = kills % workers.len();
            workers[victim].kill().await.unwrap();
            workers[victim] = spawn(url);
            kills += 1;
            let status = inbox.status(now()).await;
            if status
                .is_ok_and(|status| status.waiting == 0 && status.done == messages.len() as u64)
            {
                break kills;
            }
            assert!(
                began.elapsed() < Duration::from_secs(900),
                "stuck: {:?}",
                inbox.status(now()).await
            );
        }
    };
    let kills = killing.await;
    for sender in senders {
        sender.await.unwrap();
    }
    for mut worker in workers {
        worker.kill().await.unwrap();
    }
    println!(
        "{} messages, {} deliveries, {kills} kills, {:?}",
        messages.len(),
        deliveries.len(),
        began.elapsed()
    );
    let status = inbox.status(now()).await.unwrap();
    assert_eq!((status.waiting, status.dead), (0, 0));
    assert_eq!(status.done, messages.len() as u64);
    // Once each, no more and no less.
    let effects = texts(
        inbox.database(),
        "SELECT message_id FROM effects ORDER BY message_id",
    )
    .await;
    let mut expected: Vec<String> = messages.iter().map(|m| m.id().to_owned()).collect();
    expected.sort();
    assert_eq!(effects, expected);
    story.compare(inbox.database()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_loses_nothing_that_was_acknowledged() {
    let mut server = Server::postgres();
    let inbox = inbox(&server.url()).await;
    execute(
        inbox.database(),
        "CREATE TABLE effects (message_id TEXT NOT NULL)",
    )
    .await;
    let worker = Worker::new(inbox.clone())
        .tables(Tables::default())
        .handler(Effect);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let working = tokio::spawn(async move { worker.run(now, |_| {}, stopped).await });
    let over = Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    for lane in 0..8 {
        let (inbox, over) = (inbox.clone(), over.clone());
        senders.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            let mut refused = 0_u32;
            let mut longest = Duration::ZERO;
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let id = format!("msg_{lane}_{number}");
                let told = message(
                    &id,
                    "user.created",
                    T,
                    &user(&format!("user_{id}"), "Ada", &[], T),
                );
                let began = Instant::now();
                let accepted = inbox.accept(&told, now()).await;
                longest = longest.max(began.elapsed());
                match accepted {
                    Ok(_) => acknowledged.push(id),
                    Err(error) => {
                        assert!(error.is_transient(), "{error}");
                        refused += 1;
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (acknowledged, refused, longest)
        }));
    }
    let outage = if full() { 10 } else { 2 };
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.kill();
    tokio::time::sleep(Duration::from_secs(outage)).await;
    server.start();
    tokio::time::sleep(Duration::from_secs(2)).await;
    over.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    let mut refused = 0;
    let mut longest = Duration::ZERO;
    for sender in senders {
        let (ids, count, wait) = sender.await.unwrap();
        longest = longest.max(wait);
        acknowledged.extend(ids);
        refused += count;
    }
    // A short one is waited out, a long one is told to the sender.
    let noticed = refused > 0 || longest >= Duration::from_secs(outage) / 2;
    assert!(noticed, "the outage was not noticed");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let status = inbox.status(now()).await.unwrap();
        if status.waiting == 0 {
            break;
        }
        assert!(Instant::now() < end, "{status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.send(true).unwrap();
    working.await.unwrap();
    let effects = texts(inbox.database(), "SELECT message_id FROM effects").await;
    let once: BTreeSet<String> = effects.iter().cloned().collect();
    assert_eq!(once.len(), effects.len(), "something happened twice");
    assert!(
        acknowledged.is_subset(&once),
        "something acknowledged is lost"
    );
    println!(
        "{} acknowledged, {refused} refused while it was down, the longest wait {longest:?}",
        acknowledged.len()
    );
}

const T: i64 = 1_799_999_000_000;

/// What happened at the provider, in order, and what the tables must say at the end.
struct Story {
    messages: Vec<Message>,
    users: BTreeMap<String, User>,
    organizations: BTreeMap<String, String>,
    memberships: BTreeMap<String, (String, bool)>,
}

#[derive(Default)]
struct User {
    name: String,
    address: String,
    updated_at: i64,
    deleted_at: Option<i64>,
}

impl Story {
    fn write((people, events_each): (usize, usize)) -> Self {
        let mut story = Self {
            messages: Vec::new(),
            users: BTreeMap::new(),
            organizations: BTreeMap::new(),
            memberships: BTreeMap::new(),
        };
        for person in 0..people {
            let id = format!("user_{person}");
            for step in 0..events_each {
                let at = T + (step * 1000 + person) as i64;
                story.tell(person, &id, step, events_each, at);
            }
        }
        story
    }

    /// A user's life: created, updated, a member of an organization, and every fifth deleted at the end.
    fn tell(&mut self, person: usize, id: &str, step: usize, steps: usize, at: i64) {
        let tag = format!("msg_{person}_{step}");
        let organization_id = format!("org_{}", person % 20);
        let membership_id = format!("orgmem_{person}");
        let last = step + 1 == steps;
        let (kind, data) = if last && person.is_multiple_of(5) {
            self.users.get_mut(id).unwrap().deleted_at = Some(at);
            ("user.deleted", deleted("user", id))
        } else if step == 1 {
            self.memberships
                .insert(membership_id.clone(), ("org:member".to_owned(), false));
            let data = membership(&membership_id, &organization_id, id, "org:member", at);
            ("organizationMembership.created", data)
        } else if step == 3 {
            let role = "org:admin";
            self.memberships
                .insert(membership_id.clone(), (role.to_owned(), false));
            let data = membership(&membership_id, &organization_id, id, role, at);
            ("organizationMembership.updated", data)
        } else if step == 4 && person < 20 {
            let name = format!("Acme {person}");
            self.organizations
                .insert(organization_id.clone(), name.clone());
            (
                "organization.created",
                organization(&organization_id, &name, at),
            )
        } else if step == 5 && person.is_multiple_of(3) {
            self.memberships.get_mut(&membership_id).unwrap().1 = true;
            let data = membership(&membership_id, &organization_id, id, "org:admin", at);
            ("organizationMembership.deleted", data)
        } else {
            let name = format!("Name {step}");
            let address = format!("{id}.{}@x.test", step / 5);
            let data = user(id, &name, &[&address], at);
            let known = self.users.entry(id.to_owned()).or_default();
            (known.name, known.address, known.updated_at) = (name, address, at);
            (
                if step == 0 {
                    "user.created"
                } else {
                    "user.updated"
                },
                data,
            )
        };
        self.messages.push(message(&tag, kind, at, &data));
    }

    async fn compare(&self, database: &Database) {
        let expected: Vec<String> = self
            .users
            .iter()
            .map(|(id, u)| {
                format!(
                    "{id}|{}|{}|{}|{}",
                    u.name,
                    u.address,
                    u.updated_at,
                    u.deleted_at.unwrap_or(0)
                )
            })
            .collect();
        let found = texts(
            database,
            "SELECT provider_id || '|' || first_name || '|' || primary_email_address || '|'
                || CAST(updated_at AS TEXT) || '|' || CAST(COALESCE(deleted_at, 0) AS TEXT) FROM users",
        )
        .await;
        assert_eq!(sorted(found), sorted(expected));
        let expected: Vec<String> = self
            .users
            .iter()
            .filter(|(_, user)| user.deleted_at.is_none())
            .map(|(id, user)| format!("{id}|{}", user.address))
            .collect();
        let found = texts(
            database,
            "SELECT user_provider_id || '|' || email_address FROM email_addresses WHERE deleted_at IS NULL",
        )
        .await;
        assert_eq!(sorted(found), sorted(expected));
        let expected: Vec<String> = self
            .organizations
            .iter()
            .map(|(id, name)| format!("{id}|{name}"))
            .collect();
        let found = texts(
            database,
            "SELECT provider_id || '|' || name FROM organizations",
        )
        .await;
        assert_eq!(sorted(found), sorted(expected));
        let expected: Vec<String> = self
            .memberships
            .iter()
            .map(|(id, (role, gone))| {
                format!("{id}|{role}|{}", if *gone { "gone" } else { "here" })
            })
            .collect();
        let found = texts(
            database,
            "SELECT provider_id || '|' || role || '|' || CASE WHEN deleted_at IS NULL THEN 'here' ELSE 'gone' END FROM memberships",
        )
        .await;
        assert_eq!(sorted(found), sorted(expected));
    }
}

/// Writes a row of its own in the inbox's transaction.
struct Effect;

impl Handler for Effect {
    fn handle<'a>(&'a self, message: &'a Message, tx: &'a mut Transaction) -> Handled<'a> {
        Box::pin(async move {
            let sql = "INSERT INTO effects VALUES ($1)";
            match tx {
                Transaction::Sqlite(tx) => {
                    sqlx::query(sql)
                        .bind(message.id())
                        .execute(&mut **tx)
                        .await?;
                }
                Transaction::Postgres(tx) => {
                    sqlx::query(sql)
                        .bind(message.id())
                        .execute(&mut **tx)
                        .await?;
                }
            }
            Ok(())
        })
    }
}

async fn inbox(url: &str) -> Inbox {
    let database = Database::connect(url).await.unwrap();
    let schema = Schema::default();
    schema.migrate(&database, now()).await.unwrap();
    // Short, so that what a killed worker held comes back soon.
    let settings = InboxSettings {
        lease: Duration::from_secs(4),
        ..InboxSettings::default()
    };
    Inbox::with_settings(database, &schema, settings).unwrap()
}

fn spawn(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "worker_process"])
        .env("DOORWARD_TEST_DATABASE", url)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn execute(database: &Database, sql: &'static str) {
    match database {
        Database::Sqlite(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
        Database::Postgres(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
    }
}

async fn texts(database: &Database, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(sql.to_owned());
    match database {
        Database::Sqlite(pool) => {
            let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
        Database::Postgres(pool) => {
            let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// Fisher and Yates, with the same numbers every time.
fn shuffle(places: &mut [usize]) {
    let mut state = 42_u64;
    for last in (1..places.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        places.swap(last, (state >> 33) as usize % (last + 1));
    }
}

fn full() -> bool {
    std::env::var_os("DOORWARD_FULL_PROOF").is_some()
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
