//! Signs: a local issuer for tests and demonstrations, with every defect on purpose, and in
//! [`authorization_server`] the OAuth server for MCP, without any.
//!
//! A [`DevIssuer`] makes tokens ([`Mint`]) the way Clerk or any OpenID Connect provider would, publishes the keys that
//! verify them, and can do everything wrong that an issuer or an attacker may do: one [`Defect`] of a token at a time,
//! one [`Fault`] of the network at each [`Endpoint`]. Opaque tokens it remembers, answers for and revokes
//! ([`Revocation`]). Its keys are test keys, good for nothing else.
//!
//! ```
//! use doorward_issuer::{Defect, DevIssuer, Kind, Mint, SigningAlgorithm};
//!
//! let issuer = DevIssuer::builder()
//!     .issuer("https://clerk.example.com")
//!     .algorithms(&[SigningAlgorithm::ES256])
//!     .clock(|| 1_800_000_000)
//!     .build()?;
//!
//! let session = issuer.mint(&Mint::default().sub("user_ada"))?;
//! let access = issuer.mint(&Mint::kind(Kind::Oauth).scopes(["posts:read"]))?;
//! let forged = issuer.mint(&Mint::defective(Defect::AlgNone))?;
//!
//! assert_eq!(session.split('.').count(), 3);
//! assert!(access.starts_with("eyJ") && forged.ends_with('.'));
//! assert_eq!(issuer.jwks()["keys"][0]["alg"], "ES256");
//!
//! let key = issuer.mint(&Mint::kind(Kind::ApiKey).scopes(["posts:read"]))?;
//! assert!(key.starts_with("ak_") && issuer.verify_opaque(&key).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`DevIssuer::serve`] puts it on a port, on a thread of its own, so that synchronous callers can use it too.

pub mod authorization_server;
pub mod conformance;

mod answer;
mod backend_api;
mod client;
mod defect;
mod encoding;
mod fault;
mod introspection;
mod issuer;
mod jws;
mod keys;
mod line;
mod logout;
mod mint;
mod oauth;
mod opaque;
mod pack;
mod page;
pub mod people;
mod requests;
mod revocation;
mod serve;
mod sign_in;
mod strike;
#[cfg(feature = "tls")]
pub mod tls;
mod userinfo;
mod verify;
mod webhook_signer;
mod webhooks;

pub use backend_api::SeedError;
pub use client::{Client, ClientAuthentication};
pub use defect::Defect;
pub use fault::Fault;
pub use issuer::{DevIssuer, DevIssuerBuilder};
pub use keys::{KeyError, SigningAlgorithm, SigningKey};
pub use logout::LogoutError;
pub use mint::{Audience, Kind, Mint, MintError, Organization, Status};
pub use requests::Endpoint;
pub use revocation::Revocation;
pub use serve::Served;
pub use sign_in::SignIn;
pub use webhook_signer::{WebhookSigner, new_webhook_key_pair, new_webhook_secret};
pub use webhooks::{WEBHOOK_EVENTS, webhook_event};

/// The guide's examples, compiled.
#[cfg(all(doctest, feature = "transport"))]
#[doc = include_str!("../../../docs/guides/mcp-operations.md")]
struct OperationsGuide;

/// The guide's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/consent-page.md")]
struct ConsentPageGuide;
