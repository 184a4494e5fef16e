//! What the standard library keeps for a program: the buffer of its output, and
//! the hook for its panics.

use std::io::Write;
use std::panic;
use std::sync::{Mutex, PoisonError};

/// Writes out what is in the buffer, and then less than a line, which stays there.
pub fn partial_line(marker: &str) -> String {
    let flushed = std::io::stdout().flush();
    print!("{marker} ");
    match flushed {
        Ok(()) => String::from("written"),
        Err(error) => error.to_string(),
    }
}

/// Writes a line, to both of them. Where they are opened is a matter of the C
/// library: when they are first written to, and then for good.
pub fn lines(marker: &str) -> String {
    println!("{marker}");
    eprintln!("{marker}");
    String::from("written")
}

static RELEASED: Mutex<String> = Mutex::new(String::new());

/// Something of a request. Says so when it is released.
struct Kept(String);

impl Drop for Kept {
    fn drop(&mut self) {
        let mut released = RELEASED.lock().unwrap_or_else(PoisonError::into_inner);
        released.push_str(&self.0);
    }
}

/// Replaces the hook, and tells whose the last one was.
pub fn hook(marker: &str) -> String {
    drop(panic::take_hook());
    let kept = Kept(marker.to_owned());
    panic::set_hook(Box::new(move |_| eprintln!("the hook of {}", kept.0)));
    let released = RELEASED.lock().unwrap_or_else(PoisonError::into_inner);
    match released.as_str() {
        "" => String::from("the default hook was there"),
        released => format!("the hook of {released} was there"),
    }
}
