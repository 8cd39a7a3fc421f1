//! Measures what a login at the OAuth server costs it: CPU time of its process, and the time that passes, on each store.
//! Starts a Redis and a PostgreSQL of its own, on this machine's disk, and a node in a process of its own for each store.
//!
//! `cargo run --release -p doorward-issuer --features sqlite,redis,postgres,transport --example login_bench -- 300`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it is a measurement"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doorward_core::Secret;
use doorward_issuer::authorization_server::{AnyStore, KeyRing};

#[allow(dead_code, reason = "tests use the rest")]
#[path = "../tests/support/login.rs"]
mod login;
#[path = "../../../tests/support/servers.rs"]
mod servers;
#[allow(dead_code, reason = "tests use the rest")]
#[path = "../tests/support/web.rs"]
mod web;

use login::{Program, accounts};
use servers::{Folder, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("node") => node(&arguments[1], &arguments[2]).await,
        count => all(count.map_or(300, |count| count.parse().unwrap())).await,
    }
}

async fn node(store: &str, accounts: &str) {
    let ring = KeyRing::new(&Secret::new("k".repeat(32)), &[]).unwrap();
    let store = AnyStore::open(&Secret::from(store), Some(ring)).unwrap();
    println!("{}", login::node(store, accounts).await);
    std::future::pending::<()>().await;
}

async fn all(count: u32) {
    println!(
        "{:<10} {:>14} {:>14} {:>16} {:>16}",
        "", "login, CPU", "login, wall", "refresh, CPU", "refresh, wall"
    );
    let accounts = accounts().await;
    measure("memory", "memory:", &accounts, count).await;
    let folder = Folder::new("bench");
    measure("sqlite", &folder.sqlite_url(), &accounts, count).await;
    let redis = Server::redis();
    measure("redis", &redis.url(), &accounts, count).await;
    let postgres = Server::postgres();
    measure("postgres", &postgres.url(), &accounts, count).await;
}

async fn measure(name: &str, store: &str, accounts: &str, count: u32) {
    let node = Node::start(store, accounts);
    let program = Program::new();
    let client_id = program.register(&node.base).await;
    let log_in = async || {
        let code = program.code(&node.base, &client_id).await;
        let told = program.redeem(&node.base, &client_id, &code).await.unwrap();
        assert_eq!(told.status, 200, "{told:?}");
        told.text("refresh_token").to_owned()
    };
    // Connections, keys and pages are made by the first.
    let mut token = log_in().await;
    let before = (node.cpu(), Instant::now());
    for _ in 0..count {
        token = log_in().await;
    }
    let login = (node.cpu() - before.0, before.1.elapsed());
    let before = (node.cpu(), Instant::now());
    for _ in 0..count {
        let told = program.refresh(&node.base, &client_id, &token).await;
        told.unwrap().text("refresh_token").clone_into(&mut token);
    }
    let refresh = (node.cpu() - before.0, before.1.elapsed());
    let each = |time: Duration| format!("{:.0} µs", (time / count).as_secs_f64() * 1e6);
    println!(
        "{name:<10} {:>14} {:>14} {:>16} {:>16}",
        each(login.0),
        each(login.1),
        each(refresh.0),
        each(refresh.1)
    );
}

/// A node in a process of its own, so that the CPU time is its own.
struct Node {
    child: Child,
    base: String,
}

impl Node {
    fn start(store: &str, accounts: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["node", store, accounts])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut base = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut base).unwrap();
        Self {
            child,
            base: base.trim().to_owned(),
        }
    }

    /// `utime` and `stime` of all its threads (proc_pid_stat(5)), in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<u64> = rest
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse().unwrap())
            .collect();
        Duration::from_millis(10 * fields.iter().sum::<u64>())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
