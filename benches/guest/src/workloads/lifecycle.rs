//! An arena's whole life, that of an invocation which overlaps with others, and a large
//! allocation amid small ones.

use core::alloc::Layout;
use core::hint::black_box;

use super::{Held, batches, subject, touch};
use crate::clock::Meter;
use crate::subject::{Object, Subject, aligned_to_8, expect};

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

/// An operation is what an invocation that may overlap with others has of its arena
/// beyond its use: it is leased, one object of 24 bytes is allocated there, which was not
/// there before, and it is overwritten and given back.
pub fn lease(meter: &Meter, repeats: usize) {
    batches(meter, repeats, 1, || {
        lavandula::__private::lease(|cx| {
            black_box(expect(cx.arena().alloc(black_box::<Object>([1, 2, 3]))));
        });
    });
}

/// Traps where two leases at a time have the same memory, or one has what another left.
pub fn leases_side_by_side(_: &Meter, repeats: usize) {
    use lavandula::__private::lease;
    for _ in 0..repeats {
        lease(|cx| {
            let one = expect(cx.arena().alloc::<Object>([1; 3]));
            lease(|cx| {
                let other = expect(cx.arena().alloc::<Object>([2; 3]));
                assert_eq!((*one, *other), ([1; 3], [2; 3]));
            });
            // From the page that has just gone back.
            lease(|cx| {
                let room = expect(cx.arena().alloc_layout(aligned_to_8(64)));
                // SAFETY: so many bytes were allocated there, in memory that WebAssembly
                // has set to zero and lavandula has written to since.
                let found = unsafe { room.cast::<[u64; 8]>().read_volatile() };
                assert_eq!((*one, found), ([1; 3], [0; 8]));
            });
        });
    }
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
