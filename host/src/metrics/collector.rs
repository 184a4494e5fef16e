//! Everything that was counted, as a scrape reads it.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use wasmtime::PoolingAllocatorMetrics;

use super::Shared;
use super::labels::{Counter, Gauge, Reason, TrapKind};
use super::shard::{Series, Sum};
use crate::epoch;

/// The version of wasmtime, as far as it is known when this is compiled.
const WASMTIME: &str = "48";

impl Collector for Shared {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        let sum = self.sum();

        page.requests(&sum)?;
        page.histograms(&sum)?;
        for gauge in Gauge::ALL {
            page.gauge(gauge.label(), gauge.help(), sum.gauge(*gauge))?;
        }
        for counter in Counter::ALL {
            page.counter(counter.label(), counter.help(), sum.counter(*counter))?;
        }
        page.guests(&sum)?;
        if let Some(pool) = self.pool() {
            page.pool(&pool)?;
        }
        page.counter(
            "epoch_ticks",
            "Ticks of the clock that interrupts guests; where it stands still, so do timeouts.",
            epoch::ticked(),
        )?;
        page.build()
    }
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) -> Result<(), Error> {
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    /// A counter for each value of one label.
    fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (&'a str, u64)>,
    ) -> Result<(), Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in counts {
            metric
                .encode_family(&[(label, value)])?
                .encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    fn requests(&mut self, sum: &Sum) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(
            "requests",
            "Requests by the status that was sent and by outcome: ok, or the label of the failure.",
            None,
            MetricType::Counter,
        )?;
        for (status, ending, count) in sum.requests() {
            let status = status.to_string();
            let labels = [("status", status.as_str()), ("outcome", ending.label())];
            metric
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    fn histograms(&mut self, sum: &Sum) -> Result<(), Error> {
        let seconds = [
            (
                "request_duration",
                "From the end of a request's head to the last byte of its response.",
                Series::Request,
            ),
            (
                "queue_wait",
                "How long requests waited for a place.",
                Series::QueueWait,
            ),
            (
                "instantiate_duration",
                "Making an instance for a request.",
                Series::Instantiate,
            ),
            (
                "guest_duration",
                "Running the guest, its waits for the host included.",
                Series::Guest,
            ),
            (
                "teardown_duration",
                "Giving an instance back, or rewinding it.",
                Series::Teardown,
            ),
        ];
        for (name, help, series) in seconds {
            self.histogram(sum, name, help, &Unit::Seconds, series)?;
        }
        self.histogram_by_stat(
            sum,
            "guest_memory",
            "Linear memory of a request's instance, when the request began and at most.",
            [
                ("initial", Series::MemoryInitial),
                ("peak", Series::MemoryPeak),
            ],
        )?;
        self.histogram_by_stat(
            sum,
            "arena",
            "A request's arena: what was handed out at most, and what its blocks occupy.",
            [
                ("used", Series::ArenaUsed),
                ("committed", Series::ArenaCommitted),
            ],
        )?;
        let bodies = [
            (
                "request_body",
                "Bodies of requests, as far as they were read.",
                Series::RequestBody,
            ),
            (
                "response_body",
                "Bodies of responses, as far as they were sent.",
                Series::ResponseBody,
            ),
        ];
        for (name, help, series) in bodies {
            self.histogram(sum, name, help, &Unit::Bytes, series)?;
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        sum: &Sum,
        name: &str,
        help: &str,
        unit: &Unit,
        series: Series,
    ) -> Result<(), Error> {
        let (bounds, of) = (series.bounds(), sum.histogram(series));
        self.0
            .encode_descriptor(name, help, Some(unit), MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(of.sum(bounds), of.count(), &of.buckets(bounds), None)
    }

    /// Two histograms of bytes under one name.
    fn histogram_by_stat(
        &mut self,
        sum: &Sum,
        name: &str,
        help: &str,
        stats: [(&'static str, Series); 2],
    ) -> Result<(), Error> {
        let unit = Some(&Unit::Bytes);
        let mut metric = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (stat, series) in stats {
            let (bounds, of) = (series.bounds(), sum.histogram(series));
            metric
                .encode_family(&[("stat", stat)])?
                .encode_histogram::<NoLabelSet>(
                    of.sum(bounds),
                    of.count(),
                    &of.buckets(bounds),
                    None,
                )?;
        }
        Ok(())
    }

    /// What instances and their guests did.
    fn guests(&mut self, sum: &Sum) -> Result<(), Error> {
        self.counters(
            "instances_retired",
            "Instances that were not used again, by reason, where they might have been.",
            "reason",
            Reason::ALL.iter().map(|why| why.label()).zip(sum.retired),
        )?;
        self.counters(
            "guest_traps",
            "Traps of guests by kind. Those for want of memory or time are not among them.",
            "kind",
            TrapKind::ALL.iter().map(|kind| kind.label()).zip(sum.traps),
        )?;
        for (name, help, value) in [
            (
                "guest_timeouts",
                "Requests whose time was up.",
                sum.timeouts,
            ),
            (
                "guest_memory_grows",
                "Growths of linear memory in requests.",
                sum.grows,
            ),
            (
                "guest_memory_denied",
                "Growths of linear memory that the limit denied.",
                sum.denied,
            ),
        ] {
            self.counter(name, help, value)?;
        }
        Ok(())
    }

    /// The pool that instances come from, as it is now.
    fn pool(&mut self, pool: &PoolingAllocatorMetrics) -> Result<(), Error> {
        let used = [
            ("component_instances", pool.component_instances()),
            ("core_instances", pool.core_instances()),
            ("memories", pool.memories() as u64),
            ("tables", pool.tables() as u64),
            ("stacks", pool.stacks() as u64),
        ];
        let warm = [
            ("memories", u64::from(pool.unused_warm_memories())),
            ("tables", u64::from(pool.unused_warm_tables())),
            ("stacks", u64::from(pool.unused_warm_stacks())),
        ];
        let mut metric = self.0.encode_descriptor(
            "pool_slots",
            "Slots of the instance pool: in use, or warm, which is used before and free.",
            None,
            MetricType::Gauge,
        )?;
        for (state, slots) in [("used", &used[..]), ("warm", &warm[..])] {
            for (kind, count) in slots {
                metric
                    .encode_family(&[("kind", *kind), ("state", state)])?
                    .encode_gauge(count)?;
            }
        }

        let resident = [
            ("memories", Some(pool.unused_memory_bytes_resident())),
            ("tables", Some(pool.unused_table_bytes_resident())),
            ("stacks", pool.unused_stack_bytes_resident()),
        ];
        let mut metric = self.0.encode_descriptor(
            "pool_resident",
            "Bytes that free slots keep in memory, so that the next request need not fault them in.",
            Some(&Unit::Bytes),
            MetricType::Gauge,
        )?;
        for (kind, bytes) in resident {
            if let Some(bytes) = bytes {
                metric
                    .encode_family(&[("kind", kind)])?
                    .encode_gauge(&(bytes as u64))?;
            }
        }
        Ok(())
    }

    fn build(&mut self) -> Result<(), Error> {
        self.0
            .encode_descriptor("build", "What this is.", None, MetricType::Info)?
            .encode_info(&[
                ("version", env!("CARGO_PKG_VERSION")),
                ("wasmtime", WASMTIME),
            ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_wasmtime_is_the_one_that_is_linked() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
        let lock = std::fs::read_to_string(lock).expect("the lock file is in the tree");
        let version = lock
            .split_once("name = \"wasmtime\"\nversion = \"")
            .and_then(|(_, rest)| rest.split_once('.'));
        assert_eq!(version.map(|(major, _)| major), Some(WASMTIME));
    }
}
