//! Redis or Valkey: a stream of revocations. A stream is a log, so whoever was away reads on where it stopped, and its
//! oldest entries are cut off by age.

use std::time::Duration;

use doorward_core::{Revocation, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{AsyncConnectionConfig, Client, RedisError};

use super::store::{self, Store};

const KEY: &str = "doorward:revocations";
const FIELD: &str = "r";
const PAGE: usize = 1000;
const WAIT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(3);
/// The store's clock, by which it numbers its entries, may be ahead of ours.
const SLACK: Duration = Duration::from_secs(3600);

pub(crate) struct Stream {
    connection: MultiplexedConnection,
    /// The id of the last entry that was read.
    read_until: String,
}

/// Whether a URL is one that the client understands.
pub(crate) fn check(url: &str) -> Result<(), String> {
    // What it says about a wrong one may hold the password.
    let unfit = |_| "is no URL of Redis: write redis://user:password@host:6379/0".to_owned();
    Client::open(url).map(drop).map_err(unfit)
}

impl Store for Stream {
    async fn open(url: &str) -> Result<Self, String> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = Client::open(url).map_err(why)?;
        let connection = client.get_multiplexed_async_connection_with_config(&settings);
        Ok(Self {
            connection: connection.await.map_err(why)?,
            read_until: START.to_owned(),
        })
    }

    async fn rewind(&mut self) -> Result<(), String> {
        START.clone_into(&mut self.read_until);
        Ok(())
    }

    async fn page(&mut self, _now: Timestamp) -> Result<Option<Vec<Revocation>>, String> {
        let mut page = redis::cmd("XRANGE");
        page.arg(KEY)
            .arg(format!("({}", self.read_until))
            .arg("+")
            .arg("COUNT")
            .arg(PAGE);
        let page: StreamRangeReply = page.query_async(&mut self.connection).await.map_err(why)?;
        let Some(last) = page.ids.last() else {
            return Ok(None);
        };
        last.id.clone_into(&mut self.read_until);
        Ok(Some(page.ids.iter().filter_map(read).collect()))
    }

    async fn news(&mut self) -> Result<Vec<Revocation>, String> {
        let mut news = redis::cmd("XREAD");
        news.arg("COUNT")
            .arg(PAGE)
            .arg("BLOCK")
            .arg(WAIT.as_millis() as u64)
            .arg("STREAMS")
            .arg(KEY)
            .arg(&self.read_until);
        let news: Option<StreamReadReply> =
            news.query_async(&mut self.connection).await.map_err(why)?;
        let entries: Vec<StreamId> = news
            .into_iter()
            .flat_map(|news| news.keys)
            .flat_map(|stream| stream.ids)
            .collect();
        if let Some(last) = entries.last() {
            last.id.clone_into(&mut self.read_until);
        }
        Ok(entries.iter().filter_map(read).collect())
    }

    async fn put(
        &mut self,
        revocations: &[Revocation],
        now: Timestamp,
        retention: Duration,
    ) -> Result<(), String> {
        let oldest = Timestamp::from_millis(
            now.as_millis() - i64::try_from((retention + SLACK).as_millis()).unwrap_or(i64::MAX),
        );
        let mut pipeline = redis::pipe();
        for revocation in revocations {
            pipeline
                .cmd("XADD")
                .arg(KEY)
                .arg("MINID")
                .arg("~")
                .arg(oldest.as_millis().max(0))
                .arg("*")
                .arg(FIELD)
                .arg(store::write(revocation))
                .ignore();
        }
        let written: Result<(), RedisError> = pipeline.query_async(&mut self.connection).await;
        written.map_err(why)
    }
}

/// Before the first entry.
const START: &str = "0-0";

fn read(entry: &StreamId) -> Option<Revocation> {
    store::read(&entry.get::<String>(FIELD)?)
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn why(error: RedisError) -> String {
    error.to_string()
}
