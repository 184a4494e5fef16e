//! Requests that overlap, each with an arena of its own.

use lavandula_host::check::Kind::{Claims, Content, Footprint, Overlap, Size};

use crate::judge::OVERLAP;

section! {
    "Requests that overlap"

    all_have_the_same_arena: "every invocation has the instance's arena",
        in "src/overlap.rs": "        Form::Leases => Ok(Memory::Leased(instance::leases().take(budget))),
        Form::OneArena =>"
        => "        Form::Leases if budget == Some(0) => Ok(Memory::Leased(instance::leases().take(budget))),
        _ =>",
        OVERLAP => [Claims, Overlap];
    a_lease_is_not_overwritten: "the arena of an invocation goes back as it is",
        in "src/lease.rs": "        arena.set_scrub(Scrub::Zero);" => "        let _ = (arena, Scrub::Zero);",
        OVERLAP => [Claims];
    a_lease_is_not_given_back: "the arena of an invocation is overwritten, and nobody has it again",
        in "src/lease.rs": "        arena.set_scrub(Scrub::Zero);"
        => "        arena.set_scrub(Scrub::Zero);
        arena.reset();
        arena.scrub();
        core::mem::forget(lease);",
        OVERLAP => [Size, Footprint];
    an_end_counts_twice: "the end of an invocation counts twice",
        in "src/lease.rs": "invocations: ended.invocations.wrapping_add(1)"
        => "invocations: ended.invocations.wrapping_add(2)",
        OVERLAP => [Claims];
    headers_stay_on_the_heap: "the headers of a request stay where the host has put them",
        in "src/service/door.rs": "        wipe(value);" => "        let _ = value;",
        OVERLAP => [Content];
    what_was_read_stays_on_the_heap: "the last piece that was read of a body stays where it was",
        in "src/service/incoming.rs": "        wipe(&mut self.piece);" => "        self.piece.clear();",
        OVERLAP => [Content, Claims];
    what_was_written_stays_on_the_heap:
        "the last piece that was written of a body stays where it was",
        in "src/service/streamed.rs": "Sink::Door { piece, .. } => super::wipe(piece),"
        => "Sink::Door { piece, .. } => piece.clear(),",
        OVERLAP => [Content, Claims];
}
