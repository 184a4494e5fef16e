//! Failure: no pages, no budget, no such layout.

use super::*;

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
    assert!(arena.resize(last, 40_000, 992).is_some());
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

// The reserve.

#[test]
fn a_reserve_is_there_when_everything_else_is_gone() {
    for budget in [None, Some(100_000)] {
        let strip = Strip::new(3);
        let mut arena = Arena::with_source(&strip);
        arena.set_budget(budget);
        arena.set_reserve(1_000);
        let size = if cfg!(miri) { 8_000 } else { 64 };
        for _ in 0..3 {
            while arena.alloc_layout(layout(size, 8)).is_ok() {
                assert_identities(&arena);
            }
            let error = arena.alloc_layout(layout(size, 8)).unwrap_err();
            assert_eq!(matches!(error, AllocError::Budget { .. }), budget.is_some());
            let before = arena.used();
            arena.open_reserve();
            while arena.alloc_layout(layout(8, 8)).is_ok() {}
            assert!(arena.used() - before >= 1_000);
            if let Some(budget) = budget {
                assert_eq!(arena.used(), budget);
            }
            assert_identities(&arena);
            arena.reset();
        }
    }
}

#[test]
fn an_allocation_that_the_padding_here_would_put_over_the_budget_goes_elsewhere() {
    // At the start of a block it takes 4,064 bytes of padding, and 4,088 here.
    let strip = Strip::new(8);
    let mut arena = Arena::with_source(&strip);
    bytes(&arena, 4_072);
    arena.set_budget(Some(4_072 + 4_064 + 62_000));
    assert!(arena.alloc_layout(layout(62_000, 4_096)).is_ok());
    assert_eq!(arena.used(), 4_072 + 4_064 + 62_000);
    assert_identities(&arena);
}

#[test]
fn a_block_of_its_own_grows_within_the_budget_only() {
    let mut arena = Arena::new();
    let at = bytes(&arena, 2 * PAGE);
    arena.set_budget(Some(2 * PAGE + 8));
    assert!(arena.resize(at, 2 * PAGE, 2 * PAGE + 16).is_none());
    assert!(arena.resize(at, 2 * PAGE, 2 * PAGE + 8).is_some());
    assert_eq!(arena.used(), 2 * PAGE + 8);
    assert_identities(&arena);
}

#[test]
fn a_reserve_that_comes_too_late_for_one_request_is_there_in_the_next() {
    let mut arena = Arena::new();
    bytes(&arena, ROOM - 8);
    arena.set_reserve(1_000);
    arena.reset();
    bytes(&arena, ROOM - 1_008);
    let committed = arena.usage().committed;
    bytes(&arena, 16);
    assert!(
        arena.usage().committed > committed,
        "the reserve was handed out"
    );
}

#[test]
fn a_reserve_is_half_a_block_at_most() {
    let mut arena = Arena::new();
    arena.set_reserve(usize::MAX);
    for _ in 0..100 {
        bytes(&arena, 1_000);
    }
    assert!(arena.usage().blocks < 5);
    arena.set_budget(Some(arena.used()));
    assert!(arena.alloc_layout(layout(8, 8)).is_err());
    assert_identities(&arena);
}

#[test]
fn an_allocation_that_fits_behind_the_last_one_is_not_refused_for_its_padding() {
    // At the start of a block an alignment of 64 costs 32 bytes.
    let strip = Strip::new(8);
    let mut arena = Arena::with_source(&strip);
    bytes(&arena, 32);
    arena.set_budget(Some(2 * PAGE));
    let align_64 = layout(2 * PAGE - 32, 64);
    assert_eq!(arena.alloc_layout(align_64).map(|_| ()), Ok(()));
    assert_eq!(arena.used(), 2 * PAGE);
    assert_identities(&arena);
}

#[test]
fn no_bad_input_does_anything() {
    let strip = Strip::new(4);
    let mut arena = Arena::with_source(&strip);
    bytes(&arena, 24);
    let before = arena.usage();
    let huge = 1_usize << (usize::BITS - 2);
    for (size, align) in [
        (isize::MAX as usize - 7, 8),
        (isize::MAX as usize, 1),
        (huge, huge),
        (8, huge),
        (huge - 8, huge),
    ] {
        let error = arena.alloc_layout(layout(size, align)).unwrap_err();
        assert!(
            matches!(error, AllocError::Layout | AllocError::OutOfMemory { .. }),
            "{size}, {align}: {error:?}"
        );
        assert_eq!(arena.usage(), before, "{size}, {align}");
    }
    assert_eq!(
        arena.alloc_slice_fill_with(usize::MAX, |_| 0_u64),
        Err(AllocError::Layout)
    );
    arena.set_budget(Some(0));
    let requested = 8;
    let remaining = 0;
    let refused = AllocError::Budget {
        requested,
        remaining,
    };
    assert_eq!(arena.alloc_layout(layout(1, 1)), Err(refused));
    assert_eq!(arena.alloc(()).copied(), Ok(()));
    assert_eq!(arena.used(), before.used);
}

#[test]
fn an_alignment_above_a_page_is_met() {
    let arena = Arena::new();
    for shift in [16, 17, 20] {
        bytes(&arena, 8);
        let at = arena.alloc_layout(layout(100, 1 << shift)).unwrap();
        assert_eq!(at.addr().get() % (1 << shift), 0);
        assert_identities(&arena);
    }
}
