//! `serve --config`: options from a file.
//!
//! The file's values become the defaults of the options of the same name, and the
//! command line is parsed with these. So the command line goes before the
//! environment, that before the file, and what a value means, and what is wrong with
//! it, is the same wherever it comes from.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches};
use lavandula_host::whole_file;
use toml::{Table, Value};

use super::{Arguments, Command, Result};

/// The command whose options a file may have.
const SERVE: &str = "serve";

/// The key of what is served, which is no option.
const COMPONENT: &str = "component";
/// And its name on the command line.
const SUBJECT: &str = "subject";

/// Bytes of the largest file. There are some forty options.
const MAX_FILE: u64 = 1 << 20;

/// Options about the file itself, which say nothing in it.
const NOT_IN_A_FILE: [&str; 4] = ["config", "print-config", "help", "version"];

/// The arguments of this process, with those of the file that they name. Where they
/// are wrong, or ask for help, the process ends here.
pub fn arguments() -> Result<Arguments> {
    let given: Vec<OsString> = std::env::args_os().collect();
    let command = Arguments::command();
    let mut matches = command.clone().get_matches_from(&given);
    let named = matches
        .subcommand_matches(SERVE)
        .and_then(|serve| serve.get_one::<PathBuf>("config").cloned());
    let file = named.map(|path| File::read(&path)).transpose()?;
    if let Some(file) = &file {
        let command = file.defaults(command.clone())?;
        matches = command.get_matches_from(&given);
    }
    let mut arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Command::Serve(serve) = &mut arguments.command
        && let Some(matches) = matches.subcommand_matches(SERVE)
    {
        serve.effective = effective(&command, matches, file.as_ref());
    }
    Ok(arguments)
}

/// A file with options.
struct File {
    path: PathBuf,
    table: Table,
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = whole_file::read_text(path, MAX_FILE).map_err(|error| {
            format!("cannot read {shown}: {error}: name a file of options with `--config`")
        })?;
        let table = text.parse().map_err(|error| {
            format!("{shown} is no TOML: {error}\nwrite options as `max-memory = \"64MiB\"`")
        })?;
        Ok(Self {
            path: path.to_owned(),
            table,
        })
    }

    /// `command` with what the file says for its defaults.
    fn defaults(&self, mut command: clap::Command) -> Result<clap::Command> {
        for (key, value) in &self.table {
            let (id, values) = self.find(&command, key, value)?;
            let set = |arg: Arg| arg.default_values(values);
            command = match has(&command, &id) {
                true => command.mut_arg(id, set),
                false => command.mut_subcommand(SERVE, |serve| serve.mut_arg(id, set)),
            };
        }
        // By themselves: what is wrong is wrong in the file then, and is told even
        // where something else is said on the command line.
        let alone = |command: clap::Command| {
            command.mut_args(
                |arg| match arg.is_global_set() || arg.get_long().is_some() {
                    true => arg.env(Resettable::Reset),
                    false => arg,
                },
            )
        };
        let checked = alone(command.clone()).mut_subcommand(SERVE, alone);
        match checked.try_get_matches_from(["lavandula", SERVE]) {
            Ok(_) => Ok(command),
            Err(error) => Err(format!("in {}: {}", self.path.display(), told(&error)).into()),
        }
    }

    /// The option that a key means, and its values as they would be on the command
    /// line.
    fn find(
        &self,
        command: &clap::Command,
        key: &str,
        value: &Value,
    ) -> Result<(String, Vec<OsString>)> {
        let file = self.path.display();
        if key == COMPONENT {
            let Value::String(path) = value else {
                let kind = value.type_str();
                return Err(format!(
                    "`{COMPONENT}` in {file} is of type {kind}: write it as \
                     `{COMPONENT} = \"handler.wasm\"`"
                )
                .into());
            };
            let folder = self.path.parent().unwrap_or(Path::new(""));
            return Ok((SUBJECT.to_owned(), vec![folder.join(path).into()]));
        }
        let Some(option) = options(command).find(|option| option.get_long() == Some(key)) else {
            return Err(format!(
                "unknown key `{key}` in {file}: {}",
                match nearest(key, options(command).filter_map(Arg::get_long)) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "the keys are the long options of `lavandula serve --help`".to_owned(),
                }
            )
            .into());
        };
        let values = values(option, value).ok_or_else(|| {
            let one_or_more = match option.get_action() {
                ArgAction::Append => "one value or an array of values",
                _ => "one value",
            };
            format!(
                "`{key}` in {file} is of type {}, and takes {one_or_more}, as `--{key}` does: a \
                 string, a number, true or false",
                value.type_str()
            )
        })?;
        Ok((option.get_id().to_string(), values))
    }
}

/// What a clap error says, without what is about the command line only.
fn told(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (text, _) = text.split_once("\n\nFor more").unwrap_or((text, ""));
    text.trim_end().to_owned()
}

/// The options that a file may have.
fn options(command: &clap::Command) -> impl Iterator<Item = &Arg> {
    let serve = command.find_subcommand(SERVE);
    let own = serve.into_iter().flat_map(clap::Command::get_arguments);
    let global = command.get_arguments().filter(|arg| arg.is_global_set());
    own.chain(global).filter(|arg| {
        arg.get_long()
            .is_some_and(|name| !NOT_IN_A_FILE.contains(&name))
    })
}

/// Whether it has this argument itself.
fn has(command: &clap::Command, id: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_id() == id)
}

/// The values as they would be on the command line, if there can be such.
fn values(option: &Arg, value: &Value) -> Option<Vec<OsString>> {
    match value {
        Value::Array(values) if matches!(option.get_action(), ArgAction::Append) => values
            .iter()
            .map(|value| Some(scalar(value)?.into()))
            .collect(),
        value => Some(vec![scalar(value)?.into()]),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

/// The name that is most likely meant, if one is near.
fn nearest<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let key = key.to_lowercase().replace('_', "-");
    // A third of the letters: beyond that it is rather another word.
    let far = key.chars().count() / 3;
    names
        .map(|name| (distance(&key, name), name))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, remove or change to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<_> = other.chars().collect();
    // The distances of what was read of `one` from every beginning of `other`.
    let mut row: Vec<_> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != wanted);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// All options as they are in the end, as a file, with where each comes from.
fn effective(command: &clap::Command, matches: &ArgMatches, file: Option<&File>) -> String {
    let mut text = String::new();
    let mut line = |key: &str, id: &str, several: bool| {
        let values: Vec<_> = matches.get_raw(id).into_iter().flatten().collect();
        // JSON has the escapes of TOML, and no others.
        let quoted = |value: &std::ffi::OsStr| serde_json::json!(value.to_string_lossy());
        let value = match (values.as_slice(), several) {
            ([], _) => return text.push_str(&format!("# {key} is not set\n")),
            ([one], false) => quoted(one).to_string(),
            (all, _) => serde_json::Value::from_iter(all.iter().map(|one| quoted(one))).to_string(),
        };
        let origin = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "the command line",
            Some(ValueSource::EnvVariable) => "the environment",
            _ if file.is_some_and(|file| file.table.contains_key(key)) => "the file",
            _ => "default",
        };
        text.push_str(&format!("{key} = {value} # {origin}\n"));
    };
    line(COMPONENT, SUBJECT, false);
    for option in options(command) {
        let several = matches!(option.get_action(), ArgAction::Append);
        if let Some(key) = option.get_long() {
            line(key, option.get_id().as_str(), several);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File {
            path: "/etc/lavandula.toml".into(),
            table: text.parse().expect("TOML"),
        }
    }

    /// The options of `serve`, where a file has `text`.
    #[track_caller]
    fn parse(text: &str, given: &[&str]) -> ArgMatches {
        let command = file(text).defaults(Arguments::command());
        let command = command.expect("nothing is wrong with it");
        let given = [&["lavandula", "serve"], given].concat();
        let matches = command.try_get_matches_from(given).expect("arguments");
        let serve = matches.subcommand_matches(SERVE);
        serve.expect("it was given").clone()
    }

    #[track_caller]
    fn refused(text: &str) -> String {
        let error = file(text).defaults(Arguments::command());
        error.map(drop).expect_err(text).to_string()
    }

    #[test]
    fn every_kind_of_value_may_be_written_naturally() {
        let text = "
            max-memory = \"32MiB\"
            max-body = 1024
            max-in-flight = 7
            watch = true
            isolation = \"rewind\"
            threads = \"3\"
            log = \"debug\"
        ";
        let matches = parse(text, &[]);
        assert_eq!(matches.get_one("max_memory"), Some(&(32_usize << 20)));
        assert_eq!(matches.get_one("max_body"), Some(&1024_usize));
        assert_eq!(matches.get_one("max_in_flight"), Some(&7_u32));
        assert_eq!(matches.get_one("watch"), Some(&true));
        assert_eq!(
            matches
                .get_one::<std::num::NonZeroUsize>("threads")
                .map(|n| n.get()),
            Some(3)
        );
        assert_eq!(matches.get_one("log"), Some(&"debug".to_owned()));
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let text = "max-in-flight = 7\nwatch = true\nlog = \"debug\"";
        let given = ["--max-in-flight", "8", "--watch=false", "--log", "warn"];
        let matches = parse(text, &given);
        assert_eq!(matches.get_one("max_in_flight"), Some(&8_u32));
        assert_eq!(matches.get_one("watch"), Some(&false));
        assert_eq!(matches.get_one("log"), Some(&"warn".to_owned()));
    }

    #[test]
    fn a_component_is_found_from_the_folder_of_the_file() {
        let subject = |text, given| parse(text, given).get_one::<PathBuf>(SUBJECT).cloned();
        let inside = subject("component = \"a/b.wasm\"", &[]);
        assert_eq!(inside.as_deref(), Some(Path::new("/etc/a/b.wasm")));
        let outside = subject("component = \"/srv/b.wasm\"", &[]);
        assert_eq!(outside.as_deref(), Some(Path::new("/srv/b.wasm")));
        let given = subject("component = \"a/b.wasm\"", &["c.wasm"]);
        assert_eq!(given.as_deref(), Some(Path::new("c.wasm")));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_option_that_is_near() {
        for (key, meant) in [
            ("max-memmory", "`max-memory`"),
            ("max_memory", "`max-memory`"),
            ("Timeout", "`timeout`"),
            ("isolaton", "`isolation`"),
            ("frobnicate", "--help"),
            // These are options, and say nothing in a file.
            ("config", "--help"),
            ("help", "--help"),
        ] {
            let error = refused(&format!("{key} = 1"));
            let named = error.contains(&format!("unknown key `{key}` in /etc/lavandula.toml"));
            assert!(named && error.contains(meant), "{key}: {error}");
        }
        assert!(refused("[serve]\naddr = \"::1\"").contains("unknown key `serve`"));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_by_file_and_key() {
        for (text, kind) in [
            ("max-memory = [1]", "array"),
            ("addr = { port = 1 }", "table"),
            ("timeout = 1979-05-27", "datetime"),
            ("component = 1", "integer"),
        ] {
            let error = refused(text);
            let key = text.split_once(' ').expect("a key").0;
            for part in [key, kind, "/etc/lavandula.toml"] {
                assert!(error.contains(part), "{text}: no `{part}` in {error}");
            }
        }
    }

    #[test]
    fn a_value_that_means_nothing_is_refused_in_the_words_of_the_option() {
        for (text, words) in [
            ("max-memory = \"lots\"", "`lots` is no size"),
            ("timeout = 10", "`10` is no duration"),
            ("max-in-flight = 0", "0 is not in 1.."),
            (
                "isolation = \"none\"",
                "possible values: instance, rewind, shared",
            ),
            ("watch = \"perhaps\"", "'perhaps'"),
        ] {
            let error = refused(text);
            let option = format!("--{}", text.split_once(' ').expect("a key").0);
            assert!(error.starts_with("in /etc/lavandula.toml: "), "{error}");
            for part in [words, &option] {
                assert!(error.contains(part), "{text}: no `{part}` in {error}");
            }
            assert!(!error.contains("For more"), "{error}");
        }
    }

    #[test]
    fn what_is_in_force_can_be_given_as_a_file_again() {
        let file = file("max-in-flight = 7\ncomponent = \"a \\\"b\\\".wasm\"");
        let command = Arguments::command();
        let shown = |file: &File, given: &[&str]| {
            let with = file.defaults(command.clone()).expect("it is right");
            let given = [&["lavandula", "serve"], given].concat();
            let matches = with.try_get_matches_from(given).expect("arguments");
            let serve = matches.subcommand_matches(SERVE).expect("it was given");
            effective(&command, serve, Some(file))
        };
        let text = shown(&file, &["--max-memory", "1MiB"]);
        for line in [
            "component = \"/etc/a \\\"b\\\".wasm\" # the file",
            "max-in-flight = \"7\" # the file",
            "max-memory = \"1MiB\" # the command line",
            "timeout = \"10s\" # default",
            "# threads is not set",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        let again = self::file(&text);
        let values = |text: &str| -> Vec<String> {
            let value = |line: &str| line.split(" # ").next().unwrap_or_default().to_owned();
            text.lines().map(value).collect()
        };
        assert_eq!(values(&shown(&again, &[])), values(&text));
    }

    #[test]
    fn distances_count_letters() {
        for (one, other, letters) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "bc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), letters, "{one} {other}");
            assert_eq!(distance(other, one), letters, "{other} {one}");
        }
    }
}
