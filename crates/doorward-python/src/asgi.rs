//! What an ASGI application finds in its scope: Starlette's contract, `auth` and `user`, and ours in `state`.
//!
//! Here and not in Python because it is done for every request: a Python class costs ten times as much to instantiate.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::identity::Identity;

/// `request.auth`: the caller and what it may do.
#[pyclass(frozen, module = "doorward.asgi", name = "Credentials")]
pub(crate) struct Credentials {
    #[pyo3(get)]
    identity: Option<Py<Identity>>,
}

#[pymethods]
impl Credentials {
    #[new]
    fn new(identity: Option<Py<Identity>>) -> Self {
        Self { identity }
    }

    #[getter]
    fn scopes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        match &self.identity {
            None => Ok(PyList::empty(py)),
            Some(identity) => {
                // Starlette's `requires("authenticated")` tells callers from strangers by this word.
                let scopes = PyList::new(py, ["authenticated"])?;
                for scope in identity.get().engine.scopes() {
                    scopes.append(scope)?;
                }
                Ok(scopes)
            }
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Credentials(scopes={})", self.scopes(py)?.repr()?))
    }
}

/// `request.user`.
#[pyclass(frozen, module = "doorward.asgi", name = "User")]
pub(crate) struct User {
    caller: Option<Py<Identity>>,
}

#[pymethods]
impl User {
    #[new]
    fn new(identity: Option<Py<Identity>>) -> Self {
        Self { caller: identity }
    }

    #[getter]
    fn is_authenticated(&self) -> bool {
        self.caller.is_some()
    }

    #[getter]
    fn display_name(&self) -> &str {
        self.caller
            .as_ref()
            .map_or("", |caller| caller.get().engine.subject())
    }

    #[getter]
    fn identity(&self) -> &str {
        self.display_name()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = self.display_name().into_pyobject(py)?;
        Ok(format!("User({})", name.repr()?))
    }
}

/// Puts a caller where people look for one. `None` is an anonymous request.
#[pyfunction]
pub(crate) fn admit(scope: &Bound<'_, PyDict>, identity: Option<Py<Identity>>) -> PyResult<()> {
    let py = scope.py();
    let caller = identity.as_ref().map(|identity| identity.clone_ref(py));
    let user_id = identity
        .as_ref()
        .and_then(|identity| identity.get().engine.user_id());
    let credentials = Bound::new(py, Credentials { identity: caller })?;
    let caller = identity.as_ref().map(|identity| identity.clone_ref(py));
    scope.set_item(intern!(py, "auth"), &credentials)?;
    scope.set_item(intern!(py, "user"), Bound::new(py, User { caller })?)?;
    // The server makes one state per request, and outer middleware may hold on to it: it is kept, not copied.
    let state = match scope.get_item(intern!(py, "state"))? {
        Some(state) => state,
        None => {
            let state = PyDict::new(py).into_any();
            scope.set_item(intern!(py, "state"), &state)?;
            state
        }
    };
    state.set_item(intern!(py, "doorward"), credentials)?;
    state.set_item(intern!(py, "user_id"), user_id)?;
    state.set_item(intern!(py, "identity"), identity)
}

/// A copy of a scope with a caller in it, who is remembered for those who ask again further in.
pub(crate) fn admitted<'py>(
    auth: &Bound<'py, PyAny>,
    scope: &Bound<'py, PyDict>,
    identity: Identity,
) -> PyResult<Bound<'py, PyAny>> {
    let py = scope.py();
    let identity = Bound::new(py, identity)?;
    let inner = scope.copy()?;
    let headers = scope.get_item(intern!(py, "headers"))?;
    let verdict = (auth, headers, &identity).into_pyobject(py)?;
    inner.set_item(
        intern!(py, "doorward.verdict"),
        verdict.cast_into::<PyTuple>()?,
    )?;
    admit(&inner, Some(identity.unbind()))?;
    Ok(inner.into_any())
}
