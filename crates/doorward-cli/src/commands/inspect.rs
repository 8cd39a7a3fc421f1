//! `doorward inspect`.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use doorward::Timestamp;
use doorward::core::jws;
use serde_json::{Map, Value, json};

use crate::output::{self, BOLD, DIM, Failure, ODD, paint};

/// Show what a token says, WITHOUT verifying it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The token; "-" or nothing reads it from standard input
    token: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    let token = output::token(arguments.token.as_deref())?;
    let decoded = jws::decode_unverified(&token).map_err(|rejection| Failure {
        message: rejection.to_string(),
        code: 1,
    })?;
    let object = |name: &str, json: &[u8]| {
        serde_json::from_slice::<Map<String, Value>>(json).map_err(|error| Failure {
            message: format!("the {name} is no JSON object: {error}"),
            code: 1,
        })
    };
    let (header, claims) = (
        object("header", decoded.0.as_bytes())?,
        object("payload", &decoded.1)?,
    );
    if as_json {
        output::document(&json!({ "verified": false, "header": header, "claims": claims }));
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::from(SystemTime::now());
    output::line(&paint(
        ODD,
        "NOT VERIFIED: anybody can write such a token. `doorward verify` checks it.",
    ));
    section("Header", &header, now);
    section("Claims", &claims, now);
    Ok(ExitCode::SUCCESS)
}

fn section(title: &str, members: &Map<String, Value>, now: Timestamp) {
    output::line(&format!("\n{}", paint(BOLD, title)));
    for (name, value) in members {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (name, text) = (printable(name), printable(&text));
        let meaning = meaning(&name, value, now).unwrap_or_default();
        output::line(&format!("  {name:<18} {text}  {}", paint(DIM, &meaning)));
    }
}

/// What an attacker wrote must not drive the terminal.
fn printable(text: &str) -> String {
    let mark = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    text.chars().map(mark).collect()
}

/// What a member is, in a few words; dates in words, too.
fn meaning(name: &str, value: &Value, now: Timestamp) -> Option<String> {
    if let ("exp" | "nbf" | "iat" | "auth_time" | "updated_at" | "oiat", Some(seconds)) =
        (name, value.as_f64())
    {
        let time = Timestamp::from_secs_f64(seconds)?;
        let what = match name {
            "exp" => "expires",
            "nbf" => "valid from",
            "iat" => "issued",
            "auth_time" => "signed in",
            _ => "at",
        };
        return Some(format!(
            "{what} {time}, {}",
            relative(time.millis_since(now) / 1000)
        ));
    }
    MEANINGS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| (*text).to_owned())
}

fn relative(seconds: i64) -> String {
    let size = seconds.unsigned_abs();
    let amount = match size {
        0..=119 => format!("{size} s"),
        120..=7199 => format!("{} min", size / 60),
        7200..=172_799 => format!("{} h", size / 3600),
        _ => format!("{} days", size / 86_400),
    };
    if seconds >= 0 {
        format!("in {amount}")
    } else {
        format!("{amount} ago")
    }
}

const MEANINGS: [(&str, &str); 37] = [
    ("alg", "signature algorithm"),
    ("kid", "which of the issuer's keys signed it"),
    ("typ", "type of the token"),
    ("cat", "Clerk's category of the token"),
    ("crit", "extensions that must be understood: refused"),
    ("jwk", "a key in the token itself: refused"),
    ("jku", "a key set named by the token itself: refused"),
    ("x5u", "a certificate named by the token itself: refused"),
    ("iss", "issuer"),
    ("sub", "subject: who this is about"),
    ("aud", "audience: for whom it is"),
    ("jti", "id of the token"),
    (
        "azp",
        "authorized party: for which origin or client it was made",
    ),
    ("client_id", "OAuth client"),
    ("scope", "what it may be used for"),
    ("scp", "what it may be used for"),
    ("sid", "session"),
    ("sts", "session status; a pending session is not signed in"),
    ("nonce", "ties an ID token to its request"),
    ("act", "actor: somebody acts for the subject"),
    (
        "cnf",
        "bound to a key of its sender: refused as a bearer token",
    ),
    (
        "fva",
        "minutes since the first and second factor were verified, -1 not enrolled",
    ),
    ("v", "version of a Clerk session token"),
    ("pla", "plans, o: of the organization, u: of the user"),
    ("fea", "features, o: of the organization, u: of the user"),
    (
        "o",
        "active organization: id, slg slug, rol role, per and fpm packed permissions",
    ),
    ("org_id", "active organization (version 1)"),
    ("org_role", "role in the active organization (version 1)"),
    ("org_slug", "slug of the active organization (version 1)"),
    (
        "org_permissions",
        "permissions in the active organization (version 1)",
    ),
    ("email", "e-mail address"),
    ("email_verified", "whether the issuer has checked it"),
    ("name", "display name"),
    ("roles", "roles"),
    ("permissions", "permissions"),
    ("tid", "tenant"),
    ("token_use", "what the token is for (Cognito)"),
];
