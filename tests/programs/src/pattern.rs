//! What the oracle writes into memory: a sequence that no shift leaves as it is,
//! so that a copy from or to the wrong place is seen.

use core::ptr::NonNull;
use core::slice;

/// The sequence begins anew after this many bytes.
const PERIOD: usize = 4096;

/// A seed is where in here a sequence begins.
pub static TABLE: [u8; PERIOD + 256] = table();

const fn table() -> [u8; PERIOD + 256] {
    let mut table = [0; PERIOD + 256];
    let mut state = 0x2545_F491_u32;
    let mut i = 0;
    while i < table.len() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Never zero nor the poison: scrubbed bytes cannot pass for these.
        let byte = (state >> 24) as u8;
        table[i] = if byte == 0 || byte == 0xA5 { 1 } else { byte };
        i += 1;
    }
    table
}

/// The piece of the sequence from `from` on that is stored in one piece.
fn piece(seed: u8, from: usize, to: usize) -> &'static [u8] {
    let at = from % PERIOD;
    let len = (PERIOD - at).min(to - from);
    &TABLE[usize::from(seed) + at..][..len]
}

/// Writes bytes `from..to` of the sequence to an allocation that begins at `at`.
///
/// # Safety
/// `to` bytes at `at` are valid for writes.
pub unsafe fn write(at: NonNull<u8>, from: usize, to: usize, seed: u8) {
    let mut done = from;
    while done < to {
        let piece = piece(seed, done, to);
        // SAFETY: the piece ends at `to` at the latest; the table is a static,
        // and so apart from it.
        unsafe {
            at.add(done)
                .copy_from_nonoverlapping(NonNull::from(piece).cast(), piece.len());
        }
        done += piece.len();
    }
}

/// Whether an allocation holds the first `len` bytes of the sequence.
///
/// # Safety
/// `len` bytes at `at` are valid for reads and initialised.
pub unsafe fn holds(at: NonNull<u8>, len: usize, seed: u8) -> bool {
    // SAFETY: the caller's promise; nothing is written meanwhile.
    let bytes = unsafe { slice::from_raw_parts(at.as_ptr(), len) };
    let mut done = 0;
    while done < len {
        let piece = piece(seed, done, len);
        if !equal(&bytes[done..done + piece.len()], piece) {
            return false;
        }
        done += piece.len();
    }
    true
}

/// Whether all of `bytes` are `byte`. In pieces that are compared as a whole,
/// which an unoptimised build does at once; for Miri they cannot be large enough.
pub fn all_are(bytes: &[u8], byte: u8) -> bool {
    let piece = [byte; if cfg!(miri) { 1 << 16 } else { 512 }];
    bytes
        .chunks(piece.len())
        .all(|chunk| equal(chunk, &piece[..chunk.len()]))
}

/// Whether two slices of the same length are the same.
fn equal(one: &[u8], other: &[u8]) -> bool {
    if cfg!(not(target_family = "wasm")) {
        return one == other;
    }
    // There a comparison of slices goes byte by byte.
    let (words, rest) = one.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let same = words
        .iter()
        .zip(other_words)
        .all(|(a, b)| word(a) == word(b));
    same && rest == other_rest
}
