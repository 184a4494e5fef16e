//! Values in an arena that have an owner, who drops them.

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::{AllocError, Arena, PageSource};

/// An owned value in an arena: dropped with the box, while its place is taken
/// back with the arena.
///
/// For values that own something outside of the arena and have an end before
/// it. Those that shall be dropped at the reset go to
/// [`Arena::alloc_deferred`]; those that own nothing need no box but
/// [`Arena::alloc`].
///
/// ```
/// let arena = lavandula::Arena::new();
/// let mut words = arena.alloc_owned(vec![String::from("lavender")])?;
/// words.push(String::from("thyme"));
/// assert_eq!(words.join(", "), "lavender, thyme");
/// drop(words); // frees the strings
/// # Ok::<(), lavandula::AllocError>(())
/// ```
///
/// It cannot outlive the arena:
///
/// ```compile_fail,E0505
/// let arena = lavandula::Arena::new();
/// let name = arena.alloc_owned(String::from("gone")).unwrap();
/// drop(arena);
/// println!("{}", *name);
/// ```
#[must_use = "the value is dropped with its box"]
pub struct ArenaBox<'a, T> {
    value: NonNull<T>,
    owned: PhantomData<(&'a (), T)>,
}

impl<P: PageSource> Arena<P> {
    /// Moves `value` into the arena, and returns its owner.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout); `value` is dropped then.
    #[inline]
    pub fn alloc_owned<T>(&self, value: T) -> Result<ArenaBox<'_, T>, AllocError> {
        let place = self.alloc_layout(Layout::new::<T>())?.cast::<T>();
        // SAFETY: the place has the layout of `T`, and nobody else has it.
        unsafe { place.write(value) };
        Ok(ArenaBox {
            value: place,
            owned: PhantomData,
        })
    }
}

impl<T> ArenaBox<'_, T> {
    /// Moves the value out of the arena.
    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the box owns the value and is not dropped, so nobody else
        // reads or drops it.
        unsafe { this.value.read() }
    }
}

impl<T> Drop for ArenaBox<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the box owns the value, which lies in the arena, which the box
        // borrows.
        unsafe { self.value.drop_in_place() }
    }
}

impl<T> Deref for ArenaBox<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: as in `drop`, and the reference borrows the box.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for ArenaBox<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `drop`, and the reference borrows the box mutably.
        unsafe { self.value.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for ArenaBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// SAFETY: a box owns its value as `alloc::boxed::Box` does, and never touches
// the arena.
unsafe impl<T: Send> Send for ArenaBox<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for ArenaBox<'_, T> {}
