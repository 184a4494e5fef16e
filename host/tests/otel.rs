//! Traces, as a collector gets them: the real command, a handler of a few lines, and
//! a collector that reads what OTLP says.
//!
//! `cargo test -p lavandula-host --features otel --test otel`

#[allow(dead_code, reason = "the tests of the library use the rest")]
#[path = "../src/testing.rs"]
mod testing;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const PATIENCE: Duration = Duration::from_secs(60);

/// A field of a protobuf message.
#[derive(Clone, Copy, Debug)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole number");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

/// The fields of a message with their numbers, in order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let mut take = |length: usize| {
            let (taken, rest) = bytes.split_at(length);
            bytes = rest;
            taken
        };
        let field = match tag & 7 {
            1 => Field::Bytes(take(8)),
            5 => Field::Bytes(take(4)),
            0 => Field::Number(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes);
                let (taken, rest) = bytes.split_at(length.try_into().expect("it fits"));
                bytes = rest;
                Field::Bytes(taken)
            }
            kind => panic!("no field has the type {kind}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

/// All messages in the field `number` of a message.
fn messages(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let fields = fields(bytes).into_iter();
    let of = fields.filter(|(found, _)| *found == number);
    of.filter_map(|(_, field)| match field {
        Field::Bytes(bytes) => Some(bytes),
        Field::Number(_) => None,
    })
    .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key with a value of text or a number, of a resource or a span.
fn attribute(bytes: &[u8]) -> (String, String) {
    let key = messages(bytes, 1).first().map(|key| text(key));
    let value = messages(bytes, 2).into_iter().flat_map(fields).next();
    let value = match value {
        Some((1, Field::Bytes(value))) => text(value),
        Some((3, Field::Number(value))) => value.to_string(),
        other => format!("{other:?}"),
    };
    (key.expect("a key"), value)
}

/// A span, as `opentelemetry/proto/trace/v1/trace.proto` numbers its fields.
#[derive(Debug)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    attributes: Vec<(String, String)>,
    failed: bool,
    service: String,
}

impl Span {
    fn of(bytes: &[u8], service: &str) -> Self {
        let first = |number| messages(bytes, number).first().copied().unwrap_or(&[]);
        let kind = fields(bytes).into_iter().find_map(|field| match field {
            (6, Field::Number(kind)) => Some(kind),
            _ => None,
        });
        // A status of 2 is an error.
        let status = fields(first(15));
        Self {
            trace: hex(first(1)),
            id: hex(first(2)),
            parent: hex(first(4)),
            name: text(first(5)),
            kind: kind.unwrap_or(0),
            attributes: messages(bytes, 9).into_iter().map(attribute).collect(),
            failed: status
                .iter()
                .any(|(number, field)| *number == 3 && matches!(field, Field::Number(2))),
            service: service.to_owned(),
        }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The spans of an `ExportTraceServiceRequest`.
fn spans(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in messages(body, 1) {
        let resource = messages(resource_spans, 1);
        let attributes = resource.iter().flat_map(|resource| messages(resource, 1));
        let service = attributes
            .map(attribute)
            .find_map(|(key, value)| (key == "service.name").then_some(value));
        let service = service.unwrap_or_default();
        for scope in messages(resource_spans, 2) {
            let found = messages(scope, 2);
            spans.extend(found.iter().map(|span| Span::of(span, &service)));
        }
    }
    spans
}

/// A collector: the head of each request that it got, and its spans.
fn collector() -> (SocketAddr, Receiver<(String, Vec<Span>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (got, gets) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).expect("a head") == 0 {
                    return;
                }
            }
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.expect("a length")];
            stream.read_exact(&mut body).expect("as long as it says");
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.get_mut().write_all(answer).expect("it reads");
            let _ = got.send((head, spans(&body)));
        }
    });
    (addr, gets)
}

/// The command, serving.
struct Server {
    process: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(component: &[u8], options: &[&str], environment: &[(&str, String)]) -> Self {
        let folder = std::env::temp_dir().join(format!("lavandula-otel-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let file = folder.join(format!("{:?}.wasm", thread::current().id()));
        fs::write(&file, component).expect("a temporary file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lavandula"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("LAVANDULA_") || name.starts_with("OTEL_") {
                command.env_remove(&*name);
            }
        }
        let mut process = command
            .arg("serve")
            .arg(&file)
            .args(["--addr", "127.0.0.1:0", "--log", "off"])
            .args(options)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        stdout.read_line(&mut line).expect("it prints");
        thread::spawn(move || stdout.read_to_string(&mut String::new()));
        let addr = line.trim_end().strip_prefix("Serving HTTP on http://");
        let addr = addr.and_then(|rest| rest.strip_suffix('/')?.parse().ok());
        // It is loaded by now.
        let _ = fs::remove_file(file);
        let _ = fs::remove_dir(folder);
        match addr {
            Some(addr) => Self { process, addr },
            None => panic!("it does not serve: {line}"),
        }
    }

    fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).expect("it listens");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: example.test:81\r\nconnection: close\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Ends it as an operator does.
    fn stop(mut self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("`kill` runs").success());
        let began = Instant::now();
        while self.process.try_wait().expect("it is our child").is_none() {
            assert!(began.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_span_of_each_request_is_exported_before_the_server_ends() {
    let (collector, got) = collector();
    let endpoint = format!("http://{collector}");
    let component = testing::handler(testing::HELLO);
    let server = Server::start(&component, &["--otlp-endpoint", &endpoint], &[]);
    let parent = format!("traceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: a=1\r\n");
    let answer = server.get("/path?secret", &parent);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.get("/new", "");
    // Its sender has recorded nothing, and neither do we.
    server.get(
        "/unsampled",
        &format!("traceparent: 00-{TRACE}-{SPAN}-00\r\n"),
    );
    server.stop();

    let (head, spans) = got.recv_timeout(PATIENCE).expect("a batch");
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {collector}")), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
    assert_eq!(spans.len(), 2, "{spans:?}");
    let span = &spans[0];
    assert_eq!((&*span.trace, &*span.parent), (TRACE, SPAN));
    assert!(span.id.len() == 16 && span.id != SPAN, "{span:?}");
    // 2 is a server.
    assert_eq!(
        (&*span.name, span.kind, &*span.service),
        ("GET", 2, "lavandula")
    );
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.path", "/path"),
        ("url.scheme", "http"),
        ("server.address", "example.test"),
        ("server.port", "81"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(span.attribute(name), Some(value), "{span:?}");
    }
    assert_eq!(span.attribute("error.type"), None);
    assert!(!span.failed);

    let new = &spans[1];
    assert_eq!((new.trace.len(), &*new.parent), (32, ""));
    assert_ne!(new.trace, TRACE);
}

#[test]
fn a_failure_is_an_error_with_its_label() {
    let (collector, got) = collector();
    let component = testing::handler("unreachable");
    // By the environment, and with what the SDK reads from there.
    let server = Server::start(
        &component,
        &[],
        &[
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{collector}/"),
            ),
            ("OTEL_SERVICE_NAME", "named".to_owned()),
        ],
    );
    server.get("/", "");
    server.stop();
    let (_, spans) = got.recv_timeout(PATIENCE).expect("a batch");
    let [span] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(span.attribute("error.type"), Some("trap"));
    assert_eq!(span.attribute("http.response.status_code"), Some("500"));
    assert!(span.failed);
    assert_eq!(span.service, "named");
}

#[test]
fn a_collector_that_is_not_there_costs_no_request() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let component = testing::handler(testing::HELLO);
    let server = Server::start(&component, &["--otlp-endpoint", &endpoint], &[]);
    assert!(server.get("/", "").starts_with("HTTP/1.1 200 OK"));
    server.stop();
}

#[test]
fn an_endpoint_that_cannot_be_spoken_to_is_refused() {
    let done = Command::new(env!("CARGO_BIN_EXE_lavandula"))
        .args(["serve", "--otlp-endpoint", "https://collector:4318"])
        .output();
    let done = done.expect("it runs");
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains("http://127.0.0.1:4318"), "{said}");
}
