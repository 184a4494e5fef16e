//! Requests from a `.http` file, as the REST client of VS Code and the editors of
//! JetBrains read it:
//!
//! ```text
//! @user = {{marker}}
//!
//! ### A name
//! POST https://example.com/render
//!     ?user={{user}}
//! Content-Type: text/markdown
//!
//! < ./request.md
//! ```
//!
//! As there, `###` ends a request, and a line that begins with `#` or `//` is a
//! comment also within a body. A body with such lines belongs in a file of its own,
//! or is written as base64 after a comment of ours, `# @body-encoding base64`. What
//! is run around a request, scripts and handlers of answers, is not run here.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use crate::told::Told;

use super::base64;
use super::entry::{Contents, Entry};
use super::error::{Spot, TrafficError, TrafficProblem};
use super::shape::check_header;
use super::url::Url;
use super::variables::Variables;

/// The comment which says that a body is written as base64.
pub(super) const BASE64: &str = "# @body-encoding base64";

/// What both editors know, besides those that are no requests of HTTP alone.
const OTHER_PROTOCOLS: [&str; 4] = ["GRAPHQL", "GRPC", "WEBSOCKET", "RSOCKET"];

/// A line and its number.
type Line<'a> = (usize, &'a str);

/// All requests of a file that lies in `folder`, in order.
pub(super) fn read(text: &str, folder: &Path) -> Result<Contents, TrafficError> {
    let mut reader = Reader {
        folder,
        variables: Variables::default(),
        contents: Contents::default(),
    };
    let lines: Vec<Line<'_>> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .enumerate()
        .map(|(n, line)| (n + 1, line))
        .collect();
    for section in lines.split(|(_, line)| line.starts_with("###")) {
        reader.section(section)?;
    }
    Ok(reader.contents)
}

struct Reader<'a> {
    folder: &'a Path,
    variables: Variables,
    contents: Contents,
}

/// What is between a method and the body.
struct Head {
    line: usize,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    AsItIs,
    Base64,
}

impl Reader<'_> {
    /// What is between two separators: a request at most.
    fn section(&mut self, lines: &[Line<'_>]) -> Result<(), TrafficError> {
        let mut encoding = Encoding::AsItIs;
        let mut rest = lines;
        while let Some((&(number, line), after)) = rest.split_first() {
            let trimmed = line.trim();
            if trimmed == BASE64 {
                encoding = Encoding::Base64;
            } else if trimmed.starts_with('@') {
                self.variables.define(trimmed).map_err(at(number))?;
            } else if trimmed.starts_with("< ") {
                self.contents
                    .note(Spot::Line(number), "scripts, which are not run here");
                rest = after_script(rest);
                continue;
            } else if trimmed.starts_with("HTTP/") {
                self.contents
                    .note(Spot::Line(number), "answers, which are no requests");
                return Ok(());
            } else if !trimmed.is_empty() && !is_comment(line) {
                return self.request(rest, encoding);
            }
            rest = after;
        }
        Ok(())
    }

    fn request(&mut self, lines: &[Line<'_>], encoding: Encoding) -> Result<(), TrafficError> {
        let Some((head, body)) = self.head(lines)? else {
            return Ok(());
        };
        let spot = Spot::Line(head.line);
        let (host, path) = match Url::parse(&head.url) {
            Url::Http { host, path } => (host, path),
            Url::Other { scheme } => {
                let why = format!("`{scheme}:` URLs, which are not sent over HTTP");
                self.contents.note(spot, why);
                return Ok(());
            }
        };
        let header = |wanted: &str| {
            let mut headers = head.headers.iter();
            headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        if header("x-request-type").is_some_and(|(_, value)| value == "GraphQL") {
            self.contents.note(spot, NOT_PLAIN);
            return Ok(());
        }
        let media_type = header("content-type").map_or("", |(_, value)| value);
        let body = match encoding {
            Encoding::Base64 => base64_body(body)?,
            Encoding::AsItIs => self.body(body, &media_type.to_ascii_lowercase())?,
        };
        let entry = Entry::new(&head.method, host, &path, head.headers, body);
        let entry = entry.map_err(at(head.line))?;
        self.contents.entries.push(entry);
        Ok(())
    }

    /// The request line and the headers, and the lines after them.
    fn head<'l, 'a>(
        &mut self,
        lines: &'l [Line<'a>],
    ) -> Result<Option<(Head, &'l [Line<'a>])>, TrafficError> {
        let Some((&(number, line), mut rest)) = lines.split_first() else {
            return Ok(None);
        };
        let mut target = self.variables.fill(line.trim()).map_err(at(number))?;
        while let Some((&(number, line), after)) = rest.split_first() {
            if !is_comment(line) {
                if !continues_url(line) {
                    break;
                }
                let more = self.variables.fill(line.trim()).map_err(at(number))?;
                target.push_str(&more);
            }
            rest = after;
        }
        let (method, url) = request_line(&target);
        if method.eq_ignore_ascii_case("curl") {
            return Err(TrafficError::new(Spot::Line(number), TrafficProblem::Curl));
        }
        // In a query a space is what editors encode; elsewhere it is a sentence.
        if url
            .split('?')
            .next()
            .is_some_and(|url| url.contains([' ', '\t']))
        {
            let problem = TrafficProblem::RequestLine(Told(&target).to_string());
            return Err(TrafficError::new(Spot::Line(number), problem));
        }
        if OTHER_PROTOCOLS.contains(&method) {
            self.contents.note(Spot::Line(number), NOT_PLAIN);
            return Ok(None);
        }

        let mut headers = Vec::new();
        while let Some((&(number, line), after)) = rest.split_first() {
            if is_handler(line) {
                break;
            }
            rest = after;
            if line.trim().is_empty() {
                break;
            }
            if !is_comment(line) {
                headers.push(self.header(line).map_err(at(number))?);
            }
        }
        let head = Head {
            line: number,
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
        };
        Ok(Some((head, rest)))
    }

    fn header(&self, line: &str) -> Result<(String, String), TrafficProblem> {
        let line = self.variables.fill(line.trim())?;
        let Some((name, value)) = line.split_once(':') else {
            return Err(TrafficProblem::Header(line));
        };
        let (name, value) = (name.trim(), value.trim());
        check_header(name, value)?;
        Ok((name.to_owned(), value.to_owned()))
    }

    fn body(&mut self, lines: &[Line<'_>], media_type: &str) -> Result<Vec<u8>, TrafficError> {
        let lines = self.lines_of_body(lines);
        let is_form = media_type.starts_with("application/x-www-form-urlencoded");
        let line_end: &[u8] = match media_type.starts_with("multipart/") {
            true => b"\r\n",
            false => b"\n",
        };
        let mut body = Vec::new();
        for (n, &(number, line)) in lines.iter().enumerate() {
            if n > 0 && !(is_form && line.starts_with('&')) {
                body.extend_from_slice(line_end);
            }
            match file_of(line) {
                None => {
                    let text = self.variables.fill(line).map_err(at(number))?;
                    body.extend_from_slice(text.as_bytes());
                }
                Some((how, path)) => {
                    let part = self.file(how, path).map_err(at(number))?;
                    body.extend_from_slice(&part);
                }
            }
        }
        // Each of its lines is a document, and ends.
        if media_type.starts_with("application/x-ndjson") && !body.is_empty() {
            body.extend_from_slice(line_end);
        }
        Ok(body)
    }

    /// Those lines that are sent: without comments, handlers of the answer, and
    /// empty lines at the end.
    fn lines_of_body<'a>(&mut self, lines: &[Line<'a>]) -> Vec<Line<'a>> {
        let mut sent = Vec::new();
        let mut comment = None;
        let mut rest = lines;
        while let Some((&(number, line), after)) = rest.split_first() {
            if is_handler(line) {
                let why = "handlers of answers, which are not run here";
                self.contents.note(Spot::Line(number), why);
                rest = after_script(rest);
                continue;
            }
            rest = after;
            if is_comment(line) {
                comment = comment.or(Some(number));
                continue;
            }
            if let Some(number) = comment.take_if(|_| !line.trim().is_empty() && !sent.is_empty()) {
                let why = "lines of bodies that begin with `#` or `//` and so are comments (for \
                           a body that has some, write `< FILE`)";
                self.contents.note(Spot::Line(number), why);
            }
            sent.push((number, line));
        }
        while sent.pop_if(|(_, line)| line.trim().is_empty()).is_some() {}
        sent
    }

    /// A part of a body that is in a file.
    fn file(&self, how: &str, path: &str) -> Result<Vec<u8>, TrafficProblem> {
        let path = self.folder.join(self.variables.fill(path)?);
        let bytes = fs::read(&path).map_err(|error| TrafficProblem::BodyFile { path, error })?;
        match how {
            "" => Ok(bytes),
            "@" | "@utf8" | "@utf-8" => {
                let text = String::from_utf8(bytes);
                let text = text.map_err(|_| TrafficProblem::Encoding("no UTF-8".to_owned()))?;
                Ok(self.variables.fill(&text)?.into_bytes())
            }
            other => Err(TrafficProblem::Encoding(other.trim_matches('@').to_owned())),
        }
    }
}

/// Why requests of other protocols are left out.
const NOT_PLAIN: &str = "requests of GraphQL, gRPC and WebSocket, which are no plain HTTP";

fn at<E: Into<TrafficProblem>>(line: usize) -> impl FnOnce(E) -> TrafficError {
    move |problem| TrafficError::new(Spot::Line(line), problem)
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.starts_with("//")
}

fn continues_url(line: &str) -> bool {
    let text = line.trim_start();
    text.starts_with(['?', '&']) || text.len() < line.len() && text.starts_with('/')
}

/// `METHOD URL HTTP/1.1`, of which only the URL has to be there.
fn request_line(line: &str) -> (&str, &str) {
    let line = match line.rsplit_once([' ', '\t']) {
        Some((before, version)) if version.starts_with("HTTP/") => before.trim_end(),
        _ => line,
    };
    match line.split_once([' ', '\t']) {
        // A URL may have spaces in its query, and a method has neither.
        Some((first, url)) if !first.contains(['/', ':', '?']) => (first, url.trim_start()),
        _ => ("GET", line),
    }
}

/// `> {% ... %}`, `> handler.js`, `>> answer.json`, `>>! answer.json` and
/// `<> answer.json`.
fn is_handler(line: &str) -> bool {
    let line = line.trim_start();
    let after = |start| line.strip_prefix(start).map(str::trim);
    after("> ").is_some_and(|rest| rest.starts_with("{%") || rest.ends_with(".js"))
        || after(">{%").is_some()
        || after(">> ")
            .or(after(">>! "))
            .or(after("<> "))
            .is_some_and(|rest| !rest.is_empty())
}

/// What comes after the script, or the name of one, that the first line begins.
fn after_script<'l, 'a>(lines: &'l [Line<'a>]) -> &'l [Line<'a>] {
    let begins = lines.first().is_some_and(|(_, line)| line.contains("{%"));
    let end = match begins {
        true => lines.iter().position(|(_, line)| line.contains("%}")),
        false => Some(0),
    };
    end.and_then(|end| lines.get(end + 1..)).unwrap_or(&[])
}

/// `< file` or `<@ file` or `<@utf8 file`, as what is before the space and what is
/// after it.
fn file_of(line: &str) -> Option<(&str, &str)> {
    let (how, path) = line.strip_prefix('<')?.split_once([' ', '\t'])?;
    let is_how = how.is_empty()
        || how
            .strip_prefix('@')
            .is_some_and(|encoding| encoding.chars().all(|c| c.is_alphanumeric() || c == '-'));
    let path = path.trim();
    (is_how && !path.is_empty()).then_some((how, path))
}

fn base64_body(lines: &[Line<'_>]) -> Result<Vec<u8>, TrafficError> {
    let text: Vec<&str> = lines.iter().map(|(_, line)| *line).collect();
    let first = lines.first().map_or(0, |(number, _)| *number);
    base64::decode(&text.join("\n"))
        .ok_or_else(|| TrafficError::new(Spot::Line(first), TrafficProblem::Base64))
}

#[cfg(test)]
mod tests;
