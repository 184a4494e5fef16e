//! The closed sets of labels. Each value is an index into an array of counters:
//! nothing is looked up while a request runs, and nothing that a client sends
//! becomes a label.

use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::failure::Failure;
use crate::sandbox::Retirement;

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];
            pub(super) const COUNT: usize = Self::ALL.len();

            /// Its word.
            pub(super) fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

closed_set! {
    /// How a request ended: well, or with the label of its failure.
    Ending {
        Ok = "ok",
        Trap = "trap",
        OutOfMemory = "out_of_memory",
        Deadline = "deadline",
        BadResponse = "bad_response",
        Overload = "overload",
        Draining = "draining",
        Instantiate = "instantiate",
        Invocation = "invocation",
        BodyTooLarge = "body_too_large",
        HeadersTooLarge = "headers_too_large",
        Malformed = "malformed",
        TooSlow = "too_slow",
        ClientGone = "client_gone",
    }
}

impl From<Option<&Failure>> for Ending {
    fn from(failure: Option<&Failure>) -> Self {
        // Without a rest, so that a new failure does not compile before it has
        // its label here.
        match failure {
            None => Self::Ok,
            Some(Failure::Trap(_)) => Self::Trap,
            Some(Failure::OutOfMemory { .. }) => Self::OutOfMemory,
            Some(Failure::Deadline { .. }) => Self::Deadline,
            Some(Failure::BadResponse(_)) => Self::BadResponse,
            Some(Failure::Overload) => Self::Overload,
            Some(Failure::Draining) => Self::Draining,
            Some(Failure::Instantiate(_)) => Self::Instantiate,
            Some(Failure::Invocation { .. }) => Self::Invocation,
            Some(Failure::BodyTooLarge { .. }) => Self::BodyTooLarge,
            Some(Failure::HeadersTooLarge { .. }) => Self::HeadersTooLarge,
            Some(Failure::Malformed(_)) => Self::Malformed,
            Some(Failure::TooSlow { .. }) => Self::TooSlow,
            Some(Failure::ClientGone) => Self::ClientGone,
        }
    }
}

closed_set! {
    /// What kind of trap it was.
    TrapKind {
        /// What `abort`, and thus a panic in most languages, ends in.
        Unreachable = "unreachable",
        StackOverflow = "stack_overflow",
        /// Of a memory, a table or an array.
        OutOfBounds = "out_of_bounds",
        /// A call through a pointer to nothing, or to another type of function.
        IndirectCall = "indirect_call",
        /// A division by zero, an overflow, a conversion.
        Arithmetic = "arithmetic",
        /// `exit` was called.
        Exit = "exit",
        Other = "other",
    }
}

impl From<&wasmtime::Error> for TrapKind {
    fn from(error: &wasmtime::Error) -> Self {
        if error.is::<I32Exit>() {
            return Self::Exit;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::UnreachableCodeReached) => Self::Unreachable,
            Some(Trap::StackOverflow) => Self::StackOverflow,
            Some(Trap::MemoryOutOfBounds | Trap::TableOutOfBounds | Trap::ArrayOutOfBounds) => {
                Self::OutOfBounds
            }
            Some(Trap::IndirectCallToNull | Trap::BadSignature) => Self::IndirectCall,
            Some(
                Trap::IntegerOverflow | Trap::IntegerDivisionByZero | Trap::BadConversionToInteger,
            ) => Self::Arithmetic,
            _ => Self::Other,
        }
    }
}

closed_set! {
    /// Why an instance was not used again, where it might have been.
    Reason {
        Failed = "failed",
        Denied = "denied",
        NoImage = "no_image",
        Served = "served",
        Memory = "memory",
        Resources = "resources",
        InUse = "in_use",
        Refused = "refused",
        Idle = "idle",
    }
}

impl From<&Retirement> for Reason {
    fn from(why: &Retirement) -> Self {
        match why {
            Retirement::Failed => Self::Failed,
            Retirement::Denied => Self::Denied,
            Retirement::NoImage => Self::NoImage,
            Retirement::Served { .. } => Self::Served,
            Retirement::Memory { .. } => Self::Memory,
            Retirement::Resources { .. } => Self::Resources,
            Retirement::InUse { .. } => Self::InUse,
            Retirement::Refused(_) => Self::Refused,
            Retirement::Idle { .. } => Self::Idle,
        }
    }
}

closed_set! {
    /// What only ever goes up, and is no matter of a single request's end.
    Counter {
        /// A request found no instance ready and had to make one.
        ReadyMiss = "ready_misses",
        /// An instance was made.
        Created = "instances_created",
        /// An instance was rewound, to be used again.
        Rewound = "rewinds",
        /// A connection was accepted.
        Connection = "connections",
        /// A connection could not be accepted, for lack of file descriptors or memory.
        AcceptFailed = "accept_failures",
    }
}

closed_set! {
    /// What goes up and down.
    Gauge {
        /// Requests that run.
        InFlight = "requests_in_flight",
        /// Requests that wait for a place.
        Queued = "queue_depth",
        /// Instances that wait for a request.
        Ready = "ready_instances",
        /// Connections that are open.
        Connections = "connections_open",
    }
}

impl Counter {
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::ReadyMiss => "Requests that found no instance ready and had to make one.",
            Self::Created => "Instances made.",
            Self::Rewound => "Instances rewound, to be used again.",
            Self::Connection => "Connections accepted.",
            Self::AcceptFailed => {
                "Attempts to accept a connection that failed for lack of something. It waits."
            }
        }
    }
}

impl Gauge {
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::InFlight => "Requests that run.",
            Self::Queued => "Requests that wait for a place.",
            Self::Ready => "Instances that wait for a request.",
            Self::Connections => "Connections that are open.",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failure::BadResponse;

    #[test]
    fn a_failure_is_counted_under_its_label() {
        let limit = Duration::ZERO;
        let cause = || wasmtime::Error::msg("x");
        let failures = [
            Failure::Trap(cause()),
            Failure::OutOfMemory { asked: 1, limit: 1 },
            Failure::Deadline { limit },
            BadResponse::Missing.into(),
            Failure::Overload,
            Failure::Draining,
            Failure::Instantiate(cause()),
            Failure::Invocation {
                call: "seal",
                why: String::new(),
            },
            Failure::BodyTooLarge { limit: 1 },
            Failure::HeadersTooLarge { limit: 1 },
            Failure::Malformed("x"),
            Failure::TooSlow { limit },
            Failure::ClientGone,
        ];
        assert_eq!(failures.len() + 1, Ending::COUNT);
        for failure in &failures {
            assert_eq!(Ending::from(Some(failure)).label(), failure.label());
        }
    }

    #[test]
    fn a_retirement_is_counted_under_its_label() {
        let limit = Duration::ZERO;
        let retirements = [
            Retirement::Failed,
            Retirement::Denied,
            Retirement::NoImage,
            Retirement::Served { requests: 1 },
            Retirement::Memory { bytes: 1, limit: 1 },
            Retirement::Resources { sealed: 1, now: 2 },
            Retirement::InUse { bytes: 1 },
            Retirement::Refused(Failure::Overload),
            Retirement::Idle { for_: limit },
        ];
        assert_eq!(retirements.len(), Reason::COUNT);
        for why in &retirements {
            assert_eq!(Reason::from(why).label(), why.label());
        }
    }

    #[test]
    fn a_trap_is_told_by_its_kind_also_with_context_around_it() {
        let of = |error: wasmtime::Error| TrapKind::from(&error.context("in a guest"));
        let kinds = [
            (Trap::UnreachableCodeReached, TrapKind::Unreachable),
            (Trap::StackOverflow, TrapKind::StackOverflow),
            (Trap::MemoryOutOfBounds, TrapKind::OutOfBounds),
            (Trap::BadSignature, TrapKind::IndirectCall),
            (Trap::IntegerDivisionByZero, TrapKind::Arithmetic),
            (Trap::HeapMisaligned, TrapKind::Other),
        ];
        for (trap, kind) in kinds {
            assert_eq!(of(trap.into()), kind, "{trap}");
        }
        assert_eq!(of(I32Exit(3).into()), TrapKind::Exit);
        assert_eq!(of(wasmtime::Error::msg("x")), TrapKind::Other);
    }
}
