//! Sessions, their tokens, and the clients that have them.

use serde_json::{Map, Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, internal, new_id, number, set, text};
use crate::backend_api::{Outcome, jwt_templates, list, memberships, shape, users};
use crate::mint::{Kind, Mint};
use crate::revocation::Revocation;

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "GetSessionList" => return page(world, call),
        "createSession" => return create(world, call),
        "RefreshSession" => return Err(Problem::not_implemented(call.operation.id)),
        _ => {}
    }
    let id = call.required("session_id");
    let mut session = world.object(Family::Sessions, "session", id)?;
    age(&mut session, world.now);
    match call.operation.id {
        "GetSession" => {}
        "RevokeSession" => end(world, &mut session, "revoked"),
        "CreateSessionToken" => return token(world, call, &session, None),
        "CreateSessionTokenFromTemplate" => {
            let name = call.required("template_name");
            let template = jwt_templates::named(world, name)?;
            return token(world, call, &session, Some(&template));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    Ok(Outcome::Object(session.into()))
}

/// Clients: each has one session here.
pub(super) fn of_clients(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let show = |client: &Object| client_with_sessions(world, client);
    match call.operation.id {
        "GetClientList" => list::page(world.store, call, Family::Clients, [], &[], show),
        "GetClient" => {
            let client = world.object(Family::Clients, "client", call.required("client_id"))?;
            Ok(Outcome::Object(show(&client)))
        }
        "VerifyClient" => {
            let token = call.required("token");
            let unknown = || Problem::not_found("client for the token", "");
            let read = world.issuer.own_jws(token).ok_or_else(unknown)?;
            if !world.issuer.stands_by(&read) {
                return Err(unknown());
            }
            let sid = read.claims.get("sid").and_then(Value::as_str);
            let session = world.object(Family::Sessions, "session", sid.unwrap_or_default())?;
            if status(&session, world.now) != "active" {
                return Err(unknown());
            }
            let client = text(&session, "client_id");
            let client = world.object(Family::Clients, "client", client)?;
            Ok(Outcome::Object(show(&client)))
        }
        other => Err(Problem::not_implemented(other)),
    }
}

/// Ends every session of a user.
pub(super) fn end_all(world: &mut World<'_>, user: &str, status: &str) {
    let mut sessions: Vec<Object> = world
        .store
        .held(Family::Sessions)
        .filter(|session| text(session, "user_id") == user)
        .cloned()
        .collect();
    for session in &mut sessions {
        age(session, world.now);
        end(world, session, status);
    }
}

/// Sessions have no organization any more that their user is no member of.
pub(super) fn leave(world: &mut World<'_>, user: &str, organization: &str) {
    let here = |session: &&Object| {
        text(session, "user_id") == user
            && text(session, "last_active_organization_id") == organization
    };
    let sessions = world.store.held(Family::Sessions).filter(here);
    let mut sessions: Vec<Object> = sessions.cloned().collect();
    for session in &mut sessions {
        set(session, "last_active_organization_id", Value::Null);
        world.change(Family::Sessions, session);
    }
}

/// What ended stays ended: tokens of these sessions are refused.
#[cfg(feature = "sqlite")]
pub(super) fn revive(world: &mut World<'_>) {
    let sessions = world.store.held(Family::Sessions);
    let ended = sessions.filter(|session| text(session, "status") != "active");
    let ended = ended.map(|session| Revocation::Sid(id_of(session)));
    world.revoked.extend(ended);
}

fn page(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let now = world.now;
    let status: Option<list::Filter<'_>> = call.text("status").map(|wanted| {
        let filter: list::Filter<'_> = Box::new(move |session| status(session, now) == wanted);
        filter
    });
    let filters = [
        list::equals(call, "client_id", "client_id"),
        list::equals(call, "user_id", "user_id"),
        status,
    ];
    list::page(
        world.store,
        call,
        Family::Sessions,
        filters,
        &[],
        |session| {
            let mut session = session.clone();
            age(&mut session, now);
            session.into()
        },
    )
}

fn create(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let user = world.object(Family::Users, "user", call.required("user_id"))?;
    users::admitted(&user)?;
    let user_id = id_of(&user);
    let organization = call.text("active_organization_id");
    if let Some(organization) = organization
        && memberships::find(world, organization, &user_id).is_none()
    {
        return Err(Problem::not_found(
            "membership in organization",
            organization,
        ));
    }
    let mut session = world.blank(call, Family::Sessions, "Session", "sess")?;
    let id = id_of(&session);
    let client = json!({
        "object": "client",
        "id": new_id("client")?,
        "session_ids": [id],
        "sign_in_id": null,
        "sign_up_id": null,
        "last_active_session_id": id,
        "last_authentication_strategy": "ticket",
        "created_at": world.now,
        "updated_at": world.now,
    });
    set(&mut session, "client_id", client["id"].clone());
    set(&mut session, "user_id", user_id);
    set(&mut session, "status", "active");
    set(&mut session, "expire_at", world.now + SESSION_LIFE);
    set(&mut session, "abandon_at", world.now + ABANDONED_AFTER);
    set(
        &mut session,
        "last_active_organization_id",
        json!(organization),
    );
    world.add(Family::Sessions, &session)?;
    if let Value::Object(client) = client {
        world.add(Family::Clients, &client)?;
    }
    let mut user = user;
    set(&mut user, "last_sign_in_at", world.now);
    set(&mut user, "last_active_at", world.now);
    world.change(Family::Users, &mut user);
    tell(world, "session.created", &session);
    Ok(Outcome::Object(session.into()))
}

fn token(
    world: &World<'_>,
    call: &Call,
    session: &Object,
    template: Option<&Object>,
) -> Result<Outcome, Problem> {
    let id = id_of(session);
    if status(session, world.now) != "active" {
        return Err(Problem::not_found("active session", &id));
    }
    let user = world.object(Family::Users, "user", text(session, "user_id"))?;
    let organization = text(session, "last_active_organization_id");
    let membership = memberships::find(world, organization, &id_of(&user));
    let mint = match template {
        Some(template) => jwt_templates::mint(world, template, session, &user)?,
        None => {
            let mut mint = Mint::kind(Kind::Session).sid(id).sub(id_of(&user));
            mint.org = membership.and_then(|membership| memberships::claim(world, &membership));
            if let Some(actor) = session.get("actor").filter(|actor| actor.is_object()) {
                mint = mint.actor(actor.clone());
            }
            mint
        }
    };
    let mint = match call.int("expires_in_seconds") {
        Some(seconds) => mint.ttl(seconds),
        None => mint,
    };
    let jwt = world.issuer.mint(&mint).map_err(|error| internal(&error))?;
    Ok(Outcome::Object(json!({ "object": "token", "jwt": jwt })))
}

/// Ends a session that is active: its tokens are revoked.
fn end(world: &mut World<'_>, session: &mut Object, status: &str) {
    if !matches!(text(session, "status"), "active" | "pending") {
        return;
    }
    set(session, "status", status);
    world.change(Family::Sessions, session);
    world.revoke(Revocation::Sid(id_of(session)));
    tell(world, &format!("session.{status}"), session);
}

fn tell(world: &mut World<'_>, kind: &str, session: &Object) {
    let mut data = shape::shown("Session", session);
    let user = world.store.find(Family::Users, text(session, "user_id"));
    data["user"] = user.map_or(Value::Null, |user| shape::shown("User", &user));
    world.tell_plainly(kind, &data);
}

/// What became of a session in the meantime.
fn status(session: &Object, now: i64) -> &str {
    let passed = |name| number(session, name).is_some_and(|at| at <= now);
    match text(session, "status") {
        "active" if passed("expire_at") => "expired",
        "active" if passed("abandon_at") => "abandoned",
        other => other,
    }
}

fn age(session: &mut Object, now: i64) {
    let status = status(session, now).to_owned();
    set(session, "status", status);
}

fn client_with_sessions(world: &World<'_>, client: &Object) -> Value {
    let ids = client.get("session_ids").and_then(Value::as_array);
    let sessions = ids.into_iter().flatten().filter_map(|id| {
        let mut session = world
            .store
            .find(Family::Sessions, id.as_str()?)?
            .into_owned();
        age(&mut session, world.now);
        Some(Value::Object(session))
    });
    let sessions: Vec<Value> = sessions.collect();
    let mut client: Map<String, Value> = client.clone();
    client.insert("sessions".to_owned(), sessions.into());
    client.into()
}

const DAY: i64 = 24 * 3600 * 1000;
const SESSION_LIFE: i64 = 7 * DAY;
const ABANDONED_AFTER: i64 = 30 * DAY;
