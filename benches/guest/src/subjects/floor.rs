//! The floor: the least that is correct. One region, taken beforehand, with the
//! cursor and its limit in a struct in memory, upwards.
//!
//! It cannot get more memory, keeps no figures, and its cursor is a multiple of 8
//! throughout. Past the limit it traps.

use core::alloc::Layout;
use core::cell::Cell;
use core::hint::black_box;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};
use allocator_api2::vec::Vec;

use crate::cell::Local;
use crate::subject::{Global, Object, Reclaim, Subject, out_of_memory, vector};

pub struct Floor {
    cursor: Cell<*mut u8>,
    limit: Cell<usize>,
    start: *mut u8,
    /// Its own region. Empty where it is the shared one.
    _region: Vec<u64>,
}

/// Enough for every workload that does not say how much it needs.
const REGION: usize = 4 << 20;

/// The region of [`Floor::create`], taken once.
static SHARED: Local<*mut u8> = Local::new(core::ptr::null_mut());

impl Floor {
    #[inline(always)]
    fn over(start: *mut u8, bytes: usize, region: Vec<u64>) -> Self {
        Self {
            cursor: Cell::new(start),
            limit: Cell::new(start.addr() + bytes),
            start,
            _region: region,
        }
    }

    /// `size` is a multiple of 8.
    #[inline(always)]
    fn bump(&self, size: usize) -> NonNull<u8> {
        let start = self.cursor.get();
        // Regions end far below the top of the address space, and no workload
        // asks for sizes that could reach it.
        if start.addr() + size > self.limit.get() {
            return self.refused();
        }
        // SAFETY: the end is within the region, by the comparison, and the
        // region does not start at address zero.
        unsafe {
            self.cursor.set(start.add(size));
            NonNull::new_unchecked(start)
        }
    }

    /// Past the limit. The compiler is not told that this does not return: a loop
    /// around the floor has the same shape then as one around an arena, which would
    /// come back with another block, and is not unrolled where those are not.
    #[cold]
    #[inline(never)]
    fn refused(&self) -> NonNull<u8> {
        if black_box(true) {
            out_of_memory();
        }
        NonNull::dangling()
    }

    /// Whether the allocation that ends at the cursor starts at `at`.
    #[inline]
    fn is_last(&self, at: *mut u8, size: usize) -> bool {
        at.addr() + size.next_multiple_of(8) == self.cursor.get().addr()
    }
}

impl Subject for Floor {
    const RECLAIM: Reclaim = Reclaim::AtOnce;
    type Vector<'a> = Vec<u32, Through<'a, Self>>;

    /// All that are made this way share one region: there is one at a time.
    #[inline(always)]
    fn create() -> Self {
        if SHARED.get().is_null() {
            let region = Vec::<u64>::with_capacity(REGION / 8);
            SHARED.set(region.leak().as_mut_ptr().cast());
        }
        Self::over(SHARED.get(), REGION, Vec::new())
    }

    fn create_for(bytes: usize) -> Self {
        Self::with_room(bytes)
    }

    fn with_room(bytes: usize) -> Self {
        let mut region = Vec::<u64>::with_capacity(bytes.div_ceil(8));
        Self::over(region.as_mut_ptr().cast(), bytes, region)
    }

    #[inline(always)]
    fn place(&self) -> NonNull<u8> {
        self.bump(size_of::<Object>())
    }

    #[inline(always)]
    fn object(&self, value: Object) -> NonNull<u8> {
        let at = self.place();
        // SAFETY: the place was just handed out for an object.
        unsafe { at.cast().write(value) };
        at
    }

    #[inline(always)]
    fn sized(&self, size: usize) -> NonNull<u8> {
        self.bump((size + 7) & !7)
    }

    #[inline(always)]
    fn layout(&self, layout: Layout) -> NonNull<u8> {
        // An alignment of 1 to 8 is what the cursor has: the mask is then 7 or
        // less, and changes nothing.
        let mask = layout.align() - 1;
        let cursor = self.cursor.get();
        let start = (cursor.addr() + mask) & !mask;
        let end = (start + layout.size() + 7) & !7;
        if end > self.limit.get() {
            return self.refused();
        }
        // SAFETY: both lie within the region, by the comparison.
        unsafe {
            self.cursor.set(cursor.add(end - cursor.addr()));
            NonNull::new_unchecked(cursor.add(start - cursor.addr()))
        }
    }

    #[inline(always)]
    fn text(&self, text: &str) -> NonNull<u8> {
        let at = self.sized(text.len());
        // SAFETY: the memory was just handed out for a text of this length.
        unsafe { at.copy_from_nonoverlapping(NonNull::from(text).cast(), text.len()) };
        at
    }

    #[inline(always)]
    fn zeroed(&self, size: usize) -> NonNull<u8> {
        let at = self.sized(size);
        // SAFETY: `size` bytes were just handed out.
        unsafe { at.write_bytes(0, size) };
        at
    }

    #[inline(always)]
    fn vector(&self) -> Self::Vector<'_> {
        Vec::new_in(Through(self))
    }

    #[inline(always)]
    fn reset(&mut self) {
        self.cursor.set(self.start);
    }
}

impl Global for Floor {
    #[inline]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        self.layout(layout).as_ptr()
    }

    #[inline]
    unsafe fn deallocate(&self, _at: *mut u8, _layout: Layout) {}

    /// In place where it is the last one: without that a vector that grows would
    /// copy itself every time.
    #[inline]
    unsafe fn reallocate(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if self.is_last(at, layout.size()) {
            let end = (at.addr() + new_size + 7) & !7;
            if end > self.limit.get() {
                out_of_memory();
            }
            // SAFETY: within the region, by the comparison.
            self.cursor.set(unsafe { at.add(end - at.addr()) });
            return at;
        }
        if new_size <= layout.size() {
            return at;
        }
        // SAFETY: the alignment is that of a layout, and the size is the
        // caller's, who promises that it fits.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let moved = self.layout(new).as_ptr();
        // SAFETY: the new place was just handed out, is apart from the old one,
        // and larger.
        unsafe { moved.copy_from_nonoverlapping(at, layout.size()) };
        moved
    }
}

/// `Allocator` for what is [`Global`], for vectors.
pub struct Through<'a, G>(pub &'a G);

// SAFETY: what the subject hands out stays where it is until it is freed or the
// subject is reset, which takes it by `&mut`.
unsafe impl<G: Global> Allocator for Through<'_, G> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return Ok(NonNull::slice_from_raw_parts(layout.dangling_ptr(), 0));
        }
        // SAFETY: the size is not zero.
        sized(unsafe { self.0.allocate(layout) }, layout.size())
    }

    #[inline]
    unsafe fn deallocate(&self, at: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: passed on, and what has no size was never allocated.
            unsafe { self.0.deallocate(at.as_ptr(), layout) }
        }
    }

    #[inline]
    unsafe fn grow(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return self.allocate(new);
        }
        // SAFETY: passed on. A vector keeps its alignment.
        sized(
            unsafe { self.0.reallocate(at.as_ptr(), old, new.size()) },
            new.size(),
        )
    }
}

#[inline]
fn sized(at: *mut u8, size: usize) -> Result<NonNull<[u8]>, AllocError> {
    let at = NonNull::new(at).ok_or(AllocError)?;
    Ok(NonNull::slice_from_raw_parts(at, size))
}

vector!(['a] Vec<u32, Through<'a, Floor>>);
