//! What was made before the first request: by the function for initialisation,
//! and by a constructor of the module, which runs before any other code.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Entries of the table.
const ENTRIES: usize = 1_000;

static INITIALISED: AtomicU32 = AtomicU32::new(0);
static TABLE: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub fn initialise() {
    INITIALISED.fetch_add(1, Ordering::Relaxed);
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    table.extend((0..ENTRIES).map(|n| format!("entry {n}")));
}

/// How often it was initialised, and which entries are not as they were made.
/// Then spoils one of them, and adds one.
pub fn initialised(marker: &str) -> String {
    let times = INITIALISED.load(Ordering::Relaxed);
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = format!("initialised {times} times, {} entries", table.len());
    for (n, entry) in table.iter().enumerate() {
        if *entry != format!("entry {n}") {
            found.push_str(&format!(", {n} is {entry}"));
        }
    }
    if let Some(entry) = table.get_mut(ENTRIES / 2) {
        // Longer than it was: it moves.
        entry.push_str(&format!(" of {marker}"));
    }
    table.push(marker.to_owned());
    INITIALISED.fetch_add(10, Ordering::Relaxed);
    found
}

static CONSTRUCTED: Mutex<String> = Mutex::new(String::new());

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

extern "C" fn construct() {
    let mut text = CONSTRUCTED.lock().unwrap_or_else(PoisonError::into_inner);
    text.push_str("constructed by whoever constructs");
}

/// What the constructor made. Then adds to it.
pub fn constructed(marker: &str) -> String {
    let mut text = CONSTRUCTED.lock().unwrap_or_else(PoisonError::into_inner);
    let found = text.clone();
    text.push_str(&format!(", then used by {marker}"));
    found
}
