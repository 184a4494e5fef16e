//! A door of one's own: for a runtime whose ABI is none of those that [`export!`] knows.
//!
//! [`export!`]: crate::export

use crate::Context;

/// How requests come in and answers go out, where a runtime has an ABI of its own and
/// runs a program rather than calling a function: Fastly Compute, say. [`door!`] makes
/// the program of it.
///
/// ```
/// use lavandula::{Context, Door, Request, Response};
/// # mod platform {
/// #     #[derive(Clone, Copy)]
/// #     pub struct Handle;
/// #     pub fn wait() -> Handle { Handle }
/// #     pub fn path(_: Handle, _: &mut [u8]) -> usize { 0 }
/// #     pub fn respond(_: Handle, _: u16, _: &[u8]) {}
/// # }
///
/// fn greet<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
///     Response::ok(request.path(), "text/plain")
/// }
///
/// struct Platform;
///
/// impl Door for Platform {
///     type Request = platform::Handle;
///
///     fn next(answered: usize) -> Option<Self::Request> {
///         // A hundred for each instance.
///         (answered < 100).then(platform::wait)
///     }
///
///     fn answer(cx: &Context, request: Self::Request) {
///         let answer = match cx.arena().calloc(1, 4096) {
///             Ok(path) => {
///                 let len = platform::path(request, path);
///                 let path = std::str::from_utf8(&path[..len]).unwrap_or("/");
///                 greet(cx, Request::new("GET", path))
///             }
///             Err(error) => lavandula::IntoResponse::into_response(error),
///         };
///         platform::respond(request, answer.status(), answer.body().as_bytes());
///     }
/// }
///
/// lavandula::door!(Platform);
/// # fn main() {}
/// ```
///
/// Each request has the instance's arena, which is taken back when `answer` has
/// returned: with [`InvocationHeap`](crate::InvocationHeap) the instance is rewound
/// then, before it waits for the next one. Nothing but what lies in memory is put back:
/// handles that `answer` leaves open stay open.
///
/// [`door!`]: crate::door
pub trait Door: 'static {
    /// A request as the runtime brings it. It may lie in memory, as it came after the
    /// last rewind.
    type Request;

    /// Is called once, before the first request. What it allocates is there to stay.
    fn initialise() {}

    /// Waits for the next request. `answered` is how many this instance has answered,
    /// which no static could tell. None ends the program.
    fn next(answered: usize) -> Option<Self::Request>;

    /// Answers it: nothing is left to be done when this returns.
    fn answer(cx: &Context, request: Self::Request);
}

/// Makes a program of a [`Door`]: what the runtime starts, and what has to be kept of
/// the platform's library. Use it once, in the `main.rs` of a crate with `#![no_main]`
/// that is built with `lavandula build`. In a native build it checks the type and
/// exports nothing.
///
/// It begins where the platform's library does, so that nothing of the program's is
/// below the frames of a request: a rewind puts memory back and no local variable.
#[macro_export]
macro_rules! door {
    ($door:ty) => {
        const _: () = {
            #[allow(dead_code)]
            const fn is_a_door<T: $crate::Door>() {}
            is_a_door::<$door>();

            #[cfg(all(target_arch = "wasm32", target_os = "wasi"))]
            #[unsafe(export_name = "__main_void")]
            extern "C" fn __lavandula_main() -> i32 {
                $crate::__private::serve::<$door>()
            }

            #[cfg(all(target_arch = "wasm32", target_os = "wasi"))]
            #[unsafe(export_name = "sbrk")]
            extern "C" fn __lavandula_sbrk(increment: isize) -> *mut u8 {
                $crate::__private::sbrk(increment)
            }
        };
    };
}

/// What the program does.
#[cfg(all(
    target_arch = "wasm32",
    target_os = "wasi",
    not(any(feature = "arena-guest", feature = "js"))
))]
pub(crate) mod program {
    use core::cell::Cell;
    use core::ops::ControlFlow;

    use super::Door;
    use crate::StateError;
    use crate::image::zero_stack_below;
    use crate::instance::{self, Form};

    struct Begun(Cell<bool>);

    // SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on one
    // thread.
    unsafe impl Sync for Begun {}

    static BEGUN: Begun = Begun(Cell::new(false));

    /// Answers requests until there are no more. Returns what the program does: zero,
    /// or not where no request could be answered.
    ///
    /// A rewind is sound here although it is not the outermost level. Only frames of the
    /// platform's library are above, and this one, which has numbers: what `D` has, it has
    /// in frames that were left, or in memory that is put back.
    pub fn serve<D: Door>() -> i32 {
        // The program called itself: its frames are above.
        let twice = BEGUN.0.replace(true);
        let served = match twice {
            true => Err(StateError::Running),
            false => serve_all::<D>(),
        };
        match served {
            Ok(()) => 0,
            Err(error) => tell(error),
        }
    }

    fn serve_all<D: Door>() -> Result<(), StateError> {
        instance::seal_for(Form::OneArena, D::initialise)?;
        let mut answered = 0;
        while answer_next::<D>(answered)?.is_continue() {
            answered += 1;
            put_back()?;
        }
        Ok(())
    }

    /// In a frame of its own, which is below that of the caller and overwritten.
    #[inline(never)]
    fn answer_next<D: Door>(answered: usize) -> Result<ControlFlow<()>, StateError> {
        instance::receive();
        let Some(request) = D::next(answered) else {
            return Ok(ControlFlow::Break(()));
        };
        instance::run(D::initialise, |cx| D::answer(cx, request))?;
        Ok(ControlFlow::Continue(()))
    }

    #[inline(never)]
    fn put_back() -> Result<(), StateError> {
        instance::rewind()?;
        zero_stack_below();
        Ok(())
    }

    /// There is no client whom it could be told.
    #[cold]
    fn tell(error: StateError) -> i32 {
        #[cfg(feature = "std")]
        std::eprintln!("{error}");
        #[cfg(not(feature = "std"))]
        let _ = error;
        1
    }
}
