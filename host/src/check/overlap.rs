//! Requests that overlap in one instance: which are sent together, and evidence
//! **overlap**, that no block of memory has two of them.
//!
//! ```text
//! alone      every shape twice, one after the other: what its answer is
//! batch 1    so many requests at a time, in an order of their own (`order`)
//! batch 2    as many, in another order
//! ...        and so on: all orders come again, over and over
//! ```
//!
//! Each request of a batch has a marker of its own, and its body arrives in pieces when
//! it is let in (`paced`). A few times in a batch, when nothing goes on, the instance is
//! asked where the blocks of its arenas are, and all of its memory is searched. When the
//! batch has ended it is looked at as after a request that was alone.
#![forbid(unsafe_code)]

pub(super) mod order;
pub(super) mod paced;

use std::collections::BTreeSet;

use super::audit::Place;
use super::evidence::{Blame, Finding, Request};
use super::names::Names;
use super::regions::{Regions, Span};
use super::report::{Evidence, Kind, Overlap, Region};
use super::trial::{Batch, Entrance};

/// How batches of a run follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batches {
    /// Requests at a time.
    pub(super) at_a_time: u32,
    /// Batches in which every shape has come at least once.
    pub(super) until_all_shapes: u32,
}

impl Batches {
    pub(super) fn new(at_a_time: u32, shapes: u32) -> Self {
        Self {
            at_a_time,
            until_all_shapes: shapes.div_ceil(at_a_time).max(1),
        }
    }

    /// Requests after which everything comes again: the shapes, and the orders.
    pub(super) fn cycle(self) -> u32 {
        let batches = self.until_all_shapes.saturating_mul(order::WAYS);
        batches.saturating_mul(self.at_a_time)
    }

    /// The number of the batch that this request is in, from 0.
    pub(super) fn of(self, number: u32) -> u32 {
        (number - 1) / self.at_a_time
    }

    /// Whether the shapes begin anew with this request.
    pub(super) fn begins_cycle_with(self, number: u32) -> bool {
        let begins = (number - 1).is_multiple_of(self.at_a_time);
        begins && self.of(number).is_multiple_of(self.until_all_shapes)
    }

    /// In which turn it is. Batches with the same one have the same order.
    pub(super) fn turn(self, batch: u32) -> u32 {
        let cycle = self.until_all_shapes * order::WAYS;
        // The ways change with each round through the shapes.
        let (round, within) = (
            batch % cycle / self.until_all_shapes,
            batch % self.until_all_shapes,
        );
        within * order::WAYS + round
    }

    /// All requests of the batches that these are in.
    pub(super) fn whole(self, requests: &[u32], last: u32) -> Vec<u32> {
        let batches: BTreeSet<u32> = requests.iter().map(|&number| self.of(number)).collect();
        let numbers = batches.into_iter().flat_map(|batch| {
            let first = batch * self.at_a_time + 1;
            first..first.saturating_add(self.at_a_time)
        });
        numbers.filter(|&number| number <= last).collect()
    }
}

/// No block of memory has two requests that run at the same time.
#[derive(Default)]
pub(super) struct Apart {
    finding: Finding,
    in_flight: u32,
    batches: u32,
    closed: u32,
    /// Looks at which the guest told its blocks.
    looks: u32,
    /// Blocks that had a marker in them, of all looks.
    filled: u64,
}

impl Apart {
    pub(super) fn hear(&mut self, request: &Request<'_>, numbers: &[u32], batch: &Batch) {
        self.batches += 1;
        let at_once = u32::try_from(batch.sighted.at_once).unwrap_or(u32::MAX);
        self.in_flight = self.in_flight.max(at_once);
        self.closed += u32::from(batch.entrance == Entrance::Closed);
        for look in &batch.looks {
            let Some(said) = &look.said else { continue };
            self.looks += 1;
            for block in &said.blocks {
                // What one that has ended left there is the matter of `content`.
                let mut of_block = (look.markers.iter()).filter(|(place, number)| {
                    let runs = look.open.get(*number) == Some(&true);
                    runs && place.memory == batch.home && block.contains(&place.offset)
                });
                let Some(&(_, first)) = of_block.next() else {
                    continue;
                };
                self.filled += 1;
                if let Some(&(place, other)) = of_block.find(|(_, number)| *number != first) {
                    self.finding.note(|| {
                        let whose = |number: usize| numbers.get(number).copied().unwrap_or(0);
                        let detail = format!(
                            "while {request} ran, the block {} had the markers of requests {} and \
                             {}: an invocation's arena is its own until the invocation has ended",
                            told(block),
                            whose(first),
                            whose(other)
                        );
                        let blame = Blame {
                            place: Some(place),
                            written_by: Some(whose(other)),
                            ..Blame::between(numbers)
                        };
                        (detail, blame)
                    });
                }
            }
        }
    }

    /// What is told of it beside the evidence.
    pub(super) fn told(&self, at_a_time: u32) -> Overlap {
        Overlap {
            at_a_time,
            in_flight: self.in_flight,
        }
    }

    pub(super) fn conclude(self, names: &dyn Names, at_a_time: u32) -> Evidence {
        let Self {
            in_flight,
            batches,
            closed,
            looks,
            filled,
            ..
        } = self;
        self.finding.evidence(Kind::Overlap, names, || {
            let ran = match in_flight {
                0 => "no marker was seen in memory while requests ran, so that nothing is known \
                      of how many did: write {{marker}} into what the handler reads"
                    .to_owned(),
                1 if closed > 0 => format!(
                    "of {at_a_time} requests at a time one ran and the others waited: the \
                     component lets nobody in while one runs (back-pressure)"
                ),
                1 => format!(
                    "of {at_a_time} requests at a time one ran: the handler waits for nothing \
                     that arrives, not even for the request's body, so that no two overlapped"
                ),
                n => format!("{n} of {at_a_time} requests were in flight together"),
            };
            let blocks = match (looks, filled) {
                _ if in_flight < 2 => return ran,
                (0, _) => "the component names no blocks that they could share (it has no \
                           `lavandula:arena/invocation`)"
                    .to_owned(),
                (looks, 0) => format!("at {looks} looks no block that it names had a marker in it"),
                (looks, filled) => format!(
                    "at {looks} looks in {batches} batches no block had the markers of two, of \
                     {filled} that had any"
                ),
            };
            format!("{ran}; {blocks}")
        })
    }
}

fn told(block: &Span) -> String {
    format!("0x{:x} to 0x{:x}", block.start, block.end)
}

/// Where the invocations of a batch had their blocks, as far as the guest said so.
pub(super) struct Arenas {
    home: usize,
    blocks: Regions,
}

impl Arenas {
    pub(super) fn of(batch: &Batch) -> Self {
        let said = batch.looks.iter().filter_map(|look| look.said.as_ref());
        Self {
            home: batch.home,
            blocks: said.flat_map(|said| said.blocks.iter().cloned()).collect(),
        }
    }

    pub(super) fn had(&self, place: Place) -> bool {
        place.memory == self.home && self.blocks.contains(place.offset)
    }

    /// What lies there, as a piece of a sentence: whether it was promised to be gone.
    pub(super) fn tell(&self, place: Place, region: Region) -> &'static str {
        match region {
            _ if self.had(place) => ", in a block of an invocation's arena,",
            Region::Heap if !self.blocks.is_empty() => {
                ", outside of all arenas: whatever allocated it there overwrites nothing that it \
                 frees, and what has to be gone belongs into the arena,"
            }
            _ => "",
        }
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        self.blocks.iter().collect()
    }
}

/// What requests are answered when they are alone, by shape.
pub(super) struct Alone {
    /// What begins all markers of the run.
    run: Vec<u8>,
    marker: usize,
    answers: Vec<Expected>,
}

enum Expected {
    Unknown,
    This(Vec<u8>),
    /// Alone it is not always the same either.
    Varies,
}

/// How an answer is beside the one that was given alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    Alike,
    /// The bytes of both.
    Different(usize, usize),
    Unknown,
}

impl Alone {
    pub(super) fn new(run: &str, marker: usize, shapes: usize) -> Self {
        let mut answers = Vec::new();
        answers.resize_with(shapes, || Expected::Unknown);
        Self {
            run: run.as_bytes().to_vec(),
            marker,
            answers,
        }
    }

    /// A request of this shape was alone, and answered so.
    pub(super) fn hear(&mut self, shape: usize, status: u16, answer: &[u8]) {
        let answer = self.unmarked(status, answer);
        let Some(expected) = self.answers.get_mut(shape) else {
            return;
        };
        *expected = match expected {
            Expected::Unknown => Expected::This(answer),
            Expected::This(before) if *before == answer => Expected::This(answer),
            _ => Expected::Varies,
        };
    }

    pub(super) fn compare(&self, shape: usize, status: u16, answer: &[u8]) -> Likeness {
        match self.answers.get(shape) {
            Some(Expected::This(alone)) => {
                let answer = self.unmarked(status, answer);
                match answer == *alone {
                    true => Likeness::Alike,
                    false => Likeness::Different(answer.len(), alone.len()),
                }
            }
            _ => Likeness::Unknown,
        }
    }

    /// Shapes of which nothing is known.
    pub(super) fn unknown(&self) -> usize {
        let known = |expected: &&Expected| matches!(expected, Expected::This(_));
        self.answers.len() - self.answers.iter().filter(known).count()
    }

    /// The answer with the same in the place of every marker, whose it is being the
    /// matter of `content`.
    fn unmarked(&self, status: u16, answer: &[u8]) -> Vec<u8> {
        let mut unmarked = status.to_le_bytes().to_vec();
        let mut rest = answer;
        while let Some(at) = memchr::memmem::find(rest, &self.run) {
            let end = rest.len().min(at + self.marker);
            unmarked.extend_from_slice(&rest[..at]);
            unmarked.resize(unmarked.len() + end - at, b'*');
            rest = &rest[end..];
        }
        unmarked.extend_from_slice(rest);
        unmarked
    }
}

/// Numbers in a sentence: those that follow each other by the first and the last.
pub(super) fn listed(numbers: &[u32]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let follow = (first..)
            .zip(rest)
            .take_while(|(next, number)| next == *number);
        let len = follow.count();
        match len {
            1 | 2 => parts.extend(rest[..len].iter().map(u32::to_string)),
            _ => parts.push(format!("{first} to {}", rest[len - 1])),
        }
        rest = &rest[len..];
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests;
