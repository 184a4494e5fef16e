//! Fixed programs, small enough for Miri, which sees what the oracle cannot:
//! pointers used beyond their right. And the oracle itself: that it objects.

use core::cell::Cell;

use std::vec::Vec;

use allocator_api2::boxed::Box;
use lavandula::{PageSource, Pages};

use crate::program::{Op, Program};
use crate::*;

/// How many programs, and how many operations each. Miri is slower by three
/// orders of magnitude.
const PROGRAMS: u64 = if cfg!(miri) { 10 } else { 400 };
const OPERATIONS: usize = if cfg!(miri) { 24 } else { 60 };

fn each_program(run: impl Fn(Plan, &[u8])) {
    the_first_programs(PROGRAMS, run);
}

fn the_first_programs(count: u64, run: impl Fn(Plan, &[u8])) {
    for seed in 0..count {
        let bytes = seeded(seed, OPERATIONS);
        let (plan, program) = Plan::decode(&bytes);
        run(plan, program);
    }
}

#[test]
fn programs_on_one_strip_leave_the_oracle_content() {
    each_program(|plan, program| {
        run_on_strip(plan, program);
    });
}

#[test]
fn programs_on_separate_runs_leave_the_oracle_content() {
    each_program(|plan, program| {
        run_on_separate(plan, program);
    });
}

#[test]
fn programs_on_the_default_source_leave_the_oracle_content() {
    each_program(|_, program| {
        run(&Plain { block_size: PAGE }, program);
    });
}

#[test]
fn a_program_does_the_same_every_time() {
    the_first_programs(PROGRAMS / 5, |plan, program| {
        let once = run_on_strip(plan, program);
        assert_eq!(once, run_on_strip(plan, program));
        assert_eq!(once, Transcript::from_bytes(&once.to_bytes()));
    });
}

#[test]
fn every_operation_is_the_meaning_of_some_bytes() {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let mut kinds = Vec::new();
    for first in &bytes {
        let operation = [&[*first, 0], &bytes[..]].concat();
        let (_, op) = Program::new(&operation).next().expect("there are bytes");
        let kind = core::mem::discriminant(&op);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    assert!(kinds.contains(&core::mem::discriminant(&Op::Switch)));
    assert_eq!(kinds.len(), 42);
}

/// The bytes of some operations, so that those below can be read.
mod bytes {
    pub const BUDGET_4096: &[u8] = &[88, 0, 130, 104];
    pub const RESERVE_1536: &[u8] = &[90, 0, 200, 99];
    pub const OPEN_RESERVE: &[u8] = &[79, 0];
    pub const RESET: &[u8] = &[80, 0];
    pub const OPEN_SCOPE: &[u8] = &[63, 0];
    pub const CLOSE_SCOPE: &[u8] = &[68, 0];
    pub const LAYOUT_8: &[u8] = &[0, 0, 8, 0];
    pub const LAYOUT_3584: &[u8] = &[0, 0, 103, 0];
}

/// Programs made of bytes at random meet few of these.
#[test]
fn a_reserve_is_held_back_until_it_is_opened_and_again_after_a_reset() {
    use bytes::*;
    let set = [BUDGET_4096, RESERVE_1536, LAYOUT_8].concat();
    let failed = |rest: &[&[u8]]| {
        let program = [&set[..], &rest.concat()].concat();
        let failed = run_on_strip(Plan::NOTHING, &program).failed();
        assert_eq!(failed, run_on_separate(Plan::NOTHING, &program).failed());
        failed
    };
    assert_eq!(failed(&[LAYOUT_3584]), 1);
    assert_eq!(failed(&[OPEN_RESERVE, LAYOUT_3584]), 0);
    assert_eq!(failed(&[OPEN_RESERVE, RESET, LAYOUT_3584]), 1);
    // From within a scope, it is that of the arena around.
    let in_scope = [OPEN_SCOPE, OPEN_RESERVE, CLOSE_SCOPE, LAYOUT_3584];
    assert_eq!(failed(&in_scope), 0);
}

/// A box that was leaked comes back through a reference to its value, and to
/// nothing behind it. What the arena hands out afterwards must not be derived
/// from that.
#[test]
fn a_box_that_was_leaked_and_comes_back_leaves_the_room_behind_it_usable() {
    let arena = lavandula::Arena::new();
    let leaked: *mut u64 = Box::leak(Box::new_in(1, &arena));
    // SAFETY: leaked just above, by a box with the same allocator.
    drop(unsafe { Box::from_raw_in(leaked, &arena) });
    let bytes = arena.alloc_slice_copy(&[7_u8; 100]);
    assert_eq!(bytes, Ok(&mut [7; 100][..]));
}

/// A source with one fault.
struct Faulty {
    strip: Strip,
    fault: Fault,
    last: Cell<Option<(core::ptr::NonNull<u8>, usize)>>,
}

#[derive(PartialEq)]
enum Fault {
    /// Hands out what somebody has.
    Twice,
    /// Says that pages are zero which are not.
    NotZero,
}

// SAFETY: it is not, which is what the test is for. The recording source around
// it panics before any of it reaches an arena.
unsafe impl PageSource for Faulty {
    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        if let (Fault::Twice, Some((start, len))) = (&self.fault, self.last.get()) {
            return Some(Pages {
                start,
                len,
                zeroed: false,
            });
        }
        let pages = self.strip.take(needed, wanted)?;
        self.last.set(Some((pages.start, pages.len)));
        if self.fault == Fault::NotZero {
            // SAFETY: the pages were just taken.
            unsafe { pages.start.write(1) };
        }
        Some(pages)
    }

    unsafe fn give_back(&self, pages: Pages) {
        // SAFETY: passed on.
        unsafe { self.strip.give_back(pages) }
    }
}

impl Disturbed for Faulty {
    fn disturb(&self) -> Option<Pages> {
        None
    }
}

fn run_on_faulty(fault: Fault) {
    let faulty = Faulty {
        strip: Strip::new(8),
        fault,
        last: Cell::new(None),
    };
    let ground = Recorded::new(faulty, Plan::NOTHING);
    // Two allocations of a block each.
    run(&&ground, &[0, 0, 0b101_00110, 0, 0, 0, 0b101_00110, 0]);
}

#[test]
#[should_panic(expected = "handed out twice")]
fn pages_that_are_handed_out_twice_are_noticed() {
    run_on_faulty(Fault::Twice);
}

#[test]
#[should_panic(expected = "pages are not zero")]
fn pages_that_are_not_zero_as_they_should_be_are_noticed() {
    run_on_faulty(Fault::NotZero);
}
