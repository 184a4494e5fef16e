//! The arena behind ordinary wasm-bindgen: an exported struct, and text as `&str`. It
//! is what one would write first, and what the npm package is compared with.
#![cfg(target_arch = "wasm32")]

use std::alloc::Layout;
use std::ptr;

use lavandula::Arena;
use wasm_bindgen::prelude::wasm_bindgen;

/// An arena as an object of JavaScript.
#[wasm_bindgen]
#[derive(Default)]
pub struct PlainArena {
    arena: Arena,
}

#[wasm_bindgen]
impl PlainArena {
    /// An arena with blocks of the default size.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// The place of so many bytes, aligned to 8. Null where there is no memory.
    pub fn alloc(&self, bytes: usize) -> *mut u8 {
        let place = Layout::from_size_align(bytes, 8)
            .ok()
            .and_then(|layout| self.arena.alloc_layout(layout).ok());
        place.map_or(ptr::null_mut(), |place| place.as_ptr())
    }

    /// The place of a copy of the text, in UTF-8. Null where there is no memory.
    pub fn strdup(&self, text: &str) -> *const u8 {
        let copy = self.arena.strdup(text);
        copy.map_or(ptr::null(), |copy| copy.as_ptr())
    }

    /// Takes everything back.
    pub fn reset(&mut self) {
        self.arena.reset();
    }
}
