//! Evidence **content**: nothing of a request is left, and nothing of it is in
//! another's answer.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use memchr::memmem;

use super::evidence::{Blame, Finding, Request, Seen};
use super::names::Names;
use super::overlap::Arenas;
use super::report::{Evidence, Kind};
use super::traffic::{PIECE, Sent};
use super::watch::Remnant;
use crate::config::Isolation;

/// What the end of a request is to its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is rewound.
    TakenBack,
    /// Nothing: it cannot be rewound.
    Over,
}

/// Nothing of a request is left, and nothing of it is in another's answer.
pub(super) struct Content {
    isolation: Isolation,
    end: End,
    finding: Finding,
    left: u32,
    shown: u32,
    /// What each marker of the run has of its own, and whose it is.
    sent: HashMap<Vec<u8>, u32>,
}

impl Content {
    pub(super) fn new(isolation: Isolation, end: End) -> Self {
        Self {
            isolation,
            end,
            finding: Finding::default(),
            left: 0,
            shown: 0,
            sent: HashMap::new(),
        }
    }

    pub(super) fn hear(
        &mut self,
        request: &Request<'_>,
        sent: &Sent,
        seen: &Seen,
        names: &dyn Names,
    ) {
        self.know(request.number, sent);
        self.hear_end(request, seen, None, names);
        self.hear_answer(request, sent, &seen.response);
    }

    /// This request has this marker.
    pub(super) fn know(&mut self, number: u32, sent: &Sent) {
        self.sent.insert(sent.marker.unique().to_vec(), number);
    }

    /// What was there when the request had ended, or all that overlapped. These had
    /// `arenas`.
    pub(super) fn hear_end(
        &mut self,
        request: &Request<'_>,
        seen: &Seen,
        arenas: Option<&Arenas>,
        names: &dyn Names,
    ) {
        let number = request.number;
        // What is promised to be gone comes first.
        let promised = |remnant: &&Remnant| arenas.is_some_and(|arenas| arenas.had(remnant.place));
        let mut remnants = seen.remnants.iter();
        let remnant = remnants.clone().find(promised).or(remnants.next());
        if let Some(remnant) = remnant {
            self.left += 1;
            let writer = self.writer(remnant, number);
            let (isolation, end) = (self.isolation, self.end);
            self.finding.note(|| {
                let more = match seen.remnants.len() {
                    1 => String::new(),
                    n => format!(" and {} more places", n - 1),
                };
                let place = remnant.place;
                let detail = match isolation {
                    Isolation::Instance => format!(
                        "the new instance for {request} had pieces of an earlier marker at \
                         {place}{more}, before the request was sent"
                    ),
                    Isolation::Rewind(_) | Isolation::Shared(_) => {
                        let whose = match writer {
                            Some(writer) if writer != number => {
                                format!("pieces of the marker of request {writer}")
                            }
                            _ => "pieces of its marker or of an earlier one".to_owned(),
                        };
                        let was = match end {
                            End::TakenBack => "was taken back",
                            End::Over => "was over",
                        };
                        format!(
                            "after {request} {was}, {whose} were still at {}{}{more}",
                            names.describe(place),
                            arenas.map_or("", |arenas| arenas.tell(place, names.region_of(place)))
                        )
                    }
                };
                let requests = match (isolation, writer) {
                    (Isolation::Instance, _) => vec![number - 1, number],
                    (_, Some(writer)) if writer != number => vec![writer, number],
                    _ => vec![number],
                };
                let blame = Blame::between(requests).at(Some(place));
                (detail, blame.by(writer, writer.unwrap_or(number)))
            });
        }
    }

    /// What the request was answered.
    pub(super) fn hear_answer(&mut self, request: &Request<'_>, sent: &Sent, answer: &[u8]) {
        let number = request.number;
        let own = sent.marker.as_str().as_bytes();
        let run = &own[..sent.marker.run_len()];
        // A handler may cut a text off, so as much of its own as makes it its own is
        // enough.
        let of_another = |&at: &usize| {
            let shown = answer[at..].iter().zip(own);
            let alike = shown.take_while(|(shown, own)| shown == own).count();
            let cut_off = at + alike == answer.len();
            alike < own.len() && alike < run.len() + PIECE && !cut_off
        };
        let foreign = memmem::find_iter(answer, run).find(of_another);
        if let Some(at) = foreign {
            self.shown += 1;
            let unique = answer.get(at + run.len()..at + own.len());
            let writer = unique.and_then(|unique| self.sent.get(unique)).copied();
            self.finding.note(|| {
                let whose = match writer {
                    Some(writer) => format!("request {writer}"),
                    None => "an earlier request".to_owned(),
                };
                let requests: Vec<u32> = writer.into_iter().chain([number]).collect();
                let detail = format!("the answer to {request} held the marker of {whose}");
                (detail, Blame::between(requests).by(writer, number))
            });
        }
    }

    /// Whose marker a remnant is of.
    fn writer(&self, remnant: &Remnant, number: u32) -> Option<u32> {
        let of_marker = remnant.unique.as_ref().and_then(|it| self.sent.get(it));
        match self.isolation {
            Isolation::Instance => of_marker.copied().or(number.checked_sub(1)),
            Isolation::Rewind(_) | Isolation::Shared(_) => of_marker.copied().or(Some(number)),
        }
    }

    pub(super) fn conclude(mut self, names: &dyn Names, heard: u32) -> Evidence {
        let times = self.left.max(self.shown);
        if times > 1 {
            self.finding
                .add(&format!("; so {times} times in {heard} requests"));
        }
        if self.left > 0 && self.end == End::Over && self.isolation != Isolation::Instance {
            self.finding.add(
                ". Nothing takes back what a request leaves in this component: give each request \
                 an instance of its own (`--isolation instance`), or build it with \
                 `lavandula::InvocationHeap`",
            );
        }
        let memory = match self.isolation {
            Isolation::Instance => "in the memory of the next instance",
            Isolation::Rewind(_) | Isolation::Shared(_) => "anywhere in memory afterwards",
        };
        self.finding.evidence(Kind::Content, names, || {
            format!(
                "{heard} markers in headers, paths and bodies: none {memory}, none in another's \
                 answer"
            )
        })
    }
}
