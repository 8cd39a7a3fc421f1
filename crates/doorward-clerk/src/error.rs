//! What can go wrong with a call to the Backend API.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::call::ArgumentError;
use crate::response::Response;

/// Why a call has no answer that can be used.
///
/// `Display` has the operation, the status, and the API's codes and words; nothing of the request but its path's shape.
#[derive(Debug)]
pub struct ApiError(Box<Failure>);

#[derive(Debug)]
struct Failure {
    kind: ErrorKind,
    /// How the request is called, without ids: `PATCH /users/{user_id}`.
    request: String,
    why: String,
    details: Vec<ErrorDetail>,
    retry_after: Option<Duration>,
    attempts: u32,
    /// Whether one of the attempts before the last may have arrived.
    arrived: bool,
    response: Option<Response>,
    argument: Option<ArgumentError>,
}

/// The kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The arguments make no request, or no key for it was configured. Nothing was sent.
    Arguments,
    /// The API answered with a status that is not 2xx.
    Refused,
    /// There was no connection, so nothing was sent this time; see [`ApiError::may_have_arrived`] of the times before.
    Unreachable,
    /// The connection broke after the request was sent, wholly or in part: it may have taken effect.
    Interrupted,
    /// The deadline passed. If [`ApiError::may_have_arrived`], it may have taken effect.
    TimedOut,
    /// Our own limit of requests, learned from a 429, leaves no room before the deadline. Nothing was sent.
    Throttled,
    /// The answer is a success and cannot be read: it is not JSON, or too long. The request took effect.
    Unreadable,
}

impl ErrorKind {
    /// As metrics and Python call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arguments => "arguments",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed_out",
            Self::Throttled => "throttled",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One entry of the API's list of errors (<https://clerk.com/docs/errors/overview>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorDetail {
    /// Its stable code, `form_identifier_exists`.
    pub code: String,
    /// What it says.
    pub message: String,
    /// What it says at length.
    pub long_message: Option<String>,
    /// The field it is about.
    pub param_name: Option<String>,
    /// What else it says about itself.
    pub meta: Option<Value>,
}

impl ApiError {
    /// The kind of trouble.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.response.as_ref().map(|response| response.status())
    }

    /// The first error's code, `form_identifier_exists`.
    pub fn code(&self) -> Option<&str> {
        self.0.details.first().map(|detail| detail.code.as_str())
    }

    /// Whether one of the errors has this code.
    pub fn has_code(&self, code: &str) -> bool {
        self.0.details.iter().any(|detail| detail.code == code)
    }

    /// The API's list of errors; empty if its answer was something else.
    pub fn errors(&self) -> &[ErrorDetail] {
        &self.0.details
    }

    /// By what Clerk's support finds the request: `clerk_trace_id`, or the `cf-ray` of the edge.
    pub fn trace_id(&self) -> Option<String> {
        self.0.response.as_ref()?.trace_id()
    }

    /// How long to wait, if the answer said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many times it was tried.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the request may have taken effect although it failed: by this attempt or by one before it. A DELETE that
    /// is sent again after the connection broke may well find nothing, because the first was heard.
    pub fn may_have_arrived(&self) -> bool {
        if self.0.arrived {
            return true;
        }
        match self.0.kind {
            ErrorKind::Interrupted | ErrorKind::Unreadable => true,
            ErrorKind::TimedOut => self.0.attempts > 0,
            // RFC 9110 §15.6.2: 501 is of a server that cannot do this at all.
            ErrorKind::Refused => self
                .status()
                .is_some_and(|status| status >= 500 && status != 501),
            ErrorKind::Arguments | ErrorKind::Unreachable | ErrorKind::Throttled => false,
        }
    }

    /// The answer itself.
    pub fn response(&self) -> Option<&Response> {
        self.0.response.as_ref()
    }

    /// What was wrong with the arguments.
    pub fn argument(&self) -> Option<&ArgumentError> {
        self.0.argument.as_ref()
    }

    pub(crate) fn new(kind: ErrorKind, request: String, why: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            kind,
            request,
            why: why.into(),
            details: Vec::new(),
            retry_after: None,
            attempts: 0,
            arrived: false,
            response: None,
            argument: None,
        }))
    }

    pub(crate) fn refused(request: String, response: Response) -> Self {
        let body = response.json().unwrap_or_default();
        let errors = body.get("errors").and_then(Value::as_array);
        let details = errors
            .into_iter()
            .flatten()
            .filter(|detail| detail.is_object());
        let details = details.map(ErrorDetail::read);
        let mut error = Self::new(ErrorKind::Refused, request, "");
        error.0.details = details.take(MOST_DETAILS).collect();
        error.0.retry_after = response.retry_after();
        error.0.response = Some(response);
        error
    }

    pub(crate) fn unreadable(request: String, why: impl Into<String>, response: Response) -> Self {
        let mut error = Self::new(ErrorKind::Unreadable, request, why);
        error.0.response = Some(response);
        error
    }

    pub(crate) fn with_attempts(mut self, attempts: u32, arrived: bool) -> Self {
        self.0.attempts = attempts;
        self.0.arrived = arrived;
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }
}

impl From<ArgumentError> for ApiError {
    fn from(argument: ArgumentError) -> Self {
        let mut error = Self::new(ErrorKind::Arguments, String::new(), argument.to_string());
        error.0.argument = Some(argument);
        error
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.request.is_empty() {
            write!(f, "{}: ", self.0.request)?;
        }
        if let Some(status) = self.status() {
            write!(f, "answered {status}")?;
            if !self.0.why.is_empty() {
                f.write_str(": ")?;
            }
        }
        f.write_str(&self.0.why)?;
        let separators = std::iter::once(": ").chain(std::iter::repeat("; "));
        for (detail, separator) in self.0.details.iter().zip(separators).take(MOST_SHOWN) {
            f.write_str(separator)?;
            f.write_str(&shown(&detail.code))?;
            if let Some(name) = &detail.param_name {
                write!(f, " ({})", shown(name))?;
            }
            let words = detail.long_message.as_ref().unwrap_or(&detail.message);
            if !words.is_empty() {
                write!(f, ": {}", shown(words))?;
            }
        }
        if let Some(more @ 1..) = self.0.details.len().checked_sub(MOST_SHOWN) {
            write!(f, "; and {more} more")?;
        }
        if let Some(trace) = self.trace_id() {
            write!(f, " [trace {trace}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.argument.as_ref().map(|error| error as _)
    }
}

impl ErrorDetail {
    fn read(value: &Value) -> Self {
        let text = |value: &Value, name: &str| {
            let text = value.get(name).and_then(Value::as_str);
            text.map(str::to_owned)
        };
        let meta = value.get("meta").filter(|meta| !meta.is_null());
        Self {
            code: text(value, "code").unwrap_or_default(),
            message: text(value, "message").unwrap_or_default(),
            long_message: text(value, "long_message"),
            param_name: meta.and_then(|meta| text(meta, "param_name")),
            meta: meta.cloned(),
        }
    }
}

/// What the API said, as it goes into one line of a log: people's names may be in it, and whatever they put in those.
pub(crate) fn shown(text: &str) -> String {
    let plain = |letter: char| match letter.is_control() {
        true => '\u{fffd}',
        false => letter,
    };
    let mut letters = text.chars().map(plain);
    let mut shown: String = letters.by_ref().take(LONGEST_SHOWN).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// How many errors `Display` has, and how much of each text.
const MOST_SHOWN: usize = 10;
const LONGEST_SHOWN: usize = 300;
/// An answer's list of errors is read this far.
const MOST_DETAILS: usize = 100;

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    fn refused(status: u16, body: impl Into<Vec<u8>>) -> ApiError {
        let response = Response::new(status, HeaderMap::new(), body.into().into());
        ApiError::refused("GET /users".to_owned(), response)
    }

    #[test]
    fn an_error_is_one_line_of_bounded_length() {
        let error = |text: &str| {
            let one = serde_json::json!({
                "code": text, "message": text, "long_message": text,
                "meta": {"param_name": text},
            });
            let many = vec![one; 5000];
            refused(422, serde_json::json!({ "errors": many }).to_string())
        };
        let injected = error("x\n2026-01-01 INFO all is well\u{1b}[2J");
        assert_eq!(injected.errors().len(), MOST_DETAILS);
        let line = injected.to_string();
        assert!(line.ends_with("; and 90 more"), "{line}");
        assert!(!line.contains(char::is_control), "{line}");
        let long = error(&"ä".repeat(5000)).to_string();
        assert!(long.chars().count() < 3 * MOST_SHOWN * (LONGEST_SHOWN + 10));
    }

    proptest! {
        /// Whatever an error's body is, it is an error, its answer is kept, and it can be shown.
        #[test]
        fn no_error_is_lost(status in 300_u16..600, body in bodies()) {
            let error = refused(status, body.clone());
            prop_assert_eq!(error.status(), Some(status));
            prop_assert_eq!(error.response().unwrap().bytes(), body.as_slice());
            prop_assert!(!error.to_string().contains(char::is_control));
            prop_assert!(error.errors().len() <= MOST_DETAILS);
            let list = crate::List::read(None, error.response().unwrap().json().unwrap_or_default());
            let debug = format!("{error:?} {list:?}");
            prop_assert!(!debug.is_empty());
        }
    }

    /// Lists of errors with a field or two of another type, and what is none.
    fn bodies() -> impl Strategy<Value = Vec<u8>> {
        let value = prop_oneof![
            Just(r#""x\n""#),
            Just("7"),
            Just("null"),
            Just("[]"),
            Just("{}"),
            Just(r#"{"param_name": 1}"#),
            Just(r#"{"param_name": "\u0007"}"#),
            Just(r#""\ud83d""#),
        ];
        let field = (
            prop::sample::select(vec!["code", "message", "long_message", "meta", "other"]),
            value.clone(),
        );
        let entry = prop::collection::vec(field, 0..5).prop_map(|fields| {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{name:?}:{value}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        });
        let entry = prop_oneof![4 => entry, 1 => value.prop_map(str::to_owned)];
        let list = prop::collection::vec(entry, 0..5)
            .prop_map(|entries| format!(r#"{{"errors":[{}]}}"#, entries.join(",")).into_bytes());
        let cut = (list.clone(), any::<prop::sample::Index>())
            .prop_map(|(text, at)| text[..at.index(text.len())].to_vec());
        prop_oneof![4 => list, 1 => cut, 1 => prop::collection::vec(any::<u8>(), 0..64)]
    }
}
