//! Users' passwords: kept as PBKDF2 (RFC 8018 §5.2), and compared in constant time.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::Object;
use crate::backend_api::world::{World, internal, set, text};
use crate::encoding::{base64, base64_decode};
use crate::keys::KeyError;

/// Takes the password, or the digest of one, that was given.
pub(super) fn take(world: &World<'_>, call: &Call, user: &mut Object) -> Result<(), Problem> {
    let (password, digest) = (call.text("password"), call.text("password_digest"));
    match (password, digest, call.text("password_hasher")) {
        (None, None, _) => return Ok(()),
        (Some(_), Some(_), _) => {
            let long = "Either a password or a digest of one.";
            return Err(Problem::value("password_digest", long));
        }
        (None, Some(_), None) => {
            let long = "It must say how password_digest was made.";
            return Err(Problem::value("password_hasher", long));
        }
        // Nothing here knows the hashers: nobody can sign in with it, but there is a password.
        (None, Some(_), Some(_)) => set(user, "_password", Value::Null),
        (Some(password), None, _) => {
            let short = password.chars().count() < MIN_LENGTH;
            if short && !call.flag("skip_password_checks") {
                let code = "form_password_length_too_short";
                let long = "Passwords have 8 characters at least.";
                return Err(Problem::parameter(code, "is too short", "password", long));
            }
            set(user, "_password", digested(password)?);
        }
    }
    set(user, "password_enabled", true);
    set(user, "password_last_updated_at", world.now);
    set(user, "_password_compromised", false);
    Ok(())
}

/// Compares a password with the user's.
pub(super) fn verify(user: &Object, password: &str) -> Result<(), Problem> {
    if user.get("password_enabled") != Some(&json!(true)) {
        let long = "This user has no password.";
        return Err(Problem::conflict("no_password_set", long));
    }
    let incorrect = || {
        let long = "The password is not this user's.";
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "incorrect_password",
            "Incorrect password",
            long,
        )
    };
    let (salt, digest) = text(user, "_password")
        .split_once('.')
        .ok_or_else(incorrect)?;
    let salt = base64_decode(salt).ok_or_else(incorrect)?;
    let digest = base64_decode(digest).ok_or_else(incorrect)?;
    pbkdf2::verify(
        PBKDF2_HMAC_SHA256,
        ROUNDS,
        &salt,
        password.as_bytes(),
        &digest,
    )
    .map_err(|_| incorrect())
}

pub(super) fn remove(user: &mut Object) {
    user.remove("_password");
    set(user, "password_enabled", false);
}

fn digested(password: &str) -> Result<String, Problem> {
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| internal(&KeyError::Generate))?;
    let mut digest = [0; 32];
    pbkdf2::derive(
        PBKDF2_HMAC_SHA256,
        ROUNDS,
        &salt,
        password.as_bytes(),
        &mut digest,
    );
    Ok(format!("{}.{}", base64(&salt), base64(&digest)))
}

const MIN_LENGTH: usize = 8;
/// Few: these are the passwords of tests, which should not wait.
const ROUNDS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");
