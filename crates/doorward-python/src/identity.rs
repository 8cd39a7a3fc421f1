//! The verified caller, as a frozen Python object.

use doorward::Identity as Engine;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::policy::{Demands, Policy};
use crate::value;

/// A verified caller. Only the engine makes one.
#[pyclass(frozen, module = "doorward", name = "Identity")]
pub(crate) struct Identity {
    pub(crate) engine: Engine,
    claims: PyOnceLock<Py<PyDict>>,
}

impl From<Engine> for Identity {
    fn from(engine: Engine) -> Self {
        Self {
            engine,
            claims: PyOnceLock::new(),
        }
    }
}

/// Members that a version 2 token may smuggle in; see `Identity::flags`.
const SMUGGLED: [&str; 4] = ["org_id", "org_slug", "org_role", "org_permissions"];

#[pymethods]
impl Identity {
    #[getter]
    fn kind(&self) -> &'static str {
        self.engine.kind().as_str()
    }

    #[getter]
    fn subject(&self) -> &str {
        self.engine.subject()
    }

    #[getter]
    fn issuer(&self) -> &str {
        self.engine.issuer()
    }

    #[getter]
    fn user_id(&self) -> Option<&str> {
        self.engine.user_id()
    }

    #[getter]
    fn session_id(&self) -> Option<&str> {
        self.engine.session_id()
    }

    #[getter]
    fn session_status(&self) -> Option<&str> {
        self.engine.session_status()
    }

    #[getter]
    fn client_id(&self) -> Option<&str> {
        self.engine.client_id()
    }

    #[getter]
    fn organization_id(&self) -> Option<&str> {
        self.engine.organization_id()
    }

    #[getter]
    fn organization_slug(&self) -> Option<&str> {
        self.engine.organization_slug()
    }

    #[getter]
    fn role(&self) -> Option<&str> {
        self.engine.role()
    }

    #[getter]
    fn roles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.roles())
    }

    #[getter]
    fn tenant(&self) -> Option<&str> {
        self.engine.tenant()
    }

    #[getter]
    fn raw_role(&self) -> Option<&str> {
        self.engine.raw_role()
    }

    #[getter]
    fn permissions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.permissions())
    }

    #[getter]
    fn scopes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.scopes())
    }

    /// The scopes that those hold, and that the token does not name.
    #[getter]
    fn implied_scopes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.implied_scopes())
    }

    #[getter]
    fn features<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.features())
    }

    #[getter]
    fn plans<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.plans())
    }

    #[getter]
    fn actor<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.engine.actor() {
            None => Ok(None),
            // Not from `claims`, which the application may have changed.
            Some(_) => value::from_json(py, self.engine.raw_claims())?
                .cast_into::<PyDict>()?
                .get_item("act"),
        }
    }

    #[getter]
    fn authorized_party(&self) -> Option<&str> {
        self.engine.claims().authorized_party.as_deref()
    }

    #[getter]
    fn audience<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.engine.claims().audience)
    }

    #[getter]
    fn token_id(&self) -> Option<&str> {
        self.engine.token_id()
    }

    #[getter]
    fn issued_at(&self) -> Option<f64> {
        self.engine.issued_at().map(|time| time.as_secs_f64())
    }

    #[getter]
    fn expires_at(&self) -> f64 {
        self.engine.expires_at().as_secs_f64()
    }

    #[getter]
    fn claims<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let build = || {
            let claims = value::from_json(py, self.engine.raw_claims())?.cast_into::<PyDict>()?;
            if self.engine.flags().contains(&"organization_claims_ignored") {
                for name in SMUGGLED {
                    if claims.contains(name)? {
                        claims.del_item(name)?;
                    }
                }
            }
            Ok::<_, PyErr>(claims.unbind())
        };
        Ok(self.claims.get_or_try_init(py, build)?.bind(py).clone())
    }

    #[getter]
    fn raw_claims<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.engine.raw_claims())
    }

    #[getter]
    fn flags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.flags())
    }

    #[pyo3(signature = (**demands))]
    fn has(&self, py: Python<'_>, demands: Option<&Bound<'_, PyDict>>) -> PyResult<bool> {
        let policy = Policy::from_demands(py, demands, Demands::Has)?;
        Ok(policy.engine.has(&self.engine))
    }

    fn __repr__(&self) -> String {
        let (kind, subject, issuer) = (self.kind(), self.subject(), self.issuer());
        format!("<Identity {kind} subject={subject:?} issuer={issuer:?}>")
    }
}
