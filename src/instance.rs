//! What there is one of in each WebAssembly instance: the invocation's memory,
//! the heap for what outlives it, and the image of both.
//!
//! Everything here is single-threaded, as WebAssembly without atomics is, and at
//! the outermost level of the instance when it takes something back: a component
//! is not entered while it runs.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::{Cell, OnceCell, UnsafeCell};

use crate::arena::linear;
use crate::image::{Image, zero_stack_below};
use crate::lease::Leases;
use crate::persistent::Persistent;
use crate::span::Span;
use crate::{
    AllocError, Arena, Context, DEFAULT_BLOCK_SIZE, Invocation, LinearMemory, PageSource, Pages,
    StateError, Usage,
};

/// Where the global allocator takes memory from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// From the invocation's arena.
    Arena,
    /// From the persistent heap, until the first request comes.
    UntilRequest,
    /// From the persistent heap, whatever comes.
    Persistent,
}

/// Which memory invocations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The instance's arena, one after the other.
    OneArena,
    /// An arena each, as long as they last, so that they may overlap.
    Leases,
}

/// All but [`PERSISTENT`] of it: what a rewind works with and does not put back.
pub(crate) struct Instance {
    invocation: Invocation,
    place: Cell<Place>,
    constructed: Cell<bool>,
    initialised: Cell<bool>,
    form: Cell<Form>,
    leases: Leases,
    /// There is one where the global allocator is an `InvocationHeap`, from the
    /// seal on.
    image: OnceCell<Image>,
    /// What `seal` and `rewind` answer to the host. It must not lie among what
    /// they put back.
    reply: UnsafeCell<Reply>,
}

// SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on one
// thread.
unsafe impl Sync for Instance {}

static INSTANCE: Instance = Instance {
    invocation: Invocation::new(),
    place: Cell::new(Place::UntilRequest),
    constructed: Cell::new(false),
    initialised: Cell::new(false),
    form: Cell::new(Form::OneArena),
    leases: Leases::new(),
    image: OnceCell::new(),
    reply: UnsafeCell::new(Reply::OK),
};

/// A part of the image, so that what is allocated from it later on is forgotten.
struct Lasting(Persistent<LinearMemory>);

// SAFETY: as above.
unsafe impl Sync for Lasting {}

static PERSISTENT: Lasting = Lasting(Persistent::new(LinearMemory));

/// The heap for what outlives invocations.
pub(crate) fn persistent() -> &'static Persistent<LinearMemory> {
    &PERSISTENT.0
}

/// The arena of the invocation.
#[inline(always)]
pub(crate) fn arena() -> &'static Arena {
    INSTANCE.invocation.arena()
}

#[inline(always)]
pub(crate) fn place() -> Place {
    INSTANCE.place.get()
}

/// Gives the arena its first block, where it has none: the global allocator has
/// one ready.
///
/// # Safety
/// As for [`Arena::adopt`].
#[cold]
pub(crate) unsafe fn provide(pages: Pages) {
    // SAFETY: by the contract. The arena is a static with the default policy.
    unsafe { arena().adopt(pages) };
}

/// Runs `act` with the global allocator at another place.
pub(crate) fn allocating_from<R>(place: Place, act: impl FnOnce() -> R) -> R {
    /// Sets it back also where `act` panics.
    struct Before(Place);

    impl Drop for Before {
        fn drop(&mut self) {
            INSTANCE.place.set(self.0);
        }
    }

    let _before = Before(INSTANCE.place.replace(place));
    act()
}

/// The host is about to put something into the instance: the first of a request,
/// unless one is being received or answered, or initialisation asked for it.
pub(crate) fn receive() {
    if INSTANCE.place.get() == Place::Persistent {
        return;
    }
    if INSTANCE.invocation.is_due() {
        // SAFETY: the host calls in from the outermost level, with numbers only,
        // and no frame below has anything of memory.
        unsafe { take_back() };
        zero_stack_below();
    }
    INSTANCE.invocation.receive();
    INSTANCE.place.set(Place::Arena);
}

/// Runs the static constructors once. What they allocate is there to stay.
pub(crate) fn construct(constructors: impl FnOnce()) {
    if !INSTANCE.constructed.replace(true) {
        allocating_from(Place::Persistent, constructors);
    }
}

/// Answers one request with the instance's arena. Where nobody did so before, it
/// is initialised, sealed, or rewound first.
pub(crate) fn run<R>(
    initialise: fn(),
    answer: impl FnOnce(&Context) -> R,
) -> Result<R, StateError> {
    let invocation = &INSTANCE.invocation;
    if invocation.is_due() {
        // Nothing was received by way of memory.
        // SAFETY: called by the door at the outermost level, which has only
        // numbers so far.
        unsafe { take_back() };
        zero_stack_below();
    }
    invocation.enter()?;
    INSTANCE.place.set(Place::Arena);
    if !invocation.is_sealed()
        && let Err(error) = end_initialisation(initialise, Form::OneArena)
    {
        // SAFETY: nobody has used the context.
        unsafe { invocation.leave() };
        return Err(error);
    }
    let result = answer(invocation.context());
    // SAFETY: `answer` has returned, and its result cannot borrow from the
    // context, whose lifetime it does not know.
    unsafe { invocation.leave() };
    #[cfg(all(target_env = "p2", feature = "std"))]
    close_standard_streams();
    Ok(result)
}

/// Which memory invocations have. It is [`Form::OneArena`] until it is known.
pub(crate) fn form() -> Form {
    INSTANCE.form.get()
}

/// The arenas of an instance whose form is [`Form::Leases`].
pub(crate) fn leases() -> &'static Leases {
    &INSTANCE.leases
}

pub(crate) fn is_sealed() -> bool {
    INSTANCE.invocation.is_sealed()
}

/// An invocation of an asynchronous door begins, which has the instance's arena for
/// itself.
///
/// # Errors
/// [`StateError::Running`] where another has it.
pub(crate) fn begin_alone() -> Result<(), StateError> {
    let invocation = &INSTANCE.invocation;
    if invocation.is_due() {
        // SAFETY: called by the door at the outermost level, which has only
        // numbers so far.
        unsafe { take_back() };
        zero_stack_below();
    }
    invocation.enter()?;
    INSTANCE.place.set(Place::Arena);
    Ok(())
}

/// Ends initialisation in the first invocation of an asynchronous door.
pub(crate) fn end_initialisation_for_leases(initialise: fn()) -> Result<(), StateError> {
    end_initialisation(initialise, Form::Leases)
}

/// Turns out that the invocation that began alone has an arena of its own instead:
/// the global allocator is not an `InvocationHeap`, so that nothing lies in the
/// instance's.
pub(crate) fn no_longer_alone() {
    // SAFETY: by the above. That what a host hands over counts as the beginning of
    // a request matters for that allocator alone, and so does the place.
    unsafe {
        INSTANCE.invocation.leave();
        INSTANCE.invocation.clear();
    }
    INSTANCE.place.set(Place::Persistent);
}

/// The context of the invocation that is alone.
pub(crate) fn context_alone(budget: Option<usize>) -> &'static Context {
    // SAFETY: the one invocation has not asked for it yet. The global allocator,
    // which uses it too, is not called meanwhile.
    unsafe { INSTANCE.invocation.arena_mut() }.set_budget(budget);
    INSTANCE.invocation.context()
}

/// The invocation that was alone has ended, if there was one, and nobody has
/// anything of it, since its response was read when it was returned.
pub(crate) fn end_alone() {
    // SAFETY: by the above, and called when nothing of memory is used any more
    // between here and the host.
    unsafe {
        INSTANCE.invocation.leave();
        #[cfg(all(target_env = "p2", feature = "std"))]
        close_standard_streams();
        take_back();
    }
}

/// Closes what the request may have opened of the standard streams. The C library
/// opens them when they are first used, and notes it in memory of its `malloc`: a
/// rewind makes it forget them, but not the host, which would keep them for ever.
///
/// With WASI 0.1 they are open from the beginning, and would be closed for good.
#[cfg(all(target_env = "p2", feature = "std"))]
fn close_standard_streams() {
    unsafe extern "C" {
        fn close(descriptor: i32) -> i32;
    }
    if INSTANCE.image.get().is_some_and(Image::malloc_began) {
        for descriptor in 0..=2 {
            // SAFETY: nothing of the request comes after this, and the next one
            // finds them as they were before.
            unsafe { close(descriptor) };
        }
    }
}

/// Ends initialisation, where invocations come one after the other.
#[cfg(any(feature = "js", feature = "arena-guest"))]
pub(crate) fn seal(initialise: fn()) -> Result<(), StateError> {
    seal_for(Form::OneArena, initialise)
}

/// Ends initialisation. `form` is that of an instance whose global allocator does not
/// work with the arena.
pub(crate) fn seal_for(form: Form, initialise: fn()) -> Result<(), StateError> {
    // SAFETY: a host that seals is done with the answer, if there was one: that the
    // request could not be taken.
    unsafe { INSTANCE.invocation.settle() };
    INSTANCE.invocation.may_seal()?;
    INSTANCE.place.set(Place::Arena);
    end_initialisation(initialise, form)?;
    // Whether the global allocator works with the arena was tried in it.
    // SAFETY: no request is being received, so nobody uses it.
    unsafe { INSTANCE.invocation.clear() };
    Ok(())
}

/// Takes back what requests have left, all but the stack.
pub(crate) fn rewind() -> Result<(), StateError> {
    INSTANCE.invocation.may_rewind()?;
    if !INSTANCE.leases.is_empty() {
        return Err(StateError::Running);
    }
    // SAFETY: a host calls this at the outermost level, and nothing of memory is
    // used between here and there.
    unsafe { take_back() };
    Ok(())
}

/// The figures of the arena that requests use.
pub(crate) fn usage() -> Usage {
    if INSTANCE.form.get() == Form::Leases {
        return INSTANCE.leases.usage();
    }
    // SAFETY: a host that asks for the figures is done with the answer.
    unsafe { INSTANCE.invocation.settle() };
    INSTANCE.invocation.usage()
}

/// What a rewind leaves as it is, which is what it works with. Nothing where there
/// is no image.
pub(crate) fn image_store() -> impl Iterator<Item = Span> {
    let spans = INSTANCE.image.get().map(|image| {
        [
            Span::of_static(&INSTANCE),
            linear::bookkeeping(),
            image.store(),
        ]
    });
    spans.into_iter().flatten()
}

/// Whether all of a request lies in the arena, what the host put there included,
/// and nothing of it is freed one by one. It may be told within [`run`].
pub(crate) fn holds_everything() -> bool {
    INSTANCE.image.get().is_some()
}

/// The bytes as a vector, without a copy where that is possible.
pub(crate) fn into_vec(bytes: &[u8]) -> Vec<u8> {
    if !holds_everything() || bytes.is_empty() {
        return bytes.to_vec();
    }
    let start = bytes.as_ptr().cast_mut();
    // SAFETY: the global allocator is an `InvocationHeap`, and a request is being
    // answered. Whatever address it is asked to free then, it does nothing but
    // take back what the arena handed out last, or a large block of its own, if
    // the bytes are that. Wherever they lie, in the arena, in the persistent heap
    // or among the statics, they stay as they are until the host has read them:
    // the handler, which has lent them, has returned. The caller only reads the
    // vector, whose capacity is its length.
    unsafe { Vec::from_raw_parts(start, bytes.len(), bytes.len()) }
}

/// Where the blocks of the arena lie that requests use.
pub(crate) fn blocks() -> impl Iterator<Item = Span> {
    // SAFETY: as in `usage`.
    unsafe { INSTANCE.invocation.settle() };
    arena().runs().chain(INSTANCE.leases.runs())
}

/// Initialises, once, and takes the image. Where there is no memory for that, who
/// comes next tries again.
fn end_initialisation(initialise: fn(), form: Form) -> Result<(), StateError> {
    if !INSTANCE.initialised.replace(true) {
        allocating_from(Place::Persistent, initialise);
    }
    take_image(form)
}

/// Takes the image, where the global allocator is one that knows how to live with
/// it. Without it a rewind is about the arena and the stack, and what others
/// allocated stays.
fn take_image(form: Form) -> Result<(), StateError> {
    let invocation = &INSTANCE.invocation;
    if allocates_from_arena() {
        let rest = PERSISTENT.0.leave_rest();
        let image = Image::take(invocation.arena(), [Span::of_static(&INSTANCE), rest])?;
        // Sealed once, so there is none.
        let _ = INSTANCE.image.set(image);
    } else {
        match form {
            Form::OneArena => invocation.arena().prepare()?,
            Form::Leases => prepare_pool()?,
        }
        INSTANCE.form.set(form);
    }
    invocation.set_sealed();
    Ok(())
}

/// Takes the pages that the first lease needs.
fn prepare_pool() -> Result<(), AllocError> {
    let requested = DEFAULT_BLOCK_SIZE;
    let pages = LinearMemory.take(requested, requested);
    let pages = pages.ok_or(AllocError::OutOfMemory { requested })?;
    // SAFETY: just taken, and nobody's.
    unsafe { LinearMemory.give_back(pages) };
    Ok(())
}

/// Whether the global allocator is an `InvocationHeap`: by what it does.
fn allocates_from_arena() -> bool {
    if cfg!(feature = "arena-guest") {
        return false;
    }
    let layout = Layout::new::<u64>();
    // SAFETY: the layout has a size, and what comes is freed with it.
    unsafe {
        // The compiler may leave out an allocation that nobody looks at.
        let at = core::hint::black_box(alloc::alloc::alloc(layout));
        let Some(place) = core::ptr::NonNull::new(at) else {
            return false;
        };
        let ours = arena().is_last(place, layout.size());
        alloc::alloc::dealloc(at, layout);
        ours
    }
}

/// Takes back everything since the seal, but for the stack.
///
/// # Safety
/// As for [`Image::put_back`].
unsafe fn take_back() {
    // SAFETY: by the contract nobody uses what the arena handed out.
    unsafe { INSTANCE.invocation.clear() };
    if !cfg!(feature = "arena-guest")
        && let Some(image) = INSTANCE.image.get()
    {
        // SAFETY: by the contract, and it was just cleared. Nobody else has the
        // arena: nothing runs but this.
        unsafe { image.put_back(INSTANCE.invocation.arena_mut()) };
    }
}

/// The result of a call without a value, as the canonical ABI has it in memory:
/// `result<_, error>` of `lavandula:arena/types`.
#[repr(C)]
pub(crate) struct Reply {
    is_error: u8,
    error: Error,
}

#[repr(C, align(8))]
struct Error {
    case: u8,
    /// Of `out-of-memory` and `budget`: numbers. Of `state`: address and length.
    payload: [u64; 2],
}

impl Reply {
    const OK: Self = Self {
        is_error: 0,
        error: Error {
            case: 0,
            payload: [0; 2],
        },
    };
}

/// Puts the result where the host finds it, and returns where that is.
pub(crate) fn reply(result: Result<(), StateError>) {
    let reply = match result {
        Ok(()) => Reply::OK,
        Err(error) => Reply {
            is_error: 1,
            error: Error::from(error),
        },
    };
    // SAFETY: one thread, and nobody has a reference.
    unsafe { INSTANCE.reply.get().write(reply) };
}

/// Whether the last of them was no success.
#[cfg(feature = "js")]
pub(crate) fn was_refused() -> bool {
    // SAFETY: one thread, and nobody has a reference.
    unsafe { (*INSTANCE.reply.get()).is_error != 0 }
}

/// Where the host finds it.
#[cfg(not(feature = "js"))]
pub(crate) fn reply_place() -> *const Reply {
    INSTANCE.reply.get()
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        use crate::AllocError;
        let (case, payload) = match (error, error.text()) {
            (StateError::Memory(AllocError::OutOfMemory { requested }), _) => {
                (0, [requested as u64, 0])
            }
            (
                StateError::Memory(AllocError::Budget {
                    requested,
                    remaining,
                }),
                _,
            ) => (1, [requested as u64, remaining as u64]),
            (StateError::Memory(_), _) => (2, [0; 2]),
            (_, text) => {
                let text = text.unwrap_or_default();
                let at = text.as_ptr().expose_provenance() as u64;
                // Two words of 32 bits, the lower one first.
                (5, [at | (text.len() as u64) << 32, 0])
            }
        };
        Self { case, payload }
    }
}
