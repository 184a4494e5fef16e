//! Objects one after the other: constant, of mixed sizes, and of any layout.

use core::alloc::Layout;

use super::{BATCH, Held, Random, batches, subject, table, touch};
use crate::clock::Meter;
use crate::subject::{Object, Subject, aligned_to_8};

/// An operation is one object of 24 bytes, all of them written. A reset after
/// every 1,024.
pub fn constant_small<S: Subject>(meter: &Meter, repeats: usize) {
    subject!(subject = S::create());
    let mut held = Held::new::<S>(BATCH);
    batches(meter, repeats, BATCH, || {
        for index in 0..BATCH {
            let at = subject.object([index as u64; 3]);
            held.keep::<S>(index, at);
        }
        held.give_back(subject, |_| Layout::new::<Object>());
    });
}

/// An operation is one allocation of 8 to 264 bytes, aligned to 8, its first word
/// written. The sizes come from a table; a reset after every 1,024.
pub fn mixed_sizes<S: Subject>(meter: &Meter, repeats: usize) {
    let mut random = Random::new(24);
    let sizes = table(BATCH, || random.between(8, 264));
    subject!(subject = S::create());
    let mut held = Held::new::<S>(BATCH);
    batches(meter, repeats, BATCH, || {
        for (index, &size) in sizes.iter().enumerate() {
            let at = subject.sized(size);
            touch(at, index as u64);
            held.keep::<S>(index, at);
        }
        held.give_back(subject, |index| aligned_to_8(sizes[index]));
    });
}

/// An operation is one allocation of 1 to 264 bytes, aligned to 1 to 64, its
/// first byte written. The layouts come from a table; a reset after every 1,024.
pub fn dynamic_layouts<S: Subject>(meter: &Meter, repeats: usize) {
    let mut random = Random::new(25);
    let layouts = table(BATCH, || {
        let align = 1 << random.between(0, 6);
        // SAFETY: a power of two, and a size far below the largest.
        unsafe { Layout::from_size_align_unchecked(random.between(1, 264), align) }
    });
    subject!(subject = S::create());
    let mut held = Held::new::<S>(BATCH);
    batches(meter, repeats, BATCH, || {
        for (index, &layout) in layouts.iter().enumerate() {
            let at = subject.layout(layout);
            touch(at, index as u8);
            held.keep::<S>(index, at);
        }
        held.give_back(subject, |index| layouts[index]);
    });
}
