//! Seeds: what exists from the start, each thing made by the operation that would create it.

use doorward_clerk::table::Table;
use serde_json::{Map, Value};

use crate::backend_api::call::Call;
use crate::backend_api::dispatch;
use crate::backend_api::store::Object;
use crate::backend_api::world::World;

/// Why a seed was not sown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// It is no YAML, or no object of lists of objects.
    #[error("the seed cannot be read: {0}")]
    Unreadable(String),
    /// Nothing of this kind can be seeded.
    #[error("{found}: nothing that can be seeded; there are {known}")]
    Resource {
        /// What the seed names.
        found: String,
        /// What it may name.
        known: String,
    },
    /// The Backend API would refuse this.
    #[error("{resource}, entry {place}: {why}")]
    Entry {
        /// The list it stands in.
        resource: &'static str,
        /// Its place there, from 1.
        place: usize,
        /// Why.
        why: String,
    },
    /// The state file cannot be written.
    #[error("the state file cannot be written: {0}")]
    State(String),
}

/// Creates what the seed names, in an order in which one thing may name another.
pub(super) fn sow(world: &mut World<'_>, text: &str) -> Result<usize, SeedError> {
    let unreadable = |why: String| SeedError::Unreadable(why);
    if text.len() > MAX_SEED {
        return Err(unreadable(format!("it has more than {MAX_SEED} bytes")));
    }
    let seed: Map<String, Value> =
        serde_saphyr::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    if let Some(found) = seed.keys().find(|name| !ORDER.contains(&name.as_str())) {
        return Err(SeedError::Resource {
            found: found.clone(),
            known: ORDER.join(", "),
        });
    }
    let mut sown = 0;
    for resource in ORDER {
        let entries = match seed.get(resource) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(unreadable(format!("{resource}: expected a list"))),
        };
        for (place, entry) in (1..).zip(entries) {
            let refused = |why: String| SeedError::Entry {
                resource,
                place,
                why,
            };
            let entry = entry
                .as_object()
                .ok_or_else(|| refused("expected an object".to_owned()))?;
            create(world, resource, entry.clone()).map_err(refused)?;
            sown += 1;
        }
    }
    // They were there from the start: nothing happened.
    world.events.clear();
    Ok(sown)
}

fn create(world: &mut World<'_>, resource: &str, mut entry: Object) -> Result<(), String> {
    let table = Table::get();
    let operation = table.find(resource, "create");
    let operation = operation.or_else(|| table.find(resource, "add"));
    let operation = operation.ok_or("the table has no such operation")?;
    let id = match entry.remove("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id),
        Some(_) => return Err("id: expected a string".to_owned()),
    };
    let mut call = Call::of(operation, entry).map_err(|problem| problem.told())?;
    call.id = id;
    dispatch(world, &call).map_err(|problem| problem.told())?;
    Ok(())
}

/// What can be seeded. What is named by others stands before them.
const ORDER: [&str; 18] = [
    "organization_permissions",
    "organization_roles",
    "users",
    "email_addresses",
    "phone_numbers",
    "organizations",
    "organization_memberships",
    "organization_domains",
    "organization_invitations",
    "invitations",
    "sessions",
    "machines",
    "api_keys",
    "oauth_applications",
    "jwt_templates",
    "allowlist_identifiers",
    "blocklist_identifiers",
    "redirect_urls",
];
const MAX_SEED: usize = 16 * 1024 * 1024;
