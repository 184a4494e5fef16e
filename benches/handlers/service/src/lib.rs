//! `lavandula` under another name, for the sample handlers: all of it, but that
//! `export!` puts the handler behind the door of WASI 0.3, and that `InvocationHeap` is
//! std's own allocator here. So the invocations of an instance overlap, each with the
//! arena that it has in any case.

pub use lavandula::*;

#[doc(hidden)]
pub use lavandula as real;

/// As [`lavandula::export!`], for hosts of WASI 0.3.
#[macro_export]
macro_rules! export {
    ($handler:path) => {
        $crate::real::export!($handler, wasi = 0.3);
    };
}
