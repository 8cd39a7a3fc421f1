//! What a route demands, from keyword arguments.

#![allow(unused_qualifications, reason = "the macro for `hash` writes them")]

use std::hash::{DefaultHasher, Hash, Hasher};

use doorward::{Level, Policy as Engine, Reverification, TokenKind};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple};

use crate::identity::Identity;
use crate::refusal;

/// A route's demands. Immutable; equal arguments make equal policies.
#[pyclass(frozen, module = "doorward", name = "Policy", eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Policy {
    pub(crate) engine: Engine,
}

/// Who asks: a policy may say more than `Identity.has`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demands {
    Policy,
    Has,
}

const NAMES: [&str; 11] = [
    "scopes",
    "any_scope",
    "role",
    "permission",
    "permissions",
    "feature",
    "plan",
    "reverification",
    "organization",
    "accepts",
    "deny_impersonation",
];

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (**demands))]
    fn new(py: Python<'_>, demands: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::from_demands(py, demands, Demands::Policy)
    }

    /// Raises `Rejection` unless the identity satisfies the policy.
    fn permit(&self, py: Python<'_>, identity: &Identity) -> PyResult<()> {
        self.engine
            .permit(&identity.engine)
            .map_err(|rejection| refusal::raise(py, &rejection))
    }

    fn __repr__(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.engine.hash(&mut hasher);
        format!("<Policy {:08x}>", hasher.finish() as u32)
    }
}

impl Policy {
    pub(crate) fn from_demands(
        py: Python<'_>,
        demands: Option<&Bound<'_, PyDict>>,
        who: Demands,
    ) -> PyResult<Self> {
        let mut engine = Engine::new();
        for (name, value) in demands.into_iter().flatten() {
            let name: String = name.extract()?;
            if value.is_none() {
                continue;
            }
            engine = match name.as_str() {
                "scopes" => engine.scopes(words(&name, &value)?),
                "any_scope" => match words(&name, &value)? {
                    nothing if nothing.is_empty() => engine,
                    group => engine.any_scope(group),
                },
                "role" => engine.role(&filled(&name, &value)?),
                "permission" => engine.permission(&filled(&name, &value)?),
                "permissions" => words(&name, &value)?
                    .iter()
                    .fold(engine, |engine, one| engine.permission(one)),
                "feature" => engine.feature(&filled(&name, &value)?),
                "plan" => engine.plan(&filled(&name, &value)?),
                "reverification" => engine.reverification(reverification(&value)?),
                "organization" => match value.extract::<bool>() {
                    Ok(true) => engine.organization(),
                    Ok(false) => engine,
                    Err(_) => engine.organization_is(&filled(&name, &value)?),
                },
                "accepts" if who == Demands::Policy => engine.accepts(kinds(py, &value)?),
                "deny_impersonation" if who == Demands::Policy => match value.extract::<bool>()? {
                    true => engine.deny_impersonation(),
                    false => engine,
                },
                _ => {
                    let known = if who == Demands::Policy {
                        &NAMES[..]
                    } else {
                        &NAMES[..9]
                    };
                    return Err(PyTypeError::new_err(format!(
                        "unexpected keyword argument {name:?}; known are: {}",
                        known.join(", ")
                    )));
                }
            };
        }
        Ok(Self { engine })
    }
}

/// A demand that is empty would be met by nobody or by everybody; either way it is a mistake.
fn filled(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text: String = value.extract()?;
    if text.trim().is_empty() {
        return Err(PyValueError::new_err(format!("{name} is empty")));
    }
    Ok(text)
}

/// A list of words, or one string of words separated by spaces. The empty tuple, Python's default, demands nothing;
/// any other list without words is a mistake that would let everybody in.
fn words(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let words: Vec<String> = match value.cast::<PyString>() {
        Ok(text) => text
            .to_cow()?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        Err(_) => value
            .try_iter()?
            .map(|word| word?.extract())
            .collect::<PyResult<_>>()?,
    };
    let nothing = value.cast::<PyTuple>().is_ok_and(|tuple| tuple.is_empty());
    if words.iter().any(|word| word.trim().is_empty()) || (words.is_empty() && !nothing) {
        return Err(PyValueError::new_err(format!("{name} is empty")));
    }
    Ok(words)
}

/// Token kinds by name: one, several, or a string with commas.
pub(crate) fn kinds(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Vec<TokenKind>> {
    let names: Vec<String> = match value.cast::<PyString>() {
        Ok(text) => text
            .to_cow()?
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
        Err(_) => value
            .try_iter()?
            .map(|name| name?.extract())
            .collect::<PyResult<_>>()?,
    };
    let read = |name: &String| {
        TokenKind::from_name(name).ok_or_else(|| {
            let known = TokenKind::ALL.map(TokenKind::as_str).join(", ");
            refusal::config_error(
                py,
                &format!("accepts: {name:?} is no kind of token; known are: {known}"),
            )
        })
    };
    names.iter().map(read).collect()
}

/// A preset's name, `("second_factor", 10)`, or `{"level": "second_factor", "after_minutes": 10}`.
fn reverification(value: &Bound<'_, PyAny>) -> PyResult<Reverification> {
    let wrong = || {
        PyValueError::new_err(
            "reverification is strict_mfa, strict, moderate, lax, or a level (first_factor, second_factor, \
             multi_factor) with minutes greater than 0",
        )
    };
    if let Ok(name) = value.cast::<PyString>() {
        return Reverification::from_name(&name.to_cow()?).ok_or_else(wrong);
    }
    let (level, after_minutes): (String, u32) = match value.cast::<PyMapping>() {
        Ok(mapping) => {
            let minutes = mapping
                .get_item("after_minutes")
                .or_else(|_| mapping.get_item("afterMinutes"))?;
            (mapping.get_item("level")?.extract()?, minutes.extract()?)
        }
        Err(_) => value.extract()?,
    };
    match Level::from_name(&level) {
        Some(level) if after_minutes > 0 => Ok(Reverification {
            level,
            after_minutes,
        }),
        _ => Err(wrong()),
    }
}
