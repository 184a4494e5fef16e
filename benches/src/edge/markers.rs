//! Many requests, each with a marker of its own: that none meets another's, and what the
//! runtime keeps from one to the next.
//!
//! The handler tells with each answer how many others' markers lie in its memory, how many
//! requests its instance has had, as a static knows, and how large its memory is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cases::PATIENCE;
use super::exchange::{Answer, Ask, Client, shown};
use super::random::Random;

/// Requests under way at a time, in the second half.
pub const AT_A_TIME: usize = 16;

/// So many that are wrong are enough.
const MOST_WRONG: u32 = 5;

/// How long all of them together may take: a runtime that starts a thread for each is slow,
/// and is not to hold up the others.
pub const LONGEST: Duration = Duration::from_secs(240);

/// What a marker begins with, and how many hex digits follow.
const PREFIX: &str = "mark-";
const DIGITS: usize = 16;

/// What was seen of so many requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Answers that were right.
    pub right: u32,
    /// Others, by what was wrong, and how often.
    pub wrong: BTreeMap<String, u32>,
    /// Answers with a marker of another request in them.
    pub crossed: u32,
    /// The most requests that an instance had had before.
    pub served_most: u64,
    /// The most markers of other requests that lay in an instance's memory.
    pub others_most: u64,
    /// The most bytes of memory that an instance had.
    pub memory_most: u64,
}

impl Seen {
    /// Puts two together.
    fn and(mut self, other: Self) -> Self {
        self.right += other.right;
        self.crossed += other.crossed;
        for (what, times) in other.wrong {
            *self.wrong.entry(what).or_default() += times;
        }
        self.served_most = self.served_most.max(other.served_most);
        self.others_most = self.others_most.max(other.others_most);
        self.memory_most = self.memory_most.max(other.memory_most);
        self
    }

    /// Notes an answer, or why there is none. Whether it was right.
    fn note(&mut self, own: &str, answer: Result<Answer, String>) -> bool {
        let told = answer.and_then(|answer| {
            self.crossed += u32::from(has_other(own, &answer));
            told(own, &answer)
        });
        match told {
            Ok(told) => {
                self.right += 1;
                self.served_most = self.served_most.max(told.served);
                self.others_most = self.others_most.max(told.others);
                self.memory_most = self.memory_most.max(told.memory);
                true
            }
            Err(why) => {
                *self.wrong.entry(why).or_default() += 1;
                false
            }
        }
    }
}

/// One after the other.
pub fn in_turn(addr: SocketAddr, requests: u32, seed: u64) -> Seen {
    let left = AtomicU32::new(requests);
    connection(addr, &left, &AtomicU32::new(0), seed)
}

/// So many, [`AT_A_TIME`] of them under way.
pub fn at_a_time(addr: SocketAddr, requests: u32, seed: u64) -> Seen {
    let left = AtomicU32::new(requests);
    let wrong = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let connections: Vec<_> = (0..AT_A_TIME as u64)
            .map(|at| {
                let (left, wrong) = (&left, &wrong);
                scope.spawn(move || connection(addr, left, wrong, seed + 1 + at))
            })
            .collect();
        let seen = connections.into_iter().map(|connection| {
            connection.join().unwrap_or_else(|_| Seen {
                wrong: BTreeMap::from([("the client panicked".to_owned(), 1)]),
                ..Seen::default()
            })
        });
        seen.reduce(Seen::and).unwrap_or_default()
    })
}

/// Asks on one connection, until all have asked together what is `left`, or too much is
/// wrong.
fn connection(addr: SocketAddr, left: &AtomicU32, wrong: &AtomicU32, seed: u64) -> Seen {
    let mut client = Client::new(addr, PATIENCE);
    let mut random = Random::new(seed);
    let mut seen = Seen::default();
    let until = Instant::now() + LONGEST;
    while Instant::now() < until
        && wrong.load(Ordering::Relaxed) < MOST_WRONG
        && left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    {
        let own = format!("{PREFIX}{:016x}", random.word());
        let path = format!("/marker?of={own}");
        let answer = client.ask(&Ask::get(&path)).map_err(|why| why.to_string());
        if !seen.note(&own, answer) {
            wrong.fetch_add(1, Ordering::Relaxed);
        }
    }
    seen
}

/// What the handler tells of itself.
#[derive(Debug, Deserialize)]
struct Told {
    others: u64,
    served: u64,
    memory: u64,
}

fn told(own: &str, answer: &Answer) -> Result<Told, String> {
    if answer.status != 200 {
        return Err(format!("status {}", answer.status));
    }
    let told: Told = serde_json::from_slice(&answer.body).map_err(|_| format!("{answer:?}"))?;
    let Told {
        others,
        served,
        memory,
    } = told;
    // To the byte: nothing before it, after it or in between.
    let right = format!(
        "{{\"marker\":\"{own}\",\"others\":{others},\"served\":{served},\"memory\":{memory}}}\n"
    );
    if answer.body != right.as_bytes() {
        return Err("another answer than that of the request".to_owned());
    }
    if answer.header("content-type").as_deref() != Some(b"application/json") {
        return Err("another type than application/json".to_owned());
    }
    Ok(told)
}

/// Whether a marker that is not its own lies anywhere in an answer.
fn has_other(own: &str, answer: &Answer) -> bool {
    let values = answer.headers.iter().map(|(_, value)| value.as_slice());
    values
        .chain([answer.body.as_slice()])
        .any(|bytes| markers(bytes).any(|marker| marker != own.as_bytes()))
}

fn markers(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memmem::find_iter(bytes, PREFIX.as_bytes()).filter_map(|at| {
        let marker = bytes.get(at..at + PREFIX.len() + DIGITS)?;
        let digits = &marker[PREFIX.len()..];
        digits.iter().all(u8::is_ascii_hexdigit).then_some(marker)
    })
}

/// What an instance says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct State {
    /// Requests that it has had before.
    pub served: u64,
    /// Bytes of its memory.
    pub memory: u64,
}

/// Asks for it.
///
/// # Errors
/// What came instead.
pub fn state(addr: SocketAddr) -> Result<State, String> {
    let answer = Client::new(addr, PATIENCE)
        .ask(&Ask::get("/state"))
        .map_err(|failed| format!("GET /state: {failed}"))?;
    serde_json::from_slice(&answer.body)
        .map_err(|_| format!("GET /state is answered with {}", shown(&answer.body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "mark-0123456789abcdef";
    const OTHER: &str = "mark-fedcba9876543210";

    fn answer(body: &str) -> Answer {
        Answer {
            status: 200,
            headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_answer_is_right_with_its_own_marker_and_to_the_byte() {
        let right = answer(&format!(
            "{{\"marker\":\"{OWN}\",\"others\":1,\"served\":2,\"memory\":65536}}\n"
        ));
        let mut seen = Seen::default();
        assert!(seen.note(OWN, Ok(right.clone())));
        let found = (seen.right, seen.crossed, seen.others_most, seen.served_most);
        assert_eq!(found, (1, 0, 1, 2));
        assert!(!seen.note(OTHER, Ok(right.clone())));
        assert_eq!((seen.right, seen.crossed), (1, 1));
        let text = String::from_utf8(right.body.clone()).unwrap();
        for wrong in [text.trim_end().to_owned(), text.replace("65536", "065536")] {
            assert!(!Seen::default().note(OWN, Ok(answer(&wrong))), "{wrong}");
        }
    }

    #[test]
    fn a_marker_of_another_is_found_in_headers_as_well() {
        let mut with = answer("nothing");
        assert!(!has_other(OWN, &with));
        with.headers
            .push(("etag".to_owned(), OTHER.as_bytes().to_vec()));
        assert!(has_other(OWN, &with) && !has_other(OTHER, &with));
    }
}
