//! E-mail addresses and phone numbers: each stands in its user, and has an id of its own.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, new_id, set, text, wanted_id};
use crate::backend_api::{Outcome, user_list, users};
use crate::people;

/// A kind of identification.
pub(super) struct Identification {
    pub(super) name: &'static str,
    list: &'static str,
    pub(super) primary: &'static str,
    pub(super) status_parameter: &'static str,
    id_parameter: &'static str,
    strategy: &'static str,
}

pub(super) const EMAIL: Identification = Identification {
    name: "email_address",
    list: "email_addresses",
    primary: "primary_email_address_id",
    status_parameter: "email_address_identification_status",
    id_parameter: "email_address_id",
    strategy: "email_code",
};

pub(super) const PHONE: Identification = Identification {
    name: "phone_number",
    list: "phone_numbers",
    primary: "primary_phone_number_id",
    status_parameter: "phone_number_identification_status",
    id_parameter: "phone_number_id",
    strategy: "phone_code",
};

pub(super) fn answer(
    world: &mut World<'_>,
    call: &Call,
    kind: &Identification,
) -> Result<Outcome, Problem> {
    match call.operation.id {
        "CreateEmailAddress" | "CreatePhoneNumber" => return create(world, call, kind),
        "ReplaceUserEmailAddress" | "ReplaceUserPhoneNumber" => return replace(world, call, kind),
        _ => {}
    }
    let id = call.required(kind.id_parameter);
    let mut user = owner(world, kind, id).ok_or_else(|| Problem::not_found(kind.name, id))?;
    match call.operation.id {
        "GetEmailAddress" | "GetPhoneNumber" => {}
        "UpdateEmailAddress" | "UpdatePhoneNumber" => {
            if let Some(verified) = call.given("verified").and_then(Value::as_bool) {
                item(&mut user, kind, id)["verification"] = verification(verified);
            }
            if let Some(second) = call
                .given("reserved_for_second_factor")
                .and_then(Value::as_bool)
            {
                item(&mut user, kind, id)["reserved_for_second_factor"] = json!(second);
            }
            if call.flag("primary") {
                make_primary(&mut user, kind, id)?;
            }
            item(&mut user, kind, id)["updated_at"] = json!(world.now);
            users::changed(world, &mut user);
        }
        "DeleteEmailAddress" | "DeletePhoneNumber" => {
            detach(&mut user, kind, id);
            users::changed(world, &mut user);
            return Ok(Outcome::Object(
                json!({ "object": kind.name, "id": id, "deleted": true }),
            ));
        }
        "PrepareEmailAddressVerification" | "PreparePhoneNumberVerification" => {
            let prepared = json!({
                "object": "verification_otp",
                "id": new_id("veri")?,
                "status": "unverified",
                "strategy": kind.strategy,
                "attempts": 0,
                "expire_at": world.now + CODE_LIFE,
                "channel": null,
            });
            item(&mut user, kind, id)["verification"] = prepared.clone();
            users::changed(world, &mut user);
            return Ok(Outcome::Object(prepared));
        }
        "AttemptEmailAddressVerification" | "AttemptPhoneNumberVerification" => {
            let now = world.now;
            let attempted = attempt(item(&mut user, kind, id), call, now);
            return Ok(match attempted {
                Ok(verification) => {
                    users::changed(world, &mut user);
                    Outcome::Object(verification)
                }
                // An attempt counts, and it is news to nobody.
                Err(problem) => {
                    world.change(Family::Users, &mut user);
                    Outcome::Refused(problem)
                }
            });
        }
        other => return Err(Problem::not_implemented(other)),
    }
    Ok(Outcome::Object(item(&mut user, kind, id).clone()))
}

/// Gives a user an address or a number; the first that is verified is primary.
pub(super) fn attach(
    world: &World<'_>,
    user: &mut Object,
    kind: &Identification,
    value: &str,
    verified: bool,
    reserved: bool,
) -> Result<String, Problem> {
    if !well_formed(kind, value) {
        let long = format!("{value:?} is no {}.", kind.name);
        let code = "form_param_format_invalid";
        return Err(Problem::parameter(code, "is invalid", kind.name, long));
    }
    user_list::free(world, kind.name, value, &id_of(user))?;
    let id = new_id("idn")?;
    let value = match kind.name {
        "email_address" => value.to_lowercase(),
        _ => value.to_owned(),
    };
    let mut made = json!({
        "id": id,
        "object": kind.name,
        kind.name: value,
        "reserved": reserved,
        "verification": verification(verified),
        "linked_to": [],
        "created_at": world.now,
        "updated_at": world.now,
    });
    match kind.name {
        "email_address" => made["matches_sso_connection"] = json!(false),
        _ => {
            made["reserved_for_second_factor"] = json!(false);
            made["default_second_factor"] = json!(false);
            made["backup_codes"] = Value::Null;
        }
    }
    let list = user
        .entry(kind.list.to_owned())
        .or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        if list.iter().any(|known| known[kind.name] == made[kind.name]) {
            return Err(Problem::taken(kind.name));
        }
        if list.len() >= MAX_OF_ONE_USER {
            let long = format!("A user has {MAX_OF_ONE_USER} of them at most.");
            return Err(Problem::value(kind.name, long));
        }
        list.push(made);
    }
    if verified && text(user, kind.primary).is_empty() {
        set(user, kind.primary, id.clone());
    }
    Ok(id)
}

/// Makes one of a user's own the primary one. It has to be verified.
pub(super) fn make_primary(
    user: &mut Object,
    kind: &Identification,
    id: &str,
) -> Result<(), Problem> {
    let found = items(user, kind).iter().find(|item| item["id"] == id);
    let Some(found) = found else {
        return Err(Problem::not_found(kind.name, id));
    };
    if found["verification"]["status"] != "verified" {
        let long = "It has to be verified before it can be primary.";
        return Err(Problem::value(kind.primary, long));
    }
    set(user, kind.primary, id);
    Ok(())
}

fn create(world: &mut World<'_>, call: &Call, kind: &Identification) -> Result<Outcome, Problem> {
    let mut user = world.object(Family::Users, "user", call.required("user_id"))?;
    // Clerk leaves what is not said to be verified unverified.
    let (value, verified) = (call.required(kind.name), call.flag("verified"));
    let mut id = attach(world, &mut user, kind, value, verified, false)?;
    let taken = |id: &str| owner(world, kind, id).is_some();
    if let Some(wanted) = wanted_id(call, "idn", taken)? {
        item(&mut user, kind, &id)["id"] = json!(wanted);
        if text(&user, kind.primary) == id {
            set(&mut user, kind.primary, wanted.as_str());
        }
        id = wanted;
    }
    if call.flag("reserved_for_second_factor") {
        item(&mut user, kind, &id)["reserved_for_second_factor"] = json!(true);
    }
    if call.flag("primary") {
        make_primary(&mut user, kind, &id)?;
    }
    users::changed(world, &mut user);
    Ok(Outcome::Object(item(&mut user, kind, &id).clone()))
}

/// Puts one address in the place of all of them.
fn replace(world: &mut World<'_>, call: &Call, kind: &Identification) -> Result<Outcome, Problem> {
    let mut user = world.object(Family::Users, "user", call.required("user_id"))?;
    let value = call.required(kind.name);
    set(&mut user, kind.list, json!([]));
    set(&mut user, kind.primary, Value::Null);
    let status = call.text("identification_status").unwrap_or("verified");
    let (verified, reserved) = (status != "unverified", status == "reserved");
    let id = attach(world, &mut user, kind, value, verified, reserved)?;
    users::changed(world, &mut user);
    Ok(Outcome::Object(item(&mut user, kind, &id).clone()))
}

fn attempt(item: &mut Value, call: &Call, now: i64) -> Result<Value, Problem> {
    let pending = &mut item["verification"];
    let id = call.required("verification_id");
    if pending["id"] != id || pending["status"] != "unverified" {
        return Err(Problem::not_found("verification", id));
    }
    if pending["expire_at"].as_i64().is_some_and(|at| at <= now) {
        pending["status"] = json!("expired");
        let long = "The verification has expired; prepare another.";
        return Err(Problem::conflict("verification_expired", long));
    }
    let attempts = pending["attempts"].as_i64().unwrap_or_default() + 1;
    pending["attempts"] = json!(attempts);
    if call.required("code") == CODE {
        pending["status"] = json!("verified");
    } else if attempts >= MAX_ATTEMPTS {
        pending["status"] = json!("failed");
    } else {
        let long = format!("The local issuer's code is always {CODE}.");
        let mut problem = Problem::parameter("form_code_incorrect", "is incorrect", "code", long);
        problem.status = StatusCode::UNPROCESSABLE_ENTITY;
        return Err(problem);
    }
    Ok(pending.clone())
}

fn detach(user: &mut Object, kind: &Identification, id: &str) {
    if let Some(list) = user.get_mut(kind.list).and_then(Value::as_array_mut) {
        list.retain(|item| item["id"] != id);
    }
    if text(user, kind.primary) == id {
        let mut left = items(user, kind).iter();
        let next = left.find(|item| item["verification"]["status"] == "verified");
        let next = next.map_or(Value::Null, |item| item["id"].clone());
        set(user, kind.primary, next);
    }
}

/// Whose this id is.
fn owner(world: &World<'_>, kind: &Identification, id: &str) -> Option<Object> {
    let has = |user: &Object| items(user, kind).iter().any(|item| item["id"] == id);
    let mut held = world.store.held(Family::Users);
    if let Some(user) = held.find(|user| has(user)) {
        return Some(user.clone());
    }
    let user = people::user_id(people::number(id)?);
    let user = world.store.find(Family::Users, &user)?;
    has(&user).then(|| user.into_owned())
}

fn items<'u>(user: &'u Object, kind: &Identification) -> &'u [Value] {
    let list = user.get(kind.list).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The item of a user who has it.
fn item<'u>(user: &'u mut Object, kind: &Identification, id: &str) -> &'u mut Value {
    let list = user
        .entry(kind.list.to_owned())
        .or_insert_with(|| json!([]));
    let items = list.as_array_mut();
    let mut items = items.into_iter().flatten();
    items
        .find(|item| item["id"] == id)
        .expect("whoever asks has found it")
}

fn verification(verified: bool) -> Value {
    match verified {
        true => json!({
            "object": "verification_admin", "status": "verified", "strategy": "admin", "attempts": null, "expire_at": null,
        }),
        false => Value::Null,
    }
}

fn well_formed(kind: &Identification, value: &str) -> bool {
    match kind.name {
        "email_address" => value.split_once('@').is_some_and(|(local, domain)| {
            let plain = |text: &str| !text.contains(|letter: char| letter.is_whitespace());
            !local.is_empty()
                && plain(value)
                && domain.contains('.')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
                && !domain.contains('@')
        }),
        // E.164.
        _ => value.strip_prefix('+').is_some_and(|digits| {
            (7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        }),
    }
}

/// As at Clerk's test mode.
const CODE: &str = "424242";
const CODE_LIFE: i64 = 10 * 60 * 1000;
const MAX_ATTEMPTS: i64 = 3;
const MAX_OF_ONE_USER: usize = 100;
