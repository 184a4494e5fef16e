//! Values that the reset drops.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::{AllocError, Arena, PageSource};

/// The head of an entry in the list of what is to be dropped. The value follows
/// it, in the same allocation.
pub(super) struct Deferred {
    before: Option<NonNull<Deferred>>,
    /// Drops the value of the entry that it is called with, once.
    drop_value: unsafe fn(NonNull<Deferred>),
}

#[repr(C)]
struct Entry<T> {
    head: Deferred,
    value: T,
}

impl<P: PageSource> Arena<P> {
    /// Moves `value` into the arena, to be dropped at the next reset (or with
    /// the arena), what came last first.
    ///
    /// For what has to be there until the end of the request and owns something
    /// outside of the arena: a file, a connection, a guard that does something
    /// when it is dropped. The value must not borrow anything, since the arena
    /// cannot know what will still be there when it is dropped.
    ///
    /// Where one panics, the others are dropped nevertheless, and the panic goes
    /// on; a second one aborts.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout); `value` is dropped then.
    ///
    /// ```
    /// struct Goodbye;
    /// impl Drop for Goodbye {
    ///     fn drop(&mut self) {
    ///         println!("the request has ended");
    ///     }
    /// }
    ///
    /// let mut arena = lavandula::Arena::new();
    /// arena.alloc_deferred(Goodbye)?;
    /// let name = arena.alloc_deferred(String::from("lavender"))?;
    /// name.push_str(" oil");
    /// arena.reset(); // frees the string, and then says goodbye
    /// # Ok::<(), lavandula::AllocError>(())
    /// ```
    #[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
    pub fn alloc_deferred<T: 'static>(&self, value: T) -> Result<&mut T, AllocError> {
        unsafe fn drop_value<T>(entry: NonNull<Deferred>) {
            // SAFETY: called once, with the head of an `Entry<T>`, and nobody
            // uses the value any longer.
            unsafe { (&raw mut (*entry.cast::<Entry<T>>().as_ptr()).value).drop_in_place() }
        }

        let layout = Layout::new::<Entry<T>>();
        let place = self.alloc_layout(layout)?.cast::<Entry<T>>();
        // SAFETY: the place has the layout of the entry and nobody else has it.
        // The reference is to the value alone, so that the list may be walked
        // while it is used; it ends before a reset, which takes `&mut self`.
        let value = unsafe {
            place.write(Entry {
                head: Deferred {
                    before: self.deferred.get(),
                    drop_value: drop_value::<T>,
                },
                value,
            });
            &mut (*place.as_ptr()).value
        };
        self.deferred.set(Some(place.cast()));
        Ok(value)
    }

    /// Drops what was deferred, also where one of them panics.
    ///
    /// By shared reference, since what is dropped may allocate and free, and the
    /// arena may be what the global allocator works with.
    ///
    /// # Safety
    /// Nobody uses the values any longer.
    pub(crate) unsafe fn drop_deferred(&self) {
        /// Goes on where a panic left off.
        struct Rest<'a, P: PageSource>(&'a Arena<P>);

        impl<P: PageSource> Drop for Rest<'_, P> {
            fn drop(&mut self) {
                // SAFETY: by the contract of the function around it.
                unsafe { self.0.drop_deferred() };
            }
        }

        while let Some(entry) = self.deferred.get() {
            // SAFETY: the list holds entries of this arena, which has not been
            // reset since they were made.
            let Deferred { before, drop_value } = unsafe { entry.read() };
            self.deferred.set(before);
            let rest = Rest(self);
            // SAFETY: taken from the list, so this is the only call, and by the
            // contract nobody uses the value.
            unsafe { drop_value(entry) };
            core::mem::forget(rest);
        }
    }
}
