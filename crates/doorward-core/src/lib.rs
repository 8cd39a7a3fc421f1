//! Decides: a pure function from what a request presented, what is known and the time, to a verdict.
//!
//! ```text
//! verify(credential, facts, now) -> Verified(Identity) | Rejected(Rejection) | Needs(Lookup)
//! ```
//!
//! There is no clock, socket, file or environment in this crate, and no private key. When a fact is missing, the
//! [`Verifier`] says which and returns; a driver (the crate `doorward`) learns it and asks again.

mod algorithm;
mod base64url;
mod challenge;
mod claim_map;
mod claims;
mod credential;
mod crypto;
mod decoders;
mod facts;
mod identity;
mod introspection;
mod issuer;
mod json;
mod jwk;
pub mod jws;
mod kind;
mod logout;
mod policy;
mod rejection;
mod revocation;
mod scope;
mod secret;
mod session;
mod spelling;
mod tenant;
mod timestamp;
mod verifier;
pub mod webhook;
mod webhook_event;
mod webhook_rejection;

pub use algorithm::{Algorithm, AlgorithmSet};
pub use challenge::Challenge;
pub use claim_map::{ClaimMap, ClaimPath, ClaimRule};
pub use claims::{Actor, Claims};
pub use credential::{Credential, Place, RequestHead, cookie_suffix};
pub use crypto::sha256;
pub use decoders::Decoder;
pub use facts::{Facts, Known, Lookup, NoFacts};
pub use identity::{Identity, Provenance};
pub use introspection::Answer;
pub use issuer::{
    Audience, AuthorizedParties, AzpRule, DEFAULT_LEEWAY, Issuer, IssuerId, IssuerName, KeySource,
    MAX_LEEWAY, SharedSecret, WithoutAudience,
};
pub use jwk::{Jwk, JwkSet, KeyError};
pub use kind::{KindSet, TokenKind};
pub use logout::{Logout, LogoutOutcome};
pub use policy::{Level, Policy, Reverification};
pub use rejection::{Reason, Rejection, ResourceHint};
pub use revocation::{Revocation, RevokedClaim, is_issued_until};
pub use scope::{ScopeHierarchy, is_scope};
pub use secret::Secret;
pub use session::{MIN_SESSION_SECRET, SessionSeal};
pub use tenant::{IssuerTemplate, TENANT, Tenants};
pub use timestamp::Timestamp;
pub use verifier::{DEFAULT_MAX_TOKEN_BYTES, Outcome, Settings, Verifier};
pub use webhook::{
    WebhookHeaders, WebhookMessage, WebhookReason, WebhookRejection, WebhookVerifier,
};
