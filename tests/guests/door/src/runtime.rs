//! The ABI of the runtime.

use std::ffi::{c_int, c_void};

#[link(wasm_import_module = "runtime")]
unsafe extern "C" {
    /// Length of the next request, or all ones where there is none.
    #[link_name = "next"]
    safe fn next_length(answered: usize) -> usize;
    /// Writes the request there.
    fn read(to: *mut u8);
    #[link_name = "answer"]
    fn answer_with(text: *const u8, length: usize);
}

unsafe extern "C" {
    fn malloc(bytes: usize) -> *mut c_void;
    fn __main_void() -> c_int;
}

pub(crate) fn next(answered: usize) -> Option<Vec<u8>> {
    let length = next_length(answered);
    if length == usize::MAX {
        return None;
    }
    let mut request = vec![0; length];
    // SAFETY: it writes as many bytes as it has told.
    unsafe { read(request.as_mut_ptr()) };
    Some(request)
}

pub(crate) fn answer(text: &str) {
    // SAFETY: the runtime reads it before it returns.
    unsafe { answer_with(text.as_ptr(), text.len()) };
}

/// Keeps the bytes in memory of the platform's `malloc`, more than it has at first, and
/// tells where the first of it lies.
pub(crate) fn platform_memory(bytes: &[u8]) -> usize {
    const EACH: usize = 10_000;
    let mut first = 0;
    for n in 0..30 {
        // SAFETY: whatever its size.
        let place = unsafe { malloc(EACH) }.cast::<u8>();
        assert!(!place.is_null());
        let length = bytes.len().min(EACH);
        // SAFETY: just allocated, with room for them.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), length) };
        if n == 0 {
            first = place.addr();
        }
    }
    first
}

/// Starts the program within itself, which is refused, and tells its result.
pub(crate) fn start_again() -> c_int {
    // SAFETY: nothing but a call.
    unsafe { __main_void() }
}
