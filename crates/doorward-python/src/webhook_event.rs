//! Genuine webhooks as Python sees them. An event's payload becomes Python objects when somebody asks for it.

use doorward::core::webhook::{Members, WebhookEvent};
use doorward::{Timestamp, WebhookMessage};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyString, PyTuple};
use serde_json::value::RawValue;

use crate::refusal::raise_webhook;
use crate::value;

/// A genuine message.
#[pyclass(
    frozen,
    subclass,
    module = "doorward.webhooks",
    name = "WebhookMessage"
)]
pub(crate) struct Message {
    /// The same on every attempt to deliver it.
    #[pyo3(get)]
    id: String,
    /// When this attempt was signed, in seconds since 1970.
    #[pyo3(get)]
    sent_at: i64,
    /// Which of the secrets verified it, from 0.
    #[pyo3(get)]
    secret_index: usize,
}

#[pymethods]
impl Message {
    #[new]
    fn build(id: String, sent_at: i64, secret_index: usize) -> Self {
        Self {
            id,
            sent_at,
            secret_index,
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let id = PyString::new(py, &self.id).repr()?;
        Ok(format!("WebhookMessage(id={id}, sent_at={})", self.sent_at))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let own = slf.get();
        let told = (own.id.as_str(), own.sent_at, own.secret_index);
        (slf.get_type(), told).into_pyobject(slf.py())
    }
}

impl From<&WebhookMessage> for Message {
    fn from(message: &WebhookMessage) -> Self {
        Self {
            id: message.id().to_owned(),
            sent_at: message.sent_at().as_secs(),
            secret_index: message.secret_index(),
        }
    }
}

/// A genuine message that is an event.
#[pyclass(frozen, extends = Message, module = "doorward.webhooks", name = "WebhookEvent")]
pub(crate) struct Event {
    kind: String,
    body: Py<PyBytes>,
    payload: PyOnceLock<Py<PyDict>>,
}

impl Event {
    pub(crate) fn of(kind: &str, body: Py<PyBytes>, message: Message) -> PyClassInitializer<Self> {
        PyClassInitializer::from(message).add_subclass(Self {
            kind: kind.to_owned(),
            body,
            payload: PyOnceLock::new(),
        })
    }

    fn member<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.payload(py)?.get_item(name)
    }
}

#[pymethods]
impl Event {
    /// For tests of handlers.
    #[new]
    fn build(
        id: String,
        sent_at: i64,
        secret_index: usize,
        body: &Bound<'_, PyBytes>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let event = WebhookEvent::read(body.as_bytes())
            .map_err(|rejection| raise_webhook(body.py(), &rejection))?;
        let message = Message::build(id, sent_at, secret_index);
        Ok(Self::of(event.kind(), body.clone().unbind(), message))
    }

    /// `user.created`, … New types may come at any time.
    #[getter]
    fn r#type(&self) -> &str {
        &self.kind
    }

    /// The bytes that were signed.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.body.bind(py).clone()
    }

    /// The whole event, as it came.
    #[getter]
    fn payload<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let read = || {
            let body = self.body.bind(py).as_bytes();
            PyResult::Ok(payload(py, body)?.unbind())
        };
        Ok(self.payload.get_or_try_init(py, read)?.bind(py).clone())
    }

    /// What the event is about; `None` if it was left out.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.member(py, "data")
    }

    /// The Clerk instance that sent it.
    #[getter]
    fn instance_id<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.member(py, "instance_id")?;
        Ok(found.filter(|value| value.is_instance_of::<PyString>()))
    }

    /// When it happened, in milliseconds since 1970, where the provider says so in a number.
    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.member(py, "timestamp")?;
        let is_number = |value: &Bound<'_, PyAny>| {
            value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>()
        };
        Ok(found.filter(is_number))
    }

    /// Clerk's `event_attributes`: the request that caused it. Empty if it was left out.
    #[getter]
    fn event_attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = self.member(py, "event_attributes")?;
        let found = found.and_then(|value| value.cast_into::<PyDict>().ok());
        Ok(found.unwrap_or_else(|| PyDict::new(py)))
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.payload(py)?.as_any().get_item(name)
    }

    fn __contains__(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.payload(py)?.contains(name)
    }

    #[pyo3(signature = (name, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.member(py, name)?.or(default))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let message = slf.as_super().get();
        let id = PyString::new(py, &message.id).repr()?;
        let kind = PyString::new(py, &slf.get().kind).repr()?;
        let sent_at = message.sent_at;
        Ok(format!(
            "WebhookEvent(id={id}, type={kind}, sent_at={sent_at})"
        ))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (own, message) = (slf.get(), slf.as_super().get());
        let told = (
            message.id.as_str(),
            message.sent_at,
            message.secret_index,
            own.body.bind(slf.py()),
        );
        (slf.get_type(), told).into_pyobject(slf.py())
    }
}

/// An event's type, when it happened in milliseconds since 1970, the whole event, and the text of its `data`.
type Read<'py> = (String, Option<i64>, Bound<'py, PyDict>, Option<&'py str>);

/// What a genuine body says.
#[pyfunction]
pub(crate) fn read_webhook_event<'py>(
    py: Python<'py>,
    body: &'py Bound<'py, PyBytes>,
) -> PyResult<Read<'py>> {
    let body = body.as_bytes();
    let event = WebhookEvent::read(body).map_err(|rejection| raise_webhook(py, &rejection))?;
    let happened_at = event.happened_at().map(Timestamp::as_millis);
    let payload = payload(py, body)?;
    let data = event.data().map(RawValue::get);
    Ok((event.kind().to_owned(), happened_at, payload, data))
}

/// As [`WebhookEvent::to_object`].
fn payload<'py>(py: Python<'py>, body: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    if let Ok(whole) = value::from_json(py, body)
        && let Ok(whole) = whole.cast_into()
    {
        return Ok(whole);
    }
    let event = WebhookEvent::read(body).map_err(|rejection| raise_webhook(py, &rejection))?;
    let dict = PyDict::new(py);
    for (name, text) in event.members().iter() {
        match Members::of(text).filter(|_| name == "data") {
            Some(members) => dict.set_item(name, readable(py, &members)?)?,
            None => dict.set_item(name, value::from_json(py, text.get().as_bytes()).ok())?,
        }
    }
    Ok(dict)
}

fn readable<'py>(py: Python<'py>, members: &Members<'_>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, text) in members.iter() {
        dict.set_item(name, value::from_json(py, text.get().as_bytes()).ok())?;
    }
    Ok(dict)
}
