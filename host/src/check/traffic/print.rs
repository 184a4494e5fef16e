//! The requests of a run as the text of a `.http` file.
#![forbid(unsafe_code)]

use std::path::Path;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_LENGTH;

use super::{base64, http_file};

/// Two braces begin a variable, so they are written as one.
const BRACES: &str = "{{";
const VARIABLE: &str = "{{open}}";
const DEFINITION: &str = "@open = {{\n";

/// A request in the form that `http_file` reads. `name` is what it is called.
pub(super) fn text(name: &str, request: &Request<Bytes>) -> String {
    let mut lines = format!("{} {} HTTP/1.1\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        // Whoever sends it counts for himself.
        if name != CONTENT_LENGTH {
            let value = String::from_utf8_lossy(value.as_bytes());
            lines.push_str(&format!("{name}: {value}\n"));
        }
    }
    let body = request.body();
    if let Ok(body) = std::str::from_utf8(body) {
        let all = match body {
            "" => lines.clone(),
            body => format!("{lines}\n{body}\n"),
        };
        let text = format!("### {name}\n{}\n", escaped(&all));
        if says(&text, body.as_bytes()) {
            return text;
        }
    }
    let (base64, head) = (base64::encode(body), escaped(&lines));
    format!("### {name}\n{}\n{head}\n{base64}\n\n", http_file::BASE64)
}

fn escaped(text: &str) -> String {
    match text.contains(BRACES) {
        true => format!("{DEFINITION}{}", text.replace(BRACES, VARIABLE)),
        false => text.to_owned(),
    }
}

/// Whether a text is a request with this body: empty lines at its end, comments,
/// separators and more would not be a part of it.
fn says(text: &str, body: &[u8]) -> bool {
    match http_file::read(text, Path::new("")) {
        Ok(contents) => match contents.entries.as_slice() {
            [entry] => entry.shape.body == body,
            _ => false,
        },
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::Shape;
    use super::super::{Plan, Traffic};
    use super::*;

    /// What is printed, read again, is this request.
    #[track_caller]
    fn comes_back(marker: &str, request: &Request<Bytes>) -> String {
        let text = text("a name", request);
        let contents = match http_file::read(&text, Path::new("/nowhere")) {
            Ok(contents) => contents,
            Err(error) => panic!("{error} in:\n{text}"),
        };
        assert!(contents.notes.is_empty(), "{contents:?}");
        assert_eq!(contents.entries.len(), 1, "{text}");
        let again = contents.entries[0].shape.build(marker).expect("a request");
        assert_eq!(again.method(), request.method());
        assert_eq!(again.uri(), request.uri());
        assert_eq!(again.headers(), request.headers());
        assert_eq!(again.body(), request.body());
        text
    }

    #[test]
    fn generated_requests_come_back_from_their_text() {
        for seed in 0..10 {
            let mut traffic = Traffic::new(&Plan::new().seed(seed));
            for _ in 0..traffic.shapes().len() {
                let sent = traffic.next().expect("valid");
                comes_back(sent.marker.as_str(), &sent.request);
            }
        }
    }

    fn with_body(kind: &str, body: &[u8]) -> (String, Request<Bytes>) {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let shape = Shape::new("POST", "/a", headers, body.to_vec());
        let plan = Plan::new().shapes([&shape.expect("valid")]).given_only();
        let sent = Traffic::new(&plan).next().expect("valid");
        (sent.marker.as_str().to_owned(), sent.request)
    }

    #[test]
    fn bodies_that_look_like_something_else_come_back_too() {
        let bodies: [&[u8]; 20] = [
            b"a\n### b\nc",
            b"# a\nb",
            b"a\n  // b",
            b"\n\na",
            b"a\n",
            b"\n",
            b" ",
            b"a\r\nb",
            b"a\r",
            b"< ./file",
            b"<@ file",
            b"> {% a %}",
            b"a\n>> b",
            b"{{a}} {{marker}} {{{ {{$guid}}",
            b"{{open}}",
            b"@a = b",
            b"HTTP/1.1 200 OK",
            b"\xff\0",
            "\u{feff}\u{85}ä".as_bytes(),
            b"a=1\n&b=2\n",
        ];
        let kinds = [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/x-ndjson",
            "multipart/form-data; boundary={{x}}",
        ];
        for body in bodies {
            for kind in kinds {
                let (marker, request) = with_body(kind, body);
                comes_back(&marker, &request);
            }
        }
    }

    #[test]
    fn what_can_be_read_is_printed_as_it_is() {
        let (marker, request) = with_body("application/json", b"{\"a\": [\n1]}");
        let text = comes_back(&marker, &request);
        assert!(text.ends_with("\n\n{\"a\": [\n1]}\n\n"), "{text}");
        assert!(!text.contains("base64"), "{text}");
        let (marker, request) = with_body("text/markdown", b"# A heading\n\ntext");
        let text = comes_back(&marker, &request);
        assert!(text.contains(http_file::BASE64), "{text}");
    }
}
