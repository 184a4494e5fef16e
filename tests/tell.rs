//! What a server tells of itself, as those who run it meet it: the real command,
//! scraped, asked, and its log read.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::command::{lavandula, run};
use support::http::{Answer, Client, PATIENCE, Server, request};
use support::{FAULTY, root};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A server that operators can ask.
struct Operated {
    server: Server,
    admin: SocketAddr,
}

impl Operated {
    #[track_caller]
    fn start(options: &[&str]) -> Self {
        let server = Server::start(
            FAULTY,
            &[&["--admin-addr", "127.0.0.1:0"], options].concat(),
        );
        let line = server.line();
        let addr = line.strip_prefix("Admin on http://");
        let addr = addr.and_then(|rest| rest.strip_suffix('/')?.parse().ok());
        match addr {
            Some(admin) => Self { server, admin },
            None => panic!("it does not say where operators find it: {line}"),
        }
    }

    #[track_caller]
    fn ask(&self, path: &str) -> Answer {
        Client::connect(self.admin).get(path)
    }

    #[track_caller]
    fn scrape(&self) -> String {
        self.ask("/metrics").text().to_owned()
    }

    /// Scrapes until all of these are there. What a client has read may not have
    /// been counted yet.
    #[track_caller]
    fn assert_told(&self, lines: &[&str]) -> String {
        let began = Instant::now();
        loop {
            let text = self.scrape();
            let missing = lines
                .iter()
                .find(|line| !text.lines().any(|told| told == **line));
            match missing {
                None => return text,
                Some(line) if began.elapsed() > PATIENCE / 4 => panic!("no `{line}` in {text}"),
                Some(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// The value of a sample.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {sample} in {text}"))
}

/// Waits until one of the events in the log, each a JSON object, is the one.
#[track_caller]
fn event(server: &Server, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let log = server.log();
        // The last line may be half written.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let event = match serde_json::from_str(line) {
                Ok(event) => event,
                Err(error) => panic!("{error}: {line}"),
            };
            if wanted(&event) {
                return event;
            }
        }
        assert!(began.elapsed() < PATIENCE, "no such event in {log}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn traced(path: &str, headers: &[&str]) -> Vec<u8> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes()
}

/// The value of a header as the guest saw it.
fn seen<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let lines = answer.text().lines();
    lines
        .filter_map(|line| line.split_once(": "))
        .find_map(|(found, value)| (found == name).then_some(value))
}

// Metrics.

#[test]
fn a_scrape_has_counted_every_request_by_status_and_outcome() {
    for (door, isolation) in [
        ("fast", "instance"),
        ("wasi-http", "instance"),
        ("fast", "rewind"),
    ] {
        let operated = Operated::start(&[
            "--door",
            door,
            "--isolation",
            isolation,
            "--timeout",
            "300ms",
            "--max-memory",
            "8MiB",
            "--max-body",
            "1KiB",
        ]);
        let mut client = operated.server.client();
        for path in ["/count", "/count", "/status?n=404", "/trap", "/overflow"] {
            client.get(path);
        }
        for path in ["/spin", "/hoard"] {
            client.get(path);
        }
        assert_eq!(client.post("/echo", &[b'x'; 1000]).status, 200);
        // Those that never come to a guest.
        for bytes in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            request("POST", "/echo", &[b'x'; 1025]),
        ] {
            let mut client = operated.server.client();
            client.send(&bytes);
            client.answer();
        }

        let requests = |status: u16, outcome: &str, count: u32| {
            format!("lavandula_requests_total{{status=\"{status}\",outcome=\"{outcome}\"}} {count}")
        };
        let expected = [
            requests(200, "ok", 3),
            requests(404, "ok", 1),
            requests(500, "trap", 2),
            requests(504, "deadline", 1),
            requests(500, "out_of_memory", 1),
            requests(400, "malformed", 1),
            requests(413, "body_too_large", 1),
            "lavandula_request_duration_seconds_count 10".to_owned(),
            "lavandula_guest_duration_seconds_count 8".to_owned(),
            "lavandula_guest_memory_bytes_count{stat=\"peak\"} 8".to_owned(),
            // The handler's stack lies first in its memory, and ends where that begins.
            "lavandula_guest_traps_total{kind=\"out_of_bounds\"} 1".to_owned(),
            "lavandula_guest_traps_total{kind=\"unreachable\"} 1".to_owned(),
            "lavandula_guest_timeouts_total 1".to_owned(),
            "lavandula_request_body_bytes_sum 1000.0".to_owned(),
            "lavandula_requests_in_flight 0".to_owned(),
            "lavandula_queue_depth 0".to_owned(),
        ];
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        let text = operated.assert_told(&expected);

        let statuses = text
            .lines()
            .filter(|line| line.starts_with("lavandula_requests_total"));
        assert_eq!(statuses.count(), 7, "{text}");
        // The one that ran until its time was up.
        assert!(value(&text, "lavandula_guest_duration_seconds_sum") >= 0.3);
        assert!(value(&text, "lavandula_guest_memory_denied_total") >= 1.0);
        assert!(value(&text, "lavandula_instances_created_total") >= 1.0);
        assert!(value(&text, "lavandula_epoch_ticks_total") >= 1.0);
        assert!(value(&text, "lavandula_connections_total") >= 3.0);
        assert!(value(&text, "lavandula_connections_open") >= 1.0);
        let rewinds = value(&text, "lavandula_rewinds_total");
        assert_eq!(rewinds > 0.0, isolation == "rewind", "{text}");
        if isolation == "rewind" {
            let failed = value(
                &text,
                "lavandula_instances_retired_total{reason=\"failed\"}",
            );
            assert!(failed >= 4.0, "{failed}");
            assert!(value(&text, "lavandula_arena_bytes_count{stat=\"used\"}") >= 1.0);
        }
    }
}

#[test]
fn the_documentation_has_every_metric_and_no_other() {
    let operated = Operated::start(&[]);
    operated.server.assert_serves();
    let text = operated.scrape();
    let told: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|rest| rest.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect();

    let page = fs::read_to_string(root().join("docs/serve.md")).expect("it is in the tree");
    let documented: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `lavandula_")?.split_once('`'))
        .map(|(name, _)| format!("lavandula_{}", name.split('{').next().unwrap_or(name)))
        .collect();
    assert_eq!(told, documented);
}

#[test]
fn nothing_of_a_request_becomes_a_label() {
    let operated = Operated::start(&[]);
    let mut client = operated.server.client();
    for number in 0..20 {
        client.send(&traced(&format!("/secret-{number}"), &["x-secret: secret"]));
        client.answer();
    }
    let text =
        operated.assert_told(&["lavandula_requests_total{status=\"200\",outcome=\"ok\"} 20"]);
    assert!(!text.contains("secret"), "{text}");
}

// The address for operators.

#[test]
fn operators_find_three_paths_and_nothing_else() {
    let operated = Operated::start(&[]);
    let metrics = operated.ask("/metrics");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(
        (metrics.status, metrics.header("content-type")),
        (200, Some(kind))
    );
    assert!(metrics.text().ends_with("# EOF\n"));
    for (path, status, text) in [("/live", 200, "live\n"), ("/ready", 200, "ready\n")] {
        let answer = operated.ask(path);
        assert_eq!((answer.status, answer.text()), (status, text));
    }
    assert_eq!(operated.ask("/count").status, 404);
    let mut client = Client::connect(operated.admin);
    let answer = client.post("/metrics", b"");
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("GET, HEAD"))
    );

    // And clients find none of them.
    let echo = operated.server.client().get("/metrics");
    assert_eq!((echo.status, echo.text()), (200, ""));
    let log = operated.server.log();
    assert!(log.contains(&format!("addr={}", operated.admin)), "{log}");
}

#[test]
fn operators_are_answered_while_the_server_drains() {
    let mut operated = Operated::start(&["--timeout", "2s"]);
    let mut busy = operated.server.client();
    busy.send(&request("GET", "/spin", b""));
    operated.assert_told(&["lavandula_requests_in_flight 1"]);
    assert_eq!(operated.ask("/ready").status, 200);

    operated.server.process.signal("TERM");
    operated.server.wait_until_deaf();
    let ready = operated.ask("/ready");
    assert_eq!((ready.status, ready.text()), (503, "draining\n"));
    assert_eq!(operated.ask("/live").status, 200);
    let in_flight = value(&operated.scrape(), "lavandula_requests_in_flight");
    assert!((in_flight - 1.0).abs() < f64::EPSILON, "{in_flight}");

    assert_eq!(busy.answer().status, 504);
    let ended = operated.server.process.end(PATIENCE);
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_server_that_is_to_end_is_not_ready_long_before_it_takes_nothing() {
    let mut operated = Operated::start(&["--shutdown-delay", "3s"]);
    let mut kept = operated.server.client();
    let answer = kept.post("/echo", b"ping");
    assert_eq!((answer.status, answer.header("connection")), (200, None));

    let began = Instant::now();
    operated.server.process.signal("TERM");
    while operated.ask("/ready").status == 200 {
        assert!(began.elapsed() < PATIENCE, "{}", operated.server.log());
    }
    let answers = [
        kept.post("/echo", b"ping"),
        operated.server.client().post("/echo", b"ping"),
    ];
    for answer in answers {
        assert_eq!((answer.status, &*answer.body), (200, &b"ping"[..]));
        assert_eq!(answer.header("connection"), Some("close"));
    }
    kept.assert_closed();
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "too slow to say anything"
    );

    operated.server.wait_until_deaf();
    assert!(began.elapsed() >= Duration::from_secs(3));
    assert_eq!(operated.server.process.end(PATIENCE).code(), Some(0));
}

#[test]
fn without_an_address_for_operators_there_is_none() {
    let server = Server::start(FAULTY, &[]);
    assert!(server.line().starts_with("Try: "));
    assert!(!server.log().contains("operators"));
}

#[test]
fn an_address_for_operators_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("an address").to_string();
    let done = run(lavandula().args(["serve", "--admin-addr", &addr]));
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(
        done.stderr.contains(&format!("{addr} is in use")),
        "{done:?}"
    );
}

// Logs.

#[test]
fn a_log_of_json_has_an_object_on_each_line_and_the_clients_trace() {
    let server = Server::start(FAULTY, &["--log-format", "json"]);
    let mut client = server.client();
    let parent = format!("traceparent: 00-{TRACE}-{SPAN}-01");
    for path in ["/print", "/trap"] {
        client.send(&traced(path, &[&parent]));
        client.answer();
    }
    let printed = event(&server, |event| {
        event["target"] == "lavandula::guest" && event["message"] == "printed"
    });
    assert_eq!(
        (&printed["level"], &printed["trace_id"]),
        (&"WARN".into(), &TRACE.into())
    );
    let panicked = event(&server, |event| {
        let message = event["message"].as_str().unwrap_or("");
        event["target"] == "lavandula::guest" && message.contains("asked to trap")
    });
    assert_eq!(panicked["trace_id"], TRACE);

    let answered = event(&server, |event| {
        event["message"] == "request" && event["path"] == "/print"
    });
    for (field, expected) in [
        ("trace_id", Value::from(TRACE)),
        ("method", "GET".into()),
        ("status", 200.into()),
        ("outcome", "ok".into()),
        ("level", "INFO".into()),
    ] {
        assert_eq!(answered[field], expected, "{answered}");
    }
    let span = answered["span_id"].as_str().expect("a span");
    assert!(span.len() == 16 && span != SPAN, "{span}");

    let failed = event(&server, |event| {
        event["level"] == "WARN" && event["outcome"] == "trap"
    });
    assert_eq!(failed["trace_id"], TRACE);
}

#[test]
fn a_log_of_text_has_the_trace_as_well() {
    let server = Server::start(FAULTY, &[]);
    let mut client = server.client();
    let parent = format!("traceparent: 00-{TRACE}-{SPAN}-01");
    client.send(&traced("/print", &[&parent]));
    client.answer();
    let began = Instant::now();
    let line = |log: &str, of: &str| {
        log.lines()
            .find(|line| line.contains(of))
            .is_some_and(|line| line.contains(&format!("trace_id={TRACE}")))
    };
    while !(line(&server.log(), "printed") && line(&server.log(), "path=\"/print\"")) {
        assert!(began.elapsed() < PATIENCE, "{}", server.log());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn without_events_of_requests_the_lines_of_a_guest_have_a_trace_all_the_same() {
    let server = Server::start(FAULTY, &["--log", "warn", "--log-format", "json"]);
    let mut client = server.client();
    let mut traces = BTreeSet::new();
    for _ in 0..2 {
        assert_eq!(client.get("/trap").status, 500);
    }
    let began = Instant::now();
    while traces.len() < 2 {
        assert!(began.elapsed() < PATIENCE, "{}", server.log());
        let log = server.log();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        // What the guest wrote and how its request ended belong together.
        let of = |wanted: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
            let events = whole
                .lines()
                .map(|line| serde_json::from_str(line).expect("JSON"));
            let events = events.filter(|event: &Value| wanted(event));
            events
                .filter_map(|event| Some(event["trace_id"].as_str()?.to_owned()))
                .collect()
        };
        let written = of(&|event| event["target"] == "lavandula::guest");
        let failed = of(&|event| event["outcome"] == "trap");
        traces = written.intersection(&failed).cloned().collect();
    }
}

#[test]
fn a_format_that_is_none_is_refused() {
    let done = run(lavandula().args(["serve", "--log-format", "xml"]));
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(
        done.stderr.contains("[possible values: text, json]"),
        "{done:?}"
    );
}

// Traces.

#[test]
fn a_guest_is_in_the_trace_of_its_client_with_our_span_as_its_parent() {
    for door in ["fast", "wasi-http"] {
        let server = Server::start(FAULTY, &["--door", door, "--log-format", "json"]);
        let mut client = server.client();
        client.send(&traced(
            "/describe",
            &[
                &format!("traceparent: 00-{TRACE}-{SPAN}-01"),
                "tracestate: congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
            ],
        ));
        let answer = client.answer();
        let parent = seen(&answer, "traceparent").expect("a parent");
        let state = seen(&answer, "tracestate");
        assert_eq!(state, Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"));
        let (trace, span) = parent
            .strip_prefix("00-")
            .and_then(|rest| rest.strip_suffix("-01")?.split_once('-'))
            .unwrap_or_else(|| panic!("{door}: {parent}"));
        assert_eq!(trace, TRACE, "{door}");
        assert_ne!(span, SPAN, "{door}");
        // The span that the log has.
        let answered = event(&server, |event| event["message"] == "request");
        assert_eq!(answered["span_id"], span, "{door}");
    }
}

#[test]
fn a_parent_that_is_not_valid_reaches_no_guest() {
    for log in ["info", "off"] {
        let server = Server::start(FAULTY, &["--log", log]);
        let mut client = server.client();
        for bad in [
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            "nonsense".to_owned(),
        ] {
            let parent = format!("traceparent: {bad}");
            client.send(&traced("/describe", &[&parent, "tracestate: a=1"]));
            let answer = client.answer();
            let parent = seen(&answer, "traceparent").expect("a new one");
            assert!(
                parent.starts_with("00-") && !parent.contains(TRACE),
                "{parent}"
            );
            assert_eq!(seen(&answer, "tracestate"), None, "{bad}");
        }
    }
}

#[test]
fn a_trace_begins_here_where_somebody_sees_it() {
    for (log, begins) in [("info", true), ("warn", false), ("off", false)] {
        let server = Server::start(FAULTY, &["--log", log]);
        let answer = server.client().get("/describe");
        let parent = seen(&answer, "traceparent");
        assert_eq!(parent.is_some(), begins, "{log}: {parent:?}");
        // Nobody has recorded anything.
        assert!(
            parent.is_none_or(|parent| parent.ends_with("-02")),
            "{parent:?}"
        );
    }
}

#[test]
fn a_build_without_an_exporter_says_how_to_get_one() {
    let endpoint = ["serve", "--otlp-endpoint", "http://127.0.0.1:4318"];
    let done = run(lavandula().args(endpoint));
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("--features otel"), "{done:?}");
}
