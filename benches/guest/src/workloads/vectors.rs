//! Vectors that grow.

use core::hint::black_box;

use super::{batches, subject};
use crate::clock::Meter;
use crate::subject::{Subject, Vector};

/// Items of the one vector.
const ITEMS: u32 = 10_000;
/// Vectors that grow in turns.
const VECTORS: usize = 16;
/// Items of each of them.
const ITEMS_EACH: u32 = 625;

/// An operation is one push of a `u32` to the only vector, which starts empty and
/// gets 10,000. Then it is dropped, and a reset follows.
pub fn one<S: Subject>(meter: &Meter, repeats: usize) {
    subject!(subject = S::create());
    batches(meter, repeats, ITEMS as usize, || {
        let mut vector = subject.vector();
        for value in 0..ITEMS {
            vector.push(value);
        }
        black_box(vector.items().last());
        drop(vector);
        subject.reset();
    });
}

/// An operation is one push of a `u32` to one of 16 vectors in turn, each of which
/// starts empty and gets 625. Then they are dropped, and a reset follows.
pub fn many<S: Subject>(meter: &Meter, repeats: usize) {
    subject!(subject = S::create());
    batches(meter, repeats, VECTORS * ITEMS_EACH as usize, || {
        let mut vectors: [S::Vector<'_>; VECTORS] = core::array::from_fn(|_| subject.vector());
        for value in 0..ITEMS_EACH {
            for vector in &mut vectors {
                vector.push(value);
            }
        }
        for vector in &vectors {
            black_box(vector.items().last());
        }
        drop(vectors);
        subject.reset();
    });
}
