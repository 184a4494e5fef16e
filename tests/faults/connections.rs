//! Connections: many of them, idle ones, and requests that come all at once.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use super::drive::{Trial, on, wait_until};
use super::servers::EVERYWHERE;
use super::support::http::{Client, Server, request, text};
use super::table::Gets::Words;
use super::table::Row;
use super::table::Told;

faults! {
    "Connections"

    requests_all_at_once: "None: the client sends its requests without waiting, and a handler \
        fails in between"
        => Words("the answers, in order"), [],
        a_failure_in_a_pipeline;
    more_connections_than_places: "1,100 idle connections, where `--max-connections` is 1024"
        => Words("1,024 are served, and go on being served; the others wait until one of those \
            closes"), [],
        the_rest_waits;
    no_file_descriptors: "More connections than the process has file descriptors"
        => Words("those that have one are served; the others wait until one of those closes"),
        [Told::Words("cannot accept connections; trying again")],
        descriptors_run_out;
}

fn a_failure_in_a_pipeline(row: &Row) {
    on(row, &EVERYWHERE, |trial| {
        let mut client = trial.server.client();
        let requests = [
            request("POST", "/echo", b"one"),
            request("GET", "/trap", b""),
            b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
              2\r\nth\r\n3\r\nree\r\n0\r\n\r\n"
                .to_vec(),
            request("POST", "/echo", b"four"),
        ];
        client.send(&requests.concat());
        for expected in [Some("one"), None, Some("three"), Some("four")] {
            let answer = client.answer();
            match expected {
                Some(text) => assert_eq!((answer.status, answer.text()), (200, text)),
                None => assert_eq!((answer.status, answer.label()), (500, Some("trap"))),
            }
        }
        trial.next_is_right(&mut client);
    });
}

/// Lets this process have as many descriptors as the test has connections. Where
/// it cannot be done the test fails by itself.
fn allow_descriptors(number: u32) {
    let limits = text("/proc/self/limits".as_ref());
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    if soft.is_some_and(|soft| soft.parse().is_ok_and(|soft: u32| soft < number)) {
        let raised = Command::new("prlimit")
            .arg(format!("--pid={}", std::process::id()))
            .arg(format!("--nofile={number}:"))
            .status();
        assert!(raised.expect("prlimit, of util-linux").success());
    }
}

#[track_caller]
fn is_served(client: &mut Client) {
    assert_eq!(client.get("/count").status, 200);
}

fn the_rest_waits(row: &Row) {
    const LIMIT: usize = 1024;
    const ALL: usize = 1100;
    allow_descriptors(4096);
    let setup = EVERYWHERE[0];
    let server = setup.start(&["--max-connections", "1024", "--max-in-flight", "8"]);
    let trial = Trial::new(row, &server, setup);
    let mut clients: Vec<_> = (0..ALL).map(|_| server.client()).collect();
    is_served(&mut clients[0]);
    is_served(&mut clients[LIMIT / 2]);

    // It is connected, by the kernel, and that is all.
    let mut late = clients.pop().expect("there are some");
    late.send(&request("GET", "/count", b""));
    late.assert_silent_for(Duration::from_millis(200));
    is_served(&mut clients[0]);

    clients.drain(1..=ALL - LIMIT);
    let answer = late.answer();
    assert_eq!((answer.status, answer.text()), (200, "1"));
    is_served(&mut late);
    is_served(&mut clients[0]);
    drop(clients);
    trial.next_is_right(&mut server.client());
}

/// How often the server could not accept a connection, as it says itself.
#[track_caller]
fn accept_failures(admin: SocketAddr) -> usize {
    let scraped = Client::connect(admin).get("/metrics");
    let name = "lavandula_accept_failures_total ";
    let mut lines = scraped.text().lines();
    let number = lines.find_map(|line| line.strip_prefix(name)?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {}", scraped.text()))
}

fn descriptors_run_out(row: &Row) {
    const DESCRIPTORS: u32 = 64;
    let setup = EVERYWHERE[0];
    let options = ["--threads", "2", "--max-in-flight", "4"];
    let options = [&options[..], &["--admin-addr", "127.0.0.1:0"]].concat();
    let server = Server::with_descriptors(DESCRIPTORS, setup.guest, &options);
    let line = server.line();
    let admin = line.strip_prefix("Admin on http://");
    let admin = admin.and_then(|rest| rest.strip_suffix('/')?.parse().ok());
    let admin = admin.expect("an address for operators");
    let failures = || accept_failures(admin);
    assert_eq!(failures(), 0);
    let trial = Trial::new(row, &server, setup);
    let mut first = server.client();
    is_served(&mut first);

    let many: Vec<_> = (0..2 * DESCRIPTORS).map(|_| server.client()).collect();
    trial.told("");
    is_served(&mut first);
    // It does not ask the kernel without pause either.
    let refusals = || trial.log().matches("cannot accept").count();
    let (before, began) = (refusals(), Instant::now());
    wait_until(|| began.elapsed() > Duration::from_millis(300), "a moment");
    assert!(refusals() - before < 50, "{}", trial.log());

    // Each is counted, and then told.
    let before = refusals();
    drop(many);
    let counted = failures();
    let told = before..=refusals() + 1;
    assert!(told.contains(&counted), "{counted} of {told:?}");
    trial.next_is_right(&mut server.client());
    trial.next_is_right(&mut first);
}
