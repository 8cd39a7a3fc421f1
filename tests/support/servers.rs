//! Real servers for tests: Redis and PostgreSQL as processes of their own, in folders that go with them.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("doorward-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The URL of a database in it.
    pub(crate) fn sqlite_url(&self) -> String {
        format!("sqlite://{}/doorward.db", self.0.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A server that can be taken away and brought back on the same port.
pub(crate) struct Server {
    kind: Kind,
    child: Option<Child>,
    port: u16,
    folder: Folder,
}

enum Kind {
    /// It forgets everything when it is killed.
    Redis,
    /// What was committed is there when it comes back. Debian keeps its programs off the PATH.
    Postgres { programs: PathBuf },
}

impl Server {
    pub(crate) fn redis() -> Self {
        Self::started(Kind::Redis, Folder::new("redis"))
    }

    pub(crate) fn postgres() -> Self {
        let folder = Folder::new("postgres");
        let programs = postgres_programs();
        if let Some((user, group)) = unprivileged() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let made = as_unprivileged(&programs.join("initdb"))
            .args(["--auth=trust", "--username=doorward", "--no-sync"])
            .args(["--no-locale", "--encoding=UTF8", "-D"])
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        Self::started(Kind::Postgres { programs }, folder)
    }

    pub(crate) fn url(&self) -> String {
        let port = self.port;
        match self.kind {
            Kind::Redis => format!("redis://:{PASSWORD}@127.0.0.1:{port}/0"),
            Kind::Postgres { .. } => format!("postgres://doorward@127.0.0.1:{port}/postgres"),
        }
    }

    /// Where it keeps its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let begun = Instant::now();
        while !self.answers() {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", self.log());
            }
            let late = begun.elapsed() > PATIENCE;
            assert!(!late, "it does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
    }

    /// Takes it away at once, connections and all, as a power cut does.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let signal = match self.kind {
            Kind::Redis => "-KILL",
            // An immediate shutdown, which leaves no process of its behind.
            Kind::Postgres { .. } => "-QUIT",
        };
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        child.wait().unwrap();
    }

    /// What a Redis answers to a command.
    pub(crate) fn ask_redis(&self, command: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let commands = format!("AUTH {PASSWORD}\r\n{command}\r\nQUIT\r\n");
        stream.write_all(commands.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let answer = answer
            .strip_prefix("+OK\r\n")
            .expect("it knows the password");
        answer
            .strip_suffix("+OK\r\n")
            .expect("it says goodbye")
            .to_owned()
    }

    /// Has a PostgreSQL run a statement.
    pub(crate) fn run_sql(&self, statement: &str) {
        let Kind::Postgres { programs } = &self.kind else {
            panic!("it is no PostgreSQL");
        };
        let run = Command::new(programs.join("psql"))
            .args(["--quiet", "--command", statement, &self.url()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{said}");
    }

    fn started(kind: Kind, folder: Folder) -> Self {
        let mut server = Self {
            kind,
            child: None,
            port: free_port(),
            folder,
        };
        server.start();
        server
    }

    fn command(&self) -> Command {
        let (port, folder) = (self.port.to_string(), self.folder.path());
        match &self.kind {
            Kind::Redis => {
                let mut command = Command::new("redis-server");
                command
                    .args(["--bind", "127.0.0.1", "--port", &port])
                    .args([
                        "--requirepass",
                        PASSWORD,
                        "--save",
                        "",
                        "--appendonly",
                        "no",
                    ])
                    .current_dir(folder);
                command
            }
            Kind::Postgres { programs } => {
                let mut command = as_unprivileged(&programs.join("postgres"));
                command
                    .args(["-p", &port, "-c", "listen_addresses=127.0.0.1"])
                    .args(["-c", "max_connections=200", "-D"])
                    .arg(folder.join("data"))
                    .arg("-k")
                    .arg(folder);
                command
            }
        }
    }

    fn answers(&self) -> bool {
        match &self.kind {
            Kind::Redis => TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok(),
            // It accepts connections before it answers questions.
            Kind::Postgres { programs } => Command::new(programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .is_ok_and(|status| status.success()),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

const PASSWORD: &str = "test-only";

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn postgres_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    folders.sort();
    folders.pop().unwrap_or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .find(|folder| folder.join("initdb").is_file())
            .expect("PostgreSQL is not installed; run scripts/tools")
    })
}

/// PostgreSQL refuses to run as root; then it runs as the user its package made.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<&str> = user.expect("a user named postgres").split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

fn as_unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    command.current_dir("/");
    command
}
