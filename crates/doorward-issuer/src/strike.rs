//! Answers, and what faults make of them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, RETRY_AFTER,
};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Interval;

use crate::answer::error;
use crate::backend_api::on_purpose;
use crate::fault::Fault;
use crate::issuer::DevIssuer;
use crate::line::Line;
use crate::requests::{Endpoint, Unsent};

/// The right answer, before any fault.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// 200 with JSON that nobody keeps.
    pub(crate) fn json(body: &Value) -> Self {
        Self::text("application/json", body.to_string())
    }

    /// 200 with a body of this type that nobody keeps.
    pub(crate) fn text(content_type: &'static str, body: String) -> Self {
        let answer = Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body,
        };
        answer
            .header(CONTENT_TYPE, content_type)
            .header(CACHE_CONTROL, "no-store")
    }

    /// 200 without a body.
    pub(crate) fn empty() -> Self {
        let mut empty = Self::text("", String::new());
        empty.headers.remove(CONTENT_TYPE);
        empty
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Sets a header; a value that HTTP does not allow is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = value.as_ref().parse() {
            self.headers.insert(name, value);
        }
        self
    }

    /// Lets it be kept this long.
    pub(crate) fn kept(self, seconds: u64) -> Self {
        self.header(CACHE_CONTROL, format!("public, max-age={seconds}"))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

/// The right answer, or what the endpoint's fault makes of it. What the fault changes in the content, `make` changes; what
/// is asked of an endpoint that does not answer is not done either.
pub(crate) async fn answered(
    issuer: &DevIssuer,
    endpoint: Endpoint,
    line: &Line,
    make: impl FnOnce(&Fault) -> Answer,
) -> Response {
    let fault = issuer.fault_at(endpoint);
    let instead = match endpoint {
        Endpoint::BackendApi => trouble(&fault),
        _ => None,
    };
    if let Some(another) = instead.or_else(|| another(&fault, line)) {
        return another;
    }
    let right = make(&fault);
    match &fault {
        Fault::Slow(time) => {
            tokio::time::sleep((*time).min(MAX_SLOWNESS)).await;
            right.into_response()
        }
        Fault::ContentType(content_type) => {
            right.header(CONTENT_TYPE, content_type).into_response()
        }
        Fault::Oversize => oversize(right),
        Fault::Drip => {
            let mut bytes = right.body.into_bytes();
            let rest = bytes.split_off(bytes.len().min(DRIPS));
            let pieces = bytes.into_iter().map(|byte| vec![byte]).chain([rest]);
            let body = Body::from_stream(Pieces::slowly(pieces.map(Ok)));
            (right.status, right.headers, body).into_response()
        }
        Fault::Cut => {
            let length = right.body.len();
            let mut bytes = right.body.into_bytes();
            bytes.truncate(length / 2);
            // At a pace, so that the half has left before the connection breaks.
            let pieces = [Ok(bytes), Err(io::ErrorKind::ConnectionAborted.into())];
            let body = Body::from_stream(Pieces::slowly(pieces.into_iter()));
            let mut headers = right.headers;
            headers.insert(CONTENT_LENGTH, length.into());
            (right.status, headers, body).into_response()
        }
        _ => right.into_response(),
    }
}

/// Faults that the Backend API tells in a shape of its own.
fn trouble(fault: &Fault) -> Option<Response> {
    let (status, wait) = match fault {
        Fault::Down => (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
        Fault::TooManyRequests(seconds) => (StatusCode::TOO_MANY_REQUESTS, Some(*seconds)),
        Fault::NotFound => (StatusCode::NOT_FOUND, None),
        Fault::Status(status) => {
            let status = StatusCode::from_u16(*status).ok()?;
            let failed = status.is_client_error() || status.is_server_error();
            (Some(status).filter(|_| failed)?, None)
        }
        _ => return None,
    };
    let response = on_purpose(status).into_response();
    Some(match wait {
        Some(seconds) => retry_later(response, seconds),
        None => response,
    })
}

/// What stands in the place of the right answer.
fn another(fault: &Fault, line: &Line) -> Option<Response> {
    Some(match fault {
        Fault::Down => retry_later(
            error(StatusCode::SERVICE_UNAVAILABLE, "down", "down on purpose"),
            1,
        ),
        Fault::TooManyRequests(seconds) => retry_later(
            error(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "too many on purpose",
            ),
            *seconds,
        ),
        Fault::Garbage => {
            Html("<!doctype html><title>Sign in to the network</title><p>Sign in.").into_response()
        }
        Fault::Status(status) => {
            // An informational status is no answer; nor is one that HTTP does not know.
            let status = StatusCode::from_u16(*status)
                .ok()
                .filter(|status| (200..600).contains(&status.as_u16()));
            error(
                status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                "status",
                "this status on purpose",
            )
        }
        Fault::NotFound => error(StatusCode::NOT_FOUND, "not_found", "not found on purpose"),
        Fault::Redirect(url) => match url.parse::<HeaderValue>() {
            Ok(url) => (StatusCode::FOUND, [(LOCATION, url)]).into_response(),
            Err(_) => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "redirect",
                "the fault's URL is no header value",
            ),
        },
        Fault::NotJson => {
            Answer::text("application/json", r#"{"active": tru"#.to_owned()).into_response()
        }
        Fault::Null => Answer::json(&Value::Null).into_response(),
        Fault::Array => Answer::json(&json!([])).into_response(),
        Fault::Inactive => Answer::json(&json!({ "active": false })).into_response(),
        Fault::GzipBomb => (
            [
                (CONTENT_TYPE, "application/json"),
                (CONTENT_ENCODING, "gzip"),
            ],
            gzip_bomb(),
        )
            .into_response(),
        Fault::Refuse => {
            line.cut();
            let mut unsent = StatusCode::NO_CONTENT.into_response();
            unsent.extensions_mut().insert(Unsent);
            unsent
        }
        _ => return None,
    })
}

fn retry_later(mut response: Response, seconds: u32) -> Response {
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The same object with a long member more; what is no object is followed by as many line feeds.
fn oversize(right: Answer) -> Response {
    let (head, filling, tail) = match right.body.strip_suffix('}') {
        Some(head) => (head.to_owned() + r#","padding":""#, b'a', &b"\"}"[..]),
        None => (right.body, b'\n', &b""[..]),
    };
    let padding = std::iter::repeat_n(vec![filling; CHUNK], OVERSIZE / CHUNK);
    let pieces = std::iter::once(head.into_bytes())
        .chain(padding)
        .chain([tail.to_vec()]);
    let body = Body::from_stream(Pieces::at_once(pieces.map(Ok)));
    (right.status, right.headers, body).into_response()
}

type Piece = io::Result<Vec<u8>>;

/// A body in pieces, at once or one every tenth of a second.
struct Pieces {
    pieces: Box<dyn Iterator<Item = Piece> + Send>,
    pace: Option<Interval>,
}

impl Pieces {
    fn at_once(pieces: impl Iterator<Item = Piece> + Send + 'static) -> Self {
        Self {
            pieces: Box::new(pieces),
            pace: None,
        }
    }

    fn slowly(pieces: impl Iterator<Item = Piece> + Send + 'static) -> Self {
        Self {
            pieces: Box::new(pieces),
            pace: Some(tokio::time::interval(PACE)),
        }
    }
}

impl futures_core::Stream for Pieces {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(context));
        }
        Poll::Ready(self.pieces.next())
    }
}

/// A gzip member of 34,074,577 spaces: in a dynamic Huffman block, zero octets each mean four matches of 258.
fn gzip_bomb() -> Vec<u8> {
    const HEAD: [u8; 26] = [
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03, 0xed, 0xc1, 0x81, 0, 0, 0, 0, 0xc3, 0x20,
        0x95, 0xf9, 0x53, 0x1e, 0xe4, 0x55, 0x01,
    ];
    const REPEATS: usize = 33_017;
    const END: [u8; 2] = [0xf7, 0x06];
    const CRC_AND_LENGTH: [u8; 8] = [0x36, 0x3c, 0x23, 0x62, 0xd1, 0xef, 0x07, 0x02];
    [&HEAD[..], &[0; REPEATS], &END, &CRC_AND_LENGTH].concat()
}

const MAX_SLOWNESS: Duration = Duration::from_secs(3600);
const CHUNK: usize = 64 * 1024;
pub(crate) const OVERSIZE: usize = 8 * 1024 * 1024;
const PACE: Duration = Duration::from_millis(100);
/// Ten seconds' worth.
const DRIPS: usize = 100;
