//! Histograms of fixed bounds: an array of atomics and nothing else.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Buckets of the histogram that has the most, the one without an upper bound
/// included. All have as many, so that they are one type.
const BUCKETS: usize = 24;

/// The upper bounds of a histogram's buckets, inclusive and ascending. One more
/// bucket takes what exceeds the last.
#[derive(Debug)]
pub(super) struct Bounds {
    upper: &'static [u64],
    /// What one of the recorded units is in the unit that is told: seconds or
    /// bytes.
    scale: f64,
}

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Recorded in nanoseconds, told in seconds. Fine where a request of a small
/// handler is, from 5 to 100 microseconds, and on to the longest timeouts.
pub(super) static TIME: Bounds = Bounds::new(
    &[
        MICROSECOND,
        2 * MICROSECOND,
        5 * MICROSECOND,
        10 * MICROSECOND,
        20 * MICROSECOND,
        50 * MICROSECOND,
        100 * MICROSECOND,
        200 * MICROSECOND,
        500 * MICROSECOND,
        MILLISECOND,
        2 * MILLISECOND,
        5 * MILLISECOND,
        10 * MILLISECOND,
        20 * MILLISECOND,
        50 * MILLISECOND,
        100 * MILLISECOND,
        200 * MILLISECOND,
        500 * MILLISECOND,
        SECOND,
        2 * SECOND,
        5 * SECOND,
        10 * SECOND,
        30 * SECOND,
    ],
    1e-9,
);

/// Linear memory: from one page to what a memory can have at all.
pub(super) static MEMORY: Bounds = Bounds::new(
    &[
        64 * KIB,
        128 * KIB,
        256 * KIB,
        512 * KIB,
        MIB,
        2 * MIB,
        4 * MIB,
        8 * MIB,
        16 * MIB,
        32 * MIB,
        64 * MIB,
        128 * MIB,
        256 * MIB,
        512 * MIB,
        GIB,
        4 * GIB,
    ],
    1.0,
);

/// Bodies, and what an arena hands out.
pub(super) static BYTES: Bounds = Bounds::new(
    &[
        0,
        256,
        KIB,
        4 * KIB,
        16 * KIB,
        64 * KIB,
        256 * KIB,
        MIB,
        4 * MIB,
        16 * MIB,
        64 * MIB,
        256 * MIB,
    ],
    1.0,
);

impl Bounds {
    const fn new(upper: &'static [u64], scale: f64) -> Self {
        assert!(upper.len() < BUCKETS);
        Self { upper, scale }
    }
}

/// Counts of what was recorded, by size, and their sum.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl Histogram {
    #[inline]
    pub(super) fn record(&self, bounds: &Bounds, value: u64) {
        let bucket = bounds.upper.partition_point(|upper| *upper < value);
        // `new` has seen to it that there are more buckets than bounds.
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }
}

/// What several histograms with the same bounds hold together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    buckets: [u64; BUCKETS],
    sum: u64,
}

impl Sum {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += bucket.load(Relaxed);
        }
        self.sum = self.sum.wrapping_add(histogram.sum.load(Relaxed));
    }

    /// How many values were recorded. Taken from the buckets, so that a scrape
    /// in the middle of a request is consistent in itself.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of the values, in the unit that is told.
    #[allow(clippy::cast_precision_loss, reason = "15 digits are enough")]
    pub(super) fn sum(&self, bounds: &Bounds) -> f64 {
        self.sum as f64 * bounds.scale
    }

    /// The upper bound of each bucket, in the unit that is told, and its count.
    #[allow(clippy::cast_precision_loss, reason = "the bounds are short numbers")]
    pub(super) fn buckets(&self, bounds: &Bounds) -> Vec<(f64, u64)> {
        // Dividing where the scale is a fraction gives the nearest double to
        // what people would write: 2e-5 and not 2.0000000000000003e-5.
        let told = |upper: &u64| match bounds.scale {
            1.0 => *upper as f64,
            scale => *upper as f64 / (1.0 / scale).round(),
        };
        let upper = bounds.upper.iter().map(told).chain([f64::INFINITY]);
        upper.zip(self.buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bounds: &Bounds, values: &[u64]) -> Vec<(f64, u64)> {
        let histogram = Histogram::default();
        for value in values {
            histogram.record(bounds, *value);
        }
        let mut sum = Sum::default();
        sum.add(&histogram);
        assert_eq!(sum.count(), values.len() as u64);
        let mut buckets = sum.buckets(bounds);
        buckets.retain(|(_, count)| *count > 0);
        buckets
    }

    #[test]
    fn bounds_ascend_and_leave_room_for_the_last_bucket() {
        for bounds in [&TIME, &MEMORY, &BYTES] {
            assert!(bounds.upper.is_sorted());
            assert!(bounds.upper.len() < BUCKETS);
        }
    }

    #[test]
    fn a_bound_is_part_of_its_bucket() {
        assert_eq!(told(&TIME, &[10 * MICROSECOND]), [(1e-5, 1)]);
        assert_eq!(told(&TIME, &[10 * MICROSECOND + 1]), [(2e-5, 1)]);
        assert_eq!(told(&BYTES, &[0, 1, 256]), [(0.0, 1), (256.0, 2)]);
    }

    #[test]
    fn what_exceeds_all_bounds_is_counted() {
        assert_eq!(told(&MEMORY, &[u64::MAX]), [(f64::INFINITY, 1)]);
    }

    #[test]
    fn bounds_are_told_as_people_write_them() {
        let sum = Sum::default();
        let bounds: Vec<_> = sum.buckets(&TIME).iter().map(|(b, _)| *b).collect();
        for expected in [1e-6, 2e-5, 5e-4, 0.002, 0.05, 0.2, 30.0] {
            assert!(bounds.contains(&expected), "{expected} in {bounds:?}");
        }
    }

    #[test]
    fn sums_are_told_in_seconds() {
        let histogram = Histogram::default();
        histogram.record(&TIME, SECOND / 2);
        let mut sum = Sum::default();
        sum.add(&histogram);
        sum.add(&histogram);
        assert!((sum.sum(&TIME) - 1.0).abs() < 1e-9);
    }
}
