//! Requests that share an instance, one of which does what is wrong beside others.

use std::thread;
use std::time::{Duration, Instant};

use super::drive::{Trial, assert_about};
use super::servers::{SHARED, TIMEOUT};
use super::support::http::{Client, Server, request};
use super::table::Gets::Words as Seen;
use super::table::Row;
use super::table::Told::{Outcome, SharedRetired, Words};

faults! {
    "Requests that share an instance (`--isolation shared`)"

    a_trap_beside_others: "One handler panics"
        => Seen("500 `trap`; its neighbours a part of their bodies and no end of them"),
        [Outcome("trap"), Words("it shared an instance"), SharedRetired("failed")],
        |row| beside(row, &[], |trial, neighbour| {
            trial.gets(&request("GET", "/trap", b""), 500, Some("trap"));
            neighbour.is_cut();
            trial.told("/trap");
        });
    a_loop_beside_others: "One handler computes for longer than the timeout"
        => Seen("504 `deadline`; its neighbours, who cannot go on meanwhile, a part of their \
            bodies and no end of them"),
        [Outcome("deadline"), SharedRetired("failed")],
        |row| beside(row, &[], |trial, neighbour| {
            trial.gets(&request("GET", "/spin", b""), 504, Some("deadline"));
            neighbour.is_cut();
            trial.told("/spin");
        });
    a_wait_beside_others: "One handler waits for longer than the timeout"
        => Seen("504 `deadline`; nothing of it its neighbours, who have their own time"),
        [Outcome("deadline"), SharedRetired("failed")],
        a_wait_beside_one_that_came_later;
    a_body_that_stays_open_beside_others: "One client sends no end of a body that is sent back as \
        it comes"
        => Seen("200, and after the timeout no end of it; nothing of it its neighbours"),
        [Outcome("deadline")],
        an_open_body_beside_requests;
    too_much_beside_others: "One handler takes more than its budget"
        => Seen("507, the handler's own; nothing of it its neighbours"),
        [Outcome("ok")],
        |row| beside(row, &[], |trial, neighbour| {
            trial.gets(&request("GET", "/hold?n=5000000", b""), 507, None);
            neighbour.goes_on();
            trial.told("/hold");
        });
    memory_that_is_denied_beside_others: "One handler takes memory beyond what the instance may \
        have, and gives its own answer to that"
        => Seen("507, the handler's own; nothing of it its neighbours, and the instance takes no \
            more requests"),
        [Outcome("ok"), SharedRetired("denied")],
        |row| beside(row, &["--max-memory", "3MiB"], |trial, neighbour| {
            trial.gets(&request("GET", "/hold?n=3500000", b""), 507, None);
            neighbour.goes_on();
            trial.told("/hold");
        });
    leaving_beside_others: "One client goes away in the middle of its body"
        => Seen("-; nothing of it its neighbours"),
        [Outcome("client_gone")],
        |row| beside(row, &[], |trial, neighbour| {
            let mut client = trial.server.client();
            client.send(b"POST /gathered HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf");
            thread::sleep(Duration::from_millis(50));
            drop(client);
            trial.told("/gathered");
            neighbour.goes_on();
        });
}

/// A server with one thread, so that all requests are for the same instance.
#[track_caller]
fn server(options: &[&str]) -> Server {
    let own = [
        "--threads",
        "1",
        "--timeout",
        "700ms",
        "--idle-instance",
        "30s",
    ];
    SHARED.start(&[&own[..], options].concat())
}

/// A request that is being answered while another one does what is wrong.
struct Neighbour(Client);

impl Neighbour {
    #[track_caller]
    fn of(server: &Server) -> Self {
        let mut client = server.client();
        client.send(
            b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        );
        assert_eq!(client.head().status, 200);
        assert_eq!(client.chunk().as_deref(), Some(&b"first"[..]));
        Self(client)
    }

    /// It sends the rest of its body, and gets that back.
    #[track_caller]
    fn goes_on(&mut self) {
        self.0.send(b"4\r\nlast\r\n0\r\n\r\n");
        assert_eq!(self.0.chunk().as_deref(), Some(&b"last"[..]));
        assert_eq!(self.0.chunk().as_deref(), Some(&b""[..]));
    }

    #[track_caller]
    fn is_cut(&mut self) {
        assert_eq!(self.0.chunk(), None, "it looks like the end");
    }
}

impl Trial<'_> {
    /// Sends this beside others, and gets that.
    #[track_caller]
    fn gets(&self, bytes: &[u8], status: u16, label: Option<&str>) {
        let mut client = self.server.client();
        client.send(bytes);
        let answer = client.answer();
        let found = (answer.status, answer.label());
        assert_eq!(found, (status, label), "{}", self.log());
    }

    /// What comes next is answered, by whatever instance.
    #[track_caller]
    fn goes_on(&self) {
        let answer = self
            .server
            .client()
            .post("/gathered", self.test().as_bytes());
        let found = (answer.status, answer.text());
        assert_eq!(found, (200, self.test()), "{}", self.log());
    }
}

/// Does this beside a request that is being answered.
#[track_caller]
fn beside(row: &Row, options: &[&str], show: impl Fn(&Trial<'_>, &mut Neighbour)) {
    let server = server(options);
    let trial = Trial::new(row, &server, SHARED);
    let mut neighbour = Neighbour::of(&server);
    show(&trial, &mut neighbour);
    trial.goes_on();
}

fn a_wait_beside_one_that_came_later(row: &Row) {
    let server = server(&[]);
    let trial = Trial::new(row, &server, SHARED);
    let began = Instant::now();
    // It waits for the rest of its body, which is too large to be read before it begins.
    let mut late = server.client();
    late.send(b"POST /gathered HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nhalf");
    thread::sleep(TIMEOUT / 2);
    let mut neighbour = Neighbour::of(&server);
    let answer = late.answer();
    assert_eq!((answer.status, answer.label()), (504, Some("deadline")));
    assert_about(began.elapsed(), TIMEOUT);
    neighbour.goes_on();
    trial.told("/gathered");
    trial.goes_on();
}

fn an_open_body_beside_requests(row: &Row) {
    let server = server(&[]);
    let trial = Trial::new(row, &server, SHARED);
    let mut open = Neighbour::of(&server);
    for _ in 0..3 {
        trial.goes_on();
    }
    open.is_cut();
    trial.told("/echo");
    trial.goes_on();
}
