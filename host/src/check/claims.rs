//! Evidence **claims**: what the guest says agrees with itself and with what was
//! seen.

use super::audit::Place;
use super::evidence::{Blame, Finding, Request, Seen};
use super::names::Names;
use super::regions::{Regions, Span};
use super::report::{Evidence, Kind};
use super::traffic::Sent;
use super::trial::Look;
use crate::bindings::invocation::lavandula::arena::types::Usage;
use crate::config::Isolation;
use crate::limits::MemoryUse;
use crate::program::Door;

/// What the guest says agrees with itself and with what was seen.
pub(super) struct Claims {
    isolation: Isolation,
    door: Door,
    finding: Finding,
    last_resets: Option<u64>,
    heard: u32,
    largest: u64,
}

impl Claims {
    pub(super) fn new(isolation: Isolation, door: Door) -> Self {
        Self {
            isolation,
            door,
            finding: Finding::default(),
            last_resets: None,
            heard: 0,
            largest: 0,
        }
    }

    pub(super) fn hear(&mut self, request: &Request<'_>, sent: &Sent, seen: &Seen) {
        let lowered = lowered_bytes(sent, self.door);
        self.hear_ended(request, 1, lowered, seen);
    }

    /// So many requests that overlapped have ended.
    pub(super) fn hear_together(&mut self, request: &Request<'_>, sent: &[Sent], seen: &Seen) {
        // Whose the peak is that it tells then is not known.
        let lowered = sent.iter().map(|sent| lowered_bytes(sent, self.door)).min();
        self.hear_ended(request, sent.len() as u64, lowered.unwrap_or(0), seen);
    }

    fn hear_ended(&mut self, request: &Request<'_>, ended: u64, lowered: u64, seen: &Seen) {
        let Some(claims) = seen.claims else { return };
        self.heard += u32::try_from(ended).unwrap_or(u32::MAX);
        self.largest = self.largest.max(claims.peak_used);
        let last = self.last_resets.replace(claims.resets);
        let resets = last.map(|last| match self.isolation {
            Isolation::Instance => last,
            Isolation::Rewind(_) | Isolation::Shared(_) => last.saturating_add(ended),
        });
        let of_the_end = [
            (
                claims.used == 0,
                format!("{} bytes are in use after the request ended", claims.used),
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
                    "{} resets, and with {} since the last time it should be {}",
                    claims.resets,
                    match ended {
                        1 => "one request".to_owned(),
                        n => format!("{n} requests"),
                    },
                    resets.unwrap_or(0)
                ),
            ),
        ];
        let rules = agreement(&claims, &seen.blocks, seen.memory);
        self.judge(request, "after", rules.into_iter().chain(of_the_end));
    }

    /// What the guest said while requests ran, which have these numbers.
    pub(super) fn hear_running(
        &mut self,
        request: &Request<'_>,
        numbers: &[u32],
        look: &Look,
        home: usize,
    ) {
        let Some(said) = &look.said else { return };
        // Of all that run.
        self.largest = self.largest.max(said.usage.used);
        let blocks: Regions = said.blocks.iter().cloned().collect();
        let in_a_block = |place: &Place| place.memory == home && blocks.contains(place.offset);
        let lost = (0..look.open.len()).find(|&number| {
            let mut places = look.markers.iter().filter(|(_, whose)| *whose == number);
            // One that is not in memory has not come so far.
            look.open[number]
                && places.clone().next().is_some()
                && !places.any(|(place, _)| in_a_block(place))
        });
        let whole = (
            lost.is_none(),
            format!(
                "where its blocks are, and none of them has the marker of request {}, which runs",
                lost.and_then(|lost| numbers.get(lost)).unwrap_or(&0)
            ),
        );
        let rules = agreement(&said.usage, &said.blocks, look.memory);
        self.judge(
            request,
            "while it ran, of",
            rules.into_iter().chain([whole]),
        );
    }

    fn judge(
        &mut self,
        request: &Request<'_>,
        when: &str,
        rules: impl IntoIterator<Item = (bool, String)>,
    ) {
        for (agrees, disagreement) in rules {
            if !agrees {
                // With the one before it, since resets are counted.
                let requests: Vec<u32> = (request.number.saturating_sub(1)..=request.number)
                    .filter(|&number| number > 0)
                    .collect();
                let detail = format!("{when} {request} the guest says: {disagreement}");
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

/// What figures and blocks have to be like at any time.
fn agreement(claims: &Usage, named: &[Span], memory: MemoryUse) -> [(bool, String); 6] {
    // A guest may say any numbers.
    let parts = [claims.tail_waste, claims.free, claims.overhead];
    let sum = parts.into_iter().fold(claims.used, u64::saturating_add);
    let blocks: Regions = named.iter().cloned().collect();
    let bytes = named.iter().map(Span::len).sum::<usize>();
    [
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
            claims.committed <= memory.current as u64,
            format!(
                "committed is {} bytes, and the whole memory has {}",
                claims.committed, memory.current
            ),
        ),
        (
            // Arenas that are gone have nothing any more, and had a peak all the same.
            claims.committed == 0 || claims.peak_used <= claims.committed,
            format!(
                "the peak is {} bytes, and committed {}",
                claims.peak_used, claims.committed
            ),
        ),
        (
            (bytes as u64, named.len()) == (claims.committed, claims.blocks as usize),
            format!(
                "committed is {} bytes in {} blocks, and those that it names are {} with {bytes} \
                 bytes",
                claims.committed,
                claims.blocks,
                named.len()
            ),
        ),
        (
            blocks.bytes() == bytes && blocks.end() <= memory.current,
            "the blocks that it names overlap, or lie behind the end of memory".to_owned(),
        ),
    ]
}

/// Bytes of a request that certainly have to lie in the arena: the target and
/// the body. (Which headers a guest gets is up to the door.) By the door of WASI 0.3 a
/// body is a stream, and may lie anywhere or nowhere.
fn lowered_bytes(sent: &Sent, door: Door) -> u64 {
    let target = sent.request.uri().path_and_query();
    let target = target.map_or(0, |target| target.as_str().len());
    let body = match door {
        Door::Service => 0,
        Door::Fast | Door::WasiHttp => sent.request.body().len(),
    };
    (target + body) as u64
}
