//! The arena for JavaScript.
//!
//! An arena is known by its address, and JavaScript has to keep it: it calls with
//! the address of an arena that it has made and not freed, and with places that this
//! arena has handed out since its last reset. The package's own JavaScript, which
//! hands out no address that it would take back, does so.

use alloc::alloc::{Layout, alloc, dealloc};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};

use wasm_bindgen::prelude::wasm_bindgen;

use super::tell;
use crate::Arena;

#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// What [`arena_new`] answers where the arena refuses the size of a block.
const REFUSED: *mut Arena = ptr::without_provenance_mut(1);

/// What everything handed out is aligned to.
const ALIGN: usize = 8;

/// Makes an arena with blocks of this size, or of the default size where it is zero.
/// Null where there is no memory, one where the size is refused.
#[wasm_bindgen]
pub fn arena_new(block_size: usize) -> *mut Arena {
    let arena = match block_size {
        0 => Arena::new(),
        size => match Arena::with_block_size(size) {
            Ok(arena) => arena,
            Err(_) => return REFUSED,
        },
    };
    // SAFETY: an arena has a size.
    let place = unsafe { alloc(Layout::new::<Arena>()) }.cast::<Arena>();
    if !place.is_null() {
        // SAFETY: just allocated for it.
        unsafe { place.write(arena) };
    }
    place
}

/// Frees the arena: its pages go to those on which the next one draws.
///
/// # Safety
/// As at the top of this file. The address is not used again.
#[wasm_bindgen]
pub unsafe fn arena_free(arena: *mut Arena) {
    // SAFETY: by the contract it was made by `arena_new`, and nobody has it.
    unsafe {
        arena.drop_in_place();
        dealloc(arena.cast(), Layout::new::<Arena>());
    }
}

/// The place of so many bytes, aligned to 8. Null where there is no memory.
///
/// # Safety
/// As at the top of this file.
#[wasm_bindgen]
pub unsafe fn arena_alloc(arena: *const Arena, size: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(size, ALIGN) else {
        return ptr::null_mut();
    };
    // SAFETY: by the contract there is an arena, and nobody has it exclusively.
    match unsafe { &*arena }.alloc_layout(layout) {
        Ok(place) => place.as_ptr(),
        Err(_) => ptr::null_mut(),
    }
}

/// The place of so many times so many bytes, all zero. Null where there is no memory.
///
/// # Safety
/// As at the top of this file.
#[wasm_bindgen]
pub unsafe fn arena_calloc(arena: *const Arena, count: usize, size: usize) -> *mut u8 {
    // SAFETY: as in `arena_alloc`.
    match unsafe { &*arena }.calloc(count, size) {
        Ok(place) => place.as_mut_ptr(),
        Err(_) => ptr::null_mut(),
    }
}

/// Makes an allocation larger: where it stands, if it is the last one and there is
/// room, or else elsewhere, with a copy of its bytes. Null where there is no memory:
/// it is as it was then.
///
/// # Safety
/// As at the top of this file. `at` has `old` bytes, and `new` is not less.
#[wasm_bindgen]
pub unsafe fn arena_grow(arena: *const Arena, at: *mut u8, old: usize, new: usize) -> *mut u8 {
    let (Some(start), Ok(old), Ok(new)) = (
        NonNull::new(at),
        Layout::from_size_align(old, ALIGN),
        Layout::from_size_align(new, ALIGN),
    ) else {
        return ptr::null_mut();
    };
    // SAFETY: by the contract there is an arena, which handed `at` out for `old`.
    match unsafe { (*arena).grow_slot(start, old, new) } {
        Ok(slot) => slot.start.as_ptr(),
        Err(_) => ptr::null_mut(),
    }
}

/// Makes an allocation smaller. The arena takes the rest back if it is the last one,
/// or has a block of its own.
///
/// # Safety
/// As at the top of this file. `at` has `old` bytes, and `new` is not more.
#[wasm_bindgen]
pub unsafe fn arena_shrink(arena: *const Arena, at: *mut u8, old: usize, new: usize) {
    // SAFETY: by the contract there is an arena.
    let (arena, start) = (unsafe { &*arena }, NonNull::new(at));
    match (start, new) {
        (Some(start), 0) => arena.free(start, old),
        (Some(start), new) => _ = arena.resize(start, old, new),
        (None, _) => {}
    }
}

/// Takes everything back. The blocks stay.
///
/// # Safety
/// As at the top of this file. What was handed out is not used again.
#[wasm_bindgen]
pub unsafe fn arena_reset(arena: *mut Arena) {
    // SAFETY: by the contract there is an arena, and nobody has it: JavaScript has
    // called in.
    unsafe { &mut *arena }.reset();
}

/// Bytes in use.
///
/// # Safety
/// As at the top of this file.
#[wasm_bindgen]
pub unsafe fn arena_used(arena: *const Arena) -> usize {
    // SAFETY: as in `arena_alloc`.
    unsafe { &*arena }.used()
}

/// Bytes that the blocks have.
///
/// # Safety
/// As at the top of this file.
#[wasm_bindgen]
pub unsafe fn arena_total_allocated(arena: *const Arena) -> usize {
    // SAFETY: as in `arena_alloc`.
    unsafe { &*arena }.total_allocated()
}

/// Where all figures are.
///
/// # Safety
/// As at the top of this file.
#[wasm_bindgen]
pub unsafe fn arena_usage(arena: *const Arena) -> *const u32 {
    // SAFETY: as in `arena_alloc`.
    tell(unsafe { &*arena }.usage())
}

/// Blocks that are told of at most.
const BLOCKS: usize = 256;

/// Where the blocks are: pairs of an address and a length, ended by two zeros.
struct Blocks(UnsafeCell<[[u32; 2]; BLOCKS + 1]>);

// SAFETY: as for `Figures`.
unsafe impl Sync for Blocks {}

static BLOCKS_TOLD: Blocks = Blocks(UnsafeCell::new([[0; 2]; BLOCKS + 1]));

/// Where the blocks of the arena are: up to 256 pairs of an address and a length,
/// ended by two zeros.
///
/// # Safety
/// As at the top of this file.
#[wasm_bindgen]
pub unsafe fn arena_blocks(arena: *const Arena) -> *const u32 {
    // SAFETY: as in `arena_alloc`; one thread, and nobody has a reference to the
    // blocks.
    let (arena, told) = unsafe { (&*arena, &mut *BLOCKS_TOLD.0.get()) };
    let mut count = 0;
    for (place, span) in told[..BLOCKS].iter_mut().zip(arena.runs()) {
        // Memory of 32 bits: it fits.
        *place = [span.start as u32, span.len() as u32];
        count += 1;
    }
    told[count] = [0; 2];
    BLOCKS_TOLD.0.get().cast()
}
