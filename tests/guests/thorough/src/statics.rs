//! What outlives a request but for a rewind.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// As much as a class of the heap for what outlives requests has.
type Words = Box<[AtomicU64; 8]>;

/// What is allocated first and last, so that it begins and ends what there is to be
/// put back of that heap.
static FIRST: OnceLock<Words> = OnceLock::new();
static LAST: OnceLock<Words> = OnceLock::new();

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// More than a word, in the middle of the statics.
static COUNTS: [AtomicU64; 32] = [const { AtomicU64::new(7) }; 32];

thread_local! {
    static NAMES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn words() -> Words {
    Box::new([const { AtomicU64::new(1) }; 8])
}

/// Is called once.
pub fn initialise() {
    FIRST.get_or_init(words);
    NAMES.with_borrow_mut(|names| names.push("initialisation".repeat(20)));
    // Some of that class are free then.
    drop([const { [0_u8; 100] }; 3].map(|bytes| bytes.to_vec()));
    LAST.get_or_init(words);
}

/// Traps where an earlier request has been here.
pub fn change(marker: &str) {
    for words in [&FIRST, &LAST] {
        let words = words.get().map_or(&[][..], |words| &words[..]);
        assert_eq!(words.len(), 8, "initialisation has not been done");
        count(words);
    }
    count(&COUNTS);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.push(marker.to_owned());
    NAMES.with_borrow_mut(|names| names.push(marker.to_owned()));
}

/// Changes every byte.
fn count(words: &[AtomicU64]) {
    for word in words {
        word.fetch_add(0x0101_0101_0101_0101, Ordering::Relaxed);
    }
}
