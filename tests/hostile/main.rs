//! Whatever is given to the host as a component, and whatever a component does:
//! the host neither crashes nor hangs. It refuses it and says why, or serves it
//! within its limits, and is as good as before for others.
//!
//! All cases are the same in every run, unless `chance` is told otherwise.

mod binary;
mod chance;
mod encode;
mod guard;
mod guests;
mod mutate;
mod nasty;
mod smith;
#[path = "../support/mod.rs"]
mod support;
mod trial;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use lavandula_host::Door;

use chance::{Chance, cases};
use guests::{Claims, Evil, MEMORY, SIGNAL};
use mutate::Original;
use smith::Smith;
use support::command::{Done, lavandula, run};
use support::{FAULTY, component};
use trial::{Became, Case, Look, Trials};

// Components that were good once.

/// Mutants of `originals`, one after the other, `count` in all.
#[track_caller]
fn try_mutants(test: &'static str, originals: &[Original], count: u64) -> trial::Tally {
    let mut trials = Trials::new(test);
    for number in 0..count {
        let mut chance = Chance::of(test, number);
        let original = chance.pick(originals).expect("there are some");
        let (how, bytes) = original.mutant(&mut chance, originals);
        let mut case = Case::new(format!("{}: {how}", original.name), bytes);
        if let Some((target, document)) = original.work {
            case = case.request(target, fs::read(document).expect("a document"));
        }
        if chance.once_in(3) {
            case = case.rewound();
        }
        if original.name == "faulty" && chance.once_in(2) {
            case = case.door(Door::WasiHttp);
        }
        if chance.once_in(8) {
            case = case.look(Look::Inspect);
        } else if chance.once_in(24) {
            case = case.look(Look::Check);
        }
        trials.run(case);
    }
    trials.end()
}

#[test]
fn mutants_of_small_handlers_are_refused_or_served() {
    let claims = Claims {
        seal: "(call $refuse (i32.const 12))",
        usage: "(i32.const 8448)",
        image_store: "(call $regions (i32.const 0))",
        ..Claims::default()
    };
    let originals = [
        Original::new("small", Evil::default().component()),
        Original::new("claiming", claims.component()),
        Original::new("standard", nasty::by_the_standard_door().remove(0).1),
    ];
    let count = cases(300);
    let tally = try_mutants("small-mutants", &originals, count);
    // Neither is all that is tried stopped by the first check, nor is it harmless.
    let share = u32::try_from(count / 5).expect("not so many");
    assert!(tally.refusals() >= share, "{tally}");
    assert!(tally.loaded() >= share, "{tally}");
    assert!(tally.refused.len() >= 2, "{tally}");
    for label in ["ok", "trap"] {
        assert!(tally.served.contains_key(label), "no {label}: {tally}");
    }
}

#[test]
fn mutants_of_real_handlers_are_refused_or_served() {
    let read = |folder| fs::read(component(folder)).expect("the component is there");
    let originals = [
        Original::new("json-api", read("examples/json-api")).working(
            "/filter?browser=firefox&since=100",
            "examples/json-api/data/http-compat.json",
        ),
        Original::new("markdown", read("examples/markdown")).working(
            "/render?full=true",
            "examples/markdown/data/tokio-changelog.md",
        ),
        Original::new("faulty", read(FAULTY)).working("/echo", "README.md"),
    ];
    let count = cases(32);
    let tally = try_mutants("real-mutants", &originals, count);
    let share = u32::try_from(count / 8).expect("not so many");
    assert!(tally.refusals() >= share, "{tally}");
    assert!(tally.loaded() >= share, "{tally}");
}

// Random code.

#[test]
fn random_code_is_called_and_ends_within_the_limits() {
    let test = "random-code";
    let smith = Smith::new();
    let mut trials = Trials::new(test);
    for number in 0..cases(60) {
        let mut chance = Chance::of(test, number);
        let handler = smith.handler(&mut chance);
        let case = Case::new("random code behind the fast door", handler);
        trials.run(case);
    }
    let tally = trials.end();
    assert!(tally.loaded() > tally.refusals(), "{tally}");
    assert!(tally.served.len() >= 2, "{tally}");
}

#[test]
fn random_components_and_modules_are_refused() {
    let test = "random-components";
    let smith = Smith::new();
    let mut trials = Trials::new(test);
    for number in 0..cases(60) {
        let mut chance = Chance::of(test, number);
        let (name, bytes) = if chance.once_in(8) {
            ("a random module", smith.module(&mut chance))
        } else {
            ("a random component", smith.component(&mut chance))
        };
        let became = trials.run(Case::new(name, bytes).look(Look::Inspect));
        assert!(matches!(became, Became::Refused(_)), "{became:?}");
    }
    // They are valid: what they lack is a door.
    let tally = trials.end();
    assert!(tally.refused.contains_key("NoDoor"), "{tally}");
    assert!(tally.refused.contains_key("CoreModule"), "{tally}");
}

// What somebody thought of.

#[test]
fn noise_is_refused() {
    let mut trials = Trials::new("noise");
    for (name, bytes) in nasty::noise(&mut Chance::of("noise", 0)) {
        let became = trials.run(Case::new(name.clone(), bytes).look(Look::Inspect));
        assert!(matches!(became, Became::Refused(_)), "{name}: {became:?}");
    }
    let tally = trials.end();
    for kind in ["NotWasm", "CoreModule", "Compile", "NoDoor"] {
        assert!(tally.refused.contains_key(kind), "no {kind}: {tally}");
    }
}

#[test]
fn giants_are_refused_or_served() {
    let mut trials = Trials::new("giants");
    for (name, bytes) in nasty::giants() {
        trials.run(Case::new(name, bytes).look(Look::Inspect));
    }
    let tally = trials.end();
    assert!(tally.loaded() > 5 && tally.refusals() > 5, "{tally}");
}

#[test]
fn a_handler_that_cannot_start_fails_each_request() {
    let mut trials = Trials::new("stillborn");
    for (name, bytes, label) in nasty::stillborn() {
        let became = trials.run(Case::new(name, bytes).look(Look::Check));
        assert_eq!(became, Became::Served(vec![label; 3]), "{name}");
    }
    trials.end();
}

#[test]
fn a_standard_handler_that_never_answers_fails_each_request() {
    let mut trials = Trials::new("standard");
    let labels = ["bad_response", "trap", "deadline"];
    for ((name, bytes), label) in nasty::by_the_standard_door().into_iter().zip(labels) {
        let became = trials.run(Case::new(name.clone(), bytes).look(Look::Check));
        assert_eq!(became, Became::Served(vec![label; 3]), "{name}");
    }
    trials.end();
}

/// Handlers that do this to one request fail it with this label, and answer the
/// others.
#[track_caller]
fn harmed_once<'a>(table: &'a [(&'a str, &'static str)], evil: impl Fn(&'a str) -> Evil<'a>) {
    let mut trials = Trials::new("harmed-once");
    for &(what, label) in table {
        let bytes = evil(what).component();
        let became = trials.run(Case::new(what, bytes).rewound());
        assert_eq!(became, Became::Served(vec!["ok", label, "ok"]), "{what}");
    }
    trials.end();
}

#[test]
fn an_answer_that_lies_nowhere_or_makes_no_sense_fails_its_request_alone() {
    let respond = |status, headers, count, body, len| {
        format!(
            "(return (call $respond (i32.const {status}) (i32.const {headers}) \
             (i32.const {count}) (i32.const {body}) (i32.const {len})))"
        )
    };
    let header = |bytes: &str, name_at, name_len, value_at, value_len| {
        format!(
            "(i64.store (i32.const 4096) (i64.const {bytes})) (call $header (i32.const {name_at}) \
             (i32.const {name_len}) (i32.const {value_at}) (i32.const {value_len})) {}",
            respond(200, 2048, 1, 48, 5)
        )
    };
    // As many headers as fit, all of them the same: $many COUNT LEN.
    let many = |count: usize, len: usize| {
        format!(
            "(local.set 0 (i32.const 65536))
             (loop $l
                (i32.store (local.get 0) (i32.const 4096))
                (i32.store offset=4 (local.get 0) (i32.const {len}))
                (i32.store offset=8 (local.get 0) (i32.const 4096))
                (i32.store offset=12 (local.get 0) (i32.const {len}))
                (local.set 0 (i32.add (local.get 0) (i32.const 16)))
                (br_if $l (i32.lt_u (local.get 0) (i32.const {}))))
             (memory.fill (i32.const 4096) (i32.const 97) (i32.const {len}))
             {}",
            65536 + 16 * count,
            respond(200, 65536, count as i64, 48, 5)
        )
    };
    let table = [
        ("(return (i32.const -1))".to_owned(), "trap"),
        ("(return (i32.const 0x7ffffff0))".to_owned(), "trap"),
        (format!("(return (i32.const {}))", MEMORY - 4), "trap"),
        ("(return (i32.const 1026))".to_owned(), "trap"),
        // All zero.
        ("(return (i32.const 5000))".to_owned(), "bad_response"),
        (respond(0, 64, 1, 48, 5), "bad_response"),
        (respond(99, 64, 1, 48, 5), "bad_response"),
        (respond(65_535, 64, 1, 48, 5), "bad_response"),
        // Lists that do not fit into memory, or into a number.
        (respond(200, 64, -1, 48, 5), "trap"),
        (respond(200, 64, 0x1000_0000, 48, 5), "trap"),
        (respond(200, 64, 0x2000_0000, 48, 5), "trap"),
        (respond(200, 66, 1, 48, 5), "trap"),
        (respond(200, -16, 1, 48, 5), "trap"),
        (respond(200, 64, 1, 48, -1), "trap"),
        (respond(200, 64, 1, 131_072, 1), "trap"),
        (respond(200, 64, 1, 48, 131_025), "trap"),
        // At the very end, which is allowed.
        (respond(200, 131_072, 0, 131_072, 0), "ok"),
        // Headers that are none.
        (header("0xfffefdfcfbfaf9f8", 4096, 8, 32, 3), "trap"),
        (header("0x6120620000000000", 4096, 8, 32, 3), "bad_response"),
        (header("0", 16, 0, 32, 3), "bad_response"),
        (header("0x0a0d0a0d0a0d0a0d", 16, 7, 4096, 8), "bad_response"),
        (header("0", 131_070, 3, 32, 3), "trap"),
        (header("0", 16, 7, 32, -1), "trap"),
        // Many, and together more than there is memory.
        (many(4_000, 20), "bad_response"),
        (many(4_000, 60_000), "trap"),
    ];
    let table: Vec<_> = table
        .iter()
        .map(|(what, label)| (&**what, *label))
        .collect();
    harmed_once(&table, |handle| Evil {
        handle,
        ..Evil::default()
    });
}

#[test]
fn a_handler_that_uses_too_much_fails_its_request_alone() {
    let table = [
        ("unreachable", "trap"),
        ("(loop $l (br $l))", "deadline"),
        ("(return (call $recurse))", "trap"),
        ("(return (i32.div_u (i32.const 1) (i32.const 0)))", "trap"),
        (
            "(loop $l (drop (memory.grow (i32.const 1))) (br $l))",
            "deadline",
        ),
        (
            "(if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1)) (then unreachable))",
            "out_of_memory",
        ),
        (
            "(loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 131072)) (br $l))",
            "deadline",
        ),
        (
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const -1))",
            "trap",
        ),
    ];
    harmed_once(&table, |handle| Evil {
        handle,
        ..Evil::default()
    });
}

#[test]
fn a_handler_that_spoils_what_comes_after_its_answer_fails_its_request_alone() {
    let table = [
        ("unreachable", "trap"),
        ("(loop $l (br $l))", "deadline"),
        ("(drop (call $recurse))", "trap"),
        ("(drop (memory.grow (i32.const 65000)))", "ok"),
    ];
    harmed_once(&table, |post| Evil {
        handle: "(return (call $answer (i32.const 201)))",
        post,
        ..Evil::default()
    });
}

#[test]
fn a_handler_that_gives_no_room_for_its_request_fails_it_alone() {
    let just = MEMORY - SIGNAL;
    let fits = format!("(return (i32.const {just}))");
    let too_far = format!("(return (i32.const {}))", just + 1);
    let table = [
        ("(return (i32.const -1))", "trap"),
        (&too_far, "trap"),
        (&fits, "ok"),
        ("unreachable", "trap"),
        ("(loop $l (br $l))", "deadline"),
        ("(return (call $recurse))", "trap"),
        (
            "(return (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (local.get 3)))",
            "trap",
        ),
        (
            "(return (i32.shl (memory.grow (i32.const 65000)) (i32.const 16)))",
            "out_of_memory",
        ),
    ];
    harmed_once(&table, |realloc| Evil {
        realloc,
        ..Evil::default()
    });
}

#[test]
fn a_handler_may_claim_anything_about_its_memory() {
    let mut trials = Trials::new("claims");
    // Mebibytes of regions, each of them the same mebibytes of zeros.
    let overlapping = "
        (local $at i32)
        (drop (memory.grow (i32.const 200)))
        (local.set $at (i32.const 131072))
        (loop $l
            (i32.store (local.get $at) (i32.const 7000000))
            (i32.store offset=4 (local.get $at) (i32.const 6000000))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $l (i32.lt_u (local.get $at) (i32.const 6684672))))
        (call $regions (i32.const 819200))";
    // Of every sixteen bytes eight: those from this one on.
    let scattered = |first: usize| {
        format!(
            "(local $at i32)
            (drop (memory.grow (i32.const 200)))
            (local.set $at (i32.const 131072))
            (loop $l
                (i32.store (local.get $at) (i32.add (i32.const {})
                    (i32.shl (local.get $at) (i32.const 1))))
                (i32.store offset=4 (local.get $at) (i32.const 8))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (br_if $l (i32.lt_u (local.get $at) (i32.const 4194304))))
            (call $regions (i32.const 507904))",
            4_194_304 + first
        )
    };
    let bad = [
        "unreachable",
        "(loop $l (br $l)) unreachable",
        "(call $recurse)",
        "(i32.const -1)",
        "(i32.const 131072)",
        "(i32.const 8193)",
        "(call $refuse (i32.const 12))",
        "(call $refuse (i32.const 100000))",
        "(call $refuse (i32.const -1))",
        "(i32.store (i32.const 16384) (i32.const 0x6d31331b)) (call $refuse (i32.const 4))",
        "(i32.store (i32.const 16384) (i32.const 0xfffefdfc)) (call $refuse (i32.const 4))",
        "(i32.store8 (i32.const 8192) (i32.const 7)) (i32.const 8192)",
        "(memory.fill (i32.const 8192) (i32.const 255) (i32.const 96)) (i32.const 8192)",
        "(call $regions (i32.const 0))",
        "(call $regions (i32.const 1))",
        "(call $regions (i32.const -1))",
        overlapping,
    ];
    let mut try_claims = |what: &str, look, claims: Claims<'_>| {
        let case = Case::new(what, claims.component());
        trials.run(case.look(look).rewound());
    };
    let good = Claims::default();
    for what in bad {
        for claims in [
            Claims { seal: what, ..good },
            Claims {
                rewind: what,
                ..good
            },
            Claims {
                usage: what,
                ..good
            },
        ] {
            try_claims(what, Look::Not, claims);
        }
        // Only a check asks for these.
        let image_store = what;
        try_claims(
            what,
            Look::Check,
            Claims {
                image_store,
                ..good
            },
        );
        let blocks = what;
        try_claims(what, Look::Check, Claims { blocks, ..good });
    }
    let claims = Claims {
        image_store: &scattered(0),
        blocks: &scattered(8),
        ..good
    };
    try_claims("half a million regions", Look::Check, claims);
    trials.end();
}

/// The server logs what caused a trap, once a request. It names the functions on the
/// stack, and their names are the guest's.
#[tokio::test]
async fn the_cause_of_a_trap_is_short_and_plain() {
    let name = "\\1b[31m".repeat(10_000);
    let evil = Evil {
        items: &format!("(func $f (@name \"{name}\") unreachable)"),
        handle: "(call $f)",
        ..Evil::default()
    };
    let host = lavandula_host::Host::builder();
    let host = host.load_bytes(&evil.component()).expect("it loads");
    let request = http::Request::post("/").body("").expect("a request");
    let failure = host.request(request).await.failure.expect("it traps");
    let cause = std::error::Error::source(&failure).expect("a cause");
    let text = format!("{cause:?}");
    assert!(text.len() < 8 << 10, "{} bytes", text.len());
    assert!(!text.contains('\x1b'), "{text:?}");
}

/// The limit is one for all memories of an instance together, and what could never run
/// is refused before anybody asks for it.
#[tokio::test]
async fn memories_that_are_too_large_only_together_are_refused_when_they_are_loaded() {
    let module = Evil::default().module().replace(
        "(memory (export \"memory\") 2)",
        "(memory (export \"memory\") 2) (memory 300) (memory 300)",
    );
    let component = guests::encode(&module, "export lavandula:arena/handler@0.1.0;");
    let host = |pages: usize| {
        let host = lavandula_host::Host::builder().max_memory(pages << 16);
        host.load_bytes(&component)
    };
    let error = host(601).expect_err("one page too many");
    assert!(matches!(error, lavandula_host::LoadError::Memory { .. }));
    assert!(error.to_string().contains("raise the memory limit"));
    let request = http::Request::get("/").body("").expect("a request");
    let outcome = host(602).expect("it fits").request(request).await;
    assert_eq!(outcome.response.status(), 200, "{:?}", outcome.failure);
    assert_eq!(outcome.memory.initial, 602 << 16);
}

// The command.

#[test]
fn the_command_refuses_what_cannot_be_served_in_a_few_lines() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut chance = Chance::of("command", 0);
    let mut files = nasty::noise(&mut chance);
    files.truncate(3);
    files.extend(nasty::giants().into_iter().filter(|(name, _)| {
        [
            "terminal",
            "99 000",
            "20 000 exports",
            "20 000 components",
            "2^32",
            "largest",
        ]
        .iter()
        .any(|part| name.contains(part))
    }));
    let mut refused = 0;
    for (name, bytes) in files {
        let file = folder.path().join("nasty.wasm");
        fs::write(&file, bytes).expect("a temporary file");
        let ask = |arguments: &[&str]| {
            let done = run(lavandula().args(arguments).arg(&file));
            readable(&name, &done);
            done
        };
        // What has no door, or asks for too much, can be looked at all the same.
        let inspected = ask(&["inspect"]);
        assert!(
            [Some(0), Some(2)].contains(&inspected.code),
            "{name}: {inspected:?}"
        );
        for arguments in [
            &["serve", "--addr", "127.0.0.1:0"][..],
            &["check", "--requests", "3"],
        ] {
            let done = ask(arguments);
            assert_eq!(
                (done.code, &*done.stdout),
                (Some(2), ""),
                "{name}: {done:?}"
            );
            assert!(done.stderr.starts_with("error: "), "{name}: {done:?}");
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
}

/// A pipe into which nobody writes, a device without end, a file with a hole of a
/// terabyte in it.
#[test]
fn the_command_reads_no_more_than_a_file_of_a_component() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = |name: &str| folder.path().join(name);
    let pipe = place("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo, of coreutils").success());
    let hole = place("hole");
    let file = fs::File::create(&hole).expect("a temporary file");
    file.set_len(1 << 40).expect("a file with a hole");
    let output = place("output");
    for (path, wrong) in [
        (&*pipe, "is a pipe and not a file"),
        (Path::new("/dev/zero"), "is a device and not a file"),
        (&*hole, "has more than"),
    ] {
        let serve = ["serve".as_ref(), path.as_os_str()];
        let config = ["serve".as_ref(), "--config".as_ref(), path.as_os_str()];
        let check = ["check".as_ref(), path.as_os_str()];
        let inspect = ["inspect".as_ref(), path.as_os_str()];
        let to = [OsStr::new("--output"), output.as_os_str()];
        let compile = ["compile".as_ref(), path.as_os_str(), to[0], to[1]];
        let commands = [&serve[..], &config, &check, &inspect, &compile];
        for arguments in commands {
            let done = run(lavandula().args(arguments));
            assert_eq!(
                (done.code, &*done.stdout),
                (Some(2), ""),
                "{arguments:?} {done:?}"
            );
            assert!(done.stderr.contains(wrong), "{arguments:?} {done:?}");
            readable(wrong, &done);
        }
    }
    assert!(!output.exists());
    // What is on the other side of a link is what counts.
    let link = place("link.wasm");
    let good = place("good.wasm");
    fs::write(&good, Evil::default().component()).expect("a temporary file");
    std::os::unix::fs::symlink(&good, &link).expect("a link");
    let done = run(lavandula().arg("inspect").arg(&link));
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn the_command_checks_a_hostile_handler_to_the_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes, _) in nasty::stillborn().into_iter().take(3) {
        let file = folder.path().join("nasty.wasm");
        fs::write(&file, bytes).expect("a temporary file");
        let done = run(lavandula()
            .args(["check", "--requests", "40", "--timeout", "200ms"])
            .arg(&file));
        readable(name, &done);
        assert_eq!(done.code, Some(2), "{name}: {done:?}");
    }
}

/// What the command wrote can be read on a terminal, and is no panic's.
#[track_caller]
fn readable(name: &str, done: &Done) {
    let Done { stdout, stderr, .. } = done;
    for text in [stdout, stderr] {
        let odd = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(odd, None, "{name}: {text:?}");
        assert!(!text.contains("panicked"), "{name}: {text}");
    }
    assert!(
        stderr.len() < 4 << 10,
        "{name}: {} bytes of errors",
        stderr.len()
    );
}
