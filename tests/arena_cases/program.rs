//! Runs a case behind a door, and looks at more than the case says: after every
//! step the figures agree, and what was handed out is aligned and apart.

use std::collections::HashMap;

use crate::door::{Arena, Door, Place, Refusal};
use crate::table::{Case, Expected, Fault, Step, sum};

/// What came of a case behind a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// It cannot hold here, as the table says, and does not.
    Excepted,
    Failed {
        /// The number of the step, from one; within a repeat behind a point.
        step: String,
        why: String,
    },
}

/// The case behind the door of this name.
pub fn outcome(case: &Case, name: &str, door: &mut dyn Door) -> Outcome {
    let mut run = Run::new(door);
    let done = run.steps(&case.steps, "");
    match (done, case.except.contains_key(name)) {
        (Ok(()), false) => Outcome::Passed,
        (Err(_), true) => Outcome::Excepted,
        (Err((step, why)), false) => Outcome::Failed { step, why },
        (Ok(()), true) => Outcome::Failed {
            step: "except".to_owned(),
            why: format!("it holds behind {name}: take its exception out"),
        },
    }
}

struct Run<'a> {
    door: &'a mut dyn Door,
    arenas: HashMap<String, Arena>,
    places: HashMap<String, Place>,
    numbers: HashMap<String, u64>,
    /// What no reset has taken back: in order of address, without what is empty.
    live: Vec<Place>,
    /// Arenas that are not freed, whatever name they had.
    standing: Vec<Arena>,
}

/// What was allocated, and what is expected of it.
struct Taken<'a> {
    arena: Arena,
    got: Result<Place, Refusal>,
    name: &'a Option<String>,
    at: &'a Option<String>,
    length: Option<u64>,
    /// How many bytes were asked for, where that is a number.
    asked: Option<u64>,
    fails: Option<Fault>,
    remaining: Option<u64>,
}

impl<'a> Run<'a> {
    fn new(door: &'a mut dyn Door) -> Self {
        Self {
            door,
            arenas: HashMap::new(),
            places: HashMap::new(),
            numbers: HashMap::new(),
            live: Vec::new(),
            standing: Vec::new(),
        }
    }

    fn steps(&mut self, steps: &[Step], outer: &str) -> Result<(), (String, String)> {
        for (index, step) in steps.iter().enumerate() {
            let number = format!("{outer}{}", index + 1);
            if let Step::Repeat(repeat) = step {
                for _ in 0..repeat.repeat {
                    self.steps(&repeat.steps, &format!("{number}."))?;
                }
                continue;
            }
            self.step(step)
                .and_then(|()| self.check_figures())
                .map_err(|why| (number, why))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let max = self.door.largest_size();
        match step {
            Step::Create(step) => {
                let size = step.block_size.as_ref().map(|size| size.value(max));
                let got = self.door.create(size.transpose()?);
                if let Some(arena) = met(got, step.fails)? {
                    self.arenas.insert(step.create.clone(), arena);
                    self.standing.push(arena);
                }
            }
            Step::Alloc(step) => {
                let (arena, size) = (self.arena(&step.alloc)?, step.size.value(max)?);
                let before = self.used(arena);
                let got = self.door.alloc(arena, size, step.align);
                let taken = Taken {
                    arena,
                    got,
                    name: &step.name,
                    at: &step.at,
                    length: Some(size),
                    asked: Some(size),
                    fails: step.fails,
                    remaining: step.remaining,
                };
                self.taken(taken, before, step.align.unwrap_or(8))?;
            }
            Step::Calloc(step) => {
                let arena = self.arena(&step.calloc)?;
                let (count, size) = (step.count.value(max)?, step.size.value(max)?);
                let before = self.used(arena);
                let got = self.door.calloc(arena, count, size);
                let taken = Taken {
                    arena,
                    got,
                    name: &step.name,
                    at: &step.at,
                    length: count.checked_mul(size),
                    asked: count.checked_mul(size),
                    fails: step.fails,
                    remaining: step.remaining,
                };
                self.taken(taken, before, 8)?;
            }
            Step::Strdup(step) => {
                let (arena, text) = (self.arena(&step.strdup)?, step.text.text()?);
                let before = self.used(arena);
                let got = self.door.strdup(arena, &text);
                let taken = Taken {
                    arena,
                    got,
                    name: &step.name,
                    at: &step.at,
                    length: step.length,
                    asked: Some(text.len() as u64),
                    fails: step.fails,
                    remaining: step.remaining,
                };
                self.taken(taken, before, 8)?;
            }
            Step::Strndup(step) => {
                let (arena, text) = (self.arena(&step.strndup)?, step.text.text()?);
                let most = step.max.value(max)?;
                let before = self.used(arena);
                let got = self.door.strndup(arena, &text, most);
                let taken = Taken {
                    arena,
                    got,
                    name: &step.name,
                    at: &step.at,
                    length: step.length,
                    asked: None,
                    fails: step.fails,
                    remaining: step.remaining,
                };
                self.taken(taken, before, 8)?;
            }
            Step::Read(step) => {
                let place = self.place(&step.read)?;
                let whole = place.length.saturating_sub(step.from);
                let length = step.length.unwrap_or(whole);
                let got = self.door.read(place, step.from, length);
                let got = met(got, step.fails)?;
                if let (Some(got), Some(is)) = (got, &step.is) {
                    let expected = is.bytes();
                    if got != expected {
                        return Err(differ(&got, &expected));
                    }
                }
            }
            Step::Write(step) => {
                let place = self.place(&step.write)?;
                let got = self.door.write(place, step.from, &step.bytes.bytes());
                met(got, step.fails)?;
            }
            Step::Reset(step) => {
                let arena = self.arena(&step.reset)?;
                if met(self.door.reset(arena), step.fails)?.is_some() {
                    self.live.retain(|place| place.arena != arena);
                }
            }
            Step::Free(step) => {
                let arena = self.arena(&step.free)?;
                if met(self.door.free(arena), step.fails)?.is_some() {
                    self.live.retain(|place| place.arena != arena);
                    self.standing.retain(|one| *one != arena);
                }
            }
            Step::Figure(step) => {
                let arena = self.arena(&step.of)?;
                if let Some(figures) = met(self.door.figures(arena), step.fails)? {
                    let figure = figures.figure(&step.figure)?;
                    self.compare(figure, step.is.as_ref())?;
                    self.note(&step.name, figure);
                }
            }
            Step::Exhaust(step) => {
                let (arena, size) = (self.arena(&step.exhaust)?, step.size.value(max)?);
                let mut count = 0;
                loop {
                    let before = self.used(arena);
                    let got = self.door.alloc(arena, size, None);
                    let fails = got.is_err().then_some(step.fails);
                    let taken = Taken {
                        arena,
                        got,
                        name: &None,
                        at: &None,
                        length: Some(size),
                        asked: Some(size),
                        fails,
                        remaining: None,
                    };
                    self.taken(taken, before, 8)?;
                    if fails.is_some() {
                        break;
                    }
                    count += 1;
                }
                if step.at_least.is_some_and(|least| count < least) {
                    return Err(format!("{count} allocations, and no more"));
                }
                self.compare(Some(count), step.is.as_ref())?;
                self.note(&step.name, Some(count));
            }
            Step::Budget(step) => {
                let arena = self.arena(&step.budget)?;
                met(self.door.set_budget(arena, step.bytes), step.fails)?;
            }
            // Done by `steps`.
            Step::Repeat(_) => {}
        }
        Ok(())
    }

    fn taken(&mut self, taken: Taken, before: Option<u64>, align: u64) -> Result<(), String> {
        if let Err(refusal) = &taken.got {
            let right = match (refusal, taken.remaining) {
                (Refusal::OutOfMemory { requested }, None) => {
                    taken.asked.is_none_or(|asked| asked == *requested)
                }
                (Refusal::Budget { remaining, .. }, Some(expected)) => *remaining == expected,
                (_, Some(_)) => false,
                (_, None) => true,
            };
            if !right {
                return Err(format!("{refusal:?} tells other numbers than there are"));
            }
            if self.used(taken.arena) != before {
                return Err(format!("{refusal:?}, and yet it used something"));
            }
        }
        let Some(place) = met(taken.got, taken.fails)? else {
            return Ok(());
        };
        if !place.at.is_multiple_of(align) {
            return Err(format!("{:#x} is not aligned to {align}", place.at));
        }
        if let Some(at) = taken.at {
            let expected = sum(at, |name| self.places.get(name).map(|place| place.at))?;
            if place.at != expected {
                return Err(format!("at {:#x} and not {expected:#x}", place.at));
            }
        }
        if taken.length.is_some_and(|length| place.length != length) {
            return Err(format!("it has {} bytes", place.length));
        }
        self.keep(place)?;
        if let Some(name) = taken.name {
            self.places.insert(name.clone(), place);
        }
        Ok(())
    }

    /// Adds a place to those that nothing may lie upon.
    fn keep(&mut self, place: Place) -> Result<(), String> {
        if place.length == 0 {
            return Ok(());
        }
        let index = self.live.partition_point(|other| other.at < place.at);
        let before = index.checked_sub(1).map(|index| self.live[index]);
        let behind = self.live.get(index).copied();
        let apart = before.is_none_or(|other| other.at + other.length <= place.at)
            && behind.is_none_or(|other| place.at + place.length <= other.at);
        if !apart {
            return Err(format!("{place:?} lies upon {before:?} or {behind:?}"));
        }
        self.live.insert(index, place);
        Ok(())
    }

    fn check_figures(&mut self) -> Result<(), String> {
        for arena in self.standing.clone() {
            let figures = self.door.figures(arena);
            figures.map_err(|refusal| format!("{refusal:?}"))?.check()?;
        }
        Ok(())
    }

    fn compare(&self, got: Option<u64>, expected: Option<&Expected>) -> Result<(), String> {
        let expected = match expected {
            None => return Ok(()),
            Some(Expected::Number(number)) => Some(*number),
            Some(Expected::Words(words)) if words == "none" => None,
            Some(Expected::Words(words)) => {
                Some(sum(words, |name| self.numbers.get(name).copied())?)
            }
        };
        let same = got == expected;
        same.then_some(())
            .ok_or_else(|| format!("{got:?} and not {expected:?}"))
    }

    fn note(&mut self, name: &Option<String>, number: Option<u64>) {
        if let (Some(name), Some(number)) = (name, number) {
            self.numbers.insert(name.clone(), number);
        }
    }

    /// What an arena uses. Nothing of one that is freed: wasmtime ends an instance that
    /// is called with a handle that was dropped, and that call is the case's.
    fn used(&mut self, arena: Arena) -> Option<u64> {
        let stands = self.standing.contains(&arena);
        let figures = stands.then(|| self.door.figures(arena).ok()).flatten();
        figures.map(|figures| figures.used)
    }

    fn arena(&self, name: &str) -> Result<Arena, String> {
        let arena = self.arenas.get(name).copied();
        arena.ok_or_else(|| format!("no arena was created as {name:?}"))
    }

    fn place(&self, name: &str) -> Result<Place, String> {
        let place = self.places.get(name).copied();
        place.ok_or_else(|| format!("nothing was allocated as {name:?}"))
    }
}

/// What an operation gave, where it was to succeed; nothing where it failed as it
/// was to.
fn met<T>(got: Result<T, Refusal>, fails: Option<Fault>) -> Result<Option<T>, String> {
    match (got, fails) {
        (Ok(got), None) => Ok(Some(got)),
        (Ok(_), Some(fault)) => Err(format!("it succeeds, and does not fail with {fault:?}")),
        (Err(refusal), None) => Err(format!("it fails with {refusal:?}")),
        (Err(refusal), Some(fault)) if refusal.is(fault) => Ok(None),
        (Err(refusal), Some(fault)) => Err(format!("it fails with {refusal:?}, not {fault:?}")),
    }
}

/// Where bytes differ, in words short enough for those of a megabyte.
fn differ(got: &[u8], expected: &[u8]) -> String {
    let at = got
        .iter()
        .zip(expected)
        .position(|(got, expected)| got != expected);
    match at {
        Some(at) => format!("byte {at} is {} and not {}", got[at], expected[at]),
        None => format!("{} bytes and not {}", got.len(), expected.len()),
    }
}
