//! The Svix application of the instance: that there is one, and where its page would be.

use serde_json::{Value, json};

use crate::backend_api::Outcome;
use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::Family;
use crate::backend_api::world::World;

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let exists = world.store.find(Family::Settings, APP).is_some();
    let missing = || Problem::conflict("svix_app_missing", "There is no Svix application.");
    match call.operation.id {
        "CreateSvixApp" if exists => {
            let long = "There is a Svix application already.";
            Err(Problem::conflict("svix_app_exists", long))
        }
        "CreateSvixApp" => {
            if let Value::Object(app) = json!({ "id": APP, "created_at": world.now }) {
                world.add(Family::Settings, &app)?;
            }
            Ok(Outcome::Object(url(world)))
        }
        "GenerateSvixAuthURL" if exists => Ok(Outcome::Object(url(world))),
        "DeleteSvixApp" if exists => {
            world.store.remove(Family::Settings, APP);
            Ok(Outcome::Nothing)
        }
        "GenerateSvixAuthURL" | "DeleteSvixApp" => Err(missing()),
        other => Err(Problem::not_implemented(other)),
    }
}

/// What is told to whom stands on this page.
fn url(world: &World<'_>) -> Value {
    json!({ "svix_url": format!("{}/dev/webhooks", world.url()) })
}

const APP: &str = "svix_app";
