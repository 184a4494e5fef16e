//! Evidence **resources**: nothing of the host's stays with the guest.
//!
//! A stream or a body that a request opened and did not drop keeps an entry in the
//! host's table for as long as the instance lives.
#![forbid(unsafe_code)]

use super::evidence::{Blame, Finding, Request, Seen};
use super::names::Names;
use super::report::{Evidence, Kind};
use crate::config::Isolation;

/// Hears what an instance holds after each request.
pub(super) struct Resources {
    isolation: Isolation,
    finding: Finding,
    left: u32,
    /// How many were held after the first and after the last of these.
    first: usize,
    last: usize,
}

impl Resources {
    pub(super) fn new(isolation: Isolation) -> Self {
        Self {
            isolation,
            finding: Finding::default(),
            left: 0,
            first: 0,
            last: 0,
        }
    }

    pub(super) fn hear(&mut self, request: &Request<'_>, seen: &Seen) {
        // They go with the instance.
        if self.isolation == Isolation::Instance || seen.resources_left == 0 {
            return;
        }
        self.left += 1;
        self.last = seen.resources_left;
        if self.left == 1 {
            self.first = self.last;
        }
        self.finding.note(|| {
            let (some, them) = match seen.resources_left {
                1 => ("a resource".to_owned(), "it"),
                n => (format!("{n} resources"), "them"),
            };
            let detail = format!(
                "{request} left {some} of the host (a stream, a body, fields) with the guest: drop \
                 {them} before the handler returns"
            );
            let blame = Blame::on(request.number).by(Some(request.number), request.number);
            (detail, blame)
        });
    }

    pub(super) fn conclude(mut self, names: &dyn Names, heard: u32) -> Evidence {
        if self.left > 1 {
            let climb = match self.last > self.first {
                true => format!("and {} after the last of them", self.last),
                false => "and never more".to_owned(),
            };
            self.finding.add(&format!(
                "; so {} times in {heard} requests, {climb}",
                self.left
            ));
        }
        let isolation = self.isolation;
        self.finding
            .evidence(Kind::Resources, names, || match isolation {
                Isolation::Instance => {
                    "they go with the instance: every request had one of its own".to_owned()
                }
                Isolation::Rewind(_) | Isolation::Shared(_) => {
                    format!("after each of {heard} requests the guest held what it had before")
                }
            })
    }
}
