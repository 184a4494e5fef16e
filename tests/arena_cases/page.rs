//! The page of the table in the docs.

use std::fmt::Write;

use crate::table::{Case, DOORS};

/// What each door is, and what runs its cases.
const RUNNERS: [(&str, &str, &str); 4] = [
    ("rust", "the crate, natively", "`cargo test`"),
    ("wit", "the component, through WIT", "wasmtime"),
    ("npm", "the npm package `lavandula`", "Node.js"),
    ("jco", "the component, transpiled by jco", "Node.js"),
];

pub fn render(introduction: &str, cases: &[Case]) -> String {
    let mut page = introduction.to_owned();
    page.push_str("\n| door | what it is | where it runs | cases | of them excepted |\n");
    page.push_str("| --- | --- | --- | --- | --- |\n");
    for (door, what, runs) in RUNNERS {
        assert!(DOORS.contains(&door), "{door} is a door");
        let excepted = cases.iter().filter(|case| case.except.contains_key(door));
        let (count, excepted) = (cases.len(), excepted.count());
        let _ = writeln!(
            page,
            "| `{door}` | {what} | {runs} | {count} | {excepted} |"
        );
    }

    page.push_str("\n## Faults of the original\n\n| fault | the case that would show it |\n");
    page.push_str("| --- | --- |\n");
    for case in cases {
        if let Some(fault) = &case.fault {
            let _ = writeln!(page, "| {fault} | `{}` |", case.name);
        }
    }

    page.push_str("\n## Exceptions\n\n| case | doors | why it cannot hold there |\n");
    page.push_str("| --- | --- | --- |\n");
    for case in cases {
        let mut reasons: Vec<_> = case.except.values().collect();
        reasons.sort();
        reasons.dedup();
        for reason in reasons {
            let doors = DOORS
                .iter()
                .filter(|door| case.except.get(**door) == Some(reason));
            let doors: Vec<_> = doors.map(|door| format!("`{door}`")).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {reason} |",
                case.name,
                doors.join(", ")
            );
        }
    }

    page.push_str("\n## Cases\n\n| case | what it means |\n| --- | --- |\n");
    for case in cases {
        let _ = writeln!(page, "| `{}` | {} |", case.name, case.means);
    }
    page
}
