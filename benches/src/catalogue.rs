//! What is measured, in the words of the report: workloads, allocators, and where
//! a peer's way differs so much that a figure needs explaining.
//!
//! The guest decides what there is; this says what it means. A test sees to it
//! that nothing is missing on either side.

/// A workload, for the reader of a report.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// As on the command line.
    pub name: &'static str,
    /// What one operation is.
    pub operation: &'static str,
    /// What a figure does not say by itself.
    pub note: Option<&'static str>,
}

/// In the order of the report.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "constant-small",
        operation: "one object of 24 bytes, all written; a reset after every 1,024",
        note: None,
    },
    Workload {
        name: "mixed-sizes",
        operation: "one allocation of 8 to 264 bytes from a table, aligned to 8, its first word \
                    written; a reset after every 1,024",
        note: None,
    },
    Workload {
        name: "dynamic-layouts",
        operation: "one allocation of 1 to 264 bytes aligned to 1 to 64, both from a table, its \
                    first byte written; a reset after every 1,024",
        note: None,
    },
    Workload {
        name: "one-vector",
        operation: "one push of a u32 to the only vector, which grows from empty to 10,000 items",
        note: Some(
            "bumpalo grows downwards, so its vectors are copied when they grow; the others extend \
             the last allocation in place. Vectors: bumpalo::collections::Vec (bumpalo), BumpVec \
             (bump-scope), else the Vec of allocator-api2.",
        ),
    },
    Workload {
        name: "many-vectors",
        operation: "one push of a u32 to one of 16 vectors in turn, each from empty to 625 items",
        note: Some(
            "Vectors as above. None of the 16 is the last allocation for long, so all copy.",
        ),
    },
    Workload {
        name: "strings",
        operation: "a copy of one word of a real text; a reset after every 1,024",
        note: None,
    },
    Workload {
        name: "zeroed-after-reset",
        operation: "one zeroed buffer of 4 KiB in used memory; a reset after every 128",
        note: None,
    },
    Workload {
        name: "zeroed-after-scrub",
        operation: "the same, where what happens between requests is not timed: reset, frees, and \
                    for lavandula a scrub, after which nothing needs zeroing",
        note: Some(
            "The scrub has its price, which zeroed-with-scrub includes: this shows what is left \
             of it within a request.",
        ),
    },
    Workload {
        name: "zeroed-with-scrub",
        operation: "the same, with the reset and lavandula's scrub timed",
        note: None,
    },
    Workload {
        name: "reset-after-10",
        operation: "one reset after 10 allocations of 8 bytes in one block",
        note: Some(RESETS),
    },
    Workload {
        name: "reset-after-1000",
        operation: "one reset after 1,000 allocations of 8 bytes in one block",
        note: Some(RESETS),
    },
    Workload {
        name: "reset-after-100000",
        operation: "one reset after 100,000 allocations of 8 bytes in one block",
        note: Some(RESETS),
    },
    Workload {
        name: "reset-after-1000000",
        operation: "one reset after 1,000,000 allocations of 8 bytes in one block",
        note: Some(RESETS),
    },
    Workload {
        name: "reset-of-1-block",
        operation: "the first reset of a new arena after what fills 1 block of 64 KiB",
        note: Some(BLOCKS),
    },
    Workload {
        name: "reset-of-16-blocks",
        operation: "the first reset of a new arena after what fills 16 blocks of 64 KiB",
        note: Some(BLOCKS),
    },
    Workload {
        name: "reset-of-256-blocks",
        operation: "the first reset of a new arena after what fills 256 blocks of 64 KiB",
        note: Some(BLOCKS),
    },
    Workload {
        name: "warm-up",
        operation: "an arena's whole life: created, one object of 24 bytes, dropped",
        note: Some(
            "lavandula takes a page of 64 KiB from the instance's pool and gives it back, the \
             others a first chunk of some 512 bytes from dlmalloc. A general allocator has no \
             beginning and no end.",
        ),
    },
    Workload {
        name: "lease",
        operation: "the arena of an invocation that may overlap with others: leased, one object \
                    of 24 bytes, overwritten and given back",
        note: Some(
            "As `warm-up`, with what it takes that there are others: a place in the instance's \
             list, which dlmalloc allocates, the figures that a host asks for, and zeros over \
             what was used. No other allocator has this.",
        ),
    },
    Workload {
        name: "large-amid-small",
        operation: "a whole cycle: 100 objects of 24 bytes, 1 MiB, 100 objects, reset",
        note: Some(
            "An arena that keeps its largest chunk has it all in one chunk from the second cycle \
             on.",
        ),
    },
    Workload {
        name: "json-parse",
        operation: "432 KB parsed into a serde_json::Value, which is dropped, with the allocator \
                    as the global one; then a reset",
        note: Some(REQUESTS),
    },
    Workload {
        name: "markdown-render",
        operation: "195 KB of Markdown rendered by pulldown-cmark, with the allocator as the \
                    global one; then a reset",
        note: Some(REQUESTS),
    },
];

const RESETS: &str = "The clock is part of the figure: see the row empty. After very many \
                      allocations the arena's own words are no longer in the caches, and that is \
                      most of the time; the work itself is what the fuel says. For dlmalloc and \
                      talc it is the freeing of everything, one by one.";
const BLOCKS: &str = "bumpalo and blink-alloc keep their last chunk, bump-scope's reset its \
                      largest, and give the others back; lavandula and bump-scope's \
                      reset_to_start keep all. Each makes chunks in its own way: lavandula 1, 16 \
                      and 256 of 64 KiB, the others a few, each twice the one before.";
const REQUESTS: &str = "Through a global allocator that passes on, at the same cost for all.";

/// The workload with this name.
pub fn workload(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}

/// An allocator, for the reader of a report.
#[derive(Debug, Clone, Copy)]
pub struct Allocator {
    /// As in the tables.
    pub name: &'static str,
    /// What is meant by it.
    pub what: &'static str,
    /// The crate whose version is printed.
    pub package: Option<&'static str>,
    /// Its colour in the plot.
    pub colour: &'static str,
}

/// What the figures are ratios to.
pub const FLOOR: &str = "floor";

/// In the order of the tables, ours first.
pub const ALLOCATORS: &[Allocator] = &[
    Allocator {
        name: "lavandula",
        what: "this arena, blocks of 64 KiB",
        package: Some("lavandula"),
        colour: "#7b3fb5",
    },
    Allocator {
        name: "bumpalo",
        what: "as it comes",
        package: Some("bumpalo"),
        colour: "#1f77b4",
    },
    Allocator {
        name: "bumpalo-min-align-8",
        what: "with MIN_ALIGN = 8, as lavandula has it",
        package: Some("bumpalo"),
        colour: "#7fb3dd",
    },
    Allocator {
        name: "bump-scope",
        what: "as it comes, upwards",
        package: Some("bump-scope"),
        colour: "#2c8f4e",
    },
    Allocator {
        name: "bump-scope-min-align-8",
        what: "with MIN_ALIGN = 8",
        package: Some("bump-scope"),
        colour: "#8fcf9f",
    },
    Allocator {
        name: "bump-scope-min-align-8-to-start",
        what: "the same, reset by reset_to_start, which keeps every chunk",
        package: Some("bump-scope"),
        colour: "#5b7f3a",
    },
    Allocator {
        name: "blink-alloc",
        what: "Blink over BlinkAlloc",
        package: Some("blink-alloc"),
        colour: "#c98a1b",
    },
    Allocator {
        name: "dlmalloc",
        what: "a general allocator, the one that std brings along: an operation includes the free",
        package: Some("dlmalloc"),
        colour: "#b5443f",
    },
    Allocator {
        name: "talc",
        what: "a general allocator for WebAssembly: an operation includes the free",
        package: Some("talc"),
        colour: "#e09a96",
    },
    Allocator {
        name: FLOOR,
        what: "the least that is correct: a cursor and a limit over memory taken beforehand",
        package: None,
        colour: "#444444",
    },
    Allocator {
        name: "empty",
        what: "the zero: the same loop and the same writes, without an allocation",
        package: None,
        colour: "#b0b0b0",
    },
];

/// Where an allocator stands in the tables; unknown ones last.
pub fn rank(allocator: &str) -> usize {
    ALLOCATORS
        .iter()
        .position(|known| known.name == allocator)
        .unwrap_or(ALLOCATORS.len())
}
