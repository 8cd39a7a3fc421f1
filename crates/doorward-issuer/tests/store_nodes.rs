//! Two nodes of the OAuth server on one store, over HTTP: races, `kill -9`, a store that goes away, and what a copy of the
//! store gives away.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use doorward_issuer::authorization_server::Capacity;
use support::login::{
    CLIENT_NAME, PERSON, Program, REDIRECT_URI, STATE, Told, VERIFIER, accounts, node, told,
};
use support::open;
use support::servers::{Folder, Server};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_thirty_two_in_memory() {
    let store = open("memory:", &["a"], Capacity::default());
    let only = node(store, &accounts().await).await;
    race([&only, &only]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_thirty_two_on_sqlite() {
    let folder = Folder::new("nodes");
    race_on(&folder.sqlite_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_thirty_two_on_redis() {
    race_on(&Server::redis().url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_thirty_two_on_postgres() {
    race_on(&Server::postgres().url()).await;
}

async fn race_on(url: &str) {
    let accounts = accounts().await;
    let store = || open(url, &["a"], Capacity::default());
    let one = node(store(), &accounts).await;
    let other = node(store(), &accounts).await;
    race([&one, &other]).await;
}

async fn race(nodes: [&str; 2]) {
    let program = Program::new();
    let client_id = program.register(nodes[0]).await;

    // Both begin at once, and sign with the same key.
    let (one, other) = tokio::join!(program.keys(nodes[0]), program.keys(nodes[1]));
    assert_eq!(one, other);

    // A code from 32 at once: one has it, and because 31 had it as well, nobody keeps what came of it.
    let code = program.code(nodes[1], &client_id).await;
    let done = at_once(nodes, |base| {
        let (program, client_id, code) = (program.clone(), client_id.clone(), code.clone());
        async move { program.redeem(&base, &client_id, &code).await.unwrap() }
    });
    let done = done.await;
    let (given, refused): (Vec<_>, Vec<_>) = done.iter().partition(|told| told.status == 200);
    assert_eq!((given.len(), refused.len()), (1, 31), "{done:?}");
    for told in refused {
        assert_eq!((told.status, told.text("error")), (400, "invalid_grant"));
    }
    let token = given[0].text("refresh_token");
    let ended = program.refresh(nodes[0], &client_id, token).await.unwrap();
    assert_eq!(ended.status, 400, "a replay ends the family");

    // A refresh token from 32 at once: all lost the answer, and are given the same one.
    let code = program.code(nodes[0], &client_id).await;
    let given = program.redeem(nodes[1], &client_id, &code).await.unwrap();
    let mut token = given.text("refresh_token").to_owned();
    let first = token.clone();
    for _ in 0..2 {
        let done = at_once(nodes, |base| {
            let (program, client_id, token) = (program.clone(), client_id.clone(), token.clone());
            async move { program.refresh(&base, &client_id, &token).await.unwrap() }
        });
        let done = done.await;
        assert!(done.iter().all(|told| told.status == 200), "{done:?}");
        let next = done[0].text("refresh_token").to_owned();
        assert!(done.iter().all(|told| told.text("refresh_token") == next));
        assert_ne!(next, token);
        token = next;
    }
    // Two generations ago is nobody's lost answer.
    for old_or_new in [&first, &token] {
        let refused = program.refresh(nodes[0], &client_id, old_or_new).await;
        assert_eq!(refused.unwrap().status, 400);
    }
}

/// The same at both nodes, 32 times at once.
async fn at_once<F>(nodes: [&str; 2], work: impl Fn(String) -> F) -> Vec<Told>
where
    F: Future<Output = Told> + Send + 'static,
{
    let tasks: Vec<_> = (0..32)
        .map(|number| tokio::spawn(work(nodes[number % 2].to_owned())))
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_nodes_survive_kill_9() {
    survive(&Server::redis().url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_nodes_survive_kill_9() {
    survive(&Server::postgres().url()).await;
}

/// Two processes of one node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_processes_survive_kill_9() {
    let folder = Folder::new("nodes");
    survive(&folder.sqlite_url()).await;
}

/// Not a test: what a node's process runs.
#[tokio::test]
#[ignore = "run by the other tests, as a process of its own"]
async fn node_process() {
    let said = |name: &str| std::env::var(format!("DOORWARD_TEST_{name}"));
    let Ok(url) = said("STORE") else {
        return;
    };
    let store = open(&url, &["a"], Capacity::default());
    let base = node(store, &said("ACCOUNTS").unwrap()).await;
    // In one piece, whatever else is written.
    use std::io::Write as _;
    let line = format!("\n{LISTENING}{base}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    std::future::pending().await
}

const LISTENING: &str = "listening at ";

/// A node as a process of its own.
struct Node {
    base: String,
    child: Child,
}

struct Nodes {
    store: String,
    accounts: String,
}

impl Nodes {
    async fn spawn(&self) -> Node {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "node_process"])
            .env("DOORWARD_TEST_STORE", &self.store)
            .env("DOORWARD_TEST_ACCOUNTS", &self.accounts)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(base) = line.strip_prefix(LISTENING) {
                    return base.to_owned();
                }
            }
            panic!("the node ended");
        };
        let base = tokio::time::timeout(Duration::from_secs(60), listening);
        Node {
            base: base.await.unwrap(),
            child,
        }
    }
}

impl Node {
    /// Ends it as a power cut does.
    async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

async fn survive(store: &str) {
    let nodes = Nodes {
        store: store.to_owned(),
        accounts: accounts().await,
    };
    between_steps(&nodes).await;
    within_steps(&nodes).await;
}

/// Every step of a login is answered by a node that dies right after it, and the next one by one that knows nothing.
async fn between_steps(nodes: &Nodes) {
    let program = Program::new();
    let mut node = nodes.spawn().await;
    let client_id = program.register(&node.base).await;
    node = nodes.after(node).await;
    let shown = program.authorize(&node.base, &client_id).await;
    node = nodes.after(node).await;
    let signing_in = program.consent(&node.base, &shown).await;
    node = nodes.after(node).await;
    let code = program.sign_in(&node.base, &signing_in).await;
    node = nodes.after(node).await;
    let given = program.redeem(&node.base, &client_id, &code).await;
    node = nodes.after(node).await;
    let token = given.unwrap().text("refresh_token").to_owned();
    let renewed = program.refresh(&node.base, &client_id, &token).await;
    node = nodes.after(node).await;
    let renewed = renewed.unwrap().text("refresh_token").to_owned();
    // The answer might have been lost with the node.
    let again = program.refresh(&node.base, &client_id, &token).await;
    assert_eq!(again.unwrap().text("refresh_token"), renewed);
    node = nodes.after(node).await;
    let replayed = program.redeem(&node.base, &client_id, &code).await;
    assert_eq!(replayed.unwrap().status, 400);
    node = nodes.after(node).await;
    let ended = program.refresh(&node.base, &client_id, &renewed).await;
    assert_eq!(ended.unwrap().status, 400, "the replay ended the family");
}

impl Nodes {
    async fn after(&self, mut node: Node) -> Node {
        node.kill().await;
        self.spawn().await
    }
}

/// One of two nodes dies while both are at the same code, and then at the same refresh token.
async fn within_steps(nodes: &Nodes) {
    let program = Program::new();
    let stays = nodes.spawn().await;
    let client_id = program.register(&stays.base).await;
    let (mut killed_over_it, mut lost) = (0, 0);
    for round in 0..ROUNDS {
        // A little later each time.
        let moment = Duration::from_micros(300 * round);
        let mut dies = nodes.spawn().await;
        let code = program.code(&stays.base, &client_id).await;
        let bases = [&dies.base, &stays.base, &dies.base, &dies.base];
        let tasks = bases.map(|base| {
            let (program, base) = (program.clone(), base.clone());
            let (client_id, code) = (client_id.clone(), code.clone());
            tokio::spawn(async move { program.redeem(&base, &client_id, &code).await })
        });
        tokio::time::sleep(moment).await;
        dies.kill().await;
        let mut given = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Some(told) if told.status == 200 => given.push(told),
                Some(told) => assert_eq!(told.status, 400, "{told:?}"),
                None => killed_over_it += 1,
            }
        }
        assert!(given.len() <= 1, "{given:?}");
        lost += u32::from(given.is_empty());
        // The one that stays has answered, so the code is used, whoever was first; and this use is one too many.
        let late = program.redeem(&stays.base, &client_id, &code).await;
        assert_eq!(late.unwrap().status, 400);
        if let Some(given) = given.first() {
            let token = given.text("refresh_token");
            let ended = program.refresh(&stays.base, &client_id, token).await;
            assert_eq!(ended.unwrap().status, 400, "the replay ended the family");
        }

        let mut dies = nodes.spawn().await;
        let code = program.code(&stays.base, &client_id).await;
        let given = program.redeem(&stays.base, &client_id, &code).await;
        let token = given.unwrap().text("refresh_token").to_owned();
        let tasks = bases_of(&dies, &stays).map(|base| {
            let (program, client_id, token) = (program.clone(), client_id.clone(), token.clone());
            tokio::spawn(async move { program.refresh(&base, &client_id, &token).await })
        });
        tokio::time::sleep(moment).await;
        dies.kill().await;
        let mut next = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Some(told) => next.push(told.text("refresh_token").to_owned()),
                None => killed_over_it += 1,
            }
        }
        // Who lost the answer is given the same one, and it is good for one step more.
        let again = program.refresh(&stays.base, &client_id, &token).await;
        next.push(again.unwrap().text("refresh_token").to_owned());
        next.dedup();
        assert_eq!(next.len(), 1);
        let renewed = program.refresh(&stays.base, &client_id, &next[0]).await;
        assert_eq!(renewed.unwrap().status, 200);
    }
    // Else nothing was proved.
    assert!(killed_over_it > 0, "nobody was killed over anything");
    assert!(lost < ROUNDS as u32, "nobody ever got a token");
}

fn bases_of(dies: &Node, stays: &Node) -> [String; 3] {
    [&dies.base, &stays.base, &dies.base].map(Clone::clone)
}

const ROUNDS: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_callers_are_asked_to_come_again() {
    // It forgets, so only a new registration tells that it is back.
    outage(Server::redis(), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_is_away_callers_are_asked_to_come_again() {
    outage(Server::postgres(), true).await;
}

async fn outage(mut server: Server, keeps: bool) {
    let program = Program::new();
    let store = open(&server.url(), &["a"], Capacity::default());
    let base = node(store, &accounts().await).await;
    let client_id = program.register(&base).await;
    let code = program.code(&base, &client_id).await;
    server.kill();
    let refused = [
        told(program.register_at(&base)).await.unwrap(),
        told(program.authorize_at(&base, &client_id)).await.unwrap(),
        program.redeem(&base, &client_id, &code).await.unwrap(),
    ];
    for told in refused {
        assert_eq!(told.status, 503, "{told:?}");
        let seconds: u32 = told.retry_after.unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
    }
    server.start();
    // A connection that was lost is noticed once at most.
    let back = told(program.register_at(&base)).await.unwrap();
    if back.status != 201 {
        assert_eq!(back.status, 503, "{back:?}");
        program.register(&base).await;
    }
    let given = program.redeem(&base, &client_id, &code).await.unwrap();
    match keeps {
        true => assert_eq!(given.status, 200, "{given:?}"),
        false => assert_eq!(given.text("error"), "invalid_client"),
    }
}

#[tokio::test]
async fn a_copy_of_a_sqlite_store_gives_nothing_away() {
    let folder = Folder::new("nodes");
    let url = folder.sqlite_url();
    gives_nothing_away(&url, folder.path(), || {}).await;
}

#[tokio::test]
async fn a_copy_of_a_redis_store_gives_nothing_away() {
    let server = Server::redis();
    // Uncompressed, so that what is there is seen.
    server.ask_redis("CONFIG SET rdbcompression no");
    let save = || assert_eq!(server.ask_redis("SAVE"), "+OK\r\n");
    gives_nothing_away(&server.url(), server.folder(), save).await;
}

#[tokio::test]
async fn a_copy_of_a_postgres_store_gives_nothing_away() {
    let server = Server::postgres();
    // Every commit is in its log, uncompressed, before it is answered.
    let log = server.folder().join("data/pg_wal");
    gives_nothing_away(&server.url(), &log, || {}).await;
}

async fn gives_nothing_away(url: &str, folder: &Path, save: impl Fn()) {
    let program = Program::new();
    let store = open(url, &["a"], Capacity::default());
    let base = node(store, &accounts().await).await;
    let client_id = program.register(&base).await;
    // One of everything is left behind: a page that is shown, a sign-in, a code, a family.
    let shown = program.authorize(&base, &client_id).await;
    let other = program.authorize(&base, &client_id).await;
    let signing_in = program.consent(&base, &other).await;
    let unused = program.code(&base, &client_id).await;
    let code = program.code(&base, &client_id).await;
    let given = program.redeem(&base, &client_id, &code).await.unwrap();
    let token = given.text("refresh_token").to_owned();
    let renewed = program.refresh(&base, &client_id, &token).await.unwrap();
    save();
    let copy = bytes_below(folder);
    let has = |text: &str| memchr::memmem::find(&copy, text.as_bytes()).is_some();
    // The copy is one of this store, and in the clear but for the records.
    assert!(has("doorward_oauth_records") || has("{doorward:oauth}:family"));
    for kind in [
        "client",
        "transaction",
        "login",
        "code",
        "family",
        "signing_key",
    ] {
        assert!(has(kind), "{kind}");
    }
    let cookie = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();
    for (what, secret) in [
        ("client name", CLIENT_NAME.to_owned()),
        ("client id", client_id.clone()),
        ("redirect URI", REDIRECT_URI.to_owned()),
        ("client's state", STATE.to_owned()),
        ("client's verifier", VERIFIER.to_owned()),
        ("person", PERSON.to_owned()),
        ("scope", "notes:read".to_owned()),
        ("transaction", shown.transaction.clone()),
        ("form token", shown.form_token.clone()),
        ("browser", cookie(&shown.cookie)),
        ("state", signing_in.state.clone()),
        ("nonce", signing_in.nonce.clone()),
        ("browser upstream", cookie(&signing_in.cookie)),
        ("code", unused),
        ("used code", code),
        ("access token", given.text("access_token").to_owned()),
        ("refresh token", token),
        (
            "next refresh token",
            renewed.text("refresh_token").to_owned(),
        ),
        ("a field of a record", "code_challenge".to_owned()),
        ("key", "a".repeat(32)),
    ] {
        assert!(!has(&secret), "the {what} is there");
    }
    // How a private key on P-256 begins (RFC 5915, RFC 5480), of which the store has two.
    let found = memchr::memmem::find(&copy, b"\x2a\x86\x48\xce\x3d\x03\x01\x07");
    assert_eq!(found, None, "a signing key is there");
}

/// Everything in every file below.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            bytes.extend(bytes_below(&path));
        } else if kind.is_file() {
            bytes.extend(fs::read(&path).unwrap());
        }
    }
    bytes
}
