//! Programs by number, for runs that have to be the same in two places.

use alloc::vec::Vec;

/// The program with this number: about as many operations as it says.
pub fn seeded(seed: u64, operations: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        // SplitMix64: any seed will do, and neighbours have nothing in common.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    // An operation takes about four bytes.
    let words = operations.div_ceil(2);
    (0..words).flat_map(|_| next().to_le_bytes()).collect()
}
