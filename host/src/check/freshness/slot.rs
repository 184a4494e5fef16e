//! How an instance is had, stopped in the middle of its code, and looked at.

use std::future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use thiserror::Error;
use wasmtime::{Memory, Trap, UpdateDeadline, WasmCoreDump};

use crate::call::DeadlinePassed;
use crate::config::Limits;
use crate::engine::{Restore, SLOT_BYTES};
use crate::failure::Failure;
use crate::program::{Door, Exports, Guest, Program};
use crate::state::State;

/// Where instances come from and go to: one place, for one at a time.
pub(super) trait Slot {
    /// A new instance, which was not called yet.
    async fn instance(&mut self, state: State) -> Result<Guest, Failure>;

    /// Takes an instance back, so that the next one can be had.
    fn take_back(&mut self, guest: Guest);

    /// How the slot is put back to what it was, in words.
    fn way(&self) -> String;
}

/// The one slot of a pool.
pub(super) struct Pooled {
    pub(super) program: Program,
    pub(super) restore: Restore,
}

impl Slot for Pooled {
    async fn instance(&mut self, state: State) -> Result<Guest, Failure> {
        Ok(self.program.instantiate(state, Exports::All).await?)
    }

    fn take_back(&mut self, guest: Guest) {
        drop(guest);
    }

    fn way(&self) -> String {
        self.restore.to_string()
    }
}

/// An end of guest code from outside. The code looks at the epoch at the entry
/// of every function and at every loop; it goes on until it has done so `at`
/// times. What it runs until then does not depend on any clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interruption {
    pub(super) at: u64,
    pub(super) by: Stop,
}

/// What ends guest code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A trap.
    Trap,
    /// The error by which the production engine ends it when its time is up.
    Deadline,
    /// Its call is dropped, as when the client goes away, or when the time is up
    /// while it waits for the host.
    Drop,
}

/// What became of a call.
pub(super) enum End {
    /// It returned.
    Returned(Result<Response<Bytes>, Failure>),
    /// It was dropped.
    Dropped,
}

/// Calls `guest`, and ends it by `interruption` if it does not return before.
/// Returns how often it looked at the epoch as well.
pub(super) async fn call_until(
    guest: &mut Guest,
    door: Door,
    request: Request<Bytes>,
    Interruption { at, by }: Interruption,
) -> (End, u64) {
    let looks = Arc::new(AtomicU64::new(0));
    let looked = Arc::clone(&looks);
    // A deadline that has come already: every look is answered here.
    guest.store.set_epoch_deadline(0);
    guest.store.epoch_deadline_callback(move |_| {
        if looked.fetch_add(1, Ordering::Relaxed) + 1 < at {
            return Ok(UpdateDeadline::Continue(0));
        }
        match by {
            Stop::Trap => Err(Trap::Interrupt.into()),
            Stop::Deadline => Err(DeadlinePassed.into()),
            Stop::Drop => Ok(UpdateDeadline::Yield(0)),
        }
    });

    let mut call = pin!(guest.handle(door, request));
    let end = future::poll_fn(|cx| match call.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(End::Returned(result)),
        Poll::Pending if by == Stop::Drop && looks.load(Ordering::Relaxed) >= at => {
            Poll::Ready(End::Dropped)
        }
        Poll::Pending => Poll::Pending,
    });
    // The call is dropped at the end of this function, where it has not ended.
    let end = end.await;
    (end, looks.load(Ordering::Relaxed))
}

/// An instance that was ended at its first look at the epoch, and its memories.
pub(super) struct Seen {
    pub(super) guest: Guest,
    memories: Vec<Memory>,
}

/// Why an instance could not be looked at.
#[derive(Debug, Error)]
pub(super) enum Unseen {
    #[error("it did not come to be: {0}")]
    NoInstance(Failure),
    #[error("it answered without having run any code")]
    Answered,
    #[error("its end left no core dump: {0}")]
    NoDump(Failure),
    #[error("its memory could not be grown: {0}")]
    NotGrown(wasmtime::Error),
}

/// Looks at the next instance of `slot`, before it has run more than the entry
/// of a function. It can do nothing but be taken back afterwards.
pub(super) async fn look(
    slot: &mut impl Slot,
    door: Door,
    limits: &Limits,
) -> Result<Seen, Unseen> {
    let limits = Limits {
        // So that it can be grown by whatever an earlier one has grown by.
        max_memory: SLOT_BYTES,
        ..*limits
    };
    let guest = slot.instance(State::still(&limits)).await;
    let mut guest = guest.map_err(Unseen::NoInstance)?;
    let at_once = Interruption {
        at: 1,
        by: Stop::Trap,
    };
    match call_until(&mut guest, door, Request::default(), at_once).await {
        (End::Returned(Err(failure)), _) => match memories(&failure) {
            Some(memories) => Ok(Seen { guest, memories }),
            None => Err(Unseen::NoDump(failure)),
        },
        _ => Err(Unseen::Answered),
    }
}

/// The memories of the store in which a call failed.
pub(super) fn memories(failure: &Failure) -> Option<Vec<Memory>> {
    let Failure::Trap(error) = failure else {
        return None;
    };
    let dump = error.downcast_ref::<WasmCoreDump>()?;
    Some(dump.memories().to_vec())
}

impl Seen {
    /// What the memories hold.
    pub(super) fn contents(&self) -> Vec<&[u8]> {
        contents(&self.guest, &self.memories)
    }

    /// Where they are, in the host's address space and in its order.
    pub(super) fn addresses(&self) -> Vec<usize> {
        let address = |memory: &Memory| memory.data_ptr(&self.guest.store).addr();
        let mut addresses: Vec<_> = self.memories.iter().map(address).collect();
        addresses.sort_unstable();
        addresses
    }

    /// Grows each memory by `bytes`, or as far as it may ever grow.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Unseen> {
        let store = &mut self.guest.store;
        for memory in &self.memories {
            let left = memory.ty(&*store).maximum();
            let left = left.map_or(u64::MAX, |most| most - memory.size(&*store));
            let page = memory.page_size(&*store);
            let pages = (bytes as u64).div_ceil(page).min(left);
            memory.grow(&mut *store, pages).map_err(Unseen::NotGrown)?;
        }
        Ok(())
    }
}

/// What `memories` of `guest` hold.
pub(super) fn contents<'a>(guest: &'a Guest, memories: &[Memory]) -> Vec<&'a [u8]> {
    let content = |memory: &Memory| memory.data(&guest.store);
    memories.iter().map(content).collect()
}
