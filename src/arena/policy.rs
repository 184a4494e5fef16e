//! What an arena does beyond handing out memory, as types: what a reset keeps,
//! and what becomes of bytes that were given up.

/// What [`Arena::reset`](super::Arena::reset) keeps for the next request.
///
/// Linear memory cannot shrink, so what is not kept does not go back to the
/// host. It goes to a pool of the instance, on which every arena draws before
/// it grows memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// Every block: the next request of the same kind takes no pages. Right for
    /// one arena in an instance, and the default.
    #[default]
    RetainAll,
    /// Blocks of `limit` bytes altogether, headers included, the first blocks
    /// first. For instances with several arenas, where one large request must
    /// not keep the pages from all others.
    Retain {
        /// Bytes; zero gives everything up.
        limit: usize,
    },
}

/// What becomes of bytes that were given up: by a reset, at the end of a scope,
/// and where an allocation is freed, shrinks or moves away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scrub {
    /// They stay until something else is written there. The default of release
    /// builds: a reset then costs the same for every request.
    None,
    /// They become zero, at the cost of writing what was used and no more. No
    /// later allocation can show them, and zeroed allocations need no filling.
    Zero,
    /// They become [`Scrub::POISON`], so that whoever still reads them through
    /// a raw pointer notices. The default of debug builds.
    Poison,
}

impl Scrub {
    /// The byte of [`Scrub::Poison`]: as a length or an address it is absurd, as
    /// a character it is not ASCII.
    pub const POISON: u8 = 0xA5;
}

impl Default for Scrub {
    fn default() -> Self {
        Self::OF_BUILD
    }
}

impl Scrub {
    /// The default, where only constants will do.
    pub(super) const OF_BUILD: Self = if cfg!(debug_assertions) {
        Self::Poison
    } else {
        Self::None
    };

    /// The byte to overwrite with, where any.
    pub(super) const fn byte(self) -> Option<u8> {
        match self {
            Self::None => None,
            Self::Zero => Some(0),
            Self::Poison => Some(Self::POISON),
        }
    }
}
