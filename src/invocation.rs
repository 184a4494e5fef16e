//! The life of one invocation: it begins, it runs, and its memory is taken back.

use core::fmt;

use crate::{AllocError, Context, Usage};

/// The memory that the invocations of one instance use, one after the other.
///
/// ```text
///              seal                      begin                    end
///  Initialising ───► Clean ◄──────────── ... ────► Running ────────────► Used
///                      ▲                             ▲                    │ │
///                      │             begin (scrubs)  └────────────────────┘ │
///                      └──────────────────────── rewind (scrubs) ───────────┘
/// ```
///
/// The end of an invocation resets the arena, at no cost worth mentioning. What
/// the invocation wrote is overwritten only if the instance lives on: by a host
/// that calls [`rewind`](Self::rewind), or else when the next invocation
/// begins. An instance that serves one request never pays for it.
#[derive(Debug)]
pub struct Invocation {
    context: Context,
    stage: Stage,
    sealed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing of a request is in the arena.
    Clean,
    /// A request is being answered.
    Running,
    /// The arena was reset, and what the request wrote is still there.
    Used,
}

impl Invocation {
    /// Before the first invocation.
    pub const fn new() -> Self {
        Self {
            context: Context::new(),
            stage: Stage::Clean,
            sealed: false,
        }
    }

    /// Answers one request: makes the arena clean, lets `answer` work with it,
    /// and resets it.
    ///
    /// # Errors
    /// [`StateError::Running`] where `answer` of an earlier call never
    /// returned, which happens after a trap only.
    ///
    /// ```
    /// let mut invocation = lavandula::Invocation::new();
    /// let length = invocation.run(|cx| cx.arena().strdup("a request").map(|s| s.len())).unwrap();
    /// assert_eq!(length, Ok(9));
    /// assert_eq!(invocation.usage().used, 0);
    /// assert_eq!(invocation.usage().peak_used, 16);
    /// ```
    pub fn run<R>(&mut self, answer: impl FnOnce(&Context) -> R) -> Result<R, StateError> {
        match self.stage {
            Stage::Running => return Err(StateError::Running),
            Stage::Used => {
                self.context.arena_mut().scrub();
            }
            Stage::Clean => {}
        }
        self.stage = Stage::Running;
        let result = answer(&self.context);
        self.context.arena_mut().reset();
        self.stage = Stage::Used;
        Ok(result)
    }

    /// Ends initialisation: takes now what the first request would have to.
    ///
    /// # Errors
    /// [`StateError::Sealed`] the second time, [`StateError::Running`] within
    /// an invocation, [`StateError::Memory`] where there are no pages.
    pub fn seal(&mut self) -> Result<(), StateError> {
        if self.stage == Stage::Running {
            return Err(StateError::Running);
        }
        if self.sealed {
            return Err(StateError::Sealed);
        }
        self.context.arena_mut().prepare()?;
        self.sealed = true;
        Ok(())
    }

    /// Overwrites with zeros what the invocations since the last rewind wrote
    /// to the arena. Returns how many bytes that were.
    ///
    /// # Errors
    /// [`StateError::NotSealed`] before [`seal`](Self::seal), and
    /// [`StateError::Running`] within an invocation.
    pub fn rewind(&mut self) -> Result<usize, StateError> {
        if self.stage == Stage::Running {
            return Err(StateError::Running);
        }
        if !self.sealed {
            return Err(StateError::NotSealed);
        }
        self.stage = Stage::Clean;
        Ok(self.context.arena_mut().scrub())
    }

    /// The figures of the arena. Between two invocations `used` is zero and
    /// `peak_used` is what the last one needed.
    pub fn usage(&self) -> Usage {
        self.context.arena().usage()
    }
}

impl Default for Invocation {
    fn default() -> Self {
        Self::new()
    }
}

/// A call that does not fit the state of the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// An invocation is running, or one trapped.
    Running,
    /// It was sealed before.
    Sealed,
    /// It was not sealed yet.
    NotSealed,
    /// There was no memory for the first block.
    Memory(AllocError),
}

impl From<AllocError> for StateError {
    fn from(error: AllocError) -> Self {
        Self::Memory(error)
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str(
                "an invocation is running or has trapped: wait for it, or drop the instance",
            ),
            Self::Sealed => f.write_str("the instance was sealed before: seal it once"),
            Self::NotSealed => f.write_str("the instance was not sealed: call `seal` first"),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StateError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_invocation_finds_the_addresses_of_the_last_and_none_of_its_bytes() {
        let mut invocation = Invocation::new();
        let mut seen = std::vec::Vec::new();
        for _ in 0..3 {
            let (at, before) = invocation
                .run(|cx| {
                    let place = cx.arena().alloc([0_u8; 4]).unwrap();
                    let at = place.as_ptr().addr();
                    // Allocated without a value, it would show what was there.
                    let next = cx.arena().alloc_layout(core::alloc::Layout::new::<u64>());
                    let next = next.unwrap().cast::<u64>();
                    // SAFETY: handed out just now; the pages came zeroed, so the
                    // bytes are initialised.
                    let before = unsafe { next.read() };
                    // SAFETY: as above.
                    unsafe { next.write(u64::from_ne_bytes(*b"a secret")) };
                    (at, before)
                })
                .unwrap();
            assert_eq!(before, 0);
            seen.push(at);
        }
        assert!(seen.iter().all(|&at| at == seen[0]));
    }

    #[test]
    fn rewind_overwrites_what_the_invocation_wrote() {
        let mut invocation = Invocation::new();
        assert_eq!(invocation.rewind(), Err(StateError::NotSealed));
        invocation.seal().unwrap();
        assert_eq!(invocation.seal(), Err(StateError::Sealed));
        invocation
            .run(|cx| {
                cx.arena().strdup("twelve bytes").unwrap();
            })
            .unwrap();
        assert_eq!(invocation.rewind(), Ok(16));
        assert_eq!(invocation.rewind(), Ok(0));
    }

    #[test]
    fn an_invocation_that_never_ended_is_not_followed_by_another() {
        let mut invocation = Invocation::new();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            invocation.run(|_| panic!("the handler's fault"))
        }));
        assert!(panicked.is_err());
        assert_eq!(invocation.run(|_| ()), Err(StateError::Running));
        assert_eq!(invocation.seal(), Err(StateError::Running));
    }

    #[test]
    fn sealing_takes_the_pages_that_the_first_request_needs() {
        let mut invocation = Invocation::new();
        invocation.seal().unwrap();
        let grows = invocation.usage().grows;
        invocation
            .run(|cx| cx.arena().strdup("x").map(|_| ()))
            .unwrap()
            .unwrap();
        assert_eq!(invocation.usage().grows, grows);
    }
}
