//! blink-alloc: values and texts through `Blink`, layouts and vectors through
//! the `BlinkAlloc` in it.

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2_04::alloc::Allocator;
use allocator_api2_04::vec::Vec;
use blink_alloc::Blink;

use crate::subject::{Object, Reclaim, Subject, aligned_to_8, expect, global_through, vector};

type Allocates = blink_alloc::BlinkAlloc;

pub struct BlinkAlloc(Blink);

impl Subject for BlinkAlloc {
    const RECLAIM: Reclaim = Reclaim::AtOnce;
    type Vector<'a> = Vec<u32, &'a Allocates>;

    #[inline(always)]
    fn create() -> Self {
        Self(Blink::new())
    }

    fn with_room(bytes: usize) -> Self {
        Self(Blink::with_chunk_size(bytes))
    }

    #[inline(always)]
    fn place(&self) -> NonNull<u8> {
        NonNull::from(self.0.uninit::<Object>()).cast()
    }

    #[inline(always)]
    fn object(&self, value: Object) -> NonNull<u8> {
        NonNull::from(self.0.put_no_drop(value)).cast()
    }

    #[inline(always)]
    fn sized(&self, size: usize) -> NonNull<u8> {
        expect(self.0.allocator().allocate(aligned_to_8(size))).cast()
    }

    #[inline(always)]
    fn layout(&self, layout: Layout) -> NonNull<u8> {
        expect(self.0.allocator().allocate(layout)).cast()
    }

    #[inline(always)]
    fn text(&self, text: &str) -> NonNull<u8> {
        NonNull::from(self.0.copy_str(text)).cast()
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
        Vec::new_in(self.0.allocator())
    }

    #[inline(always)]
    fn reset(&mut self) {
        self.0.reset();
    }
}

vector!(['a] Vec<u32, &'a Allocates>);
global_through!(Allocator, [] BlinkAlloc, subject => subject.0.allocator());
