//! Memory over many requests of different sizes: what the instance has in the end
//! is the largest request's need, plus what the allocator's way with chunks adds.
//!
//! A request asks for 10 KB to 3 MB in all: one of nine sizes from 10,000 bytes
//! on, each twice the one before, plus up to as much again, and 3,000,000 bytes at
//! most. Of its allocations, all aligned to 8, 90 in 100 have 8 to 512 bytes, 9
//! have 513 to 8,192, and one has 65,537 to 262,144 where that much is left.
//! The numbers are pseudo-random and the same for every allocator.

use core::arch::wasm32::memory_size;

use crate::cell::Local;
use crate::subject::{Reclaim, Subject, aligned_to_8};
use crate::workloads::Random;

/// What many requests have left.
#[derive(Clone, Copy, Default)]
pub struct Left {
    /// Pages of linear memory before the first request.
    pub before: usize,
    /// And after the last one.
    pub after: usize,
    /// Bytes of the largest request, each allocation rounded up to 8.
    pub need: usize,
    /// Bytes that the allocator holds after the last reset, where it tells.
    pub held: Option<usize>,
}

/// Of the last call.
pub static LEFT: Local<Left> = Local::new(Left {
    before: 0,
    after: 0,
    need: 0,
    held: None,
});

/// Allocations of a request, at most.
const MOST: usize = 16 << 10;

pub fn cycles<S: Subject>(count: usize) {
    let mut random = Random::new(2026);
    let mut held = match S::RECLAIM {
        Reclaim::AtOnce => Vec::new(),
        Reclaim::OneByOne => Vec::with_capacity(MOST),
    };
    let mut left = Left {
        before: memory_size::<0>(),
        ..Left::default()
    };
    let mut subject = S::create();
    for _ in 0..count {
        let base = 10_000 << (random.next() % 9);
        let total = (base + random.next() % base).min(3_000_000);
        let mut used = 0;
        while used < total {
            let size = match random.next() % 100 {
                0..90 => random.between(8, 512),
                99 if total - used > 256 << 10 => random.between(65_537, 256 << 10),
                _ => random.between(513, 8_192),
            };
            let at = subject.sized(size);
            // SAFETY: at least eight bytes were just handed out.
            unsafe { at.cast::<u64>().write_volatile(size as u64) };
            match S::RECLAIM {
                Reclaim::AtOnce => {}
                Reclaim::OneByOne => held.push((at, size)),
            }
            used += size.next_multiple_of(8);
        }
        left.need = left.need.max(used);
        for (at, size) in held.drain(..) {
            // SAFETY: allocated above with this layout, and not used any longer.
            unsafe { subject.free(at, aligned_to_8(size)) };
        }
        subject.reset();
    }
    left.after = memory_size::<0>();
    left.held = subject.held();
    LEFT.set(left);
}
