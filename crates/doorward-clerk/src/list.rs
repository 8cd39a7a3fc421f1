//! Lists. The API has three shapes of them: bare arrays, `{data, total_count}`, and `{m2m_tokens, total_count}`.

use std::fmt;
use std::ops::Deref;

use serde_json::{Map, Value};

use crate::table::Operation;

/// One page of a list: a slice of items, and how many there are in all.
#[derive(Clone, PartialEq)]
pub struct List<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// How many there are on all pages, if the API says so. A bare array does not.
    pub total_count: Option<u64>,
    /// What else the answer had: the fields beside the items, or all of an answer that is no list.
    pub rest: Value,
}

impl List<Value> {
    /// Reads any of the shapes; what `operation` documents comes first, but the answer decides.
    pub fn read(operation: Option<&Operation>, answer: Value) -> Self {
        let mut fields = match answer {
            Value::Array(items) => {
                return Self {
                    items,
                    total_count: None,
                    rest: Value::Null,
                };
            }
            Value::Object(fields) => fields,
            rest => {
                return Self {
                    items: Vec::new(),
                    total_count: None,
                    rest,
                };
            }
        };
        let documented = operation.and_then(|operation| operation.items);
        let items = documented
            .into_iter()
            .chain(["data"])
            .find_map(|name| take_list(&mut fields, name))
            .or_else(|| take_only_list(&mut fields))
            .unwrap_or_default();
        Self {
            items,
            total_count: fields.get("total_count").and_then(count),
            rest: Value::Object(fields),
        }
    }
}

impl<T> List<T> {
    /// The same list of something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> List<U> {
        List {
            items: self.items.into_iter().map(change).collect(),
            total_count: self.total_count,
            rest: self.rest,
        }
    }
}

/// Of the rest not even the names: an answer that is no list is somebody.
impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("items", &self.items)
            .field("total_count", &self.total_count)
            .finish_non_exhaustive()
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> IntoIterator for List<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

fn take_list(fields: &mut Map<String, Value>, name: &str) -> Option<Vec<Value>> {
    match fields.get_mut(name)? {
        Value::Array(items) => {
            let items = std::mem::take(items);
            fields.remove(name);
            Some(items)
        }
        _ => None,
    }
}

fn take_only_list(fields: &mut Map<String, Value>) -> Option<Vec<Value>> {
    let mut lists = fields.iter().filter(|(_, value)| value.is_array());
    let (Some((name, _)), None) = (lists.next(), lists.next()) else {
        return None;
    };
    let name = name.clone();
    take_list(fields, &name)
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Table;

    #[test]
    fn every_shape_is_a_list() {
        let users = Table::get().find("users", "list");
        let tokens = Table::get().find("m2m", "list");
        for (operation, answer, total) in [
            (users, json!([1, 2]), None),
            (users, json!({"data": [1, 2], "total_count": 9}), Some(9)),
            (users, json!({"data": [1, 2], "total_count": 9.0}), Some(9)),
            (users, json!({"data": [1, 2]}), None),
            (users, json!({"users": [1, 2], "total_count": null}), None),
            (
                tokens,
                json!({"m2m_tokens": [1, 2], "total_count": 9}),
                Some(9),
            ),
            (tokens, json!({"data": [1, 2], "total_count": 9}), Some(9)),
            (tokens, json!({"m2m_tokens": [1, 2], "data": [3]}), None),
            (None, json!({"data": [1, 2], "more": {"a": 1}}), None),
        ] {
            let list = List::read(operation, answer.clone());
            assert_eq!(list.items, [json!(1), json!(2)], "{answer}");
            assert_eq!(list.total_count, total, "{answer}");
        }
    }

    #[test]
    fn what_is_no_list_is_not_lost() {
        for answer in [
            json!(null),
            json!("x"),
            json!({"data": {"id": 1}}),
            json!(7),
        ] {
            let list = List::read(None, answer.clone());
            assert!(list.is_empty());
            assert_eq!(list.rest, answer);
        }
        let somebody = List::read(None, json!({"private_metadata": "planted"}));
        assert!(!format!("{somebody:?}").contains("planted"));
        let two = json!({"a": [1], "b": [2]});
        assert_eq!(List::read(None, two.clone()).rest, two);
        let more = List::read(None, json!({"data": [1], "cursor": "x"}));
        assert_eq!(more.rest, json!({"cursor": "x"}));
    }
}
