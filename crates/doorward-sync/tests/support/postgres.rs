//! A PostgreSQL of one's own, in a temporary folder, on a free port of this machine.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Postgres {
    folder: PathBuf,
    binaries: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    /// Starts one, or fails the test.
    pub(crate) fn start() -> Self {
        let port = free_port();
        let folder =
            std::env::temp_dir().join(format!("doorward-pg-{}-{port}", std::process::id()));
        fs::create_dir(&folder).expect("a temporary folder");
        if let Some((uid, gid)) = other_user() {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).expect("the folder's owner");
        }
        let binaries = binaries();
        let mut initdb = as_user(&binaries.join("initdb"));
        let made = initdb
            .args([
                "--no-sync",
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "-D",
            ])
            .arg(folder.join("data"))
            .output()
            .expect("initdb");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut postgres = Self {
            folder,
            binaries,
            port,
            server: None,
        };
        postgres.up();
        postgres
    }

    pub(crate) fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the server again after [`Postgres::down`], on the same port.
    pub(crate) fn up(&mut self) {
        let mut command = as_user(&self.binaries.join("postgres"));
        command
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-k")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.server = Some(command.spawn().expect("postgres"));
        let end = Instant::now() + Duration::from_secs(30);
        let isready = self.binaries.join("pg_isready");
        loop {
            let asked = Command::new(&isready)
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            if asked.is_ok_and(|status| status.success()) {
                return;
            }
            assert!(Instant::now() < end, "PostgreSQL did not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server as a power cut does: at once, connections and all.
    pub(crate) fn down(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Immediate shutdown: what was committed is in the log, and recovered by the next start.
            let _ = Command::new("kill")
                .args(["-QUIT", &server.id().to_string()])
                .status();
            let _ = server.wait();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.down();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Whether somebody listens.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// PostgreSQL refuses to run as root.
fn other_user() -> Option<(u32, u32)> {
    (id("-u", None)? == 0).then(|| {
        let of = |flag| id(flag, Some("postgres")).expect("a user named postgres");
        (of("-u"), of("-g"))
    })
}

fn id(flag: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(flag).args(user).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = other_user() {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/");
    command
}

/// Debian keeps them off the PATH.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> = versions
        .flatten()
        .map(|entry| entry.path().join("bin"))
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
