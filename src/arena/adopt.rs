//! What the arena of an instance needs besides: a first block that is given to
//! it, and to be as it was when it got it.

use super::block::{Block, Run};
use super::chain::Chain;
use super::refill::LARGEST_STEP;
use super::{Arena, PageSource, Pages};
use crate::span::Span;

impl<P: PageSource> Arena<P> {
    /// Makes `pages` the first block, where the arena has none.
    ///
    /// # Safety
    /// The pages are as a [`PageSource`] would hand them out, but that they need only
    /// be aligned to a block's header, and are the arena's for as long as it lives.
    /// It is never dropped, nor does it have a reset policy that gives blocks back,
    /// since the pages came from nowhere.
    pub(crate) unsafe fn adopt(&self, pages: Pages) {
        if self.has_block() {
            return;
        }
        // SAFETY: the promises of a source, which the caller gives.
        let block = unsafe { Block::new(Run::from(pages)) };
        self.begin_with(block);
    }

    /// Whether there is a block.
    pub(crate) fn has_block(&self) -> bool {
        self.chain.get().current.is_some()
    }

    /// Forgets every block but the first, which becomes as new. To be called
    /// after a reset and a scrub: then all that the forgotten ones held is zero.
    pub(crate) fn start_over(&mut self) {
        let chain = self.chain.take();
        for block in chain.all() {
            self.figures.count_out(block.len());
            let run = block.end_of_use();
            if Some(block) == chain.first {
                // SAFETY: the run of a block of this arena, which forgot it.
                self.begin_with(unsafe { Block::new(run) });
            }
        }
    }

    fn begin_with(&self, block: Block) {
        self.chain.set(Chain {
            first: Some(block),
            current: Some(block),
            ..Chain::EMPTY
        });
        self.figures.count_in(block.len());
        self.figures.stepped.set(0);
        self.figures.step_by(block.len(), LARGEST_STEP);
        self.cursor.set(block.start());
        self.set_limit();
    }

    /// Where the blocks lie.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Span> + Clone + use<P> {
        let blocks = self.chain.get().all();
        blocks.map(|block| {
            let start = block.run_start().expose_provenance().get();
            Span::new(start, start + block.len())
        })
    }

    /// Whether the byte at the address `at` lies in a block.
    pub(crate) fn contains(&self, at: usize) -> bool {
        self.chain.get().all().any(|block| block.contains(at))
    }
}
