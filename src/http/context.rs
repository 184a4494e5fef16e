//! What an invocation gives its handler besides the request.

use crate::Arena;

/// The context of one invocation. It ends with the invocation, and so does
/// everything borrowed from it.
#[derive(Debug)]
pub struct Context {
    arena: Arena,
}

impl Context {
    pub(crate) const fn new(arena: Arena) -> Self {
        Self { arena }
    }

    /// The arena of this invocation. The request lies in it already.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    pub(crate) fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }
}
