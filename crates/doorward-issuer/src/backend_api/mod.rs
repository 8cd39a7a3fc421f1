//! Clerk's Backend API (<https://clerk.com/docs/reference/backend-api>), as the table of `doorward-clerk` has it.
//!
//! Every operation is routed, authorized and checked by the table, and answered in the table's shape. What it does stands
//! in the file of its family; an operation that no family has is answered with 501.

mod api_keys;
mod call;
mod deliveries;
mod domains;
mod identifications;
mod invitations;
mod jwt_templates;
mod list;
mod machines;
mod memberships;
mod metadata;
mod oauth_applications;
mod organizations;
mod passwords;
mod problem;
mod redirect_urls;
mod restrictions;
mod roles;
mod seed;
mod sessions;
mod shape;
#[cfg(feature = "sqlite")]
mod state_file;
mod store;
#[cfg(test)]
mod tests;
mod tickets;
mod user_list;
mod users;
mod webhook_apps;
mod world;

use std::collections::VecDeque;
use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use doorward_clerk::table::{Auth, Operation, Shape, Table};
use serde_json::{Value, json};

use crate::backend_api::call::{Call, Raw};
pub(crate) use crate::backend_api::deliveries::Deliveries;
use crate::backend_api::problem::Problem;
pub use crate::backend_api::seed::SeedError;
use crate::backend_api::store::{Family, Store};
use crate::backend_api::world::World;
use crate::issuer::DevIssuer;
use crate::line::Line;
use crate::requests::Endpoint;
use crate::revocation::Revocation;
use crate::strike::{Answer, answered};

/// The state of the Backend API.
pub(crate) struct BackendApi {
    store: Mutex<Store>,
    pub(crate) deliveries: Deliveries,
    /// Requests in ten seconds; any number unless this is set.
    limit: Option<usize>,
    asked: Mutex<VecDeque<Instant>>,
}

impl BackendApi {
    pub(crate) fn new(users: u64, organizations: u64, limit: Option<usize>) -> Self {
        Self {
            store: Mutex::new(Store::new(users, organizations)),
            deliveries: Deliveries::default(),
            limit,
            asked: Mutex::default(),
        }
    }

    /// Remembers everything in this file, and reads what is in it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn open(&self, issuer: &DevIssuer, path: &Path) -> std::io::Result<()> {
        let mut store = self.store();
        store.open(path)?;
        revive(&mut World::new(&mut store, issuer));
        Ok(())
    }

    /// Creates what a seed names.
    pub(crate) fn seed(&self, issuer: &DevIssuer, text: &str) -> Result<usize, SeedError> {
        let mut store = self.store();
        if !store.is_untouched() {
            return Ok(0);
        }
        let mut world = World::new(&mut store, issuer);
        let sown = seed::sow(&mut world, text).and_then(|sown| {
            let kept = world.store.commit();
            kept.map_err(|error| SeedError::State(error.to_string()))?;
            Ok(sown)
        });
        // Half a seed is none.
        sown.inspect_err(|_| world.undo())
    }

    /// Keeps the revocation of tokens that were revoked elsewhere.
    pub(crate) fn revoked(&self, what: &Revocation, reason: Option<&str>, now: i64) {
        let mut store = self.store();
        api_keys::revoke_stored(&mut store, what, reason, now.saturating_mul(1000));
        // It holds until the end of the process at least; the next change tells of a full disk.
        let _ = store.commit();
    }

    /// Which machine has a secret key of which this is true; one that was replaced may be good for a while yet.
    pub(crate) fn machine_of(&self, same: impl Fn(&str) -> bool, now: i64) -> Option<String> {
        machines::with_key(&self.store(), same, now.saturating_mul(1000))
    }

    /// The secret key of a machine that exists.
    pub(crate) fn machine_key(&self, id: &str) -> Option<String> {
        machines::key_of(&self.store(), id)
    }

    /// Forgets everything but the crowd.
    pub(crate) fn reset(&self) {
        let mut store = self.store();
        // Nobody waits for an answer that could tell of a full disk; the next change tells.
        let _ = store.clear();
        drop(store);
        self.deliveries.forget();
        lock(&self.asked).clear();
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    /// The seconds to wait, for who asks too often.
    fn too_often(&self) -> Option<u64> {
        let limit = self.limit?;
        let mut asked = lock(&self.asked);
        let now = Instant::now();
        while asked
            .front()
            .is_some_and(|then| now.duration_since(*then) >= WINDOW)
        {
            asked.pop_front();
        }
        if asked.len() < limit {
            asked.push_back(now);
            return None;
        }
        let oldest = asked
            .front()
            .map_or(WINDOW, |then| now.duration_since(*then));
        Some(WINDOW.saturating_sub(oldest).as_secs() + 1)
    }
}

impl fmt::Debug for BackendApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BackendApi")
    }
}

/// Any request whose path begins with `/v1/`, or is one that Clerk serves without it.
pub(crate) async fn backend_api(
    State(issuer): State<Arc<DevIssuer>>,
    ConnectInfo(line): ConnectInfo<Line>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(&issuer, Endpoint::BackendApi, &line, |_| {
        respond(&issuer, &method, &uri, &headers, &body)
    })
    .await
}

/// Cheapest first: the route, the key, the limit, the parameters, and then what was asked for.
fn respond(
    issuer: &DevIssuer,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Answer {
    let (versioned, path) = match uri.path().strip_prefix("/v1") {
        Some(path) => (true, path),
        None => (false, uri.path()),
    };
    let routed = Table::get().route(method.as_str(), path);
    let Some((operation, holes)) = routed.filter(|(found, _)| versioned || found.unversioned)
    else {
        let long = format!("The Backend API has no {method} at this path.");
        let code = "resource_not_found";
        return Problem::new(StatusCode::NOT_FOUND, code, "not found", long).answer(false);
    };
    let proxied = operation.unversioned;
    let raw = Raw {
        path: holes,
        query: uri.query().unwrap_or_default(),
        content_type: header(headers, CONTENT_TYPE.as_str()),
        body,
        version: header(headers, "clerk-api-version"),
    };
    match outcome(issuer, operation, headers, &raw) {
        Ok(outcome) => outcome,
        Err(problem) => problem.answer(proxied),
    }
}

fn outcome(
    issuer: &DevIssuer,
    operation: &'static Operation,
    headers: &HeaderMap,
    raw: &Raw<'_>,
) -> Result<Answer, Problem> {
    let machine = authorized(issuer, operation, headers)?;
    if let Some(seconds) = issuer.backend_api().too_often() {
        let long = format!("Too many requests; the next one in {seconds} seconds.");
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = Problem::new(status, "too_many_requests", "Too many requests", long);
        return Err(problem.retry_after(seconds));
    }
    let mut call = Call::read(operation, raw)?;
    call.machine = machine;
    let result = perform(issuer, &call)?;
    let status = match operation.id {
        // The table has the documented 200, and Clerk's own SDK for Python takes nothing but this for success.
        "createApiKey" => StatusCode::CREATED,
        _ => StatusCode::from_u16(operation.status).unwrap_or(StatusCode::OK),
    };
    Ok(match result {
        Some(body) => Answer::json(&body).status(status),
        None => Answer::empty().status(status),
    })
}

/// Does what is asked, remembers it, and tells those who listen.
fn perform(issuer: &DevIssuer, call: &Call) -> Result<Option<Value>, Problem> {
    let backend = issuer.backend_api();
    let mut store = backend.store();
    // What one left behind that came to no end; there should be none.
    store.rollback();
    let mut world = match call.operation.method {
        "GET" => World::to_look(&mut store, issuer),
        _ => World::new(&mut store, issuer),
    };
    let result = dispatch(&mut world, call).and_then(|result| {
        world.store.commit().map_err(|error| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let long = format!("The state file cannot be written: {error}");
            Problem::new(status, "internal_error", "Internal error", long)
        })?;
        Ok(result)
    });
    // What is refused, or cannot be kept, has changed nothing.
    let result = result.inspect_err(|_| world.undo())?;
    for what in &world.revoked {
        issuer.revoke_tokens(what, None);
    }
    let events = world.events;
    // Before the store is let go: events leave in the order of the changes.
    for event in &events {
        backend.deliveries.send(event);
    }
    drop(store);
    match result {
        Outcome::Refused(problem) => Err(problem),
        result => Ok(shaped(call, result)),
    }
}

/// After a start, the issuer knows again which tokens it gave out and which of them it revoked.
#[cfg(feature = "sqlite")]
fn revive(world: &mut World<'_>) {
    let tokens: Vec<_> = world.store.held(Family::OpaqueTokens).cloned().collect();
    for token in &tokens {
        world.issuer.tokens().restore(token);
    }
    sessions::revive(world);
    oauth_applications::revive(world);
    for what in std::mem::take(&mut world.revoked) {
        world.issuer.revoke_tokens(&what, None);
    }
}

/// The answer to a body that is too large, in this API's shape.
pub(crate) fn too_large() -> Answer {
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    let long = "A body of 10 MiB at most.";
    Problem::new(status, "request_too_large", "Request too large", long).answer(false)
}

/// The answer of a fault, in this API's shape.
pub(crate) fn on_purpose(status: StatusCode) -> Answer {
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
        StatusCode::NOT_FOUND => "resource_not_found",
        _ => "on_purpose",
    };
    Problem::new(
        status,
        code,
        "on purpose",
        "The local issuer has this fault on purpose.",
    )
    .answer(false)
}

/// What an operation answers with, before the table shapes it.
pub(super) enum Outcome {
    Object(Value),
    /// A page, and how many there are in all.
    List(Vec<Value>, u64),
    Nothing,
    /// A refusal, and what it changed stays.
    Refused(Problem),
}

fn dispatch(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.resource {
        "users" => users::answer(world, call),
        "email_addresses" => identifications::answer(world, call, &identifications::EMAIL),
        "phone_numbers" => identifications::answer(world, call, &identifications::PHONE),
        "sessions" => sessions::answer(world, call),
        "clients" => sessions::of_clients(world, call),
        "organizations" => organizations::answer(world, call),
        "organization_memberships" => memberships::answer(world, call),
        "organization_invitations" => invitations::of_organizations(world, call),
        "organization_roles" => roles::answer(world, call),
        "organization_permissions" => roles::of_permissions(world, call),
        "organization_domains" => domains::of_organizations(world, call),
        "domains" => domains::answer(world, call),
        "invitations" => invitations::answer(world, call),
        "actor_tokens" => tickets::of_actors(world, call),
        "sign_in_tokens" => tickets::of_sign_ins(world, call),
        "testing_tokens" => tickets::of_tests(world, call),
        "machines" => machines::answer(world, call),
        "m2m" => machines::of_tokens(world, call),
        "api_keys" => api_keys::answer(world, call),
        "oauth_applications" => oauth_applications::answer(world, call),
        "jwt_templates" => jwt_templates::answer(world, call),
        "allowlist_identifiers" => restrictions::answer(world, call, Family::AllowlistIdentifiers),
        "blocklist_identifiers" => restrictions::answer(world, call, Family::BlocklistIdentifiers),
        "redirect_urls" => redirect_urls::answer(world, call),
        "webhooks" => webhook_apps::answer(world, call),
        "jwks" => Ok(Outcome::Object(world.issuer.jwks())),
        _ => Err(Problem::not_implemented(call.operation.id)),
    }
}

fn shaped(call: &Call, outcome: Outcome) -> Option<Value> {
    let operation = call.operation;
    let of = operation.response.unwrap_or_default();
    let shown = |value: Value| match value {
        Value::Object(object) => shape::shaped(of, object),
        value => value,
    };
    match (operation.shape, outcome) {
        (Shape::Array, Outcome::List(items, total)) => {
            let items: Vec<Value> = items.into_iter().map(shown).collect();
            Some(match call.flag("paginated") {
                true => json!({ "data": items, "total_count": total }),
                false => Value::Array(items),
            })
        }
        (Shape::Page, Outcome::List(items, total)) => {
            let items: Vec<Value> = items.into_iter().map(shown).collect();
            Some(json!({ operation.items.unwrap_or("data"): items, "total_count": total }))
        }
        (_, Outcome::Object(object)) => Some(shown(object)),
        (_, Outcome::List(items, _)) => Some(Value::Array(items)),
        (_, Outcome::Nothing | Outcome::Refused(_)) => None,
    }
}

/// Who asks, if this operation is theirs: a machine, or the instance.
fn authorized(
    issuer: &DevIssuer,
    operation: &Operation,
    headers: &HeaderMap,
) -> Result<Option<String>, Problem> {
    let refused = |code, message, long: &str| {
        Err(Problem::new(StatusCode::UNAUTHORIZED, code, message, long))
    };
    if operation.auth == Auth::None {
        return Ok(None);
    }
    let key = header(headers, AUTHORIZATION.as_str())
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim())
        .filter(|key| !key.is_empty());
    let Some(key) = key else {
        return refused(
            "authentication_invalid",
            "Invalid authentication",
            "Send `Authorization: Bearer` and the local issuer's secret key, as `/dev/state` shows it.",
        );
    };
    let instance = verify_slices_are_equal(key.as_bytes(), issuer.secret_key().as_bytes()).is_ok();
    let machine = match instance {
        true => None,
        false => issuer.machine_of(key),
    };
    match (operation.auth, instance, machine) {
        (Auth::Secret | Auth::Either, true, _) => Ok(None),
        (Auth::Machine | Auth::Either, false, Some(machine)) => Ok(Some(machine)),
        (_, false, None) => refused(
            "clerk_key_invalid",
            "The provided Clerk Secret Key is invalid.",
            "The local issuer has another secret key; `/dev/state` shows it.",
        ),
        (Auth::Machine, true, _) => refused(
            "authentication_invalid",
            "Invalid authentication",
            "This operation wants the secret key of a machine, `ak_…`, not the instance's.",
        ),
        _ => refused(
            "authentication_invalid",
            "Invalid authentication",
            "This operation wants the instance's secret key, `sk_test_…`, not a machine's.",
        ),
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const WINDOW: Duration = Duration::from_secs(10);
