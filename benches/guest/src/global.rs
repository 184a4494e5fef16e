//! The module's global allocator: passes on to the allocator under test while a
//! request is under way, and to the guest's own heap at all other times.
//!
//! The way there is the same for all: a load, a `br_table`, and two stores that
//! make the guest's own heap the global allocator during the call. bumpalo takes
//! its chunks from the global allocator and from nowhere else, and would find
//! itself there.

use core::alloc::{GlobalAlloc, Layout};

use crate::cell::Local;
use crate::checked::{self, Checked};
use crate::subject::{Global, Subject};
use crate::subjects::{
    BlinkAlloc, BumpScope, Bumpalo, Dlmalloc, Floor, HOME, Lavandula, Min1, Min8, Talc,
};

/// Who answers.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Kind {
    Home,
    Lavandula,
    Bumpalo,
    Bumpalo8,
    BumpScope,
    BumpScope8,
    Blink,
    Dlmalloc,
    Talc,
    Floor,
    /// The one in [`INNER`], with its answers checked.
    Checked,
}

static SELECTED: Local<Kind> = Local::new(Kind::Home);
/// Who answers beneath the checks.
static INNER: Local<Kind> = Local::new(Kind::Home);
/// The allocator under test, of the type that its kind says.
static SUBJECT: Local<*const ()> = Local::new(core::ptr::null());

/// An allocator that can be the global one for a while.
pub trait Selectable: Subject + Global {
    const KIND: Kind;

    /// Makes it the global allocator.
    ///
    /// # Safety
    /// It stays where it is and unmoved until [`Kind::Home`] is selected again.
    unsafe fn select(&self) {
        SUBJECT.set((&raw const *self).cast());
        SELECTED.set(Self::KIND);
    }
}

macro_rules! selectable {
    ($($kind:ident: $subject:ty),* $(,)?) => {
        $(impl Selectable for $subject {
            const KIND: Kind = Kind::$kind;
        })*
    };
}

selectable! {
    Lavandula: Lavandula,
    Bumpalo: Bumpalo<1>,
    Bumpalo8: Bumpalo<8>,
    BumpScope: BumpScope<Min1>,
    BumpScope8: BumpScope<Min8>,
    Blink: BlinkAlloc,
    Dlmalloc: Dlmalloc,
    Talc: Talc,
    Floor: Floor,
}

/// Passes one call on. By the contract of `select` the subject is there, and of
/// the type that its kind says.
macro_rules! pass {
    ($of:expr, $method:ident($($argument:expr),*)) => {
        match $of {
            Kind::Home | Kind::Checked => HOME.$method($($argument),*),
            Kind::Lavandula => pass!(@ Lavandula, $method($($argument),*)),
            Kind::Bumpalo => pass!(@ Bumpalo<1>, $method($($argument),*)),
            Kind::Bumpalo8 => pass!(@ Bumpalo<8>, $method($($argument),*)),
            Kind::BumpScope => pass!(@ BumpScope<Min1>, $method($($argument),*)),
            Kind::BumpScope8 => pass!(@ BumpScope<Min8>, $method($($argument),*)),
            Kind::Blink => pass!(@ BlinkAlloc, $method($($argument),*)),
            Kind::Dlmalloc => pass!(@ Dlmalloc, $method($($argument),*)),
            Kind::Talc => pass!(@ Talc, $method($($argument),*)),
            Kind::Floor => pass!(@ Floor, $method($($argument),*)),
        }
    };
    (@ $subject:ty, $method:ident($($argument:expr),*)) => {
        (*SUBJECT.get().cast::<$subject>()).$method($($argument),*)
    };
}

/// Does `work` with `subject` as the global allocator.
///
/// What `work` allocates must be freed when it returns: the caller may reset the
/// subject afterwards.
pub fn during<S: Selectable, R>(subject: &S, work: impl FnOnce() -> R) -> R {
    // SAFETY: the subject is borrowed until the guest's own heap is back. A
    // panic aborts, so nothing skips that.
    unsafe { subject.select() };
    let result = work();
    SELECTED.set(Kind::Home);
    result
}

impl<S: Selectable> Selectable for Checked<S> {
    const KIND: Kind = Kind::Checked;

    unsafe fn select(&self) {
        // SAFETY: the inner one stays where this one does.
        unsafe { self.inner().select() };
        INNER.set(S::KIND);
        SELECTED.set(Kind::Checked);
    }
}

struct Dispatch;

#[global_allocator]
static DISPATCH: Dispatch = Dispatch;

// SAFETY: each call is passed on to an allocator that keeps the contract. Memory
// is freed by the allocator that it came from, since a subject is selected only
// while work is done of which nothing remains.
unsafe impl GlobalAlloc for Dispatch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let kind = SELECTED.get();
        SELECTED.set(Kind::Home);
        // SAFETY: the caller's promise is passed on; for `pass!` see there.
        let at = unsafe {
            match kind {
                Kind::Checked => checked_alloc(layout),
                kind => pass!(kind, allocate(layout)),
            }
        };
        SELECTED.set(kind);
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let kind = SELECTED.get();
        SELECTED.set(Kind::Home);
        // SAFETY: as above.
        unsafe {
            match kind {
                Kind::Checked => checked_dealloc(at, layout),
                kind => pass!(kind, deallocate(at, layout)),
            }
        }
        SELECTED.set(kind);
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let kind = SELECTED.get();
        SELECTED.set(Kind::Home);
        // SAFETY: as above.
        let moved = unsafe {
            match kind {
                Kind::Checked => checked_realloc(at, layout, new_size),
                kind => pass!(kind, reallocate(at, layout, new_size)),
            }
        };
        SELECTED.set(kind);
        moved
    }
}

#[cold]
#[inline(never)]
unsafe fn checked_alloc(layout: Layout) -> *mut u8 {
    // SAFETY: passed on.
    let at = unsafe { pass!(INNER.get(), allocate(layout)) };
    checked::global(|live| live.add(at.addr(), layout));
    at
}

#[cold]
#[inline(never)]
unsafe fn checked_dealloc(at: *mut u8, layout: Layout) {
    checked::global(|live| live.remove(at.addr()));
    // SAFETY: passed on.
    unsafe { pass!(INNER.get(), deallocate(at, layout)) }
}

#[cold]
#[inline(never)]
unsafe fn checked_realloc(at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
    checked::global(|live| live.remove(at.addr()));
    // SAFETY: passed on.
    let moved = unsafe { pass!(INNER.get(), reallocate(at, layout, new_size)) };
    // SAFETY: the caller promises that the new size, rounded up, fits.
    let layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    checked::global(|live| live.add(moved.addr(), layout));
    moved
}
