//! Users.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, new_id, set, text};
use crate::backend_api::{
    Outcome, identifications, invitations, list, memberships, metadata, passwords, sessions,
    user_list,
};
use crate::revocation::Revocation;

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "GetUserList" => return user_list::page(world, call),
        "GetUsersCount" => return user_list::count(world, call),
        "CreateUser" => return create(world, call).map(object),
        "UsersBan" => return each(world, call, |world, user| ban(world, user, true)),
        "UsersUnban" => return each(world, call, |world, user| ban(world, user, false)),
        "InstanceGetOrganizationMemberships" => return memberships::of_everybody(world, call),
        _ => {}
    }
    let mut user = world.object(Family::Users, "user", call.required("user_id"))?;
    let id = id_of(&user);
    match call.operation.id {
        "GetUser" => return Ok(object(user)),
        "DeleteUser" => return delete(world, &user),
        "UsersGetOrganizationMemberships" => return memberships::of_user(world, call),
        "UsersGetOrganizationInvitations" => return invitations::of_user(world, call, &user),
        "GetOAuthAccessToken" | "ListUserTrustedDevices" => {
            return Ok(Outcome::List(Vec::new(), 0));
        }
        "VerifyPassword" => {
            passwords::verify(&user, call.required("password"))?;
            return Ok(Outcome::Object(json!({ "verified": true })));
        }
        "UpdateUser" => update(world, call, &mut user)?,
        "BanUser" => return Ok(object(ban(world, user, true))),
        "UnbanUser" => return Ok(object(ban(world, user, false))),
        "LockUser" => {
            set(&mut user, "locked", true);
            set(&mut user, "lockout_expires_in_seconds", LOCKOUT);
        }
        "UnlockUser" => {
            set(&mut user, "locked", false);
            set(&mut user, "lockout_expires_in_seconds", Value::Null);
        }
        "SetUserProfileImage" => {
            if call.given("file").is_none() {
                return Err(Problem::value("file", "A file must be sent."));
            }
            set(&mut user, "has_image", true);
            set(&mut user, "image_url", image_url(&id, "uploaded"));
        }
        "DeleteUserProfileImage" => {
            set(&mut user, "has_image", false);
            set(&mut user, "image_url", image_url(&id, "default"));
        }
        "UpdateUserMetadata" => metadata::merge(call, &METADATA, &mut user)?,
        "ReplaceUserMetadata" => metadata::replace(call, &METADATA, &mut user)?,
        "RemoveUserPassword" => {
            passwords::remove(&mut user);
            if call.flag("sign_out_of_other_sessions") {
                sessions::end_all(world, &id, "revoked");
            }
        }
        "SetUserPasswordCompromised" => {
            set(&mut user, "_password_compromised", true);
            if call.flag("revoke_all_sessions") {
                sessions::end_all(world, &id, "revoked");
            }
        }
        "UnsetUserPasswordCompromised" => set(&mut user, "_password_compromised", false),
        "DisableMFA" | "DeleteTOTP" | "DeleteBackupCode" => {
            for name in factors(call.operation.id) {
                set(&mut user, name, false);
            }
            let either = ["totp_enabled", "backup_code_enabled"];
            let left = either
                .iter()
                .any(|name| user.get(*name) == Some(&json!(true)));
            set(&mut user, "two_factor_enabled", left);
            changed(world, &mut user);
            return Ok(Outcome::Object(json!({ "user_id": id })));
        }
        "UserWeb3WalletDelete" => {
            return remove_from(
                world,
                &mut user,
                "web3_wallets",
                "web3_wallet",
                call.required("web3_wallet_identification_id"),
            );
        }
        "UserPasskeyDelete" => {
            return remove_from(
                world,
                &mut user,
                "passkeys",
                "passkey",
                call.required("passkey_identification_id"),
            );
        }
        "DeleteExternalAccount" => {
            return remove_from(
                world,
                &mut user,
                "external_accounts",
                "external_account",
                call.required("external_account_id"),
            );
        }
        "RevokeUserTrustedDevice" => {
            let device = call.required("trusted_device_id");
            return Err(Problem::not_found("trusted device", device));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    changed(world, &mut user);
    Ok(object(user))
}

/// Holds a changed user, and tells of it.
pub(super) fn changed(world: &mut World<'_>, user: &mut Object) {
    world.change(Family::Users, user);
    world.tell("user.updated", "User", user);
}

fn create(world: &mut World<'_>, call: &Call) -> Result<Object, Problem> {
    let mut user = world.blank(call, Family::Users, "User", "user")?;
    let id = id_of(&user);
    call.copy(
        &["external_id", "first_name", "last_name", "locale"],
        &mut user,
    );
    call.copy_values(
        &[
            "public_metadata",
            "private_metadata",
            "unsafe_metadata",
            "delete_self_enabled",
            "create_organization_enabled",
            "create_organizations_limit",
            "bypass_client_trust",
            "banned",
            "locked",
        ],
        &mut user,
    );
    for name in METADATA {
        user.entry(name.to_owned()).or_insert_with(|| json!({}));
    }
    for name in ["delete_self_enabled", "create_organization_enabled"] {
        if call.given(name).is_none_or(Value::is_null) {
            set(&mut user, name, true);
        }
    }
    if user.get("private_metadata") == Some(&Value::Null) {
        set(&mut user, "private_metadata", json!({}));
    }
    set(&mut user, "image_url", image_url(&id, "default"));
    set(&mut user, "verification_attempts_remaining", 100);
    metadata::replace(call, &METADATA, &mut user)?;
    if let Some(external_id) = call.text("external_id") {
        user_list::free(world, "external_id", external_id, &id)?;
    }
    username(world, call, &mut user)?;
    for kind in [identifications::EMAIL, identifications::PHONE] {
        let statuses = call.texts(kind.status_parameter);
        for (place, address) in call.texts(kind.name).into_iter().enumerate() {
            let reserved = statuses.get(place) == Some(&"reserved");
            identifications::attach(world, &mut user, &kind, address, true, reserved)?;
        }
    }
    for wallet in call.texts("web3_wallet") {
        let wallet = json!({
            "id": new_id("idn")?,
            "object": "web3_wallet",
            "web3_wallet": wallet,
            "verification": {
                "object": "verification_admin", "status": "verified", "strategy": "admin", "attempts": null, "expire_at": null,
            },
            "created_at": world.now,
            "updated_at": world.now,
        });
        set(&mut user, "primary_web3_wallet_id", wallet["id"].clone());
        set(&mut user, "web3_wallets", json!([wallet]));
    }
    passwords::take(world, call, &mut user)?;
    moments(call, &mut user)?;
    let enabled = call.text("totp_secret").is_some();
    set(&mut user, "totp_enabled", enabled);
    set(
        &mut user,
        "backup_code_enabled",
        !call.texts("backup_codes").is_empty(),
    );
    set(&mut user, "two_factor_enabled", enabled);
    world.add(Family::Users, &user)?;
    world.tell("user.created", "User", &user);
    Ok(user)
}

fn update(world: &mut World<'_>, call: &Call, user: &mut Object) -> Result<(), Problem> {
    let id = id_of(user);
    if let Some(external_id) = call.text("external_id") {
        user_list::free(world, "external_id", external_id, &id)?;
    }
    call.copy(
        &[
            "external_id",
            "first_name",
            "last_name",
            "locale",
            "create_organizations_limit",
        ],
        user,
    );
    call.copy_values(
        &[
            "delete_self_enabled",
            "create_organization_enabled",
            "bypass_client_trust",
        ],
        user,
    );
    username(world, call, user)?;
    for kind in [identifications::EMAIL, identifications::PHONE] {
        if let Some(primary) = call.text(kind.primary) {
            identifications::make_primary(user, &kind, primary)?;
        }
    }
    if let Some(wallet) = call.text("primary_web3_wallet_id") {
        let known = user.get("web3_wallets").and_then(Value::as_array);
        if !known.is_some_and(|list| list.iter().any(|known| known["id"] == wallet)) {
            return Err(Problem::not_found("web3 wallet", wallet));
        }
        set(user, "primary_web3_wallet_id", wallet);
    }
    passwords::take(world, call, user)?;
    moments(call, user)?;
    // Only those who ask for an older version of the API may give it here.
    metadata::replace(call, &METADATA, user)?;
    if call.flag("sign_out_of_other_sessions") && call.given("password").is_some() {
        sessions::end_all(world, &id, "revoked");
    }
    Ok(())
}

fn delete(world: &mut World<'_>, user: &Object) -> Result<Outcome, Problem> {
    let id = id_of(user);
    sessions::end_all(world, &id, "removed");
    memberships::remove_all(world, |member, _| member == id);
    world.revoke(Revocation::Sub(id));
    let deleted = world.delete(Family::Users, user, "user");
    world.tell_plainly("user.deleted", &deleted);
    Ok(Outcome::Object(deleted))
}

fn ban(world: &mut World<'_>, mut user: Object, banned: bool) -> Object {
    set(&mut user, "banned", banned);
    if banned {
        sessions::end_all(world, &id_of(&user), "revoked");
    }
    changed(world, &mut user);
    user
}

fn each(
    world: &mut World<'_>,
    call: &Call,
    change: impl Fn(&mut World<'_>, Object) -> Object,
) -> Result<Outcome, Problem> {
    let users = call
        .texts("user_ids")
        .into_iter()
        .map(|id| world.object(Family::Users, "user", id))
        .collect::<Result<Vec<_>, _>>()?;
    let total = users.len() as u64;
    let users = users.into_iter().map(|user| change(world, user).into());
    Ok(Outcome::List(users.collect(), total))
}

fn username(world: &World<'_>, call: &Call, user: &mut Object) -> Result<(), Problem> {
    match call.given("username") {
        None => {}
        Some(Value::String(name)) if !name.is_empty() => {
            let letter = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
            if !(MIN_USERNAME..=MAX_USERNAME).contains(&name.chars().count())
                || !name.chars().all(letter)
            {
                let long = "4 to 64 letters, digits, `_`, `-` and `.`.";
                let code = "form_username_invalid_character";
                return Err(Problem::parameter(code, "is invalid", "username", long));
            }
            user_list::free(world, "username", name, &id_of(user))?;
            set(user, "username", name.as_str());
        }
        // Null and empty delete the name.
        Some(_) => set(user, "username", Value::Null),
    }
    Ok(())
}

/// The moments of a migration, which requests have as RFC 3339 and objects in milliseconds.
fn moments(call: &Call, user: &mut Object) -> Result<(), Problem> {
    for name in ["created_at", "legal_accepted_at"] {
        if let Some(written) = call.text(name) {
            let at = list::milliseconds(written).ok_or_else(|| {
                let code = "form_param_format_invalid";
                Problem::parameter(code, "is invalid", name, "It must be as in RFC 3339.")
            })?;
            set(user, name, at);
            if name == "created_at" {
                set(user, list::BACKDATED, true);
            }
        }
    }
    Ok(())
}

fn remove_from(
    world: &mut World<'_>,
    user: &mut Object,
    list: &str,
    kind: &str,
    id: &str,
) -> Result<Outcome, Problem> {
    let Some(items) = user.get_mut(list).and_then(Value::as_array_mut) else {
        return Err(Problem::not_found(kind, id));
    };
    let before = items.len();
    items.retain(|item| item["id"] != id);
    if items.len() == before {
        return Err(Problem::not_found(kind, id));
    }
    if text(user, "primary_web3_wallet_id") == id {
        set(user, "primary_web3_wallet_id", Value::Null);
    }
    changed(world, user);
    Ok(Outcome::Object(
        json!({ "object": kind, "id": id, "deleted": true }),
    ))
}

fn factors(operation: &str) -> &'static [&'static str] {
    match operation {
        "DeleteTOTP" => &["totp_enabled"],
        "DeleteBackupCode" => &["backup_code_enabled"],
        _ => &["totp_enabled", "backup_code_enabled"],
    }
}

/// 403 for somebody who may not sign in.
pub(super) fn admitted(user: &Object) -> Result<(), Problem> {
    for (field, code) in [("banned", "user_banned"), ("locked", "user_locked")] {
        if user.get(field) == Some(&json!(true)) {
            let long = format!("This user is {field}.");
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                code,
                "not allowed",
                long,
            ));
        }
    }
    Ok(())
}

fn object(user: Object) -> Outcome {
    Outcome::Object(user.into())
}

fn image_url(id: &str, which: &str) -> String {
    format!("https://img.example.com/user/{id}/{which}")
}

const METADATA: [&str; 3] = ["public_metadata", "private_metadata", "unsafe_metadata"];
const LOCKOUT: i64 = 3600;
const MIN_USERNAME: usize = 4;
const MAX_USERNAME: usize = 64;
