//! Calls: what Clerk says, in types. For now what it says by webhook.
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

pub mod event;
mod revocation;
pub mod table;

pub use event::{ClerkEvent, ClerkEventType};
pub use table::{Operation, Parameter, Table};
