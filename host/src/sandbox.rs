//! One instance for one request, as a type that can do nothing else.
//!
//! A sandbox is made ready, called once, and retired. Calling it consumes it
//! and gives back a used one, which has no way to be called: that a request
//! never runs in the memory of another is not a rule that somebody keeps, it is
//! what compiles.
//!
//! ```compile_fail,E0599
//! # use lavandula_host::sandbox::{Sandbox, Ready};
//! # async fn twice(sandbox: Sandbox<Ready>, request: http::Request<bytes::Bytes>) {
//! let (_, used) = sandbox.call(request.clone()).await;
//! used.call(request).await; // no method named `call` found for `Sandbox<Used>`
//! # }
//! ```
//!
//! Nor can the ready one be kept for a second call:
//!
//! ```compile_fail,E0382
//! # use lavandula_host::sandbox::{Sandbox, Ready};
//! # async fn twice(sandbox: Sandbox<Ready>, request: http::Request<bytes::Bytes>) {
//! sandbox.call(request.clone()).await;
//! sandbox.call(request).await; // use of moved value: `sandbox`
//! # }
//! ```

use std::marker::PhantomData;

use bytes::Bytes;
use http::{Request, Response};

use crate::config::Limits;
use crate::failure::Failure;
use crate::guest_log::GuestOutput;
use crate::limits::MemoryUse;
use crate::program::{Door, Guest, Program, Refused};
use crate::state::State;

/// A sandbox that was not called yet.
#[derive(Debug)]
pub enum Ready {}

/// A sandbox that was called, whatever came of it.
#[derive(Debug)]
pub enum Used {}

/// A store with one instance of a program in it.
pub struct Sandbox<Life> {
    guest: Guest,
    door: Door,
    life: PhantomData<fn() -> Life>,
}

impl Sandbox<Ready> {
    /// A fresh instance of `program`. The time of the invocation begins now.
    ///
    /// To be called, as everything that runs a guest, within a tokio runtime
    /// whose timer is enabled.
    pub async fn new(program: &Program, limits: &Limits) -> Result<Self, Unready> {
        let state = State::new(limits, GuestOutput::Log);
        let guest = program.instantiate(state).await?;
        Ok(Self {
            guest,
            door: program.door(),
            life: PhantomData,
        })
    }

    /// The one call.
    pub async fn call(
        mut self,
        request: Request<Bytes>,
    ) -> (Result<Response<Bytes>, Failure>, Sandbox<Used>) {
        let result = self.guest.handle(self.door, request).await;
        let used = Sandbox {
            guest: self.guest,
            door: self.door,
            life: PhantomData,
        };
        (result, used)
    }
}

impl Sandbox<Used> {
    /// Gives the instance back to the pool and says what its memory did.
    pub fn retire(self) -> MemoryUse {
        self.guest.memory_use()
    }
}

impl<Life> std::fmt::Debug for Sandbox<Life> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("door", &self.door)
            .field("memory", &self.guest.memory_use())
            .finish_non_exhaustive()
    }
}

/// A sandbox that did not come to be.
#[derive(Debug)]
pub struct Unready {
    /// Why.
    pub failure: Failure,
    /// What the instance had of memory by then.
    pub memory: MemoryUse,
}

impl From<Refused> for Unready {
    fn from(Refused { failure, memory }: Refused) -> Self {
        Self { failure, memory }
    }
}
