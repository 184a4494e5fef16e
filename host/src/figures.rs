//! What a request used, as it is told to those who ask.

use std::fmt::Write;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::bindings::invocation::lavandula::arena::types::Usage;
use crate::limits::MemoryUse;

/// The response header that tells what a request used, where
/// [`Disclose::Memory`] is chosen.
pub const MEMORY_HEADER: HeaderName = HeaderName::from_static("x-lavandula-memory");

/// What a client is told besides its response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclose {
    /// Nothing.
    #[default]
    Nothing,
    /// What the request used of memory, in the header [`MEMORY_HEADER`]. For
    /// development: how much memory a request takes may tell a stranger something.
    Memory,
}

/// How much of a request is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Measure {
    /// What the host sees anyway: linear memory.
    #[default]
    Memory,
    /// The arena as well, for which the guest has to be asked: a third of a
    /// microsecond a request.
    Arena,
}

/// What a request used of its arena, as the guest says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArenaUse {
    /// The most that was in use at a time, in bytes.
    pub peak: u64,
    /// What its blocks have, in bytes.
    pub committed: u64,
}

impl From<Usage> for ArenaUse {
    fn from(usage: Usage) -> Self {
        Self {
            peak: usage.peak_used,
            committed: usage.committed,
        }
    }
}

/// Adds the header that tells of it.
pub(crate) fn disclose(headers: &mut HeaderMap, memory: &MemoryUse, arena: Option<ArenaUse>) {
    let MemoryUse {
        initial,
        peak,
        grows,
        denied,
        ..
    } = memory;
    let mut text = format!("initial={initial}, peak={peak}, grows={grows}, denied={denied}");
    if let Some(ArenaUse { peak, committed }) = arena {
        // Writing to a string does not fail.
        let _ = write!(text, ", arena-peak={peak}, arena-committed={committed}");
    }
    // Digits and letters alone, so it is a value.
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(MEMORY_HEADER, value);
    }
}
