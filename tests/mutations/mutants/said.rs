//! Figures, blocks, and the image's store, as the host is told.

use lavandula_host::check::Kind::{Claims, Identity, Pointers};

use crate::judge::{DROPPED, IMAGE, NO_IMAGE};

section! {
    "What is said of it"

    use_is_told_before_the_reset: "`usage` does not wait for the reset",
        in "src/instance.rs": "    // SAFETY: a host that asks for the figures is done with the answer.
    unsafe { INSTANCE.invocation.settle() };
"
        => "",
        IMAGE => [Claims];
    the_last_peak_is_forgotten: "the peak is that of the next request, which has not begun",
        in "src/arena/mod.rs": "peak_used: figures.last_peak.get().max(peak)," => "peak_used: peak,",
        IMAGE => [Claims];
    the_peak_stays: "the peak is that of all requests",
        in "src/arena/reset.rs": "figures.peak.set(0);" => "figures.peak.set(figures.last_peak.get());",
        IMAGE => [Claims];
    a_block_is_counted_twice: "the memory of a new block is counted twice",
        in "src/arena/usage.rs": "self.committed.add(bytes);" => "self.committed.add(2 * bytes);",
        IMAGE => [Claims];
    a_growth_is_not_counted: "the memory by which a block grows is not counted",
        in "src/arena/refill.rs": "        self.figures.committed.add(more);
        self.figures.grows.tick();
        if missing"
        => "        self.figures.grows.tick();
        if missing",
        IMAGE => [Claims];
    a_block_that_is_given_up_is_counted: "a block that the arena gives up is still counted",
        in "src/arena/refill.rs": "            self.figures.count_out(block.len());" => "",
        NO_IMAGE => [Claims];
    resets_are_counted_twice: "a reset counts as two",
        in "src/arena/reset.rs": "figures.resets.tick();"
        => "figures.resets.tick();
        figures.resets.tick();",
        IMAGE => [Claims];
    overhead_is_forgotten: "the headers of blocks are counted as nothing",
        in "src/arena/mod.rs": "overhead: figures.blocks.get() * block::HEADER," => "overhead: 0,",
        IMAGE => [Claims],
        DROPPED => [Claims];
    tail_waste_stays: "the waste of earlier requests is counted",
        in "src/arena/reset.rs": "self.figures.tail_waste.set(0);" => "",
        IMAGE => [Claims];
    a_block_is_not_named: "`blocks` leaves out the first",
        in "src/instance.rs": "    arena().runs()" => "    arena().runs().skip(1)",
        IMAGE => [Claims];
    all_of_memory_is_kept: "`image-store` names all of memory",
        in "src/instance.rs": "            linear::bookkeeping(),
            image"
        => "            Span::new(0, linear::grown_to()),
            image",
        IMAGE => [Identity];
    the_figures_are_not_named: "`image-store` leaves out the figures",
        in "src/instance.rs": "            Span::of_static(&INSTANCE),
            linear"
        => "            Span::EMPTY,
            linear",
        IMAGE => [Identity, Pointers];
}
