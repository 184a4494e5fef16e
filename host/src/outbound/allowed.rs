//! Which hosts a guest may send requests to: `HOST[:PORT]`, as an operator writes
//! it, and as an authority of a request is held against it.
//!
//! Names and addresses are compared as they are written, not as they resolve. Where
//! a name leads is the business of whoever allowed it; a guest can only ask for
//! what is spelled like something on the list.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::uri::{Authority, Scheme};
use thiserror::Error;

/// A host that guests may send requests to, and the port where one is named.
///
/// ```
/// use lavandula_host::AllowedHost;
///
/// for text in ["api.example.com", "api.example.com:8443", "*.example.com", "[::1]:8080"] {
///     let host: AllowedHost = text.parse()?;
///     assert_eq!(host.to_string(), text);
/// }
/// # Ok::<(), lavandula_host::AllowedHostError>(())
/// ```
///
/// Without a port it is the usual one of the request's scheme: 80 for `http`, 443
/// for `https`. With one it is that one alone, whatever the scheme. `*.example.com`
/// is every name that ends so, at any depth, and not `example.com` itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllowedHost {
    name: Name,
    port: Option<u16>,
}

/// Names in lower case, and without the dot that may stand at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Exactly(String),
    /// With the dot that it begins with.
    EndsWith(String),
    Address(IpAddr),
}

/// Why a text names no host that could be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no host: {why}")]
pub struct AllowedHostError {
    text: String,
    why: &'static str,
}

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    fn from_str(text: &str) -> Result<Self, AllowedHostError> {
        Self::parse(text).map_err(|why| AllowedHostError {
            text: text.to_owned(),
            why,
        })
    }
}

impl AllowedHost {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it is empty; write a name such as api.example.com");
        }
        if text.contains("://") {
            return Err("write the host alone, without the `http://` or `https://`");
        }
        if text.contains(['/', '?', '#']) {
            return Err("write the host alone, without a path; hosts are allowed as a whole");
        }
        if text.contains('@') {
            return Err("write the host alone, without a user");
        }
        // Before the port is looked for: it is full of colons itself.
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            let name = Name::Address(address.into());
            return Ok(Self { name, port: None });
        }
        let (host, port) = match split(text) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port)),
            None => return Err("write an IPv6 address with a port as [::1]:8080"),
        };
        let port = match port.map(|port| port.strip_prefix(':').and_then(number)) {
            None => None,
            Some(Some(port)) if port != 0 => Some(port),
            Some(_) => return Err("its port is not a number from 1 to 65535"),
        };
        let name = Name::parse(host)?;
        Ok(Self { name, port })
    }

    /// Whether a request for `authority` by `scheme` is one to this host.
    pub(super) fn matches(&self, destination: &Destination) -> bool {
        self.name.matches(&destination.name)
            && destination.port == self.port.unwrap_or(destination.usual_port)
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Exactly(name) => f.write_str(name)?,
            Name::EndsWith(end) => write!(f, "*{end}")?,
            Name::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Name::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl Name {
    fn parse(host: &str) -> Result<Self, &'static str> {
        if let Some(address) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            let address: Ipv6Addr = address.parse().map_err(
                |_| "what stands in the brackets is no IPv6 address; write it as [2001:db8::1]",
            )?;
            return Ok(Self::Address(address.into()));
        }
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        match host.strip_prefix('*') {
            None => Ok(Self::Exactly(name(host)?)),
            Some("") => Err("every host at once cannot be allowed; name each of them"),
            Some(end) => match end.strip_prefix('.') {
                Some(domain) => Ok(Self::EndsWith(format!(".{}", name(domain)?))),
                None => Err("a `*` stands for whole labels; write it as *.example.com"),
            },
        }
    }

    /// Whether `asked` is this one, or one of these.
    fn matches(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::EndsWith(end), Self::Exactly(name)) => {
                // The dot is part of both: something has to stand in front of it.
                name.len() > end.len() && name.ends_with(end.as_str())
            }
            (Self::EndsWith(_), _) => false,
            _ => self == asked,
        }
    }
}

/// A name of DNS as it is compared.
fn name(text: &str) -> Result<String, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if !name.is_ascii() {
        return Err("a name is written in ASCII; write one in another script as xn--...");
    }
    if name.contains('*') {
        return Err("a `*` stands at the beginning only; write it as *.example.com");
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| matches!(label.len(), 1..=63) && label.bytes().all(allowed);
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err("it is not made of letters, digits and `-`, with dots between them");
    }
    Ok(name.to_ascii_lowercase())
}

/// A port as it is written. `parse` alone would take `+80`.
fn number(digits: &str) -> Option<u16> {
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| digits.parse().ok())?
}

/// Host and port, the port with its colon. None where it cannot be told which is
/// which.
fn split(authority: &str) -> Option<(&str, &str)> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end);
    (!port[port.len().min(1)..].contains(':')).then_some((host, port))
}

/// Where a request of a guest is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    name: Name,
    port: u16,
    /// The one of its scheme.
    usual_port: u16,
}

impl Destination {
    /// None of an authority that is not plainly a host and perhaps a port. What is
    /// compared here is read once more by whoever connects, and the two must not
    /// be able to see different hosts in it.
    pub(super) fn new(scheme: Option<&Scheme>, authority: &Authority) -> Option<Self> {
        let usual_port = match scheme {
            Some(scheme) if *scheme == Scheme::HTTPS => 443,
            Some(scheme) if *scheme == Scheme::HTTP => 80,
            _ => return None,
        };
        // No user, by the way of `name`, which does not take an `@`.
        let (host, port) = split(authority.as_str())?;
        let port = match port {
            "" => usual_port,
            port => number(port.strip_prefix(':')?)?,
        };
        let name = Name::parse(host).ok()?;
        if matches!(name, Name::EndsWith(_)) {
            return None;
        }
        Some(Self {
            name,
            port,
            usual_port,
        })
    }
}

impl fmt::Display for Destination {
    /// As the option takes it that would allow it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = (self.port != self.usual_port).then_some(self.port);
        let name = self.name.clone();
        AllowedHost { name, port }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        match text.parse::<AllowedHost>() {
            Ok(host) => panic!("{text} is {host}"),
            Err(error) => error.to_string(),
        }
    }

    /// Whether a request to `url` may be sent where `allowed` alone is allowed.
    fn permits(allowed: &str, url: &str) -> bool {
        let allowed: AllowedHost = allowed.parse().expect("a host");
        let uri: http::Uri = url.parse().expect("a URL");
        let authority = uri.authority().expect("an authority");
        Destination::new(uri.scheme(), authority)
            .is_some_and(|destination| allowed.matches(&destination))
    }

    #[test]
    fn what_is_wrong_with_a_host_is_told() {
        for (text, part) in [
            ("", "empty"),
            ("https://example.com", "without the `http://`"),
            ("example.com/path", "without a path"),
            ("user@example.com", "without a user"),
            ("example.com:", "port"),
            ("example.com:0", "port"),
            ("example.com:65536", "port"),
            ("example.com:+80", "port"),
            ("example.com:http", "port"),
            ("::1:", "[::1]:8080"),
            ("[::1", "[::1]:8080"),
            ("[example.com]", "brackets"),
            ("*", "every host"),
            ("*example.com", "whole labels"),
            ("*.*.example.com", "beginning"),
            ("a.*.example.com", "beginning"),
            ("a..example.com", "letters"),
            (".example.com", "letters"),
            ("exa mple.com", "letters"),
            ("bücher.example", "xn--"),
            (&"a".repeat(64), "letters"),
        ] {
            let told = why(text);
            assert!(told.contains(part), "{text}: {told}");
            assert!(told.starts_with(&format!("`{text}` ")), "{told}");
        }
    }

    #[test]
    fn case_and_a_dot_at_the_end_make_no_difference() {
        for url in [
            "http://api.example.com/",
            "http://API.Example.COM/",
            "http://api.example.com./",
            "http://api.example.com:80/",
            "https://api.example.com/",
            "https://api.example.com:443/",
        ] {
            assert!(permits("api.example.com", url), "{url}");
            assert!(permits("Api.Example.Com.", url), "{url}");
        }
    }

    #[test]
    fn without_a_port_it_is_the_one_of_the_scheme() {
        assert!(!permits("example.com", "http://example.com:443/"));
        assert!(!permits("example.com", "https://example.com:80/"));
        assert!(!permits("example.com", "http://example.com:8080/"));
    }

    #[test]
    fn with_a_port_it_is_that_one_alone() {
        assert!(permits("example.com:8080", "http://example.com:8080/"));
        assert!(permits("example.com:8080", "https://example.com:8080/"));
        assert!(permits("example.com:443", "https://example.com/"));
        assert!(!permits("example.com:443", "http://example.com/"));
        assert!(!permits("example.com:8080", "http://example.com/"));
        assert!(!permits("example.com:8080", "http://example.com:80/"));
    }

    #[test]
    fn subdomains_are_those_and_nothing_else() {
        for url in ["http://a.example.com/", "http://A.b.Example.com./"] {
            assert!(permits("*.example.com", url), "{url}");
        }
        for url in [
            "http://example.com/",
            "http://.example.com/",
            "http://badexample.com/",
            "http://a.example.com.evil.test/",
            "http://1.2.3.4/",
            "http://*.example.com/",
        ] {
            assert!(!permits("*.example.com", url), "{url}");
        }
    }

    #[test]
    fn addresses_are_compared_as_addresses() {
        assert!(permits("[::1]:8080", "http://[0:0::0:1]:8080/"));
        assert!(permits("::1", "http://[::1]/"));
        assert!(permits("127.0.0.1:8080", "http://127.0.0.1:8080/"));
        for url in [
            "http://[::ffff:127.0.0.1]:8080/",
            // Forms of 127.0.0.1 that some resolvers know.
            "http://127.1:8080/",
            "http://2130706433:8080/",
            "http://0x7f.0.0.1:8080/",
            "http://localhost:8080/",
        ] {
            assert!(!permits("127.0.0.1:8080", url), "{url}");
        }
        assert!(!permits("[::1]:8080", "http://[::1]/"));
    }

    #[test]
    fn what_two_readers_could_read_differently_goes_nowhere() {
        for authority in [
            "evil.test@example.com",
            "example.com@evil.test",
            "example.com:80@evil.test",
            "example.com:",
            "[::1]:",
            "[::1%25eth0]",
        ] {
            let Ok(authority) = Authority::try_from(authority) else {
                continue;
            };
            let read = Destination::new(Some(&Scheme::HTTP), &authority);
            assert_eq!(read, None, "{authority}");
        }
        let authority = Authority::from_static("example.com");
        let ftp = Scheme::try_from("ftp").expect("a scheme");
        assert_eq!(Destination::new(Some(&ftp), &authority), None);
        assert_eq!(Destination::new(None, &authority), None);
    }

    #[test]
    fn a_destination_reads_as_the_host_that_would_allow_it() {
        for (url, text) in [
            ("http://Example.com/", "example.com"),
            ("https://example.com:443/", "example.com"),
            ("http://example.com:443/", "example.com:443"),
            ("http://[::1]:8080/", "[::1]:8080"),
        ] {
            let uri: http::Uri = url.parse().expect("a URL");
            let authority = uri.authority().expect("an authority");
            let read = Destination::new(uri.scheme(), authority).expect("a destination");
            assert_eq!(read.to_string(), text);
            assert!(permits(text, url));
        }
    }
}
