//! Actor tokens, sign-in tokens and testing tokens.

use serde_json::{Value, json};

use crate::backend_api::Outcome;
use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, internal, number, set, text};
use crate::opaque::random_text;

pub(super) fn of_actors(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "CreateActorToken" => {
            world.object(Family::Users, "user", call.required("user_id"))?;
            let mut token = world.blank(call, Family::ActorTokens, "ActorToken", "act")?;
            call.copy_values(&["user_id", "actor"], &mut token);
            ticket(world, call, &mut token, ACTOR_TOKEN_LIFE)?;
            world.add(Family::ActorTokens, &token)?;
            Ok(Outcome::Object(token.into()))
        }
        "RevokeActorToken" => {
            let id = call.required("actor_token_id");
            let code = "actor_token_cannot_be_revoked_code";
            revoke(world, Family::ActorTokens, "actor token", id, code)
        }
        other => Err(Problem::not_implemented(other)),
    }
}

pub(super) fn of_sign_ins(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "CreateSignInToken" => {
            world.object(Family::Users, "user", call.required("user_id"))?;
            if let Some(organization) = call.text("org_id") {
                world.object(Family::Organizations, "organization", organization)?;
            }
            let mut token = world.blank(call, Family::SignInTokens, "SignInToken", "sit")?;
            call.copy_values(&["user_id"], &mut token);
            ticket(world, call, &mut token, SIGN_IN_TOKEN_LIFE)?;
            world.add(Family::SignInTokens, &token)?;
            Ok(Outcome::Object(token.into()))
        }
        "RevokeSignInToken" => {
            let id = call.required("sign_in_token_id");
            let code = "sign_in_token_cannot_be_revoked_code";
            revoke(world, Family::SignInTokens, "sign-in token", id, code)
        }
        other => Err(Problem::not_implemented(other)),
    }
}

pub(super) fn of_tests(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "CreateTestingToken" => {
            let token = random_text("").map_err(|error| internal(&error))?;
            let expires_at = world.now + TESTING_TOKEN_LIFE;
            Ok(Outcome::Object(json!({
                "object": "testing_token",
                "token": format!("{}-{token}", expires_at / 1000),
                "expires_at": expires_at,
            })))
        }
        other => Err(Problem::not_implemented(other)),
    }
}

/// What is shown once: the token, and where it is handed in.
fn ticket(world: &World<'_>, call: &Call, token: &mut Object, life: i64) -> Result<(), Problem> {
    let name = "expires_in_seconds";
    let life = call.int(name).unwrap_or(life);
    if !(1..=MAX_LIFE).contains(&life) {
        return Err(Problem::value(name, format!("1 to {MAX_LIFE} seconds.")));
    }
    set(token, "_expires_at", world.now + life * 1000);
    // Random text, which no verifier takes for a token of a session.
    let text = random_text("").map_err(|error| internal(&error))?;
    set(
        token,
        "url",
        format!("{}/v1/tickets/accept?ticket={text}", world.url()),
    );
    set(token, "token", text);
    set(token, "status", "pending");
    Ok(())
}

fn revoke(
    world: &mut World<'_>,
    family: Family,
    what: &str,
    id: &str,
    code: &'static str,
) -> Result<Outcome, Problem> {
    let mut token = world.object(family, what, id)?;
    let over = number(&token, "_expires_at").is_some_and(|at| at <= world.now);
    if over && text(&token, "status") == "pending" {
        set(&mut token, "status", "expired");
    }
    if text(&token, "status") != "pending" {
        let long = format!(
            "{} is {}; only what is pending can be revoked.",
            id_of(&token),
            text(&token, "status")
        );
        return Err(Problem::conflict(code, long));
    }
    set(&mut token, "status", "revoked");
    for name in ["token", "url"] {
        token.remove(name);
    }
    world.change(family, &mut token);
    Ok(Outcome::Object(Value::Object(token)))
}

/// Unless it is said, in seconds: an hour, and 30 days.
const ACTOR_TOKEN_LIFE: i64 = 3600;
const SIGN_IN_TOKEN_LIFE: i64 = 30 * 24 * 3600;
/// As of other tokens of the API, ten years.
const MAX_LIFE: i64 = 315_360_000;
const TESTING_TOKEN_LIFE: i64 = 3600 * 1000;
