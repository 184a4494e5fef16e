//! Scopes: what they take goes back, and nothing else does.

use super::*;

/// The figures without those that only ever grow.
fn settled<P: PageSource>(arena: &Arena<P>) -> (usize, usize, usize) {
    let usage = arena.usage();
    assert_identities(arena);
    (
        usage.used,
        usage.tail_waste,
        usage.total_allocated - usage.free,
    )
}

#[test]
fn a_scope_leaves_the_arena_where_it_was() {
    let befores: &[usize] = if cfg!(miri) {
        &[0, 1_000, ROOM]
    } else {
        &[0, 8, 1_000, 60_000, ROOM, 100_000]
    };
    let strip = Strip::new(200);
    for sizes in [
        &[][..],
        &[8],
        &[1_000, 30_000],
        &[60_000, 60_000, 60_000],
        &[200_000, 8, 300_000],
        &[PAGE, 8, ROOM, ROOM - HEADER],
    ] {
        for &before in befores {
            for disturbed in [false, true] {
                let arena = Arena::with_source(&strip);
                let kept = filled(&arena, before, 1);
                if disturbed {
                    strip.disturb();
                }
                let was = settled(&arena);
                for round in 0..3 {
                    let committed = arena.usage().committed;
                    {
                        let scope = arena.scope();
                        for &size in sizes {
                            filled(&scope, size, 2);
                            assert_identities(&scope);
                            assert_identities(&arena);
                        }
                    }
                    assert_eq!(settled(&arena), was, "{sizes:?} after {before}");
                    assert!(round == 0 || arena.usage().committed == committed);
                }
                assert!(all_are(kept, 1));
            }
        }
    }
}

#[test]
fn the_peak_of_a_scope_counts_with_the_blocks_that_it_had() {
    let arena = Arena::new();
    bytes(&arena, 1_000);
    {
        let scope = arena.scope();
        bytes(&scope, 2_000);
    }
    let peak = arena.usage().peak_used;
    assert!((3_000..3_500).contains(&peak), "{peak}");
    bytes(&arena, 1_000);
    assert_eq!(arena.usage().peak_used, peak);
}

#[test]
fn an_allocation_in_nested_scopes_takes_time_in_their_number_and_no_more() {
    /// Counts how often more is asked for, and has none.
    #[derive(Default)]
    struct Refusing(Counting, Cell<usize>);
    // SAFETY: passes on what `Counting` has.
    unsafe impl PageSource for &Refusing {
        fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
            (&&self.0).take(needed, wanted)
        }
        fn take_behind(&self, _: &Pages, _: usize, _: usize) -> Option<Pages> {
            self.1.set(self.1.get() + 1);
            None
        }
        unsafe fn give_back(&self, pages: Pages) {
            // SAFETY: passed on.
            unsafe { (&&self.0).give_back(pages) }
        }
    }
    fn within<P: PageSource>(arena: &Arena<P>, depth: usize, act: &dyn Fn(&Arena<P>)) {
        match depth {
            0 => act(arena),
            _ => within(&arena.scope(), depth - 1, act),
        }
    }
    let asked = |depth: usize| {
        let source = Refusing::default();
        let arena = Arena::with_source(&source);
        bytes(&arena, 8);
        within(&arena, depth, &|scope| {
            bytes(scope, 60_000);
            bytes(scope, 8_000);
            source.0.fail_from.set(Some(0));
            assert!(scope.alloc_layout(layout(60_000, 8)).is_err());
            source.0.fail_from.set(None);
        });
        source.1.get()
    };
    let depth = if cfg!(miri) { 10 } else { 40 };
    assert!(asked(depth) <= 20 * depth, "{}", asked(depth));
}

#[test]
fn what_outlives_a_scope_costs_little_more_than_itself() {
    for contiguous in [true, false] {
        let strip = Strip::new(8);
        let arena = Arena::with_source(&strip);
        bytes(&arena, 8);
        if !contiguous {
            strip.disturb();
        }
        for _ in 0..100 {
            let scope = arena.scope();
            filled(&scope, 100, 1);
            filled(&arena, 8, 2);
        }
        assert!(arena.used() < 100 * 700, "{}", arena.used());
    }
}

#[test]
fn a_scope_takes_whole_blocks_of_the_arena_and_not_a_page_more() {
    for reserve in [0, 1_000] {
        let mut arena = Arena::new();
        arena.set_reserve(reserve);
        let scope = arena.scope();
        bytes(&scope, 8);
        assert_eq!(arena.usage().committed, PAGE);
        while scope.used() < 12 * PAGE {
            bytes(&scope, 1_000);
        }
        assert_eq!(arena.usage().committed, 16 * PAGE);
    }
}

#[test]
fn a_scope_within_a_scope_has_what_the_budget_has_left() {
    let mut arena = Arena::new();
    arena.set_budget(Some(100_000));
    let outer = arena.scope();
    let inner = outer.scope();
    bytes(&inner, 60_000);
    bytes(&inner, 10_000);
    bytes(&inner, 20_000);
    let error = inner.alloc_layout(layout(20_000, 8)).unwrap_err();
    assert!(
        matches!(
            error,
            AllocError::Budget {
                requested: 20_000,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_small_block_behind_the_current_one_does_not_stand_in_the_way() {
    let arena = Arena::new();
    let outer = arena.scope();
    bytes(&outer, 400);
    // From here on the scope's block cannot grow in place.
    bytes(&arena, 8);
    {
        let inner = outer.scope();
        bytes(&inner, 600);
    }
    let large = filled(&outer, 10_000, 1);
    let small = filled(&outer, 500, 2);
    assert!(all_are(large, 1) && all_are(small, 2));
    assert_identities(&outer);
}

#[test]
fn a_small_block_that_a_scope_left_behind_is_not_entered_for_what_it_cannot_hold() {
    let strip = Strip::new(2);
    let arena = Arena::with_source(&strip);
    bytes(&arena, 8);
    let outer = arena.scope();
    bytes(&outer, 40_000);
    {
        let inner = outer.scope();
        bytes(&inner, 20_000);
        bytes(&inner, 20_000);
    }
    let before = outer.usage();
    match outer.alloc_layout(layout(26_000, 8)) {
        Ok(_) => assert_identities(&outer),
        Err(error) => {
            assert!(matches!(error, AllocError::OutOfMemory { .. }), "{error:?}");
            assert_eq!(outer.usage(), before);
        }
    }
}

#[cfg(feature = "allocator-api2")]
#[test]
fn blocks_that_change_places_meanwhile_are_not_taken_for_those_that_were_there() {
    use allocator_api2::vec::Vec;

    let base = Arena::new();
    drop(Vec::<u8, &Arena>::with_capacity_in(1_000_000, &base));
    let scope = base.scope();
    let mut grows: Vec<u8, &Arena> = Vec::with_capacity_in(66_000, &scope);
    grows.extend_from_slice(&[1; 66_000]);
    let goes: Vec<u8, &Arena> = Vec::with_capacity_in(66_000, &scope);
    {
        let inner = scope.scope();
        bytes(&inner, 200_000);
        drop(goes);
        grows.reserve_exact(66_000);
    }
    assert_identities(&scope);
    let before = scope.usage().grows;
    let _fits: Vec<u8, &Arena> = Vec::with_capacity_in(66_000, &scope);
    assert_eq!(scope.usage().grows, before);
}

#[test]
fn the_reserve_of_an_arena_is_opened_from_within_its_scopes() {
    let mut arena = Arena::new();
    arena.set_budget(Some(10_000));
    arena.set_reserve(1_000);
    let scope = arena.scope();
    while scope.alloc_layout(layout(8, 8)).is_ok() {}
    scope.open_reserve();
    bytes(&scope, 500);
}

#[test]
fn what_the_outer_arena_hands_out_meanwhile_survives_the_scope() {
    for sizes in [[8, 8], [1_000, 50_000], [60_000, 200_000], [200_000, 8]] {
        let mut arena = Arena::new();
        arena.set_scrub(Scrub::Poison);
        let before = filled(&arena, 100, 1);
        let meanwhile = {
            let scope = arena.scope();
            let inner = filled(&scope, sizes[0], 2);
            let meanwhile = filled(&arena, sizes[1], 3);
            let more = filled(&scope, sizes[0], 4);
            assert!(all_are(inner, 2) && all_are(more, 4));
            meanwhile
        };
        for _ in 0..10 {
            let after = filled(&arena, 40_000, 5);
            assert!(all_are(after, 5));
        }
        assert!(all_are(before, 1) && all_are(meanwhile, 3));
        assert_identities(&arena);
        arena.reset();
        assert_eq!(arena.used(), 0);
        assert_identities(&arena);
    }
}

#[test]
fn an_allocation_of_the_outer_arena_never_moves_its_cursor_below_the_scope() {
    // Grown, shrunk and freed while a scope is open: GHSA-xhx6-q96x-pf9c.
    for size in [64, 40_000, 100_000] {
        let arena = Arena::new();
        let at = place(&arena, size, 1);
        let scope = arena.scope();
        let inner = filled(&scope, 500, 2);
        arena.resize(at, size, size / 2);
        let more = filled(&scope, 500, 3);
        arena.free(at, size / 2);
        let outer = filled(&arena, size, 4);
        let last = filled(&scope, 500, 5);
        assert!(all_are(inner, 2) && all_are(more, 3));
        assert!(all_are(outer, 4) && all_are(last, 5));
        drop(scope);
        assert!(all_are(outer, 4));
        assert_identities(&arena);
    }
}

#[test]
fn scopes_nest_and_each_takes_back_its_own() {
    fn descend(arena: &Arena, depth: usize) {
        let mine = filled(arena, 5_000, depth as u8);
        let was = settled(arena);
        if depth > 0 {
            for _ in 0..2 {
                let scope = arena.scope();
                descend(&scope, depth - 1);
            }
        }
        assert_eq!(settled(arena), was);
        assert!(all_are(mine, depth as u8));
    }
    let arena = Arena::new();
    descend(&arena, if cfg!(miri) { 3 } else { 6 });
}

#[test]
fn two_scopes_of_one_arena_end_in_either_order() {
    for first_ends_first in [true, false] {
        let mut arena = Arena::new();
        let a = arena.scope();
        let in_a = filled(&a, 100, 1);
        let b = arena.scope();
        let in_b = filled(&b, 100, 2);
        let more = filled(&a, 100_000, 3);
        assert!(all_are(in_a, 1) && all_are(in_b, 2) && all_are(more, 3));
        if first_ends_first {
            drop(a);
            assert!(all_are(in_b, 2));
            drop(b);
        } else {
            drop(b);
            assert!(all_are(in_a, 1) && all_are(more, 3));
            drop(a);
        }
        assert_identities(&arena);
        arena.reset();
        assert_eq!(arena.used(), 0);
        assert_identities(&arena);
    }
}

#[test]
fn a_scope_that_is_forgotten_costs_what_it_had_until_the_reset() {
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    for _ in 0..5 {
        let scope = arena.scope();
        filled(&scope, 40_000, 1);
        filled(&scope, 40_000, 1);
        core::mem::forget(scope);
        assert_identities(&arena);
        arena.reset();
        assert_identities(&arena);
    }
    assert_eq!(source.taken.get(), 2);
}

#[test]
fn a_scope_that_a_panic_ends_is_a_scope_that_ended() {
    let arena = Arena::new();
    let kept = filled(&arena, 100, 1);
    let was = settled(&arena);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let scope = arena.scope();
        filled(&scope, 100_000, 2);
        panic!("in the middle of it");
    }));
    assert!(panicked.is_err());
    assert_eq!(settled(&arena), was);
    assert!(all_are(kept, 1));
}

#[test]
fn the_budget_of_the_arena_bounds_its_scopes() {
    for budget in [1_000, ROOM, 100_000, 300_000] {
        for size in [8, 1_000, 70_000] {
            if cfg!(miri) && budget / size > 200 {
                continue;
            }
            let mut arena = Arena::new();
            arena.set_budget(Some(budget));
            let kept = size.min(504);
            filled(&arena, kept, 1);
            for _ in 0..2 {
                let scope = arena.scope();
                let error = loop {
                    if let Err(error) = scope.alloc_layout(layout(size, 8)) {
                        break error;
                    }
                    assert!(arena.used() <= budget && scope.used() + kept <= budget);
                };
                assert!(matches!(error, AllocError::Budget { .. }), "{error:?}");
                // What is lost: for each block a header, the padding before it,
                // and an end that is too small.
                let lost = (scope.usage().blocks + 1) * (2 * HEADER + size);
                let used = kept + scope.used();
                assert!(budget < used + lost, "{budget}, {size}: {used}");
                assert!(scope.usage().blocks <= 8, "{:?}", scope.usage());
            }
            assert_eq!(arena.used(), kept);
        }
    }
}

#[test]
fn a_scope_scrubs_what_it_had_when_it_ends() {
    for (scrub, byte) in [(Scrub::Zero, 0), (Scrub::Poison, Scrub::POISON)] {
        let mut arena = Arena::new();
        arena.set_scrub(scrub);
        bytes(&arena, 16);
        let mut places = Vec::new();
        {
            let scope = arena.scope();
            for size in [100, 60_000, 60_000, 200_000] {
                places.push((place(&scope, size, 0xEE), size));
            }
        }
        for (at, size) in places {
            // SAFETY: the arena still has the pages, which came zeroed.
            assert!(all_are(&unsafe { left_at(at, size) }, byte), "{scrub:?}");
        }
    }
}

#[test]
fn a_scope_on_the_last_bytes_of_an_arena_fails_as_the_arena_does() {
    let source = Counting::failing_from(1);
    let arena = Arena::with_source(&source);
    bytes(&arena, ROOM - 64);
    let scope = arena.scope();
    assert_eq!(
        scope.alloc_layout(layout(100, 8)),
        Err(AllocError::OutOfMemory { requested: 100 })
    );
    drop(scope);
    bytes(&arena, 64);
    assert_identities(&arena);
}
