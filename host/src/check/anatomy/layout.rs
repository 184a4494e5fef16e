//! Where the shadow stack and the statics of a core module lie in its memory.
//!
//! `wasm-ld`, which links Rust, C, C++, Zig, Swift and TinyGo, has two ways to lay a
//! memory out, and so has AssemblyScript, which has the second:
//!
//! ```text
//! stack first   0 ◄── stack ──┤ .rodata .data .bss ├ heap ──►
//! stack last    0 │ .rodata .data .bss ├◄── stack ──┤ heap ──►
//!                                      │            └ __stack_pointer
//!                                      └ __data_end
//! ```
//!
//! The stack grows downwards from what its pointer is in the beginning. Data
//! segments tell where statics begin. They do not tell where statics end, since those
//! that are zero to begin with (`.bss`) are in no segment: a linker's constant tells
//! it, where the module has one.
#![forbid(unsafe_code)]

use std::ops::Range;

use super::module::Module;

/// The stack that linkers give where they are not asked for another.
const USUAL_STACK: u64 = 64 * 1024;

/// What lies where, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    pub(super) stack: Range<u64>,
    pub(super) statics: Range<u64>,
    /// Where statics may lie, those that nothing but their names tells of included.
    pub(super) room: Range<u64>,
}

impl Layout {
    /// Of the memory that has this number in the module.
    pub(super) fn of(module: &Module<'_>, memory: usize) -> Self {
        let initial = module.initial(memory);
        let spans = || module.segments(memory).filter_map(|s| s.span.clone());
        let spans = || spans().filter(|span| !span.is_empty() && span.end <= initial);
        let first = spans().map(|span| span.start).min();
        let end = spans().map(|span| span.end).max().unwrap_or(0);

        // A linker knows of one memory.
        let linked = memory == 0;
        let address = |name| {
            let address = module.address_of(name).filter(|_| linked)?;
            (end..=initial).contains(&address).then_some(address)
        };
        let heap = address("__heap_base");
        let data_end = address("__data_end");
        let top = module.stack_pointer();
        let top = top.filter(|top| linked && (1..=initial).contains(top));

        // Without a stack, or with the pointer to something else in the midst of data.
        let no_stack = || {
            let first = first.unwrap_or(end);
            Self {
                stack: 0..0,
                statics: first..data_end.or(heap).unwrap_or(end),
                room: first..heap.unwrap_or(initial),
            }
        };
        let Some(top) = top else {
            return no_stack();
        };
        let stack_first = match (first, heap) {
            (Some(first), _) => top <= first,
            // Nothing but zeros, which end where the heap begins.
            (None, Some(heap)) => top < heap,
            (None, None) => return no_stack(),
        };
        if stack_first {
            let first = first.unwrap_or(top);
            Self {
                stack: 0..top,
                statics: first..heap.or(data_end).unwrap_or(end).max(first),
                room: first..heap.unwrap_or(initial).max(first),
            }
        } else if top >= end {
            let first = first.unwrap_or(end);
            let bottom = data_end.filter(|bottom| *bottom <= top);
            // What is further down may be zeros, or more of a larger stack.
            let least = || end.max(top.saturating_sub(USUAL_STACK));
            Self {
                stack: bottom.unwrap_or_else(least)..top,
                statics: first..bottom.unwrap_or(end),
                room: first..bottom.unwrap_or(top),
            }
        } else {
            no_stack()
        }
    }
}
