//! Counts its requests in a static, which its rewind does not put back.
//!
//! It claims an image, and a rewind that puts back everything else. A number is no
//! piece of a request, nor does it move anything: only a comparison of all bytes
//! tells.

#[cfg(target_arch = "wasm32")]
mod exported {
    use std::sync::atomic::{AtomicU32, Ordering};

    use guest_support::__private as private;
    use lavandula::{Context, Request, Response};

    #[global_allocator]
    static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

    static SERVED: AtomicU32 = AtomicU32::new(0);

    struct Counting;

    impl private::Handler for Counting {
        fn initialise() {}

        fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
            SERVED.fetch_add(1, Ordering::Relaxed);
            Response::ok(request.body(), "application/octet-stream")
        }
    }

    /// Puts back everything but one number.
    #[inline(always)]
    fn rewind_but_for_the_count() -> *const u8 {
        let served = SERVED.load(Ordering::Relaxed);
        let reply = private::rewind();
        SERVED.store(served, Ordering::Relaxed);
        reply
    }

    guest_support::export_by_hand!(
        Counting,
        handler = Counting,
        rewind = rewind_but_for_the_count
    );
}
