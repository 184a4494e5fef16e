//! The handler of `examples/everywhere` in terms of std alone: what each of these packages
//! puts its own door before. It gives the same answers, to the byte.

#[path = "../../examples/everywhere/src/memory.rs"]
mod memory;

use std::sync::atomic::{AtomicU32, Ordering};

/// A request.
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// In the order in which they came, with their names in small letters.
    pub headers: Vec<(&'a str, &'a [u8])>,
    pub body: Vec<u8>,
}

/// What it is answered with.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

static SERVED: AtomicU32 = AtomicU32::new(0);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const USAGE: &str = include_str!("../../examples/everywhere/src/usage.txt");

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>, content_type: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.into())],
            body: body.into(),
        }
    }
}

/// Answers one request.
pub fn answer(asked: Asked<'_>) -> Answer {
    let served = SERVED.fetch_add(1, Ordering::Relaxed);
    match (asked.method, asked.path) {
        ("GET" | "HEAD", "/") => Answer::new(200, USAGE, TEXT),
        ("GET", "/state") => {
            let memory = memory::size();
            let state = format!("{{\"served\":{served},\"memory\":{memory}}}\n");
            Answer::new(200, state, JSON)
        }
        ("GET", "/marker") => marker(asked.query, served),
        ("GET", "/headers") => headers(&asked),
        ("POST", "/echo") => Answer::new(200, asked.body, "application/octet-stream"),
        ("POST", "/digest") => {
            let (bytes, hash) = (asked.body.len(), fnv1a(&asked.body));
            let digest = format!("{{\"bytes\":{bytes},\"fnv1a\":\"{hash:016x}\"}}\n");
            Answer::new(200, digest, JSON)
        }
        ("GET", "/trap") => memory::trap(),
        _ => Answer::new(404, USAGE, TEXT),
    }
}

fn marker(query: &str, served: u32) -> Answer {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let own = pairs
        .filter(|(name, _)| *name == "of")
        .map(|(_, of)| of)
        .next();
    let Some(own) = own.filter(|of| memory::is_marker(of)) else {
        return Answer::new(400, "of=mark- and 16 hex digits\n", TEXT);
    };
    let others = memory::others(own);
    let kept: Vec<String> = (1..64).map(|times| own.repeat(times)).collect();
    let copy = kept.last().cloned().unwrap_or_default();
    let memory = memory::size();
    let answer = format!(
        "{{\"marker\":\"{}\",\"others\":{others},\"served\":{served},\"memory\":{memory}}}\n",
        &copy[..own.len()],
    );
    Answer::new(200, answer, JSON)
}

fn headers(asked: &Asked<'_>) -> Answer {
    let mut answer = Answer::new(200, "", TEXT);
    for (name, value) in &asked.headers {
        if name.starts_with("x-") {
            answer.body.extend_from_slice(name.as_bytes());
            answer.body.extend_from_slice(b": ");
            answer.body.extend_from_slice(value);
            answer.body.push(b'\n');
            answer.headers.push(((*name).to_owned(), value.to_vec()));
        }
    }
    answer
}

/// The 64-bit FNV-1a hash.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
