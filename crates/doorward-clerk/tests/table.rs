//! The table of operations: complete, fresh and fit to route by.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../examples/generate/code.rs"]
mod code;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use doorward_clerk::table::{self, Auth, BodyKind, Kind, Place, Shape, Type};
use doorward_clerk::{Operation, Table};

fn operation(resource: &str, verb: &str) -> &'static Operation {
    let found = Table::get().find(resource, verb);
    found.unwrap_or_else(|| panic!("there is no {resource}.{verb}"))
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let table = Table::get();
    assert_eq!(table.version, "2026-05-12");
    assert_eq!(table.operations.len(), 249);
    assert_eq!(table.resources().len(), 44);
    let mut names = HashSet::new();
    for operation in &table.operations {
        assert!(table.operation(operation.id).is_some(), "{}", operation.id);
        for verb in operation.verbs() {
            let name = (operation.resource, verb);
            assert!(names.insert(name), "two operations are {name:?}");
            assert_eq!(operation.id, table.find(name.0, name.1).unwrap().id);
        }
        let mut parameters = HashSet::new();
        for parameter in &operation.parameters {
            let new = parameters.insert(parameter.name);
            assert!(new, "{} has two {}", operation.id, parameter.name);
        }
    }
}

#[test]
fn every_type_is_there_and_every_type_is_used() {
    let table = Table::get();
    let mut used = HashSet::new();
    for operation in &table.operations {
        for parameter in &operation.parameters {
            names(&parameter.kind(), &mut used);
        }
        if let Some(response) = operation.response {
            names(&Type::parse(response), &mut used);
        }
        assert_eq!(operation.shape == Shape::Page, operation.items.is_some());
        let answers = !matches!(operation.shape, Shape::Text | Shape::Empty);
        assert_eq!(answers, operation.response.is_some(), "{}", operation.id);
    }
    for (_, fields) in &table.types.0 {
        for (_, kind) in &fields.0 {
            names(&Type::parse(kind), &mut used);
        }
    }
    let known: HashSet<&str> = table.types.0.iter().map(|(name, _)| *name).collect();
    assert_eq!(used, known);
}

fn names(kind: &Type, into: &mut HashSet<&'static str>) {
    match &kind.kind {
        Kind::Named(name) => drop(into.insert(name)),
        Kind::List(inner) | Kind::Map(inner) => names(inner, into),
        _ => {}
    }
}

#[test]
fn bodies_and_paths_have_their_parameters() {
    for operation in &Table::get().operations {
        let id = operation.id;
        let holes = operation.path.matches('{').count();
        let of = |place| {
            let parameters = operation.parameters.iter();
            parameters.filter(move |parameter| parameter.place == place)
        };
        assert_eq!(holes, of(Place::Path).count(), "{id}");
        for parameter in of(Place::Path) {
            let hole = format!("{{{}}}", parameter.wire());
            assert!(operation.path.contains(&hole), "{id}: {hole}");
            assert!(parameter.required, "{id}: {hole}");
        }
        let has_body = of(Place::Body).count() + of(Place::Document).count() > 0;
        assert_eq!(has_body, operation.body != BodyKind::None, "{id}");
    }
}

#[test]
fn requests_find_their_operation() {
    for operation in &Table::get().operations {
        let filled = operation.path.replace('{', "x-").replace('}', "");
        let (found, parameters) = Table::get().route(operation.method, &filled).unwrap();
        assert_eq!(found.id, operation.id, "{} {filled}", operation.method);
        for (name, value) in parameters {
            let wire = operation.parameter(name).unwrap().wire();
            assert_eq!(value, format!("x-{wire}"));
        }
    }
    let routed = |method, path| Table::get().route(method, path).map(|(found, _)| found.id);
    assert_eq!(routed("GET", "/users/count"), Some("GetUsersCount"));
    assert_eq!(routed("GET", "/users/user_1"), Some("GetUser"));
    assert_eq!(routed("POST", "/users/ban"), Some("UsersBan"));
    for (method, path) in [
        ("GET", "/users/"),
        ("GET", "users"),
        ("get", "/users"),
        ("TRACE", "/users"),
        ("GET", "/nothing"),
        ("GET", ""),
        ("PATCH", "/users"),
    ] {
        assert_eq!(routed(method, path), None, "{method} {path}");
    }
}

#[test]
fn the_odd_ones_are_as_the_documentation_says() {
    let update = operation("users", "update");
    assert_eq!(update.method, "PATCH");
    assert!(!update.idempotent());
    assert!(update.parameter("first_name").unwrap().nullable());
    assert!(update.parameter("public_metadata").is_none());
    assert_eq!(operation("m2m", "list").items, Some("m2m_tokens"));
    assert_eq!(operation("m2m", "create").auth, Auth::Machine);
    assert_eq!(operation("users", "list").shape, Shape::Array);
    assert!(operation("users", "list").is_paginated());
    assert_eq!(
        operation("users", "set_profile_image").body,
        BodyKind::Multipart
    );
    let bulk = operation("invitations", "bulk_create");
    assert_eq!(bulk.parameters[0].place, Place::Document);
    assert_eq!(
        operation("api_keys", "get").parameters[0].wire(),
        "apiKeyID"
    );
    let domains = operation("organization_domains", "list_all");
    assert!(domains.parameter("enrollment_mode").unwrap().comma);
    assert!(!domains.parameter("domains").unwrap().comma);
    let unversioned = Table::get().operations.iter().filter(|one| one.unversioned);
    assert_eq!(unversioned.count(), 13);
    let arrays = Table::get()
        .operations
        .iter()
        .filter(|one| one.shape == Shape::Array);
    assert_eq!(arrays.count(), 13);
    let pages = Table::get()
        .operations
        .iter()
        .filter(|one| one.shape == Shape::Page);
    assert_eq!(pages.count(), 36);
}

#[test]
fn no_prose_came_along() {
    // A name and a type are one word; a sentence has spaces. One default is a list of scopes.
    let rest = table::JSON.replace("\"profile email\"", "");
    let prose: Vec<&str> = rest.lines().filter(|line| line.contains(' ')).collect();
    assert!(prose.is_empty(), "{prose:?}");
}

/// Whoever changes the overlay or the generator runs `make generate` again; nobody edits what it made.
#[test]
fn what_was_generated_is_fresh() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(home.join(path)).unwrap();
    let header: serde_json::Value = serde_json::from_str(table::JSON).unwrap();
    for (name, path) in [
        ("overlay_sha256", "data/overlay.toml"),
        ("generator_sha256", "examples/generate/spec.rs"),
    ] {
        let fresh = sha256(&read(path));
        assert_eq!(header[name], fresh, "{path} changed: run `make generate`");
    }
    let (head, body) = table::JSON.split_once("\n\"operations\":").unwrap();
    assert!(
        head.contains(&sha256(body)),
        "the table was edited by hand: run `make generate`"
    );
    for (name, text) in code::files(Table::get()) {
        let path = format!("src/generated/{name}");
        assert_eq!(read(&path), text, "{path} is stale: run `make generate`");
    }
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect()
}
