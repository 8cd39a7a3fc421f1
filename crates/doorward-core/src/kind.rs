//! Kinds of tokens, which never mix (RFC 8725 §3.11 and §3.12, RFC 9068 §4).

use std::fmt;

/// What a token is for. A route accepts the kinds it names and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum TokenKind {
    /// A signed-in user's session, or a provider's plain JWT for its own frontend.
    Session,
    /// An OAuth 2.0 access token: a JWT of type `at+jwt` (RFC 9068), or opaque.
    Oauth,
    /// A machine's token for another machine.
    M2m,
    /// An API key.
    ApiKey,
    /// A token made from an operator's own template, meant for a third party.
    Template,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Session,
        Self::Oauth,
        Self::M2m,
        Self::ApiKey,
        Self::Template,
    ];

    /// The name used in configuration: `session_token`, `oauth_token`, `m2m_token`, `api_key`, `template_token`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session_token",
            Self::Oauth => "oauth_token",
            Self::M2m => "m2m_token",
            Self::ApiKey => "api_key",
            Self::Template => "template_token",
        }
    }

    /// Reads a configuration name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KindSet(u8);

impl KindSet {
    /// Session tokens only: what a guard accepts unless told otherwise.
    pub const SESSION: Self = Self(1);
    /// Every kind that can be a JWT.
    pub const JWT: Self = Self(0b1_0111);

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: TokenKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether nothing is accepted.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The kinds in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members.
    pub fn iter(self) -> impl Iterator<Item = TokenKind> {
        TokenKind::ALL
            .into_iter()
            .filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<TokenKind> for KindSet {
    fn from_iter<I: IntoIterator<Item = TokenKind>>(kinds: I) -> Self {
        Self(
            kinds
                .into_iter()
                .fold(0, |bits, kind| bits | 1 << kind as u8),
        )
    }
}

impl From<TokenKind> for KindSet {
    fn from(kind: TokenKind) -> Self {
        Self::from_iter([kind])
    }
}

impl fmt::Debug for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for KindSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        for (position, kind) in self.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{kind}")?;
        }
        Ok(())
    }
}
