//! Sources of pages that do the same every time, and what can go wrong in them.

mod separate;
mod strip;

use lavandula::{PageSource, Pages};

pub use self::separate::Separate;
pub use self::strip::Strip;

/// A source of which somebody else takes pages as well.
pub trait Disturbed: PageSource {
    /// Pages that another user takes now and keeps: none of them may ever reach
    /// an arena. `None` where the source has no place to take them from.
    fn disturb(&self) -> Option<Pages>;
}

/// What goes wrong with the requests for pages, which count from zero.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// This many pages exist.
    pub pages: u32,
    /// The requests `k`, `2k`, ... fail.
    pub fail_every: Option<u32>,
    /// This request fails.
    pub fail_at: Option<u32>,
    /// This request and all after it fail.
    pub fail_from: Option<u32>,
    /// Before the requests `k`, `2k`, ... somebody else takes a page.
    pub foreign_every: Option<u32>,
    /// What the requests `k`, `2k`, ... return is full of old bytes.
    pub dirty_every: Option<u32>,
    /// As little is handed out as is allowed.
    pub frugal: bool,
}

impl Plan {
    /// Nothing goes wrong.
    pub const NOTHING: Self = Self {
        pages: 128,
        fail_every: None,
        fail_at: None,
        fail_from: None,
        foreign_every: None,
        dirty_every: None,
        frugal: false,
    };

    /// A plan from the first four bytes, and the program behind them.
    pub fn decode(bytes: &[u8]) -> (Self, &[u8]) {
        let (head, program) = bytes.split_at(bytes.len().min(4));
        let byte = |i: usize| u32::from(head.get(i).copied().unwrap_or(0));
        let some = |value: u32| (value > 0).then_some(value);
        let plan = Self {
            // Now and then so few that they run out.
            pages: if byte(0) & 8 == 0 { 128 } else { 12 },
            fail_every: some(byte(0) & 7),
            fail_at: None,
            fail_from: some(byte(1) & 15).filter(|_| byte(1) & 0x80 != 0),
            foreign_every: some(byte(2) & 3),
            dirty_every: some((byte(2) >> 2) & 3),
            frugal: byte(2) & 16 != 0,
        };
        (plan, program)
    }

    /// Whether the request with this number fails.
    pub(crate) fn fails(&self, request: u32) -> bool {
        every(self.fail_every, request)
            || self.fail_at == Some(request)
            || self.fail_from.is_some_and(|from| request >= from)
    }

    pub(crate) fn disturbs(&self, request: u32) -> bool {
        every(self.foreign_every, request)
    }

    pub(crate) fn soils(&self, request: u32) -> bool {
        every(self.dirty_every, request)
    }
}

fn every(step: Option<u32>, request: u32) -> bool {
    step.is_some_and(|step| (request + 1).is_multiple_of(step))
}
