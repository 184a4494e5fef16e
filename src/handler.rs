//! What every door calls: one function, and what comes before it.

use crate::{Context, Request, Response};

/// The one function behind all doors, and what comes before it. `export!`
/// implements it.
pub trait Handler: 'static {
    /// Is called once, before the first request.
    fn initialise();

    /// Answers one request.
    fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Response<'a>;
}
