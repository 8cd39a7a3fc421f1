//! What the tests of stores share.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod login;
#[path = "../../../../tests/support/servers.rs"]
pub(crate) mod servers;
pub(crate) mod web;

use doorward_core::Secret;
use doorward_issuer::authorization_server::{AnyStore, Capacity, KeyRing};

/// A ring that seals with the first of these and opens with all.
pub(crate) fn ring(names: &[&str]) -> KeyRing {
    let keys: Vec<_> = names
        .iter()
        .map(|name| Secret::new(name.repeat(32)))
        .collect();
    KeyRing::new(&keys[0], &keys[1..]).unwrap()
}

pub(crate) fn open(url: &str, names: &[&str], capacity: Capacity) -> AnyStore {
    AnyStore::with_capacity(&Secret::from(url), Some(ring(names)), capacity).unwrap()
}
