//! Faults on purpose: what an issuer's network may do to those who fetch its keys.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happens to a fetch of keys or metadata. `/dev` is never struck, so a fault can always be lifted.
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
}

impl Fault {
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
        }
    }
}

/// The JSON of a fault.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Form {
    None {},
    Down {},
    Slow { milliseconds: u32 },
    Garbage {},
    Status { status: u16 },
    Oversize {},
    GzipBomb {},
    Redirect { url: String },
    Drip {},
    Refuse {},
    Empty {},
    OneBroken {},
    NotFound {},
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
        ] {
            assert_eq!(serde_json::to_value(&fault).unwrap(), form);
            assert_eq!(form["kind"], fault.as_str());
            assert_eq!(serde_json::from_value::<Fault>(form).unwrap(), fault);
        }
        assert!(serde_json::from_value::<Fault>(json!({"kind": "down", "status": 500})).is_err());
        assert!(serde_json::from_value::<Fault>(json!({"kind": "on_fire"})).is_err());
    }
}
