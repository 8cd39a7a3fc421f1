//! The lists of identifiers that may sign up, and that may not.

use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object};
use crate::backend_api::world::{World, set, text};
use crate::backend_api::{Outcome, list};

pub(super) fn answer(
    world: &mut World<'_>,
    call: &Call,
    family: Family,
) -> Result<Outcome, Problem> {
    let (of, object, prefix) = match family {
        Family::AllowlistIdentifiers => ("AllowlistIdentifier", "allowlist_identifier", "alid"),
        _ => ("BlocklistIdentifier", "blocklist_identifier", "blid"),
    };
    match call.operation.verb {
        "list" => {
            let show = |one: &Object| Value::Object(one.clone());
            list::page(world.store, call, family, [], &[], show)
        }
        "create" => {
            let identifier = call.required("identifier");
            let kind = kind(identifier).ok_or_else(|| {
                let code = "form_param_format_invalid";
                let long = "An address, *@ and a domain, a number in E.164, or a wallet.";
                Problem::parameter(code, "is invalid", "identifier", long)
            })?;
            if world
                .store
                .held(family)
                .any(|known| text(known, "identifier") == identifier)
            {
                let long = format!("{identifier} is in the list already.");
                return Err(Problem::conflict("duplicate_record", long));
            }
            // The table requires none of the fields.
            let mut made = world.blank(call, family, of, prefix)?;
            set(&mut made, "object", object);
            set(&mut made, "identifier", identifier);
            set(&mut made, "identifier_type", kind);
            set(&mut made, "instance_id", crate::webhooks::INSTANCE);
            set(&mut made, "created_at", json!(world.now));
            set(&mut made, "updated_at", json!(world.now));
            world.add(family, &made)?;
            Ok(Outcome::Object(made.into()))
        }
        "delete" => {
            let found = world.object(family, "identifier", call.required("identifier_id"))?;
            Ok(Outcome::Object(world.delete(family, &found, object)))
        }
        _ => Err(Problem::not_implemented(call.operation.id)),
    }
}

fn kind(identifier: &str) -> Option<&'static str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match identifier {
        text if text.strip_prefix('+').is_some_and(digits) => Some("phone_number"),
        text if text.starts_with("0x") => Some("web3_wallet"),
        text => {
            let (local, domain) = text.split_once('@')?;
            (!local.is_empty() && domain.contains('.')).then_some("email_address")
        }
    }
}
