//! Work that may hang or panic, watched from outside.
//!
//! A panic counts wherever it happens: also in a thread of the runtime, whose
//! panic nobody would hear of. So all that is watched is watched alone.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

/// The stack of the thread that work is done on: what threads have that nobody
/// asks for anything else, so that whoever loads a component on one is safe.
const STACK: usize = 2 << 20;

/// What became of a piece of work.
#[derive(Debug)]
pub enum Ended<T> {
    Done(T),
    /// It panicked, or something did meanwhile: with these words.
    Panicked(String),
    /// It was still going on after this time, and is left to itself.
    Hung(Duration),
}

/// The right to watch, of which there is one: the panics that are heard of are
/// those of the work that is being watched.
pub struct Alone(#[allow(dead_code, reason = "held, not used")] MutexGuard<'static, ()>);

/// Waits until nobody else watches.
pub fn alone() -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    Alone(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Alone {
    /// Does `work` on a thread of its own, for `limit` at most.
    pub fn watch<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Ended<T> {
        listen();
        let before = heard().len();
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || {
                let done = panic::catch_unwind(AssertUnwindSafe(work));
                // Nobody listens any more where it took too long.
                let _ = sender.send(done);
            })
            .expect("a thread");
        let ended = match receiver.recv_timeout(limit) {
            Ok(Ok(value)) => Ended::Done(value),
            Ok(Err(payload)) => Ended::Panicked(words(&*payload)),
            Err(RecvTimeoutError::Timeout) => return Ended::Hung(limit),
            Err(RecvTimeoutError::Disconnected) => Ended::Panicked("it ended silently".to_owned()),
        };
        match &heard()[before..] {
            [] => ended,
            panics => Ended::Panicked(panics.join("\n")),
        }
    }
}

/// Every panic of this process since the first that was watched.
fn heard() -> MutexGuard<'static, Vec<String>> {
    static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on panics are heard, in all threads.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            let thread = thread::current();
            let name = thread.name().unwrap_or("without a name");
            heard().push(format!("thread {name}: {info}"));
            others(info);
        }));
    });
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[test]
fn work_that_ends_is_done() {
    let ended = alone().watch(Duration::from_secs(20), || 42);
    assert!(matches!(ended, Ended::Done(42)), "{ended:?}");
}

#[test]
fn work_that_panics_is_told_with_its_words() {
    let ended = alone().watch(Duration::from_secs(20), || panic!("on purpose"));
    assert!(
        matches!(&ended, Ended::Panicked(words) if words.contains("on purpose")),
        "{ended:?}"
    );
}

#[test]
fn a_panic_in_another_thread_counts_although_the_work_goes_on() {
    let ended = alone().watch(Duration::from_secs(20), || {
        let other = thread::spawn(|| panic!("elsewhere, on purpose"));
        assert!(other.join().is_err());
    });
    assert!(
        matches!(&ended, Ended::Panicked(words) if words.contains("elsewhere")),
        "{ended:?}"
    );
}

#[test]
fn work_that_hangs_is_left_to_itself() {
    let (end, wait) = mpsc::channel::<()>();
    let ended = alone().watch(Duration::from_millis(50), move || wait.recv());
    drop(end);
    assert!(matches!(ended, Ended::Hung(_)), "{ended:?}");
}
