//! Latencies by their size: counts in buckets, each at most 1.6 % wide.

use std::time::Duration;

/// Every doubling is divided into this many buckets, two to this power.
const BITS: u32 = 6;
const PARTS: usize = 1 << BITS;

/// Values are cut off above: what takes a minute is a failure elsewhere.
const LARGEST: u64 = 60 * 1_000_000_000;

/// Latencies, counted. Its size does not depend on how many there are, and neither
/// does the time it takes to add one.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    largest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; bucket(LARGEST) + 1],
            count: 0,
            largest: 0,
        }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).map_or(LARGEST, |ns| ns.min(LARGEST));
        self.counts[bucket(ns)] += 1;
        self.count += 1;
        self.largest = self.largest.max(ns);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value in microseconds that this part of them, from 0 to 1, does not
    /// exceed. 0 where there are none.
    pub fn quantile_us(&self, part: f64) -> f64 {
        let rank = ((part * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(index).min(self.largest as f64) / 1_000.0;
            }
        }
        0.0
    }

    /// The largest in microseconds, exactly.
    pub fn largest_us(&self) -> f64 {
        self.largest as f64 / 1_000.0
    }
}

/// Where a value is counted. The first buckets hold one value each; after those,
/// every doubling has `PARTS` of them.
fn bucket(ns: u64) -> usize {
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(BITS + 1);
    // At most 57 doublings of 64 buckets: no cast loses anything.
    shift as usize * PARTS + (ns >> shift) as usize
}

/// The middle of a bucket, in nanoseconds.
fn middle(bucket: usize) -> f64 {
    let shift = (bucket / PARTS).saturating_sub(1);
    let first = ((bucket - shift * PARTS) as u64) << shift;
    first as f64 + ((1_u64 << shift) - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.add(Duration::from_nanos(value));
        }
        histogram
    }

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        let mut last = 0;
        for ns in 0..100_000 {
            let at = bucket(ns);
            assert!(at == last || at == last + 1, "{ns}: {last}, then {at}");
            last = at;
        }
    }

    #[test]
    fn the_middle_of_a_bucket_is_within_a_percent_of_all_in_it() {
        for ns in (1..2_000_000_000).step_by(999_983).chain(1..5_000) {
            let middle = middle(bucket(ns));
            let off = (middle - ns as f64).abs() / ns as f64;
            assert!(off < 0.01, "{ns} is counted as {middle}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        // Backwards, and with one that is far off: 1 to 1,000 microseconds.
        let histogram = of((1..=1_000).rev().map(|us| us * 1_000));
        for (part, us) in [(0.0, 1.0), (0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = histogram.quantile_us(part);
            assert!((found / us - 1.0).abs() < 0.01, "{part}: {found}, not {us}");
        }
        assert_eq!(histogram.largest_us(), 1_000.0);
    }

    #[test]
    fn one_slow_request_in_a_hundred_is_what_the_99th_percent_leaves_out() {
        let mut values = vec![1_000; 99];
        values.push(1_000_000_000);
        assert!(of(values.clone()).quantile_us(0.99) < 1.1);
        values.pop();
        values.extend([1_000_000_000; 2]);
        assert!(of(values).quantile_us(0.99) > 900_000.0);
    }

    #[test]
    fn nothing_and_far_too_much_are_no_trouble() {
        assert_eq!(Histogram::default().quantile_us(0.5), 0.0);
        let mut histogram = Histogram::default();
        histogram.add(Duration::from_secs(1_000_000));
        assert_eq!(histogram.largest_us(), 60e6);
        assert!(histogram.quantile_us(0.5) <= 60e6);
    }
}
