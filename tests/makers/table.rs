//! What is known of a maker's component, and how it looks in the docs.

use std::fmt::Write;

use lavandula_host::Door;
use lavandula_host::check::{Kind, Report};

use crate::build::Builder;

/// A maker, and what the check finds in the handler that is made with it.
pub struct Maker {
    /// The folder in `tests/makers`.
    pub folder: &'static str,
    /// What it is, with the version.
    pub package: &'static str,
    pub builder: Builder,
    pub door: Door,
    /// With one instance for all requests.
    pub rewind: Finds,
    /// With an instance for each.
    pub instance: Finds,
    /// Why, in words.
    pub why: &'static str,
}

/// The evidence that breaks, and no other.
pub struct Finds(pub &'static [Kind]);

impl Finds {
    pub const NOTHING: Self = Self(&[]);

    /// The first evidence of the report that is not as it is written here.
    pub fn disagrees_with(&self, report: &Report) -> Option<Kind> {
        let breaks = |kind: &Kind| self.0.contains(kind);
        let missing = self.0.iter().copied();
        let missing = missing.filter(|&kind| report.evidence(kind).is_none());
        let judged = report.evidence.iter();
        let other = judged.filter(|evidence| evidence.holds == breaks(&evidence.kind));
        missing.chain(other.map(|evidence| evidence.kind)).next()
    }

    fn words(&self) -> String {
        let broken: Vec<_> = self.0.iter().map(|kind| format!("`{kind}`")).collect();
        match broken.is_empty() {
            true => "holds".to_owned(),
            false => broken.join(", "),
        }
    }
}

pub fn render(introduction: &str, makers: &[&Maker], conclusion: &str) -> String {
    let mut page = introduction.to_owned();
    page.push_str(
        "\n| made with | door | one instance for all breaks | an instance for each breaks | why |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for maker in makers {
        let (package, door, why) = (maker.package, maker.door, maker.why);
        let (rewind, instance) = (maker.rewind.words(), maker.instance.words());
        let _ = writeln!(
            page,
            "| {package} | `{door}` | {rewind} | {instance} | {why} |"
        );
    }
    page.push('\n');
    page.push_str(conclusion);
    page
}
