//! bump-scope, with its default minimal alignment of 1 and with 8, upwards, and
//! with each of its two resets.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::NonNull;

use bump_scope::alloc::{Allocator, Global};
use bump_scope::settings::{BumpAllocatorSettings, BumpSettings};
use bump_scope::traits::BumpAllocatorTyped;
use bump_scope::{Bump, BumpBox, BumpVec};

use crate::subject::{Object, Reclaim, Subject, aligned_to_8, global_through};

/// A minimal alignment of 1, the default.
pub type Min1 = BumpSettings<1>;
/// A minimal alignment of 8.
pub type Min8 = BumpSettings<8>;

/// Which of its resets.
pub trait Keep {
    fn reset<S: BumpAllocatorSettings>(bump: &mut Bump<Global, S>);
}

/// `reset`, which keeps the largest chunk.
pub struct Largest;
/// `reset_to_start`, which keeps all of them.
pub struct All;

impl Keep for Largest {
    #[inline(always)]
    fn reset<S: BumpAllocatorSettings>(bump: &mut Bump<Global, S>) {
        bump.reset();
    }
}

impl Keep for All {
    #[inline(always)]
    fn reset<S: BumpAllocatorSettings>(bump: &mut Bump<Global, S>) {
        bump.reset_to_start();
    }
}

pub struct BumpScope<S: BumpAllocatorSettings, K = Largest>(Bump<Global, S>, PhantomData<K>);

macro_rules! bump_scope {
    ($settings:ty) => {
        impl<K: Keep> Subject for BumpScope<$settings, K> {
            const RECLAIM: Reclaim = Reclaim::AtOnce;
            type Vector<'a>
                = BumpVec<u32, &'a Bump<Global, $settings>>
            where
                K: 'a;

            #[inline(always)]
            fn create() -> Self {
                Self(Bump::new(), PhantomData)
            }

            fn with_room(bytes: usize) -> Self {
                Self(Bump::with_capacity(aligned_to_8(bytes)), PhantomData)
            }

            #[inline(always)]
            fn place(&self) -> NonNull<u8> {
                BumpBox::into_raw(self.0.alloc_uninit::<Object>()).cast()
            }

            #[inline(always)]
            fn object(&self, value: Object) -> NonNull<u8> {
                BumpBox::into_raw(self.0.alloc(value)).cast()
            }

            #[inline(always)]
            fn sized(&self, size: usize) -> NonNull<u8> {
                self.0.allocate_layout(aligned_to_8(size))
            }

            #[inline(always)]
            fn layout(&self, layout: Layout) -> NonNull<u8> {
                self.0.allocate_layout(layout)
            }

            #[inline(always)]
            fn text(&self, text: &str) -> NonNull<u8> {
                BumpBox::into_raw(self.0.alloc_str(text)).cast()
            }

            #[inline(always)]
            fn zeroed(&self, size: usize) -> NonNull<u8> {
                let at = self.0.allocate_layout(aligned_to_8(size));
                // SAFETY: `size` bytes were just handed out.
                unsafe { at.write_bytes(0, size) };
                at
            }

            #[inline(always)]
            fn vector(&self) -> Self::Vector<'_> {
                BumpVec::new_in(&self.0)
            }

            #[inline(always)]
            fn reset(&mut self) {
                K::reset(&mut self.0);
            }

            fn held(&self) -> Option<usize> {
                Some(self.0.stats().size())
            }
        }

        global_through!(
            Allocator,
            [K: Keep] BumpScope<$settings, K>,
            subject => &subject.0
        );

        impl crate::subject::Vector for BumpVec<u32, &Bump<Global, $settings>> {
            #[inline(always)]
            fn push(&mut self, value: u32) {
                Self::push(self, value);
            }

            #[inline(always)]
            fn items(&self) -> &[u32] {
                self
            }
        }
    };
}

bump_scope!(Min1);
bump_scope!(Min8);
