//! Faults on purpose: what an issuer's network may do to those who ask it.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::requests::Endpoint;

/// What happens to a request, at one [`Endpoint`](crate::Endpoint) or at all of them. `/dev` is never struck, so a fault
/// can always be lifted.
///
/// In JSON: `{"kind": "down"}`, `{"kind": "slow", "milliseconds": 500}`, `{"kind": "status", "status": 500}`,
/// `{"kind": "redirect", "url": "https://elsewhere.example"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
#[non_exhaustive]
pub enum Fault {
    /// Nothing; all is well.
    #[default]
    None,
    /// 503 with `Retry-After: 1`.
    Down,
    /// The right answer, late; an hour at most.
    Slow(Duration),
    /// 200 with a page of HTML, as from a captive portal.
    Garbage,
    /// This status, with a JSON error.
    Status(u16),
    /// The right answer, followed by eight MiB of padding inside the same valid JSON object.
    Oversize,
    /// 33 kB of gzip that become 34 MB.
    GzipBomb,
    /// 302 to this URL.
    Redirect(String),
    /// The right answer, one byte every 100 ms; what is left after ten seconds comes at once.
    Drip,
    /// The connection is closed without an answer.
    Refuse,
    /// A right answer with no key in it.
    Empty,
    /// A broken key before the good ones, which must not take them down with it (RFC 7517 §5).
    OneBroken,
    /// 404.
    NotFound,
    /// 429 with this `Retry-After`, in seconds; 1 unless said.
    TooManyRequests(u32),
    /// The connection is closed in the middle of the right answer.
    Cut,
    /// The right answer under this content type; `text/plain` unless said.
    ContentType(String),
    /// 200 with what calls itself JSON and is not.
    NotJson,
    /// 200 with `null`.
    Null,
    /// 200 with `[]`.
    Array,
    /// 200 with `{"active": false}`.
    Inactive,
    /// Every token was revoked: the verify endpoints answer 200 and say so in the object, introspection says inactive,
    /// and userinfo refuses.
    Revoked,
    /// Every token has expired: the verify endpoints answer 200 and say so in the object, introspection contradicts
    /// itself (active, with an `exp` of an hour ago), and userinfo refuses.
    Expired,
    /// The right answer about somebody else.
    OtherSubject,
    /// Introspection answers that are JWTs, and ID tokens, are signed with a key nobody published.
    Forged,
}

impl Fault {
    /// Every name, as it stands in JSON.
    pub const NAMES: [&'static str; 24] = [
        "none",
        "down",
        "slow",
        "garbage",
        "status",
        "oversize",
        "gzip_bomb",
        "redirect",
        "drip",
        "refuse",
        "empty",
        "one_broken",
        "not_found",
        "too_many_requests",
        "cut",
        "content_type",
        "not_json",
        "null",
        "array",
        "inactive",
        "revoked",
        "expired",
        "other_subject",
        "forged",
    ];

    /// The name, as it stands in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Down => "down",
            Self::Slow(_) => "slow",
            Self::Garbage => "garbage",
            Self::Status(_) => "status",
            Self::Oversize => "oversize",
            Self::GzipBomb => "gzip_bomb",
            Self::Redirect(_) => "redirect",
            Self::Drip => "drip",
            Self::Refuse => "refuse",
            Self::Empty => "empty",
            Self::OneBroken => "one_broken",
            Self::NotFound => "not_found",
            Self::TooManyRequests(_) => "too_many_requests",
            Self::Cut => "cut",
            Self::ContentType(_) => "content_type",
            Self::NotJson => "not_json",
            Self::Null => "null",
            Self::Array => "array",
            Self::Inactive => "inactive",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::OtherSubject => "other_subject",
            Self::Forged => "forged",
        }
    }
}

/// A fault and where it strikes: the members of the fault, and `endpoint` beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Struck {
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) fault: Fault,
}

impl<'de> Deserialize<'de> for Struck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand: `flatten` and `deny_unknown_fields` do not go together.
        let mut members = Map::<String, Value>::deserialize(deserializer)?;
        let endpoint = members.remove("endpoint").unwrap_or_default();
        Ok(Self {
            endpoint: serde_json::from_value(endpoint).map_err(D::Error::custom)?,
            fault: serde_json::from_value(Value::Object(members)).map_err(D::Error::custom)?,
        })
    }
}

/// The JSON of a fault.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Form {
    None {},
    Down {},
    Slow {
        milliseconds: u32,
    },
    Garbage {},
    Status {
        status: u16,
    },
    Oversize {},
    GzipBomb {},
    Redirect {
        url: String,
    },
    Drip {},
    Refuse {},
    Empty {},
    OneBroken {},
    NotFound {},
    TooManyRequests {
        #[serde(default = "one")]
        retry_after: u32,
    },
    Cut {},
    ContentType {
        #[serde(default = "text_plain")]
        content_type: String,
    },
    NotJson {},
    Null {},
    Array {},
    Inactive {},
    Revoked {},
    Expired {},
    OtherSubject {},
    Forged {},
}

fn one() -> u32 {
    1
}

fn text_plain() -> String {
    "text/plain".to_owned()
}

impl From<Form> for Fault {
    fn from(form: Form) -> Self {
        match form {
            Form::None {} => Self::None,
            Form::Down {} => Self::Down,
            Form::Slow { milliseconds } => Self::Slow(Duration::from_millis(milliseconds.into())),
            Form::Garbage {} => Self::Garbage,
            Form::Status { status } => Self::Status(status),
            Form::Oversize {} => Self::Oversize,
            Form::GzipBomb {} => Self::GzipBomb,
            Form::Redirect { url } => Self::Redirect(url),
            Form::Drip {} => Self::Drip,
            Form::Refuse {} => Self::Refuse,
            Form::Empty {} => Self::Empty,
            Form::OneBroken {} => Self::OneBroken,
            Form::NotFound {} => Self::NotFound,
            Form::TooManyRequests { retry_after } => Self::TooManyRequests(retry_after),
            Form::Cut {} => Self::Cut,
            Form::ContentType { content_type } => Self::ContentType(content_type),
            Form::NotJson {} => Self::NotJson,
            Form::Null {} => Self::Null,
            Form::Array {} => Self::Array,
            Form::Inactive {} => Self::Inactive,
            Form::Revoked {} => Self::Revoked,
            Form::Expired {} => Self::Expired,
            Form::OtherSubject {} => Self::OtherSubject,
            Form::Forged {} => Self::Forged,
        }
    }
}

impl From<Fault> for Form {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::None => Self::None {},
            Fault::Down => Self::Down {},
            Fault::Slow(time) => Self::Slow {
                milliseconds: u32::try_from(time.as_millis()).unwrap_or(u32::MAX),
            },
            Fault::Garbage => Self::Garbage {},
            Fault::Status(status) => Self::Status { status },
            Fault::Oversize => Self::Oversize {},
            Fault::GzipBomb => Self::GzipBomb {},
            Fault::Redirect(url) => Self::Redirect { url },
            Fault::Drip => Self::Drip {},
            Fault::Refuse => Self::Refuse {},
            Fault::Empty => Self::Empty {},
            Fault::OneBroken => Self::OneBroken {},
            Fault::NotFound => Self::NotFound {},
            Fault::TooManyRequests(retry_after) => Self::TooManyRequests { retry_after },
            Fault::Cut => Self::Cut {},
            Fault::ContentType(content_type) => Self::ContentType { content_type },
            Fault::NotJson => Self::NotJson {},
            Fault::Null => Self::Null {},
            Fault::Array => Self::Array {},
            Fault::Inactive => Self::Inactive {},
            Fault::Revoked => Self::Revoked {},
            Fault::Expired => Self::Expired {},
            Fault::OtherSubject => Self::OtherSubject {},
            Fault::Forged => Self::Forged {},
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_survives_json() {
        for (fault, form) in [
            (Fault::None, json!({"kind": "none"})),
            (
                Fault::Slow(Duration::from_millis(500)),
                json!({"kind": "slow", "milliseconds": 500}),
            ),
            (Fault::Status(500), json!({"kind": "status", "status": 500})),
            (
                Fault::Redirect("https://a.test".to_owned()),
                json!({"kind": "redirect", "url": "https://a.test"}),
            ),
            (Fault::GzipBomb, json!({"kind": "gzip_bomb"})),
            (Fault::OneBroken, json!({"kind": "one_broken"})),
            (
                Fault::TooManyRequests(7),
                json!({"kind": "too_many_requests", "retry_after": 7}),
            ),
            (
                Fault::ContentType("text/html".to_owned()),
                json!({"kind": "content_type", "content_type": "text/html"}),
            ),
        ] {
            assert_eq!(serde_json::to_value(&fault).unwrap(), form);
            assert_eq!(form["kind"], fault.as_str());
            assert_eq!(serde_json::from_value::<Fault>(form).unwrap(), fault);
        }
        assert!(serde_json::from_value::<Fault>(json!({"kind": "down", "status": 500})).is_err());
        assert!(serde_json::from_value::<Fault>(json!({"kind": "on_fire"})).is_err());
    }

    #[test]
    fn every_name_is_a_kind() {
        for name in Fault::NAMES {
            let form = match name {
                "slow" => json!({"kind": name, "milliseconds": 1}),
                "status" => json!({"kind": name, "status": 500}),
                "redirect" => json!({"kind": name, "url": "/"}),
                _ => json!({"kind": name}),
            };
            let fault: Fault = serde_json::from_value(form).unwrap();
            assert_eq!(fault.as_str(), name);
        }
    }

    #[test]
    fn a_fault_strikes_everywhere_unless_an_endpoint_is_named() {
        let read = |form: Value| serde_json::from_value::<Struck>(form);
        let everywhere = read(json!({"kind": "status", "status": 500})).unwrap();
        assert_eq!(
            (everywhere.endpoint, everywhere.fault),
            (None, Fault::Status(500))
        );
        let there = read(json!({"kind": "null", "endpoint": "verify"})).unwrap();
        assert_eq!(
            (there.endpoint, there.fault),
            (Some(Endpoint::Verify), Fault::Null)
        );
        assert!(read(json!({"kind": "null", "endpoint": "verfy"})).is_err());
        assert!(read(json!({"kind": "null", "status": 500, "endpoint": "verify"})).is_err());
    }
}
