//! What bad guests share, so that each of them has one fault and no other.
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod wiping;

pub use wiping::Wiping;

#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub use lavandula::__private;

/// The exports of `lavandula::export!`, for a type that implements their traits
/// itself, and with a rewind of its own.
///
/// A handler has no say in what these exports do. A guest that lies, or that does
/// half of what it promises, has to have one.
#[macro_export]
macro_rules! export_by_hand {
    ($exported:ident, handler = $handler:ident, rewind = $rewind:path) => {
        $crate::__private::edge::export!($exported with_types_in $crate::__private::edge);
        $crate::__private::invocations::export!(
            $exported with_types_in $crate::__private::invocations
        );

        #[unsafe(export_name = "lavandula:arena/invocation@0.1.0#seal")]
        extern "C" fn seal() -> *const u8 {
            $crate::__private::seal::<$handler>()
        }

        #[unsafe(export_name = "lavandula:arena/invocation@0.1.0#rewind")]
        extern "C" fn rewind() -> *const u8 {
            $rewind()
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn cabi_realloc(
            old: *mut u8,
            old_len: usize,
            align: usize,
            new_len: usize,
        ) -> *mut u8 {
            // SAFETY: what the canonical ABI promises.
            unsafe { $crate::__private::cabi_realloc(old, old_len, align, new_len) }
        }

        #[cfg(target_os = "wasi")]
        #[unsafe(no_mangle)]
        extern "C" fn sbrk(increment: isize) -> *mut u8 {
            $crate::__private::sbrk(increment)
        }
    };
}
