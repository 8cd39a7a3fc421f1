//! Counts and times, as Prometheus reads them (OpenMetrics 1.0).

use std::fmt::Error;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use doorward::core::Timestamp;
use doorward_sync::{InboxStatus, SyncError, Turn};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    received: Family<Outcome, Counter>,
    answered: Histogram,
    handled: Family<Outcome, Counter>,
    troubles: Counter,
    messages: Family<State, Gauge>,
    oldest: Gauge<f64, AtomicU64>,
    reachable: Gauge,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Received {
    Accepted,
    Repeated,
    Refused,
    Unavailable,
}

impl Received {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: Word,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::default();
        let metrics = Self {
            received: Family::default(),
            answered: Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
            ]),
            handled: Family::default(),
            troubles: Counter::default(),
            messages: Family::default(),
            oldest: Gauge::default(),
            reachable: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "doorward_webhooks_received",
            "Deliveries, by what became of them",
            metrics.received.clone(),
        );
        registry.register_with_unit(
            "doorward_webhooks_answered",
            "How long a delivery took to be answered",
            Unit::Seconds,
            metrics.answered.clone(),
        );
        registry.register(
            "doorward_messages_handled",
            "Messages that were in hand, by what became of them",
            metrics.handled.clone(),
        );
        registry.register(
            "doorward_store_troubles",
            "Turns of a worker that ended because the store was in trouble",
            metrics.troubles.clone(),
        );
        registry.register(
            "doorward_inbox_messages",
            "Messages in the inbox, by their state",
            metrics.messages.clone(),
        );
        registry.register_with_unit(
            "doorward_inbox_oldest_waiting",
            "How long the oldest waiting message has waited",
            Unit::Seconds,
            metrics.oldest.clone(),
        );
        registry.register(
            "doorward_store_reachable",
            "1 if the store answered when this was asked",
            metrics.reachable.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }

    pub(super) fn received(&self, outcome: Received, took: Duration) {
        let outcome = Word(outcome.as_str());
        self.received.get_or_create(&Outcome { outcome }).inc();
        self.answered.observe(took.as_secs_f64());
    }

    pub(super) fn handled(&self, turn: &Result<Turn, SyncError>) {
        let Ok(turn) = turn else {
            self.troubles.inc();
            return;
        };
        let counts = [
            ("done", turn.done),
            ("failed", turn.failed),
            ("dead", turn.dead),
            ("lost", turn.lost),
        ];
        for (outcome, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            let outcome = Word(outcome);
            self.handled
                .get_or_create(&Outcome { outcome })
                .inc_by(count);
        }
    }

    /// Everything as text, with the inbox as it stands.
    pub(super) fn text(&self, status: Option<&InboxStatus>, now: Timestamp) -> String {
        self.reachable.set(i64::from(status.is_some()));
        if let Some(status) = status {
            let counts = [
                ("waiting", status.waiting),
                ("resting", status.resting),
                ("in_hand", status.in_hand),
                ("done", status.done),
                ("dead", status.dead),
            ];
            for (state, count) in counts {
                let state = Word(state);
                let gauge = self.messages.get_or_create(&State { state });
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            let oldest = status.oldest_waiting;
            let age = oldest.map_or(0, |then| now.millis_since(then).max(0));
            self.oldest.set(age as f64 / 1000.0);
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
