//! The life of one invocation: it begins, it runs, and its memory is taken back.

use core::cell::{Cell, UnsafeCell};
use core::fmt;

use crate::{AllocError, Arena, Context, Usage};

/// The memory that the invocations of one instance use, one after the other.
///
/// ```text
///              seal           receive        enter           leave
///  Initialising ───► Clean ──► Receiving ──► Running ──► Answered ──► Used
///                      ▲           ▲                         │ settle  │
///                      │           └───── clear (scrubs) ────┴────┐    │
///                      └───────── rewind: clear (scrubs) ─────────┴────┘
/// ```
///
/// The end of an invocation resets the arena, at no cost worth mentioning. What
/// the invocation wrote is overwritten only if the instance lives on: by a host
/// that calls [`rewind`](Self::rewind), or else when the next invocation
/// begins. An instance that serves one request never pays for it.
///
/// In a component this is done by [`export!`](crate::export). By itself it is
/// good for a handler's own tests, natively:
///
/// ```
/// # use lavandula::{AllocError, Context, Request, Response};
/// # fn greet<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
/// #     Ok(Response::ok(cx.arena().strdup("Hello, Ada")?, "text/plain"))
/// # }
/// let mut invocation = lavandula::Invocation::new();
/// let length = invocation.run(|cx| {
///     let answer = greet(cx, Request::new("GET", "/Ada")).unwrap();
///     answer.body().as_bytes().len()
/// });
/// assert_eq!(length, Ok(10));
/// assert_eq!(invocation.usage().used, 0);
/// assert_eq!(invocation.usage().peak_used, 16);
/// ```
pub struct Invocation {
    /// Shared while a request is received and answered, since the heap works
    /// with it at the same time as the handler; exclusive in `settle` and
    /// `clear`, by their contracts.
    context: UnsafeCell<Context>,
    stage: Cell<Stage>,
    sealed: Cell<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing of a request is in the arena.
    Clean,
    /// A host puts a request into the arena.
    Receiving,
    /// A request is being answered.
    Running,
    /// The answer is there, and a host takes it. What the global allocator gave
    /// for it lies in the arena.
    Answered,
    /// The arena was reset, and what the request wrote is still there.
    Used,
}

impl Invocation {
    /// Before the first invocation.
    pub const fn new() -> Self {
        Self {
            context: UnsafeCell::new(Context::new()),
            stage: Cell::new(Stage::Clean),
            sealed: Cell::new(false),
        }
    }

    /// Answers one request: makes the arena clean, lets `answer` work with it,
    /// and resets it.
    ///
    /// # Errors
    /// [`StateError::Running`] where `answer` of an earlier call never
    /// returned, which happens after a trap only.
    pub fn run<R>(&mut self, answer: impl FnOnce(&Context) -> R) -> Result<R, StateError> {
        if self.is_due() {
            // SAFETY: `&mut self` leaves nobody who uses the arena.
            unsafe { self.clear() };
        }
        self.enter()?;
        let result = answer(self.context());
        // SAFETY: `answer` has returned, and its result cannot borrow from the
        // context, whose lifetime it does not know.
        unsafe {
            self.leave();
            self.settle();
        }
        Ok(result)
    }

    /// Ends initialisation: takes now what the first request would have to.
    ///
    /// # Errors
    /// [`StateError::Sealed`] the second time, [`StateError::Running`] within
    /// an invocation, [`StateError::Memory`] where there are no pages.
    pub fn seal(&mut self) -> Result<(), StateError> {
        self.may_seal()?;
        self.context.get_mut().arena_mut().prepare()?;
        self.sealed.set(true);
        Ok(())
    }

    /// Overwrites with zeros what the invocations since the last rewind wrote
    /// to the arena. Returns how many bytes that were.
    ///
    /// # Errors
    /// [`StateError::NotSealed`] before [`seal`](Self::seal), and
    /// [`StateError::Running`] within an invocation.
    pub fn rewind(&mut self) -> Result<usize, StateError> {
        self.may_rewind()?;
        // SAFETY: `&mut self` leaves nobody who uses the arena.
        Ok(unsafe { self.clear() })
    }

    /// The figures of the arena. Between two invocations `used` is zero and
    /// `peak_used` is what the last one needed.
    pub fn usage(&self) -> Usage {
        self.context().arena().usage()
    }
}

/// The steps, for the instance of a component, where they are further apart.
impl Invocation {
    pub(crate) fn context(&self) -> &Context {
        // SAFETY: nobody has it exclusively but `settle` and `clear` while they
        // run, and they call nothing that comes here.
        unsafe { &*self.context.get() }
    }

    pub(crate) fn arena(&self) -> &Arena {
        self.context().arena()
    }

    /// Whether an earlier request has to be taken back before another comes.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self.stage.get(), Stage::Answered | Stage::Used)
    }

    /// The first of a request lies in the arena. Nothing where one runs.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn receive(&self) {
        if self.stage.get() == Stage::Clean {
            self.stage.set(Stage::Receiving);
        }
    }

    pub(crate) fn enter(&self) -> Result<(), StateError> {
        if self.stage.get() == Stage::Running {
            return Err(StateError::Running);
        }
        self.stage.set(Stage::Running);
        Ok(())
    }

    /// The handler is done.
    ///
    /// # Safety
    /// Nobody uses what was deferred in the arena.
    pub(crate) unsafe fn leave(&self) {
        // SAFETY: by the contract.
        unsafe { self.arena().drop_deferred() };
        self.stage.set(Stage::Answered);
    }

    /// The host is done with the answer.
    ///
    /// # Safety
    /// Nobody uses what the arena handed out before the answer, nor the answer.
    pub(crate) unsafe fn settle(&self) {
        if self.stage.get() == Stage::Answered {
            // SAFETY: by the contract. A reset drops what was deferred, which is
            // nothing since `leave`, and calls nothing else.
            unsafe { &mut *self.context.get() }.arena_mut().reset();
            self.stage.set(Stage::Used);
        }
    }

    /// Resets the arena and overwrites what was handed out of it.
    ///
    /// # Safety
    /// Nobody uses what the arena handed out.
    pub(crate) unsafe fn clear(&self) -> usize {
        // SAFETY: by the contract.
        unsafe { self.settle() };
        if self.stage.get() == Stage::Receiving {
            // A request that was never answered: its host gave up.
            // SAFETY: by the contract, as in `settle`.
            unsafe { &mut *self.context.get() }.arena_mut().reset();
        }
        self.stage.set(Stage::Clean);
        // SAFETY: by the contract, and a scrub calls nothing.
        unsafe { &mut *self.context.get() }.arena_mut().scrub()
    }

    /// Whether a host may seal now.
    pub(crate) fn may_seal(&self) -> Result<(), StateError> {
        if self.sealed.get() {
            return Err(StateError::Sealed);
        }
        match self.stage.get() {
            Stage::Clean | Stage::Used => Ok(()),
            _ => Err(StateError::Running),
        }
    }

    /// Whether a host may rewind now.
    pub(crate) fn may_rewind(&self) -> Result<(), StateError> {
        if self.stage.get() == Stage::Running {
            return Err(StateError::Running);
        }
        if !self.sealed.get() {
            return Err(StateError::NotSealed);
        }
        Ok(())
    }
}

/// What an instance needs besides.
#[cfg(target_arch = "wasm32")]
impl Invocation {
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.get()
    }

    pub(crate) fn set_sealed(&self) {
        self.sealed.set(true);
    }

    /// The arena, to be made as new.
    ///
    /// # Safety
    /// Nobody uses what the arena handed out, nor the arena as long as the
    /// reference lives.
    #[expect(clippy::mut_from_ref, reason = "by the contract nobody else uses it")]
    pub(crate) unsafe fn arena_mut(&self) -> &mut Arena {
        // SAFETY: by the contract.
        unsafe { &mut *self.context.get() }.arena_mut()
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("stage", &self.stage.get())
            .field("usage", &self.usage())
            .finish_non_exhaustive()
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

impl StateError {
    /// What to say of it, where that is always the same.
    pub(crate) const fn text(&self) -> Option<&'static str> {
        match self {
            Self::Running => {
                Some("an invocation is running or has trapped: wait for it, or drop the instance")
            }
            Self::Sealed => Some("the instance was sealed before: seal it once"),
            Self::NotSealed => Some("the instance was not sealed: call `seal` first"),
            Self::Memory(_) => None,
        }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.text()) {
            (Self::Memory(error), _) => error.fmt(f),
            (_, text) => f.write_str(text.unwrap_or_default()),
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
