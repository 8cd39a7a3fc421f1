//! The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2) and answers to it by way of the browser.

use http::Method;
use http::header::HeaderValue;
use serde::{Deserialize, Serialize};
use url::Url;

use super::client::Client;
use super::consent::{ConsentPrompt, Cookie};
use super::respond::{self, Halt};
use super::store::Kind;
use super::upstream::Person;
use super::{Call, Consent, Inner, Reply, documents, observe, pages, redirect};
use crate::oauth::Form;

/// A request that was found good: what a client asked for, as it is remembered until a code is redeemed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) client_id: String,
    pub(super) client_name: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) code_challenge: String,
}

/// A request that waits for somebody's consent, in one browser.
#[derive(Serialize, Deserialize)]
pub(super) struct Transaction {
    pub(super) asked: Asked,
    /// The keyed digest of the browser's cookie, as text.
    pub(super) browser: String,
    /// Who signed in, if that came first.
    pub(super) person: Option<Person>,
}

impl Call<'_> {
    pub(super) async fn authorize(&self) -> Result<Reply, Halt> {
        self.within_source("authorize", EACH_MINUTE).await?;
        let form = match *self.request.method() {
            Method::POST => Form::read(self.request.headers(), self.request.body())?,
            _ => Form::query(self.request.uri().query().unwrap_or_default())?,
        };
        // Until client and redirect URI are known to belong together, nobody is sent anywhere (RFC 6749 §4.1.2.1).
        let client_id = form.required("client_id")?;
        let client = self.client(client_id, false).await?;
        let client = client.ok_or_else(|| {
            Halt::invalid_request("there is no such client").told("unknown-client")
        })?;
        let redirect_uri = form.required("redirect_uri")?;
        if !client
            .redirect_uris
            .iter()
            .any(|known| redirect::matches(known, redirect_uri))
            || !(client.by_operator || self.server.settings.lets_back_to(redirect_uri))
        {
            let astray = Halt::invalid_request("the redirect_uri was not registered");
            return Err(astray.told("unknown-redirect"));
        }
        // What names no client uses up nobody else's share.
        self.within_all("authorize", ALL_EACH_MINUTE).await?;
        let state = form
            .one("state")
            .ok()
            .flatten()
            .filter(|state| state.len() <= MAX_STATE);
        match self.asked(&form, &client, redirect_uri) {
            Ok(asked) if self.needs_no_page(&asked) => self.go_upstream(asked, false, &[]).await,
            Ok(asked) => self.prompt(asked, None, &[]).await,
            // RFC 9700 §4.11.2: anybody may register a client, and a link to here must not be a link to anywhere.
            Err(halt) if !client.by_operator && !redirect::is_local(redirect_uri) => Err(halt),
            Err(halt) => self.refuse(redirect_uri, state, &halt, &[]),
        }
    }

    fn asked(&self, form: &Form, client: &Client, redirect_uri: &str) -> Result<Asked, Halt> {
        let server = self.server;
        form.all_once()?;
        let state = form.one("state")?;
        if state.is_some_and(|state| state.len() > MAX_STATE) {
            return Err(Halt::invalid_request("state is too long"));
        }
        // OpenID Connect Core §6: it would override what was checked here.
        if form.one("request")?.is_some() || form.one("request_uri")?.is_some() {
            return Err(Halt::new(
                "request_not_supported",
                "request objects are not read",
            ));
        }
        if form.required("response_type")? != "code" {
            return Err(Halt::new(
                "unsupported_response_type",
                "expected response_type=code",
            ));
        }
        if form
            .one("response_mode")?
            .is_some_and(|mode| mode != "query")
        {
            return Err(Halt::invalid_request("expected response_mode=query"));
        }
        // RFC 7636 §4.3: an absent method would mean `plain`.
        if form.one("code_challenge_method")? != Some("S256") {
            return Err(Halt::invalid_request("expected code_challenge_method=S256"));
        }
        let code_challenge = form.required("code_challenge")?;
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if code_challenge.len() != 43 || !code_challenge.bytes().all(base64url) {
            return Err(Halt::invalid_request(
                "code_challenge is no SHA-256 in base64url",
            ));
        }
        if form
            .one("resource")?
            .is_some_and(|resource| !server.is_resource(resource))
        {
            return Err(invalid_target());
        }
        let allowed = server.allowed(client);
        let scopes = match form
            .one("scope")?
            .map(str::trim)
            .filter(|scope| !scope.is_empty())
        {
            None => allowed,
            Some(scope) => server
                .known_scopes(scope)
                // Who registers itself could have registered more; clients that step up name more than they did then.
                .filter(|scopes| {
                    !client.by_operator || scopes.iter().all(|scope| allowed.contains(scope))
                })
                .ok_or_else(|| Halt::new("invalid_scope", "a scope is not granted here"))?,
        };
        Ok(Asked {
            client_id: client.client_id.clone(),
            client_name: client.client_name.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state: state.map(str::to_owned),
            scopes,
            code_challenge: code_challenge.to_owned(),
        })
    }

    /// Whether nobody is asked, or not before the sign-in (GHSA-6x8h-498w-gv8c): the browser was told that this was
    /// approved, says that no other site sent it, and what it answers goes where no other program can take its place.
    fn needs_no_page(&self, asked: &Asked) -> bool {
        let headers = self.request.headers();
        match self.server.settings.consent {
            Consent::External => true,
            Consent::Always => false,
            Consent::Remember => {
                let mut site = headers.get_all("sec-fetch-site").iter();
                let sent_by_nobody = site.next().is_some_and(|site| site == "none");
                let known = Cookie::is_approved(self.server, asked, headers);
                sent_by_nobody && site.next().is_none() && known
            }
        }
    }

    /// Remembers the request and has somebody asked, before anything goes upstream: the upstream knows this server, not
    /// the client, and would let any client in on its word.
    pub(super) async fn prompt(
        &self,
        asked: Asked,
        person: Option<Person>,
        cookies: &[String],
    ) -> Result<Reply, Halt> {
        let keys = &self.server.keys;
        let transaction = self.moment.random_text("transaction");
        let browser = self.moment.random_text("browser");
        let form_token = keys.form_token(&transaction, &browser);
        let cookie = Cookie::consent(self.server, &transaction);
        let record = Transaction {
            asked,
            browser: keys.form_token("browser", &browser),
            person,
        };
        self.put(
            keys.key(Kind::Transaction, &transaction),
            &record,
            TRANSACTION_LIFETIME,
        )
        .await?;
        let asked = record.asked;
        let set = cookie.set(&browser, TRANSACTION_LIFETIME);
        let verified_domain = documents::domain(&asked.client_id);
        Ok(Reply::Consent(Box::new(ConsentPrompt {
            action: self.server.at("/consent"),
            transaction,
            form_token,
            client_id: asked.client_id,
            client_name: asked.client_name,
            redirect_host: redirect::origin(&asked.redirect_uri),
            only_on_this_machine: redirect::is_local(&asked.redirect_uri),
            redirect_uri: asked.redirect_uri,
            scopes: asked.scopes,
            resource: self.server.settings.resource.clone(),
            upstream_origin: redirect::origin(
                &self.server.settings.upstream.authorization_endpoint,
            ),
            verified_domain,
            accept_language: pages::accept_language(self.request.headers()),
            set_cookies: cookies
                .iter()
                .chain([&set])
                .map(|cookie| HeaderValue::from_str(cookie).map_err(|_| Halt::unavailable()))
                .collect::<Result<_, _>>()?,
        })))
    }

    /// Sends the browser back with an error (RFC 6749 §4.1.2.1, RFC 9207 §2).
    pub(super) fn refuse(
        &self,
        redirect_uri: &str,
        state: Option<&str>,
        halt: &Halt,
        cookies: &[String],
    ) -> Result<Reply, Halt> {
        observe::refused(self.endpoint(), halt);
        let said = [
            ("error", halt.code),
            ("error_description", halt.description),
        ];
        self.send_back(redirect_uri, state, &said, cookies)
    }

    /// Sends the browser back, with whose answer it is and to which question.
    pub(super) fn send_back(
        &self,
        redirect_uri: &str,
        state: Option<&str>,
        said: &[(&str, &str)],
        cookies: &[String],
    ) -> Result<Reply, Halt> {
        let mut parameters = said.to_vec();
        parameters.extend(state.map(|state| ("state", state)));
        parameters.push(("iss", self.server.settings.issuer.as_str()));
        let to = redirect::with_query(redirect_uri, &parameters);
        let response = respond::redirect(&to, cookies).ok_or_else(Halt::unavailable)?;
        Ok(Reply::Response(response))
    }
}

impl Inner {
    /// Whether this names the resource. Capitals in scheme and host, a slash at the end and a query are forgiven, since
    /// clients have them; the token's `aud` is the configured text in any case.
    pub(super) fn is_resource(&self, asked: &str) -> bool {
        let Ok(url) = Url::parse(asked) else {
            return false;
        };
        let bare = |url: &Url| url.path().trim_end_matches('/').to_owned();
        url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.origin() == self.resource.origin()
            && bare(&url) == bare(&self.resource)
    }

    /// The scopes that a client has if it asks for none; one that the operator named may have no others. What the operator
    /// grants no longer, no client is limited to either.
    pub(super) fn allowed(&self, client: &Client) -> Vec<String> {
        let mut allowed = self.settings.scopes.clone();
        allowed.retain(|scope| client.scopes.as_ref().is_none_or(|own| own.contains(scope)));
        allowed
    }

    /// The scopes in this text, each once, if all of them are known.
    pub(super) fn known_scopes(&self, text: &str) -> Option<Vec<String>> {
        let mut scopes: Vec<String> = Vec::new();
        for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
            let known = self.settings.scopes.iter().find(|known| *known == scope)?;
            if !scopes.contains(known) {
                scopes.push(known.clone());
            }
        }
        Some(scopes)
    }
}

pub(super) fn invalid_target() -> Halt {
    Halt::new(
        "invalid_target",
        "the resource is not the one that is protected here",
    )
}

/// Seconds that somebody has to decide.
const TRANSACTION_LIFETIME: i64 = 600;
const MAX_STATE: usize = 2048;
const EACH_MINUTE: u32 = 60;
const ALL_EACH_MINUTE: u32 = 600;
