//! The soundness record of other arenas: each fault that could be ours too, by
//! the name under which it was reported.

use super::*;

#[cfg(feature = "allocator-api2")]
mod allocators {
    use allocator_api2::alloc::Allocator;
    use allocator_api2::vec::Vec;

    use super::*;

    /// bumpalo, RUSTSEC-2020-0006: growing copied as many bytes as the new size
    /// has, from behind the end of the old allocation.
    #[test]
    fn growing_copies_the_old_bytes_and_no_more() {
        let mut arena = Arena::new();
        arena.set_scrub(Scrub::None);
        let allocator = &arena;
        let at = place(&arena, 64, 1);
        filled(&arena, 64, 2);
        // SAFETY: handed out with this layout.
        let grown = unsafe { allocator.grow(at, layout(64, 8), layout(256, 8)) }.unwrap();
        // SAFETY: the pages came zeroed, so every byte is initialised.
        let bytes = unsafe { left_at(grown.cast(), 256) };
        assert!(all_are(&bytes[..64], 1));
        assert!(all_are(&bytes[64..], 0), "bytes of a neighbour");
    }

    /// bumpalo #321: `grow_zeroed` made a slice of bytes that were not there
    /// yet. And: what was cut off before is zero when it comes back.
    #[test]
    fn grown_bytes_are_zero_also_where_the_allocation_was_longer_before() {
        let arena = Arena::new();
        let allocator = &arena;
        for (old, shorter, new) in [(100, 97, 104), (104, 97, 4_096), (4_096, 1, 8)] {
            let at = place(&arena, old, 0xEE);
            // SAFETY: each with the layout that it has by then.
            unsafe {
                let at = allocator.shrink(at, layout(old, 1), layout(shorter, 1));
                let at = at.unwrap().cast();
                let at = allocator.grow_zeroed(at, layout(shorter, 1), layout(new, 1));
                let bytes = left_at(at.unwrap().cast(), new);
                assert!(all_are(&bytes[..shorter], 0xEE));
                assert!(all_are(&bytes[shorter..], 0), "{old}, {shorter}, {new}");
            }
        }
    }

    /// bumpalo #247 and #248: freeing through a pointer that had lost the right
    /// to it. Miri says whether ours has it.
    #[test]
    fn what_is_freed_last_is_handed_out_again() {
        let arena = Arena::new();
        let allocator = &arena;
        let first = allocator.allocate(layout(64, 8)).unwrap().cast::<u8>();
        // SAFETY: handed out with this layout, and not used afterwards.
        unsafe {
            first.write_bytes(1, 64);
            allocator.deallocate(first, layout(64, 8));
        }
        let again = filled(&arena, 64, 2);
        assert_eq!(again.as_ptr(), first.as_ptr());
        assert!(all_are(again, 2));
    }

    /// The same for a pointer that went through a box, and so is good for the
    /// box's value only: what lies behind it is handed out next.
    #[test]
    fn a_box_that_comes_back_makes_room_for_more_than_it_had() {
        use allocator_api2::boxed::Box;

        let arena = Arena::new();
        let leaked: *mut u64 = Box::leak(Box::new_in(1, &arena));
        // SAFETY: leaked just now, from this arena.
        drop(unsafe { Box::from_raw_in(leaked, &arena) });
        assert_eq!(arena.alloc_slice_copy(&[7_u8; 100]).unwrap()[99], 7);

        let zeroed = NonNull::from(arena.calloc(1, 64).unwrap()).cast::<u8>();
        // SAFETY: handed out with this layout; only the new one is used then.
        unsafe {
            let grown = (&arena).grow(zeroed, layout(64, 8), layout(4_096, 8));
            grown.unwrap().cast::<u8>().write_bytes(1, 4_096);
        }
        assert!(all_are(filled(&arena, 100, 2), 2));
    }

    /// bumpalo 3.15: shrinking copied an allocation over itself. Ours stays
    /// where it is, whether it is the last one or not.
    #[test]
    fn shrinking_moves_nothing() {
        let arena = Arena::new();
        let mut first: Vec<u8, _> = Vec::new_in(&arena);
        first.extend((0..=255).cycle().take(1_000));
        let mut last: Vec<u8, _> = Vec::new_in(&arena);
        last.extend((0..=255).cycle().take(1_000));
        for numbers in [&mut first, &mut last] {
            let at = numbers.as_ptr();
            numbers.truncate(500);
            numbers.shrink_to_fit();
            assert_eq!(numbers.as_ptr(), at);
            assert!(numbers.iter().copied().eq((0..=255).cycle().take(500)));
        }
    }

    /// bump-scope #92: freeing what came from another alignment left the cursor
    /// askew.
    #[test]
    fn freeing_an_odd_size_leaves_the_cursor_aligned() {
        let arena = Arena::new();
        let allocator = &arena;
        for size in 1..40 {
            let at = allocator.allocate(layout(size, 1)).unwrap().cast();
            if size % 3 == 0 {
                // SAFETY: handed out with this layout.
                unsafe { allocator.deallocate(at, layout(size, 1)) };
            }
            assert_eq!(arena.used() % 8, 0);
            assert_eq!(bytes(&arena, 1).addr().get() % 8, 0);
        }
    }
}

/// bump-scope #127: an endless loop where the next block that was kept is too
/// small. Ours has blocks of one size at least, and large ones of their own.
#[test]
fn a_kept_block_that_is_too_small_is_not_tried_for_ever() {
    let strip = Strip::new(64);
    let mut arena = Arena::with_source(&strip);
    for _ in 0..4 {
        bytes(&arena, ROOM);
        strip.disturb();
        bytes(&arena, 100);
    }
    arena.reset();
    bytes(&arena, 8);
    bytes(&arena, 5 * PAGE);
    bytes(&arena, ROOM - 8);
    bytes(&arena, 5 * PAGE);
    assert_identities(&arena);
}

/// bumpalo #152: one large allocation doubled all that came after it.
#[test]
fn ten_bytes_a_megabyte_and_ten_bytes_take_a_megabyte_and_two_pages_at_most() {
    let arena = Arena::new();
    bytes(&arena, 10);
    bytes(&arena, 1 << 20);
    bytes(&arena, 10);
    assert!(arena.usage().committed <= (1 << 20) + 2 * PAGE);
}

/// bumpalo #314: going back after a value failed to initialise marked the new
/// chunk as full, and memory grew for ever.
#[test]
fn a_scope_that_fails_again_and_again_takes_no_more_memory() {
    let mut arena = Arena::new();
    for _ in 0..2 {
        let committed: Vec<usize> = (0..50)
            .map(|_| {
                let scope = arena.scope();
                bytes(&scope, 200_000);
                drop(scope);
                arena.usage().committed
            })
            .collect();
        assert!(committed.iter().all(|&c| c == committed[0]));
        arena.reset();
    }
}

/// bumpalo #244: a limit held for new chunks only. Ours holds within a block.
#[test]
fn a_limit_binds_within_the_block_that_is_there_already() {
    let mut arena = Arena::new();
    bytes(&arena, 8);
    arena.set_budget(Some(16));
    bytes(&arena, 8);
    assert!(arena.alloc_layout(layout(8, 8)).is_err());
}

/// oxc #18186: an allocation without a size wrote the cursor of an arena that
/// has no memory. A `static` arena in read-only memory would trap here.
#[test]
fn nothing_is_written_for_nothing() {
    let arena = Arena::new();
    let before = (arena.cursor.get(), arena.limit.get());
    for align in [1, 8, 64, 4_096] {
        arena.alloc_layout(layout(0, align)).unwrap();
        arena.alloc_zeroed(layout(0, align)).unwrap();
    }
    assert_eq!((arena.cursor.get(), arena.limit.get()), before);
}

/// talc 5.0.4: a request for more memory was too small for what it was made
/// for, and repeated without end.
#[test]
fn what_is_taken_for_an_allocation_holds_it() {
    for size in [ROOM - 8, ROOM, ROOM + 8, PAGE, 2 * PAGE - HEADER, 2 * PAGE] {
        for align in [8, 16, 64, 4_096, PAGE] {
            for extended in [false, true] {
                let strip = Strip::new(64);
                let arena = Arena::with_source(&strip);
                bytes(&arena, 8);
                if !extended {
                    strip.disturb();
                }
                let before = arena.usage().grows;
                arena.alloc_layout(layout(size, align)).unwrap();
                assert!(arena.usage().grows <= before + 1, "{size}, {align}");
                assert_identities(&arena);
            }
        }
    }
}

/// nginx: what is to be cleaned up lies in the memory that a reset takes back,
/// and was not run before.
#[test]
fn what_has_to_be_dropped_is_dropped_while_it_is_still_there() {
    struct Reads(u64, std::rc::Rc<Cell<u64>>);
    impl Drop for Reads {
        fn drop(&mut self) {
            self.1.set(self.0);
        }
    }
    let seen = std::rc::Rc::new(Cell::new(0));
    let mut arena = Arena::new();
    arena.set_scrub(Scrub::Poison);
    arena
        .alloc_deferred(Reads(42, std::rc::Rc::clone(&seen)))
        .unwrap();
    arena.reset();
    assert_eq!(seen.get(), 42);
}

/// Go's arenas and every C arena: use after the end. The compiler refuses it,
/// see the examples that do not compile on `Arena`, `Scope`, `ArenaBox`, and
/// the `Allocator` implementation. This one is for `Send` (bump-scope 2.3.3):
/// an arena with allocations must not change threads under them.
#[test]
fn an_arena_is_not_for_two_threads() {
    trait AmbiguousIfSend<A> {
        fn some_item() {}
    }
    impl<T: ?Sized> AmbiguousIfSend<()> for T {}
    impl<T: ?Sized + Send> AmbiguousIfSend<u8> for T {}
    // Does not compile if either is `Send`.
    <Arena as AmbiguousIfSend<_>>::some_item();
    <super::super::Scope<'static> as AmbiguousIfSend<_>>::some_item();
    <super::super::Buffer<'static> as AmbiguousIfSend<_>>::some_item();
}
