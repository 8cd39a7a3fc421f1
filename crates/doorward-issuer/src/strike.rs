//! What a fault makes of an answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::Interval;

use crate::answer::error;
use crate::fault::Fault;
use crate::issuer::DevIssuer;
use crate::line::Line;

/// The right answer, or what the fault makes of it.
pub(crate) async fn with_fault(issuer: &DevIssuer, line: &Line, mut right: Value) -> Response {
    let fault = issuer.fault();
    match &fault {
        Fault::Slow(time) => tokio::time::sleep((*time).min(MAX_SLOWNESS)).await,
        Fault::Empty => {
            if let Some(keys) = right.get_mut("keys") {
                *keys = json!([]);
            }
        }
        Fault::OneBroken => {
            if let Some(keys) = right.get_mut("keys").and_then(Value::as_array_mut) {
                let broken = json!({"kty": "RSA", "kid": "dev_broken", "alg": "RS256", "use": "sig", "n": "!", "e": 3});
                keys.insert(0, broken);
            }
        }
        _ => {}
    }
    let text = right.to_string();
    let cache = (
        CACHE_CONTROL,
        format!("public, max-age={}", issuer.max_age()),
    );
    let json = (CONTENT_TYPE, "application/json".to_owned());
    match fault {
        Fault::None | Fault::Slow(_) | Fault::Empty | Fault::OneBroken => {
            ([cache, json], text).into_response()
        }
        Fault::Down => {
            let mut down = error(StatusCode::SERVICE_UNAVAILABLE, "down", "down on purpose");
            down.headers_mut()
                .insert(RETRY_AFTER, axum::http::HeaderValue::from_static("1"));
            down
        }
        Fault::Garbage => {
            Html("<!doctype html><title>Sign in to the network</title><p>Sign in.").into_response()
        }
        Fault::Status(status) => {
            // An informational status is no answer; nor is one that HTTP does not know.
            let status = StatusCode::from_u16(status)
                .ok()
                .filter(|status| (200..600).contains(&status.as_u16()));
            error(
                status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                "status",
                "this status on purpose",
            )
        }
        Fault::NotFound => error(StatusCode::NOT_FOUND, "not_found", "not found on purpose"),
        Fault::Redirect(url) => match url.parse::<axum::http::HeaderValue>() {
            Ok(url) => (StatusCode::FOUND, [(LOCATION, url)]).into_response(),
            Err(_) => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "redirect",
                "the fault's URL is no header value",
            ),
        },
        Fault::Oversize => {
            let head = text.trim_end_matches('}').to_owned() + r#","padding":""#;
            let padding = std::iter::repeat_n(vec![b'a'; CHUNK], OVERSIZE / CHUNK);
            let pieces = std::iter::once(head.into_bytes())
                .chain(padding)
                .chain([br#""}"#.to_vec()]);
            ([cache, json], Body::from_stream(Pieces::at_once(pieces))).into_response()
        }
        Fault::GzipBomb => {
            ([json, (CONTENT_ENCODING, "gzip".to_owned())], gzip_bomb()).into_response()
        }
        Fault::Drip => {
            let mut bytes = text.into_bytes();
            let rest = bytes.split_off(bytes.len().min(DRIPS));
            let pieces = bytes.into_iter().map(|byte| vec![byte]).chain([rest]);
            ([cache, json], Body::from_stream(Pieces::slowly(pieces))).into_response()
        }
        Fault::Refuse => {
            line.cut();
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

/// A body in pieces, at once or one every tenth of a second.
struct Pieces {
    pieces: Box<dyn Iterator<Item = Vec<u8>> + Send>,
    pace: Option<Interval>,
}

impl Pieces {
    fn at_once(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Self {
        Self {
            pieces: Box::new(pieces),
            pace: None,
        }
    }

    fn slowly(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Self {
        Self {
            pieces: Box::new(pieces),
            pace: Some(tokio::time::interval(PACE)),
        }
    }
}

impl futures_core::Stream for Pieces {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(context));
        }
        Poll::Ready(self.pieces.next().map(Ok))
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
