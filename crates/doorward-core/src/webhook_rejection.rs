//! The closed table of a webhook's refusals, and one refusal with its two messages: the code for the sender, the detail
//! and the hint for the operator.

use std::borrow::Cow;
use std::fmt;

/// Declares every reason once. Python's `WebhookReason` and `docs/rejections.md` follow from it.
macro_rules! reasons {
    ($($name:ident = $code:literal, $status:literal, $summary:literal, $hint:literal;)+) => {
        /// Why a webhook was refused. Closed on purpose inside this crate; new reasons may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum WebhookReason { $(#[doc = $summary] $name,)+ }

        impl WebhookReason {
            /// Every reason, in the order of the table, which is the order of the checks.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code, snake_case.
            pub const fn code(self) -> &'static str { match self { $(Self::$name => $code,)+ } }

            /// The HTTP status it becomes: 400, or 413 for what is too large. To the sender both mean: not delivered.
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)+ } }

            /// One sentence that is safe to show to the sender.
            pub const fn summary(self) -> &'static str { match self { $(Self::$name => $summary,)+ } }

            /// How the operator mends it.
            pub const fn hint(self) -> &'static str { match self { $(Self::$name => $hint,)+ } }
        }
    };
}

reasons! {
    BodyTooLarge = "body_too_large", 413,
        "The body is larger than this endpoint reads.",
        "Have the sender leave out what is large; no provider's events come near the limit.";
    BodyUnreadable = "body_unreadable", 400,
        "The body broke off or could not be read.",
        "The connection failed, or something in front of this endpoint cut the request short; the sender will retry.";
    HeadersMissing = "headers_missing", 400,
        "A header of the signature is missing.",
        "A webhook has `webhook-id`, `webhook-timestamp` and `webhook-signature`, or the same with `svix-`. If they were sent, look for a proxy that drops them.";
    HeadersRepeated = "headers_repeated", 400,
        "A header of the signature is there more than once.",
        "Look for a proxy that adds headers. Which of two would count differs between servers, so neither does.";
    HeadersConflict = "headers_conflict", 400,
        "The `webhook-` headers and the `svix-` headers say different things.",
        "A sender that sends both families gives them the same values; look for something in between that adds one.";
    IdMalformed = "id_malformed", 400,
        "The message's id is not one.",
        "An id is 1 to 255 visible ASCII characters without `.` and `,`. A comma means that two headers were joined on the way.";
    TimestampMalformed = "timestamp_malformed", 400,
        "The timestamp is not a whole number of seconds since 1970.",
        "Timestamps are seconds, in decimal digits alone: no milliseconds, no sign, no fraction, no leading zero.";
    TimestampTooOld = "timestamp_too_old", 400,
        "The message was signed too long ago.",
        "Either it is a replay, or this machine's clock is ahead. A provider signs each attempt anew, so a late retry has a fresh timestamp.";
    TimestampTooNew = "timestamp_too_new", 400,
        "The message was signed in the future.",
        "Compare this machine's clock with the world's; it is behind.";
    SignaturesMalformed = "signatures_malformed", 400,
        "The list of signatures holds none that can be read, or too many.",
        "The header is a list separated by spaces, each entry `v1,` or `v1a,` and padded base64; at most 32 entries and 8 KiB.";
    SignatureMismatch = "signature_mismatch", 400,
        "No signature in the list verifies.",
        "Use the signing secret of this very endpoint (each has its own; development and production differ), and verify the body as it arrived, before anything parses or re-encodes it.";
    PayloadMalformed = "payload_malformed", 400,
        "The message is genuine, and its body is not what this endpoint reads.",
        "The signature verified. An event is a JSON object with a `type` of 1 to 255 bytes; check which provider and which events are sent to this endpoint.";
}

impl WebhookReason {
    /// Reads a code back.
    pub fn from_code(code: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|reason| reason.code() == code)
    }
}

impl fmt::Display for WebhookReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One refusal of one webhook.
///
/// What the sender gets is [`WebhookRejection::status`] and [`WebhookRejection::body`]. The rest is for the operator's
/// log: it may say what was expected and what was found, but never a secret or a signature.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRejection {
    reason: WebhookReason,
    detail: Cow<'static, str>,
}

impl WebhookRejection {
    /// A refusal for `reason`.
    pub const fn new(reason: WebhookReason) -> Self {
        Self {
            reason,
            detail: Cow::Borrowed(""),
        }
    }

    /// Says what was expected and what was found. For logs; the sender does not see it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Why.
    pub fn reason(&self) -> WebhookReason {
        self.reason
    }

    /// The HTTP status, 400 or 413.
    pub fn status(&self) -> u16 {
        self.reason.status()
    }

    /// What was expected and what was found; empty if the reason says it all.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// How to mend it.
    pub fn hint(&self) -> &'static str {
        self.reason.hint()
    }

    /// The response's header fields besides the body's own.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("cache-control", "no-store".to_owned())]
    }

    /// The media type of [`WebhookRejection::body`].
    pub fn content_type(&self) -> &'static str {
        "application/json"
    }

    /// The JSON body: `{"detail": "<code>"}`.
    pub fn body(&self) -> String {
        format!(r#"{{"detail":"{}"}}"#, self.reason)
    }
}

impl From<WebhookReason> for WebhookRejection {
    fn from(reason: WebhookReason) -> Self {
        Self::new(reason)
    }
}

impl fmt::Debug for WebhookRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRejection")
            .field("reason", &self.reason)
            .field("detail", &self.detail)
            .finish()
    }
}

impl fmt::Display for WebhookRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            "" => write!(f, "{}", self.reason),
            detail => write!(f, "{}: {detail}", self.reason),
        }
    }
}

impl std::error::Error for WebhookRejection {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Reason;

    #[test]
    fn the_table_is_consistent() {
        for reason in WebhookReason::ALL.iter().copied() {
            let code = reason.code();
            assert_eq!(WebhookReason::from_code(code), Some(reason));
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            // In one log both kinds of refusals stand side by side.
            assert_eq!(Reason::from_code(code), None, "{code} means two things");
            assert!(matches!(reason.status(), 400 | 413), "{code}");
            assert!(reason.summary().ends_with('.') && reason.hint().ends_with('.'));
        }
    }

    #[test]
    fn the_sender_sees_the_code_and_no_more() {
        let rejection = WebhookRejection::new(WebhookReason::TimestampTooOld).with_detail("by 3 s");
        assert_eq!(rejection.body(), r#"{"detail":"timestamp_too_old"}"#);
        assert_eq!(rejection.to_string(), "timestamp_too_old: by 3 s");
    }
}
