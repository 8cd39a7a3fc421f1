//! A store by its URL, whichever it is.

use std::fmt;
use std::path::PathBuf;

use doorward_core::Secret;
use serde::Serialize;

use super::super::secrets::Digest;
use super::super::settings::ConfigError;
use super::key_ring::KeyRing;
use super::memory::{Capacity, MemoryStore};
#[cfg(feature = "redis")]
use super::redis::RedisStore;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::sql::{Database, SqlStore};
use super::{Key, Put, Redeemed, Redemption, Rotated, Store, StoreError};

/// A [`Store`] that is named by a URL:
///
/// | URL | for | sealed | feature |
/// |---|---|---|---|
/// | `memory:` | one process, and gone with it | no | |
/// | `sqlite:///path/to/file` | the processes of one node | with the given key, else with one in `file.key` | `sqlite` |
/// | `redis://…`, `rediss://…`, `valkey://…`, `valkeys://…` | several nodes | with the given key | `redis` |
/// | `postgres://…`, `postgresql://…` | several nodes | with the given key | `postgres` |
///
/// It connects with the first operation, and after trouble with the next one. The connections belong to the `tokio` runtime
/// of that operation, and to its process: where processes fork, open the store before or after, and use it after.
///
/// ```
/// use doorward_core::Secret;
/// use doorward_issuer::authorization_server::{AnyStore, KeyRing};
///
/// let keys = KeyRing::new(&Secret::from("32 random bytes, better than these"), &[])?;
/// let store = AnyStore::open(&Secret::from("memory:"), Some(keys))?;
/// assert_eq!(store.status().backend, "memory");
/// # Ok::<(), doorward_issuer::authorization_server::ConfigError>(())
/// ```
pub struct AnyStore {
    backend: Backend,
    key_file: Option<PathBuf>,
    /// The URL as it may be shown.
    shown: String,
}

enum Backend {
    Memory(Box<MemoryStore>),
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    Sql(Box<super::Sealed<SqlStore>>),
    #[cfg(feature = "redis")]
    Redis(Box<super::Sealed<RedisStore>>),
}

/// How a store fares, for people and monitors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreStatus {
    /// `memory`, `sqlite`, `redis` or `postgres`.
    pub backend: &'static str,
    /// Where it is, without user and password.
    pub address: String,
    /// Whether its last operation failed.
    pub is_away: bool,
    /// How many operations failed so far.
    pub failures: u64,
    /// Why the last one did that failed.
    pub last_error: Option<String>,
    /// How many records were found that no key opens: they were tampered with, or the ring lacks their key.
    pub unopened: u64,
    /// The file that keeps the key, where none was given.
    pub key_file: Option<PathBuf>,
}

impl AnyStore {
    /// Opens the store at `url`, with as many records as [`Capacity`] has by default. No connection is made yet.
    ///
    /// # Errors
    /// The URL is of no store, or of one that this build has not; a store that others can reach has no key; a SQLite
    /// file has none either, and the one beside it cannot be read or made.
    pub fn open(url: &Secret, keys: Option<KeyRing>) -> Result<Self, ConfigError> {
        Self::with_capacity(url, keys, Capacity::default())
    }

    /// As [`AnyStore::open`], with another capacity.
    ///
    /// # Errors
    /// As [`AnyStore::open`]; a capacity is 0, or more than 10,000,000.
    pub fn with_capacity(
        url: &Secret,
        keys: Option<KeyRing>,
        capacity: Capacity,
    ) -> Result<Self, ConfigError> {
        capacity.check()?;
        let url = url.expose();
        // A mistyped scheme may have a password behind it.
        let wrong = |why: String| ConfigError::new(format!("`store` {why}"));
        if !url.starts_with("sqlite:") && leaks(url) {
            let why = "has an @ where no host is: write / as %2F and # as %23 in a password";
            return Err(wrong(why.to_owned()));
        }
        let (backend, key_file) = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("memory") if url == "memory:" => {
                (Backend::Memory(Box::new(MemoryStore::new(capacity))), None)
            }
            Some("sqlite") => sqlite(url, keys, capacity)?,
            Some("redis" | "rediss" | "valkey" | "valkeys") => {
                // Valkey speaks the protocol, and the client knows it by the older name.
                let url = match url.strip_prefix("valkey") {
                    Some(rest) => format!("redis{rest}"),
                    None => url.to_owned(),
                };
                (redis(&url, keys, capacity)?, None)
            }
            Some("postgres" | "postgresql") => (postgres(url, keys, capacity)?, None),
            _ => return Err(wrong(format!("is of a kind that is not known; {EXPECTED}"))),
        };
        Ok(Self {
            backend,
            key_file,
            shown: shown(url),
        })
    }

    /// How it fares.
    pub fn status(&self) -> StoreStatus {
        let (health, unopened) = match &self.backend {
            Backend::Memory(_) => (None, 0),
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            Backend::Sql(store) => (Some(&store.inner().health), store.unopened()),
            #[cfg(feature = "redis")]
            Backend::Redis(store) => (Some(&store.inner().health), store.unopened()),
        };
        StoreStatus {
            backend: health.map_or("memory", super::health::Health::backend),
            address: self.shown.clone(),
            is_away: health.is_some_and(super::health::Health::is_away),
            failures: health.map_or(0, super::health::Health::failures),
            last_error: health.and_then(super::health::Health::last_error),
            unopened,
            key_file: self.key_file.clone(),
        }
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyStore({})", self.shown)
    }
}

type Opened = Result<(Backend, Option<PathBuf>), ConfigError>;

#[cfg(feature = "sqlite")]
fn sqlite(url: &str, keys: Option<KeyRing>, capacity: Capacity) -> Opened {
    use super::sqlite::{Sqlite, key_path};
    let database = Sqlite::new(url).map_err(|why| ConfigError::new(format!("`store` {why}")))?;
    let (keys, key_file) = match keys {
        Some(keys) => (keys, None),
        None => {
            let path = key_path(database.path());
            let key = super::key_file::read_or_make(&path)?;
            (KeyRing::new(&key, &[])?, Some(path))
        }
    };
    let store = SqlStore::new(Database::Sqlite(database), capacity);
    Ok((Backend::Sql(sealed(store, keys)), key_file))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str, _: Option<KeyRing>, _: Capacity) -> Opened {
    Err(missing("sqlite"))
}

#[cfg(feature = "redis")]
fn redis(url: &str, keys: Option<KeyRing>, capacity: Capacity) -> Result<Backend, ConfigError> {
    let store = RedisStore::new(url, capacity);
    let store = store.map_err(|why| ConfigError::new(format!("`store` {why}")))?;
    Ok(Backend::Redis(sealed(store, needed(keys)?)))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str, _: Option<KeyRing>, _: Capacity) -> Result<Backend, ConfigError> {
    Err(missing("redis"))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str, keys: Option<KeyRing>, capacity: Capacity) -> Result<Backend, ConfigError> {
    let database = super::postgres::Postgres::new(url);
    let database = database.map_err(|why| ConfigError::new(format!("`store` {why}")))?;
    let store = SqlStore::new(Database::Postgres(database), capacity);
    Ok(Backend::Sql(sealed(store, needed(keys)?)))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str, _: Option<KeyRing>, _: Capacity) -> Result<Backend, ConfigError> {
    Err(missing("postgres"))
}

#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
fn sealed<S: Store>(store: S, keys: KeyRing) -> Box<super::Sealed<S>> {
    Box::new(super::Sealed::new(store, keys))
}

#[cfg(any(feature = "postgres", feature = "redis"))]
fn needed(keys: Option<KeyRing>) -> Result<KeyRing, ConfigError> {
    keys.ok_or_else(|| {
        let why = "`store` is one that others can reach, and `store_key` is missing: 32 random bytes, the same on every node";
        ConfigError::new(why)
    })
}

#[cfg(not(all(feature = "postgres", feature = "redis", feature = "sqlite")))]
fn missing(feature: &str) -> ConfigError {
    ConfigError::new(format!(
        "`store`: this build of Doorward has no {feature}; switch its feature `{feature}` on"
    ))
}

/// Hands an operation to whichever store it is. In a box: what a database's futures are made of goes deeper than the
/// compiler follows, once an application has wrapped them in its own.
macro_rules! whichever {
    ($own:ident, $store:ident => $call:expr) => {
        match &$own.backend {
            Backend::Memory($store) => Box::pin($call).await,
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            Backend::Sql($store) => Box::pin($call).await,
            #[cfg(feature = "redis")]
            Backend::Redis($store) => Box::pin($call).await,
        }
    };
}

impl Store for AnyStore {
    async fn put_if_absent(
        &self,
        key: Key,
        value: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<Put, StoreError> {
        whichever!(self, store => store.put_if_absent(key, value, expires_at, now))
    }

    async fn read(
        &self,
        key: Key,
        extend_to: Option<i64>,
        now: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        whichever!(self, store => store.read(key, extend_to, now))
    }

    async fn take(&self, key: Key, now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        whichever!(self, store => store.take(key, now))
    }

    async fn replace(
        &self,
        key: Key,
        before: Vec<u8>,
        after: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        whichever!(self, store => store.replace(key, before, after, expires_at, now))
    }

    async fn redeem(&self, redemption: Redemption, now: i64) -> Result<Redeemed, StoreError> {
        whichever!(self, store => store.redeem(redemption, now))
    }

    async fn rotate(
        &self,
        family: Digest,
        presented: u32,
        grace: i64,
        extend_to: i64,
        now: i64,
    ) -> Result<Rotated, StoreError> {
        whichever!(self, store => store.rotate(family, presented, grace, extend_to, now))
    }

    async fn revoke_family(&self, family: Digest, now: i64) -> Result<(), StoreError> {
        whichever!(self, store => store.revoke_family(family, now))
    }

    async fn incr_window(&self, key: Digest, seconds: i64, now: i64) -> Result<u32, StoreError> {
        whichever!(self, store => store.incr_window(key, seconds, now))
    }

    async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        whichever!(self, store => store.sweep(now))
    }
}

/// The URL without user, password and parameters.
fn shown(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) => {
            let host = url.host_str().unwrap_or_default();
            let port = url.port().map_or(String::new(), |port| format!(":{port}"));
            let slashes = if url.cannot_be_a_base() { "" } else { "//" };
            format!("{}:{slashes}{host}{port}{}", url.scheme(), url.path())
        }
        Err(_) => url.split(':').next().unwrap_or_default().to_owned(),
    }
}

/// Whether a part that would be shown may be a piece of a password.
fn leaks(url: &str) -> bool {
    let after_the_host = url.split_once("://").map_or(url, |(_, rest)| {
        rest.split_once(['/', '?', '#'])
            .map_or("", |(_, rest)| rest)
    });
    after_the_host.contains('@')
}

const EXPECTED: &str =
    "write sqlite:///path/to/file, redis://host:6379/0, postgres://user@host/database or memory:";

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KeyRing {
        KeyRing::new(&Secret::new("k".repeat(32)), &[]).unwrap()
    }

    fn refused(url: &str, keys: Option<KeyRing>) -> String {
        let error = AnyStore::open(&Secret::from(url), keys).expect_err(url);
        let said = error.to_string();
        assert!(said.starts_with("`store`"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        said
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        for url in [
            "",
            "memory",
            "memory:x",
            "mysql://u:hunter2@h/d",
            "postgress://u:hunter2@h/d",
            "u:hunter2@h",
            "postgres://u:1/hunter2@h/d",
            "redis://u:1#hunter2@h/0",
        ] {
            refused(url, Some(keys()));
        }
    }

    #[cfg(all(feature = "postgres", feature = "redis", feature = "sqlite"))]
    #[test]
    fn what_is_wrong_is_said() {
        let said = refused("redis://u:hunter2@h:port/0", Some(keys()));
        assert!(said.contains("no URL of Redis"), "{said}");
        let said = refused("postgres://u:hunter2@h:port/d", Some(keys()));
        assert!(said.contains("no URL of PostgreSQL"), "{said}");
        for networked in ["redis://h/0", "valkeys://h", "postgresql://h/d"] {
            let said = refused(networked, None);
            assert!(said.contains("`store_key` is missing"), "{said}");
        }
        let said = refused("sqlite:///there/is/no/such/folder/x.db", Some(keys()));
        assert!(said.contains("/there/is/no/such/folder"), "{said}");
        let said = refused("sqlite::memory:", Some(keys()));
        assert!(said.contains("memory:"), "{said}");
        refused("sqlite:///", Some(keys()));
        refused("sqlite:///tmp", Some(keys()));
        AnyStore::open(&Secret::from("sqlite:///tmp/me@home.db"), Some(keys())).unwrap();
    }

    #[cfg(all(feature = "postgres", feature = "redis"))]
    #[test]
    fn nothing_that_is_shown_has_a_password() {
        for url in [
            "redis://me:hunter2@host.example:7000/3",
            "rediss://:hunter2@host.example:7000/3",
            "valkey://me:hunter2@host.example:7000/3",
            "postgres://me:hunter2@host.example:7000/3",
            "postgres://host.example:7000/3?password=hunter2",
        ] {
            let store = AnyStore::open(&Secret::from(url), Some(keys())).unwrap();
            let shown = format!("{store:?} {:?}", store.status());
            assert!(shown.contains("://host.example:7000/3"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
