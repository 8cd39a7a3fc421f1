//! One file for each command.

pub(crate) mod clerk;
pub(crate) mod conformance;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod mcp_proxy;
pub(crate) mod sync;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod webhooks;
