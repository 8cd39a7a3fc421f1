//! Where an issuer writes what others write elsewhere: roles in a nested object, a user's id beside `sub`, an audience in
//! `client_id`. Data of the operator's, read after the signature.

use serde_json::{Map, Value};

use crate::claims::Claims;
use crate::json;
use crate::rejection::{Reason, Rejection};

/// Where one claim stands: a name, or a JSON Pointer (RFC 6901) where it begins with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    segments: Vec<String>,
    spelled: String,
}

impl ClaimPath {
    /// Reads `roles`, `https://example.com/roles` or `/realm_access/roles`.
    ///
    /// # Errors
    /// It is empty, or no pointer.
    pub fn new(text: &str) -> Result<Self, String> {
        let segments = match text.strip_prefix('/') {
            Some(pointer) => pointer
                .split('/')
                .map(unescaped)
                .collect::<Result<_, _>>()?,
            None => vec![text.to_owned()],
        };
        if segments.iter().any(String::is_empty) {
            return Err(format!("{text:?} names no claim"));
        }
        Ok(Self {
            segments,
            spelled: text.to_owned(),
        })
    }

    fn find<'v>(&self, claims: &'v Map<String, Value>) -> Option<&'v Value> {
        let (first, rest) = self.segments.split_first()?;
        rest.iter()
            .try_fold(claims.get(first)?, |value, segment| {
                value.get(segment.as_str())
            })
            .filter(|value| !value.is_null())
    }

    fn wrong(&self, expected: &str) -> Rejection {
        Rejection::new(Reason::ClaimMalformed)
            .with_detail(format!("`{}` is not {expected}", self.spelled))
    }
}

/// RFC 6901 §3.
fn unescaped(segment: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut letters = segment.chars();
    while let Some(letter) = letters.next() {
        text.push(match (letter, letter == '~') {
            (_, false) => letter,
            (_, true) => match letters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(format!("{segment:?}: a tilde is written ~0, a slash ~1")),
            },
        });
    }
    Ok(text)
}

/// A claim that has one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRule {
    /// Where it stands.
    pub path: ClaimPath,
    /// The values, one of which it has. One that begins with `*` is how a value ends.
    pub values: Vec<String>,
}

impl ClaimRule {
    fn met(&self, claims: &Map<String, Value>) -> bool {
        let text = match self.path.find(claims) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(flag)) => flag.to_string(),
            _ => return false,
        };
        let is = |value: &String| match value.strip_prefix('*') {
            Some(end) => text.ends_with(end),
            None => *value == text,
        };
        self.values.iter().any(is)
    }
}

/// Where an issuer's claims stand, if not where RFC 7519 and RFC 9068 put them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimMap {
    /// The user's id, instead of `sub`. A token without the claim is not a user's.
    pub user_id: Option<ClaimPath>,
    /// Roles: a string, a list, or an object whose names are the roles.
    pub roles: Option<ClaimPath>,
    /// Scopes, instead of `scope`, `scp` and `scopes`.
    pub scopes: Option<ClaimPath>,
    /// Permissions, instead of `permissions`.
    pub permissions: Option<ClaimPath>,
    /// The organization, workspace or tenant the token is for.
    pub organization_id: Option<ClaimPath>,
    /// The session, instead of `sid`.
    pub session_id: Option<ClaimPath>,
    /// The client, instead of `client_id`.
    pub client_id: Option<ClaimPath>,
    /// What is compared with the audience, instead of `aud`.
    pub audience: Option<ClaimPath>,
    /// Every token has these values, or it is of another kind.
    pub required: Vec<ClaimRule>,
    /// A token with one of these values is a machine's.
    pub machine: Vec<ClaimRule>,
    /// A token without one of these claims is a machine's.
    pub machine_without: Vec<ClaimPath>,
}

/// What stood elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mapped {
    /// `Some(None)` where the issuer has a claim for it and this token does not.
    pub(crate) user_id: Option<Option<String>>,
    pub(crate) roles: Vec<String>,
    pub(crate) organization_id: Option<String>,
    pub(crate) machine: bool,
}

impl ClaimMap {
    /// Whether a token may turn out to be a machine's.
    pub(crate) fn knows_machines(&self) -> bool {
        !self.machine.is_empty() || !self.machine_without.is_empty()
    }

    /// Whether everything stands where the standards put it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads what stands elsewhere, and puts what has a place among the registered claims there.
    pub(crate) fn apply(&self, payload: &[u8], claims: &mut Claims) -> Result<Mapped, Rejection> {
        // The payload was read as strict JSON before; this reads it again, into a tree.
        let tree: Map<String, Value> = serde_json::from_slice(payload).map_err(|error| {
            Rejection::new(Reason::ClaimsMalformed).with_detail(json::explain(&error))
        })?;
        if let Some(rule) = self.required.iter().find(|rule| !rule.met(&tree)) {
            let found = rule
                .path
                .find(&tree)
                .and_then(Value::as_str)
                .map(json::short);
            return Err(
                Rejection::new(Reason::TokenKindNotAccepted).with_detail(format!(
                    "`{}` is {found:?}, expected one of {:?}",
                    rule.path.spelled, rule.values
                )),
            );
        }
        let text = |path: &Option<ClaimPath>| -> Result<Option<String>, Rejection> {
            let Some((path, value)) = found(path, &tree) else {
                return Ok(None);
            };
            match value {
                Value::String(text) if !text.is_empty() => Ok(Some(text.clone())),
                Value::Number(number) if !number.is_f64() => Ok(Some(number.to_string())),
                _ => Err(path.wrong("a non-empty string")),
            }
        };
        if let Some(client) = text(&self.client_id)? {
            claims.client_id = Some(client);
        }
        if let Some(session) = text(&self.session_id)? {
            claims.session_id = Some(session);
        }
        if let Some((path, value)) = found(&self.scopes, &tree) {
            claims.scopes = match value {
                Value::String(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
                other => list(path, other)?,
            };
        }
        if let Some((path, value)) = found(&self.permissions, &tree) {
            claims.permissions = list(path, value)?;
        }
        if let Some(path) = &self.audience {
            claims.audience = path
                .find(&tree)
                .map_or(Ok(Vec::new()), |value| list(path, value))?;
        }
        Ok(Mapped {
            user_id: match &self.user_id {
                None => None,
                Some(_) => Some(text(&self.user_id)?),
            },
            roles: match found(&self.roles, &tree) {
                None => Vec::new(),
                Some((_, Value::Object(names))) => names.keys().cloned().collect(),
                Some((path, value)) => list(path, value)?,
            },
            organization_id: text(&self.organization_id)?,
            machine: self.machine.iter().any(|rule| rule.met(&tree))
                || self
                    .machine_without
                    .iter()
                    .any(|path| path.find(&tree).is_none()),
        })
    }
}

fn found<'p, 'v>(
    path: &'p Option<ClaimPath>,
    claims: &'v Map<String, Value>,
) -> Option<(&'p ClaimPath, &'v Value)> {
    let path = path.as_ref()?;
    Some((path, path.find(claims)?))
}

/// A string, or a list of strings. Anything else is an error, never treated as absent.
fn list(path: &ClaimPath, value: &Value) -> Result<Vec<String>, Rejection> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = match value {
        Value::Array(values) => values.iter().map(text).collect(),
        one => text(one).map(|one| vec![one]),
    };
    texts.ok_or_else(|| path.wrong("a string or a list of strings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_path_is_a_name_or_a_pointer() {
        let tree = claims(
            r#"{"a": {"b": "deep"}, "https://x.example/roles": "named", "/odd": "slash", "n": null}"#,
        );
        let find = |path: &str| {
            let path = ClaimPath::new(path).unwrap();
            path.find(&tree).and_then(Value::as_str).map(str::to_owned)
        };
        assert_eq!(find("/a/b").as_deref(), Some("deep"));
        assert_eq!(find("https://x.example/roles").as_deref(), Some("named"));
        assert_eq!(
            find("/https:~1~1x.example~1roles").as_deref(),
            Some("named")
        );
        assert_eq!(find("/~1odd").as_deref(), Some("slash"));
        for absent in ["a.b", "/a/c", "/a/b/c", "n", "b"] {
            assert_eq!(find(absent), None, "{absent}");
        }
        for bad in ["", "/", "/a//b", "/~2", "/~"] {
            assert!(ClaimPath::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_are_strings_throughout() {
        let path = ClaimPath::new("roles").unwrap();
        let read = |json: &str| list(&path, &serde_json::from_str(json).unwrap()).ok();
        assert_eq!(read(r#""a b""#), Some(vec!["a b".to_owned()]));
        assert_eq!(
            read(r#"["a", "b"]"#),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        for bad in [r#"["a", 1]"#, "1", "true", r#"{"a": 1}"#] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_rule_wants_text() {
        let rule = ClaimRule {
            path: ClaimPath::new("use").unwrap(),
            values: vec!["access".to_owned()],
        };
        assert!(rule.met(&claims(r#"{"use": "access"}"#)));
        for not in [
            r#"{"use": "id"}"#,
            "{}",
            r#"{"use": ["access"]}"#,
            r#"{"use": 1}"#,
        ] {
            assert!(!rule.met(&claims(not)), "{not}");
        }
    }
}
