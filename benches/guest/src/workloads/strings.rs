//! Copies of words.

use core::alloc::Layout;

use super::{BATCH, Held, batches, requests, subject};
use crate::clock::Meter;
use crate::subject::Subject;

/// An operation is a copy of one word of a real text, of which the first byte is
/// read. A reset after every 1,024 words.
pub fn words<S: Subject>(meter: &Meter, repeats: usize) {
    let words: Vec<&str> = requests::MARKDOWN.split_whitespace().take(BATCH).collect();
    let words = core::hint::black_box(words);
    subject!(subject = S::create());
    let mut held = Held::new::<S>(words.len());
    let mut sum = 0_u32;
    batches(meter, repeats, words.len(), || {
        for (index, &word) in words.iter().enumerate() {
            let at = subject.text(word);
            // SAFETY: a word has at least one byte, and this is a copy of it.
            // Volatile, or the copy might be left out where nobody reads it.
            sum = sum.wrapping_add(u32::from(unsafe { at.read_volatile() }));
            held.keep::<S>(index, at);
        }
        held.give_back(subject, |index| Layout::for_value(words[index]));
    });
    core::hint::black_box(sum);
}
