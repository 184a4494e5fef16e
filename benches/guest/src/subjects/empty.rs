//! The zero: what a workload costs without any allocation. Objects are written to
//! places that are there already, and so are the items of vectors.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::cell::Local;
use crate::subject::{Object, Reclaim, Subject, Vector};

#[derive(Clone, Copy)]
pub struct Empty;

/// The largest buffer that any workload writes to in full, and room for as many
/// objects as lie between two resets.
const PLACE: usize = 24 << 10;
/// Vectors that a workload has at the same time, at most.
const PARTS: usize = 16;
/// Items of each of them, and a little more, so that they do not all begin at the
/// same place of a page: caches have few places for those.
const PART: usize = 640 + 16;
/// The items of all of them, or of the only one.
const ITEMS: usize = PARTS * PART;

#[repr(align(64))]
struct Place(#[expect(dead_code, reason = "used by its address")] [u8; PLACE]);

static SCRATCH: Local<Place> = Local::new(Place([0; PLACE]));
static BUFFER: Local<[u32; ITEMS]> = Local::new([0; ITEMS]);
/// How many vectors a workload has made so far, to give each its own part.
static VECTORS: Local<usize> = Local::new(0);

fn scratch() -> NonNull<u8> {
    // SAFETY: a static is not at address zero.
    unsafe { NonNull::new_unchecked(SCRATCH.at().cast()) }
}

impl Subject for Empty {
    const RECLAIM: Reclaim = Reclaim::AtOnce;
    type Vector<'a> = Buffer;

    #[inline(always)]
    fn create() -> Self {
        Self
    }

    fn with_room(_bytes: usize) -> Self {
        Self
    }

    #[inline(always)]
    fn place(&self) -> NonNull<u8> {
        scratch()
    }

    #[inline(always)]
    fn object(&self, value: Object) -> NonNull<u8> {
        // Workloads put the object's number in its first word. To write all of
        // them to one place would be slower than an arena, since each write waits
        // for the one before.
        let number = value[0] as usize % (PLACE / size_of::<Object>());
        // SAFETY: within the place, by the remainder, and aligned. Volatile, or
        // the compiler would leave it out.
        unsafe {
            let at = scratch().add(number * size_of::<Object>());
            for (index, word) in value.into_iter().enumerate() {
                at.cast::<u64>().add(index).write_volatile(word);
            }
            at
        }
    }

    #[inline(always)]
    fn sized(&self, _size: usize) -> NonNull<u8> {
        scratch()
    }

    #[inline(always)]
    fn layout(&self, _layout: Layout) -> NonNull<u8> {
        scratch()
    }

    #[inline(always)]
    fn text(&self, text: &str) -> NonNull<u8> {
        let at = scratch();
        let len = text.len().min(PLACE);
        // SAFETY: cut to what the place holds, and no text lies in it.
        unsafe { at.copy_from_nonoverlapping(NonNull::from(text).cast(), len) };
        at
    }

    #[inline(always)]
    fn zeroed(&self, size: usize) -> NonNull<u8> {
        let at = scratch();
        // SAFETY: cut to what the place holds.
        unsafe { at.write_bytes(0, size.min(PLACE)) };
        at
    }

    #[inline(always)]
    fn vector(&self) -> Buffer {
        let part = VECTORS.get() % PARTS;
        VECTORS.set(part + 1);
        Buffer {
            // SAFETY: a part of the buffer, by the remainder.
            start: unsafe { BUFFER.at().cast::<u32>().add(part * PART) },
            len: 0,
        }
    }

    #[inline(always)]
    fn reset(&mut self) {
        VECTORS.set(0);
    }
}

/// Room for the items of one vector. The only one of a workload may have all.
pub struct Buffer {
    start: *mut u32,
    len: usize,
}

impl Vector for Buffer {
    #[inline(always)]
    fn push(&mut self, value: u32) {
        // SAFETY: workloads push at most `ITEMS` items in one vector, and at
        // most `PART` in each of `PARTS` vectors.
        unsafe { self.start.add(self.len).write_volatile(value) };
        self.len += 1;
    }

    #[inline(always)]
    fn items(&self) -> &[u32] {
        // SAFETY: as many were written, and nobody else has this part now.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }
}
