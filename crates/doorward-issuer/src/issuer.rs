//! The issuer: its keys as they come and go, its metadata (RFC 8414), its tokens.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::encoding::base64_unpadded;
use crate::fault::Fault;
use crate::keys::{KeyError, SigningAlgorithm, SigningKey};
use crate::mint::{Mint, MintError};

/// A local issuer, for tests and demonstrations. Shared freely: everything changes through `&self`.
pub struct DevIssuer {
    clock: Clock,
    max_age: u64,
    state: Mutex<State>,
    jwks_fetches: AtomicU64,
    discovery_fetches: AtomicU64,
    authorized_fetches: AtomicU64,
}

impl DevIssuer {
    /// An issuer with one RS256 key and the system's clock.
    pub fn new() -> Result<Self, KeyError> {
        Self::builder().build()
    }

    /// Says more about the issuer before it is made.
    pub fn builder() -> DevIssuerBuilder {
        DevIssuerBuilder {
            issuer: None,
            algorithms: Vec::new(),
            keys: Vec::new(),
            clock: Arc::new(system_time),
            max_age: DEFAULT_MAX_AGE,
        }
    }

    /// The issuer's URL: the one that was set, else where it is served, else [`DevIssuer::UNSERVED`].
    pub fn issuer(&self) -> String {
        self.state()
            .issuer
            .clone()
            .unwrap_or_else(|| Self::UNSERVED.to_owned())
    }

    /// The issuer's URL as long as it has no other.
    pub const UNSERVED: &'static str = "https://issuer.doorward.test";

    /// Makes a token.
    pub fn mint(&self, mint: &Mint) -> Result<String, MintError> {
        let key = {
            let state = self.state();
            let mut signing = state
                .keys
                .iter()
                .filter(|held| held.signs)
                .map(|held| &held.key);
            let found = match mint.alg {
                Some(algorithm) => signing.find(|key| key.algorithm() == algorithm),
                None => signing.next(),
            };
            Arc::clone(found.ok_or(MintError::NoKey(mint.alg.unwrap_or_default()))?)
        };
        let stranger = mint
            .needs_stranger()
            .then(|| self.stranger(key.algorithm()))
            .transpose()?;
        mint.token(&self.issuer(), (self.clock)(), &key, stranger.as_deref())
    }

    /// The published keys, newest first.
    pub fn jwks(&self) -> Value {
        let state = self.state();
        let keys: Vec<Value> = state
            .keys
            .iter()
            .filter(|held| held.published)
            .map(|held| held.key.jwk())
            .collect();
        json!({ "keys": keys })
    }

    /// The names of the published keys, newest first.
    pub fn kids(&self) -> Vec<String> {
        let state = self.state();
        state
            .keys
            .iter()
            .filter(|held| held.published)
            .map(|held| held.key.kid().to_owned())
            .collect()
    }

    /// The metadata (RFC 8414 §2, OpenID Connect Discovery §3): what is there, and no endpoint that is not.
    pub fn discovery(&self) -> Value {
        let issuer = self.issuer();
        let mut algorithms: Vec<_> = self
            .state()
            .keys
            .iter()
            .map(|held| held.key.algorithm().as_str())
            .collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')),
            "response_types_supported": [],
            "grant_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        })
    }

    /// A Clerk publishable key whose front-end API is this issuer.
    pub fn publishable_key(&self) -> String {
        let issuer = self.issuer();
        let host = issuer
            .split_once("://")
            .map_or(issuer.as_str(), |(_, rest)| rest)
            .trim_end_matches('/');
        format!("pk_test_{}", base64_unpadded(format!("{host}$").as_bytes()))
    }

    /// The PEM of the key that signs first, for verification without a network.
    pub fn public_pem(&self) -> String {
        self.state()
            .keys
            .iter()
            .find(|held| held.signs)
            .map(|held| held.key.public_pem())
            .unwrap_or_default()
    }

    /// New keys in, old ones out at once; returns the first new key's name.
    pub fn rotate(&self) -> Result<String, KeyError> {
        self.replace_keys(false)
    }

    /// New keys in; old ones sign no more but stay published. Returns the first new key's name.
    pub fn rotate_overlapping(&self) -> Result<String, KeyError> {
        self.replace_keys(true)
    }

    /// Publishes this key no more; says whether it was published. If it signs, it goes on signing.
    pub fn withdraw(&self, kid: &str) -> bool {
        let mut state = self.state();
        let mut withdrawn = false;
        for held in state.keys.iter_mut().filter(|held| held.key.kid() == kid) {
            withdrawn |= std::mem::replace(&mut held.published, false);
        }
        state.keys.retain(|held| held.published || held.signs);
        withdrawn
    }

    /// What happens to fetches now.
    pub fn fault(&self) -> Fault {
        self.state().fault.clone()
    }

    /// Sets what happens to fetches from now on.
    pub fn set_fault(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// How often keys were fetched over HTTP, faults included.
    pub fn jwks_fetches(&self) -> u64 {
        self.jwks_fetches.load(Ordering::Relaxed)
    }

    /// How often metadata was fetched over HTTP, faults included.
    pub fn discovery_fetches(&self) -> u64 {
        self.discovery_fetches.load(Ordering::Relaxed)
    }

    /// How many of all fetches carried an `Authorization` header.
    pub fn authorized_fetches(&self) -> u64 {
        self.authorized_fetches.load(Ordering::Relaxed)
    }

    /// How long fetched keys may be kept, in seconds.
    pub(crate) fn max_age(&self) -> u64 {
        self.max_age
    }

    pub(crate) fn count_fetch(&self, of_keys: bool, authorized: bool) {
        let counter = if of_keys {
            &self.jwks_fetches
        } else {
            &self.discovery_fetches
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.authorized_fetches
            .fetch_add(u64::from(authorized), Ordering::Relaxed);
    }

    /// Takes this URL as the issuer's, unless it has one.
    pub(crate) fn served_at(&self, url: &str) {
        self.state().issuer.get_or_insert_with(|| url.to_owned());
    }

    fn replace_keys(&self, overlapping: bool) -> Result<String, KeyError> {
        let algorithms: Vec<_> = self
            .state()
            .keys
            .iter()
            .filter(|held| held.signs)
            .map(|held| held.key.algorithm())
            .collect();
        // Made without the lock: RSA takes its time.
        let mut keys = Held::generate(&algorithms)?;
        let kid = keys
            .first()
            .map(|held| held.key.kid().to_owned())
            .unwrap_or_default();
        let mut state = self.state();
        if overlapping {
            keys.extend(
                state
                    .keys
                    .drain(..)
                    .filter(|held| held.published)
                    .map(|held| Held {
                        signs: false,
                        ..held
                    }),
            );
            keys.truncate(MAX_KEYS);
        }
        state.keys = keys;
        Ok(kid)
    }

    /// A key nobody published, made when first needed.
    fn stranger(&self, algorithm: SigningAlgorithm) -> Result<Arc<SigningKey>, KeyError> {
        let known = |state: &State| {
            state
                .strangers
                .iter()
                .find(|key| key.algorithm() == algorithm)
                .cloned()
        };
        if let Some(key) = known(&self.state()) {
            return Ok(key);
        }
        let key = Arc::new(SigningKey::generate(algorithm)?);
        let mut state = self.state();
        // Another thread may have been faster; there is at most one for each algorithm.
        if let Some(key) = known(&state) {
            return Ok(key);
        }
        state.strangers.push(Arc::clone(&key));
        Ok(key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DevIssuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DevIssuer")
            .field("issuer", &self.issuer())
            .field("kids", &self.kids())
            .field("fault", &self.fault())
            .finish_non_exhaustive()
    }
}

/// What an issuer is made of.
pub struct DevIssuerBuilder {
    issuer: Option<String>,
    algorithms: Vec<SigningAlgorithm>,
    keys: Vec<SigningKey>,
    clock: Clock,
    max_age: u64,
}

impl DevIssuerBuilder {
    /// The issuer's URL; by default the one it is served at.
    #[must_use]
    pub fn issuer(mut self, url: impl Into<String>) -> Self {
        self.issuer = Some(url.into());
        self
    }

    /// Makes a key for each of these algorithms; the first one signs what asks for none.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[SigningAlgorithm]) -> Self {
        self.algorithms.extend_from_slice(algorithms);
        self
    }

    /// Brings a key; keys that are brought stand before keys that are made.
    #[must_use]
    pub fn key(mut self, key: SigningKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Tells the time, in seconds since 1970; by default the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How long fetched keys may be kept (`Cache-Control: max-age`); by default 300 seconds.
    #[must_use]
    pub fn max_age(mut self, seconds: u64) -> Self {
        self.max_age = seconds;
        self
    }

    /// Makes the issuer, and an RS256 key if nothing was said about keys.
    pub fn build(mut self) -> Result<DevIssuer, KeyError> {
        if self.keys.is_empty() && self.algorithms.is_empty() {
            self.algorithms.push(SigningAlgorithm::default());
        }
        let mut keys: Vec<_> = self.keys.into_iter().map(Held::new).collect();
        keys.extend(Held::generate(&self.algorithms)?);
        Ok(DevIssuer {
            clock: self.clock,
            max_age: self.max_age,
            state: Mutex::new(State {
                issuer: self.issuer,
                keys,
                strangers: Vec::new(),
                fault: Fault::None,
            }),
            jwks_fetches: AtomicU64::new(0),
            discovery_fetches: AtomicU64::new(0),
            authorized_fetches: AtomicU64::new(0),
        })
    }
}

impl fmt::Debug for DevIssuerBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DevIssuerBuilder")
            .field("issuer", &self.issuer)
            .field("algorithms", &self.algorithms)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

struct State {
    issuer: Option<String>,
    keys: Vec<Held>,
    strangers: Vec<Arc<SigningKey>>,
    fault: Fault,
}

struct Held {
    key: Arc<SigningKey>,
    published: bool,
    signs: bool,
}

impl Held {
    fn new(key: SigningKey) -> Self {
        Self {
            key: Arc::new(key),
            published: true,
            signs: true,
        }
    }

    fn generate(algorithms: &[SigningAlgorithm]) -> Result<Vec<Self>, KeyError> {
        algorithms
            .iter()
            .map(|&algorithm| SigningKey::generate(algorithm).map(Self::new))
            .collect()
    }
}

type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

fn system_time() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs().try_into().unwrap_or(i64::MAX))
}

const DEFAULT_MAX_AGE: u64 = 300;
/// Overlapping rotations forget the oldest keys beyond this.
const MAX_KEYS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Defect, Kind};

    fn issuer() -> DevIssuer {
        DevIssuer::builder()
            .issuer("https://clerk.example.com")
            .algorithms(&[SigningAlgorithm::ES256, SigningAlgorithm::EdDSA])
            .clock(|| 1_800_000_000)
            .build()
            .unwrap()
    }

    fn header(token: &str) -> Value {
        let part = token.split('.').next().unwrap();
        serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
    }

    #[test]
    fn the_first_key_signs_unless_an_algorithm_is_asked_for() {
        let issuer = issuer();
        let kids = issuer.kids();
        assert_eq!(
            header(&issuer.mint(&Mint::default()).unwrap())["kid"],
            kids[0]
        );
        let mint = Mint::kind(Kind::Oidc).alg(SigningAlgorithm::EdDSA);
        assert_eq!(header(&issuer.mint(&mint).unwrap())["kid"], kids[1]);
        let missing = issuer.mint(&mint.alg(SigningAlgorithm::RS256));
        assert_eq!(missing, Err(MintError::NoKey(SigningAlgorithm::RS256)));
    }

    #[test]
    fn rotating_replaces_every_key_and_overlapping_keeps_the_old_ones_published() {
        let issuer = issuer();
        let first = issuer.kids();
        let new = issuer.rotate().unwrap();
        let second = issuer.kids();
        assert_eq!((second.len(), &second[0]), (2, &new));
        assert!(second.iter().all(|kid| !first.contains(kid)));
        let newest = issuer.rotate_overlapping().unwrap();
        assert_eq!(issuer.kids().len(), 4);
        assert_eq!(issuer.kids()[2..], second);
        assert_eq!(
            header(&issuer.mint(&Mint::default()).unwrap())["kid"],
            newest
        );
    }

    #[test]
    fn a_withdrawn_key_is_published_no_more_but_signs() {
        let issuer = issuer();
        let kid = issuer.kids()[0].clone();
        assert!(issuer.withdraw(&kid) && !issuer.withdraw(&kid));
        assert!(!issuer.kids().contains(&kid));
        assert_eq!(header(&issuer.mint(&Mint::default()).unwrap())["kid"], kid);
        issuer.rotate_overlapping().unwrap();
        assert!(!issuer.kids().contains(&kid));
    }

    #[test]
    fn rotations_are_bounded() {
        let issuer = issuer();
        for _ in 0..MAX_KEYS {
            issuer.rotate_overlapping().unwrap();
        }
        assert_eq!(issuer.kids().len(), MAX_KEYS);
    }

    #[test]
    fn strangers_are_made_once() {
        let issuer = issuer();
        let embedded = |issuer: &DevIssuer| {
            header(&issuer.mint(&Mint::defective(Defect::EmbeddedJwk)).unwrap())["jwk"]["kid"]
                .clone()
        };
        assert_eq!(embedded(&issuer), embedded(&issuer));
        assert!(!issuer.kids().iter().any(|kid| *kid == embedded(&issuer)));
    }

    #[test]
    fn the_metadata_names_the_issuer_exactly() {
        let metadata = issuer().discovery();
        assert_eq!(metadata["issuer"], "https://clerk.example.com");
        assert_eq!(
            metadata["jwks_uri"],
            "https://clerk.example.com/.well-known/jwks.json"
        );
        assert_eq!(
            metadata["id_token_signing_alg_values_supported"],
            json!(["ES256", "EdDSA"])
        );
        assert_eq!(
            issuer().publishable_key(),
            "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"
        );
    }

    #[test]
    fn nothing_private_is_printed() {
        let key = SigningKey::generate(SigningAlgorithm::EdDSA).unwrap();
        let pem = key.private_pem();
        let secret = pem.lines().nth(1).unwrap();
        let builder = DevIssuer::builder().key(key);
        let printed = format!("{builder:?}");
        assert!(!format!("{printed}{:?}", builder.build().unwrap()).contains(secret));
    }
}
