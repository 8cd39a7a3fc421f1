//! How an authenticator is: for people, for health checks and for monitors. Never a token, key or secret.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::authenticator::Authenticator;
use crate::memory::KeyStatus;
use crate::revocation::RevocationStatus;

/// How an authenticator is at one moment. As JSON its members have the same names.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Whether every verdict rests on facts as fresh as they should be. A door that is not healthy may still do its work:
    /// with keys that are stale but usable, or by refusing with 503.
    pub healthy: bool,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
    /// Each trusted issuer; of one with tenants, those that were asked for lately.
    pub issuers: Vec<IssuerStatus>,
    /// Verified tokens that are remembered.
    pub tokens: CacheStatus,
    /// Issuers' answers about opaque tokens that are remembered.
    pub answers: CacheStatus,
    /// Where issuers are asked about opaque tokens.
    pub endpoints: Vec<EndpointStatus>,
    /// What was revoked.
    pub revocation: RevocationStatus,
}

/// How one issuer is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IssuerStatus {
    /// Its name.
    pub issuer: String,
    /// Its keys, where they are fetched.
    pub keys: Option<KeyStatus>,
}

/// How full a cache is, and what it is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CacheStatus {
    /// How many entries it has.
    pub entries: usize,
    /// About how many bytes they take.
    pub bytes: u64,
    /// How many they may take.
    pub max_bytes: u64,
    /// Look-ups that found something.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
}

/// How an endpoint is that is asked about opaque tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EndpointStatus {
    /// Its URL.
    pub url: String,
    /// The kind of tokens it is asked about.
    pub kind: &'static str,
    /// `closed` (it is asked), or `open` (it has failed too often, and is left alone for a moment).
    pub breaker: &'static str,
    /// Failures in a row.
    pub failures: u32,
    /// How often it was asked.
    pub asked: u64,
    /// What went wrong last, if the last question failed.
    pub last_error: Option<String>,
}

/// Every metric: its name, whether it only grows, and what it says.
pub const METRICS: &[(&str, bool, &str)] = &[
    (
        "doorward_healthy",
        false,
        "Whether every verdict rests on facts as fresh as they should be.",
    ),
    (
        "doorward_keys_up",
        false,
        "Whether the last fetch of an issuer's keys succeeded.",
    ),
    ("doorward_keys", false, "Usable keys of an issuer."),
    (
        "doorward_keys_age_seconds",
        false,
        "How long ago an issuer's keys arrived.",
    ),
    (
        "doorward_keys_fetches_total",
        true,
        "How often an issuer's keys were fetched.",
    ),
    ("doorward_cache_entries", false, "Entries of a cache."),
    (
        "doorward_cache_bytes",
        false,
        "Bytes that a cache takes, about.",
    ),
    (
        "doorward_cache_hits_total",
        true,
        "Look-ups in a cache that found something.",
    ),
    (
        "doorward_cache_misses_total",
        true,
        "Look-ups in a cache that found nothing.",
    ),
    (
        "doorward_endpoint_up",
        false,
        "Whether the last question to an endpoint about an opaque token was answered.",
    ),
    (
        "doorward_breaker_open",
        false,
        "Whether an endpoint is left alone because it failed too often.",
    ),
    (
        "doorward_questions_total",
        true,
        "Questions to an endpoint about opaque tokens.",
    ),
    ("doorward_revocations", false, "Revocations that are known."),
    (
        "doorward_revocations_dropped_total",
        true,
        "Revocations that were dropped before their time, because there were too many.",
    ),
    (
        "doorward_revocation_store_up",
        false,
        "Whether the shared store of revocations is followed.",
    ),
    (
        "doorward_revocations_unsent",
        false,
        "Revocations of this process that the shared store does not have yet.",
    ),
];

/// One number for a monitor. The names follow Prometheus: base units, and `_total` for what only grows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// The metric.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Whether it only grows.
    pub counter: bool,
    /// Its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

impl Authenticator {
    /// How it is: keys, caches, breakers, revocation. Cheap enough for each scrape, too dear for each request.
    pub fn status(&self) -> Status {
        let issuers: Vec<IssuerStatus> = self
            .key_status()
            .into_iter()
            .map(|(issuer, keys)| IssuerStatus { issuer, keys })
            .collect();
        let (tokens, answers, endpoints) = self.memory_status();
        let revocation = self.revocation_status();
        let problems: Vec<String> = issuers
            .iter()
            .filter_map(IssuerStatus::problem)
            .chain(endpoints.iter().filter_map(EndpointStatus::problem))
            .chain(revocation.problems())
            .collect();
        Status {
            healthy: problems.is_empty(),
            problems,
            issuers,
            tokens,
            answers,
            endpoints,
            revocation,
        }
    }
}

impl IssuerStatus {
    fn problem(&self) -> Option<String> {
        let keys = self.keys.as_ref()?;
        let error = keys.last_error.as_ref()?;
        Some(format!(
            "the keys of {} are {}: {error}",
            self.issuer, keys.state
        ))
    }
}

impl EndpointStatus {
    fn problem(&self) -> Option<String> {
        let error = self.last_error.as_ref()?;
        Some(format!(
            "{} cannot be asked about a {}: {error}",
            self.url, self.kind
        ))
    }
}

impl Status {
    /// The numbers, for a monitor.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = vec![sample("doorward_healthy", truth(self.healthy))];
        for issuer in &self.issuers {
            let Some(keys) = &issuer.keys else { continue };
            let up = keys.last_error.is_none() && keys.age.is_some();
            let age = keys
                .age
                .map(|age| ("doorward_keys_age_seconds", age.as_secs_f64()));
            let numbers = [
                ("doorward_keys_up", truth(up)),
                ("doorward_keys", keys.keys.len() as f64),
                ("doorward_keys_fetches_total", keys.fetches as f64),
            ];
            let of = |(name, value)| sample(name, value).label("issuer", &issuer.issuer);
            samples.extend(numbers.into_iter().chain(age).map(of));
        }
        for (cache, status) in [("tokens", &self.tokens), ("answers", &self.answers)] {
            let numbers = [
                ("doorward_cache_entries", status.entries as f64),
                ("doorward_cache_bytes", status.bytes as f64),
                ("doorward_cache_hits_total", status.hits as f64),
                ("doorward_cache_misses_total", status.misses as f64),
            ];
            samples.extend(numbers.map(|(name, value)| sample(name, value).label("cache", cache)));
        }
        for endpoint in &self.endpoints {
            let numbers = [
                ("doorward_endpoint_up", truth(endpoint.last_error.is_none())),
                ("doorward_breaker_open", truth(endpoint.breaker == "open")),
                ("doorward_questions_total", endpoint.asked as f64),
            ];
            let of = |(name, value)| {
                sample(name, value)
                    .label("endpoint", &endpoint.url)
                    .label("kind", endpoint.kind)
            };
            samples.extend(numbers.map(of));
        }
        let revocation = &self.revocation;
        let numbers = [
            ("doorward_revocations", revocation.entries as f64),
            (
                "doorward_revocations_dropped_total",
                revocation.dropped as f64,
            ),
        ];
        let store = revocation.store.iter().flat_map(|store| {
            let up = truth(store.state == "following");
            [
                ("doorward_revocation_store_up", up),
                ("doorward_revocations_unsent", store.unsent as f64),
            ]
        });
        let of = |(name, value)| sample(name, value);
        samples.extend(numbers.into_iter().chain(store).map(of));
        samples
    }

    /// The numbers in Prometheus' text format (version 0.0.4).
    pub fn to_prometheus(&self) -> String {
        let mut samples = self.samples();
        samples.sort_by_key(|sample| sample.name);
        let mut text = String::new();
        let mut before = "";
        for sample in &samples {
            if sample.name != before {
                let kind = if sample.counter { "counter" } else { "gauge" };
                text += &format!("# HELP {} {}\n", sample.name, sample.help);
                text += &format!("# TYPE {} {kind}\n", sample.name);
                before = sample.name;
            }
            text += sample.name;
            for (place, (name, value)) in sample.labels.iter().enumerate() {
                let value = value
                    .replace('\\', r"\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                let opening = if place == 0 { '{' } else { ',' };
                text += &format!("{opening}{name}=\"{value}\"");
            }
            text += if sample.labels.is_empty() { " " } else { "} " };
            text += &format!("{}\n", sample.value);
        }
        text
    }

    /// Hands the numbers to the recorder of the `metrics` facade.
    #[cfg(feature = "metrics")]
    pub fn record(&self) {
        for Sample {
            name,
            counter,
            labels,
            value,
            ..
        } in self.samples()
        {
            let labels: Vec<metrics::Label> = labels
                .into_iter()
                .map(|(name, value)| metrics::Label::new(name, value))
                .collect();
            if counter {
                // Counts are below 2^53 for longer than anybody waits.
                metrics::counter!(name, labels).absolute(value as u64);
            } else {
                metrics::gauge!(name, labels).set(value);
            }
        }
    }
}

impl Sample {
    fn label(mut self, name: &'static str, value: &str) -> Self {
        self.labels.push((name, value.to_owned()));
        self
    }
}

fn sample(name: &'static str, value: f64) -> Sample {
    let described = METRICS.iter().find(|(own, ..)| *own == name);
    debug_assert!(described.is_some(), "{name} is not in the table");
    let (_, counter, help) = described.copied().unwrap_or((name, false, ""));
    Sample {
        name,
        help,
        counter,
        labels: Vec::new(),
        value,
    }
}

fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// Writes a duration as seconds with their fraction.
#[allow(clippy::ref_option, reason = "serde hands it over so")]
pub(crate) fn seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_secs_f64())
        .serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, IssuerConfig};

    fn status() -> Status {
        let mut issuer = IssuerConfig::new("https://a.example/\"\\", "api");
        issuer.jwks_url = Some("https://a.example/keys".to_owned());
        issuer.introspection_url = Some("https://a.example/introspect".to_owned());
        let config = Config::new([issuer]).accepts([doorward_core::TokenKind::Oauth]);
        Authenticator::new(&config).unwrap().status()
    }

    #[test]
    fn a_new_authenticator_is_healthy() {
        let status = status();
        assert!(status.healthy, "{:?}", status.problems);
        assert_eq!(status.endpoints[0].breaker, "closed");
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["issuers"][0]["keys"]["state"], "not fetched yet");
        assert_eq!(json["revocation"]["on_outage"], "accept");
        // Tokens and answers share what the operator gives.
        assert_eq!(json["tokens"]["max_bytes"], 8 * 1024 * 1024);
        assert_eq!(json["answers"]["max_bytes"], 8 * 1024 * 1024);
    }

    #[test]
    fn prometheus_can_read_it() {
        let text = status().to_prometheus();
        let mut typed = std::collections::HashSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                assert!(typed.insert(rest.split(' ').next().unwrap()), "{line}");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let name = name.split('{').next().unwrap();
                assert!(typed.contains(name), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(
            text.contains(r#"doorward_keys_up{issuer="https://a.example/\"\\"} 0"#),
            "{text}"
        );
        assert!(text.contains("doorward_healthy 1\n"));
    }
}
