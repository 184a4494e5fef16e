//! The requests that are named on the command line, and in a handler's Cargo.toml.

use std::path::{Path, PathBuf};

use lavandula_host::build::TypicalRequest;
use lavandula_host::check::{Recording, Selection, Shape};

use super::super::Result;
use super::replay::option;

/// What is sent in the place of what the check makes up.
#[derive(Debug, clap::Args)]
// Its name is that of others, and clap would make a group of it.
#[group(skip)]
pub struct Arguments {
    /// Send the requests of this file only: a HAR, or a .http file. May be given
    /// more than once.
    #[arg(long, value_name = "FILE")]
    traffic: Vec<PathBuf>,
    /// Of the requests of --traffic, take those for this host only, with or without
    /// its port. May be given more than once.
    #[arg(long, requires = "traffic", value_name = "NAME")]
    host: Vec<String>,
    /// Of each file of --traffic, take so many different requests at most.
    #[arg(
        long, requires = "traffic", value_name = "N", default_value_t = Selection::MOST as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    max_shapes: u32,
    /// Print the requests that would be sent, as a .http file, and send none.
    #[arg(long, conflicts_with = "json")]
    print_traffic: bool,
    /// Send this request only: its path.
    #[arg(long)]
    path: Option<String>,
    /// The method to go with --path. Default: GET, or POST with --data.
    #[arg(long, requires = "path")]
    method: Option<String>,
    /// A header to go with --path, as `NAME: VALUE`. May be given more than
    /// once.
    #[arg(short = 'H', long, requires = "path", value_parser = header)]
    header: Vec<(String, String)>,
    /// A file with the body to go with --path.
    #[arg(long, requires = "path", value_name = "FILE")]
    body: Option<PathBuf>,
    /// The body to go with --path, or @FILE for the bytes of a file. As with curl,
    /// it is a form where no header says otherwise.
    #[arg(
        short = 'd',
        long,
        requires = "path",
        conflicts_with = "body",
        value_name = "TEXT|@FILE",
        allow_hyphen_values = true
    )]
    data: Option<String>,
}

/// What curl says that a body is.
const FORM: &str = "application/x-www-form-urlencoded";

fn header(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}` is no header: write it as NAME: VALUE"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl Arguments {
    /// Whether they are to be printed and no more.
    pub fn only_to_print(&self) -> bool {
        self.print_traffic
    }

    /// The words that name them.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for file in &self.traffic {
            words.extend(option("--traffic", file.display()));
        }
        for host in &self.host {
            words.extend(option("--host", host));
        }
        if self.max_shapes as usize != Selection::MOST {
            words.extend(option("--max-shapes", self.max_shapes));
        }
        let given = [
            ("--path", self.path.clone()),
            ("--method", self.method.clone()),
            (
                "--body",
                self.body.as_ref().map(|file| file.display().to_string()),
            ),
            ("--data", self.data.clone()),
        ];
        for (name, value) in given {
            words.extend(value.map(|value| option(name, value)).into_iter().flatten());
        }
        for (name, value) in &self.header {
            words.extend(option("--header", format!("{name}: {value}")));
        }
        words
    }

    /// The requests that are named, which are the only ones then.
    pub fn shapes(&self) -> Result<Vec<Shape>> {
        let selection = Selection::new().most(self.max_shapes as usize);
        let hosts = self.host.iter();
        let selection = hosts.fold(selection, |selection, host| selection.host(host));
        let mut given = Vec::new();
        for path in &self.traffic {
            let recording = Recording::read(path, &selection)?;
            tracing::info!(
                file = %path.display(),
                requests = recording.requests(),
                different = recording.shapes().len(),
                "traffic"
            );
            for left_out in recording.left_out() {
                tracing::warn!(file = %path.display(), "{left_out}");
            }
            given.extend_from_slice(recording.shapes());
        }
        if let Some(path) = &self.path {
            given.push(self.own(path)?);
        }
        Ok(given)
    }

    /// The request that is given on the command line.
    fn own(&self, path: &str) -> Result<Shape> {
        let mut headers = self.header.clone();
        let (method, body) = match self.data.as_deref() {
            None => ("GET", read_body(self.body.as_deref())?),
            Some(data) => {
                let mut names = headers.iter().map(|(name, _)| name);
                if !names.any(|name| name.eq_ignore_ascii_case("content-type")) {
                    headers.push(("content-type".to_owned(), FORM.to_owned()));
                }
                let body = match data.strip_prefix('@') {
                    Some(file) => read_body(Some(Path::new(file)))?,
                    None => data.as_bytes().to_vec(),
                };
                ("POST", body)
            }
        };
        let method = self.method.as_deref().unwrap_or(method);
        Shape::new(method, path, headers, body)
            .map_err(|error| format!("that is no valid request: {error}").into())
    }
}

/// Those that the author of a handler calls typical.
pub fn typical(requests: &[TypicalRequest]) -> Result<Vec<Shape>> {
    requests.iter().map(shape).collect()
}

fn shape(request: &TypicalRequest) -> Result<Shape> {
    let body = read_body(request.body.as_deref())?;
    let headers = request.headers.clone().into_iter().collect();
    Shape::new(&request.method, &request.path, headers, body).map_err(|error| {
        format!(
            "a request in [package.metadata.lavandula] is not valid: {} {}: {error}",
            request.method, request.path
        )
        .into()
    })
}

fn read_body(path: Option<&Path>) -> Result<Vec<u8>> {
    match path {
        None => Ok(Vec::new()),
        Some(path) => std::fs::read(path).map_err(|error| {
            format!(
                "cannot read the body {}: {error}: name a file that may be read",
                path.display()
            )
            .into()
        }),
    }
}
