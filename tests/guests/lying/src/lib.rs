//! Says that it uses less memory than it does.
//!
//! It answers, seals and rewinds as it should, and tells where its arena lies. Only
//! one of its figures is not true.

#[cfg(target_arch = "wasm32")]
mod exported {
    use guest_support::__private as private;
    use lavandula::{Context, Request, Response};
    use private::edge::exports::lavandula::arena::handler;
    use private::edge::exports::wasi::http::incoming_handler;
    use private::invocations::exports::lavandula::arena::{invocation, types};

    #[global_allocator]
    static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

    /// What there is to lie about.
    struct Honest;

    impl private::Handler for Honest {
        fn initialise() {}

        fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
            Response::ok(request.body(), "application/octet-stream")
        }
    }

    struct Lying;

    impl invocation::Guest for Lying {
        fn usage() -> types::Usage {
            let usage = <Honest as invocation::Guest>::usage();
            types::Usage {
                // Every figure agrees with the others, and this one is a tenth of
                // what it was.
                peak_used: usage.peak_used / 10,
                ..usage
            }
        }

        fn image_store() -> Vec<invocation::Region> {
            <Honest as invocation::Guest>::image_store()
        }

        fn blocks() -> Vec<invocation::Region> {
            <Honest as invocation::Guest>::blocks()
        }
    }

    impl handler::Guest for Lying {
        fn handle(request: handler::Request) -> handler::Response {
            <Honest as handler::Guest>::handle(request)
        }
    }

    impl incoming_handler::Guest for Lying {
        fn handle(
            request: incoming_handler::IncomingRequest,
            out: incoming_handler::ResponseOutparam,
        ) {
            <Honest as incoming_handler::Guest>::handle(request, out)
        }
    }

    guest_support::export_by_hand!(Lying, handler = Honest, rewind = private::rewind);
}
