//! Invitations: into the instance, and into organizations.

use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::list::{self, Filter};
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, internal, number, set, text};
use crate::backend_api::{Outcome, memberships, metadata, organizations, roles, user_list};
use crate::opaque::random_text;

/// Into the instance.
pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "ListInvitations" => {
            let now = world.now;
            let filters = [
                status_is(call, now),
                list::contains(call, "query", SEARCHED),
            ];
            let sortable = ["updated_at", "email_address", "expires_at"];
            let show = |invitation: &Object| aged(invitation, now).into();
            list::page(
                world.store,
                call,
                Family::Invitations,
                filters,
                &sortable,
                show,
            )
        }
        "CreateInvitation" => create(world, call).map(|made| Outcome::Object(made.into())),
        "CreateBulkInvitations" => {
            let made = in_bulk(call, |one| create(world, one))?;
            let total = made.len() as u64;
            Ok(Outcome::List(made, total))
        }
        "RevokeInvitation" => {
            let id = call.required("invitation_id");
            let invitation = world.object(Family::Invitations, "invitation", id)?;
            let mut invitation = aged(&invitation, world.now);
            revocable(&invitation)?;
            set(&mut invitation, "status", "revoked");
            set(&mut invitation, "revoked", true);
            world.change(Family::Invitations, &mut invitation);
            Ok(Outcome::Object(invitation.into()))
        }
        other => Err(Problem::not_implemented(other)),
    }
}

/// Into organizations.
pub(super) fn of_organizations(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let family = Family::OrganizationInvitations;
    let now = world.now;
    if call.operation.id == "ListInstanceOrganizationInvitations" {
        let filters = [
            status_is(call, now),
            list::contains(call, "query", SEARCHED),
        ];
        let sortable = ["updated_at", "email_address"];
        return list::page(world.store, call, family, filters, &sortable, |one| {
            with_organization(world, one)
        });
    }
    let organization = call.required("organization_id");
    world.object(Family::Organizations, "organization", organization)?;
    match call.operation.id {
        "CreateOrganizationInvitation" => {
            let made = invite(world, call, organization)?;
            return Ok(Outcome::Object(shown(world, &made)));
        }
        "CreateOrganizationInvitationBulk" => {
            let made = in_bulk(call, |one| invite(world, one, organization))?;
            let total = made.len() as u64;
            return Ok(Outcome::List(made, total));
        }
        "ListOrganizationInvitations" | "ListPendingOrganizationInvitations" => {
            let pending: Option<Filter<'_>> = match call.operation.id {
                "ListPendingOrganizationInvitations" => {
                    Some(Box::new(move |one| status(one, now) == "pending"))
                }
                _ => status_is(call, now),
            };
            let filters = [
                list::equals(call, "organization_id", "organization_id"),
                list::equals(call, "email_address", "email_address"),
                pending,
            ];
            let sortable = ["updated_at", "email_address"];
            return list::page(world.store, call, family, filters, &sortable, |one| {
                shown(world, one)
            });
        }
        _ => {}
    }
    let id = call.required("invitation_id");
    let invitation = world.object(family, "organization invitation", id)?;
    if text(&invitation, "organization_id") != organization {
        return Err(Problem::not_found("organization invitation", id));
    }
    let mut invitation = aged(&invitation, now);
    match call.operation.id {
        "GetOrganizationInvitation" => {}
        "RevokeOrganizationInvitation" => {
            if let Some(user) = call.text("requesting_user_id") {
                let member = memberships::find(world, organization, user);
                member.ok_or_else(|| Problem::not_found("membership of user", user))?;
            }
            revocable(&invitation)?;
            set(&mut invitation, "status", "revoked");
            world.change(family, &mut invitation);
            let data = shown(world, &invitation);
            world.tell_plainly("organizationInvitation.revoked", &data);
        }
        other => return Err(Problem::not_implemented(other)),
    }
    Ok(Outcome::Object(shown(world, &invitation)))
}

/// `GET /users/{user_id}/organization_invitations`: by the user's addresses.
pub(super) fn of_user(world: &World<'_>, call: &Call, user: &Object) -> Result<Outcome, Problem> {
    let addresses = user.get("email_addresses").and_then(Value::as_array);
    let addresses: Vec<&str> = addresses
        .into_iter()
        .flatten()
        .filter_map(|address| address["email_address"].as_str())
        .collect();
    let theirs: Filter<'_> = Box::new(move |one| addresses.contains(&text(one, "email_address")));
    let filters = [Some(theirs), status_is(call, world.now)];
    let family = Family::OrganizationInvitations;
    list::page(world.store, call, family, filters, &[], |one| {
        with_organization(world, one)
    })
}

fn create(world: &mut World<'_>, call: &Call) -> Result<Object, Problem> {
    let address = address(call)?;
    if !call.flag("ignore_existing") {
        if user_list::owner(world, "email_address", &address).is_some() {
            return Err(Problem::taken("email_address"));
        }
        pending_already(world, Family::Invitations, |one| {
            text(one, "email_address") == address
        })?;
    }
    let mut invitation = world.blank(call, Family::Invitations, "Invitation", "inv")?;
    set(&mut invitation, "email_address", address);
    set(&mut invitation, "revoked", false);
    metadata::merge(call, &["public_metadata"], &mut invitation)?;
    ticket(world, call, &mut invitation)?;
    world.add(Family::Invitations, &invitation)?;
    Ok(invitation)
}

fn invite(world: &mut World<'_>, call: &Call, organization: &str) -> Result<Object, Problem> {
    let address = address(call)?;
    let role = call.required("role");
    roles::known(world, role)?;
    if let Some(inviter) = call.text("inviter_user_id") {
        world.object(Family::Users, "user", inviter)?;
    }
    if let Some(user) = user_list::owner(world, "email_address", &address)
        && memberships::find(world, organization, text(&user, "id")).is_some()
    {
        let long = format!("{address} is a member already.");
        return Err(Problem::conflict("already_a_member_in_organization", long));
    }
    let family = Family::OrganizationInvitations;
    pending_already(world, family, |one| {
        text(one, "email_address") == address && text(one, "organization_id") == organization
    })?;
    let mut invitation = world.blank(call, family, "OrganizationInvitation", "orginv")?;
    set(&mut invitation, "email_address", address);
    set(&mut invitation, "role", role);
    set(&mut invitation, "organization_id", organization);
    set(
        &mut invitation,
        "inviter_id",
        json!(call.text("inviter_user_id")),
    );
    set(&mut invitation, "private_metadata", json!({}));
    metadata::merge(
        call,
        &["public_metadata", "private_metadata"],
        &mut invitation,
    )?;
    ticket(world, call, &mut invitation)?;
    world.add(family, &invitation)?;
    let data = shown(world, &invitation);
    world.tell_plainly("organizationInvitation.created", &data);
    Ok(invitation)
}

/// Each of the document's objects; none, if one of them cannot be.
fn in_bulk(
    call: &Call,
    mut make: impl FnMut(&Call) -> Result<Object, Problem>,
) -> Result<Vec<Value>, Problem> {
    let items = call.document();
    if items.is_empty() || items.len() > MAX_BULK {
        let long = format!("1 to {MAX_BULK} invitations at a time.");
        return Err(Problem::value("request_body", long));
    }
    items
        .into_iter()
        .map(|item| make(&call.about(item)).map(Value::Object))
        .collect()
}

fn address(call: &Call) -> Result<String, Problem> {
    let address = call.required("email_address").to_lowercase();
    if address
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
    {
        return Ok(address);
    }
    let code = "form_param_format_invalid";
    let long = format!("{address:?} is no email_address.");
    Err(Problem::parameter(
        code,
        "is invalid",
        "email_address",
        long,
    ))
}

fn pending_already(
    world: &World<'_>,
    family: Family,
    same: impl Fn(&Object) -> bool,
) -> Result<(), Problem> {
    let mut held = world.store.held(family);
    if held.any(|one| status(one, world.now) == "pending" && same(one)) {
        let long = "There is an invitation for this address already.";
        return Err(Problem::conflict("duplicate_record", long));
    }
    Ok(())
}

/// What the address is sent, and until when it is good.
fn ticket(world: &World<'_>, call: &Call, invitation: &mut Object) -> Result<(), Problem> {
    let days = call.int("expires_in_days").unwrap_or(DAYS);
    if !(1..=365).contains(&days) {
        return Err(Problem::value("expires_in_days", "1 to 365 days."));
    }
    let ticket = random_text("").map_err(|error| internal(&error))?;
    let mut url = format!("{}/v1/tickets/accept?ticket={ticket}", world.url());
    if let Some(to) = call.text("redirect_url") {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        url.push_str(&format!("&redirect_url={to}"));
    }
    set(invitation, "status", "pending");
    set(invitation, "url", url);
    set(invitation, "expires_at", world.now + days * DAY);
    Ok(())
}

fn revocable(invitation: &Object) -> Result<(), Problem> {
    match text(invitation, "status") {
        "pending" => Ok(()),
        "revoked" => {
            let long = format!("{} is revoked already.", id_of(invitation));
            Err(Problem::conflict("invitation_already_revoked", long))
        }
        other => {
            let long = format!("{} is {other}.", id_of(invitation));
            Err(Problem::conflict("invitation_not_pending", long))
        }
    }
}

fn status_is<'c>(call: &'c Call, now: i64) -> Option<Filter<'c>> {
    let wanted = call.text("status")?;
    Some(Box::new(move |one| status(one, now) == wanted))
}

fn status(invitation: &Object, now: i64) -> &str {
    let over = number(invitation, "expires_at").is_some_and(|at| at <= now);
    match text(invitation, "status") {
        "pending" if over => "expired",
        other => other,
    }
}

fn aged(invitation: &Object, now: i64) -> Object {
    let mut aged = invitation.clone();
    set(&mut aged, "status", status(invitation, now));
    aged
}

fn shown(world: &World<'_>, invitation: &Object) -> Value {
    let mut shown = aged(invitation, world.now);
    set(
        &mut shown,
        "role_name",
        roles::name(world, text(invitation, "role")),
    );
    let inviter = world
        .store
        .find(Family::Users, text(invitation, "inviter_id"));
    let data = inviter.map(|user| memberships::public_user_data(&user));
    set(&mut shown, "public_inviter_data", json!(data));
    crate::backend_api::shape::shown("OrganizationInvitation", &shown)
}

fn with_organization(world: &World<'_>, invitation: &Object) -> Value {
    let mut shown = shown(world, invitation);
    let id = text(invitation, "organization_id");
    if let Some(organization) = world.store.find(Family::Organizations, id) {
        shown["public_organization_data"] = organizations::public_data(&organization);
    }
    shown
}

const SEARCHED: &[&str] = &["id", "email_address"];
const DAY: i64 = 24 * 3600 * 1000;
/// Unless it is said.
const DAYS: i64 = 30;
const MAX_BULK: usize = 100;
