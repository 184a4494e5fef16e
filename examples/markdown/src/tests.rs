//! The handler as a host sees it: a request in, a response out.
//!
//! The counts over the real document were taken with markdown-it, another
//! implementation of CommonMark.

use lavandula::{Body, IntoResponse, Invocation, Request, Response};

use crate::handle;

const DATA: &str = include_str!("../data/tokio-changelog.md");

struct Answer {
    status: u16,
    content_type: String,
    allow: Option<String>,
    body: String,
}

fn ask(request: Request<'_>) -> Answer {
    let header = |response: &Response<'_>, name| {
        let found = response.headers().iter().find(|header| header.name == name);
        found.map(|header| String::from_utf8(header.value.to_vec()).unwrap())
    };
    Invocation::new()
        .run(|cx| {
            let response = handle(cx, request).into_response();
            let copied = matches!(response.body(), Body::Owned(_));
            assert!(!copied || response.status() != 200);
            Answer {
                status: response.status(),
                content_type: header(&response, "content-type").unwrap(),
                allow: header(&response, "allow"),
                body: String::from_utf8(response.body().as_bytes().to_vec()).unwrap(),
            }
        })
        .unwrap()
}

/// What a document gets.
fn post(path: &str, document: &str) -> String {
    let answer = ask(Request::new("POST", path).with_body(document.as_bytes()));
    assert_eq!(
        (answer.status, &*answer.content_type),
        (200, "text/html; charset=utf-8")
    );
    answer.body
}

fn render(document: &str) -> String {
    post("/render", document)
}

fn title(document: &str) -> String {
    let page = post("/render?full=true", document);
    let (_, rest) = page.split_once("<title>").unwrap();
    rest.split_once("</title>").unwrap().0.to_owned()
}

#[test]
fn the_real_document_has_the_elements_that_another_renderer_finds() {
    let html = render(DATA);
    for (element, count) in [
        ("<h1>", 184),
        ("<h2>", 15),
        ("<h3>", 348),
        ("<ul>", 381),
        ("<li>", 1468),
        ("<p>", 99),
        ("<code", 1479),
        ("<a href=", 1586),
        ("<pre>", 1),
        ("<strong>", 2),
        ("<table>", 0),
    ] {
        assert_eq!(html.matches(element).count(), count, "{element}");
    }
    assert!(html.starts_with("<h1>1.54.1 (October 21st, 2026)</h1>\n<h3>Fixed</h3>\n"));
}

#[test]
fn a_page_is_the_content_with_a_head_around_it() {
    let content = render(DATA);
    assert_eq!(post("/render?full=false", DATA), content);
    let page = post("/render?full=true", DATA);
    let rest = page.strip_prefix(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <title>1.54.1 (October 21st, 2026)</title>\n</head>\n<body>\n",
    );
    assert_eq!(rest.unwrap(), content + "</body>\n</html>\n");
}

#[test]
fn the_title_is_the_text_of_the_first_heading_escaped() {
    assert_eq!(
        title("text\n\n## *A* `b<c>` & [d](e)\n\n# F"),
        "A b&lt;c&gt; &amp; d"
    );
    assert_eq!(title("# </title><script>alert(1)</script>"), "alert(1)");
    assert_eq!(title("# &lt;/title&gt;"), "&lt;/title&gt;");
    assert_eq!(title("two\nlines\n==="), "two lines");
    for untitled in ["", "no heading", "#", "# ![](image)"] {
        assert_eq!(title(untitled), "Untitled", "{untitled}");
    }
}

#[test]
fn the_extensions_are_on() {
    assert!(render("|a|b|\n|-|-|\n|1|2|").contains("<td>2</td>"));
    assert_eq!(render("~~gone~~"), "<p><del>gone</del></p>\n");
    assert!(render("- [x] done").contains("<input disabled=\"\" type=\"checkbox\" checked=\"\"/>"));
    let note = render("text[^1]\n\n[^1]: a note");
    assert!(note.contains("<sup class=\"footnote-reference\"><a href=\"#1\">1</a></sup>"));
    assert!(note.contains("<div class=\"footnote-definition\" id=\"1\">"));
}

#[test]
fn an_empty_document_is_an_empty_answer() {
    assert_eq!(render(""), "");
}

#[test]
fn documents_made_to_be_hard_are_rendered_too() {
    for hard in [
        "> ", "- ", "[", "![", "*a ", "`", "<", "[a](", "~~a", "|", "# ", "[^a]: ",
    ] {
        post("/render?full=true", &hard.repeat(5_000));
    }
}

#[test]
fn a_document_cut_off_anywhere_is_rendered() {
    for end in (0..DATA.len()).step_by(9_973) {
        render(&DATA[..DATA.floor_char_boundary(end)]);
    }
}

#[test]
fn a_body_that_is_not_utf_8_is_400() {
    let answer = ask(Request::new("POST", "/render").with_body(b"# Caf\xe9"));
    assert_eq!(
        (answer.status, &*answer.body),
        (400, "the body is not UTF-8 from byte 5 on\n")
    );
}

#[test]
fn a_query_that_means_nothing_is_422() {
    for path in ["/render?full=", "/render?full=yes"] {
        assert_eq!(
            ask(Request::new("POST", path).with_body(b"# A")).status,
            422
        );
    }
}

#[test]
fn usage_is_at_the_root_and_nothing_is_elsewhere() {
    let usage = ask(Request::new("GET", "/"));
    assert_eq!(
        (usage.status, &*usage.content_type),
        (200, "text/plain; charset=utf-8")
    );
    assert!(usage.body.contains("curl "));
    assert_eq!(ask(Request::new("GET", "/elsewhere")).status, 404);
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    for (method, path, allow) in [("DELETE", "/", "GET, HEAD"), ("GET", "/render", "POST")] {
        let answer = ask(Request::new(method, path));
        assert_eq!((answer.status, answer.allow.as_deref()), (405, Some(allow)));
    }
}
