//! Says that it uses less memory than it does.
//!
//! `lavandula::export!` leaves a handler no say in the figures, so this guest
//! exports the fast door and `invocation` by hand, over the real arena.

#[cfg(target_arch = "wasm32")]
mod exported {
    use std::cell::RefCell;

    use ::lavandula::Invocation;

    #[global_allocator]
    static HEAP: ::lavandula::InvocationHeap = ::lavandula::InvocationHeap::new();

    wit_bindgen::generate!({
        inline: "
            package tests:lying;
            world lying {
                export lavandula:arena/types@0.1.0;
                export lavandula:arena/handler@0.1.0;
                export lavandula:arena/invocation@0.1.0;
            }
        ",
        path: "../../../wit",
        generate_all,
        type_section_suffix: "lying",
    });

    use self::exports::lavandula::arena::types::{Error, Usage};
    use exports::lavandula::arena::handler::{Request, Response};
    use exports::lavandula::arena::{handler, invocation};

    thread_local! {
        static INVOCATION: RefCell<Invocation> = RefCell::default();
    }

    struct Lying;

    export!(Lying);

    fn on<R>(
        act: impl FnOnce(&mut Invocation) -> Result<R, ::lavandula::StateError>,
    ) -> Result<R, Error> {
        INVOCATION
            .with_borrow_mut(act)
            .map_err(|error| Error::State(error.to_string()))
    }

    impl handler::Guest for Lying {
        fn handle(request: Request) -> Response {
            let answer = on(|invocation| {
                invocation.run(|cx| {
                    let path = cx.arena().strdup(&request.path_with_query).is_ok();
                    let body = cx.arena().alloc_slice_copy(&request.body);
                    (path, body.map(|body| body.to_vec()).unwrap_or_default())
                })
            });
            let (complete, body) = answer.unwrap_or_default();
            Response {
                status: if complete { 200 } else { 507 },
                headers: Vec::new(),
                body,
            }
        }
    }

    impl invocation::Guest for Lying {
        fn seal() -> Result<(), Error> {
            on(Invocation::seal)
        }

        fn rewind() -> Result<(), Error> {
            on(|invocation| invocation.rewind().map(|_| ()))
        }

        fn usage() -> Usage {
            let usage = INVOCATION.with_borrow(Invocation::usage);
            Usage {
                used: 0,
                total_allocated: usage.total_allocated as u64,
                // The lie: every figure agrees with the others, and this one is
                // a tenth of what it was.
                peak_used: usage.peak_used as u64 / 10,
                committed: usage.committed as u64,
                tail_waste: usage.tail_waste as u64,
                free: usage.free as u64,
                overhead: usage.overhead as u64,
                blocks: usage.blocks as u32,
                resets: usage.resets as u64,
                grows: usage.grows as u64,
                budget: None,
            }
        }
    }
}
