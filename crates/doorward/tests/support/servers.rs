//! Real servers for tests: Redis and PostgreSQL as processes of their own, in folders that go with them.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that is removed with its owner.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("doorward-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A server that can be taken away and brought back with what it had written.
pub(crate) struct Server {
    child: Option<Child>,
    start: Box<dyn Fn() -> Command + Send>,
    signal: &'static str,
    pub(crate) port: u16,
    pub(crate) folder: Folder,
}

impl Server {
    /// A Redis that forgets everything when it is killed.
    #[allow(dead_code, reason = "not every test needs one")]
    pub(crate) fn redis() -> Self {
        let folder = Folder::new("redis");
        let (port, path) = (free_port(), folder.0.clone());
        let start = move || {
            let mut command = Command::new("redis-server");
            command
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .args(["--port", &port.to_string(), "--requirepass", "test-only"])
                .current_dir(&path);
            command
        };
        Self::started(Box::new(start), "-KILL", port, folder)
    }

    /// A PostgreSQL with a database `doorward` that belongs to a role of that name.
    #[allow(dead_code, reason = "not every test needs one")]
    pub(crate) fn postgres() -> Self {
        let folder = Folder::new("postgres");
        let data = folder.0.join("data");
        let bin = postgres_programs();
        let owner = unprivileged();
        if let Some((user, group)) = owner {
            chown(&folder.0, Some(user), Some(group)).unwrap();
        }
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
        let made = as_owner(owner, Command::new(bin.join("initdb")))
            .args([
                "--auth=trust",
                "--username=doorward",
                "--no-sync",
                "--no-locale",
                "-E",
                "UTF8",
            ])
            .arg("-D")
            .arg(&data)
            .current_dir(&folder.0)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let (port, path) = (free_port(), folder.0.clone());
        let start = move || {
            let mut command = as_owner(owner, Command::new(bin.join("postgres")));
            command
                .arg("-D")
                .arg(&data)
                .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
                .args(["-c", "fsync=off", "-c", "max_connections=200", "-c"])
                .arg(format!("unix_socket_directories={}", path.display()))
                .current_dir(&path);
            command
        };
        // An immediate shutdown, which leaves no process of its behind.
        Self::started(Box::new(start), "-QUIT", port, folder)
    }

    #[allow(dead_code, reason = "not every test needs one")]
    pub(crate) fn redis_url(&self) -> String {
        format!("redis://:test-only@127.0.0.1:{}/0", self.port)
    }

    #[allow(dead_code, reason = "not every test needs one")]
    pub(crate) fn postgres_url(&self) -> String {
        format!("postgres://doorward@127.0.0.1:{}/postgres", self.port)
    }

    fn started(
        start: Box<dyn Fn() -> Command + Send>,
        signal: &'static str,
        port: u16,
        folder: Folder,
    ) -> Self {
        let mut server = Self {
            child: None,
            start,
            signal,
            port,
            folder,
        };
        server.start();
        server
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        let log = fs::File::create(self.folder.0.join("log")).unwrap();
        let mut command = (self.start)();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", self.log());
            }
            if self.answers() {
                self.child = Some(child);
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "it does not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Empties it, and cuts every connection.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn empty(&mut self) {
        if self.signal == "-QUIT" {
            let port = self.port.to_string();
            let emptied = Command::new("psql")
                .args([
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &port,
                    "-U",
                    "doorward",
                    "postgres",
                    "-qAt",
                    "-c",
                ])
                .arg("TRUNCATE doorward_revocations")
                .output()
                .unwrap();
            assert!(
                emptied.status.success(),
                "{}",
                String::from_utf8_lossy(&emptied.stderr)
            );
        }
        self.kill();
        self.start();
    }

    /// How many entries the stream of revocations has.
    #[allow(dead_code, reason = "not every test needs it")]
    pub(crate) fn redis_length(&self) -> u64 {
        let port = self.port.to_string();
        let told = Command::new("redis-cli")
            .args(["-p", &port, "-a", "test-only", "--no-auth-warning"])
            .args(["XLEN", "doorward:revocations"])
            .output()
            .unwrap();
        String::from_utf8(told.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    /// Takes it away at once.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = child.id().to_string();
        let sent = Command::new("kill")
            .args([self.signal, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
        child.wait().unwrap();
    }

    fn answers(&self) -> bool {
        use std::io::{Read as _, Write as _};
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else {
            return false;
        };
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        // Redis takes an inline command. PostgreSQL takes the first eight bytes for a request for TLS, and refuses with N.
        let question: &[u8] = match self.signal {
            "-KILL" => b"PING\r\n",
            _ => &[0, 0, 0, 8, 4, 210, 22, 47],
        };
        let mut answer = [0; 1];
        stream.write_all(question).is_ok() && stream.read_exact(&mut answer).is_ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.0.join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Debian keeps each version's programs in a folder of its own.
fn postgres_programs() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|folders| {
            let folders = folders.map(|folder| folder.unwrap().path().join("bin"));
            folders.filter(|bin| bin.join("initdb").exists()).collect()
        })
        .unwrap_or_default();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is installed: apt-get install postgresql")
}

/// PostgreSQL does not run as root; then it runs as the user its package made.
fn unprivileged() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<&str> = user.expect("there is a user postgres").split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

fn as_owner(owner: Option<(u32, u32)>, mut command: Command) -> Command {
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}
