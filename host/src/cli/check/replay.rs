//! The command that shows again what a check has found, and nothing else.

use lavandula_host::check::Report;

/// Puts the command beside every culprit that requests show by themselves. `check` are
/// the words of the check without those that say how its report is told.
pub fn fill_in(report: &mut Report, check: &[String]) {
    let culprits = report.evidence.iter_mut();
    for culprit in culprits.filter_map(|evidence| evidence.culprit.as_mut()) {
        if culprit.requests.is_empty() {
            continue;
        }
        let numbers: Vec<_> = culprit.requests.iter().map(u32::to_string).collect();
        let only = ["--only".to_owned(), numbers.join(",")];
        let words = check.iter().chain(&only).map(|word| quoted(word));
        culprit.replay = Some(words.collect::<Vec<_>>().join(" "));
    }
}

/// An option and its value, as words.
pub fn option(name: &str, value: impl ToString) -> [String; 2] {
    [name.to_owned(), value.to_string()]
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_each_word_as_it_was() {
        let words = [
            "plain-1.wasm",
            "",
            "two words",
            "it's",
            "$HOME; `x`",
            "a\nb",
        ];
        let line: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        let shell = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf '%s|' {}", line.join(" ")))
            .output()
            .expect("a shell");
        let expected: String = words.iter().map(|word| format!("{word}|")).collect();
        assert_eq!(String::from_utf8_lossy(&shell.stdout), expected);
    }
}
