//! OAuth applications: the clients of the issuer.

use serde_json::{Value, json};

use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object};
use crate::backend_api::world::{World, internal, new_id, set, text};
use crate::backend_api::{Outcome, list};
use crate::client::Client;
use crate::opaque::random_text;
use crate::revocation::Revocation;

pub(super) fn answer(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let family = Family::OauthApplications;
    match call.operation.id {
        "ListOAuthApplications" => {
            let filters = [list::contains(call, "name_query", &["name", "client_id"])];
            let show = |application: &Object| Value::Object(application.clone());
            let sortable = ["updated_at", "name"];
            return list::page(world.store, call, family, filters, &sortable, show);
        }
        "CreateOAuthApplication" => return create(world, call),
        _ => {}
    }
    let id = call.required("oauth_application_id");
    let mut application = world.object(family, "OAuth application", id)?;
    let client_id = text(&application, "client_id").to_owned();
    match call.operation.id {
        "GetOAuthApplication" => {}
        "UpdateOAuthApplication" => {
            write(call, &mut application)?;
            world.change(family, &mut application);
            register(world, &application)?;
        }
        "UploadOAuthApplicationLogo" => {
            let url = format!("https://img.example.com/oauth/{id}/uploaded");
            set(&mut application, "client_image_url", url);
            world.change(family, &mut application);
        }
        "DeleteOAuthApplication" => {
            world.revoke(Revocation::ClientId(client_id.clone()));
            world.issuer.unregister(&client_id);
            let deleted = world.delete(family, &application, "oauth_application");
            return Ok(Outcome::Object(deleted));
        }
        "RotateOAuthApplicationSecret" => {
            let secret = random_text("").map_err(|error| internal(&error))?;
            set(&mut application, "_client_secret", secret.clone());
            world.change(family, &mut application);
            register(world, &application)?;
            set(&mut application, "client_secret", secret);
        }
        "RevokeOAuthApplicationToken" => {
            let token = call.required("token");
            if world.issuer.client_of(token).as_deref() != Some(client_id.as_str()) {
                return Err(Problem::not_found("token of this application", ""));
            }
            world.revoke(Revocation::Token(token.to_owned()));
            return Ok(Outcome::Nothing);
        }
        other => return Err(Problem::not_implemented(other)),
    }
    Ok(Outcome::Object(application.into()))
}

/// After a start, the clients can prove again who they are.
#[cfg(feature = "sqlite")]
pub(super) fn revive(world: &World<'_>) {
    for application in world.store.held(Family::OauthApplications) {
        // It cannot fail: it brings its secret.
        let _ = register(world, application);
    }
}

fn create(world: &mut World<'_>, call: &Call) -> Result<Outcome, Problem> {
    let family = Family::OauthApplications;
    let mut application = world.blank(call, family, "OAuthApplication", "oauthapp")?;
    let secret = random_text("").map_err(|error| internal(&error))?;
    let client_id = new_id("client")?.replace("client_", "");
    set(&mut application, "client_id", client_id);
    set(&mut application, "_client_secret", secret.clone());
    write(call, &mut application)?;
    let url = world.url();
    for (name, path) in [
        ("authorize_url", "/oauth/authorize"),
        ("token_fetch_url", "/oauth/token"),
        ("user_info_url", "/oauth/userinfo"),
        ("discovery_url", "/.well-known/openid-configuration"),
        ("token_introspection_url", "/oauth/token_info"),
    ] {
        set(&mut application, name, format!("{url}{path}"));
    }
    world.add(family, &application)?;
    register(world, &application)?;
    if !call.flag("public") {
        set(&mut application, "client_secret", secret);
    }
    Ok(Outcome::Object(application.into()))
}

fn write(call: &Call, application: &mut Object) -> Result<(), Problem> {
    let mut uris = call.texts("redirect_uris");
    uris.extend(call.text("callback_url").filter(|url| !url.is_empty()));
    for uri in &uris {
        if url::Url::parse(uri).is_err() {
            let code = "form_param_format_invalid";
            let long = format!("{uri:?} is no URL.");
            return Err(Problem::parameter(
                code,
                "is invalid",
                "redirect_uris",
                long,
            ));
        }
    }
    let fields = [
        "name",
        "scopes",
        "consent_screen_enabled",
        "pkce_required",
        "public",
    ];
    call.copy_values(&fields, application);
    if !uris.is_empty() || call.given("redirect_uris").is_some() {
        set(
            application,
            "callback_url",
            uris.first().copied().unwrap_or_default(),
        );
        set(application, "redirect_uris", json!(uris));
    }
    Ok(())
}

/// Lets the application say who it is where tokens are asked about. A public one has nothing to say it with.
fn register(world: &World<'_>, application: &Object) -> Result<(), Problem> {
    let client_id = text(application, "client_id");
    if application.get("public") == Some(&json!(true)) {
        world.issuer.unregister(client_id);
        return Ok(());
    }
    let client = Client::with_secret(client_id, text(application, "_client_secret"));
    world
        .issuer
        .register(client)
        .map(|_| ())
        .map_err(|error| internal(&error))
}
