//! A whole run of `requests`, as short as one can be: that nothing is missing, that
//! every answer is right, and what the figures rest on.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use lavandula_bench::measure::Plan;
use lavandula_bench::progress::Steps;
use lavandula_bench::requests::catalogue::{HANDLERS, Isolation, Make};
use lavandula_bench::requests::guests::STATICS;
use lavandula_bench::requests::report::Row;
use lavandula_bench::requests::{self, Report, timing};

/// One round, in which nothing is repeated for the sake of the clock. That every
/// handler gives the same answer with every isolation, 200 each time, is a part of
/// the run: it fails where that is not so.
fn report() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| {
        let plan = Plan {
            rounds: 1,
            section: Duration::from_nanos(1),
            bound: Duration::from_secs(1),
            seed: 1,
        };
        requests::run(&plan, &Steps::new()).unwrap_or_else(|failure| panic!("{failure}"))
    })
}

fn row(handler: &str, isolation: Isolation, make: Make) -> &'static Row {
    let row = report().row(handler, isolation, make);
    row.unwrap_or_else(|| panic!("{handler}, {isolation:?}, {make:?}"))
}

#[test]
fn every_handler_has_a_row_for_every_isolation() {
    assert_eq!(report().rows.len(), timing::cases().count());
    for case in timing::cases() {
        let row = row(case.handler.name, case.isolation, case.make);
        assert!(row.us_per_request > 0.0, "{row:?}");
        let floor = self::row(case.handler.name, Isolation::Reuse, Make::Bare);
        let ratio = row.us_per_request / floor.us_per_request;
        let told = row.ratio_to_floor.expect("there is a floor");
        assert!((ratio / told - 1.0).abs() < 1e-9, "{row:?}");
        assert!(row.counts.instructions > 0, "{row:?}");
        if cfg!(target_os = "linux") {
            assert!(row.counts.pages_touched > Some(0), "{row:?}");
        }
    }
}

#[test]
fn a_rewind_has_a_larger_image_for_more_statics_and_never_one_that_is_too_small() {
    let images: Vec<_> = STATICS
        .into_iter()
        .map(|kib| {
            let row = report()
                .rewind
                .iter()
                .find(|row| (row.statics_kib, row.request_bytes, row.part) == (kib, 0, "rewind"));
            let row = row.unwrap_or_else(|| panic!("{kib} KiB"));
            assert!(row.us > 0.0 && row.image_bytes >= kib * 1024, "{row:?}");
            row.image_bytes
        })
        .collect();
    assert!(images.is_sorted(), "{images:?}");
}

/// Else the figures for more bytes would say nothing: what a request takes is
/// overwritten by the rewind, so it has to be written before.
#[test]
fn the_curve_of_bytes_goes_from_nothing_to_four_mebibytes() {
    let taken: BTreeSet<_> = report()
        .rewind
        .iter()
        .map(|row| row.request_bytes)
        .collect();
    assert_eq!(taken.first(), Some(&0));
    assert_eq!(taken.last(), Some(&(4 << 20)));
}

/// What the host moves into an instance and what the handler does is the same, so
/// the rest is the rewind: the stack of a page, the image, and the arena.
#[test]
fn a_rewound_request_moves_the_stack_and_the_image_beside_its_own_bytes() {
    for handler in HANDLERS {
        let one_shot = report().one_shot.iter();
        let one_shot = one_shot.clone().find(|row| row.handler == handler.name);
        let one_shot = one_shot.expect("a row");
        let rewound = row(handler.name, Isolation::Rewind, Make::InvocationHeap);
        let rest = rewound.counts.bytes_moved - one_shot.sealed_before.bytes_moved;
        let stack = 64 * 1024 - 16;
        assert!(
            rest >= stack + u64::from(one_shot.image_bytes),
            "{rewound:?} {one_shot:?}"
        );
    }
}

#[test]
fn a_one_shot_runtime_pays_for_the_image_and_for_nothing_else() {
    for row in &report().one_shot {
        let (first, sealed) = (row.first, row.sealed_before);
        assert!(first.instructions > sealed.instructions, "{row:?}");
        let moved = first.bytes_moved - sealed.bytes_moved;
        // The image, and a few hundred bytes of what it is described by.
        assert!(
            moved >= u64::from(row.image_bytes) && moved < u64::from(row.image_bytes) + 8192,
            "{row:?}"
        );
    }
}

#[test]
fn the_report_names_what_it_was_made_with_and_judges_every_target() {
    let report = report();
    for name in ["lavandula", "wasmtime", "rustc", "serde_json"] {
        assert!(report.versions.contains_key(name), "{name}");
    }
    assert!(report.command.ends_with("requests --rounds 1"));
    assert_eq!(report.sizes.len(), 4);
    for target in &report.targets {
        assert_eq!(target.met, target.measured <= target.at_most, "{target:?}");
    }
    // Four of the rewind, and of InvocationHeap: two pools and what one-shot
    // runtimes pay for each handler, and the bytes of each sample.
    assert_eq!(report.targets.len(), 4 + 3 * HANDLERS.len() + 2);
}

#[test]
fn json_table_and_picture_have_every_handler_and_isolation() {
    let json = serde_json::to_value(report()).expect("a report");
    let first = &json["rows"][0];
    for field in [
        "handler",
        "isolation",
        "allocator",
        "us_per_request",
        "ratio_to_floor",
        "spread",
        "pages_touched",
    ] {
        assert!(
            !first[field].is_null() || field == "pages_touched",
            "{field}"
        );
    }
    let (table, plot) = (requests::table(report()), requests::plot(report()));
    for handler in HANDLERS {
        assert!(table.contains(handler.name) && plot.contains(handler.name));
    }
    for isolation in Isolation::ALL {
        assert!(table.contains(isolation.name()));
        let is_drawn = isolation != Isolation::Reuse;
        assert_eq!(plot.contains(&format!(">{}", isolation.name())), is_drawn);
    }
}
