//! lavandula: typed objects through `alloc`, layouts through `alloc_layout`,
//! vectors through `allocator-api2`.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;
use lavandula::Arena;

use crate::subject::{Object, Reclaim, Subject, aligned_to_8, expect, global_through, vector};

pub struct Lavandula(pub Arena);

/// For a block's header, generously; the arena rounds up to whole pages.
const HEADER: usize = 64;

impl Subject for Lavandula {
    const RECLAIM: Reclaim = Reclaim::AtOnce;
    type Vector<'a> = Vec<u32, &'a Arena>;

    #[inline(always)]
    fn create() -> Self {
        Self(Arena::new())
    }

    fn with_room(bytes: usize) -> Self {
        let block = (bytes + HEADER).next_multiple_of(8);
        Self(expect(Arena::with_block_size(block)))
    }

    #[inline(always)]
    fn place(&self) -> NonNull<u8> {
        NonNull::from(expect(self.0.alloc(MaybeUninit::<Object>::uninit()))).cast()
    }

    #[inline(always)]
    fn object(&self, value: Object) -> NonNull<u8> {
        NonNull::from(expect(self.0.alloc(value))).cast()
    }

    #[inline(always)]
    fn sized(&self, size: usize) -> NonNull<u8> {
        expect(self.0.alloc_layout(aligned_to_8(size)))
    }

    #[inline(always)]
    fn layout(&self, layout: Layout) -> NonNull<u8> {
        expect(self.0.alloc_layout(layout))
    }

    #[inline(always)]
    fn text(&self, text: &str) -> NonNull<u8> {
        NonNull::from(expect(self.0.strdup(text))).cast()
    }

    #[inline(always)]
    fn zeroed(&self, size: usize) -> NonNull<u8> {
        expect(self.0.alloc_zeroed(aligned_to_8(size)))
    }

    #[inline(always)]
    fn vector(&self) -> Self::Vector<'_> {
        Vec::new_in(&self.0)
    }

    #[inline(always)]
    fn reset(&mut self) {
        self.0.reset();
    }

    #[inline(always)]
    fn scrub(&mut self) {
        self.0.scrub();
    }

    fn held(&self) -> Option<usize> {
        Some(self.0.usage().committed)
    }
}

vector!(['a] Vec<u32, &'a Arena>);
global_through!(Allocator, [] Lavandula, subject => &subject.0);
