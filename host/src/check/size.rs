//! Evidence **size**: nothing gets larger.
#![forbid(unsafe_code)]

use super::evidence::{Blame, Finding, NOTHING_COMPARED, Request, Seen};
use super::names::Names;
use super::report::{Evidence, Kind};
use crate::config::Isolation;
use crate::limits::MemoryUse;

/// Nothing gets larger: after the warm-up, where one instance gets all requests;
/// else than the first instance that got a request of the shape.
pub(super) struct Size {
    isolation: Isolation,
    finding: Finding,
    /// What memory was at the end of the warm-up.
    settled: Option<Extent>,
    growths: u64,
    grown: usize,
    /// By shape: the first request, and what its instance was after it.
    first: Vec<Option<(u32, Extent)>>,
    larger: u32,
}

/// How large an instance is.
#[derive(Clone, Copy)]
struct Extent {
    memory: MemoryUse,
    table_elements: usize,
}

impl Size {
    pub(super) fn new(isolation: Isolation, shapes: usize) -> Self {
        Self {
            isolation,
            finding: Finding::default(),
            settled: None,
            growths: 0,
            grown: 0,
            first: vec![None; shapes],
            larger: 0,
        }
    }

    /// The next request has a new instance, although all should have had the same.
    pub(super) fn renew(&mut self) {
        if self.isolation != Isolation::Instance {
            self.settled = None;
        }
    }

    pub(super) fn hear(&mut self, request: &Request<'_>, shape: usize, seen: &Seen, warm: bool) {
        let now = Extent {
            memory: seen.memory,
            table_elements: seen.table_elements,
        };
        let (number, first) = *self.first[shape].get_or_insert((request.number, now));
        match self.isolation {
            Isolation::Instance => self.hear_of_new(request, (number, first), now),
            Isolation::Rewind(_) | Isolation::Shared(_) => {
                self.hear_of_same(request, number, now, warm)
            }
        }
    }

    /// The instance got other requests before.
    fn hear_of_same(&mut self, request: &Request<'_>, first: u32, now: Extent, warm: bool) {
        let settled = *self.settled.get_or_insert(now);
        if !warm {
            self.settled = Some(now);
            return;
        }
        let blame = || Blame::between([first, request.number]);
        self.growths = now.memory.grows.saturating_sub(settled.memory.grows);
        self.grown = now.memory.current.saturating_sub(settled.memory.current);
        if self.growths > 0 {
            let detail = || {
                format!(
                    "memory grew during {request}, from {} to {} KiB, although the warm-up had \
                     seen every kind of request",
                    settled.memory.current / 1024,
                    now.memory.current / 1024
                )
            };
            self.finding.note(|| (detail(), blame()));
        }
        if now.table_elements > settled.table_elements {
            let detail = || {
                format!(
                    "a table grew during {request}, from {} to {} elements",
                    settled.table_elements, now.table_elements
                )
            };
            self.finding.note(|| (detail(), blame()));
        }
    }

    /// The instance got no other request.
    fn hear_of_new(&mut self, request: &Request<'_>, first: (u32, Extent), now: Extent) {
        // The first of all stands for what any begins with.
        let begun = self.settled.get_or_insert(now).memory.initial;
        if now.memory.initial != begun {
            let detail = || {
                format!(
                    "the instance of {request} began with {} KiB, and the first one with {}",
                    now.memory.initial / 1024,
                    begun / 1024
                )
            };
            let blame = Blame::between([1, request.number]);
            self.finding.note(|| (detail(), blame));
        }
        let (number, first) = first;
        let (memory, tables) = (now.memory.current, now.table_elements);
        if memory > first.memory.current || tables > first.table_elements {
            self.larger += 1;
            let detail = || {
                format!(
                    "the instance of {request} had {} KiB and {tables} table elements in the end, \
                     and that of request {number} of the same shape {} and {}",
                    memory / 1024,
                    first.memory.current / 1024,
                    first.table_elements
                )
            };
            let blame = Blame::between([number, request.number]);
            self.finding.note(|| (detail(), blame));
        }
    }

    /// By how many bytes memory grew after the warm-up.
    pub(super) fn grown(&self) -> usize {
        self.grown
    }

    pub(super) fn conclude(mut self, names: &dyn Names, compared: u32) -> Evidence {
        if self.growths > 1 {
            let each = self.grown as u64 / u64::from(compared.max(1));
            self.finding.add(&format!(
                "; {} growths in all, {each} bytes a request",
                self.growths
            ));
        }
        if self.larger > 1 {
            self.finding.add(&format!("; so {} instances", self.larger));
        }
        let kib = |bytes: usize| bytes / 1024;
        let (isolation, settled, first) = (self.isolation, self.settled, self.first);
        self.finding
            .evidence(Kind::Size, names, || match isolation {
                _ if compared == 0 => NOTHING_COMPARED.to_owned(),
                Isolation::Instance => {
                    let ended = first.iter().flatten();
                    let most = ended.map(|(_, extent)| extent.memory.current).max();
                    format!(
                        "each of {compared} instances began with {} KiB, and none ended with more \
                     than the first of its shape: {} KiB at most",
                        kib(settled.map_or(0, |first| first.memory.initial)),
                        kib(most.unwrap_or(0))
                    )
                }
                Isolation::Rewind(_) | Isolation::Shared(_) => format!(
                    "{} KiB, and no growth in {compared} requests after the warm-up",
                    kib(settled.map_or(0, |extent| extent.memory.current))
                ),
            })
    }
}
