//! What an operation works with: the store, the issuer, the time, and the events that it causes.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::backend_api::api_keys;
use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::shape;
use crate::backend_api::store::{Family, Object, Store, id_of};
use crate::issuer::DevIssuer;
use crate::keys::KeyError;
use crate::mint::Kind;
use crate::revocation::Revocation;
use crate::webhooks;

pub(super) struct World<'s> {
    pub(super) store: &'s mut Store,
    pub(super) issuer: &'s DevIssuer,
    /// The moment of this operation, in milliseconds: later than every change before it.
    pub(super) now: i64,
    /// What happened, for webhooks.
    pub(super) events: Vec<Value>,
    /// What is revoked as soon as the change is kept.
    pub(super) revoked: Vec<Revocation>,
    /// What was issued: nobody has it if the change is not kept.
    pub(super) issued: Vec<(Kind, String)>,
}

impl<'s> World<'s> {
    pub(super) fn new(store: &'s mut Store, issuer: &'s DevIssuer) -> Self {
        let now = store.moment(issuer.now().saturating_mul(1000));
        Self::at(store, issuer, now)
    }

    /// For an operation that changes nothing. However many there are, the moments stay with the clock.
    pub(super) fn to_look(store: &'s mut Store, issuer: &'s DevIssuer) -> Self {
        let now = store.moment_to_look(issuer.now().saturating_mul(1000));
        Self::at(store, issuer, now)
    }

    fn at(store: &'s mut Store, issuer: &'s DevIssuer, now: i64) -> Self {
        Self {
            store,
            issuer,
            now,
            events: Vec::new(),
            revoked: Vec::new(),
            issued: Vec::new(),
        }
    }

    /// The object with this id, to read or to change; 404 if there is none. `what` names the kind.
    pub(super) fn object(&self, family: Family, what: &str, id: &str) -> Result<Object, Problem> {
        let found = self.store.find(family, id);
        let found = found.ok_or_else(|| Problem::not_found(what, id))?;
        Ok(found.into_owned())
    }

    /// A new object of this type of the table, with an id that begins so.
    pub(super) fn blank(
        &self,
        call: &Call,
        family: Family,
        of: &str,
        prefix: &str,
    ) -> Result<Object, Problem> {
        let mut object = shape::blank(of, self.now);
        let taken = |id: &str| self.store.find(family, id).is_some();
        let id = match wanted_id(call, prefix, taken)? {
            Some(id) => id,
            None => new_id(prefix)?,
        };
        object.insert("id".to_owned(), json!(id));
        if object.contains_key("instance_id") {
            object.insert("instance_id".to_owned(), json!(webhooks::INSTANCE));
        }
        Ok(object)
    }

    /// Holds a new object. Of what passes by itself, the oldest makes room.
    pub(super) fn add(&mut self, family: Family, object: &Object) -> Result<(), Problem> {
        if self.store.held_count(family) >= MAX_OBJECTS {
            if PASSING.contains(&family) {
                let oldest = self.store.held(family).next().map(id_of);
                self.store.remove(family, &oldest.unwrap_or_default());
                self.store.put(family, object.clone());
                return Ok(());
            }
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "quota_exceeded",
                "quota exceeded",
                format!("The local issuer holds {MAX_OBJECTS} objects of a kind at most."),
            ));
        }
        self.store.put(family, object.clone());
        Ok(())
    }

    /// Holds a changed object.
    pub(super) fn change(&mut self, family: Family, object: &mut Object) {
        object.insert("updated_at".to_owned(), json!(self.now));
        self.store.put(family, object.clone());
    }

    /// Removes an object, and what Clerk answers to that.
    pub(super) fn delete(&mut self, family: Family, object: &Object, kind: &str) -> Value {
        let id = id_of(object);
        self.store.remove(family, &id);
        let mut deleted = json!({ "object": kind, "id": id, "deleted": true });
        for name in ["slug", "external_id"] {
            if let Some(Value::String(text)) = object.get(name) {
                deleted[name] = json!(text);
            }
        }
        deleted
    }

    /// Something happened to an object of this type of the table.
    pub(super) fn tell(&mut self, kind: &str, of: &str, object: &Object) {
        self.tell_plainly(kind, &shape::shown(of, object));
    }

    /// Something happened, and this is its data.
    pub(super) fn tell_plainly(&mut self, kind: &str, data: &Value) {
        self.events.push(json!({
            "object": "event",
            "type": kind,
            "instance_id": webhooks::INSTANCE,
            "timestamp": self.now,
            "event_attributes": {
                "http_request": { "client_ip": "127.0.0.1", "user_agent": "doorward-issuer" },
            },
            "data": data,
        }));
    }

    /// Revokes tokens, for those who ask the issuer about them, and for good.
    pub(super) fn revoke(&mut self, what: Revocation) {
        api_keys::revoke_stored(self.store, &what, None, self.now);
        self.revoked.push(what);
    }

    /// Undoes all that was done.
    pub(super) fn undo(&mut self) {
        self.store.rollback();
        for (kind, id) in self.issued.drain(..) {
            self.issuer.tokens().forget(kind, &id);
        }
    }

    /// The URL of this issuer, without a slash at its end.
    pub(super) fn url(&self) -> String {
        self.issuer.issuer().trim_end_matches('/').to_owned()
    }
}

/// The id that a seed says, if it can be had.
pub(super) fn wanted_id(
    call: &Call,
    prefix: &str,
    taken: impl Fn(&str) -> bool,
) -> Result<Option<String>, Problem> {
    match &call.id {
        Some(id) if !id.starts_with(&format!("{prefix}_")) => {
            let long = format!("It must begin with {prefix}_.");
            Err(Problem::value("id", long))
        }
        Some(id) if taken(id) => Err(Problem::taken("id")),
        id => Ok(id.clone()),
    }
}

/// An id as Clerk makes them: a prefix and 27 letters and digits.
pub(super) fn new_id(prefix: &str) -> Result<String, Problem> {
    let mut bytes = [0; 27];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| internal(&KeyError::Generate))?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    let letters: String = bytes.iter().map(letter).collect();
    Ok(format!("{prefix}_{letters}"))
}

/// 500: on our side.
pub(super) fn internal(error: &dyn std::error::Error) -> Problem {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(
        status,
        "internal_error",
        "Internal error",
        error.to_string(),
    )
}

/// Text of an object.
pub(super) fn text<'o>(object: &'o Object, name: &str) -> &'o str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number of an object.
pub(super) fn number(object: &Object, name: &str) -> Option<i64> {
    object.get(name)?.as_i64()
}

/// Sets a field.
pub(super) fn set(object: &mut Object, name: &str, value: impl Into<Value>) {
    object.insert(name.to_owned(), value.into());
}

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Of one kind, beside the crowd.
pub(super) const MAX_OBJECTS: usize = 10_000;
/// What comes with every sign-in or call: an issuer that runs for weeks must not be full of it.
const PASSING: [Family; 5] = [
    Family::ActorTokens,
    Family::Clients,
    Family::OpaqueTokens,
    Family::Sessions,
    Family::SignInTokens,
];
