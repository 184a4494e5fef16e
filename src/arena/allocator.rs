//! Collections in an arena: the `Allocator` trait, as `allocator-api2` has it.

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use super::bump::MIN_ALIGN;
use super::{Arena, PageSource};

/// With the feature `allocator-api2`, collections that take an allocator live
/// in an arena: `allocator_api2::vec::Vec` and `boxed::Box`, hashbrown's maps
/// and others.
///
/// The allocation that comes last grows and shrinks in place, and is taken back
/// when it is freed; others stay until the reset.
///
/// ```
/// use allocator_api2::vec::Vec;
/// use lavandula::Arena;
///
/// let mut arena = Arena::new();
/// let mut squares = Vec::new_in(&arena);
/// squares.extend((0..1_000_u64).map(|n| n * n));
/// assert_eq!(squares[999], 998_001);
/// drop(squares);
/// arena.reset();
/// ```
///
/// A collection cannot outlive the reset:
///
/// ```compile_fail,E0502
/// let mut arena = lavandula::Arena::new();
/// let numbers = allocator_api2::vec::Vec::<u8, _>::new_in(&arena);
/// arena.reset();
/// drop(numbers);
/// ```
// SAFETY: what is handed out stays where it is and belongs to nobody else until
// it is deallocated or the arena is reset or dropped, and those two take the
// arena by `&mut` or by value, which no `&Arena` survives. Copies of a `&Arena`
// are the same arena.
unsafe impl<P: PageSource> Allocator for &Arena<P> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        sized(self.alloc_layout(layout), layout)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        sized(self.alloc_zeroed(layout), layout)
    }

    #[inline]
    unsafe fn deallocate(&self, at: NonNull<u8>, layout: Layout) {
        self.free(at, layout.size());
    }

    unsafe fn grow(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promises are those of `grow_slot`.
        let grown = unsafe { self.grow_slot(at, old, new) };
        sized(grown.map(|slot| slot.start), new)
    }

    unsafe fn grow_zeroed(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promises are those of `grow_slot`.
        let slot = unsafe { self.grow_slot(at, old, new) }.map_err(|_| AllocError)?;
        // Zero already is what lies behind both the mark of the block and the
        // old allocation, whose padding may have been written to before it
        // shrank.
        let start = slot.start.addr().get();
        let padded = old.size().next_multiple_of(MIN_ALIGN);
        let end = slot.dirty.saturating_sub(start).max(padded).min(new.size());
        if let Some(bytes) = end.checked_sub(old.size()) {
            // SAFETY: `old.size()..end` lies within what was handed out.
            unsafe { slot.start.add(old.size()).write_bytes(0, bytes) };
        }
        Ok(NonNull::slice_from_raw_parts(slot.start, new.size()))
    }

    unsafe fn shrink(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if at.addr().get().is_multiple_of(new.align()) {
            if old.size() > 0 && self.resize(at, old.size(), new.size()).is_none() {
                // SAFETY: `new` is no larger than `old`, by the caller's promise.
                let tail = unsafe { at.add(new.size()) };
                self.overwrite(tail, old.size() - new.size());
            }
            return Ok(NonNull::slice_from_raw_parts(at, new.size()));
        }
        // A larger alignment, which this place happens not to have.
        let moved = self.alloc_layout(new).map_err(|_| AllocError)?;
        // SAFETY: both have `new.size()` bytes at least, and the new one was
        // just handed out, so they are apart.
        unsafe { moved.copy_from_nonoverlapping(at, new.size()) };
        self.free(at, old.size());
        Ok(NonNull::slice_from_raw_parts(moved, new.size()))
    }
}

fn sized(
    start: Result<NonNull<u8>, super::AllocError>,
    layout: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    match start {
        Ok(start) => Ok(NonNull::slice_from_raw_parts(start, layout.size())),
        Err(_) => Err(AllocError),
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};

    use allocator_api2::boxed::Box;
    use allocator_api2::vec::Vec;

    use super::*;

    #[test]
    fn a_vector_that_is_last_grows_in_place() {
        let arena = Arena::new();
        let mut numbers = Vec::new_in(&arena);
        numbers.push(0_u64);
        let start = numbers.as_ptr();
        (1..1_000).for_each(|n| numbers.push(n));
        assert_eq!(numbers.as_ptr(), start);
        assert!(arena.used() <= 1_024 * 8);
        numbers.truncate(10);
        numbers.shrink_to_fit();
        assert_eq!((numbers.as_ptr(), arena.used()), (start, 80));
        drop(numbers);
        assert_eq!(arena.used(), 0);
    }

    #[test]
    fn interleaved_vectors_keep_what_they_hold() {
        let arena = Arena::new();
        let mut vectors: std::vec::Vec<Vec<u32, &Arena>> =
            (0..10).map(|_| Vec::new_in(&arena)).collect();
        for n in 0..2_000 {
            vectors[(n % 10) as usize].push(n);
        }
        for (i, vector) in vectors.iter().enumerate() {
            let expected = (0..200).map(|n| n * 10 + i as u32);
            assert!(vector.iter().copied().eq(expected));
        }
    }

    #[test]
    fn values_with_drop_are_dropped_by_the_collection() {
        let arena = Arena::new();
        let text = std::rc::Rc::new(());
        let kept = Box::new_in((text.clone(), "in the arena".to_string()), &arena);
        assert_eq!(std::rc::Rc::strong_count(&text), 2);
        assert_eq!(kept.1, String::from("in the arena"));
        drop(kept);
        assert_eq!(std::rc::Rc::strong_count(&text), 1);
    }

    #[test]
    fn grown_and_zeroed_is_zero_behind_what_was_there() {
        let mut arena = Arena::new();
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        for _ in 0..2 {
            let allocator = &arena;
            // SAFETY: each pointer is used with the layout it came with.
            unsafe {
                let at = allocator.allocate(layout(64)).unwrap().cast::<u8>();
                at.write_bytes(7, 64);
                let grown = allocator
                    .grow_zeroed(at, layout(64), layout(4_096))
                    .unwrap();
                let bytes = grown.as_ref();
                assert!(bytes[..64].iter().all(|&b| b == 7));
                assert!(bytes[64..].iter().all(|&b| b == 0));
                grown.cast::<u8>().write_bytes(0xFF, 4_096);
            }
            arena.reset();
        }
    }

    #[test]
    fn a_larger_alignment_is_met_when_growing_and_when_shrinking() {
        let arena = Arena::new();
        let allocator = &arena;
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        // SAFETY: each pointer is used with the layout it came with.
        unsafe {
            let at = allocator.allocate(layout(8, 8)).unwrap().cast::<u8>();
            at.cast::<u64>().write(42);
            let grown = allocator.grow(at, layout(8, 8), layout(64, 4_096)).unwrap();
            assert_eq!(grown.cast::<u8>().addr().get() % 4_096, 0);
            assert_eq!(grown.cast::<u64>().read(), 42);
            let at = allocator.allocate(layout(64, 8)).unwrap().cast::<u8>();
            at.cast::<u64>().write(43);
            let shrunk = allocator
                .shrink(at, layout(64, 8), layout(8, 4_096))
                .unwrap();
            assert_eq!(shrunk.cast::<u8>().addr().get() % 4_096, 0);
            assert_eq!(shrunk.cast::<u64>().read(), 43);
        }
    }

    #[test]
    fn an_arena_without_room_is_an_error_of_the_collection() {
        let mut arena = Arena::new();
        arena.set_budget(Some(64));
        let mut bytes: Vec<u8, &Arena> = Vec::new_in(&arena);
        assert!(bytes.try_reserve_exact(64).is_ok());
        assert!(bytes.try_reserve_exact(65).is_err());
    }
}
