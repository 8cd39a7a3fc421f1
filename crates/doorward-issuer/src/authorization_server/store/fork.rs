//! Which process a store was opened in: connections and SQLite's locks do not come along into a fork.

use std::sync::OnceLock;

/// The process that a store is used in.
pub(super) struct Process(OnceLock<u32>);

impl Process {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Notes the process at the first use, and refuses every other.
    pub(super) fn check(&self) -> Result<(), String> {
        let own = std::process::id();
        if *self.0.get_or_init(|| own) == own {
            return Ok(());
        }
        let why = "this process was forked from one that has the store open: let the first request come after the fork";
        Err(why.to_owned())
    }
}
