//! Metadata: merged at every level, or replaced.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::Object;

/// Merges what was given of these fields into the object's: a key that is null goes.
pub(super) fn merge(call: &Call, fields: &[&str], object: &mut Object) -> Result<(), Problem> {
    for field in fields {
        if let Some(Value::Object(changes)) = call.given(field) {
            let known = object
                .entry((*field).to_owned())
                .or_insert_with(|| json!({}));
            merge_into(known, changes);
        }
    }
    within_bounds(fields, object)
}

/// Puts what was given of these fields in the place of the object's; `null` clears.
pub(super) fn replace(call: &Call, fields: &[&str], object: &mut Object) -> Result<(), Problem> {
    for field in fields {
        match call.given(field) {
            Some(Value::Object(given)) => object.insert((*field).to_owned(), json!(given)),
            Some(_) => object.insert((*field).to_owned(), json!({})),
            None => None,
        };
    }
    within_bounds(fields, object)
}

fn merge_into(known: &mut Value, changes: &Map<String, Value>) {
    if !known.is_object() {
        *known = json!({});
    }
    let Some(members) = known.as_object_mut() else {
        return;
    };
    for (name, change) in changes {
        match change {
            Value::Null => {
                members.remove(name);
            }
            Value::Object(within) => {
                let member = members.entry(name.clone()).or_insert_with(|| json!({}));
                merge_into(member, within);
            }
            other => {
                members.insert(name.clone(), other.clone());
            }
        }
    }
}

fn within_bounds(fields: &[&str], object: &Object) -> Result<(), Problem> {
    for field in fields {
        let size = object
            .get(*field)
            .map_or(0, |value| value.to_string().len());
        if size > MAX_METADATA {
            let long = format!("{field} would have {size} bytes; {MAX_METADATA} are allowed.");
            let code = "form_param_exceeds_allowed_size";
            let mut problem = Problem::parameter(code, "is too large", field, long);
            problem.status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(problem);
        }
    }
    Ok(())
}

/// Of one field, as JSON.
const MAX_METADATA: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_goes_deep_and_null_removes() {
        let mut known = json!({"a": {"b": 1, "c": 2}, "d": [1, 2], "e": "x"});
        let changes = json!({"a": {"b": null, "f": {"g": 1}}, "d": [3], "e": {"h": null}});
        merge_into(&mut known, changes.as_object().unwrap());
        assert_eq!(
            known,
            json!({"a": {"c": 2, "f": {"g": 1}}, "d": [3], "e": {}})
        );
    }
}
