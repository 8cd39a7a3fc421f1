//! OAuth clients: who may introspect and revoke, and how they prove who they are (RFC 6749 §2.3, RFC 7523 §2.2).

use std::collections::VecDeque;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded;

use crate::encoding::base64_decode;
use crate::jws::Compact;
use crate::oauth::{Form, OauthError};

/// A client that the issuer knows, in the words of RFC 7591 §2: the JSON of `POST /dev/clients`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Client {
    /// Its name. The client without a name (`""`) is whoever does not say who it is.
    pub client_id: String,
    /// The secret it shares with the issuer; made when the client is registered, if it needs one and brings none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// The one way in which it may say who it is; by default any that it has the means for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<ClientAuthentication>,
    /// Its public keys, for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where people who sign in may be sent back to, exactly. A client without any may send them to anywhere on this
    /// machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
}

impl Client {
    /// A client with a secret, which it may send by HTTP Basic or in the form.
    pub fn with_secret(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            client_secret: Some(secret.into()),
            ..Self::named(client_id)
        }
    }

    /// A client that signs assertions (`private_key_jwt`) with one of these keys.
    pub fn with_keys(client_id: impl Into<String>, jwks: Value) -> Self {
        Self {
            jwks: Some(jwks),
            ..Self::named(client_id)
        }
    }

    /// A client that gives its name and proves nothing.
    pub fn public(client_id: impl Into<String>) -> Self {
        Self {
            token_endpoint_auth_method: Some(ClientAuthentication::None),
            ..Self::named(client_id)
        }
    }

    /// Everybody: with this client registered, nobody has to say who they are.
    pub fn anonymous() -> Self {
        Self::public("")
    }

    fn named(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: None,
            token_endpoint_auth_method: None,
            jwks: None,
            redirect_uris: Vec::new(),
        }
    }

    /// Whether it would need a secret and has none.
    pub(crate) fn lacks_secret(&self) -> bool {
        use ClientAuthentication::{ClientSecretBasic, ClientSecretPost, PrivateKeyJwt};
        self.client_secret.is_none()
            && match self.token_endpoint_auth_method {
                Some(ClientSecretBasic | ClientSecretPost) => true,
                Some(ClientAuthentication::None | PrivateKeyJwt) => false,
                None => self.jwks.is_none(),
            }
    }

    /// Whether it proves nothing.
    pub(crate) fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == Some(ClientAuthentication::None)
    }

    fn may(&self, how: ClientAuthentication) -> bool {
        match self.token_endpoint_auth_method {
            Some(only) => only == how,
            // Who has a secret or a key has to use it.
            None => how != ClientAuthentication::None,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("client_id", &self.client_id)
            .field("method", &self.token_endpoint_auth_method)
            .finish_non_exhaustive()
    }
}

/// How a client says who it is (RFC 7591 §2, OpenID Connect Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// HTTP Basic, name and secret form-encoded first (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// Name and secret in the form.
    ClientSecretPost,
    /// A JWT that it signed (RFC 7523).
    PrivateKeyJwt,
    /// Its name alone, or nothing.
    None,
}

/// The clients an issuer knows.
#[derive(Default)]
pub(crate) struct Clients {
    known: VecDeque<Client>,
    /// `jti` of assertions that were used, so that none is used twice.
    used: VecDeque<(String, String)>,
}

impl Clients {
    /// The one that is there from the start.
    pub(crate) fn of(client: Client) -> Self {
        let mut clients = Self::default();
        clients.register(client);
        clients
    }

    /// Adds a client, in the place of one with this name.
    pub(crate) fn register(&mut self, client: Client) {
        self.known
            .retain(|known| known.client_id != client.client_id);
        if self.known.len() == MAX_CLIENTS {
            self.known.pop_front();
        }
        self.known.push_back(client);
    }

    pub(crate) fn remove(&mut self, client_id: &str) {
        self.known.retain(|known| known.client_id != client_id);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Client> {
        self.known.iter()
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<&Client> {
        self.known.iter().find(|known| known.client_id == client_id)
    }

    /// Who asks. The anonymous caller has no name.
    pub(crate) fn authenticate(
        &mut self,
        headers: &HeaderMap,
        form: &Form,
        audiences: &[String],
        now: i64,
    ) -> Result<Option<String>, OauthError> {
        let named = form.one("client_id")?;
        let secret = form.one("client_secret")?;
        let assertion = form.one("client_assertion")?;
        let header = headers.get_all(AUTHORIZATION).iter().count();
        if header + usize::from(secret.is_some()) + usize::from(assertion.is_some()) > 1 {
            return Err(OauthError::invalid_request(
                "more than one way of client authentication (RFC 6749 §2.3)",
            ));
        }
        let client = if header > 0 {
            self.by_basic(headers)?
        } else if let Some(secret) = secret {
            let client = self.find(named.unwrap_or_default()).ok_or_else(unknown)?;
            checked(client, ClientAuthentication::ClientSecretPost, secret)?
        } else if let Some(assertion) = assertion {
            if form.one("client_assertion_type")? != Some(ASSERTION_TYPE) {
                return Err(OauthError::invalid_request(
                    "client_assertion_type is not jwt-bearer (RFC 7523 §2.2)",
                ));
            }
            self.by_assertion(assertion, audiences, now)?
        } else {
            let client = self.find(named.unwrap_or_default());
            let client = client.filter(|client| client.may(ClientAuthentication::None));
            client.ok_or_else(unknown)?.client_id.clone()
        };
        if named.is_some_and(|named| named != client) {
            return Err(OauthError::invalid_client(
                "client_id is another client's than the credentials",
            ));
        }
        Ok((!client.is_empty()).then_some(client))
    }

    fn by_basic(&self, headers: &HeaderMap) -> Result<String, OauthError> {
        let malformed = || OauthError::invalid_client("expected Basic credentials (RFC 7617)");
        let text = headers
            .get(AUTHORIZATION)
            .and_then(|text| text.to_str().ok());
        let (scheme, credentials) = text
            .and_then(|text| text.split_once(' '))
            .ok_or_else(malformed)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(malformed());
        }
        let decoded = base64_decode(credentials.trim()).and_then(|raw| String::from_utf8(raw).ok());
        let decoded = decoded.ok_or_else(malformed)?;
        let (name, secret) = decoded.split_once(':').ok_or_else(malformed)?;
        // RFC 6749 §2.3.1: both were form-encoded before they were joined.
        let (name, secret) = (form_decoded(name), form_decoded(secret));
        let client = self.find(&name).ok_or_else(unknown)?;
        checked(client, ClientAuthentication::ClientSecretBasic, &secret)
    }

    fn by_assertion(
        &mut self,
        assertion: &str,
        audiences: &[String],
        now: i64,
    ) -> Result<String, OauthError> {
        let refused = OauthError::invalid_client;
        let read = Compact::read(assertion).ok_or_else(|| refused("the assertion is no JWT"))?;
        let text = |name: &str| read.claims.get(name).and_then(Value::as_str);
        let (Some(iss), Some(sub)) = (text("iss"), text("sub")) else {
            return Err(refused("the assertion has no iss or no sub"));
        };
        if iss != sub {
            return Err(refused("the assertion's iss and sub differ"));
        }
        let client = self.find(sub).ok_or_else(unknown)?;
        if !client.may(ClientAuthentication::PrivateKeyJwt) {
            return Err(unknown());
        }
        let keys = client.jwks.as_ref().and_then(|set| set["keys"].as_array());
        let kid = read.text("kid");
        let signed = keys.into_iter().flatten().take(MAX_KEYS).any(|key| {
            let meant = kid.is_none() || key.get("kid").and_then(Value::as_str) == kid;
            meant && read.signed_by(key)
        });
        if !signed {
            return Err(refused("none of the client's keys signed the assertion"));
        }
        let meant = |audience: &Value| {
            let audience = audience.as_str();
            audiences.iter().any(|ours| audience == Some(ours))
        };
        let addressed = match &read.claims.get("aud") {
            Some(Value::Array(several)) => several.iter().any(meant),
            Some(one) => meant(one),
            None => false,
        };
        if !addressed {
            return Err(refused(
                "the assertion's aud is neither the issuer nor this endpoint",
            ));
        }
        let time = |name: &str| read.claims.get(name).map(Value::as_f64);
        let now = now as f64;
        match time("exp") {
            Some(Some(exp)) if exp > now && exp <= now + MAX_LIFE => {}
            _ => {
                return Err(refused(
                    "the assertion's exp is missing, past, or an hour off",
                ));
            }
        }
        for name in ["nbf", "iat"] {
            match time(name) {
                None => {}
                Some(Some(time)) if time <= now + LEEWAY => {}
                Some(_) => return Err(refused("the assertion's nbf or iat is ahead")),
            }
        }
        let (client, jti) = (client.client_id.clone(), text("jti").map(str::to_owned));
        let used = (
            client.clone(),
            jti.ok_or_else(|| refused("the assertion has no jti"))?,
        );
        if self.used.contains(&used) {
            return Err(refused("the assertion was used before"));
        }
        if self.used.len() == MAX_USED {
            self.used.pop_front();
        }
        self.used.push_back(used);
        Ok(client)
    }
}

fn checked(client: &Client, how: ClientAuthentication, secret: &str) -> Result<String, OauthError> {
    let right = client
        .client_secret
        .as_ref()
        .is_some_and(|right| verify_slices_are_equal(right.as_bytes(), secret.as_bytes()).is_ok());
    if right && client.may(how) {
        return Ok(client.client_id.clone());
    }
    Err(unknown())
}

/// Alike for a wrong name, a wrong secret and a wrong method.
fn unknown() -> OauthError {
    OauthError::invalid_client("unknown client, wrong credentials, or not this client's method")
}

fn form_decoded(text: &str) -> String {
    // A pair without a name's `=` is a name; `&` cannot stand in what was encoded, and a raw one is kept.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map(|(text, _)| text.into_owned())
        .unwrap_or_default()
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const MAX_CLIENTS: usize = 64;
const MAX_KEYS: usize = 8;
const MAX_USED: usize = 1024;
/// Seconds.
const MAX_LIFE: f64 = 3600.0;
const LEEWAY: f64 = 60.0;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::encoding::base64;
    use crate::jws::sign;
    use crate::{SigningAlgorithm, SigningKey};

    const NOW: i64 = 1_800_000_000;
    const AUDIENCE: &str = "https://issuer.test";

    fn ask(
        clients: &mut Clients,
        authorization: &str,
        form: &str,
    ) -> Result<Option<String>, OauthError> {
        let mut headers = HeaderMap::new();
        if !authorization.is_empty() {
            headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        }
        let content_type = "application/x-www-form-urlencoded".parse().unwrap();
        headers.insert(http::header::CONTENT_TYPE, content_type);
        let form = Form::read(&headers, form.as_bytes()).unwrap();
        clients.authenticate(&headers, &form, &[AUDIENCE.to_owned()], NOW)
    }

    fn knowing(clients: impl IntoIterator<Item = Client>) -> Clients {
        let mut known = Clients::default();
        clients
            .into_iter()
            .for_each(|client| known.register(client));
        known
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", base64(text.as_bytes()))
    }

    #[test]
    fn a_secret_comes_by_basic_or_in_the_form_and_not_by_both() {
        let mut clients = knowing([Client::with_secret("a b", "s:+%&=")]);
        let encoded = "s%3A%2B%25%26%3D";
        let ok = Ok(Some("a b".to_owned()));
        let good = basic(&format!("a+b:{encoded}"));
        assert_eq!(ask(&mut clients, &good, ""), ok);
        assert_eq!(
            ask(
                &mut clients,
                &good.replace("Basic", "basic"),
                "client_id=a+b"
            ),
            ok
        );
        let posted = format!("client_id=a+b&client_secret={encoded}");
        assert_eq!(ask(&mut clients, "", &posted), ok);
        for (authorization, form) in [
            (basic("a+b:wrong"), ""),
            (basic("a b:s:+%&="), ""),
            (basic("nobody:x"), ""),
            (basic("a+b"), ""),
            ("Basic !".to_owned(), ""),
            ("Bearer x".to_owned(), ""),
            (good.clone(), "client_id=c"),
            (good, posted.as_str()),
            (String::new(), "client_id=a+b&client_secret=wrong"),
            (String::new(), "client_secret=x"),
            (String::new(), "client_id=a+b"),
            (String::new(), ""),
        ] {
            assert!(ask(&mut clients, &authorization, form).is_err(), "{form}");
        }
    }

    #[test]
    fn one_method_excludes_the_others() {
        let mut posting = Client::with_secret("c", "s");
        posting.token_endpoint_auth_method = Some(ClientAuthentication::ClientSecretPost);
        let mut clients = knowing([posting, Client::public("p")]);
        assert!(ask(&mut clients, &basic("c:s"), "").is_err());
        assert!(ask(&mut clients, "", "client_id=c&client_secret=s").is_ok());
        assert_eq!(
            ask(&mut clients, "", "client_id=p"),
            Ok(Some("p".to_owned()))
        );
        assert!(ask(&mut clients, "", "client_id=p&client_secret=s").is_err());
        assert!(ask(&mut clients, "", "").is_err());
        clients.register(Client::anonymous());
        assert_eq!(ask(&mut clients, "", ""), Ok(None));
        assert!(ask(&mut clients, "", "client_id=c").is_err());
    }

    #[test]
    fn an_assertion_is_checked_and_used_once() {
        let key = SigningKey::generate(SigningAlgorithm::ES256).unwrap();
        let stranger = SigningKey::generate(SigningAlgorithm::ES256).unwrap();
        let mut clients = knowing([Client::with_keys("c", json!({"keys": [key.jwk()]}))]);
        let good = json!({"iss": "c", "sub": "c", "aud": AUDIENCE, "exp": NOW + 60, "jti": "1"});
        let mut assert = |key: &SigningKey, changes: Value, more: &str| {
            let mut claims = good.clone();
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let jwt = sign("JWT", &claims, key).unwrap();
            let form = format!(
                "client_assertion={jwt}&client_assertion_type={}{more}",
                ASSERTION_TYPE.replace(':', "%3A")
            );
            ask(&mut clients, "", &form)
        };
        for changes in [
            json!({"iss": "d"}),
            json!({"iss": "d", "sub": "d"}),
            json!({"aud": "https://elsewhere.test"}),
            json!({"aud": null}),
            json!({"exp": NOW}),
            json!({"exp": NOW + 4000}),
            json!({"exp": "soon"}),
            json!({"exp": null}),
            json!({"nbf": NOW + 100}),
            json!({"iat": "now"}),
            json!({"jti": null}),
        ] {
            assert!(assert(&key, changes.clone(), "").is_err(), "{changes}");
        }
        assert!(assert(&stranger, json!({}), "").is_err());
        assert!(assert(&key, json!({}), "&client_id=d").is_err());
        let several = json!({"aud": ["https://elsewhere.test", AUDIENCE], "jti": "2"});
        assert_eq!(
            assert(&key, several, "&client_id=c"),
            Ok(Some("c".to_owned()))
        );
        assert!(assert(&key, json!({"jti": "2"}), "").is_err());
        assert!(
            ask(
                &mut clients,
                "",
                "client_assertion=x&client_assertion_type=y"
            )
            .is_err()
        );
    }

    #[test]
    fn clients_are_bounded_replaced_and_do_not_print_their_secret() {
        let mut clients = Clients::default();
        for number in 0..=MAX_CLIENTS {
            clients.register(Client::with_secret(number.to_string(), "hidden"));
        }
        assert_eq!(clients.iter().count(), MAX_CLIENTS);
        assert!(clients.find("0").is_none() && clients.find("1").is_some());
        clients.register(Client::with_secret("1", "new"));
        assert!(ask(&mut clients, &basic("1:hidden"), "").is_err());
        assert!(ask(&mut clients, &basic("1:new"), "").is_ok());
        let printed = format!("{:?}", Client::with_secret("a", "hidden"));
        assert!(!printed.contains("hidden"));
    }
}
