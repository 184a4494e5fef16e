//! Answers many requests in one instance: a core module that allocates, writes,
//! checks and resets, and says when its memory grew.
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![cfg(target_arch = "wasm32")]

use core::arch::wasm32::memory_size;
use std::mem;

use lavandula::{AllocError, Arena, Reset, Scrub};

/// How many different requests there are. Each comes again and again, in no
/// order: were every request another, one larger than all before it could come at
/// any time.
const DIFFERENT: u64 = 1_000;

/// How requests use arenas.
mod kind {
    pub const ONE_ARENA: u32 = 0;
    pub const TWO_ARENAS: u32 = 1;
    pub const SCOPES: u32 = 2;
    pub const FORGOTTEN: u32 = 3;
}

/// Sizes by number, SplitMix64.
struct Sizes(u64);

impl Sizes {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> usize {
        (self.next() % end) as usize
    }

    /// Mostly some words, now and then some pages.
    fn size(&mut self) -> usize {
        match self.below(200) {
            0 => 60_000 + self.below(200_000),
            1..=5 => self.below(12_000),
            _ => self.below(400),
        }
    }
}

/// Allocates and fills a piece, and returns it.
fn piece<'a>(arena: &'a Arena, sizes: &mut Sizes) -> Result<&'a [u8], AllocError> {
    let seed = sizes.next();
    let size = sizes.size();
    Ok(match seed % 4 {
        0 => {
            let bytes = arena.calloc(1, size)?;
            assert!(bytes.iter().all(|&b| b == 0), "not zero");
            bytes.fill(seed as u8);
            bytes
        }
        1 => {
            let mut buffer = arena.buffer();
            let part = [seed as u8; 64];
            for _ in 0..size.min(8_000) / 64 {
                buffer.push(&part)?;
            }
            buffer.finish()
        }
        _ => arena.alloc_slice_fill_with(size, |_| seed as u8)?,
    })
}

/// One request: a few dozen pieces, which are all there at its end.
fn request(arena: &Arena, sizes: &mut Sizes) -> Result<(), AllocError> {
    let count = 8 + sizes.below(24);
    let pieces = arena.alloc_slice_fill_with(count, |_| (&[][..], 0_u64))?;
    for place in pieces.iter_mut() {
        let piece = piece(arena, sizes)?;
        *place = (piece, checksum(piece));
    }
    assert!(pieces.iter().all(|&(piece, sum)| checksum(piece) == sum));
    Ok(())
}

/// One request with a scope for each of its parts, and what comes of it in the
/// arena: some while the scope is open.
fn request_in_scopes(arena: &Arena, sizes: &mut Sizes) -> Result<(), AllocError> {
    for part in 0..4 {
        let kept = {
            let scope = arena.scope();
            request(&scope, sizes)?;
            let inner = scope.scope();
            request(&inner, sizes)?;
            // Keeps the scope's memory in use until the reset.
            (part == 3).then(|| piece(arena, sizes)).transpose()?
        };
        let sum = kept.map(checksum);
        piece(arena, sizes)?;
        assert_eq!(kept.map(checksum), sum, "kept while a scope was open");
    }
    Ok(())
}

fn checksum(bytes: &[u8]) -> u64 {
    // Eight bytes at a time, each place with its weight.
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|&byte| u64::from(byte));
    words
        .chain(rest)
        .fold(bytes.len() as u64, |sum, word| sum.rotate_left(5) ^ word)
}

/// Answers `count` requests in an order that `seed` gives. Returns
/// the number of the last one that made memory grow, counted from one, and the
/// pages that memory has then.
#[unsafe(no_mangle)]
pub extern "C" fn soak(kind: u32, count: u32, seed: u64) -> u64 {
    let mut numbers = Sizes(seed);
    let mut arenas = [Arena::new(), Arena::new()];
    for arena in &mut arenas {
        // The one that does most.
        arena.set_scrub(Scrub::Zero);
        if kind == kind::TWO_ARENAS {
            // Less than a request may need, so that each has to give to the other.
            arena.set_reset(Reset::Retain { limit: 1 << 17 });
        }
    }
    let mut pages = memory_size::<0>();
    let mut last = 0;
    for number in 1..=count {
        let mut sizes = Sizes(numbers.next() % DIFFERENT);
        let done = match kind {
            kind::ONE_ARENA => request(&arenas[0], &mut sizes),
            kind::TWO_ARENAS => {
                let [one, other] = &arenas;
                request(one, &mut sizes).and_then(|()| request(other, &mut sizes))
            }
            kind::SCOPES => request_in_scopes(&arenas[0], &mut sizes),
            kind::FORGOTTEN => {
                let arena = Arena::new();
                let done = request(&arena, &mut sizes);
                mem::forget(arena);
                done
            }
            _ => unreachable!("a kind that there is"),
        };
        assert_eq!(done, Ok(()));
        arenas.iter_mut().for_each(Arena::reset);
        let now = memory_size::<0>();
        if now != pages {
            (pages, last) = (now, number);
        }
    }
    (u64::from(last) << 32) | pages as u64
}
