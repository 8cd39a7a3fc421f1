//! Roles and permissions of organizations.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, set, text};
use crate::backend_api::{Outcome, list, shape};

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "ListOrganizationRoles" => {
            let filters = [list::contains(call, "query", SEARCHED)];
            let show = |role: &Object| shown(world, role);
            return list::page(world.store, call, Family::Roles, filters, &SORTABLE, show);
        }
        "CreateOrganizationRole" => {
            let mut role = world.blank(call, Family::Roles, "Role", "role")?;
            write(world, call, &mut role)?;
            if call.given("permissions").is_none_or(Value::is_null) {
                set(&mut role, "_permission_ids", json!([]));
            }
            world.add(Family::Roles, &role)?;
            let shown = shown(world, &role);
            world.tell_plainly("role.created", &shown);
            return Ok(Outcome::Object(shown));
        }
        _ => {}
    }
    let mut role = world.object(Family::Roles, "role", call.required("organization_role_id"))?;
    match call.operation.id {
        "GetOrganizationRole" => return Ok(Outcome::Object(shown(world, &role))),
        "DeleteOrganizationRole" => {
            let key = text(&role, "key");
            if SYSTEM.contains(&key) || !holders(world, key).is_empty() {
                let long =
                    "Somebody has this role or is invited to it, or it is the instance's own.";
                return Err(forbidden("organization_role_in_use", long));
            }
            let deleted = world.delete(Family::Roles, &role, "role");
            world.tell_plainly("role.deleted", &deleted);
            return Ok(Outcome::Object(deleted));
        }
        "UpdateOrganizationRole" => {
            let before = text(&role, "key").to_owned();
            write(world, call, &mut role)?;
            // Who has the role keeps it, whatever its key is now.
            if text(&role, "key") != before {
                for (family, mut holder) in holders(world, &before) {
                    set(&mut holder, "role", text(&role, "key"));
                    world.change(family, &mut holder);
                }
            }
        }
        "AssignPermissionToOrganizationRole" | "RemovePermissionFromOrganizationRole" => {
            let id = call.required("permission_id");
            world.object(Family::Permissions, "permission", id)?;
            let mut ids = permission_ids(&role);
            let has = ids.iter().any(|known| known == id);
            match (call.operation.method, has) {
                ("POST", true) => {
                    let long = "The role has this permission already.";
                    let mut problem = Problem::conflict("duplicate_record", long);
                    problem.status = StatusCode::CONFLICT;
                    return Err(problem);
                }
                ("POST", false) => ids.push(id.to_owned()),
                (_, true) => ids.retain(|known| known != id),
                (_, false) => return Err(Problem::not_found("permission of the role", id)),
            }
            set(&mut role, "_permission_ids", json!(ids));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    world.change(Family::Roles, &mut role);
    let shown = shown(world, &role);
    world.tell_plainly("role.updated", &shown);
    Ok(Outcome::Object(shown))
}

pub(super) fn of_permissions(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "ListOrganizationPermissions" => {
            let filters = [list::contains(call, "query", SEARCHED)];
            let show = |one: &Object| Value::Object(one.clone());
            let family = Family::Permissions;
            return list::page(world.store, call, family, filters, &SORTABLE, show);
        }
        "CreateOrganizationPermission" => {
            let mut permission = world.blank(call, Family::Permissions, "Permission", "perm")?;
            set(&mut permission, "type", "user");
            write_permission(world, call, &mut permission)?;
            world.add(Family::Permissions, &permission)?;
            world.tell("permission.created", "Permission", &permission);
            return Ok(Outcome::Object(permission.into()));
        }
        _ => {}
    }
    let id = call.required("permission_id");
    let mut permission = world.object(Family::Permissions, "permission", id)?;
    let system = text(&permission, "type") == "system";
    match call.operation.id {
        "GetOrganizationPermission" => {}
        "UpdateOrganizationPermission" | "DeleteOrganizationPermission" if system => {
            let long = "The instance's own permissions stay as they are.";
            return Err(forbidden("organization_permission_is_system", long));
        }
        "UpdateOrganizationPermission" => {
            write_permission(world, call, &mut permission)?;
            world.change(Family::Permissions, &mut permission);
            world.tell("permission.updated", "Permission", &permission);
        }
        "DeleteOrganizationPermission" => {
            let deleted = world.delete(Family::Permissions, &permission, "permission");
            world.tell_plainly("permission.deleted", &deleted);
            return Ok(Outcome::Object(deleted));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    Ok(Outcome::Object(permission.into()))
}

/// 404 for a role that there is not.
pub(super) fn known(world: &World<'_>, key: &str) -> Result<(), Problem> {
    match by_key(world, Family::Roles, key) {
        Some(_) => Ok(()),
        None => Err(Problem::not_found("role", key)),
    }
}

/// The name of a role.
pub(super) fn name(world: &World<'_>, key: &str) -> String {
    let role = by_key(world, Family::Roles, key);
    role.map_or_else(|| key.to_owned(), |role| text(&role, "name").to_owned())
}

/// The keys of a role's permissions.
pub(super) fn permissions(world: &World<'_>, key: &str) -> Vec<String> {
    let role = by_key(world, Family::Roles, key);
    let ids = role.map(|role| permission_ids(&role)).unwrap_or_default();
    let found = ids
        .iter()
        .filter_map(|id| world.store.find(Family::Permissions, id));
    found
        .map(|permission| text(&permission, "key").to_owned())
        .collect()
}

/// The roles that are there from the start.
pub(super) fn system_role(number: u64, id: &str, at: i64) -> Option<Value> {
    let (key, name, readings) = match number {
        0 => (ADMIN, "Admin", false),
        1 => (MEMBER, "Member", true),
        _ => return None,
    };
    let ids = (0..)
        .zip(PERMISSIONS)
        .filter(|(_, (key, _))| !readings || key.ends_with(":read"));
    let ids: Vec<String> = ids
        .map(|(number, _)| crate::people::id("perm", number))
        .collect();
    Some(json!({
        "id": id, "object": "role", "key": key, "name": name, "description": name, "is_creator_eligible": number == 0,
        "_permission_ids": ids, "created_at": at, "updated_at": at,
    }))
}

/// The permissions that are there from the start.
pub(super) fn system_permission(number: u64, id: &str, at: i64) -> Option<Value> {
    let (key, name) = PERMISSIONS.get(usize::try_from(number).ok()?)?;
    Some(json!({
        "id": id, "object": "permission", "key": key, "name": name, "description": name, "type": "system",
        "created_at": at, "updated_at": at,
    }))
}

fn write(world: &World<'_>, call: &Call, role: &mut Object) -> Result<(), Problem> {
    if let Some(key) = call.text("key") {
        if SYSTEM.contains(&text(role, "key")) && key != text(role, "key") {
            let long = "The instance's own roles keep their keys.";
            return Err(forbidden("organization_role_is_system", long));
        }
        well_formed(key, 2)?;
        unique(world, Family::Roles, key, &id_of(role))?;
    }
    let mut ids = Vec::new();
    for named in call.texts("permissions") {
        let known = world.store.find(Family::Permissions, named);
        let known = known.or_else(|| by_key(world, Family::Permissions, named));
        let known = known.ok_or_else(|| Problem::not_found("permission", named))?;
        ids.push(id_of(&known));
    }
    if call.given("permissions").is_some_and(Value::is_array) {
        set(role, "_permission_ids", json!(ids));
    }
    call.copy_values(&["name", "key"], role);
    call.copy(&["description"], role);
    Ok(())
}

fn write_permission(world: &World<'_>, call: &Call, one: &mut Object) -> Result<(), Problem> {
    if let Some(key) = call.text("key") {
        well_formed(key, 3)?;
        if key.starts_with("org:sys_") {
            let long = "Keys that begin with org:sys_ are the instance's own.";
            return Err(Problem::value("key", long));
        }
        unique(world, Family::Permissions, key, &id_of(one))?;
    }
    call.copy_values(&["name", "key", "description"], one);
    Ok(())
}

/// `org:role`, or `org:feature:permission`.
fn well_formed(key: &str, parts: usize) -> Result<(), Problem> {
    let word = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        !part.is_empty() && part.bytes().all(letter)
    };
    let right =
        key.starts_with("org:") && key.split(':').count() == parts && key.split(':').all(word);
    if right {
        return Ok(());
    }
    let long = match parts {
        2 => "A role's key is org:<role>, of lower-case letters, digits and `_`.",
        _ => {
            "A permission's key is org:<feature>:<permission>, of lower-case letters, digits and `_`."
        }
    };
    let code = "form_param_format_invalid";
    Err(Problem::parameter(code, "is invalid", "key", long))
}

fn unique(world: &World<'_>, family: Family, key: &str, but: &str) -> Result<(), Problem> {
    match by_key(world, family, key) {
        Some(known) if id_of(&known) != but => Err(Problem::taken("key")),
        _ => Ok(()),
    }
}

fn by_key<'w>(
    world: &'w World<'_>,
    family: Family,
    key: &str,
) -> Option<std::borrow::Cow<'w, Object>> {
    let mut all = world.store.all(family);
    all.find(|one| text(one, "key") == key)
}

/// The memberships with this role, and the invitations to it. The crowd has roles of the instance's own.
fn holders(world: &World<'_>, key: &str) -> Vec<(Family, Object)> {
    let of = |family| {
        let held = world.store.held(family);
        held.filter(|one| text(one, "role") == key && text(one, "status") != "revoked")
            .map(move |one| (family, one.clone()))
    };
    of(Family::Memberships)
        .chain(of(Family::OrganizationInvitations))
        .collect()
}

fn permission_ids(role: &Object) -> Vec<String> {
    let ids = role.get("_permission_ids").and_then(Value::as_array);
    let ids = ids.into_iter().flatten().filter_map(Value::as_str);
    ids.map(str::to_owned).collect()
}

fn shown(world: &World<'_>, role: &Object) -> Value {
    let mut shown = role.clone();
    let ids = permission_ids(role);
    let permissions = ids.iter().filter_map(|id| {
        let found = world.store.find(Family::Permissions, id)?;
        Some(Value::Object(found.into_owned()))
    });
    let permissions: Vec<Value> = permissions.collect();
    set(&mut shown, "permissions", permissions);
    shape::shown("Role", &shown)
}

fn forbidden(code: &'static str, long: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, "not allowed", long)
}

pub(super) const ADMIN: &str = "org:admin";
const MEMBER: &str = "org:member";
const SYSTEM: [&str; 2] = [ADMIN, MEMBER];
pub(super) const PERMISSIONS: [(&str, &str); 8] = [
    ("org:sys_profile:manage", "Manage organization"),
    ("org:sys_profile:delete", "Delete organization"),
    ("org:sys_memberships:read", "Read members"),
    ("org:sys_memberships:manage", "Manage members"),
    ("org:sys_domains:read", "Read domains"),
    ("org:sys_domains:manage", "Manage domains"),
    ("org:sys_billing:read", "Read billing"),
    ("org:sys_billing:manage", "Manage billing"),
];
pub(super) const ROLES: u64 = 2;
const SEARCHED: &[&str] = &["id", "name", "key"];
const SORTABLE: [&str; 3] = ["updated_at", "name", "key"];
