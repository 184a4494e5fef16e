//! How one of several futures says that it wants to be polled again.
//!
//! The loop of an instance is polled after every piece of work in it, of which a request
//! has dozens. Its requests are not all polled each time, but those that something has
//! happened for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Who polls the futures.
#[derive(Debug, Default)]
pub(super) struct Poller(Mutex<Option<Waker>>);

impl Poller {
    /// It is woken by this from now on.
    pub(super) fn is(&self, waker: &Waker) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }
}

/// The bell of one future.
#[derive(Debug)]
pub(super) struct Bell {
    rung: AtomicBool,
    poller: Arc<Poller>,
}

impl Bell {
    /// One that is rung: a future has to be polled first.
    pub(super) fn new(poller: Arc<Poller>) -> Arc<Self> {
        let rung = AtomicBool::new(true);
        Arc::new(Self { rung, poller })
    }

    /// Whether it was rung since the last time.
    pub(super) fn was_rung(&self) -> bool {
        self.rung.swap(false, Ordering::Acquire)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let poller = self.poller.0.lock();
        let poller = poller.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(poller) = poller {
            poller.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_rings_is_polled_and_nobody_else() {
        let poller = Arc::new(Poller::default());
        let bells = [0; 2].map(|_| Bell::new(poller.clone()));
        assert!(bells.iter().all(|bell| bell.was_rung()));
        // The poller is a bell itself, so that it can be seen to be woken.
        let woken = Bell::new(Arc::default());
        woken.was_rung();
        poller.is(&woken.clone().into());
        Waker::from(bells[1].clone()).wake();
        assert!(woken.was_rung());
        assert_eq!([0, 1].map(|n: usize| bells[n].was_rung()), [false, true]);
        assert!(!bells[1].was_rung());
    }
}
