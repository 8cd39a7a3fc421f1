//! The shapes of answers about nothing in particular.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(crate) fn fresh(body: &Value) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "error": code, "message": message });
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

pub(crate) fn refused(rejection: &JsonRejection) -> Response {
    error(rejection.status(), "bad_request", &rejection.body_text())
}
