//! What was found, as it is kept beside the page (`docs/edge.json`): a row for each
//! runtime, with the date of the run that it is of.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::catalogue::{MAKERS, RUNTIMES};
use super::guests::Heap;
use super::markers::Seen;
use crate::Failure;

/// All that is known, in the order of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Runtimes.
    pub rows: Vec<Row>,
    /// Components of other makers.
    pub makers: Vec<MakerRow>,
}

/// One runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub runtime: String,
    /// What it says its version is.
    pub version: Option<String>,
    /// How it comes here.
    pub install: String,
    /// What there is to know of it.
    pub note: Option<String>,
    /// The day of the run.
    pub date: String,
    /// Processor and number of threads.
    pub machine: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing is known of it.
    NotRun {
        /// Why, and what to do.
        why: String,
    },
    /// It ran.
    Ran(Box<Ran>),
}

/// A runtime that ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// The command, without the folders of this machine.
    pub command: String,
    /// Requests with a marker, in each of the two ways.
    pub requests: u32,
    /// The handler as it comes.
    pub ours: Sight,
    /// The same with std's allocator, or why that did not run.
    pub std: Result<Sight, String>,
}

/// What was seen of one guest in one runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    /// Bytes of the component, the module or the package.
    pub bytes: u64,
    /// Milliseconds from its start to the first answer: the median.
    pub start_ms: f64,
    /// The cases, in their order.
    pub cases: Vec<Told>,
    /// Bytes of an instance's memory at its first request.
    pub memory_first: Option<u64>,
    /// Bytes that the runtime's processes had in memory then.
    pub resident_first: Option<u64>,
    /// The same after all requests with markers.
    pub resident_after: Option<u64>,
    /// Requests one after the other.
    pub in_turn: Seen,
    /// Requests at the same time.
    pub at_a_time: Seen,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its name.
    pub case: String,
    /// What there is to say besides that it is right, or what is wrong.
    pub judged: Result<Option<String>, String>,
}

impl Sight {
    /// What is wrong with it, in words; nothing where all is right.
    pub fn wrong(&self) -> Vec<(&str, &str)> {
        let told = self.cases.iter();
        told.filter_map(|told| Some((told.case.as_str(), told.judged.as_ref().err()?.as_str())))
            .collect()
    }

    /// The most bytes of memory that an instance was seen with.
    pub fn memory_most(&self) -> u64 {
        let most = self.in_turn.memory_most.max(self.at_a_time.memory_most);
        most.max(self.memory_first.unwrap_or(0))
    }

    /// The most requests that one instance was seen with, in turn and at a time.
    pub fn requests_an_instance(&self) -> [u64; 2] {
        [&self.in_turn, &self.at_a_time].map(|seen| seen.served_most + 1)
    }

    /// The most markers of other requests that lay in an instance's memory.
    pub fn others_most(&self) -> u64 {
        self.in_turn.others_most.max(self.at_a_time.others_most)
    }

    /// Answers with another request's marker in them.
    pub fn crossed(&self) -> u32 {
        self.in_turn.crossed + self.at_a_time.crossed
    }
}

/// One guest in one runtime, for the comparison with other makers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MakerRow {
    /// The runtime.
    pub runtime: String,
    /// Who makes the component: `lavandula`, or a folder of `benches/makers`.
    pub maker: String,
    /// With which packages.
    pub package: String,
    /// Bytes of the component.
    pub bytes: u64,
    /// Interfaces that it imports.
    pub imports: usize,
    /// Milliseconds to the first answer, or why there is none.
    pub start_ms: Result<f64, String>,
    /// Options without which the runtime does not start it.
    pub options: String,
    /// Cases that it fails, and why.
    pub wrong: Vec<String>,
    /// The day of the run.
    pub date: String,
}

/// The name of our own components among those of other makers.
pub const OURS: &str = "lavandula";

impl Record {
    /// That of an earlier run. An empty one where there was none.
    ///
    /// # Errors
    /// [`Failure::Record`] where the file is no record.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::Record {
            path: path.to_owned(),
            reason,
        };
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`Failure::Write`].
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error| Failure::Write {
            path: path.to_owned(),
            error,
        };
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        json.push(b'\n');
        fs::write(path, json).map_err(failed)
    }

    /// Takes what a newer run has found, and keeps what it has not looked at. That a
    /// runtime was not there takes nothing away from what is known of it.
    pub fn update(&mut self, newer: &Self) {
        for row in &newer.rows {
            let known = self
                .rows
                .iter_mut()
                .find(|known| known.runtime == row.runtime);
            match known {
                None => self.rows.push(row.clone()),
                Some(known) => {
                    let ran = |row: &Row| matches!(row.outcome, Outcome::Ran(_));
                    if ran(row) || !ran(known) {
                        *known = row.clone();
                    }
                }
            }
        }
        for row in &newer.makers {
            let is_same = |known: &&mut MakerRow| {
                (&known.runtime, &known.maker) == (&row.runtime, &row.maker)
            };
            match self.makers.iter_mut().find(is_same) {
                None => self.makers.push(row.clone()),
                Some(known) if row.start_ms.is_ok() || known.start_ms.is_err() => {
                    *known = row.clone();
                }
                Some(_) => {}
            }
        }
        self.rows.sort_by_key(|row| place(&row.runtime));
        let maker = |name: &str| MAKERS.iter().position(|maker| maker.folder == name);
        self.makers
            .sort_by_key(|row| (place(&row.runtime), maker(&row.maker)));
    }
}

fn place(runtime: &str) -> usize {
    let place = RUNTIMES.iter().position(|known| known.name == runtime);
    place.unwrap_or(RUNTIMES.len())
}

/// Where the record of a page lies: beside it.
pub fn beside(page: &Path) -> PathBuf {
    page.with_extension("json")
}

/// Whether the handler may be seen to be called again, or others' markers with it.
pub const fn must_be_fresh(heap: Heap) -> bool {
    matches!(heap, Heap::Invocation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(runtime: &str, date: &str, outcome: Outcome) -> Row {
        Row {
            runtime: runtime.to_owned(),
            version: None,
            install: String::new(),
            note: None,
            date: date.to_owned(),
            machine: String::new(),
            outcome,
        }
    }

    fn ran() -> Outcome {
        let ours = Sight {
            bytes: 1,
            start_ms: 1.0,
            cases: Vec::new(),
            memory_first: None,
            resident_first: None,
            resident_after: None,
            in_turn: Seen::default(),
            at_a_time: Seen::default(),
        };
        Outcome::Ran(Box::new(Ran {
            command: String::new(),
            requests: 1,
            std: Err("not built".to_owned()),
            ours,
        }))
    }

    fn not_run() -> Outcome {
        Outcome::NotRun {
            why: "missing".to_owned(),
        }
    }

    fn dates(record: &Record) -> Vec<(&str, &str)> {
        let rows = record.rows.iter();
        rows.map(|row| (row.runtime.as_str(), row.date.as_str()))
            .collect()
    }

    #[test]
    fn a_run_replaces_its_own_rows_and_keeps_the_others() {
        let mut record = Record {
            rows: vec![row("node", "1", ran()), row("spin", "1", not_run())],
            makers: Vec::new(),
        };
        record.update(&Record {
            rows: vec![
                row("lavandula", "2", ran()),
                row("spin", "2", not_run()),
                row("node", "2", not_run()),
            ],
            makers: Vec::new(),
        });
        // In the order of the catalogue; what ran stays although it was missing later.
        assert_eq!(
            dates(&record),
            [("lavandula", "2"), ("spin", "2"), ("node", "1")]
        );
        record.update(&Record {
            rows: vec![row("node", "3", ran())],
            makers: Vec::new(),
        });
        assert_eq!(dates(&record)[2], ("node", "3"));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("edge.md"));
        assert_eq!(Record::read(&path).unwrap(), Record::default());
        let record = Record {
            rows: vec![row("node", "1", ran()), row("spin", "1", not_run())],
            makers: Vec::new(),
        };
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        fs::write(&path, "{").unwrap();
        let why = Record::read(&path).unwrap_err().to_string();
        assert!(why.contains("edge.json"), "{why}");
    }
}
