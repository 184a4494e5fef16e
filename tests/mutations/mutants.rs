//! The mistakes: what is wrong, where, and what catches it.

use lavandula_host::check::Kind::{
    self, Addresses, Answers, Claims, Content, Footprint, Identity, Pointers, Resources, Size,
};

use crate::judge::{Caught, DROPPED, IMAGE, IMAGE_WASI, Mutant, NO_IMAGE, Setup};
use crate::workspace::Replacement;

/// Mistakes in one part of the library.
pub struct Section {
    pub title: &'static str,
    pub mutants: &'static [Mutant],
}

macro_rules! section {
    ($title:literal $(
        $name:ident: $what:literal in $file:literal,
            $old:literal => $new:literal,
            $($setup:expr => [$($kind:expr),*]),+;
    )*) => {
        Section {
            title: $title,
            mutants: &[$(Mutant {
                name: stringify!($name),
                what: $what,
                replacement: Replacement { file: $file, old: $old, new: $new },
                caught: &[$(caught($setup, &[$($kind),*])),+],
            }),*],
        }
    };
}

const fn caught(setup: Setup, by: &'static [Kind]) -> Caught {
    Caught { setup, by }
}

/// Every mutant.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    SECTIONS.iter().flat_map(|section| section.mutants)
}

pub const SECTIONS: &[Section] = &[
    section! { "The reset"
        a_reset_begins_with_the_second_block: "a reset goes back to the second block" in "src/arena/reset.rs",
            "let first = chain.first;" => "let first = chain.first.and_then(|first| first.next()).or(chain.first);\n        chain.current = first;",
            IMAGE => [Content, Identity], NO_IMAGE => [Content, Pointers];
        a_reset_leaves_the_cursor: "a reset does not take the cursor back, if there is a block" in "src/arena/reset.rs",
            "        self.cursor\n            .set(first.map_or(NO_BLOCK, |first| first.start()));\n        self.held_back" => "        if first.is_none() {\n            self.cursor.set(NO_BLOCK);\n        }\n        self.held_back",
            IMAGE => [Answers, Content, Identity, Claims];
        a_reset_loses_dedicated_blocks: "a reset forgets the blocks that hold one allocation each" in "src/arena/reset.rs",
            "        chain.last_dedicated = None;\n        let first" => "        chain.last_dedicated = None;\n        chain.dedicated = None;\n        let first",
            IMAGE => [Claims], NO_IMAGE => [Size, Footprint, Addresses, Content, Claims];
        a_reset_loses_regular_blocks: "a reset forgets all blocks behind the first" in "src/arena/reset.rs",
            "let first = chain.first;" => "let first = chain.first;\n        if let Some(first) = first {\n            first.set_next(None);\n        }",
            IMAGE => [Claims];
        a_reset_leaves_what_was_used_elsewhere: "a reset goes on counting what was used in other blocks" in "src/arena/reset.rs",
            "self.figures.used_elsewhere.set(0);" => "",
            IMAGE => [Claims];
        a_reset_does_not_mark_the_last_block: "a reset does not note how far the last block is dirty" in "src/arena/reset.rs",
            "current.fill_to(cursor);" => "let _ = cursor;",
            NO_IMAGE => [Content];
        a_full_block_is_not_marked: "a block that is full is not noted as dirty" in "src/arena/refill.rs",
            "current.fill_to(cursor);" => "",
            IMAGE => [Answers, Content, Identity];
        a_shrunk_end_is_not_marked: "the end of an allocation that shrank is not noted as dirty" in "src/arena/resize.rs",
            "current.dirty_to(cursor);" => "",
            IMAGE => [Answers, Content, Identity];
        a_dropped_arena_is_not_marked: "an arena that ends does not note how far its block is dirty" in "src/arena/reset.rs",
            "current.dirty_to(arena.cursor.get().addr().get());" => "let _ = current;",
            NO_IMAGE => [Answers, Content];
        deferred_values_are_not_dropped: "what was deferred is not dropped" in "src/arena/deferred.rs",
            "unsafe { drop_value(entry) };" => "let _ = drop_value;",
            IMAGE => [Resources], NO_IMAGE => [Resources];
    },
    section! { "The scrub"
        nothing_is_scrubbed: "the end of a request scrubs nothing" in "src/invocation.rs",
            "unsafe { &mut *self.context.get() }.arena_mut().scrub()" => "0",
            IMAGE => [Answers, Content, Identity], IMAGE_WASI => [Answers, Content, Identity];
        a_scrub_is_a_word_short: "a scrub leaves the last word of each block" in "src/arena/block.rs",
            ".write_bytes(0, bytes) };\n            self.update" => ".write_bytes(0, bytes - 8) };\n            self.update",
            IMAGE => [Answers, Content, Identity];
        a_scrub_begins_a_word_late: "a scrub leaves the first word of each block" in "src/arena/block.rs",
            ".add(offset).write_bytes(0, bytes) };" => ".add(offset + 8).write_bytes(0, bytes - 8) };",
            IMAGE => [Content, Identity];
        only_the_first_block_is_scrubbed: "a scrub looks at the current block alone" in "src/arena/reset.rs",
            "for block in chain.unused() {" => "for block in chain.unused().take(0) {",
            IMAGE => [Answers, Content, Identity];
        the_pool_is_not_scrubbed: "a scrub forgets the pages that came back" in "src/arena/reset.rs",
            "written += source.scrub();" => "let _ = source;",
            NO_IMAGE => [Content];
        the_pool_scrubs_what_is_clean: "the pool scrubs the pages that are zero, and no others" in "src/arena/pool.rs",
            "            if !node.zeroed {\n                let len" => "            if node.zeroed {\n                let len",
            NO_IMAGE => [Content];
        the_stack_is_not_cleared: "the stack is not cleared" in "src/component/invocation.rs",
            "    // SAFETY: only the host is above this and what it is inlined into, which has\n    // nothing in memory: what follows is a constant.\n    unsafe { zero_stack() };" => "    let _ = zero_stack;",
            IMAGE => [Content, Identity], NO_IMAGE => [Content];
        half_of_the_stack_is_cleared: "the stack is cleared from its middle down" in "src/image.rs",
            "unsafe { zero(Span::new(low, high)) };" => "unsafe { zero(Span::new(low, low + (high - low) / 2)) };",
            IMAGE => [Content, Identity], NO_IMAGE => [Content];
        the_stack_is_cleared_but_for_its_top: "the stack is cleared but for its top 64 bytes" in "src/image.rs",
            "unsafe { zero(Span::new(low, high)) };" => "unsafe { zero(Span::new(low, high - 64)) };",
            IMAGE => [Identity];
        zeroed_memory_is_not_filled: "zeroed memory is not filled where it is dirty" in "src/arena/allocate.rs",
            "unsafe { slot.start.write_bytes(0, dirty) };" => "let _ = dirty;",
            IMAGE => [Answers];
        dirty_pages_pass_for_zero: "pages that came back dirty are handed out as zero" in "src/arena/block.rs",
            "dirty: if dirty == at + HEADER { at } else { dirty }," => "dirty: dirty.min(at),",
            NO_IMAGE => [Answers, Content];
    },
    section! { "Pages"
        the_pool_forgets_pages: "pages that an arena gives back are forgotten" in "src/arena/linear.rs",
            "unsafe { POOL.0.give_back(pages) }" => "let _ = pages;",
            NO_IMAGE => [Size, Footprint, Addresses, Content];
        the_pool_hands_pages_out_twice: "the rest of a run does not begin behind what was taken of it" in "src/arena/pool.rs",
            "len: run.len - taken," => "len: run.len,",
            NO_IMAGE => [Answers];
        free_pages_are_handed_out_twice: "pages that a rewind made free are handed out more than once" in "src/arena/linear.rs",
            "FREE.0[0].set(Span::new(end, before.end.max(end)));" => "FREE.0[0].set(Span::new(start, before.end.max(end)));",
            IMAGE => [Answers, Content, Identity];
        a_rewind_frees_no_pages: "a rewind does not make free what memory has grown by" in "src/image.rs",
            "free[0] = Span::new(self.end, grown_to());" => "free[0] = Span::new(grown_to(), grown_to());",
            IMAGE => [Size, Footprint, Addresses];
        the_arena_keeps_blocks_that_are_free: "a rewind leaves the arena blocks whose pages are free" in "src/image.rs",
            "arena.start_over();" => "let _ = arena;",
            IMAGE => [Answers, Content, Identity, Claims];
    },
    section! { "The image"
        grown_memory_is_not_zeroed: "what memory has grown by stays as it is" in "src/image.rs",
            "clear(Span::new(self.end, end_of_memory()));" => "",
            IMAGE => [Answers, Content, Identity, Pointers];
        grown_memory_is_zeroed_but_for_a_page: "the last page that memory has grown by stays as it is" in "src/image.rs",
            "clear(Span::new(self.end, end_of_memory()));" => "clear(Span::new(self.end, end_of_memory().saturating_sub(DEFAULT_BLOCK_SIZE)));",
            IMAGE => [Content, Identity];
        the_image_ends_a_byte_early: "the last byte of each part of the image is not put back" in "src/image.rs",
            "copy(from, range.start, range.len())" => "copy(from, range.start, range.len() - 1)",
            IMAGE => [Identity];
        the_image_ends_a_word_early: "the last word of each part of the image is not put back" in "src/image.rs",
            "copy(from, range.start, range.len())" => "copy(from, range.start, range.len() - 8)",
            IMAGE => [Identity];
        the_image_begins_a_word_late: "the first word of each part of the image is not put back" in "src/image.rs",
            "copy(from, range.start, range.len())" => "copy(from + 8, range.start + 8, range.len() - 8)",
            IMAGE => [Answers, Identity, Pointers];
        the_image_ends_a_page_early: "the last page is not in the image" in "src/image.rs",
            "Span::new(writable_from(), end_of_memory());" => "Span::new(writable_from(), end_of_memory() - DEFAULT_BLOCK_SIZE);",
            IMAGE => [Answers, Content, Identity, Pointers];
        the_image_has_the_statics_alone: "the persistent heap is not in the image" in "src/image.rs",
            "Span::new(writable_from(), end_of_memory());" => "Span::new(writable_from(), heap_base);",
            IMAGE => [Answers, Content, Identity, Pointers];
        an_image_that_looks_unchanged_stays: "a part of the image is not put back where its first word does not look changed" in "src/image.rs",
            "        for range in self.ranges.iter() {\n            // SAFETY: as when" => "        for range in self.ranges.iter() {\n            if is_zero(range.start, 8) == is_zero(from, 8) {\n                from += range.len();\n                continue;\n            }\n            // SAFETY: as when",
            IMAGE => [Identity];
        the_persistent_heap_keeps_its_lists: "the free lists of the persistent heap are not put back" in "src/image.rs",
            "for span in kept.into_iter().chain(free.spans) {" => "let lists = Span::of_static(crate::instance::persistent());\n        for span in kept.into_iter().chain(free.spans).chain([lists]) {",
            IMAGE => [Identity, Pointers];
        malloc_is_not_put_back: "what the platform's `malloc` has begun to use stays" in "src/image.rs",
            "        if self.malloc_began() {" => "        if false {",
            IMAGE => [Identity];
        the_figures_are_put_back: "the figures that a rewind works with are in the image" in "src/instance.rs",
            "[Span::of_static(&INSTANCE), rest]" => "[Span::EMPTY, rest]",
            IMAGE => [Answers, Content, Identity, Pointers];
        standard_streams_stay_open: "the standard streams that a request opened stay open" in "src/instance.rs",
            "for descriptor in 0..=2 {" => "for descriptor in 0..=0 {",
            IMAGE => [Resources];
    },
    section! { "The invocation"
        an_invocation_does_not_end: "an invocation is never noted as answered" in "src/invocation.rs",
            "        self.stage.set(Stage::Answered);" => "",
            IMAGE => [Answers];
        an_invocation_ends_twice: "an invocation is settled as often as somebody asks" in "src/invocation.rs",
            "            self.stage.set(Stage::Used);" => "",
            IMAGE => [Claims];
        the_host_allocates_persistently: "what the host puts into memory lies in the persistent heap" in "src/component/rt.rs",
            "alloc::alloc::alloc(Layout::from_size_align_unchecked(new_len, align))" => "instance::allocating_from(instance::Place::Persistent, || {\n                alloc::alloc::alloc(Layout::from_size_align_unchecked(new_len, align))\n            })",
            IMAGE => [Claims];
        initialisation_allocates_in_the_arena: "what initialisation allocates lies in the arena" in "src/instance.rs",
            "allocating_from(Place::Persistent, initialise);" => "initialise();",
            IMAGE => [Content, Identity];
        the_answer_is_scrubbed_too_early: "the arena is scrubbed before the host has read the answer" in "src/instance.rs",
            "    let result = answer(invocation.context());\n    // SAFETY: `answer` has returned, and its result cannot borrow from the\n    // context, whose lifetime it does not know.\n    unsafe { invocation.leave() };" => "    let result = answer(invocation.context());\n    unsafe {\n        invocation.leave();\n        invocation.clear();\n    }",
            IMAGE => [Answers];
        trailers_are_forgotten: "the door of wasi:http keeps the trailers of each request" in "src/component/wasi_http.rs",
            "drop(IncomingBody::finish(body));" => "core::mem::forget(IncomingBody::finish(body));",
            IMAGE_WASI => [Resources];
    },
    section! { "What is said of it"
        use_is_told_before_the_reset: "`usage` does not wait for the reset" in "src/instance.rs",
            "    // SAFETY: a host that asks for the figures is done with the answer.\n    unsafe { INSTANCE.invocation.settle() };\n" => "",
            IMAGE => [Claims];
        the_last_peak_is_forgotten: "the peak is that of the next request, which has not begun" in "src/arena/mod.rs",
            "peak_used: figures.last_peak.get().max(peak)," => "peak_used: peak,",
            IMAGE => [Claims];
        the_peak_stays: "the peak is that of all requests" in "src/arena/reset.rs",
            "figures.peak.set(0);" => "figures.peak.set(figures.last_peak.get());",
            IMAGE => [Claims];
        a_block_is_counted_twice: "the memory of a new block is counted twice" in "src/arena/usage.rs",
            "self.committed.add(bytes);" => "self.committed.add(2 * bytes);",
            IMAGE => [Claims];
        a_growth_is_not_counted: "the memory by which a block grows is not counted" in "src/arena/refill.rs",
            "        self.figures.committed.add(more);\n        self.figures.grows.tick();\n        if missing" => "        self.figures.grows.tick();\n        if missing",
            IMAGE => [Claims];
        a_block_that_is_given_up_is_counted: "a block that the arena gives up is still counted" in "src/arena/refill.rs",
            "            self.figures.count_out(block.len());" => "",
            NO_IMAGE => [Claims];
        resets_are_counted_twice: "a reset counts as two" in "src/arena/reset.rs",
            "figures.resets.tick();" => "figures.resets.tick();\n        figures.resets.tick();",
            IMAGE => [Claims];
        overhead_is_forgotten: "the headers of blocks are counted as nothing" in "src/arena/mod.rs",
            "overhead: figures.blocks.get() * block::HEADER," => "overhead: 0,",
            IMAGE => [Claims], DROPPED => [Claims];
        tail_waste_stays: "the waste of earlier requests is counted" in "src/arena/reset.rs",
            "self.figures.tail_waste.set(0);" => "",
            IMAGE => [Claims];
        a_block_is_not_named: "`blocks` leaves out the first" in "src/instance.rs",
            "    arena().runs()" => "    arena().runs().skip(1)",
            IMAGE => [Claims];
        all_of_memory_is_kept: "`image-store` names all of memory" in "src/instance.rs",
            "            linear::bookkeeping(),\n            image" => "            Span::new(0, linear::grown_to()),\n            image",
            IMAGE => [Identity];
        the_figures_are_not_named: "`image-store` leaves out the figures" in "src/instance.rs",
            "            Span::of_static(&INSTANCE),\n            linear" => "            Span::EMPTY,\n            linear",
            IMAGE => [Identity, Pointers];
    },
    section! { "Not caught"
        no_store_is_named: "`image-store` names nothing: the guest looks as if it had no image, and then there is nothing to compare. The evidence `identity` says so, and holds" in "src/instance.rs",
            "spans.into_iter().flatten()" => "spans.into_iter().flatten().take(0)",
            IMAGE => [];
        an_instance_does_not_rewind_itself: "an instance that no host rewinds does not rewind itself: the check rewinds after each request" in "src/instance.rs",
            "        unsafe { take_back() };\n        zero_stack_below();\n    }\n    INSTANCE.invocation.receive();" => "    }\n    INSTANCE.invocation.receive();",
            IMAGE => [];
        a_full_block_wastes_nothing: "the end of a full block is not counted as waste: the check asks when the arena was reset, and then there is no waste" in "src/arena/refill.rs",
            "            self.figures.tail_waste.add(current.end() - cursor);" => "",
            IMAGE => [];
        free_pages_are_lost_once: "a rewind makes one page less free than there is: that page is lost once and not in each request" in "src/image.rs",
            "free[0] = Span::new(self.end, grown_to());" => "free[0] = Span::new((self.end + DEFAULT_BLOCK_SIZE).min(grown_to()), grown_to());",
            IMAGE => [];
        resets_count_twice_where_each_has_an_instance: "a reset counts as two, with an instance for each request: all agree with each other" in "src/arena/reset.rs",
            "figures.resets.tick();" => "figures.resets.tick();\n        figures.resets.tick();",
            DROPPED => [];
    },
];
