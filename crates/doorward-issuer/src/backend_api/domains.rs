//! Domains: of the instance, and of organizations.

use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::list::{self, Filter};
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, set, text};
use crate::backend_api::{Outcome, organizations};

/// Of the instance.
pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let family = Family::Domains;
    match call.operation.id {
        "ListDomains" => {
            let show = |one: &Object| Value::Object(one.clone());
            return list::page(world.store, call, family, [], &[], show);
        }
        "AddDomain" => {
            let mut domain = world.blank(call, family, "Domain", "dmn")?;
            write(world, call, &mut domain)?;
            set(&mut domain, "is_satellite", call.flag("is_satellite"));
            set(&mut domain, "cname_targets", json!([]));
            world.add(family, &domain)?;
            return Ok(Outcome::Object(domain.into()));
        }
        _ => {}
    }
    let mut domain = world.object(family, "domain", call.required("domain_id"))?;
    match call.operation.id {
        "UpdateDomain" => {
            write(world, call, &mut domain)?;
            if call.given("is_secondary").is_some_and(Value::is_boolean) {
                set(&mut domain, "_is_secondary", call.flag("is_secondary"));
            }
            world.change(family, &mut domain);
            Ok(Outcome::Object(domain.into()))
        }
        "DeleteDomain" => Ok(Outcome::Object(world.delete(family, &domain, "domain"))),
        other => Err(Problem::not_implemented(other)),
    }
}

/// Of organizations.
pub(super) fn of_organizations(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let family = Family::OrganizationDomains;
    if call.operation.id == "ListAllOrganizationDomains" {
        let mut filters = vec![
            list::equals(call, "organization_id", "organization_id"),
            list::contains(call, "query", &["name"]),
            verified(call),
            modes(call),
        ];
        let names = call.texts("domains");
        if !names.is_empty() {
            filters.push(Some(Box::new(move |one: &Object| {
                names.contains(&text(one, "name"))
            })));
        }
        let sortable = ["updated_at", "name"];
        return list::page(world.store, call, family, filters, &sortable, |one| {
            let mut shown = one.clone();
            let id = text(one, "organization_id");
            let organization = world.store.find(Family::Organizations, id);
            let data = organization.map(|organization| organizations::public_data(&organization));
            set(&mut shown, "public_organization_data", json!(data));
            shown.into()
        });
    }
    let organization = call.required("organization_id");
    world.object(Family::Organizations, "organization", organization)?;
    match call.operation.id {
        "ListOrganizationDomains" => {
            let filters = [
                list::equals(call, "organization_id", "organization_id"),
                list::equals(call, "enrollment_mode", "enrollment_mode"),
                verified(call),
            ];
            let show = |one: &Object| Value::Object(one.clone());
            return list::page(world.store, call, family, filters, &[], show);
        }
        "CreateOrganizationDomain" => {
            let name = call.text("name").unwrap_or_default();
            domain_name(name)?;
            if world
                .store
                .held(family)
                .any(|known| text(known, "name") == name)
            {
                return Err(Problem::taken("name"));
            }
            let mut domain = world.blank(call, family, "OrganizationDomain", "orgdmn")?;
            set(&mut domain, "organization_id", organization);
            set(&mut domain, "name", name);
            set(&mut domain, "enrollment_mode", "manual_invitation");
            mode(call, &mut domain)?;
            verify(&mut domain, call.flag("verified"), world.now);
            world.add(family, &domain)?;
            world.tell("organizationDomain.created", "OrganizationDomain", &domain);
            return Ok(Outcome::Object(domain.into()));
        }
        _ => {}
    }
    let id = call.required("domain_id");
    let mut domain = world.object(family, "organization domain", id)?;
    if text(&domain, "organization_id") != organization {
        return Err(Problem::not_found("organization domain", id));
    }
    match call.operation.id {
        "UpdateOrganizationDomain" => {
            mode(call, &mut domain)?;
            if let Some(verified) = call.given("verified").and_then(Value::as_bool) {
                verify(&mut domain, verified, world.now);
            }
        }
        "VerifyOrganizationDomainOwnership" => verify(&mut domain, true, world.now),
        "DeleteOrganizationDomain" => {
            let deleted = world.delete(family, &domain, "organization_domain");
            world.tell_plainly("organizationDomain.deleted", &deleted);
            return Ok(Outcome::Object(deleted));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    world.change(family, &mut domain);
    world.tell("organizationDomain.updated", "OrganizationDomain", &domain);
    Ok(Outcome::Object(domain.into()))
}

fn write(world: &World<'_>, call: &Call, domain: &mut Object) -> Result<(), Problem> {
    if let Some(name) = call.text("name") {
        domain_name(name)?;
        let mut held = world.store.held(Family::Domains);
        if held.any(|known| text(known, "name") == name && id_of(known) != id_of(domain)) {
            return Err(Problem::taken("name"));
        }
        set(domain, "name", name);
        set(domain, "frontend_api_url", format!("https://clerk.{name}"));
        set(
            domain,
            "accounts_portal_url",
            format!("https://accounts.{name}"),
        );
        set(domain, "development_origin", "");
    }
    call.copy(&["proxy_url"], domain);
    Ok(())
}

fn domain_name(name: &str) -> Result<(), Problem> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(letter);
    if name.len() <= 253 && name.contains('.') && name.split('.').all(label) {
        return Ok(());
    }
    let code = "form_param_format_invalid";
    Err(Problem::parameter(
        code,
        "is invalid",
        "name",
        "Expected a domain name.",
    ))
}

fn mode(call: &Call, domain: &mut Object) -> Result<(), Problem> {
    let Some(mode) = call.text("enrollment_mode") else {
        return Ok(());
    };
    if !MODES.contains(&mode) {
        let long = format!("Expected one of {}.", MODES.join(", "));
        return Err(Problem::value("enrollment_mode", long));
    }
    set(domain, "enrollment_mode", mode);
    Ok(())
}

fn verify(domain: &mut Object, verified: bool, now: i64) {
    let verification = match verified {
        true => json!({
            "status": "verified", "strategy": "admin", "attempts": null, "expire_at": null, "verified_at": now,
        }),
        false => Value::Null,
    };
    set(domain, "verification", verification.clone());
    set(domain, "affiliation_verification", verification);
}

fn verified<'c>(call: &'c Call) -> Option<Filter<'c>> {
    let wanted = call.text("verified")? == "true";
    Some(Box::new(move |one| {
        let verified = |name| one.get(name).is_some_and(|it| it["status"] == "verified");
        verified("verification") == wanted
    }))
}

fn modes<'c>(call: &'c Call) -> Option<Filter<'c>> {
    let chosen = list::Chosen::read(call, "enrollment_mode")?;
    Some(Box::new(move |one| {
        chosen.has(|mode| mode == text(one, "enrollment_mode"))
    }))
}

const MODES: [&str; 4] = [
    "manual_invitation",
    "automatic_invitation",
    "automatic_suggestion",
    "enterprise_sso",
];
