//! Every method of the arena, each exported by itself, without std: whatever can
//! panic in one of them is linked into this module, and seen there.
//!
//! The exports take and return plain numbers. What a method takes or returns
//! beyond that is made here, in ways that cannot panic.
#![no_std]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![cfg(target_arch = "wasm32")]

mod collections;
mod policies;
mod support;
mod values;

use core::alloc::Layout;
use core::ptr::NonNull;

use lavandula::{AllocError, Arena, DEFAULT_BLOCK_SIZE, LinearMemory};

use support::{address, arena, arena_mut, bytes, text};

/// A layout that the host tells, or one that nothing has.
fn layout(size: usize, align: usize) -> Result<Layout, AllocError> {
    Layout::from_size_align(size, align).map_err(|_| AllocError::Layout)
}

#[unsafe(no_mangle)]
pub extern "C" fn new() {
    *arena_mut() = Arena::new();
}

#[unsafe(no_mangle)]
pub extern "C" fn with_block_size(bytes: usize) -> bool {
    match Arena::with_block_size(bytes) {
        Ok(arena) => {
            *arena_mut() = arena;
            true
        }
        Err(_) => false,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn with_source() -> usize {
    *arena_mut() = Arena::with_source(LinearMemory);
    DEFAULT_BLOCK_SIZE
}

#[unsafe(no_mangle)]
pub extern "C" fn alloc_layout(size: usize, align: usize) -> usize {
    address(layout(size, align).and_then(|layout| arena().alloc_layout(layout)))
}

#[unsafe(no_mangle)]
pub extern "C" fn alloc_zeroed(size: usize, align: usize) -> usize {
    address(layout(size, align).and_then(|layout| arena().alloc_zeroed(layout)))
}

#[unsafe(no_mangle)]
pub extern "C" fn alloc_word(value: u64) -> usize {
    address(arena().alloc(value).map(NonNull::from))
}

#[unsafe(no_mangle)]
pub extern "C" fn alloc_aligned(value: u64) -> usize {
    #[repr(align(128))]
    #[allow(dead_code, reason = "it is there to be allocated")]
    struct Aligned(u64);
    address(arena().alloc(Aligned(value)).map(NonNull::from))
}

/// # Safety
/// `len` bytes at `at` are the host's, and it does not write to them meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn alloc_slice_copy(at: *const u8, len: usize) -> usize {
    // SAFETY: passed on.
    let bytes = unsafe { bytes(at, len) };
    address(arena().alloc_slice_copy(bytes).map(NonNull::from))
}

#[unsafe(no_mangle)]
pub extern "C" fn alloc_slice_fill_with(len: usize) -> usize {
    address(
        arena()
            .alloc_slice_fill_with(len, |i| i as u64)
            .map(NonNull::from),
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> usize {
    address(arena().calloc(count, size).map(NonNull::from))
}

/// # Safety
/// `len` bytes at `at` are text of the host's, and it does not write to them
/// meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strdup(at: *const u8, len: usize) -> usize {
    // SAFETY: passed on.
    let text = unsafe { text(at, len) };
    address(arena().strdup(text).map(NonNull::from))
}

/// # Safety
/// As [`strdup`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strndup(at: *const u8, len: usize, max: usize) -> usize {
    // SAFETY: passed on.
    let text = unsafe { text(at, len) };
    address(arena().strndup(text, max).map(NonNull::from))
}

#[unsafe(no_mangle)]
pub extern "C" fn prepare() -> bool {
    arena_mut().prepare().is_ok()
}

#[unsafe(no_mangle)]
pub extern "C" fn reset() {
    arena_mut().reset();
}

#[unsafe(no_mangle)]
pub extern "C" fn scrub() -> usize {
    arena_mut().scrub()
}

#[unsafe(no_mangle)]
pub extern "C" fn used() -> usize {
    arena().used()
}

#[unsafe(no_mangle)]
pub extern "C" fn total_allocated() -> usize {
    arena().total_allocated()
}

/// All figures, so that none is left out as nobody's.
#[unsafe(no_mangle)]
pub extern "C" fn usage() -> usize {
    let usage = arena().usage();
    [
        usage.used,
        usage.total_allocated,
        usage.peak_used,
        usage.committed,
        usage.tail_waste,
        usage.free,
        usage.overhead,
        usage.blocks,
        usage.resets,
        usage.grows,
        usage.budget.unwrap_or_default(),
    ]
    .into_iter()
    .fold(0, usize::wrapping_add)
}
