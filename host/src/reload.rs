//! One component after another behind the same server, without a gap.
//!
//! ```text
//!               reload
//! Current ─► old ┄┄┄┄┄► new        requests that come from here on
//!             │
//!             └─ goes with the last request that is under way
//! ```
//!
//! Each request takes the host of the moment that it comes in, and keeps it to its
//! end. So a connection that stays gets the new component with its next request,
//! and nobody waits for anybody.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::failure::Failure;
use crate::host::Host;
use crate::program::LoadError;

/// The host that answers the requests of now. Clones are the same one: what is put
/// into any of them is what all of them have.
///
/// ```no_run
/// # async fn example(stop: impl Future<Output = ()>) -> Result<(), Box<dyn std::error::Error>> {
/// use lavandula_host::{Current, Host, Server};
///
/// let current = Current::new(Host::builder().load("handler.wasm")?);
/// let server = Server::builder().bind(current.clone()).await?;
/// tokio::spawn(async move {
///     // Whenever there is another version of it:
///     if let Err(error) = current.reload("handler.wasm").await {
///         eprintln!("{error}; the one from before goes on serving");
///     }
/// });
/// server.run(stop).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Current(Arc<Slot>);

struct Slot {
    host: ArcSwap<Host>,
    /// Held while a component is loaded, so that the one that came last is also the
    /// one that stays.
    loading: Mutex<()>,
}

/// What came of a component that was to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reload {
    /// It answers the requests that come from now on.
    Replaced,
    /// It is the one that is there already, byte for byte.
    Unchanged,
}

/// Why the component from before goes on serving.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The new one cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No instance of it came to be, or none that can be used as it should be.
    #[error("no instance of the new component came to be: {0}")]
    Start(#[source] Failure),
}

impl Current {
    /// `host`, until it is replaced.
    pub fn new(host: Host) -> Self {
        Self(Arc::new(Slot {
            host: ArcSwap::from_pointee(host),
            loading: Mutex::const_new(()),
        }))
    }

    /// The host of now. Whoever keeps it keeps its component.
    pub fn host(&self) -> Host {
        Host::clone(&self.0.host.load())
    }

    /// Whether `host` is of another component than the one of now.
    pub(crate) fn is_other_than(&self, host: &Host) -> bool {
        !self.0.host.load().is(host)
    }

    /// Puts `host` in the place of the one that is there, whose instances go as soon
    /// as they have nothing to do. The limits on connections stay those of the
    /// first.
    ///
    /// Where it shares the engine of the other one, as those of [`Host::reload`]
    /// do, both take their instances from the same pool.
    pub fn replace(&self, host: Host) {
        self.0.host.swap(Arc::new(host)).retire();
    }

    /// Loads the component in the file at `path` as the one of now was loaded,
    /// makes an instance of it to see that this can be done, and replaces the one of
    /// now.
    ///
    /// It is compiled on a thread that may block, while requests are answered.
    /// Needs a tokio runtime, with its timer.
    ///
    /// # Errors
    /// [`ReloadError`], with which nothing has changed.
    pub async fn reload(&self, path: impl AsRef<Path>) -> Result<Reload, ReloadError> {
        let _turn = self.0.loading.lock().await;
        let old = self.host();
        let Some(new) = load(old, path.as_ref()).await? else {
            return Ok(Reload::Unchanged);
        };
        new.try_out().await.map_err(ReloadError::Start)?;
        self.replace(new);
        Ok(Reload::Replaced)
    }
}

/// The new host, or none where the file holds the component of the old one.
async fn load(old: Host, path: &Path) -> Result<Option<Host>, LoadError> {
    let path = path.to_owned();
    let load = tokio::task::spawn_blocking(move || old.reload_changed(&path));
    match load.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(loaded) => loaded,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and with it whoever waits here.
        Err(Err(_)) => std::future::pending().await,
    }
}

impl From<Host> for Current {
    fn from(host: Host) -> Self {
        Self::new(host)
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&self.host()).finish()
    }
}

#[cfg(test)]
mod tests;
