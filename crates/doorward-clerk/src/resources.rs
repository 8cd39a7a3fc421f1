//! The Backend API by name: `clerk.users().update(id).first_name("x").send().await`.
//!
//! Each operation is a method of its resource and gives a [`Call`], whose methods set its parameters. What the path needs
//! is given at once; what else is required is checked when the call is sent, because what is required changes with the
//! API's versions.

use std::marker::PhantomData;
use std::time::Duration;

use doorward_core::{Secret, Timestamp};
use serde_json::{Map, Value};

use crate::call::{ArgumentError, Arguments, Request, Upload};
use crate::clerk::{CallOptions, Clerk};
use crate::error::ApiError;
use crate::list::List;
use crate::models::Model;
use crate::pages::Pages;
use crate::response::Response;
use crate::table::{Operation, Table};

#[path = "generated/resources.rs"]
mod generated;

pub use generated::*;

/// One operation, being called.
#[derive(Clone, Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call<O> {
    clerk: Clerk,
    arguments: Arguments,
    options: CallOptions,
    operation: PhantomData<fn() -> O>,
}

/// An operation, as a type. Its name is the `operationId`.
pub trait Named: 'static {
    /// What it answers.
    type Answer: Answer;
    /// Its `operationId`.
    const ID: &'static str;
}

/// What an operation can answer.
pub trait Answer: Sized {
    /// Reads an answer that is a success.
    ///
    /// # Errors
    /// It is not JSON.
    fn read(request: &Request, response: Response) -> Result<Self, ApiError>;
}

impl<O: Named> Call<O> {
    fn new(clerk: Clerk, path: &[(&'static str, String)]) -> Self {
        let arguments = path
            .iter()
            .fold(Arguments::new(), |arguments, (name, value)| {
                arguments.set(*name, value.as_str())
            });
        Self {
            clerk,
            arguments,
            options: CallOptions::default(),
            operation: PhantomData,
        }
    }

    /// Sends it.
    ///
    /// # Errors
    /// What [`ApiError`] says.
    pub async fn send(self) -> Result<O::Answer, ApiError> {
        let request = self.request()?;
        let response = self.clerk.send(&request, &self.options).await?;
        O::Answer::read(&request, response)
    }

    /// As [`Call::send`], from a thread that runs nothing asynchronous.
    ///
    /// # Errors
    /// What [`ApiError`] says.
    pub fn send_blocking(self) -> Result<O::Answer, ApiError> {
        let request = self.request()?;
        let response = self.clerk.send_blocking(request.clone(), self.options)?;
        O::Answer::read(&request, response)
    }

    /// The request that would be sent.
    ///
    /// # Errors
    /// An argument is missing or cannot be sent.
    pub fn request(&self) -> Result<Request, ArgumentError> {
        Self::operation().request(self.arguments.clone())
    }

    /// Sets a parameter by its name.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.arguments = self.arguments.set(name, value);
        self
    }

    /// Sets a field of the body that is not known here.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.arguments = self.arguments.extra(name, value);
        self
    }

    /// Gives this call, with all its attempts, another deadline.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = Some(deadline);
        self
    }

    /// Sends this call with another secret key, a machine's for instance.
    pub fn secret_key(mut self, key: Secret) -> Self {
        self.options.secret_key = Some(key);
        self
    }

    fn put<T: Into<Value>>(mut self, name: &'static str, field: Field<T>) -> Self {
        self.arguments = match field {
            Field::Null => self.arguments.set(name, Value::Null),
            Field::Value(value) => self.arguments.set(name, value),
        };
        self
    }

    fn put_file(mut self, name: &'static str, file: Upload) -> Self {
        self.arguments = self.arguments.file(name, file);
        self
    }

    fn operation() -> &'static Operation {
        let operation = Table::get().operation(O::ID);
        operation.unwrap_or_else(|| unreachable!("{} was made from the table", O::ID))
    }
}

impl<O: Named<Answer = List<T>>, T> Call<O> {
    /// Walks through all pages. `limit` is the size of a page; without one, the largest is asked for.
    pub fn pages(self) -> Pages<T> {
        Pages::new(self.clerk, Self::operation(), self.arguments, self.options)
    }
}

/// What is sent for a parameter that is set: null, or a value. One that is not set is absent, and an update leaves it
/// alone; null clears it.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<T> {
    /// Null.
    Null,
    /// A value.
    Value(T),
}

/// A number, whole or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Numeric(Value);

impl From<Numeric> for Value {
    fn from(number: Numeric) -> Self {
        number.0
    }
}

/// A list of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts(Vec<String>);

impl From<Texts> for Value {
    fn from(texts: Texts) -> Self {
        texts.0.into()
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for Field<Texts> {
    fn from(texts: [S; N]) -> Self {
        Self::Value(texts.into_iter().collect())
    }
}

impl<S: Into<String>> From<Vec<S>> for Field<Texts> {
    fn from(texts: Vec<S>) -> Self {
        Self::Value(texts.into_iter().collect())
    }
}

impl<S: Into<String>> FromIterator<S> for Texts {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }
}

impl From<Texts> for Field<Texts> {
    fn from(texts: Texts) -> Self {
        Self::Value(texts)
    }
}

macro_rules! fields {
    ($($to:ty: $($from:ty),+;)+) => {$($(
        impl From<$from> for Field<$to> {
            fn from(value: $from) -> Self {
                Self::Value(value.into())
            }
        }
    )+)+};
}

fields! {
    String: &str, String, &String;
    bool: bool;
    i64: i64, i32, u32;
    Value: Value, &str, String, bool, i64, Map<String, Value>, Vec<Value>;
}

macro_rules! numbers {
    ($($from:ty),+) => {$(
        impl From<$from> for Field<Numeric> {
            fn from(number: $from) -> Self {
                Self::Value(Numeric(number.into()))
            }
        }
    )+};
}

numbers!(i64, i32, u32);

/// A whole number goes as one: who reads `5.0` where an integer is meant may not.
impl From<f64> for Field<Numeric> {
    fn from(number: f64) -> Self {
        let whole = number.fract() == 0.0 && number.abs() < MOST_EXACT;
        Self::Value(Numeric(match whole {
            true => Value::from(number as i64),
            // What JSON cannot say is said in text, to be refused; null would clear the field.
            false if !number.is_finite() => Value::from(number.to_string()),
            false => Value::from(number),
        }))
    }
}

/// The largest whole number below which a double misses none.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

impl From<Timestamp> for Field<i64> {
    fn from(time: Timestamp) -> Self {
        Self::Value(time.as_millis())
    }
}

impl<T: Model> Answer for T {
    fn read(request: &Request, response: Response) -> Result<Self, ApiError> {
        Ok(Self::from_json(json(request, response)?))
    }
}

impl<T: Model> Answer for List<T> {
    fn read(request: &Request, response: Response) -> Result<Self, ApiError> {
        let list = List::read(request.operation(), json(request, response)?);
        Ok(list.map(T::from_json))
    }
}

impl Answer for String {
    fn read(_: &Request, response: Response) -> Result<Self, ApiError> {
        Ok(response.text())
    }
}

impl Answer for Value {
    fn read(request: &Request, response: Response) -> Result<Self, ApiError> {
        json(request, response)
    }
}

impl Answer for () {
    fn read(_: &Request, _: Response) -> Result<Self, ApiError> {
        Ok(())
    }
}

fn json(request: &Request, response: Response) -> Result<Value, ApiError> {
    let read = response.json();
    read.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let why = format!("the answer is not JSON (line {line}, column {column})");
        ApiError::unreadable(request.name(), why, response)
    })
}

macro_rules! resources {
    ($($resource:ident $name:ident {
        $($($verb:ident)|+ $operation:ident $id:literal $paths:tt -> $answer:ident$(($of:ident))? {
            $($kind:ident $field:ident $parameter:literal;)*
        })+
    })+) => {
        use $crate::resources::*;

        impl Clerk {$(
            #[doc = concat!("The operations of `", stringify!($resource), "`.")]
            pub fn $resource(&self) -> $name {
                $name(self.clone())
            }
        )+}

        $(
            #[doc = concat!("The operations of `", stringify!($resource), "`.")]
            #[derive(Clone, Debug)]
            pub struct $name(Clerk);

            impl $name {
                $($(resources!(@verb $verb $operation $id $paths);)+)+
            }

            $(
                #[doc = concat!("`", $id, "`")]
                #[derive(Clone, Copy, Debug)]
                pub enum $operation {}

                impl Named for $operation {
                    type Answer = resources!(@answer $answer$(($of))?);
                    const ID: &'static str = $id;
                }

                impl Call<$operation> {
                    $(resources!(@setter $kind $field $parameter);)*
                }
            )+
        )+

        /// Every verb of every resource, called with the names of its path's parameters.
        #[cfg(test)]
        pub(crate) fn every_request(clerk: &Clerk) -> Vec<(&'static str, &'static str, &'static str, Arguments)> {
            let mut all = Vec::new();
            $($($(
                let call = resources!(@fill clerk.$resource().$verb $paths);
                all.push((stringify!($resource), stringify!($verb), $id, call.arguments));
            )+)+)+
            all
        }
    };
    (@fill $clerk:ident.$resource:ident().$verb:ident ($($path:ident),*)) => {
        $clerk.$resource().$verb($(stringify!($path)),*)
    };
    (@verb $verb:ident $operation:ident $id:literal ($($path:ident),*)) => {
        #[doc = concat!("`", $id, "`")]
        pub fn $verb(&self, $($path: impl Into<String>),*) -> Call<$operation> {
            Call::new(self.0.clone(), &[$((stringify!($path), $path.into())),*])
        }
    };
    (@answer text) => { String };
    (@answer nothing) => { () };
    (@answer any) => { serde_json::Value };
    (@answer one($of:ident)) => { $crate::models::$of };
    (@answer list($of:ident)) => { List<$crate::models::$of> };
    (@setter file $field:ident $parameter:literal) => {
        #[doc = concat!("Sets `", $parameter, "`.")]
        pub fn $field(self, file: Upload) -> Self {
            self.put_file($parameter, file)
        }
    };
    (@setter $kind:ident $field:ident $parameter:literal) => {
        #[doc = concat!("Sets `", $parameter, "`.")]
        pub fn $field(self, value: impl Into<Field<$kind>>) -> Self {
            self.put($parameter, value.into())
        }
    };
}
use resources;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::table::Place;

    fn clerk() -> Clerk {
        Clerk::new("sk_test_x").unwrap()
    }

    #[test]
    fn every_operation_has_its_method() {
        let mut ids = Vec::new();
        for (resource, verb, id, arguments) in every_request(&clerk()) {
            let operation = Table::get().find(resource, verb).unwrap();
            assert_eq!(operation.id, id);
            for parameter in &operation.parameters {
                let given = arguments.value(parameter.name).and_then(Value::as_str);
                let expected = (parameter.place == Place::Path).then_some(parameter.name);
                assert_eq!(given, expected, "{id}");
            }
            ids.push(id);
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 249);
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        let update = || clerk().users().update("user_1");
        let body = |call: Call<UpdateUser>| call.request().unwrap().json().cloned().unwrap();
        assert_eq!(body(update()), json!({}));
        assert_eq!(
            body(update().username(Field::Null)),
            json!({"username": null})
        );
        assert_eq!(body(update().username("ada")), json!({"username": "ada"}));
        assert_eq!(
            body(update().backup_codes(["a"])),
            json!({"backup_codes": ["a"]})
        );
        assert_eq!(body(update().extra("new", 1)), json!({"new": 1}));
        let list = clerk()
            .users()
            .list()
            .limit(5)
            .banned(false)
            .request()
            .unwrap();
        assert_eq!(list.target(), "/users?banned=false&limit=5");
        let keys = clerk()
            .api_keys()
            .list()
            .subject("u")
            .limit(5)
            .request()
            .unwrap();
        assert!(keys.target().contains("limit=5"), "{}", keys.target());
    }

    #[test]
    fn a_number_is_never_taken_for_nothing() {
        let until = |seconds: f64| {
            let create = clerk().api_keys().create().name("x").subject("user_1");
            let request = create.seconds_until_expiration(seconds).request().unwrap();
            request.json().unwrap()["seconds_until_expiration"].clone()
        };
        assert_eq!(until(3600.0).to_string(), "3600");
        assert_eq!(until(0.5), json!(0.5));
        assert_eq!(until(f64::NAN), json!("NaN"));
        assert_eq!(until(f64::INFINITY), json!("inf"));
    }

    #[test]
    fn what_is_missing_is_named_when_it_is_sent() {
        let error = clerk().organizations().create().request().unwrap_err();
        assert_eq!(error.to_string(), "CreateOrganization needs \"name\"");
    }
}
