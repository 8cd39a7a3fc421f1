//! This server as a client of the upstream's: who it is there, and what it holds for people (RFC 6749 §2.3 and §6,
//! RFC 7009, RFC 7523 §2.2, RFC 7662, OpenID Connect Core §5.3).

use doorward_core::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::respond::Halt;
use super::{Call, UpstreamAnswer, UpstreamAuthentication, UpstreamCall, observe};
use crate::encoding::base64;
use crate::jws;

/// Who signed in, and what the upstream gave for that.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) sub: String,
    /// When that was.
    pub(super) at: i64,
    /// Of what the ID token said, what tools are told.
    pub(super) claims: Map<String, Value>,
    pub(super) held: Option<Held>,
}

/// The upstream's tokens for one person, as they are kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) scope: Option<String>,
    /// When the access token expires, if that was said.
    pub(super) expires_at: Option<i64>,
    /// How often it was refreshed: two nodes that mean to refresh the same version do it once.
    pub(super) version: u32,
}

/// What came of a refresh.
pub(super) enum Refreshed {
    New(Held),
    /// The upstream stands by it no longer.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// What the upstream said of an access token.
pub(super) enum Told {
    Good,
    /// It has expired, or was taken back.
    NotGood,
    /// It is somebody else's.
    Foreign,
    /// It cannot be asked.
    Nothing,
}

impl Held {
    /// What a token response holds, if there is an access token in it (RFC 6749 §5.1), of a type that is understood (§7.1).
    pub(super) fn read(body: &Value, now: i64, version: u32) -> Option<Self> {
        let bearer = body["token_type"]
            .as_str()
            .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        if !bearer {
            return None;
        }
        let text = |name: &str| {
            let text = body[name].as_str()?;
            (!text.is_empty() && text.len() <= MAX_TOKEN).then(|| text.to_owned())
        };
        Some(Self {
            access_token: text("access_token")?,
            refresh_token: text("refresh_token"),
            scope: text("scope"),
            // Some write a number in quotes.
            expires_at: body["expires_in"]
                .as_i64()
                .or_else(|| body["expires_in"].as_str()?.parse().ok())
                .filter(|seconds| *seconds >= 0)
                .map(|seconds| now.saturating_add(seconds)),
            version,
        })
    }

    /// Whether the access token is good for a while yet, as far as its own end goes.
    pub(super) fn lasts(&self, now: i64) -> bool {
        self.expires_at
            .is_none_or(|end| now < end.saturating_sub(EARLY))
    }
}

impl Call<'_> {
    /// A form for one of the upstream's endpoints, with who we are. `label` tells two of one request apart.
    pub(super) fn upstream_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        label: &str,
    ) -> Result<UpstreamCall, Halt> {
        let upstream = &self.server.settings.upstream;
        let mut form = Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut authorization = None;
        match &upstream.authentication {
            UpstreamAuthentication::Basic(secret) => {
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!(
                    "{}:{}",
                    encoded(&upstream.client_id),
                    encoded(secret.expose())
                );
                let value = format!("Basic {}", base64(pair.as_bytes()));
                authorization = Some(Secret::new(value));
            }
            UpstreamAuthentication::Post(secret) => {
                form.append_pair("client_id", &upstream.client_id)
                    .append_pair("client_secret", secret.expose());
            }
            UpstreamAuthentication::PrivateKeyJwt(key) => {
                let now = self.moment.now;
                // `docs/decisions/0010-client-assertions.md`: one audience, and the issuer's own name.
                let claims = json!({
                    "iss": upstream.client_id,
                    "sub": upstream.client_id,
                    "aud": upstream.issuer,
                    "iat": now,
                    "exp": now.saturating_add(ASSERTION_LIFETIME),
                    "jti": self.moment.random_text(&format!("assertion {label}")),
                });
                let assertion = jws::sign("JWT", &claims, key).map_err(|_| Halt::unavailable())?;
                form.append_pair("client_id", &upstream.client_id)
                    .append_pair("client_assertion_type", ASSERTION_TYPE)
                    .append_pair("client_assertion", &assertion);
            }
            UpstreamAuthentication::None => {
                form.append_pair("client_id", &upstream.client_id);
            }
        }
        let form = Secret::new(form.finish());
        Ok(UpstreamCall::post(url, authorization, form))
    }

    /// Exchanges the refresh token for new ones. The upstream may rotate it: who asks twice may lose everything, so who
    /// asks holds the lease of its version.
    pub(super) async fn refresh_upstream(&self, held: &Held, refresh_token: &str) -> Refreshed {
        let upstream = &self.server.settings.upstream;
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        if upstream.forward_resource {
            fields.push(("resource", &self.server.settings.resource));
        }
        let call = self.upstream_form(&upstream.token_endpoint, &fields, "refresh");
        let Ok(call) = call else {
            return Refreshed::Unknown;
        };
        let Ok(answer) = self.desk.upstream(call).await else {
            return Refreshed::Unknown;
        };
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let version = held.version.saturating_add(1);
        match (answer.status, body["error"].as_str()) {
            (200, _) => match Held::read(&body, self.moment.now, version) {
                Some(new) => Refreshed::New(Held {
                    // RFC 6749 §6: who sends no new one means the old one to stay.
                    refresh_token: new.refresh_token.or_else(|| held.refresh_token.clone()),
                    scope: new.scope.or_else(|| held.scope.clone()),
                    ..new
                }),
                None => Refreshed::Unknown,
            },
            (400 | 401, Some("invalid_grant")) => Refreshed::Refused,
            (status, error) => {
                observe::upstream_refuses_us(&upstream.token_endpoint, status, error.is_some());
                Refreshed::Unknown
            }
        }
    }

    /// What introspection says of the access token. Its `sub` may be of another kind than the ID token's (a login name,
    /// say), so it is not looked at.
    pub(super) async fn introspect(&self, endpoint: &str, held: &Held) -> Told {
        let fields = [
            ("token", held.access_token.as_str()),
            ("token_type_hint", "access_token"),
        ];
        let Ok(call) = self.upstream_form(endpoint, &fields, "introspection") else {
            return Told::Nothing;
        };
        let Ok(answer) = self.desk.upstream(call).await else {
            return Told::Nothing;
        };
        match read_json(&answer, endpoint).and_then(|body| body["active"].as_bool()) {
            Some(true) => Told::Good,
            Some(false) => Told::NotGood,
            None => Told::Nothing,
        }
    }

    /// What the userinfo endpoint says of the access token, and of its person.
    pub(super) async fn userinfo(
        &self,
        endpoint: &str,
        person: &Person,
    ) -> (Told, Map<String, Value>) {
        let nothing = (Told::Nothing, Map::new());
        let Some(held) = &person.held else {
            return nothing;
        };
        let bearer = Secret::new(format!("Bearer {}", held.access_token));
        let call = UpstreamCall::get(endpoint, Some(bearer));
        let Ok(answer) = self.desk.upstream(call).await else {
            return nothing;
        };
        // RFC 6750 §3.1.
        if answer.status == 401 {
            return (Told::NotGood, Map::new());
        }
        match read_json(&answer, endpoint) {
            // OpenID Connect Core §5.3.2: it is the same, or nothing of this may be used.
            Some(Value::Object(claims)) => match claims.get("sub").and_then(Value::as_str) {
                Some(sub) if sub == person.sub => (Told::Good, claims),
                _ => (Told::Foreign, Map::new()),
            },
            _ => nothing,
        }
    }

    /// Takes back what the upstream gave (RFC 7009 §2.1). It may fail: then it is tried once more, and logged.
    pub(super) async fn revoke_upstream(&self, person: &Person) {
        let Some(endpoint) = &self.server.settings.upstream.revocation_endpoint else {
            return;
        };
        let Some(held) = &person.held else { return };
        let refresh = held.refresh_token.as_deref();
        let tokens = [
            (refresh, "refresh_token"),
            (Some(held.access_token.as_str()), "access_token"),
        ];
        let mut tries = 0;
        for (token, hint) in tokens {
            let Some(token) = token else { continue };
            loop {
                let fields = [("token", token), ("token_type_hint", hint)];
                let label = format!("revocation {tries}");
                let Ok(call) = self.upstream_form(endpoint, &fields, &label) else {
                    return;
                };
                let answer = self.desk.upstream(call).await;
                if answer.is_ok_and(|answer| answer.status == 200) {
                    break;
                }
                tries += 1;
                if tries > 1 {
                    return observe::upstream_not_revoked(endpoint);
                }
            }
        }
    }
}

/// An answer that is JSON. An upstream that does not know us is our trouble, and the operator's to mend.
fn read_json(answer: &UpstreamAnswer, url: &str) -> Option<Value> {
    if answer.status != 200 {
        observe::upstream_refuses_us(url, answer.status, false);
        return None;
    }
    serde_json::from_slice(&answer.body).ok()
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ASSERTION_LIFETIME: i64 = 60;
/// Longer tokens are not kept.
const MAX_TOKEN: usize = 16 * 1024;
/// Seconds before its end in which an access token counts as expired.
const EARLY: i64 = 10;
