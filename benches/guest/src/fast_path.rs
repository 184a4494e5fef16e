//! One function per allocator and kind of layout, exported by name, of which the
//! host reads off the wasm how many operations an allocation has.
//!
//! They return the address only: no value is written.

use core::alloc::Layout;
use core::cell::Cell;

use crate::subject::Subject;
use crate::subjects::{
    BlinkAlloc, BumpScope, Bumpalo, Dlmalloc, Floor, Lavandula, Min1, Min8, Talc,
};

macro_rules! fast_path {
    ($($subject:ty: $constant:ident $sized:ident $layout:ident;)*) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $constant(subject: &$subject) -> *mut u8 {
                subject.place().as_ptr()
            }

            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $sized(subject: &$subject, size: usize) -> *mut u8 {
                subject.sized(size).as_ptr()
            }

            /// # Safety
            /// `align` is a power of two.
            #[unsafe(no_mangle)]
            #[inline(never)]
            unsafe extern "C" fn $layout(
                subject: &$subject,
                size: usize,
                align: usize,
            ) -> *mut u8 {
                // SAFETY: by the contract. Nobody calls this.
                let layout = unsafe { Layout::from_size_align_unchecked(size, align) };
                subject.layout(layout).as_ptr()
            }
        )*
    };
}

fast_path! {
    Lavandula: fast_constant_lavandula fast_sized_lavandula fast_layout_lavandula;
    Bumpalo<1>: fast_constant_bumpalo fast_sized_bumpalo fast_layout_bumpalo;
    Bumpalo<8>: fast_constant_bumpalo_min_align_8 fast_sized_bumpalo_min_align_8
        fast_layout_bumpalo_min_align_8;
    BumpScope<Min1>: fast_constant_bump_scope fast_sized_bump_scope fast_layout_bump_scope;
    BumpScope<Min8>: fast_constant_bump_scope_min_align_8 fast_sized_bump_scope_min_align_8
        fast_layout_bump_scope_min_align_8;
    BlinkAlloc: fast_constant_blink_alloc fast_sized_blink_alloc fast_layout_blink_alloc;
    Dlmalloc: fast_constant_dlmalloc fast_sized_dlmalloc fast_layout_dlmalloc;
    Talc: fast_constant_talc fast_sized_talc fast_layout_talc;
    Floor: fast_constant_floor fast_sized_floor fast_layout_floor;
}

/// lavandula with a counter, as an arena might have one: the host's tests see to
/// it that its three operations more are noticed.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn fast_constant_counting(subject: &Lavandula, count: &Cell<u32>) -> *mut u8 {
    let at = subject.place();
    count.set(count.get().wrapping_add(1));
    at.as_ptr()
}
