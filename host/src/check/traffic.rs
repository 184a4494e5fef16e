//! The requests of a check: seeded, of mixed sizes, each with a marker of its
//! own.

use std::fmt;

use bytes::Bytes;
use http::{Method, Request};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{Generated, Plan};

/// What a template has in the place of the marker.
pub const PLACEHOLDER: &str = "{{marker}}";

/// Length of what all markers of a run begin with.
const RUN: usize = 8;
/// Length of what only one request has.
const UNIQUE: usize = 24;
/// Length of a marker.
pub(super) const MARKER: usize = RUN + UNIQUE;
/// Length of the pieces in which a remnant of a marker is looked for.
const PIECE: usize = 8;

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

/// A kind of request: all requests of a shape are equal but for the marker,
/// which has always the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Shape {
    /// A request of one's own. Each `{{marker}}` in the path, the headers and
    /// the body becomes the marker of the request; it has a marker in a header
    /// in any case.
    ///
    /// # Errors
    /// What is wrong with the method, the path or a header.
    pub fn new(
        method: &str,
        path: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<Self, ShapeError> {
        if !path.starts_with('/') {
            return Err(ShapeError::Path(path.to_owned()));
        }
        let shape = Self {
            method: method.parse().map_err(http::Error::from)?,
            path: path.to_owned(),
            headers,
            body,
        };
        // Tried here, so that a run cannot fail for it in the middle.
        shape.build(&"0".repeat(MARKER))?;
        Ok(shape)
    }

    fn build(&self, marker: &str) -> Result<Request<Bytes>, http::Error> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.path.replace(PLACEHOLDER, marker))
            .header("host", "check.invalid")
            .header("x-lavandula-marker", marker);
        for (name, value) in &self.headers {
            request = request.header(name, value.replace(PLACEHOLDER, marker));
        }
        let body = replace(&self.body, marker);
        if !body.is_empty() {
            request = request.header("content-length", body.len());
        }
        request.body(body.into())
    }
}

/// Why a shape is no request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// Without the slash it could be anything.
    #[error("the path `{0}` does not begin with a slash: write it as in a request line, `/{0}`")]
    Path(String),
    /// A method, path or header that HTTP does not allow.
    #[error(
        "{0}: a method is a word, a path has no spaces, a header's name has only letters, digits \
         and dashes"
    )]
    Http(#[from] http::Error),
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or("/");
        let len = replace(&self.body, &"0".repeat(MARKER)).len();
        write!(f, "{} {path} with {len} bytes", self.method)
    }
}

fn replace(body: &[u8], marker: &str) -> Vec<u8> {
    let mut result = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr::memmem::find(rest, PLACEHOLDER.as_bytes()) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(marker.as_bytes());
        rest = &rest[at + PLACEHOLDER.len()..];
    }
    result.extend_from_slice(rest);
    result
}

/// One request of a run.
pub(super) struct Sent {
    pub(super) shape: usize,
    pub(super) marker: Marker,
    pub(super) request: Request<Bytes>,
}

/// The requests of a run, in order. The same seed and shapes give the same
/// requests, byte for byte.
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
            shapes.extend(generated(&mut random));
        }
        Self {
            order: shuffled(&mut random, shapes.len()),
            sent: 0,
            random,
            shapes,
            run,
        }
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

/// Sizes of the generated bodies, in bytes: none, less than a header, about a
/// page of the machine, more than a block of the arena, and a few of those.
const BODIES: [usize; 8] = [0, 0, 100, 1_000, 4_000, 20_000, 70_000, 200_000];

/// Shapes for a component of which nothing is known.
fn generated(random: &mut ChaCha8Rng) -> Vec<Shape> {
    let methods = [Method::GET, Method::POST, Method::PUT];
    BODIES
        .iter()
        .enumerate()
        .map(|(i, &size)| {
            let method = if size == 0 {
                Method::GET
            } else {
                methods[1 + i % 2].clone()
            };
            let path = format!("/{}?q={PLACEHOLDER}&n={i}", letters(random, 3 + i));
            let mut headers = vec![("accept".to_owned(), "*/*".to_owned())];
            for n in 0..below(random, 6) {
                headers.push((
                    format!("x-{}", letters(random, 4)),
                    format!("{n} {PLACEHOLDER}"),
                ));
            }
            if size > 0 {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            Shape {
                method,
                path,
                headers,
                body: json(random, size),
            }
        })
        .collect()
}

/// A JSON document of about `size` bytes, with a marker in every entry.
fn json(random: &mut ChaCha8Rng, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    let mut text = String::from("[");
    loop {
        let words = below(random, 60);
        text.push_str(&format!(
            "{{\"id\":{},\"{PLACEHOLDER}\":\"{PLACEHOLDER}\",\"text\":\"{}\"}}",
            below(random, 100_000),
            letters(random, words)
        ));
        if text.len() >= size {
            break;
        }
        text.push(',');
    }
    text.push(']');
    text.into_bytes()
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
fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
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
        let shapes = BODIES.len();
        let requests = all(5, 4 * shapes);
        let order: Vec<_> = requests.iter().map(|(shape, ..)| *shape).collect();
        assert!(order.chunks(shapes).all(|cycle| cycle == &order[..shapes]));
        let mut seen = order[..shapes].to_vec();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..shapes));
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
