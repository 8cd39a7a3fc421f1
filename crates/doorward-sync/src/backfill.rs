//! Backfill: the users, organizations and memberships that existed before the first webhook came.
//!
//! Pages the Backend API (<https://clerk.com/docs/reference/backend-api>), oldest first. Each page is written together
//! with the place it ends at, so whoever is stopped resumes there. What webhooks say meanwhile is safe: the newest
//! description stands, and what is deleted stays deleted.

use std::time::Duration;

use doorward_core::{Secret, Timestamp};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::change::Change;
use crate::database::{Database, SyncError, Transaction, Value};
use crate::schema::Schema;
use crate::tables::{Resource, Tables};

/// Brings what existed before. Make it with [`Backfill::new`], then [`Backfill::run`] it.
#[derive(Debug)]
pub struct Backfill {
    database: Database,
    schema: Schema,
    tables: Tables,
    base: Url,
    client: reqwest::Client,
    page_size: u32,
}

/// How far one kind of object has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being brought.
    pub resource: Resource,
    /// How many came, those of earlier runs included.
    pub seen: u64,
    /// How many the provider says there are.
    pub total: Option<u64>,
    /// How many of those this run brought could not be read, for they lack an id. They are logged.
    pub unreadable: u64,
    /// Nothing is left.
    pub finished: bool,
    /// The provider asked to wait this long; then it goes on.
    pub waiting: Option<Duration>,
}

/// Why a backfill stopped. Running it again resumes it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackfillError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] SyncError),
    /// The provider does not take the secret key.
    #[error("the Backend API refused the secret key (status {0})")]
    Key(u16),
    /// The provider answered something unexpected.
    #[error("the Backend API answered {0}")]
    Answer(String),
    /// The provider is out of reach, or in trouble, and remained so.
    #[error("the Backend API is out of reach: {0}")]
    Unreachable(String),
}

impl Backfill {
    /// A backfill from `https://api.clerk.com/v1` or another base, with the instance's secret key.
    ///
    /// # Errors
    /// The URL or the key cannot be one.
    pub fn new(
        database: Database,
        schema: &Schema,
        base: &str,
        secret_key: &Secret,
    ) -> Result<Self, SyncError> {
        let wrong = |what: &str| SyncError::Configuration(what.to_owned());
        let base = Url::parse(&format!("{}/", base.trim_end_matches('/')))
            .ok()
            .filter(|url| url.scheme() == "https" || is_loopback(url))
            .ok_or_else(|| wrong("api: expected an https URL such as https://api.clerk.com/v1"))?;
        if !secret_key.expose().starts_with("sk_") {
            return Err(wrong("secret key: expected one that begins with sk_"));
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", secret_key.expose()))
            .map_err(|_| wrong("secret key: it holds characters that no key has"))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, bearer),
            (
                reqwest::header::HeaderName::from_static("clerk-api-version"),
                HeaderValue::from_static(API_VERSION),
            ),
        ]);
        let client = reqwest::Client::builder()
            .user_agent(concat!("doorward-sync/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            // A redirect would carry the secret key elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(Self {
            database,
            schema: schema.clone(),
            tables: Tables::default(),
            base,
            client,
            page_size: PAGE,
        })
    }

    /// Objects in one page, 1 to 500.
    #[must_use]
    pub fn page_size(mut self, count: u32) -> Self {
        self.page_size = count.clamp(1, PAGE);
        self
    }

    /// Forgets how far earlier runs came.
    ///
    /// # Errors
    /// The store failed.
    pub async fn restart(&self) -> Result<(), SyncError> {
        let mut tx = self.database.begin().await?;
        let forget = self.schema.sql("DELETE FROM {p}doorward_backfill", &tx);
        tx.execute(&forget, &[]).await?;
        tx.commit().await
    }

    /// Brings organizations, users and memberships; what an earlier run finished is left out.
    ///
    /// # Errors
    /// It stopped before the end; running it again resumes it.
    pub async fn run(
        &self,
        clock: impl Fn() -> Timestamp,
        mut report: impl FnMut(&Progress),
    ) -> Result<(), BackfillError> {
        for resource in [
            Resource::Organizations,
            Resource::Users,
            Resource::Memberships,
        ] {
            self.bring(resource, &clock, &mut report).await?;
        }
        Ok(())
    }

    async fn bring(
        &self,
        resource: Resource,
        clock: &impl Fn() -> Timestamp,
        report: &mut impl FnMut(&Progress),
    ) -> Result<(), BackfillError> {
        let (mut place, mut progress) = self.resume(resource, clock()).await?;
        if progress.finished {
            report(&progress);
            return Ok(());
        }
        if resource == Resource::Users {
            let count = self.page("users/count", &[], &mut progress, report).await?;
            let count = count.and_then(|body| serde_json::from_slice::<Count>(&body).ok());
            progress.total = count.map(|count| count.total_count);
        }
        loop {
            report(&progress);
            let query = self.query(resource, place.as_deref());
            let Some(body) = self
                .page(path(resource), &query, &mut progress, report)
                .await?
            else {
                // The user at whom we stopped is gone, and with them the cursor. From the start, then: what came before
                // comes again and changes nothing.
                if place.take().is_none() {
                    return Err(BackfillError::Answer("404 to the first page".to_owned()));
                }
                progress.seen = 0;
                continue;
            };
            let page = Page::read(&body)?;
            progress.total = page.total.or(progress.total);
            let count = u32::try_from(page.objects.len()).unwrap_or(u32::MAX);
            let mut changes = Vec::with_capacity(page.objects.len());
            for object in &page.objects {
                match Change::of_object(resource, object, 0) {
                    Ok(change) => changes.push(change),
                    Err(why) => {
                        progress.unreadable += 1;
                        let table = resource.table();
                        tracing::warn!(target: "doorward", table, why, "an object cannot be read and is left out");
                    }
                }
            }
            if changes.is_empty() && count > 0 {
                // Nowhere to go on from; and so many are the provider's new shape rather than one slip.
                return Err(BackfillError::Answer(
                    "200 with a page of which nothing can be read".to_owned(),
                ));
            }
            let full = count >= self.page_size;
            place = match resource {
                Resource::Users => changes
                    .last()
                    .map(|user| user.provider_id.clone())
                    .or(place),
                // Pages by number shift when something before them is deleted, so each begins a little earlier.
                _ => {
                    let from: u32 = place.as_deref().and_then(|at| at.parse().ok()).unwrap_or(0);
                    let step = count.saturating_sub(self.overlap()).max(1);
                    progress.seen = u64::from(from) + u64::from(count);
                    Some((from + step).to_string())
                }
            };
            if resource == Resource::Users {
                progress.seen += u64::from(count);
            }
            progress.finished = !full;
            self.write(resource, &changes, place.as_deref(), &progress, clock())
                .await?;
            if progress.finished {
                report(&progress);
                return Ok(());
            }
        }
    }

    fn overlap(&self) -> u32 {
        self.page_size / 10
    }

    fn query(&self, resource: Resource, place: Option<&str>) -> Vec<(&'static str, String)> {
        let mut query = vec![
            ("limit", self.page_size.to_string()),
            ("order_by", "+created_at".to_owned()),
        ];
        if let Some(place) = place {
            let name = match resource {
                Resource::Users => "starting_after",
                _ => "offset",
            };
            query.push((name, place.to_owned()));
        }
        query
    }

    /// One answer, after as many attempts as it takes within reason. `None` for a cursor that is unknown.
    async fn page(
        &self,
        path: &str,
        query: &[(&str, String)],
        progress: &mut Progress,
        report: &mut impl FnMut(&Progress),
    ) -> Result<Option<Vec<u8>>, BackfillError> {
        let mut url = self
            .base
            .join(path)
            .map_err(|error| BackfillError::Answer(error.to_string()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut rest = FIRST_REST;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let why = match self.client.get(url.clone()).send().await {
                Ok(answer) => {
                    let status = answer.status();
                    let asked = retry_after(answer.headers());
                    match status {
                        StatusCode::OK => match bounded(answer).await {
                            Ok(body) => return Ok(Some(body)),
                            Err(why) => why,
                        },
                        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                            return Err(BackfillError::Key(status.as_u16()));
                        }
                        StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY
                            if query.iter().any(|(name, _)| *name == "starting_after") =>
                        {
                            return Ok(None);
                        }
                        StatusCode::TOO_MANY_REQUESTS => {
                            // To be told to wait is no failure, if it does not go on for ever.
                            rest = asked.unwrap_or(rest).clamp(SHORTEST_REST, LONGEST_REST);
                            if attempts < MAX_WAITS {
                                progress.waiting = Some(rest);
                                report(progress);
                                tokio::time::sleep(rest).await;
                                progress.waiting = None;
                                continue;
                            }
                            "429 again and again".to_owned()
                        }
                        status if status.is_server_error() => {
                            rest = asked.unwrap_or(rest);
                            format!("status {}", status.as_u16())
                        }
                        status => return Err(BackfillError::Answer(format!("status {status}"))),
                    }
                }
                Err(error) => error.without_url().to_string(),
            };
            if attempts >= MAX_ATTEMPTS {
                return Err(BackfillError::Unreachable(why));
            }
            tracing::warn!(target: "doorward", path, why, "the Backend API is asked again");
            tokio::time::sleep(rest.min(LONGEST_REST)).await;
            rest = rest.saturating_mul(2);
        }
    }

    async fn resume(
        &self,
        resource: Resource,
        now: Timestamp,
    ) -> Result<(Option<String>, Progress), SyncError> {
        let mut tx = self.database.begin().await?;
        let start = self.schema.sql(
            "INSERT INTO {p}doorward_backfill (resource, seen, started_at) VALUES ($1, 0, $2)
             ON CONFLICT (resource) DO NOTHING",
            &tx,
        );
        let values = [resource.table().into(), now.as_millis().into()];
        tx.execute(&start, &values).await?;
        let sql = self.schema.sql(
            "SELECT place, seen, total, finished_at FROM {p}doorward_backfill WHERE resource = $1",
            &tx,
        );
        let rows = tx.rows(&sql, &[resource.table().into()]).await?;
        tx.commit().await?;
        let row = rows
            .first()
            .ok_or_else(|| SyncError::Refused("the backfill's place is gone".to_owned()))?;
        let progress = Progress {
            resource,
            seen: u64::try_from(row.int(1)?).unwrap_or_default(),
            total: row
                .optional_int(2)?
                .and_then(|total| u64::try_from(total).ok()),
            unreadable: 0,
            finished: row.optional_int(3)?.is_some(),
            waiting: None,
        };
        Ok((row.optional_text(0)?, progress))
    }

    /// A page and where it ends, in one transaction.
    async fn write(
        &self,
        resource: Resource,
        changes: &[Change],
        place: Option<&str>,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self
                .try_write(resource, changes, place, progress, now)
                .await
            {
                Err(error) if error.is_transient() && attempts < MAX_ATTEMPTS => {
                    tokio::time::sleep(FIRST_REST).await;
                }
                other => return other,
            }
        }
    }

    async fn try_write(
        &self,
        resource: Resource,
        changes: &[Change],
        place: Option<&str>,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let mut tx: Transaction = self.database.begin().await?;
        self.tables
            .write(&mut tx, &self.schema, changes.to_vec(), now)
            .await?;
        let note = self.schema.sql(
            "UPDATE {p}doorward_backfill SET place = $1, seen = $2, total = $3, finished_at = $4 WHERE resource = $5",
            &tx,
        );
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let values = [
            Value::Text(place),
            number(progress.seen).into(),
            Value::Int(progress.total.map(number)),
            Value::Int(progress.finished.then_some(now.as_millis())),
            resource.table().into(),
        ];
        tx.execute(&note, &values).await?;
        tx.commit().await
    }
}

#[derive(Deserialize)]
struct Count {
    total_count: u64,
}

/// A list as the API gives it: bare, or with a count around it.
struct Page<'a> {
    objects: Vec<&'a RawValue>,
    total: Option<u64>,
}

impl<'a> Page<'a> {
    fn read(body: &'a [u8]) -> Result<Self, BackfillError> {
        #[derive(Deserialize)]
        struct Counted<'a> {
            #[serde(borrow)]
            data: Vec<&'a RawValue>,
            total_count: Option<u64>,
        }
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        let unreadable = |_| BackfillError::Answer("200 with a body that is no list".to_owned());
        if first == Some(&b'[') {
            let objects = serde_json::from_slice(body).map_err(unreadable)?;
            return Ok(Self {
                objects,
                total: None,
            });
        }
        let counted: Counted<'a> = serde_json::from_slice(body).map_err(unreadable)?;
        Ok(Self {
            objects: counted.data,
            total: counted.total_count,
        })
    }
}

fn path(resource: Resource) -> &'static str {
    match resource {
        Resource::Organizations => "organizations",
        Resource::Users => "users",
        Resource::Memberships => "organization_memberships",
        Resource::Sessions => "sessions",
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    url.scheme() == "http"
        && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

/// Seconds, as the API sends them.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

async fn bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_PAGE_BYTES => body.extend(&chunk),
            Ok(Some(_)) => return Err("a page larger than 64 MiB".to_owned()),
            Ok(None) => return Ok(body),
            Err(error) => return Err(error.without_url().to_string()),
        }
    }
}

/// The version of the Backend API whose shapes are read here.
const API_VERSION: &str = "2026-05-12";

/// The most that the API gives in one page.
const PAGE: u32 = 500;
const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;

const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// Attempts at one page that fail, and times to be told to wait for it.
const MAX_ATTEMPTS: u32 = 6;
const MAX_WAITS: u32 = 60;

const FIRST_REST: Duration = Duration::from_millis(500);
const SHORTEST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(60);
