//! What people approved: a register for each of them, written when they have signed in (MCP security best practices,
//! "Confused Deputy": a registry of approved clients per user).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::authorize::Asked;
use super::store::{Key, Kind, Operation, Outcome, Put, StoreError};
use super::token::Family;
use super::{AuthorizationServer, Call, Exchange, Moment};

/// That somebody let a client act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Approval {
    /// The client.
    pub client_id: String,
    /// What it was called.
    pub client_name: String,
    /// Where the answers go.
    pub redirect_uri: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When, in seconds since 1970; the last time, if several times.
    pub at: i64,
}

impl AuthorizationServer {
    /// What the person with this `sub` approved and has not withdrawn, as far as it was used in the last while: a register
    /// is forgotten when nobody has signed in for as long as refresh tokens live.
    pub fn approvals(
        &self,
        sub: &str,
        moment: Moment,
    ) -> Exchange<Result<Vec<Approval>, StoreError>> {
        let sub = sub.to_owned();
        self.library(moment, move |call| {
            Box::pin(async move {
                let key = call.register_key(&sub);
                let register: Option<Register> =
                    call.read(key, None).await.map_err(|_| StoreError)?;
                Ok(register.unwrap_or_default().approved)
            })
        })
    }

    /// Forgets what this person approved for this client, and ends what came of it: its refresh tokens at once, its access
    /// tokens when they are [checked](Self::check) next.
    pub fn withdraw(
        &self,
        sub: &str,
        client_id: &str,
        moment: Moment,
    ) -> Exchange<Result<(), StoreError>> {
        let (sub, client_id) = (sub.to_owned(), client_id.to_owned());
        self.library(moment, move |call| {
            Box::pin(async move {
                let now = call.moment.now;
                call.amend(&sub, |register| register.end(Some(&client_id), now))
                    .await
            })
        })
    }

    /// Ends everything that came of this person's sign-ins until now, as [`withdraw`](Self::withdraw) does, and keeps what
    /// was approved: for who was locked out or signed out upstream.
    pub fn end_sessions(&self, sub: &str, moment: Moment) -> Exchange<Result<(), StoreError>> {
        let sub = sub.to_owned();
        self.library(moment, move |call| {
            Box::pin(async move {
                let now = call.moment.now;
                call.amend(&sub, |register| register.end(None, now)).await
            })
        })
    }
}

/// What is kept for one person.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Register {
    approved: Vec<Approval>,
    /// Until when what was begun has ended, for each client.
    ended: BTreeMap<String, i64>,
    /// The same for every client.
    all_ended: Option<i64>,
}

impl Register {
    /// Whether this was begun before it was ended.
    pub(super) fn has_ended(&self, family: &Family) -> bool {
        let of_client = self.ended.get(&family.client_id).copied();
        of_client
            .max(self.all_ended)
            .is_some_and(|end| family.person.at <= end)
    }

    /// Whether exactly this was approved.
    pub(super) fn has(&self, asked: &Asked) -> bool {
        self.approved.iter().any(|known| {
            known.client_id == asked.client_id
                && known.redirect_uri == asked.redirect_uri
                && asked
                    .scopes
                    .iter()
                    .all(|scope| known.scopes.contains(scope))
        })
    }

    fn approve(&mut self, approval: Approval) {
        self.approved.retain(|known| {
            known.client_id != approval.client_id || known.redirect_uri != approval.redirect_uri
        });
        self.approved.push(approval);
        let surplus = self.approved.len().saturating_sub(MOST);
        self.approved.drain(..surplus);
    }

    fn end(&mut self, client_id: Option<&str>, now: i64) {
        match client_id {
            None => {
                self.all_ended = self.all_ended.max(Some(now));
                self.ended.clear();
            }
            Some(client_id) => {
                self.approved.retain(|known| known.client_id != client_id);
                self.ended.insert(client_id.to_owned(), now);
            }
        }
        // Rather too much than too little.
        if self.ended.len() > MOST {
            self.end(None, now);
        }
    }
}

impl Call<'_> {
    pub(super) fn register_key(&self, sub: &str) -> Key {
        self.server.keys.key(Kind::Approvals, sub)
    }

    /// Writes down what somebody just approved.
    pub(super) async fn approved(&self, sub: &str, asked: &Asked) -> Result<(), StoreError> {
        let approval = Approval {
            client_id: asked.client_id.clone(),
            client_name: asked.client_name.clone(),
            redirect_uri: asked.redirect_uri.clone(),
            scopes: asked.scopes.clone(),
            at: self.moment.now,
        };
        self.amend(sub, |register| register.approve(approval.clone()))
            .await
    }

    /// Changes a register, whoever else is changing it.
    async fn amend(
        &self,
        sub: &str,
        change: impl Fn(&mut Register) + Send + Sync,
    ) -> Result<(), StoreError> {
        let key = self.register_key(sub);
        // What has ended has to be remembered for as long as anything lives that was begun before.
        let settings = &self.server.settings;
        let expires_at = self.moment.now.saturating_add(
            settings
                .refresh_lifetime
                .max(settings.access_token_lifetime)
                .saturating_add(SPARE),
        );
        for _ in 0..TRIES {
            let before = self.bytes(key).await.map_err(|_| StoreError)?;
            let read = before
                .as_deref()
                .and_then(|bytes| serde_json::from_slice(bytes).ok());
            let mut register: Register = read.unwrap_or_default();
            change(&mut register);
            let after = serde_json::to_vec(&register).map_err(|_| StoreError)?;
            let operation = match before {
                None => Operation::PutIfAbsent {
                    key,
                    value: after,
                    expires_at,
                },
                Some(before) => Operation::Replace {
                    key,
                    before,
                    after,
                    expires_at,
                },
            };
            match self.desk.store(operation).await? {
                Outcome::Put(Put::Stored) | Outcome::Replaced(true) => return Ok(()),
                Outcome::Put(Put::Present) | Outcome::Replaced(false) => {}
                _ => break,
            }
        }
        Err(StoreError)
    }
}

/// How much is remembered of one person.
const MOST: usize = 100;
const TRIES: u32 = 8;
/// Seconds.
const SPARE: i64 = 3600;
