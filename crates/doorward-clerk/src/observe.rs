//! What operators can see: `tracing` events and metrics, each behind its feature. Operations by their name in the table;
//! never an id, a body or a key.

use std::time::Duration;

use crate::call::Request;
use crate::error::ApiError;
#[cfg(feature = "tracing")]
use crate::error::shown;
use crate::response::Response;
use crate::retry::Outcome;

/// A call has ended.
#[cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    allow(unused_variables, reason = "features are off")
)]
pub(crate) fn called(request: &Request, result: &Result<Response, ApiError>, took: Duration) {
    #[cfg(feature = "tracing")]
    {
        let operation = operation(request);
        let milliseconds = took.as_millis() as u64;
        match result {
            Ok(response) => {
                let status = response.status();
                tracing::debug!(target: "doorward", operation, status, milliseconds, "called Clerk");
            }
            Err(error) => {
                let (kind, status) = (error.kind(), error.status());
                let code = error.code().map(shown);
                let (code, attempts) = (code.as_deref(), error.attempts());
                let trace = error.trace_id();
                tracing::warn!(
                    target: "doorward",
                    operation, ?kind, status, code, trace, attempts, milliseconds,
                    "a call to Clerk failed",
                );
            }
        }
    }
    #[cfg(feature = "metrics")]
    {
        let outcome = match result {
            Ok(_) => "success",
            Err(error) => error.kind().as_str(),
        };
        let operation = operation(request);
        metrics::counter!("doorward_clerk_calls_total", "operation" => operation, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("doorward_clerk_call_seconds", "operation" => operation)
            .record(took.as_secs_f64());
    }
}

/// A call will be tried again.
#[cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    allow(unused_variables, reason = "features are off")
)]
pub(crate) fn again(request: &Request, outcome: Outcome, attempt: u32, pause: Duration) {
    #[cfg(feature = "tracing")]
    {
        let (operation, pause) = (operation(request), pause.as_millis() as u64);
        tracing::info!(target: "doorward", operation, ?outcome, attempt, pause, "calling Clerk again");
    }
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_clerk_retries_total", "operation" => operation(request))
        .increment(1);
}

#[cfg(any(feature = "tracing", feature = "metrics"))]
fn operation(request: &Request) -> &'static str {
    request.operation().map_or("raw", |operation| operation.id)
}
