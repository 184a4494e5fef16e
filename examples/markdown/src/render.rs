//! From Markdown to HTML in the arena.

use std::fmt::{self, Write};

use lavandula::{AllocError, Arena, Buffer};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// How much of a page to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The content only, for a page that exists already.
    Content,
    /// A page of its own.
    Page,
}

/// What the Markdown may contain besides CommonMark.
const EXTENSIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_TASKLISTS);

/// The title of a page whose document has no heading. HTML wants one.
const UNTITLED: &str = "Untitled";

/// Renders `document`.
///
/// # Errors
/// [`AllocError`] where the arena has no room for the HTML.
pub fn render<'a>(
    arena: &'a Arena,
    document: &str,
    extent: Extent,
) -> Result<&'a [u8], AllocError> {
    let mut out = arena.buffer();
    // HTML is seldom half as long again as its Markdown. With so much room from
    // the start, a long document is not moved again and again while it grows.
    out.reserve(document.len().saturating_add(document.len() / 2))?;
    // `fmt::Error` does not say why. The buffer does.
    write(&mut out, document, extent).map_err(|_| out.failure().unwrap_or(AllocError::Format))?;
    Ok(out.finish())
}

fn write(out: &mut Buffer<'_>, document: &str, extent: Extent) -> fmt::Result {
    let mut events = Parser::new_ext(document, EXTENSIONS);
    if extent == Extent::Content {
        return html::write_html_fmt(out, events);
    }

    // The title comes first on the page, so the document is parsed up to the
    // end of its first heading before anything is written.
    let mut opening = Vec::new();
    for event in events.by_ref() {
        let found = matches!(event, Event::End(TagEnd::Heading(_)));
        opening.push(event);
        if found {
            break;
        }
    }
    out.write_str("<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>")?;
    // As a text of Markdown, the title is escaped like any other.
    let title = Event::Text(title(&opening).into());
    html::write_html_fmt(&mut *out, std::iter::once(title))?;
    out.write_str("</title>\n</head>\n<body>\n")?;
    html::write_html_fmt(&mut *out, opening.into_iter().chain(events))?;
    out.write_str("</body>\n</html>\n")
}

/// The text of the first heading, without its markup.
fn title(events: &[Event<'_>]) -> String {
    let mut title = String::new();
    let heading = events
        .iter()
        .skip_while(|event| !matches!(event, Event::Start(Tag::Heading { .. })));
    for event in heading {
        match event {
            Event::Text(text) | Event::Code(text) => title.push_str(text),
            Event::SoftBreak | Event::HardBreak => title.push(' '),
            _ => {}
        }
    }
    if title.trim().is_empty() {
        title = UNTITLED.to_owned();
    }
    title
}
