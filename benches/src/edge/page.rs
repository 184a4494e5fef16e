//! The page: `docs/edge.md`, rendered from the record and from nothing else.

use std::fmt::Write;

use super::cases::CASES;
use super::catalogue::{Known, MAKERS, RUNTIMES, Runtime, STD, runtime};
use super::guests::Heap;
use super::look::{AT_A_TIME, IN_TURN, STARTS};
use super::record::{MakerRow, OURS, Outcome, Ran, Record, Row, Sight};

const INTRODUCTION: &str = include_str!("introduction.md");
const CONCLUSION: &str = include_str!("conclusion.md");

const KIB: u64 = 1024;
const MIB: f64 = 1024.0 * 1024.0;

/// The whole page.
pub fn render(record: &Record) -> String {
    let mut page = INTRODUCTION.to_owned();
    let rows: Vec<_> = record.rows.iter().filter_map(Shown::of).collect();
    if let Some(last) = record.rows.iter().map(|row| &row.date).max() {
        let machines = unique(rows.iter().map(|shown| shown.row.machine.as_str()));
        let _ = writeln!(
            page,
            "\nThe last run was on {last}: {}.",
            machines.join("; ")
        );
    }
    cases(&rows, &mut page);
    isolation(&rows, &mut page);
    sizes(&rows, &mut page);
    makers(&record.makers, &mut page);
    how(&rows, &mut page);
    not_run(record, &mut page);
    page.push('\n');
    page.push_str(CONCLUSION);
    page
}

/// A row that ran.
struct Shown<'a> {
    row: &'a Row,
    runtime: &'static Runtime,
    ran: &'a Ran,
}

impl<'a> Shown<'a> {
    fn of(row: &'a Row) -> Option<Self> {
        match &row.outcome {
            Outcome::NotRun { .. } => None,
            Outcome::Ran(ran) => Some(Self {
                row,
                // One that is no longer in the catalogue is no longer on the page.
                runtime: runtime(&row.runtime)?,
                ran,
            }),
        }
    }

    fn sights(&self) -> [Option<&'a Sight>; 2] {
        [Some(&self.ran.ours), self.ran.std.as_ref().ok()]
    }

    /// A cell for each of them.
    fn both(&self, figure: fn(&Sight) -> String) -> String {
        let cells = self
            .sights()
            .map(|sight| sight.map_or("not run".to_owned(), figure));
        cells.join(" | ")
    }
}

fn unique<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

fn cases(rows: &[Shown<'_>], page: &mut String) {
    page.push_str("\n## The cases\n\n");
    let names: Vec<_> = CASES
        .iter()
        .map(|case| case.name)
        .chain([IN_TURN, AT_A_TIME])
        .collect();
    let _ = writeln!(
        page,
        "| runtime | version | door | {} | run |",
        names.join(" | ")
    );
    let _ = writeln!(
        page,
        "| --- | --- | --- |{}",
        " --- |".repeat(names.len() + 1)
    );
    for shown in rows {
        let cells = names.iter().map(|name| cell(shown, name));
        let cells: Vec<_> = cells.collect();
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            shown.row.runtime,
            shown.row.version.as_deref().unwrap_or("not told"),
            shown.runtime.door.what(),
            cells.join(" | "),
            shown.row.date,
        );
    }
    page.push('\n');
    for case in &CASES {
        let _ = writeln!(page, "- **{}**: {}.", case.name, case.what);
    }
    let requests = rows.iter().map(|shown| shown.ran.requests);
    let (least, most) = (requests.clone().min(), requests.max());
    if let (Some(least), Some(most)) = (least, most) {
        let requests = match least == most {
            true => thousands(most.into()),
            false => format!("{} to {}", thousands(least.into()), thousands(most.into())),
        };
        let _ = writeln!(
            page,
            "- **{IN_TURN}**: {requests} requests one after the other, each with a marker of its \
             own, which the handler copies about; **{AT_A_TIME}**: as many again, 16 of them under \
             way. Each answer has its own marker and no other's."
        );
    }
    page.push_str(
        "\n`ok`: with both allocators. What the trap column has besides is what the client of the \
         trapped request got.\n",
    );
    let mut notes = String::new();
    for shown in rows {
        for told in failures(shown) {
            let known = shown.runtime.known.iter();
            let mut known = known.filter(|known| known.case == told.case);
            let known = known.next().map(|known| format!(" ({})", known.why));
            let _ = writeln!(
                notes,
                "- `{}`, **{}**, with {}: {}{}",
                shown.row.runtime,
                told.case,
                told.with,
                escaped(told.why),
                known.unwrap_or_default(),
            );
        }
        for told in &shown.ran.ours.cases {
            if let Ok(Some(note)) = &told.judged
                && told.case != TRAP
            {
                let _ = writeln!(
                    notes,
                    "- `{}`, **{}**: {}",
                    shown.row.runtime,
                    told.case,
                    escaped(note)
                );
            }
        }
        if let Err(why) = &shown.ran.std {
            let known = shown.runtime.known.iter().find(|known| known.case == STD);
            let why = known.map_or(why.as_str(), |known| known.why);
            let _ = writeln!(
                notes,
                "- `{}` was not run with std's allocator: {}",
                shown.row.runtime,
                escaped(why)
            );
        }
        if let Some(note) = &shown.row.note {
            let _ = writeln!(notes, "- `{}`: {}", shown.row.runtime, escaped(note));
        }
    }
    if !notes.is_empty() {
        let _ = write!(page, "\nWhat was seen besides:\n\n{notes}");
    }
}

/// A case that a runtime fails.
struct Failure<'a> {
    case: &'a str,
    with: &'static str,
    why: &'a str,
}

/// What fails with both allocators in the same way is told once.
fn failures<'a>(shown: &Shown<'a>) -> Vec<Failure<'a>> {
    let [ours, std] = shown
        .sights()
        .map(|sight| sight.map_or(Vec::new(), Sight::wrong));
    let of = |heap: Heap, (case, why): (&'a str, &'a str), both: bool| Failure {
        case,
        why,
        with: if both { "both allocators" } else { heap.what() },
    };
    let first = ours
        .iter()
        .map(|&one| of(Heap::Invocation, one, std.contains(&one)));
    let alone = std.iter().filter(|one| !ours.contains(one));
    let alone = alone.map(|&one| of(Heap::Std, one, false));
    first.chain(alone).collect()
}

/// The case whose note stands in the table.
const TRAP: &str = "trap";

fn cell(shown: &Shown<'_>, case: &str) -> String {
    let judged = |sight: &'_ Sight| {
        let told = sight.cases.iter().find(|told| told.case == case);
        told.map(|told| told.judged.clone())
    };
    let all: Vec<_> = shown.sights().into_iter().flatten().map(judged).collect();
    if all.contains(&None) {
        return "not run".to_owned();
    }
    match all.iter().flatten().any(Result::is_err) {
        true => "**fails**".to_owned(),
        false => match all.first() {
            Some(Some(Ok(Some(note)))) if case == TRAP => format!("ok: {note}"),
            _ => "ok".to_owned(),
        },
    }
}

fn isolation(rows: &[Shown<'_>], page: &mut String) {
    page.push_str(
        "\n## What is kept from one request to the next\n\n\
         Isolation is what the handler with std's allocator saw: the most requests that one \
         instance had, one after the other and 16 at a time. Memory is of an instance, at the \
         first request and the most that any answer told of. Others' markers are the most that \
         lay in an instance's memory when a request began. MiB are of the runtime's processes, at \
         the first request and after all with markers.\n\n",
    );
    page.push_str(
        "| runtime | isolation seen | KiB of memory, `InvocationHeap` | the same, std | others' \
         markers, `InvocationHeap` | the same, std | MiB, `InvocationHeap` | the same, std |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for shown in rows {
        let isolation = isolation_of(shown);
        let _ = writeln!(
            page,
            "| `{}` | {isolation} | {} | {} | {} |",
            shown.row.runtime,
            shown.both(memory),
            shown.both(|sight| thousands(sight.others_most())),
            shown.both(resident),
        );
    }
    growing(rows, page);
    let sights = || rows.iter().flat_map(|shown| shown.sights()).flatten();
    let crossed: u32 = sights().map(Sight::crossed).sum();
    let answers: u64 = sights()
        .map(|sight| u64::from(sight.in_turn.right) + u64::from(sight.at_a_time.right))
        .sum();
    let _ = writeln!(
        page,
        "\nOf {} answers with a marker, {} had another request's in it.",
        thousands(answers),
        if crossed == 0 {
            "none".to_owned()
        } else {
            crossed.to_string()
        },
    );
}

/// Runtimes whose own memory becomes more than an instance's does.
fn growing(rows: &[Shown<'_>], page: &mut String) {
    let grows = |sight: &Sight| match (sight.resident_first, sight.resident_after) {
        (Some(first), Some(after)) => after > 2 * first && after > first + MOST_GROWTH,
        _ => false,
    };
    for shown in rows {
        if shown.sights().into_iter().flatten().any(grows) {
            let _ = writeln!(
                page,
                "\nThe memory of `{}` became far more than that of the instance in it: it is the \
                 runtime's own, and grows with either allocator.",
                shown.row.runtime
            );
        }
    }
}

/// What a runtime may take for what it compiles and has not yet collected.
const MOST_GROWTH: u64 = 128 << 20;

fn isolation_of(shown: &Shown<'_>) -> String {
    let rewinds = |known: &Known| known.case == STD;
    match &shown.ran.std {
        Ok(sight) => isolated(sight),
        // Who cannot be run without an image is put back to it.
        Err(_) if shown.runtime.known.iter().any(rewinds) => "kept, and rewound".to_owned(),
        Err(_) => "not known".to_owned(),
    }
}

fn isolated(sight: &Sight) -> String {
    match sight.requests_an_instance() {
        [1, 1] => "a new instance for each request".to_owned(),
        [in_turn, at_a_time] => format!(
            "kept: up to {} and {} requests",
            thousands(in_turn),
            thousands(at_a_time)
        ),
    }
}

fn memory(sight: &Sight) -> String {
    let most = sight.memory_most() / KIB;
    match sight.memory_first {
        Some(first) if first / KIB == most => thousands(most),
        Some(first) => format!("{} to {}", thousands(first / KIB), thousands(most)),
        None => format!("not told, to {}", thousands(most)),
    }
}

fn resident(sight: &Sight) -> String {
    match (sight.resident_first, sight.resident_after) {
        (Some(first), Some(after)) => {
            format!("{:.0} to {:.0}", first as f64 / MIB, after as f64 / MIB)
        }
        _ => "not told".to_owned(),
    }
}

fn sizes(rows: &[Shown<'_>], page: &mut String) {
    page.push_str(
        "\n## Size and start\n\n\
         Bytes of what the runtime is given: the component, the module, or all files of the npm \
         package.\n",
    );
    let _ = writeln!(
        page,
        "The start is from the start of the process to the first answer, the median of {STARTS}.\n"
    );
    page.push_str(
        "| runtime | bytes, `InvocationHeap` | the same, std | start, `InvocationHeap` | the same, \
         std |\n| --- | --- | --- | --- | --- |\n",
    );
    for shown in rows {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} |",
            shown.row.runtime,
            shown.both(|sight| thousands(sight.bytes)),
            shown.both(|sight| milliseconds(sight.start_ms)),
        );
    }
}

fn makers(rows: &[MakerRow], page: &mut String) {
    if rows.is_empty() {
        return;
    }
    page.push_str(
        "\n## The same handler, made with other packages\n\n\
         Handlers in [benches/makers](../benches/makers) that give the same answers, which the \
         cases without markers are sent for. Start as above. Imports are interfaces that the \
         runtime has to have.\n\n",
    );
    let makers = [OURS]
        .into_iter()
        .chain(MAKERS.iter().map(|maker| maker.folder));
    page.push_str("| made with | door | bytes | imports |\n| --- | --- | --- | --- |\n");
    let mut written: Vec<(&str, u64)> = Vec::new();
    for maker in makers.clone() {
        for row in rows.iter().filter(|row| row.maker == maker) {
            if written.contains(&(maker, row.bytes)) {
                continue;
            }
            written.push((maker, row.bytes));
            let door = runtime(&row.runtime).map_or("", |runtime| match runtime.door.form() {
                super::guests::Form::Wasi03 => "`wasi:http` 0.3",
                _ => "`wasi:http` 0.2",
            });
            let _ = writeln!(
                page,
                "| {} | {door} | {} | {} |",
                row.package,
                thousands(row.bytes),
                row.imports
            );
        }
    }
    page.push_str(
        "\n| runtime | made with | start | cases | run |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let start = match (&row.start_ms, row.options.as_str()) {
            (Ok(ms), "") => milliseconds(*ms),
            (Ok(ms), options) => format!("{}, with `{options}`", milliseconds(*ms)),
            (Err(why), _) => format!("does not start: {}", escaped(why)),
        };
        let cases = match (&row.start_ms, row.wrong.as_slice()) {
            (Err(_), _) => "not run".to_owned(),
            (Ok(_), []) => "ok".to_owned(),
            (Ok(_), wrong) => format!("**fails** {}", escaped(&wrong.join("; "))),
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {start} | {cases} | {} |",
            row.runtime, row.package, row.date
        );
    }
}

fn how(rows: &[Shown<'_>], page: &mut String) {
    page.push_str(
        "\n## What they are\n\n\
         | runtime | what it is | how it comes here | how it is started |\n\
         | --- | --- | --- | --- |\n",
    );
    for shown in rows {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | `{}` |",
            shown.row.runtime,
            shown.runtime.what,
            escaped(&shown.row.install),
            escaped(&shown.ran.command),
        );
    }
}

fn not_run(record: &Record, page: &mut String) {
    let is_known = |name: &str| record.rows.iter().any(|row| row.runtime == name);
    let missing = record.rows.iter().filter_map(|row| match &row.outcome {
        Outcome::NotRun { why } => Some((row.runtime.as_str(), escaped(why))),
        Outcome::Ran(_) => None,
    });
    let never = RUNTIMES.iter().filter(|runtime| !is_known(runtime.name));
    let never = never.map(|runtime| {
        let how = format!("never asked for; it comes by {}", runtime.install);
        (runtime.name, how)
    });
    let all: Vec<_> = missing.chain(never).collect();
    if all.is_empty() {
        return;
    }
    page.push_str("\n## Not run\n\n| runtime | why, and what to do |\n| --- | --- |\n");
    for (name, why) in all {
        let _ = writeln!(page, "| `{name}` | {why} |");
    }
}

/// What a program said, so that it stays in its cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn milliseconds(ms: f64) -> String {
    match ms < 1_000.0 {
        true => format!("{ms:.0} ms"),
        false => format!("{:.1} s", ms / 1e3),
    }
}

/// With commas.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::edge::record::beside;

    #[test]
    fn the_page_in_the_docs_is_that_of_the_record_beside_it() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/edge.md");
        let record = Record::read(&beside(&page)).expect("it can be read");
        assert!(!record.rows.is_empty());
        let written = std::fs::read_to_string(&page).expect("it is in the tree");
        assert!(
            written == render(&record),
            "docs/edge.md is not what docs/edge.json says: `lavandula-bench edge --only NAME` \
             writes both"
        );
    }

    #[test]
    fn every_runtime_is_on_the_page_and_one_that_was_not_run_does_not_pass() {
        let page = render(&Record::default());
        for runtime in &RUNTIMES {
            let row = format!("\n| `{}` |", runtime.name);
            let lines: Vec<_> = page.matches(&row).collect();
            assert_eq!(lines.len(), 1, "{}", runtime.name);
        }
        assert!(!page.contains(" ok "));
    }

    #[test]
    fn numbers_have_commas() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
