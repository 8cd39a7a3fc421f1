//! Calls Clerk, and understands what it says: its Backend API, every operation, with the feature `client`, and its webhook
//! events.
//!
//! Without `client` there are the events, the [table] of operations, and what makes [`Request`]s of them; no HTTP client is
//! compiled.
//!
//! ```
//! use doorward_clerk::{ClerkEvent, ClerkEventType};
//!
//! let body = br#"{"object":"event","type":"user.created","timestamp":1772000000123,"instance_id":"ins_1",
//!     "data":{"object":"user","id":"user_1","primary_email_address_id":"idn_1",
//!             "email_addresses":[{"id":"idn_1","email_address":"ada@example.com"}]}}"#;
//! let event = ClerkEvent::parse(body)?;
//! assert_eq!(event.kind(), ClerkEventType::UserCreated);
//! assert_eq!(event.user().and_then(|user| user.primary_email_address()), Some("ada@example.com"));
//! # Ok::<(), doorward_core::WebhookRejection>(())
//! ```

mod call;
pub mod event;
mod revocation;
pub mod table;

#[cfg(feature = "client")]
mod clerk;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod list;
#[cfg(feature = "client")]
pub mod models;
#[cfg(feature = "client")]
mod observe;
#[cfg(feature = "client")]
mod pace;
#[cfg(feature = "client")]
mod pages;
#[cfg(feature = "client")]
pub mod resources;
#[cfg(feature = "client")]
mod response;
#[cfg(feature = "client")]
mod retry;
#[cfg(feature = "client")]
mod verification;

pub use call::{ArgumentError, Arguments, Request, Upload, closest, encoded};
pub use event::{ClerkEvent, ClerkEventType};
pub use table::{Operation, Parameter, Table};

#[cfg(feature = "client")]
pub use clerk::{CallOptions, Clerk, ClerkConfig, ClerkConfigError, Started};
#[cfg(feature = "client")]
pub use error::{ApiError, ErrorDetail, ErrorKind};
#[cfg(feature = "client")]
pub use list::List;
#[cfg(feature = "client")]
pub use models::Model;
#[cfg(feature = "client")]
pub use pages::{Pages, Step, Walk};
#[cfg(feature = "client")]
pub use resources::Field;
#[cfg(feature = "client")]
pub use response::Response;
#[cfg(feature = "client")]
pub use retry::RetryPolicy;
#[cfg(feature = "client")]
pub use verification::{NotVerified, VerifiedToken};

/// The guide's examples, compiled.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../docs/guides/backend-api.md")]
struct BackendApiGuide;
