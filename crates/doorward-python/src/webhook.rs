//! Webhooks: the verifier, and what it signs for tests.

use std::sync::Arc;
use std::time::SystemTime;

use doorward::core::webhook::{self, WebhookEvent};
use doorward::{
    Clock, RequestHead, Timestamp, WebhookMessage, WebhookReason, WebhookRejection,
    WebhookVerifier as Engine,
};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyString, PyTuple};

use crate::authenticator::{PyClock, environment};
use crate::head::{Fields, HeadOf, Text, text};
use crate::refusal::{config_error, raise_webhook};
use crate::webhook_event::{Event, Message};

/// Verifies webhooks with one or several secrets.
#[pyclass(frozen, module = "doorward", name = "WebhookVerifier")]
pub(crate) struct WebhookVerifier {
    engine: Engine,
    clock: Option<Arc<PyClock>>,
}

#[pymethods]
impl WebhookVerifier {
    #[new]
    #[pyo3(signature = (secrets, *, clock=None, setting="secrets"))]
    fn new(
        py: Python<'_>,
        secrets: &Bound<'_, PyAny>,
        clock: Option<Py<PyAny>>,
        setting: &str,
    ) -> PyResult<Self> {
        let engine = doorward::webhooks(setting, texts(secrets)?);
        Self::build(py, engine, clock)
    }

    #[staticmethod]
    #[pyo3(signature = (environ=None, *, clock=None))]
    fn from_env(
        py: Python<'_>,
        environ: Option<&Bound<'_, PyAny>>,
        clock: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let ours = |name: &str| name.contains("WEBHOOK");
        let pairs = environment(py, environ, ours)?;
        Self::build(py, doorward::webhooks_from_variables(pairs), clock)
    }

    /// A genuine message.
    fn verify(
        &self,
        py: Python<'_>,
        body: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<Message> {
        let octets = octets(body)?;
        Ok(Message::from(&self.judge(py, octets.bytes(), headers)?))
    }

    /// A genuine message that is an event.
    fn verify_event<'py>(
        &self,
        py: Python<'py>,
        body: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Event>> {
        let octets = octets(body)?;
        let message = self.judge(py, octets.bytes(), headers)?;
        let body = match octets {
            Text::Bytes(bytes) => bytes,
            other => PyBytes::new(py, other.bytes()),
        };
        let event = WebhookEvent::read(body.as_bytes())
            .map_err(|rejection| raise_webhook(py, &rejection))?;
        let message = Message::from(&message);
        Bound::new(py, Event::of(event.kind(), body.clone().unbind(), message))
    }

    /// The value of the signature header.
    #[staticmethod]
    fn sign(
        py: Python<'_>,
        secret: &str,
        id: &str,
        sent_at: i64,
        body: &Bound<'_, PyAny>,
    ) -> PyResult<String> {
        let body = octets(body)?;
        let sent_at = Timestamp::from_secs(sent_at);
        let headers = webhook::sign(secret, id, sent_at, body.bytes())
            .map_err(|why| config_error(py, &why))?;
        Ok(headers.signature().to_owned())
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.engine)
    }
}

impl WebhookVerifier {
    fn build(
        py: Python<'_>,
        engine: Result<Engine, doorward::ConfigError>,
        clock: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let engine = engine.map_err(|error| config_error(py, &error.to_string()))?;
        let clock = clock.map(|clock| PyClock::new(py, clock)).transpose()?;
        Ok(Self {
            engine,
            clock: clock.map(Arc::new),
        })
    }

    fn judge(
        &self,
        py: Python<'_>,
        body: &[u8],
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<WebhookMessage> {
        let head: HeadOf<'_, Signature<'_>> = HeadOf::of(headers)?;
        let now = match &self.clock {
            Some(clock) => clock.now(),
            None => SystemTime::now().into(),
        };
        let verdict = if body.len() < LONG {
            self.engine.verify(&head, body, now)
        } else {
            // Nothing of Python's is touched meanwhile.
            let head: Vec<(&str, Vec<u8>)> = NAMES
                .iter()
                .flat_map(|name| head.field(name).map(|value| (*name, value.to_vec())))
                .collect();
            py.detach(|| self.engine.verify(&head, body, now))
        };
        verdict.map_err(|rejection| raise_webhook(py, &rejection))
    }
}

/// The refusal of a body that is too large (`bytes` of it were announced or read), or that broke off (`None`).
#[pyfunction]
#[pyo3(signature = (bytes, detail=""))]
pub(crate) fn webhook_body_refused(
    py: Python<'_>,
    bytes: Option<usize>,
    detail: &str,
) -> Py<PyAny> {
    let rejection = match bytes {
        Some(bytes) => webhook::body_too_large(bytes),
        None => WebhookRejection::new(WebhookReason::BodyUnreadable).with_detail(detail.to_owned()),
    };
    raise_webhook(py, &rejection).into_value(py).into_any()
}

/// The table of refusals, for Python's `WebhookReason`.
pub(crate) fn reasons(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let row = |reason: &WebhookReason| {
        (reason.code(), reason.status(), reason.summary()).into_pyobject(py)
    };
    let rows = WebhookReason::ALL.iter().map(row);
    PyTuple::new(py, rows.collect::<PyResult<Vec<_>>>()?)
}

/// The body as it arrived.
fn octets<'py>(body: &Bound<'py, PyAny>) -> PyResult<Text<'py>> {
    if body.is_instance_of::<PyBytes>() || body.is_instance_of::<PyString>() {
        return text(body);
    }
    if body.is_instance_of::<PyByteArray>() || body.is_instance_of::<PyMemoryView>() {
        let bytes = body
            .call_method0("__bytes__")
            .or_else(|_| body.py().get_type::<PyBytes>().call1((body,)))?;
        return text(&bytes);
    }
    Err(PyTypeError::new_err(format!(
        "the body is the bytes that arrived (`await request.body()`, `request.get_data()`, `request.body`), \
         not what was read from them; found {}",
        body.get_type().name()?
    )))
}

/// One secret or several. In one text they stand with commas between, as in the environment.
fn texts(secrets: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let wrong =
        || PyTypeError::new_err("a signing secret is a str, `whsec_…`; several are a list of them");
    if let Ok(one) = secrets.cast::<PyString>() {
        return Ok(one
            .to_string_lossy()
            .split(',')
            .map(str::to_owned)
            .collect());
    }
    if secrets.is_instance_of::<PyBytes>() {
        return Err(wrong());
    }
    let mut texts = Vec::new();
    for secret in secrets.try_iter().map_err(|_| wrong())? {
        match secret?.cast::<PyString>() {
            Ok(secret) => texts.push(secret.to_string_lossy().into_owned()),
            Err(_) => return Err(wrong()),
        }
    }
    Ok(texts)
}

/// The header fields of a signature.
#[derive(Default)]
struct Signature<'py>([Vec<Text<'py>>; 6]);

const NAMES: [&str; 6] = [
    "svix-id",
    "svix-timestamp",
    "svix-signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

impl<'py> Fields<'py> for Signature<'py> {
    fn room(&mut self, name: &[u8]) -> Option<&mut Vec<Text<'py>>> {
        // Most fields of a request are others.
        if !matches!(name.len(), 7 | 10 | 14 | 17) {
            return None;
        }
        let same = |own: &&str| own.as_bytes().eq_ignore_ascii_case(name);
        self.0.get_mut(NAMES.iter().position(same)?)
    }

    fn values(&self, name: &str) -> &[Text<'py>] {
        let place = NAMES.iter().position(|own| *own == name);
        place.map_or(&[], |place| &self.0[place])
    }

    fn read_environ(&mut self, environ: &Bound<'py, PyDict>) -> PyResult<()> {
        let py = environ.py();
        let names = [
            intern!(py, "HTTP_SVIX_ID"),
            intern!(py, "HTTP_SVIX_TIMESTAMP"),
            intern!(py, "HTTP_SVIX_SIGNATURE"),
            intern!(py, "HTTP_WEBHOOK_ID"),
            intern!(py, "HTTP_WEBHOOK_TIMESTAMP"),
            intern!(py, "HTTP_WEBHOOK_SIGNATURE"),
        ];
        for (name, values) in names.into_iter().zip(&mut self.0) {
            if let Some(value) = environ.get_item(name)? {
                values.push(text(&value)?);
            }
        }
        Ok(())
    }
}

/// From so many bytes on, other threads run while a body is hashed.
const LONG: usize = 32 * 1024;
