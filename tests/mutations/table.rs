//! How the mutants look in the docs.

use std::fmt::Write;

use crate::judge::{Caught, Mutant};
use crate::mutants::Section;

pub fn render(introduction: &str, sections: &[Section], conclusion: &str) -> String {
    let mut page = introduction.to_owned();
    for section in sections {
        let _ = write!(
            page,
            "\n## {}\n\n| mistake | in | caught by | mutant |\n| --- | --- | --- | --- |\n",
            section.title
        );
        for mutant in section.mutants {
            let Mutant { name, what, .. } = mutant;
            let file = mutant.replacement.file;
            let caught: Vec<_> = mutant.caught.iter().map(Caught::words).collect();
            let caught = caught.join("; ");
            let _ = writeln!(page, "| {what} | `{file}` | {caught} | `{name}` |");
        }
    }
    page.push('\n');
    page.push_str(conclusion);
    page
}

impl Caught {
    fn words(&self) -> String {
        let kinds: Vec<_> = self.by.iter().map(|kind| format!("`{kind}`")).collect();
        let kinds = match kinds.is_empty() {
            true => "nothing".to_owned(),
            false => kinds.join(", "),
        };
        match self.setup.words() {
            "" => kinds,
            setup => format!("{setup}: {kinds}"),
        }
    }
}
