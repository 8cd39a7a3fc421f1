//! Clients: who they are, and how they show it (RFC 6749 §2.3, RFC 7591 §2).

use doorward_core::Secret;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

use super::assertion;
use super::documents::is_document;
use super::respond::Halt;
use super::secrets::same;
use super::store::Kind;
use super::{Call, Registration};
use crate::encoding::base64_decode;
use crate::oauth::Form;

/// A client, registered or known from the start.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) client_id: String,
    pub(super) client_name: String,
    pub(super) redirect_uris: Vec<String>,
    /// Whether it may refresh.
    pub(super) refreshes: bool,
    /// The scopes it asks for if it does not say. The operator's clients are limited to them.
    pub(super) scopes: Option<Vec<String>>,
    /// The keys it shows who it is with, if it has any.
    #[serde(skip)]
    pub(super) keys: Option<Keys>,
    /// Whether it may act for itself (RFC 6749 §4.4).
    #[serde(skip)]
    pub(super) acts_alone: bool,
    /// Whether the operator named it. Nobody else is trusted with a browser before a person was asked.
    #[serde(skip)]
    pub(super) by_operator: bool,
}

/// A client's public keys.
#[derive(Clone)]
pub(super) enum Keys {
    /// A JWK set.
    Given(String),
    /// Where it is.
    At(String),
}

impl Call<'_> {
    /// The client of this name, which outlives a use of its by `extend` seconds.
    pub(super) async fn client(&self, client_id: &str, used: bool) -> Result<Option<Client>, Halt> {
        let settings = &self.server.settings;
        if let Some(known) = settings
            .clients
            .iter()
            .find(|known| known.client_id == client_id)
        {
            return Ok(Some(Client {
                client_id: known.client_id.clone(),
                client_name: known.client_name.clone(),
                redirect_uris: known.redirect_uris.clone(),
                refreshes: !known.redirect_uris.is_empty(),
                scopes: known.scopes.clone(),
                keys: known.keys.clone().map(Keys::Given),
                acts_alone: known.client_credentials,
                by_operator: true,
            }));
        }
        if is_document(client_id) {
            return self.documented(client_id, used).await;
        }
        // What was registered while registration was open is trusted no longer when it is closed.
        let Registration::Open { lifetime, .. } = settings.registration else {
            return Ok(None);
        };
        // To the full hour, so that a busy client is written down once in it and not for each of its requests.
        let end = self.moment.now.saturating_add(lifetime);
        let extend_to = used.then(|| end.saturating_add(HOUR - end.rem_euclid(HOUR)));
        self.read(self.server.keys.key(Kind::Client, client_id), extend_to)
            .await
    }

    /// Lets a client that registered itself outlive a token that it was given. If that fails, it registers anew one day.
    pub(super) async fn outlives(&self, client: &Client) {
        if !client.by_operator && !is_document(&client.client_id) {
            drop(self.client(&client.client_id, true).await);
        }
    }

    /// The client that asks at `/token` or `/revoke`.
    pub(super) async fn authenticated(&self, form: &Form) -> Result<Client, Halt> {
        let (headers, named) = (self.request.headers(), assertion::claimed(form)?);
        let (client_id, secret) = match named {
            None => credentials(headers, form)?,
            Some(_)
                if headers.contains_key(AUTHORIZATION) || form.one("client_secret")?.is_some() =>
            {
                return Err(Halt::invalid_request(
                    "the client authenticates in two ways",
                ));
            }
            Some(named) => (named, None),
        };
        let known = self
            .server
            .settings
            .clients
            .iter()
            .find(|known| known.client_id == client_id);
        let right = match (known.and_then(|known| known.client_secret.as_ref()), secret) {
            (Some(right), Some(given)) => same(right.expose(), given.expose()),
            // A public client that sends a secret is confused, and whoever reads it would be deceived.
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !right {
            return Err(Halt::invalid_client(
                "the client's credentials are not its own",
            ));
        }
        // Anybody may say the name of a public client, so that alone keeps no client: see `outlives`.
        let client = self.client(&client_id, is_document(&client_id)).await?;
        let client = client.ok_or_else(|| Halt::invalid_client("there is no such client"))?;
        match (&client.keys, form.one("client_assertion")?) {
            (None, None) => {}
            (Some(keys), Some(assertion)) => self.asserted(assertion, &client, keys).await?,
            _ => {
                return Err(Halt::invalid_client(
                    "the client's credentials are not its own",
                ));
            }
        }
        Ok(client)
    }
}

/// RFC 6749 §2.3.1: in the header or in the body, not in both.
fn credentials(headers: &HeaderMap, form: &Form) -> Result<(String, Option<Secret>), Halt> {
    let (named, secret) = (form.one("client_id")?, form.one("client_secret")?);
    let mut given = headers.get_all(AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (None, _) => {
            let named = named.ok_or_else(|| Halt::invalid_client("the client is not named"))?;
            Ok((named.to_owned(), secret.map(Secret::from)))
        }
        (Some(header), None) => {
            if secret.is_some() {
                return Err(Halt::invalid_request(
                    "the client authenticates in two ways",
                ));
            }
            let (client_id, secret) = header
                .to_str()
                .ok()
                .and_then(basic)
                .ok_or_else(|| Halt::invalid_client("the credentials cannot be read"))?;
            if named.is_some_and(|named| named != client_id) {
                return Err(Halt::invalid_request("the client has two names"));
            }
            Ok((client_id, Some(secret)))
        }
        (Some(_), Some(_)) => Err(Halt::invalid_request(
            "the client authenticates in two ways",
        )),
    }
}

/// RFC 7617 §2, both halves form-encoded.
fn basic(header: &str) -> Option<(String, Secret)> {
    let (scheme, text) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(base64_decode(text.trim())?).ok()?;
    let (client_id, secret) = text.split_once(':')?;
    Some((decoded(client_id)?, Secret::new(decoded(secret)?)))
}

fn decoded(text: &str) -> Option<String> {
    // As the value of one field; the separator cannot occur in it.
    let encoded = text.replace('&', "%26");
    let field = format!("v={encoded}");
    let mut fields = url::form_urlencoded::parse(field.as_bytes());
    fields.next().map(|(_, value)| value.into_owned())
}

const HOUR: i64 = 3600;
