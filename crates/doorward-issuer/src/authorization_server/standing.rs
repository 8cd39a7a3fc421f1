//! Whether what was given still stands: here, and upstream (RFC 9700 §4.14, RFC 7662). The resource asks that about an
//! access token's family, by its `sid`, after the token itself was verified.

use doorward_core::Secret;
use serde_json::{Map, Value};

use super::approvals::Register;
use super::respond::Halt;
use super::secrets::Digest;
use super::store::{Key, Kind, Operation, Outcome, Put};
use super::token::Family;
use super::upstream::{Held, Person, Refreshed, Told};
use super::{AuthorizationServer, Call, Exchange, Moment, UpstreamCheck, observe};
use crate::encoding::{base64url, base64url_decode};

/// Whether a family of tokens stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Stands,
    /// It does not: its access tokens are refused with `invalid_token`.
    Ended,
    /// Who would know is away: a 503 with `Retry-After`, and no word against the token.
    Unknown,
}

/// An upstream's access token, for a tool that calls the upstream itself. It must never go to a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpstreamToken {
    /// The token.
    pub access_token: Secret,
    /// The scopes the upstream granted, if it said.
    pub scope: Option<String>,
    /// When it expires, in seconds since 1970, if it said.
    pub expires_at: Option<i64>,
}

impl AuthorizationServer {
    /// Whether the family with this `sid` stands, and by the [policy](UpstreamCheck) the upstream still stands by it. Asks
    /// every time: [`Sessions`](super::Sessions) remembers.
    pub fn check(&self, sid: &str, moment: Moment) -> Exchange<Standing> {
        let digest = digest(sid);
        self.library(moment, move |call| {
            Box::pin(async move {
                match digest {
                    None => Standing::Ended,
                    Some(digest) => call.standing(digest).await.unwrap_or_else(|end| end),
                }
            })
        })
    }

    /// Whether the family with this `sid` stands here, whatever the upstream thinks of it by now.
    pub(super) fn check_here(&self, sid: &str, moment: Moment) -> Exchange<Standing> {
        let digest = digest(sid);
        self.library(moment, move |call| {
            Box::pin(async move {
                let found = match digest {
                    None => return Standing::Ended,
                    Some(digest) => call.found(digest).await,
                };
                found.map_or_else(|end| end, |_| Standing::Stands)
            })
        })
    }

    /// The upstream's access token of the family with this `sid`, refreshed if need be. The one way to it: nothing else
    /// hands it out.
    pub fn upstream_token(
        &self,
        sid: &str,
        moment: Moment,
    ) -> Exchange<Result<UpstreamToken, Standing>> {
        let digest = digest(sid);
        self.library(moment, move |call| {
            Box::pin(async move {
                let person = call.with_fresh_token(digest).await?;
                let held = person.held.ok_or(Standing::Ended)?;
                Ok(UpstreamToken {
                    access_token: Secret::new(held.access_token),
                    scope: held.scope,
                    expires_at: held.expires_at,
                })
            })
        })
    }

    /// What the upstream tells about the person of the family with this `sid` (OpenID Connect Core §5.3), asked anew: for
    /// tools that need more than access tokens [carry](super::Settings::claims). Its `sub` is the person's, compared
    /// exactly.
    pub fn userinfo(
        &self,
        sid: &str,
        moment: Moment,
    ) -> Exchange<Result<Map<String, Value>, Standing>> {
        let digest = digest(sid);
        self.library(moment, move |call| {
            Box::pin(async move {
                let endpoint = &call.server.settings.upstream.userinfo_endpoint;
                let endpoint = endpoint.as_ref().ok_or(Standing::Unknown)?;
                let person = call.with_fresh_token(digest).await?;
                match call.userinfo(endpoint, &person).await {
                    (Told::Good, claims) => Ok(claims),
                    (Told::NotGood | Told::Foreign, _) => Err(Standing::Ended),
                    (Told::Nothing, _) => Err(Standing::Unknown),
                }
            })
        })
    }
}

/// A family as it was read.
pub(super) struct Found {
    pub(super) family: Family,
    bytes: Vec<u8>,
}

/// What did not stand is said as an error.
type Stands<T> = Result<T, Standing>;

impl Call<'_> {
    async fn standing(&self, digest: Digest) -> Stands<Standing> {
        let found = self.found(digest).await?;
        self.upstream_stands(digest, found).await?;
        Ok(Standing::Stands)
    }

    /// The person of a family, with an access token of the upstream's that has not expired.
    async fn with_fresh_token(&self, digest: Option<Digest>) -> Stands<Person> {
        let digest = digest.ok_or(Standing::Ended)?;
        let found = self.found(digest).await?;
        let mut person = found.family.person.clone();
        let held = person.held.as_ref().ok_or(Standing::Ended)?;
        if !held.lasts(self.moment.now) && held.refresh_token.is_some() {
            let held = self.renewed(digest, found).await?;
            // Another node is renewing it just now.
            if !held.lasts(self.moment.now) {
                return Err(Standing::Unknown);
            }
            person.held = Some(held);
        }
        Ok(person)
    }

    /// The family, if it is there and its person has not ended it.
    pub(super) async fn found(&self, digest: Digest) -> Stands<Found> {
        let found = self.family(digest).await.map_err(unknown)?;
        let found = found.ok_or(Standing::Ended)?;
        let register: Option<Register> = self
            .read(self.register_key(&found.family.person.sub), None)
            .await
            .map_err(unknown)?;
        if register.is_some_and(|register| register.has_ended(&found.family)) {
            self.end(digest, &found.family).await?;
            return Err(Standing::Ended);
        }
        Ok(found)
    }

    pub(super) async fn family(&self, digest: Digest) -> Result<Option<Found>, Halt> {
        let key = Key {
            kind: Kind::Family,
            digest,
        };
        let bytes = self.bytes(key).await?;
        // What cannot be read is of another version: as good as absent.
        Ok(bytes.and_then(|bytes| {
            let family = serde_json::from_slice(&bytes).ok()?;
            Some(Found { family, bytes })
        }))
    }

    /// Whether the upstream stands by the family. Where it does not, the family ends.
    pub(super) async fn upstream_stands(&self, digest: Digest, found: Found) -> Stands<()> {
        let upstream = &self.server.settings.upstream;
        let person = &found.family.person;
        let Some(held) = &person.held else {
            return Ok(());
        };
        if self.server.settings.upstream_check == UpstreamCheck::Never {
            return Ok(());
        }
        let (introspection, userinfo) = (
            &upstream.introspection_endpoint,
            &upstream.userinfo_endpoint,
        );
        let told = match (introspection, userinfo) {
            _ if !held.lasts(self.moment.now) => Told::NotGood,
            (Some(endpoint), _) => self.introspect(endpoint, held).await,
            (None, Some(endpoint)) => self.userinfo(endpoint, person).await.0,
            (None, None) => Told::Good,
        };
        let asks = introspection.is_some() || userinfo.is_some();
        match (told, &held.refresh_token) {
            (Told::Good, _) => Ok(()),
            (Told::Nothing, _) => Err(Standing::Unknown),
            // An access token that is good no longer says nothing yet about who holds a refresh token.
            (Told::NotGood, Some(_)) => self.renewed(digest, found).await.map(drop),
            // There is nobody to ask, and never was.
            (Told::NotGood, None) if !asks => Ok(()),
            (Told::NotGood | Told::Foreign, _) => {
                self.end(digest, &found.family).await?;
                Err(Standing::Ended)
            }
        }
    }

    /// Renews what the upstream gave, once for each version however many nodes mean to. What another node is renewing
    /// just now is as good as it is.
    async fn renewed(&self, digest: Digest, found: Found) -> Stands<Held> {
        let held = found.family.person.held.ok_or(Standing::Ended)?;
        let name = format!("upstream {} {}", base64url(digest), held.version);
        let lease = self.server.keys.key(Kind::Lease, &name);
        let mark = self.moment.random_text("lease").into_bytes();
        let put = Operation::PutIfAbsent {
            key: lease,
            value: mark.clone(),
            expires_at: self.moment.now.saturating_add(LEASE),
        };
        match self.desk.store(put).await {
            Ok(Outcome::Put(Put::Stored)) => {}
            Ok(Outcome::Put(Put::Present)) => {
                if self.bytes(lease).await.map_err(unknown)?.as_deref() == Some(FAILED) {
                    return Err(Standing::Unknown);
                }
                // Who has it may be done by now.
                let found = self.family(digest).await.map_err(unknown)?;
                let found = found.ok_or(Standing::Ended)?;
                return found.family.person.held.ok_or(Standing::Ended);
            }
            _ => return Err(Standing::Unknown),
        }
        // Somebody may have renewed it before the lease was ours.
        let Some(found) = self.family(digest).await.map_err(unknown)? else {
            return Err(Standing::Ended);
        };
        let now_held = found.family.person.held.clone().ok_or(Standing::Ended)?;
        if now_held.version != held.version {
            return Ok(now_held);
        }
        let refresh_token = held.refresh_token.as_deref().ok_or(Standing::Ended)?;
        match self.refresh_upstream(&held, refresh_token).await {
            Refreshed::New(new) => self.keep(digest, found, new).await,
            Refreshed::Refused => {
                self.end(digest, &found.family).await?;
                Err(Standing::Ended)
            }
            Refreshed::Unknown => {
                // Nobody tries again before the lease is over.
                let failed = Operation::Replace {
                    key: lease,
                    before: mark,
                    after: FAILED.to_vec(),
                    expires_at: self.moment.now,
                };
                let _ = self.desk.store(failed).await;
                Err(Standing::Unknown)
            }
        }
    }

    /// Keeps what the upstream just gave. It gives it once, so the store is asked again where it did not answer.
    async fn keep(&self, digest: Digest, mut found: Found, new: Held) -> Stands<Held> {
        let key = Key {
            kind: Kind::Family,
            digest,
        };
        let last = found.family.person.held.as_ref().map(|held| held.version);
        for _ in 0..TRIES {
            let Found { family, bytes } = found;
            let mut after = family;
            after.person.held = Some(new.clone());
            let replace = Operation::Replace {
                key,
                before: bytes,
                after: serde_json::to_vec(&after).map_err(|_| Standing::Unknown)?,
                expires_at: self.moment.now,
            };
            if let Ok(Outcome::Replaced(true)) = self.desk.store(replace).await {
                return Ok(new);
            }
            found = match self.family(digest).await {
                // It ended meanwhile, and what was just given ends with it.
                Ok(None) => {
                    self.revoke_upstream(&after.person).await;
                    return Err(Standing::Ended);
                }
                Ok(Some(found)) => found,
                Err(_) => return Err(Standing::Unknown),
            };
            let held = found.family.person.held.as_ref();
            match held.map(|held| held.version) {
                version if version == last => {}
                // It was kept, and the answer was lost.
                Some(version) if version == new.version => return Ok(new),
                _ => return Err(Standing::Unknown),
            }
        }
        Err(Standing::Unknown)
    }

    /// Ends a family here and upstream.
    pub(super) async fn end(&self, digest: Digest, family: &Family) -> Stands<()> {
        let ended = Operation::RevokeFamily { family: digest };
        self.desk
            .store(ended)
            .await
            .map_err(|_| Standing::Unknown)?;
        observe::ended(&family.client_id, &family.person.sub);
        self.revoke_upstream(&family.person).await;
        Ok(())
    }
}

/// The name under which the family with this `sid` is kept.
pub(super) fn digest(sid: &str) -> Option<Digest> {
    base64url_decode(sid)?.try_into().ok()
}

fn unknown(_: Halt) -> Standing {
    Standing::Unknown
}

/// Seconds in which one node has the time to renew something: longer than a call takes.
const LEASE: i64 = 20;
const TRIES: u32 = 3;
/// What a lease says whose task failed.
const FAILED: &[u8] = b"failed";
