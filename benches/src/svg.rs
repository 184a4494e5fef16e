//! What pictures are made of, in SVG: text, bars, and axes that are logarithmic.

use std::fmt::Write;

/// A picture of this size.
pub fn picture(width: f64, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"11\" \
         fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

/// A logarithmic axis.
pub struct Axis {
    /// Its ends.
    pub from: f64,
    pub to: f64,
    /// Where it has lines.
    pub lines: &'static [f64],
}

impl Axis {
    /// Where a value lies, from 0 to 1.
    pub fn part(&self, value: f64) -> f64 {
        (value.clamp(self.from, self.to) / self.from).log10() / (self.to / self.from).log10()
    }
}

/// Height of a bar, with the gap below it.
pub const BAR: f64 = 12.0;

/// A bar, what is said of it where one points at it, and its number.
pub struct Bar<'a> {
    pub left: f64,
    pub top: f64,
    pub length: f64,
    /// It would be longer than the axis: a gap near the end says so.
    pub is_cut: bool,
    pub colour: &'a str,
    pub title: &'a str,
    pub label: &'a str,
}

impl Bar<'_> {
    pub fn draw(&self, out: &mut String) {
        let (top, height, end) = (self.top, BAR - 2.0, self.left + self.length);
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\" \
             fill=\"{}\"><title>{}</title></rect>",
            self.left,
            self.length,
            self.colour,
            escaped(self.title),
        );
        if self.is_cut {
            let _ = writeln!(
                out,
                "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"4\" height=\"{height:.1}\" \
                 fill=\"#fff\"/>",
                end - 14.0,
            );
        }
        text(out, end + 4.0, top + BAR - 3.0, ON_LINES, self.label);
    }
}

/// How much a line of an axis matters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Light,
    Heavy,
}

impl Weight {
    /// Heavy where the value is one.
    pub fn of(value: f64) -> Self {
        match value == 1.0 {
            true => Self::Heavy,
            false => Self::Light,
        }
    }
}

/// A line of an axis.
pub fn rule(out: &mut String, from: (f64, f64), to: (f64, f64), weight: Weight) {
    let (colour, width) = match weight {
        Weight::Heavy => ("#444", 1.4),
        Weight::Light => ("#ddd", 1.0),
    };
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
         stroke-width=\"{width}\"/>"
    );
}

/// White around the letters, where they lie on a line.
pub const ON_LINES: &str =
    "font-size=\"9\" fill=\"#333\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\"";

pub fn text(out: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{}</text>",
        escaped(text)
    );
}

/// Paragraphs at the left, `width` wide. Where they end.
pub fn paragraphs(out: &mut String, x: f64, mut y: f64, width: f64, texts: &[String]) -> f64 {
    for paragraph in texts {
        for part in wrapped(paragraph, (width / 5.7) as usize) {
            text(out, x, y, "fill=\"#555\"", &part);
            y += 15.0;
        }
    }
    y
}

/// A line of names with their colours, in as many lines as it takes. Where it ends.
pub fn legend<'a>(
    out: &mut String,
    left: f64,
    mut y: f64,
    right: f64,
    entries: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> f64 {
    let mut at = left;
    for (name, colour) in entries {
        let wide = 26.0 + 6.4 * name.len() as f64;
        if at + wide > right {
            at = left;
            y += 17.0;
        }
        let _ = writeln!(
            out,
            "<rect x=\"{at:.1}\" y=\"{:.1}\" width=\"12\" height=\"10\" fill=\"{colour}\"/>",
            y - 9.0,
        );
        text(out, at + 17.0, y, "", name);
        at += wide;
    }
    y
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Lines of at most `width` letters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_logarithmic_and_has_two_ends() {
        let axis = Axis {
            from: 0.1,
            to: 100.0,
            lines: &[],
        };
        assert_eq!(axis.part(axis.from), 0.0);
        assert!((axis.part(axis.to) - 1.0).abs() < 1e-9);
        let octave = axis.part(2.0) - axis.part(1.0);
        assert!((axis.part(8.0) - axis.part(4.0) - octave).abs() < 1e-9);
        assert_eq!((axis.part(1e9), axis.part(0.0)), (1.0, 0.0));
    }

    #[test]
    fn what_has_a_meaning_in_xml_is_written_as_itself() {
        assert_eq!(escaped("a<b & c>d"), "a&lt;b &amp; c&gt;d");
    }

    #[test]
    fn a_line_breaks_before_the_word_that_does_not_fit() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    }
}
