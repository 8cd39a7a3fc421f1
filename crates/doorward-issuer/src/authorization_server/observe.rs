//! What operators can see: `tracing` events and counters, each behind its feature. Never a token, key or secret; people's
//! and clients' names in events only, not in labels.

#![cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    allow(unused_variables, reason = "features are off")
)]

/// A call that got no answer to be used. `url` is one of the operator's.
pub(super) fn upstream_away(url: &str, why: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "doorward", url, why, "the upstream cannot be reached");
    #[cfg(feature = "metrics")]
    metrics::counter!("doorward_oauth_upstream_failures_total").increment(1);
}
