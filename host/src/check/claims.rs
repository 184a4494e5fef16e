//! Evidence **claims**: what the guest says agrees with itself and with what was
//! seen.

use super::evidence::{Blame, Finding, Request, Seen};
use super::names::Names;
use super::regions::{Regions, Span};
use super::report::{Evidence, Kind};
use super::traffic::Sent;
use crate::config::Isolation;

/// What the guest says agrees with itself and with what was seen.
pub(super) struct Claims {
    isolation: Isolation,
    finding: Finding,
    last_resets: Option<u64>,
    heard: u32,
    largest: u64,
}

impl Claims {
    pub(super) fn new(isolation: Isolation) -> Self {
        Self {
            isolation,
            finding: Finding::default(),
            last_resets: None,
            heard: 0,
            largest: 0,
        }
    }

    pub(super) fn hear(&mut self, request: &Request<'_>, sent: &Sent, seen: &Seen) {
        let Some(claims) = seen.claims else { return };
        self.heard += 1;
        self.largest = self.largest.max(claims.peak_used);

        // A guest may say any numbers.
        let parts = [claims.tail_waste, claims.free, claims.overhead];
        let sum = parts.into_iter().fold(claims.used, u64::saturating_add);
        let lowered = lowered_bytes(sent);
        let last = self.last_resets.replace(claims.resets);
        let resets = last.map(|last| match self.isolation {
            Isolation::Instance => last,
            Isolation::Rewind(_) | Isolation::Shared(_) => last.saturating_add(1),
        });
        let blocks: Regions = seen.blocks.iter().cloned().collect();
        let named = seen.blocks.iter().map(Span::len).sum::<usize>();
        let rules = [
            (
                claims.committed == sum,
                format!(
                    "committed is {} bytes, and used, tail waste, free and overhead are {sum}",
                    claims.committed
                ),
            ),
            (
                claims.total_allocated == claims.committed.saturating_sub(claims.overhead),
                format!(
                    "total allocated is {} bytes, and committed less overhead is {}",
                    claims.total_allocated,
                    claims.committed.saturating_sub(claims.overhead)
                ),
            ),
            (
                claims.used == 0,
                format!("{} bytes are in use after the request ended", claims.used),
            ),
            (
                claims.committed <= seen.memory.current as u64,
                format!(
                    "committed is {} bytes, and the whole memory has {}",
                    claims.committed, seen.memory.current
                ),
            ),
            (
                claims.peak_used <= claims.committed,
                format!(
                    "the peak is {} bytes, and committed {}",
                    claims.peak_used, claims.committed
                ),
            ),
            (
                claims.peak_used >= lowered,
                format!(
                    "the peak is {} bytes, and the request alone, which lies in the arena, had \
                     {lowered}",
                    claims.peak_used
                ),
            ),
            (
                resets.is_none_or(|resets| claims.resets == resets),
                format!(
                    "{} resets, and with one request since the last time it should be {}",
                    claims.resets,
                    resets.unwrap_or(0)
                ),
            ),
            (
                (named as u64, seen.blocks.len()) == (claims.committed, claims.blocks as usize),
                format!(
                    "committed is {} bytes in {} blocks, and those that it names are {} with \
                     {named} bytes",
                    claims.committed,
                    claims.blocks,
                    seen.blocks.len()
                ),
            ),
            (
                blocks.bytes() == named && blocks.end() <= seen.memory.current,
                "the blocks that it names overlap, or lie behind the end of memory".to_owned(),
            ),
        ];
        for (agrees, disagreement) in rules {
            if !agrees {
                // With the one before it, since resets are counted.
                let requests: Vec<u32> = (request.number.saturating_sub(1)..=request.number)
                    .filter(|&number| number > 0)
                    .collect();
                let detail = format!("after {request} the guest says: {disagreement}");
                self.finding.note(|| (detail, Blame::between(requests)));
            }
        }
    }

    /// The most that a request used of the arena, where anything was claimed.
    pub(super) fn largest(&self) -> Option<u64> {
        (self.heard > 0).then_some(self.largest)
    }

    /// The next request has a new instance, which was never reset.
    pub(super) fn renew(&mut self) {
        if self.isolation != Isolation::Instance {
            self.last_resets = None;
        }
    }

    pub(super) fn conclude(self, names: &dyn Names, heard: u32) -> Evidence {
        let Self {
            heard: claimed,
            largest,
            ..
        } = self;
        self.finding.evidence(Kind::Claims, names, || {
            if claimed == 0 {
                return "the component claims nothing (it has no `lavandula:arena/invocation`)"
                    .to_owned();
            }
            format!(
                "the guest's figures agreed with what was seen after {claimed} of {heard} \
                 requests; its largest peak was {largest} bytes"
            )
        })
    }
}

/// Bytes of a request that certainly have to lie in the arena: the target and
/// the body. (Which headers a guest gets is up to the door.)
fn lowered_bytes(sent: &Sent) -> u64 {
    let target = sent.request.uri().path_and_query();
    let target = target.map_or(0, |target| target.as_str().len());
    (target + sent.request.body().len()) as u64
}
