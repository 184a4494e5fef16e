//! What the host counts, for Prometheus.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::failure::Failure;
use crate::sandbox::Retirement;

/// The counters of one host. Counting is a few atomic additions.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    created: Counter,
    rewinds: Counter,
    retired: Family<Reason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("lavandula"),
            requests: Family::default(),
            created: Counter::default(),
            rewinds: Counter::default(),
            retired: Family::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Requests by outcome: ok, or the label of the failure",
            self.requests.clone(),
        );
        registry.register("instances_created", "Instances made", self.created.clone());
        registry.register(
            "rewinds",
            "Instances that were rewound and used again",
            self.rewinds.clone(),
        );
        registry.register(
            "instances_retired",
            "Instances that were not used again, by reason, where they might have been",
            self.retired.clone(),
        );
        self
    }

    pub(crate) fn request(&self, failure: Option<&Failure>) {
        let outcome = failure.map_or("ok", Failure::label);
        self.requests.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn created(&self) {
        self.created.inc();
    }

    pub(crate) fn rewound(&self) {
        self.rewinds.inc();
    }

    pub(crate) fn retired(&self, why: &Retirement) {
        let reason = why.label();
        self.retired.get_or_create(&Reason { reason }).inc();
    }

    /// All of it, in the text format of OpenMetrics.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.request(None);
        metrics.request(None);
        metrics.request(Some(&Failure::Overload));
        metrics.created();
        metrics.rewound();
        metrics.retired(&Retirement::Failed);
        let text = metrics.encode();
        for line in [
            "lavandula_requests_total{outcome=\"ok\"} 2",
            "lavandula_requests_total{outcome=\"overload\"} 1",
            "lavandula_instances_created_total 1",
            "lavandula_rewinds_total 1",
            "lavandula_instances_retired_total{reason=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
