//! The operations of `Allocator` on what is allocated already.

use core::alloc::Layout;

use allocator_api2::alloc::Allocator;
use lavandula::{Arena, PageSource, Scrub};

use crate::oracle::{Content, Extent, Live};
use crate::pattern;
use crate::program::Op;
use crate::session::Session;
use crate::transcript::Outcome;

/// No allocation of a program grows beyond this.
const LARGEST: usize = 1 << 20;

/// The allocation that the operation is about, where there is one.
pub fn subject(op: &Op, session: &Session<'_>) -> Option<usize> {
    match *op {
        Op::Grow { which, .. } | Op::Shrink { which, .. } | Op::Free { which } => {
            session.pick(which)
        }
        _ => None,
    }
}

/// Performs an operation on the allocation with this index, which is of `arena`.
pub fn resize<P: PageSource>(
    arena: &Arena<P>,
    index: usize,
    op: &Op,
    session: &mut Session<'_>,
) -> Outcome {
    let live = session.lives[index];
    let scrub = session.model(live.arena).scrub;
    match *op {
        Op::Grow {
            more,
            align,
            zeroed,
            ..
        } => {
            let size = (live.size() + more).min(LARGEST.max(live.size()));
            let new = layout(size, align.unwrap_or(live.layout.align()));
            // SAFETY: a live allocation of this arena with this layout; the new
            // one is no smaller. The old one is used no more where it succeeds.
            let grown = unsafe {
                if zeroed {
                    arena.grow_zeroed(live.at, live.layout, new)
                } else {
                    arena.grow(live.at, live.layout, new)
                }
            };
            let Ok(grown) = grown else {
                return Outcome::Refused;
            };
            assert!(grown.len() >= size);
            if zeroed {
                // SAFETY: just handed out, with `size` bytes that are set.
                let bytes = unsafe { &grown.as_ref()[live.size()..size] };
                assert!(pattern::all_are(bytes, 0), "grown and not zeroed");
            }
            changed(session, index, grown.cast(), new, scrub)
        }
        Op::Shrink { to, align, .. } => {
            let size = live.size() * usize::from(to) / 256;
            let new = layout(size, align.unwrap_or(live.layout.align()));
            // SAFETY: as above; the new one is no larger.
            let shrunk = unsafe { arena.shrink(live.at, live.layout, new) };
            match shrunk {
                Ok(shrunk) => changed(session, index, shrunk.cast(), new, scrub),
                Err(_) => Outcome::Refused,
            }
        }
        _ => {
            // SAFETY: as above; it is used no more.
            unsafe { arena.deallocate(live.at, live.layout) };
            session.lives.swap_remove(index);
            session.given_up(scrub, &[live.extent()]);
            Outcome::Done(0)
        }
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("the decoder's sizes are small")
}

/// Notes that an allocation has another place or size. What both have in common
/// must have come along.
fn changed(
    session: &mut Session<'_>,
    index: usize,
    at: core::ptr::NonNull<u8>,
    new: Layout,
    scrub: Scrub,
) -> Outcome {
    let old = session.lives[index];
    let Content::Pattern(seed) = old.content else {
        unreachable!("`pick` picks none of these")
    };
    let common = old.size().min(new.size());
    // SAFETY: just handed out, and `common` bytes of it were written before.
    let came = unsafe { pattern::holds(at, common, seed) };
    assert!(
        came,
        "{common} bytes of {old:?} did not come along to {at:?}"
    );

    let live = Live {
        at,
        layout: new,
        ..old
    };
    session.lives[index] = live;
    // SAFETY: just handed out, with this size.
    unsafe { pattern::write(at, common, new.size(), seed) };
    session.handed_out(live.root, live.start(), live.size());

    if at != old.at {
        session.given_up(scrub, &[old.extent()]);
    } else if new.size() < old.size() {
        // The last word is the allocation's, to its end.
        let kept = new.size().next_multiple_of(8);
        if let Some(len) = old.size().checked_sub(kept) {
            let start = old.start() + kept;
            let root = old.root;
            session.given_up(scrub, &[Extent { start, len, root }]);
        }
    }
    Outcome::at(at.addr().get())
}
