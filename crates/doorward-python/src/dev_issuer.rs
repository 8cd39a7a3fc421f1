//! The local issuer, for Python's tests.

use pyo3::prelude::*;

/// The local issuer. Its keys are good for nothing but tests.
#[pyclass(frozen, module = "doorward.testing", name = "DevIssuer")]
pub(crate) struct DevIssuer {}
