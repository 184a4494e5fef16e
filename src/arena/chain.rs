//! The blocks of an arena: the regular ones in the order of their use, and
//! those with one allocation each.

use core::iter;

use super::block::Block;

/// The blocks of an arena.
///
/// Regular blocks up to `current` are in use and those behind it are not; of
/// the dedicated ones, those up to `last_dedicated`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chain {
    pub(super) first: Option<Block>,
    pub(super) current: Option<Block>,
    /// Blocks with one allocation each.
    pub(super) dedicated: Option<Block>,
    /// The last of the dedicated blocks in use.
    pub(super) last_dedicated: Option<Block>,
}

impl Chain {
    pub(super) const EMPTY: Self = Self {
        first: None,
        current: None,
        dedicated: None,
        last_dedicated: None,
    };

    /// The regular block to be used after the current one, where there is one.
    pub(super) fn next_regular(&self) -> Option<Block> {
        match self.current {
            Some(current) => current.next(),
            None => self.first,
        }
    }

    /// Puts `block` right behind the current block.
    pub(super) fn insert_regular(&mut self, block: Block) {
        block.set_next(self.next_regular());
        match self.current {
            Some(current) => current.set_next(Some(block)),
            None => self.first = Some(block),
        }
    }

    /// Every block.
    pub(super) fn all(&self) -> impl Iterator<Item = Block> + Clone + use<> {
        walk(self.first).chain(walk(self.dedicated))
    }

    /// The regular blocks in use, without the current one.
    pub(super) fn left_behind(&self) -> impl Iterator<Item = Block> + use<> {
        let current = self.current;
        let first = current.and(self.first);
        walk(first).take_while(move |&block| Some(block) != current)
    }

    /// The dedicated blocks in use.
    pub(super) fn dedicated_in_use(&self) -> impl Iterator<Item = Block> + use<> {
        let last = self.last_dedicated;
        let mut at = last.and(self.dedicated);
        iter::from_fn(move || {
            let block = at?;
            at = if Some(block) == last {
                None
            } else {
                block.next()
            };
            Some(block)
        })
    }

    /// The blocks of which nothing is handed out.
    pub(super) fn unused(&self) -> impl Iterator<Item = Block> + use<> {
        let dedicated = self.dedicated_after(self.last_dedicated);
        walk(self.next_regular()).chain(walk(dedicated))
    }

    /// Takes the blocks of which nothing is handed out from the chain.
    pub(super) fn cut_unused(&mut self) -> impl Iterator<Item = Block> + use<> {
        let unused = self.unused();
        match self.current {
            Some(current) => current.set_next(None),
            None => self.first = None,
        }
        match self.last_dedicated {
            Some(last) => last.set_next(None),
            None => self.dedicated = None,
        }
        unused
    }

    /// The smallest dedicated block that is not in use and has `room` bytes of
    /// room, moved to stand right behind those in use.
    ///
    /// Smallest and not first, so that requests of the same sizes find the same
    /// blocks in whatever order they come, and memory stops growing.
    pub(super) fn unused_dedicated(&mut self, room: usize) -> Option<Block> {
        let mut before = self.last_dedicated;
        let mut best: Option<(Option<Block>, Block)> = None;
        while let Some(block) = self.dedicated_after(before) {
            let smaller = best.is_none_or(|(_, best)| block.capacity() < best.capacity());
            if block.capacity() >= room && smaller {
                best = Some((before, block));
            }
            before = Some(block);
        }
        let (before, block) = best?;
        if before != self.last_dedicated {
            before?.set_next(block.next());
            self.insert_dedicated(block);
        }
        Some(block)
    }

    /// The dedicated block behind `before`, or the first one.
    fn dedicated_after(&self, before: Option<Block>) -> Option<Block> {
        before.map_or(self.dedicated, Block::next)
    }

    /// Puts `block` right behind the dedicated blocks in use.
    pub(super) fn insert_dedicated(&mut self, block: Block) {
        block.set_next(self.dedicated_after(self.last_dedicated));
        match self.last_dedicated {
            Some(last) => last.set_next(Some(block)),
            None => self.dedicated = Some(block),
        }
    }

    /// Ends the use of a dedicated block that is in use.
    pub(super) fn release_dedicated(&mut self, block: Block) {
        let before = self
            .dedicated_in_use()
            .take_while(|&other| other != block)
            .last();
        match before {
            Some(before) => before.set_next(block.next()),
            None => self.dedicated = block.next(),
        }
        if self.last_dedicated == Some(block) {
            self.last_dedicated = before;
        }
        self.insert_dedicated(block);
    }
}

/// The blocks from `first` on. A block that an iteration has returned may be
/// ended before the next.
pub(super) fn walk(first: Option<Block>) -> impl Iterator<Item = Block> + Clone {
    let mut at = first;
    iter::from_fn(move || {
        let block = at?;
        at = block.next();
        Some(block)
    })
}
