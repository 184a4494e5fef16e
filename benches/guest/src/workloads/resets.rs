//! The reset itself.
//!
//! What was allocated before it must not be in the figure, and a reset takes a
//! few nanoseconds, less than a look at the clock. So several arenas are filled
//! first, and one timed section resets all of them: 32, or 8 where they are
//! large. The `empty` row shows what is left of the clock. Allocations are not
//! written to, so that the filling does not push out of the caches what a reset
//! looks at, and the figure depends on the allocator alone.
//!
//! A general allocator has no reset. Its operation is to free everything that was
//! allocated, in that order, one by one.

use core::hint::black_box;
use core::ptr::NonNull;

use crate::clock::Meter;
use crate::subject::{Reclaim, Subject, aligned_to_8};

/// How a subject is filled before its reset.
#[derive(Clone, Copy)]
struct Fill {
    count: usize,
    size: usize,
}

impl Fill {
    /// A hundredth of it in a self-test.
    fn of<S: Subject>(count: usize, size: usize) -> Self {
        Self {
            count: count.div_ceil(S::SCALE),
            size,
        }
    }

    fn bytes(self) -> usize {
        self.count * self.size
    }

    #[inline(always)]
    fn fill<S: Subject>(self, subject: &S, held: &mut Vec<NonNull<u8>>) {
        for _ in 0..self.count {
            let at = subject.sized(self.size);
            match S::RECLAIM {
                Reclaim::AtOnce => {}
                Reclaim::OneByOne => held.push(at),
            }
        }
    }
}

/// How many subjects are reset in one timed section.
fn subjects<S: Subject>(fill: Fill) -> usize {
    match S::RECLAIM {
        // To free everything takes long enough by itself.
        Reclaim::OneByOne => 1,
        Reclaim::AtOnce if fill.bytes() > 4 << 20 => 8,
        Reclaim::AtOnce => 32,
    }
}

/// Fills each subject, and times their resets together.
fn fill_and_reset<S: Subject>(
    meter: &Meter,
    fill: Fill,
    subjects: &mut [S],
    held: &mut Vec<NonNull<u8>>,
) {
    let subjects = black_box(subjects);
    for subject in &*subjects {
        fill.fill(subject, held);
    }
    meter.time(subjects.len(), || {
        for subject in &mut *subjects {
            for &at in &*held {
                // SAFETY: allocated above with this layout and not used since;
                // who frees one by one has one subject only.
                unsafe { subject.free(at, aligned_to_8(fill.size)) };
            }
            subject.reset();
        }
    });
    held.clear();
}

/// An operation is one reset after `count` allocations of 8 bytes, all in one
/// block that was asked for beforehand.
fn after<S: Subject>(meter: &Meter, repeats: usize, count: usize) {
    let fill = Fill::of::<S>(count, 8);
    let mut held = Vec::new();
    let mut all: Vec<S> = (0..subjects::<S>(fill))
        .map(|_| S::with_room(fill.bytes() + 64))
        .collect();
    fill_and_reset(&Meter::default(), fill, &mut all, &mut held);
    for _ in 0..repeats {
        fill_and_reset(meter, fill, &mut all, &mut held);
    }
}

pub fn after_10<S: Subject>(meter: &Meter, repeats: usize) {
    after::<S>(meter, repeats, 10);
}

pub fn after_1000<S: Subject>(meter: &Meter, repeats: usize) {
    after::<S>(meter, repeats, 1_000);
}

pub fn after_100000<S: Subject>(meter: &Meter, repeats: usize) {
    after::<S>(meter, repeats, 100_000);
}

pub fn after_1000000<S: Subject>(meter: &Meter, repeats: usize) {
    after::<S>(meter, repeats, 1_000_000);
}

/// An operation is the first reset of a new arena, created without a hint, after
/// it got what fills `blocks` blocks of 64 KiB in allocations of 4 KiB. How many
/// chunks an allocator makes of that is its own affair.
fn blocks<S: Subject>(meter: &Meter, repeats: usize, blocks: usize) {
    // Fifteen leave room for a header in each block.
    let fill = Fill::of::<S>(blocks * 15, 4 << 10);
    let mut held = Vec::new();
    let unmeasured = Meter::default();
    for repeat in 0..=repeats {
        let meter = if repeat == 0 { &unmeasured } else { meter };
        let mut all: Vec<S> = (0..subjects::<S>(fill))
            .map(|_| S::create_for(fill.bytes() + 64))
            .collect();
        fill_and_reset(meter, fill, &mut all, &mut held);
    }
}

pub fn of_1_block<S: Subject>(meter: &Meter, repeats: usize) {
    blocks::<S>(meter, repeats, 1);
}

pub fn of_16_blocks<S: Subject>(meter: &Meter, repeats: usize) {
    blocks::<S>(meter, repeats, 16);
}

pub fn of_256_blocks<S: Subject>(meter: &Meter, repeats: usize) {
    blocks::<S>(meter, repeats, 256);
}
