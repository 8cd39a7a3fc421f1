//! What operators can see of a store: `tracing` events, behind their feature, and counts. Never a value or a password.

#![cfg_attr(
    not(feature = "tracing"),
    allow(unused_variables, reason = "nobody listens")
)]

use std::path::Path;

use super::Kind;

/// A record was found that no key opens.
pub(super) fn unopened(kind: Kind) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "doorward",
        kind = kind.tag(),
        "a record was tampered with, or sealed with a key that is not in the ring"
    );
}

/// A SQLite store was opened without a key, and has made one.
pub(super) fn key_file_made(path: &Path) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "doorward",
        path = %path.display(),
        "made a key for the store; keep it as you keep the database, and apart from its copies"
    );
}

/// The store does not answer.
pub(super) fn away(backend: &str, why: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "doorward", backend, why, "the authorization server's store is away");
}

/// The store answers again.
pub(super) fn back(backend: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "doorward", backend, "the authorization server's store is back");
}
