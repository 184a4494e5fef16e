//! `Allocator`, as collections call it.

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use crate::support::arena;

fn layout(size: usize, align: usize) -> Result<Layout, AllocError> {
    Layout::from_size_align(size, align).map_err(|_| AllocError)
}

fn address(made: Result<NonNull<[u8]>, AllocError>) -> usize {
    made.map_or(0, |at| at.addr().get())
}

#[unsafe(no_mangle)]
pub extern "C" fn allocate(size: usize, align: usize) -> usize {
    address(layout(size, align).and_then(|layout| arena().allocate(layout)))
}

#[unsafe(no_mangle)]
pub extern "C" fn allocate_zeroed(size: usize, align: usize) -> usize {
    address(layout(size, align).and_then(|layout| arena().allocate_zeroed(layout)))
}

/// # Safety
/// `at` was allocated by this arena since the last reset, with `size` and
/// `align`, and `new_size` is no smaller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn grow(at: *mut u8, size: usize, align: usize, new_size: usize) -> usize {
    let (Some(at), Ok(old), Ok(new)) = (
        NonNull::new(at),
        layout(size, align),
        layout(new_size, align),
    ) else {
        return 0;
    };
    // SAFETY: passed on.
    address(unsafe { arena().grow(at, old, new) })
}

/// # Safety
/// As [`grow`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn grow_zeroed(
    at: *mut u8,
    size: usize,
    align: usize,
    new_size: usize,
) -> usize {
    let (Some(at), Ok(old), Ok(new)) = (
        NonNull::new(at),
        layout(size, align),
        layout(new_size, align),
    ) else {
        return 0;
    };
    // SAFETY: passed on.
    address(unsafe { arena().grow_zeroed(at, old, new) })
}

/// # Safety
/// As [`grow`], with a new size that is no larger.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shrink(at: *mut u8, size: usize, align: usize, new_size: usize) -> usize {
    let (Some(at), Ok(old), Ok(new)) = (
        NonNull::new(at),
        layout(size, align),
        layout(new_size, align),
    ) else {
        return 0;
    };
    // SAFETY: passed on.
    address(unsafe { arena().shrink(at, old, new) })
}

/// # Safety
/// `at` was allocated by this arena since the last reset, with `size` and
/// `align`, and is used no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deallocate(at: *mut u8, size: usize, align: usize) {
    if let (Some(at), Ok(layout)) = (NonNull::new(at), layout(size, align)) {
        // SAFETY: passed on.
        unsafe { arena().deallocate(at, layout) }
    }
}
