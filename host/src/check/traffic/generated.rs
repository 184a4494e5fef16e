//! Requests for a component of which nothing is known: every method, and paths,
//! headers and bodies of all kinds and sizes, as the seed decides.
#![forbid(unsafe_code)]

use http::Method;
use rand_chacha::ChaCha8Rng;

use super::shape::{PLACEHOLDER, Shape};
use super::{below, letters, shuffled};

/// Shapes whose requests have no body.
const WITHOUT_BODY: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];

/// And those with one. Together there are few, so that the cycle is short: every
/// shape has to come four times.
const WITH_BODY: [Method; 5] = [
    Method::POST,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Least sizes of the bodies, in bytes: less than a header, about a page of the
/// machine, more than a block of the arena, and a few of those.
const SIZES: [usize; WITH_BODY.len()] = [100, 1_000, 4_000, 70_000, 200_000];

/// How much text headers have besides the marker.
const HEADER_SIZES: [usize; 5] = [0, 8, 60, 300, 1_500];

/// A kind of body. Handlers parse what they know and hand on what they do not.
#[derive(Clone, Copy)]
enum Kind {
    Json,
    Form,
    Text,
    Bytes,
}

impl Kind {
    /// One for each body; documents are what handlers work on most.
    const ALL: [Self; WITH_BODY.len()] =
        [Self::Json, Self::Json, Self::Form, Self::Text, Self::Bytes];

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Text => "text/plain; charset=utf-8",
            Self::Bytes => "application/octet-stream",
        }
    }

    /// A body of at least `size` bytes, with markers all over it.
    fn body(self, random: &mut ChaCha8Rng, size: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(size + 200);
        if let Self::Json = self {
            body.push(b'[');
        }
        loop {
            let words = below(random, 60);
            let words = letters(random, words);
            let number = below(random, 100_000);
            match self {
                Self::Json => body.extend_from_slice(
                    format!(
                        "{{\"id\":{number},\"{PLACEHOLDER}\":\"{PLACEHOLDER}\",\
                         \"text\":\"{words}\"}}"
                    )
                    .as_bytes(),
                ),
                Self::Form => body.extend_from_slice(
                    format!("n{number}={PLACEHOLDER}&text=%C3%BC+{words}").as_bytes(),
                ),
                Self::Text => body
                    .extend_from_slice(format!("{number} {PLACEHOLDER}: ä€ {words}.").as_bytes()),
                Self::Bytes => {
                    body.extend((0..below(random, 90)).map(|_| below(random, 256) as u8));
                    body.extend_from_slice(PLACEHOLDER.as_bytes());
                }
            }
            if body.len() >= size {
                break;
            }
            match self {
                Self::Json => body.push(b','),
                Self::Form => body.push(b'&'),
                Self::Text => body.push(b'\n'),
                Self::Bytes => {}
            }
        }
        if let Self::Json = self {
            body.push(b']');
        }
        body
    }
}

/// The shapes that a seed makes. Each method comes, each size and each kind of
/// body; which of them come together is up to the seed.
pub(super) fn shapes(random: &mut ChaCha8Rng) -> Vec<Shape> {
    let sizes = shuffled(random, SIZES.len());
    let kinds = shuffled(random, Kind::ALL.len());
    let bodies = sizes.into_iter().zip(kinds).map(|(size, kind)| {
        let kind = Kind::ALL[kind];
        Some((SIZES[size], kind))
    });
    let without = WITHOUT_BODY.into_iter().map(|method| (method, None));
    let shapes: Vec<_> = without.chain(WITH_BODY.into_iter().zip(bodies)).collect();
    let shape = |(n, (method, body)): (usize, (Method, Option<(usize, Kind)>))| {
        let path = path(random, n);
        let mut headers = headers(random);
        let body = match body {
            None => Vec::new(),
            Some((size, kind)) => {
                headers.push(("content-type".to_owned(), kind.media_type().to_owned()));
                let more = below(random, size / 4);
                kind.body(random, size + more)
            }
        };
        Shape {
            method,
            path,
            headers,
            body,
        }
    };
    shapes.into_iter().enumerate().map(shape).collect()
}

/// A path with segments, some of them as only an encoding can write them, and the
/// marker in its query: a request without a body has it nowhere else that every
/// door passes on.
fn path(random: &mut ChaCha8Rng, n: usize) -> String {
    /// A space, letters that are not ASCII, and what would end a segment, a path
    /// or an escape.
    const ENCODED: [&str; 6] = ["%20", "%C3%A4", "%E2%82%AC", "%2F", "%3F", "%25"];
    let mut path = String::new();
    for _ in 0..=below(random, 4) {
        let len = 1 + below(random, 12);
        path.push('/');
        path.push_str(&letters(random, len));
        if below(random, 3) == 0 {
            path.push_str(ENCODED[below(random, ENCODED.len())]);
        }
    }
    format!("{path}?q={PLACEHOLDER}&n={n}")
}

fn headers(random: &mut ChaCha8Rng) -> Vec<(String, String)> {
    let mut headers = vec![("accept".to_owned(), "*/*".to_owned())];
    for n in 0..below(random, 7) {
        let len = HEADER_SIZES[below(random, HEADER_SIZES.len())];
        let text = letters(random, len);
        headers.push((
            format!("x-{}", letters(random, 4)),
            format!("{n} {PLACEHOLDER} {text}").trim_end().to_owned(),
        ));
    }
    headers
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn of_seed(seed: u64) -> Vec<Shape> {
        shapes(&mut ChaCha8Rng::seed_from_u64(seed))
    }

    fn header(shape: &Shape, wanted: &str) -> Option<String> {
        let mut headers = shape.headers.iter();
        let header = headers.find(|(name, _)| name == wanted);
        header.map(|(_, value)| value.clone())
    }

    #[test]
    fn every_seed_has_every_method_size_and_kind_of_body() {
        for seed in 0..20 {
            let shapes = of_seed(seed);
            assert_eq!(shapes.len(), 8);
            let methods: BTreeSet<_> = shapes.iter().map(|it| it.method.to_string()).collect();
            let all = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
            assert!(methods.iter().eq(all.iter()), "{methods:?}");
            let mut sizes = Vec::new();
            let mut kinds = BTreeSet::new();
            for shape in &shapes {
                let kind = header(shape, "content-type");
                assert_eq!(kind.is_some(), !shape.body.is_empty(), "{shape:?}");
                if let Some(kind) = kind {
                    sizes.push(shape.body.len());
                    kinds.insert(kind);
                }
            }
            sizes.sort_unstable();
            assert!(sizes.iter().zip(SIZES).all(|(&size, least)| size >= least));
            assert!(
                sizes
                    .iter()
                    .zip(SIZES)
                    .all(|(&size, least)| size < least * 2 + 300)
            );
            assert_eq!(kinds.len(), 4);
        }
    }

    #[test]
    fn every_request_has_its_marker_where_any_door_shows_it() {
        for shape in of_seed(5) {
            assert!(shape.path.contains(PLACEHOLDER));
            let body = String::from_utf8_lossy(&shape.body).into_owned();
            assert!(body.is_empty() || body.contains(PLACEHOLDER));
        }
    }

    #[test]
    fn paths_and_headers_are_of_many_kinds() {
        let shapes: Vec<Shape> = (0..20).flat_map(of_seed).collect();
        let count = |is: &dyn Fn(&Shape) -> bool| shapes.iter().filter(|shape| is(shape)).count();
        assert!(count(&|shape| shape.path.contains('%')) > 20);
        assert!(count(&|shape| shape.path.matches('/').count() > 2) > 20);
        assert!(count(&|shape| shape.headers.len() > 5) > 20);
        assert!(count(&|shape| shape.headers.iter().any(|(_, v)| v.len() > 1_000)) > 20);
        // And all of them are what HTTP allows.
        for shape in shapes {
            let Shape {
                method,
                path,
                headers,
                body,
            } = shape;
            Shape::new(method.as_str(), &path, headers, body).expect("valid");
        }
    }

    #[test]
    fn documents_are_documents() {
        let json =
            |shape: &Shape| header(shape, "content-type").is_some_and(|it| it.ends_with("json"));
        for shape in (0..5).flat_map(of_seed).filter(json) {
            let body: Result<serde_json::Value, _> = serde_json::from_slice(&shape.body);
            assert!(body.is_ok(), "{shape}");
        }
    }
}
