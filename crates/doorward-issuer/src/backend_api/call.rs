//! A request, read as the table says: each parameter of the right type, none missing, none unknown.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use doorward_clerk::table::{BodyKind, Kind, Operation, Parameter, Place, Table, Type};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::backend_api::problem::{Fault, Problem};
use crate::backend_api::store::Object;

/// An operation and what was given to it.
pub(super) struct Call {
    pub(super) operation: &'static Operation,
    /// Who asks: a machine, or the instance itself.
    pub(super) machine: Option<String>,
    /// The id that what is created shall have; a seed says it.
    pub(super) id: Option<String>,
    /// By name: path, query and body together. What the API assumes of the query, and of a POST's body, is there too.
    given: Map<String, Value>,
}

/// A request before it is read.
pub(super) struct Raw<'a> {
    pub(super) path: Vec<(&'static str, &'a str)>,
    pub(super) query: &'a str,
    pub(super) content_type: Option<&'a str>,
    pub(super) body: &'a [u8],
    /// `Clerk-API-Version`.
    pub(super) version: Option<&'a str>,
}

impl Call {
    /// Reads a request. All that is wrong with its parameters is told at once.
    pub(super) fn read(operation: &'static Operation, raw: &Raw<'_>) -> Result<Self, Problem> {
        let mut given = Map::new();
        let mut faults = Vec::new();
        for (name, text) in &raw.path {
            given.insert((*name).to_owned(), json!(decoded(text)));
        }
        query(operation, raw.query, &mut given, &mut faults);
        match operation.body {
            BodyKind::None => {}
            BodyKind::Json => body(operation, raw, &mut given, &mut faults)?,
            BodyKind::Multipart => multipart(operation, raw, &mut given)?,
        }
        Self::checked(operation, given, faults)
    }

    /// The call that this object describes: a creation out of a seed.
    pub(super) fn of(operation: &'static Operation, fields: Object) -> Result<Self, Problem> {
        let mut given = Map::new();
        let mut faults = Vec::new();
        for (name, value) in fields {
            match operation.parameter(&name) {
                Some(parameter) => take(parameter, value, &mut given, &mut faults),
                None => faults.push(Fault::unknown(&name)),
            }
        }
        Self::checked(operation, given, faults)
    }

    fn checked(
        operation: &'static Operation,
        mut given: Map<String, Value>,
        mut faults: Vec<Fault>,
    ) -> Result<Self, Problem> {
        for parameter in &operation.parameters {
            if given.contains_key(parameter.name) {
                continue;
            }
            let told = |fault: &Fault| fault.param.as_deref() == Some(parameter.wire());
            if faults.iter().any(told) {
                continue;
            }
            let assumed = parameter.place == Place::Query || operation.method == "POST";
            match &parameter.default {
                Some(default) if assumed => {
                    given.insert(parameter.name.to_owned(), default.clone());
                }
                _ if parameter.required => faults.push(Fault::missing(parameter.wire())),
                _ => {}
            }
        }
        if !faults.is_empty() {
            let mut problem = Problem::of(faults);
            if operation.unversioned {
                problem.status = StatusCode::BAD_REQUEST;
                for fault in &mut problem.errors {
                    (fault.code, fault.message) = ("bad_request", "Bad Request");
                }
            }
            return Err(problem);
        }
        Ok(Self {
            operation,
            machine: None,
            id: None,
            given,
        })
    }

    /// What was given: nothing, `null` or a value.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        self.given.get(name)
    }

    /// Text, unless it is absent or null.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given.get(name)?.as_str()
    }

    /// Text that must be there; the table says so.
    pub(super) fn required(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// Whether it was given and true.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.given.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// A whole number.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        let value = self.given.get(name)?;
        value.as_i64().or_else(|| value.as_f64().map(|x| x as i64))
    }

    /// The texts of a list; none if it is absent.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.given.get(name).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// The objects of a body that is a list.
    pub(super) fn document(&self) -> Vec<Object> {
        let list = self.given.get("request_body").and_then(Value::as_array);
        let objects = list.into_iter().flatten().filter_map(Value::as_object);
        objects.cloned().collect()
    }

    /// The same call about one of the document's objects.
    pub(super) fn about(&self, item: Object) -> Self {
        let mut given = self.given.clone();
        given.remove("request_body");
        given.extend(item);
        Self {
            operation: self.operation,
            machine: self.machine.clone(),
            id: None,
            given,
        }
    }

    /// Copies what was given of these names into an object; `null` too.
    pub(super) fn copy(&self, names: &[&str], object: &mut Object) {
        for name in names {
            if let Some(value) = self.given.get(*name) {
                object.insert((*name).to_owned(), value.clone());
            }
        }
    }

    /// Copies what was given of these names and is not null.
    pub(super) fn copy_values(&self, names: &[&str], object: &mut Object) {
        for name in names {
            if let Some(value) = self.given.get(*name).filter(|value| !value.is_null()) {
                object.insert((*name).to_owned(), value.clone());
            }
        }
    }
}

fn query(
    operation: &Operation,
    text: &str,
    given: &mut Map<String, Value>,
    faults: &mut Vec<Fault>,
) {
    let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        pairs
            .entry(name.into_owned())
            .or_default()
            .push(value.into_owned());
    }
    for (name, values) in pairs {
        let mut parameters = operation.parameters.iter();
        let Some(parameter) = parameters
            .find(|parameter| parameter.place == Place::Query && parameter.wire() == name)
        else {
            faults.push(Fault::unknown(&name));
            continue;
        };
        let kind = parameter.kind();
        let value = match &kind.kind {
            Kind::List(item) => {
                let words = values.iter().flat_map(|text| match parameter.comma {
                    true => text.split(',').collect::<Vec<_>>(),
                    false => vec![text.as_str()],
                });
                words.map(|word| from_text(&item.kind, word)).collect()
            }
            kind => from_text(kind, values.last().map_or("", String::as_str)),
        };
        take(parameter, value, given, faults);
    }
}

/// What a word of a query may mean, if it is to be of this kind.
fn from_text(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Boolean => match text {
            "true" | "1" => json!(true),
            "false" | "0" => json!(false),
            other => json!(other),
        },
        Kind::Integer | Kind::Time => text
            .parse::<i64>()
            .map_or_else(|_| json!(text), |number| json!(number)),
        Kind::Number => text
            .parse::<f64>()
            .map_or_else(|_| json!(text), |number| json!(number)),
        _ => json!(text),
    }
}

fn body(
    operation: &Operation,
    raw: &Raw<'_>,
    given: &mut Map<String, Value>,
    faults: &mut Vec<Fault>,
) -> Result<(), Problem> {
    let malformed = |long: &str| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "request_body_invalid",
            "Request body invalid",
            long,
        )
    };
    if raw.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let value: Value = serde_json::from_slice(raw.body)
        .map_err(|error| malformed(&format!("The body is not JSON: {error}")))?;
    let mut parameters = operation.parameters.iter();
    if let Some(document) = parameters.find(|parameter| parameter.place == Place::Document) {
        take(document, value, given, faults);
        return Ok(());
    }
    let Value::Object(fields) = value else {
        return Err(malformed("The body must be a JSON object."));
    };
    for (name, value) in fields {
        let mut parameters = operation.parameters.iter();
        let found =
            parameters.find(|parameter| parameter.place == Place::Body && parameter.wire() == name);
        match found {
            Some(parameter) => take(parameter, value, given, faults),
            None if replaces_metadata(operation, &name, raw.version) => {
                given.insert(name, value);
            }
            None => faults.push(Fault::unknown(&name)),
        }
    }
    Ok(())
}

/// Until 2026-05-12, an update took metadata too and put it in the place of the old.
fn replaces_metadata(operation: &Operation, name: &str, version: Option<&str>) -> bool {
    let fields: &[&str] = match operation.id {
        "UpdateUser" => &["public_metadata", "private_metadata", "unsafe_metadata"],
        "UpdateOrganization" => &["public_metadata", "private_metadata"],
        _ => return false,
    };
    version.is_some_and(|version| version < Table::get().version) && fields.contains(&name)
}

/// Checks a value and takes it. `null`, where it is not allowed, is as if it was not there: so Clerk's server reads it.
fn take(
    parameter: &Parameter,
    value: Value,
    given: &mut Map<String, Value>,
    faults: &mut Vec<Fault>,
) {
    let kind = parameter.kind();
    if value.is_null() {
        if kind.nullable {
            given.insert(parameter.name.to_owned(), value);
        }
        return;
    }
    let before = faults.len();
    check(parameter.wire(), &kind, &value, faults);
    if faults.len() == before {
        bounds(parameter, &value, faults);
    }
    if faults.len() == before {
        // `5.0` is 5.
        let value = match (&kind.kind, value.as_f64()) {
            (Kind::Integer | Kind::Time, Some(number)) => json!(number as i64),
            _ => value,
        };
        given.insert(parameter.name.to_owned(), value);
    }
}

fn check(name: &str, kind: &Type, value: &Value, faults: &mut Vec<Fault>) {
    if value.is_null() && kind.nullable {
        return;
    }
    let mut expect = |right: bool, what: &str| {
        if !right {
            faults.push(Fault::wrong_type(name, what));
        }
    };
    match &kind.kind {
        Kind::String => expect(value.is_string(), "a string"),
        Kind::Integer | Kind::Time => {
            let whole = |number: f64| number.fract() == 0.0 && number.abs() <= MAX_WHOLE;
            let whole = value.as_f64().is_some_and(whole);
            expect(whole, "a whole number");
        }
        Kind::Number => expect(value.is_number(), "a number"),
        Kind::Boolean => expect(value.is_boolean(), "true or false"),
        Kind::Object => expect(value.is_object(), "an object"),
        Kind::OneOf(words) => match value.as_str() {
            Some(text) if words.contains(&text) => {}
            _ => {
                let bound = format!("one of {}", words.join(", "));
                faults.push(Fault::out_of_range(name, &bound));
            }
        },
        Kind::List(item) => match value.as_array() {
            Some(items) => items
                .iter()
                .for_each(|value| check(name, item, value, faults)),
            None => expect(false, "a list"),
        },
        Kind::Map(item) => match value.as_object() {
            Some(members) => members
                .values()
                .for_each(|value| check(name, item, value, faults)),
            None => expect(false, "an object"),
        },
        Kind::Named(of) => match value.as_object() {
            Some(members) => fields(name, of, members, faults),
            None => expect(false, "an object"),
        },
        _ => {}
    }
}

/// The fields of an object within a parameter. More of them than the table knows may be there.
fn fields(name: &str, of: &str, members: &Object, faults: &mut Vec<Fault>) {
    for (field, kind) in Table::get().fields(of).unwrap_or_default() {
        let (field, optional) = match field.strip_suffix('?') {
            Some(field) => (field, true),
            None => (*field, false),
        };
        let path = match name {
            "request_body" => field.to_owned(),
            name => format!("{name}.{field}"),
        };
        match members.get(field) {
            Some(value) if !(value.is_null() && optional) => {
                check(&path, &Type::parse(kind), value, faults);
            }
            None if !optional => faults.push(Fault::missing(&path)),
            _ => {}
        }
    }
}

fn bounds(parameter: &Parameter, value: &Value, faults: &mut Vec<Fault>) {
    let name = parameter.wire();
    if let Some(number) = value.as_f64() {
        if let Some(least) = parameter.minimum.filter(|least| number < *least) {
            faults.push(Fault::out_of_range(name, &format!("{least} at least")));
        }
        if let Some(most) = parameter.maximum.filter(|most| number > *most) {
            faults.push(Fault::out_of_range(name, &format!("{most} at most")));
        }
    }
    let length = |value: &Value| value.as_str().map(|text| text.chars().count() as u64);
    if let Some(length) = length(value) {
        if let Some(least) = parameter.min_length.filter(|least| length < *least) {
            let long = format!("{name} must have {least} characters at least.");
            let code = "form_param_min_length_not_reached";
            faults.push(Fault::new(code, "is too short", name, long));
        }
        if let Some(most) = parameter.max_length.filter(|most| length > *most) {
            let long = format!("{name} must have {most} characters at most.");
            let code = "form_param_max_length_exceeded";
            faults.push(Fault::new(code, "is too long", name, long));
        }
    }
    if let Some(items) = value.as_array().map(|items| items.len() as u64) {
        if let Some(least) = parameter.min_items.filter(|least| items < *least) {
            faults.push(Fault::out_of_range(
                name,
                &format!("{least} items at least"),
            ));
        }
        if let Some(most) = parameter.max_items.filter(|most| items > *most) {
            faults.push(Fault::out_of_range(name, &format!("{most} items at most")));
        }
    }
}

/// The parts of a multipart body (RFC 7578): a file's is its size, any other's its text.
fn multipart(
    operation: &Operation,
    raw: &Raw<'_>,
    given: &mut Map<String, Value>,
) -> Result<(), Problem> {
    let refused = |long: &str| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed_request_parameters",
            "Malformed request parameters",
            long,
        )
    };
    let boundary = raw
        .content_type
        .filter(|text| text.starts_with("multipart/form-data"))
        .and_then(|text| text.split_once("boundary="))
        .map(|(_, rest)| rest.split(';').next().unwrap_or_default().trim_matches('"'))
        .filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()))
        .ok_or_else(|| refused("The body must be multipart/form-data with a boundary."))?;
    let delimiter = format!("--{boundary}");
    for part in split(raw.body, delimiter.as_bytes()) {
        let Some(end) = position(part, b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&part[..end]);
        let content = part[end + 4..].strip_suffix(b"\r\n").unwrap_or_default();
        let known = |name: &&str| {
            let mut parameters = operation.parameters.iter();
            parameters.any(|known| known.place == Place::Body && known.wire() == *name)
        };
        let Some(name) = disposition(&head, "name=").filter(known) else {
            continue;
        };
        let value = match name == "file" {
            true => json!({ "size": content.len() }),
            false => json!(String::from_utf8_lossy(content)),
        };
        given.insert(name.to_owned(), value);
    }
    Ok(())
}

fn disposition<'h>(head: &'h str, attribute: &str) -> Option<&'h str> {
    let mut lines = head.lines();
    let line = lines.find(|line| {
        line.to_ascii_lowercase()
            .starts_with("content-disposition:")
    })?;
    let mut attributes = line.split(';').map(str::trim);
    let found = attributes.find_map(|text| text.strip_prefix(attribute))?;
    Some(found.trim_matches('"'))
}

fn split<'b>(body: &'b [u8], delimiter: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let body = rest?;
        match position(body, delimiter) {
            Some(at) => {
                rest = Some(&body[at + delimiter.len()..]);
                Some(&body[..at])
            }
            None => {
                rest = None;
                Some(body)
            }
        }
    })
}

fn position(body: &[u8], of: &[u8]) -> Option<usize> {
    memchr::memmem::find(body, of)
}

/// RFC 2046 §5.1.1.
const MAX_BOUNDARY: usize = 70;
/// Whole numbers up to here are the same in every program that reads them (RFC 8259 §6).
const MAX_WHOLE: f64 = 9_007_199_254_740_991.0;

/// A path's segment without its percent-encoding.
fn decoded(segment: &str) -> String {
    // A `+` is a plus in a path and would be a space in a form.
    let form = format!("x={}", segment.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = form_urlencoded::parse(form.as_bytes());
    pairs
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
