//! One trusted authorization server: where its keys come from and what its tokens look like (RFC 8414, RFC 9068).

use std::fmt;
use std::time::Duration;

use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::claim_map::ClaimMap;
use crate::crypto::MacKey;
use crate::decoders::Decoder;
use crate::jwk::JwkSet;
use crate::kind::KindSet;
use crate::secret::Secret;
use crate::spelling::{self, Spelled, SpellingError};
use crate::tenant::IssuerTemplate;

/// The issuer's place in its verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerId(pub(crate) u32);

impl IssuerId {
    /// The position among the verifier's issuers, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An issuer's `iss`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssuerName {
    /// Exactly this string; a trailing slash counts (RFC 7519 §2).
    Exact(String),
    /// One of many that differ by a tenant's name.
    Template(IssuerTemplate),
    /// Any `https` URL, because the keys belong to one instance of one provider and so name the issuer themselves.
    /// Only for static or secret-bound keys of a provider that gives every instance keys of its own.
    PinnedByKeys,
}

/// Where an issuer's keys come from.
pub enum KeySource {
    /// Known from the start.
    Static(JwkSet),
    /// Learned by the driver, and asked for with a [`Lookup`](crate::Lookup).
    Remote,
    /// A secret shared with the issuer, for HS256, HS384 and HS512. Never beside public keys.
    SharedSecret(SharedSecret),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(set) => f.debug_tuple("Static").field(set).finish(),
            Self::Remote => f.write_str("Remote"),
            Self::SharedSecret(_) => f.write_str("SharedSecret"),
        }
    }
}

/// A shared secret, ready to verify each MAC it is long enough for.
#[derive(Debug)]
pub struct SharedSecret {
    keys: Vec<(Algorithm, MacKey)>,
}

impl SharedSecret {
    /// Prepares a secret for the MACs in `algorithms`. Its UTF-8 bytes are the key.
    ///
    /// # Errors
    /// The secret is shorter than one of the hashes (RFC 7518 §3.2), or no MAC is asked for.
    pub fn new(secret: &Secret, algorithms: AlgorithmSet) -> Result<Self, &'static str> {
        if algorithms.is_empty() || !algorithms.intersection(AlgorithmSet::ASYMMETRIC).is_empty() {
            return Err("a shared secret verifies HS256, HS384 and HS512 only");
        }
        // The oldest forgery of all: a public key is known to everybody, so as a secret it is worth nothing.
        let known_to_all = match spelling::read(secret.expose().as_bytes()) {
            Ok(Spelled::Keys(_)) | Err(SpellingError::PrivateKey) => true,
            Ok(Spelled::Json(json)) => JwkSet::parse(&json, AlgorithmSet::ASYMMETRIC).is_ok(),
            Err(_) => false,
        };
        if known_to_all {
            return Err("this is a key or a key set, not a shared secret; it belongs into `keys`");
        }
        let prepare = |algorithm| {
            Ok((
                algorithm,
                MacKey::new(algorithm, secret.expose().as_bytes())?,
            ))
        };
        Ok(Self {
            keys: algorithms
                .iter()
                .map(prepare)
                .collect::<Result<_, &'static str>>()?,
        })
    }

    pub(crate) fn mac(&self, algorithm: Algorithm) -> Option<&MacKey> {
        self.keys
            .iter()
            .find(|(own, _)| *own == algorithm)
            .map(|(_, key)| key)
    }
}

/// Which `aud` a token must have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Audience {
    /// Explicitly waived.
    Any,
    /// One of these, exactly (RFC 7519 §4.1.3).
    OneOf(Vec<String>),
}

/// Which tokens that name no audience at all pass although one is wanted. By default none does; a token that names another
/// audience never passes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct WithoutAudience {
    /// Those made for one of these clients (`client_id`), compared exactly.
    pub clients: Vec<String>,
    /// Those of these kinds, whoever they were made for.
    pub kinds: KindSet,
}

/// What `azp`, the origin or client a token was made for, must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthorizedParties {
    /// The allowed values, compared exactly.
    pub parties: Vec<String>,
    /// What a token without `azp` is worth.
    pub rule: AzpRule,
}

/// What to do about `azp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AzpRule {
    /// It must be there and be one of the parties.
    Require,
    /// If it is there, it must be one of the parties. Tokens made on a document navigation legitimately lack it.
    IfPresent,
    /// It is not looked at.
    Off,
}

/// A trusted issuer, complete.
#[derive(Debug)]
pub struct Issuer {
    /// Its `iss`.
    pub name: IssuerName,
    /// Other spellings of its `iss`, exactly, that stand for the same server.
    pub aliases: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The algorithms it signs with; nothing else is verified.
    pub algorithms: AlgorithmSet,
    /// Which `aud` its tokens must have.
    pub audience: Audience,
    /// Which of its tokens pass that have no `aud`.
    pub without_audience: WithoutAudience,
    /// Which `azp` its session tokens must have.
    pub authorized_parties: AuthorizedParties,
    /// The kinds of tokens it may issue for us.
    pub token_types: KindSet,
    /// Claims a token must have besides `iss`, `sub` and `exp`.
    pub required_claims: Vec<String>,
    /// How far its clock may be from ours.
    pub leeway: Duration,
    /// How its tokens are read beyond the registered claims.
    pub decoder: Decoder,
    /// Where its claims stand, if not where the standards put them.
    pub claim_map: ClaimMap,
    /// The kinds of opaque tokens that it can be asked about, and that are accepted of it.
    pub opaque: KindSet,
    /// The OAuth clients of ours that its logout tokens may be for. Empty: whoever its other tokens are for.
    pub logout_clients: Vec<String>,
    /// The client that signed answers about them are for (RFC 9701), where answers must be signed. `None`: they are
    /// plain JSON, and the connection they come over is their evidence.
    pub answers_signed_for: Option<String>,
}

/// The default leeway.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
/// The widest leeway: beyond it, mend the clock.
pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

impl Issuer {
    /// An issuer whose tokens follow RFC 7519, with defaults for everything that has a safe one.
    pub fn new(
        name: impl Into<String>,
        audience: Audience,
        keys: KeySource,
        algorithms: AlgorithmSet,
    ) -> Self {
        Self {
            name: IssuerName::Exact(name.into()),
            aliases: Vec::new(),
            keys,
            algorithms,
            audience,
            without_audience: WithoutAudience::default(),
            authorized_parties: AuthorizedParties {
                parties: Vec::new(),
                rule: AzpRule::Off,
            },
            token_types: KindSet::JWT,
            required_claims: Vec::new(),
            leeway: DEFAULT_LEEWAY,
            decoder: Decoder::Standard,
            claim_map: ClaimMap::default(),
            opaque: KindSet::default(),
            logout_clients: Vec::new(),
            answers_signed_for: None,
        }
    }

    /// Whether a token's `iss` is this issuer's.
    pub fn is_named(&self, name: &str) -> bool {
        let own = match &self.name {
            IssuerName::Exact(own) => own == name,
            IssuerName::Template(template) => template.tenant(name).is_some(),
            IssuerName::PinnedByKeys => true,
        };
        own || self.aliases.iter().any(|alias| alias == name)
    }

    /// What it is called where a token does not name its issuer.
    pub(crate) fn label(&self) -> String {
        match &self.name {
            IssuerName::Exact(name) => name.clone(),
            IssuerName::Template(template) => template.to_string(),
            IssuerName::PinnedByKeys => String::new(),
        }
    }

    /// Says what would make it unsafe or useless.
    pub(crate) fn check(&self) -> Result<(), String> {
        let shared = matches!(self.keys, KeySource::SharedSecret(_));
        let wrong_family = if shared {
            AlgorithmSet::ASYMMETRIC
        } else {
            AlgorithmSet::SYMMETRIC
        };
        if self.algorithms.is_empty() {
            return Err("`algorithms` is empty, so nothing could be verified".to_owned());
        }
        if !self.algorithms.intersection(wrong_family).is_empty() {
            return Err("`algorithms` mixes signatures with MACs: HS256, HS384 and HS512 need `shared_secret`, and a \
                        shared secret verifies nothing else"
                .to_owned());
        }
        if self.leeway > MAX_LEEWAY {
            return Err(format!(
                "`leeway` is {} s; at most 300 s are allowed",
                self.leeway.as_secs()
            ));
        }
        if self.audience == Audience::OneOf(Vec::new()) {
            return Err(
                "`audience` is an empty list; name this API, or waive the audience explicitly"
                    .to_owned(),
            );
        }
        if self.audience == Audience::Any && self.without_audience != WithoutAudience::default() {
            return Err(
                "`audience` is waived, so nothing is asked of tokens without one; drop the waiver, or the exception from it"
                    .to_owned(),
            );
        }
        match &self.name {
            IssuerName::Exact(name) if name.is_empty() => Err("`issuer` is empty".to_owned()),
            IssuerName::Exact(name) if name.trim() != name => {
                Err(format!("`issuer` {name:?} has white space around it"))
            }
            _ => Ok(()),
        }
    }
}
