//! What the tests share.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod events;
#[path = "../../../../tests/support/servers.rs"]
pub(crate) mod servers;

use doorward_core::Timestamp;

/// The time that tests begin at.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn seconds(count: u64) -> std::time::Duration {
    std::time::Duration::from_secs(count)
}
