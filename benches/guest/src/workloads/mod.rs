//! The workloads. Each is one generic function; what one operation is, and what
//! lies inside the timed section, is said where it is defined, and for the reader
//! of a report in the host's `catalogue`.

pub mod lifecycle;
pub mod objects;
pub mod requests;
pub mod resets;
pub mod strings;
pub mod vectors;
pub mod zeroed;

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, compiler_fence};

use crate::clock::Meter;
use crate::subject::{Reclaim, Subject};

/// Allocations between two resets, in the workloads that allocate one by one.
pub const BATCH: usize = 1_024;

/// Untimed batches beforehand: memory is there, and an arena has found its size.
const WARM: usize = 4;

/// Times `repeats` batches with `operations` operations each, after some that are
/// not timed.
#[inline(always)]
fn batches(meter: &Meter, repeats: usize, operations: usize, mut batch: impl FnMut()) {
    for _ in 0..WARM {
        batch();
    }
    meter.time(repeats * operations, || {
        for _ in 0..repeats {
            batch();
        }
    });
}

/// A subject of which the compiler knows no more than of one that is passed to a
/// handler: its cursor lies in memory, and stays there.
macro_rules! subject {
    ($name:ident = $made:expr) => {
        let mut $name = $made;
        let $name = core::hint::black_box(&mut $name);
    };
}
use subject;

/// The allocations of one batch, kept by those who have to free each.
struct Held(Vec<NonNull<u8>>);

impl Held {
    fn new<S: Subject>(count: usize) -> Self {
        match S::RECLAIM {
            Reclaim::AtOnce => Self(Vec::new()),
            Reclaim::OneByOne => Self(vec![NonNull::dangling(); count]),
        }
    }

    /// The `index`-th allocation of the batch. Costs an arena nothing.
    #[inline(always)]
    fn keep<S: Subject>(&mut self, index: usize, at: NonNull<u8>) {
        // No instruction, but what the compiler knows of memory it has to have
        // written by now: it cannot keep a cursor in a register over many
        // allocations, which it could not in a handler either.
        compiler_fence(Ordering::SeqCst);
        match S::RECLAIM {
            Reclaim::AtOnce => {}
            // SAFETY: made for as many as there are, by `new`'s callers.
            Reclaim::OneByOne => unsafe { *self.0.get_unchecked_mut(index) = at },
        }
    }

    /// Gives all of them back: `layout` tells each one's layout by its index.
    #[inline(always)]
    fn give_back<S: Subject>(&self, subject: &mut S, layout: impl Fn(usize) -> Layout) {
        match S::RECLAIM {
            Reclaim::AtOnce => {}
            Reclaim::OneByOne => {
                for (index, &at) in self.0.iter().enumerate() {
                    // SAFETY: kept by this batch for this layout, and not used
                    // any longer.
                    unsafe { subject.free(at, layout(index)) };
                }
            }
        }
        // For arenas this is all, for the others nothing.
        subject.reset();
    }
}

/// Writes to an allocation, so that it is used. Volatile, since the compiler may
/// not leave it out then; it costs no more than another write.
#[inline(always)]
fn touch<T>(at: NonNull<u8>, value: T) {
    // SAFETY: callers have just allocated at least a `T` there, aligned for it.
    unsafe { at.cast::<T>().write_volatile(value) };
}

/// Pseudo-random numbers, the same in every run (xorshift32).
pub struct Random(u32);

impl Random {
    pub fn new(seed: u32) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.next() % (high - low + 1)
    }
}

/// A table of which the compiler knows nothing.
fn table<T>(count: usize, mut make: impl FnMut() -> T) -> Vec<T> {
    black_box((0..count).map(|_| make()).collect())
}
