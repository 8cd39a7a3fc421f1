//! What operators can see: `tracing` events and counters, each behind its feature. Never a token, key or secret.

#[cfg(feature = "axum")]
use doorward_core::WebhookRejection;
use doorward_core::{Identity, Rejection};

use crate::fetch::FetchError;

#[cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    allow(unused_variables, reason = "features are off")
)]
pub(crate) fn verified(identity: &Identity, remembered: bool) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        target: "doorward",
        outcome = "verified",
        kind = identity.kind().as_str(),
        issuer = identity.issuer(),
        remembered,
    );
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "doorward_verifications_total",
        "outcome" => "verified",
        "reason" => "",
        "kind" => identity.kind().as_str(),
        "issuer" => identity.issuer().to_owned(),
    )
    .increment(1);
}

#[cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    allow(unused_variables, reason = "features are off")
)]
pub(crate) fn rejected(rejection: &Rejection) {
    #[cfg(feature = "tracing")]
    {
        let (reason, detail, hint) = (
            rejection.reason().code(),
            rejection.detail(),
            rejection.hint(),
        );
        // Our own trouble deserves an operator's eye; a stranger's bad token must not fill the log at that level.
        if rejection.status() == 503 {
            tracing::warn!(target: "doorward", outcome = "unavailable", reason, detail, hint);
        } else {
            tracing::info!(target: "doorward", outcome = "rejected", reason, detail, hint);
        }
    }
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "doorward_verifications_total",
        "outcome" => if rejection.status() == 503 { "unavailable" } else { "rejected" },
        "reason" => rejection.reason().code(),
        "kind" => "",
        "issuer" => "",
    )
    .increment(1);
}

#[cfg(feature = "axum")]
#[cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    allow(unused_variables, reason = "features are off")
)]
pub(crate) fn webhook_rejected(rejection: &WebhookRejection) {
    #[cfg(feature = "tracing")]
    {
        let (reason, detail, hint) = (
            rejection.reason().code(),
            rejection.detail(),
            rejection.hint(),
        );
        tracing::info!(target: "doorward", outcome = "webhook_rejected", reason, detail, hint);
    }
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_webhooks_rejected_total", "reason" => rejection.reason().code())
        .increment(1);
}

#[cfg_attr(
    not(feature = "tracing"),
    allow(unused_variables, reason = "the feature is off")
)]
pub(crate) fn fetched(url: &str, error: Option<&FetchError>) {
    #[cfg(feature = "tracing")]
    match error {
        None => tracing::debug!(target: "doorward", url, "keys fetched"),
        Some(error) => tracing::warn!(target: "doorward", url, %error, "keys could not be fetched"),
    }
}

#[cfg_attr(
    not(feature = "tracing"),
    allow(unused_variables, reason = "the feature is off")
)]
pub(crate) fn revocations_away(why: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(target: "doorward", why, "the store of revocations is away");
}

#[cfg_attr(
    not(feature = "tracing"),
    allow(unused_variables, reason = "the feature is off")
)]
pub(crate) fn asked(error: &FetchError) {
    #[cfg(feature = "tracing")]
    if let FetchError::Status {
        status: 401 | 403, ..
    } = error
    {
        tracing::error!(target: "doorward", %error, "the issuer does not know us: check the secret key");
    } else {
        tracing::warn!(target: "doorward", %error, "an issuer could not be asked about a token");
    }
}
