//! Connects: an [`Authenticator`] is a verifier with a memory, a fetcher and a clock, and the adapters carry its
//! verdicts into web frameworks.
//!
//! ```no_run
//! use doorward::{Authenticator, Config, IssuerConfig};
//!
//! # async fn example(headers: Vec<(String, String)>) -> Result<(), Box<dyn std::error::Error>> {
//! let auth = Authenticator::new(&Config::new([IssuerConfig::new("https://login.example.com", "my-api")]))?;
//! let identity = auth.authenticate(&headers).await?;
//! println!("hello {}", identity.subject());
//! # Ok(())
//! # }
//! ```

mod answers;
mod ask;
mod authenticator;
mod backchannel;
mod budget;
mod calls;
mod carrier;
mod clock;
mod config;
mod crowd;
mod environment;
mod fetch;
mod flight;
mod freshness;
mod memory;
mod observe;
mod preset;
mod remote;
mod resource;
mod revocation;
mod signing;
mod status;
mod tenants;
mod userinfo;
mod webhook;

#[cfg(feature = "axum")]
#[path = "adapters/axum.rs"]
pub mod axum;
#[cfg(feature = "axum")]
#[path = "adapters/axum_webhook.rs"]
mod axum_webhook;
#[cfg(feature = "mcp")]
#[path = "adapters/mcp.rs"]
pub mod mcp;
#[cfg(feature = "tower")]
#[path = "adapters/tower.rs"]
pub mod tower;

/// The README's examples, compiled.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The guide's examples, compiled.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/guides/axum.md")]
struct AxumGuide;

/// The MCP guide's, likewise.
#[cfg(all(doctest, feature = "rmcp"))]
#[doc = include_str!("../../../docs/guides/mcp-rust.md")]
struct McpGuide;

/// The webhook guide's, likewise.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/guides/webhooks.md")]
struct WebhookGuide;

/// The guide's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/revocation.md")]
struct RevocationGuide;

/// What `doorward-clerk` shares with this crate's own fetching. It is no part of the API and may change at any time.
#[doc(hidden)]
pub mod http {
    pub use crate::fetch::{client_builder, client_of, jitter, reason, trusted_url};
    pub use crate::remote::background;
}

pub use authenticator::{Attempt, Authenticator};
pub use backchannel::{LogoutReply, MAX_LOGOUT_BYTES};
pub use carrier::{Carried, CarriedRequest, CarriedResponse, Carrier, SharedCarrier};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{
    ANY_AUDIENCE, Config, ConfigError, IssuerConfig, OneOrMany, OpaqueConfig, SecretText,
    SecretTexts,
};
pub use doorward_core as core;
pub use doorward_core::{
    Algorithm, Identity, Level, Logout, Policy, Reason, Rejection, RequestHead, Reverification,
    Revocation, RevokedClaim, Secret, Timestamp, TokenKind, WebhookMessage, WebhookReason,
    WebhookRejection, WebhookVerifier,
};
pub use fetch::{FetchError, KeysUrl};
pub use flight::Ticket;
pub use freshness::FetchSettings;
pub use memory::KeyStatus;
pub use preset::{Alternative, Hole, Preset};
pub use resource::{ProtectedResource, ResourceReply};
pub use revocation::{
    DEFAULT_RETENTION, OnOutage, Receipt, RevocationError, RevocationStatus, Revoker, StoreStatus,
};
pub use status::{CacheStatus, EndpointStatus, IssuerStatus, METRICS, Sample, Status};
pub use userinfo::{Userinfo, UserinfoAttempt};
pub use webhook::{webhooks, webhooks_from_env, webhooks_from_variables};
