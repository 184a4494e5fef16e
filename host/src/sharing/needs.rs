//! What each request of a shared instance needed of its arena, as the guest tells.

use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::component::Accessor;

use super::seat::Seat;
use crate::bindings::endings::Overlapping;
use crate::bindings::endings::exports::lavandula::service::endings::Ending;
use crate::bindings::invocation::Rewinding;
use crate::bindings::invocation::lavandula::arena::types::Usage;
use crate::figures::ArenaUse;
use crate::state::State;

/// Whom to ask: nobody where it is not measured, or not told.
#[derive(Clone, Copy)]
pub(super) struct Tellers<'a> {
    pub(super) endings: Option<&'a Overlapping>,
    pub(super) invocation: Option<&'a Rewinding>,
}

/// What was told.
enum Told {
    /// Of each, by its number.
    Each(Vec<Ending>),
    /// Of the one that ended last, or of all together.
    Last(Usage),
    Nothing,
}

type Asking<'a> = Pin<Box<dyn Future<Output = wasmtime::Result<Told>> + Send + 'a>>;

/// The questions to a guest, of which there is one at a time.
pub(super) struct Needs<'a> {
    tellers: Tellers<'a>,
    asking: Option<Asking<'a>>,
}

impl<'a> Needs<'a> {
    pub(super) fn new(tellers: Tellers<'a>) -> Self {
        let asking = None;
        Self { tellers, asking }
    }

    /// Whether there is nobody to ask.
    pub(super) fn is_mute(&self) -> bool {
        self.tellers.endings.is_none() && self.tellers.invocation.is_none()
    }

    /// Whether an answer is awaited.
    pub(super) fn awaits(&self) -> bool {
        self.asking.is_some()
    }

    /// Asks.
    pub(super) fn ask(&mut self, accessor: &'a Accessor<State>) {
        let Tellers {
            endings,
            invocation,
        } = self.tellers;
        self.asking = Some(Box::pin(async move {
            if let Some(endings) = endings {
                let take = endings.lavandula_service_endings().func_take();
                let (told,) = take.call_concurrent(accessor, ()).await?;
                if !told.is_empty() {
                    return Ok(Told::Each(told));
                }
            }
            let Some(invocation) = invocation else {
                return Ok(Told::Nothing);
            };
            let usage = invocation.lavandula_arena_invocation().func_usage();
            let (told,) = usage.call_concurrent(accessor, ()).await?;
            Ok(Told::Last(told))
        }));
    }

    /// Writes down what was told, as far as it was.
    ///
    /// # Errors
    /// A trap.
    pub(super) fn hear(
        &mut self,
        cx: &mut Context<'_>,
        seats: &mut [Seat],
    ) -> wasmtime::Result<()> {
        let Some(asking) = &mut self.asking else {
            return Ok(());
        };
        let Poll::Ready(told) = asking.as_mut().poll(cx) else {
            return Ok(());
        };
        self.asking = None;
        match told? {
            Told::Each(endings) => {
                for ending in endings {
                    let mut seats = seats.iter_mut();
                    if let Some(seat) = seats.find(|seat| seat.entry == ending.entry) {
                        seat.arena = Some(ArenaUse {
                            peak: ending.peak_used,
                            committed: ending.committed,
                        });
                    }
                }
            }
            Told::Last(usage) => {
                if let [alone] = seats
                    && alone.alone
                {
                    alone.arena = Some(usage.into());
                }
            }
            Told::Nothing => {}
        }
        Ok(())
    }
}
