//! Tokens: given, renewed, taken back (RFC 6749 §5 and §6, RFC 7009, RFC 9068, RFC 9700 §4.14).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::authorize::invalid_target;
use super::callback::Grant;
use super::client::Client;
use super::respond::{Halt, private};
use super::secrets::{Digest, FamilyId, REFRESH_PREFIX, s256, same};
use super::standing::digest;
use super::store::{Kind, Operation, Outcome, Redeemed, Redemption, Rotated};
use super::upstream::Person;
use super::{Call, Reply, Standing, observe};
use crate::encoding::base64url;
use crate::jws::{self, Compact};
use crate::oauth::Form;

/// What a family of refresh tokens stands for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Family {
    pub(super) client_id: String,
    pub(super) scopes: Vec<String>,
    pub(super) person: Person,
}

impl Call<'_> {
    pub(super) async fn token(&self) -> Result<Reply, Halt> {
        let form = Form::read(self.request.headers(), self.request.body())?;
        form.all_once()?;
        let client = self.authenticated(&form).await?;
        if form
            .one("resource")?
            .is_some_and(|resource| !self.server.is_resource(resource))
        {
            return Err(invalid_target());
        }
        match form.required("grant_type")? {
            "client_credentials" if client.acts_alone => self.alone(&form, &client).await,
            "client_credentials" => Err(Halt::new(
                "unauthorized_client",
                "the client may not act for itself",
            )),
            "authorization_code" => self.redeem(&form, &client).await,
            "refresh_token" if client.refreshes => self.refresh(&form, &client).await,
            "refresh_token" => Err(Halt::new(
                "unauthorized_client",
                "the client was not registered for refresh_token",
            )),
            _ => Err(Halt::new(
                "unsupported_grant_type",
                "expected authorization_code, refresh_token or client_credentials",
            )),
        }
    }

    async fn redeem(&self, form: &Form, client: &Client) -> Result<Reply, Halt> {
        let keys = &self.server.keys;
        let code = form.required("code")?;
        // OAuth 2.1 §10.2 repeats it no longer, since PKCE says more.
        let redirect_uri = form.one("redirect_uri")?;
        let verifier = form.required("code_verifier")?;
        let refused = || Halt::invalid_grant("the code is not good, or not for this request");
        let key = keys.key(Kind::Code, code);
        let Grant { asked, person } = self.read(key, None).await?.ok_or_else(refused)?;
        // Whose code it is not, does not use it up and does not end what came of it.
        let own = asked.client_id == client.client_id
            && redirect_uri.is_none_or(|repeated| repeated == asked.redirect_uri)
            && is_verifier(verifier)
            && same(&s256(verifier), &asked.code_challenge);
        if !own {
            return Err(refused());
        }
        let id = keys.family_of(code);
        let mut scopes = asked.scopes;
        scopes.retain(|scope| self.server.settings.scopes.contains(scope));
        let family = Family {
            client_id: asked.client_id,
            scopes,
            person,
        };
        let redemption = Redemption {
            code: key.digest,
            remember_until: self.moment.now.saturating_add(CODE_MEMORY),
            family: keys.family_key(&id),
            value: serde_json::to_vec(&family).map_err(|_| Halt::unavailable())?,
            // One that is never refreshed is there only to be revoked.
            expires_at: if client.refreshes {
                self.refreshable_until()
            } else {
                self.moment
                    .now
                    .saturating_add(self.server.settings.access_token_lifetime)
            },
        };
        let digest = redemption.family;
        match self.desk.store(Operation::Redeem(redemption)).await? {
            Outcome::Redeemed(Redeemed::First) => {
                self.given(&family, &family.scopes, client, (&id, 1)).await
            }
            // RFC 6749 §4.1.2: somebody else has this code as well.
            Outcome::Redeemed(Redeemed::Again) => {
                observe::replayed("code", &family.client_id);
                self.end_what_is_there(digest).await?;
                Err(refused())
            }
            Outcome::Redeemed(Redeemed::Absent) => Err(refused()),
            _ => Err(Halt::unavailable()),
        }
    }

    async fn refresh(&self, form: &Form, client: &Client) -> Result<Reply, Halt> {
        let keys = &self.server.keys;
        let refused = || Halt::invalid_grant("the refresh token is not good, or not this client's");
        let token = form.required("refresh_token")?;
        let (id, generation) = keys.read_refresh_token(token).ok_or_else(refused)?;
        let digest = keys.family_key(&id);
        let found = match self.found(digest).await {
            Ok(found) => found,
            Err(Standing::Unknown) => return Err(Halt::unavailable()),
            Err(_) => return Err(refused()),
        };
        let family = found.family.clone();
        if family.client_id != client.client_id {
            return Err(refused());
        }
        // RFC 6749 §6: less than was granted may be asked for, never more. The refresh token keeps what was granted.
        let mut scopes = match form.one("scope")? {
            None => family.scopes.clone(),
            Some(scope) => self
                .server
                .known_scopes(scope)
                .filter(|scopes| scopes.iter().all(|scope| family.scopes.contains(scope)))
                .ok_or_else(|| Halt::new("invalid_scope", "a scope was not granted"))?,
        };
        // What the operator grants no longer, nobody has for longer than an access token lasts.
        scopes.retain(|scope| self.server.settings.scopes.contains(scope));
        self.server.limit_to_upstream(&mut scopes, &family.person);
        // Before anything is used up: who cannot be answered now may come again.
        match self.upstream_stands(digest, found).await {
            Ok(()) => {}
            Err(Standing::Unknown) => return Err(Halt::unavailable()),
            Err(_) => return Err(refused()),
        }
        let operation = Operation::Rotate {
            family: digest,
            presented: generation,
            grace: REFRESH_GRACE,
            extend_to: self.refreshable_until(),
        };
        match self.desk.store(operation).await? {
            Outcome::Rotated(Rotated::Next(next) | Rotated::Again(next)) => {
                self.given(&family, &scopes, client, (&id, next)).await
            }
            Outcome::Rotated(Rotated::Reused) => {
                observe::replayed("refresh_token", &family.client_id);
                // The store has ended it.
                self.revoke_upstream(&family.person).await;
                Err(refused())
            }
            Outcome::Rotated(Rotated::Absent) => Err(refused()),
            _ => Err(Halt::unavailable()),
        }
    }

    /// RFC 6749 §4.4: a client acts for itself. There is no person, so there is no family: the token is good until it
    /// expires, and nothing renews it but the client's credentials.
    async fn alone(&self, form: &Form, client: &Client) -> Result<Reply, Halt> {
        let allowed = self.server.allowed(client);
        let scopes = match form.one("scope")? {
            None => allowed,
            Some(scope) => self
                .server
                .known_scopes(scope)
                .filter(|scopes| scopes.iter().all(|scope| allowed.contains(scope)))
                .ok_or_else(|| Halt::new("invalid_scope", "a scope is not granted here"))?,
        };
        observe::acts_alone(&client.client_id);
        let claims = self.claims(&client.client_id, &client.client_id, &scopes.join(" "));
        let body = self.signed(&claims).await?;
        Ok(Reply::Response(private(&body)))
    }

    /// RFC 7009 §2: who asks learns nothing but that it is done.
    pub(super) async fn revoke(&self) -> Result<Reply, Halt> {
        let form = Form::read(self.request.headers(), self.request.body())?;
        form.all_once()?;
        let client = self.authenticated(&form).await?;
        let token = form.required("token")?;
        let keys = &self.server.keys;
        let digest = if token.starts_with(REFRESH_PREFIX) {
            keys.read_refresh_token(token)
                .map(|(id, _)| keys.family_key(&id))
        } else {
            self.family_of_access_token(token).await?
        };
        if let Some(digest) = digest {
            let family = self.family(digest).await?.map(|found| found.family);
            // §2.1: a token is taken back by its own client only.
            if let Some(family) = family.filter(|family| family.client_id == client.client_id) {
                self.end(digest, &family)
                    .await
                    .map_err(|_| Halt::unavailable())?;
            }
        }
        Ok(Reply::Response(private(&json!({}))))
    }

    async fn end_what_is_there(&self, digest: Digest) -> Result<(), Halt> {
        if let Some(found) = self.family(digest).await? {
            self.end(digest, &found.family)
                .await
                .map_err(|_| Halt::unavailable())?;
        }
        Ok(())
    }

    /// RFC 6749 §5.1, with a refresh token of this family and generation for who may refresh.
    async fn given(
        &self,
        family: &Family,
        scopes: &[String],
        client: &Client,
        (id, generation): (&FamilyId, u32),
    ) -> Result<Reply, Halt> {
        self.outlives(client).await;
        let (settings, keys) = (&self.server.settings, &self.server.keys);
        let mut claims = self.claims(&family.person.sub, &family.client_id, &scopes.join(" "));
        claims["sid"] = json!(base64url(keys.family_key(id)));
        for name in &settings.claims {
            if let Some(value) = family.person.claims.get(name) {
                claims[name] = value.clone();
            }
        }
        let mut body = self.signed(&claims).await?;
        if client.refreshes {
            body["refresh_token"] = json!(keys.refresh_token(id, generation).expose());
        }
        Ok(Reply::Response(private(&body)))
    }

    /// RFC 9068 §2.2.
    fn claims(&self, sub: &str, client_id: &str, scope: &str) -> Value {
        let (settings, now) = (&self.server.settings, self.moment.now);
        json!({
            "iss": settings.issuer,
            "aud": settings.resource,
            "sub": sub,
            "client_id": client_id,
            "scope": scope,
            "jti": self.moment.random_text("jti"),
            "iat": now,
            "exp": now.saturating_add(settings.access_token_lifetime),
        })
    }

    /// RFC 6749 §5.1.
    async fn signed(&self, claims: &Value) -> Result<Value, Halt> {
        let key = self.signing_key().await?;
        let access_token = jws::sign(TYPE, claims, &key).map_err(|_| Halt::unavailable())?;
        Ok(json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.server.settings.access_token_lifetime,
            "scope": claims["scope"],
        }))
    }

    /// The family of an access token that was signed here. It may have expired.
    async fn family_of_access_token(&self, token: &str) -> Result<Option<Digest>, Halt> {
        let keys = self.published_keys().await?;
        let family = || {
            let read = Compact::read(token)?;
            let (algorithm, kid) = (read.algorithm()?, read.text("kid")?);
            let key = keys
                .iter()
                .find(|key| key.kid() == kid && key.algorithm() == algorithm)?;
            let ours = read.text("typ") == Some(TYPE)
                && key.verifies(read.signed.as_bytes(), &read.signature)
                && read.claims.get("iss")?.as_str() == Some(&self.server.settings.issuer);
            digest(read.claims.get("sid").filter(|_| ours)?.as_str()?)
        };
        Ok(family())
    }

    fn refreshable_until(&self) -> i64 {
        self.moment
            .now
            .saturating_add(self.server.settings.refresh_lifetime)
    }
}

/// RFC 7636 §4.1.
fn is_verifier(text: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

/// RFC 9068 §2.1.
const TYPE: &str = "at+jwt";
/// Seconds in which a refresh token that was replaced is worth its successor, for who lost the answer.
const REFRESH_GRACE: i64 = 30;
/// Seconds that a used code is remembered, so that a second use ends what came of the first.
const CODE_MEMORY: i64 = 600;
