//! The self-test: an allocator with its answers checked. What is handed out is
//! aligned, is inside the instance's memory, overlaps nothing that is still in
//! use, is zero where that was asked for, and vectors hold what was pushed.
//!
//! A workload runs once with [`Checked`] around its allocator, untimed, before
//! anything is measured. It is the same generic function.

use core::alloc::Layout;
use core::cell::RefCell;
use core::ptr::NonNull;
use std::collections::BTreeMap;

use crate::cell::Local;
use crate::subject::{Global, Object, Reclaim, Subject, Vector, aligned_to_8};

#[link(wasm_import_module = "bench")]
unsafe extern "C" {
    /// Takes a message for the report.
    fn complain(at: *const u8, len: usize);
}

/// Ends the instance with a message.
#[cold]
pub fn fail(message: &str) -> ! {
    // SAFETY: the bytes of a text.
    unsafe { complain(message.as_ptr(), message.len()) };
    core::arch::wasm32::unreachable()
}

/// What is in use: start and end.
#[derive(Default)]
pub struct Live(BTreeMap<usize, usize>);

impl Live {
    pub fn add(&mut self, start: usize, layout: Layout) {
        if !start.is_multiple_of(layout.align()) {
            fail("an allocation is not aligned as it was asked to be");
        }
        let Some(end) = start.checked_add(layout.size()) else {
            fail("an allocation runs past the end of the address space");
        };
        if start == 0 || end > core::arch::wasm32::memory_size::<0>() << 16 {
            fail("an allocation is not inside memory");
        }
        if layout.size() == 0 {
            return;
        }
        let before = self.0.range(..=start).next_back();
        let after = self.0.range(start..).next();
        if before.is_some_and(|(_, &other)| other > start)
            || after.is_some_and(|(&other, _)| other < end)
        {
            fail("an allocation overlaps another one that is in use");
        }
        self.0.insert(start, end);
    }

    pub fn remove(&mut self, start: usize) {
        self.0.remove(&start);
    }
}

/// What the checked global allocator has handed out.
static GLOBAL: Local<Option<Live>> = Local::new(None);

/// Looks at what the checked global allocator has handed out.
pub fn global(look: impl FnOnce(&mut Live)) {
    // SAFETY: one thread, and while this runs the guest's own heap is the global
    // allocator, so nothing comes back here.
    look(unsafe { (*GLOBAL.at()).get_or_insert_default() });
}

/// An allocator with its answers checked.
pub struct Checked<S> {
    inner: S,
    live: RefCell<Live>,
}

impl<S> Checked<S> {
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn new(inner: S) -> Self {
        Self {
            inner,
            live: RefCell::default(),
        }
    }

    fn add(&self, at: NonNull<u8>, layout: Layout) -> NonNull<u8> {
        self.live.borrow_mut().add(at.addr().get(), layout);
        at
    }
}

impl<S: Subject> Subject for Checked<S> {
    const RECLAIM: Reclaim = S::RECLAIM;
    const SCALE: usize = 100;
    type Vector<'a>
        = CheckedVector<S::Vector<'a>>
    where
        S: 'a;

    fn create() -> Self {
        Self::new(S::create())
    }

    fn create_for(bytes: usize) -> Self {
        Self::new(S::create_for(bytes))
    }

    fn with_room(bytes: usize) -> Self {
        Self::new(S::with_room(bytes))
    }

    fn place(&self) -> NonNull<u8> {
        self.add(self.inner.place(), Layout::new::<Object>())
    }

    fn object(&self, value: Object) -> NonNull<u8> {
        let at = self.add(self.inner.object(value), Layout::new::<Object>());
        // SAFETY: an object was just put there.
        if unsafe { at.cast::<Object>().read() } != value {
            fail("an object is not what was allocated");
        }
        at
    }

    fn sized(&self, size: usize) -> NonNull<u8> {
        self.add(self.inner.sized(size), aligned_to_8(size))
    }

    fn layout(&self, layout: Layout) -> NonNull<u8> {
        self.add(self.inner.layout(layout), layout)
    }

    fn text(&self, text: &str) -> NonNull<u8> {
        let at = self.add(self.inner.text(text), Layout::for_value(text));
        // SAFETY: as many bytes were just handed out, all written.
        let copy = unsafe { core::slice::from_raw_parts(at.as_ptr(), text.len()) };
        if copy != text.as_bytes() {
            fail("the copy of a text differs from it");
        }
        at
    }

    fn zeroed(&self, size: usize) -> NonNull<u8> {
        let at = self.add(self.inner.zeroed(size), aligned_to_8(size));
        // SAFETY: as many bytes were just handed out, all zeroed.
        let bytes = unsafe { core::slice::from_raw_parts_mut(at.as_ptr(), size) };
        if bytes.iter().any(|&byte| byte != 0) {
            fail("zeroed memory is not zero");
        }
        // All of it is dirty now, and not only what the workload writes; but for
        // the last word, which the workload looks at.
        let dirty = size.saturating_sub(8);
        bytes[..dirty].fill(0xA5);
        at
    }

    fn vector(&self) -> Self::Vector<'_> {
        CheckedVector {
            inner: self.inner.vector(),
            pushed: Vec::new(),
        }
    }

    unsafe fn free(&self, at: NonNull<u8>, layout: Layout) {
        self.live.borrow_mut().remove(at.addr().get());
        // SAFETY: passed on.
        unsafe { self.inner.free(at, layout) }
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.live.borrow_mut().0.clear();
        global(|live| live.0.clear());
    }

    fn scrub(&mut self) {
        self.inner.scrub();
    }

    fn held(&self) -> Option<usize> {
        self.inner.held()
    }
}

/// Behind the checked global allocator calls go to the inner one directly.
impl<S: Global> Global for Checked<S> {
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { self.inner.allocate(layout) }
    }

    unsafe fn deallocate(&self, at: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { self.inner.deallocate(at, layout) }
    }

    unsafe fn reallocate(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { self.inner.reallocate(at, layout, new_size) }
    }
}

/// A vector, and a copy of what was pushed in memory of the guest's own.
pub struct CheckedVector<V: Vector> {
    inner: V,
    pushed: Vec<u32>,
}

impl<V: Vector> Vector for CheckedVector<V> {
    fn push(&mut self, value: u32) {
        self.inner.push(value);
        self.pushed.push(value);
    }

    fn items(&self) -> &[u32] {
        self.inner.items()
    }
}

impl<V: Vector> Drop for CheckedVector<V> {
    fn drop(&mut self) {
        let items = self.inner.items();
        if !items.as_ptr().addr().is_multiple_of(align_of::<u32>()) {
            fail("a vector is not aligned");
        }
        if items != self.pushed {
            fail("a vector does not hold what was pushed");
        }
    }
}
