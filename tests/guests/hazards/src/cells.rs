//! Statics, thread-locals and collections that keep something of a request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

/// The value that the first request gave it.
pub fn once(marker: &str) -> String {
    static SEEN: OnceLock<String> = OnceLock::new();
    SEEN.get_or_init(|| marker.to_owned()).clone()
}

/// What this thread has seen, in a variable that wants to be dropped.
pub fn thread_local(marker: &str) -> String {
    struct Seen(RefCell<Vec<String>>);

    impl Drop for Seen {
        fn drop(&mut self) {
            // Without this the standard library would not note that there is
            // something to drop, which is what this is about.
            std::hint::black_box(&self.0);
        }
    }

    thread_local! {
        static SEEN: Seen = const { Seen(RefCell::new(Vec::new())) };
    }
    SEEN.with(|seen| {
        let mut seen = seen.0.borrow_mut();
        seen.push(marker.to_owned());
        seen.join(" ")
    })
}

/// How often each marker came, in a map that is keyed at random.
pub fn hash(marker: &str) -> String {
    static COUNTS: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(Mutex::default);
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry(marker.to_owned()).or_default() += 1;
    let mut keys: Vec<_> = counts.keys().map(String::as_str).collect();
    keys.sort_unstable();
    format!("{}: {}", counts.len(), keys.join(" "))
}

/// Every marker so far.
pub fn static_vec(marker: &str) -> String {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.push(marker.to_owned());
    seen.join(" ")
}
