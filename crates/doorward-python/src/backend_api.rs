//! Clerk's Backend API as Python calls it: an operation's id and JSON go in, the answer's bytes come out.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward::core::Secret;
use doorward_clerk::{
    ApiError, Arguments, CallOptions, Clerk, ClerkConfig, Operation, Request, Response,
    RetryPolicy, Started, Step, Table, Upload, Walk,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::refusal;
use crate::runtime::Promise;

/// The text of the table of operations.
#[pyfunction]
pub(crate) fn clerk_table() -> &'static str {
    doorward_clerk::table::JSON
}

/// The resources of the table.
#[pyfunction]
pub(crate) fn clerk_resources() -> Vec<&'static str> {
    Table::get().resources()
}

/// The operations of a resource, as the table's text has them: to read all of it takes a megabyte, and few need more than
/// some resources.
#[pyfunction]
pub(crate) fn clerk_operations(resource: &str) -> String {
    #[derive(Deserialize)]
    struct Rows {
        #[serde(borrow)]
        operations: Vec<&'static RawValue>,
    }
    static ROWS: LazyLock<Vec<&'static RawValue>> = LazyLock::new(|| {
        let rows = serde_json::from_str::<Rows>(doorward_clerk::table::JSON);
        rows.map(|rows| rows.operations).unwrap_or_default()
    });
    let rows = Table::get().operations.iter().zip(&*ROWS);
    let rows = rows.filter(|(operation, _)| operation.resource == resource);
    let rows: Vec<&str> = rows.map(|(_, row)| row.get()).collect();
    format!("[{}]", rows.join(","))
}

/// The fields of a type of the table, and their types.
#[pyfunction]
pub(crate) fn clerk_type(name: &str) -> Option<Vec<(&'static str, &'static str)>> {
    Table::get().fields(name).map(<[_]>::to_vec)
}

/// The items of a list in one of its shapes, each as it came, and what else came with them; nothing where the answer is
/// none, or must be read at once: an item that is read later must not turn out then to be what Python cannot read.
#[pyfunction]
#[pyo3(signature = (answer, items))]
pub(crate) fn clerk_items<'py>(
    py: Python<'py>,
    answer: &[u8],
    items: Option<&str>,
) -> Option<Items<'py>> {
    let raw = |value: &RawValue| PyBytes::new(py, value.get().as_bytes());
    if !modest(answer) {
        return None;
    }
    if answer.trim_ascii_start().starts_with(b"[") {
        let list: Vec<&RawValue> = serde_json::from_slice(answer).ok()?;
        return Some((list.into_iter().map(raw).collect(), Vec::new()));
    }
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_slice(answer).ok()?;
    let is_list = |name: &&str| {
        let value = fields.get(*name);
        value.is_some_and(|value| value.get().starts_with('['))
    };
    let name = items.into_iter().chain(["data"]).find(is_list)?;
    let list: Vec<&RawValue> = serde_json::from_str(fields.remove(name)?.get()).ok()?;
    let rest = fields.into_iter().map(|(name, value)| (name, raw(value)));
    Some((list.into_iter().map(raw).collect(), rest.collect()))
}

/// Items, and the other fields, all of it JSON.
type Items<'py> = (Vec<Bound<'py, PyBytes>>, Vec<(String, Bound<'py, PyBytes>)>);

/// Whether nothing in it is so deep, and no number so long, that Python would not read it.
fn modest(json: &[u8]) -> bool {
    let (mut depth, mut digits, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'0'..=b'9' => digits += 1,
            _ => digits = 0,
        }
        if depth > MOST_DEPTH || digits > MOST_DIGITS {
            return false;
        }
    }
    true
}

/// A client of the Backend API. Nothing is opened before the first call.
#[pyclass(frozen, module = "doorward", name = "BackendApi")]
pub(crate) struct BackendApi(Clerk);

/// Name, file name, media type, content.
type File = (String, String, String, Vec<u8>);

#[pymethods]
impl BackendApi {
    #[new]
    #[pyo3(signature = (*, secret_key=None, machine_secret_key=None, base_url=None))]
    fn new(
        py: Python<'_>,
        secret_key: Option<String>,
        machine_secret_key: Option<String>,
        base_url: Option<String>,
    ) -> PyResult<Self> {
        let mut config = ClerkConfig {
            secret_key: secret_key.map(Secret::new),
            machine_secret_key: machine_secret_key.map(Secret::new),
            ..ClerkConfig::default()
        };
        if let Some(base_url) = base_url {
            config.base_url = base_url;
        }
        let clerk = Clerk::with_config(config);
        clerk
            .map(Self)
            .map_err(|error| refusal::config_error(py, &error.to_string()))
    }

    /// Starts a call of an operation of the table.
    #[pyo3(signature = (operation, arguments, *, files=Vec::new(), secret_key=None, timeout=None, attempts=None, headers=Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn start(
        &self,
        py: Python<'_>,
        operation: &str,
        arguments: &str,
        files: Vec<File>,
        secret_key: Option<String>,
        timeout: Option<f64>,
        attempts: Option<u32>,
        headers: Vec<(String, String)>,
    ) -> PyResult<Calling> {
        let operation = operation_of(operation)?;
        let mut arguments = Arguments::from(object(arguments)?);
        for (name, file_name, content_type, bytes) in files {
            let upload = Upload {
                file_name,
                content_type,
                bytes,
            };
            arguments = arguments.file(name, upload);
        }
        let request = operation.request(arguments);
        let request = request.map_err(|error| raise(py, &error.into()))?;
        let options = options(secret_key, timeout, attempts, headers)?;
        Calling::start(py, &self.0, request, options)
    }

    /// Starts a request that the table does not know. `target` is sent as it is.
    #[pyo3(signature = (method, target, body=None, *, secret_key=None, timeout=None, attempts=None, headers=Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn start_raw(
        &self,
        py: Python<'_>,
        method: String,
        target: String,
        body: Option<&str>,
        secret_key: Option<String>,
        timeout: Option<f64>,
        attempts: Option<u32>,
        headers: Vec<(String, String)>,
    ) -> PyResult<Calling> {
        let mut request = Request::new(method, target);
        if let Some(body) = body {
            request = request.with_json(json(body)?);
        }
        let options = options(secret_key, timeout, attempts, headers)?;
        Calling::start(py, &self.0, request, options)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// Where a walk through the pages of a list is.
#[pyclass(frozen, module = "doorward", name = "Walk")]
pub(crate) struct Walking {
    arguments: Map<String, Value>,
    walk: Mutex<Walk>,
}

#[pymethods]
impl Walking {
    #[new]
    fn new(operation: &str, arguments: &str) -> PyResult<Self> {
        let arguments = object(arguments)?;
        let walk = Walk::new(operation_of(operation)?, &arguments.clone().into());
        Ok(Self {
            arguments,
            walk: Mutex::new(walk),
        })
    }

    /// The arguments of the next page.
    fn arguments(&self) -> String {
        let page = self.lock().arguments(Arguments::new());
        let mut arguments = self.arguments.clone();
        for name in WALKED {
            if let Some(value) = page.value(name) {
                arguments.insert(name.to_owned(), value.clone());
            }
        }
        Value::Object(arguments).to_string()
    }

    /// Whether there is another page; none if the same came twice.
    #[pyo3(signature = (count, ends, total_count))]
    fn step(
        &self,
        count: u64,
        ends: Option<(String, String)>,
        total_count: Option<u64>,
    ) -> Option<bool> {
        // Python reads JSON that has no word in ours, such as NaN.
        let item = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        let ends = ends.map(|(first, last)| (item(first), item(last)));
        let ends = ends.as_ref().map(|(first, last)| (first, last));
        match self.lock().turn(count, ends, total_count) {
            Step::More => Some(true),
            Step::End => Some(false),
            Step::Stuck => None,
        }
    }

    fn __repr__(&self) -> &'static str {
        "Walk()"
    }
}

impl Walking {
    fn lock(&self) -> MutexGuard<'_, Walk> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn operation_of(id: &str) -> PyResult<&'static Operation> {
    let operation = Table::get().operation(id);
    operation.ok_or_else(|| PyValueError::new_err("there is no such operation"))
}

fn object(text: &str) -> PyResult<Map<String, Value>> {
    match json(text)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(PyTypeError::new_err("arguments are a JSON object")),
    }
}

fn json(text: &str) -> PyResult<Value> {
    if loses_digits(text.as_bytes()) {
        let why = "an argument has a whole number beyond 64 bits, which would lose digits";
        return Err(PyValueError::new_err(why));
    }
    // The reader's words say where and not what.
    serde_json::from_str(text)
        .map_err(|error| PyValueError::new_err(format!("an argument cannot be sent: {error}")))
}

/// Whether a whole number in it would come out as a fraction that is near.
fn loses_digits(json: &[u8]) -> bool {
    let (mut in_text, mut escaped, mut start) = (false, false, None);
    let ends = json.iter().chain(b" ");
    for (at, byte) in ends.enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E' => {
                start = start.or(Some(at));
                continue;
            }
            _ => {}
        }
        let number = start.take().and_then(|start| json.get(start..at));
        let number = number.and_then(|number| std::str::from_utf8(number).ok());
        let is_whole = |text: &&str| {
            let digits = text.trim_start_matches('-');
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if number
            .filter(is_whole)
            .is_some_and(|number| number.parse::<i64>().is_err() && number.parse::<u64>().is_err())
        {
            return true;
        }
    }
    false
}

fn options(
    secret_key: Option<String>,
    timeout: Option<f64>,
    attempts: Option<u32>,
    headers: Vec<(String, String)>,
) -> PyResult<CallOptions> {
    let deadline = timeout.map(Duration::try_from_secs_f64).transpose();
    let deadline =
        deadline.map_err(|_| PyValueError::new_err("a timeout is a positive number of seconds"))?;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        // The value may be a secret.
        let bad = || PyValueError::new_err(format!("{name:?} is no header field that can be sent"));
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        map.insert(field, HeaderValue::from_str(&value).map_err(|_| bad())?);
    }
    Ok(CallOptions {
        secret_key: secret_key.map(Secret::new),
        deadline,
        retry: attempts.map(|attempts| RetryPolicy {
            attempts: attempts.max(1),
            ..RetryPolicy::default()
        }),
        headers: map,
    })
}

/// A call on its way.
#[pyclass(frozen, module = "doorward", name = "Calling")]
pub(crate) struct Calling {
    answer: Promise<Answer>,
    started: Mutex<Option<Started>>,
}

/// `None`: it was given up.
type Answer = Arc<Option<Result<Response, ApiError>>>;

/// Status, headers, body.
type Parts<'py> = (u16, Vec<(String, String)>, Bound<'py, PyBytes>);

#[pymethods]
impl Calling {
    #[getter]
    fn fetch_id(&self) -> usize {
        self.answer.id()
    }

    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        self.answer.wait(py)
    }

    /// Status, headers and body of a success.
    fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Parts<'py>> {
        match self.answer.value().as_deref() {
            Some(Some(Ok(response))) => Ok(parts(py, response)),
            Some(Some(Err(error))) => Err(raise(py, error)),
            Some(None) | None => Err(given_up(py)),
        }
    }

    /// Gives up. The request may have taken effect.
    fn cancel(&self) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(started) = started.take() {
            started.cancel();
        }
        self.answer.keep(Arc::new(None));
    }

    fn __repr__(&self) -> &'static str {
        "Calling()"
    }
}

impl Calling {
    fn start(
        py: Python<'_>,
        clerk: &Clerk,
        request: Request,
        options: CallOptions,
    ) -> PyResult<Self> {
        let answer = Promise::<Answer>::open();
        let kept = answer.clone();
        let started = py.detach(|| {
            clerk.start(request, options, move |result| {
                kept.keep(Arc::new(Some(result)));
            })
        });
        let started = started.map_err(|error| raise(py, &error))?;
        Ok(Self {
            answer,
            started: Mutex::new(Some(started)),
        })
    }
}

fn parts<'py>(py: Python<'py>, response: &Response) -> Parts<'py> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), text(value)));
    let body = PyBytes::new(py, response.bytes());
    (response.status(), headers.collect(), body)
}

/// `doorward.clerk.ClerkError`, of the class that fits.
fn raise(py: Python<'_>, error: &ApiError) -> PyErr {
    let build = || {
        failed(py)?.call1((
            error.kind().as_str(),
            error.to_string(),
            error.response().map(|response| parts(py, response)),
            error.trace_id(),
            error.retry_after().map(|wait| wait.as_secs_f64()),
            error.attempts(),
            error.may_have_arrived(),
        ))
    };
    build().map_or_else(|error| error, PyErr::from_value)
}

fn given_up(py: Python<'_>) -> PyErr {
    let why = "the call was given up";
    let nothing = None::<Parts<'_>>;
    let build = || {
        let trace = None::<String>;
        failed(py)?.call1(("interrupted", why, nothing, trace, None::<f64>, 0, true))
    };
    build().map_or_else(|error| error, PyErr::from_value)
}

fn failed(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FAILED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FAILED.import(py, "doorward.clerk._errors", "failed")
}

/// What tells a page from another.
const WALKED: [&str; 3] = ["limit", "offset", "starting_after"];
/// What Python reads wherever it stands: its stack ends at a thousand calls, and its numbers at 4300 digits.
const MOST_DEPTH: usize = 100;
const MOST_DIGITS: usize = 300;
