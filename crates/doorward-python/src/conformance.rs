//! The conformance suite, for Python's test clients.

use std::sync::{Mutex, MutexGuard, PoisonError};

use doorward_issuer::conformance::{self, Answer, Settings, SuiteError};
use pyo3::prelude::*;

use crate::refusal::config_error;

/// The requests that check an API, and the answers to them.
#[pyclass(frozen, module = "doorward._doorward", name = "ConformanceSuite")]
pub(crate) struct ConformanceSuite {
    suite: Mutex<conformance::Suite>,
}

/// Method, target, the fields of the head, the body.
type Request = (String, String, Vec<(String, String)>, Option<String>);

#[pymethods]
impl ConformanceSuite {
    #[new]
    fn new(py: Python<'_>, settings: &str) -> PyResult<Self> {
        let settings: Settings = serde_json::from_str(settings)
            .map_err(|error| config_error(py, &format!("settings: {error}")))?;
        // A stranger's RSA key takes its time.
        let suite = py
            .detach(|| conformance::Suite::new(settings))
            .map_err(|error| mistake(py, &error))?;
        Ok(Self {
            suite: Mutex::new(suite),
        })
    }

    fn requests(&self) -> Vec<Request> {
        self.suite()
            .probes()
            .iter()
            .map(|probe| {
                (
                    probe.method.clone(),
                    probe.target.clone(),
                    probe.headers.clone(),
                    probe.body.clone(),
                )
            })
            .collect()
    }

    fn routes(&self) -> Vec<usize> {
        let suite = self.suite();
        suite.probes().iter().map(|probe| probe.route).collect()
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the conversion from Python makes it"
    )]
    fn answered(&self, index: usize, status: u16, headers: Vec<(String, String)>) {
        let fields = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        self.suite().record(index, Answer::response(status, fields));
    }

    fn crashed(&self, index: usize, what: String) {
        self.suite().record(index, Answer::Crash(what));
    }

    fn silent(&self, index: usize, why: String) {
        self.suite().record(index, Answer::Silence(why));
    }

    fn report(&self) -> PyResult<(String, String, String)> {
        let report = self.suite().report();
        let json = serde_json::to_string(&report)
            .map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))?;
        Ok((json, report.table(), report.junit()))
    }

    #[staticmethod]
    fn mints(py: Python<'_>, like: &str) -> PyResult<Vec<(&'static str, String)>> {
        let like = serde_json::from_str(like)
            .map_err(|error| config_error(py, &format!("mint: {error}")))?;
        Ok(conformance::mints(&like)
            .into_iter()
            .map(|(name, spec)| (name, spec.to_string()))
            .collect())
    }

    #[staticmethod]
    fn document(py: Python<'_>, text: &str) -> PyResult<String> {
        conformance::read_document(text)
            .map(|document| document.to_string())
            .map_err(|error| mistake(py, &error))
    }

    #[staticmethod]
    fn documents() -> Vec<&'static str> {
        conformance::DOCUMENTS.to_vec()
    }

    #[staticmethod]
    fn follow(
        origin: &str,
        method: &str,
        target: &str,
        status: u16,
        location: &str,
    ) -> Option<String> {
        conformance::follow(Some(origin), method, target, status, location)
    }

    #[staticmethod]
    fn retry_after(status: u16, field: Option<&str>, tries: u32) -> Option<u64> {
        conformance::retry_after(status, field, tries)
    }
}

impl ConformanceSuite {
    fn suite(&self) -> MutexGuard<'_, conformance::Suite> {
        self.suite.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mistake(py: Python<'_>, error: &SuiteError) -> PyErr {
    config_error(py, &error.to_string())
}
