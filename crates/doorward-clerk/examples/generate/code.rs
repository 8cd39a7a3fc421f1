//! From the table to Rust.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use doorward_clerk::table::{BodyKind, Kind, Operation, Parameter, Place, Shape, Table, Type};

/// The files of `src/generated`, and their text.
pub(crate) fn files(table: &Table) -> Vec<(&'static str, String)> {
    vec![
        ("models.rs", models(table)),
        ("resources.rs", resources(table)),
    ]
}

/// A type for each that an operation answers with.
fn models(table: &Table) -> String {
    let mut needed = BTreeSet::new();
    for response in table.operations.iter().filter_map(|one| one.response) {
        need(table, &Type::parse(response), &mut needed);
    }
    let mut text = String::from(MADE);
    text += "use serde_json::Value;\n\nuse super::{known_values, models};\n\nmodels! {\n";
    let mut values = String::new();
    let types = table
        .types
        .0
        .iter()
        .filter(|(name, _)| needed.contains(name));
    for (name, fields) in types {
        line(&mut text, format_args!("    {name} {{"));
        for (field, kind) in &fields.0 {
            let wire = field.trim_end_matches('?');
            let kind = Type::parse(kind);
            let (how, ident) = (getter(&kind), identifier(wire));
            line(&mut text, format_args!("        {how} {ident} {wire:?};"));
            if let Kind::OneOf(words) = &kind.kind
                && words.len() > 1
            {
                values += &known(&format!("{name}{}", pascal(wire)), words);
            }
        }
        text += "    }\n";
    }
    text += "}\n\nknown_values! {\n";
    text += &values;
    text += "}\n";
    text
}

fn need(table: &Table, kind: &Type, needed: &mut BTreeSet<&'static str>) {
    match &kind.kind {
        Kind::Named(name) if needed.insert(name) => {
            for (_, kind) in table.fields(name).unwrap_or_default() {
                need(table, &Type::parse(kind), needed);
            }
        }
        Kind::List(inner) | Kind::Map(inner) => need(table, inner, needed),
        _ => {}
    }
}

fn getter(kind: &Type) -> String {
    match &kind.kind {
        Kind::String | Kind::OneOf(_) => "text".to_owned(),
        Kind::Boolean => "flag".to_owned(),
        Kind::Integer => "integer".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Named(name) => format!("one({name})"),
        Kind::List(inner) => match &inner.kind {
            Kind::String | Kind::OneOf(_) => "texts".to_owned(),
            Kind::Named(name) => format!("many({name})"),
            _ => "any".to_owned(),
        },
        _ => "any".to_owned(),
    }
}

fn known(name: &str, words: &[&str]) -> String {
    let mut text = format!("    {name} {{\n");
    for word in words.iter().filter(|word| !word.is_empty()) {
        let constant = identifier(word).to_uppercase();
        line(&mut text, format_args!("        {constant} {word:?};"));
    }
    text + "    }\n"
}

/// A method for each resource, for each operation, and for each parameter.
fn resources(table: &Table) -> String {
    let mut text = String::from(MADE);
    text += "use super::resources;\n\nresources! {\n";
    for resource in table.resources() {
        let name = pascal(resource);
        line(&mut text, format_args!("    {resource} {name} {{"));
        for operation in table.of_resource(resource) {
            text += &one(operation);
        }
        text += "    }\n";
    }
    text + "}\n"
}

fn one(operation: &Operation) -> String {
    let verbs: Vec<String> = operation.verbs().map(identifier).collect();
    let of = |place| {
        let parameters = operation.parameters.iter();
        parameters.filter(move |parameter| parameter.place == place)
    };
    let path: Vec<&str> = of(Place::Path).map(|parameter| parameter.name).collect();
    let answer = match (operation.shape, operation.response) {
        (Shape::Text, _) => "text".to_owned(),
        (Shape::Array | Shape::Page, Some(name)) => format!("list({name})"),
        (_, Some("object")) => "any".to_owned(),
        (_, Some(name)) => format!("one({name})"),
        _ => "nothing".to_owned(),
    };
    let mut text = format!(
        "        {} {} {:?} ({}) -> {answer} {{\n",
        verbs.join(" | "),
        pascal(operation.id),
        operation.id,
        path.join(", "),
    );
    let others = operation.parameters.iter();
    for parameter in others.filter(|parameter| parameter.place != Place::Path) {
        let (how, name) = (setter(operation, parameter), parameter.name);
        let mut ident = identifier(name);
        if RESERVED.contains(&ident.as_str()) {
            ident.push('_');
        }
        line(
            &mut text,
            format_args!("            {how} {ident} {name:?};"),
        );
    }
    text + "        }\n"
}

fn setter(operation: &Operation, parameter: &Parameter) -> &'static str {
    match parameter.kind().kind {
        Kind::File if operation.body == BodyKind::Multipart => "file",
        Kind::String | Kind::OneOf(_) => "String",
        Kind::Boolean => "bool",
        Kind::Integer | Kind::Time => "i64",
        Kind::Number => "Numeric",
        Kind::List(inner) if matches!(inner.kind, Kind::String | Kind::OneOf(_)) => "Texts",
        _ => "Value",
    }
}

/// A name as an identifier: `x5t#S256` -> `x5t_s256`, `type` -> `type_`.
fn identifier(name: &str) -> String {
    let letters = name.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
    let plain = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter.to_ascii_lowercase(),
        false => '_',
    };
    let mut ident: String = letters.chars().map(plain).collect();
    if ["type", "use", "match", "ref", "move", "self"].contains(&ident.as_str()) {
        ident.push('_');
    }
    if ident.starts_with(|letter: char| letter.is_ascii_digit()) {
        ident.insert(0, '_');
    }
    ident
}

fn pascal(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("text grows");
}

/// Methods that every call has.
const RESERVED: [&str; 7] = [
    "deadline", "extra", "options", "pages", "request", "send", "set",
];

const MADE: &str =
    "// Made from `data/backend-api.json` by `make generate`. Edit that, or the generator.\n\n";
