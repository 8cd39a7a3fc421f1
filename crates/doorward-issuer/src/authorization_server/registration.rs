//! Dynamic client registration (RFC 7591 §3): anybody may, within bounds, and gets a public client that is trusted with
//! nothing.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::pages::{self, MAX_NAME};
use super::respond::{Halt, private};
use super::store::{Kind, Operation, Outcome, Put};
use super::{Call, Registration, Reply, observe, redirect};

/// What a client says of itself, as far as anybody looks (RFC 7591 §2). The rest is not kept.
#[derive(Deserialize)]
struct Said {
    redirect_uris: Option<Vec<String>>,
    client_name: Option<String>,
    application_type: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    scope: Option<String>,
}

impl Call<'_> {
    pub(super) async fn register(&self) -> Result<Reply, Halt> {
        let Registration::Open {
            lifetime,
            each_minute,
            all_each_minute,
        } = self.server.settings.registration
        else {
            return Err(Halt::not_found());
        };
        self.within("register", each_minute, all_each_minute)
            .await?;
        let (client, application_type) = self.said()?;
        let key = self.server.keys.key(Kind::Client, &client.client_id);
        let operation = Operation::PutIfAbsent {
            key,
            value: serde_json::to_vec(&client).map_err(|_| Halt::unavailable())?,
            // Until it is given a token: what strangers register in this time fits into the store.
            expires_at: self
                .moment
                .now
                .saturating_add(lifetime.min(UNUSED_LIFETIME)),
        };
        let Outcome::Put(Put::Stored) = self.desk.store(operation).await? else {
            return Err(Halt::unavailable());
        };
        let mut grants = vec!["authorization_code"];
        grants.extend(client.refreshes.then_some("refresh_token"));
        let mut body = json!({
            "client_id": client.client_id,
            "client_id_issued_at": self.moment.now,
            "client_name": client.client_name,
            "redirect_uris": client.redirect_uris,
            "grant_types": grants,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        });
        if let Some(scopes) = &client.scopes {
            body["scope"] = json!(scopes.join(" "));
        }
        if let Some(application_type) = application_type {
            body["application_type"] = json!(application_type);
        }
        observe::registered(&client.client_id);
        let mut response = private(&body);
        *response.status_mut() = StatusCode::CREATED;
        Ok(Reply::Response(response))
    }

    fn said(&self) -> Result<(Client, Option<String>), Halt> {
        let wrong = |why| Halt::new("invalid_client_metadata", why);
        let content_type = self.request.headers().get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(wrong("expected content-type: application/json"));
        }
        let said: Said = serde_json::from_slice(self.request.body())
            .map_err(|_| wrong("the body is not a client's metadata in JSON"))?;
        let redirect_uris = said.redirect_uris.unwrap_or_default();
        if redirect_uris.is_empty() || redirect_uris.len() > MAX_REDIRECT_URIS {
            return Err(Halt::new(
                "invalid_redirect_uri",
                "expected between 1 and 10 redirect_uris",
            ));
        }
        if redirect_uris.iter().map(String::len).sum::<usize>() > MAX_REDIRECT_BYTES {
            return Err(Halt::new(
                "invalid_redirect_uri",
                "the redirect_uris are too long together",
            ));
        }
        fits_type(said.application_type.as_deref(), &redirect_uris)?;
        for uri in &redirect_uris {
            redirect::check(uri, &self.server.settings.custom_schemes)
                .map_err(|why| Halt::new("invalid_redirect_uri", why))?;
            if !self.server.settings.lets_back_to(uri) {
                let why = "the operator does not let people be sent back to a redirect URI";
                return Err(Halt::new("invalid_redirect_uri", why));
            }
        }
        // RFC 7591 §2: the defaults are the code grant and the code response.
        let grants = said
            .grant_types
            .unwrap_or_else(|| vec!["authorization_code".to_owned()]);
        if !grants.iter().any(|grant| grant == "authorization_code") {
            return Err(wrong("grant_types lacks authorization_code"));
        }
        let responses = said
            .response_types
            .unwrap_or_else(|| vec!["code".to_owned()]);
        if responses != ["code"] {
            return Err(wrong("response_types is something else than code"));
        }
        let scopes =
            match said
                .scope
                .as_deref()
                .map(str::trim)
                .filter(|scope| !scope.is_empty())
            {
                None => None,
                Some(scope) => Some(self.server.known_scopes(scope).ok_or_else(|| {
                    wrong("scope names something that is not in scopes_supported")
                })?),
            };
        let client = Client {
            client_id: self.moment.random_text("client id"),
            client_name: name(said.client_name.as_deref().unwrap_or_default()),
            redirect_uris,
            refreshes: grants.iter().any(|grant| grant == "refresh_token"),
            scopes,
            keys: None,
            acts_alone: false,
            by_operator: false,
        };
        Ok((client, said.application_type))
    }
}

/// OpenID Connect Registration §2, MCP SEP-837: a web application is somewhere else than on the person's machine. Who says
/// nothing is held to nothing, since clients of today say nothing.
fn fits_type(application_type: Option<&str>, redirect_uris: &[String]) -> Result<(), Halt> {
    let elsewhere = |uri: &String| uri.starts_with("https:") && !redirect::is_loopback_host(uri);
    match application_type {
        None | Some("native") => Ok(()),
        Some("web") if redirect_uris.iter().all(elsewhere) => Ok(()),
        Some("web") => Err(Halt::new(
            "invalid_redirect_uri",
            "a web application is sent back to https, and not to a loopback host",
        )),
        Some(_) => Err(Halt::new(
            "invalid_client_metadata",
            "application_type is neither web nor native",
        )),
    }
}

/// What a client is called.
pub(super) fn name(said: &str) -> String {
    let name = pages::plain(said, MAX_NAME);
    if name.is_empty() {
        UNNAMED.to_owned()
    } else {
        name
    }
}

/// Those of the scopes in this text that are among `known`.
pub(super) fn known_part(known: &[String], text: &str) -> Vec<String> {
    let named: Vec<_> = text.split(' ').collect();
    let mut part = known.to_vec();
    part.retain(|scope| named.contains(&scope.as_str()));
    part
}

/// Seconds that a client is kept that was given no token yet: longer than a person takes to sign in.
const UNUSED_LIFETIME: i64 = 3600;
const UNNAMED: &str = "An application without a name";
const MAX_REDIRECT_URIS: usize = 10;
/// What strangers leave here has to be small: ten thousand of them may.
const MAX_REDIRECT_BYTES: usize = 4096;
