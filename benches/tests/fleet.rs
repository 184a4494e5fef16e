//! `lavandula-bench fleet`, as short as it can be: that nothing fails where nothing
//! should, and that what fails is counted where something must.

#[path = "support/lavandula.rs"]
mod lavandula;
#[path = "../../tests/support/optional.rs"]
mod optional;

use std::process::Command;

use lavandula_bench::fleet::balancer;
use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_lavandula-bench");

/// Whether there is a balancer.
fn has_haproxy() -> bool {
    match balancer::find() {
        Ok(_) => true,
        Err(failure) => {
            let why = failure.to_string();
            optional::missing("haproxy", &why, "no server was drained behind a balancer");
            false
        }
    }
}

/// A run with these options: how it exits, and its report.
#[track_caller]
fn fleet(options: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(BENCH)
        .args(["fleet", "--json", "--servers", "2", "--clients", "8"])
        .args(["--rate", "200", "--seconds", "1.5", "--program"])
        .arg(lavandula::path())
        .args(options)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), report)
}

#[track_caller]
fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rows = report["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["name"] == name);
    row.unwrap_or_else(|| panic!("no row `{name}` in {report:#}"))
}

/// Failures of requests of one nature.
fn failed(row: &Value, nature: &str) -> u64 {
    let kinds = row[format!("failed_{nature}")].as_object().expect("kinds");
    kinds.values().filter_map(Value::as_u64).sum()
}

#[test]
fn nothing_fails_where_one_is_drained_and_nothing_repeatable_where_one_is_killed() {
    if !has_haproxy() {
        return;
    }
    let (code, report) = fleet(&[]);
    assert_eq!(code, Some(0), "{report:#}");
    for name in [
        "before",
        "one is drained",
        "it is replaced",
        "that is replaced",
    ] {
        let row = row(&report, name);
        let failed = failed(row, "repeatable") + failed(row, "unrepeatable");
        assert_eq!(failed, 0, "{row:#}");
        // Else it says nothing.
        let requests = row["requests"].as_u64().expect("a number");
        assert!(requests >= 100, "{row:#}");
    }
    let killed = row(&report, "another is killed");
    assert_eq!(failed(killed, "repeatable"), 0, "{killed:#}");
    let elsewhere = killed["balancer"]["redispatches"].as_u64();
    assert!(
        elsewhere > Some(0),
        "nothing was to be tried again: {killed:#}"
    );

    // The other build did come into use, beside the first one.
    let builds = &row(&report, "it is replaced")["by_build"];
    for build in ["first build", "second build"] {
        assert!(builds[build].as_u64() > Some(0), "{builds}");
    }
    // And only then.
    let builds = &row(&report, "one is drained")["by_build"];
    assert_eq!(builds["second build"], Value::Null, "{builds}");
}

#[test]
fn without_its_safeguards_clients_see_that_a_server_ends() {
    if !has_haproxy() {
        return;
    }
    let (code, report) = fleet(&["--without", "readiness,retries,delay"]);
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(failed(row(&report, "before"), "repeatable"), 0);
    for name in ["one is drained", "another is killed"] {
        let row = row(&report, name);
        assert!(failed(row, "repeatable") > 0, "{row:#}");
        assert!(failed(row, "unrepeatable") > 0, "{row:#}");
    }
}
