//! What a webhook's body says, as far as all events are alike: a JSON object with a `type`, and mostly with a `timestamp`
//! and `data` (Standard Webhooks, "Event payload").
//!
//! Users write parts of an event themselves, their metadata for example, and no part may hide another. So members are
//! found without recursion, and one that cannot be read (nested deeper than 127 levels, a number beyond a double, half a
//! surrogate pair) reads as null. Of several members with one name the last counts, as with most readers (RFC 8259 §4).

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::timestamp::Timestamp;
use crate::webhook_rejection::{WebhookReason, WebhookRejection};

/// An event, borrowed from a body that was verified before. `Debug` leaves the content out: it is about people.
#[derive(Clone)]
pub struct WebhookEvent<'b> {
    kind: Cow<'b, str>,
    members: Members<'b>,
}

impl<'b> WebhookEvent<'b> {
    /// Reads a verified body.
    ///
    /// # Errors
    /// `payload_malformed`: it is no JSON object in UTF-8, or it has no `type` of 1 to [`MAX_TYPE_BYTES`] bytes.
    pub fn read(body: &'b [u8]) -> Result<Self, WebhookRejection> {
        // serde's own words may quote the body, so only the place is passed on.
        let members: Members<'b> = serde_json::from_slice(body).map_err(|error| {
            let what = if error.is_data() {
                "a JSON object"
            } else {
                "JSON"
            };
            let (line, column) = (error.line(), error.column());
            malformed(format!(
                "the body is not {what} (line {line}, column {column})"
            ))
        })?;
        let kind = match members.find("type").map(read::<Text<'b>>) {
            Some(Some(Text(kind))) => kind,
            Some(None) => return Err(malformed("the event's `type` is not a string")),
            None => return Err(malformed("the event has no `type`")),
        };
        if kind.is_empty() {
            return Err(malformed("the event's `type` is empty"));
        }
        if kind.len() > MAX_TYPE_BYTES {
            return Err(malformed(format!(
                "the event's `type` has {} bytes, more than {MAX_TYPE_BYTES}",
                kind.len()
            )));
        }
        if kind.contains('\0') {
            return Err(malformed("the event's `type` holds a NUL"));
        }
        Ok(Self { kind, members })
    }

    /// The event's type, as in `user.created`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// When it happened: milliseconds, or seconds where the number is that small (no event is older than 1973), or a text
    /// as RFC 3339 has it. `None` for anything else.
    pub fn happened_at(&self) -> Option<Timestamp> {
        let timestamp = self.members.find("timestamp")?;
        if let Some(Text(text)) = read(timestamp) {
            return Timestamp::from_rfc3339(&text);
        }
        let number = read::<f64>(timestamp).filter(|number| *number > 0.0)?;
        let seconds = if number < 1e11 {
            number
        } else {
            number / 1000.0
        };
        Timestamp::from_secs_f64(seconds)
    }

    /// What the event is about, as it was sent.
    pub fn data(&self) -> Option<&'b RawValue> {
        self.members.find("data")
    }

    /// The members.
    pub fn members(&self) -> &Members<'b> {
        &self.members
    }

    /// The whole event. What cannot be read is null: a member of `data`, or of the event.
    pub fn to_object(&self) -> Map<String, Value> {
        let value = |(name, value): (&str, &RawValue)| {
            let value = match Members::of(value).filter(|_| name == "data") {
                Some(members) => Value::Object(members.to_object()),
                None => read(value).unwrap_or_default(),
            };
            (name.to_owned(), value)
        };
        self.members.iter().map(value).collect()
    }
}

impl fmt::Debug for WebhookEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEvent")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The members of an object, each value as its text.
#[derive(Clone)]
pub struct Members<'b>(Vec<(Cow<'b, str>, &'b RawValue)>);

impl<'b> Members<'b> {
    /// Those of a value, if it is an object.
    pub fn of(value: &'b RawValue) -> Option<Self> {
        read(value)
    }

    /// The last one of this name.
    pub fn find(&self, name: &str) -> Option<&'b RawValue> {
        let mut members = self.0.iter().rev();
        let (_, value) = members.find(|(own, _)| own == name)?;
        Some(value)
    }

    /// All of them, as they stand there.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'b RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// Their values. What cannot be read is null.
    pub fn to_object(&self) -> Map<String, Value> {
        let value =
            |(name, value): (&str, &RawValue)| (name.to_owned(), read(value).unwrap_or_default());
        self.iter().map(value).collect()
    }
}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(8);
        while let Some((Text(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// A text, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

fn read<'b, T: Deserialize<'b>>(value: &'b RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

fn malformed(detail: impl Into<Cow<'static, str>>) -> WebhookRejection {
    WebhookRejection::new(WebhookReason::PayloadMalformed).with_detail(detail)
}

/// The longest type of an event.
pub const MAX_TYPE_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_hides_nothing_else() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(
            r#"{{"x":{deep},"type":"user.updated","data":{{"id":"user_1","deep":{deep},"half":"\ud800","huge":1e999}}}}"#
        );
        let event = WebhookEvent::read(body.as_bytes()).unwrap();
        let expected = serde_json::json!({
            "x": null, "type": "user.updated",
            "data": { "id": "user_1", "deep": null, "half": null, "huge": null },
        });
        assert_eq!(Value::Object(event.to_object()), expected);
    }

    #[test]
    fn shows_nobodys_data() {
        let body = br#"{"type":"user.created","data":{"email":"ada@example.com"}}"#;
        let event = WebhookEvent::read(body).unwrap();
        assert!(!format!("{event:?} {:?}", event.members()).contains("ada"));
    }
}
