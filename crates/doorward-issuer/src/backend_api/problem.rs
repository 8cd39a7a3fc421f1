//! Refusals, in the shape of Clerk's Backend API (<https://clerk.com/docs/errors/backend-api>).

use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Map, Value, json};

use crate::opaque::random_text;
use crate::strike::Answer;

/// Why a request is refused: one error at least.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    pub(super) errors: Vec<Fault>,
    retry_after: Option<u64>,
}

/// One error of a refusal.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: &'static str,
    pub(super) long: String,
    pub(super) param: Option<String>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: &'static str,
        long: impl Into<String>,
    ) -> Self {
        let fault = Fault {
            code,
            message,
            long: long.into(),
            param: None,
        };
        Self {
            status,
            errors: vec![fault],
            retry_after: None,
        }
    }

    /// Several errors about parameters, 422.
    pub(super) fn of(errors: Vec<Fault>) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            errors,
            retry_after: None,
        }
    }

    /// 404 for a thing of this kind.
    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "resource_not_found",
            "not found",
            format!("There is no {what} {id:?}."),
        )
    }

    /// 422 about one parameter.
    pub(super) fn parameter(
        code: &'static str,
        message: &'static str,
        name: &str,
        long: impl Into<String>,
    ) -> Self {
        Self::of(vec![Fault::new(code, message, name, long)])
    }

    /// 422 for a value that is of the right type and still not right.
    pub(super) fn value(name: &str, long: impl Into<String>) -> Self {
        Self::parameter("form_param_value_invalid", "is invalid", name, long)
    }

    /// 422 for a name, an address or a number that another has.
    pub(super) fn taken(name: &str) -> Self {
        let long = format!("This {name} is taken; use another.");
        Self::parameter("form_identifier_exists", "is taken", name, long)
    }

    /// 400 for what cannot be done now.
    pub(super) fn conflict(code: &'static str, long: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "not possible", long)
    }

    /// 501 for an operation that exists at Clerk and not here.
    pub(super) fn not_implemented(operation: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "not_implemented",
            "not implemented",
            format!("{operation}: the local issuer does not have this operation."),
        )
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The answer. The groups behind Clerk's proxy leave `meta` and the trace out.
    pub(super) fn answer(&self, proxied: bool) -> Answer {
        let answer = Answer::json(&self.body(proxied)).status(self.status);
        let answer = match self.retry_after {
            Some(seconds) => answer.header(RETRY_AFTER, seconds.to_string()),
            None => answer,
        };
        match self.status {
            StatusCode::UNAUTHORIZED => answer.header(WWW_AUTHENTICATE, "Bearer"),
            _ => answer,
        }
    }

    pub(super) fn body(&self, proxied: bool) -> Value {
        let errors = self.errors.iter().map(|fault| {
            let mut error = json!({
                "code": fault.code, "message": fault.message, "long_message": fault.long,
            });
            if !proxied {
                let named = fault.param.iter();
                let meta: Map<_, _> = named
                    .map(|name| ("param_name".to_owned(), json!(name)))
                    .collect();
                error["meta"] = Value::Object(meta);
            }
            error
        });
        let mut body = json!({ "errors": errors.collect::<Vec<_>>() });
        if !proxied && let Ok(trace) = random_text("") {
            body["clerk_trace_id"] = json!(trace[..32].to_owned());
        }
        body
    }

    /// All of it in a line, for a seed that does not fit.
    pub(super) fn told(&self) -> String {
        let told = self.errors.iter().map(|fault| match &fault.param {
            Some(param) => format!("{param}: {}", fault.long),
            None => fault.long.clone(),
        });
        told.collect::<Vec<_>>().join("; ")
    }
}

impl Fault {
    pub(super) fn new(
        code: &'static str,
        message: &'static str,
        name: &str,
        long: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message,
            long: long.into(),
            param: Some(name.to_owned()),
        }
    }

    pub(super) fn missing(name: &str) -> Self {
        let long = format!("{name} must be given.");
        Self::new("form_param_missing", "is missing", name, long)
    }

    pub(super) fn unknown(name: &str) -> Self {
        let long = format!("{name} is no parameter of this operation.");
        Self::new("form_param_unknown", "is unknown", name, long)
    }

    pub(super) fn wrong_type(name: &str, expected: &str) -> Self {
        let long = format!("{name} must be {expected}.");
        Self::new("form_param_type_invalid", "is invalid", name, long)
    }

    pub(super) fn out_of_range(name: &str, bound: &str) -> Self {
        let long = format!("{name} must be {bound}.");
        Self::new("form_param_value_invalid", "is invalid", name, long)
    }
}
