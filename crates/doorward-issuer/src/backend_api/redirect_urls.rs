//! Redirect URLs.

use serde_json::Value;

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object};
use crate::backend_api::world::{World, set, text};
use crate::backend_api::{Outcome, list};

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let family = Family::RedirectUrls;
    match call.operation.id {
        "ListRedirectURLs" => {
            let show = |one: &Object| Value::Object(one.clone());
            return list::page(world.store, call, family, [], &[], show);
        }
        "CreateRedirectURL" => {
            let url = call.required("url");
            // Native applications have schemes of their own.
            if url::Url::parse(url).is_err() {
                let code = "form_param_format_invalid";
                return Err(Problem::parameter(
                    code,
                    "is invalid",
                    "url",
                    "Expected a URL.",
                ));
            }
            if world
                .store
                .held(family)
                .any(|known| text(known, "url") == url)
            {
                return Err(Problem::taken("url"));
            }
            let mut made = world.blank(call, family, "RedirectURL", "ru")?;
            set(&mut made, "url", url);
            world.add(family, &made)?;
            return Ok(Outcome::Object(made.into()));
        }
        _ => {}
    }
    let found = world.object(family, "redirect URL", call.required("id"))?;
    match call.operation.id {
        "GetRedirectURL" => Ok(Outcome::Object(found.into())),
        "DeleteRedirectURL" => Ok(Outcome::Object(world.delete(
            family,
            &found,
            "redirect_url",
        ))),
        other => Err(Problem::not_implemented(other)),
    }
}
