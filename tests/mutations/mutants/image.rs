//! What a rewind puts back.

use lavandula_host::check::Kind::{Answers, Content, Identity, Pointers, Resources};

use crate::judge::IMAGE;

section! {
    "The image"

    grown_memory_is_not_zeroed: "what memory has grown by stays as it is",
        in "src/image.rs": "clear(Span::new(self.end, end_of_memory()));" => "",
        IMAGE => [Content, Identity, Pointers];
    grown_memory_is_zeroed_but_for_a_page:
        "the last page that memory has grown by stays as it is",
        in "src/image.rs": "clear(Span::new(self.end, end_of_memory()));"
        => "clear(Span::new(self.end, end_of_memory().saturating_sub(DEFAULT_BLOCK_SIZE)));",
        IMAGE => [Content, Identity];
    the_image_ends_a_byte_early: "the last byte of each part of the image is not put back",
        in "src/image.rs": "copy(from, range.start, range.len())"
        => "copy(from, range.start, range.len() - 1)",
        IMAGE => [Identity];
    the_image_ends_a_word_early: "the last word of each part of the image is not put back",
        in "src/image.rs": "copy(from, range.start, range.len())"
        => "copy(from, range.start, range.len() - 8)",
        IMAGE => [Identity];
    the_image_begins_a_word_late: "the first word of each part of the image is not put back",
        in "src/image.rs": "copy(from, range.start, range.len())"
        => "copy(from + 8, range.start + 8, range.len() - 8)",
        IMAGE => [Answers, Identity, Pointers];
    the_image_ends_a_page_early: "the last page is not in the image",
        in "src/image.rs": "Span::new(writable_from(), end_of_memory());"
        => "Span::new(writable_from(), end_of_memory() - DEFAULT_BLOCK_SIZE);",
        IMAGE => [Answers, Content, Identity, Pointers];
    the_image_has_the_statics_alone: "the persistent heap is not in the image",
        in "src/image.rs": "Span::new(writable_from(), end_of_memory());"
        => "Span::new(writable_from(), heap_base);",
        IMAGE => [Answers, Content, Identity, Pointers];
    an_image_that_looks_unchanged_stays:
        "a part of the image is not put back where its first word does not look \
        changed",
        in "src/image.rs": "        for range in self.ranges.iter() {
            // SAFETY: as when"
        => "        for range in self.ranges.iter() {
            if is_zero(range.start, 8) == is_zero(from, 8) {
                from += range.len();
                continue;
            }
            // SAFETY: as when",
        IMAGE => [Answers, Content, Identity, Pointers];
    the_persistent_heap_keeps_its_lists:
        "the free lists of the persistent heap are not put back",
        in "src/image.rs": "for span in kept.into_iter().chain(free.spans) {"
        => "let lists = Span::of_static(crate::instance::persistent());
        for span in kept.into_iter().chain(free.spans).chain([lists]) {",
        IMAGE => [Identity, Pointers];
    malloc_is_not_put_back: "what the platform's `malloc` has begun to use stays",
        in "src/image.rs": "        if self.malloc_began() {" => "        if false {",
        IMAGE => [Identity];
    the_figures_are_put_back: "the figures that a rewind works with are in the image",
        in "src/instance.rs": "[Span::of_static(&INSTANCE), rest]" => "[Span::EMPTY, rest]",
        IMAGE => [Answers, Content, Identity, Pointers];
    standard_streams_stay_open: "the standard streams that a request opened stay open",
        in "src/instance.rs": "for descriptor in 0..=2 {" => "for descriptor in 0..=0 {",
        IMAGE => [Resources];
}
