//! The handler as a host sees it: a request in, a response out.
//!
//! The counts over the real document were taken with Python, not with
//! this program.

use lavandula::{Body, IntoResponse, Invocation, Request};
use serde_json::{Value, json};

use crate::handle;
use crate::version::{Release, Version};

const DATA: &[u8] = include_bytes!("../data/http-compat.json");

struct Answer {
    status: u16,
    allow: Option<String>,
    body: Value,
}

fn ask(request: Request<'_>) -> Answer {
    Invocation::new()
        .run(|cx| {
            let response = handle(cx, request).into_response();
            assert!(matches!(response.body(), Body::Borrowed(_)), "copied");
            let header = |name| response.headers().iter().find(|header| header.name == name);
            assert_eq!(header("content-type").unwrap().value, b"application/json");
            Answer {
                status: response.status(),
                allow: header("allow").map(|h| String::from_utf8(h.value.to_vec()).unwrap()),
                body: serde_json::from_slice(response.body().as_bytes()).unwrap(),
            }
        })
        .unwrap()
}

fn filter(query: &str, body: &[u8]) -> Answer {
    ask(Request::new("POST", &format!("/filter?{query}")).with_body(body))
}

/// What a good request to the real document gets.
fn features(query: &str) -> Vec<Value> {
    let answer = filter(query, DATA);
    assert_eq!((answer.status, &answer.body["total"]), (200, &json!(421)));
    let features = answer.body["features"].as_array().unwrap().clone();
    assert_eq!(answer.body["matched"], features.len());
    features
}

fn count(features: &[Value], holds: impl Fn(&Value) -> bool) -> usize {
    features.iter().filter(|feature| holds(feature)).count()
}

#[test]
fn the_real_document_has_as_many_matches_as_other_tools_find() {
    for (query, matched) in [
        ("browser=firefox", 213),
        ("browser=firefox&deprecated=false", 213),
        ("browser=firefox&deprecated=true", 217),
        ("browser=firefox&since=100", 159),
        ("browser=chrome", 339),
        ("browser=chrome&since=80", 172),
        ("browser=safari&since=15", 134),
        ("browser=safari&since=15.4", 144),
        ("browser=ie", 90),
        ("browser=ie&since=11&deprecated=true", 94),
        ("browser=deno", 0),
    ] {
        assert_eq!(features(query).len(), matched, "{query}");
    }
}

#[test]
fn features_come_in_the_order_of_the_document_with_all_that_was_asked_for() {
    let features = features("browser=firefox&since=100");
    assert_eq!(
        features[0],
        json!({
            "feature": "http.data-url",
            "mdn_url": "https://developer.mozilla.org/docs/Web/URI/Reference/Schemes/data",
            "version_added": "≤2",
        })
    );
    assert_eq!(features[158]["feature"], "http.status.425");
    assert_eq!(features[158]["version_added"], "60");
    assert_eq!(count(&features, |f| f["mdn_url"].is_null()), 48);
    assert_eq!(count(&features, |f| f["partial"] == true), 1);
}

#[test]
fn previews_count_only_without_a_release_to_compare_with() {
    let preview = |f: &Value| f["version_added"] == "preview";
    assert_eq!(count(&features("browser=firefox"), preview), 9);
    assert_eq!(count(&features("browser=firefox&since=9999"), preview), 0);
}

#[test]
fn an_uncertain_release_is_taken_at_its_latest() {
    let at_most = |f: &Value| f["version_added"] == "≤18";
    assert_eq!(count(&features("browser=edge&since=17"), at_most), 0);
    assert_eq!(count(&features("browser=edge&since=18"), at_most), 2);
}

#[test]
fn what_was_removed_by_then_is_not_supported() {
    let cache = |since: &str| {
        features(&format!("browser=firefox&since={since}"))
            .into_iter()
            .find(|f| f["feature"] == "http.headers.Clear-Site-Data.cache")
            .map(|f| f["version_added"].clone())
    };
    assert_eq!(cache("62"), None);
    assert_eq!(cache("63"), Some(json!("63")));
    assert_eq!(cache("94"), None);
    assert_eq!(cache("138"), Some(json!("138")));
}

#[test]
fn another_name_is_not_the_feature() {
    let has = |since: &str| {
        let features = features(&format!("browser=firefox&since={since}"));
        count(&features, |f| {
            f["feature"] == "http.headers.Content-Security-Policy"
        })
    };
    // X-Content-Security-Policy since 4, Content-Security-Policy since 23.
    assert_eq!((has("22"), has("23")), (0, 1));
}

#[test]
fn versions_of_older_data_are_understood() {
    let body = json!({
        "yes": {"__compat": {"support": {"ie": {"version_added": true}}}},
        "no": {"__compat": {"support": {"ie": {"version_added": false}}}},
        "unknown": {"__compat": {"support": {"ie": {"version_added": null}}}},
        "gone": {"__compat": {"support": {"ie": {"version_added": "1", "version_removed": true}}}},
        "kept": {"__compat": {"support": {"ie": {"version_added": "1", "version_removed": null}}}},
        "other": {"__compat": {"support": {}}},
    });
    let matched = |query: &str| {
        let answer = filter(query, body.to_string().as_bytes());
        assert_eq!(answer.body["total"], 6);
        let features = answer.body["features"].as_array().unwrap().clone();
        features
            .into_iter()
            .map(|f| (f["feature"].clone(), f["version_added"].clone()))
            .collect::<Vec<_>>()
    };
    // serde_json sorts the keys of `body`.
    let kept = (json!("kept"), json!("1"));
    assert_eq!(
        matched("browser=ie"),
        [kept.clone(), (json!("yes"), json!(true))]
    );
    assert_eq!(matched("browser=ie&since=11"), [kept]);
}

#[test]
fn escaped_texts_are_read_as_well() {
    let body = br#"{"a\u0062": {"\u005f_compat": {"mdn_url": "\u0068",
        "support": {"i\u0065": {"version_added": "\u22649"}}}}}"#;
    let answer = filter("browser=ie", body);
    assert_eq!(
        answer.body["features"],
        json!([{"feature": "ab", "mdn_url": "h", "version_added": "≤9"}])
    );
}

#[test]
fn a_body_that_is_not_json_is_400_with_line_and_column() {
    for (body, line, column) in [
        (&b""[..], 1, 0),
        (b"{", 1, 1),
        (b"{\n  \"a\": {},\n  b\n}", 3, 3),
        (b"{} {}", 1, 4),
        (b"{\n\"a\": {\"\xff\": {}}}", 2, 8),
        // Also where the parser has no use for the text.
        (
            b"{\"__compat\": {\"support\": {}, \"tags\": \"\xff\"}}",
            1,
            39,
        ),
    ] {
        let answer = filter("browser=ie", body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.body["line"], line, "{}", answer.body);
        assert_eq!(answer.body["column"], column, "{}", answer.body);
        assert!(answer.body["error"].is_string());
    }
}

#[test]
fn a_document_cut_off_anywhere_is_400() {
    for end in (0..DATA.len() - 1).step_by(997) {
        assert_eq!(filter("browser=ie", &DATA[..end]).status, 400, "{end}");
    }
}

#[test]
fn nesting_without_end_is_400() {
    for open in ["[", "{\"a\":", "{\"__compat\":{\"tags\":["] {
        assert!(matches!(
            filter("browser=ie", open.repeat(100_000).as_bytes()).status,
            400 | 422
        ));
    }
}

#[test]
fn json_of_another_shape_is_422() {
    for body in [
        "[]",
        "null",
        "\"text\"",
        "{\"a\": 1}",
        "{\"__compat\": {}}",
        "{\"__compat\": {\"support\": {\"ie\": \"mirror\"}}}",
        "{\"__compat\": {\"support\": {\"ie\": {}}}}",
        "{\"__compat\": {\"support\": {\"ie\": {\"version_added\": 80}}}}",
        "{\"__compat\": {\"support\": {\"ie\": {\"version_added\": \"soon\"}}}}",
        "{\"__compat\": {\"support\": {}}, \"__compat\": {\"support\": {}}}",
    ] {
        let answer = filter("browser=ie", body.as_bytes());
        assert_eq!(answer.status, 422, "{body}: {}", answer.body);
        assert!(answer.body["line"].is_u64() && answer.body["column"].is_u64());
    }
}

#[test]
fn a_query_that_means_nothing_is_422() {
    for query in [
        "",
        "browser=",
        "browser=netscape",
        "browser=ie&since=",
        "browser=ie&since=+9",
        "browser=ie&since=9.x",
        "browser=ie&since=1.2.3.4",
        "browser=ie&since=99999999999",
        "browser=ie&deprecated=perhaps",
    ] {
        let answer = filter(query, DATA);
        assert_eq!(answer.status, 422, "{query}");
        assert!(answer.body["error"].is_string());
    }
}

#[test]
fn usage_is_at_the_root_and_nothing_is_elsewhere() {
    let usage = ask(Request::new("GET", "/"));
    assert_eq!(usage.status, 200);
    assert!(usage.body["example"].as_str().unwrap().starts_with("curl "));
    assert_eq!(ask(Request::new("GET", "/elsewhere")).status, 404);
    assert_eq!(ask(Request::new("POST", "/filter/")).status, 404);
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    for (method, path, allow) in [
        ("POST", "/", "GET, HEAD"),
        ("GET", "/filter?browser=ie", "POST"),
    ] {
        let answer = ask(Request::new(method, path));
        assert_eq!((answer.status, answer.allow.as_deref()), (405, Some(allow)));
    }
}

#[test]
fn releases_compare_as_numbers() {
    let release = |text| Release::parse(text).unwrap();
    assert!(release("9") < release("10"));
    assert!(release("15") < release("15.4"));
    assert!(release("4.4.3") < release("4.10"));
    assert_eq!(release("18"), release("18.0.0"));
    for text in ["", ".", "1.", "-1", "≤1", "1.2.3.4", "preview"] {
        assert_eq!(Release::parse(text), None, "{text}");
    }
    assert_eq!(Version::default(), Version::Never);
}
