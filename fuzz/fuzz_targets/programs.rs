//! Looks for a program of arena operations that the oracle objects to.
//!
//! The first byte says what the program runs on, the four after it what goes
//! wrong there; the rest is the program. Any bytes will do.
//!
//! ```text
//! cargo +nightly fuzz run programs fuzz/corpus/programs fuzz/seeds/programs -- -max_total_time=60
//! ```
#![no_main]

use lavandula_programs::{Plan, run_on_separate, run_on_strip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((ground, rest)) = bytes.split_first() else {
        return;
    };
    let (plan, program) = Plan::decode(rest);
    if ground & 1 == 0 {
        run_on_strip(plan, program);
    } else {
        run_on_separate(plan, program);
    }
});
