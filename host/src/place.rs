//! Places for requests in flight, and the queue before them.
//!
//! A request has its place from before its instance is there until that instance is
//! gone or ready again. As many may wait as the queue is long, each for as long as
//! one is willing to; everybody else is told at once that the host is busy, which
//! costs nothing and is the kindest answer that there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::Limits;
use crate::failure::Failure;

/// A place. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[allow(dead_code, reason = "it is held, not used")] OwnedSemaphorePermit);

/// All places of a host.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicU32,
    max_waiting: u32,
    patience: Duration,
}

impl Places {
    /// As many as `limits` say.
    pub(crate) fn new(limits: &Limits) -> Self {
        let all = usize::try_from(limits.max_in_flight).unwrap_or(usize::MAX);
        let all = all.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(all)),
            waiting: AtomicU32::new(0),
            max_waiting: limits.max_queue,
            patience: limits.queue_wait,
        }
    }

    /// A place, if one is free.
    pub(crate) fn free(&self) -> Option<Place> {
        let place = self.free.clone().try_acquire_owned();
        place.ok().map(Place)
    }

    /// A place, after waiting for it in the queue.
    pub(crate) async fn wait(&self) -> Result<Place, Failure> {
        let Some(_waiting) = Waiting::join(self) else {
            return Err(Failure::Overload);
        };
        match timeout(self.patience, self.free.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(Place(place)),
            // The semaphore is never closed, so it is the wait that ended.
            _ => Err(Failure::Overload),
        }
    }
}

/// Somebody in the queue.
struct Waiting<'a>(&'a Places);

impl<'a> Waiting<'a> {
    /// Joins the queue, unless it is full.
    fn join(places: &'a Places) -> Option<Self> {
        let before = places.waiting.fetch_add(1, Ordering::Relaxed);
        // Made in any case, so that it leaves again in any case.
        let waiting = Self(places);
        (before < places.max_waiting).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(max_in_flight: u32, max_queue: u32) -> Arc<Places> {
        Arc::new(Places::new(&Limits {
            max_in_flight,
            max_queue,
            queue_wait: Duration::from_millis(50),
            ..Limits::default()
        }))
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_it_is_dropped() {
        let places = places(1, 0);
        let place = places.free().expect("it is free");
        assert!(places.free().is_none());
        drop(place);
        assert!(places.free().is_some());
    }

    #[tokio::test]
    async fn who_finds_room_in_the_queue_waits_and_others_do_not() {
        let places = places(1, 1);
        let place = places.free().expect("it is free");
        let waits = tokio::spawn({
            let places = places.clone();
            async move { places.wait().await }
        });
        while places.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        // Not after 50 ms, but at once: nothing here lets time pass.
        assert!(matches!(places.wait().await, Err(Failure::Overload)));
        drop(place);
        waits.await.expect("no panic").expect("it got the place");
        assert_eq!(places.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let places = places(1, 1);
        let _place = places.free().expect("it is free");
        assert!(matches!(places.wait().await, Err(Failure::Overload)));
        assert_eq!(places.waiting.load(Ordering::Relaxed), 0);
    }
}
