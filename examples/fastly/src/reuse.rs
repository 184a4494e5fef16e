//! More than one request for an instance.

use fastly::compute_runtime::heap_memory_snapshot_mib;
use fastly::http::serve::{NextRequestOptions, RequestPromise};

/// Requests that an instance answers.
const MAX_REQUESTS: usize = 1000;

/// Memory that an instance may have grown to when it waits for another, in MiB, as the
/// runtime counts it. Memory does not shrink: after a request that needed more, a new
/// instance is the smaller one.
const MAX_MEMORY_MIB: u32 = 16;

/// Waits for the next request, as long as the runtime lets an instance wait.
pub(crate) fn next(answered: usize) -> Option<fastly::Request> {
    if answered >= MAX_REQUESTS || heap_memory_snapshot_mib().ok()? > MAX_MEMORY_MIB {
        return None;
    }
    let promise = RequestPromise::new(&NextRequestOptions::default()).ok()?;
    promise.wait().ok()
}
