//! Objects in the shape that the table gives their type: nothing missing, nothing that is ours alone.

use doorward_clerk::table::{Kind, Table, Type};
use serde_json::{Map, Value, json};

use crate::backend_api::store::Object;

/// An object of this type with its required fields: literals, nulls, and what is empty.
pub(super) fn blank(of: &str, now: i64) -> Object {
    let mut object = Map::new();
    for (field, kind) in Table::get().fields(of).unwrap_or_default() {
        if !field.ends_with('?') {
            let value = empty(&Type::parse(kind), now);
            object.insert((*field).to_owned(), value);
        } else if kind.ends_with('?') {
            let field = field.trim_end_matches('?');
            object.insert(field.to_owned(), Value::Null);
        }
    }
    object
}

/// The object as its type is answered: only the fields of the type, and all that it requires.
pub(super) fn shown(of: &str, object: &Object) -> Value {
    let Some(fields) = Table::get().fields(of) else {
        return Value::Object(object.clone());
    };
    let mut answer = Map::new();
    for (field, kind) in fields {
        let (field, optional) = match field.strip_suffix('?') {
            Some(field) => (field, true),
            None => (*field, false),
        };
        let kind = Type::parse(kind);
        match object.get(field) {
            Some(Value::Null) if !kind.nullable => {
                if !optional {
                    answer.insert(field.to_owned(), empty(&kind, 0));
                }
            }
            Some(value) => {
                answer.insert(field.to_owned(), within(&kind, value));
            }
            None if optional => {}
            None => {
                answer.insert(field.to_owned(), empty(&kind, 0));
            }
        }
    }
    Value::Object(answer)
}

fn within(kind: &Type, value: &Value) -> Value {
    match (&kind.kind, value) {
        (Kind::Named(of), Value::Object(object)) => shown(of, object),
        (Kind::List(item), Value::Array(items)) => {
            items.iter().map(|value| within(item, value)).collect()
        }
        _ => value.clone(),
    }
}

fn empty(kind: &Type, now: i64) -> Value {
    if kind.nullable {
        return Value::Null;
    }
    match &kind.kind {
        Kind::String => json!(""),
        Kind::Integer => json!(0),
        Kind::Number => json!(0),
        Kind::Boolean => json!(false),
        Kind::Time => json!(now),
        Kind::Object | Kind::Map(_) => json!({}),
        Kind::List(_) => json!([]),
        Kind::OneOf(words) => json!(words.first()),
        Kind::Named(of) => Value::Object(blank(of, now)),
        _ => Value::Null,
    }
}

/// What is wrong with a value of this type, by the table; nothing if it is well-formed.
#[cfg(test)]
pub(super) fn flaw(at: &str, kind: &Type, value: &Value) -> Option<String> {
    let right = match &kind.kind {
        _ if value.is_null() && kind.nullable => true,
        Kind::String => value.is_string(),
        Kind::Integer | Kind::Time => value.is_i64(),
        Kind::Number => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::Object | Kind::Map(_) => value.is_object(),
        Kind::OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        Kind::List(item) => match value.as_array() {
            Some(items) => {
                let mut flaws = items.iter().map(|value| flaw(at, item, value));
                return flaws.find_map(|flaw| flaw);
            }
            None => false,
        },
        Kind::Named("object") => value.is_object(),
        Kind::Named(of) => match (Table::get().fields(of), value.as_object()) {
            (Some(fields), Some(object)) => {
                let mut flaws = fields.iter().map(|(field, kind)| {
                    let (field, optional) = match field.strip_suffix('?') {
                        Some(field) => (field, true),
                        None => (*field, false),
                    };
                    let at = format!("{at}.{field}");
                    match object.get(field) {
                        Some(value) => flaw(&at, &Type::parse(kind), value),
                        None if optional => None,
                        None => Some(format!("{at} is missing")),
                    }
                });
                return flaws.find_map(|flaw| flaw);
            }
            _ => false,
        },
        _ => true,
    };
    (!right).then(|| format!("{at} is {value}"))
}
