//! The stack, and what the host holds for the guest.

use std::hint::black_box;

use lavandula::{AllocError, Arena};

use crate::arenas::fill;

mod clock {
    wit_bindgen::generate!({
        path: ["../../../wit/deps/io", "../../../wit/deps/clocks"],
        inline: "
            package lavandula:thorough;
            world thorough {
                import wasi:clocks/monotonic-clock@0.2.0;
            }
        ",
        generate_all,
    });

    pub use wasi::clocks::monotonic_clock::subscribe_duration;
}

/// Uses about half of the stack, and leaves the marker in every frame.
pub fn stack(marker: &str) {
    frame(marker, 40);
}

#[inline(never)]
fn frame(marker: &str, depth: usize) {
    let mut bytes = [0; 800];
    fill(&mut bytes, marker);
    // Or the compiler would not put it there.
    black_box(&mut bytes);
    if depth > 0 {
        frame(marker, depth - 1);
    }
    black_box(&mut bytes);
}

/// Takes something of the host's that the end of the invocation gives back.
pub fn hold_until_the_end(arena: &Arena) -> Result<(), AllocError> {
    arena.alloc_deferred(clock::subscribe_duration(1))?;
    Ok(())
}
