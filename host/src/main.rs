//! The command `lavandula`: builds handlers, serves them, and checks them.
//!
//! stdout is the product, stderr the log. Exit codes: 0 for success, 1 for a
//! verdict that does not hold, 2 for everything that kept the command from its
//! work, with a line on stderr that says what to do.

mod cli;

/// A request allocates a few dozen small things in the host and frees them on the
/// same thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
