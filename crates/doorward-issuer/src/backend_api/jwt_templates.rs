//! JWT templates, and the tokens made from them.

use serde_json::{Map, Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, number, set, text};
use crate::backend_api::{Outcome, list};
use crate::mint::{Kind, Mint};

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let family = Family::JwtTemplates;
    match call.operation.id {
        "ListJWTTemplates" => {
            let show = |template: &Object| Value::Object(template.clone());
            return list::page(world.store, call, family, [], &[], show);
        }
        "CreateJWTTemplate" => {
            let mut template = world.blank(call, family, "JWTTemplate", "jtmp")?;
            set(&mut template, "lifetime", LIFETIME);
            set(&mut template, "allowed_clock_skew", CLOCK_SKEW);
            set(&mut template, "signing_algorithm", "RS256");
            write(world, call, &mut template)?;
            world.add(family, &template)?;
            return Ok(Outcome::Object(template.into()));
        }
        _ => {}
    }
    let id = call.required("template_id");
    let mut template = world.object(family, "JWT template", id)?;
    match call.operation.id {
        "GetJWTTemplate" => {}
        "UpdateJWTTemplate" => {
            write(world, call, &mut template)?;
            world.change(family, &mut template);
        }
        "DeleteJWTTemplate" => {
            let deleted = world.delete(family, &template, "jwt_template");
            return Ok(Outcome::Object(deleted));
        }
        other => return Err(Problem::not_implemented(other)),
    }
    Ok(Outcome::Object(template.into()))
}

/// The template of this name; 404 if there is none.
pub(super) fn named(world: &World<'_>, name: &str) -> Result<Object, Problem> {
    let mut held = world.store.held(Family::JwtTemplates);
    let found = held.find(|template| text(template, "name") == name);
    let found = found.ok_or_else(|| Problem::not_found("JWT template", name))?;
    Ok(found.clone())
}

/// A token of this session, as the template writes it.
pub(super) fn mint(
    world: &World<'_>,
    template: &Object,
    session: &Object,
    user: &Object,
) -> Result<Mint, Problem> {
    if template.get("custom_signing_key") == Some(&json!(true)) {
        let long = "The local issuer signs with keys of its own only.";
        return Err(Problem::conflict("custom_signing_key_not_supported", long));
    }
    let organization = text(session, "last_active_organization_id");
    let organization = world.store.find(Family::Organizations, organization);
    let mut known = Map::new();
    known.insert("user".to_owned(), about(user));
    known.insert("session".to_owned(), Value::Object(session.clone()));
    let organization = organization.map(|organization| Value::Object(organization.into_owned()));
    known.insert("org".to_owned(), organization.unwrap_or_default());
    let known = Value::Object(known);
    let claims = template.get("claims").cloned().unwrap_or_default();
    let mut mint = Mint::kind(Kind::Template)
        .sub(id_of(user))
        .ttl(number(template, "lifetime").unwrap_or(LIFETIME));
    if let Value::Object(claims) = filled(claims, &known) {
        mint.claims = claims;
    }
    Ok(mint)
}

fn write(world: &World<'_>, call: &Call, template: &mut Object) -> Result<(), Problem> {
    let name = call.required("name");
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || !name.bytes().all(letter) {
        let long = "A name has letters, digits, `-` and `_`.";
        let code = "form_param_format_invalid";
        return Err(Problem::parameter(code, "is invalid", "name", long));
    }
    if named(world, name).is_ok_and(|known| id_of(&known) != id_of(template)) {
        return Err(Problem::taken("name"));
    }
    if let Some(Value::Object(claims)) = call.given("claims") {
        let mut reserved = RESERVED.iter().filter(|name| claims.contains_key(**name));
        if let Some(name) = reserved.next() {
            let long = format!("{name} is set by the issuer.");
            let code = "jwt_template_reserved_claim";
            return Err(Problem::parameter(code, "is reserved", "claims", long));
        }
    }
    let fields = [
        "name",
        "claims",
        "lifetime",
        "allowed_clock_skew",
        "custom_signing_key",
        "signing_algorithm",
    ];
    call.copy_values(&fields, template);
    Ok(())
}

/// A user as templates see one: the primary addresses in full.
fn about(user: &Object) -> Value {
    let mut about = user.clone();
    for (primary, list, field) in [
        ("primary_email_address", "email_addresses", "email_address"),
        ("primary_phone_number", "phone_numbers", "phone_number"),
    ] {
        let id = user.get(&format!("{primary}_id"));
        let items = user.get(list).and_then(Value::as_array);
        let found = items
            .into_iter()
            .flatten()
            .find(|item| Some(&item["id"]) == id);
        let value = found.map(|item| item[field].clone());
        set(&mut about, primary, value.unwrap_or_default());
    }
    let names = [text(user, "first_name"), text(user, "last_name")];
    set(&mut about, "full_name", names.join(" ").trim());
    about.into()
}

/// The claims with `{{user.id}}` and its like filled in: a value that is nothing else becomes what it names, of any type.
fn filled(value: Value, known: &Value) -> Value {
    match value {
        Value::String(text) => filled_text(&text, known),
        Value::Array(items) => items.into_iter().map(|item| filled(item, known)).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, filled(value, known)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

fn filled_text(text: &str, known: &Value) -> Value {
    let whole = text.trim().strip_prefix("{{");
    let whole = whole.and_then(|rest| rest.strip_suffix("}}"));
    if let Some(path) = whole.filter(|path| !path.contains("}}")) {
        return looked_up(path, known);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((path, after)) = after.split_once("}}") else {
            break;
        };
        out.push_str(before);
        match looked_up(path, known) {
            Value::String(text) => out.push_str(&text),
            Value::Null => {}
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Value::String(out)
}

fn looked_up(path: &str, known: &Value) -> Value {
    let mut at = known;
    for name in path.trim().split('.') {
        // What is ours alone is nobody's claim.
        match at.get(name).filter(|_| !name.starts_with('_')) {
            Some(within) => at = within,
            None => return Value::Null,
        }
    }
    at.clone()
}

const LIFETIME: i64 = 60;
const CLOCK_SKEW: i64 = 5;
const RESERVED: [&str; 8] = ["iss", "sub", "exp", "iat", "nbf", "jti", "azp", "sid"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_filled_in_and_nothing_of_ours_is() {
        let known = json!({"user": {"id": "user_1", "_password": "x", "public_metadata": {"n": 3}}, "org": null});
        let claims = json!({
            "id": "{{user.id}}", "greeting": "hi {{user.id}}, {{ org.name }}!", "n": ["{{user.public_metadata.n}}"],
            "hidden": "{{user._password}}", "open": "{{user.id", "plain": 7,
        });
        assert_eq!(
            filled(claims, &known),
            json!({
                "id": "user_1", "greeting": "hi user_1, !", "n": [3], "hidden": null, "open": "{{user.id", "plain": 7,
            })
        );
    }
}
