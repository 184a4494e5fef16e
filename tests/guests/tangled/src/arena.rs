//! Blocks of linear memory, a pool of them, and arenas that have some.

use std::cell::RefCell;
use std::slice;

/// Bytes of a block: a page of WebAssembly.
pub const BLOCK: usize = 64 * 1024;

thread_local! {
    /// Blocks that nobody has. All of them are zero.
    static POOL: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// How often a block was taken that nobody had before.
    static GROWN: RefCell<u64> = const { RefCell::new(0) };
}

pub fn grown() -> u64 {
    GROWN.with_borrow(|grown| *grown)
}

/// A part of a block.
#[derive(Clone, Copy)]
pub struct Part {
    at: usize,
    len: usize,
}

impl Part {
    /// A copy of what is there now.
    pub fn copy(self) -> Vec<u8> {
        // SAFETY: within a block, and blocks are never unmapped. Nothing is written
        // there while this copies.
        unsafe { slice::from_raw_parts(self.at as *const u8, self.len) }.to_vec()
    }

    pub fn split(self, most: usize) -> impl Iterator<Item = Self> {
        (0..self.len).step_by(most).map(move |from| Self {
            at: self.at + from,
            len: most.min(self.len - from),
        })
    }
}

/// Blocks, the last of which is filled.
#[derive(Default)]
pub struct Arena {
    blocks: Vec<usize>,
    /// Bytes of the last block that are used.
    filled: usize,
}

impl Arena {
    /// Copies the bytes, and says where they are.
    pub fn keep(&mut self, mut bytes: &[u8], parts: &mut Vec<Part>) {
        while !bytes.is_empty() {
            if self.blocks.is_empty() || self.filled == BLOCK {
                self.blocks.push(take());
                self.filled = 0;
            }
            let last = self.blocks[self.blocks.len() - 1];
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            let at = last + self.filled;
            // SAFETY: within the block, which is this arena's alone.
            unsafe { (at as *mut u8).copy_from(now.as_ptr(), now.len()) };
            self.filled += now.len();
            parts.push(Part { at, len: now.len() });
            bytes = rest;
        }
    }

    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    pub fn used(&self) -> usize {
        self.blocks.len().saturating_sub(1) * BLOCK + self.filled
    }

    /// Gives the blocks back to the pool, all but `kept` of them.
    pub fn give_back(&mut self, kept: usize) {
        self.filled = 0;
        for block in self.blocks.drain(..) {
            if !cfg!(feature = "unscrubbed") {
                // SAFETY: nobody else has the block.
                unsafe { (block as *mut u8).write_bytes(0, BLOCK) };
            }
            POOL.with_borrow_mut(|pool| pool.push(block));
        }
        for _ in 0..kept {
            POOL.with_borrow_mut(|pool| pool.pop());
        }
    }
}

fn take() -> usize {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
        GROWN.with_borrow_mut(|grown| *grown += 1);
        let page = core::arch::wasm32::memory_grow::<0>(1);
        assert_ne!(page, usize::MAX, "no memory");
        page * BLOCK
    })
}
