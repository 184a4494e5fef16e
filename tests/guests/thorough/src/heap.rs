//! What goes through the global allocator, and around it.

use std::hint::black_box;

use crate::arenas::fill;

/// Strings, the way handlers make them.
pub fn small(marker: &str) {
    let text = format!("{marker} and {}", marker.to_uppercase());
    black_box(&text);
}

/// Large vectors that grow, move and are freed.
pub fn resized(marker: &str) {
    let mut first = vec![0; 100_000];
    fill(&mut first, marker);
    let mut second = Vec::new();
    while second.len() < 120_000 {
        second.extend_from_slice(marker.as_bytes());
        second.extend_from_slice(&[b'~'; 1_000]);
    }
    black_box(&second);
    drop(first);
    let zeroed = vec![0_u8; 120_000];
    assert!(black_box(&zeroed).iter().all(|&byte| byte == 0));
}

/// A vector that was larger once.
pub fn shrunk(marker: &str) -> Vec<u8> {
    let mut bytes = vec![0; 6_000];
    fill(&mut bytes, marker);
    bytes.truncate(marker.len());
    bytes.shrink_to_fit();
    bytes
}

/// Memory that is not the arena's: of the heap for what lasts longer, and of the C
/// library.
pub fn outside(marker: &str) {
    lavandula::persist(|| {
        let mut large = vec![0; 100_000];
        fill(&mut large, marker);
        std::mem::forget(large);
        // Of a class of which initialisation has freed some.
        for _ in 0..3 {
            let mut small = vec![0; 100];
            fill(&mut small, marker);
            std::mem::forget(small);
        }
    });
    malloc(marker);
    // Opens a stream of the host's.
    println!("{marker}");
}

fn malloc(marker: &str) {
    const BYTES: usize = 120_000;
    unsafe extern "C" {
        fn malloc(size: usize) -> *mut u8;
    }
    // SAFETY: it has no contract.
    let place = unsafe { malloc(BYTES) };
    assert!(!place.is_null(), "the C library is out of memory");
    // SAFETY: just allocated with this size, and written before the reference is made.
    let bytes = unsafe {
        place.write_bytes(0, BYTES);
        std::slice::from_raw_parts_mut(place, BYTES)
    };
    fill(bytes, marker);
}
