//! What the Backend API answers, in types that never fail to decode.
//!
//! Each type is the JSON that came, with a getter for each documented field. A getter answers `None` when the field is
//! missing, null or of another type than documented, so an answer is never lost over one of its fields; what has no
//! getter is in [`Model::json`]. Known values of text are constants, for more may come at any time:
//!
//! ```
//! use doorward_clerk::models::{Model, Session, SessionStatus};
//!
//! let session = Session::from_json(serde_json::json!({
//!     "id": "sess_1", "status": "hibernating", "last_active_at": 1772000000123_i64, "new": [1],
//! }));
//! assert_eq!(session.status(), Some("hibernating"));
//! assert_ne!(session.status(), Some(SessionStatus::ACTIVE));
//! assert_eq!(session.last_active_at().unwrap().as_millis(), 1772000000123);
//! assert_eq!(session.json()["new"][0], 1);
//! ```
//!
//! Each exists twice: `User` has its JSON, `User<&Value>` borrows a part of another's and can be copied.

use std::fmt;

use doorward_core::Timestamp;
use serde_json::Value;

#[path = "generated/models.rs"]
mod generated;

pub use generated::*;

/// A type of the Backend API that has its JSON.
pub trait Model: Sized {
    /// Wraps any JSON; this cannot fail.
    fn from_json(json: Value) -> Self;

    /// The JSON, as it came.
    fn json(&self) -> &Value;

    /// The same, by value.
    fn into_json(self) -> Value;
}

impl User {
    /// The address of the primary e-mail address, of which the API itself gives the id.
    pub fn primary_email_address(&self) -> Option<&str> {
        self.view().primary_email_address()
    }

    /// The number of the primary phone number, of which the API itself gives the id.
    pub fn primary_phone_number(&self) -> Option<&str> {
        self.view().primary_phone_number()
    }
}

impl<'j> User<&'j Value> {
    /// As [`User::primary_email_address`].
    pub fn primary_email_address(self) -> Option<&'j str> {
        let id = self.primary_email_address_id()?;
        let mut addresses = self.email_addresses();
        addresses
            .find(|address| address.id() == Some(id))?
            .email_address()
    }

    /// As [`User::primary_phone_number`].
    pub fn primary_phone_number(self) -> Option<&'j str> {
        let id = self.primary_phone_number_id()?;
        let mut numbers = self.phone_numbers();
        numbers
            .find(|number| number.id() == Some(id))?
            .phone_number()
    }
}

macro_rules! models {
    ($($name:ident { $($kind:ident$(($of:ident))? $field:ident $wire:literal;)* })+) => {$(
        #[doc = concat!("Clerk's `", stringify!($name), "`.")]
        #[derive(Clone, Copy, PartialEq)]
        pub struct $name<J = Value>(J);

        impl $name {
            /// The same, borrowed.
            #[inline]
            pub fn view(&self) -> $name<&Value> {
                $name(&self.0)
            }

            $(models!(@owned $kind$(($of))? $field $wire);)*
        }

        impl<'j> $name<&'j Value> {
            /// Reads from JSON that somebody else has.
            #[inline]
            pub fn over(json: &'j Value) -> Self {
                Self(json)
            }

            /// The JSON, as it came.
            #[inline]
            pub fn json(self) -> &'j Value {
                self.0
            }

            $(models!(@borrowed $kind$(($of))? $field $wire);)*
        }

        impl $crate::models::Model for $name {
            #[inline]
            fn from_json(json: Value) -> Self {
                Self(json)
            }

            #[inline]
            fn json(&self) -> &Value {
                &self.0
            }

            #[inline]
            fn into_json(self) -> Value {
                self.0
            }
        }

        impl<J: std::borrow::Borrow<Value>> std::fmt::Debug for $name<J> {
            #[inline]
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::models::debug(stringify!($name), self.0.borrow(), f)
            }
        }
    )+

        /// Reads the JSON as every type, with every getter.
        #[cfg(test)]
        pub(crate) fn read_everything(json: &Value) {$({
            let (owned, view) = (<$name as super::Model>::from_json(json.clone()), $name::over(json));
            $(
                models!(@drain $kind owned.$field());
                models!(@drain $kind view.$field());
            )*
            assert_eq!(view.json(), json);
            assert_eq!(super::Model::into_json(owned), *json);
        })+}
    };
    (@drain texts $call:expr) => { let _ = $call.count(); };
    (@drain many $call:expr) => { let _ = $call.count(); };
    (@drain $kind:ident $call:expr) => { let _: Option<_> = $call; };
    (@owned $kind:ident$(($of:ident))? $field:ident $wire:literal) => {
        #[doc = concat!("`", $wire, "`")]
        #[inline]
        pub fn $field(&self) -> models!(@type $kind$(($of))? '_) {
            $crate::models::read::$kind(&self.0, $wire)$(.map($of::over))?
        }
    };
    (@borrowed $kind:ident$(($of:ident))? $field:ident $wire:literal) => {
        #[doc = concat!("`", $wire, "`")]
        #[inline]
        pub fn $field(self) -> models!(@type $kind$(($of))? 'j) {
            $crate::models::read::$kind(self.0, $wire)$(.map($of::over))?
        }
    };
    (@type text $life:lifetime) => { Option<&$life str> };
    (@type texts $life:lifetime) => { impl Iterator<Item = &$life str> };
    (@type flag $life:lifetime) => { Option<bool> };
    (@type integer $life:lifetime) => { Option<i64> };
    (@type number $life:lifetime) => { Option<f64> };
    (@type time $life:lifetime) => { Option<doorward_core::Timestamp> };
    (@type any $life:lifetime) => { Option<&$life Value> };
    (@type one($of:ident) $life:lifetime) => { Option<$of<&$life Value>> };
    (@type many($of:ident) $life:lifetime) => { impl Iterator<Item = $of<&$life Value>> };
}
use models;

/// Known values of text fields. The API may answer others.
macro_rules! known_values {
    ($($name:ident { $($constant:ident $value:literal;)+ })+) => {$(
        #[doc = concat!("Known values of `", stringify!($name), "`. More may come.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $name {
            $(#[doc = concat!("`", $value, "`")]
            pub const $constant: &'static str = $value;)+
            /// All that are known.
            pub const ALL: &'static [&'static str] = &[$($value,)+];
        }
    )+};
}
use known_values;

/// How fields are read.
mod read {
    use super::{Timestamp, Value};

    pub(super) fn any<'j>(json: &'j Value, name: &str) -> Option<&'j Value> {
        json.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text<'j>(json: &'j Value, name: &str) -> Option<&'j str> {
        json.get(name)?.as_str()
    }

    pub(super) fn flag(json: &Value, name: &str) -> Option<bool> {
        json.get(name)?.as_bool()
    }

    /// A whole number, also when it is written with a fraction of zero.
    pub(super) fn integer(json: &Value, name: &str) -> Option<i64> {
        let value = json.get(name)?;
        value.as_i64().or_else(|| {
            let number = value.as_f64()?;
            let whole = number.fract() == 0.0 && number.abs() < MOST_EXACT;
            whole.then_some(number as i64)
        })
    }

    pub(super) fn number(json: &Value, name: &str) -> Option<f64> {
        json.get(name)?.as_f64()
    }

    pub(super) fn time(json: &Value, name: &str) -> Option<Timestamp> {
        integer(json, name).map(Timestamp::from_millis)
    }

    pub(super) fn texts<'j>(
        json: &'j Value,
        name: &str,
    ) -> impl Iterator<Item = &'j str> + use<'j> {
        items(json, name).filter_map(Value::as_str)
    }

    pub(super) fn one<'j>(json: &'j Value, name: &str) -> Option<&'j Value> {
        json.get(name).filter(|value| value.is_object())
    }

    pub(super) fn many<'j>(
        json: &'j Value,
        name: &str,
    ) -> impl Iterator<Item = &'j Value> + use<'j> {
        items(json, name)
    }

    fn items<'j>(json: &'j Value, name: &str) -> impl Iterator<Item = &'j Value> + use<'j> {
        json.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    /// The largest whole number below which a double misses none.
    const MOST_EXACT: f64 = 9_007_199_254_740_992.0;
}

/// Type and id: the rest is about people.
fn debug(name: &str, json: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut shown = f.debug_struct(name);
    if let Some(id) = read::text(json, "id") {
        shown.field("id", &id);
    }
    shown.finish_non_exhaustive()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Table;
    use crate::table::{Kind, Type};

    #[test]
    fn reads_a_user() {
        let user = User::from_json(json!({
            "id": "user_1",
            "primary_email_address_id": "idn_2",
            "email_addresses": [
                {"id": "idn_1", "email_address": "a@x.example"},
                {"id": "idn_2", "email_address": "b@x.example"},
                "not an address",
            ],
            "created_at": 1_772_000_000_123_i64,
            "updated_at": 1_772_000_000_123.0,
            "last_sign_in_at": null,
            "banned": "yes",
            "public_metadata": {"plan": "pro"},
            "private_metadata": null,
        }));
        assert_eq!(user.id(), Some("user_1"));
        assert_eq!(user.primary_email_address(), Some("b@x.example"));
        assert_eq!(user.primary_phone_number(), None);
        assert_eq!(user.email_addresses().count(), 3);
        assert_eq!(user.created_at(), user.updated_at());
        assert_eq!(user.created_at().unwrap().as_millis(), 1_772_000_000_123);
        assert_eq!((user.last_sign_in_at(), user.banned()), (None, None));
        assert_eq!(user.public_metadata().unwrap()["plan"], "pro");
        assert_eq!(user.private_metadata(), None);
        assert!(!format!("{user:?}").contains("x.example"));
    }

    proptest! {
        /// Whatever comes, every type takes it, every getter answers, and nothing is lost.
        #[test]
        fn no_answer_is_lost(answer in answers()) {
            read_everything(&answer);
        }
    }

    /// A documented answer, and what the network, a new version or another server makes of it.
    fn answers() -> impl Strategy<Value = Value> {
        let types = &Table::get().types.0;
        let documented = (0..types.len()).prop_map(|index| {
            let (_, fields) = &Table::get().types.0[index];
            let fields = fields.0.iter().map(|(name, kind)| {
                let name = name.trim_end_matches('?').to_owned();
                (name, sample(&Type::parse(kind), 2))
            });
            Value::Object(fields.collect())
        });
        let damage = prop::collection::vec((any::<prop::sample::Index>(), anything()), 0..8);
        let broken = (documented, damage).prop_map(|(mut answer, damage)| {
            for (index, value) in damage {
                let names: Vec<String> = answer.as_object().unwrap().keys().cloned().collect();
                let fields = answer.as_object_mut().unwrap();
                match value {
                    Some(value) => fields.insert(names[index.index(names.len())].clone(), value),
                    None if names.len() > 1 => fields.remove(&names[index.index(names.len())]),
                    None => fields.insert("something_new".to_owned(), json!(["x"])),
                };
            }
            answer
        });
        prop_oneof![8 => broken, 1 => anything().prop_map(Option::unwrap_or_default)]
    }

    fn sample(kind: &Type, depth: u32) -> Value {
        match &kind.kind {
            Kind::Named(name) if depth > 0 => {
                let fields = Table::get()
                    .fields(name)
                    .unwrap()
                    .iter()
                    .map(|(name, kind)| {
                        let name = name.trim_end_matches('?').to_owned();
                        (name, sample(&Type::parse(kind), depth - 1))
                    });
                Value::Object(fields.collect())
            }
            Kind::List(inner) => json!([sample(inner, depth)]),
            Kind::Map(inner) => json!({"a": sample(inner, depth)}),
            Kind::OneOf(words) => json!(words[0]),
            Kind::Boolean => json!(true),
            Kind::Integer | Kind::Number | Kind::Time => json!(1_772_000_000_123_i64),
            Kind::Object | Kind::Named(_) => json!({}),
            _ => json!("x"),
        }
    }

    /// Any JSON; `None` is a field that is missing.
    fn anything() -> impl Strategy<Value = Option<Value>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        });
        prop::option::of(value)
    }

    #[test]
    fn a_part_outlives_its_view() {
        fn first(user: &User) -> Option<&str> {
            user.email_addresses().next()?.email_address()
        }
        let user = User::from_json(json!({"email_addresses": [{"email_address": "a@x.example"}]}));
        assert_eq!(first(&user), Some("a@x.example"));
    }
}
