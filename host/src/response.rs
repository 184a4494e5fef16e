//! What a guest may answer: the rules for status, headers and length, the same
//! for both doors.
//!
//! Headers about the connection belong to the host, which alone knows it. They
//! are left out rather than refused: `wasi:http` tells a guest so when it sets
//! one, the fast door cannot, and the response is as good without. A wrong
//! `content-length` is refused: it is the one sign of a body that was cut off.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS;

use crate::config::Limits;
use crate::failure::BadResponse;

/// The statuses of final responses.
const FINAL: std::ops::RangeInclusive<u16> = 200..=599;

/// Turns what a guest gave into a response that can be sent.
pub(crate) fn accept(
    method: &Method,
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    limits: &Limits,
) -> Result<Response<Bytes>, BadResponse> {
    let (status, mut headers) = accept_head(status, headers, limits)?;
    if body.len() > limits.max_response_body {
        return Err(BadResponse::BodyTooLarge(limits.max_response_body));
    }
    check_length(method, status, &mut headers, body.len())?;

    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// The part of it that can be told before the body is there.
pub(crate) fn accept_head(
    status: u16,
    mut headers: HeaderMap,
    limits: &Limits,
) -> Result<(StatusCode, HeaderMap), BadResponse> {
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|_| FINAL.contains(&status))
        .ok_or(BadResponse::Status(status))?;
    if size(&headers) > limits.max_header_bytes {
        return Err(BadResponse::HeadersTooLarge(limits.max_header_bytes));
    }
    remove_connection_headers(&mut headers);
    Ok((status, headers))
}

/// Headers as the fast door gives them. Names come out in lower case.
pub(crate) fn headers(list: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, BadResponse> {
    let mut headers = HeaderMap::with_capacity(list.len().min(64));
    for (name, value) in list {
        let valid = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        let Some((key, value)) = valid else {
            return Err(BadResponse::Header(name));
        };
        // Only fails where there are more than a map can hold, tens of
        // thousands.
        if headers.try_append(key, value).is_err() {
            return Err(BadResponse::Header(name));
        }
    }
    Ok(headers)
}

/// Bytes of all names and values together.
pub(crate) fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

fn remove_connection_headers(headers: &mut HeaderMap) {
    // `connection` may name further headers that are about the connection.
    let named: Vec<_> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    let fixed = DEFAULT_FORBIDDEN_HEADERS
        .into_iter()
        .chain([header::TE, header::TRAILER]);
    for name in fixed.chain(named) {
        headers.remove(name);
    }
}

fn check_length(
    method: &Method,
    status: StatusCode,
    headers: &mut HeaderMap,
    sent: usize,
) -> Result<(), BadResponse> {
    // The answers to HEAD and 304 have no body and tell the length that another
    // answer would have had.
    let about_another = method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    if about_another && sent == 0 {
        return Ok(());
    }
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let declared = value.to_str().unwrap_or_default();
        // `parse` alone would take `+2`, which no client has to.
        let digits = declared.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || declared.parse() != Ok(sent) {
            return Err(BadResponse::Length {
                declared: String::from_utf8_lossy(value.as_bytes()).into_owned(),
                sent,
            });
        }
    }
    // It is right, perhaps more than once; the server writes it itself.
    headers.remove(header::CONTENT_LENGTH);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(
        method: Method,
        status: u16,
        list: &[(&str, &str)],
        body: &'static str,
    ) -> Result<Response<Bytes>, BadResponse> {
        let list = list
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect();
        let limits = Limits {
            max_header_bytes: 100,
            max_response_body: 10,
            ..Limits::default()
        };
        accept(&method, status, headers(list)?, body.into(), &limits)
    }

    #[test]
    fn names_are_lower_case_and_repeated_headers_stay() {
        let list = [("Set-Cookie", "a=1"), ("set-cookie", "b=2")];
        let response = answer(Method::GET, 200, &list, "ok").expect("a response");
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }

    #[test]
    fn headers_about_the_connection_are_left_out() {
        let list = [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5"),
            ("x-kept", "1"),
        ];
        let response = answer(Method::GET, 200, &list, "ok").expect("a response");
        let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept"]);
    }

    #[test]
    fn only_final_statuses_are_sent() {
        for status in [0, 99, 100, 101, 199, 600, 999, 1000, u16::MAX] {
            let bad = answer(Method::GET, status, &[], "");
            assert_eq!(bad.err(), Some(BadResponse::Status(status)));
        }
        assert!(answer(Method::GET, 200, &[], "").is_ok());
        assert!(answer(Method::GET, 599, &[], "").is_ok());
    }

    #[test]
    fn a_content_length_has_to_be_true() {
        for declared in ["3", "1", "", "+2", "two"] {
            let bad = answer(Method::GET, 200, &[("content-length", declared)], "ok");
            let declared = declared.to_owned();
            assert_eq!(bad.err(), Some(BadResponse::Length { declared, sent: 2 }));
        }
        assert!(answer(Method::GET, 200, &[("content-length", "2")], "ok").is_ok());
    }

    #[test]
    fn an_answer_to_head_may_tell_the_length_of_another() {
        let response = answer(Method::HEAD, 200, &[("content-length", "9")], "");
        let response = response.expect("a response");
        assert_eq!(response.headers()["content-length"], "9");
    }

    #[test]
    fn invalid_headers_are_refused_by_name() {
        for (name, value) in [("", "x"), ("a b", "x"), ("a", "x\r\ny: z"), ("é", "x")] {
            let bad = answer(Method::GET, 200, &[(name, value)], "");
            assert_eq!(bad.err(), Some(BadResponse::Header(name.to_owned())));
        }
    }

    #[test]
    fn headers_and_body_have_limits() {
        let long = "x".repeat(100);
        let bad = answer(Method::GET, 200, &[("a", &long)], "");
        assert_eq!(bad.err(), Some(BadResponse::HeadersTooLarge(100)));
        let bad = answer(Method::GET, 200, &[], "eleven bytes");
        assert_eq!(bad.err(), Some(BadResponse::BodyTooLarge(10)));
    }
}
