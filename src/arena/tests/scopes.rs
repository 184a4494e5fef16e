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
fn the_peak_of_a_scope_counts_and_the_room_it_was_lent_does_not() {
    let arena = Arena::new();
    bytes(&arena, 1_000);
    {
        let scope = arena.scope();
        bytes(&scope, 2_000);
    }
    assert_eq!(arena.usage().peak_used, 3_000);
    bytes(&arena, 1_000);
    assert_eq!(arena.usage().peak_used, 3_000);
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
        let after = filled(&arena, 300, 5);
        assert!(all_are(before, 1) && all_are(meanwhile, 3) && all_are(after, 5));
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
