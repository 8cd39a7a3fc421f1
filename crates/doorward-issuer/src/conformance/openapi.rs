//! Routes out of an OpenAPI 3 document: which there are, who may enter, and what to put into their parameters.

use serde_json::{Map, Value};

use super::SuiteError;
use super::route::{Access, KeyPlace, PLAUSIBLE, PROBED, Route, Scheme, text_of};

/// The operations of `document`.
pub(super) fn routes(document: &Value) -> Result<Vec<Route>, SuiteError> {
    let version = document
        .get("openapi")
        .or_else(|| document.get("swagger"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !version.starts_with("3.") {
        return Err(SuiteError::new(if version.is_empty() {
            "the document is no OpenAPI document: it has no `openapi: 3.…`".to_owned()
        } else {
            format!("the document is of version {version:?}; expected OpenAPI 3")
        }));
    }
    let Some(paths) = document.get("paths").and_then(Value::as_object) else {
        return Err(SuiteError::new("the document has no `paths`"));
    };
    let mut routes = Vec::new();
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with('/')) {
        let item = resolve(document, item);
        for method in PROBED {
            if let Some(operation) = item.get(method.to_ascii_lowercase()) {
                routes.push(operation_route(document, method, path, item, operation));
            }
        }
    }
    Ok(routes)
}

fn operation_route(
    document: &Value,
    method: &str,
    path: &str,
    item: &Value,
    operation: &Value,
) -> Route {
    let (access, schemes) = security(document, operation);
    let mut route = Route {
        method: method.to_owned(),
        path: path.to_owned(),
        access,
        schemes,
        base: base(document, item, operation),
        parameters: Default::default(),
        query: Vec::new(),
        headers: Vec::new(),
    };
    let lists = [item, operation].map(|holder| holder.get("parameters").and_then(Value::as_array));
    for parameter in lists.into_iter().flatten().flatten() {
        let parameter = resolve(document, parameter);
        let text = |name: &str| parameter.get(name).and_then(Value::as_str);
        let (Some(name), Some(place)) = (text("name"), text("in")) else {
            continue;
        };
        let pair = || (name.to_owned(), plausible(document, parameter));
        // No client sends a field that cannot be, and one mistake in the document must not end the run.
        let field = || {
            let (name, value) = pair();
            let fits = super::is_value(&value) && value.trim() == value;
            (name, if fits { value } else { PLAUSIBLE.to_owned() })
        };
        let required = parameter.get("required") == Some(&Value::Bool(true));
        // A parameter of the operation overrides its path's.
        let replace = |list: &mut Vec<(String, String)>, pair| {
            list.retain(|(known, _)| known != name);
            list.push(pair);
        };
        match place {
            "path" => route.parameters.extend([pair()]),
            "query" if required => replace(&mut route.query, pair()),
            "header"
                if required
                    && super::is_token(name)
                    && !OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) =>
            {
                replace(&mut route.headers, field());
            }
            _ => {}
        }
    }
    route
}

/// Who may enter, and with what. An operation's `security` replaces the document's, even an empty one; an empty
/// requirement among others makes it optional.
fn security(document: &Value, operation: &Value) -> (Access, Vec<Scheme>) {
    let demanded = operation
        .get("security")
        .or_else(|| document.get("security"))
        .map(as_list)
        .unwrap_or_default();
    // What is no object is a mistake in the document, and no reason to take a route for public.
    let is_empty = |requirement: &Value| requirement.as_object().is_some_and(Map::is_empty);
    let access = if demanded.iter().all(is_empty) {
        Access::Public
    } else if demanded.iter().any(is_empty) {
        Access::Optional
    } else {
        Access::Protected
    };
    let mut schemes = Vec::new();
    for name in demanded
        .iter()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
    {
        let scheme = scheme(document, name);
        if !schemes.contains(&scheme) {
            schemes.push(scheme);
        }
    }
    (access, schemes)
}

/// A list, or the one thing that stands where a list should.
fn as_list(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}

fn scheme(document: &Value, name: &str) -> Scheme {
    // A name that is declared nowhere is most likely a bearer token's.
    let Some(declared) = document["components"]["securitySchemes"].get(name) else {
        return Scheme::Bearer;
    };
    let declared = resolve(document, declared);
    let text = |name: &str| {
        declared
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let place = match text("in") {
        "query" => KeyPlace::Query,
        "cookie" => KeyPlace::Cookie,
        _ => KeyPlace::Header,
    };
    match text("type") {
        "http" if text("scheme").eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        "oauth2" | "openIdConnect" => Scheme::Bearer,
        // `Authorization` as an "API key" is how some frameworks write a bearer token.
        "apiKey" if text("name").eq_ignore_ascii_case("authorization") => Scheme::Bearer,
        "apiKey" if place != KeyPlace::Query && !super::is_token(text("name")) => Scheme::Other,
        "apiKey" => Scheme::ApiKey {
            place,
            name: text("name").to_owned(),
        },
        _ => Scheme::Other,
    }
}

/// The longest path of a server, in bytes.
const MAX_BASE: usize = 2_000;

/// The path of the first server. Never its host: nobody but the API that was named is asked.
fn base(document: &Value, item: &Value, operation: &Value) -> String {
    let server = [operation, item, document]
        .iter()
        .find_map(|holder| holder["servers"].as_array().filter(|list| !list.is_empty()))
        .map(|list| &list[0]);
    let Some(mut url) = server.and_then(|server| server["url"].as_str().map(str::to_owned)) else {
        return String::new();
    };
    for (name, variable) in server
        .and_then(|server| server["variables"].as_object())
        .into_iter()
        .flatten()
    {
        let default = variable["default"].as_str().unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
        // A default may name other variables, and those others again.
        if url.len() > MAX_BASE {
            return String::new();
        }
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |slash| &rest[slash..]),
        None => url.as_str(),
    };
    let path = path
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .trim_matches('/');
    if path.is_empty() || path == "." {
        String::new()
    } else {
        format!("/{path}")
    }
}

/// A value the parameter may have: the document's example, or one that fits its schema.
fn plausible(document: &Value, parameter: &Value) -> String {
    let example = parameter
        .get("example")
        .or_else(|| first(parameter.get("examples")?).get("value"));
    let content = || parameter.get("content").map(first);
    let schema = parameter
        .get("schema")
        .or_else(|| content()?.get("schema"))
        .unwrap_or(&Value::Null);
    example
        .and_then(text_of)
        .unwrap_or_else(|| of_schema(document, schema, 0))
}

fn of_schema(document: &Value, schema: &Value, depth: u8) -> String {
    let schema = resolve(document, schema);
    let said = ["example", "default", "const", "examples", "enum"]
        .iter()
        .find_map(|name| text_of(schema.get(name)?));
    if let Some(said) = said {
        return said;
    }
    let is_null = |schema: &Value| schema["type"] == "null";
    let part = ["allOf", "anyOf", "oneOf"]
        .iter()
        .filter_map(|name| schema.get(name)?.as_array())
        .flatten()
        .find(|part| !is_null(part));
    if let Some(part) = part.filter(|_| depth < MAX_DEPTH) {
        return of_schema(document, part, depth + 1);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null"),
        kind => Some(kind),
    };
    let text = |name: &str| schema.get(name).and_then(Value::as_str).unwrap_or_default();
    match kind.and_then(Value::as_str).unwrap_or_default() {
        "integer" | "number" => number(schema),
        "boolean" => "true".to_owned(),
        "array" if depth < MAX_DEPTH => of_schema(document, &schema["items"], depth + 1),
        _ => match text("format") {
            "uuid" => "00000000-0000-4000-8000-000000000000".to_owned(),
            "date" => "2030-01-01".to_owned(),
            "date-time" => "2030-01-01T00:00:00Z".to_owned(),
            "time" => "00:00:00Z".to_owned(),
            "email" => "nobody@example.com".to_owned(),
            "uri" | "url" => "https://example.com/".to_owned(),
            "ipv4" => "192.0.2.1".to_owned(),
            "ipv6" => "2001:db8::1".to_owned(),
            _ => {
                let shortest = schema["minLength"].as_u64().unwrap_or(0).min(MAX_LENGTH);
                let shortest = usize::try_from(shortest).unwrap_or(0);
                PLAUSIBLE.repeat(shortest.max(1))
            }
        },
    }
}

/// One, or the nearest number that is allowed.
fn number(schema: &Value) -> String {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|bound| bound + 1.0));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|bound| bound - 1.0));
    let value = 1.0_f64
        .max(least.unwrap_or(f64::MIN))
        .min(most.unwrap_or(f64::MAX));
    format!("{value}")
}

fn first(holder: &Value) -> &Value {
    holder
        .as_object()
        .and_then(|map| map.values().next())
        .or_else(|| holder.as_array().and_then(|list| list.first()))
        .unwrap_or(&Value::Null)
}

/// What `value` refers to inside the document; nothing outside it is fetched.
fn resolve<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..MAX_DEPTH {
        let Some(target) = value
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| document.pointer(reference.strip_prefix('#')?))
        else {
            break;
        };
        value = target;
    }
    value
}

/// Fields that are ours to set, or HTTP's (OpenAPI 3, parameter object).
const OURS: [&str; 12] = [
    "Accept",
    "Authorization",
    "Connection",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Expect",
    "Host",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];
const MAX_DEPTH: u8 = 16;
const MAX_LENGTH: u64 = 256;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn document(root: &Value, paths: &Value) -> Value {
        let mut document = json!({
            "openapi": "3.1.0",
            "paths": paths,
            "components": {
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "Bearer"},
                    "session": {"type": "apiKey", "in": "cookie", "name": "__session"},
                    "basic": {"type": "http", "scheme": "basic"},
                },
                "schemas": {"Id": {"type": "integer", "minimum": 7}},
                "parameters": {"tenant": {"name": "tenant", "in": "path", "schema": {"type": "string"}, "example": "acme"}},
            },
        });
        document
            .as_object_mut()
            .unwrap()
            .extend(root.as_object().unwrap().clone());
        document
    }

    #[test]
    fn fields_that_cannot_be_are_left_out() {
        let field = |name: &str, example: &str| json!({"name": name, "in": "header", "required": true, "schema": {"type": "string"}, "example": example});
        let document = document(
            &json!({}),
            &json!({"/a": {"get": {
                "security": [{"bearer": []}, {"broken": []}],
                "parameters": [
                    field("X Y", "1"), field("", "1"), field("X-\r\nHost", "1"), field("transfer-encoding", "chunked"),
                    field("X-Line", "a\r\nHost: b"), field("X-Caf\u{e9}", "1"), field("X-Value", "caf\u{e9}"), field("X-Good", "a b"),
                ],
            }}}),
        );
        let mut document = document;
        document["components"]["securitySchemes"]["broken"] =
            json!({"type": "apiKey", "in": "header", "name": "X Key\n"});
        let routes = routes(&document).unwrap();
        let fields: Vec<_> = routes[0]
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            fields,
            [("X-Line", "1"), ("X-Value", "1"), ("X-Good", "a b")]
        );
        assert_eq!(routes[0].schemes, [Scheme::Bearer, Scheme::Other]);
    }

    #[test]
    fn security_is_inherited_replaced_and_made_optional() {
        let guarded = document(
            &json!({"security": [{"bearer": []}]}),
            &json!({
                "/a": {"get": {}, "options": {}, "summary": "x", "trace": {}},
                "/b": {"get": {"security": []}},
                "/c": {"get": {"security": [{"bearer": []}, {}]}, "delete": {"security": [{"session": []}, {"basic": []}]}},
                "x-internal": {"get": {}},
            }),
        );
        let found: Vec<_> = routes(&guarded)
            .unwrap()
            .into_iter()
            .map(|route| (route.to_string(), route.access, route.schemes))
            .collect();
        let session = Scheme::ApiKey {
            place: KeyPlace::Cookie,
            name: "__session".to_owned(),
        };
        assert_eq!(
            found,
            [
                ("GET /a".to_owned(), Access::Protected, vec![Scheme::Bearer]),
                ("GET /b".to_owned(), Access::Public, vec![]),
                ("GET /c".to_owned(), Access::Optional, vec![Scheme::Bearer]),
                (
                    "DELETE /c".to_owned(),
                    Access::Protected,
                    vec![session, Scheme::Other]
                ),
            ]
        );
        let open = document(&json!({}), &json!({"/a": {"get": {}}}));
        assert_eq!(routes(&open).unwrap()[0].access, Access::Public);
    }

    #[test]
    fn parameters_get_what_the_document_says_or_what_fits() {
        let parameter =
            |name: &str, schema: Value| json!({"name": name, "in": "path", "schema": schema});
        let document = document(
            &json!({}),
            &json!({"/{tenant}/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}": {
                "parameters": [
                    {"$ref": "#/components/parameters/tenant"},
                    parameter("a", json!({"$ref": "#/components/schemas/Id"})),
                    {"name": "page", "in": "query", "required": true, "schema": {"default": 3}},
                    {"name": "size", "in": "query", "schema": {"default": 3}},
                    {"name": "X-Tenant", "in": "header", "required": true, "schema": {"type": "string", "minLength": 3}},
                    {"name": "Authorization", "in": "header", "required": true, "schema": {"type": "string"}},
                ],
                "get": {"parameters": [
                    {"name": "page", "in": "query", "required": true, "schema": {"enum": ["last"]}},
                    parameter("b", json!({"type": "string", "format": "uuid"})),
                    parameter("c", json!({"anyOf": [{"type": "null"}, {"type": "boolean"}]})),
                    parameter("d", json!({"type": ["null", "integer"], "maximum": 0})),
                    parameter("e", json!({"type": "array", "items": {"enum": ["red", "blue"]}})),
                    parameter("f", json!({"type": "string"})),
                    parameter("g", json!({"examples": ["one", "two"]})),
                    {"name": "h", "in": "path", "examples": {"first": {"value": 9}}},
                ]},
            }}),
        );
        let route = routes(&document).unwrap().remove(0);
        assert_eq!(
            route.filled(&BTreeMap::new()),
            "/acme/7/00000000-0000-4000-8000-000000000000/true/0/red/1/one/9/1"
        );
        assert_eq!(route.query, [("page".to_owned(), "last".to_owned())]);
        assert_eq!(route.headers, [("X-Tenant".to_owned(), "111".to_owned())]);
    }

    #[test]
    fn a_server_gives_its_path_and_never_its_host() {
        for (servers, base) in [
            (
                json!([{"url": "https://production.example/api/v1/"}]),
                "/api/v1",
            ),
            (json!([{"url": "/api"}, {"url": "/other"}]), "/api"),
            (
                json!([{"url": "https://{host}/{v}", "variables": {"v": {"default": "v2"}, "host": {"default": "a.example"}}}]),
                "/v2",
            ),
            (json!([{"url": "https://production.example"}]), ""),
            (json!([{"url": "/"}]), ""),
            (json!([]), ""),
        ] {
            let document = document(&json!({"servers": servers}), &json!({"/me": {"get": {}}}));
            let route = routes(&document).unwrap().remove(0);
            assert_eq!(route.filled(&BTreeMap::new()), format!("{base}/me"));
        }
    }

    #[test]
    fn what_is_no_openapi_3_says_so_and_circles_end() {
        for (document, said) in [
            (json!({"swagger": "2.0"}), "\"2.0\""),
            (json!({"paths": {}}), "no OpenAPI document"),
            (json!({"openapi": "3.0.0"}), "no `paths`"),
        ] {
            assert!(routes(&document).unwrap_err().to_string().contains(said));
        }
        let circle = json!({
            "openapi": "3.0.0",
            "paths": {"/{a}": {"get": {"parameters": [
                {"name": "a", "in": "path", "schema": {"$ref": "#/components/schemas/A"}},
            ]}}},
            "components": {"schemas": {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}},
        });
        assert_eq!(routes(&circle).unwrap()[0].filled(&BTreeMap::new()), "/1");
    }
}
