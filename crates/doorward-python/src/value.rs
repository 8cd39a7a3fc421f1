//! JSON as Python objects, built in one pass without an intermediate tree; and settings as JSON.

use std::fmt;

use doorward::ANY_AUDIENCE;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyString};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::issuer::Any;

/// The Python object that `json` describes.
pub(crate) fn from_json<'py>(py: Python<'py>, json: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    ToPython(py)
        .deserialize(&mut deserializer)
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Settings as JSON. What JSON has no word for is spelled as the file spells it.
pub(crate) fn json_of(settings: &Bound<'_, PyMapping>) -> PyResult<String> {
    let py = settings.py();
    let arguments = PyDict::new(py);
    arguments.set_item("default", wrap_pyfunction!(spelled, py)?)?;
    py.import("json")?
        .call_method("dumps", (settings,), Some(&arguments))?
        .extract()
}

#[pyfunction]
fn spelled<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    if value.is_instance_of::<Any>() {
        return Ok(PyString::new(py, ANY_AUDIENCE).into_any());
    }
    if value.is_instance_of::<PyBytes>() {
        return value.call_method0("decode");
    }
    if let Ok(mapping) = value.cast::<PyMapping>() {
        return py.get_type::<PyDict>().call1((mapping,));
    }
    if let Ok(path) = py.import("os")?.call_method1("fspath", (value,)) {
        return Ok(path);
    }
    match value.try_iter() {
        Ok(items) => Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "a setting is text, a number, a truth value or a list of those, found {}",
            value.get_type().name()?
        ))),
    }
}

#[derive(Clone, Copy)]
struct ToPython<'py>(Python<'py>);

impl<'de, 'py> DeserializeSeed<'de> for ToPython<'py> {
    type Value = Bound<'py, PyAny>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'py> ToPython<'py> {
    fn object<E: Error>(self, value: impl IntoPyObject<'py>) -> Result<Bound<'py, PyAny>, E> {
        pyo3::IntoPyObjectExt::into_bound_py_any(value, self.0).map_err(E::custom)
    }
}

impl<'de, 'py> Visitor<'de> for ToPython<'py> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(self.0.None().into_bound(self.0))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.object(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.0);
        while let Some(item) = sequence.next_element_seed(self)? {
            list.append(item).map_err(A::Error::custom)?;
        }
        Ok(list.into_any())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.0);
        while let Some(key) = map.next_key_seed(self)? {
            dict.set_item(key, map.next_value_seed(self)?)
                .map_err(A::Error::custom)?;
        }
        Ok(dict.into_any())
    }
}
