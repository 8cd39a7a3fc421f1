//! Revocation as Python calls it, and the status of an authenticator.

use doorward::{
    Authenticator as Engine, Logout as EngineLogout, LogoutReply, Receipt, Revocation,
    RevocationError, RevokedClaim, Timestamp,
};
use doorward_clerk::ClerkEvent;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};

use crate::authenticator::wait;
use crate::value;

/// What is revoked, from Python's keyword arguments.
pub(crate) struct Given {
    pub(crate) session_id: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) issued_until: Option<f64>,
    pub(crate) expires_at: Option<f64>,
}

impl Given {
    pub(crate) fn revocation(self, engine: &Engine) -> PyResult<Revocation> {
        let claims = [
            (RevokedClaim::SessionId, self.session_id),
            (RevokedClaim::TokenId, self.token_id),
            (RevokedClaim::Subject, self.subject),
            (RevokedClaim::ClientId, self.client_id),
        ];
        let mut given = claims
            .into_iter()
            .filter_map(|(claim, value)| Some((claim, value?)));
        let (Some((claim, value)), None) = (given.next(), given.next()) else {
            return Err(PyTypeError::new_err(
                "revoke() takes one of session_id, token_id, subject and client_id",
            ));
        };
        let time = |name: &str, seconds: f64| {
            Timestamp::from_secs_f64(seconds).ok_or_else(|| {
                PyValueError::new_err(format!(
                    "{name}: {seconds} is no time in seconds since 1970"
                ))
            })
        };
        let mut revocation = engine.revocation(claim, value);
        revocation.issuer = self.issuer;
        if let Some(seconds) = self.issued_until {
            revocation.issued_until = Some(time("issued_until", seconds)?);
        }
        if let Some(seconds) = self.expires_at {
            revocation.expires_at = time("expires_at", seconds)?;
        }
        Ok(revocation)
    }
}

/// Revokes without the GIL.
pub(crate) fn revoke(py: Python<'_>, engine: &Engine, revocation: Revocation) -> PyResult<()> {
    py.detach(|| engine.revoke_blocking(revocation))
        .map_err(|error| revocation_error(py, &error))
}

/// A revocation that is refused here, and on its way to the store.
#[pyclass(frozen, module = "doorward", name = "Revoking")]
pub(crate) struct Revoking(Receipt);

#[pymethods]
impl Revoking {
    #[getter]
    fn fetch_id(&self) -> usize {
        self.0.ticket().id()
    }

    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, &self.0.ticket())
    }

    fn outcome(&self, py: Python<'_>) -> PyResult<()> {
        self.0
            .outcome()
            .map_err(|error| revocation_error(py, &error))
    }
}

/// Revokes here, and says what to wait for.
pub(crate) fn revoke_nowait(
    py: Python<'_>,
    engine: &Engine,
    revocation: Revocation,
) -> PyResult<Option<Revoking>> {
    let begun = engine.begin_to_revoke(revocation);
    begun
        .map(|receipt| receipt.map(Revoking))
        .map_err(|error| revocation_error(py, &error))
}

/// What an event of Clerk's revokes, if it revokes anything.
pub(crate) fn of_event(engine: &Engine, event: &Bound<'_, PyAny>) -> PyResult<Option<Revocation>> {
    let py = event.py();
    // An event of `doorward.webhooks`, or what another library made of the same JSON.
    let raw = match event.getattr_opt("payload")? {
        Some(payload) => payload,
        None => event.clone(),
    };
    let json: String = py
        .import("json")?
        .call_method1("dumps", (raw,))?
        .extract()?;
    let event = ClerkEvent::parse(json.as_bytes())
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(event.revocation(engine.retained_until()))
}

fn revocation_error(py: Python<'_>, error: &RevocationError) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match error {
        RevocationError::NotShared(_) => {
            let class = CLASS.import(py, "doorward._rejection", "RevocationNotShared");
            match class.and_then(|class| class.call1((error.to_string(),))) {
                Ok(exception) => PyErr::from_value(exception),
                Err(error) => error,
            }
        }
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// A logout token that was accepted.
#[pyclass(frozen, module = "doorward", name = "Logout")]
pub(crate) struct Logout(EngineLogout);

#[pymethods]
impl Logout {
    #[getter]
    fn issuer(&self) -> &str {
        &self.0.issuer
    }

    #[getter]
    fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    #[getter]
    fn session_id(&self) -> Option<&str> {
        self.0.session_id.as_deref()
    }

    #[getter]
    fn token_id(&self) -> &str {
        &self.0.token_id
    }

    #[getter]
    fn issued_at(&self) -> f64 {
        self.0.issued_at.as_secs_f64()
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl From<EngineLogout> for Logout {
    fn from(logout: EngineLogout) -> Self {
        Self(logout)
    }
}

/// Status, headers, body.
pub(crate) type Reply<'py> = (u16, Vec<(&'static str, String)>, Bound<'py, PyBytes>);

/// A reply as status, headers and body.
pub(crate) fn reply(py: Python<'_>, reply: LogoutReply) -> Reply<'_> {
    let body = PyBytes::new(py, &reply.body);
    (reply.status, reply.headers, body)
}

/// The status as a dict, with the same members as its JSON.
pub(crate) fn status<'py>(py: Python<'py>, engine: &Engine) -> PyResult<Bound<'py, PyAny>> {
    let json = serde_json::to_vec(&engine.status())
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    value::from_json(py, &json)
}

/// Name, help, `counter` or `gauge`, labels, value.
pub(crate) type Sample<'py> = (
    &'static str,
    &'static str,
    &'static str,
    Bound<'py, PyDict>,
    f64,
);

/// The numbers for monitors: name, help, `counter` or `gauge`, labels, value.
pub(crate) fn samples<'py>(py: Python<'py>, engine: &Engine) -> PyResult<Vec<Sample<'py>>> {
    let sample = |sample: doorward::Sample| {
        let labels = PyDict::new(py);
        for (name, value) in sample.labels {
            labels.set_item(name, value)?;
        }
        let kind = if sample.counter { "counter" } else { "gauge" };
        Ok((sample.name, sample.help, kind, labels, sample.value))
    };
    engine.status().samples().into_iter().map(sample).collect()
}
