//! Who is a member of which organization.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::list::{self, Chosen};
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object};
use crate::backend_api::world::{World, new_id, set, text, wanted_id};
use crate::backend_api::{Outcome, metadata, roles, sessions, shape, user_list};
use crate::mint::Organization;
use crate::people;

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let organization = call.required("organization_id");
    world.object(Family::Organizations, "organization", organization)?;
    match call.operation.id {
        "ListOrganizationMemberships" => return page(world, call),
        "CreateOrganizationMembership" => {
            let user = call.required("user_id");
            let membership = create(world, call, organization, user, call.required("role"))?;
            return Ok(Outcome::Object(shown(world, &membership)));
        }
        _ => {}
    }
    let user = call.required("user_id");
    let found = find(world, organization, user);
    let mut membership = found.ok_or_else(|| Problem::not_found("membership of user", user))?;
    match call.operation.id {
        "UpdateOrganizationMembership" => {
            let role = call.required("role");
            roles::known(world, role)?;
            set(&mut membership, "role", role);
        }
        "UpdateOrganizationMembershipMetadata" => {
            metadata::merge(call, &METADATA, &mut membership)?;
        }
        "DeleteOrganizationMembership" => {
            let last = shown(world, &membership);
            remove(world, &membership);
            return Ok(Outcome::Object(last));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    world.change(Family::Memberships, &mut membership);
    tell(world, "organizationMembership.updated", &membership);
    Ok(Outcome::Object(shown(world, &membership)))
}

/// `GET /organization_memberships`.
pub(super) fn of_everybody(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let show = |membership: &Object| shown(world, membership);
    list::page(
        world.store,
        call,
        Family::Memberships,
        [],
        &["updated_at"],
        show,
    )
}

/// `GET /users/{user_id}/organization_memberships`.
pub(super) fn of_user(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let user = call.required("user_id");
    let of = objects(world, |member, _| member == user);
    window(world, call, of)
}

/// Makes a user a member.
pub(super) fn create(
    world: &mut World<'_>,
    call: &Call,
    organization: &str,
    user: &str,
    role: &str,
) -> Result<Object, Problem> {
    world.object(Family::Users, "user", user)?;
    roles::known(world, role)?;
    if find(world, organization, user).is_some() {
        let long = format!("{user} is a member already.");
        return Err(Problem::conflict("already_a_member_in_organization", long));
    }
    let allowed = world
        .object(Family::Organizations, "organization", organization)?
        .get("max_allowed_memberships")
        .and_then(Value::as_u64)
        .filter(|most| *most > 0);
    if allowed.is_some_and(|most| count(world, organization) >= most) {
        let long = "The organization has as many members as it may have.";
        let mut problem = Problem::conflict("organization_membership_quota_exceeded", long);
        problem.status = StatusCode::FORBIDDEN;
        return Err(problem);
    }
    let mut membership = shape::blank("OrganizationMembership", world.now);
    membership.remove("organization");
    let mut id = None;
    if call.operation.id == "CreateOrganizationMembership" {
        let taken = |id: &str| world.store.find(Family::Memberships, id).is_some();
        id = wanted_id(call, "orgmem", taken)?;
    }
    let id = id.map_or_else(|| new_id("orgmem"), Ok)?;
    set(&mut membership, "id", id);
    set(&mut membership, "role", role);
    set(&mut membership, "public_metadata", json!({}));
    set(&mut membership, "private_metadata", json!({}));
    set(&mut membership, "_user_id", user);
    set(&mut membership, "_organization_id", organization);
    if call.operation.id == "CreateOrganizationMembership" {
        metadata::merge(call, &METADATA, &mut membership)?;
    }
    world.add(Family::Memberships, &membership)?;
    tell(world, "organizationMembership.created", &membership);
    Ok(membership)
}

/// The membership of this user in this organization.
pub(super) fn find(world: &World<'_>, organization: &str, user: &str) -> Option<Object> {
    let same = |one: &Object| {
        text(one, "_user_id") == user && text(one, "_organization_id") == organization
    };
    let mut held = world.store.held(Family::Memberships);
    if let Some(found) = held.find(|one| same(one)) {
        return Some(found.clone());
    }
    // One of the crowd has one membership, of the same number.
    let number = people::number(user)?;
    let found = world.store.at(Family::Memberships, number)?;
    same(&found).then(|| found.into_owned())
}

/// The users and organizations of the memberships that are asked for.
pub(super) fn pairs(
    world: &World<'_>,
    wanted: impl Fn(&str, &str) -> bool,
) -> Vec<(String, String)> {
    let keys = world.store.membership_keys();
    keys.filter(|(_, user, organization)| wanted(user, organization))
        .map(|(_, user, organization)| (user.into_owned(), organization.into_owned()))
        .collect()
}

/// How many members an organization has.
pub(super) fn count(world: &World<'_>, organization: &str) -> u64 {
    let keys = world.store.membership_keys();
    keys.filter(|(_, _, of)| of == organization).count() as u64
}

/// Ends all of these memberships.
pub(super) fn remove_all(world: &mut World<'_>, wanted: impl Fn(&str, &str) -> bool) {
    for membership in objects(world, wanted) {
        remove(world, &membership);
    }
}

/// The organization claim of a session's token.
pub(super) fn claim(world: &World<'_>, membership: &Object) -> Option<Organization> {
    let id = text(membership, "_organization_id");
    let organization = world.store.find(Family::Organizations, id)?;
    let role = text(membership, "role");
    // Clerk's own permissions are in no token.
    let permissions = roles::permissions(world, role).into_iter();
    Some(Organization {
        id: id.to_owned(),
        slug: text(&organization, "slug").to_owned(),
        role: role.to_owned(),
        permissions: permissions
            .filter(|permission| !permission.starts_with("org:sys_"))
            .collect(),
    })
}

/// The object as it is answered: with its organization, its user and its permissions.
pub(super) fn shown(world: &World<'_>, membership: &Object) -> Value {
    let mut shown = membership.clone();
    let organization = text(membership, "_organization_id");
    let organization = world.store.find(Family::Organizations, organization);
    let organization = organization.map(|object| Value::Object(object.into_owned()));
    set(&mut shown, "organization", organization.unwrap_or_default());
    let user = world
        .store
        .find(Family::Users, text(membership, "_user_id"));
    if let Some(user) = user {
        set(&mut shown, "public_user_data", public_user_data(&user));
    }
    let role = text(membership, "role");
    set(&mut shown, "role_name", roles::name(world, role));
    set(
        &mut shown,
        "permissions",
        json!(roles::permissions(world, role)),
    );
    shape::shown("OrganizationMembership", &shown)
}

/// What an organization may see of a user.
pub(super) fn public_user_data(user: &Object) -> Value {
    let mut data = serde_json::Map::new();
    for name in [
        "first_name",
        "last_name",
        "image_url",
        "has_image",
        "username",
        "banned",
    ] {
        data.insert(name.to_owned(), user.get(name).cloned().unwrap_or_default());
    }
    set(&mut data, "user_id", text(user, "id"));
    let first = |list: &str, field: &str| {
        let item = user.get(list)?.as_array()?.first()?;
        item.get(field)?.as_str()
    };
    let identifier = first("email_addresses", "email_address")
        .or_else(|| first("phone_numbers", "phone_number"))
        .unwrap_or(text(user, "username"));
    set(&mut data, "identifier", identifier);
    Value::Object(data)
}

fn page(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let organization = call.required("organization_id");
    let people = user_list::of_people(call);
    let people: Vec<list::Filter<'_>> = people.into_iter().flatten().collect();
    let users = Chosen::read(call, "user_id");
    let roles = Chosen::read(call, "role");
    let of = objects(world, |user, of| {
        of == organization
            && users
                .as_ref()
                .is_none_or(|users| users.has(|id| id == user))
    });
    let wanted = of.into_iter().filter(|membership| {
        let role = text(membership, "role");
        if !roles
            .as_ref()
            .is_none_or(|roles| roles.has(|name| name == role))
        {
            return false;
        }
        people.is_empty()
            || world
                .store
                .find(Family::Users, text(membership, "_user_id"))
                .is_some_and(|user| people.iter().all(|passes| passes(&user)))
    });
    window(world, call, wanted.collect())
}

/// A page of memberships that came oldest first.
fn window(world: &World<'_>, call: &Call, found: Vec<Object>) -> Result<Outcome, Problem> {
    let order = list::Order::read(call, &SORTABLE)?;
    let (offset, limit) = list::window(call);
    let total = found.len() as u64;
    if order.field == "created_at" {
        let mut found = found;
        if order.newest_first {
            found.reverse();
        }
        let page = found.iter().skip(offset).take(limit);
        return Ok(Outcome::List(
            page.map(|one| shown(world, one)).collect(),
            total,
        ));
    }
    // The other orders are by what the member is called.
    let mut found: Vec<Value> = found.iter().map(|one| shown(world, one)).collect();
    let key = |one: &Value| {
        let of = match order.field.as_str() {
            "role" | "updated_at" => &one[order.field.as_str()],
            "email_address" | "phone_number" => &one["public_user_data"]["identifier"],
            field => &one["public_user_data"][field],
        };
        of.as_str()
            .map_or_else(|| of.to_string(), str::to_lowercase)
    };
    found.sort_by_key(key);
    if order.newest_first {
        found.reverse();
    }
    let page = found.into_iter().skip(offset).take(limit);
    Ok(Outcome::List(page.collect(), total))
}

fn objects(world: &World<'_>, wanted: impl Fn(&str, &str) -> bool) -> Vec<Object> {
    let keys = world.store.membership_keys();
    let wanted = keys.filter(|(_, user, organization)| wanted(user, organization));
    wanted
        .filter_map(|(number, ..)| world.store.at(Family::Memberships, number))
        .map(std::borrow::Cow::into_owned)
        .collect()
}

fn remove(world: &mut World<'_>, membership: &Object) {
    tell(world, "organizationMembership.deleted", membership);
    world.delete(Family::Memberships, membership, "organization_membership");
    let (user, organization) = ("_user_id", "_organization_id");
    sessions::leave(
        world,
        text(membership, user),
        text(membership, organization),
    );
}

fn tell(world: &mut World<'_>, kind: &str, membership: &Object) {
    let data = shown(world, membership);
    world.tell_plainly(kind, &data);
}

const METADATA: [&str; 2] = ["public_metadata", "private_metadata"];
const SORTABLE: [&str; 8] = [
    "updated_at",
    "first_name",
    "last_name",
    "email_address",
    "phone_number",
    "username",
    "role",
    "last_active_at",
];
