//! What the judges hear of requests that overlapped.
#![forbid(unsafe_code)]

use super::super::overlap::{Alone, Apart, Arenas, Batches, Likeness, listed};
use super::super::pages::Before;
use super::super::trial::Batch;
use super::*;

/// What there is to be judged where requests overlap, besides everything else.
pub(in crate::check) struct Overlapping {
    batches: Batches,
    apart: Apart,
    alone: Alone,
    /// Answers that were not compared with one that was given alone.
    unlike_alone: u32,
    last: u32,
}

impl Overlapping {
    pub(in crate::check) fn new(batches: Batches, alone: Alone, last: u32) -> Self {
        Self {
            batches,
            apart: Apart::default(),
            alone,
            unlike_alone: 0,
            last,
        }
    }

    /// Adds the evidence that there is where requests overlap, and names as those that
    /// show what broke all that ran together.
    pub(super) fn conclude(self, evidence: &mut Vec<Evidence>, names: &dyn Names) -> Overlap {
        let Self {
            batches,
            apart,
            last,
            ..
        } = self;
        let told = apart.told(batches.at_a_time);
        evidence.push(apart.conclude(names, batches.at_a_time));
        let culprits = evidence.iter_mut().filter_map(|it| it.culprit.as_mut());
        for culprit in culprits {
            culprit.requests = batches.whole(&culprit.requests, last);
        }
        told
    }
}

impl<'a> Judge<'a> {
    /// The requests of the run overlap.
    pub(in crate::check) fn overlapping(self, overlapping: Overlapping) -> Self {
        Self {
            overlapping: Some(overlapping),
            ..self
        }
    }

    /// A request was alone, before all others: what it was answered.
    pub(in crate::check) fn hear_alone(&mut self, sent: &Sent, answer: &Answer) {
        let Some(overlapping) = &mut self.overlapping else {
            return;
        };
        match answer {
            Answer::Given(seen) => {
                (overlapping.alone).hear(sent.shape, seen.status, &seen.response);
            }
            Answer::Failed(failed) => {
                self.failures += 1;
                let detail = || {
                    format!(
                        "alone and before all others, {} failed: {}",
                        self.shapes[sent.shape], failed.why
                    )
                };
                self.answers.note(|| (detail(), Blame::default()));
            }
        }
    }

    /// These requests overlapped. `before` is the memory of the instance as they have
    /// left it.
    pub(in crate::check) fn hear_together(
        &mut self,
        numbers: &[u32],
        sent: &[Sent],
        batch: &Batch,
        before: Option<&Before>,
    ) {
        let (Some(&number), Some(last)) = (numbers.last(), sent.last()) else {
            return;
        };
        let shape = match numbers {
            [_] => self.shapes[last.shape].clone(),
            [others @ .., _] => format!("with {} at the same time", listed(others)),
            [] => String::new(),
        };
        let all = Request {
            number,
            shape: &shape,
        };
        for (&number, sent) in numbers.iter().zip(sent) {
            self.content.know(number, sent);
        }
        self.hear_answers(numbers, sent, batch, &all);
        for look in &batch.looks {
            self.claims.hear_running(&all, numbers, look, batch.home);
            let committed = look.said.as_ref().map(|said| said.usage.committed);
            self.committed = committed.max(self.committed);
        }
        if let Some(overlapping) = &mut self.overlapping {
            overlapping.apart.hear(&all, numbers, batch);
        }
        let arenas = Arenas::of(batch);
        match &batch.end {
            Ok(seen) => {
                self.hear_instance(&all, last.shape, seen, sent.len() as u32);
                self.content.hear_end(&all, seen, Some(&arenas), self.names);
                self.claims.hear_together(&all, sent, seen);
                self.record_all(numbers, sent, batch, &arenas, &seen.traces, before);
            }
            Err(failed) => {
                self.fail(number, || {
                    let unanswered: Vec<u32> = (numbers.iter().enumerate())
                        .filter(|(n, _)| !matches!(batch.answers.get(*n), Some(Some(_))))
                        .map(|(_, &number)| number)
                        .collect();
                    let had_none = match unanswered.is_empty() {
                        true => "after all answers".to_owned(),
                        false => format!("no answer had {}", listed(&unanswered)),
                    };
                    format!("{all} failed ({had_none}): {}", failed.why)
                });
                self.record_all(numbers, sent, batch, &arenas, &failed.traces, before);
                self.renew(number);
            }
        }
    }

    fn hear_answers(&mut self, numbers: &[u32], sent: &[Sent], batch: &Batch, all: &Request<'_>) {
        let given = numbers.iter().zip(sent).zip(&batch.answers);
        for ((&number, sent), given) in given {
            let shape = self.shapes[sent.shape].clone();
            let request = Request {
                number,
                shape: &shape,
            };
            match given {
                None => {}
                Some(Err(bad)) => self.fail(number, || {
                    format!("{request} failed, which ran in {all}: {bad}")
                }),
                Some(Ok(response)) => {
                    self.heard += 1;
                    self.answered = true;
                    let (status, answer) = (response.status().as_u16(), flat(response));
                    self.content.hear_answer(&request, sent, &answer);
                    self.compare_with_alone(&request, sent.shape, status, &answer, all);
                }
            }
        }
    }

    fn compare_with_alone(
        &mut self,
        request: &Request<'_>,
        shape: usize,
        status: u16,
        answer: &[u8],
        all: &Request<'_>,
    ) {
        let Some(overlapping) = &mut self.overlapping else {
            return;
        };
        match overlapping.alone.compare(shape, status, answer) {
            Likeness::Alike => {}
            Likeness::Unknown => overlapping.unlike_alone += 1,
            Likeness::Different(now, alone) => {
                self.different += 1;
                let detail = || {
                    format!(
                        "{request}, which ran in {all}, was not answered as one of its shape is \
                         that is alone: {now} bytes, and alone {alone}, that differ in more than \
                         their markers"
                    )
                };
                self.answers.note(|| (detail(), Blame::on(request.number)));
            }
        }
    }

    /// All of them have one column of the map: what they wrote is not told apart.
    fn record_all(
        &mut self,
        numbers: &[u32],
        sent: &[Sent],
        batch: &Batch,
        arenas: &Arenas,
        traces: &Traces,
        before: Option<&Before>,
    ) {
        let blocks = arenas.spans();
        let seen = batch.end.as_ref().ok();
        let claims = seen.and_then(|seen| seen.claims);
        for (n, (&number, sent)) in numbers.iter().zip(sent).enumerate() {
            let answer = batch.answers.get(n).and_then(Option::as_ref);
            let ended = match (answer, &batch.end) {
                (Some(Ok(_)), _) => Ended::Answer,
                (None, Err(failed)) => failed.ended,
                _ => Ended::Failed,
            };
            let told = Told {
                number,
                shape: sent.shape,
                ended,
                status: answer.and_then(|it| it.as_ref().ok().map(|it| it.status().as_u16())),
                used: claims.map(|claims| claims.peak_used),
                committed: claims.map(|claims| claims.committed),
                blocks: &blocks,
                remnants: seen.map_or(&[][..], |seen| &seen.remnants),
            };
            self.record(&told, traces, before);
        }
    }

    /// What `answers` says where nothing is wrong.
    pub(super) fn all_answered(&self) -> String {
        let all = match self.heard {
            1 => "the request was answered".to_owned(),
            n => format!("all {n} requests were answered"),
        };
        let Some(overlapping) = &self.overlapping else {
            return all;
        };
        match (overlapping.alone.unknown(), self.shapes.len()) {
            (0, _) => format!("{all}, each as one of its shape is that is alone"),
            (unknown, shapes) if unknown < shapes => format!(
                "{all}, each as one of its shape is that is alone, but for {} of {unknown} \
                 shapes, whose answers differ where they are alone too",
                overlapping.unlike_alone
            ),
            _ => format!("{all}; alone, the answers of every shape differ too"),
        }
    }
}
