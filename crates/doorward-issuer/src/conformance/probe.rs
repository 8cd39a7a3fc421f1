//! Probes and answers: what is sent, and what came back.

use std::fmt;

use super::attack::Attack;

/// One request.
#[derive(Clone)]
#[non_exhaustive]
pub struct Probe {
    /// Which route of the suite it is about.
    pub route: usize,
    /// What is tried.
    pub attack: &'static Attack,
    /// The method, in capitals.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The fields of the head. A name may occur twice, and then must be sent twice.
    pub headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<String>,
    pub(super) place: Place,
}

/// Where the credential stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    #[default]
    Header,
    Cookie,
    ApiKey,
}

impl Probe {
    /// The attack's name, and where the credential stands unless that is the `Authorization` field.
    pub fn label(&self) -> String {
        match self.place {
            Place::Cookie => format!("{} (cookie)", self.attack.name),
            Place::Header | Place::ApiKey => self.attack.name.to_owned(),
        }
    }
}

/// Neither the head nor the target, which have tokens in them.
impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Probe")
            .field("route", &self.route)
            .field("attack", &self.label())
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// A response.
    Response {
        /// Its status.
        status: u16,
        /// Its `WWW-Authenticate` fields.
        challenges: Vec<String>,
        /// Its `Location` field.
        location: Option<String>,
    },
    /// The application raised instead of answering, as it may when it runs in a test client.
    Crash(String),
    /// There was no answer.
    Silence(String),
}

impl Answer {
    /// A response with this status and these fields.
    pub fn response<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut challenges = Vec::new();
        let mut location = None;
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("www-authenticate") {
                challenges.push(value.to_owned());
            } else if name.eq_ignore_ascii_case("location") {
                location = Some(value.to_owned());
            }
        }
        Self::Response {
            status,
            challenges,
            location,
        }
    }

    /// The status, if there was a response.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Response { status, .. } => Some(*status),
            Self::Crash(_) | Self::Silence(_) => None,
        }
    }

    pub(super) fn class(&self, origin: Option<&str>, target: &str) -> Class {
        match self {
            Self::Response {
                status, location, ..
            } => match status {
                200..300 => Class::LetIn,
                300..400 => match location {
                    Some(location) if leads_to_same_path(origin, target, location) => Class::Moved,
                    _ => Class::Redirected,
                },
                400 => Class::Malformed,
                401 => Class::Refused,
                403 => Class::Forbidden,
                413 | 414 | 431 => Class::TooLarge,
                429 => Class::Limited,
                500.. => Class::Broken,
                _ => Class::Early,
            },
            Self::Crash(_) => Class::Broken,
            Self::Silence(_) => Class::Silent,
        }
    }

    /// The challenges: scheme, and the names of its parameters.
    pub(super) fn challenges(&self) -> Vec<Challenge> {
        match self {
            Self::Response { challenges, .. } => challenges
                .iter()
                .flat_map(|field| read_challenges(field))
                .collect(),
            Self::Crash(_) | Self::Silence(_) => Vec::new(),
        }
    }
}

/// What an answer amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    LetIn,
    Refused,
    Forbidden,
    Malformed,
    TooLarge,
    /// 404, 405, 415, 422 and their like.
    Early,
    Limited,
    /// Elsewhere, as to a page where one signs in.
    Redirected,
    /// To the same path: with or without a slash, or by https.
    Moved,
    Broken,
    Silent,
}

/// The target to send a probe to anew, if a redirect may be followed: to the same path of the same origin, give or take
/// a slash at its end. `target` is what was asked last.
pub fn follow(
    origin: Option<&str>,
    method: &str,
    target: &str,
    status: u16,
    location: &str,
) -> Option<String> {
    let keeps_method = matches!(status, 307 | 308) || method == "GET" || method == "HEAD";
    if !matches!(status, 301 | 302 | 307 | 308) || !keeps_method {
        return None;
    }
    let base = url::Url::parse(origin.unwrap_or(NOWHERE)).ok()?;
    let from = base.join(target).ok()?;
    let to = from.join(location).ok()?;
    let same = to.origin() == from.origin()
        && slashless(to.path()) == slashless(from.path())
        && to != from;
    same.then(|| match to.query() {
        Some(query) => format!("{}?{query}", to.path()),
        None => to.path().to_owned(),
    })
}

fn leads_to_same_path(origin: Option<&str>, target: &str, location: &str) -> bool {
    let read = || {
        let base = url::Url::parse(origin.unwrap_or(NOWHERE)).ok()?;
        let from = base.join(target).ok()?;
        let to = from.join(location).ok()?;
        Some(slashless(to.path()) == slashless(from.path()) && to.host() == from.host())
    };
    read().unwrap_or(false)
}

fn slashless(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// How many seconds to wait before a probe is sent anew, if the API asks for it (429). `tries` were made before.
pub fn retry_after(status: u16, field: Option<&str>, tries: u32) -> Option<u64> {
    if status != 429 || tries >= MOST_TRIES {
        return None;
    }
    let asked = field.and_then(|text| text.trim().parse::<u64>().ok());
    Some(asked.unwrap_or(1).min(LONGEST_WAIT))
}

/// One challenge (RFC 9110 §11.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    pub(super) parameters: Vec<String>,
}

impl Challenge {
    pub(super) fn is_bearer(&self) -> bool {
        // RFC 9449 §7.1: DPoP is the other scheme of OAuth.
        ["bearer", "dpop"].contains(&self.scheme.as_str())
    }
}

/// Reads a `WWW-Authenticate` field. Lenient: what is asked is only which schemes and parameters there are.
fn read_challenges(field: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    for element in unquoted_split(field) {
        let element = element.trim();
        let name = element.split('=').next().unwrap_or_default().trim();
        let (first, second) = match name.split_once(char::is_whitespace) {
            Some((scheme, parameter)) => (scheme, Some(parameter.trim())),
            // Without `=` it is a scheme alone; with it, one more parameter of the scheme before.
            None if element.contains('=') => ("", Some(name)),
            None => (name, None),
        };
        if !first.is_empty() {
            challenges.push(Challenge {
                scheme: first.to_ascii_lowercase(),
                parameters: Vec::new(),
            });
        }
        if let (Some(challenge), Some(parameter)) = (challenges.last_mut(), second) {
            challenge.parameters.push(parameter.to_ascii_lowercase());
        }
    }
    challenges
}

/// The text between commas that are not quoted.
fn unquoted_split(field: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (position, letter) in field.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&field[start..position]);
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.push(&field[start..]);
    parts
}

/// Stands for a test client's origin where none is known.
const NOWHERE: &str = "http://doorward.invalid";
const MOST_TRIES: u32 = 3;
/// Seconds.
const LONGEST_WAIT: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_they_are_written() {
        let read = |field: &str| -> Vec<(String, String)> {
            read_challenges(field)
                .into_iter()
                .map(|challenge| (challenge.scheme, challenge.parameters.join(" ")))
                .collect()
        };
        let pair = |scheme: &str, parameters: &str| (scheme.to_owned(), parameters.to_owned());
        assert_eq!(read("Bearer"), [pair("bearer", "")]);
        assert_eq!(
            read(r#"Bearer realm="a, error=\"b\"", error="invalid_token""#),
            [pair("bearer", "realm error")]
        );
        assert_eq!(
            read(r#"Basic realm="x", Bearer, DPoP algs="ES256 PS256", error = "e""#),
            [
                pair("basic", "realm"),
                pair("bearer", ""),
                pair("dpop", "algs error")
            ]
        );
        assert_eq!(read(""), []);
        assert_eq!(read(",error=\"x\""), []);
        let two = Answer::response(
            401,
            [
                ("WWW-Authenticate", "Basic"),
                ("www-authenticate", "Bearer"),
            ],
        );
        assert_eq!(two.challenges().len(), 2);
    }

    #[test]
    fn only_the_same_path_of_the_same_origin_is_followed() {
        let origin = Some("http://127.0.0.1:8000");
        let followed =
            |method, status, location| follow(origin, method, "/items?a=1", status, location);
        for (location, to) in [
            ("/items/?a=1", Some("/items/?a=1")),
            ("http://127.0.0.1:8000/items/", Some("/items/")),
            ("https://127.0.0.1:8000/items/", None),
            ("http://127.0.0.1:8001/items/", None),
            ("http://elsewhere.example/items/", None),
            ("//elsewhere.example/items/", None),
            ("/login?next=/items", None),
            ("/items?a=1", None),
        ] {
            assert_eq!(followed("GET", 307, location).as_deref(), to, "{location}");
        }
        assert!(followed("POST", 307, "/items/").is_some());
        assert!(followed("POST", 302, "/items/").is_none());
        assert!(followed("GET", 303, "/items/").is_none());
        assert_eq!(
            follow(None, "GET", "/a", 301, "/a/").as_deref(),
            Some("/a/")
        );
    }

    #[test]
    fn a_redirect_to_the_same_path_teaches_nothing() {
        let class = |location| {
            Answer::response(301, [("Location", location)])
                .class(Some("http://api.example"), "/me?x=1")
        };
        assert_eq!(class("https://api.example/me"), Class::Moved);
        assert_eq!(class("/me/"), Class::Moved);
        assert_eq!(class("/login"), Class::Redirected);
        assert_eq!(class("https://sso.example/me"), Class::Redirected);
    }

    #[test]
    fn waits_are_bounded() {
        assert_eq!(retry_after(429, Some("2"), 0), Some(2));
        assert_eq!(retry_after(429, Some("86400"), 0), Some(LONGEST_WAIT));
        assert_eq!(retry_after(429, None, 2), Some(1));
        assert_eq!(retry_after(429, None, 3), None);
        assert_eq!(retry_after(503, Some("1"), 0), None);
    }
}
