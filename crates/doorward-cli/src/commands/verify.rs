//! `doorward verify`.

use std::process::ExitCode;

use clap::Args;
use doorward::{Authenticator, Identity, Rejection, TokenKind};
use serde_json::{Value, json};

use crate::output::{self, BAD, BOLD, DIM, Failure, GOOD, UNAVAILABLE, paint};
use crate::settings::Settings;

/// Verify a token, and say who it is or why not.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The token; "-" or nothing reads it from standard input
    token: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    let config = arguments.settings.find()?.config;
    let auth = Authenticator::new(&config)?;
    let token = output::token(arguments.token.as_deref())?;
    match auth.verify_blocking(&token) {
        Ok(identity) => {
            accepted(&identity, as_json);
            Ok(ExitCode::SUCCESS)
        }
        Err(rejection) => {
            refused(&rejection, as_json);
            let code = if rejection.status() == 503 {
                UNAVAILABLE
            } else {
                1
            };
            Ok(ExitCode::from(code))
        }
    }
}

fn accepted(identity: &Identity, as_json: bool) {
    let facts = facts(identity);
    if as_json {
        return output::document(&json!({ "accepted": true, "identity": facts }));
    }
    output::line(&format!(
        "{} {}",
        paint(GOOD, "accepted"),
        paint(BOLD, identity.subject())
    ));
    for (name, value) in facts.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::Array(items) if items.is_empty() => continue,
            Value::Array(items) => items
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(" "),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        output::line(&format!("  {} {text}", paint(DIM, &format!("{name:<18}"))));
    }
}

fn facts(identity: &Identity) -> Value {
    json!({
        "kind": TokenKind::as_str(identity.kind()),
        "subject": identity.subject(),
        "issuer": identity.issuer(),
        "session_id": identity.session_id(),
        "client_id": identity.client_id(),
        "organization_id": identity.organization_id(),
        "organization_slug": identity.organization_slug(),
        "role": identity.role(),
        "permissions": identity.permissions(),
        "scopes": identity.scopes(),
        "features": identity.features(),
        "plans": identity.plans(),
        "actor": identity.actor().and_then(|actor| actor.subject.as_deref()),
        "expires_at": identity.expires_at().to_string(),
        "flags": identity.flags(),
    })
}

fn refused(rejection: &Rejection, as_json: bool) {
    let reason = rejection.reason();
    if as_json {
        return output::document(&json!({
            "accepted": false,
            "reason": reason.code(),
            "status": rejection.status(),
            "detail": rejection.detail(),
            "hint": rejection.hint(),
        }));
    }
    output::line(&format!(
        "{} {}",
        paint(BAD, "refused"),
        paint(BOLD, reason.code())
    ));
    output::line(&format!("  {}", reason.summary()));
    if !rejection.detail().is_empty() {
        output::line(&format!("  {} {}", paint(DIM, "found"), rejection.detail()));
    }
    output::line(&format!("  {} {}", paint(DIM, "mend "), rejection.hint()));
}
