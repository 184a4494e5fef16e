//! The end of a request: what is taken back, and what is noted.

use lavandula_host::check::Kind::{
    Addresses, Answers, Claims, Content, Footprint, Identity, Pointers, Resources, Size,
};

use crate::judge::{IMAGE, NO_IMAGE};

section! {
    "The reset"

    a_reset_begins_with_the_second_block: "a reset goes back to the second block",
        in "src/arena/reset.rs": "let first = chain.first;"
        => "let first = chain.first.and_then(|first| first.next()).or(chain.first);
        chain.current = first;",
        IMAGE => [Content, Identity],
        NO_IMAGE => [Content, Pointers];
    a_reset_leaves_the_cursor: "a reset does not take the cursor back, if there is a block",
        in "src/arena/reset.rs": "        self.cursor
            .set(first.map_or(NO_BLOCK, |first| first.start()));
        self.held_back"
        => "        if first.is_none() {
            self.cursor.set(NO_BLOCK);
        }
        self.held_back",
        IMAGE => [Answers, Content, Identity, Claims];
    a_reset_loses_dedicated_blocks: "a reset forgets the blocks that hold one allocation each",
        in "src/arena/reset.rs": "        chain.last_dedicated = None;
        let first"
        => "        chain.last_dedicated = None;
        chain.dedicated = None;
        let first",
        IMAGE => [Claims],
        NO_IMAGE => [Size, Footprint, Addresses, Content, Claims];
    a_reset_loses_regular_blocks: "a reset forgets all blocks behind the first",
        in "src/arena/reset.rs": "let first = chain.first;"
        => "let first = chain.first;
        if let Some(first) = first {
            first.set_next(None);
        }",
        IMAGE => [Claims];
    a_reset_leaves_what_was_used_elsewhere:
        "a reset goes on counting what was used in other blocks",
        in "src/arena/reset.rs": "self.figures.used_elsewhere.set(0);" => "",
        IMAGE => [Claims];
    a_reset_does_not_mark_the_last_block:
        "a reset does not note how far the last block is dirty",
        in "src/arena/reset.rs": "current.fill_to(cursor);" => "let _ = cursor;",
        NO_IMAGE => [Content];
    a_full_block_is_not_marked: "a block that is full is not noted as dirty",
        in "src/arena/refill.rs": "current.fill_to(cursor);" => "",
        IMAGE => [Content, Identity];
    a_shrunk_end_is_not_marked: "the end of an allocation that shrank is not noted as dirty",
        in "src/arena/resize.rs": "current.dirty_to(cursor);" => "",
        IMAGE => [Answers, Content, Identity];
    a_dropped_arena_is_not_marked:
        "an arena that ends does not note how far its block is dirty",
        in "src/arena/reset.rs": "current.dirty_to(arena.cursor.get().addr().get());" => "let _ = current;",
        NO_IMAGE => [Answers, Content];
    deferred_values_are_not_dropped: "what was deferred is not dropped",
        in "src/arena/deferred.rs": "unsafe { drop_value(entry) };" => "let _ = drop_value;",
        IMAGE => [Resources],
        NO_IMAGE => [Resources];
}
