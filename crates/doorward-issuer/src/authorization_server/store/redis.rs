//! Redis or Valkey, for several nodes: each operation is one command or one script, and nothing comes between.
//!
//! A record is a hash: `v`alue, `e`nd, `s`tanding, `g`eneration, and since when (`t`). Beside the records of a kind stands
//! a sorted set of their names by their ends, which tells how many there are. What has expired is judged by the caller's
//! clock; the store's own removes it some time after. All keys have one hash tag, so that they live in one slot.

use std::sync::LazyLock;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisError, Script, ScriptInvocation};
use tokio::sync::Mutex;

use super::super::secrets::Digest;
use super::fork::Process;
use super::health::Health;
use super::{Capacity, Key, Kind, Put, Redeemed, Redemption, Rotated, Store, StoreError};
use crate::encoding::base64url;

pub(super) struct RedisStore {
    client: Client,
    /// There from the first use on, and from the one after a failure.
    connection: Mutex<Option<Connection>>,
    process: Process,
    capacity: Capacity,
    pub(super) health: Health,
}

#[derive(Clone)]
struct Connection {
    number: u64,
    inner: MultiplexedConnection,
}

impl RedisStore {
    /// Reads the URL. What the library says about a wrong one may hold the password.
    pub(super) fn new(url: &str, capacity: Capacity) -> Result<Self, String> {
        let unfit = |_| "is no URL of Redis: write redis://user:password@host:6379/0".to_owned();
        // Where several kinds of cryptography are linked in, TLS wants to be told which; it panics otherwise.
        if url.starts_with("rediss:") && rustls::crypto::CryptoProvider::get_default().is_none() {
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        }
        Ok(Self {
            client: Client::open(url).map_err(unfit)?,
            connection: Mutex::default(),
            process: Process::new(),
            capacity,
            health: Health::new("redis"),
        })
    }

    /// Runs a script, whole or not at all.
    async fn run<T: FromRedisValue>(
        &self,
        script: &'static LazyLock<Script>,
        prepare: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, String> {
        let mut connection = self.connection().await?;
        let mut invocation = script.prepare_invoke();
        prepare(&mut invocation);
        let done = invocation.invoke_async(&mut connection.inner).await;
        self.finish(done, connection.number).await
    }

    /// The one connection, which all share.
    async fn connection(&self) -> Result<Connection, String> {
        self.process.check()?;
        let mut known = self.connection.lock().await;
        if let Some(connection) = &*known {
            return Ok(connection.clone());
        }
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let inner = self
            .client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
            .map_err(|error| why(&error))?;
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let connection = Connection { number, inner };
        *known = Some(connection.clone());
        Ok(connection)
    }

    /// After trouble the next operation connects anew: whether the connection is any good is not known. What failed is
    /// not tried again, because it may have happened.
    async fn finish<T>(&self, done: Result<T, RedisError>, number: u64) -> Result<T, String> {
        match done {
            Ok(done) => Ok(done),
            Err(error) => {
                let mut known = self.connection.lock().await;
                if known.as_ref().is_some_and(|known| known.number == number) {
                    *known = None;
                }
                Err(why(&error))
            }
        }
    }
}

impl Store for RedisStore {
    async fn put_if_absent(
        &self,
        key: Key,
        value: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<Put, StoreError> {
        let put = self.run::<i64>(&PUT, |script| {
            name(script, key);
            script
                .arg(now)
                .arg(most(self.capacity.of(key.kind)))
                .arg(base64url(key.digest))
                .arg(&value);
            end(script, expires_at, now);
        });
        let put = self.health.watch(put).await?;
        Ok(match put {
            0 => Put::Stored,
            1 => Put::Present,
            _ => Put::Full,
        })
    }

    async fn read(
        &self,
        key: Key,
        extend_to: Option<i64>,
        now: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let read = async {
            let mut connection = self.connection().await?;
            let mut command = redis::cmd("HMGET");
            command.arg(record(key)).arg("v").arg("e").arg("s");
            let found = command.query_async(&mut connection.inner).await;
            let found: (Option<Vec<u8>>, Option<i64>, Option<i64>) =
                self.finish(found, connection.number).await?;
            let (Some(value), Some(ends), Some(standing)) = found else {
                return Ok(None);
            };
            if ends <= now || standing == REVOKED {
                return Ok(None);
            }
            match extend_to {
                Some(to) if ends < to => {
                    self.run(&EXTEND, |script| {
                        name(script, key);
                        script.arg(now).arg(base64url(key.digest));
                        end(script, to, now);
                    })
                    .await
                }
                _ => Ok(Some(value)),
            }
        };
        self.health.watch(read).await
    }

    async fn take(&self, key: Key, now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let taken = self.run(&TAKE, |script| {
            name(script, key);
            script.arg(now).arg(base64url(key.digest));
        });
        self.health.watch(taken).await
    }

    async fn replace(
        &self,
        key: Key,
        before: Vec<u8>,
        after: Vec<u8>,
        expires_at: i64,
        now: i64,
    ) -> Result<bool, StoreError> {
        let replaced = self.run(&REPLACE, |script| {
            name(script, key);
            script
                .arg(now)
                .arg(base64url(key.digest))
                .arg(&before)
                .arg(&after);
            end(script, expires_at, now);
        });
        self.health.watch(replaced).await
    }

    async fn redeem(&self, redemption: Redemption, now: i64) -> Result<Redeemed, StoreError> {
        let (code, family) = (
            of(Kind::Code, redemption.code),
            of(Kind::Family, redemption.family),
        );
        let redeemed = self.run::<i64>(&REDEEM, |script| {
            name(script, code);
            name(script, family);
            script
                .arg(now)
                .arg(most(self.capacity.of(Kind::Family)))
                .arg(base64url(redemption.code));
            end(script, redemption.remember_until, now);
            script
                .arg(base64url(redemption.family))
                .arg(&redemption.value);
            end(script, redemption.expires_at, now);
        });
        let redeemed = self.health.watch(redeemed).await?;
        Ok(match redeemed {
            0 => Redeemed::First,
            1 => Redeemed::Again,
            2 => Redeemed::Absent,
            _ => Redeemed::Full,
        })
    }

    async fn rotate(
        &self,
        family: Digest,
        presented: u32,
        grace: i64,
        extend_to: i64,
        now: i64,
    ) -> Result<Rotated, StoreError> {
        // There is no generation after the last.
        let Some(next) = presented.checked_add(1) else {
            return Ok(Rotated::Absent);
        };
        let rotated = self.run::<i64>(&ROTATE, |script| {
            name(script, of(Kind::Family, family));
            script
                .arg(now)
                .arg(presented)
                .arg(now.saturating_sub(grace))
                .arg(base64url(family));
            end(script, extend_to, now);
        });
        let rotated = self.health.watch(rotated).await?;
        Ok(match rotated {
            0 => Rotated::Next(next),
            1 => Rotated::Again(next),
            2 => Rotated::Reused,
            _ => Rotated::Absent,
        })
    }

    async fn revoke_family(&self, family: Digest, now: i64) -> Result<(), StoreError> {
        let revoked = self.run(&REVOKE, |script| {
            name(script, of(Kind::Family, family));
            script.arg(now);
        });
        self.health.watch(revoked).await
    }

    async fn incr_window(&self, key: Digest, seconds: i64, now: i64) -> Result<u32, StoreError> {
        let counted = self.run::<i64>(&COUNT, |script| {
            let member = base64url(key);
            script
                .key(format!("{WINDOWS}:{member}"))
                .key(WINDOWS)
                .arg(now)
                .arg(most(self.capacity.windows))
                .arg(member);
            end(script, now.saturating_add(seconds), now);
        });
        let counted = self.health.watch(counted).await?;
        Ok(u32::try_from(counted).unwrap_or(u32::MAX))
    }

    async fn sweep(&self, now: i64) -> Result<usize, StoreError> {
        let indexes = Kind::ALL.map(index);
        let mut swept = 0;
        for index in indexes.iter().map(String::as_str).chain([WINDOWS]) {
            for _ in 0..MAX_BATCHES {
                let batch = self.run::<usize>(&SWEEP, |script| {
                    script.key(index).arg(now).arg(SWEEP_BATCH);
                });
                let batch = self.health.watch(batch).await?;
                swept += batch;
                if batch < SWEEP_BATCH {
                    break;
                }
            }
        }
        Ok(swept)
    }
}

fn of(kind: Kind, digest: Digest) -> Key {
    Key { kind, digest }
}

/// The key of a record, and that of its kind's index.
fn name(script: &mut ScriptInvocation<'_>, key: Key) {
    script.key(record(key)).key(index(key.kind));
}

fn record(key: Key) -> String {
    format!("{}:{}", index(key.kind), base64url(key.digest))
}

fn index(kind: Kind) -> String {
    format!("{PREFIX}:{}", kind.tag())
}

/// When something ends, and after how many seconds the store may forget it.
fn end(script: &mut ScriptInvocation<'_>, at: i64, now: i64) {
    let rest = at.saturating_sub(now).clamp(0, MAX_REST);
    script.arg(at).arg(rest + SLACK);
}

fn most(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What an operator may be told: what kind of trouble, and what the store said. It repeats no values.
fn why(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => {
            let detail: String = detail.chars().take(MAX_DETAIL).collect();
            format!("{code} {detail}")
        }
        (Some(code), None) => code.to_owned(),
        (None, _) => error.category().to_owned(),
    }
}

const PREFIX: &str = "{doorward:oauth}";
const WINDOWS: &str = "{doorward:oauth}:window";
const REVOKED: i64 = 2;

/// What the scripts share: whether a record is there and has not expired, the end of one, and room for one more. An index
/// gives up two that are over for each that it takes, so that it never grows by what nobody asks for again.
macro_rules! script {
    ($body:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                "local now = tonumber(ARGV[1])
                local function live(key)
                    local ends = redis.call('HGET', key, 'e')
                    return ends and tonumber(ends) > now
                end
                local function last(key, index, member, ends, rest)
                    redis.call('HSET', key, 'e', ends)
                    redis.call('EXPIRE', key, rest)
                    redis.call('ZADD', index, ends, member)
                end
                local function extend(key, index, member, ends, rest)
                    if tonumber(redis.call('HGET', key, 'e')) < tonumber(ends) then
                        last(key, index, member, ends, rest)
                    end
                end
                local function clear(index, count)
                    local over = redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, count)
                    if #over > 0 then redis.call('ZREM', index, unpack(over)) end
                    return #over
                end
                local function room(index, most)
                    clear(index, 2)
                    if redis.call('ZCARD', index) < most then return true end
                    clear(index, 500)
                    return redis.call('ZCARD', index) < most
                end
                ",
                $body
            ))
        })
    };
}

static PUT: LazyLock<Script> = script!(
    "if live(KEYS[1]) then return 1 end
    if not room(KEYS[2], tonumber(ARGV[2])) then return 2 end
    redis.call('HSET', KEYS[1], 'v', ARGV[4], 's', 0, 'g', 1, 't', ARGV[1])
    last(KEYS[1], KEYS[2], ARGV[3], ARGV[5], ARGV[6])
    return 0"
);
static EXTEND: LazyLock<Script> = script!(
    "if not live(KEYS[1]) or redis.call('HGET', KEYS[1], 's') == '2' then return false end
    extend(KEYS[1], KEYS[2], ARGV[2], ARGV[3], ARGV[4])
    return redis.call('HGET', KEYS[1], 'v')"
);
static TAKE: LazyLock<Script> = script!(
    "if not live(KEYS[1]) then return false end
    local value = redis.call('HGET', KEYS[1], 'v')
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', KEYS[2], ARGV[2])
    return value"
);
static REPLACE: LazyLock<Script> = script!(
    "if not live(KEYS[1]) then return 0 end
    local found = redis.call('HMGET', KEYS[1], 'v', 's')
    if found[1] ~= ARGV[3] or found[2] == '2' then return 0 end
    redis.call('HSET', KEYS[1], 'v', ARGV[4])
    extend(KEYS[1], KEYS[2], ARGV[2], ARGV[5], ARGV[6])
    return 1"
);
static REDEEM: LazyLock<Script> = script!(
    "if not live(KEYS[1]) then return 2 end
    if redis.call('HGET', KEYS[1], 's') ~= '0' then return 1 end
    if not room(KEYS[4], tonumber(ARGV[2])) then return 3 end
    redis.call('HSET', KEYS[1], 's', 1)
    last(KEYS[1], KEYS[2], ARGV[3], ARGV[4], ARGV[5])
    redis.call('HSET', KEYS[3], 'v', ARGV[7], 's', 0, 'g', 1, 't', ARGV[1])
    last(KEYS[3], KEYS[4], ARGV[6], ARGV[8], ARGV[9])
    return 0"
);
/// 0: moved on; 1: had been moved on just now; 2: revoked; 3: nothing to move.
static ROTATE: LazyLock<Script> = script!(
    "if not live(KEYS[1]) then return 3 end
    local found = redis.call('HMGET', KEYS[1], 's', 'g', 't')
    local current, presented = tonumber(found[2]), tonumber(ARGV[2])
    if found[1] ~= '0' or presented > current then return 3 end
    if presented == current then
        redis.call('HSET', KEYS[1], 'g', string.format('%d', current + 1), 't', ARGV[1])
        extend(KEYS[1], KEYS[2], ARGV[4], ARGV[5], ARGV[6])
        return 0
    end
    if presented == current - 1 and tonumber(found[3]) >= tonumber(ARGV[3]) then return 1 end
    redis.call('HSET', KEYS[1], 's', 2)
    return 2"
);
static REVOKE: LazyLock<Script> = script!(
    "if live(KEYS[1]) then redis.call('HSET', KEYS[1], 's', 2) end
    return redis.status_reply('OK')"
);
/// A clock that went back does not keep a window open for longer than it is.
static COUNT: LazyLock<Script> = script!(
    "local found = redis.call('HMGET', KEYS[1], 't', 'e')
    if found[1] and tonumber(found[1]) <= now and now < tonumber(found[2]) then
        return redis.call('HINCRBY', KEYS[1], 'n', 1)
    end
    if not found[1] and not room(KEYS[2], tonumber(ARGV[2])) then return -1 end
    redis.call('HSET', KEYS[1], 't', ARGV[1], 'n', 1)
    last(KEYS[1], KEYS[2], ARGV[3], ARGV[4], ARGV[5])
    return 1"
);
static SWEEP: LazyLock<Script> = script!("return clear(KEYS[1], tonumber(ARGV[2]))");

/// Names that one sweep takes out of an index at once; the records go by themselves.
const SWEEP_BATCH: usize = 500;
/// Batches in one call to `sweep`, of each kind.
const MAX_BATCHES: u32 = 1000;
/// Seconds that the store keeps something longer than it lasts, so that no clock of ours loses anything to the store's.
const SLACK: i64 = 300;
/// The longest that the store keeps anything that nobody uses.
const MAX_REST: i64 = 10 * 366 * 86_400;
const MAX_DETAIL: usize = 200;
/// How long anybody waits for the connection, or an answer.
const PATIENCE: Duration = Duration::from_secs(3);
