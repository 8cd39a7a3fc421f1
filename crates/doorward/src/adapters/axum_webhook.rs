//! Webhooks for [`axum`](https://docs.rs/axum): an extractor that verifies before anything parses.

use std::ops::Deref;
use std::sync::Arc;

use axum_core::RequestExt as _;
use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequest, Request};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use doorward_core::webhook::{self, MAX_BODY_BYTES, WebhookEvent};
use doorward_core::{WebhookMessage, WebhookReason, WebhookRejection, WebhookVerifier};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::{Clock, SystemClock};
use crate::observe;
use crate::tower::Head;

/// A genuine webhook, whose body is JSON and reads as a `T`.
///
/// The [`WebhookVerifier`] comes from the router's state. Nothing but this extractor may read the body, so it stands
/// last among a handler's arguments; and no layer that demands a caller stands in front of the route.
///
/// ```
/// use axum::{Router, routing::post};
/// use doorward::WebhookVerifier;
/// use doorward::axum::Webhook;
/// use serde_json::Value;
///
/// async fn clerk(event: Webhook<Value>) -> &'static str {
///     println!("{} {}", event.message.id(), event.payload["type"]);
///     "ok"
/// }
///
/// # fn example() -> Result<Router, String> {
/// let verifier = WebhookVerifier::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])?;
/// Ok(Router::new().route("/webhooks/clerk", post(clerk)).with_state(verifier))
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Webhook<T> {
    /// Its id and time. The id is the same on every attempt to deliver it.
    pub message: WebhookMessage,
    /// What the body says.
    pub payload: T,
}

impl<T> Deref for Webhook<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.payload
    }
}

impl<S, T> FromRequest<S> for Webhook<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    WebhookVerifier: FromRef<S>,
{
    type Rejection = WebhookRefusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebhookRefusal> {
        let SignedBody { message, body } = SignedBody::from_request(request, state).await?;
        let payload = serde_json::from_slice(&body).or_else(|error| {
            // Perhaps because of something that a user wrote into it, which is null then.
            let event = WebhookEvent::read(&body).map_err(refused)?.to_object();
            T::deserialize(Value::Object(event)).map_err(|_| refused(payload_malformed(&error)))
        })?;
        Ok(Self { message, payload })
    }
}

/// A genuine webhook with its body as it came, for those who keep it or read it otherwise.
#[derive(Clone, Debug)]
pub struct SignedBody {
    /// Its id and time.
    pub message: WebhookMessage,
    /// The octets that were signed.
    pub body: Bytes,
}

impl<S> FromRequest<S> for SignedBody
where
    S: Send + Sync,
    WebhookVerifier: FromRef<S>,
{
    type Rejection = WebhookRefusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, WebhookRefusal> {
        let clock = request.extensions().get::<WebhookClock>().cloned();
        // An application may have set a lower limit of its own.
        let (parts, body) = request.with_limited_body().into_parts();
        let body = read(body).await.map_err(refused)?;
        let now = match clock {
            Some(WebhookClock(clock)) => clock.now(),
            None => SystemClock::new().now(),
        };
        let message = WebhookVerifier::from_ref(state)
            .verify(&Head(&parts.headers), &body, now)
            .map_err(refused)?;
        Ok(Self { message, body })
    }
}

/// Another clock than the machine's, for tests: `Router::layer(Extension(WebhookClock(…)))`.
#[derive(Clone, Debug)]
pub struct WebhookClock(pub Arc<dyn Clock>);

/// A refusal as a response: 400 or 413 with `{"detail": "<code>"}`.
#[derive(Clone, Debug)]
pub struct WebhookRefusal(pub WebhookRejection);

impl IntoResponse for WebhookRefusal {
    fn into_response(self) -> Response {
        let Self(rejection) = self;
        let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, rejection.body()).into_response();
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static(rejection.content_type());
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The body, if it is not too large. What says so beforehand is not read at all.
async fn read(body: Body) -> Result<Bytes, WebhookRejection> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > MAX_BODY_BYTES {
        return Err(webhook::body_too_large(announced));
    }
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if is_too_large(&*error) => Err(webhook::body_too_large(MAX_BODY_BYTES + 1)),
        Err(_) => Err(WebhookReason::BodyUnreadable.into()),
    }
}

/// Ours or axum's own limit, however deep it is wrapped.
pub(crate) fn is_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn payload_malformed(error: &serde_json::Error) -> WebhookRejection {
    // A message of serde's may quote the whole text.
    let detail: String = error.to_string().chars().take(160).collect();
    WebhookRejection::new(WebhookReason::PayloadMalformed).with_detail(detail)
}

fn refused(rejection: WebhookRejection) -> WebhookRefusal {
    observe::webhook_rejected(&rejection);
    WebhookRefusal(rejection)
}
