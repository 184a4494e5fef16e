//! Requests from a HAR, as browsers export what they have sent.
//!
//! Exporters differ in what they leave out and in what they add, so all is taken
//! that can be: unknown fields are none of our business, and of the known ones
//! only a request's URL has to be there.
#![forbid(unsafe_code)]

use serde::Deserialize;
use serde_json::error::Category;

use super::base64;
use super::entry::{Contents, Entry};
use super::error::{Spot, TrafficError, TrafficProblem};
use super::url::Url;

#[derive(Deserialize)]
struct Har {
    log: Option<Log>,
}

#[derive(Deserialize)]
struct Log {
    entries: Option<Vec<Recorded>>,
}

#[derive(Deserialize)]
struct Recorded {
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: Option<String>,
    url: String,
    headers: Option<Vec<Pair>>,
    cookies: Option<Vec<Pair>>,
    post_data: Option<PostData>,
    body_size: Option<f64>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    mime_type: Option<String>,
    text: Option<String>,
    encoding: Option<String>,
    params: Option<Vec<Param>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param {
    name: String,
    value: Option<String>,
    file_name: Option<String>,
}

/// All requests of a HAR, in order.
pub(super) fn read(text: &str) -> Result<Contents, TrafficError> {
    let har: Har = serde_json::from_str(text).map_err(|error| {
        let spot = Spot::Character {
            line: error.line(),
            column: error.column(),
        };
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or("").to_owned();
        match error.classify() {
            Category::Data => TrafficError::new(spot, TrafficProblem::NoHar(said)),
            _ => TrafficError::new(spot, TrafficProblem::NoJson(said)),
        }
    })?;
    let Some(recorded) = har.log.and_then(|log| log.entries) else {
        let problem = TrafficProblem::NoHar("there is no `log.entries` in it".to_owned());
        return Err(TrafficError::new(Spot::File, problem));
    };
    let mut contents = Contents::default();
    for (n, recorded) in recorded.into_iter().enumerate() {
        let spot = Spot::Entry(n + 1);
        match recorded.request {
            Some(request) => take(&mut contents, spot, request)
                .map_err(|problem| TrafficError::new(spot, problem))?,
            None => contents.note(spot, "entries without a request"),
        }
    }
    Ok(contents)
}

fn take(contents: &mut Contents, spot: Spot, request: Request) -> Result<(), TrafficProblem> {
    let method = request.method.as_deref().unwrap_or("GET");
    let (host, path) = match Url::parse(request.url.trim()) {
        Url::Http { host, path } => (host, path),
        Url::Other { scheme } => {
            contents.note(
                spot,
                format!("`{scheme}:` URLs, which are not sent over HTTP"),
            );
            return Ok(());
        }
    };
    if method.eq_ignore_ascii_case("CONNECT") {
        contents.note(spot, "CONNECT, which is a matter of proxies");
        return Ok(());
    }
    let pairs = request.headers.unwrap_or_default().into_iter();
    let mut headers: Vec<(String, String)> = pairs
        .map(|pair| (pair.name, pair.value.unwrap_or_default()))
        .collect();
    let has = |headers: &[(String, String)], wanted: &str| {
        let mut names = headers.iter().map(|(name, _)| name);
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    let cookies = request.cookies.unwrap_or_default();
    if !cookies.is_empty() && !has(&headers, "cookie") {
        let cookie = |cookie: Pair| format!("{}={}", cookie.name, cookie.value.unwrap_or_default());
        let cookies: Vec<String> = cookies.into_iter().map(cookie).collect();
        headers.push(("cookie".to_owned(), cookies.join("; ")));
    }

    let recorded = request.post_data.is_some();
    let body = match request.post_data {
        None => Vec::new(),
        Some(data) => {
            let media_type = data.mime_type.clone().filter(|kind| !kind.is_empty());
            let Some(body) = body(data)? else {
                contents.note(spot, "requests with a form whose files were not recorded");
                return Ok(());
            };
            if let Some(media_type) = media_type
                && !body.is_empty()
                && !has(&headers, "content-type")
            {
                headers.push(("content-type".to_owned(), media_type));
            }
            body
        }
    };
    if !recorded && request.body_size.is_some_and(|size| size > 0.0) {
        contents.note(spot, "requests whose bodies were not recorded");
        return Ok(());
    }
    let entry = Entry::new(method, host, &path, headers, body)?;
    contents.entries.push(entry);
    Ok(())
}

/// The bytes of a body, where they were recorded.
fn body(data: PostData) -> Result<Option<Vec<u8>>, TrafficProblem> {
    let text = data.text.filter(|text| !text.is_empty());
    if let Some(text) = text {
        return match data.encoding.as_deref().unwrap_or("") {
            "" => Ok(Some(text.into_bytes())),
            "base64" => match base64::decode(&text) {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(TrafficProblem::Base64),
            },
            other => Err(TrafficProblem::Encoding(other.to_owned())),
        };
    }
    let params = data.params.unwrap_or_default();
    let media_type = data.mime_type.unwrap_or_default();
    if !media_type.to_ascii_lowercase().starts_with("multipart/") {
        return Ok(Some(form(&params).into_bytes()));
    }
    let boundary = media_type
        .split(';')
        .filter_map(|part| part.trim().strip_prefix("boundary="))
        .next();
    Ok(boundary.and_then(|boundary| multipart(&params, boundary.trim_matches('"'))))
}

fn form(params: &[Param]) -> String {
    let field = |param: &Param| {
        let value = param.value.as_deref().unwrap_or("");
        format!("{}={}", form_encoded(&param.name), form_encoded(value))
    };
    params.iter().map(field).collect::<Vec<_>>().join("&")
}

/// As a browser sends a field of a form. The placeholder of the marker stays.
fn form_encoded(text: &str) -> String {
    let encoded: String = text
        .bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' | b'{' | b'}' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    encoded
}

/// Nothing where a file was sent and what was in it is not known.
fn multipart(params: &[Param], boundary: &str) -> Option<Vec<u8>> {
    let mut body = String::new();
    for param in params {
        if param.file_name.is_some() && param.value.is_none() {
            return None;
        }
        let file = param.file_name.as_deref();
        let file = file.map_or(String::new(), |name| format!("; filename=\"{name}\""));
        body.push_str(&format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"{file}\r\n\r\n{}\r\n",
            param.name,
            param.value.as_deref().unwrap_or("")
        ));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    Some(body.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests of a HAR with these entries' `request`.
    fn requests(requests: &str) -> Contents {
        let text = format!("{{\"log\":{{\"entries\":[{{\"request\":{requests}}}]}}}}");
        read(&text).expect("a HAR")
    }

    fn one(request: &str) -> Entry {
        let mut contents = requests(request);
        assert_eq!(contents.entries.len(), 1, "{contents:?}");
        contents.entries.remove(0)
    }

    #[test]
    fn only_a_url_has_to_be_there() {
        let entry = one(r#"{"url":"https://a.example/b?c","headers":null,"_more":[1]}"#);
        assert_eq!(entry.shape.to_string(), "GET /b with 0 bytes");
        assert_eq!(entry.shape.path, "/b?c");
        assert_eq!(entry.host.as_deref(), Some("a.example"));
    }

    #[test]
    fn headers_of_the_connection_are_dropped_and_others_stay_in_order() {
        let entry = one(r#"{"url":"https://a.example/","headers":[
                {"name":":authority","value":"b.example"},{"name":":path","value":"/"},
                {"name":"Connection","value":"keep-alive, X-Hop"},{"name":"x-hop","value":"1"},
                {"name":"TE","value":"trailers"},{"name":"Content-Length","value":"7"},
                {"name":"Accept","value":"a"},{"name":"accept","value":"b"},
                {"name":"Cookie","value":"c=d"}],"cookies":[{"name":"e","value":"f"}]}"#);
        let headers: Vec<_> = entry.shape.headers.iter().collect();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            header("host", "b.example"),
            header("Accept", "a"),
            header("accept", "b"),
            header("Cookie", "c=d"),
        ];
        assert!(headers.into_iter().eq(&expected), "{entry:?}");
    }

    #[test]
    fn cookies_without_a_header_become_one() {
        let entry =
            one(r#"{"url":"/","cookies":[{"name":"a","value":"1"},{"name":"b","value":"2"}]}"#);
        let header = ("cookie".to_owned(), "a=1; b=2".to_owned());
        assert_eq!(entry.shape.headers, [header]);
    }

    #[test]
    fn bodies_are_text_base64_or_forms() {
        let table: [(&str, &[u8]); 5] = [
            (r#"{"text":"{\"a\":{{marker}}}"}"#, br#"{"a":{{marker}}}"#),
            (r#"{"text":"AAH/","encoding":"base64"}"#, &[0, 1, 255]),
            (
                r#"{"mimeType":"application/x-www-form-urlencoded","text":"",
                    "params":[{"name":"a b","value":"c&d"},{"name":"e"}]}"#,
                b"a+b=c%26d&e=",
            ),
            (
                r#"{"mimeType":"multipart/form-data; boundary=xyz",
                    "params":[{"name":"a","value":"b"}]}"#,
                b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--xyz--\r\n",
            ),
            (r#"{"mimeType":"text/plain","text":""}"#, b""),
        ];
        for (data, body) in table {
            let entry = one(&format!(
                r#"{{"method":"POST","url":"/","postData":{data}}}"#
            ));
            assert_eq!(entry.shape.body, body, "{data}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_left_out_with_a_reason() {
        for (request, why) in [
            (r#"{"url":"data:text/plain,a"}"#, "`data:`"),
            (r#"{"url":"wss://a/b"}"#, "`wss:`"),
            (r#"{"url":"https://a","method":"CONNECT"}"#, "CONNECT"),
            (
                r#"{"url":"/","method":"POST","bodySize":10}"#,
                "bodies were not",
            ),
            (
                r#"{"url":"/","postData":{"mimeType":"multipart/form-data; boundary=x",
                    "params":[{"name":"a","fileName":"b.txt"}]}}"#,
                "files were not",
            ),
            ("null", "without a request"),
        ] {
            let contents = requests(request);
            assert!(contents.entries.is_empty(), "{request}");
            assert!(contents.notes[0].why.contains(why), "{contents:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let entries = |entries: &str| format!("{{\"log\":{{\"entries\":[\n{entries}]}}}}");
        let good = r#"{"request":{"url":"/"}},"#;
        let table = [
            (
                "{\"log\":{\"entries\":[".to_owned(),
                ":1:19: is no JSON (EOF",
            ),
            ("{\"entries\":[]}".to_owned(), "no `log.entries`"),
            (
                entries("{\"request\":{}}"),
                ":2:13: is JSON and no HAR (missing field `url`",
            ),
            (
                entries(&format!(
                    "{good}{{\"request\":{{\"url\":\"/\",\"method\":\"B@D M\"}}}}"
                )),
                ": entry 2: `B@D M` is no method",
            ),
            (
                entries(r#"{"request":{"url":"/","headers":[{"name":"a b","value":""}]}}"#),
                ": entry 1: `a b` is no name of a header",
            ),
            (
                entries(r#"{"request":{"url":"/","postData":{"text":"!","encoding":"base64"}}}"#),
                ": entry 1: the body is no base64",
            ),
        ];
        for (text, expected) in table {
            let error = read(&text).expect_err(&text).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
