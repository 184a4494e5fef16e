//! Times: whole requests, their parts, and the rewind alone, in the same rounds.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use tokio::runtime::Runtime;

use super::catalogue::{HANDLERS, Handler, Isolation, Make, Pool, Sample};
use super::engine::pooled;
use super::guests::{STATICS, Samples, rewinding};
use super::instance::{Program, Request, Response};
use super::server::{Part, Server, expect_ok};
use crate::Failure;
use crate::engine::Meter;
use crate::measure::{Figure, Plan, in_rounds};

/// A handler with what keeps its requests apart.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The handler, and its request.
    pub handler: &'static Handler,
    /// What keeps its requests apart.
    pub isolation: Isolation,
    /// How it is compiled.
    pub make: Make,
}

/// All of them, in the order of the report.
pub fn cases() -> impl Iterator<Item = Case> {
    HANDLERS.iter().flat_map(|handler| {
        Isolation::ALL.into_iter().flat_map(move |isolation| {
            isolation.makes().iter().map(move |&make| Case {
                handler,
                isolation,
                make,
            })
        })
    })
}

/// The parts that a request consists of, where they are told apart.
pub fn parts(case: &Case) -> &'static [Part] {
    match case.isolation {
        Isolation::Instance(_) => &[Part::Instantiate, Part::Handle, Part::Drop],
        Isolation::Rewind => &[Part::Handle, Part::Usage, Part::Rewind],
        Isolation::SelfRewind | Isolation::Arena | Isolation::Reuse => &[],
    }
}

/// One point of the curves of a rewind.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// KiB of statics that change.
    pub statics: u32,
    /// The path of the request, which is how many bytes it takes from the arena.
    path: &'static str,
}

impl Point {
    /// Bytes that the request takes from the arena.
    pub fn request_bytes(&self) -> u64 {
        self.path[1..].parse().unwrap_or(0)
    }
}

const NOTHING: &str = "/0";
/// Requests of 1 KiB to 4 MiB.
const SIZES: [&str; 7] = [
    "/1024", "/4096", "/16384", "/65536", "/262144", "/1048576", "/4194304",
];

/// The points of both curves: by statics, then by bytes of the request.
fn points() -> impl Iterator<Item = Point> {
    let statics = STATICS.into_iter().map(|statics| Point {
        statics,
        path: NOTHING,
    });
    let sizes = SIZES.into_iter().map(|path| Point { statics: 0, path });
    statics.chain(sizes)
}

/// What is timed of a point: the rewind, beside it a call that does next to
/// nothing, and the clock itself.
const ALONE: [Part; 3] = [Part::Rewind, Part::Usage, Part::Clock];

/// What a rewind takes by itself: one point, one call.
#[derive(Debug, Clone, Serialize)]
pub struct RewindRow {
    /// KiB of statics that every request changes.
    pub statics_kib: u32,
    /// Bytes of the image, with the statics of the standard library.
    pub image_bytes: u32,
    /// Bytes that the request before took from the arena and wrote.
    pub request_bytes: u64,
    /// `rewind`, `usage`, or `clock`.
    pub part: &'static str,
    /// Microseconds: the median of the rounds.
    pub us: f64,
    /// Microseconds between the first and the third quartile of the rounds.
    pub spread: f64,
}

/// What a server was set up for.
enum Subject {
    Case(Case),
    Point(Point, u32),
}

/// Everything that is timed, ready to run.
pub struct Bench {
    subjects: Vec<Subject>,
    servers: Vec<Server>,
}

/// A part of what a server does.
struct Task {
    server: usize,
    part: Part,
}

/// What was timed.
pub struct Times {
    /// Parts of requests, whole ones among them.
    pub requests: Vec<(Case, Part, Figure)>,
    /// The rewind alone.
    pub rewind: Vec<RewindRow>,
}

impl Bench {
    /// Compiles everything, and makes the instances that stay.
    ///
    /// # Errors
    /// [`Failure`] where something does not build, load or start.
    pub fn new(
        runtime: &Rc<Runtime>,
        samples: &Samples,
        mut done: impl FnMut(),
    ) -> Result<Self, Failure> {
        let engines = BTreeMap::from([
            (Pool::Default, pooled(Pool::Default)?),
            (Pool::Tuned, pooled(Pool::Tuned)?),
        ]);
        let mut programs: BTreeMap<(Pool, Sample, Make), Program> = BTreeMap::new();
        let mut bench = Self {
            subjects: Vec::new(),
            servers: Vec::new(),
        };
        for case in cases() {
            let pool = match case.isolation {
                Isolation::Instance(pool) => pool,
                _ => Pool::Tuned,
            };
            let (sample, make) = (case.handler.sample, case.make);
            let program = match programs.get(&(pool, sample, make)) {
                Some(program) => program,
                None => {
                    let component = &samples.get(sample, make).bytes;
                    let program = Program::new(&engines[&pool], component, Meter::Time)?;
                    programs.entry((pool, sample, make)).or_insert(program)
                }
            };
            let request = case.handler.request();
            let server = Server::new(runtime, program, case.isolation, request)?;
            bench.subjects.push(Subject::Case(case));
            bench.servers.push(server);
        }
        let mut programs: BTreeMap<u32, Program> = BTreeMap::new();
        for point in points() {
            let program = match programs.get(&point.statics) {
                Some(program) => program,
                None => {
                    let component = rewinding(point.statics)?.bytes;
                    let program = Program::new(&engines[&Pool::Tuned], &component, Meter::Time)?;
                    done();
                    programs.entry(point.statics).or_insert(program)
                }
            };
            let request = Request {
                method: "POST",
                path: point.path,
                body: b"",
            };
            let mut server = Server::new(runtime, program, Isolation::Rewind, request)?;
            let image = server.image_bytes()?;
            bench.subjects.push(Subject::Point(point, image));
            bench.servers.push(server);
        }
        Ok(bench)
    }

    /// Lets every server answer some requests, and compares the answers of a
    /// handler with each other.
    ///
    /// # Errors
    /// [`Failure::Guest`] where one is not 200, or not the same.
    pub fn check(&mut self) -> Result<(), Failure> {
        let mut answers: BTreeMap<&str, Response> = BTreeMap::new();
        for (subject, server) in self.subjects.iter().zip(&mut self.servers) {
            for _ in 0..ANSWERS {
                let answer = server.answer()?;
                match subject {
                    Subject::Case(case) => {
                        expect_ok(case.handler.path, &answer)?;
                        let name = case.handler.name;
                        let first = answers.entry(name).or_insert_with(|| answer.clone());
                        expect_same(&case.what(), first, &answer)?;
                    }
                    Subject::Point(point, _) => expect_ok(point.path, &answer)?,
                }
            }
        }
        Ok(())
    }

    /// How many things are timed.
    pub fn tasks(&self) -> usize {
        self.groups().iter().map(Vec::len).sum()
    }

    /// Times everything.
    ///
    /// # Errors
    /// [`Failure`] where a request fails.
    pub fn run(
        mut self,
        plan: &Plan,
        calibrated: impl FnMut(),
        done: impl FnMut(),
    ) -> Result<Times, Failure> {
        let groups = self.groups();
        let servers = &mut self.servers;
        let run = |task: &Task, repeats| servers[task.server].run(task.part, repeats);
        let figures = in_rounds(plan, groups, run, calibrated, done)?;
        let mut times = Times {
            requests: Vec::new(),
            rewind: Vec::new(),
        };
        for (Task { server, part }, figure) in figures {
            match &self.subjects[server] {
                Subject::Case(case) => times.requests.push((*case, part, figure)),
                Subject::Point(point, image_bytes) => times.rewind.push(RewindRow {
                    statics_kib: point.statics,
                    image_bytes: *image_bytes,
                    request_bytes: point.request_bytes(),
                    part: part.name(),
                    us: figure.median / 1_000.0,
                    spread: figure.spread / 1_000.0,
                }),
            }
        }
        Ok(times)
    }

    /// What is compared with each other: a handler's whole requests, then the
    /// parts of them; and the points of the curves.
    fn groups(&self) -> Vec<Vec<Task>> {
        let mut groups: BTreeMap<(usize, &str), Vec<Task>> = BTreeMap::new();
        for (server, subject) in self.subjects.iter().enumerate() {
            let mut add = |group, parts: &[Part]| {
                let tasks = groups.entry(group).or_default();
                tasks.extend(parts.iter().map(|&part| Task { server, part }));
            };
            match subject {
                Subject::Case(case) => {
                    add((0, case.handler.name), &[Part::Whole]);
                    add((1, case.handler.name), parts(case));
                }
                Subject::Point(..) => add((2, ""), &ALONE),
            }
        }
        groups.into_values().collect()
    }
}

/// Answers of each server that are looked at: more than one, since the second is
/// the first with something before it.
const ANSWERS: u32 = 4;

impl Case {
    /// What it is told apart by.
    pub fn key(&self) -> (&'static str, Isolation, Make) {
        (self.handler.name, self.isolation, self.make)
    }

    /// For a failure.
    fn what(&self) -> String {
        format!(
            "{} ({}, {})",
            self.handler.name,
            self.isolation.name(),
            self.make.allocator()
        )
    }
}

/// Whether an answer is the one that others gave.
fn expect_same(what: &str, first: &Response, answer: &Response) -> Result<(), Failure> {
    if (first.status, &first.headers, &first.body) == (answer.status, &answer.headers, &answer.body)
    {
        return Ok(());
    }
    Err(Failure::Guest {
        what: what.to_owned(),
        reason: format!(
            "an answer of {} bytes is not the one of {} bytes that another gave",
            answer.body.len(),
            first.body.len()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Response {
        Response {
            status: 200,
            headers: vec![("content-type".to_owned(), b"text/plain".to_vec())],
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_answer_that_differs_in_anything_is_refused() {
        let first = answer("yes");
        assert!(expect_same("it", &first, &answer("yes")).is_ok());
        assert!(expect_same("it", &first, &answer("no")).is_err());
        let mut other = answer("yes");
        other.headers.clear();
        assert!(expect_same("it", &first, &other).is_err());
        let mut other = answer("yes");
        other.status = 500;
        assert!(expect_same("it", &first, &other).is_err());
        assert!(expect_ok("/", &other).is_err());
    }

    #[test]
    fn every_handler_has_every_isolation_and_exactly_one_floor() {
        let mut floors: BTreeMap<&str, usize> = BTreeMap::new();
        for case in cases() {
            let floor = usize::from(case.isolation == Isolation::Reuse);
            *floors.entry(case.handler.name).or_default() += floor;
        }
        assert_eq!(floors.len(), HANDLERS.len());
        assert!(floors.values().all(|&count| count == 1));
        assert_eq!(cases().count(), HANDLERS.len() * 8);
    }
}
