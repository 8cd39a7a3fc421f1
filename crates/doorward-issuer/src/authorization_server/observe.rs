//! What operators can see: `tracing` events and counters, each behind its feature. Never a token, key or secret; people's
//! and clients' names in events only, not in labels.

#![cfg_attr(
    not(all(feature = "tracing", feature = "metrics")),
    allow(unused_variables, reason = "a feature is off")
)]

use super::Standing;
use super::respond::Halt;

/// A call that got no answer to be used. `url` is one of the operator's.
#[cfg(feature = "transport")]
pub(super) fn upstream_away(url: &str, why: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "doorward", url, why, "the upstream cannot be reached");
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_upstream_failures_total").increment(1);
}

/// The upstream answered that it does not know us, or with nothing that makes sense: the operator's to mend.
pub(super) fn upstream_refuses_us(url: &str, status: u16, says_why: bool) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "doorward", url, status, says_why, "the upstream refuses this server");
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_upstream_failures_total").increment(1);
}

/// What ended here may live on upstream.
pub(super) fn upstream_not_revoked(url: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "doorward", url, "the upstream's tokens could not be revoked");
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_upstream_failures_total").increment(1);
}

/// A request was answered as it should be, or sent back with an error that was told before.
pub(super) fn answered(endpoint: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_requests_total", "endpoint" => endpoint).increment(1);
}

/// A request was refused, and why.
pub(super) fn refused(endpoint: &'static str, halt: &Halt) {
    #[cfg(feature = "tracing")]
    {
        let (error, why, status) = (halt.code, halt.description, halt.status.as_u16());
        // Our own trouble deserves an operator's eye; a stranger's mistake must not fill the log at that level.
        if status == 503 {
            tracing::warn!(target: "doorward", event = "unavailable", endpoint, error, why);
        } else {
            tracing::debug!(target: "doorward", event = "refused", endpoint, status, error, why);
        }
    }
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "doorward_oauth_refusals_total",
        "endpoint" => endpoint,
        "error" => halt.code,
    )
    .increment(1);
}

/// A client was registered by nobody knows whom.
pub(super) fn registered(client_id: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "doorward", event = "registered", client_id);
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_registrations_total").increment(1);
}

/// A client's document, or its keys, cannot be used.
pub(super) fn document_refused(domain: Option<&str>, why: &'static str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "doorward", event = "document_refused", domain, why);
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_documents_refused_total").increment(1);
}

/// A client got a token for itself.
pub(super) fn acts_alone(client_id: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "doorward", event = "client_credentials", client_id);
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_client_credentials_total").increment(1);
}

/// This node made the signing key of a period.
pub(super) fn key_made(kid: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "doorward", event = "signing_key_made", kid);
}

/// Somebody decided about a client.
pub(super) fn decided(allowed: bool, client_id: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "doorward", event = "consent", allowed, client_id);
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "doorward_oauth_consents_total",
        "decision" => if allowed { "allow" } else { "deny" },
    )
    .increment(1);
}

/// Somebody signed in for a client.
pub(super) fn signed_in(client_id: &str, sub: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "doorward", event = "signed_in", client_id, sub);
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_sign_ins_total").increment(1);
}

/// A family ended.
pub(super) fn ended(client_id: &str, sub: &str) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "doorward", event = "ended", client_id, sub);
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_families_ended_total").increment(1);
}

/// Something that is used once was used again, outside of any grace: stolen, or a client in disorder.
pub(super) fn replayed(what: &'static str, client_id: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "doorward", event = "replayed", what, client_id);
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_replays_total", "what" => what).increment(1);
}

/// A family was checked.
pub(super) fn checked(standing: Standing) {
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_checks_total", "standing" => match standing {
        Standing::Stands => "stands",
        Standing::Ended => "ended",
        Standing::Unknown => "unknown",
    })
    .increment(1);
}
