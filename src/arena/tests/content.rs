//! What bytes hold: zeros where they are promised, and nothing of earlier
//! requests where that is promised.

use super::*;

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
    assert!(arena.resize(at, 4_000, 8).is_some());
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

// Policies.

/// Everything of a request, where it was, after the policy has been at it.
fn after_a_request(scrub: Scrub) -> Vec<Vec<u8>> {
    let mut arena = Arena::new();
    arena.set_scrub(scrub);
    let mut places = Vec::new();
    for size in [100, 60_000, 60_000, 100_000, 8] {
        places.push((place(&arena, size, 0xEE), size));
    }
    arena.reset();
    places
        .into_iter()
        // SAFETY: the pages came zeroed, and the arena has been reset.
        .map(|(at, size)| unsafe { left_at(at, size) })
        .collect()
}

#[test]
fn a_reset_leaves_what_the_policy_says() {
    for (scrub, byte) in [
        (Scrub::None, 0xEE),
        (Scrub::Zero, 0),
        (Scrub::Poison, Scrub::POISON),
    ] {
        for left in after_a_request(scrub) {
            assert!(all_are(&left, byte), "{scrub:?}");
        }
    }
}

#[test]
fn debug_builds_poison_and_release_builds_do_not_pay() {
    let expected = if cfg!(debug_assertions) {
        Scrub::Poison
    } else {
        Scrub::None
    };
    assert_eq!(Scrub::default(), expected);
    assert_eq!(Arena::new().scrub, expected);
}

/// Through the allocator, where there is one.
fn shrink(arena: &Arena, at: NonNull<u8>, old: Layout, new: Layout) {
    #[cfg(feature = "allocator-api2")]
    // SAFETY: the callers pass what was handed out for `old`.
    unsafe { allocator_api2::alloc::Allocator::shrink(&arena, at, old, new) }.unwrap();
    #[cfg(not(feature = "allocator-api2"))]
    arena.free(
        // SAFETY: within what was handed out.
        unsafe { at.add(new.size()) },
        old.size() - new.size(),
    );
}

#[test]
fn what_shrinks_or_moves_or_is_freed_is_overwritten_at_once() {
    for (scrub, byte) in [(Scrub::Zero, 0), (Scrub::Poison, Scrub::POISON)] {
        let mut arena = Arena::new();
        arena.set_scrub(scrub);
        let put = |size| place(&arena, size, 0xEE);

        let shrunk = put(4_000);
        arena.resize(shrunk, 4_000, 8).unwrap();
        let moved = put(64);
        let between = put(8);
        let large = put(3 * PAGE);
        arena.resize(large, 3 * PAGE, 2 * PAGE).unwrap();
        // SAFETY: handed out with these layouts.
        unsafe { arena.grow_slot(moved, layout(64, 8), layout(128, 8)) }.unwrap();
        let gone = put(2 * PAGE);
        arena.free(gone, 2 * PAGE);
        let shorter = put(64);
        put(8);
        shrink(&arena, shorter, layout(64, 8), layout(8, 8));

        // SAFETY: pages of the heap source come zeroed, and nobody uses these.
        unsafe {
            assert!(all_are(
                &left_at(shrunk.add(8 + 64 + 8 + 128 + 64 + 8), 3_000),
                byte
            ));
            assert!(all_are(&left_at(moved, 64), byte));
            assert!(all_are(&left_at(between, 8), 0xEE));
            assert!(all_are(&left_at(large, 2 * PAGE), 0xEE));
            assert!(all_are(&left_at(large.add(2 * PAGE), PAGE), byte));
            assert!(all_are(&left_at(gone, 2 * PAGE), byte));
            assert!(all_are(&left_at(shorter.add(8), 56), byte));
        }
    }
}

#[test]
fn a_scrubbed_arena_gives_scrubbed_pages_back() {
    let strip = Strip::new(16);
    for scrub in [Scrub::Zero, Scrub::Poison, Scrub::None] {
        let mut arena = Arena::with_source(&strip);
        arena.set_scrub(scrub);
        for size in [100, 30_000, 200_000] {
            filled(&arena, size, 0xEE);
        }
        drop(arena);
        let pages = (&&strip).take(PAGE, 4 * PAGE).unwrap();
        assert_eq!(pages.zeroed, scrub == Scrub::Zero);
        if pages.zeroed {
            // SAFETY: just taken.
            assert!(all_are(&unsafe { left_at(pages.start, pages.len) }, 0));
        }
        // SAFETY: just taken.
        unsafe { (&&strip).give_back(pages) };
    }
}

#[test]
fn scrubbing_reaches_what_went_back_and_nothing_of_another_arena() {
    for limit in [0, 2 * PAGE] {
        let strip = Strip::new(16);
        let mut arena = Arena::with_source(&strip);
        arena.set_scrub(Scrub::None);
        arena.set_reset(Reset::Retain { limit });
        for _ in 0..4 {
            filled(&arena, 60_000, 0xEE);
        }
        arena.reset();
        assert_eq!(arena.usage().committed, limit);
        let other = Arena::with_source(&strip);
        let others = filled(&other, 60_000, 1);
        arena.scrub();
        assert!(all_are(others, 1));
        let pages = (&&strip).take(PAGE, PAGE).unwrap();
        assert!(pages.zeroed);
        // SAFETY: just taken.
        assert!(all_are(&unsafe { left_at(pages.start, PAGE) }, 0));
        // SAFETY: just taken.
        unsafe { (&&strip).give_back(pages) };
    }
}

#[test]
fn zeroed_memory_is_zero_whatever_came_before_it() {
    // Every way in which bytes above the cursor can have been written to.
    for scrub in [Scrub::None, Scrub::Zero, Scrub::Poison] {
        let mut arena = Arena::new();
        arena.set_scrub(scrub);
        let zeroed_after = |arena: &Arena, what: &str| {
            let zeroed = arena.calloc(1, 5_000).unwrap();
            assert!(all_are(zeroed, 0), "{what}, {scrub:?}");
            zeroed.fill(0xFF);
        };
        for _ in 0..3 {
            let put = |size| place(&arena, size, 0xEE);
            arena.resize(put(4_000), 4_000, 8).unwrap();
            zeroed_after(&arena, "a shrunk one");
            arena.free(put(4_000), 4_000);
            zeroed_after(&arena, "a freed one");
            {
                let scope = arena.scope();
                filled(&scope, 4_000, 0xEE);
            }
            zeroed_after(&arena, "a scope");
            {
                let scope = arena.scope();
                filled(&scope, 50_000, 0xEE);
                filled(&scope, 50_000, 0xEE);
                zeroed_after(&scope, "within a scope");
            }
            zeroed_after(&arena, "a scope with several blocks");
            arena.reset();
        }
    }
}

#[test]
fn zeroed_memory_is_not_filled_where_nothing_was_written() {
    let mut arena = Arena::new();
    arena.set_scrub(Scrub::Zero);
    for _ in 0..2 {
        // A byte that is written behind the arena's back stays, since nothing
        // is filled: on fresh pages, and on scrubbed ones.
        let at = bytes(&arena, 8);
        // SAFETY: in the block, of which the arena uses no more yet.
        let behind = unsafe { at.add(1_000) };
        // SAFETY: as above.
        unsafe { behind.write(0x77) };
        assert_eq!(arena.calloc(1, 4_000).unwrap()[992], 0x77);
        arena.reset();
    }
}
