//! Pages that are free, and who has them.

use lavandula_host::check::Kind::{
    Addresses, Answers, Claims, Content, Footprint, Identity, Pointers, Size,
};

use crate::judge::{IMAGE, NO_IMAGE};

section! {
    "Pages"

    the_pool_forgets_pages: "pages that an arena gives back are forgotten",
        in "src/arena/linear.rs": "unsafe { POOL.0.give_back(pages) }" => "let _ = pages;",
        NO_IMAGE => [Size, Footprint, Addresses, Content];
    the_pool_hands_pages_out_twice:
        "the rest of a run does not begin behind what was taken of it",
        in "src/arena/pool.rs": "len: run.len - taken," => "len: run.len,",
        NO_IMAGE => [Answers, Content, Pointers, Claims];
    free_pages_are_handed_out_twice:
        "pages that a rewind made free are handed out more than once",
        in "src/arena/linear.rs": "FREE.0[0].set(Span::new(end, before.end.max(end)));"
        => "FREE.0[0].set(Span::new(start, before.end.max(end)));",
        IMAGE => [Answers, Content, Identity, Claims];
    a_rewind_frees_no_pages: "a rewind does not make free what memory has grown by",
        in "src/image.rs": "free[0] = Span::new(self.end, grown_to());"
        => "free[0] = Span::new(grown_to(), grown_to());",
        IMAGE => [Size, Footprint, Addresses];
    the_arena_keeps_blocks_that_are_free:
        "a rewind leaves the arena blocks whose pages are free",
        in "src/image.rs": "arena.start_over();"
        => "if false {
            arena.start_over();
        }",
        IMAGE => [Answers, Content, Identity, Claims];
}
