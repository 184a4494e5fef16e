//! Memory that does not come from the global allocator, or is a lot.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};

/// Bytes that are asked of the platform's allocator.
#[cfg(target_os = "wasi")]
const MALLOC: usize = 200_000;

/// Pages that a request grows memory by.
const GROWN: usize = 3;

const PAGE: usize = 64 * 1024;

/// The C library's allocator, which the one of Rust knows nothing of. What was
/// allocated is in a static, and holds the marker.
#[cfg(target_os = "wasi")]
pub fn malloc(marker: &str) -> String {
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, Ordering};

    unsafe extern "C" {
        fn malloc(size: usize) -> *mut u8;
    }

    static LAST: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

    let last = LAST.load(Ordering::Relaxed);
    let found = if last.is_null() {
        String::from("nothing")
    } else {
        // SAFETY: an earlier request allocated it, filled it and never freed it.
        let bytes = unsafe { std::slice::from_raw_parts(last, MALLOC) };
        text(bytes).to_owned()
    };
    // SAFETY: it has no contract.
    let place = unsafe { malloc(MALLOC) };
    if place.is_null() {
        return String::from("out of memory");
    }
    // SAFETY: just allocated with this size.
    let bytes = unsafe {
        place.write_bytes(0, MALLOC);
        std::slice::from_raw_parts_mut(place, MALLOC)
    };
    write(bytes, marker);
    LAST.store(place, Ordering::Relaxed);
    format!("{found} was there")
}

/// Grows memory by hand, and writes all over it.
pub fn grow() -> String {
    let before = core::arch::wasm32::memory_grow::<0>(GROWN);
    if before == usize::MAX {
        return String::from("out of memory");
    }
    let start = std::ptr::with_exposed_provenance_mut::<u8>(before * PAGE);
    // SAFETY: memory was just grown by these bytes, which begin as zeros and are
    // nobody else's.
    let bytes = unsafe { std::slice::from_raw_parts_mut(start, GROWN * PAGE) };
    let dirty = dirty(bytes);
    bytes.fill(0xA5);
    format!("{dirty} bytes were not zero")
}

/// One large allocation that is to be zero. Whatever it finds in it, it leaves
/// something else there.
pub fn large(bytes: usize) -> String {
    let mut large = vec![0_u8; bytes];
    let dirty = dirty(&mut large);
    large.fill(0x5A);
    black_box(&mut large);
    format!("{dirty} bytes were not zero")
}

/// How many of them are not zero. The compiler, which thinks that it knows, is
/// not asked.
fn dirty(bytes: &mut [u8]) -> usize {
    black_box(&mut *bytes)
        .iter()
        .filter(|&&byte| byte != 0)
        .count()
}

/// A static larger than what the library keeps for an image of its own.
pub fn image(marker: &str) -> String {
    static IMAGE: Mutex<[u8; 200_000]> = Mutex::new([b'.'; 200_000]);
    let mut image = IMAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = image.iter().filter(|&&byte| byte != b'.').count();
    let found = format!("{changed} bytes were changed: {}", text(&image[..64]));
    for place in image.chunks_mut(64) {
        write(place, marker);
    }
    found
}

/// What requests have put into the heap for what outlives them.
pub fn persist(marker: &str) -> String {
    static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    lavandula::persist(|| {
        let mut text = String::with_capacity(MUCH);
        text.push_str(marker);
        kept.push(text);
    });
    kept.join(" ")
}

/// Bytes that a request puts there.
const MUCH: usize = 100_000;

/// The marker at the beginning, and something everywhere else.
fn write(bytes: &mut [u8], marker: &str) {
    bytes.fill(b' ');
    for (place, byte) in bytes.iter_mut().zip(marker.bytes()) {
        *place = byte;
    }
}

/// The marker that `write` wrote.
fn text(bytes: &[u8]) -> &str {
    let len = bytes.iter().position(|&byte| byte == b' ');
    std::str::from_utf8(&bytes[..len.unwrap_or(bytes.len())]).unwrap_or("no text")
}
