//! Buffers that start as zeros, in memory that was used before.
//!
//! lavandula zeroes only what is dirty. That is no gift: after a reset all of it
//! is dirty, and after a scrub somebody has paid for it. So there are three
//! workloads: without a scrub, with a scrub between the requests and outside the
//! timed section, and with the scrub inside it.

use core::ptr::NonNull;

use super::{Held, WARM, batches, subject, touch};
use crate::checked::fail;
use crate::clock::Meter;
use crate::subject::{Subject, aligned_to_8};

const SIZE: usize = 4 << 10;
/// Buffers between two resets: half a mebibyte.
const BUFFERS: usize = 128;

/// One request's buffers: the first word of each is written, and the last one,
/// which must be zero, is read.
#[inline(always)]
fn buffers<S: Subject>(subject: &S, held: &mut Held) {
    let mut seen = 0;
    for index in 0..BUFFERS {
        let at: NonNull<u8> = subject.zeroed(SIZE);
        touch(at, !0_u64);
        // SAFETY: within the buffer, aligned, and zeroed.
        seen |= unsafe { at.add(SIZE - 8).cast::<u64>().read_volatile() };
        held.keep::<S>(index, at);
    }
    if seen != 0 {
        fail("zeroed memory is not zero");
    }
}

/// An operation is one zeroed buffer of 4 KiB. A reset after every 128.
pub fn after_reset<S: Subject>(meter: &Meter, repeats: usize) {
    subject!(subject = S::create());
    let mut held = Held::new::<S>(BUFFERS);
    batches(meter, repeats, BUFFERS, || {
        buffers(subject, &mut held);
        held.give_back(subject, |_| aligned_to_8(SIZE));
    });
}

/// The same with a scrub after each reset.
pub fn with_scrub<S: Subject>(meter: &Meter, repeats: usize) {
    subject!(subject = S::create());
    let mut held = Held::new::<S>(BUFFERS);
    batches(meter, repeats, BUFFERS, || {
        buffers(subject, &mut held);
        held.give_back(subject, |_| aligned_to_8(SIZE));
        subject.scrub();
    });
}

/// The same, timed without what happens between two requests: reset, frees and
/// scrub. Each timed section has 128 operations.
pub fn after_scrub<S: Subject>(meter: &Meter, repeats: usize) {
    subject!(subject = S::create());
    let mut held = Held::new::<S>(BUFFERS);
    let unmeasured = Meter::default();
    for repeat in 0..WARM + repeats {
        let meter = if repeat < WARM { &unmeasured } else { meter };
        meter.time(BUFFERS, || buffers(subject, &mut held));
        held.give_back(subject, |_| aligned_to_8(SIZE));
        subject.scrub();
    }
}
