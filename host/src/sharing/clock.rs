//! When something has to be looked at in a shared instance, whatever its guest does.

use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use crate::metrics::Held;

/// The times of an instance.
pub(super) struct Clock {
    timer: Pin<Box<Sleep>>,
    /// When it strikes. None where it has.
    set: Option<Instant>,
    /// Since when there is nothing to do.
    rests: Option<(Instant, Held)>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            timer: Box::pin(sleep_until(tokio::time::Instant::now())),
            set: None,
            rests: None,
        }
    }

    /// Whether it strikes now.
    pub(super) fn has_struck(&mut self, cx: &mut Context<'_>) -> bool {
        let strikes = self.set.is_some() && self.timer.as_mut().poll(cx).is_ready();
        if strikes {
            self.set = None;
        }
        strikes
    }

    /// Has it strike at `at`, or before that. Whether it does so now.
    pub(super) fn set(&mut self, at: Instant, cx: &mut Context<'_>) -> bool {
        if self.set.is_none_or(|set| at < set) {
            self.timer.as_mut().reset(at.into());
            self.set = Some(at);
        }
        // Who polls this may be on another thread by now.
        self.has_struck(cx)
    }

    /// There is nothing to do. Since when.
    pub(super) fn rest(&mut self, now: Instant, held: impl FnOnce() -> Held) -> Instant {
        self.rests.get_or_insert_with(|| (now, held())).0
    }

    /// There is.
    pub(super) fn work(&mut self) {
        self.rests = None;
    }
}
