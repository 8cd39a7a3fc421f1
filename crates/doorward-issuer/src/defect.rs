//! Defects on purpose: what may be wrong with a token, one thing at a time.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! defects {
    ($($(#[$doc:meta])+ $variant:ident => $name:literal,)+) => {
        /// One thing that is wrong with a token; everything else about it stays right.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Defect {
            $($(#[$doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Defect {
            /// Every defect.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name, as it stands in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

defects! {
    /// It ran out an hour ago.
    Expired => "expired",
    /// `nbf` is an hour ahead.
    NotYetValid => "not_yet_valid",
    /// `iat` is an hour ahead, and there is no `nbf` to say so first.
    IssuedInFuture => "issued_in_future",
    /// Signed by a stranger's key under a published `kid`.
    WrongKey => "wrong_key",
    /// Signed by the right key under a `kid` nobody published.
    UnknownKid => "unknown_kid",
    /// No `kid` in the header.
    NoKid => "no_kid",
    /// Another issuer in `iss`.
    WrongIss => "wrong_iss",
    /// Another audience in `aud`.
    WrongAud => "wrong_aud",
    /// Another party in `azp`.
    WrongAzp => "wrong_azp",
    /// No `azp`.
    NoAzp => "no_azp",
    /// `alg: none`, and no signature (RFC 8725 §2.1).
    AlgNone => "alg_none",
    /// `alg: HS256`, keyed with the public key's PEM, as an attacker who knows only that would (RFC 8725 §2.1).
    HmacWithPublicKey => "hmac_with_public_key",
    /// No `exp`: it would be valid for ever.
    NoExp => "no_exp",
    /// No `sub`.
    NoSub => "no_sub",
    /// A session that still has a task to do (`sts: pending`).
    Pending => "pending",
    /// `exp` is a string of digits, not a number (RFC 7519 §2).
    StringExp => "string_exp",
    /// One bit of the signature is flipped.
    BadSignature => "bad_signature",
    /// The end of the signature is missing, as after a cookie that was too long.
    Truncated => "truncated",
    /// A critical header extension nobody knows (RFC 7515 §4.1.11).
    CritUnknown => "crit_unknown",
    /// A stranger's key in the header's `jwk`, which verifies the token for whoever believes it (RFC 7515 §4.1.3).
    EmbeddedJwk => "embedded_jwk",
    /// A logout token's `typ`: rightly signed and meant for another purpose (RFC 8725 §3.11).
    LogoutTyp => "logout_typ",
    /// `sub` twice, the first one an administrator's (RFC 7519 §4).
    DuplicateClaim => "duplicate_claim",
    /// Three parts, none of which is base64url.
    Junk => "junk",
    /// The issuer revoked it, which only those learn who ask the issuer.
    Revoked => "revoked",
}

impl Defect {
    /// Whether a token that is random text can have it. Its text may be wrong, or what the issuer says of it.
    pub(crate) fn is_of_opaque_tokens(self) -> bool {
        matches!(
            self,
            Self::Expired
                | Self::NotYetValid
                | Self::IssuedInFuture
                | Self::WrongKey
                | Self::WrongIss
                | Self::WrongAud
                | Self::NoExp
                | Self::NoSub
                | Self::StringExp
                | Self::BadSignature
                | Self::Truncated
                | Self::Junk
                | Self::Revoked
        )
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
