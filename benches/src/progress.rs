//! What a person sees while it works, and the report at the end.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Failure;

/// Progress on stderr: bars on a terminal, else a line for each step.
pub struct Steps {
    terminal: bool,
    last: RefCell<ProgressBar>,
}

impl Steps {
    /// Of a run that begins.
    #[expect(clippy::new_without_default, reason = "it looks at where stderr leads")]
    pub fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            last: RefCell::new(ProgressBar::hidden()),
        }
    }

    /// A step without a bar.
    pub fn say(&self, what: &str) {
        self.done();
        eprintln!("{what}");
    }

    /// A step of `total` parts.
    pub fn bar(&self, what: &'static str, total: u64) -> ProgressBar {
        self.done();
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if self.terminal {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(what);
        } else {
            eprintln!("{what}");
        }
        self.last.replace(bar.clone());
        bar
    }

    /// The last step is over.
    pub fn done(&self) {
        self.last.borrow().finish_and_clear();
    }
}

/// Writes to stdout, whole. Where nobody takes it that is an error like others.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Failure::Print)
}
