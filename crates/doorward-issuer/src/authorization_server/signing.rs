//! The keys that access tokens are signed with: given by the operator, or one for each period, in the store, so that all
//! nodes have the same without speaking to one another (RFC 7517, NIST SP 800-57 §5.3.6).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::respond::Halt;
use super::store::{Kind, Operation, Outcome, Put, StoreError};
use super::{AuthorizationServer, Call, Exchange, Moment, observe};
use crate::keys::{SigningAlgorithm, SigningKey};

/// Where the keys come from.
pub(super) enum Signing {
    /// The operator: the first signs, all are published.
    Fixed(Vec<Arc<SigningKey>>),
    /// The store: the key of the period that `now` is in signs; that of the next is published ahead, and those whose
    /// tokens may still be good are published on.
    Rotating(Rotation),
}

pub(super) struct Rotation {
    /// Seconds.
    period: i64,
    /// The keys by the number of their period. A key never changes, so it is read once.
    known: Mutex<BTreeMap<i64, Arc<SigningKey>>>,
}

impl AuthorizationServer {
    /// The public keys as `/jwks` publishes them, for a verifier in the same process: it knows the next period's key
    /// before it signs.
    pub fn keys(&self, moment: Moment) -> Exchange<Result<Value, StoreError>> {
        self.library(moment, move |call| {
            Box::pin(async move {
                let keys = call.published_keys().await.map_err(|_| StoreError)?;
                Ok(jwks(&keys))
            })
        })
    }

    /// The public keys that are known without asking the store: all, where the operator gave them.
    pub fn jwks(&self) -> Value {
        jwks(&match &self.0.signing {
            Signing::Fixed(keys) => keys.clone(),
            Signing::Rotating(rotation) => rotation.lock().values().cloned().collect(),
        })
    }
}

impl Rotation {
    pub(super) fn new(period: i64) -> Self {
        Self {
            period,
            known: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Arc<SigningKey>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, now: i64) -> i64 {
        now.div_euclid(self.period)
    }
}

impl Call<'_> {
    /// The key that signs now.
    pub(super) async fn signing_key(&self) -> Result<Arc<SigningKey>, Halt> {
        match &self.server.signing {
            Signing::Fixed(keys) => keys.first().cloned().ok_or_else(Halt::unavailable),
            Signing::Rotating(rotation) => {
                let number = rotation.number(self.moment.now);
                self.key_of(rotation, number, true)
                    .await?
                    .ok_or_else(Halt::unavailable)
            }
        }
    }

    /// The keys whose signatures are good now or soon, the signing one first.
    pub(super) async fn published_keys(&self) -> Result<Vec<Arc<SigningKey>>, Halt> {
        let rotation = match &self.server.signing {
            Signing::Fixed(keys) => return Ok(keys.clone()),
            Signing::Rotating(rotation) => rotation,
        };
        let number = rotation.number(self.moment.now);
        let mut keys = Vec::new();
        // A period is as long as an access token lives at least.
        for (number, make) in [(number, true), (number + 1, true), (number - 1, false)] {
            keys.extend(self.key_of(rotation, number, make).await?);
        }
        rotation.lock().retain(|known, _| *known >= number - 1);
        Ok(keys)
    }

    pub(super) async fn document_of_keys(&self) -> Result<Value, Halt> {
        Ok(jwks(&self.published_keys().await?))
    }

    /// The key of a period: whoever is first makes it, everybody reads it.
    async fn key_of(
        &self,
        rotation: &Rotation,
        number: i64,
        make: bool,
    ) -> Result<Option<Arc<SigningKey>>, Halt> {
        if let Some(known) = rotation.lock().get(&number) {
            return Ok(Some(Arc::clone(known)));
        }
        let name = format!("{} {number}", rotation.period);
        let key = self.server.keys.key(Kind::SigningKey, &name);
        let mut der = self.bytes(key).await?;
        if der.is_none() && make {
            let made =
                SigningKey::generate(SigningAlgorithm::ES256).map_err(|_| Halt::unavailable())?;
            let ends = (number + 1).saturating_mul(rotation.period);
            let lifetime = self.server.settings.access_token_lifetime;
            let put = Operation::PutIfAbsent {
                key,
                value: made.private_der().to_vec(),
                expires_at: ends.saturating_add(lifetime).saturating_add(SPARE),
            };
            der = match self.desk.store(put).await? {
                Outcome::Put(Put::Stored) => {
                    observe::key_made(made.kid());
                    Some(made.private_der().to_vec())
                }
                // Another node was first.
                Outcome::Put(Put::Present) => self.bytes(key).await?,
                _ => return Err(Halt::unavailable()),
            };
        }
        let Some(der) = der else { return Ok(None) };
        let read = SigningKey::from_pkcs8_der(&der, SigningAlgorithm::ES256);
        let read = Arc::new(read.map_err(|_| Halt::unavailable())?);
        rotation.lock().insert(number, Arc::clone(&read));
        Ok(Some(read))
    }
}

fn jwks(keys: &[Arc<SigningKey>]) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys })
}

/// Seconds that a key is kept for clocks that are slow.
const SPARE: i64 = 3600;
