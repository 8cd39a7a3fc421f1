//! From Clerk's OpenAPI document and our overlay to the table. Prose is left behind.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

/// The table's text: one line for each operation and each type.
pub(crate) fn table(spec: &str, overlay: &str, generator: &str) -> Result<String, Box<dyn Error>> {
    let options = serde_saphyr::options! {
        budget: None,
    };
    let root: Node = serde_saphyr::from_str_with_options(spec, options)?;
    let mut maker = Maker {
        root: Box::leak(Box::new(root)),
        overlay: toml::from_str(overlay)?,
        types: Vec::new(),
        made: Vec::new(),
        used: HashSet::new(),
    };
    let mut operations = Vec::new();
    for (path, item) in maker.root.at("paths").entries() {
        for (method, operation) in item.entries() {
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                operations.push(maker.operation(method, path, operation)?);
            }
        }
    }
    maker.correct()?;
    let types: Vec<String> = maker
        .types
        .iter()
        .map(|(name, fields)| {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, field)| {
                    let mark = if field.optional { "?" } else { "" };
                    format!("{}:{}", json!(format!("{name}{mark}")), json!(field.kind))
                })
                .collect();
            format!("{}:{{{}}}", json!(name), fields.join(","))
        })
        .collect();
    let (operations, types) = (operations.join(",\n"), types.join(",\n"));
    let body = format!("[\n{operations}\n],\n\"types\":{{\n{types}\n}}\n}}\n");
    let mut text = String::from("{\n");
    let server = maker.root.at("servers").items().first();
    let server = server.ok_or("the document names no server")?;
    for (name, value) in [
        ("version", maker.root.at("info").at("version").text()),
        ("base_url", server.at("url").text()),
        ("spec_sha256", &sha256(spec)),
        ("overlay_sha256", &sha256(overlay)),
        ("generator_sha256", &sha256(generator)),
        // Of what follows.
        ("body_sha256", &sha256(&body)),
    ] {
        writeln!(text, "{}:{},", json!(name), json!(value))?;
    }
    text += "\"operations\":";
    text += &body;
    Ok(text)
}

/// What a text is compared by.
pub(crate) fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect()
}

struct Maker {
    root: &'static Node,
    overlay: Overlay,
    types: Vec<(String, Fields)>,
    /// Which schemas went into which type.
    made: Vec<(String, *const Node)>,
    /// Which entries of the overlay had something to correct.
    used: HashSet<String>,
}

type Fields = Vec<(String, Field)>;

#[derive(Clone)]
struct Field {
    kind: String,
    optional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Overlay {
    aliases: HashMap<String, Vec<String>>,
    parameters: HashMap<String, HashMap<String, String>>,
    auth: HashMap<String, String>,
    unversioned: Unversioned,
    time: Time,
    types: HashMap<String, String>,
    fields: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unversioned {
    paths: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    names: Vec<String>,
}

impl Maker {
    fn operation(
        &mut self,
        method: &str,
        path: &str,
        operation: &'static Node,
    ) -> Result<String, Box<dyn Error>> {
        let id = operation.at("operationId").text();
        let (resource, verb) = names(operation);
        let mut line = Line::default();
        line.add("id", &json!(id));
        line.add("resource", &json!(resource));
        line.add("verb", &json!(verb));
        if let Some(aliases) = self.overlay.aliases.get(id) {
            line.add("aliases", &json!(aliases));
            self.used.insert(id.to_owned());
        }
        line.add("method", &json!(method.to_uppercase()));
        line.add("path", &json!(path));

        let mut parameters = Vec::new();
        for parameter in operation.at("parameters").items() {
            let parameter = self.follow(parameter);
            parameters.push(self.parameter(id, parameter));
        }
        let order = |line: &Line| match line.value("in").as_ref().and_then(Value::as_str) {
            Some("path") => path.find(&format!("{{{}}}", line.wire())).unwrap_or(0),
            _ => usize::MAX,
        };
        parameters.sort_by_key(order);
        let body = self.follow(operation.at("requestBody"));
        let content = body.at("content").entries();
        let kind = content.first().map(|(name, _)| name.as_str());
        if let Some((_, content)) = content.first() {
            parameters.extend(self.body(id, content.at("schema")));
        }
        if !parameters.is_empty() {
            let parameters: Vec<String> = parameters.iter().map(Line::object).collect();
            line.raw("parameters", format!("[{}]", parameters.join(",")));
        }
        match kind {
            None => {}
            Some("application/json") => line.add("body", &json!("json")),
            Some("multipart/form-data") => line.add("body", &json!("multipart")),
            Some(other) => return Err(format!("{id}: a body of type {other}").into()),
        }
        if body.at("required").flag() {
            line.add("body_required", &json!(true));
        }

        let responses = operation.at("responses").entries();
        let (status, success) = responses
            .iter()
            .find(|(status, _)| status.starts_with('2'))
            .ok_or_else(|| format!("{id} never succeeds"))?;
        line.add("status", &json!(status.parse::<u16>()?));
        self.answer(&mut line, id, path, self.follow(success));
        let errors: Vec<u16> = responses
            .iter()
            .filter_map(|(status, _)| status.parse().ok())
            .filter(|status| *status >= 400)
            .collect();
        if !errors.is_empty() {
            line.add("errors", &json!(errors));
        }
        if operation.at("deprecated").flag() {
            line.add("deprecated", &json!(true));
        }
        if let Some(auth) = self.overlay.auth.get(id) {
            line.add("auth", &json!(auth));
            self.used.insert(id.to_owned());
        }
        let unversioned = &self.overlay.unversioned.paths;
        if unversioned.iter().any(|prefix| path.starts_with(prefix)) {
            line.add("unversioned", &json!(true));
        }
        Ok(line.object())
    }

    fn parameter(&mut self, id: &str, parameter: &'static Node) -> Line {
        let wire = parameter.at("name").text();
        let schema = parameter.at("schema");
        let kind = self.expression(schema, wire, &(pascal(id) + &pascal(wire)));
        let mut line = self.named(id, wire);
        line.add("in", &parameter.at("in").node_value());
        line.add("type", &json!(kind));
        if parameter.at("required").flag() {
            line.add("required", &json!(true));
        }
        self.limits(&mut line, schema);
        let joined = parameter.at("explode") == &Node::Bool(false);
        if joined && parameter.at("style").text() == "form" {
            line.add("comma", &json!(true));
        }
        if parameter.at("deprecated").flag() {
            line.add("deprecated", &json!(true));
        }
        line
    }

    fn body(&mut self, id: &str, schema: &'static Node) -> Vec<Line> {
        let schema = self.follow(schema);
        if schema.at("type").text() == "array" {
            let kind = self.expression(schema, "", &(pascal(id) + "Item"));
            let mut line = Line::default();
            line.add("name", &json!("request_body"));
            line.add("in", &json!("document"));
            line.add("type", &json!(kind));
            line.add("required", &json!(true));
            self.limits(&mut line, schema);
            return vec![line];
        }
        let fields = self.fields(schema, &pascal(id));
        let mut lines = Vec::new();
        for (name, field) in fields {
            let property = self.property(schema, &name);
            let mut line = self.named(id, &name);
            line.add("in", &json!("body"));
            line.add("type", &json!(field.kind));
            if !field.optional {
                line.add("required", &json!(true));
            }
            self.limits(&mut line, property);
            if property.at("deprecated").flag() {
                line.add("deprecated", &json!(true));
            }
            lines.push(line);
        }
        lines
    }

    fn answer(&mut self, line: &mut Line, id: &str, path: &str, response: &'static Node) {
        let Some((_, content)) = response.at("content").entries().first() else {
            let text = path == "/public/interstitial";
            line.add("shape", &json!(if text { "text" } else { "empty" }));
            return;
        };
        let schema = self.follow(content.at("schema"));
        let hint = pascal(id) + "Response";
        if schema.at("type").text() == "array" {
            let name = match schema.at("items").at("$ref").text() {
                "" => pascal(id) + "Item",
                _ => String::new(),
            };
            line.add("shape", &json!("array"));
            let kind = self.expression(schema.at("items"), "", &name);
            line.add("response", &json!(kind));
            return;
        }
        let names = self.property_names(schema);
        let mut others = names.iter().filter(|name| **name != "total_count");
        let list = others
            .next()
            .map(|name| (*name, self.follow(self.property(schema, name))));
        match list {
            Some((name, list)) if names.len() == 2 && list.at("type").text() == "array" => {
                line.add("shape", &json!("page"));
                let kind = self.expression(list.at("items"), "", &(hint + &pascal(name)));
                line.add("response", &json!(kind));
                line.add("items", &json!(name));
            }
            _ => {
                let kind = self.expression(content.at("schema"), "", &hint);
                line.add("shape", &json!("object"));
                line.add("response", &json!(kind));
            }
        }
    }

    /// The parameter's name, and its name on the wire where that differs.
    fn named(&self, id: &str, wire: &str) -> Line {
        let renamed = self.overlay.parameters.get(id);
        let name = renamed.and_then(|names| names.get(wire)).cloned();
        let name = name.unwrap_or_else(|| snake(wire));
        let mut line = Line::default();
        line.add("name", &json!(name));
        if name != wire {
            line.add("wire", &json!(wire));
        }
        line
    }

    fn limits(&self, line: &mut Line, schema: &'static Node) {
        let schema = self.follow(schema);
        for (theirs, ours) in [
            ("default", "default"),
            ("minimum", "minimum"),
            ("maximum", "maximum"),
            ("minLength", "min_length"),
            ("maxLength", "max_length"),
            ("minItems", "min_items"),
            ("maxItems", "max_items"),
        ] {
            let limit = schema.at(theirs);
            if limit != &Node::Null {
                line.add(ours, &limit.node_value());
            }
        }
    }

    /// A schema as a type; `field` is the name of the field that has it, `hint` what to call it if it needs a name.
    fn expression(&mut self, schema: &'static Node, field: &str, hint: &str) -> String {
        let (kind, nullable) = self.kind(schema, field, hint);
        kind + if nullable { "?" } else { "" }
    }

    fn kind(&mut self, schema: &'static Node, field: &str, hint: &str) -> (String, bool) {
        let reference = schema.at("$ref").text();
        if !reference.is_empty() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            let target = self.follow(schema);
            let (kind, nullable) = self.kind(target, field, &pascal(name));
            return (kind, nullable);
        }
        let nullable = schema.at("nullable").flag();
        let branches = branches(schema);
        let properties = schema.at("properties").entries();
        if properties.is_empty()
            && let [(_, only)] = branches[..]
        {
            let (kind, inner) = self.kind(only, field, hint);
            return (kind, nullable || inner);
        }
        if !properties.is_empty() || !branches.is_empty() {
            let renamed = self.overlay.types.get(hint).cloned();
            let name = renamed.unwrap_or_else(|| hint.to_owned());
            self.used.insert(hint.to_owned());
            self.register(&name, schema);
            return (name, nullable);
        }
        let kind = match schema.at("type").text() {
            "string" if schema.at("format").text() == "binary" => "file".to_owned(),
            "string" => {
                let values = schema.at("enum").items();
                let values = values.iter().filter(|value| **value != Node::Null);
                let words: Vec<String> = values.map(|word| format!("'{}'", word.text())).collect();
                match words.is_empty() {
                    true => "string".to_owned(),
                    false => words.join("|"),
                }
            }
            "integer" | "number" if self.is_time(field) => "time".to_owned(),
            scalar @ ("integer" | "number" | "boolean") => scalar.to_owned(),
            "array" => {
                let item = self.expression(schema.at("items"), field, hint);
                format!("[{item}]")
            }
            "object" => match schema.at("additionalProperties") {
                values @ Node::Map(fields) if !fields.is_empty() => {
                    let value = self.expression(values, "", &(hint.to_owned() + "Value"));
                    match value.as_str() {
                        "any" => "object".to_owned(),
                        _ => format!("{{{value}}}"),
                    }
                }
                _ => "object".to_owned(),
            },
            _ => "any".to_owned(),
        };
        (kind, nullable)
    }

    fn is_time(&self, field: &str) -> bool {
        let endings = ["_at", "_at_before", "_at_after", "_at_since"];
        endings.iter().any(|ending| field.ends_with(ending))
            || self.overlay.time.names.iter().any(|name| name == field)
    }

    fn register(&mut self, name: &str, schema: &'static Node) {
        let key = (name.to_owned(), std::ptr::from_ref(schema));
        if self.made.contains(&key) {
            return;
        }
        self.made.push(key);
        let place = match self.types.iter().position(|(known, _)| known == name) {
            Some(place) => place,
            None => {
                self.types.push((name.to_owned(), Vec::new()));
                self.types.len() - 1
            }
        };
        let before = self.made.iter().filter(|(known, _)| known == name).count() > 1;
        let fields = self.fields(schema, name);
        let known = std::mem::take(&mut self.types[place].1);
        self.types[place].1 = match before {
            true => merge(known, fields, Join::Either),
            false => fields,
        };
    }

    /// The fields of an object, and of everything it is made of.
    fn fields(&mut self, schema: &'static Node, hint: &str) -> Fields {
        let mut fields = Fields::new();
        for (name, property) in schema.at("properties").entries() {
            let kind = self.expression(property, name, &(hint.to_owned() + &pascal(name)));
            let optional = true;
            fields.push((name.clone(), Field { kind, optional }));
        }
        let mut alternatives: Option<Fields> = None;
        for (join, branch) in branches(schema) {
            let branch = self.follow(branch);
            let inner = self.fields(branch, hint);
            match join {
                Join::Both => fields = merge(fields, inner, join),
                Join::Either => {
                    alternatives = Some(match alternatives {
                        Some(known) => merge(known, inner, join),
                        None => inner,
                    });
                }
            }
        }
        if let Some(alternatives) = alternatives {
            fields = merge(fields, alternatives, Join::Both);
        }
        for required in schema.at("required").items() {
            let known = fields.iter_mut().find(|(name, _)| name == required.text());
            if let Some((_, field)) = known {
                field.optional = false;
            }
        }
        fields
    }

    fn property(&self, schema: &'static Node, name: &str) -> &'static Node {
        let own = schema.at("properties").at(name);
        if own != &Node::Null {
            return own;
        }
        let parts = branches(schema).into_iter();
        let mut found = parts.map(|(_, part)| self.property(self.follow(part), name));
        found
            .find(|node| *node != &Node::Null)
            .unwrap_or(&Node::Null)
    }

    fn property_names(&self, schema: &'static Node) -> Vec<&'static str> {
        let own = schema.at("properties").entries().iter();
        let mut names: Vec<&str> = own.map(|(name, _)| name.as_str()).collect();
        for (_, part) in branches(schema) {
            names.extend(self.property_names(self.follow(part)));
        }
        names
    }

    fn follow(&self, mut node: &'static Node) -> &'static Node {
        while let Some(path) = node.at("$ref").text().strip_prefix("#/") {
            node = path.split('/').fold(self.root, |node, name| node.at(name));
        }
        node
    }

    /// Applies the overlay's fields. An entry that corrects nothing is an error, so none outlives its fault.
    fn correct(&mut self) -> Result<(), Box<dyn Error>> {
        let Overlay {
            aliases,
            auth,
            types,
            ..
        } = &self.overlay;
        let mut entries = aliases.keys().chain(auth.keys()).chain(types.keys());
        if let Some(idle) = entries.find(|entry| !self.used.contains(*entry)) {
            return Err(format!("overlay: {idle} corrects nothing").into());
        }
        for (name, corrections) in &self.overlay.fields {
            let fields = self.types.iter_mut().find(|(known, _)| known == name);
            let (_, fields) = fields.ok_or_else(|| format!("overlay: there is no type {name}"))?;
            for (field, kind) in corrections {
                let known = fields.iter_mut().find(|(known, _)| known == field);
                match known {
                    Some((_, known)) if known.kind != *kind => known.kind.clone_from(kind),
                    _ => return Err(format!("overlay: {name}.{field} corrects nothing").into()),
                }
            }
        }
        Ok(())
    }
}

/// How two schemas become one.
#[derive(Clone, Copy, PartialEq)]
enum Join {
    /// `allOf`: what either demands is demanded.
    Both,
    /// `oneOf`, `anyOf`: what both demand is demanded.
    Either,
}

fn merge(mut known: Fields, more: Fields, join: Join) -> Fields {
    if join == Join::Either {
        for (name, field) in &mut known {
            field.optional |= !more
                .iter()
                .any(|(other, field)| other == name && !field.optional);
        }
    }
    for (name, mut field) in more {
        match known.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                known.kind = widen(&known.kind, &field.kind);
                if join == Join::Both {
                    known.optional &= field.optional;
                }
            }
            None => {
                field.optional |= join == Join::Either;
                known.push((name, field));
            }
        }
    }
    known
}

/// The type that has the values of both.
fn widen(one: &str, other: &str) -> String {
    let bare = |text: &str| text.trim_end_matches('?').to_owned();
    let nullable = one.ends_with('?') || other.ends_with('?');
    let (one, other) = (bare(one), bare(other));
    let literal = |text: &str| text.starts_with('\'');
    let kind = if one == other {
        one
    } else if literal(&one) && literal(&other) {
        let mut words: Vec<&str> = one.split('|').collect();
        for word in other.split('|') {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join("|")
    } else if (literal(&one) || one == "string") && (literal(&other) || other == "string") {
        "string".to_owned()
    } else {
        "any".to_owned()
    };
    kind + if nullable { "?" } else { "" }
}

fn branches(schema: &'static Node) -> Vec<(Join, &'static Node)> {
    let of = |name, join| {
        let items = schema.at(name).items().iter();
        items.map(move |item| (join, item)).collect::<Vec<_>>()
    };
    let mut all = of("allOf", Join::Both);
    all.extend(of("oneOf", Join::Either));
    all.extend(of("anyOf", Join::Either));
    // `anyOf: [{required: [a]}, {required: [b]}]` says nothing about types.
    all.retain(|(_, branch)| branch.entries().iter().any(|(name, _)| name != "required"));
    all
}

/// The names of the official SDK: hints where the document has them, otherwise what its generator makes of the tag and
/// the operation's id.
fn names(operation: &Node) -> (String, String) {
    let hint = |name| Some(operation.at(name).text()).filter(|text| !text.is_empty());
    let tag = operation.at("tags").items().first().map_or("", Node::text);
    let resource = hint("x-speakeasy-group").map_or_else(
        || {
            let words = tag.split(' ').map(str::to_lowercase);
            words.collect::<Vec<_>>().join("_")
        },
        snake,
    );
    let verb = hint("x-speakeasy-name-override").unwrap_or(operation.at("operationId").text());
    (resource.replace("m2m_tokens", "m2m"), snake(verb))
}

/// `getOAuthToken` -> `get_o_auth_token`, `apiKeyID` -> `api_key_id`.
fn snake(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| letters[index]);
        let after = letters.get(index + 1);
        let word = after.is_some_and(|after| after.is_lowercase());
        let starts = letter.is_uppercase()
            && before
                .is_some_and(|before| before.is_lowercase() || before.is_alphanumeric() && word);
        if starts {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// `email_address` -> `EmailAddress`, `JWKS.rsa.PublicKey` -> `JWKSRsaPublicKey`.
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

/// A JSON object whose fields keep their order.
#[derive(Default)]
struct Line(Vec<(&'static str, String)>);

impl Line {
    fn add(&mut self, name: &'static str, value: &Value) {
        self.raw(name, value.to_string());
    }

    fn raw(&mut self, name: &'static str, text: String) {
        self.0.push((name, text));
    }

    fn value(&self, name: &str) -> Option<Value> {
        let (_, text) = self.0.iter().find(|(known, _)| *known == name)?;
        serde_json::from_str(text).ok()
    }

    fn wire(&self) -> String {
        let name = self.value("wire").or_else(|| self.value("name"));
        let text = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        text.to_owned()
    }

    fn object(&self) -> String {
        let fields = self
            .0
            .iter()
            .map(|(name, text)| format!("\"{name}\":{text}"));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }
}

/// A node of the document; its maps keep their order.
#[derive(Debug, PartialEq)]
enum Node {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Node {
    fn at(&self, name: &str) -> &Self {
        let field = self.entries().iter().find(|(known, _)| known == name);
        field.map_or(&Self::Null, |(_, node)| node)
    }

    fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Map(fields) => fields,
            _ => &[],
        }
    }

    fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    fn flag(&self) -> bool {
        self == &Self::Bool(true)
    }

    fn node_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => json!(flag),
            Self::Integer(number) => json!(number),
            Self::Float(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::List(items) => items.iter().map(Self::node_value).collect(),
            Self::Map(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, node)| (name.clone(), node.node_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(i64::try_from(number).map_or(Node::Float(number as f64), Node::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Map(fields))
    }
}
