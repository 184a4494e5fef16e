//! What an invocation gives its handler besides the request.

use crate::{Arena, Scrub};

/// Enough for a header or two and a short document.
const RESERVE: usize = 1024;

/// The context of one invocation. It ends with the invocation, and so does
/// everything borrowed from it.
#[derive(Debug)]
pub struct Context {
    arena: Arena,
}

impl Context {
    /// A context for the invocations of one instance.
    pub(crate) const fn new() -> Self {
        let mut arena = Arena::new().with_reserve(RESERVE);
        // The end of an invocation leaves the bytes where they are: see
        // `Invocation`.
        arena.set_scrub(Scrub::None);
        Self { arena }
    }

    /// The arena of this invocation. The request lies in it already.
    ///
    /// A kilobyte of it is held back for the answer that says that there is no
    /// room: [`Arena::open_reserve`].
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    pub(crate) fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }
}
