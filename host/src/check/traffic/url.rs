//! What of a URL is in a request.
#![forbid(unsafe_code)]

/// A URL, as far as it says something about a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Url {
    /// A request over HTTP, to `host` where the URL names one.
    Http { host: Option<String>, path: String },
    /// Something with another scheme, such as `data` or `ws`, which is no request
    /// that a handler could get.
    Other { scheme: String },
}

impl Url {
    /// Without a scheme and a slash at its beginning, a URL begins with its host.
    pub(super) fn parse(url: &str) -> Self {
        let url = url.split('#').next().unwrap_or("");
        if url.starts_with(['/', '?']) {
            return Self::Http {
                host: None,
                path: origin_form(url),
            };
        }
        let rest = match scheme(url) {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => rest.trim_start_matches('/'),
                _ => {
                    return Self::Other {
                        scheme: scheme.to_owned(),
                    };
                }
            },
            None => url,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // What is before an `@` is for whom the client is, and not the host's name.
        let host = authority.rsplit('@').next().unwrap_or(authority);
        Self::Http {
            host: Some(host.to_owned()).filter(|host| !host.is_empty()),
            path: origin_form(path),
        }
    }
}

/// The scheme of a URL, which is not the host of `localhost:8080/path`.
fn scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-');
    let port = rest.split(['/', '?']).next().unwrap_or("");
    let is_port = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(word)
        && !is_port;
    is_scheme.then_some((scheme, rest))
}

/// A path and query as a request line has them. What must not be written there as
/// it is, browsers and editors encode; what is encoded already stays.
fn origin_form(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        encoded.push('/');
    }
    for byte in path.bytes() {
        match byte {
            b'!'..=b'~' if !b"\"<>`\\^".contains(&byte) => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A host without its port.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::Shape;
    use super::*;

    fn http(host: &str, path: &str) -> Url {
        Url::Http {
            host: Some(host.to_owned()).filter(|host| !host.is_empty()),
            path: path.to_owned(),
        }
    }

    #[test]
    fn a_url_is_a_host_and_a_path() {
        let table = [
            ("https://a.example/b/c?d=e#f", http("a.example", "/b/c?d=e")),
            ("HTTP://a.example:8080", http("a.example:8080", "/")),
            ("http://me:secret@a.example?q=/", http("a.example", "/?q=/")),
            ("http://[::1]:80/x", http("[::1]:80", "/x")),
            ("localhost:8080/x", http("localhost:8080", "/x")),
            ("a.example/x", http("a.example", "/x")),
            ("/x?url=http://other/", http("", "/x?url=http://other/")),
            ("?q=1", http("", "/?q=1")),
            ("/ä b", http("", "/%C3%A4%20b")),
            ("/%20{{marker}}", http("", "/%20{{marker}}")),
        ];
        for (url, expected) in table {
            assert_eq!(Url::parse(url), expected, "{url}");
        }
        for url in [
            "data:text/plain,a",
            "blob:https://a/b",
            "ws://a/b",
            "about:blank",
        ] {
            assert!(matches!(Url::parse(url), Url::Other { .. }), "{url}");
        }
    }

    #[test]
    fn any_text_is_encoded_so_that_it_is_a_path() {
        for c in (1..0x250).filter_map(char::from_u32) {
            let Url::Http { path, .. } = Url::parse(&format!("/a{c}b?c{c}d")) else {
                panic!("{c:?} made another scheme of it");
            };
            let shape = Shape::new("GET", &path, Vec::new(), Vec::new());
            assert!(shape.is_ok(), "{c:?}: {path}");
        }
    }

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (host, name) in [
            ("a.example:8443", "a.example"),
            ("a.example", "a.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
