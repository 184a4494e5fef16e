//! Values with `Drop`, text that is formatted, and scopes.

use core::sync::atomic::{AtomicU32, Ordering};

use lavandula::Arena;

use crate::support::{arena, bytes, text};

/// How many values were dropped.
static DROPPED: AtomicU32 = AtomicU32::new(0);

struct Counted(#[allow(dead_code, reason = "it is there to be dropped")] u32);

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn dropped() -> u32 {
    DROPPED.load(Ordering::Relaxed)
}

#[unsafe(no_mangle)]
pub extern "C" fn alloc_owned(value: u32) -> bool {
    arena().alloc_owned(Counted(value)).is_ok()
}

#[unsafe(no_mangle)]
pub extern "C" fn into_inner(value: u64) -> u64 {
    match arena().alloc_owned(value) {
        Ok(owned) => owned.into_inner(),
        Err(_) => 0,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn alloc_deferred(value: u32) -> bool {
    arena().alloc_deferred(Counted(value)).is_ok()
}

/// # Safety
/// `len` bytes at `at` are text of the host's, and it does not write to them
/// meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn alloc_fmt(at: *const u8, len: usize, number: u32) -> usize {
    // SAFETY: passed on.
    let text = unsafe { text(at, len) };
    let made = arena().alloc_fmt(format_args!("<{text}:{number}>"));
    made.map_or(0, |text| text.len())
}

/// # Safety
/// `len` bytes at `at` are the host's, and it does not write to them meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn buffer(at: *const u8, len: usize, times: u32) -> usize {
    // SAFETY: passed on.
    let bytes = unsafe { bytes(at, len) };
    let mut buffer = arena().buffer();
    for _ in 0..times {
        if buffer.push(bytes).is_err() || buffer.reserve(len).is_err() {
            return 0;
        }
    }
    let seen = buffer.bytes().len();
    let finished = buffer.finish().len();
    seen & finished
}

/// # Safety
/// As [`alloc_fmt`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn buffer_write_fmt(at: *const u8, len: usize, number: u64) -> usize {
    // SAFETY: passed on.
    let text = unsafe { text(at, len) };
    let mut buffer = arena().buffer();
    match buffer.write_fmt(format_args!("{text}={number}")) {
        Ok(()) => buffer.finish().len(),
        Err(_) => 0,
    }
}

/// A scope, another one in it, and what is done in them.
#[unsafe(no_mangle)]
pub extern "C" fn scope(size: usize, value: u32) -> bool {
    fn fill(arena: &Arena, size: usize, value: u32) -> bool {
        arena.calloc(1, size).is_ok() && arena.alloc_deferred(Counted(value)).is_ok()
    }

    let outer = arena().scope();
    let done = fill(&outer, size, value);
    let inner = outer.scope();
    done && fill(&inner, size, value) && fill(&outer, size, value)
}

/// What the negative of the test looks for.
#[cfg(feature = "panicking")]
#[unsafe(no_mangle)]
pub extern "C" fn indexes(at: usize) -> u64 {
    arena().calloc(8, 8).map_or(0, |bytes| bytes[at].into())
}
