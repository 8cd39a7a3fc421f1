//! What is known, and what to learn next.

use std::sync::Arc;

use crate::claims::Claims;
use crate::introspection::Answer;
use crate::issuer::IssuerId;
use crate::jwk::JwkSet;
use crate::kind::TokenKind;
use crate::revocation::RevokedClaim;

/// The state of one fact.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Known<T> {
    /// It is known.
    Yes(T),
    /// It is known not to be so, at least until the next refresh is due.
    No,
    /// Nobody has looked yet.
    NotYet,
    /// Somebody has looked in vain: the source does not answer. Retry after so many seconds.
    Unreachable(u32),
}

/// What a verifier may know besides the credential. A driver implements it over its memory, for one moment.
pub trait Facts {
    /// The key set of `issuer`, or of one of its tenants, that is good for a token with this `kid`.
    ///
    /// `Yes` with a set that covers the `kid`; `No` if the current set does not and it is too early to ask again;
    /// `NotYet` if asking could help; `Unreachable` if there is no usable set and the source is down.
    fn keys(&self, issuer: IssuerId, tenant: Option<&str>, kid: Option<&str>)
    -> Known<Arc<JwkSet>>;

    /// What `issuer` says of the opaque token that is being judged, a token of this kind.
    ///
    /// `Yes` with its answer; `No` if it does not know the token; `NotYet` if nobody has asked lately; `Unreachable` if
    /// it does not answer.
    fn answer(&self, issuer: IssuerId, kind: TokenKind) -> Known<Arc<Answer>> {
        let _ = (issuer, kind);
        Known::Unreachable(5)
    }

    /// By which claim a token of `issuer` with these claims was revoked, a token that is good otherwise.
    ///
    /// `No` if it was not, as far as is known; `NotYet` if nobody has looked; `Unreachable` if nobody can tell, and that
    /// is a reason to refuse.
    fn revoked(&self, issuer: &str, claims: &Claims) -> Known<RevokedClaim> {
        let _ = (issuer, claims);
        Known::No
    }
}

/// The facts of one who has only static keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFacts;

impl Facts for NoFacts {
    fn keys(&self, _: IssuerId, _: Option<&str>, _: Option<&str>) -> Known<Arc<JwkSet>> {
        Known::No
    }
}

/// A fact to learn. Holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup {
    /// The key set of an issuer.
    Keys {
        /// Whose.
        issuer: IssuerId,
        /// Which of its tenants', where it has some.
        tenant: Option<String>,
        /// The key that was missing, at most 256 bytes of a stranger's text.
        kid: Option<String>,
    },
    /// What an issuer says of the opaque token that is being judged.
    Answer {
        /// Whom to ask.
        issuer: IssuerId,
        /// The token's kind, by its prefix.
        kind: TokenKind,
    },
    /// What was revoked.
    Revocations,
}
