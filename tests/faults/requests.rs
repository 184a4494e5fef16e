//! Requests that are too slow, too large, or no requests.

use std::io::{BufRead, ErrorKind};
use std::time::{Duration, Instant};

use super::drive::{Trial, assert_about, on};
use super::servers::{CLIENT_TIMEOUT, EVERYWHERE, MAX_BODY};
use super::support::http::{Client, PATIENCE, request};
use super::table::Gets::{Answer, Bare, Failure, Words};
use super::table::Row;
use super::table::Then::Closes;
use super::table::Told::Outcome;

faults! {
    "Requests that are none, or too much"

    a_head_that_does_not_end: "The headers take longer than `--header-timeout`, be it that nothing \
        comes or that it comes in drips"
        => Failure(408, "too_slow", Closes), [Outcome("too_slow")],
        slow_heads;
    a_body_that_does_not_come: "The body pauses for longer than `--body-idle`"
        => Failure(408, "too_slow", Closes), [Outcome("too_slow")],
        slow_bodies;
    a_body_that_is_too_large: "The body is larger than `--max-body`: it says so, or comes in \
        chunks"
        => Failure(413, "body_too_large", Closes), [Outcome("body_too_large")],
        large_bodies;
    headers_that_are_too_large: "Target and headers are larger than `--max-headers`"
        => Failure(431, "headers_too_large", Closes), [Outcome("headers_too_large")],
        large_headers;
    headers_beyond_measure: "Headers are larger than twice that, or more than a hundred"
        => Bare(431), [],
        |row| unread(row, &[
            get("/count", &"x-short: x\r\n".repeat(1000)),
            get("/count", &long_header(160 << 10)),
        ]);
    a_target_beyond_measure: "The target is longer than 64 KiB"
        => Bare(414), [],
        |row| unread(row, &[get(&format!("/count?{}", "x".repeat(64 << 10)), "")]);
    bytes_that_are_no_request: "Bytes that are no HTTP: noise, a TLS hello, line breaks that are \
        none"
        => Bare(400), [],
        |row| unread(row, &NOISE.map(<[u8]>::to_vec));
    headers_that_are_none: "A header without a colon, with a blank before it, continued on the \
        next line, with a NUL or a bare carriage return in it"
        => Bare(400), [],
        |row| unread(row, &HEADERS.map(|header| get("/count", header)));
    a_length_that_is_none: "`content-length` is no number, or there are two that differ"
        => Bare(400), [],
        |row| unread(row, &LENGTHS.map(|header| posted(header, "abc")));
    a_transfer_encoding_that_is_unknown: "`transfer-encoding` is not `chunked` in the end, or \
        stands in HTTP/1.0"
        => Bare(400), [],
        |row| unread(row, &[
            posted("transfer-encoding: xchunked\r\n", CHUNKS),
            posted("transfer-encoding: gzip\r\n", CHUNKS),
            posted("transfer-encoding: chunked, identity\r\n", CHUNKS),
            posted("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", CHUNKS),
            posted("transfer-encoding: chunked\r\n", CHUNKS).replace_version(),
        ]);
    a_length_beside_chunks: "Both `content-length` and `transfer-encoding`, with a second request \
        hidden in what one of them leaves"
        => Words("the answer to the chunked request; it closes, and the rest is no request"),
        [],
        |row| chunks_count_and_nothing_comes_after(row);
    chunks_that_are_none: "A chunk's size is no number, too large a number, has a sign, or is not \
        that of the chunk"
        => Failure(400, "malformed", Closes), [Outcome("malformed")],
        bad_chunks;
    no_host_or_two: "HTTP/1.1 without `host`, or with two of them"
        => Failure(400, "malformed", Closes), [Outcome("malformed")],
        |row| refused(row, |path| [
            format!("GET {path} HTTP/1.1\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n"),
        ]);
    a_proxys_method: "`CONNECT`"
        => Failure(400, "malformed", Closes), [],
        |row| on(row, &EVERYWHERE, |trial| {
            trial.sending("", b"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n");
        });
    a_proxys_target: "None: the target is a whole URI, whose host is another one than that of \
        `host`"
        => Words("200; the URI's host is the one that counts"), [],
        absolute_targets;
    another_protocol_that_is_asked_for: "None: the client asks for an upgrade to another protocol"
        => Answer(200), [Outcome("ok")],
        |row| on(row, &EVERYWHERE, |trial| {
            let path = named(trial, "");
            let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
            trial.sending(&path, &get(&path, upgrade));
        });
    the_preface_of_http_2: "None: the client begins with the preface of HTTP/2"
        => Words("HTTP/2"), [],
        prior_knowledge;
}

/// A path of this test, and of no other, for a request that is echoed.
fn named(trial: &Trial<'_>, part: &str) -> String {
    format!("/{}{part}", trial.test())
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes()
}

fn posted(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /echo HTTP/1.1\r\nhost: x\r\n{headers}\r\n{body}").into_bytes()
}

trait ReplaceVersion {
    fn replace_version(self) -> Self;
}

impl ReplaceVersion for Vec<u8> {
    /// The same as HTTP/1.0.
    fn replace_version(self) -> Self {
        let text = String::from_utf8(self).expect("text");
        text.replace("HTTP/1.1", "HTTP/1.0").into_bytes()
    }
}

fn long_header(length: usize) -> String {
    format!("x-long: {}\r\n", "x".repeat(length))
}

/// Two chunks, of five bytes together.
const CHUNKS: &str = "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";

const NOISE: [&[u8]; 9] = [
    b"nonsense\r\n\r\n",
    b"\0\0\0\0\r\n\r\n",
    b"GET /count\r\n\r\n",
    b"GET /count HTTP/9.9\r\nhost: x\r\n\r\n",
    b"GET  /count HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /count HTTP/1.1 \r\nhost: x\r\n\r\n",
    b"GET /co\runt HTTP/1.1\r\nhost: x\r\n\r\n",
    b"G\x80T /count HTTP/1.1\r\nhost: x\r\n\r\n",
    // As much of a TLS 1.3 hello as it takes.
    b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03\x1f\x2e\x3d\x4c\x5b\x6a\x79\x88\r\n\r\n",
];

const HEADERS: [&str; 7] = [
    "no colon\r\n",
    "content-length : 5\r\n",
    " x-first: x\r\n",
    "x-folded: x\r\n y\r\n",
    "x-nul: \0\r\n",
    "x-return: a\rb\r\n",
    "x-\u{e9}: x\r\n",
];

const LENGTHS: [&str; 6] = [
    "content-length: many\r\n",
    "content-length: -3\r\n",
    "content-length: +3\r\n",
    "content-length: 3, 4\r\n",
    "content-length: 3\r\ncontent-length: 4\r\n",
    "content-length: 99999999999999999999\r\n",
];

/// Requests of which the server reads no more than it takes to refuse them. What
/// came in their wake is no request.
#[track_caller]
fn unread(row: &Row, requests: &[Vec<u8>]) {
    on(row, &EVERYWHERE, |trial| {
        for request in requests {
            let mut client = trial.server.client();
            client.send(request);
            client.send(&get("/smuggled", ""));
            trial.meets(&mut client, "");
        }
        assert!(!trial.log().contains("/smuggled"), "{}", trial.log());
    });
}

/// Requests that the server understands, and refuses.
#[track_caller]
fn refused<const N: usize>(row: &Row, requests: impl Fn(&str) -> [String; N] + Sync) {
    on(row, &EVERYWHERE, |trial| {
        let path = named(trial, "");
        for request in requests(&path) {
            let mut client = trial.server.client();
            client.send(request.as_bytes());
            client.send(&get("/smuggled", ""));
            trial.meets(&mut client, &path);
        }
        assert!(!trial.log().contains("/smuggled"), "{}", trial.log());
    });
}

fn slow_heads(row: &Row) {
    on(row, &EVERYWHERE, |trial| {
        let mut client = trial.server.client();
        let began = Instant::now();
        client.send(b"GET /count HTTP/1.1\r\nhost: x\r\n");
        trial.meets(&mut client, "");
        assert_about(began.elapsed(), CLIENT_TIMEOUT);

        // One byte after the other buys no time: it is the head as a whole that is
        // timed.
        let mut client = trial.server.client();
        let began = Instant::now();
        client.send(b"GET /count HTTP/1.1\r\nx-slow: ");
        drip(&mut client);
        trial.meets(&mut client, "");
        assert_about(began.elapsed(), CLIENT_TIMEOUT);
    });
}

/// Sends a byte from time to time until there is an answer.
#[track_caller]
fn drip(client: &mut Client) {
    let began = Instant::now();
    client.be_patient_for(Duration::from_millis(20));
    loop {
        match client.stream.fill_buf() {
            Ok(bytes) => {
                assert!(!bytes.is_empty(), "closed without a word");
                break;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => client.send(b"x"),
            Err(error) => panic!("{error}"),
        }
        assert!(began.elapsed() < PATIENCE, "it is patient with a drip");
    }
    client.be_patient_for(PATIENCE);
}

fn slow_bodies(row: &Row) {
    on(row, &EVERYWHERE, |trial| {
        let path = named(trial, "");
        let bodies = [
            ("content-length: 5", "he"),
            ("content-length: 5", ""),
            ("transfer-encoding: chunked", "5\r\nhe"),
            ("transfer-encoding: chunked", "2\r\nhe\r\n"),
        ];
        for (framing, part) in bodies {
            let mut client = trial.server.client();
            let began = Instant::now();
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n{part}");
            client.send(head.as_bytes());
            trial.meets(&mut client, &path);
            assert_about(began.elapsed(), CLIENT_TIMEOUT);
        }
    });
}

/// A POST whose body comes in chunks of these sizes.
fn chunked(path: &str, sizes: &[usize]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut bytes = head.into_bytes();
    for &size in sizes {
        bytes.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        bytes.resize(bytes.len() + size, b'x');
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn large_bodies(row: &Row) {
    on(row, &EVERYWHERE, |trial| {
        let path = named(trial, "");
        let whole = |size| request("POST", &path, &vec![b'x'; size]);
        let announced = |length: u64| {
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n")
        };

        // At the limit, and not beyond it.
        for bytes in [
            whole(MAX_BODY),
            chunked(&path, &[MAX_BODY - 24, 24]),
            chunked(&path, &[[1; 512].as_slice(), &[MAX_BODY - 512]].concat()),
        ] {
            let mut client = trial.server.client();
            client.send(&bytes);
            let answer = client.answer();
            assert_eq!((answer.status, answer.body), (200, vec![b'x'; MAX_BODY]));
        }
        for bytes in [
            whole(MAX_BODY + 1),
            announced(MAX_BODY as u64 + 1).into_bytes(),
            announced(18_446_744_073_709_551_613).into_bytes(),
            chunked(&path, &[MAX_BODY + 1]),
            chunked(&path, &[MAX_BODY - 24, 25]),
        ] {
            trial.sending(&path, &bytes);
        }
    });
}

fn large_headers(row: &Row) {
    on(row, &EVERYWHERE, |trial| {
        let path = named(trial, "");
        let mut client = trial.server.client();
        client.send(&get(&path, &long_header(60 << 10)));
        assert_eq!(client.answer().status, 200);

        // The target counts as well.
        let target = format!("{path}?{}", "x".repeat(50 << 10));
        trial.sending(&path, &get(&path, &long_header(64 << 10)));
        trial.sending(&path, &get(&target, &long_header(20 << 10)));
    });
}

fn bad_chunks(row: &Row) {
    refused(row, |path| {
        [
            "many\r\n",
            "-1\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "ffffffffffffffffff\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "4\r\nhello\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "5\r\nhello\r\n0\r\nno colon and no end of it\r\n",
        ]
        .map(|body| {
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{body}")
        })
    });
}

/// Where a server in front of this one goes by the length and this one by the chunks,
/// what is left would be the next client's request.
fn chunks_count_and_nothing_comes_after(row: &Row) {
    on(row, &EVERYWHERE, |trial| {
        let path = named(trial, "");
        let hidden = String::from_utf8(get("/smuggled", "")).expect("text");
        let body = format!("{CHUNKS}{hidden}");
        let length = format!("content-length: {}", body.len());
        let chunks = "transfer-encoding: chunked".to_owned();
        for [one, two] in [[&length, &chunks], [&chunks, &length]] {
            let mut client = trial.server.client();
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{one}\r\n{two}\r\n\r\n{body}");
            client.send(head.as_bytes());
            let answer = client.answer();
            assert!(matches!(answer.status, 200 | 400), "{answer:?}");
            if answer.status == 200 {
                assert_eq!(answer.text(), "abcde", "the chunks are what counts");
            }
            client.assert_closed();
        }
        assert!(!trial.log().contains("/smuggled"), "{}", trial.log());
        trial.next_is_right(&mut trial.server.client());
    });
}

fn absolute_targets(row: &Row) {
    on(row, &EVERYWHERE, |trial| {
        let mut client = trial.server.client();
        client.send(b"GET http://uri.test/describe?a=1 HTTP/1.1\r\nhost: header.test\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-path"), Some("/describe"));
        for line in ["GET /describe?a=1\n", "authority: uri.test\n"] {
            let text = answer.text();
            assert!(
                text.contains(line),
                "no {line:?} in {text} by {:?}",
                trial.setup
            );
        }
        trial.next_is_right(&mut client);
    });
}

/// The first frame that the server sends is one of settings.
fn prior_knowledge(row: &Row) {
    const SETTINGS: u8 = 4;
    on(row, &EVERYWHERE, |trial| {
        let mut client = trial.server.client();
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        let first = client.stream.fill_buf().expect("an answer");
        assert_eq!(first.get(3), Some(&SETTINGS), "{first:?}");
        trial.next_is_right(&mut trial.server.client());
    });
}
