//! The upstream leg: this server is a client there (RFC 9700 §2.1, OpenID Connect Core §3.1).

use std::sync::Arc;

use doorward_core::{
    AlgorithmSet, Credential, Facts, Identity, IssuerId, JwkSet, Known, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::approvals::Register;
use super::authorize::Asked;
use super::consent::Cookie;
use super::respond::{self, Halt};
use super::secrets::{s256, same};
use super::store::Kind;
use super::upstream::{Held, Person};
use super::{Call, Consent, Inner, Reply, UpstreamCall, observe, redirect};
use crate::oauth::Form;

/// A sign-in that went upstream.
#[derive(Serialize, Deserialize)]
struct Login {
    asked: Asked,
    /// The keyed digest of the browser's cookie, as text.
    browser: String,
    nonce: String,
    code_verifier: String,
    /// Whether somebody was asked, and said yes.
    consented: bool,
}

/// What a code stands for.
#[derive(Serialize, Deserialize)]
pub(super) struct Grant {
    pub(super) asked: Asked,
    pub(super) person: Person,
}

impl Call<'_> {
    /// Sends the browser upstream, where consent was given.
    pub(super) async fn go_upstream(
        &self,
        asked: Asked,
        consented: bool,
        cookies: &[String],
    ) -> Result<Reply, Halt> {
        let (keys, upstream) = (&self.server.keys, &self.server.settings.upstream);
        let [state, browser, nonce, code_verifier] =
            ["state", "state browser", "nonce", "code verifier"]
                .map(|label| self.moment.random_text(label));
        let (callback, scope) = (
            self.server.at(&self.server.settings.callback_path),
            upstream.scopes.join(" "),
        );
        let code_challenge = s256(&code_verifier);
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", upstream.client_id.as_str()),
            ("redirect_uri", callback.as_str()),
            ("scope", scope.as_str()),
            ("state", state.as_str()),
            ("nonce", nonce.as_str()),
            ("code_challenge", code_challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        if upstream.forward_resource {
            parameters.push(("resource", &self.server.settings.resource));
        }
        let extra = upstream.extra_authorize_parameters.iter();
        parameters.extend(extra.map(|(name, value)| (name.as_str(), value.as_str())));
        let to = redirect::with_query(&upstream.authorization_endpoint, &parameters);
        let cookie = Cookie::state(self.server, &state).set(&browser, LOGIN_LIFETIME);
        let login = Login {
            asked,
            browser: keys.form_token("browser", &browser),
            nonce,
            code_verifier,
            consented,
        };
        self.put(keys.key(Kind::Login, &state), &login, LOGIN_LIFETIME)
            .await?;
        let cookies = [cookies, &[cookie]].concat();
        let response = respond::redirect(&to, &cookies).ok_or_else(Halt::unavailable)?;
        Ok(Reply::Response(response))
    }

    pub(super) async fn callback(&self) -> Result<Reply, Halt> {
        let form = Form::query(self.request.uri().query().unwrap_or_default())?;
        form.all_once()?;
        let keys = &self.server.keys;
        let state = form.required("state")?;
        let key = keys.key(Kind::Login, state);
        let answered = || {
            Halt::invalid_request("the sign-in was finished already, or too long ago")
                .told("expired")
        };
        let found: Login = self.read(key, None).await?.ok_or_else(answered)?;
        // Another browser's sign-in is not ended by who only knows its state.
        let cookie = Cookie::state(self.server, state);
        let own = cookie
            .read(self.request.headers())
            .is_some_and(|browser| same(&found.browser, &keys.form_token("browser", browser)));
        if !own {
            let other = Halt::forbidden("the sign-in was begun in another browser");
            return Err(other.told("other-browser"));
        }
        let login: Login = self.take(key).await?.ok_or_else(answered)?;
        let cleared = [cookie.clear()];
        match self.signed_in(&form, &login).await {
            Ok(person) => self.consented(login, person, &cleared).await,
            Err(halt) => {
                let asked = &login.asked;
                self.refuse(&asked.redirect_uri, asked.state.as_deref(), &halt, &cleared)
            }
        }
    }

    /// Who signed in upstream.
    async fn signed_in(&self, form: &Form, login: &Login) -> Result<Person, Halt> {
        let upstream = &self.server.settings.upstream;
        // RFC 9207 §2.4: an answer of another server's is not looked into.
        match form.one("iss")? {
            Some(iss) if iss != upstream.issuer => {
                return Err(server_error("the answer is another server's"));
            }
            None if upstream.iss_parameter_supported => {
                return Err(server_error("the answer does not say whose it is"));
            }
            _ => {}
        }
        match form.one("error")? {
            None => {}
            Some("access_denied") => return Err(Halt::forbidden("signing in was denied")),
            Some("temporarily_unavailable") => return Err(away()),
            Some(_) => return Err(server_error("signing in failed")),
        }
        let code = form
            .one("code")?
            .ok_or_else(|| server_error("the answer has no code"))?;
        let callback = self.server.at(&self.server.settings.callback_path);
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback.as_str()),
            ("code_verifier", login.code_verifier.as_str()),
        ];
        if upstream.forward_resource {
            fields.push(("resource", &self.server.settings.resource));
        }
        let call = self.upstream_form(&upstream.token_endpoint, &fields, "code")?;
        let answer = self.desk.upstream(call).await;
        let answer = answer.map_err(|_| away())?;
        if answer.status >= 500 || answer.status == 429 {
            return Err(away());
        }
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id_token = body["id_token"].as_str().filter(|_| answer.status == 200);
        let id_token = id_token.ok_or_else(|| server_error("signing in gave no ID token"))?;
        let identity = self.vouched(id_token, &login.nonce).await?;
        Ok(Person {
            sub: identity.subject().to_owned(),
            at: self.moment.now,
            claims: self.server.told(&identity),
            held: Held::read(&body, self.moment.now, 0),
        })
    }

    /// OpenID Connect Core §3.1.3.7: the ID token, judged by the one verifier of the house, and its `nonce`.
    async fn vouched(&self, id_token: &str, nonce: &str) -> Result<Identity, Halt> {
        let upstream = &self.server.settings.upstream;
        let now = Timestamp::from_secs(self.moment.now);
        let mut fresh = false;
        let identity = loop {
            let keys = match self.upstream_keys(fresh).await {
                Some(keys) => Arc::new(keys),
                None if fresh => return Err(away()),
                None => {
                    fresh = true;
                    continue;
                }
            };
            let facts = Fetched { keys, last: fresh };
            let credential = Credential::bearer(id_token);
            match self.server.upstream.verify(&credential, &facts, now) {
                doorward_core::Outcome::Verified(identity) => break identity,
                // The upstream signs with a new key, perhaps.
                doorward_core::Outcome::Needs(_) if !fresh => fresh = true,
                _ => return Err(server_error("the ID token is not good")),
            }
        };
        if !names_nonce(&identity, nonce, &upstream.client_id) {
            return Err(server_error("the ID token belongs to another sign-in"));
        }
        Ok(identity)
    }

    /// The upstream's public keys, if it tells them; with `fresh`, none that were remembered for long.
    async fn upstream_keys(&self, fresh: bool) -> Option<JwkSet> {
        let mut call = UpstreamCall::get(&self.server.settings.upstream.jwks_uri, None);
        call.fresh = fresh;
        let answer = self.desk.upstream(call).await.ok()?;
        let text = std::str::from_utf8(&answer.body)
            .ok()
            .filter(|_| answer.status == 200)?;
        JwkSet::parse(text, AlgorithmSet::ASYMMETRIC).ok()
    }

    /// Goes on where consent was given. Where it was only remembered, it is this person's, or they are asked now.
    async fn consented(
        &self,
        login: Login,
        person: Person,
        cleared: &[String],
    ) -> Result<Reply, Halt> {
        let remembered = self.server.settings.consent == Consent::Remember && !login.consented;
        if remembered {
            let key = self.register_key(&person.sub);
            let register: Option<Register> = self.read(key, None).await?;
            if !register.is_some_and(|register| register.has(&login.asked)) {
                return self.prompt(login.asked, Some(person), cleared).await;
            }
        }
        self.grant(login.asked, person, cleared).await
    }

    /// Gives the client its code.
    pub(super) async fn grant(
        &self,
        mut asked: Asked,
        person: Person,
        cookies: &[String],
    ) -> Result<Reply, Halt> {
        self.server.limit_to_upstream(&mut asked.scopes, &person);
        self.approved(&person.sub, &asked).await?;
        let code = self.moment.random_text("code");
        let grant = Grant { asked, person };
        let key = self.server.keys.key(Kind::Code, &code);
        self.put(key, &grant, CODE_LIFETIME).await?;
        let asked = &grant.asked;
        observe::signed_in(&asked.client_id, &grant.person.sub);
        let mut cookies = cookies.to_vec();
        cookies.extend(Cookie::approved(self.server, asked));
        let said = [("code", code.as_str())];
        self.send_back(&asked.redirect_uri, asked.state.as_deref(), &said, &cookies)
    }
}

impl Inner {
    /// Leaves out scopes that the upstream was asked for as well and did not give (RFC 6749 §5.1).
    pub(super) fn limit_to_upstream(&self, scopes: &mut Vec<String>, person: &Person) {
        let given = person.held.as_ref().and_then(|held| held.scope.as_deref());
        if let Some(given) = given {
            let asked = &self.settings.upstream.scopes;
            scopes.retain(|scope| {
                !asked.contains(scope) || given.split(' ').any(|given| given == scope)
            });
        }
    }

    /// Of what an ID token says, what tools are told: what the operator chose, while it is short.
    fn told(&self, identity: &Identity) -> Map<String, Value> {
        let claims: Map<String, Value> = identity.custom_claims().unwrap_or_default();
        let chosen = claims
            .into_iter()
            .filter(|(name, _)| self.settings.claims.contains(name));
        let mut room = MAX_CLAIMS;
        chosen
            .filter(|(name, value)| {
                let size = name.len() + value.to_string().len();
                let fits = size <= room;
                room -= if fits { size } else { 0 };
                fits
            })
            .collect()
    }
}

/// The key set as it came, and whether a newer one can be asked for.
struct Fetched {
    keys: Arc<JwkSet>,
    last: bool,
}

impl Facts for Fetched {
    fn keys(&self, _: IssuerId, _: Option<&str>, kid: Option<&str>) -> Known<Arc<JwkSet>> {
        if self.keys.covers(kid) {
            Known::Yes(Arc::clone(&self.keys))
        } else if self.last {
            Known::No
        } else {
            Known::NotYet
        }
    }
}

/// Whether the ID token is of this sign-in, and for this client if it is for several.
fn names_nonce(identity: &Identity, nonce: &str, client_id: &str) -> bool {
    let Ok(claims) = identity.custom_claims::<Value>() else {
        return false;
    };
    let several = claims["aud"]
        .as_array()
        .is_some_and(|audiences| audiences.len() > 1);
    claims["nonce"]
        .as_str()
        .is_some_and(|given| same(given, nonce))
        && (!several || claims["azp"].as_str() == Some(client_id))
}

fn server_error(why: &'static str) -> Halt {
    Halt::new("server_error", why)
}

fn away() -> Halt {
    Halt::new(
        "temporarily_unavailable",
        "the place to sign in does not answer",
    )
}

/// Bytes of claims that go into access tokens, which are headers of every request.
const MAX_CLAIMS: usize = 2048;
/// Seconds that somebody has to sign in.
const LOGIN_LIFETIME: i64 = 600;
/// Seconds that a client has to redeem its code (RFC 6749 §4.1.2: ten minutes at most).
const CODE_LIFETIME: i64 = 60;
