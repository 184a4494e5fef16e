//! Buffers, formatted text, owned values, and values dropped at the reset.

use super::*;

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

// Formatted text.

struct Refuses;

impl core::fmt::Display for Refuses {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Err(core::fmt::Error)
    }
}

#[test]
fn formatted_text_is_what_format_makes() {
    let arena = Arena::new();
    for n in [0_u64, 7, u64::MAX] {
        let text = arena
            .alloc_fmt(format_args!("<{n:>20}> {:?}", "ü"))
            .unwrap();
        assert_eq!(*text, *format!("<{n:>20}> {:?}", "ü"));
    }
    assert_eq!(arena.alloc_fmt(format_args!("plain")).unwrap(), "plain");
}

#[test]
fn formatting_tells_its_errors_apart_and_gives_back_what_it_had() {
    let mut arena = Arena::new();
    arena.set_budget(Some(1_000));
    let before = arena.used();
    let long = "x".repeat(2_000);
    let error = arena.alloc_fmt(format_args!("{}{long}", 1)).unwrap_err();
    assert!(matches!(error, AllocError::Budget { .. }));
    let error = arena.alloc_fmt(format_args!("{}{Refuses}", 1)).unwrap_err();
    assert_eq!(error, AllocError::Format);
    assert_eq!(arena.used(), before);

    let mut buffer = arena.buffer();
    assert_eq!(write!(buffer, "{Refuses}"), Err(AllocError::Format));
    let error = write!(buffer, "{long}").unwrap_err();
    assert!(matches!(error, AllocError::Budget { .. }));
    write!(buffer, "{}", 5).unwrap();
    assert_eq!(buffer.finish(), b"5");
}

/// Writes, and keeps to itself that it failed.
struct Swallows;

impl core::fmt::Display for Swallows {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let _ = f.write_str(&"x".repeat(1_000));
        Ok(())
    }
}

#[test]
fn text_that_is_not_all_there_is_an_error() {
    let mut arena = Arena::new();
    arena.set_budget(Some(100));
    let error = arena.alloc_fmt(format_args!("{Swallows}!")).unwrap_err();
    assert!(matches!(error, AllocError::Budget { .. }));
}

#[test]
fn a_buffer_that_is_dropped_or_empty_leaves_nothing_behind() {
    let arena = Arena::new();
    let mut dropped = arena.buffer();
    dropped.push(&[1; 5_000]).unwrap();
    drop(dropped);
    let mut empty = arena.buffer();
    empty.reserve(5_000).unwrap();
    assert_eq!(empty.finish(), b"");
    assert_eq!(arena.used(), 0);
    assert_identities(&arena);
}

#[cfg(feature = "std")]
#[test]
fn the_error_of_io_holds_that_of_the_arena() {
    use std::io::Write;
    let mut arena = Arena::new();
    arena.set_budget(Some(100));
    let mut buffer = arena.buffer();
    let error = Write::write_all(&mut buffer, &[0; 200]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
    let inner = error.get_ref().unwrap().downcast_ref::<AllocError>();
    assert!(matches!(inner, Some(AllocError::Budget { .. })));
}

// Values with an end.

/// Writes its number down when it is dropped.
struct Noted(u8, std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
        assert!(self.0 != 13, "unlucky");
    }
}

#[test]
fn what_was_deferred_is_dropped_once_and_last_first() {
    let notes = std::rc::Rc::default();
    let noted = |n| Noted(n, std::rc::Rc::clone(&notes));
    let mut arena = Arena::new();
    for round in 1..3 {
        for n in 0..3 {
            let value = arena.alloc_deferred(noted(n)).unwrap();
            value.0 += round * 10;
            bytes(&arena, 40_000);
        }
        assert!(notes.borrow().is_empty());
        arena.reset();
        let expected: Vec<u8> = (0..3).rev().map(|n| round * 10 + n).collect();
        assert_eq!(notes.take(), expected);
        arena.reset();
        assert!(notes.borrow().is_empty());
    }
    arena.alloc_deferred(noted(9)).unwrap();
    drop(arena);
    assert_eq!(notes.take(), [9]);
}

#[test]
fn what_a_scope_deferred_is_dropped_with_the_scope() {
    let notes = std::rc::Rc::default();
    let noted = |n| Noted(n, std::rc::Rc::clone(&notes));
    let mut arena = Arena::new();
    arena.alloc_deferred(noted(1)).unwrap();
    {
        let scope = arena.scope();
        scope.alloc_deferred(noted(2)).unwrap();
        arena.alloc_deferred(noted(3)).unwrap();
    }
    assert_eq!(notes.take(), [2]);
    arena.reset();
    assert_eq!(notes.take(), [3, 1]);
}

#[test]
fn a_value_that_panics_when_dropped_keeps_neither_values_nor_pages() {
    let notes = std::rc::Rc::default();
    let noted = |n| Noted(n, std::rc::Rc::clone(&notes));
    let source = Counting::default();
    let mut arena = Arena::with_source(&source);
    let defer = |arena: &Arena<&Counting>| {
        for n in [1, 13, 2] {
            arena.alloc_deferred(noted(n)).unwrap();
        }
    };
    let panics = |act: &mut dyn FnMut()| {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        assert!(result.is_err());
        assert_eq!(notes.take(), [2, 13, 1]);
    };
    defer(&arena);
    panics(&mut || arena.reset());
    arena.reset();
    let was = arena.used();
    panics(&mut || {
        let scope = arena.scope();
        defer(&scope);
    });
    assert_eq!(arena.used(), was);
    defer(&arena);
    let mut arena = Some(arena);
    panics(&mut || drop(arena.take()));
    assert_eq!(source.taken.get(), source.given_back.get());
}

#[test]
fn a_value_that_finds_no_room_is_dropped() {
    let notes = std::rc::Rc::default();
    let noted = |n| Noted(n, std::rc::Rc::clone(&notes));
    let source = Counting::failing_from(0);
    let arena = Arena::with_source(&source);
    assert!(arena.alloc_deferred(noted(1)).is_err());
    assert!(arena.alloc_owned(noted(2)).is_err());
    assert_eq!(notes.take(), [1, 2]);
}

#[test]
fn an_owned_value_is_dropped_with_its_box_or_moved_out_of_it() {
    let notes = std::rc::Rc::default();
    let noted = |n| Noted(n, std::rc::Rc::clone(&notes));
    let arena = Arena::new();
    let mut first = arena.alloc_owned(noted(1)).unwrap();
    first.0 = 5;
    let second = arena.alloc_owned(noted(2)).unwrap();
    let second = second.into_inner();
    assert!(notes.borrow().is_empty());
    drop(first);
    assert_eq!(notes.take(), [5]);
    drop(second);
    assert_eq!(notes.take(), [2]);
    let nothing = arena.alloc_owned(()).unwrap();
    assert_eq!(*nothing, ());
}
