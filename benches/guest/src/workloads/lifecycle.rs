//! An arena's whole life, and a large allocation amid small ones.

use core::alloc::Layout;
use core::hint::black_box;

use super::{Held, batches, subject, touch};
use crate::clock::Meter;
use crate::subject::{Object, Subject, aligned_to_8};

/// Small objects before and after the large one.
const SMALL: usize = 100;
const LARGE: usize = 1 << 20;

/// An operation is to create an arena, allocate one object of 24 bytes in it, and
/// drop the arena.
pub fn warm_up<S: Subject>(meter: &Meter, repeats: usize) {
    batches(meter, repeats, 1, || {
        let subject = S::create();
        black_box(black_box(&subject).object([1, 2, 3]));
    });
}

/// An operation is a whole cycle: 100 objects of 24 bytes, 1 MiB of which the
/// first word is written, 100 objects, and a reset.
pub fn large_amid_small<S: Subject>(meter: &Meter, repeats: usize) {
    subject!(subject = S::create());
    let mut held = Held::new::<S>(2 * SMALL + 1);
    batches(meter, repeats, 1, || {
        for index in 0..SMALL {
            held.keep::<S>(index, subject.object([index as u64; 3]));
        }
        let at = subject.sized(LARGE);
        touch(at, 1_u64);
        held.keep::<S>(SMALL, at);
        for index in 0..SMALL {
            held.keep::<S>(SMALL + 1 + index, subject.object([index as u64; 3]));
        }
        held.give_back(subject, |index| match index {
            SMALL => aligned_to_8(LARGE),
            _ => Layout::new::<Object>(),
        });
    });
}
