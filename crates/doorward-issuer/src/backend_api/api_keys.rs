//! API keys. What is known of them is the issuer's own knowledge of its opaque tokens, so a key that was minted elsewhere
//! is listed here too, and one that is revoked here is refused everywhere.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::backend_api::Outcome;
use crate::backend_api::call::Call;
use crate::backend_api::list;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, Store, id_of};
use crate::backend_api::world::{World, internal, set, text, wanted_id};
use crate::encoding::base64url;
use crate::mint::{Kind, Mint};
use crate::opaque::{Opaque, digest_of};
use crate::revocation::Revocation;

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "createApiKey" => return create(world, call),
        "getApiKeys" => return Ok(page(world, call)),
        "verifyApiKey" => return verify(world, Kind::ApiKey, call.required("secret")),
        _ => {}
    }
    let id = call.required("api_key_id");
    let now = world.issuer.now();
    let mut tokens = world.issuer.tokens();
    let key = tokens.named(Kind::ApiKey, id);
    let key = key.ok_or_else(|| Problem::not_found("API key", id))?;
    match call.operation.id {
        "getApiKey" => {}
        "getApiKeySecret" => {
            let secret = key.secret.clone();
            let secret = secret.ok_or_else(|| Problem::not_found("secret of API key", id))?;
            return Ok(Outcome::Object(json!({ "secret": secret })));
        }
        "updateApiKey" => {
            if let Some(subject) = call.text("subject") {
                subject_exists(world, subject)?;
            }
            update(call, key, now)?;
            key.updated_at = now;
        }
        "revokeApiKey" => key.revoke(call.text("revocation_reason"), now),
        "deleteApiKey" => {
            tokens.forget(Kind::ApiKey, id);
            drop(tokens);
            world.store.remove(Family::OpaqueTokens, id);
            return Ok(Outcome::Object(
                json!({ "object": "api_key", "id": id, "deleted": true }),
            ));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    let shown = key.shown(now).unwrap_or_default();
    drop(tokens);
    remember(world, Kind::ApiKey, id)?;
    Ok(Outcome::Object(shown))
}

/// What a verify endpoint says of a token of this kind. Served beside the others, it is here for those who come by
/// another way.
pub(super) fn verify(world: &World<'_>, kind: Kind, token: &str) -> Result<Outcome, Problem> {
    let now = world.issuer.now();
    let found = world.issuer.tokens().verify(token, Some(kind), None, now);
    found
        .map(Outcome::Object)
        .ok_or_else(|| Problem::not_found("token", ""))
}

/// The claims that were given beside the usual ones; `null` and nothing are none.
pub(super) fn claims(call: &Call) -> Result<Map<String, Value>, Problem> {
    match call.given("claims") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(claims)) => Ok(claims.clone()),
        Some(_) => Err(bad("claims", "an object")),
    }
}

/// Keeps a token that was made or changed in the state.
pub(super) fn remember(world: &mut World<'_>, kind: Kind, id: &str) -> Result<(), Problem> {
    let stored = world.issuer.tokens().stored(kind, id);
    match stored {
        Some(stored) if world.store.find(Family::OpaqueTokens, id).is_some() => {
            world.store.put(Family::OpaqueTokens, stored);
            Ok(())
        }
        Some(stored) => {
            for id in forgotten(world) {
                world.store.remove(Family::OpaqueTokens, &id);
            }
            world.issued.push((kind, id.to_owned()));
            world.add(Family::OpaqueTokens, &stored)
        }
        None => Ok(()),
    }
}

/// What the issuer has forgotten is nothing to remember. It forgets only when it is full.
fn forgotten(world: &World<'_>) -> Vec<String> {
    let tokens = world.issuer.tokens();
    if !tokens.is_full() {
        return Vec::new();
    }
    let held = world.store.held(Family::OpaqueTokens);
    let forgotten = held.filter(|held| !tokens.knows(text(held, "digest")));
    forgotten.map(id_of).collect()
}

/// Keeps a revocation in the state: of the tokens that it strikes, whoever revokes them.
pub(super) fn revoke_stored(store: &mut Store, what: &Revocation, reason: Option<&str>, at: i64) {
    let digest = match what {
        Revocation::Token(token) => Some(base64url(digest_of(token))),
        _ => None,
    };
    let meant = |token: &&Object| match (&digest, what.claim()) {
        (Some(digest), _) => text(token, "digest") == digest,
        (None, Some((name, value))) => {
            let claims = token.get("claims").and_then(Value::as_object);
            claims.is_some_and(|claims| text(claims, name) == value)
        }
        (None, None) => false,
    };
    let tokens = store.held(Family::OpaqueTokens).filter(meant);
    let struck = tokens.filter(|token| token.get("revoked") != Some(&json!(true)));
    let struck: Vec<Object> = struck.cloned().collect();
    for mut token in struck {
        set(&mut token, "revoked", true);
        set(&mut token, "revocation_reason", json!(reason));
        set(&mut token, "updated_at", at / 1000 * 1000);
        store.put(Family::OpaqueTokens, token);
    }
}

/// 400, as Clerk's proxied groups say it.
pub(super) fn bad(name: &str, expected: &str) -> Problem {
    let long = format!("Invalid 'body.{name}': Expected {expected}");
    Problem::new(StatusCode::BAD_REQUEST, "bad_request", "Bad Request", long)
}

fn create(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let subject = call.required("subject");
    subject_exists(world, subject)?;
    let mut mint = Mint::kind(Kind::ApiKey)
        .sub(subject)
        .name(call.required("name"))
        .scopes(call.texts("scopes"));
    mint.ttl = seconds(call)?;
    let claims = claims(call)?;
    let taken = |id: &str| world.issuer.tokens().named(Kind::ApiKey, id).is_some();
    let wanted = wanted_id(call, "ak", taken)?;
    let issued = world.issuer.issue_opaque(&mint, |key| {
        key.custom = claims;
        key.description = call.text("description").map(str::to_owned);
        key.created_by = call.text("created_by").map(str::to_owned);
        if let Some(id) = wanted {
            key.claims.insert("jti".to_owned(), json!(id));
        }
    });
    let (secret, id) = issued.map_err(|error| internal(&error))?;
    remember(world, Kind::ApiKey, &id)?;
    let now = world.issuer.now();
    let mut tokens = world.issuer.tokens();
    let key = tokens.named(Kind::ApiKey, &id);
    let mut shown = key.and_then(|key| key.shown(now)).unwrap_or_default();
    shown["secret"] = json!(secret);
    Ok(Outcome::Object(shown))
}

fn page(world: &World<'_>, call: &Call) -> Outcome {
    let now = world.issuer.now();
    let (subject, query) = (call.required("subject"), call.text("query"));
    let all = call.text("include_invalid") == Some("true");
    let tokens = world.issuer.tokens();
    let keys = tokens.of(Kind::ApiKey).rev();
    let keys = keys.filter_map(|key| key.shown(now)).filter(|key| {
        let named = |name: &str| key[name].as_str().unwrap_or_default().to_lowercase();
        key["subject"] == subject
            && (all || (key["revoked"] != true && key["expired"] != true))
            && query.is_none_or(|query| named("name").contains(&query.to_lowercase()))
    });
    let keys: Vec<Value> = keys.collect();
    let (offset, limit) = list::window(call);
    let total = keys.len() as u64;
    Outcome::List(keys.into_iter().skip(offset).take(limit).collect(), total)
}

fn update(call: &Call, key: &mut Opaque, now: i64) -> Result<(), Problem> {
    if call.given("claims").is_some() {
        key.custom = claims(call)?;
    }
    if call.given("scopes").is_some() {
        let scopes = call.texts("scopes").into_iter();
        key.scopes = scopes.map(str::to_owned).collect();
        let scope = key.scopes.join(" ");
        key.claims.insert("scope".to_owned(), json!(scope));
    }
    if call.given("description").is_some() {
        key.description = call.text("description").map(str::to_owned);
    }
    if let Some(subject) = call.text("subject") {
        key.claims.insert("sub".to_owned(), json!(subject));
    }
    match (call.given("seconds_until_expiration"), seconds(call)?) {
        (None, _) => {}
        (Some(_), Some(seconds)) => {
            let exp = now.saturating_add(seconds);
            key.claims.insert("exp".to_owned(), json!(exp));
        }
        (Some(_), None) => {
            key.claims.remove("exp");
        }
    }
    Ok(())
}

/// How long a token shall live, if it is said.
pub(super) fn seconds(call: &Call) -> Result<Option<i64>, Problem> {
    match call.int("seconds_until_expiration") {
        Some(seconds) if seconds < 1 => {
            Err(bad("seconds_until_expiration", "a number of 1 at least"))
        }
        other => Ok(other),
    }
}

fn subject_exists(world: &World<'_>, subject: &str) -> Result<(), Problem> {
    let family = match subject.split_once('_') {
        Some(("user", _)) => Family::Users,
        Some(("org", _)) => Family::Organizations,
        Some(("mch", _)) => Family::Machines,
        Some(("scim", _)) => return Ok(()),
        _ => {
            return Err(bad(
                "subject",
                "the id of a user, an organization or a machine",
            ));
        }
    };
    world.object(family, "subject", subject).map(|_| ())
}
