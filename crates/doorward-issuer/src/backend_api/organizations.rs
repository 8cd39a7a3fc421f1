//! Organizations.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::list::{self, Chosen, Filter};
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, set, text};
use crate::backend_api::{Outcome, memberships, metadata, roles};
use crate::people;
use crate::revocation::Revocation;

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    match call.operation.id {
        "ListOrganizations" => return page(world, call),
        "CreateOrganization" => return create(world, call),
        "GetOrganizationBillingSubscription"
        | "GetOrganizationBillingCreditBalance"
        | "AdjustOrganizationBillingCreditBalance" => {
            return Err(Problem::not_implemented(call.operation.id));
        }
        _ => {}
    }
    let named = call.required("organization_id");
    let mut organization = named_or_found(world, named)?;
    match call.operation.id {
        "GetOrganization" => return Ok(Outcome::Object(shown(world, &organization, true))),
        "DeleteOrganization" => {
            let id = id_of(&organization);
            // Of its API keys.
            world.revoke(Revocation::Sub(id.clone()));
            memberships::remove_all(world, |_, of| of == id);
            for family in [Family::OrganizationInvitations, Family::OrganizationDomains] {
                let of = world
                    .store
                    .held(family)
                    .filter(|held| text(held, "organization_id") == id);
                let of: Vec<String> = of.map(id_of).collect();
                for held in of {
                    world.store.remove(family, &held);
                }
            }
            let deleted = world.delete(Family::Organizations, &organization, "organization");
            world.tell_plainly("organization.deleted", &deleted);
            return Ok(Outcome::Object(deleted));
        }
        "UpdateOrganization" => update(world, call, &mut organization)?,
        "MergeOrganizationMetadata" => metadata::merge(call, &METADATA, &mut organization)?,
        "ReplaceOrganizationMetadata" => metadata::replace(call, &METADATA, &mut organization)?,
        "UploadOrganizationLogo" => {
            if let Some(uploader) = call.text("uploader_user_id") {
                world.object(Family::Users, "user", uploader)?;
            }
            let url = image_url(&id_of(&organization), "uploaded");
            set(&mut organization, "has_image", true);
            set(&mut organization, "logo_url", url.clone());
            set(&mut organization, "image_url", url);
        }
        "DeleteOrganizationLogo" => {
            let url = image_url(&id_of(&organization), "default");
            set(&mut organization, "has_image", false);
            organization.remove("logo_url");
            set(&mut organization, "image_url", url);
        }
        other => return Err(Problem::not_implemented(other)),
    }
    world.change(Family::Organizations, &mut organization);
    world.tell("organization.updated", "Organization", &organization);
    Ok(Outcome::Object(shown(world, &organization, false)))
}

/// What others may know of an organization.
pub(super) fn public_data(organization: &Object) -> Value {
    let fields = ["id", "name", "slug", "image_url", "has_image"];
    let pairs = fields.map(|name| {
        let value = organization.get(name).cloned().unwrap_or_default();
        (name.to_owned(), value)
    });
    Value::Object(pairs.into_iter().collect())
}

/// By its id or by its slug: `GET` takes either.
fn named_or_found(world: &World<'_>, named: &str) -> Result<Object, Problem> {
    let found = world.object(Family::Organizations, "organization", named);
    found.or_else(|problem| {
        let by_slug = match named.starts_with("org_") {
            true => None,
            false => by_slug(world, named).map(Cow::into_owned),
        };
        by_slug.ok_or(problem)
    })
}

fn create(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let mut organization = world.blank(call, Family::Organizations, "Organization", "org")?;
    let id = id_of(&organization);
    let creator = call.text("created_by");
    if let Some(creator) = creator {
        world.object(Family::Users, "user", creator)?;
        set(&mut organization, "created_by", creator);
    }
    set(&mut organization, "name", call.required("name"));
    let slug = match call.text("slug").filter(|slug| !slug.is_empty()) {
        Some(slug) => {
            free(world, slug, &id)?;
            slug.to_owned()
        }
        None => slug_of(world, call.required("name"), world.now),
    };
    set(&mut organization, "slug", slug);
    set(&mut organization, "image_url", image_url(&id, "default"));
    set(&mut organization, "admin_delete_enabled", true);
    set(
        &mut organization,
        "max_allowed_memberships",
        MAX_MEMBERSHIPS,
    );
    call.copy_values(
        &["max_allowed_memberships", "role_set_key"],
        &mut organization,
    );
    for name in METADATA {
        set(&mut organization, name, json!({}));
    }
    metadata::merge(call, &METADATA, &mut organization)?;
    moment(call, &mut organization)?;
    world.add(Family::Organizations, &organization)?;
    world.tell("organization.created", "Organization", &organization);
    if let Some(creator) = creator {
        memberships::create(world, call, &id, creator, roles::ADMIN)?;
    }
    Ok(Outcome::Object(shown(world, &organization, true)))
}

fn update(world: &World<'_>, call: &Call, organization: &mut Object) -> Result<(), Problem> {
    if let Some(slug) = call.text("slug") {
        free(world, slug, &id_of(organization))?;
    }
    let fields = [
        "name",
        "slug",
        "max_allowed_memberships",
        "admin_delete_enabled",
    ];
    call.copy_values(&fields, organization);
    call.copy(&["role_set_key"], organization);
    moment(call, organization)?;
    // Only those who ask for an older version of the API may give it here.
    metadata::replace(call, &METADATA, organization)
}

fn page(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let mut filters: Vec<Option<Filter<'_>>> =
        vec![list::contains(call, "query", &["id", "name", "slug"])];
    if let Some(chosen) = Chosen::read(call, "organization_id") {
        filters.push(Some(Box::new(move |one: &Object| {
            chosen.has(|id| text(one, "id") == id)
        })));
    }
    if let Some(chosen) = Chosen::read(call, "user_id") {
        let members = memberships::pairs(world, |user, _| {
            let mut named = call.texts("user_id").into_iter();
            named.any(|name| name.trim_start_matches(['+', '-', ' ']) == user)
        });
        filters.push(Some(Box::new(move |one: &Object| {
            let organization = text(one, "id");
            chosen.has(|id| {
                let mut members = members.iter();
                members.any(|(user, of)| user == id && of == organization)
            })
        })));
    }
    let counted = call.flag("include_members_count");
    let sortable = ["name", "updated_at", "members_count"];
    list::page(
        world.store,
        call,
        Family::Organizations,
        filters,
        &sortable,
        |one| shown(world, one, counted),
    )
}

fn shown(world: &World<'_>, organization: &Object, counted: bool) -> Value {
    let mut shown = organization.clone();
    let id = id_of(organization);
    shown.remove("members_count");
    if counted {
        set(&mut shown, "members_count", memberships::count(world, &id));
    }
    let invitations = world.store.held(Family::OrganizationInvitations);
    let pending = invitations.filter(|invitation| {
        text(invitation, "organization_id") == id && text(invitation, "status") == "pending"
    });
    set(&mut shown, "pending_invitations_count", pending.count());
    shown.into()
}

fn free(world: &World<'_>, slug: &str, but: &str) -> Result<(), Problem> {
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if slug.is_empty() || !slug.bytes().all(letter) {
        let long = "A slug has lower-case letters, digits, `-` and `_`.";
        let code = "form_param_format_invalid";
        return Err(Problem::parameter(code, "is invalid", "slug", long));
    }
    match by_slug(world, slug) {
        Some(known) if id_of(&known) != but => Err(Problem::taken("slug")),
        _ => Ok(()),
    }
}

fn by_slug<'w>(world: &'w World<'_>, slug: &str) -> Option<Cow<'w, Object>> {
    let mut held = world.store.held(Family::Organizations);
    if let Some(known) = held.find(|known| text(known, "slug") == slug) {
        return Some(Cow::Borrowed(known));
    }
    // Those of the crowd end in their numbers.
    let (_, number) = slug.rsplit_once('-')?;
    let id = people::organization_id(number.parse().ok()?);
    let known = world.store.find(Family::Organizations, &id)?;
    (text(&known, "slug") == slug).then_some(known)
}

fn slug_of(world: &World<'_>, name: &str, now: i64) -> String {
    let plain = name.to_lowercase();
    let words = plain.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let slug = words.join("-");
    if !slug.is_empty() && by_slug(world, &slug).is_none() {
        return slug;
    }
    let parts = [slug.as_str(), &now.to_string()].join("-");
    parts.trim_start_matches('-').to_owned()
}

fn moment(call: &Call, organization: &mut Object) -> Result<(), Problem> {
    if let Some(written) = call.text("created_at") {
        let at = list::milliseconds(written).ok_or_else(|| {
            let code = "form_param_format_invalid";
            Problem::parameter(
                code,
                "is invalid",
                "created_at",
                "It must be as in RFC 3339.",
            )
        })?;
        set(organization, "created_at", at);
        set(organization, list::BACKDATED, true);
    }
    Ok(())
}

fn image_url(id: &str, which: &str) -> String {
    format!("https://img.example.com/org/{id}/{which}")
}

const METADATA: [&str; 2] = ["public_metadata", "private_metadata"];
/// As at Clerk's development instances. The creator counts.
const MAX_MEMBERSHIPS: u64 = 5;
