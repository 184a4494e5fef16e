//! One component after another: loaded, looked at, and called if there is anything
//! to call. Whatever it is, the host says what became of it, and a good component
//! in the same process is served right after it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http::Request;
use lavandula_host::check::Plan;
use lavandula_host::inspect::Inspection;
use lavandula_host::{Door, Host, Isolation, LoadError, Outcome, Reuse};
use tokio::runtime::{self, Runtime};

use super::chance;
use super::guard::{Alone, Ended, alone};
use super::guests::{Evil, SIGNAL};

/// What all that is done with one component may take: nothing here is so large
/// that its compilation needs more, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// The limits of its requests.
const TIMEOUT: Duration = Duration::from_millis(100);
const MAX_MEMORY: usize = 16 << 20;

/// How late an answer may be: the machine may have other things to do.
const SLACK: Duration = Duration::from_secs(3);

/// The longest text of an error with all that caused it: a screen of it.
const LONGEST: usize = 2 << 10;

/// A component, and what is done with it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is, for people.
    pub name: String,
    pub bytes: Vec<u8>,
    pub door: Option<Door>,
    pub isolation: Isolation,
    pub look: Look,
    /// The target and the body of the request to do harm at.
    pub request: (&'static str, Vec<u8>),
}

/// What is done besides loading and calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Not,
    /// `lavandula inspect`.
    Inspect,
    /// The same, and `lavandula check`.
    Check,
}

impl Case {
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            bytes,
            door: None,
            isolation: Isolation::Instance,
            look: Look::Not,
            request: ("/path?query=1", vec![b'x'; SIGNAL]),
        }
    }

    pub fn look(self, look: Look) -> Self {
        Self { look, ..self }
    }

    pub fn rewound(self) -> Self {
        let isolation = Isolation::Rewind(Reuse::default());
        Self { isolation, ..self }
    }

    /// A request that a good handler does something with.
    pub fn request(self, target: &'static str, body: Vec<u8>) -> Self {
        let request = (target, body);
        Self { request, ..self }
    }

    pub fn door(self, door: Door) -> Self {
        let door = Some(door);
        Self { door, ..self }
    }
}

/// What became of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// It was not loaded, for this reason.
    Refused(String),
    /// It was, and what became of each request: `ok` or the label of a failure.
    Served(Vec<&'static str>),
}

/// The requests that a component gets: a good one, one to do harm at, and the good
/// one again.
fn requests(case: &Case) -> [Request<Vec<u8>>; 3] {
    let (target, body) = case.request.clone();
    let post = Request::post(target).header("X-Test", "1");
    [get(), post.body(body).expect("a request"), get()]
}

fn get() -> Request<Vec<u8>> {
    Request::get("/").body(Vec::new()).expect("a request")
}

/// Tries one component, and says what is wrong with the host.
fn try_out(case: &Case) -> Result<Became, String> {
    let runtime = runtime();
    if case.look != Look::Not {
        inspect(&case.bytes)?;
    }
    let mut builder = Host::builder()
        .timeout(TIMEOUT)
        .max_memory(MAX_MEMORY)
        .max_in_flight(2)
        .isolation(case.isolation);
    if let Some(door) = case.door {
        builder = builder.door(door);
    }
    let host = match builder.load_bytes(&case.bytes) {
        Ok(host) => host,
        Err(error) => {
            sound(&error)?;
            return Ok(Became::Refused(kind(&error)));
        }
    };
    let mut labels = Vec::new();
    for request in requests(case) {
        let began = Instant::now();
        let outcome = runtime.block_on(host.request(request));
        let took = began.elapsed();
        if took > TIMEOUT + SLACK {
            return Err(format!("a request took {took:?}"));
        }
        labels.push(label(&outcome)?);
    }
    if case.look == Look::Check {
        let report = runtime.block_on(host.check(&Plan::new().requests(40)));
        match report {
            Ok(report) => printable(&report.to_string())?,
            Err(error) => fit(&told(&error))?,
        }
    }
    Ok(Became::Served(labels))
}

fn runtime() -> Runtime {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

fn inspect(bytes: &[u8]) -> Result<(), String> {
    match Inspection::of(bytes) {
        Ok(inspection) => printable(&inspection.to_string()),
        Err(error) => sound(&error),
    }
}

/// `ok`, or the label of the failure, if that is what it should be.
fn label(outcome: &Outcome) -> Result<&'static str, String> {
    let status = outcome.response.status().as_u16();
    let Some(failure) = &outcome.failure else {
        return if (200..=599).contains(&status) {
            Ok("ok")
        } else {
            Err(format!("an answer with status {status}"))
        };
    };
    fit(&failure.to_string())?;
    if status < 500 {
        return Err(format!("status {status} for {failure}"));
    }
    Ok(failure.label())
}

/// The variant of an error.
fn kind(error: &LoadError) -> String {
    let text = format!("{error:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

/// Whether an error is the component's fault, says what to do, and can be printed.
fn sound(error: &LoadError) -> Result<(), String> {
    if matches!(
        error,
        LoadError::Engine(_) | LoadError::Clock(_) | LoadError::Io { .. }
    ) {
        return Err(format!("the machine is blamed: {error:?}"));
    }
    let text = error.to_string();
    if !text.contains("; ") {
        return Err(format!("nothing says what to do: {text}"));
    }
    fit(&told(error))
}

/// An error with its causes, as the command prints them.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push('\n');
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Whether people can read a text.
fn fit(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        let (begin, len) = (text.chars().take(300).collect::<String>(), text.len());
        return Err(format!("{len} bytes of error: {begin:?}"));
    }
    if text.contains("panicked") {
        return Err(format!("a panic: {text:?}"));
    }
    printable(text)
}

/// Whether a terminal shows a text and does nothing else with it.
fn printable(text: &str) -> Result<(), String> {
    // Those beyond ASCII turn the order of what is shown, or hide it.
    let odd = |c: &char| {
        c.is_control() && *c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    match text.char_indices().find(|(_, c)| odd(c)) {
        None => Ok(()),
        Some((at, _)) => {
            let begin = text[..at].chars().rev().take(60).collect::<String>();
            let begin: String = begin.chars().rev().collect();
            let end: String = text[at..].chars().take(60).collect();
            Err(format!("not to be printed: {begin:?} and then {end:?}"))
        }
    }
}

/// The trials of one test.
pub struct Trials {
    alone: Alone,
    test: &'static str,
    good: Host,
    runtime: Runtime,
    count: u32,
    tally: Tally,
}

/// How many became what.
#[derive(Debug, Default)]
pub struct Tally {
    pub refused: BTreeMap<String, u32>,
    /// The labels of the second request, the one to do harm at.
    pub served: BTreeMap<&'static str, u32>,
}

impl Tally {
    pub fn refusals(&self) -> u32 {
        self.refused.values().sum()
    }

    pub fn loaded(&self) -> u32 {
        self.served.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (refused, loaded) = (self.refusals(), self.loaded());
        write!(f, "{refused} refused {:?}, ", self.refused)?;
        write!(f, "{loaded} loaded {:?}", self.served)
    }
}

impl Trials {
    pub fn new(test: &'static str) -> Self {
        let alone = alone();
        Self {
            alone,
            test,
            good: good(),
            runtime: runtime(),
            count: 0,
            tally: Tally::default(),
        }
    }

    /// Tries one more.
    ///
    /// # Panics
    /// Where the host does anything but load it and serve it, or refuse it in
    /// time, with the case in a file to look at.
    #[track_caller]
    pub fn run(&mut self, case: Case) -> Became {
        // Also where the process does not survive it.
        let file = file(&format!("{}.wasm", self.test));
        fs::write(&file, &case.bytes).expect("a file in the target folder");
        let tried = case.clone();
        let wrong = match self.alone.watch(PATIENCE, move || try_out(&tried)) {
            Ended::Done(Ok(became)) => match self.still_good() {
                Ok(()) => {
                    self.count += 1;
                    self.note(&became);
                    return became;
                }
                Err(wrong) => wrong,
            },
            Ended::Done(Err(wrong)) => wrong,
            Ended::Panicked(words) => format!("a panic: {words}"),
            Ended::Hung(limit) => format!("still going on after {limit:?}"),
        };
        let Case {
            name,
            door,
            isolation,
            look,
            ..
        } = case;
        let kept = file.with_file_name(format!("{}-{}.wasm", self.test, self.count));
        fs::rename(&file, &kept).expect("a file in the target folder");
        panic!(
            "{wrong}\ncase {} of LAVANDULA_HOSTILE_SEED={}: {name}; door {door:?}, \
             {isolation:?}, {look:?}; the component is in {}",
            self.count,
            chance::seed(),
            kept.display()
        );
    }

    fn note(&mut self, became: &Became) {
        match became {
            Became::Refused(why) => *self.tally.refused.entry(why.clone()).or_default() += 1,
            Became::Served(labels) => *self.tally.served.entry(labels[1]).or_default() += 1,
        }
    }

    /// A good component gives its answer, in the process that this one was in.
    fn still_good(&self) -> Result<(), String> {
        let outcome = self.runtime.block_on(self.good.request(get()));
        match (outcome.response.status().as_u16(), outcome.failure) {
            (200, None) => Ok(()),
            (status, failure) => Err(format!("a good component answers {status}: {failure:?}")),
        }
    }

    /// Says what came of all of them, once a good component was loaded as well.
    #[track_caller]
    pub fn end(mut self) -> Tally {
        self.good = good();
        self.still_good().expect("the host is as it was");
        let (test, tally) = (self.test, self.tally);
        println!("{test}: {tally}");
        // It is of the last one, which did no harm.
        let _ = fs::remove_file(file(&format!("{test}.wasm")));
        tally
    }
}

fn good() -> Host {
    let good = Evil::default().component();
    let builder = Host::builder().max_in_flight(2);
    builder.load_bytes(&good).expect("it is a good one")
}

/// A file to look at after a test: `target/hostile/NAME`.
fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("hostile");
    fs::create_dir_all(&folder).expect("a folder in the target folder");
    folder.join(name)
}

#[test]
fn a_text_that_does_something_to_a_terminal_is_not_fit() {
    assert_eq!(fit("two\nlines"), Ok(()));
    for text in [
        "\x1b[31mred",
        "a\0b",
        "\u{202e}turned",
        "it panicked there",
        &"x".repeat(LONGEST + 1),
    ] {
        assert!(fit(text).is_err(), "{text:?}");
    }
}
