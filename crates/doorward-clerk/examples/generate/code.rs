//! From the table to Rust.

use doorward_clerk::Table;

/// The files of `src/generated`, and their text.
pub(crate) fn files(_table: &Table) -> Vec<(&'static str, String)> {
    Vec::new()
}
