//! Statics of a module with one thread.

use core::cell::UnsafeCell;

#[cfg(target_feature = "atomics")]
compile_error!("the bench's guest has statics for one thread: build it without `atomics`");

/// A value in a static, for an instance that runs on one thread.
pub struct Local<T>(UnsafeCell<T>);

// SAFETY: without atomics (refused above) an instance runs on one thread.
unsafe impl<T> Sync for Local<T> {}

impl<T> Local<T> {
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Where it is.
    pub const fn at(&self) -> *mut T {
        self.0.get()
    }
}

impl<T: Copy> Local<T> {
    #[inline(always)]
    pub fn get(&self) -> T {
        // SAFETY: there is one thread, and no reference into a copied value is
        // ever handed out by this method or by `set`.
        unsafe { self.0.get().read() }
    }

    #[inline(always)]
    pub fn set(&self, value: T) {
        // SAFETY: as above.
        unsafe { self.0.get().write(value) }
    }
}
