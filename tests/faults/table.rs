//! What a fault is in these tests, and how it looks in the docs.

use std::fmt::Write;

/// One fault.
#[derive(Clone, Copy)]
pub struct Row {
    /// The test that shows it.
    pub test: &'static str,
    /// What is done.
    pub fault: &'static str,
    pub gets: Gets,
    pub told: &'static [Told],
    /// Why it is not shown yet. The docs have only what is.
    pub pending: &'static [&'static str],
}

/// What the client gets.
#[derive(Clone, Copy)]
pub enum Gets {
    /// The server's answer in the place of the handler's: status and label.
    Failure(u16, &'static str, Then),
    /// The handler's own answer.
    Answer(u16),
    /// An answer of the server that has no more than a status. It closes.
    Bare(u16),
    /// The head of an answer and a part of its body, and then the end of the
    /// connection.
    Part(u16),
    /// Something that the test alone knows how to look at.
    Words(&'static str),
}

/// What becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Stays,
    Closes,
}

/// What operators are told.
#[derive(Clone, Copy)]
pub enum Told {
    /// The outcome of the request, in the log and in the counter.
    Outcome(&'static str),
    /// Words in the log.
    Words(&'static str),
    /// Why the instance is not used again, where it might have been: in the log,
    /// and in a counter.
    Retired(&'static str),
    /// The same of an instance that several share.
    SharedRetired(&'static str),
}

/// Faults of one kind.
#[derive(Clone, Copy)]
pub struct Section {
    pub title: &'static str,
    pub module: &'static str,
    pub rows: &'static [Row],
}

/// Makes the rows of a section, and a test of each, which hands its row to the last
/// expression.
macro_rules! faults {
    ($title:literal $(
        $(#[ignore = $why:literal])?
        $test:ident: $fault:literal => $gets:expr, $told:expr, $shown:expr;
    )*) => {
        pub const SECTION: $crate::table::Section = $crate::table::Section {
            title: $title,
            module: module_path!(),
            rows: &[$($crate::table::Row {
                test: stringify!($test),
                fault: $fault,
                gets: $gets,
                told: &$told,
                pending: &[$($why)?],
            }),*],
        };
        $(
            #[test]
            $(#[ignore = $why])?
            fn $test() {
                let shown: fn(&$crate::table::Row) = $shown;
                shown(SECTION.row(stringify!($test)));
            }
        )*
    };
}

impl Section {
    #[track_caller]
    pub fn row(&self, test: &str) -> &'static Row {
        let row = self.rows.iter().find(|row| row.test == test);
        row.expect("a row of this section")
    }
}

pub fn render(introduction: &str, sections: &[Section]) -> String {
    let mut page = introduction.to_owned();
    for section in sections {
        let (title, module) = (section.title, section.module);
        let module = module.rsplit("::").next().unwrap_or(module);
        let _ = write!(
            page,
            "\n## {title}\n\n\
             | fault | what the client gets | what is told | test (`{module}::`) |\n\
             | --- | --- | --- | --- |\n"
        );
        for row in section.rows.iter().filter(|row| row.pending.is_empty()) {
            let (fault, gets, test) = (row.fault, row.gets.words(), row.test);
            let told: Vec<_> = row.told.iter().map(|told| told.words()).collect();
            let told = told.join("; ");
            let _ = writeln!(page, "| {fault} | {gets} | {told} | `{test}` |");
        }
    }
    page
}

impl Gets {
    fn words(self) -> String {
        match self {
            Self::Failure(status, label, then) => {
                let then = match then {
                    Then::Stays => "",
                    Then::Closes => "; it closes",
                };
                format!("{status} `{label}`{then}")
            }
            Self::Answer(status) => format!("{status}, the handler's own"),
            Self::Bare(status) => format!("{status}, without a label; it closes"),
            Self::Part(status) => format!("{status}, a part of the body, and no end of it"),
            Self::Words(words) => words.to_owned(),
        }
    }
}

impl Told {
    fn words(self) -> String {
        match self {
            Self::Outcome(label) => format!("`{label}`"),
            Self::Words(words) => format!("\"{words}\""),
            Self::Retired(reason) => {
                format!("with `rewind`: \"instance retired\", reason `{reason}`")
            }
            Self::SharedRetired(reason) => format!("\"instance retired\", reason `{reason}`"),
        }
    }

    /// What stands in a line of the log.
    pub fn marks(self) -> Vec<String> {
        match self {
            Self::Outcome(label) => vec![format!("outcome=\"{label}\"")],
            Self::Words(words) => vec![words.to_owned()],
            Self::Retired(reason) | Self::SharedRetired(reason) => {
                vec![
                    "instance retired".to_owned(),
                    format!("reason=\"{reason}\""),
                ]
            }
        }
    }
}
