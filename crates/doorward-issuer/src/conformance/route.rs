//! Routes: what an API offers, who may enter, and how some of them are picked.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SuiteError;

/// One method of one path, and who may enter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// The method, in capitals.
    pub method: String,
    /// The path with its parameters in braces: `/posts/{id}`.
    pub path: String,
    /// Who may enter.
    pub access: Access,
    /// How credentials are presented; empty is taken for a bearer token.
    pub(super) schemes: Vec<Scheme>,
    /// What stands in front of the path.
    pub(super) base: String,
    /// Values for the parameters in the path.
    pub(super) parameters: BTreeMap<String, String>,
    /// Parameters the query must have.
    pub(super) query: Vec<(String, String)>,
    /// Fields the head must have.
    pub(super) headers: Vec<(String, String)>,
}

/// Who may enter a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Only who presents good credentials.
    #[default]
    Protected,
    /// Everybody; who presents credentials is recognized.
    Optional,
    /// Everybody.
    Public,
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Protected => "protected",
            Self::Optional => "optional",
            Self::Public => "public",
        })
    }
}

/// How a route wants its credentials (OpenAPI 3, security scheme object).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Bearer,
    ApiKey { place: KeyPlace, name: String },
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyPlace {
    Header,
    Query,
    Cookie,
}

/// A route as a user or an adapter writes it down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RouteSpec {
    /// The method; GET if there is none.
    pub method: Option<String>,
    /// The path. A parameter may be written `{id}`, `:id` or `<int:id>`.
    pub path: String,
    /// Who may enter.
    pub access: Access,
    /// Values for the path's parameters.
    pub parameters: BTreeMap<String, String>,
}

impl RouteSpec {
    /// Reads `GET /posts/{id}` or `/posts/{id}`.
    pub fn parse(text: &str) -> Result<Self, SuiteError> {
        let (method, path) = split_method(text);
        if !path.starts_with('/') {
            return Err(SuiteError::new(format!(
                "route {text:?}: expected a path, as in 'GET /me'"
            )));
        }
        Ok(Self {
            method: method.map(str::to_owned),
            path: path.to_owned(),
            ..Self::default()
        })
    }
}

impl Route {
    pub(super) fn from_spec(spec: &RouteSpec) -> Result<Self, SuiteError> {
        let method = spec.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
        if !PROBED.contains(&method.as_str()) {
            return Err(SuiteError::new(format!(
                "route {method} {}: expected a method out of {}",
                spec.path,
                PROBED.join(", ")
            )));
        }
        if !spec.path.starts_with('/') {
            return Err(SuiteError::new(format!(
                "route {:?}: a path begins with '/'",
                spec.path
            )));
        }
        Ok(Self {
            method,
            path: braced(&spec.path),
            access: spec.access,
            schemes: Vec::new(),
            base: String::new(),
            parameters: spec.parameters.clone(),
            query: Vec::new(),
            headers: Vec::new(),
        })
    }

    /// Whether a request that is let in changes nothing (RFC 9110 §9.2.1).
    pub fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// Whether credentials are expected as a bearer token.
    pub(super) fn wants_bearer(&self) -> bool {
        self.schemes.is_empty() || self.schemes.contains(&Scheme::Bearer)
    }

    /// The path with its parameters filled in, without the query.
    pub(super) fn filled(&self, given: &BTreeMap<String, String>) -> String {
        let mut path = String::new();
        literal(&self.base, &mut path);
        let mut rest = self.path.as_str();
        while let Some((before, name, after)) = next_parameter(rest) {
            literal(before, &mut path);
            let value = given.get(name).or_else(|| self.parameters.get(name));
            encode(value.map_or(PLAUSIBLE, String::as_str), &mut path);
            rest = after;
        }
        literal(rest, &mut path);
        path
    }
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

/// Picks routes: `/health`, `/docs/*`, `/users/*/avatar`, `DELETE /posts/{id}`.
///
/// `*` stands for anything within a segment, and at the end after a slash for everything below.
#[derive(Clone, Debug)]
pub(super) struct Pattern<'a> {
    text: &'a str,
    method: Option<&'a str>,
    path: &'a str,
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(option: &str, text: &'a str) -> Result<Self, SuiteError> {
        let (method, path) = split_method(text);
        if !path.starts_with('/') {
            return Err(SuiteError::new(format!(
                "{option} {text:?}: a path begins with '/'"
            )));
        }
        Ok(Self { text, method, path })
    }

    pub(super) fn matches(&self, route: &Route) -> bool {
        let method = self
            .method
            .is_none_or(|method| method.eq_ignore_ascii_case(&route.method));
        let full = format!("{}{}", route.base, route.path);
        method
            && (glob(self.path.as_bytes(), route.path.as_bytes(), b'/')
                || glob(self.path.as_bytes(), full.as_bytes(), b'/'))
    }

    /// That it picks no route of these, and which it may have meant.
    pub(super) fn picks_nothing(&self, option: &str, routes: &[Route]) -> SuiteError {
        let nearest = routes
            .iter()
            .map(|route| (strsim::jaro_winkler(self.path, &route.path), &route.path))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let meant = nearest.map_or(String::new(), |(_, path)| {
            format!("; did you mean {path:?}?")
        });
        SuiteError::new(format!("{option} {:?} matches no route{meant}", self.text))
    }
}

/// Whether `pattern` matches all of `text`; `before` is the pattern's letter before this one.
fn glob(pattern: &[u8], text: &[u8], before: u8) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*'], _) if before == b'/' => true,
        ([b'*', rest @ ..], _) => {
            let segment = text.iter().take_while(|&&letter| letter != b'/').count();
            (0..=segment).any(|taken| glob(rest, &text[taken..], b'*'))
        }
        ([letter, rest @ ..], [found, more @ ..]) => letter == found && glob(rest, more, *letter),
        (_, []) => false,
    }
}

fn split_method(text: &str) -> (Option<&str>, &str) {
    match text.trim().split_once(char::is_whitespace) {
        Some((method, path)) if !method.starts_with('/') => (Some(method), path.trim_start()),
        _ => (None, text.trim()),
    }
}

/// `/posts/{id}` out of `/posts/:id` and `/posts/<int:id>`, and out of axum's and Starlette's ways of saying "the rest".
fn braced(path: &str) -> String {
    let segment = |segment: &str| {
        if let Some(name) = segment.strip_prefix(':').filter(|name| !name.is_empty()) {
            return format!("{{{name}}}");
        }
        segment.replace('<', "{").replace('>', "}")
    };
    let braced: Vec<String> = path.split('/').map(segment).collect();
    let mut out = String::new();
    let text = braced.join("/");
    let mut rest = text.as_str();
    while let Some((before, inside, after)) = next_parameter(rest) {
        out = format!("{out}{before}{{{}}}", plain_name(inside));
        rest = after;
    }
    out + rest
}

/// `id` out of `id:path`, `int:id` and `*id`.
fn plain_name(inside: &str) -> &str {
    let inside = inside.trim_start_matches('*');
    match inside.split_once(':') {
        Some((name, converter)) if is_converter(converter) => name,
        Some((_, name)) => name,
        None => inside,
    }
}

fn is_converter(text: &str) -> bool {
    matches!(
        text,
        "str" | "int" | "float" | "uuid" | "path" | "slug" | "string" | "date" | "datetime"
    )
}

/// What is before the next `{name}`, the name, and what is after.
fn next_parameter(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// Percent-encodes what cannot stand in a path as it is written: white space, controls, letters beyond ASCII.
fn literal(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if !b"\"#<>?`{}".contains(&byte) => into.push(char::from(byte)),
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Percent-encodes everything but unreserved letters (RFC 3986 §2.3).
pub(super) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte));
            }
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// A parameter's value as text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(items) => items.first().and_then(text_of),
        Value::Null | Value::Object(_) => None,
    }
}

/// Methods that are probed. OPTIONS is a browser asking first, TRACE and CONNECT are no operations of an API.
pub(super) const PROBED: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// A number and a word at once.
pub(super) const PLAUSIBLE: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        Route::from_spec(&RouteSpec::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn a_route_is_read_in_every_spelling() {
        for (text, method, path, filled) in [
            ("/me", "GET", "/me", "/me"),
            ("get /posts/{id}", "GET", "/posts/{id}", "/posts/1"),
            ("DELETE /posts/:id", "DELETE", "/posts/{id}", "/posts/1"),
            ("/posts/<int:id>/x", "GET", "/posts/{id}/x", "/posts/1/x"),
            ("/files/{rest:path}", "GET", "/files/{rest}", "/files/1"),
            ("/files/{*rest}", "GET", "/files/{rest}", "/files/1"),
            ("/a/{x}-{y}", "GET", "/a/{x}-{y}", "/a/1-1"),
            ("/a:b", "GET", "/a:b", "/a:b"),
            (
                "/caf\u{e9} x?y",
                "GET",
                "/caf\u{e9} x?y",
                "/caf%C3%A9%20x%3Fy",
            ),
        ] {
            let route = route(text);
            assert_eq!((route.method.as_str(), route.path.as_str()), (method, path));
            assert_eq!(route.filled(&BTreeMap::new()), filled);
        }
        assert!(RouteSpec::parse("me").is_err());
        assert!(Route::from_spec(&RouteSpec::parse("TRACE /me").unwrap()).is_err());
    }

    #[test]
    fn a_value_cannot_leave_its_segment() {
        let given = BTreeMap::from([("id".to_owned(), "../a b?c#d".to_owned())]);
        assert_eq!(
            route("/posts/{id}").filled(&given),
            "/posts/..%2Fa%20b%3Fc%23d"
        );
    }

    #[test]
    fn patterns_pick_what_they_say() {
        for (pattern, path, picks) in [
            ("/health", "/health", true),
            ("/health", "/health/deep", false),
            ("/docs*", "/docs", true),
            ("/docs*", "/docs-old", true),
            ("/docs*", "/docs/oauth", false),
            ("/docs/*", "/docs/a/b", true),
            ("/docs/*", "/docs", false),
            ("/users/*/avatar", "/users/{id}/avatar", true),
            ("/users/*/avatar", "/users/{id}/name", false),
            ("/posts/{id}", "/posts/{id}", true),
            ("/*", "/a/b", true),
            ("GET /a", "/a", true),
            ("get /a", "/a", true),
            ("POST /a", "/a", false),
        ] {
            let pattern = Pattern::parse("public", pattern).unwrap();
            assert_eq!(pattern.matches(&route(path)), picks, "{pattern:?} {path}");
        }
    }

    #[test]
    fn a_typo_is_answered_with_what_was_meant() {
        let routes = [route("/me"), route("/health")];
        let pattern = Pattern::parse("public", "/helth").unwrap();
        assert_eq!(
            pattern.picks_nothing("public", &routes).to_string(),
            r#"public "/helth" matches no route; did you mean "/health"?"#
        );
        assert!(Pattern::parse("public", "health").is_err());
    }
}
