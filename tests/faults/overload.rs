//! More requests than there are places for.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::drive::{Trial, assert_about, assert_tells_nothing, each, wait_until};
use super::servers::{EVERYWHERE, FAST, Setup};
use super::support::http::{Answer, Client, Server, request};
use super::table::Gets::{Failure, Words};
use super::table::Row;
use super::table::Then::Stays;
use super::table::Told::Outcome;

faults! {
    "Too many requests"

    a_place_that_comes_free: "More requests at a time than `--max-in-flight`"
        => Words("those beyond wait for `--queue-wait` at most, and are answered"),
        [Outcome("ok")],
        those_beyond_wait;
    no_place_in_time: "No request ends within `--queue-wait`"
        => Failure(503, "overload", Stays), [Outcome("overload")],
        a_wait_that_ends;
    no_place_to_wait: "As many requests wait as `--max-queue` says: the next one is refused at once"
        => Failure(503, "overload", Stays), [Outcome("overload")],
        a_full_queue;
    no_room_for_a_body: "Bodies that are held in memory would be larger, all together, than \
        `--max-buffered`"
        => Failure(503, "overload", Stays), [Outcome("overload")],
        a_full_buffer;
}

fn those_beyond_wait(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let server = setup.start(&["--max-in-flight", "2", "--queue-wait", "10s"]);
        let trial = Trial::new(row, &server, setup);
        let mut clients: Vec<_> = (0..6).map(|_| server.client()).collect();
        let began = Instant::now();
        for client in &mut clients {
            client.send(&request("GET", "/sleep?n=100", b""));
        }
        for client in &mut clients {
            let answer = client.answer();
            assert_eq!((answer.status, answer.text()), (200, "100 ms"));
        }
        // Two at a time, three times.
        assert!(began.elapsed() >= Duration::from_millis(300));
        trial.told("/sleep");
        for client in &mut clients {
            trial.next_is_right(client);
        }
    });
}

/// A server whose only place is taken.
struct Full {
    server: Server,
    setup: Setup,
    admin: SocketAddr,
    busy: Client,
}

impl Full {
    #[track_caller]
    fn start(setup: Setup, timeout: &str, options: &[&str]) -> Self {
        let own = ["--max-in-flight", "1", "--timeout", timeout];
        let own = [&own[..], &["--admin-addr", "127.0.0.1:0"]].concat();
        let server = setup.start(&[&own, options].concat());
        let line = server.line();
        let admin = line.strip_prefix("Admin on http://");
        let admin = admin.and_then(|rest| rest.strip_suffix('/')?.parse().ok());
        let mut busy = server.client();
        busy.send(&request("GET", "/spin", b""));
        let full = Self {
            admin: admin.expect("an address for operators"),
            server,
            setup,
            busy,
        };
        full.wait_until_told("lavandula_requests_in_flight 1");
        full
    }

    /// Waits until a scrape has this line.
    #[track_caller]
    fn wait_until_told(&self, line: &str) {
        let told = || {
            let scraped = Client::connect(self.admin).get("/metrics");
            scraped.text().lines().any(|told| told == line)
        };
        wait_until(told, line);
    }

    /// `refused` was sent away, everybody who waits is served when the place is free
    /// again, and so are the two.
    #[track_caller]
    fn ends(mut self, row: &Row, refused: &mut Client, answer: &Answer, waiting: &mut [Client]) {
        let trial = Trial::new(row, &self.server, self.setup);
        let found = (answer.status, answer.label(), answer.header("retry-after"));
        assert_eq!(found, (503, Some("overload"), Some("1")));
        assert_tells_nothing(answer);
        assert_eq!(self.busy.answer().status, 504);
        for client in waiting {
            assert_eq!(client.answer().text(), "1");
        }
        trial.next_is_right(&mut self.busy);
        trial.next_is_right(refused);
    }
}

fn a_wait_that_ends(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let full = Full::start(setup, "600ms", &["--queue-wait", "100ms"]);
        let mut client = full.server.client();
        let began = Instant::now();
        let answer = client.get("/refused");
        assert_about(began.elapsed(), Duration::from_millis(100));
        Trial::since_start(row, &full.server, setup).told("/refused");
        full.ends(row, &mut client, &answer, &mut []);
    });
}

fn a_full_queue(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let full = Full::start(
            setup,
            "1500ms",
            &["--queue-wait", "10s", "--max-queue", "1"],
        );
        let mut waiting = full.server.client();
        waiting.send(&request("GET", "/count", b""));
        full.wait_until_told("lavandula_queue_depth 1");

        let mut client = full.server.client();
        let began = Instant::now();
        let answer = client.get("/refused");
        // Before there was a place again.
        assert!(began.elapsed() < Duration::from_secs(1), "not at once");
        Trial::since_start(row, &full.server, setup).told("/refused");
        full.ends(row, &mut client, &answer, &mut [waiting]);
    });
}

/// By the fast door, where the handler is given the whole body. Small ones do not
/// count.
fn a_full_buffer(row: &Row) {
    each(&FAST, |setup| {
        let server = setup.start(&["--max-buffered", "256KiB", "--body-idle", "5s"]);
        let trial = Trial::new(row, &server, setup);
        let mut half = server.client();
        half.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 240000\r\n\r\n");
        half.send(&[b'x'; 200_000]);
        thread::sleep(Duration::from_millis(100));

        let body = [b'y'; 150_000];
        let refused = server.client().post("/refused", &body);
        assert_eq!((refused.status, refused.label()), (503, Some("overload")));
        trial.told("/refused");
        // A small one finds its place, and the first goes on.
        trial.next_is_right(&mut server.client());
        half.send(&[b'x'; 40_000]);
        let answer = half.answer();
        assert_eq!((answer.status, answer.body.len()), (200, 240_000));
        let answer = server.client().post("/echo", &body);
        assert_eq!((answer.status, answer.body.len()), (200, body.len()));
    });
}
