//! Every limit and default of the host, with its unit and its reason.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What one request may cost. The limits hold for every guest alike and are
/// decided once, before the component is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, summed over *all* memories of the request's
    /// instance. A growth beyond it is denied: the guest sees `-1`. 64 MiB.
    pub max_memory: usize,
    /// Wall time from the start of the instantiation to the last byte of the
    /// response. It runs on while the guest waits for the host. 10 s.
    pub timeout: Duration,
    /// Bytes of request body. 10 MiB.
    pub max_request_body: usize,
    /// Bytes of response body. It is collected before it is sent, so that a
    /// guest that fails half-way still gets an honest status. 32 MiB.
    pub max_response_body: usize,
    /// Bytes of all header names and values together, of a request and of a
    /// response alike; a request's target counts as well. 64 KiB.
    pub max_header_bytes: usize,
    /// Elements of all tables of the instance together. 20 000.
    pub max_table_elements: usize,
    /// Handles to host resources (streams, bodies, header fields) that the
    /// guest may hold at a time. 10 000.
    pub max_handles: usize,
    /// Requests that run at the same time. It is also the number of slots in
    /// the instance pool, each of which reserves address space. 64.
    pub max_in_flight: u32,
    /// Requests that may wait for a place among those. Further ones are refused
    /// at once. 1024, which is as many as there may be connections: so a connection
    /// with one request at a time is refused for a long wait and never for a burst.
    pub max_queue: u32,
    /// How long a request may wait for its place. 1 s.
    pub queue_wait: Duration,
    /// The longest pause within the body of a request. 10 s.
    pub body_idle: Duration,
    /// Bytes of request bodies that the host may hold in all, for guests that are
    /// given a body in one piece. Requests for whose body there is no room are
    /// refused. 256 MiB.
    pub max_buffered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_memory: 64 * MIB,
            timeout: Duration::from_secs(10),
            max_request_body: 10 * MIB,
            max_response_body: 32 * MIB,
            max_header_bytes: 64 * KIB,
            max_table_elements: 20_000,
            max_handles: 10_000,
            max_in_flight: 64,
            max_queue: 1024,
            queue_wait: Duration::from_secs(1),
            body_idle: Duration::from_secs(10),
            max_buffered: 256 * MIB,
        }
    }
}

impl Limits {
    /// Bytes that one call may copy from the guest into the host. The largest
    /// honest call is the fast door's answer, a whole response at once; as long
    /// as it fits into the guest's memory it also fits through here, so that a
    /// response that is too large fails as such and not as a trap. Derived, so
    /// that it cannot contradict the other limits.
    pub fn hostcall_bytes(&self) -> usize {
        self.max_response_body
            .max(self.max_memory)
            .saturating_add(self.max_header_bytes)
            .saturating_add(MIB)
    }
}

/// What keeps one request from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// A new instance for each request. The security boundary is the engine's.
    #[default]
    Instance,
    /// An instance answers one request after another, and is rewound after each:
    /// all of its memory is put back to what it was before the first. At the first
    /// doubt it is dropped. For components that keep an image of themselves, which
    /// are those with `lavandula::InvocationHeap`; others get a new instance for
    /// each request.
    Rewind(Reuse),
    /// Instances live on, and have several requests at a time: while one waits for its
    /// origin, others run. What keeps these from each other is the handler, and the
    /// arena that each invocation has, where it is built with this project: not the
    /// engine. For components with the door of WASI 0.3 alone.
    Shared(Sharing),
}

/// How far an instance is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Requests that an instance answers before it is dropped all the same, so
    /// that nothing lasts for ever that nobody has thought of. 1000.
    pub requests: NonZeroU32,
    /// Bytes of linear memory that an instance may have and be kept: what grew for
    /// one large request stays, since linear memory cannot shrink. 8 MiB.
    pub memory: usize,
}

impl Default for Reuse {
    fn default() -> Self {
        const REQUESTS: NonZeroU32 = NonZeroU32::new(1000).expect("it is not zero");
        Self {
            requests: REQUESTS,
            memory: 8 * MIB,
        }
    }
}

/// How far an instance is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Requests that an instance takes in all, so that nothing lasts for ever that
    /// nobody has thought of. 128.
    pub requests: NonZeroU32,
    /// Requests that an instance has at a time. Fewer where its guest refuses them by
    /// back-pressure: one with `lavandula::InvocationHeap` has one. 16.
    pub at_a_time: NonZeroU32,
    /// Bytes of linear memory that an instance may have and take further requests.
    /// 8 MiB.
    pub memory: usize,
    /// How long an instance stays without a request. 1 s.
    pub idle: Duration,
}

impl Default for Sharing {
    fn default() -> Self {
        const REQUESTS: NonZeroU32 = NonZeroU32::new(128).expect("it is not zero");
        const AT_A_TIME: NonZeroU32 = NonZeroU32::new(16).expect("it is not zero");
        Self {
            requests: REQUESTS,
            at_a_time: AT_A_TIME,
            memory: Reuse::default().memory,
            idle: Duration::from_secs(1),
        }
    }
}

/// What it means when a client says, while its request is under way, that it will send
/// no more. One that reads on says nothing else than one that is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HalfClose {
    /// It is gone, unless its answer is there within a tenth of a second: its guest
    /// ends. Most clients that say so are gone, and a guest that runs for nobody has a
    /// place that others wait for.
    #[default]
    Leaves,
    /// It reads on: its guest goes on, until its time is up or the connection is reset,
    /// which shows that nobody reads. HTTP/1 only. Each connection takes a second file
    /// descriptor, by which that is heard.
    ReadsOn,
}

/// How the server treats its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where to listen. Port 0 takes any free port. `127.0.0.1:8080`: nothing
    /// outside this machine reaches it unless it is told to.
    pub addr: SocketAddr,
    /// From the first byte of a request to the end of its headers. 10 s.
    pub header_timeout: Duration,
    /// How long a connection may stay without a byte in either direction,
    /// between requests and while a response is being sent. 60 s.
    pub keep_alive: Duration,
    /// Whether a client that will send no more is there for its answer. It is taken
    /// to be gone.
    pub half_close: HalfClose,
    /// Connections at a time. Further ones wait in the kernel's backlog. 1024.
    pub max_connections: usize,
    /// How long a server that is told to end goes on as before, but for asking clients
    /// to go elsewhere: whoever balances the load needs this time to see that it is not
    /// ready any more, and sends it requests until then. None: most servers have nobody
    /// before them, and who ends one by hand would wait for nothing.
    pub delay: Duration,
    /// How long a shutdown waits for the requests that are under way. 10 s.
    pub grace: Duration,
    /// Threads that serve connections, each by itself. One per core where nothing
    /// is said.
    pub threads: Option<NonZeroUsize>,
    /// Instances that each thread makes ahead of their requests, where each request
    /// has one of its own. They take the making off the time that a client waits, and
    /// a slot of memory each. 2.
    pub ready_instances: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            half_close: HalfClose::default(),
            max_connections: 1024,
            delay: Duration::ZERO,
            grace: Duration::from_secs(10),
            threads: None,
            ready_instances: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_has_room_to_wait() {
        let connections = ServerConfig::default().max_connections;
        let room = usize::try_from(Limits::default().max_queue).expect("it is small");
        assert!(room >= connections, "{room} for {connections}");
    }

    #[test]
    fn one_call_may_always_carry_the_largest_response() {
        for body in [0, 1, 32 * MIB, usize::MAX] {
            let limits = Limits {
                max_response_body: body,
                ..Limits::default()
            };
            assert!(limits.hostcall_bytes() >= body);
        }
    }
}
