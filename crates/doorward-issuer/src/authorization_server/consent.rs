//! Somebody's decision about a client, before anything goes upstream (MCP security best practices, "Confused Deputy").

use std::fmt;

use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::authorize::{Asked, Transaction};
use super::respond::Halt;
use super::secrets::same;
use super::store::Kind;
use super::{Call, Consent, Inner, Reply, documents, observe, redirect};
use crate::oauth::Form;

/// What somebody has to be told and asked. The page posts a form to [`action`](Self::action) with the fields
/// `transaction`, `form_token` and `decision`, which is `allow` or `deny`. Every text of a client's has to be escaped.
#[non_exhaustive]
pub struct ConsentPrompt {
    /// Where the form is posted to.
    pub action: String,
    /// A field of the form: which request this is about.
    pub transaction: String,
    /// A field of the form: that this page was shown (against forged requests).
    pub form_token: String,
    /// The client's name for the server.
    pub client_id: String,
    /// The client's name for people. It chose it itself.
    pub client_name: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// The origin, or the scheme, that it goes to: what a person can judge.
    pub redirect_host: String,
    /// Whether it goes to a program on the person's own machine, where any program may pose as the client.
    pub only_on_this_machine: bool,
    /// What the client may do then.
    pub scopes: Vec<String>,
    /// Where it may do that.
    pub resource: String,
    /// Where the person signs in next.
    pub upstream_origin: String,
    /// The domain that vouches for the client's name, if one does.
    pub verified_domain: Option<String>,
    /// The languages that the person reads (RFC 9110 §12.5.4), as the browser says it.
    pub accept_language: String,
    pub(super) set_cookies: Vec<HeaderValue>,
}

impl ConsentPrompt {
    /// The headers that the page is sent with: its cookie, kept by nobody, in nobody's frame, its form sent nowhere else.
    /// Browsers apply that to the redirects that follow a form as well, so what answers the form is a page.
    pub fn headers(&self) -> HeaderMap {
        let mut headers: HeaderMap = [
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, "no-referrer"),
            (X_FRAME_OPTIONS, "DENY"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CONTENT_SECURITY_POLICY, POLICY),
        ]
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect();
        for cookie in &self.set_cookies {
            headers.append(SET_COOKIE, cookie.clone());
        }
        headers
    }
}

/// Of a page whose style is its own; [`Pages`](super::Pages) names the one style that it has.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; \
    form-action 'self'";

impl fmt::Debug for ConsentPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentPrompt")
            .field("client_name", &self.client_name)
            .field("redirect_uri", &self.redirect_uri)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl Call<'_> {
    pub(super) async fn consent(&self) -> Result<Reply, Halt> {
        let form = Form::read(self.request.headers(), self.request.body())?;
        self.must_be_our_page()?;
        let keys = &self.server.keys;
        let id = form.required("transaction")?;
        let cookie = Cookie::consent(self.server, id);
        let browser = cookie.read(self.request.headers()).ok_or_else(|| {
            Halt::forbidden("the page was opened in another browser, or too long ago")
                .told("other-browser")
        })?;
        if !same(form.required("form_token")?, &keys.form_token(id, browser)) {
            return Err(Halt::forbidden(
                "the form is not from the page that was shown",
            ));
        }
        let decision = match form.required("decision")? {
            "allow" => true,
            "deny" => false,
            _ => {
                return Err(Halt::invalid_request(
                    "the decision is neither allow nor deny",
                ));
            }
        };
        let transaction: Option<Transaction> = self.take(keys.key(Kind::Transaction, id)).await?;
        let Transaction {
            asked,
            browser: bound,
            person,
        } = transaction.ok_or_else(|| {
            Halt::invalid_request("the request was answered already, or too long ago")
                .told("expired")
        })?;
        if !same(&bound, &keys.form_token("browser", browser)) {
            let other = Halt::forbidden("the page was opened in another browser");
            return Err(other.told("other-browser"));
        }
        observe::decided(decision, &asked.client_id);
        let cleared = [cookie.clear()];
        let (reply, said) = match (decision, person) {
            (true, None) => (self.go_upstream(asked, true, &cleared).await?, "allowed"),
            (true, Some(person)) => (self.grant(asked, person, &cleared).await?, "allowed"),
            (false, person) => {
                // What the upstream gave is of no use to anybody.
                if let Some(person) = person {
                    self.revoke_upstream(&person).await;
                }
                let denied = Halt::forbidden("the request was denied");
                let state = asked.state.as_deref();
                let reply = self.refuse(&asked.redirect_uri, state, &denied, &cleared)?;
                (reply, "denied")
            }
        };
        Ok(self.onward(reply, said))
    }

    /// What browsers say of where a form was posted from, if they do.
    fn must_be_our_page(&self) -> Result<(), Halt> {
        let headers = self.request.headers();
        let own = redirect::origin(&self.server.settings.issuer);
        let foreign = |name: HeaderName, own: &str| {
            headers
                .get_all(name)
                .iter()
                .any(|value| value.as_bytes() != own.as_bytes())
        };
        // Under `no-referrer` a browser says `null` for the origin of a form, even to the page's own.
        let origin = headers.get_all(ORIGIN).iter();
        let other = |value: &HeaderValue| value != own.as_str() && value != "null";
        if origin.into_iter().any(other)
            || foreign(HeaderName::from_static("sec-fetch-site"), "same-origin")
        {
            return Err(Halt::forbidden("the form was posted from another site"));
        }
        Ok(())
    }
}

/// A cookie that binds one step of one sign-in to one browser: `__Host-` where there is TLS (RFC 6265bis §4.1.3).
pub(super) struct Cookie {
    name: String,
    secure: bool,
}

impl Cookie {
    /// Set when somebody is asked.
    pub(super) fn consent(server: &Inner, transaction: &str) -> Self {
        Self::named(server, "consent", transaction)
    }

    /// Set when somebody has approved, and never before.
    pub(super) fn state(server: &Inner, state: &str) -> Self {
        Self::named(server, "state", state)
    }

    /// Tells the browser that this was approved, where that is worth anything: see [`Consent::Remember`].
    pub(super) fn approved(server: &Inner, asked: &Asked) -> Option<String> {
        let (cookie, value) = Self::approval(server, asked)?;
        Some(cookie.set(&value, APPROVED_LIFETIME))
    }

    /// Whether the browser was told.
    pub(super) fn is_approved(server: &Inner, asked: &Asked, headers: &HeaderMap) -> bool {
        Self::approval(server, asked).is_some_and(|(cookie, value)| {
            cookie.read(headers).is_some_and(|own| same(own, &value))
        })
    }

    /// On its own machine any program can take the client's place, and under a scheme of its own too. A client that is a
    /// document can change from one moment to the next.
    fn approval(server: &Inner, asked: &Asked) -> Option<(Self, String)> {
        let lasting = server.settings.consent == Consent::Remember
            && asked.redirect_uri.starts_with("https:")
            && !redirect::is_loopback_host(&asked.redirect_uri)
            && !documents::is_document(&asked.client_id);
        lasting.then(|| {
            let whose = format!("{}\0{}", asked.client_id, asked.redirect_uri);
            let value = server.keys.form_token(&whose, &asked.scopes.join(" "));
            (Self::named(server, "approved", &whose), value)
        })
    }

    /// Each sign-in has its own, so two tabs do not disturb one another.
    fn named(server: &Inner, step: &str, id: &str) -> Self {
        let secure = server.is_https();
        let prefix = if secure { "__Host-" } else { "" };
        let mark = &server.keys.form_token(step, id)[..MARK];
        Self {
            name: format!("{prefix}doorward_{step}_{mark}"),
            secure,
        }
    }

    pub(super) fn set(&self, value: &str, seconds: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let name = &self.name;
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    pub(super) fn clear(&self) -> String {
        self.set("", 0)
    }

    /// The value, if the request brings exactly one.
    pub(super) fn read<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let lines = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut found = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .map(|(_, value)| value);
        found
            .next()
            .filter(|value| !value.is_empty() && found.next().is_none())
    }
}

const MARK: usize = 16;
/// Seconds that a browser remembers what was approved in it.
const APPROVED_LIFETIME: i64 = 30 * 86_400;
