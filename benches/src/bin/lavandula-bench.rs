//! The command `lavandula-bench`. stdout is the report, stderr the progress; exit
//! code 2 for everything that kept it from its work, with a line that says what
//! to do.

use std::process::ExitCode;

fn main() -> ExitCode {
    lavandula_bench::cli::main()
}
