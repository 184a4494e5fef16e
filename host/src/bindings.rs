//! The WIT interfaces of `lavandula:arena`, as Rust. Each is a world of its
//! own, because a component may export any of them without the others.
//!
//! Exports are asynchronous: a guest that runs long yields to the executor at
//! every epoch, so one of them never blocks the others on its thread.

/// The fast door: `lavandula:arena/handler`.
#[allow(missing_docs, reason = "generated; the WIT carries the documentation")]
pub mod handler {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package lavandula:host-handler;
            world fast {
                export lavandula:arena/handler@0.1.0;
            }
        ",
        exports: { default: async },
        // The request is lowered straight from the buffers it arrived in: a
        // body of megabytes is copied once, into the guest.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// What a host calls around a request: `lavandula:arena/invocation`.
#[allow(missing_docs, reason = "generated; the WIT carries the documentation")]
pub mod invocation {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package lavandula:host-invocation;
            world rewinding {
                export lavandula:arena/invocation@0.1.0;
            }
        ",
        exports: { default: async },
        additional_derives: [PartialEq],
    });
}

/// What each of several invocations needed: `lavandula:service/endings`.
#[allow(missing_docs, reason = "generated; the WIT carries the documentation")]
pub mod endings {
    wasmtime::component::bindgen!({
        path: "../wit-0.3",
        inline: "
            package lavandula:host-endings;
            world overlapping {
                export lavandula:service/endings@0.1.0;
            }
        ",
        exports: { default: async },
    });
}

/// The arena on its own: `lavandula:arena/arenas`, for tests and hosts that
/// drive it directly.
#[allow(missing_docs, reason = "generated; the WIT carries the documentation")]
pub mod arenas {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package lavandula:host-arenas;
            world arenas {
                export lavandula:arena/arenas@0.1.0;
            }
        ",
        exports: { default: async },
        with: {
            "lavandula:arena/types": super::invocation::lavandula::arena::types,
        },
    });
}
