//! Memory is used again: after a reset, in place, and by the next arena.

use super::*;

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

// In place.

#[test]
fn a_block_grows_in_place_where_the_pages_behind_it_come_next() {
    let strip = Strip::new(64);
    let mut arena = Arena::with_source(&strip);
    for round in 0..3 {
        for _ in 0..10 {
            bytes(&arena, 40_000);
            assert_identities(&arena);
        }
        let usage = arena.usage();
        assert_eq!((usage.blocks, usage.tail_waste), (1, 0), "round {round}");
        assert_eq!(usage.committed, 8 * PAGE);
        arena.reset();
    }
    assert_eq!(strip.pages(), 8);
}

#[test]
fn large_allocations_amid_small_ones_waste_nothing_in_one_contiguous_block() {
    let strip = Strip::new(64);
    let mut arena = Arena::with_source(&strip);
    for _ in 0..3 {
        bytes(&arena, 10);
        bytes(&arena, 16 * PAGE);
        bytes(&arena, 10);
        assert_eq!(arena.usage().committed, 17 * PAGE);
        assert_identities(&arena);
        arena.reset();
    }
}

#[test]
fn pages_that_somebody_else_took_in_between_are_never_handed_out() {
    // Whichever growth it is that finds a foreign page behind it.
    for k in 0..6 {
        let strip = Strip::new(64);
        let mut arena = Arena::with_source(&strip);
        let round = |arena: &Arena<&Strip>, disturb: bool| -> Vec<usize> {
            let place = |i: usize| {
                if disturb && i == k {
                    strip.disturb();
                }
                let at = filled(arena, [30_000, 50_000, 200_000][i % 3], i as u8);
                at.as_ptr().addr()
            };
            (0..6).map(place).collect()
        };
        let first = round(&arena, true);
        // The foreign page was not written to.
        assert_identities(&arena);
        arena.reset();
        assert_eq!(round(&arena, false), first, "foreign page before {k}");
        assert_identities(&arena);
    }
}

#[test]
fn what_a_large_allocation_took_does_not_become_the_step_of_small_ones() {
    let source = Counting::default();
    let arena = Arena::with_source(&source);
    bytes(&arena, 16);
    bytes(&arena, 16 * PAGE);
    bytes(&arena, ROOM);
    assert_eq!(arena.usage().committed, (1 + 17 + 1) * PAGE);

    let strip = Strip::new(64);
    let arena = Arena::with_source(&strip);
    bytes(&arena, 16);
    bytes(&arena, 16 * PAGE);
    bytes(&arena, ROOM);
    assert_eq!(arena.usage().committed, (17 + 1) * PAGE);
}

#[test]
fn more_is_taken_at_once_the_more_there_is_and_just_enough_where_that_is_refused() {
    let strip = Strip::new(11);
    let arena = Arena::with_source(&strip);
    let mut steps = Vec::new();
    while arena.alloc_layout(layout(PAGE / 2, 8)).is_ok() {
        steps.push(arena.usage().committed / PAGE);
        assert_identities(&arena);
    }
    steps.dedup();
    // Doubled three times, and then page by page.
    assert_eq!(steps, [1, 2, 4, 8, 9, 10, 11]);
}

#[test]
fn a_budget_keeps_the_arena_from_taking_more_than_it_may_hand_out() {
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    arena.set_budget(Some(5 * PAGE));
    while arena.alloc_layout(layout(1_000, 8)).is_ok() {}
    assert_eq!(arena.usage().committed, 6 * PAGE);
}

#[test]
fn a_growing_buffer_with_a_block_of_its_own_is_copied_once() {
    let strip = Strip::new(64);
    let mut arena = Arena::with_source(&strip);
    bytes(&arena, 8);
    strip.disturb();
    for _ in 0..3 {
        let mut buffer = arena.buffer();
        buffer.push(&[7; PAGE]).unwrap();
        let start = buffer.bytes().as_ptr();
        for _ in 0..15 {
            buffer.push(&[7; PAGE]).unwrap();
        }
        assert_eq!(buffer.bytes().as_ptr(), start);
        assert!(all_are(buffer.finish(), 7));
        assert_eq!(arena.usage().committed, 18 * PAGE);
        assert_identities(&arena);
        arena.reset();
    }
}

#[test]
fn a_block_of_its_own_is_free_for_others_once_its_allocation_moved() {
    // Separate blocks: nothing grows in place.
    let arena = Arena::new();
    let mut buffer = arena.buffer();
    for pages in [2, 3, 5, 9, 17] {
        while buffer.bytes().len() < (pages - 1) * PAGE {
            buffer.push(&[7; PAGE]).unwrap();
        }
        // What it had before was given back, or will be when it is needed.
        let usage = arena.usage();
        assert_eq!(usage.used, (pages - 1) * PAGE);
        assert!(
            usage.committed <= (pages + pages / 2 + 1) * PAGE,
            "{usage:?}"
        );
        assert_identities(&arena);
    }
    bytes(&arena, 2 * PAGE);
    assert!(all_are(buffer.finish(), 7));
}

#[test]
fn requests_of_different_kinds_share_the_pages_of_the_largest() {
    // One large, ever larger; many small; some of each.
    for foreign in [false, true] {
        let strip = Strip::new(120);
        let mut arena = Arena::with_source(&strip);
        bytes(&arena, 8);
        if foreign {
            strip.disturb();
        }
        let most = if cfg!(miri) { 6 } else { 39 };
        for pages in 2..=most {
            arena.reset();
            bytes(&arena, pages * PAGE);
            arena.reset();
            let _: Vec<_> = (0..pages * 16).map(|_| bytes(&arena, 4_096)).collect();
            arena.reset();
            bytes(&arena, pages * PAGE / 2);
            let _: Vec<_> = (0..pages * 8).map(|_| bytes(&arena, 4_096)).collect();
            assert_identities(&arena);
        }
        // A step is at most 16 pages, one has the first block, and one each may
        // be somebody else's or a header's.
        assert!(strip.pages() <= most + 16 + 3, "{} pages", strip.pages());
    }
}

#[cfg(feature = "allocator-api2")]
#[test]
fn a_block_of_its_own_is_found_again_whatever_became_of_the_size() {
    use allocator_api2::vec::Vec;

    let mut arena = Arena::new();
    arena.set_reserve(1_000);
    let room: Vec<u8, &Arena> = Vec::with_capacity_in(65_000, &arena);
    arena.open_reserve();
    drop(room);
    assert_eq!(arena.used(), 0);
    let mut shrunk: Vec<u8, &Arena> = Vec::with_capacity_in(200_000, &arena);
    shrunk.extend([7; 100]);
    shrunk.shrink_to_fit();
    let at = shrunk.as_ptr();
    shrunk.reserve_exact(150_000);
    assert_eq!(shrunk.as_ptr(), at);
    drop(shrunk);
    assert_eq!(arena.used(), 0);
    assert_identities(&arena);
}

// What a reset keeps.

#[test]
fn what_a_reset_does_not_keep_is_there_for_the_next_arena() {
    let strip = Strip::new(40);
    let mut first = Arena::with_source(&strip);
    first.set_reset(Reset::Retain { limit: 2 * PAGE });
    let mut second = Arena::with_source(&strip);
    for _ in 0..10 {
        bytes(&first, 30 * PAGE);
        first.reset();
        assert_identities(&first);
        assert!(first.usage().committed <= 2 * PAGE);
        bytes(&second, 30 * PAGE);
        second.set_reset(Reset::Retain { limit: 0 });
        second.reset();
        assert_eq!(second.usage().committed, 0);
        assert_identities(&second);
    }
    assert!(strip.pages() <= 34, "{} pages", strip.pages());
}

#[test]
fn a_limit_is_kept_to_with_blocks_of_every_kind() {
    for contiguous in [true, false] {
        for limit in 0..12 {
            let strip = Strip::new(64);
            let mut arena = Arena::with_source(&strip);
            arena.set_reset(Reset::Retain {
                limit: limit * PAGE,
            });
            for _ in 0..3 {
                for size in [ROOM, ROOM, 3 * PAGE, ROOM, 2 * PAGE] {
                    if !contiguous && strip.pages() < 40 {
                        strip.disturb();
                    }
                    filled(&arena, size, 1);
                    assert_identities(&arena);
                }
                let before = arena.usage().committed;
                arena.reset();
                assert_identities(&arena);
                let committed = arena.usage().committed;
                assert!(committed <= limit * PAGE, "{committed} > {limit} pages");
                if contiguous {
                    assert_eq!(committed, before.min(limit * PAGE), "limit {limit}");
                }
            }
        }
    }
}

#[test]
fn blocks_of_a_heap_are_given_back_whole() {
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    arena.set_reset(Reset::Retain { limit: 2 * PAGE });
    for _ in 0..5 {
        for size in [ROOM, ROOM, ROOM, 5 * PAGE] {
            bytes(&arena, size);
        }
        arena.reset();
        assert_eq!(arena.usage().committed, 2 * PAGE);
        assert_identities(&arena);
    }
    let outstanding = source.taken.get() - source.given_back.get();
    assert_eq!(outstanding, arena.usage().blocks);
}

#[test]
fn a_cycle_of_requests_needs_no_more_than_the_largest_and_a_step() {
    let strip = Strip::new(200);
    let mut arena = Arena::with_source(&strip);
    let mut largest = 0;
    let cycles = if cfg!(miri) { 1 } else { 20 };
    for n in 0..cycles * 50 {
        let mut need = 0;
        for i in 0..n * 7 % 50 {
            let size = (i * 997 + n * 31) % 9_000 + (i % 13 / 12) * 100_000;
            bytes(&arena, size);
            need += size.next_multiple_of(8);
        }
        largest = largest.max(need);
        arena.reset();
    }
    let committed = arena.usage().committed;
    assert!(
        committed <= largest + (1 << 20) + PAGE,
        "{committed}, {largest}"
    );
}
