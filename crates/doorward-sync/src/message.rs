//! One webhook message, as it is kept.

use std::borrow::Cow;
use std::fmt;

use doorward_core::Timestamp;
use doorward_core::webhook::MAX_BODY_BYTES;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A genuine message with the id under which its sender repeats it. `Debug` leaves the content out: it is about people.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    id: String,
    kind: String,
    payload: String,
}

/// Why something cannot be a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The id is empty, longer than 255 bytes, or holds something else than visible ASCII.
    #[error("the message's id is not 1 to 255 visible ASCII characters")]
    Id,
    /// The body is longer than 1 MiB.
    #[error("the body has {0} bytes; at most {MAX_BODY_BYTES} are taken")]
    TooLarge(usize),
    /// The body is no JSON object with a `type`.
    #[error("the body is no event: {0}")]
    Body(String),
}

impl Message {
    /// A message with the `id` its headers gave (`webhook-id`, `svix-id`) and the body as it was signed. Verify first.
    ///
    /// # Errors
    /// It is no event: see [`MessageError`].
    pub fn new(id: &str, body: &[u8]) -> Result<Self, MessageError> {
        if !is_id(id) {
            return Err(MessageError::Id);
        }
        if body.len() > MAX_BODY_BYTES {
            return Err(MessageError::TooLarge(body.len()));
        }
        let payload = std::str::from_utf8(body)
            .map_err(|_| MessageError::Body("it is not UTF-8".to_owned()))?;
        let envelope = Envelope::read(payload)?;
        Ok(Self {
            id: id.to_owned(),
            kind: envelope.kind.into_owned(),
            payload: payload.to_owned(),
        })
    }

    /// As it comes out of the store, where only messages are.
    pub(crate) fn stored(id: String, kind: String, payload: String) -> Self {
        Self { id, kind, payload }
    }

    /// The id under which the sender repeats it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The type of the event, as in `user.created`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The body, byte for byte as it was signed.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    pub(crate) fn envelope(&self) -> Result<Envelope<'_>, MessageError> {
        Envelope::read(&self.payload)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("bytes", &self.payload.len())
            .finish()
    }
}

/// What every event has. `data` keeps its text.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(default)]
    timestamp: Option<f64>,
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn read(payload: &'a str) -> Result<Self, MessageError> {
        // serde_json's messages name places and expectations; of the content they repeat at most a scalar of a wrong
        // type, so only the place is passed on.
        let envelope: Self = serde_json::from_str(payload).map_err(|error| {
            MessageError::Body(format!(
                "expected a JSON object with a `type` (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        if envelope.kind.is_empty() || envelope.kind.len() > MAX_KIND_BYTES {
            return Err(MessageError::Body(
                "`type` is not 1 to 255 bytes long".to_owned(),
            ));
        }
        if envelope.kind.contains('\0') {
            return Err(MessageError::Body("`type` holds a NUL".to_owned()));
        }
        Ok(envelope)
    }

    /// When the event happened. Documented in milliseconds, and seen in seconds: no event is older than 1973.
    pub(crate) fn happened_at(&self) -> Option<Timestamp> {
        let number = self.timestamp.filter(|number| *number > 0.0)?;
        let seconds = if number < 1e11 {
            number
        } else {
            number / 1000.0
        };
        Timestamp::from_secs_f64(seconds)
    }
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(crate) const MAX_ID_BYTES: usize = 255;
const MAX_KIND_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_event() {
        let event = br#"{"type":"user.created","data":{}}"#;
        assert!(Message::new("msg_1", event).is_ok());
        for id in ["", "a b", "a\0", "é", &"x".repeat(256)] {
            assert_eq!(Message::new(id, event), Err(MessageError::Id));
        }
        for body in [
            &b""[..],
            b"[]",
            b"{}",
            br#"{"data":{}}"#,
            br#"{"type":1,"data":{}}"#,
            br#"{"type":"","data":{}}"#,
            br#"{"type":"a\u0000","data":{}}"#,
            b"{\"type\":\"\xff\",\"data\":{}}",
            br#"{"type":"a","data":{}} x"#,
        ] {
            assert!(matches!(
                Message::new("msg_1", body),
                Err(MessageError::Body(_))
            ));
        }
        let large = vec![b' '; MAX_BODY_BYTES + 1];
        assert!(matches!(
            Message::new("msg_1", &large),
            Err(MessageError::TooLarge(_))
        ));
    }

    #[test]
    fn debug_leaves_people_out() {
        let body = br#"{"type":"user.created","data":{"email":"ada@example.com"}}"#;
        let message = Message::new("msg_1", body).unwrap();
        assert!(!format!("{message:?}").contains("ada"));
    }

    #[test]
    fn reads_seconds_and_milliseconds() {
        for number in ["1800000000", "1800000000000", "1800000000000.0"] {
            let body = format!(r#"{{"type":"a","data":{{}},"timestamp":{number}}}"#);
            let message = Message::new("m", body.as_bytes()).unwrap();
            let happened = message.envelope().unwrap().happened_at();
            assert_eq!(happened, Some(Timestamp::from_secs(1_800_000_000)));
        }
    }
}
