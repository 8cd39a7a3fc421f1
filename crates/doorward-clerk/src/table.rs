//! Clerk's Backend API as data: every operation, its parameters and what it answers
//! (<https://clerk.com/docs/reference/backend-api>).
//!
//! The table is one JSON file, `data/backend-api.json`, made from Clerk's published OpenAPI document by `make generate`.
//! It holds names and types and no prose. The Rust and Python surfaces, the command line and the local issuer are all
//! made from it. [`JSON`] is its text, [`Table::get`] the same as Rust types.
//!
//! # Its schema
//! ```json
//! {
//!   "version": "2026-05-12",
//!   "base_url": "https://api.clerk.com/v1",
//!   "spec_sha256": "…", "overlay_sha256": "…", "generator_sha256": "…", "body_sha256": "…",
//!   "operations": [{
//!     "id": "GetUserList",
//!     "resource": "users", "verb": "list", "aliases": [],
//!     "method": "GET", "path": "/users",
//!     "parameters": [
//!       {"name": "limit", "in": "query", "type": "integer", "default": 10, "minimum": 1, "maximum": 500},
//!       {"name": "api_key_id", "wire": "apiKeyID", "in": "path", "type": "string", "required": true}
//!     ],
//!     "body": "json", "body_required": true,
//!     "status": 200, "shape": "array", "response": "User",
//!     "errors": [400, 401, 422],
//!     "deprecated": true, "auth": "machine", "unversioned": true
//!   }],
//!   "types": {"User": {"id": "string", "username?": "string?", "email_addresses": "[EmailAddress]"}}
//! }
//! ```
//! What is false, empty or the default is left out.
//!
//! - `resource` and `verb` are the names of the official Python SDK; `aliases` are further verbs for the same.
//! - `in` is `path`, `query`, `body` (a field of the JSON or multipart body) or `document` (the body is this value).
//! - `wire` is the parameter's name on the wire, where it differs. `comma` says that a list is joined with commas;
//!   without it, it is repeated.
//! - `body` is `json`, `multipart` or absent.
//! - `shape` is `object`, `array` (a bare array of `response`), `page` (an object with a list of `response` in the field
//!   `items` and a `total_count`), `text` (not JSON) or `empty`. `status` is the documented one; any 2xx is success.
//! - `auth` is `secret` (the default), `machine` (a machine's secret key), `either` or `none`.
//! - `unversioned`: also served without `/v1`.
//! - A *type* is `string`, `integer`, `number`, `boolean`, `time` (milliseconds since 1970), `object` (free-form), `any`,
//!   `file`, a name from `types`, `[T]` (a list), `{T}` (a map from strings), or `'a'|'b'` (known values of a string; more
//!   may come). A `?` at its end says that it may be null; a `?` after a field's name, that it may be absent.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The table's text.
pub const JSON: &str = include_str!("../data/backend-api.json");

/// The operations and types of one version of the API.
#[derive(Debug, Deserialize)]
pub struct Table {
    /// The version of the API, a date; sent as `Clerk-API-Version`.
    pub version: &'static str,
    /// Where the API lives.
    pub base_url: &'static str,
    /// Every operation, in the document's order.
    pub operations: Vec<Operation>,
    /// What operations take and answer, in the document's order.
    pub types: Ordered<Ordered<&'static str>>,
    #[serde(skip)]
    by_id: HashMap<&'static str, usize>,
    #[serde(skip)]
    by_name: HashMap<(&'static str, &'static str), usize>,
    #[serde(skip)]
    routes: HashMap<(&'static str, usize), Vec<usize>>,
}

/// One operation.
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// Its `operationId`, `GetUserList`.
    pub id: &'static str,
    /// The resource it belongs to, `users`.
    pub resource: &'static str,
    /// What it does to it, `list`.
    pub verb: &'static str,
    /// Further verbs that mean the same.
    #[serde(default)]
    pub aliases: Vec<&'static str>,
    /// The HTTP method.
    pub method: &'static str,
    /// The path after the base URL, `/users/{user_id}`.
    pub path: &'static str,
    /// What it takes, in the document's order: path, query, body.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// How its body is written.
    #[serde(default)]
    pub body: BodyKind,
    /// Whether the body must be there.
    #[serde(default)]
    pub body_required: bool,
    /// The documented status of success.
    pub status: u16,
    /// How the answer is built.
    pub shape: Shape,
    /// The type of the answer or, of `array` and `page`, of its items; absent of `text` and `empty`.
    pub response: Option<&'static str>,
    /// Of a `page`, the field that has the items.
    pub items: Option<&'static str>,
    /// The documented statuses of failure. Others come too.
    #[serde(default)]
    pub errors: Vec<u16>,
    /// Whether Clerk advises against it.
    #[serde(default)]
    pub deprecated: bool,
    /// Which key it wants.
    #[serde(default)]
    pub auth: Auth,
    /// Whether it is also served without `/v1`.
    #[serde(default)]
    pub unversioned: bool,
}

/// One parameter of an operation.
#[derive(Debug, Deserialize)]
pub struct Parameter {
    /// Its name in `snake_case`.
    pub name: &'static str,
    /// Its name on the wire, where that differs.
    wire: Option<&'static str>,
    /// Where it goes.
    #[serde(rename = "in")]
    pub place: Place,
    /// Its type, as written in the table.
    #[serde(rename = "type")]
    pub type_text: &'static str,
    /// Whether it must be given.
    #[serde(default)]
    pub required: bool,
    /// What the API assumes when it is not given. Never sent on its own account.
    pub default: Option<Value>,
    /// The smallest number.
    pub minimum: Option<f64>,
    /// The largest number.
    pub maximum: Option<f64>,
    /// The shortest text, in characters.
    pub min_length: Option<u64>,
    /// The longest text, in characters.
    pub max_length: Option<u64>,
    /// The fewest items.
    pub min_items: Option<u64>,
    /// The most items.
    pub max_items: Option<u64>,
    /// Whether a list is joined with commas.
    #[serde(default)]
    pub comma: bool,
    /// Whether Clerk advises against it.
    #[serde(default)]
    pub deprecated: bool,
}

/// Where a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Into the path.
    Path,
    /// Into the query.
    Query,
    /// A field of the body.
    Body,
    /// The body itself.
    Document,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyKind {
    /// There is none.
    #[default]
    None,
    /// `application/json`.
    Json,
    /// `multipart/form-data`.
    Multipart,
}

/// How an answer is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One object.
    Object,
    /// A bare array.
    Array,
    /// An object with a list and a `total_count`.
    Page,
    /// Text that is not JSON.
    Text,
    /// Nothing.
    Empty,
}

/// Which key an operation wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// The instance's secret key.
    #[default]
    Secret,
    /// A machine's secret key.
    Machine,
    /// Either.
    Either,
    /// None.
    None,
}

impl Table {
    /// The table; read from its text when it is first asked for.
    pub fn get() -> &'static Self {
        static TABLE: LazyLock<Table> = LazyLock::new(|| {
            Table::parse(JSON).unwrap_or_else(|error| panic!("data/backend-api.json: {error}"))
        });
        &TABLE
    }

    /// Reads a table.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(text: &'static str) -> Result<Self, serde_json::Error> {
        let mut table: Self = serde_json::from_str(text)?;
        for (index, operation) in table.operations.iter().enumerate() {
            table.by_id.insert(operation.id, index);
            let segments = operation.path.split('/').count();
            table
                .routes
                .entry((operation.method, segments))
                .or_default()
                .push(index);
            for verb in operation.verbs() {
                table.by_name.insert((operation.resource, verb), index);
            }
        }
        Ok(table)
    }

    /// The operation with this `operationId`.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        Some(&self.operations[*self.by_id.get(id)?])
    }

    /// The operation with this name, `("users", "list")`; an alias will do.
    pub fn find(&self, resource: &str, verb: &str) -> Option<&Operation> {
        Some(&self.operations[*self.by_name.get(&(resource, verb))?])
    }

    /// The operation that a request means, with its path parameters (still percent-encoded). `path` is without the base
    /// URL's `/v1`. Of several, the one whose earlier segments are literal: `/users/count` is not a user.
    pub fn route<'p>(
        &self,
        method: &str,
        path: &'p str,
    ) -> Option<(&Operation, Vec<(&'static str, &'p str)>)> {
        let segments: Vec<&str> = path.split('/').collect();
        let (method, _) = METHODS.iter().find(|(name, _)| *name == method)?;
        let candidates = self.routes.get(&(*method, segments.len()))?;
        let best = candidates
            .iter()
            .map(|index| &self.operations[*index])
            .filter(|operation| {
                let mut pairs = operation.path.split('/').zip(&segments);
                pairs.all(|(ours, theirs)| match is_hole(ours) {
                    true => !theirs.is_empty(),
                    false => ours == *theirs,
                })
            })
            .min_by_key(|operation| operation.path.split('/').map(is_hole).collect::<Vec<_>>())?;
        let parameters = best
            .path
            .split('/')
            .zip(segments)
            .filter_map(|(hole, text)| {
                let wire = hole.strip_prefix('{')?.strip_suffix('}')?;
                Some((best.parameter_on_wire(wire)?.name, text))
            });
        Some((best, parameters.collect()))
    }

    /// The resources, in the document's order.
    pub fn resources(&self) -> Vec<&'static str> {
        let mut seen = Vec::new();
        for operation in &self.operations {
            if !seen.contains(&operation.resource) {
                seen.push(operation.resource);
            }
        }
        seen
    }

    /// The operations of one resource, in the document's order.
    pub fn of_resource<'t>(&'t self, resource: &'t str) -> impl Iterator<Item = &'t Operation> {
        let operations = self.operations.iter();
        operations.filter(move |operation| operation.resource == resource)
    }

    /// The fields of a type, `("username?", "string?")`.
    pub fn fields(&self, name: &str) -> Option<&[(&'static str, &'static str)]> {
        let found = self.types.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, fields)| fields.0.as_slice())
    }
}

impl Operation {
    /// The verb and its aliases.
    pub fn verbs(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.verb).chain(self.aliases.iter().copied())
    }

    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.name == name)
    }

    /// Whether the same request may be sent again when it is not known whether the first arrived (RFC 9110 §9.2.2).
    pub fn idempotent(&self) -> bool {
        METHODS.contains(&(self.method, true))
    }

    /// Whether the answer is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.shape, Shape::Array | Shape::Page)
    }

    /// Whether `limit` and `offset` walk through the list.
    pub fn is_paginated(&self) -> bool {
        self.is_list() && self.parameter("offset").is_some() && self.parameter("limit").is_some()
    }

    fn parameter_on_wire(&self, wire: &str) -> Option<&Parameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.place == Place::Path && parameter.wire() == wire)
    }
}

impl Parameter {
    /// Its name on the wire.
    pub fn wire(&self) -> &'static str {
        self.wire.unwrap_or(self.name)
    }

    /// Its type.
    pub fn kind(&self) -> Type {
        Type::parse(self.type_text)
    }

    /// Whether it may be null.
    pub fn nullable(&self) -> bool {
        self.type_text.ends_with('?')
    }
}

/// A type of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// What it is.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Milliseconds since 1970.
    Time,
    /// A free-form object.
    Object,
    /// Anything.
    Any,
    /// A file, in a multipart body.
    File,
    /// Text with known values. More may come.
    OneOf(Vec<&'static str>),
    /// A type of the table.
    Named(&'static str),
    /// A list.
    List(Box<Type>),
    /// A map from text.
    Map(Box<Type>),
}

impl Type {
    /// Reads a type as the table writes it. A word it does not know is a name.
    pub fn parse(text: &'static str) -> Self {
        let (text, nullable) = match text.strip_suffix('?') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let inside = |open, close| text.strip_prefix(open)?.strip_suffix(close);
        let kind = if let Some(inner) = inside('[', ']') {
            Kind::List(Box::new(Self::parse(inner)))
        } else if let Some(inner) = inside('{', '}') {
            Kind::Map(Box::new(Self::parse(inner)))
        } else if text.starts_with('\'') {
            Kind::OneOf(
                text.split('|')
                    .map(|word| word.trim_matches('\''))
                    .collect(),
            )
        } else {
            match text {
                "string" => Kind::String,
                "integer" => Kind::Integer,
                "number" => Kind::Number,
                "boolean" => Kind::Boolean,
                "time" => Kind::Time,
                "object" => Kind::Object,
                "any" => Kind::Any,
                "file" => Kind::File,
                name => Kind::Named(name),
            }
        };
        Self { kind, nullable }
    }
}

/// A JSON object whose fields keep their order.
#[derive(Clone, Debug)]
pub struct Ordered<V>(pub Vec<(&'static str, V)>);

impl<V: Deserialize<'static>> Deserialize<'static> for Ordered<V> {
    fn deserialize<D: Deserializer<'static>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<V>(std::marker::PhantomData<V>);
        impl<V: Deserialize<'static>> Visitor<'static> for Fields<V> {
            type Value = Ordered<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'static>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Ordered(fields))
            }
        }
        deserializer.deserialize_map(Fields(std::marker::PhantomData))
    }
}

fn is_hole(segment: &str) -> bool {
    segment.starts_with('{')
}

/// The methods of the API, and whether they are idempotent (RFC 9110 §9.2.2, RFC 5789 §2).
const METHODS: [(&str, bool); 5] = [
    ("GET", true),
    ("PUT", true),
    ("DELETE", true),
    ("PATCH", false),
    ("POST", false),
];
