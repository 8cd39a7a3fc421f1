//! The protected resource: what it says about itself, for any framework to send.

use doorward::ProtectedResource as Engine;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::value::from_json;

/// A protected resource and its metadata (RFC 9728).
#[pyclass(frozen, module = "doorward", name = "ProtectedResource")]
pub(crate) struct ProtectedResource {
    engine: Engine,
}

impl From<Engine> for ProtectedResource {
    fn from(engine: Engine) -> Self {
        Self { engine }
    }
}

/// A status, header fields and a body.
type Reply<'py> = (u16, Vec<(&'static str, String)>, Bound<'py, PyBytes>);

#[pymethods]
impl ProtectedResource {
    #[getter]
    fn identifier(&self) -> &str {
        self.engine.identifier()
    }

    #[getter]
    fn metadata_url(&self) -> &str {
        self.engine.metadata_url()
    }

    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_json(py, self.engine.metadata().as_bytes())
    }

    #[getter]
    fn paths<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.paths())
    }

    /// The answer to a request for the metadata; `None` for another path.
    fn answer<'py>(&self, py: Python<'py>, method: &str, path: &str) -> Option<Reply<'py>> {
        let reply = self.engine.answer(method, path)?;
        Some((reply.status, reply.headers, PyBytes::new(py, &reply.body)))
    }

    fn __repr__(&self) -> String {
        format!("<ProtectedResource {:?}>", self.engine.identifier())
    }
}
