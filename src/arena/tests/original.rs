//! The faults of the C arena that this one began from, each by name.

use super::*;

#[test]
fn blocks_are_not_lost_after_a_reset() {
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    for _ in 0..20 {
        for _ in 0..5 {
            bytes(&arena, ROOM);
        }
        arena.reset();
        assert_identities(&arena);
    }
    // One page, one more, and two, and four: as much as there was each time.
    assert_eq!(source.taken.get(), 4);
    assert_eq!(arena.usage().committed, 8 * PAGE);
    drop(arena);
    assert_eq!(source.given_back.get(), 4);
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
