//! An answer of the Backend API, as it arrived.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use serde_json::Value;

/// An answer: status, header fields and body. Nothing of it is thrown away and nothing of it is judged.
#[derive(Clone)]
pub struct Response {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Response {
    pub(crate) fn new(status: u16, headers: HeaderMap, body: Bytes) -> Self {
        Self {
            status,
            headers,
            body,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A header field, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON. An empty body (204) is null; what is not UTF-8 is replaced, and so is half of a surrogate pair.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        let body = self.body.trim_ascii();
        // RFC 8259 §8.1: a byte order mark may be ignored.
        match body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body) {
            [] => Ok(Value::Null),
            body => serde_json::from_slice(body).or_else(|error| {
                // One name that was cut in the middle of a letter is no reason to lose a list of people.
                let text = whole_letters(&String::from_utf8_lossy(body));
                serde_json::from_str(&text).map_err(|_| error)
            }),
        }
    }

    /// By what Clerk's support finds the request: `clerk_trace_id` of an error, or the `cf-ray` of the edge.
    pub fn trace_id(&self) -> Option<String> {
        let of_error = || match self.is_success() {
            true => None,
            false => {
                let body = self.json().ok()?;
                Some(body.get("clerk_trace_id")?.as_str()?.to_owned())
            }
        };
        let trace = of_error().or_else(|| Some(self.header("cf-ray")?.to_owned()))?;
        // It goes into messages and logs.
        let plain = trace.len() <= 128 && trace.chars().all(|letter| letter.is_ascii_graphic());
        plain.then_some(trace)
    }

    /// How long to wait before the next request (RFC 9110 §10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let then = httpdate::parse_http_date(text).ok()?;
        // By the clock of whoever named the moment, if it is told; ours may be another.
        let told = self.header(DATE.as_str());
        let now = told.and_then(|text| httpdate::parse_http_date(text).ok());
        let now = now.unwrap_or_else(SystemTime::now);
        Some(then.duration_since(now).unwrap_or(Duration::ZERO))
    }
}

/// JSON's text with U+FFFD for each half of a surrogate pair that stands alone, as JavaScript writes a string that was cut
/// there (RFC 8259 §8.2).
fn whole_letters(json: &str) -> String {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let mut whole = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        whole += before;
        let next = escape.get(6..).and_then(unit);
        let taken = match unit(escape) {
            Some(0xd800..=0xdbff) if matches!(next, Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                whole.push('\u{fffd}');
                rest = &escape[6..];
                continue;
            }
            Some(_) => 6,
            None => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        whole += &escape[..taken];
        rest = &escape[taken..];
    }
    whole + rest
}

/// Its size, not its text: people are in it.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, header: (&'static str, &str), body: &'static str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header.0, header.1.parse().unwrap());
        Response::new(status, headers, Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |text| response(429, ("retry-after", text), "").retry_after();
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        let far = wait("Fri, 31 Dec 9999 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_secs(1 << 30));
        for none in ["", "soon", "-1", "1e9", "99999999999999999999"] {
            assert_eq!(wait(none), None, "{none}");
        }
        let mut another = response(429, ("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT"), "");
        let date = "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap();
        another.headers.insert(DATE, date);
        assert_eq!(another.retry_after(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn the_trace_is_the_errors_or_the_edges() {
        let of = |body| response(422, ("cf-ray", "ray-1"), body).trace_id();
        assert_eq!(of(r#"{"clerk_trace_id":"t1"}"#).as_deref(), Some("t1"));
        assert_eq!(of("<html>").as_deref(), Some("ray-1"));
        assert_eq!(of(r#"{"clerk_trace_id":"a\nb"}"#), None);
        let success = response(200, ("cf-ray", "ray-1"), r#"{"clerk_trace_id":"x"}"#);
        assert_eq!(success.trace_id().as_deref(), Some("ray-1"));
    }

    #[test]
    fn an_empty_body_is_null() {
        assert_eq!(
            response(204, ("a", "b"), " \n").json().unwrap(),
            Value::Null
        );
        assert!(response(200, ("a", "b"), "<html>").json().is_err());
        assert_eq!(
            response(200, ("a", "b"), "\u{feff}").json().unwrap(),
            Value::Null
        );
    }

    #[test]
    fn what_is_not_utf8_loses_a_letter_and_not_the_answer() {
        let body = Bytes::from_static(b"\xef\xbb\xbf[{\"first_name\":\"Ren\xe9\"}]");
        let answer = Response::new(200, HeaderMap::new(), body).json().unwrap();
        assert_eq!(answer[0]["first_name"], "Ren\u{fffd}");
        let body = br#"{"a\ud83d":"x\ud83d","b":"\udeaa\ud83d","c":"\ud83d\udeaa\\ud83d\n\u00e4","d":"\ud83d\n"}"#;
        let answer = Response::new(200, HeaderMap::new(), Bytes::from_static(body));
        let expected = serde_json::json!({
            "a\u{fffd}": "x\u{fffd}", "b": "\u{fffd}\u{fffd}", "c": "\u{1f6aa}\\ud83d\nä", "d": "\u{fffd}\n",
        });
        assert_eq!(answer.json().unwrap(), expected);
        for broken in [
            "\"\\",
            "\"\\u",
            "\"\\ud83",
            "\"\\ud83d",
            "\\ä",
            "\"\\uä\"",
            "\\",
        ] {
            let body = Bytes::from_static(broken.as_bytes());
            assert!(Response::new(200, HeaderMap::new(), body).json().is_err());
        }
        let neither = Response::new(200, HeaderMap::new(), Bytes::from_static(b"\xff\xfe{"));
        assert!(neither.json().is_err());
    }
}
