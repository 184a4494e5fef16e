//! Runs the same handler on every runtime that is there, sends the same to each, and
//! writes down what was seen.
//!
//! ```text
//! catalogue ──► programs ──► look ───────────► record ──► page
//! (what there   (found,      (starts it,        ▲  │       table
//!  is, in        missing,     asks, judges)     │  └── docs/edge.json
//!  words)        too old)      │                │
//!     guests ─────────────────►├── process, resident
//!     (what is run)            ├── cases, markers ── exchange
//!     javascript               └── lacking
//! ```
//!
//! A runtime that is not there is a row that says so. One that is there is judged by its
//! answers alone, each compared to the byte with what the handler answers in this process.

pub mod cases;
pub mod catalogue;
pub mod exchange;
pub mod guests;
pub mod lacking;
pub mod look;
pub mod markers;
pub mod process;
pub mod programs;
pub mod record;

mod date;
mod javascript;
mod page;
mod random;
mod resident;
mod table;

use std::path::PathBuf;
use std::process::Command;

use crate::Failure;
use crate::environment::Machine;
use crate::progress::Steps;

use catalogue::{Door, MAKERS, MAKERS_NAME, Maker, RUNTIMES, Runtime, STD};
use guests::{Guest, Guests, Heap};
use look::Blind;
use programs::{Asked, Found, Named, Programs};
use record::{MakerRow, OURS, Outcome, Ran, Record, Row, Sight};

pub use page::render as page;
pub use table::print as table;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Names of runtimes, or [`MAKERS_NAME`]; all where none are given.
    pub only: Vec<String>,
    /// Requests with a marker, in each of the two ways.
    pub requests: u32,
    /// Where programs are.
    pub named: Named,
    /// Whether the markers depend on the run or are the same in each.
    pub seed: u64,
    /// Where the page lies; its record is beside it.
    pub page: PathBuf,
}

/// A run: what it saw, and what is known now.
#[derive(Debug, Clone)]
pub struct Report {
    /// Of this run alone.
    pub seen: Record,
    /// What does not hold, in words.
    pub wrong: Vec<String>,
}

/// Runs what is wanted, and writes the page and its record.
///
/// # Errors
/// [`Failure`], which says what to do.
pub fn run(plan: &Plan, steps: &Steps) -> Result<Report, Failure> {
    let chosen = chosen(&plan.only)?;
    // First, since one that cannot be read or written is to be told before hours of work.
    let path = record::beside(&plan.page);
    let mut known = Record::read(&path)?;
    known.write(&path)?;
    let mut work = Work::new(plan)?;
    let asked = match plan.only.is_empty() {
        true => Asked::WithAll,
        false => Asked::ByName,
    };
    let mut report = Report {
        seen: Record::default(),
        wrong: Vec::new(),
    };
    for (at, runtime) in chosen.runtimes.iter().enumerate() {
        let (at, all) = (at + 1, chosen.runtimes.len());
        steps.say(&format!("{} ({at} of {all})", runtime.name));
        let row = work.row(runtime);
        report.wrong.extend(wrong(runtime, &row, asked));
        report.seen.rows.push(row);
        // After each, so that nothing is lost where one of the next ones goes wrong.
        known.update(&report.seen);
        known.write(&path)?;
    }
    if chosen.makers {
        steps.say("the same handler, made with other packages");
        report.seen.makers = work.makers(&chosen.runtimes);
        known.update(&report.seen);
        known.write(&path)?;
    }
    std::fs::write(&plan.page, page(&known)).map_err(|error| Failure::Write {
        path: plan.page.clone(),
        error,
    })?;
    Ok(report)
}

struct Chosen {
    runtimes: Vec<&'static Runtime>,
    makers: bool,
}

fn chosen(only: &[String]) -> Result<Chosen, Failure> {
    let is_known = |name: &&String| *name == MAKERS_NAME || catalogue::runtime(name).is_some();
    if let Some(name) = only.iter().find(|name| !is_known(name)) {
        let known = RUNTIMES.iter().map(|runtime| runtime.name);
        return Err(Failure::Unknown {
            kind: "runtime",
            name: name.clone(),
            known: known.chain([MAKERS_NAME]).collect::<Vec<_>>().join(", "),
        });
    }
    let is_wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    Ok(Chosen {
        runtimes: RUNTIMES
            .iter()
            .filter(|runtime| is_wanted(runtime.name))
            .collect(),
        makers: is_wanted(MAKERS_NAME),
    })
}

/// What a row says that should not be so.
fn wrong(runtime: &Runtime, row: &Row, asked: Asked) -> Vec<String> {
    let name = runtime.name;
    match &row.outcome {
        Outcome::NotRun { why } if asked == Asked::ByName || is_required(name) => {
            vec![format!("{name} was not run: {why}")]
        }
        Outcome::NotRun { .. } => Vec::new(),
        Outcome::Ran(ran) => {
            let sights = [Ok(&ran.ours), ran.std.as_ref()];
            let mut wrong = Vec::new();
            for (heap, sight) in Heap::ALL.into_iter().zip(sights) {
                let told = sight.map(Sight::wrong);
                let told = told.unwrap_or_else(|why| vec![(STD, why.as_str())]);
                wrong.extend(surprises(runtime, heap, &told));
            }
            wrong
        }
    }
}

/// What is wrong and is not known to be, and what is known to be wrong and is not.
fn surprises(runtime: &Runtime, heap: Heap, wrong: &[(&str, &str)]) -> Vec<String> {
    let about = format!("{} with {}", runtime.name, heap.what());
    let is_known = |case: &str| runtime.known.iter().any(|known| known.case == case);
    let new = wrong.iter().filter(|(case, _)| !is_known(case));
    let new = new.map(|(case, why)| match *case {
        STD => format!("{about} was not run: {why}"),
        case => format!("{about}, {case}: {why}"),
    });
    let holds = |case: &str| wrong.iter().all(|(found, _)| *found != case);
    // What was not run at all says nothing of its cases.
    let was_run = holds(STD);
    let known = runtime.known.iter().map(|known| known.case);
    let gone = known.filter(|&case| match case {
        STD => heap == Heap::Std && was_run,
        case => was_run && holds(case),
    });
    let gone = gone.map(|case| format!("{about}, {case}: it holds, which the catalogue denies"));
    new.chain(gone).collect()
}

/// Whether the environment says that it must not be left out.
fn is_required(name: &str) -> bool {
    std::env::var("LAVANDULA_REQUIRE")
        .is_ok_and(|names| names.split(',').any(|one| one.trim() == name))
}

struct Work<'a> {
    plan: &'a Plan,
    guests: Guests,
    programs: Programs,
    date: String,
    machine: String,
}

impl<'a> Work<'a> {
    fn new(plan: &'a Plan) -> Result<Self, Failure> {
        let guests = Guests::new()?;
        let machine = Machine::this();
        Ok(Self {
            plan,
            programs: Programs::new(guests.root(), plan.named.clone()),
            guests,
            date: date::today(),
            machine: format!("{}, {} threads", machine.cpu, machine.cores),
        })
    }

    fn row(&mut self, runtime: &Runtime) -> Row {
        let found = self.programs.find(runtime);
        let (outcome, found) = match found {
            Err(why) => (Outcome::NotRun { why }, None),
            Ok(found) => {
                let outcome = self.outcome(runtime, &found);
                (
                    outcome.unwrap_or_else(|why| Outcome::NotRun { why }),
                    Some(found),
                )
            }
        };
        let of_its_own = found.as_ref().and_then(|found| found.install.clone());
        Row {
            runtime: runtime.name.to_owned(),
            version: found.as_ref().map(|found| found.version.clone()),
            install: of_its_own.unwrap_or_else(|| runtime.install.to_owned()),
            note: found.and_then(|found| found.note),
            date: self.date.clone(),
            machine: self.machine.clone(),
            outcome,
        }
    }

    fn outcome(&mut self, runtime: &Runtime, found: &Found) -> Result<Outcome, String> {
        let guest = self.guests.get(runtime.door.form(), Heap::Invocation)?;
        let start = self.programs.start(runtime, found, &guest);
        let start = start.map_err(|failure| failure.to_string())?;
        let command = shown(&start.command);
        let ours = self.sight(runtime, found, Heap::Invocation)?;
        Ok(Outcome::Ran(Box::new(Ran {
            command,
            requests: self.plan.requests,
            ours,
            std: self.sight(runtime, found, Heap::Std),
        })))
    }

    fn sight(&mut self, runtime: &Runtime, found: &Found, heap: Heap) -> Result<Sight, String> {
        let guest = self.guests.get(runtime.door.form(), heap)?;
        let plan = look::Plan {
            requests: self.plan.requests,
            seed: self.plan.seed,
        };
        let mut start = || self.programs.start(runtime, found, &guest);
        look::look(&plan, heap, guest.bytes, &mut start).map_err(|blind| why(&guest, &blind))
    }

    /// Every maker's component on every runtime that takes it, ours beside them.
    fn makers(&mut self, runtimes: &[&'static Runtime]) -> Vec<MakerRow> {
        let takes = |runtime: &&&Runtime| {
            matches!(runtime.door, Door::Fast | Door::Wasi02 | Door::Wasi03)
                || runtime.name == JCO_SERVE
        };
        let mut runtimes: Vec<_> = runtimes.iter().filter(takes).copied().collect();
        if runtimes.is_empty() {
            runtimes = RUNTIMES.iter().filter(|runtime| takes(&runtime)).collect();
        }
        let mut rows = Vec::new();
        for runtime in runtimes {
            // Those that are missing have a row of their own.
            let Ok(found) = self.programs.find(runtime) else {
                continue;
            };
            let ours = self.guests.get(runtime.door.form(), Heap::Invocation);
            rows.extend(ours.map(|guest| {
                let package = "crate `lavandula`";
                self.maker(runtime, &found, OURS, package, &guest)
            }));
            for maker in MAKERS.iter().filter(|maker| fits(maker, runtime)) {
                match self.guests.made(maker) {
                    Ok(guest) => {
                        let package = maker.package;
                        rows.push(self.maker(runtime, &found, maker.folder, package, &guest));
                    }
                    Err(why) => eprintln!("{} is left out: {why}", maker.package),
                }
            }
        }
        rows
    }

    fn maker(
        &self,
        runtime: &Runtime,
        found: &Found,
        maker: &str,
        package: &str,
        guest: &Guest,
    ) -> MakerRow {
        let time = |options: &[&str]| {
            let mut start = || self.programs.start_with(runtime, found, guest, options);
            look::time(&mut start).map_err(|blind| why(guest, &blind))
        };
        let mut seen = time(&[]);
        let mut options = String::new();
        // What `wasmtime serve` does not give without being told to.
        if seen.is_err() && matches!(runtime.kind, catalogue::Kind::Wasmtime(_)) {
            options = CLI.join(" ");
            seen = time(&CLI);
        }
        let told = seen.iter().flat_map(|(_, told)| told);
        let wrong = told.filter_map(|told| {
            let why = told.judged.as_ref().err()?;
            Some(format!("{}: {why}", told.case))
        });
        MakerRow {
            runtime: runtime.name.to_owned(),
            maker: maker.to_owned(),
            package: package.to_owned(),
            bytes: guest.bytes,
            imports: guest.imports.len(),
            wrong: wrong.collect(),
            start_ms: seen.map(|(ms, _)| ms),
            options,
            date: self.date.clone(),
        }
    }
}

/// Lets a component have what a command has.
const CLI: [&str; 2] = ["-S", "cli"];

/// The one of JavaScript that takes any component as it is.
const JCO_SERVE: &str = "jco-serve";

fn fits(maker: &Maker, runtime: &Runtime) -> bool {
    (maker.door == Door::Wasi03) == (runtime.door == Door::Wasi03)
}

/// Why nothing was seen: an interface that is missing, where it is that.
fn why(guest: &Guest, blind: &Blind) -> String {
    let lacking = match blind {
        Blind::NotStarted(reason) => lacking::advice(&guest.imports, reason.said()),
        Blind::Failure(_) => None,
    };
    lacking.unwrap_or_else(|| blind.to_string())
}

/// A command as one would type it: folders of this machine are left out.
fn shown(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let words = words.map(|word| {
        let text = word.to_string_lossy().into_owned();
        match text.starts_with('/') {
            true => text.rsplit('/').next().unwrap_or_default().to_owned(),
            false => text,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_there_are_not_are_refused_with_those_that_there_are() {
        let names =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let Err(why) = chosen(&names(&["node", "iis"])) else {
            panic!("there is no such runtime");
        };
        let why = why.to_string();
        assert!(
            why.contains("`iis`") && why.contains("jco-serve-worker, makers"),
            "{why}"
        );
        let some = chosen(&names(&["spin", "makers"])).expect("they are there");
        assert!(some.makers && some.runtimes.len() == 1);
        let all = chosen(&[]).expect("all are there");
        assert!(all.makers && all.runtimes.len() == RUNTIMES.len());
    }

    #[test]
    fn what_is_known_to_be_wrong_is_no_surprise_until_it_is_right() {
        let rewind = catalogue::runtime("lavandula-rewind").expect("it is in the catalogue");
        let none: [String; 0] = [];
        assert_eq!(surprises(rewind, Heap::Invocation, &[]), none);
        assert_eq!(surprises(rewind, Heap::Std, &[(STD, "refused")]), none);
        assert_eq!(surprises(rewind, Heap::Std, &[]).len(), 1);
        let other = surprises(rewind, Heap::Invocation, &[("trap", "it is dead")]);
        assert!(other[0].contains("trap: it is dead"), "{other:?}");
    }

    #[test]
    fn a_command_is_shown_without_the_folders_of_this_machine() {
        let mut command = Command::new("/here/viceroy");
        command.args(["serve", "--addr", "127.0.0.1:1", "/there/everywhere.wasm"]);
        assert_eq!(
            shown(&command),
            "viceroy serve --addr 127.0.0.1:1 everywhere.wasm"
        );
    }
}
