//! Machines, and the tokens with which they talk to one another.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::backend_api::Outcome;
use crate::backend_api::api_keys::{bad, claims, remember, seconds, verify};
use crate::backend_api::call::Call;
use crate::backend_api::list;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, Store, id_of};
use crate::backend_api::world::{World, internal, number, set, text};
use crate::mint::{Kind, Mint};
use crate::opaque::random_text;
use crate::revocation::Revocation;

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let family = Family::Machines;
    match call.operation.id {
        "ListMachines" => {
            let filters = [list::contains(call, "query", &["id", "name"])];
            let show = |machine: &Object| shown(world, machine);
            return list::page(world.store, call, family, filters, &["name"], show);
        }
        "CreateMachine" => {
            let mut machine = world.blank(call, family, "Machine", "mch")?;
            let others: BTreeSet<&str> = call.texts("scoped_machines").into_iter().collect();
            for other in &others {
                world.object(family, "machine", other)?;
            }
            call.copy_values(&["name", "default_token_ttl"], &mut machine);
            let secret = random_text("ak_").map_err(|error| internal(&error))?;
            set(&mut machine, "_secret_key", secret.clone());
            set(&mut machine, "_scopes", json!(others));
            world.add(family, &machine)?;
            let mut shown = shown(world, &machine);
            shown["secret_key"] = json!(secret);
            return Ok(Outcome::Object(shown));
        }
        _ => {}
    }
    let id = call.required("machine_id");
    let mut machine = world.object(family, "machine", id)?;
    match call.operation.id {
        "GetMachine" => {}
        "UpdateMachine" => {
            call.copy_values(&["name", "default_token_ttl"], &mut machine);
            world.change(family, &mut machine);
        }
        "DeleteMachine" => {
            world.revoke(Revocation::Sub(id.to_owned()));
            let others: Vec<Object> = world
                .store
                .held(family)
                .filter(|other| scopes(other).contains(id))
                .cloned()
                .collect();
            for mut other in others {
                let mut left = scopes(&other);
                left.remove(id);
                set(&mut other, "_scopes", json!(left));
                world.store.put(family, other);
            }
            return Ok(Outcome::Object(world.delete(family, &machine, "machine")));
        }
        "GetMachineSecretKey" => return Ok(secret(&machine)),
        "RotateMachineSecretKey" => {
            let life = call.int("previous_token_ttl").unwrap_or_default();
            let old = text(&machine, "_secret_key").to_owned();
            set(&mut machine, "_previous_key", old);
            let until = (world.issuer.now() + life) * 1000;
            set(&mut machine, "_previous_until", until);
            let new = random_text("ak_").map_err(|error| internal(&error))?;
            set(&mut machine, "_secret_key", new);
            world.change(family, &mut machine);
            return Ok(secret(&machine));
        }
        "CreateMachineScope" => {
            let other = call.required("to_machine_id");
            world.object(family, "machine", other)?;
            let mut known = scopes(&machine);
            if other == id {
                let long = "A machine needs no scope for itself.";
                return Err(Problem::value("to_machine_id", long));
            }
            if !known.insert(other.to_owned()) {
                let long = "There is this scope already.";
                let mut problem = Problem::conflict("duplicate_record", long);
                problem.status = StatusCode::CONFLICT;
                return Err(problem);
            }
            if known.len() > MAX_SCOPES {
                let long = format!("A machine has {MAX_SCOPES} scopes at most.");
                return Err(Problem::value("to_machine_id", long));
            }
            set(&mut machine, "_scopes", json!(known));
            world.change(family, &mut machine);
            return Ok(Outcome::Object(json!({
                "object": "machine_scope", "from_machine_id": id, "to_machine_id": other, "created_at": world.now,
            })));
        }
        "DeleteMachineScope" => {
            let other = call.required("other_machine_id");
            let mut known = scopes(&machine);
            if !known.remove(other) {
                return Err(Problem::not_found("scope to machine", other));
            }
            set(&mut machine, "_scopes", json!(known));
            world.change(family, &mut machine);
            return Ok(Outcome::Object(json!({
                "object": "machine_scope", "from_machine_id": id, "to_machine_id": other, "deleted": true,
            })));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    Ok(Outcome::Object(shown(world, &machine)))
}

pub(super) fn of_tokens(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "createM2MToken" => create(world, call),
        "getM2MTokens" => page(world, call),
        "revokeM2MToken" => {
            let id = call.required("m2m_token_id");
            let now = world.issuer.now();
            let mut tokens = world.issuer.tokens();
            let found = tokens.named(Kind::M2mOpaque, id);
            let theirs = |subject: Option<&str>| {
                let asking = call.machine.as_deref();
                asking.is_none_or(|machine| subject == Some(machine))
            };
            let token = found
                .filter(|token| theirs(token.claim("sub")))
                .ok_or_else(|| Problem::not_found("machine token", id))?;
            token.revoke(call.text("revocation_reason"), now);
            let shown = token.shown(now).unwrap_or_default();
            drop(tokens);
            remember(world, Kind::M2mOpaque, id)?;
            Ok(Outcome::Object(shown))
        }
        "verifyM2MToken" => verify(world, Kind::M2mOpaque, call.required("token")),
        other => Err(Problem::not_implemented(other)),
    }
}

/// Which machine has a secret key of which this is true.
pub(super) fn with_key(store: &Store, same: impl Fn(&str) -> bool, now: i64) -> Option<String> {
    let mut machines = store.held(Family::Machines);
    let found = machines.find(|machine| {
        let until = number(machine, "_previous_until").unwrap_or_default();
        same(text(machine, "_secret_key")) || (now < until && same(text(machine, "_previous_key")))
    });
    found.map(id_of)
}

pub(super) fn key_of(store: &Store, id: &str) -> Option<String> {
    let machine = store.find(Family::Machines, id)?;
    Some(text(&machine, "_secret_key").to_owned())
}

fn create(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let id = call.machine.as_deref().unwrap_or_default();
    // A machine of `/dev/machines` has a key and nothing else.
    let machine = world.store.find(Family::Machines, id);
    let machine = machine
        .map(std::borrow::Cow::into_owned)
        .unwrap_or_default();
    let claims = claims(call)?;
    let scopes = scopes(&machine);
    let jwt = call.text("token_format") == Some("jwt");
    let kind = if jwt { Kind::M2m } else { Kind::M2mOpaque };
    let ttl = match seconds(call)? {
        Some(seconds) => seconds,
        None => number(&machine, "default_token_ttl").unwrap_or(TOKEN_LIFE),
    };
    let mut mint = Mint::kind(kind).sub(id).scopes(&scopes).ttl(ttl);
    if jwt {
        if let Some(name) = RESERVED.iter().find(|name| claims.contains_key(**name)) {
            return Err(bad("claims", &format!("no {name}, which the issuer sets")));
        }
        mint.claims = claims.clone();
        let token = world.issuer.mint(&mint).map_err(|error| internal(&error))?;
        let read = world.issuer.own_jws(&token);
        let id_of_token = read.and_then(|read| read.claims.get("jti").cloned());
        let seconds = world.issuer.now();
        return Ok(Outcome::Object(json!({
            "object": "machine_to_machine_token",
            "id": id_of_token,
            "subject": id,
            "claims": claims,
            "scopes": scopes,
            "token": token,
            "revoked": false,
            "revocation_reason": null,
            "expired": false,
            "expiration": seconds.saturating_add(ttl).saturating_mul(1000),
            "last_used_at": null,
            "created_at": seconds * 1000,
            "updated_at": seconds * 1000,
        })));
    }
    if let Some(least) = call.int("min_remaining_ttl_seconds")
        && let Some(shown) = still_good(world, id, least, &claims)
    {
        return Ok(Outcome::Object(shown));
    }
    let issued = world
        .issuer
        .issue_opaque(&mint, |token| token.custom = claims);
    let (secret, id) = issued.map_err(|error| internal(&error))?;
    remember(world, Kind::M2mOpaque, &id)?;
    let now = world.issuer.now();
    let mut tokens = world.issuer.tokens();
    let token = tokens.named(Kind::M2mOpaque, &id);
    let mut shown = token.and_then(|token| token.shown(now)).unwrap_or_default();
    shown["token"] = json!(secret);
    Ok(Outcome::Object(shown))
}

/// A token of this machine that will live this long and says the same.
fn still_good(world: &World<'_>, machine: &str, least: i64, claims: &Object) -> Option<Value> {
    let now = world.issuer.now();
    let tokens = world.issuer.tokens();
    let mut newest_first = tokens.of(Kind::M2mOpaque).rev();
    let found = newest_first.find(|token| {
        let exp = token.claims.get("exp").and_then(Value::as_i64);
        token.claim("sub") == Some(machine)
            && !token.revoked
            && token.secret.is_some()
            && token.custom == *claims
            && exp.is_none_or(|exp| exp - now >= least)
    })?;
    let mut shown = found.shown(now)?;
    shown["token"] = json!(found.secret);
    Some(shown)
}

fn page(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let subject = call.required("subject");
    if call
        .machine
        .as_deref()
        .is_some_and(|machine| machine != subject)
    {
        let long = "A machine sees tokens of its own only.";
        let status = StatusCode::FORBIDDEN;
        return Err(Problem::new(
            status,
            "authorization_invalid",
            "Unauthorized request",
            long,
        ));
    }
    let now = world.issuer.now();
    let tokens = world.issuer.tokens();
    let of = tokens
        .of(Kind::M2mOpaque)
        .rev()
        .filter_map(|token| token.shown(now));
    let of = of.filter(|token| {
        token["subject"] == subject
            && (call.flag("revoked") || token["revoked"] != true)
            && (call.flag("expired") || token["expired"] != true)
    });
    let of: Vec<Value> = of.collect();
    let (offset, limit) = list::window(call);
    let total = of.len() as u64;
    Ok(Outcome::List(
        of.into_iter().skip(offset).take(limit).collect(),
        total,
    ))
}

fn secret(machine: &Object) -> Outcome {
    Outcome::Object(
        json!({ "object": "machine_secret_key", "secret": text(machine, "_secret_key") }),
    )
}

fn scopes(machine: &Object) -> BTreeSet<String> {
    let scopes = machine.get("_scopes").and_then(Value::as_array);
    let scopes = scopes.into_iter().flatten().filter_map(Value::as_str);
    scopes.map(str::to_owned).collect()
}

fn shown(world: &World<'_>, machine: &Object) -> Value {
    let others = scopes(machine);
    let others = others
        .iter()
        .filter_map(|id| world.store.find(Family::Machines, id))
        .map(|other| Value::Object(other.into_owned()));
    let others: Vec<Value> = others.collect();
    let mut shown = machine.clone();
    set(&mut shown, "scoped_machines", others);
    shown.into()
}

/// Claims of a JWT that a machine cannot choose.
const RESERVED: [&str; 6] = ["iss", "sub", "exp", "nbf", "iat", "jti"];
const TOKEN_LIFE: i64 = 3600;
const MAX_SCOPES: usize = 150;
