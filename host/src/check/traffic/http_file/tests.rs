//! Requests as people write them into `.http` files.

use super::super::shape::Shape;
use super::*;

fn contents(text: &str) -> Contents {
    match read(text, Path::new("/nowhere")) {
        Ok(contents) => contents,
        Err(error) => panic!("{error} in:\n{text}"),
    }
}

fn shapes(text: &str) -> Vec<Shape> {
    let entries = contents(text).entries.into_iter();
    entries.map(|entry| entry.shape).collect()
}

#[track_caller]
fn one(text: &str) -> Shape {
    let mut shapes = shapes(text);
    assert_eq!(shapes.len(), 1, "{shapes:?} in:\n{text}");
    shapes.remove(0)
}

#[track_caller]
fn body(text: &str) -> String {
    String::from_utf8(one(text).body).expect("text")
}

#[test]
fn a_request_line_needs_no_more_than_a_url() {
    let table = [
        ("/a?b", "GET /a?b"),
        ("http://a.example/b", "GET /b"),
        ("a.example/b HTTP/1.1", "GET /b"),
        ("PUT /a HTTP/2", "PUT /a"),
        ("PURGE https://a.example", "PURGE /"),
        ("  POST\t/a  ", "POST /a"),
        ("GET /a?q=b c HTTP/1.1", "GET /a?q=b%20c"),
        ("/a?q=b c", "GET /a?q=b%20c"),
        ("GET /a\n  /b\n?c=1\n  &d=2 HTTP/1.1", "GET /a/b?c=1&d=2"),
        ("GET /a\n# why\n?b", "GET /a?b"),
    ];
    for (text, expected) in table {
        let shape = one(text);
        assert_eq!(
            format!("{} {}", shape.method, shape.path),
            expected,
            "{text}"
        );
    }
}

#[test]
fn separators_names_and_comments_are_no_requests() {
    let text = "\
# a comment
### First
// another
# @name first
GET /1
Accept: a
# not a header: at all
X-Other: b

###
###

### Second

POST /2

two

### nothing follows
";
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let shapes = shapes(&text);
        let names: Vec<_> = shapes.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["GET /1 with 0 bytes", "POST /2 with 3 bytes"]);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            shapes[0].headers,
            [header("Accept", "a"), header("X-Other", "b")]
        );
    }
}

#[test]
fn a_host_is_in_the_url_or_in_a_header() {
    for text in ["GET http://a.example:1/", "GET /\nHost: a.example:1"] {
        let entry = contents(text).entries.remove(0);
        assert_eq!(entry.host.as_deref(), Some("a.example:1"));
        let (name, value) = &entry.shape.headers[0];
        assert!(name.eq_ignore_ascii_case("host") && value == "a.example:1");
    }
    assert_eq!(contents("GET /").entries[0].host, None);
}

#[test]
fn a_body_goes_on_to_the_separator_without_what_is_no_part_of_it() {
    assert_eq!(body("POST /\n\na\n\n  b\n\n\n"), "a\n\n  b");
    assert_eq!(body("POST /\n\n\na"), "\na");
    assert_eq!(body("POST /\n\na\n# no\n  // no\nb\n# end"), "a\nb");
    assert_eq!(body("POST /\n\n<p>1 < 2</p>\n<"), "<p>1 < 2</p>\n<");
    assert_eq!(
        body("POST /\n\n> quoted\n>> \n{% a %}"),
        "> quoted\n>> \n{% a %}"
    );
    for handler in [
        "> {% client.test(1) %}",
        "> {%\n  let a = '%';\n\n  b()\n%}",
        "> ./handler.js",
        ">> answer.json",
        ">>! answer.json",
        "<> ./old answer.json",
    ] {
        let text = format!("POST /\n\na\n\n{handler}\n");
        assert_eq!(body(&text), "a", "{text}");
        assert!(contents(&text).notes[0].why.contains("handlers"), "{text}");
        let without = format!("GET /\nA: b\n{handler}\n");
        assert_eq!(body(&without), "", "{without}");
    }
}

#[test]
fn comments_within_a_body_are_told_of() {
    let notes = |text| contents(text).notes.len();
    assert_eq!(notes("POST /\n\na\n# b\nc"), 1);
    // Before and after it, nobody takes them for a part of it.
    assert_eq!(notes("POST /\n\n# b\na\n\n# c"), 0);
}

#[test]
fn lines_end_as_the_kind_of_the_body_wants_it() {
    let with = |kind: &str| body(&format!("POST /\nContent-Type: {kind}\n\na=1\n&b=2\nc"));
    assert_eq!(with("text/plain"), "a=1\n&b=2\nc");
    assert_eq!(with("application/x-www-form-urlencoded"), "a=1&b=2\nc");
    assert_eq!(with("multipart/form-data; boundary=x"), "a=1\r\n&b=2\r\nc");
    assert_eq!(with("application/x-ndjson"), "a=1\n&b=2\nc\n");
}

#[test]
fn variables_are_in_all_parts_and_the_marker_stays() {
    let shape = one("\
@host = a.example
@user={{marker}}
POST http://{{host}}/{{user}}
X-User: {{ user }}

{\"user\":\"{{user}}\",\"other\":{\"host\":\"{{host}}\"}}");
    assert_eq!(shape.path, "/{{marker}}");
    assert_eq!(shape.headers[1].1, "{{marker}}");
    let expected = r#"{"user":"{{marker}}","other":{"host":"a.example"}}"#;
    assert_eq!(shape.body, expected.as_bytes());
}

#[test]
fn bodies_come_from_files_beside_it() {
    let folder = std::env::temp_dir().join(format!("lavandula-http-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("raw"), b"\xff{{a}}\n").expect("a file");
    fs::write(folder.join("text"), "{{a}}").expect("a file");
    let read = |line: &str| {
        let text = format!("@a = 1\n@name = raw\nPOST /\n\n{line}");
        read(&text, &folder).map(|contents| contents.entries[0].shape.body.clone())
    };
    let bodies = [
        "< ./raw",
        "< {{name}}",
        "<@ text",
        "x\n<@utf8 ./text\ny",
        "<@latin1 text",
    ];
    let bodies = bodies.map(read);
    fs::remove_dir_all(&folder).expect("it was there");
    let [raw, named, text, mixed, latin1] = bodies;
    assert_eq!(raw.expect("read"), b"\xff{{a}}\n");
    assert_eq!(named.expect("read"), b"\xff{{a}}\n");
    assert_eq!(text.expect("read"), b"1");
    assert_eq!(mixed.expect("read"), b"x\n1\ny");
    assert!(
        latin1
            .expect_err("unknown")
            .to_string()
            .contains(":5: `latin1`")
    );
}

#[test]
fn what_is_no_request_over_http_is_left_out_with_a_reason() {
    for (text, why) in [
        ("WEBSOCKET ws://a/b", "WebSocket"),
        ("GET wss://a/b", "`wss:`"),
        ("GRAPHQL http://a/b\n\nquery", "GraphQL"),
        ("POST /\nX-Request-Type: GraphQL\n\nquery", "GraphQL"),
        ("HTTP/1.1 200 OK\nServer: a", "answers"),
    ] {
        let contents = contents(text);
        assert!(contents.entries.is_empty(), "{text}");
        assert!(contents.notes[0].why.contains(why), "{contents:?}");
    }
    let scripted = contents("< {%\n  a();\n%}\nGET /\n");
    assert_eq!(scripted.entries.len(), 1);
    assert!(scripted.notes[0].why.contains("scripts"));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, expected) in [
        ("GET /\n\n###\nB@D /x", ":4: `B@D` is no method"),
        ("GET /\nno colon", ":2: `no colon` is no header"),
        ("GET /\nA: b\na b: c", ":3: `a b` is no name of a header"),
        ("GET /\nA: \u{1}", ":2: the value of the header `A`"),
        ("\ncurl -X POST http://a/", ":2: a curl command"),
        ("@x\nGET /", ":1: `@x` defines no variable"),
        ("GET /{{id}}", ":1: `{{id}}` has no value"),
        ("POST /\n\na\n{{$uuid}}", ":4: `{{$uuid}}` is not the same"),
        (
            "POST /\n\n\n< ./body.json",
            ":4: cannot read the body /nowhere/./body.json: ",
        ),
        (
            "# @body-encoding base64\nPOST /\n\n!",
            ":4: the body is no base64",
        ),
    ] {
        let error = read(text, Path::new("/nowhere"))
            .expect_err(text)
            .to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_body_of_bytes_is_written_as_base64() {
    // `//` is no comment there.
    let shape = one("# @body-encoding base64\nPOST /\n\nAAH/\n//8=\n");
    assert_eq!(shape.body, [0, 1, 255, 255, 255]);
}
