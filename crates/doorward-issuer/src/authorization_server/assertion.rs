//! Clients that show who they are by a signature (`private_key_jwt`: RFC 7523 §3, OpenID Connect Core §9).

use doorward_core::{AlgorithmSet, JwkSet, jws};
use serde_json::Value;

use super::Call;
use super::client::{Client, Keys};
use super::documents::domain;
use super::respond::Halt;
use super::store::{Kind, Operation, Outcome, Put};
use crate::oauth::Form;

/// Who says to be whom, before anything is verified. It chooses whose keys are looked at, and nothing else.
pub(super) fn claimed(form: &Form) -> Result<Option<String>, Halt> {
    let Some(assertion) = form.one("client_assertion")? else {
        return Ok(None);
    };
    if form.one("client_assertion_type")? != Some(TYPE) {
        return Err(Halt::invalid_request(
            "the type of the assertion is not known",
        ));
    }
    if assertion.len() > MAX_ASSERTION {
        return Err(Halt::invalid_request("the assertion is too long"));
    }
    let read = jws::decode_unverified(assertion).ok();
    let claims: Option<Value> = read.and_then(|(_, payload)| serde_json::from_slice(&payload).ok());
    let subject = claims.as_ref().and_then(|claims| claims["sub"].as_str());
    let subject = subject.ok_or_else(wrong)?;
    // RFC 7521 §4.2: it may be named besides, and is the same then.
    if form.one("client_id")?.is_some_and(|named| named != subject) {
        return Err(Halt::invalid_request("the client has two names"));
    }
    Ok(Some(subject.to_owned()))
}

impl Call<'_> {
    /// Whether the assertion is this client's, for this server, and was never used.
    pub(super) async fn asserted(
        &self,
        assertion: &str,
        client: &Client,
        keys: &Keys,
    ) -> Result<(), Halt> {
        let now = self.moment.now;
        let claims = match keys {
            Keys::Given(jwks) => verified(assertion, jwks),
            Keys::At(url) => match verified(assertion, &self.keys_at(url, i64::MIN).await?) {
                // It signs with a new key, perhaps.
                None => {
                    let lately = now.saturating_sub(KEYS_AGAIN);
                    verified(assertion, &self.keys_at(url, lately).await?)
                }
                claims => claims,
            },
        };
        let claims = claims.ok_or_else(wrong)?;
        let text = |name: &str| claims[name].as_str();
        let own = text("iss") == Some(&client.client_id) && text("sub") == text("iss");
        let settings = &self.server.settings;
        let names_us = |audience: &Value| {
            audience.as_str().is_some_and(|audience| {
                audience == settings.issuer
                    || audience == self.server.at("/token")
                    || audience == self.server.at("/revoke")
            })
        };
        // One audience: what is for several can be carried from one to the other.
        let for_us = match &claims["aud"] {
            Value::Array(list) => list.len() == 1 && names_us(&list[0]),
            audience => names_us(audience),
        };
        let time = |name: &str| claims[name].as_i64();
        let exp = time("exp").ok_or_else(wrong)?;
        let in_time = now < exp.saturating_add(LEEWAY)
            && exp <= now.saturating_add(MAX_LIFETIME + LEEWAY)
            && time("nbf").is_none_or(|nbf| nbf <= now.saturating_add(LEEWAY))
            && time("iat").is_none_or(|iat| iat <= now.saturating_add(LEEWAY));
        let jti = text("jti").filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI);
        let jti = jti.filter(|_| own && for_us && in_time).ok_or_else(wrong)?;
        let name = format!("{}\0{jti}", client.client_id);
        let key = self.server.keys.key(Kind::Assertion, &name);
        let used = || Halt::invalid_client("the assertion was used");
        // What one client signs leaves room for what the others do. Only what is new counts against it, so that nobody can
        // use its minute up with an assertion that was overheard.
        if self.bytes(key).await?.is_some() {
            return Err(used());
        }
        self.within_window("assertion", &whose(client), EACH_MINUTE)
            .await?;
        let put = Operation::PutIfAbsent {
            key,
            value: Vec::new(),
            expires_at: exp.saturating_add(LEEWAY),
        };
        match self.desk.store(put).await? {
            Outcome::Put(Put::Stored) => Ok(()),
            Outcome::Put(Put::Present) => Err(used()),
            _ => Err(Halt::unavailable()),
        }
    }
}

/// Who answers for a client. A domain that describes one client in a document can describe any number of them.
fn whose(client: &Client) -> String {
    domain(&client.client_id).unwrap_or_else(|| client.client_id.clone())
}

fn verified(assertion: &str, jwks: &str) -> Option<Value> {
    let keys = JwkSet::parse(jwks, AlgorithmSet::ASYMMETRIC).ok()?;
    let payload = jws::verify(assertion, &keys, AlgorithmSet::ASYMMETRIC).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn wrong() -> Halt {
    Halt::invalid_client("the assertion is not good, or not for this server")
}

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const MAX_ASSERTION: usize = 8 * 1024;
const MAX_JTI: usize = 256;
/// Assertions of one client, or of the clients of one host. In the time for which they are remembered that makes 3,300.
const EACH_MINUTE: u32 = 600;
/// Seconds.
const MAX_LIFETIME: i64 = 300;
const LEEWAY: i64 = 30;
const KEYS_AGAIN: i64 = 60;
