//! Translates: the extension module `doorward._doorward`. Conversions only, no decisions.
//!
//! Every class is frozen and every state it shares is `Sync` by construction, so the module declares that it does not
//! need the GIL.

mod asgi;
mod authenticator;
mod authorization_server;
mod backend_api;
mod carrier;
mod conformance;
mod dev_issuer;
mod head;
mod identity;
mod issuer;
mod policy;
mod refusal;
mod resource;
mod revocation;
mod runtime;
mod value;
mod webhook;
mod webhook_event;

use doorward::Reason;
use doorward::core::jws;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

/// The compiled engine of the Python package `doorward`.
#[pymodule(gil_used = false)]
fn _doorward(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("ANY", Bound::new(py, issuer::Any)?)?;
    module.add("REASONS", reasons(py)?)?;
    module.add("METRICS", PyTuple::new(py, doorward::METRICS)?)?;
    module.add_class::<issuer::Any>()?;
    module.add_class::<issuer::Issuer>()?;
    module.add_class::<identity::Identity>()?;
    module.add_class::<policy::Policy>()?;
    module.add_class::<authenticator::Authenticator>()?;
    module.add_class::<authenticator::Pending>()?;
    module.add_class::<resource::ProtectedResource>()?;
    module.add_class::<authorization_server::AuthorizationServer>()?;
    module.add_class::<authorization_server::Handling>()?;
    module.add_class::<authorization_server::Checking>()?;
    module.add_class::<authorization_server::Fetching>()?;
    module.add_class::<carrier::Carrier>()?;
    module.add_class::<carrier::CarriedCall>()?;
    module.add_class::<revocation::Logout>()?;
    module.add_class::<revocation::Revoking>()?;
    module.add_class::<asgi::Credentials>()?;
    module.add_class::<asgi::User>()?;
    module.add_class::<dev_issuer::DevIssuer>()?;
    module.add_class::<conformance::ConformanceSuite>()?;
    module.add("WEBHOOK_REASONS", webhook::reasons(py)?)?;
    module.add("MAX_WEBHOOK_BYTES", doorward::core::webhook::MAX_BODY_BYTES)?;
    module.add_class::<webhook::WebhookVerifier>()?;
    module.add_class::<webhook_event::Message>()?;
    module.add_class::<webhook_event::Event>()?;
    module.add_function(wrap_pyfunction!(webhook_event::read_webhook_event, module)?)?;
    module.add_function(wrap_pyfunction!(webhook::webhook_body_refused, module)?)?;
    module.add_function(wrap_pyfunction!(asgi::admit, module)?)?;
    module.add_class::<backend_api::BackendApi>()?;
    module.add_class::<backend_api::Calling>()?;
    module.add_class::<backend_api::Walking>()?;
    module.add_function(wrap_pyfunction!(backend_api::clerk_table, module)?)?;
    module.add_function(wrap_pyfunction!(backend_api::clerk_resources, module)?)?;
    module.add_function(wrap_pyfunction!(backend_api::clerk_operations, module)?)?;
    module.add_function(wrap_pyfunction!(backend_api::clerk_type, module)?)?;
    module.add_function(wrap_pyfunction!(backend_api::clerk_items, module)?)?;
    module.add_function(wrap_pyfunction!(verify_jws, module)?)?;
    module.add_function(wrap_pyfunction!(inspect, module)?)?;
    Ok(())
}

/// The table of refusals, for Python's `Reason`.
fn reasons(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let row = |reason: &Reason| {
        (
            reason.code(),
            reason.status(),
            reason.error(),
            reason.clerk_code(),
            reason.summary(),
        )
            .into_pyobject(py)
    };
    PyTuple::new(
        py,
        Reason::ALL.iter().map(row).collect::<PyResult<Vec<_>>>()?,
    )
}

/// Verifies a compact JWS and returns its payload.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "the conversion from Python makes it"
)]
fn verify_jws<'py>(
    py: Python<'py>,
    compact: &Bound<'py, PyAny>,
    keys: &Bound<'py, PyAny>,
    algorithms: Vec<String>,
) -> PyResult<Bound<'py, PyBytes>> {
    let algorithms = issuer::algorithm_set(py, &algorithms)?;
    let keys = issuer::key_texts(keys)?;
    let set = doorward::core::JwkSet::read_all(keys.iter().map(String::as_bytes), algorithms)
        .map_err(|error| refusal::config_error(py, &format!("keys: {error}")))?;
    let compact = head::token_text(compact)?;
    let payload = jws::verify(&compact, &set, algorithms)
        .map_err(|rejection| refusal::raise(py, &rejection))?;
    Ok(PyBytes::new(py, &payload))
}

/// Decodes a token without verifying it.
#[pyfunction]
fn inspect<'py>(py: Python<'py>, token: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let token = head::token_text(token)?;
    let (header, claims) =
        jws::decode_unverified(&token).map_err(|rejection| refusal::raise(py, &rejection))?;
    let decoded = PyDict::new(py);
    decoded.set_item("header", value::from_json(py, header.as_bytes())?)?;
    decoded.set_item("claims", value::from_json(py, &claims)?)?;
    Ok(decoded)
}
