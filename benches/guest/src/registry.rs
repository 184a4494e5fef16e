//! Which workloads there are, and with which allocators. The host reads the names
//! and calls by number.
//!
//! Not everything goes with everything: a general allocator has no beginning and
//! no end, and no request can be served without allocating.

use crate::checked::Checked;
use crate::clock::Meter;
use crate::memory;
use crate::subjects::{
    BlinkAlloc, BumpScope, Bumpalo, Dlmalloc, Empty, Floor, KeepAll, Lavandula, Min1, Min8, Talc,
};
use crate::workloads::{lifecycle, objects, requests, resets, strings, vectors, zeroed};

/// A workload with an allocator.
pub struct Entry {
    pub workload: &'static str,
    pub allocator: &'static str,
    pub run: fn(&Meter, usize),
    /// The same with every answer checked. None for the zero, which hands out the
    /// same place all the time.
    pub check: Option<fn(&Meter, usize)>,
}

/// Expands to the entries of a workload: `$list!` names the allocators.
macro_rules! workload {
    ($workload:literal, $module:ident::$function:ident, [$($list:ident),*]) => {
        &[$(workload!(@ $workload, $module::$function, $list) as &[Entry]),*] as &[&[Entry]]
    };
    (@ $w:literal, $m:ident::$f:ident, arenas) => {
        &[
            workload!(# $w, "lavandula", $m::$f, Lavandula),
            workload!(# $w, "bumpalo", $m::$f, Bumpalo<1>),
            workload!(# $w, "bumpalo-min-align-8", $m::$f, Bumpalo<8>),
            workload!(# $w, "bump-scope", $m::$f, BumpScope<Min1>),
            workload!(# $w, "bump-scope-min-align-8", $m::$f, BumpScope<Min8>),
            workload!(# $w, "blink-alloc", $m::$f, BlinkAlloc),
        ]
    };
    (@ $w:literal, $m:ident::$f:ident, to_start) => {
        &[workload!(
            # $w, "bump-scope-min-align-8-to-start", $m::$f, BumpScope<Min8, KeepAll>
        )]
    };
    (@ $w:literal, $m:ident::$f:ident, heaps) => {
        &[
            workload!(# $w, "dlmalloc", $m::$f, Dlmalloc),
            workload!(# $w, "talc", $m::$f, Talc),
        ]
    };
    (@ $w:literal, $m:ident::$f:ident, floor) => {
        &[workload!(# $w, "floor", $m::$f, Floor)]
    };
    (@ $w:literal, $m:ident::$f:ident, empty) => {
        &[Entry {
            workload: $w,
            allocator: "empty",
            run: $m::$f::<Empty>,
            check: None,
        }]
    };
    (# $w:literal, $allocator:literal, $m:ident::$f:ident, $subject:ty) => {
        Entry {
            workload: $w,
            allocator: $allocator,
            run: $m::$f::<$subject>,
            check: Some($m::$f::<Checked<$subject>>),
        }
    };
}

/// In the order of the report.
const TABLES: &[&[&[Entry]]] = &[
    workload!(
        "constant-small",
        objects::constant_small,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "mixed-sizes",
        objects::mixed_sizes,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "dynamic-layouts",
        objects::dynamic_layouts,
        [arenas, heaps, floor, empty]
    ),
    workload!("one-vector", vectors::one, [arenas, heaps, floor, empty]),
    workload!("many-vectors", vectors::many, [arenas, heaps, floor, empty]),
    workload!("strings", strings::words, [arenas, heaps, floor, empty]),
    workload!(
        "zeroed-after-reset",
        zeroed::after_reset,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "zeroed-after-scrub",
        zeroed::after_scrub,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "zeroed-with-scrub",
        zeroed::with_scrub,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "reset-after-10",
        resets::after_10,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "reset-after-1000",
        resets::after_1000,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "reset-after-100000",
        resets::after_100000,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "reset-after-1000000",
        resets::after_1000000,
        [arenas, heaps, floor, empty]
    ),
    workload!(
        "reset-of-1-block",
        resets::of_1_block,
        [arenas, to_start, heaps, floor, empty]
    ),
    workload!(
        "reset-of-16-blocks",
        resets::of_16_blocks,
        [arenas, to_start, heaps, floor, empty]
    ),
    workload!(
        "reset-of-256-blocks",
        resets::of_256_blocks,
        [arenas, to_start, heaps, floor, empty]
    ),
    workload!("warm-up", lifecycle::warm_up, [arenas, floor, empty]),
    &[&[Entry {
        workload: "lease",
        allocator: "lavandula",
        run: lifecycle::lease,
        check: Some(lifecycle::leases_side_by_side),
    }]],
    workload!(
        "large-amid-small",
        lifecycle::large_amid_small,
        [arenas, heaps, floor, empty]
    ),
    workload!("json-parse", requests::json, [arenas, heaps, floor]),
    workload!(
        "markdown-render",
        requests::markdown,
        [arenas, heaps, floor]
    ),
];

/// All of them, numbered from zero.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().copied().flatten().copied().flatten()
}

/// Memory over many requests.
pub struct Cycles {
    pub allocator: &'static str,
    pub run: fn(usize),
}

pub const CYCLES: &[Cycles] = &[
    Cycles {
        allocator: "lavandula",
        run: memory::cycles::<Lavandula>,
    },
    Cycles {
        allocator: "bumpalo",
        run: memory::cycles::<Bumpalo<1>>,
    },
    Cycles {
        allocator: "bumpalo-min-align-8",
        run: memory::cycles::<Bumpalo<8>>,
    },
    Cycles {
        allocator: "bump-scope",
        run: memory::cycles::<BumpScope<Min1>>,
    },
    Cycles {
        allocator: "bump-scope-min-align-8",
        run: memory::cycles::<BumpScope<Min8>>,
    },
    Cycles {
        allocator: "bump-scope-min-align-8-to-start",
        run: memory::cycles::<BumpScope<Min8, KeepAll>>,
    },
    Cycles {
        allocator: "blink-alloc",
        run: memory::cycles::<BlinkAlloc>,
    },
    Cycles {
        allocator: "dlmalloc",
        run: memory::cycles::<Dlmalloc>,
    },
    Cycles {
        allocator: "talc",
        run: memory::cycles::<Talc>,
    },
];
