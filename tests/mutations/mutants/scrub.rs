//! Overwriting what requests have left.

use lavandula_host::check::Kind::{Answers, Content, Identity};

use crate::judge::{IMAGE, IMAGE_WASI, NO_IMAGE};

section! {
    "The scrub"

    nothing_is_scrubbed: "the end of a request scrubs nothing",
        in "src/invocation.rs": "unsafe { &mut *self.context.get() }.arena_mut().scrub()" => "0",
        IMAGE => [Answers, Content, Identity],
        IMAGE_WASI => [Answers, Content, Identity];
    a_scrub_is_a_word_short: "a scrub leaves the last word of each block",
        in "src/arena/block.rs": ".write_bytes(0, bytes) };
            self.update"
        => ".write_bytes(0, bytes - 8) };
            self.update",
        IMAGE => [Answers, Content, Identity];
    a_scrub_begins_a_word_late: "a scrub leaves the first word of each block",
        in "src/arena/block.rs": ".add(offset).write_bytes(0, bytes) };"
        => ".add(offset + 8).write_bytes(0, bytes - 8) };",
        IMAGE => [Answers, Content, Identity];
    only_the_first_block_is_scrubbed: "a scrub looks at the current block alone",
        in "src/arena/reset.rs": "for block in chain.unused() {" => "for block in chain.unused().take(0) {",
        IMAGE => [Answers, Content, Identity];
    the_pool_is_not_scrubbed: "a scrub forgets the pages that came back",
        in "src/arena/reset.rs": "written += source.scrub();" => "let _ = source;",
        NO_IMAGE => [Content];
    the_pool_scrubs_what_is_clean: "the pool scrubs the pages that are zero, and no others",
        in "src/arena/pool.rs": "            if !node.zeroed {
                let len"
        => "            if node.zeroed {
                let len",
        NO_IMAGE => [Content];
    the_stack_is_not_cleared: "the stack is not cleared",
        in "src/component/invocation.rs": "    // SAFETY: only the host is above this and what it is inlined into, which has
    // nothing in memory: what follows is a constant.
    unsafe { zero_stack() };"
        => "    let _ = zero_stack;",
        IMAGE => [Content, Identity],
        NO_IMAGE => [Content];
    half_of_the_stack_is_cleared: "the stack is cleared from its middle down",
        in "src/image.rs": "unsafe { zero(Span::new(low, high)) };"
        => "unsafe { zero(Span::new(low, low + (high - low) / 2)) };",
        IMAGE => [Content, Identity],
        NO_IMAGE => [Content];
    the_stack_is_cleared_but_for_its_top: "the stack is cleared but for its top 64 bytes",
        in "src/image.rs": "unsafe { zero(Span::new(low, high)) };"
        => "unsafe { zero(Span::new(low, high - 64)) };",
        IMAGE => [Identity];
    zeroed_memory_is_not_filled: "zeroed memory is not filled where it is dirty",
        in "src/arena/allocate.rs": "unsafe { slot.start.write_bytes(0, dirty) };" => "let _ = dirty;",
        IMAGE => [Answers];
    dirty_pages_pass_for_zero: "pages that came back dirty are handed out as zero",
        in "src/arena/block.rs": "dirty: if dirty == at + HEADER { at } else { dirty },"
        => "dirty: dirty.min(at),",
        NO_IMAGE => [Answers, Content];
}
