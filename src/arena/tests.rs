//! The arena against an oracle, against its predecessor's faults, and against
//! sources that fail.

use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::format;
use std::vec::Vec;

use super::block::HEADER;
use super::bump::PAGE;
use super::{AllocError, Arena, HeapPages, PageSource, Pages};

/// Room of a block of one page.
const ROOM: usize = PAGE - HEADER;

/// A source that counts, and that fails from some request on.
#[derive(Default)]
struct Counting {
    taken: Cell<usize>,
    given_back: Cell<usize>,
    fail_from: Cell<Option<usize>>,
    dirty: bool,
}

impl Counting {
    fn failing_from(request: usize) -> Self {
        Self {
            fail_from: Cell::new(Some(request)),
            ..Self::default()
        }
    }
}

// SAFETY: passes on what `HeapPages` returns; `dirty` only makes a weaker claim.
unsafe impl PageSource for &Counting {
    fn take(&self, bytes: usize) -> Option<Pages> {
        let number = self.taken.get();
        if self.fail_from.get().is_some_and(|from| number >= from) {
            return None;
        }
        self.taken.set(number + 1);
        let mut pages = HeapPages.take(bytes)?;
        if self.dirty {
            // SAFETY: the run was just taken.
            unsafe { pages.start.write_bytes(0xA5, bytes) };
            pages.zeroed = false;
        }
        Some(pages)
    }

    unsafe fn give_back(&self, pages: Pages) {
        self.given_back.set(self.given_back.get() + 1);
        // SAFETY: passed on.
        unsafe { HeapPages.give_back(pages) }
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Whether all bytes are `byte`. Compared as a whole, which Miri does at once.
fn all_are(bytes: &[u8], byte: u8) -> bool {
    bytes == std::vec![byte; bytes.len()]
}

fn bytes<P: PageSource>(arena: &Arena<P>, size: usize) -> NonNull<u8> {
    arena.alloc_layout(layout(size, 8)).unwrap()
}

#[track_caller]
fn assert_identities<P: PageSource>(arena: &Arena<P>) {
    let usage = arena.usage();
    assert_eq!(
        usage.committed,
        usage.used + usage.tail_waste + usage.free + usage.overhead,
        "{usage:?}"
    );
    assert_eq!(usage.total_allocated, usage.committed - usage.overhead);
    assert_eq!(usage.overhead, usage.blocks * HEADER);
    assert_eq!(usage.used, arena.used());
    assert!(usage.peak_used >= usage.used);
    assert_eq!(usage.committed % PAGE, 0);
}

// The faults of the original, each by name.

#[test]
fn blocks_are_not_lost_after_a_reset() {
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    for _ in 0..20 {
        for _ in 0..5 {
            bytes(&arena, ROOM);
        }
        assert_eq!(arena.usage().blocks, 5);
        arena.reset();
        assert_identities(&arena);
    }
    assert_eq!(source.taken.get(), 5);
    drop(arena);
    assert_eq!(source.given_back.get(), 5);
}

#[test]
fn a_size_near_the_largest_does_not_wrap_around_to_a_tiny_one() {
    let arena = Arena::new();
    for size in [isize::MAX as usize - 7, isize::MAX as usize - 64 * 1024] {
        let error = arena.alloc_layout(layout(size, 8)).unwrap_err();
        assert!(matches!(
            error,
            AllocError::OutOfMemory { .. } | AllocError::Layout
        ));
    }
    assert_eq!(arena.usage().committed, 0);
}

#[test]
fn a_count_times_a_size_that_overflows_is_refused() {
    let arena = Arena::new();
    bytes(&arena, 8);
    let before = arena.used();
    for (count, size) in [
        (usize::MAX, 2),
        (usize::MAX / 8 + 2, 8),
        (1 << (usize::BITS / 2), 1 << (usize::BITS / 2)),
        (usize::MAX, 1),
    ] {
        assert_eq!(arena.calloc(count, size), Err(AllocError::Layout));
    }
    assert_eq!(arena.used(), before);
}

#[test]
fn strndup_reads_no_further_than_it_copies() {
    // A `str` carries its length, so there is no terminator to search for. What
    // can still go wrong is the cut: never within a character, never past `max`.
    let arena = Arena::new();
    let text = "aé€😀";
    for max in 0..=text.len() + 3 {
        let copy = arena.strndup(text, max).unwrap();
        assert!(copy.len() <= max && text.starts_with(&*copy));
        let next = text[copy.len()..].chars().next();
        assert!(next.is_none_or(|c| copy.len() + c.len_utf8() > max));
    }
}

#[test]
fn alignment_does_not_depend_on_the_size_of_a_pointer() {
    let arena = Arena::new();
    for size in 0..100 {
        assert_eq!(bytes(&arena, size).addr().get() % 8, 0);
    }
    for shift in 0..=16 {
        let align = 1 << shift;
        bytes(&arena, 1);
        let at = arena.alloc_layout(layout(24, align)).unwrap();
        assert_eq!(at.addr().get() % align, 0, "alignment {align}");
        assert_identities(&arena);
    }
}

#[test]
fn an_oversized_block_never_becomes_the_current_one() {
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    for _ in 0..3 {
        let before = bytes(&arena, 16);
        let large = bytes(&arena, 10 * PAGE);
        let after = bytes(&arena, 16);
        assert_eq!(after.addr().get(), before.addr().get() + 16);
        assert!(arena.handed_out(large.addr().get(), 10 * PAGE).is_some());
        assert_identities(&arena);
        // The size of later blocks is what it was.
        bytes(&arena, ROOM);
        assert_eq!(arena.usage().committed, (1 + 11 + 1) * PAGE);
        arena.reset();
    }
    assert_eq!(source.taken.get(), 3);
}

// Reset and reuse.

#[test]
fn reset_reuses_every_block_in_order() {
    let mut arena = Arena::new();
    let sizes = [40_000, 30_000, 8, 200_000, 50_000, 90_000, 16, 65_000];
    let round = |arena: &Arena| -> Vec<usize> {
        let place = |&size: &usize| bytes(arena, size).addr().get();
        sizes.iter().map(place).collect()
    };
    let first = round(&arena);
    for _ in 0..10 {
        arena.reset();
        assert_eq!(round(&arena), first);
    }
}

#[test]
fn dedicated_blocks_serve_the_same_sizes_in_any_order() {
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    let sizes = [2 * PAGE, 5 * PAGE, 3 * PAGE];
    for size in sizes {
        bytes(&arena, size);
    }
    let committed = arena.usage().committed;
    for order in [[2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1]] {
        arena.reset();
        let places: Vec<_> = order
            .iter()
            .map(|&i| (bytes(&arena, sizes[i]).addr().get(), sizes[i]))
            .collect();
        for (n, &(at, size)) in places.iter().enumerate() {
            for &(other, other_size) in &places[n + 1..] {
                assert!(at + size <= other || other + other_size <= at);
            }
        }
        assert_identities(&arena);
    }
    assert_eq!(arena.usage().committed, committed);
}

#[test]
fn a_thousand_mixed_requests_need_no_more_than_the_largest() {
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    let request = |arena: &Arena<&Counting>, n: usize| {
        for i in 0..n % 20 * 10 {
            bytes(arena, (i * 997 + n % 20) % 5_000);
        }
    };
    let (warm_up, requests) = if cfg!(miri) { (20, 60) } else { (200, 1_000) };
    (0..warm_up).for_each(|n| {
        request(&arena, n);
        arena.reset();
    });
    let taken = source.taken.get();
    (warm_up..requests).for_each(|n| {
        request(&arena, n);
        arena.reset();
    });
    assert_eq!(source.taken.get(), taken);
}

#[test]
fn an_arena_that_holds_nothing_resets_and_drops() {
    let mut arena = Arena::new();
    arena.reset();
    assert_eq!(arena.scrub(), 0);
    assert_eq!(arena.usage().blocks, 0);
    assert_identities(&arena);
}

#[test]
fn the_peak_of_a_request_is_known_until_the_next_one_ends() {
    let mut arena = Arena::new();
    for (size, peak) in [
        (1_000, 1_000),
        (16, 1_000),
        (200_000, 200_000),
        (8, 200_000),
    ] {
        bytes(&arena, size);
        assert_eq!(arena.usage().peak_used, peak);
        arena.reset();
        assert_eq!(arena.usage().peak_used, size);
    }
}

#[test]
fn an_address_is_good_to_the_last_byte_handed_out_and_not_beyond() {
    let arena = Arena::new();
    let first = bytes(&arena, 16).addr().get();
    let large = bytes(&arena, 100_000).addr().get();
    bytes(&arena, ROOM - 16);
    let second = bytes(&arena, 40).addr().get();
    for (at, size) in [(first, ROOM), (large, 100_000), (second, 40)] {
        assert!(arena.handed_out(at, size).is_some());
        assert!(arena.handed_out(at, size + 1).is_none());
        assert!(arena.handed_out(at - 1, 1).is_none());
        assert!(arena.handed_out(at + size, 1).is_none());
    }
}

// Zeros.

#[test]
fn zeroed_memory_is_zero_on_dirty_pages_and_after_reuse() {
    for dirty in [false, true] {
        let source = Counting {
            dirty,
            ..Counting::default()
        };
        let mut arena = Arena::with_source(&source);
        for round in 0..4 {
            for size in [1, 7, 64, 4_096, 60_000, 70_000, 200_000] {
                let zeroed = arena.calloc(1, size).unwrap();
                assert!(all_are(zeroed, 0), "round {round}, size {size}");
                zeroed.fill(0xFF);
            }
            arena.reset();
        }
    }
}

#[test]
fn memory_behind_a_shrunk_allocation_counts_as_dirty() {
    let arena = Arena::new();
    let at = bytes(&arena, 4_000);
    // SAFETY: handed out just now.
    unsafe { at.write_bytes(0xFF, 4_000) };
    assert!(arena.resize_last(at, 4_000, 8));
    assert_eq!((arena.used(), arena.usage().peak_used), (8, 4_000));
    assert!(all_are(arena.calloc(1, 3_992).unwrap(), 0));
    assert_identities(&arena);
}

#[test]
fn scrub_leaves_nothing_and_spares_what_is_in_use() {
    let mut arena = Arena::new();
    let mut places = Vec::new();
    for size in [100, 60_000, 60_000, 100_000] {
        let at = bytes(&arena, size);
        // SAFETY: handed out just now.
        unsafe { at.write_bytes(0xEE, size) };
        places.push((at, size));
    }
    arena.reset();
    let kept = arena.strdup("in use").unwrap().as_ptr().addr();
    arena.scrub();
    for (at, size) in places {
        // SAFETY: the arena still owns the block, its pages came zeroed, and
        // nobody writes to them meanwhile.
        let left = unsafe { core::slice::from_raw_parts(at.as_ptr(), size) };
        let begins_here = if at.addr().get() == kept { 8 } else { 0 };
        assert!(all_are(&left[begins_here..], 0));
    }
    // SAFETY: as above; nothing was allocated since.
    let kept = unsafe { arena.handed_out(kept, 6).unwrap().cast::<[u8; 6]>().read() };
    assert_eq!(&kept, b"in use");
}

// Buffers.

#[test]
fn a_buffer_grows_in_place_while_it_is_last_and_moves_when_it_is_not() {
    let arena = Arena::new();
    let mut buffer = arena.buffer();
    for i in 0..1_000_u32 {
        buffer.push(&i.to_le_bytes()).unwrap();
    }
    let alone = arena.used();
    assert!(alone < 4_096 + 4_096, "in place: {alone}");
    bytes(&arena, 8);
    let end = if cfg!(miri) { 2_000 } else { 40_000_u32 };
    for i in 1_000..end {
        buffer.push(&i.to_le_bytes()).unwrap();
    }
    let result = buffer.finish();
    let expected: Vec<u8> = (0..end).flat_map(u32::to_le_bytes).collect();
    assert!(*result == expected);
    assert_identities(&arena);
}

#[test]
fn finishing_a_buffer_gives_back_what_it_did_not_need() {
    let arena = Arena::new();
    let mut buffer = arena.buffer();
    buffer.reserve(10_000).unwrap();
    buffer.push(b"short").unwrap();
    assert_eq!(buffer.finish(), b"short");
    assert_eq!(arena.used(), 8);
    assert_eq!(arena.usage().peak_used, 10_000);
    assert_identities(&arena);
}

// Failure.

#[test]
fn a_failed_request_for_pages_changes_nothing_at_whichever_it_is() {
    let program = |arena: &Arena<&Counting>| -> Result<(), AllocError> {
        for i in 0..12 {
            let before = arena.usage();
            let size = if i % 3 == 2 { 100_000 } else { 40_000 };
            if let Err(error) = arena.alloc_layout(layout(size, 8)) {
                assert_eq!(arena.usage(), before);
                return Err(error);
            }
            assert_identities(arena);
        }
        Ok(())
    };
    let source = Counting::default();
    program(&Arena::with_source(&source)).unwrap();
    for k in 0..source.taken.get() {
        let source = Counting::failing_from(k);
        let mut arena = Arena::with_source(&source);
        let error = program(&arena).unwrap_err();
        assert!(matches!(error, AllocError::OutOfMemory { .. }));
        // And it is as good as new once there are pages again.
        source.fail_from.set(None);
        arena.reset();
        program(&arena).unwrap();
        drop(arena);
        assert_eq!(source.taken.get(), source.given_back.get());
    }
}

#[test]
fn a_budget_is_exact_at_every_byte_and_a_refusal_changes_nothing() {
    for budget in [0, 8, 100, ROOM - 8, ROOM, ROOM + 8, 300_000] {
        for size in [8, 40, 1_000, ROOM, 100_000] {
            if cfg!(miri) && budget / size > 100 {
                continue;
            }
            let mut arena = Arena::new();
            arena.set_budget(Some(budget));
            for _ in 0..2 {
                loop {
                    let before = arena.usage();
                    match arena.alloc_layout(layout(size, 8)) {
                        Ok(_) => assert!(arena.used() <= budget, "{budget}, {size}"),
                        Err(error) => {
                            let remaining = budget - before.used;
                            let requested = size;
                            let expected = AllocError::Budget {
                                requested,
                                remaining,
                            };
                            assert_eq!(error, expected);
                            assert!(remaining < size);
                            assert_eq!(arena.usage(), before);
                            break;
                        }
                    }
                    assert_identities(&arena);
                }
                // What is left can be had to the last step.
                let left = (budget - arena.used()) & !7;
                if left > 0 {
                    bytes(&arena, left);
                }
                assert!(budget - arena.used() < 8);
                arena.reset();
            }
            assert_eq!(arena.usage().budget, Some(budget));
        }
    }
}

#[test]
fn a_budget_below_what_is_in_use_refuses_more_and_spares_what_is_there() {
    let mut arena = Arena::new();
    bytes(&arena, 40_000);
    bytes(&arena, 40_000);
    arena.set_budget(Some(1_000));
    let remaining = 0;
    let requested = 8;
    assert_eq!(
        arena.alloc_layout(layout(8, 8)),
        Err(AllocError::Budget {
            requested,
            remaining
        })
    );
    assert_identities(&arena);
    arena.set_budget(None);
    arena.reset();
    let last = bytes(&arena, 40_000);
    arena.set_budget(Some(1_000));
    assert!(arena.resize_last(last, 40_000, 992));
    bytes(&arena, 8);
    assert!(arena.alloc_layout(layout(8, 8)).is_err(), "1,000 are used");
    arena.set_budget(None);
    bytes(&arena, 40_000);
    arena.set_budget(Some(1_000));
    arena.reset();
    bytes(&arena, 1_000);
    assert!(arena.alloc_layout(layout(1, 8)).is_err());
}

#[test]
fn a_block_size_that_is_none_is_refused() {
    for size in [0, 1, 12, (1 << 30) + 8, usize::MAX] {
        assert_eq!(
            Arena::with_block_size(size).err(),
            Some(AllocError::BlockSize),
            "{size}"
        );
    }
    let arena = Arena::with_block_size(8).unwrap();
    bytes(&arena, 8);
    assert_eq!(arena.usage().committed, PAGE);
    let arena = Arena::with_block_size(PAGE + 8).unwrap();
    bytes(&arena, 8);
    assert_eq!(arena.usage().committed, 2 * PAGE);
}

#[test]
fn nothing_succeeds_and_takes_no_pages() {
    let arena = Arena::new();
    let nothing = bytes(&arena, 0);
    assert_eq!(nothing.addr().get() % 8, 0);
    assert_eq!(arena.strdup("").unwrap(), "");
    assert_eq!(*arena.alloc(()).unwrap(), ());
    assert_eq!(arena.usage().committed, 0);
    let aligned = arena.alloc_layout(layout(0, 4_096)).unwrap();
    assert_eq!(aligned.addr().get() % 4_096, 0);
}

#[test]
fn errors_say_what_was_asked() {
    let source = Counting::failing_from(0);
    let arena = Arena::with_source(&source);
    let error = arena.calloc(3, 100).unwrap_err();
    assert_eq!(error, AllocError::OutOfMemory { requested: 300 });
    assert!(format!("{error}").contains("300 bytes"));
}

// The model.

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
