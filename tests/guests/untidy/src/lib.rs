//! Leaves a piece of the request on the shadow stack: it puts it there after the
//! rewind, which has cleared the stack.
//!
//! In between it keeps the piece where a search does not know it, so that it lies on
//! the stack and nowhere else.

#[cfg(target_arch = "wasm32")]
mod exported {
    use std::hint::black_box;
    use std::sync::Mutex;

    use guest_support::__private as private;
    use lavandula::{Context, Request, Response};

    #[global_allocator]
    static HEAP: guest_support::Wiping = guest_support::Wiping;

    const LEN: usize = 32;
    const KEY: u8 = 0x55;

    static HIDDEN: Mutex<[u8; LEN]> = Mutex::new([0; LEN]);

    struct Untidy;

    impl private::Handler for Untidy {
        fn initialise() {}

        fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
            let user = request.headers().get("x-lavandula-marker").unwrap_or("");
            if let Ok(mut hidden) = HIDDEN.lock() {
                for (place, byte) in hidden.iter_mut().zip(user.bytes()) {
                    *place = byte ^ KEY;
                }
            }
            Response::ok(request.body(), "application/octet-stream")
        }
    }

    /// Rewinds, and then uses the stack.
    #[inline(always)]
    fn rewind_and_soil() -> *const u8 {
        let reply = private::rewind();
        soil();
        reply
    }

    #[inline(never)]
    fn soil() {
        let mut frame = [0; LEN];
        if let Ok(hidden) = HIDDEN.lock() {
            for (place, byte) in frame.iter_mut().zip(*hidden) {
                *place = byte ^ KEY;
            }
        }
        // Or the compiler would not put it there.
        black_box(&frame);
    }

    guest_support::export_by_hand!(Untidy, handler = Untidy, rewind = rewind_and_soil);
}
