//! One webhook message, as it is kept.

use std::fmt;

use doorward_core::webhook::{MAX_BODY_BYTES, MAX_ID_BYTES, WebhookEvent};

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
    /// The body is no JSON object with a `type`: see [`WebhookEvent::read`].
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
        Ok(Self {
            id: id.to_owned(),
            kind: read(payload)?.kind().to_owned(),
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

    /// What it says.
    ///
    /// # Errors
    /// [`MessageError::Body`], if somebody else put it into the store.
    pub fn event(&self) -> Result<WebhookEvent<'_>, MessageError> {
        read(&self.payload)
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

fn read(payload: &str) -> Result<WebhookEvent<'_>, MessageError> {
    WebhookEvent::read(payload.as_bytes())
        .map_err(|rejection| MessageError::Body(rejection.detail().to_owned()))
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

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
}
