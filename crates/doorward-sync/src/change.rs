//! What an event says about one of the provider's objects.
//!
//! Read leniently: a member that is missing or of another type is unknown, for providers send what their documents do
//! not foresee. Only the id has to be there.

use doorward_core::Timestamp;
use doorward_core::webhook::Members;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::message::Message;
use crate::tables::Resource;

/// One object as the provider described it, or that it is gone.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) resource: Resource,
    pub(crate) provider_id: String,
    /// The description, unless all that is known is that it is gone.
    pub(crate) object: Option<Object>,
    /// When it was deleted.
    pub(crate) deleted_at: Option<i64>,
    pub(crate) event_at: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// When the provider changed it: what orders the descriptions.
    pub(crate) updated_at: i64,
    pub(crate) members: Json,
    /// The object's own text, as it was sent.
    pub(crate) payload: String,
}

impl Change {
    /// `None` for an event that is about none of these tables.
    pub(crate) fn of_event(
        message: &Message,
        received_at: Timestamp,
    ) -> Result<Option<Self>, String> {
        let Some((noun, verb)) = message.kind().rsplit_once('.') else {
            return Ok(None);
        };
        let Some(resource) = Resource::of_events(noun) else {
            return Ok(None);
        };
        let event = message.event().map_err(|error| error.to_string())?;
        let event_at = event.happened_at().unwrap_or(received_at).as_millis();
        // A session that is over never comes back, whatever it is called.
        let gone = matches!(verb, "deleted" | "ended" | "removed" | "revoked");
        let data = event.data().ok_or("data: it is missing")?;
        let mut change = Self::of_object(resource, data, event_at)?;
        change.deleted_at = gone.then_some(event_at);
        // A deleted object is `{"deleted": true, "id": …}`, except that of a membership, which is whole.
        if gone
            && change.object.as_ref().is_some_and(|object| {
                object.members.get("deleted").is_some()
                    || object.members.get("created_at").is_none()
            })
        {
            change.object = None;
        }
        Ok(Some(change))
    }

    /// Both of these about one object: the newer description, the earlier deletion.
    pub(crate) fn merged_with(self, other: Self) -> Self {
        let deleted_at = match (self.deleted_at, other.deleted_at) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        let version = |change: &Self| {
            let object = change.object.as_ref();
            object.map(|object| (object.updated_at, change.event_at))
        };
        let newer = if version(&other) > version(&self) {
            other
        } else {
            self
        };
        Self {
            deleted_at,
            ..newer
        }
    }

    /// An object as the Backend API lists it or an event carries it.
    pub(crate) fn of_object(
        resource: Resource,
        data: &RawValue,
        event_at: i64,
    ) -> Result<Self, String> {
        // A member that cannot be read is left out of the columns, and stays in the payload.
        let members = Members::of(data).ok_or("data: expected an object")?;
        let members = Json::Object(members.to_object());
        let provider_id = members
            .get("id")
            .and_then(Json::as_str)
            .ok_or("data.id: expected a string")?;
        if provider_id.is_empty() || provider_id.len() > MAX_ID_BYTES || provider_id.contains('\0')
        {
            return Err("data.id: expected 1 to 255 bytes".to_owned());
        }
        let updated_at = millis(&members, "updated_at")
            .or_else(|| millis(&members, "created_at"))
            .unwrap_or(event_at);
        Ok(Self {
            resource,
            provider_id: provider_id.to_owned(),
            deleted_at: None,
            event_at,
            object: Some(Object {
                updated_at,
                payload: data.get().to_owned(),
                members,
            }),
        })
    }
}

/// A point in time, in milliseconds; some come with a fraction of nought. One that is none, beyond the year 9999 for
/// example, would stand above every later one.
pub(crate) fn millis(members: &Json, name: &str) -> Option<i64> {
    let number = members.get(name)?.as_f64()?;
    (0.0..=LAST_MILLIS)
        .contains(&number)
        .then_some(number as i64)
}

/// A text that any database can hold.
pub(crate) fn text(members: &Json, path: &[&str]) -> Option<String> {
    let text = path
        .iter()
        .try_fold(members, |at, name| at.get(name))?
        .as_str()?;
    // PostgreSQL's text knows no NUL.
    Some(text.replace('\0', "\u{fffd}"))
}

/// As [`text`], for a reference to another object.
pub(crate) fn reference(members: &Json, path: &[&str]) -> Option<String> {
    text(members, path).filter(|id| id.len() <= MAX_ID_BYTES)
}

const LAST_MILLIS: f64 = Timestamp::LAST.as_millis() as f64;

/// The longest id that a column holds.
const MAX_ID_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_into_their_metadata_hides_nothing_else() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let text = format!(r#"{{"id":"user_1","updated_at":7,"unsafe_metadata":{deep}}}"#);
        let data: Box<RawValue> = RawValue::from_string(text.clone()).unwrap();
        let change = Change::of_object(Resource::Users, &data, 1).unwrap();
        let object = change.object.unwrap();
        assert_eq!(
            (change.provider_id.as_str(), object.updated_at),
            ("user_1", 7)
        );
        assert_eq!(object.payload, text);
        for wrong in ["[]", "null", "7", "{}", r#"{"id":""}"#, r#"{"id":7}"#] {
            let data = RawValue::from_string(wrong.to_owned()).unwrap();
            assert!(
                Change::of_object(Resource::Users, &data, 1).is_err(),
                "{wrong}"
            );
        }
    }
}
