//! Who is looked for among the users, and who has a name already.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::list::{self, Chosen, Filter};
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, id_of};
use crate::backend_api::world::{World, number, text};
use crate::backend_api::{Outcome, memberships};
use crate::people;

/// `GET /users`.
pub(super) fn page(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let filters = filters(world, call)?;
    let show = |user: &Object| Value::Object(user.clone());
    let Some(cursor) = call.text("starting_after") else {
        if let Some(named) = named(world, call) {
            let order = list::Order::read(call, &SORTABLE)?;
            let filters: Vec<Filter<'_>> = filters.into_iter().flatten().collect();
            let named = named.into_iter();
            return Ok(list::page_among(call, named, &filters, &order, show));
        }
        return list::page(world.store, call, Family::Users, filters, &SORTABLE, show);
    };
    let order = list::Order::read(call, &[])?;
    let (offset, limit) = list::window(call);
    if offset > 0 {
        let long = "It cannot be combined with offset.";
        return Err(Problem::value("starting_after", long));
    }
    let at = world.store.number(Family::Users, cursor);
    let at = at.ok_or_else(|| Problem::not_found("user", cursor))?;
    let filters: Vec<Filter<'_>> = filters.into_iter().flatten().collect();
    let passes = |user: &Object| filters.iter().all(|passes| passes(user));
    let total = match filters.is_empty() {
        true => world.store.count(Family::Users),
        false => world
            .store
            .all(Family::Users)
            .filter(|user| passes(user))
            .count() as u64,
    };
    let mut held = world.store.held(Family::Users);
    if held.any(|user| user.contains_key(list::BACKDATED)) {
        let mut users: Vec<Cow<'_, Object>> = world.store.all(Family::Users).collect();
        order.sort(&mut users);
        let after = users
            .iter()
            .skip_while(|user| text(user, "id") != cursor)
            .skip(1);
        let page = after.filter(|user| passes(user)).take(limit);
        return Ok(Outcome::List(page.map(|user| show(user)).collect(), total));
    }
    let users = world.store.from(Family::Users, at, order.newest_first);
    let page = users.filter(|user| passes(user)).take(limit);
    Ok(Outcome::List(page.map(|user| show(&user)).collect(), total))
}

/// `GET /users/count`.
pub(super) fn count(world: &World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let filters: Vec<Filter<'_>> = filters(world, call)?.into_iter().flatten().collect();
    let passes = |user: &Cow<'_, Object>| filters.iter().all(|passes| passes(user));
    let total = match named(world, call) {
        Some(named) => named.iter().filter(|user| passes(user)).count() as u64,
        None if filters.is_empty() => world.store.count(Family::Users),
        None => world.store.all(Family::Users).filter(passes).count() as u64,
    };
    Ok(Outcome::Object(
        json!({ "object": "total_count", "total_count": total }),
    ))
}

/// The filters that the lists of users and of members have in common.
pub(super) fn of_people<'c>(call: &'c Call) -> Vec<Option<Filter<'c>>> {
    let mut filters = vec![
        any_of(call, "email_address"),
        any_of(call, "phone_number"),
        any_of(call, "username"),
        any_of(call, "web3_wallet"),
        in_text(call, "query", EVERYTHING),
        in_text(call, "email_address_query", &["email_address"]),
        in_text(call, "phone_number_query", &["phone_number"]),
        in_text(call, "username_query", &["username"]),
        in_text(call, "name_query", &["first_name", "last_name", "name"]),
    ];
    for (parameter, field, least) in [
        ("last_active_at_before", "last_active_at", false),
        ("last_active_at_after", "last_active_at", true),
        ("last_active_at_since", "last_active_at", true),
        ("created_at_before", "created_at", false),
        ("created_at_after", "created_at", true),
        ("last_sign_in_at_before", "last_sign_in_at", false),
        ("last_sign_in_at_after", "last_sign_in_at", true),
    ] {
        if let Some(bound) = call.int(parameter) {
            filters.push(Some(Box::new(move |user: &Object| {
                number(user, field).is_some_and(|at| match least {
                    true => at >= bound,
                    false => at <= bound,
                })
            })));
        }
    }
    filters
}

/// 422 if somebody else has this value: of an address, a number, a username or an external id.
pub(super) fn free(world: &World<'_>, field: &str, value: &str, but: &str) -> Result<(), Problem> {
    match owner(world, field, value) {
        Some(owner) if id_of(&owner) != but => Err(Problem::taken(field)),
        _ => Ok(()),
    }
}

/// Who has this value.
pub(super) fn owner<'w>(world: &'w World<'_>, field: &str, value: &str) -> Option<Cow<'w, Object>> {
    let has = |user: &Object| {
        let mut values = values(user, field);
        values.any(|known| same(field, known, value))
    };
    let mut held = world.store.held(Family::Users);
    if let Some(user) = held.find(|user| has(user)) {
        return Some(Cow::Borrowed(user));
    }
    // Of the crowd, only addresses can be had, and they end in the number of who has them.
    let (local, _) = value.split_once('@')?;
    let digits = local.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let user = people::user_id(digits.parse().ok()?);
    let user = world.store.find(Family::Users, &user)?;
    has(&user).then_some(user)
}

/// Who can be meant at all, oldest first, where the call names them: nobody else need be looked at, of a million.
fn named<'w>(world: &'w World<'_>, call: &Call) -> Option<Vec<Cow<'w, Object>>> {
    let (ids, addresses) = (call.texts("user_id"), call.texts("email_address"));
    let number = |id: &str| world.store.number(Family::Users, id);
    let numbers: BTreeSet<u64> = if !addresses.is_empty() {
        let owners = addresses.iter();
        let owners = owners.filter_map(|address| owner(world, "email_address", address));
        owners.filter_map(|owner| number(&id_of(&owner))).collect()
    } else if !ids.is_empty() && !ids.iter().any(|id| id.starts_with('-')) {
        let ids = ids.iter().map(|id| id.trim_start_matches(['+', ' ']));
        ids.filter_map(number).collect()
    } else {
        return None;
    };
    let users = numbers.into_iter();
    Some(
        users
            .filter_map(|number| world.store.at(Family::Users, number))
            .collect(),
    )
}

fn filters<'c>(world: &'c World<'_>, call: &'c Call) -> Result<Vec<Option<Filter<'c>>>, Problem> {
    let mut filters = of_people(call);
    for (parameter, field) in [("user_id", "id"), ("external_id", "external_id")] {
        if let Some(chosen) = Chosen::read(call, parameter) {
            filters.push(Some(Box::new(move |user: &Object| {
                chosen.has(|name| text(user, field) == name)
            })));
        }
    }
    if let Some(chosen) = Chosen::read(call, "organization_id") {
        let members: Vec<(String, String)> = memberships::pairs(world, |_, organization| {
            let mut named = call.texts("organization_id").into_iter();
            named.any(|name| name.trim_start_matches(['+', '-', ' ']) == organization)
        });
        filters.push(Some(Box::new(move |user: &Object| {
            let id = text(user, "id");
            chosen.has(|organization| {
                let mut members = members.iter();
                members.any(|(user, of)| user == id && of == organization)
            })
        })));
    }
    if let Some(banned) = call.given("banned").and_then(Value::as_bool) {
        filters.push(Some(Box::new(move |user: &Object| {
            user.get("banned") == Some(&json!(banned))
        })));
    }
    if call.text("provider").is_some() || !call.texts("provider_user_id").is_empty() {
        let providers = call.text("provider");
        let ids = call.texts("provider_user_id");
        filters.push(Some(Box::new(move |user: &Object| {
            let accounts = user.get("external_accounts").and_then(Value::as_array);
            accounts.into_iter().flatten().any(|account| {
                let named = |field: &str| account[field].as_str().unwrap_or_default();
                providers.is_none_or(|provider| named("provider") == provider)
                    && (ids.is_empty() || ids.contains(&named("provider_user_id")))
            })
        })));
    }
    Ok(filters)
}

/// Only those who have one of these values.
fn any_of<'c>(call: &'c Call, field: &'static str) -> Option<Filter<'c>> {
    let wanted = call.texts(field);
    if wanted.is_empty() {
        return None;
    }
    Some(Box::new(move |user| {
        let mut values = values(user, field);
        values.any(|value| wanted.iter().any(|wanted| same(field, wanted, value)))
    }))
}

/// Only those of whom one of these fields contains the text.
fn in_text<'c>(
    call: &Call,
    parameter: &str,
    fields: &'static [&'static str],
) -> Option<Filter<'c>> {
    let wanted = call.text(parameter)?.to_lowercase();
    if wanted.is_empty() {
        return None;
    }
    Some(Box::new(move |user| {
        fields.iter().any(|field| match *field {
            "name" => {
                let name = format!("{} {}", text(user, "first_name"), text(user, "last_name"));
                name.to_lowercase().contains(&wanted)
            }
            field => {
                let mut values = values(user, field);
                values.any(|value| value.to_lowercase().contains(&wanted))
            }
        })
    }))
}

/// Whether these are the same value of a field. Another system's ids may differ in their case alone.
fn same(field: &str, one: &str, other: &str) -> bool {
    match field {
        "external_id" => one == other,
        _ if other.is_ascii() => one.eq_ignore_ascii_case(other),
        _ => one.to_lowercase() == other.to_lowercase(),
    }
}

/// The values of a field, wherever a user has them.
fn values<'u>(user: &'u Object, field: &'u str) -> impl Iterator<Item = &'u str> {
    let list = match field {
        "email_address" => "email_addresses",
        "phone_number" => "phone_numbers",
        "web3_wallet" => "web3_wallets",
        _ => "",
    };
    let several = user.get(list).and_then(Value::as_array);
    let several = several
        .into_iter()
        .flatten()
        .filter_map(move |item| item.get(field)?.as_str());
    several.chain(user.get(field).and_then(Value::as_str))
}

const EVERYTHING: &[&str] = &[
    "id",
    "email_address",
    "phone_number",
    "username",
    "web3_wallet",
    "first_name",
    "last_name",
    "name",
];
const SORTABLE: [&str; 9] = [
    "updated_at",
    "email_address",
    "web3wallet",
    "first_name",
    "last_name",
    "phone_number",
    "username",
    "last_active_at",
    "last_sign_in_at",
];
