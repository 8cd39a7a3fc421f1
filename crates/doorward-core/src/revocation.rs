//! Refusing tokens before they expire: what was revoked, and which tokens that covers (RFC 7009 §1, RFC 7519 §4.1.7,
//! OpenID Connect Back-Channel Logout 1.0 §2.4).

use std::fmt;

use crate::claims::Claims;
use crate::timestamp::Timestamp;

/// One thing that was revoked: a session, a token, or what a subject or a client was given so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Revocation {
    /// Which claim is compared.
    pub claim: RevokedClaim,
    /// The claim's value, compared exactly.
    pub value: String,
    /// Whose tokens: an issuer's name as it is configured, or as a tenant's tokens spell it. `None`: any issuer's.
    pub issuer: Option<String>,
    /// Tokens that were issued at this moment or before. `None`: whenever they were issued. A token that does not say
    /// when it was issued is covered.
    pub issued_until: Option<Timestamp>,
    /// When it may be forgotten: not before the last token it covers has expired.
    pub expires_at: Timestamp,
}

impl Revocation {
    /// A revocation of all tokens whose `claim` has this value, whoever issued them and whenever.
    pub fn new(claim: RevokedClaim, value: impl Into<String>, expires_at: Timestamp) -> Self {
        Self {
            claim,
            value: value.into(),
            issuer: None,
            issued_until: None,
            expires_at,
        }
    }

    /// Of one issuer's tokens only.
    #[must_use]
    pub fn of(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Of tokens issued at this moment or before only.
    #[must_use]
    pub fn until(mut self, issued_until: Timestamp) -> Self {
        self.issued_until = Some(issued_until);
        self
    }

    /// Whether a token of `issuer` with these claims is revoked by this.
    pub fn covers(&self, issuer: &str, claims: &Claims) -> bool {
        let same_issuer = self.issuer.as_deref().is_none_or(|own| own == issuer);
        same_issuer
            && self.claim.of(claims) == Some(&self.value)
            && is_issued_until(claims.issued_at, self.issued_until)
    }
}

/// Whether a token that was issued then, if it says so, was issued at `until` or before.
///
/// `iat` has whole seconds, so a token of the same second counts as one from before.
pub fn is_issued_until(issued_at: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    match (issued_at, until) {
        (Some(issued_at), Some(until)) => issued_at <= until,
        (None, _) | (_, None) => true,
    }
}

/// The claim by which tokens are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RevokedClaim {
    /// `sid`: every token of a session.
    SessionId,
    /// `jti`: one token. Of an opaque token, the id its issuer tells.
    TokenId,
    /// `sub`: every token of a subject.
    Subject,
    /// `client_id`: every token of a client.
    ClientId,
}

impl RevokedClaim {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::SessionId,
        Self::TokenId,
        Self::Subject,
        Self::ClientId,
    ];

    /// The claim's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionId => "sid",
            Self::TokenId => "jti",
            Self::Subject => "sub",
            Self::ClientId => "client_id",
        }
    }

    /// The claim with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|claim| claim.as_str() == name)
    }

    /// Its value in a token.
    pub fn of(self, claims: &Claims) -> Option<&str> {
        match self {
            Self::SessionId => claims.session_id.as_deref(),
            Self::TokenId => claims.token_id.as_deref(),
            Self::Subject => Some(&claims.subject),
            Self::ClientId => claims.client_id.as_deref(),
        }
    }
}

impl fmt::Display for RevokedClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let at = Timestamp::from_secs;
        let mut claims = Claims::of("https://a".to_owned(), "ada".to_owned(), at(2_000));
        claims.session_id = Some("sess_1".to_owned());
        claims.issued_at = Some(at(1_000));
        claims
    }

    #[test]
    fn a_revocation_covers_its_claim_of_its_issuer() {
        let end = Timestamp::from_secs(9_000);
        let session = Revocation::new(RevokedClaim::SessionId, "sess_1", end);
        assert!(session.covers("https://a", &claims()));
        assert!(
            session
                .clone()
                .of("https://a")
                .covers("https://a", &claims())
        );
        assert!(!session.of("https://b").covers("https://a", &claims()));
        let other = Revocation::new(RevokedClaim::SessionId, "ada", end);
        assert!(!other.covers("https://a", &claims()));
        let absent = Revocation::new(RevokedClaim::TokenId, "sess_1", end);
        assert!(!absent.covers("https://a", &claims()));
    }

    #[test]
    fn what_was_issued_later_is_not_covered() {
        let at = Timestamp::from_secs;
        let subject = Revocation::new(RevokedClaim::Subject, "ada", at(9_000));
        for (until, covered) in [(999, false), (1_000, true), (1_001, true)] {
            let subject = subject.clone().until(at(until));
            assert_eq!(subject.covers("x", &claims()), covered, "{until}");
        }
        let undated = Claims {
            issued_at: None,
            ..claims()
        };
        assert!(subject.until(at(1)).covers("x", &undated));
    }

    #[test]
    fn names_are_read_back() {
        for claim in RevokedClaim::ALL {
            assert_eq!(RevokedClaim::from_name(claim.as_str()), Some(claim));
        }
        assert_eq!(RevokedClaim::from_name("iss"), None);
    }
}
