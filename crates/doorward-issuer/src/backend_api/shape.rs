//! Objects in the shape that the table gives their type: nothing missing, nothing that is ours alone.

use std::collections::HashMap;
use std::sync::LazyLock;

use doorward_clerk::table::{Kind, Table, Type};
use serde_json::{Map, Value, json};

use crate::backend_api::store::Object;

/// An object of this type with its required fields: literals, nulls, and what is empty.
pub(super) fn blank(of: &str, now: i64) -> Object {
    let mut object = Map::new();
    for field in fields(of).unwrap_or_default() {
        if !field.optional {
            object.insert(field.name.to_owned(), empty(&field.kind, now));
        } else if field.kind.nullable {
            object.insert(field.name.to_owned(), Value::Null);
        }
    }
    object
}

/// The object as its type is answered: only the fields of the type, and all that it requires.
pub(super) fn shown(of: &str, object: &Object) -> Value {
    shaped(of, object.clone())
}

/// The same of an object that nobody else needs.
pub(super) fn shaped(of: &str, mut object: Object) -> Value {
    let Some(fields) = fields(of) else {
        object.retain(|name, _| !name.starts_with('_'));
        return Value::Object(object);
    };
    let mut answer = Map::new();
    for field in fields {
        let value = match object.remove(field.name) {
            Some(Value::Null) if !field.kind.nullable && field.optional => continue,
            Some(Value::Null) if !field.kind.nullable => empty(&field.kind, 0),
            Some(value) => within(&field.kind, value),
            None if field.optional => continue,
            None => empty(&field.kind, 0),
        };
        answer.insert(field.name.to_owned(), value);
    }
    Value::Object(answer)
}

/// A field of a type, read once from the table.
struct Field {
    name: &'static str,
    optional: bool,
    kind: Type,
}

fn fields(of: &str) -> Option<&'static [Field]> {
    static TYPES: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
        let types = Table::get().types.0.iter();
        let read = |(name, kind): &(&'static str, &'static str)| Field {
            name: name.trim_end_matches('?'),
            optional: name.ends_with('?'),
            kind: Type::parse(kind),
        };
        types
            .map(|(name, fields)| (*name, fields.0.iter().map(read).collect()))
            .collect()
    });
    TYPES.get(of).map(Vec::as_slice)
}

fn within(kind: &Type, value: Value) -> Value {
    match (&kind.kind, value) {
        (Kind::Named(of), Value::Object(object)) => shaped(of, object),
        (Kind::List(item), Value::Array(items)) => {
            let items = items.into_iter();
            items.map(|value| within(item, value)).collect()
        }
        (_, value) => value,
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
