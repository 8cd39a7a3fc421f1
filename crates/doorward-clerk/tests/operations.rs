//! One round trip for each of the 249 operations, against a server that knows the table and nothing of the client.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod server;

use std::collections::BTreeMap;

use doorward_clerk::table::{Auth, BodyKind, Kind, Operation, Parameter, Place, Shape, Type};
use doorward_clerk::{Arguments, CallOptions, Clerk, ClerkConfig, List, Table, Upload};
use doorward_core::Secret;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use server::{Arrived, Reply, Server};

/// A value that has everything in it that goes wrong on the way.
const AWKWARD: &str = "ä+b c/d?e&f=g%20\"#";

#[tokio::test]
async fn every_operation_goes_there_and_back() {
    let server = Server::deciding(echo).await;
    let clerk = Clerk::with_config(ClerkConfig {
        secret_key: Some(Secret::new("sk_test_x")),
        machine_secret_key: Some(Secret::new("ak_x")),
        base_url: server.url.clone(),
        ..ClerkConfig::default()
    });
    let clerk = clerk.unwrap();
    for operation in &Table::get().operations {
        let id = operation.id;
        let (arguments, expected) = arguments(operation);
        let before = server.log().len();
        let called = clerk
            .call(operation, arguments, &CallOptions::default())
            .await;
        let response = called.unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(response.status(), operation.status, "{id}");
        let log = server.log();
        assert_eq!(log.len(), before + 1, "{id}");
        let arrived = &log[before];
        assert_eq!(read(operation, arrived), expected, "{id}");
        let key = match operation.auth {
            Auth::None => None,
            Auth::Machine => Some("Bearer ak_x"),
            Auth::Secret | Auth::Either => Some("Bearer sk_test_x"),
        };
        assert_eq!(arrived.header("authorization"), key, "{id}");
        assert_eq!(
            arrived.header("clerk-api-version"),
            Some("2026-05-12"),
            "{id}"
        );
        match operation.shape {
            Shape::Empty => assert_eq!(response.json().unwrap(), Value::Null, "{id}"),
            Shape::Text => assert_eq!(response.text(), "text", "{id}"),
            Shape::Object => assert_eq!(response.json().unwrap()["id"], "x_1", "{id}"),
            Shape::Array | Shape::Page => {
                let list = List::read(Some(operation), response.json().unwrap());
                let total = (operation.shape == Shape::Page).then_some(7);
                assert_eq!((list.len(), list.total_count), (2, total), "{id}");
            }
        }
    }
}

/// Of every field that may be null, in every operation: absent, null and a value are three things.
#[test]
fn null_is_sent_and_what_is_absent_is_not() {
    let mut nullable = 0;
    for operation in &Table::get().operations {
        let required = operation
            .parameters
            .iter()
            .filter(|one| one.required && one.kind().kind != Kind::File)
            .fold(Arguments::new(), |arguments, one| {
                arguments.set(one.name, sample(&one.kind()))
            });
        for parameter in &operation.parameters {
            if parameter.place != Place::Body
                || operation.body != BodyKind::Json
                || !parameter.nullable()
            {
                continue;
            }
            nullable += 1;
            let body = |arguments: Arguments| {
                let request = operation.request(arguments).unwrap();
                request
                    .json()
                    .and_then(|body| body.get(parameter.wire()).cloned())
            };
            let id = operation.id;
            if !parameter.required {
                assert_eq!(body(required.clone()), None, "{id}: {}", parameter.name);
            }
            let null = required.clone().set(parameter.name, Value::Null);
            assert_eq!(body(null), Some(Value::Null), "{id}: {}", parameter.name);
            let value = sample(&parameter.kind());
            let set = required.clone().set(parameter.name, value.clone());
            assert_eq!(body(set), Some(value), "{id}: {}", parameter.name);
        }
    }
    assert!(nullable > 100, "{nullable}");
}

/// Arguments for every parameter, and what should arrive: by place and name on the wire.
fn arguments(operation: &Operation) -> (Arguments, BTreeMap<String, Value>) {
    let mut arguments = Arguments::new();
    let mut expected = BTreeMap::new();
    for parameter in &operation.parameters {
        let value = sample(&parameter.kind());
        if parameter.kind().kind == Kind::File {
            let file = Upload {
                file_name: "x.png".to_owned(),
                content_type: "image/png".to_owned(),
                bytes: b"bytes".to_vec(),
            };
            arguments = arguments.file(parameter.name, file);
            expected.insert(key(parameter), json!("bytes"));
            continue;
        }
        arguments = arguments.set(parameter.name, value.clone());
        let on_wire = match parameter.place {
            Place::Path | Place::Query => text(&value, parameter.comma),
            Place::Body if operation.body == BodyKind::Multipart => text(&value, false),
            Place::Body | Place::Document => value,
        };
        expected.insert(key(parameter), on_wire);
    }
    (arguments, expected)
}

fn sample(kind: &Type) -> Value {
    match &kind.kind {
        Kind::String | Kind::Any => json!(AWKWARD),
        Kind::Integer | Kind::Number => json!(3),
        Kind::Time => json!(1_772_000_000_123_i64),
        Kind::Boolean => json!(false),
        Kind::OneOf(words) => json!(words[0]),
        Kind::List(inner) => json!([sample(inner), sample(inner)]),
        Kind::Map(inner) => json!({"k": sample(inner)}),
        Kind::Named(name) => {
            let fields = Table::get()
                .fields(name)
                .unwrap()
                .iter()
                .map(|(name, kind)| {
                    let kind = Type::parse(kind);
                    (name.trim_end_matches('?').to_owned(), sample(&kind))
                });
            Value::Object(fields.collect())
        }
        _ => json!({"a": {"b": null}}),
    }
}

fn key(parameter: &Parameter) -> String {
    format!("{:?} {}", parameter.place, parameter.wire())
}

/// As text; a list that is repeated is a list of texts.
fn text(value: &Value, comma: bool) -> Value {
    let scalar = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(items) if comma => {
            json!(items.iter().map(scalar).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => items.iter().map(|item| json!(scalar(item))).collect(),
        one => json!(scalar(one)),
    }
}

/// What arrived, by place and name on the wire.
fn read(operation: &Operation, arrived: &Arrived) -> BTreeMap<String, Value> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let target = arrived.target.strip_prefix("/v1").unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (routed, segments) = Table::get().route(&arrived.method, path).unwrap();
    assert_eq!(routed.id, operation.id);
    let mut found = BTreeMap::new();
    for (name, segment) in segments {
        let parameter = operation.parameter(name).unwrap();
        found.insert(key(parameter), json!(decoded(segment)));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap();
        let (name, value) = (decoded(name), json!(decoded(value)));
        let mut parameters = operation.parameters.iter();
        let parameter = parameters.find(|one| one.place == Place::Query && one.wire() == name);
        let list = matches!(parameter.unwrap().kind().kind, Kind::List(_));
        let entry = found.entry(key(parameter.unwrap()));
        match entry.or_insert(Value::Null) {
            Value::Array(items) => items.push(value),
            empty if list && !parameter.unwrap().comma => *empty = json!([value]),
            empty => *empty = value,
        }
    }
    match operation.body {
        BodyKind::None => assert!(arrived.body.is_empty(), "{}", operation.id),
        BodyKind::Json => {
            let body: Value = serde_json::from_slice(&arrived.body).unwrap();
            match operation.parameters.last() {
                Some(whole) if whole.place == Place::Document => {
                    found.insert(key(whole), body);
                }
                _ => {
                    let Value::Object(fields) = body else {
                        panic!("{}: {body}", operation.id)
                    };
                    found.extend(
                        fields
                            .into_iter()
                            .map(|(name, value)| (format!("Body {name}"), value)),
                    );
                }
            }
        }
        BodyKind::Multipart => {
            let body = String::from_utf8(arrived.body.clone()).unwrap();
            for part in body
                .split("Content-Disposition: form-data; name=\"")
                .skip(1)
            {
                let (name, rest) = part.split_once('"').unwrap();
                let (_, content) = rest.split_once("\r\n\r\n").unwrap();
                let (content, _) = content.split_once("\r\n--").unwrap();
                found.insert(format!("Body {name}"), json!(content));
            }
        }
    }
    found
}

/// Answers as the table says.
fn echo(arrived: &Arrived) -> Reply {
    let target = arrived.target.strip_prefix("/v1").unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let Some((operation, _)) = Table::get().route(&arrived.method, path) else {
        return Reply::Answer(404, vec![], b"{}".to_vec());
    };
    let item = json!({"id": "x_1"});
    let body = match operation.shape {
        Shape::Empty => String::new(),
        Shape::Text => "text".to_owned(),
        Shape::Object => item.to_string(),
        Shape::Array => json!([item, item]).to_string(),
        Shape::Page => {
            let mut page = Map::new();
            page.insert(operation.items.unwrap().to_owned(), json!([item, item]));
            page.insert("total_count".to_owned(), json!(7));
            Value::Object(page).to_string()
        }
    };
    Reply::Answer(operation.status, vec![], body.into_bytes())
}
