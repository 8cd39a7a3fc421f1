//! One request on its way to its answer, without I/O: it says what it needs, is told, and goes on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use doorward_core::Secret;

use super::consent::ConsentPrompt;
use super::store::{Operation, Outcome, Store, StoreError};

/// A request that is being answered.
///
/// ```text
/// loop {
///     match exchange.advance() {
///         Progress::Done(reply) => return reply,
///         Progress::Needs(need) => exchange.supply(/* perform it */),
///     }
/// }
/// ```
///
/// [`Exchange::run`] is that loop. An exchange that is dropped half-way leaves nothing behind that does not expire.
pub struct Exchange<T = Reply> {
    now: i64,
    work: Pin<Box<dyn Future<Output = T> + Send>>,
    desk: Desk,
}

/// How far an exchange got.
#[derive(Debug)]
pub enum Progress<T = Reply> {
    /// It needs this, and goes on when it was supplied.
    Needs(Need),
    /// The answer. There is no other.
    Done(T),
}

/// What an exchange needs of the world.
#[derive(Debug)]
pub enum Need {
    /// This done in the store.
    Store(Operation),
    /// This asked of the upstream.
    Upstream(UpstreamCall),
    /// This document of a stranger's.
    Document(DocumentCall),
}

/// What an exchange is told.
#[derive(Debug)]
pub enum Supply {
    /// What came of the store operation.
    Store(Result<Outcome, StoreError>),
    /// What the upstream answered.
    Upstream(Result<UpstreamAnswer, UpstreamUnreachable>),
    /// What came of the document.
    Document(Result<DocumentAnswer, DocumentError>),
}

/// A request to the upstream. Redirects are not followed, and no more than [`UpstreamCall::MAX_ANSWER`] bytes are read.
/// A `GET` without `authorization` asks for public keys or metadata and may be answered from a cache, unless it is to be
/// `fresh`; a `POST` must not be repeated.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamCall {
    /// `GET` or `POST`.
    pub method: http::Method,
    /// One of the configured URLs.
    pub url: String,
    /// The whole value of the `Authorization` header, if there is to be one.
    pub authorization: Option<Secret>,
    /// The body, `application/x-www-form-urlencoded`, of a `POST`.
    pub form: Option<Secret>,
    /// Whether what is remembered did not do. It need not be asked more than once in a few seconds.
    pub fresh: bool,
}

impl UpstreamCall {
    pub(super) fn get(url: &str, authorization: Option<Secret>) -> Self {
        Self {
            method: http::Method::GET,
            url: url.to_owned(),
            authorization,
            form: None,
            fresh: false,
        }
    }

    pub(super) fn post(url: &str, authorization: Option<Secret>, form: Secret) -> Self {
        Self {
            method: http::Method::POST,
            url: url.to_owned(),
            authorization,
            form: Some(form),
            fresh: false,
        }
    }

    /// How much of an answer is read.
    pub const MAX_ANSWER: usize = 512 * 1024;
}

/// The upstream's answer.
#[derive(Clone)]
pub struct UpstreamAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for UpstreamAnswer {
    /// The body may hold tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "UpstreamAnswer({}, {} bytes)",
            self.status,
            self.body.len()
        )
    }
}

/// The upstream gave no answer, or not in time, or too long a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamUnreachable;

/// A document that a stranger named: a `GET` without credentials, to a public address and no other, looked up once;
/// redirects are not followed, and no more than `max_bytes` are read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DocumentCall {
    /// Where it is: `https`, or, where the operator allows that for tests, `http` on a loopback host.
    pub url: String,
    /// The tag of what is remembered (RFC 9110 §8.8.3), to be sent as `If-None-Match`.
    pub etag: Option<String>,
    /// How much of it is read.
    pub max_bytes: usize,
}

/// A document as it arrived.
#[derive(Clone, Debug, Default)]
pub struct DocumentAnswer {
    /// The HTTP status: 200, or 304 where a tag was sent.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Cache-Control: max-age`, in seconds; 0 for `no-store` and `no-cache`.
    pub max_age: Option<i64>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentError {
    /// No answer, or not in time, or an answer that says to come later.
    Unreachable,
    /// It may not be fetched, or what came is no such document: why.
    Refused(&'static str),
}

/// Who performs calls.
pub trait Transport: Send + Sync {
    /// Performs one to the upstream.
    fn call(
        &self,
        call: UpstreamCall,
    ) -> impl Future<Output = Result<UpstreamAnswer, UpstreamUnreachable>> + Send;

    /// Fetches a document of a stranger's. Who cannot do that safely does not.
    fn document(
        &self,
        _call: DocumentCall,
    ) -> impl Future<Output = Result<DocumentAnswer, DocumentError>> + Send {
        std::future::ready(Err(DocumentError::Refused("no documents are fetched here")))
    }
}

/// The answer to a request.
#[derive(Debug)]
pub enum Reply {
    /// To be sent as it is.
    Response(http::Response<Vec<u8>>),
    /// Somebody has to be asked: a page is to be rendered and sent with [`ConsentPrompt::headers`].
    Consent(Box<ConsentPrompt>),
}

impl<T> Exchange<T> {
    pub(super) fn new<F>(now: i64, work: impl FnOnce(Desk) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let desk = Desk::default();
        Self {
            now,
            work: Box::pin(work(desk.clone())),
            desk,
        }
    }

    /// Goes on as far as it can. Asked again without a [`supply`](Self::supply), it goes on as if that had failed.
    ///
    /// # Panics
    /// After [`Progress::Done`].
    pub fn advance(&mut self) -> Progress<T> {
        loop {
            let mut nobody = Context::from_waker(Waker::noop());
            if let Poll::Ready(reply) = self.work.as_mut().poll(&mut nobody) {
                return Progress::Done(reply);
            }
            if let Some(need) = self.desk.lock().need.take() {
                return Progress::Needs(need);
            }
            self.supply(Supply::Store(Err(StoreError)));
        }
    }

    /// Tells what was needed last.
    pub fn supply(&mut self, supply: Supply) {
        self.desk.lock().supply = Some(supply);
    }

    /// Drives it to its end.
    pub async fn run(mut self, store: &impl Store, upstream: &impl Transport) -> T {
        loop {
            let supply = match self.advance() {
                Progress::Done(reply) => return reply,
                Progress::Needs(Need::Store(operation)) => {
                    Supply::Store(operation.perform(store, self.now).await)
                }
                Progress::Needs(Need::Upstream(call)) => {
                    Supply::Upstream(Box::pin(upstream.call(call)).await)
                }
                Progress::Needs(Need::Document(call)) => {
                    Supply::Document(Box::pin(upstream.document(call)).await)
                }
            };
            self.supply(supply);
        }
    }
}

impl<T> fmt::Debug for Exchange<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Where needs and supplies change hands.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Mutex<Papers>>);

#[derive(Default)]
struct Papers {
    need: Option<Need>,
    supply: Option<Supply>,
}

impl Desk {
    pub(super) async fn store(&self, operation: Operation) -> Result<Outcome, StoreError> {
        match self.ask(Need::Store(operation)).await {
            Supply::Store(outcome) => outcome,
            Supply::Upstream(_) | Supply::Document(_) => Err(StoreError),
        }
    }

    pub(super) async fn upstream(
        &self,
        call: UpstreamCall,
    ) -> Result<UpstreamAnswer, UpstreamUnreachable> {
        match self.ask(Need::Upstream(call)).await {
            Supply::Upstream(answer) => answer.and_then(|answer| match answer.body.len() {
                0..=UpstreamCall::MAX_ANSWER => Ok(answer),
                _ => Err(UpstreamUnreachable),
            }),
            Supply::Store(_) | Supply::Document(_) => Err(UpstreamUnreachable),
        }
    }

    pub(super) async fn document(
        &self,
        call: DocumentCall,
    ) -> Result<DocumentAnswer, DocumentError> {
        let most = call.max_bytes;
        match self.ask(Need::Document(call)).await {
            Supply::Document(Ok(answer)) if answer.body.len() > most => {
                Err(DocumentError::Refused("the document is too long"))
            }
            Supply::Document(answer) => answer,
            Supply::Store(_) | Supply::Upstream(_) => Err(DocumentError::Unreachable),
        }
    }

    async fn ask(&self, need: Need) -> Supply {
        let mut need = Some(need);
        std::future::poll_fn(move |_| {
            let mut papers = self.lock();
            if let Some(need) = need.take() {
                papers.need = Some(need);
                papers.supply = None;
                return Poll::Pending;
            }
            papers.supply.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
