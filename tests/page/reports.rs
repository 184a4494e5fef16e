//! Reports of all the kinds of runs that there are, to be shown as pages.

use std::fmt::Write;

use lavandula_host::check::{Ended, Memory, Report, Row, Timeline};
use serde_json::{Value, json};

/// A report with all kinds of evidence, of which these do not hold.
fn report(requests: u32, broken: &[(&str, &str, Value)]) -> Value {
    let kinds = [
        "answers",
        "size",
        "resources",
        "footprint",
        "addresses",
        "content",
        "identity",
        "pointers",
        "claims",
        "freshness",
    ];
    let evidence: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            let fault = broken.iter().find(|(name, ..)| name == kind);
            json!({
                "name": kind,
                "holds": fault.is_none(),
                "expected": format!("what is expected of {kind}"),
                "detail": fault.map_or("as it should be, in 160 requests", |(_, detail, _)| detail),
                "culprit": fault.map(|(.., culprit)| culprit),
            })
        })
        .collect();
    json!({
        "format": 1,
        "lavandula": "0.1.0",
        "component": "examples/json-api/target/json-api.wasm",
        "verdict": if broken.is_empty() { "holds" } else { "broken" },
        "requests": requests,
        // A seed has 64 bits; a number of JavaScript has not.
        "seed": u64::MAX,
        "door": "fast",
        "isolation": "rewind",
        "memory": 18 * 65_536,
        "evidence": evidence,
        "figures": {
            "component": 412_345, "memory_initial": 17 * 65_536, "memory_peak": 18 * 65_536,
            "memory_grown": 0, "arena_peak": 70_120, "arena_committed": 131_072,
            "pages_of_a_request": 23, "pages_of_all": 31, "bytes_left": 0,
        },
    })
}

fn with(report: Value, timeline: Timeline) -> Report {
    let mut report: Report = serde_json::from_value(report).expect("a report");
    report.timeline = timeline;
    report
}

/// A column, of letters and how often each comes.
fn column(runs: &[(char, u32)]) -> String {
    let mut column = String::new();
    for (letter, times) in runs.iter().filter(|(_, times)| *times > 0) {
        write!(column, "{letter}{times}").expect("a string takes all");
    }
    column
}

fn row(shape: u32, used: u64, written: u32, column: u32) -> Row {
    Row {
        shape,
        ended: Ended::Answer,
        status: Some(200),
        used: Some(used),
        committed: Some(131_072),
        memory: 18 * 65_536,
        written,
        left: 0,
        column,
    }
}

const SHAPES: [&str; 8] = [
    "GET /, no body",
    "POST /items, 128 bytes",
    "POST /items, 4 KiB",
    "PUT /items/7, 1 KiB",
    "DELETE /items/7",
    "POST /upload, 70 KiB",
    "GET /search with many headers",
    "HEAD /",
];

/// A handler as it should be: each shape uses its own part of the arena, the same
/// every time; in the first of five cycles what is lazy is made.
fn holding(requests: u32) -> Report {
    let mut timeline = Timeline::default();
    timeline.page = 4096;
    timeline.memories = vec![Memory {
        rows: 288,
        bytes: 18 * 65_536,
    }];
    timeline.shapes = SHAPES.map(String::from).to_vec();
    timeline.warm_up = 40;
    for (shape, blocks) in (0..).zip([1, 2, 4, 3, 1, 19, 6, 1]) {
        for heap in [4, 9] {
            let runs = [
                ('k', 16),
                ('s', 12),
                ('i', 12),
                ('u', blocks),
                ('f', 32 - blocks),
                ('h', heap),
                ('.', 216 - heap),
            ];
            timeline.columns.push(column(&runs));
            let at = shape * 2 + u32::from(heap == 9);
            timeline
                .rows
                .push(row(shape, u64::from(blocks) * 3_900 + 17, blocks + 4, at));
        }
    }
    timeline.requests = (1..=requests)
        .map(|number| {
            let shape = (number - 1) % 8;
            (number, shape * 2 + u32::from(number > 8))
        })
        .collect();
    with(report(requests, &[]), timeline)
}

/// A leak that marches upward: no column is like another, and none is given back.
fn marching() -> Report {
    const ROWS: u32 = 300;
    let mut timeline = Timeline::default();
    timeline.page = 65_536;
    timeline.memories = vec![Memory {
        rows: ROWS,
        bytes: u64::from(ROWS) * 65_536,
    }];
    timeline.shapes = SHAPES.map(String::from).to_vec();
    timeline.warm_up = 40;
    for number in 1..=10_000u32 {
        let filled = number * 250 / 10_000;
        let used = 1 + number % 8;
        let free = 1 + number % 3;
        // Here and there a hole: so every column is a text of its own.
        let hole = number % (filled.max(2) - 1);
        let runs = [
            ('k', 1),
            ('s', 2),
            ('d', hole),
            ('h', u32::from(filled > 2)),
            ('d', filled.saturating_sub(hole)),
            ('u', used),
            ('f', free),
            ('.', ROWS - 4 - filled.max(hole) - used - free),
        ];
        timeline.columns.push(column(&runs));
        timeline.rows.push(Row {
            left: u64::from(number) * 1_640,
            memory: u64::from(10 + filled) * 65_536,
            ..row(
                (number - 1) % 8,
                3_000 + u64::from(used) * 997,
                used + 4,
                number - 1,
            )
        });
        timeline.requests.push((number, number - 1));
    }
    let culprit = json!({
        "place": {"memory": 0, "offset": 0x0003_0000, "region": "heap", "symbol": null},
        "written_by": 41, "owed_by": 41, "requests": [41],
        "replay": "lavandula check tests/guests/leaky --seed 18446744073709551615 --only 41",
    });
    let faults = [
        (
            "footprint",
            "after request 41 the pages written march upward: 1,640 bytes a request are never used again",
            culprit,
        ),
        (
            "size",
            "memory grew by 15.6 MiB after the warm-up",
            json!({"requests": [41, 81]}),
        ),
    ];
    with(report(10_000, &faults), timeline)
}

/// One page of statics keeps what a request brought, after one request in fifty.
fn marked() -> Report {
    let mut report = holding(400);
    let clean = report.timeline.rows.clone();
    let marker = column(&[
        ('k', 16),
        ('s', 5),
        ('m', 1),
        ('s', 6),
        ('i', 12),
        ('u', 3),
        ('f', 29),
        ('h', 9),
        ('.', 207),
    ]);
    let at = u32::try_from(report.timeline.columns.len()).expect("few");
    report.timeline.columns.push(marker);
    for row in &clean {
        report.timeline.rows.push(Row {
            column: at,
            left: 64,
            ..row.clone()
        });
    }
    let behind = u32::try_from(clean.len()).expect("few");
    for (number, row) in &mut report.timeline.requests {
        if *number > 40 && *number % 50 == 7 {
            *row += behind;
        }
    }
    let culprit = json!({
        "place": {"memory": 0, "offset": 0x0001_5a40, "region": "statics", "symbol": "json_api::session::LAST_USER"},
        "written_by": 57, "owed_by": 57, "requests": [57, 58],
        "replay": "lavandula check examples/json-api --seed 18446744073709551615 --only 57,58",
    });
    let fault = (
        "content",
        "after request 57 (POST /items, 128 bytes) 24 bytes of its marker are in json_api::session::LAST_USER, at 0x15a40 of memory 0; so it is after 7 more requests",
        culprit,
    );
    let timeline = report.timeline;
    with(self::report(400, &[fault]), timeline)
}

/// Two linear memories, the second one small, and a guest that tells nothing. Of
/// the requests some are not shown, and some end in other ways than with an answer.
fn two_memories() -> Report {
    let mut timeline = Timeline::default();
    timeline.page = 4096;
    timeline.memories = vec![
        Memory {
            rows: 64,
            bytes: 64 * 4096,
        },
        Memory {
            rows: 16,
            bytes: 16 * 4096,
        },
    ];
    timeline.shapes = vec!["GET /".into(), "POST /".into()];
    timeline.warm_up = 10;
    let ends = [
        Ended::Answer,
        Ended::Trap,
        Ended::Deadline,
        Ended::Denied,
        Ended::Gone,
    ];
    for (at, ended) in (0..).zip(ends) {
        timeline.columns.push(column(&[
            ('k', 8),
            ('s', 6),
            ('h', 10 + at),
            ('.', 40 - at),
            ('s', 2),
            ('h', 3),
            ('.', 11),
        ]));
        timeline.rows.push(Row {
            status: (ended == Ended::Answer).then_some(204),
            ended,
            used: None,
            committed: None,
            memory: 80 * 4096,
            ..row(at % 2, 0, 9 + at, at)
        });
    }
    timeline.requests = (0..90).map(|at| (at * 3 + 1, at % 5)).collect();
    let mut report = report(268, &[]);
    report["component"] = Value::Null;
    report["figures"]["arena_peak"] = Value::Null;
    report["figures"]["arena_committed"] = Value::Null;
    report["isolation"] = json!("instance");
    with(report, timeline)
}

/// What a guest, or the one who names its files, could try.
fn hostile() -> Report {
    let end = "</script><script>window.taken = 1</script><!-- ";
    let image = "<img src=x onerror=\"window.taken = 2\">";
    let turned = "json_api::\u{202e}gpj.exe\u{202c} \u{1f480}\u{1f469}\u{200d}\u{1f4bb} \u{2028}\u{2029}\0\u{7f}";
    let long = "very_long_name::".repeat(640);
    let culprit = json!({
        "place": {"memory": 0, "offset": u64::MAX >> 12, "region": "statics", "symbol": format!("{end}{turned}{long}")},
        "written_by": 3, "owed_by": u32::MAX, "requests": (1..=500).collect::<Vec<u32>>(),
        "replay": format!("lavandula check '{image}' --only 3"),
    });
    let detail = format!("{image}{end}{turned}{{{{script}}}} \"seed\":5");
    let mut value = report(20, &[("content", &detail, culprit)]);
    value["component"] = json!(format!("{end}{image}{turned}"));
    value["lavandula"] = json!(image);
    let mut timeline = holding(20).timeline;
    timeline.shapes = [end, image, turned, &long, "", "{{data}}", "\\", "'\""]
        .map(String::from)
        .to_vec();
    with(value, timeline)
}

/// A report that nobody recorded a timeline for.
fn empty() -> Report {
    with(report(0, &[]), Timeline::default())
}

/// As much as the recorder keeps: every row and every column different, and of these
/// 900 kilobytes.
fn full() -> Report {
    const ROWS: u32 = 1024;
    let mut report = marching();
    for (at, column) in (0u32..).zip(&mut report.timeline.columns) {
        column.clear();
        let mut rows = 0;
        for (part, letter) in (0u32..).zip("kshufd".chars().cycle()) {
            let times = 1 + (at + part * 7) % 61;
            let run = format!("{letter}{times}");
            rows += times;
            if column.len() + run.len() > 90 || rows > ROWS {
                break;
            }
            column.push_str(&run);
        }
    }
    report.timeline.memories = vec![Memory {
        rows: ROWS,
        bytes: u64::from(ROWS) * 65_536,
    }];
    report
}

/// All of them, by name.
pub fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("holding", holding(200)),
        ("many", holding(10_000)),
        ("marching", marching()),
        ("marked", marked()),
        ("two-memories", two_memories()),
        ("hostile", hostile()),
        ("empty", empty()),
        ("full", full()),
    ]
}
