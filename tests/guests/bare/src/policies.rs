//! Budgets, the reserve, and what a reset does.

use lavandula::{Reset, Scrub};

use crate::support::{arena, arena_mut};

#[unsafe(no_mangle)]
pub extern "C" fn set_budget(bytes: usize) {
    arena_mut().set_budget((bytes > 0).then_some(bytes));
}

#[unsafe(no_mangle)]
pub extern "C" fn set_reserve(bytes: usize) {
    arena_mut().set_reserve(bytes);
}

#[unsafe(no_mangle)]
pub extern "C" fn open_reserve() {
    arena().open_reserve();
}

#[unsafe(no_mangle)]
pub extern "C" fn set_reset(limit: usize) {
    arena_mut().set_reset(match limit {
        usize::MAX => Reset::RetainAll,
        limit => Reset::Retain { limit },
    });
}

#[unsafe(no_mangle)]
pub extern "C" fn set_scrub(how: u32) {
    arena_mut().set_scrub(match how {
        0 => Scrub::None,
        1 => Scrub::Zero,
        _ => Scrub::Poison,
    });
}
