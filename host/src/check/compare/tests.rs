//! Comparisons of reports that are as lavandula writes them, with figures of one's own.

use serde_json::{Value, json};

use super::super::show::{Colour, Look};
use super::*;
use crate::config::Isolation;

/// A report in which all holds.
fn good() -> Value {
    let evidence: Vec<_> = Kind::ALL
        .iter()
        // Which only a run with overlapping requests has.
        .filter(|kind| **kind != Kind::Overlap)
        .map(|kind| {
            json!({"name": kind, "holds": true, "expected": kind.expected(), "detail": "as it should be",
                   "culprit": null})
        })
        .collect();
    json!({
        "format": FORMAT, "lavandula": "0.1.0", "component": "handler.wasm", "verdict": "holds",
        "requests": 200, "seed": 1, "door": "fast", "isolation": "rewind", "memory": 1_179_648,
        "evidence": evidence,
        "figures": {"component": 100_000, "memory_initial": 1_114_112, "memory_peak": 1_179_648,
                    "memory_grown": 0, "arena_peak": 12_000, "arena_committed": 65_536,
                    "pages_of_a_request": 10, "pages_of_all": 20, "bytes_left": 0},
    })
}

fn report(value: Value) -> Report {
    Report::from_json(&value.to_string()).expect("a report")
}

/// The good one with one thing changed.
fn with(pointer: &str, new: impl Into<Value>) -> Report {
    report(changed(good(), pointer, new))
}

fn changed(mut value: Value, pointer: &str, new: impl Into<Value>) -> Value {
    *value.pointer_mut(pointer).expect("a place in it") = new.into();
    value
}

/// The good one, whose evidence of this kind does not hold.
fn broken(kind: Kind) -> Value {
    let index = Kind::ALL
        .iter()
        .filter(|kind| **kind != Kind::Overlap)
        .position(|one| *one == kind)
        .expect("one of them");
    let value = changed(good(), "/verdict", "broken");
    changed(value, &format!("/evidence/{index}/holds"), false)
}

fn allowed(allowances: &[&str]) -> Thresholds {
    let allowances = allowances
        .iter()
        .map(|text| text.parse().expect("an allowance"));
    Thresholds::new(allowances).expect("each once")
}

#[track_caller]
fn compare(baseline: &Report, candidate: &Report, allowances: &[&str]) -> Comparison {
    Comparison::of(baseline, candidate, &allowed(allowances)).expect("they can be compared")
}

fn judgement(comparison: &Comparison, figure: Figure) -> Judgement {
    let change = comparison
        .figures
        .iter()
        .find(|change| change.figure == figure);
    change.expect("every figure is there").judgement
}

#[test]
fn a_build_is_the_same_as_itself() {
    let report = report(good());
    let comparison = compare(&report, &report, &[]);
    assert_eq!(comparison.trend, Trend::Same);
    assert!(comparison.passes());
    let changes = comparison.figures.iter().map(|change| change.difference);
    assert!(changes.eq([Some(0); Figure::ALL.len()]));
}

#[test]
fn each_figure_that_becomes_more_is_worse_and_each_that_becomes_less_is_better() {
    let good = report(good());
    for figure in Figure::ALL {
        if figure == Figure::Component {
            continue;
        }
        let field = format!("/figures/{}", figure.name().replace('-', "_"));
        let before = figure.of(&good.figures).expect("known");
        let more = with(&field, before + 1);

        let comparison = compare(&good, &more, &[]);
        assert_eq!(judgement(&comparison, figure), Judgement::Worse, "{figure}");
        assert_eq!(comparison.trend, Trend::Worse, "{figure}");
        assert!(!comparison.passes(), "{figure}");
        let worse = |change: &&FigureChange| change.judgement == Judgement::Worse;
        assert_eq!(
            comparison.figures.iter().filter(worse).count(),
            1,
            "{figure}"
        );

        let comparison = compare(&more, &good, &[]);
        assert_eq!(
            judgement(&comparison, figure),
            Judgement::Better,
            "{figure}"
        );
        assert_eq!(comparison.trend, Trend::Better, "{figure}");
        assert!(comparison.passes(), "{figure}");
    }
}

#[test]
fn the_size_of_the_component_is_judged_where_it_is_asked_for() {
    let (before, after) = (report(good()), with("/figures/component", 102_000));
    for allowances in [&[][..], &["all=0%"]] {
        let comparison = compare(&before, &after, allowances);
        assert_eq!(
            judgement(&comparison, Figure::Component),
            Judgement::Unjudged
        );
        assert_eq!(comparison.trend, Trend::Same);
    }
    let comparison = compare(&before, &after, &["component=1%"]);
    assert_eq!(judgement(&comparison, Figure::Component), Judgement::Worse);
    let comparison = compare(&before, &after, &["component=2%"]);
    assert_eq!(judgement(&comparison, Figure::Component), Judgement::Within);
}

#[test]
fn a_limit_is_exact() {
    let before = with("/figures/arena_peak", 1000);
    let after = |peak: u64| with("/figures/arena_peak", peak);
    let cases = [
        ("arena-peak=5%", 1050),
        ("arena-peak=0.1%", 1001),
        ("arena-peak=1.25 %", 1012),
        ("arena-peak=24", 1024),
        ("arena-peak=1KiB", 2024),
        ("all=100%", 2000),
    ];
    for (allowance, most) in cases {
        let judge = |peak| {
            judgement(
                &compare(&before, &after(peak), &[allowance]),
                Figure::ArenaPeak,
            )
        };
        assert_eq!(judge(most), Judgement::Within, "{allowance}");
        assert_eq!(judge(most + 1), Judgement::Worse, "{allowance}");
    }
}

#[test]
fn what_is_within_the_limit_is_not_worse() {
    let (before, after) = (report(good()), with("/figures/pages_of_a_request", 12));
    let comparison = compare(&before, &after, &["pages-of-a-request=2"]);
    assert_eq!(comparison.trend, Trend::Same);
    assert!(comparison.passes());
}

#[test]
fn an_allowance_for_a_figure_counts_more_than_one_for_all_in_either_order() {
    let (before, after) = (report(good()), with("/figures/pages_of_all", 21));
    for allowances in [["all=50%", "pages-of-all=0"], ["pages-of-all=0", "all=50%"]] {
        let comparison = compare(&before, &after, &allowances);
        assert_eq!(judgement(&comparison, Figure::PagesOfAll), Judgement::Worse);
    }
}

#[test]
fn a_share_of_nothing_is_nothing() {
    let (before, after) = (report(good()), with("/figures/bytes_left", 1));
    let comparison = compare(&before, &after, &["all=1000%"]);
    assert_eq!(judgement(&comparison, Figure::BytesLeft), Judgement::Worse);
    let change = comparison.figures.last().expect("the last one");
    assert_eq!((change.figure, change.percent), (Figure::BytesLeft, None));
}

#[test]
fn what_only_one_guest_tells_is_not_judged() {
    let (before, after) = (report(good()), with("/figures/arena_peak", Value::Null));
    for (before, after) in [(&before, &after), (&after, &before)] {
        let comparison = compare(before, after, &[]);
        assert_eq!(
            judgement(&comparison, Figure::ArenaPeak),
            Judgement::Unjudged
        );
        assert_eq!(comparison.trend, Trend::Same);
    }
}

#[test]
fn evidence_that_breaks_is_worse_and_evidence_that_holds_again_is_better() {
    let good = report(good());
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Overlap) {
        let broken = report(broken(kind));
        let comparison = compare(&good, &broken, &[]);
        assert_eq!(comparison.trend, Trend::Worse, "{kind}");
        assert!(!comparison.passes());
        let comparison = compare(&broken, &good, &[]);
        assert_eq!(comparison.trend, Trend::Better, "{kind}");
        assert!(comparison.passes());
    }
}

#[test]
fn what_is_broken_as_before_is_not_worse_and_still_not_good_enough() {
    let broken = report(broken(Kind::Content));
    let comparison = compare(&broken, &broken, &[]);
    assert_eq!(comparison.trend, Trend::Same);
    assert!(!comparison.passes());
    assert!(
        comparison.to_string().contains("not good enough"),
        "{comparison}"
    );
}

#[test]
fn evidence_that_the_baseline_did_not_have_is_told() {
    let mut older = good();
    let evidence = older["evidence"].as_array_mut().expect("a list");
    evidence.retain(|one| one["name"] != "footprint");
    let comparison = compare(&report(older), &report(good()), &[]);
    let footprint = comparison
        .evidence
        .iter()
        .find(|one| one.kind == Kind::Footprint);
    let footprint = footprint.expect("it is told");
    assert_eq!((footprint.before, footprint.after), (None, Some(true)));
    assert_eq!(footprint.judgement, Judgement::Unjudged);
    assert_eq!(comparison.trend, Trend::Same);
}

#[test]
fn reports_of_different_checks_are_refused_with_what_differs_and_a_way_on() {
    let cases: [(&str, Value, &str, &str); 4] = [
        (
            "/door",
            json!("wasi-http"),
            "the door was fast and is wasi-http",
            "--door fast",
        ),
        (
            "/isolation",
            json!("instance"),
            "the isolation was rewind and is instance",
            "--isolation rewind",
        ),
        (
            "/seed",
            json!(u64::MAX),
            "the seed was 1 and is 18446744073709551615",
            "--seed 1",
        ),
        (
            "/requests",
            json!(60),
            "the number of requests was 200 and is 60",
            "--requests 200",
        ),
    ];
    let before = report(good());
    let mut all = good();
    for (pointer, new, differs, advice) in cases {
        all = changed(all, pointer, new.clone());
        let error = Comparison::of(&before, &with(pointer, new), &Thresholds::default());
        let error = error.expect_err(pointer).to_string();
        assert!(error.contains(differs) && error.contains(advice), "{error}");
        assert_eq!(error.matches(" was ").count(), 1, "{error}");
    }
    let error = Comparison::of(&before, &report(all), &Thresholds::default());
    let error = error.expect_err("all of it differs").to_string();
    assert_eq!(error.matches(" was ").count(), 4, "{error}");
}

#[test]
fn a_report_of_another_format_is_not_compared() {
    let before = report(good());
    let mut after = before.clone();
    after.format += 1;
    let error = Comparison::of(&before, &after, &Thresholds::default());
    let error = error.expect_err("another format").to_string();
    assert!(
        error.contains("the format of the report was 1 and is 2"),
        "{error}"
    );
}

#[test]
fn a_candidate_that_ended_early_is_worse_and_its_figures_are_not_judged() {
    let ended = report(changed(broken(Kind::Answers), "/requests", 3));
    let comparison = compare(&report(good()), &ended, &["component=1%"]);
    assert_eq!(comparison.trend, Trend::Worse);
    let unjudged = |change: &FigureChange| change.judgement == Judgement::Unjudged;
    assert!(comparison.figures.iter().all(unjudged));
}

#[test]
fn a_shorter_check_that_did_not_end_early_is_refused_whatever_the_longer_one_is() {
    let longer = report(broken(Kind::Answers));
    let shorter = with("/requests", 3);
    Comparison::of(&longer, &shorter, &Thresholds::default()).expect_err("shorter");
    Comparison::of(&shorter, &longer, &Thresholds::default()).expect_err("longer");
}

#[test]
fn a_plan_of_another_check_is_refused_before_it_is_made() {
    let baseline = report(good());
    let plan = Plan::new().requests(200).seed(1);
    assert_eq!(baseline.fits(&plan), Ok(()));
    for (plan, advice) in [
        (plan.clone().seed(2), "--seed 1"),
        (plan.clone().requests(60), "--requests 200"),
        (
            plan.clone().isolation(Isolation::Instance),
            "--isolation rewind",
        ),
    ] {
        let error = baseline.fits(&plan).expect_err(advice).to_string();
        assert!(error.contains(advice), "{error}");
    }
    // How many it should have got is not known.
    let ended = report(changed(broken(Kind::Answers), "/requests", 3));
    assert_eq!(ended.fits(&plan), Ok(()));
}

#[test]
fn an_allowance_that_allows_nothing_is_refused_with_how_to_write_it() {
    let cases = [
        ("memory-peak", "FIGURE=AMOUNT"),
        ("", "FIGURE=AMOUNT"),
        ("memory=5%", "memory-peak"),
        ("=5%", "memory-peak"),
        ("memory-peak=", "64KiB"),
        ("memory-peak=-5%", "64KiB"),
        ("memory-peak=five", "64KiB"),
        ("memory-peak=1.2345%", "64KiB"),
        ("memory-peak=.5%", "64KiB"),
        ("memory-peak=99999999999999999999%", "64KiB"),
        ("pages-of-all=4KiB", "a number of pages"),
        ("pages-of-all=-1", "a number of pages"),
        ("all=64KiB", "all=1%"),
    ];
    for (text, advice) in cases {
        let error = text.parse::<Allowance>().expect_err(text).to_string();
        assert!(error.contains(advice), "{text}: {error}");
    }
}

#[test]
fn two_allowances_for_one_figure_are_refused() {
    for (first, second) in [("all=1%", "all=2%"), ("arena-peak=1%", "arena-peak=24")] {
        let both = [first, second].map(|text| text.parse().expect("an allowance"));
        let error = Thresholds::new(both).expect_err("twice").to_string();
        assert!(
            error.contains("twice") && error.contains("--allow"),
            "{error}"
        );
    }
}

#[test]
fn a_text_that_is_no_report_is_refused_with_what_to_do() {
    let comparison = {
        let report = report(good());
        serde_json::to_string(&compare(&report, &report, &[])).expect("JSON")
    };
    let mut without = good();
    without
        .as_object_mut()
        .expect("an object")
        .remove("figures");
    let cases = [
        (String::new(), "not JSON"),
        ("not JSON".to_owned(), "lavandula check --json > FILE"),
        (good().to_string() + "}", "nothing else in the file"),
        ("[]".to_owned(), "no report"),
        (r#"{"format":"1"}"#.to_owned(), "no report"),
        (comparison, "a comparison"),
        (changed(good(), "/format", 2).to_string(), "has format 2"),
        (without.to_string(), "missing field `figures`"),
        (
            changed(good(), "/requests", -1).to_string(),
            "make it again",
        ),
        (
            changed(good(), "/door", "back").to_string(),
            "a door is `fast`",
        ),
        (
            changed(good(), "/isolation", "none").to_string(),
            "`none` is no isolation",
        ),
        (
            changed(good(), "/evidence/0/name", "luck").to_string(),
            "luck",
        ),
        (changed(good(), "/verdict", "broken").to_string(), "edited"),
    ];
    for (text, advice) in cases {
        let error = Report::from_json(&text).expect_err(&text).to_string();
        assert!(error.contains(advice), "{text}: {error}");
    }
}

#[test]
fn a_report_reads_back_as_it_was_written() {
    let mut value = broken(Kind::Content);
    value["evidence"][5]["culprit"] = json!({
        "place": {"memory": 0, "offset": 69_569, "region": "heap", "symbol": "LAST_SEEN"},
        "written_by": 1, "owed_by": 2, "requests": [1, 2], "replay": "lavandula check x"});
    let report = report(value.clone());
    assert_eq!(serde_json::to_value(&report).expect("JSON"), value);
}

#[test]
fn the_table_says_what_changed_by_how_much_and_what_is_worse() {
    let candidate = changed(broken(Kind::Content), "/figures/memory_peak", 1_245_184);
    let comparison = compare(&report(good()), &report(candidate), &[]);
    let table = comparison.to_string();
    let line = |name: &str| {
        let line = table.lines().find(|line| line.starts_with(name));
        let words = line.unwrap_or_default().split_whitespace();
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("memory-peak"),
        "memory-peak 1152 KiB 1216 KiB +64 KiB (+5.56 %) WORSE"
    );
    assert_eq!(line("arena-peak"), "arena-peak 11.7 KiB 11.7 KiB 0 same");
    assert_eq!(line("content"), "content holds BROKEN WORSE");
    assert_eq!(line("9 of 10"), "9 of 10 kinds of evidence hold as before");
    assert_eq!(
        line("compared:"),
        "compared: worse, in memory-peak, content"
    );
}

#[test]
fn colours_are_there_only_where_they_are_wanted() {
    let comparison = compare(&report(good()), &report(broken(Kind::Content)), &[]);
    let coloured = comparison.shown(Look::new(100, Colour::On)).to_string();
    assert!(
        coloured.contains("\u{1b}[1m\u{1b}[31mWORSE\u{1b}[0m"),
        "{coloured:?}"
    );
    assert!(!comparison.to_string().contains('\u{1b}'));
}
