//! What the sender sees: 200 when the message is on disk, 400 when it is not genuine, 503 when the store is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use doorward::core::WebhookVerifier;
use doorward::core::webhook::MAX_BODY_BYTES;
use doorward_sync::{Inbox, Message, Schema, SyncError, Verdict, Worker};
use serde_json::json;

use super::metrics::{Metrics, Received};
use crate::store::now;

/// Everything that an answer depends on.
pub(super) struct Receiver {
    pub(super) verifier: WebhookVerifier,
    pub(super) inbox: Inbox,
    pub(super) schema: Schema,
    /// Handles each message before its answer.
    pub(super) inline: Option<Worker>,
    pub(super) metrics: Arc<Metrics>,
}

type Shared = State<Arc<Receiver>>;

pub(super) fn webhooks(path: &str, receiver: Arc<Receiver>) -> Router {
    Router::new()
        .route(path, post(receive))
        .with_state(receiver)
}

pub(super) fn admin(receiver: Arc<Receiver>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(receiver)
}

async fn receive(State(receiver): Shared, headers: HeaderMap, body: Body) -> Response {
    let began = Instant::now();
    let (outcome, answer) = answer(&receiver, &headers, body).await;
    receiver.metrics.received(outcome, began.elapsed());
    answer
}

async fn answer(receiver: &Receiver, headers: &HeaderMap, body: Body) -> (Received, Response) {
    let read = tokio::time::timeout(BODY_PATIENCE, to_bytes(body, MAX_BODY_BYTES)).await;
    let Ok(Ok(body)) = read else {
        let (status, code) = match read {
            Ok(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Err(_) => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
        };
        return (Received::Refused, refusal(status, code));
    };
    let head: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let genuine = match receiver.verifier.verify(&head, &body, now()) {
        Ok(genuine) => genuine,
        Err(rejection) => {
            let code = rejection.reason().code();
            tracing::info!(target: "doorward", reason = code, detail = rejection.detail(), "a webhook was refused");
            let status =
                StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::BAD_REQUEST);
            return (Received::Refused, refusal(status, code));
        }
    };
    let message = match Message::new(genuine.id(), &body) {
        Ok(message) => message,
        Err(error) => {
            tracing::warn!(target: "doorward", id = genuine.id(), %error, "a genuine webhook is no event");
            let refused = refusal(StatusCode::BAD_REQUEST, "payload_malformed");
            return (Received::Refused, refused);
        }
    };
    let is_new = match receiver.inbox.accept(&message, now()).await {
        Ok(is_new) => is_new,
        Err(error) => return (Received::Unavailable, unavailable(&error)),
    };
    let outcome = if is_new {
        Received::Accepted
    } else {
        Received::Repeated
    };
    let Some(worker) = &receiver.inline else {
        return (
            outcome,
            Json(json!({ "status": outcome.as_str() })).into_response(),
        );
    };
    let answer = match worker.handle_now(message.id(), now()).await {
        Ok(Verdict::Done | Verdict::Dead) => Json(json!({ "status": "handled" })).into_response(),
        Ok(Verdict::Failed) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "handler_failed"),
        Ok(_) => later("in_hand"),
        Err(error) => unavailable(&error),
    };
    (outcome, answer)
}

async fn ready(State(receiver): Shared) -> Response {
    match receiver.schema.check(receiver.inbox.database()).await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(target: "doorward", %error, "not ready");
            later("store_unavailable")
        }
    }
}

async fn metrics(State(receiver): Shared) -> Response {
    let status = receiver.inbox.status(now()).await.ok();
    let text = receiver.metrics.text(status.as_ref(), now());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text).into_response()
}

fn unavailable(error: &SyncError) -> Response {
    tracing::error!(target: "doorward", %error, "a webhook could not be stored; its sender will come again");
    later("store_unavailable")
}

fn later(code: &str) -> Response {
    let mut answer = refusal(StatusCode::SERVICE_UNAVAILABLE, code);
    answer.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
    answer
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "detail": code }))).into_response()
}

/// A sender gives up after 15 s.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

const RETRY_SECONDS: axum::http::HeaderValue = axum::http::HeaderValue::from_static("5");
