//! The requests of a check, each with a marker of its own.
//!
//! They are made from shapes (`shape`): those that a seed makes (`generated`), those
//! that somebody gives, and those that are read from a file (`recording`), which is
//! a HAR (`har`) or a `.http` file (`http_file`). The requests of a run can be
//! written as such a file again (`print`).

mod base64;
mod entry;
mod error;
mod generated;
mod har;
mod http_file;
mod print;
mod recording;
mod shape;
mod url;
mod variables;

use bytes::Bytes;
use http::Request;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{Generated, LEAST_CYCLES, Plan};

pub use self::error::{TrafficError, TrafficProblem};
pub use self::recording::{LeftOut, Recording, Selection};
pub use self::shape::{PLACEHOLDER, Shape, ShapeError};

/// Length of what all markers of a run begin with.
const RUN: usize = 8;
/// Length of what only one request has.
const UNIQUE: usize = 24;
/// Length of a marker.
pub(super) const MARKER: usize = RUN + UNIQUE;
/// Length of the pieces in which a remnant of a marker is looked for.
pub(super) const PIECE: usize = 8;

/// A text that occurs nowhere but in one request.
///
/// All markers of a run begin alike, so that one search finds each of them;
/// what follows tells them apart. Lower case and digits only: neither header
/// names, nor paths, nor JSON change such a text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Marker(String);

impl Marker {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// How much of it all markers of the run share.
    pub(super) fn run_len(&self) -> usize {
        RUN
    }

    /// The part that only this marker has.
    pub(super) fn unique(&self) -> &[u8] {
        &self.0.as_bytes()[RUN..]
    }

    /// Pieces of the part that only this marker has. A remnant of 15 bytes or
    /// more contains one of them, or the beginning that all markers share.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.unique().chunks_exact(PIECE)
    }
}

/// One request of a run.
pub(super) struct Sent {
    pub(super) shape: usize,
    pub(super) marker: Marker,
    pub(super) request: Request<Bytes>,
}

/// The requests of a run, in order. The same seed and shapes give the same
/// requests, byte for byte.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Traffic {
    random: ChaCha8Rng,
    shapes: Vec<Shape>,
    run: String,
    /// In which order the shapes come, over and over.
    order: Vec<usize>,
    sent: usize,
}

impl Traffic {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        let run = letters(&mut random, RUN);
        let mut shapes = plan.shapes.clone();
        if shapes.is_empty() || plan.generated == Generated::Too {
            shapes.extend(generated::shapes(&mut random));
        }
        Self {
            order: shuffled(&mut random, shapes.len()),
            sent: 0,
            random,
            shapes,
            run,
        }
    }

    /// Other requests of the same run and shapes: none of them has a marker that one of
    /// these has.
    pub(super) fn aside(&self) -> Self {
        let mut random = self.random.clone();
        // The traffic itself has stream 0.
        random.set_stream(1);
        Self {
            random,
            shapes: self.shapes.clone(),
            run: self.run.clone(),
            order: self.order.clone(),
            sent: 0,
        }
    }

    /// Has the shapes come from the beginning of a cycle again.
    pub(super) fn begin_cycle(&mut self) {
        self.sent = 0;
    }

    /// What all markers begin with.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    pub(super) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The next request. Every shape comes once in a cycle, and all cycles have
    /// the same order: where a general-purpose allocator puts something depends
    /// on what came before, and that must not look like a leak.
    pub(super) fn next(&mut self) -> Result<Sent, http::Error> {
        let shape = self.order[self.sent % self.order.len()];
        self.sent += 1;
        let unique = letters(&mut self.random, UNIQUE);
        let marker = Marker(format!("{}{unique}", self.run));
        let request = self.shapes[shape].build(marker.as_str())?;
        Ok(Sent {
            shape,
            marker,
            request,
        })
    }
}

impl Plan {
    /// Requests of these shapes as well: those of a [`Recording`], say.
    pub fn shapes<'a>(mut self, shapes: impl IntoIterator<Item = &'a Shape>) -> Self {
        self.shapes.extend(shapes.into_iter().cloned());
        self
    }

    /// The least number of requests that this plan needs for its shapes.
    pub fn least_requests(&self) -> u32 {
        let shapes = Traffic::new(self).shapes.len();
        self.cycle(shapes).saturating_mul(LEAST_CYCLES)
    }

    /// The requests that a check with this plan sends, in order, each as a part of
    /// a `.http` file. The same plan gives the same text, byte for byte.
    pub fn requests_as_text(&self) -> impl Iterator<Item = Result<String, http::Error>> + use<> {
        let mut traffic = Traffic::new(self);
        let batches = self.batches(traffic.shapes.len());
        (1..=self.requests).map(move |number| {
            if batches.is_some_and(|batches| batches.begins_cycle_with(number)) {
                traffic.begin_cycle();
            }
            let sent = traffic.next()?;
            let name = format!("request {number}: {}", traffic.shapes[sent.shape]);
            Ok(print::text(&name, &sent.request))
        })
    }
}

/// The numbers below `len`, in any order.
fn shuffled(random: &mut ChaCha8Rng, len: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    for i in (1..len).rev() {
        order.swap(i, below(random, i + 1));
    }
    order
}

fn letters(random: &mut ChaCha8Rng, len: usize) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..len)
        .map(|_| char::from(ALPHABET[below(random, ALPHABET.len())]))
        .collect()
}

/// A number below `bound`. The bias is of no concern here.
pub(super) fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    (random.next_u64() % bound.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(seed: u64, n: usize) -> Vec<(usize, String, Request<Bytes>)> {
        let mut traffic = Traffic::new(&Plan::new().seed(seed));
        (0..n)
            .map(|_| traffic.next().expect("generated requests are valid"))
            .map(|sent| (sent.shape, sent.marker.0, sent.request))
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        let same = |a: &Request<Bytes>, b: &Request<Bytes>| {
            a.uri() == b.uri()
                && a.method() == b.method()
                && a.headers() == b.headers()
                && a.body() == b.body()
        };
        let (a, b) = (all(7, 40), all(7, 40));
        assert!(a.iter().zip(&b).all(|(a, b)| same(&a.2, &b.2)));
        assert!(!a.iter().zip(&all(8, 40)).all(|(a, b)| same(&a.2, &b.2)));
    }

    #[test]
    fn requests_of_a_shape_differ_in_the_marker_only() {
        let requests = all(3, 40);
        for (shape, marker, request) in &requests {
            let (other, other_request) = requests
                .iter()
                .find(|(s, m, _)| s == shape && m != marker)
                .map(|(_, m, r)| (m, r))
                .expect("every shape comes again");
            let text = |r: &Request<Bytes>| format!("{} {:?} {:?}", r.uri(), r.headers(), r.body());
            assert_eq!(
                text(request).replace(marker, other),
                text(other_request),
                "shape {shape}"
            );
        }
    }

    #[test]
    fn every_shape_comes_once_in_a_cycle_and_every_cycle_is_the_same() {
        let shapes = Traffic::new(&Plan::new()).shapes.len();
        let requests = all(5, 4 * shapes);
        let order: Vec<_> = requests.iter().map(|(shape, ..)| *shape).collect();
        assert!(order.chunks(shapes).all(|cycle| cycle == &order[..shapes]));
        let mut seen = order[..shapes].to_vec();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..shapes));
    }

    #[test]
    fn a_host_of_its_own_is_not_joined_by_ours() {
        let headers = vec![
            ("HOST".to_owned(), " a.example ".to_owned()),
            ("Content-Length".to_owned(), "7".to_owned()),
            ("X-Lavandula-Marker".to_owned(), "mine".to_owned()),
        ];
        let shape = Shape::new("POST", "/", headers, b"abc".to_vec()).expect("valid");
        let plan = Plan::new().shapes([&shape]).given_only();
        let sent = Traffic::new(&plan).next().expect("valid");
        let all = |name| {
            let values = sent.request.headers().get_all(name).iter();
            values
                .map(|value| value.to_str().unwrap_or(""))
                .collect::<Vec<_>>()
        };
        assert_eq!(all("host"), ["a.example"]);
        assert_eq!(all("content-length"), ["3"]);
        assert_eq!(all("x-lavandula-marker"), [sent.marker.as_str()]);
    }

    #[test]
    fn a_plan_says_how_many_requests_it_needs() {
        assert_eq!(Plan::new().least_requests(), 32);
        let shape = Shape::new("GET", "/", Vec::new(), Vec::new()).expect("valid");
        let plan = Plan::new().shapes([&shape, &shape]);
        assert_eq!(plan.least_requests(), 40);
        assert_eq!(plan.given_only().least_requests(), 8);
    }

    #[test]
    fn a_template_gets_its_marker_everywhere() {
        let shape = Shape::new(
            "POST",
            "/a?q={{marker}}",
            vec![("x-tag".into(), "<{{marker}}>".into())],
            b"{{marker}} and {{marker}}".to_vec(),
        )
        .expect("valid");
        let sent = Traffic::new(&Plan::new().shape(shape).given_only())
            .next()
            .expect("valid");
        let marker = sent.marker.as_str();
        assert!(sent.request.uri().query().unwrap_or("").ends_with(marker));
        assert_eq!(sent.request.headers()["x-tag"], format!("<{marker}>"));
        assert_eq!(sent.request.body(), &format!("{marker} and {marker}"));
    }

    #[test]
    fn a_template_that_is_no_request_is_refused_beforehand() {
        assert!(Shape::new("BAD METHOD", "/", vec![], vec![]).is_err());
        assert!(Shape::new("GET", "/ /", vec![], vec![]).is_err());
        let error = Shape::new("GET", "a/b", vec![], vec![]).expect_err("no slash");
        assert!(error.to_string().contains("`/a/b`"));
        assert!(Shape::new("GET", "/", vec![("a b".into(), String::new())], vec![]).is_err());
    }
}
