//! Random programs against an oracle that knows every byte.

use std::cell::RefCell;

use super::*;

/// What the oracle knows of an allocation: where it is and what it holds.
struct Known {
    at: NonNull<u8>,
    size: usize,
    fill: u8,
}

#[test]
fn random_programs_agree_with_a_byte_map() {
    let rounds = if cfg!(miri) { 12 } else { 300 };
    for seed in 0..rounds {
        run_program(seed);
    }
}

/// A small generator, so that a failing seed says all.
fn next(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    (*state >> 33) as usize
}

fn run_program(seed: u64) {
    let mut state = seed ^ 0x9E37_79B9_7F4A_7C15;
    let mut arena = Arena::with_block_size(PAGE * (1 + next(&mut state) % 2)).unwrap();
    let known: RefCell<Vec<Known>> = RefCell::default();
    let check = |arena: &Arena| {
        assert_identities(arena);
        let known = known.borrow();
        for (n, a) in known.iter().enumerate() {
            assert!(a.size == 0 || arena.handed_out(a.at.addr().get(), a.size).is_some());
            // SAFETY: handed out since the last reset and filled.
            let content = unsafe { core::slice::from_raw_parts(a.at.as_ptr(), a.size) };
            assert!(all_are(content, a.fill), "seed {seed}: overwritten");
            for b in &known[n + 1..] {
                let (a0, b0) = (a.at.addr().get(), b.at.addr().get());
                let apart = a0 + a.size <= b0 || b0 + b.size <= a0;
                assert!(apart || a.size == 0 || b.size == 0, "seed {seed}: overlap");
            }
        }
    };
    for step in 0..40 {
        let fill = step as u8 | 1;
        let size = match next(&mut state) % 8 {
            0 => 0,
            1..=4 => next(&mut state) % 300,
            5 | 6 => next(&mut state) % 40_000,
            _ => PAGE - 200 + next(&mut state) % 2_000,
        };
        match next(&mut state) % 12 {
            0 => {
                arena.reset();
                known.borrow_mut().clear();
            }
            1 => {
                arena.scrub();
                // A bound that is never reached must not change anything.
                let bound = arena.used() + (next(&mut state) % 3) * (1 << 22) + (1 << 22);
                arena.set_budget(Some(bound));
            }
            2 | 3 => {
                let zeroed = arena.calloc(1, size).unwrap();
                assert!(all_are(zeroed, 0), "seed {seed}: not zero");
                zeroed.fill(fill);
                let at = NonNull::from(zeroed).cast();
                known.borrow_mut().push(Known { at, size, fill });
            }
            4 | 5 => {
                let mut buffer = arena.buffer();
                let piece = size / 3 + 1;
                for _ in 0..3 {
                    buffer.push(&std::vec![fill; piece]).unwrap();
                }
                let at = NonNull::from(buffer.finish()).cast();
                let size = piece * 3;
                known.borrow_mut().push(Known { at, size, fill });
            }
            _ => {
                let align = 1 << (next(&mut state) % 9);
                let at = arena.alloc_layout(layout(size, align)).unwrap();
                assert_eq!(at.addr().get() % align, 0);
                // SAFETY: handed out just now.
                unsafe { at.write_bytes(fill, size) };
                known.borrow_mut().push(Known { at, size, fill });
            }
        }
        check(&arena);
    }
}
