//! What the host calls.

use crate::cell::Local;
use crate::clock::Meter;
use crate::memory::LEFT;
use crate::registry::{self, CYCLES, Entry};

/// Operations of the last run.
static OPERATIONS: Local<f64> = Local::new(0.0);

/// Address and length of the list, in the upper and the lower half: a line each,
/// `run WORKLOAD ALLOCATOR` or `cycles ALLOCATOR`, numbered from zero by kind.
#[unsafe(no_mangle)]
extern "C" fn list() -> u64 {
    let mut text = String::new();
    for entry in registry::entries() {
        text += &format!("run {} {}\n", entry.workload, entry.allocator);
    }
    for cycles in CYCLES {
        text += &format!("cycles {}\n", cycles.allocator);
    }
    let text = text.leak();
    (text.as_ptr().addr() as u64) << 32 | text.len() as u64
}

fn entry(number: usize) -> &'static Entry {
    match registry::entries().nth(number) {
        Some(entry) => entry,
        None => core::arch::wasm32::unreachable(),
    }
}

/// Runs an entry and returns what its timed sections took together.
#[unsafe(no_mangle)]
extern "C" fn run(number: usize, repeats: usize) -> f64 {
    let meter = Meter::default();
    (entry(number).run)(&meter, repeats);
    OPERATIONS.set(meter.operations());
    meter.elapsed()
}

/// How many operations the last run timed.
#[unsafe(no_mangle)]
extern "C" fn operations() -> f64 {
    OPERATIONS.get()
}

/// Runs an entry with every answer checked; traps where one is wrong. Returns
/// whether there was anything to check.
#[unsafe(no_mangle)]
extern "C" fn check(number: usize) -> u32 {
    match entry(number).check {
        Some(check) => {
            check(&Meter::default(), 2);
            1
        }
        None => 0,
    }
}

/// Serves as many requests of different sizes.
#[unsafe(no_mangle)]
extern "C" fn cycles(number: usize, count: usize) {
    match CYCLES.get(number) {
        Some(cycles) => (cycles.run)(count),
        None => core::arch::wasm32::unreachable(),
    }
}

/// Pages before the requests.
#[unsafe(no_mangle)]
extern "C" fn pages_before() -> usize {
    LEFT.get().before
}

/// Pages after them.
#[unsafe(no_mangle)]
extern "C" fn pages_after() -> usize {
    LEFT.get().after
}

/// Bytes of the largest of them.
#[unsafe(no_mangle)]
extern "C" fn need() -> usize {
    LEFT.get().need
}

/// Bytes that the allocator held in the end, or -1 where it does not tell.
#[unsafe(no_mangle)]
extern "C" fn held() -> i64 {
    LEFT.get().held.map_or(-1, |bytes| bytes as i64)
}
