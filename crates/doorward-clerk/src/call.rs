//! One call, before it is sent: arguments by name become a request.
//!
//! ```
//! use doorward_clerk::{Arguments, Table};
//!
//! let update = Table::get().find("users", "update").unwrap();
//! let request = update.request(Arguments::new().set("user_id", "user_1").set("first_name", "Ada"))?;
//! assert_eq!(request.target(), "/users/user_1");
//! assert_eq!(request.json(), Some(&serde_json::json!({"first_name": "Ada"})));
//! # Ok::<(), doorward_clerk::ArgumentError>(())
//! ```

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::table::{BodyKind, Kind, Operation, Parameter, Place, Table};

/// What an operation is called with, by the names of its parameters. A name that was not set is absent; [`Value::Null`]
/// is sent as null, which in an update clears the field.
#[derive(Clone, Default)]
pub struct Arguments {
    values: Map<String, Value>,
    extra: Map<String, Value>,
    files: Vec<(String, Upload)>,
}

impl Arguments {
    /// No arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one. A later value replaces an earlier one.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Sets a field of the JSON body that the table does not know.
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// Sets a file of a multipart body.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, file: Upload) -> Self {
        let name = name.into();
        self.files.retain(|(known, _)| *known != name);
        self.files.push((name, file));
        self
    }

    /// What was set for this name.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

impl From<Map<String, Value>> for Arguments {
    fn from(values: Map<String, Value>) -> Self {
        Self {
            values,
            ..Self::default()
        }
    }
}

/// Names only: the values may be passwords.
impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.iter().map(|(name, _)| name);
        let names = self.values.keys().chain(self.extra.keys()).chain(files);
        f.debug_set().entries(names).finish()
    }
}

/// A file to send.
#[derive(Clone)]
pub struct Upload {
    /// Its name, as the API sees it.
    pub file_name: String,
    /// Its media type, `image/png`.
    pub content_type: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Upload {
    /// Both stand in the header of a part, where a line break would begin another field.
    fn check(&self) -> Result<(), &'static str> {
        let media_type = &self.content_type;
        if self.file_name.contains(char::is_control) {
            return Err("a file whose name has control characters");
        }
        if !media_type.contains('/') || !media_type.bytes().all(|byte| (b' '..0x7f).contains(&byte))
        {
            return Err("a file whose type is no media type, image/png");
        }
        Ok(())
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.content_type, self.bytes.len())
    }
}

/// A request to the Backend API: what an [`Operation`] makes of [`Arguments`], or one of your own for what the table does
/// not know.
#[derive(Clone)]
pub struct Request {
    pub(crate) operation: Option<&'static Operation>,
    method: String,
    path: String,
    query: String,
    body: Option<Body>,
}

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Body {
    Json(Value),
    Multipart(Vec<(String, Part)>),
}

#[derive(Clone)]
pub(crate) enum Part {
    Text(String),
    File(Upload),
}

impl Request {
    /// A request of your own. `path` comes after the base URL and is sent as it is: percent-encode what you put in, for
    /// instance with [`encoded`].
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            operation: None,
            method: method.into(),
            path: path.into(),
            query: String::new(),
            body: None,
        }
    }

    /// Adds to the query; percent-encoding is done here.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query += &format!("{}={}", encoded(name), encoded(value));
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn with_json(mut self, body: impl Into<Value>) -> Self {
        self.body = Some(Body::Json(body.into()));
        self
    }

    /// The operation, unless the request is one of your own.
    pub fn operation(&self) -> Option<&'static Operation> {
        self.operation
    }

    /// The HTTP method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path and query, after the base URL.
    pub fn target(&self) -> String {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}{separator}{query}", self.path),
        }
    }

    /// The JSON body.
    pub fn json(&self) -> Option<&Value> {
        match &self.body {
            Some(Body::Json(body)) => Some(body),
            _ => None,
        }
    }

    /// The body as it may be shown: passwords, tokens and the like are `"***"`, files are their type and length.
    pub fn masked_body(&self) -> Option<Value> {
        Some(match self.body.as_ref()? {
            Body::Json(body) => masked(body),
            Body::Multipart(parts) => {
                let parts = parts.iter().map(|(name, part)| {
                    let shown = match part {
                        Part::Text(_) if is_secret(name) => MASK.to_owned(),
                        Part::Text(text) => text.clone(),
                        Part::File(file) => format!("{file:?}"),
                    };
                    (name.clone(), Value::String(shown))
                });
                Value::Object(parts.collect())
            }
        })
    }

    /// Whether the path can be sent as it is. A URL has its dots resolved, percent-encoded or not, its backslashes turned
    /// and its line breaks dropped (<https://url.spec.whatwg.org/#path-state>), which would make another path of it.
    #[cfg(feature = "client")]
    pub(crate) fn sendable(&self) -> Result<(), &'static str> {
        let path = self.path.split('?').next().unwrap_or_default();
        let is_dots = |segment: &str| {
            let plain = segment.to_ascii_lowercase().replace("%2e", ".");
            plain == "." || plain == ".."
        };
        if !self.path.starts_with('/') {
            return Err("the path does not begin with a slash");
        }
        if path.split('/').any(is_dots) {
            return Err("the path has a segment of dots, which makes it another path");
        }
        if !self.path.bytes().all(|byte| byte.is_ascii_graphic()) || self.path.contains(['#', '\\'])
        {
            return Err("the path has characters that must be percent-encoded");
        }
        Ok(())
    }

    #[cfg(feature = "client")]
    pub(crate) fn body(&self) -> Option<&Body> {
        self.body.as_ref()
    }

    /// Whether it may be sent again when it is not known whether it arrived (RFC 9110 §9.2.2).
    #[cfg(feature = "client")]
    pub(crate) fn idempotent(&self) -> bool {
        match self.operation {
            Some(operation) => operation.idempotent(),
            None => ["GET", "HEAD", "PUT", "DELETE"].contains(&self.method.as_str()),
        }
    }

    /// How the request is called in errors and metrics: without ids.
    pub(crate) fn name(&self) -> String {
        match self.operation {
            Some(operation) => format!("{} {}", operation.method, operation.path),
            None => format!("{} (raw)", self.method),
        }
    }
}

/// Method and operation; ids and bodies are nobody's business.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.name()).finish()
    }
}

impl Operation {
    /// The request for these arguments.
    ///
    /// # Errors
    /// An argument that the operation does not have, one that it must have, or one that cannot be sent.
    pub fn request(&'static self, arguments: Arguments) -> Result<Request, ArgumentError> {
        let Arguments {
            mut values,
            extra,
            mut files,
        } = arguments;
        self.check(&values, &files)?;
        let mut request = Request::new(self.method, self.path);
        request.operation = Some(self);
        let mut fields = Map::new();
        let mut parts = Vec::new();
        for parameter in &self.parameters {
            if let Some(index) = files.iter().position(|(name, _)| name == parameter.name) {
                let (_, file) = files.swap_remove(index);
                parts.push((parameter.wire().to_owned(), Part::File(file)));
                continue;
            }
            let Some(value) = values.remove(parameter.name) else {
                continue;
            };
            let wrong = |why| ArgumentError::Unusable {
                operation: self.id,
                name: parameter.name,
                why,
            };
            match parameter.place {
                Place::Path => {
                    let text = scalar(&value).ok_or_else(|| wrong("neither text nor a number"))?;
                    let hole = format!("{{{}}}", parameter.wire());
                    let segment = segment(&text).map_err(wrong)?;
                    request.path = request.path.replacen(&hole, &segment, 1);
                }
                Place::Query => {
                    let texts =
                        texts(&value).ok_or_else(|| wrong("not text, and no list of it"))?;
                    request = match parameter.comma && !texts.is_empty() {
                        true => request.query(parameter.wire(), &texts.join(",")),
                        false => texts.iter().fold(request, |request, text| {
                            request.query(parameter.wire(), text)
                        }),
                    };
                }
                Place::Body if self.body == BodyKind::Multipart => {
                    if value.is_null() {
                        continue;
                    }
                    let text = scalar(&value).unwrap_or_else(|| value.to_string());
                    parts.push((parameter.wire().to_owned(), Part::Text(text)));
                }
                Place::Body => {
                    fields.insert(parameter.wire().to_owned(), value);
                }
                Place::Document => request.body = Some(Body::Json(value)),
            }
        }
        fields.extend(extra);
        match self.body {
            BodyKind::Multipart => request.body = Some(Body::Multipart(parts)),
            _ if request.body.is_some() => {}
            // An empty object rather than no body, where one must be there.
            BodyKind::Json if self.body_required || !fields.is_empty() => {
                request.body = Some(Body::Json(Value::Object(fields)));
            }
            BodyKind::None if !fields.is_empty() => {
                request.body = Some(Body::Json(Value::Object(fields)));
            }
            _ => {}
        }
        Ok(request)
    }

    fn check(
        &self,
        values: &Map<String, Value>,
        files: &[(String, Upload)],
    ) -> Result<(), ArgumentError> {
        let is_file = |parameter: &Parameter| parameter.kind().kind == Kind::File;
        let given = values.keys().chain(files.iter().map(|(name, _)| name));
        for name in given {
            if self.parameter(name).is_none() {
                let known = self.parameters.iter().map(|parameter| parameter.name);
                return Err(ArgumentError::Unknown {
                    operation: self.id,
                    name: name.clone(),
                    closest: closest(name, known),
                });
            }
        }
        for parameter in &self.parameters {
            let value = values.get(parameter.name);
            let file = files.iter().any(|(name, _)| name == parameter.name);
            if parameter.required && value.is_none() && !file {
                return Err(ArgumentError::Missing {
                    operation: self.id,
                    name: parameter.name,
                });
            }
            if let Some((_, file)) = files.iter().find(|(name, _)| name == parameter.name) {
                file.check().map_err(|why| ArgumentError::Unusable {
                    operation: self.id,
                    name: parameter.name,
                    why,
                })?;
            }
            if file != is_file(parameter) && (file || value.is_some()) {
                return Err(ArgumentError::Unusable {
                    operation: self.id,
                    name: parameter.name,
                    why: if file {
                        "not a file"
                    } else {
                        "a file is wanted"
                    },
                });
            }
        }
        Ok(())
    }
}

/// Why arguments make no request. The caller's mistake; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// There is no such parameter.
    #[error("{operation} has no parameter {name:?}{}", did_you_mean(operation, name, *closest))]
    Unknown {
        /// The operation.
        operation: &'static str,
        /// The name.
        name: String,
        /// The parameter whose name is closest.
        closest: Option<&'static str>,
    },
    /// A parameter that is required was not set.
    #[error("{operation} needs {name:?}")]
    Missing {
        /// The operation.
        operation: &'static str,
        /// The name.
        name: &'static str,
    },
    /// A value cannot be sent there.
    #[error("{operation}: {name:?} is {why}")]
    Unusable {
        /// The operation.
        operation: &'static str,
        /// The name.
        name: &'static str,
        /// What is wrong with it. Never the value.
        why: &'static str,
    },
}

/// The one of `known` that `name` was probably meant to be.
pub fn closest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const LEAST: f64 = 0.75;
    // A stranger's name may be of any length.
    let name: String = name.chars().take(64).collect();
    let scored = known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&name, known), known));
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(score, _)| *score >= LEAST)
        .map(|(_, known)| known)
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3), so that a `+` stays one.
pub fn encoded(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The closest name or, since metadata have operations of their own, those about the same thing that have the parameter.
fn did_you_mean(operation: &str, name: &str, closest: Option<&str>) -> String {
    if let Some(name) = closest {
        return format!("; did you mean {name:?}?");
    }
    let Some(own) = Table::get().operation(operation) else {
        return String::new();
    };
    let below = format!("{}/", own.path);
    let others = Table::get()
        .of_resource(own.resource)
        .filter(|other| other.path.starts_with(&below) && other.parameter(name).is_some());
    match others.map(|other| other.verb).collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        verbs => format!("; {} of {} has it", verbs.join(" or "), own.resource),
    }
}

/// A path segment. One that is empty or dots would make it another path, percent-encoded or not.
fn segment(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("empty"),
        "." | ".." => Err("not an id"),
        _ => Ok(encoded(text)),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A query parameter's values; null is none.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.iter().map(scalar).collect(),
        one => Some(vec![scalar(one)?]),
    }
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let value = match is_secret(name) && !value.is_null() {
                    true => Value::from(MASK),
                    false => masked(value),
                };
                (name.clone(), value)
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.iter().map(masked).collect(),
        other => other.clone(),
    }
}

fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 6] = ["password", "secret", "token", "code", "digest", "key"];
    // Names of roles and role sets, numbers and switches.
    const HARMLESS: [&str; 20] = [
        "blocked_country_codes",
        "creator_role_key",
        "default_role_key",
        "default_token_ttl",
        "dest_role_set_key",
        "idempotency_key",
        "initial_role_key",
        "key",
        "oauth_jwt_access_tokens",
        "password_hasher",
        "preferred_sign_in_strategy_when_password_required",
        "previous_token_ttl",
        "role_key",
        "role_keys",
        "role_set_key",
        "skip_password_checks",
        "skip_password_requirement",
        "to_role_key",
        "token_format",
        "token_ttl",
    ];
    WORDS.iter().any(|word| name.contains(word)) && !HARMLESS.contains(&name)
}

const MASK: &str = "***";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(resource: &str, verb: &str, arguments: Value) -> Result<Request, ArgumentError> {
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object")
        };
        let operation = Table::get().find(resource, verb).unwrap();
        operation.request(arguments.into())
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        let body = |arguments| {
            let request = request("users", "update", arguments).unwrap();
            request.json().unwrap().clone()
        };
        assert_eq!(body(json!({"user_id": "u"})), json!({}));
        assert_eq!(
            body(json!({"user_id": "u", "username": null})),
            json!({"username": null})
        );
        assert_eq!(
            body(json!({"user_id": "u", "username": ""})),
            json!({"username": ""})
        );
    }

    #[test]
    fn what_was_not_given_is_not_sent() {
        let list = request("users", "list", json!({})).unwrap();
        assert_eq!((list.target().as_str(), list.json()), ("/users", None));
        let list = request("users", "list", json!({"limit": null, "banned": false})).unwrap();
        assert_eq!(list.target(), "/users?banned=false");
    }

    #[test]
    fn lists_are_repeated_or_joined_and_a_plus_stays_one() {
        let users =
            json!({"email_address": ["a@x.example", "b+c@x.example"], "order_by": "+email"});
        let users = request("users", "list", users).unwrap();
        assert_eq!(
            users.target(),
            "/users?email_address=a%40x.example&email_address=b%2Bc%40x.example&order_by=%2Bemail"
        );
        let domains = json!({"enrollment_mode": ["a", "b"], "domains": ["c", "d"]});
        let domains = request("organization_domains", "list_all", domains).unwrap();
        let query = "/organization_domains?enrollment_mode=a%2Cb&domains=c&domains=d";
        let mut ours: Vec<String> = domains.target()[22..]
            .split('&')
            .map(str::to_owned)
            .collect();
        let mut theirs: Vec<String> = query[22..].split('&').map(str::to_owned).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn an_id_stays_within_its_segment() {
        let path = |id: &str| request("users", "delete", json!({"user_id": id}));
        assert_eq!(path("a/b?c#d").unwrap().target(), "/users/a%2Fb%3Fc%23d");
        for bad in ["", ".", ".."] {
            let error = path(bad).unwrap_err();
            assert!(matches!(error, ArgumentError::Unusable { .. }), "{bad:?}");
        }
        let nothing = request("users", "delete", json!({"user_id": null}));
        assert!(matches!(nothing, Err(ArgumentError::Unusable { .. })));
    }

    #[test]
    fn names_are_checked_and_the_closest_is_named() {
        let error = request(
            "users",
            "update",
            json!({"user_id": "u", "frist_name": "x"}),
        );
        let error = error.unwrap_err().to_string();
        assert_eq!(
            error,
            "UpdateUser has no parameter \"frist_name\"; did you mean \"first_name\"?"
        );
        let error = request("users", "update", json!({"user_id": "u", "zzzzzz": 1}));
        assert!(!error.unwrap_err().to_string().contains("did you mean"));
        let error = request(
            "users",
            "update",
            json!({"user_id": "u", "public_metadata": {}}),
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "UpdateUser has no parameter \"public_metadata\"; \
             update_metadata or replace_metadata of users has it"
        );
        let error = request("users", "update", json!({})).unwrap_err();
        assert_eq!(error.to_string(), "UpdateUser needs \"user_id\"");
        let error = request(
            "users",
            "set_profile_image",
            json!({"user_id": "u", "file": "x"}),
        );
        assert!(error.unwrap_err().to_string().contains("a file is wanted"));
    }

    #[test]
    fn a_file_cannot_write_its_own_header() {
        let send = |file_name: &str, content_type: &str| {
            let file = Upload {
                file_name: file_name.to_owned(),
                content_type: content_type.to_owned(),
                bytes: b"x".to_vec(),
            };
            let operation = Table::get().find("users", "set_profile_image").unwrap();
            let arguments = Arguments::new().set("user_id", "u").file("file", file);
            operation.request(arguments)
        };
        assert!(send("a \"b\" ä.png", "image/png").is_ok());
        assert!(send("a.txt", "text/plain; charset=utf-8").is_ok());
        for (name, content_type) in [
            ("a\r\nx: y.png", "image/png"),
            ("a\n.png", "image/png"),
            ("a\0.png", "image/png"),
            ("a.png", "image/png\r\nx: y"),
            ("a.png", "png"),
            ("a.png", ""),
        ] {
            let error = send(name, content_type).unwrap_err();
            assert!(
                matches!(error, ArgumentError::Unusable { name: "file", .. }),
                "{name:?} {content_type:?}: {error}"
            );
        }
    }

    #[test]
    fn a_body_can_be_the_value_itself() {
        let body = json!([{"email_address": "a@x.example"}]);
        let bulk = request("invitations", "bulk_create", json!({"request_body": body})).unwrap();
        assert_eq!(bulk.json(), Some(&body));
    }

    #[test]
    fn secrets_are_not_shown() {
        let planted = "hunter2";
        let arguments = Arguments::new()
            .set("user_id", planted)
            .set("password", planted)
            .set("backup_codes", json!([planted]))
            .set("first_name", "Ada")
            .extra("new_secret", planted);
        assert!(!format!("{arguments:?}").contains(planted));
        let operation = Table::get().find("users", "update").unwrap();
        let request = operation.request(arguments).unwrap();
        assert!(!format!("{request:?}").contains(planted));
        let shown = request.masked_body().unwrap();
        assert!(!shown.to_string().contains(planted));
        assert_eq!(shown["first_name"], "Ada");
    }

    /// Whatever the table calls a secret is masked; whatever is not, is shown.
    #[test]
    fn the_mask_knows_the_table() {
        let mut masked: Vec<&str> = Table::get()
            .operations
            .iter()
            .flat_map(|operation| &operation.parameters)
            .filter(|parameter| parameter.place == Place::Body && is_secret(parameter.name))
            .map(|parameter| parameter.name)
            .collect();
        masked.sort_unstable();
        masked.dedup();
        let secrets = [
            "access_token",
            "backup_codes",
            "code",
            "custom_signing_key",
            "expired_token",
            "password",
            "password_digest",
            "refresh_token",
            "secret",
            "signing_key",
            "token",
            "totp_secret",
        ];
        assert_eq!(masked, secrets);
    }
}
