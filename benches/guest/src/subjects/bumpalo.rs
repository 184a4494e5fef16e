//! bumpalo, with its default minimal alignment of 1 and with 8.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use bumpalo::Bump;

use crate::subject::{Object, Reclaim, Subject, Vector, aligned_to_8, global_through, vector};

pub struct Bumpalo<const MIN_ALIGN: usize>(pub Bump<MIN_ALIGN>);

/// bumpalo's own vector exists for the default alignment only; with another one
/// its users take the vector of allocator-api2.
pub trait Vectors {
    type Vector<'a>: Vector
    where
        Self: 'a;
    fn vector_in(&self) -> Self::Vector<'_>;
}

impl Vectors for Bump<1> {
    type Vector<'a> = bumpalo::collections::Vec<'a, u32>;

    #[inline(always)]
    fn vector_in(&self) -> Self::Vector<'_> {
        bumpalo::collections::Vec::new_in(self)
    }
}

impl Vectors for Bump<8> {
    type Vector<'a> = allocator_api2::vec::Vec<u32, &'a Bump<8>>;

    #[inline(always)]
    fn vector_in(&self) -> Self::Vector<'_> {
        allocator_api2::vec::Vec::new_in(self)
    }
}

impl<const MIN_ALIGN: usize> Subject for Bumpalo<MIN_ALIGN>
where
    Bump<MIN_ALIGN>: Vectors,
{
    const RECLAIM: Reclaim = Reclaim::AtOnce;
    type Vector<'a> = <Bump<MIN_ALIGN> as Vectors>::Vector<'a>;

    #[inline(always)]
    fn create() -> Self {
        Self(Bump::with_min_align())
    }

    fn with_room(bytes: usize) -> Self {
        Self(Bump::with_min_align_and_capacity(bytes))
    }

    #[inline(always)]
    fn place(&self) -> NonNull<u8> {
        NonNull::from(self.0.alloc(MaybeUninit::<Object>::uninit())).cast()
    }

    #[inline(always)]
    fn object(&self, value: Object) -> NonNull<u8> {
        NonNull::from(self.0.alloc(value)).cast()
    }

    #[inline(always)]
    fn sized(&self, size: usize) -> NonNull<u8> {
        self.0.alloc_layout(aligned_to_8(size))
    }

    #[inline(always)]
    fn layout(&self, layout: Layout) -> NonNull<u8> {
        self.0.alloc_layout(layout)
    }

    #[inline(always)]
    fn text(&self, text: &str) -> NonNull<u8> {
        NonNull::from(self.0.alloc_str(text)).cast()
    }

    #[inline(always)]
    fn zeroed(&self, size: usize) -> NonNull<u8> {
        let at = self.0.alloc_layout(aligned_to_8(size));
        // SAFETY: `size` bytes were just handed out.
        unsafe { at.write_bytes(0, size) };
        at
    }

    #[inline(always)]
    fn vector(&self) -> Self::Vector<'_> {
        self.0.vector_in()
    }

    #[inline(always)]
    fn reset(&mut self) {
        self.0.reset();
    }

    fn held(&self) -> Option<usize> {
        Some(self.0.allocated_bytes_including_metadata())
    }
}

vector!(['a] bumpalo::collections::Vec<'a, u32>);
vector!(['a] allocator_api2::vec::Vec<u32, &'a Bump<8>>);
global_through!(Allocator, [const MIN_ALIGN: usize] Bumpalo<MIN_ALIGN>, subject => &subject.0);
