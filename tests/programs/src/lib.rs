//! Programs of arena operations, run against an oracle that knows every byte.
//!
//! A program is a string of bytes, and every string of bytes is a program: a
//! few bytes tell one operation (`program`). [`run`] performs them on an arena
//! over any source of pages ([`Ground`]) and compares what it sees with what it
//! knows after each one (`session`): where every live allocation lies and what
//! is in it, which pages the source has handed out, what has to have been
//! dropped, and what the arena says of itself. It panics at the first thing that
//! is wrong, and returns a [`Transcript`] else, which is the same natively and in
//! WebAssembly.
//!
//! [`Strip`] and [`Separate`] are the sources to run them on, and a [`Plan`]
//! says what goes wrong there.
#![no_std]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod act;
mod counted;
mod ground;
mod level;
mod oracle;
mod pattern;
mod program;
mod resize;
mod root;
mod seeded;
mod session;
mod sources;
mod transcript;

#[cfg(test)]
mod tests;

pub use self::ground::{Ground, Plain, Recorded, Tap};
pub use self::root::run;
pub use self::seeded::seeded;
pub use self::sources::{Disturbed, Plan, Separate, Strip};
pub use self::transcript::{Step, Transcript};

/// Size of a WebAssembly page, which is the unit that pages come in.
pub const PAGE: usize = 64 * 1024;

/// Runs `program` on a new [`Strip`] with what `plan` makes go wrong.
pub fn run_on_strip(plan: Plan, program: &[u8]) -> Transcript {
    let ground = Recorded::new(Strip::new(plan.pages as usize), plan);
    run(&&ground, program)
}

/// The same on [`Separate`].
pub fn run_on_separate(plan: Plan, program: &[u8]) -> Transcript {
    let ground = Recorded::new(Separate::new(plan.pages as usize), plan);
    run(&&ground, program)
}
