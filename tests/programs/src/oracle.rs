//! The live allocations, and what has to hold of them.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

use crate::counted::Counted;
use crate::ground::Runs;
use crate::pattern;

/// An allocation that is still there.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    /// The arena or scope that it is of.
    pub arena: u32,
    /// The arena whose pages it lies in.
    pub root: u32,
    pub at: NonNull<u8>,
    pub layout: Layout,
    pub content: Content,
}

/// What is in an allocation.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// The sequence with this seed. What holds it may be resized and freed.
    Pattern(u8),
    /// A [`Counted`] with this number.
    Counted(u32),
}

impl Live {
    pub fn start(&self) -> usize {
        self.at.addr().get()
    }

    pub fn size(&self) -> usize {
        self.layout.size()
    }

    pub fn extent(&self) -> Extent {
        Extent {
            start: self.start(),
            len: self.size(),
            root: self.root,
        }
    }

    pub fn is_plain(&self) -> bool {
        matches!(self.content, Content::Pattern(_))
    }

    fn is_intact(&self) -> bool {
        match self.content {
            // SAFETY: a live allocation of this size, written to as a whole when
            // it was made; no reference to it is kept.
            Content::Pattern(seed) => unsafe { pattern::holds(self.at, self.size(), seed) },
            // SAFETY: a live value; nobody has a unique reference in use.
            Content::Counted(number) => unsafe {
                self.at.cast::<Counted>().as_ref().number == number
            },
        }
    }
}

/// Bytes that are in use, and in whose pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    pub start: usize,
    pub len: usize,
    pub root: u32,
}

/// Panics where something is wrong with what is live.
///
/// `others` are bytes in use that are no allocations of the list.
/// With `content`, it reads what is in them.
pub fn check(lives: &[Live], others: &[Extent], runs: Option<&Runs>, content: bool) {
    let mut extents: Vec<Extent> = lives.iter().map(Live::extent).collect();
    extents.extend_from_slice(others);
    extents.retain(|extent| extent.len > 0);
    extents.sort_unstable();
    for pair in extents.windows(2) {
        let [first, second] = pair else { continue };
        assert!(
            first.start + first.len <= second.start,
            "two allocations overlap: {first:x?} and {second:x?}"
        );
    }
    if let Some(runs) = runs {
        for extent in &extents {
            assert!(
                runs.hold(extent.root, extent.start, extent.len),
                "{extent:x?} lies outside of the arena's pages"
            );
        }
        assert!(
            !content || runs.foreign_is_intact(),
            "somebody else's pages were written to"
        );
    }
    for live in lives {
        assert!(
            live.start().is_multiple_of(live.layout.align()),
            "not aligned: {live:?}"
        );
        assert!(!content || live.is_intact(), "overwritten: {live:?}");
    }
}
