//! The requests of a file: which kind of file it is, and which of them are taken.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::fs;
use std::path::Path;

use super::entry::{Contents, Entry, Note};
use super::error::{Spot, TrafficError, TrafficProblem};
use super::shape::Shape;
use super::url::without_port;
use super::{har, http_file};

/// How many places are named where something was left out.
const NAMED: usize = 5;

/// Which requests of a file are taken.
///
/// ```
/// use lavandula_host::check::Selection;
///
/// let selection = Selection::new().host("api.example.com").most(20);
/// ```
#[derive(Debug, Clone)]
pub struct Selection {
    hosts: Vec<String>,
    most: usize,
}

impl Selection {
    /// How many different requests are taken where nothing else is said. Each has
    /// to be sent several times, and compared with itself only.
    pub const MOST: usize = 64;

    /// Those for all hosts, and the first [`MOST`](Self::MOST) different ones.
    pub fn new() -> Self {
        Self {
            hosts: Vec::new(),
            most: Self::MOST,
        }
    }

    /// Only those for this host, with or without its port. May be given more than
    /// once.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// No more than the first `most` different ones.
    pub fn most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    fn wants(&self, entry: &Entry) -> bool {
        let Some(host) = entry.host.as_deref() else {
            return self.hosts.is_empty();
        };
        let is = |wanted: &String| {
            wanted.eq_ignore_ascii_case(host) || wanted.eq_ignore_ascii_case(without_port(host))
        };
        self.hosts.is_empty() || self.hosts.iter().any(is)
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::new()
    }
}

/// The requests of a HAR or a `.http` file.
///
/// Equal requests are one shape. They need no editing: each has the marker in a
/// header of its own. Where they are to have it elsewhere too, `{{marker}}` stands
/// for it.
#[derive(Debug, Clone)]
pub struct Recording {
    shapes: Vec<Shape>,
    requests: usize,
    left_out: Vec<LeftOut>,
}

impl Recording {
    /// Reads a file, of whichever of the two kinds it is: a HAR is JSON.
    ///
    /// # Errors
    /// Where in the file something is wrong, what it is, and what to do about it.
    pub fn read(path: &Path, selection: &Selection) -> Result<Self, TrafficError> {
        let named = |error: TrafficError| error.in_file(&path.display().to_string());
        let unreadable = |error| {
            named(TrafficError::new(
                Spot::File,
                TrafficProblem::Unreadable(error),
            ))
        };
        let bytes = fs::read(path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let contents = text(&bytes).and_then(|text| match looks_like_json(text) {
            true => har::read(text),
            false => http_file::read(text, folder),
        });
        contents
            .and_then(|contents| Self::select(contents, selection))
            .map_err(named)
    }

    /// The requests of a HAR.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_har(bytes: &[u8], selection: &Selection) -> Result<Self, TrafficError> {
        let contents = text(bytes).and_then(har::read);
        contents
            .and_then(|contents| Self::select(contents, selection))
            .map_err(|error| error.in_file("the HAR"))
    }

    /// The requests of the text of a `.http` file, whose bodies' files are in
    /// `folder`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_http_file(
        text: &str,
        folder: &Path,
        selection: &Selection,
    ) -> Result<Self, TrafficError> {
        http_file::read(text, folder)
            .and_then(|contents| Self::select(contents, selection))
            .map_err(|error| error.in_file("the .http file"))
    }

    fn select(contents: Contents, selection: &Selection) -> Result<Self, TrafficError> {
        let Contents { entries, notes } = contents;
        let fail = |problem| Err(TrafficError::new(Spot::File, problem));
        let mut left_out = grouped(notes);
        if entries.is_empty() {
            return match left_out.is_empty() {
                true => fail(TrafficProblem::Empty),
                false => fail(TrafficProblem::NoneLeft(listed(&left_out))),
            };
        }
        let there: BTreeSet<_> = entries
            .iter()
            .filter_map(|entry| entry.host.clone())
            .collect();
        let all = entries.len();
        let wanted: Vec<Entry> = entries
            .into_iter()
            .filter(|it| selection.wants(it))
            .collect();
        if wanted.is_empty() {
            return fail(TrafficProblem::NoneForHost {
                asked: selection.hosts.join(", "),
                there: hosts(&there),
            });
        }
        let mut leave = |times, why: &str| {
            if times > 0 {
                left_out.push(LeftOut {
                    times,
                    why: why.to_owned(),
                    spots: Vec::new(),
                });
            }
        };
        leave(all - wanted.len(), "requests for other hosts");

        let mut shapes = Vec::new();
        let mut known = HashSet::new();
        let (mut requests, mut beyond) = (0, 0);
        for Entry { shape, .. } in wanted {
            let is_known = known.contains(&shape);
            if !is_known && shapes.len() == selection.most {
                beyond += 1;
                continue;
            }
            requests += 1;
            if !is_known {
                known.insert(shape.clone());
                shapes.push(shape);
            }
        }
        let most = selection.most;
        leave(
            beyond,
            &format!("requests after the first {most} different ones"),
        );
        Ok(Self {
            shapes,
            requests,
            left_out,
        })
    }

    /// The different requests, in the order in which they first came.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// How many requests there were, of these shapes.
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// What else was in the file.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }
}

/// Something in a file that is not among its requests, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    times: usize,
    why: String,
    spots: Vec<Spot>,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} left out: {}", self.times, self.why)?;
        let mut spots = self.spots.iter().take(NAMED);
        let number = |spot: &Spot| match spot {
            Spot::Line(line) | Spot::Character { line, .. } => format!("line {line}"),
            Spot::Entry(number) => format!("entry {number}"),
            Spot::File => "the file".to_owned(),
        };
        if let Some(first) = spots.next() {
            write!(f, "; {}", number(first))?;
            spots.try_for_each(|spot| write!(f, ", {}", number(spot)))?;
            if self.spots.len() > NAMED {
                write!(f, " and {} more", self.spots.len() - NAMED)?;
            }
        }
        Ok(())
    }
}

/// What has the same reason is told once.
fn grouped(notes: Vec<Note>) -> Vec<LeftOut> {
    let mut groups: BTreeMap<String, Vec<Spot>> = BTreeMap::new();
    for note in notes {
        groups.entry(note.why).or_default().push(note.spot);
    }
    let group = |(why, spots): (String, Vec<Spot>)| LeftOut {
        times: spots.len(),
        why,
        spots,
    };
    groups.into_iter().map(group).collect()
}

fn listed(left_out: &[LeftOut]) -> String {
    let all: Vec<_> = left_out.iter().map(ToString::to_string).collect();
    all.join("; ")
}

fn hosts(hosts: &BTreeSet<String>) -> String {
    let named: Vec<&str> = hosts.iter().take(NAMED).map(String::as_str).collect();
    match hosts.len() {
        0 => "no host in particular".to_owned(),
        n if n > NAMED => format!("{} and {} more", named.join(", "), n - NAMED),
        _ => named.join(", "),
    }
}

/// The text of a file, without the mark that some programs begin one with.
fn text(bytes: &[u8]) -> Result<&str, TrafficError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| TrafficError::new(Spot::File, TrafficProblem::NoText))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// A `.http` file may begin with the variable of a host, `{{host}}/path`.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with(['{', '[']) && !text.starts_with("{{")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
GET https://a.example/1
###
GET https://b.example:8080/1
###
GET https://a.example/1
###
GET https://A.example/2
###
GET ws://a.example/3
";

    fn read(selection: Selection) -> Result<Recording, TrafficError> {
        Recording::from_http_file(FILE, Path::new(""), &selection)
    }

    fn paths(recording: &Recording) -> Vec<&str> {
        let shapes = recording.shapes().iter();
        shapes.map(|shape| shape.path.as_str()).collect()
    }

    #[test]
    fn equal_requests_are_one_shape() {
        let recording = read(Selection::new()).expect("a recording");
        // The host is a header, and so makes a difference.
        assert_eq!(paths(&recording), ["/1", "/1", "/2"]);
        assert_eq!(recording.requests(), 4);
        let left_out = listed(recording.left_out());
        assert_eq!(
            left_out,
            "1 left out: `ws:` URLs, which are not sent over HTTP; line 9"
        );
    }

    #[test]
    fn hosts_are_chosen_with_or_without_their_port() {
        let of = |host| read(Selection::new().host(host)).expect("a recording");
        assert_eq!(paths(&of("a.example")), ["/1", "/2"]);
        assert_eq!(paths(&of("B.example")), ["/1"]);
        assert_eq!(paths(&of("b.example:8080")), ["/1"]);
        assert!(
            listed(of("b.example").left_out()).contains("3 left out: requests for other hosts")
        );
        for host in ["c.example", "b.example:80", "example"] {
            let error = read(Selection::new().host(host))
                .expect_err(host)
                .to_string();
            let expected = "it has some for A.example, a.example, b.example:8080";
            assert!(error.ends_with(expected), "{error}");
        }
    }

    #[test]
    fn no_more_than_the_first_different_ones_are_taken() {
        let recording = read(Selection::new().most(1)).expect("a recording");
        assert_eq!(paths(&recording), ["/1"]);
        assert_eq!(recording.requests(), 2);
        let left_out = listed(recording.left_out());
        assert!(
            left_out.contains("2 left out: requests after the first 1 different"),
            "{left_out}"
        );
    }

    #[test]
    fn the_kind_of_a_file_is_told_by_what_is_in_it() {
        for (text, json) in [
            (" {\"log\":", true),
            ("[]", true),
            ("{{host}}/path", false),
            ("GET /", false),
        ] {
            assert_eq!(looks_like_json(text), json, "{text}");
        }
        let har = "\u{feff}{\"log\":{\"entries\":[{\"request\":{\"url\":\"/\"}}]}}";
        let recording = Recording::from_har(har.as_bytes(), &Selection::new());
        assert_eq!(recording.expect("a recording").requests(), 1);
    }

    #[test]
    fn a_file_with_nothing_to_send_is_refused() {
        for text in ["", "\n# nothing\n###\n@a = b\n"] {
            let error = Recording::from_http_file(text, Path::new(""), &Selection::new());
            let error = error.expect_err(text).to_string();
            assert!(
                error.starts_with("the .http file: has no requests"),
                "{error}"
            );
        }
        let error = Recording::from_http_file("ws://a/b", Path::new(""), &Selection::new());
        let error = error.expect_err("nothing").to_string();
        assert!(error.contains("can be sent: 1 left out: `ws:`"), "{error}");
        let har = br#"{"log":{"entries":[]}}"#;
        assert!(Recording::from_har(har, &Selection::new()).is_err());
    }
}
