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
//!
//! What makes a used sandbox a ready one again is a rewind that the host found
//! clean, and nothing else:
//!
//! ```text
//!        call              rewind
//! Ready ──────► Used ─────────────────► Ready
//!   ▲             │ retire   └ in doubt ► Retired, and the instance is gone
//!   └ new, prepare└────────► gone
//! ```

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use thiserror::Error;

use crate::body::RequestBody;
use crate::config::{Limits, Reuse};
use crate::failure::Failure;
use crate::figures::ArenaUse;
use crate::flow::{Reply, Said};
use crate::guest_log::GuestOutput;
use crate::limits::MemoryUse;
use crate::program::{Door, Exports, Guest, Program, Refused};
use crate::state::State;

/// A sandbox that was not called, or of whose call nothing is left.
#[derive(Debug)]
pub enum Ready {}

/// A sandbox that was called, whatever came of it.
#[derive(Debug)]
pub enum Used {}

/// A store with one instance of a program in it.
pub struct Sandbox<Life> {
    /// Elsewhere, since a sandbox goes from hand to hand.
    guest: Box<Guest>,
    door: Door,
    clock: Clock,
    /// What the instance had when it was sealed. None where it cannot be rewound.
    sealed: Option<Sealed>,
    /// Requests that it has answered.
    served: u32,
    /// Whether the last call was answered by the guest.
    answered: Answered,
    life: PhantomData<fn() -> Life>,
}

/// Whether the time of the next request runs already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// Since the instance was made.
    Running,
    /// From the call on.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Yes,
    No,
}

/// What a rewind has to lead back to, as far as it is not the guest's memory.
#[derive(Clone, Copy, Debug)]
struct Sealed {
    resources: usize,
}

impl Sandbox<Ready> {
    /// A fresh instance of `program`. The time of the invocation begins now.
    ///
    /// To be called, as everything that runs a guest, within a tokio runtime
    /// whose timer is enabled.
    pub async fn new(program: &Program, limits: &Limits) -> Result<Self, Unready> {
        Self::with(program, limits, Exports::All).await
    }

    /// The same for one request and nothing else: it can be neither prepared nor
    /// rewound.
    pub(crate) async fn for_one(program: &Program, limits: &Limits) -> Result<Self, Unready> {
        Self::with(program, limits, Exports::Door).await
    }

    async fn with(program: &Program, limits: &Limits, exports: Exports) -> Result<Self, Unready> {
        let state = State::granted(limits, GuestOutput::Log, program.granted());
        let guest = program.instantiate(state, exports).await?;
        Ok(Self {
            guest: Box::new(guest),
            door: program.door(),
            clock: Clock::Running,
            sealed: None,
            served: 0,
            answered: Answered::No,
            life: PhantomData,
        })
    }

    /// The same, made ahead of its request: its time begins with the call.
    pub fn ahead(mut self) -> Self {
        self.clock = Clock::Stopped;
        self
    }

    /// The same, initialised: what the first request would have to do is done
    /// before it comes. Its time begins with the call.
    ///
    /// Initialisation, and the image that a rewind puts back, are the business of
    /// `lavandula:arena/invocation`. A component without it has nothing to prepare.
    pub async fn prepare(mut self) -> Result<Self, Unready> {
        match self.seal().await {
            Ok(sealed) => {
                self.sealed = sealed;
                self.clock = Clock::Stopped;
                Ok(self)
            }
            Err(failure) => Err(Unready {
                failure,
                memory: self.guest.memory_use(),
            }),
        }
    }

    async fn seal(&mut self) -> Result<Option<Sealed>, Failure> {
        // What the door of WASI 0.3 leaves behind is not only in the guest's memory
        // and the table of resources, where a rewind looks for it, but in the
        // engine too: streams and tasks.
        if self.guest.invocation.is_none() || self.door == Door::Service {
            return Ok(None);
        }
        self.guest.seal().await?;
        let image = self.guest.image_store().await?;
        let resources = self.guest.store.data_mut().resources();
        // Asking for it has left something in the arena.
        self.guest.rewind().await?;
        Ok((!image.is_empty()).then_some(Sealed { resources }))
    }

    /// Whether it can be rewound after its call.
    pub fn rewinds(&self) -> bool {
        self.sealed.is_some()
    }

    /// The one call.
    pub async fn call(
        mut self,
        request: Request<Bytes>,
    ) -> (Result<Response<Bytes>, Failure>, Sandbox<Used>) {
        self.begin();
        let result = self.guest.handle(self.door, request).await;
        let used = self.into_used(result.is_ok());
        (result, used)
    }

    /// The one call, for a response that is taken as it comes: see
    /// [`flow`](crate::flow).
    pub(crate) fn converse(
        mut self,
        request: Request<RequestBody>,
        reply: Reply,
    ) -> impl Future<Output = (Said, Sandbox<Used>)> + Send {
        async move {
            self.begin();
            let said = self.guest.converse(self.door, request, reply).await;
            let used = self.into_used(said.is_ok());
            (said, used)
        }
    }

    fn begin(&mut self) {
        if self.clock == Clock::Stopped {
            self.guest.begin();
        }
    }

    fn into_used(self, answered: bool) -> Sandbox<Used> {
        Sandbox {
            answered: if answered {
                Answered::Yes
            } else {
                Answered::No
            },
            served: self.served.saturating_add(1),
            ..self.into_next()
        }
    }
}

impl Sandbox<Used> {
    /// Gives the instance back to the pool and says what its memory did.
    pub fn retire(self) -> MemoryUse {
        self.memory()
    }

    /// What its memory did in the call.
    pub fn memory(&self) -> MemoryUse {
        self.guest.memory_use()
    }

    /// What the call used of the arena, where the guest answered and can tell.
    pub(crate) async fn arena(&mut self) -> Option<ArenaUse> {
        if self.answered == Answered::No {
            return None;
        }
        // A guest that fails at this has answered all the same.
        let usage = self.guest.usage().await.ok().flatten();
        usage.map(ArenaUse::from)
    }

    /// Makes it ready for another request: the guest puts its memory back, and the
    /// host looks whether everything else is as it was when the guest was sealed.
    ///
    /// # Errors
    /// [`Retirement`], with which the instance is gone: for whatever is not as it
    /// should be, and where it has served long enough.
    pub async fn rewind(mut self, reuse: &Reuse) -> Result<Sandbox<Ready>, Retirement> {
        let before = self.memory();
        let sealed = self.may_go_on(reuse)?;
        self.guest.begin();
        let usage = self.guest.rewind_and_look().await;
        let usage = usage.map_err(Retirement::Refused)?;
        if usage.used != 0 {
            return Err(Retirement::InUse { bytes: usage.used });
        }
        let after = self.memory();
        if after.current != before.current || after.denied > 0 {
            return Err(Retirement::Memory {
                bytes: after.current,
                limit: before.current,
            });
        }
        self.same_resources(sealed)?;
        Ok(Sandbox {
            clock: Clock::Stopped,
            ..self.into_next()
        })
    }

    /// Whether a rewind is worth it.
    fn may_go_on(&mut self, reuse: &Reuse) -> Result<Sealed, Retirement> {
        let Some(sealed) = self.sealed else {
            return Err(Retirement::NoImage);
        };
        if self.answered == Answered::No {
            return Err(Retirement::Failed);
        }
        let memory = self.memory();
        if memory.denied > 0 {
            return Err(Retirement::Denied);
        }
        if memory.current > reuse.memory {
            return Err(Retirement::Memory {
                bytes: memory.current,
                limit: reuse.memory,
            });
        }
        if self.served >= reuse.requests.get() {
            return Err(Retirement::Served {
                requests: self.served,
            });
        }
        // The handles of a request die with it. After the rewind the guest would
        // not know of those that do not.
        self.same_resources(sealed)?;
        Ok(sealed)
    }

    fn same_resources(&mut self, sealed: Sealed) -> Result<(), Retirement> {
        match self.guest.store.data_mut().resources() {
            now if now == sealed.resources => Ok(()),
            now => Err(Retirement::Resources {
                sealed: sealed.resources,
                now,
            }),
        }
    }
}

impl<Life> Sandbox<Life> {
    /// The same in another part of its life.
    fn into_next<Next>(self) -> Sandbox<Next> {
        Sandbox {
            guest: self.guest,
            door: self.door,
            clock: self.clock,
            sealed: self.sealed,
            served: self.served,
            answered: self.answered,
            life: PhantomData,
        }
    }
}

impl<Life> fmt::Debug for Sandbox<Life> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("door", &self.door)
            .field("served", &self.served)
            .field("memory", &self.guest.memory_use())
            .finish_non_exhaustive()
    }
}

/// Why an instance was not used again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Retirement {
    /// Its last request failed: it trapped, ran out of time, or gave no valid
    /// answer. Nothing is known of its state.
    #[error("its request failed")]
    Failed,
    /// It was denied memory, and does not know that there was none to come.
    #[error("it was denied memory; raise the memory limit or make the handler use less")]
    Denied,
    /// It keeps no image, so that a rewind would leave its statics as they are.
    #[error(
        "it keeps no image of itself; make `lavandula::InvocationHeap` its global allocator, or          serve it with instance isolation"
    )]
    NoImage,
    /// It has answered as many requests as it may.
    #[error("it has answered {requests} requests, as many as it may")]
    Served {
        /// How many.
        requests: u32,
    },
    /// Its memory has more bytes than an instance may have to be kept.
    #[error(
        "it has {bytes} bytes of memory and {limit} are the most to be kept; raise the limit if          such requests are common"
    )]
    Memory {
        /// What it has.
        bytes: usize,
        /// The most.
        limit: usize,
    },
    /// It holds other resources of the host than when it was sealed: a stream that
    /// was left open.
    #[error(
        "it holds {now} resources of the host and held {sealed} before; close what a request \
         opens, and open what is to stay when the handler initialises"
    )]
    Resources {
        /// When it was sealed.
        sealed: usize,
        /// Now.
        now: usize,
    },
    /// Its arena is not empty after the rewind.
    #[error("{bytes} bytes of its arena are in use after the rewind")]
    InUse {
        /// How many.
        bytes: u64,
    },
    /// It refused to be rewound, or trapped.
    #[error("it could not be rewound")]
    Refused(#[source] Failure),
    /// It has had nothing to do for as long as it may stay without.
    #[error("it had no request for {for_:?}, which is as long as it may stay without one")]
    Idle {
        /// How long.
        for_: Duration,
    },
}

impl Retirement {
    /// The word for it in logs and in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::NoImage => "no_image",
            Self::Served { .. } => "served",
            Self::Memory { .. } => "memory",
            Self::Resources { .. } => "resources",
            Self::InUse { .. } => "in_use",
            Self::Refused(_) => "refused",
            Self::Idle { .. } => "idle",
        }
    }

    /// Whether that is how an instance is supposed to end, and no more than that.
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::Served { .. } | Self::Idle { .. })
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
