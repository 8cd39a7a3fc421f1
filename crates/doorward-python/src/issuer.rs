//! A trusted issuer, from keyword arguments.

use doorward::core::{Algorithm, AlgorithmSet};
use doorward::{ANY_AUDIENCE, IssuerConfig, OneOrMany, SecretText};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString, PyType};

use crate::refusal;
use crate::value::json_of;

/// The type of `ANY`, which waives an audience check.
#[pyclass(frozen, module = "doorward", name = "Any_")]
pub(crate) struct Any;

#[pymethods]
impl Any {
    fn __repr__(&self) -> &'static str {
        "doorward.ANY"
    }
}

/// One trusted authorization server.
#[pyclass(frozen, module = "doorward", name = "Issuer")]
pub(crate) struct Issuer {
    pub(crate) config: IssuerConfig,
}

#[pymethods]
impl Issuer {
    #[new]
    #[pyo3(signature = (*, issuer, audience, keys=None, shared_secret=None, authorized_parties=None, algorithms=None,
        required_claims=None, token_types=None, leeway=None, clients_without_audience=None,
        dangerously_accept_tokens_without_audience=false))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are Python's keyword arguments"
    )]
    fn new(
        issuer: String,
        audience: &Bound<'_, PyAny>,
        keys: Option<&Bound<'_, PyAny>>,
        shared_secret: Option<&Bound<'_, PyAny>>,
        authorized_parties: Option<&Bound<'_, PyAny>>,
        algorithms: Option<&Bound<'_, PyAny>>,
        required_claims: Option<&Bound<'_, PyAny>>,
        token_types: Option<&Bound<'_, PyAny>>,
        leeway: Option<f64>,
        clients_without_audience: Option<&Bound<'_, PyAny>>,
        dangerously_accept_tokens_without_audience: bool,
    ) -> PyResult<Self> {
        let mut config = IssuerConfig::new(issuer, self::audience(audience)?);
        config.authorized_parties = authorized_parties
            .map(|parties| one_or_many("authorized_parties", parties))
            .transpose()?;
        config.algorithms = algorithms
            .map(|names| one_or_many("algorithms", names))
            .transpose()?;
        config.required_claims = required_claims
            .map(|names| one_or_many("required_claims", names))
            .transpose()?;
        config.token_types = token_types
            .map(|names| one_or_many("token_types", names))
            .transpose()?;
        config.leeway = leeway;
        config.clients_without_audience = clients_without_audience
            .map(|clients| one_or_many("clients_without_audience", clients))
            .transpose()?;
        config.dangerously_accept_tokens_without_audience =
            Some(dangerously_accept_tokens_without_audience);
        if let Some(secret) = shared_secret {
            config.shared_secret = Some(secret_text("shared_secret", secret)?);
        }
        if let Some(keys) = keys {
            set_keys(&mut config, keys)?;
        }
        Ok(Self { config })
    }

    /// An issuer of a known provider, from the settings its preset wants.
    #[classmethod]
    #[pyo3(signature = (name, /, **settings))]
    fn preset(
        class: &Bound<'_, PyType>,
        name: &str,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let py = class.py();
        // A wrong name is said here; what the settings mean is said where they are resolved.
        doorward::Preset::named(name)
            .map_err(|error| refusal::config_error(py, &error.to_string()))?;
        let given = PyDict::new(py);
        if let Some(settings) = settings {
            given.update(settings.as_mapping())?;
        }
        // Key material comes in the spellings the constructor takes too.
        let keys = given.get_item("keys")?.filter(|keys| !keys.is_none());
        given.del_item("keys").ok();
        if given.contains("preset")? {
            let message = "preset: is named twice; the first argument is its name";
            return Err(refusal::config_error(py, message));
        }
        given.set_item("preset", name)?;
        let mut config = IssuerConfig::from_json(&json_of(given.as_mapping())?)
            .map_err(|error| refusal::config_error(py, &error.to_string()))?;
        if let Some(keys) = keys {
            set_keys(&mut config, &keys)?;
        }
        Ok(Self { config })
    }

    #[getter]
    fn issuer(&self) -> &str {
        self.config.issuer.as_deref().unwrap_or_default()
    }

    fn __repr__(&self) -> String {
        match &self.config.preset {
            Some(preset) => format!("<Issuer preset {preset:?}>"),
            None => format!("<Issuer {:?}>", self.issuer()),
        }
    }
}

/// Keys in any spelling, or the URL of a key set.
pub(crate) fn set_keys(config: &mut IssuerConfig, keys: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Ok(text) = keys.cast::<PyString>() {
        let text = text.to_cow()?;
        if text.starts_with("https://") || text.starts_with("http://") {
            config.jwks_url = Some(text.into_owned());
            return Ok(());
        }
    }
    config.keys = Some(OneOrMany::Many(key_texts(keys)?));
    Ok(())
}

/// Key material as texts: a mapping becomes JSON, DER becomes base64.
pub(crate) fn key_texts(keys: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if let Ok(text) = keys.cast::<PyString>() {
        return Ok(vec![text.to_cow()?.into_owned()]);
    }
    if let Ok(bytes) = keys.cast::<PyBytes>() {
        return Ok(vec![match std::str::from_utf8(bytes.as_bytes()) {
            Ok(text) => text.to_owned(),
            Err(_) => base64_simd::STANDARD.encode_to_string(bytes.as_bytes()),
        }]);
    }
    if keys.cast::<PyMapping>().is_ok() {
        let json = keys.py().import("json")?.call_method1("dumps", (keys,))?;
        return Ok(vec![json.extract()?]);
    }
    let Ok(items) = keys.try_iter() else {
        return Err(PyTypeError::new_err(
            "keys is a str, bytes, a mapping (JWK or JWK set) or a list of those",
        ));
    };
    let mut texts = Vec::new();
    for item in items {
        texts.extend(key_texts(&item?)?);
    }
    Ok(texts)
}

/// An audience: `ANY`, one name, or several.
pub(crate) fn audience(value: &Bound<'_, PyAny>) -> PyResult<OneOrMany> {
    if value.is_instance_of::<Any>() {
        return Ok(OneOrMany::One(ANY_AUDIENCE.to_owned()));
    }
    if value.is_none() {
        let message = "audience: is missing; name this API as the issuer knows it, or waive the check with doorward.ANY";
        return Err(refusal::config_error(value.py(), message));
    }
    let audience = one_or_many("audience", value)?;
    if audience.items().contains(&ANY_AUDIENCE) {
        let message = "audience: \"*\" is no audience; waive the check with doorward.ANY";
        return Err(refusal::config_error(value.py(), message));
    }
    Ok(audience)
}

pub(crate) fn one_or_many(setting: &str, value: &Bound<'_, PyAny>) -> PyResult<OneOrMany> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(OneOrMany::One(text.to_cow()?.into_owned()));
    }
    let wrong = || {
        let found = value
            .get_type()
            .name()
            .map_or_else(|_| String::new(), |name| name.to_string());
        let message = format!("{setting}: expected text or a list of texts, found {found}");
        refusal::config_error(value.py(), &message)
    };
    let items = value.try_iter().map_err(|_| wrong())?;
    let texts: PyResult<Vec<String>> = items.map(|item| item?.extract()).collect();
    Ok(OneOrMany::Many(texts.map_err(|_| wrong())?))
}

/// A secret is text: as bytes it must be UTF-8, because its UTF-8 bytes are the key.
pub(crate) fn secret_text(setting: &str, value: &Bound<'_, PyAny>) -> PyResult<SecretText> {
    let wrong = |what: &str| refusal::config_error(value.py(), &format!("{setting}: {what}"));
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(SecretText::from(text.to_cow()?.into_owned()));
    }
    match value.cast::<PyBytes>() {
        Ok(bytes) => String::from_utf8(bytes.as_bytes().to_vec())
            .map(SecretText::from)
            .map_err(|_| wrong("these bytes are not UTF-8; a secret is text")),
        Err(_) => Err(wrong("expected text")),
    }
}

pub(crate) fn algorithm_set(py: Python<'_>, names: &[String]) -> PyResult<AlgorithmSet> {
    let read = |name: &String| {
        let algorithm =
            Algorithm::from_name(name).filter(|known| AlgorithmSet::ASYMMETRIC.contains(*known));
        algorithm.ok_or_else(|| {
            let known = AlgorithmSet::ASYMMETRIC;
            refusal::config_error(py, &format!("algorithms: {name:?} is none of {known}"))
        })
    };
    names.iter().map(read).collect()
}
