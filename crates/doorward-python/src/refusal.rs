//! Refusals and mistakes as Python exceptions, whose classes are written in Python.

use doorward::{Rejection, WebhookRejection};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

/// `doorward.Rejection` for a refusal.
pub(crate) fn raise(py: Python<'_>, rejection: &Rejection) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let build = || {
        let class = CLASS.import(py, "doorward._rejection", "Rejection")?;
        let body = PyBytes::new(py, rejection.body().as_bytes());
        let reason = rejection.reason().code();
        class.call1((
            reason,
            rejection.status(),
            rejection.headers(),
            body,
            rejection.detail(),
            rejection.hint(),
            rejection.content_type(),
        ))
    };
    raised(build())
}

/// `doorward.webhooks.WebhookRejection` for a refusal of a webhook.
pub(crate) fn raise_webhook(py: Python<'_>, rejection: &WebhookRejection) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let build = || {
        let class = CLASS.import(py, "doorward._webhook_rejection", "WebhookRejection")?;
        let body = PyBytes::new(py, rejection.body().as_bytes());
        class.call1((
            rejection.reason().code(),
            rejection.status(),
            rejection.headers(),
            body,
            rejection.detail(),
            rejection.hint(),
            rejection.content_type(),
        ))
    };
    raised(build())
}

/// `doorward.ConfigError` for a mistake of the operator.
pub(crate) fn config_error(py: Python<'_>, message: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "doorward._rejection", "ConfigError");
    raised(class.and_then(|class| class.call1((message,))))
}

/// The exception, or why there is none.
fn raised(exception: PyResult<Bound<'_, PyAny>>) -> PyErr {
    exception.map_or_else(|error| error, PyErr::from_value)
}
