//! The steps of a request, and the doors.

use lavandula_host::check::Kind::{Answers, Claims, Content, Identity, Resources};

use crate::judge::{IMAGE, IMAGE_WASI};

section! {
    "The invocation"

    an_invocation_does_not_end: "an invocation is never noted as answered",
        in "src/invocation.rs": "        self.stage.set(Stage::Answered);" => "",
        IMAGE => [Answers];
    an_invocation_ends_twice: "an invocation is settled as often as somebody asks",
        in "src/invocation.rs": "            self.stage.set(Stage::Used);"
        => "            let _ = Stage::Used;",
        IMAGE => [Claims];
    the_host_allocates_persistently:
        "what the host puts into memory lies in the persistent heap",
        in "src/component/rt.rs": "alloc::alloc::alloc(Layout::from_size_align_unchecked(new_len, align))"
        => "instance::allocating_from(instance::Place::Persistent, || {
                alloc::alloc::alloc(Layout::from_size_align_unchecked(new_len, align))
            })",
        IMAGE => [Claims];
    initialisation_allocates_in_the_arena: "what initialisation allocates lies in the arena",
        in "src/instance.rs": "allocating_from(Place::Persistent, initialise);" => "initialise();",
        IMAGE => [Content, Identity];
    the_answer_is_scrubbed_too_early:
        "the arena is scrubbed before the host has read the answer",
        in "src/instance.rs": "    let result = answer(invocation.context());
    // SAFETY: `answer` has returned, and its result cannot borrow from the
    // context, whose lifetime it does not know.
    unsafe { invocation.leave() };"
        => "    let result = answer(invocation.context());
    unsafe {
        invocation.leave();
        invocation.clear();
    }",
        IMAGE => [Answers];
    trailers_are_forgotten: "the door of wasi:http keeps the trailers of each request",
        in "src/component/wasi_http.rs": "drop(IncomingBody::finish(body));"
        => "core::mem::forget(IncomingBody::finish(body));",
        IMAGE_WASI => [Resources];
}
