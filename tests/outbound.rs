//! Requests that a guest sends, by WASI 0.2 and 0.3, to a real server on this
//! machine.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use http::Request;
use lavandula_host::{Door, Grants, Host, Outcome};

use support::http::Server;

const OUTBOUND: &str = "tests/guests/outbound";
const SERVICE: &str = "tests/guests/service";

/// The guests, with the doors by which they are asked.
const GUESTS: [(&str, Door); 3] = [
    (OUTBOUND, Door::Fast),
    (OUTBOUND, Door::WasiHttp),
    (SERVICE, Door::Service),
];

/// A server that answers everybody alike.
struct Upstream {
    addr: SocketAddr,
    /// The heads of all requests so far.
    heads: Arc<Mutex<Vec<String>>>,
}

/// How it answers.
#[derive(Clone, Copy)]
enum Manner {
    /// With status 201 and a body in two pieces.
    AtOnce,
    /// With the same, and the second piece never comes.
    HalfOfIt,
    /// Never.
    Never,
}

impl Upstream {
    fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        // Ends with the process: it is one of a few, and idle by then.
        thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                open.extend(Self::answer(stream, manner, &seen));
            }
        });
        Self { addr, heads }
    }

    /// Gives the connection back where it has to stay open.
    fn answer(
        stream: TcpStream,
        manner: Manner,
        seen: &Mutex<Vec<String>>,
    ) -> Option<BufReader<TcpStream>> {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        seen.lock().expect("no panic").push(head);
        let (start, rest): (&[u8], &[u8]) = (
            b"HTTP/1.1 201 Created\r\ncontent-length: 10\r\n\r\nhello",
            b"there",
        );
        match manner {
            Manner::Never => return Some(stream),
            Manner::HalfOfIt => {
                stream.get_mut().write_all(start).ok()?;
                return Some(stream);
            }
            Manner::AtOnce => {
                stream.get_mut().write_all(start).ok()?;
                thread::sleep(Duration::from_millis(10));
                stream.get_mut().write_all(rest).ok()?;
            }
        }
        None
    }

    fn url(&self) -> String {
        format!("http://{}/path?a=1", self.addr)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }
}

fn host(folder: &str, door: Door, allowed: &[&str]) -> Host {
    let outbound = allowed.iter().map(|host| host.parse().expect("a host"));
    let grants = Grants {
        outbound: outbound.collect(),
        ..Grants::default()
    };
    let builder = Host::builder()
        .door(door)
        .grants(grants)
        .timeout(Duration::from_millis(500));
    support::host_with(builder, folder)
}

async fn fetch(host: &Host, url: &str) -> Outcome {
    let request = Request::get(format!("/fetch?{url}")).body("");
    host.request(request.expect("a request")).await
}

#[track_caller]
fn assert_answer(outcome: &Outcome, status: u16, body: &str) {
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let text = String::from_utf8_lossy(outcome.response.body());
    let found = (outcome.response.status().as_u16(), &*text);
    assert!(found.0 == status && found.1.contains(body), "{found:?}");
}

#[tokio::test]
async fn a_host_that_is_allowed_answers_the_guest() {
    let upstream = Upstream::new(Manner::AtOnce);
    for (folder, door) in GUESTS {
        let addr = upstream.addr.to_string();
        let host = host(folder, door, &["127.0.0.1:1", "*.example.test", &addr]);
        let outcome = fetch(&host, &upstream.url()).await;
        assert_answer(&outcome, 201, "hellothere");
    }
    for head in upstream.heads() {
        let head = head.to_lowercase();
        assert!(head.starts_with("get /path?a=1 http/1.1\r\n"), "{head}");
        let host = format!("\r\nhost: {}\r\n", upstream.addr);
        assert_eq!(head.matches("\r\nhost: ").count(), 1, "{head}");
        assert!(head.contains(&host), "{head}");
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_denied_and_nobody_hears_of_it() {
    let upstream = Upstream::new(Manner::AtOnce);
    let port = upstream.addr.port();
    let elsewhere = format!("127.0.0.1:{}", port ^ 1);
    for (folder, door) in GUESTS {
        for allowed in [
            &[][..],
            // Another port, another host, and the usual ports only.
            &[&*elsewhere],
            &[&*format!("127.0.0.2:{port}"), &*format!("localhost:{port}")],
            &["127.0.0.1"],
        ] {
            let host = host(folder, door, allowed);
            let outcome = fetch(&host, &upstream.url()).await;
            assert_answer(&outcome, 403, "HttpRequestDenied");
        }
    }
    assert_eq!(upstream.heads(), [""; 0]);
}

#[tokio::test]
async fn an_authority_in_disguise_is_denied() {
    let upstream = Upstream::new(Manner::AtOnce);
    let port = upstream.addr.port();
    for (folder, door) in GUESTS {
        let host = host(folder, door, &["example.com", "127.0.0.1"]);
        for url in [
            format!("http://example.com@127.0.0.1:{port}/"),
            format!("http://127.0.0.1:80@127.0.0.1:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://127.1:{port}/"),
            format!("https://127.0.0.1:{port}/"),
        ] {
            let outcome = fetch(&host, &url).await;
            // Some are refused before they are looked at.
            assert_eq!(outcome.response.status(), 403, "{url}: {outcome:?}");
        }
    }
    assert_eq!(upstream.heads(), [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_slow_costs_no_more_than_the_request_has() {
    for manner in [Manner::Never, Manner::HalfOfIt] {
        let upstream = Upstream::new(manner);
        let allowed = upstream.addr.to_string();
        for (folder, door) in GUESTS {
            let host = host(folder, door, &[&allowed]);
            let began = Instant::now();
            let outcome = fetch(&host, &upstream.url()).await;
            let took = began.elapsed();
            // The guest may be told in time, and have its say: that comes to the
            // same for the client, but not to the same status.
            assert_eq!(outcome.response.status(), 504, "{door}: {outcome:?}");
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
        assert_eq!(upstream.heads().len(), GUESTS.len());
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_told_to_the_guest() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    drop(listener);
    for (folder, door) in GUESTS {
        let host = host(folder, door, &[&addr.to_string()]);
        let outcome = fetch(&host, &format!("http://{addr}/")).await;
        assert_answer(&outcome, 403, "ConnectionRefused");
    }
}

// The command.

#[test]
fn the_command_denies_by_default_and_says_what_would_allow_it() {
    let upstream = Upstream::new(Manner::AtOnce);
    let path = format!("/fetch?{}", upstream.url());
    let option = format!("--allow-outbound {}", upstream.addr);
    for folder in [OUTBOUND, SERVICE] {
        let server = Server::start(folder, &[]);
        assert_eq!(server.client().get(&path).status, 403);
        let log = server.log();
        assert!(log.contains(&option), "{log}");
        assert_eq!(upstream.heads(), [""; 0]);
    }
    for folder in [OUTBOUND, SERVICE] {
        let options: Vec<_> = option.split(' ').collect();
        let server = Server::start(folder, &options);
        let answer = server.client().get(&path);
        assert_eq!((answer.status, answer.text()), (201, "hellothere"));
    }
}
