//! `lavandula check`: is memory reused, and is nothing left in it?

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lavandula_host::build::TypicalRequest;
use lavandula_host::check::{Plan, Recording, Selection, Shape};
use lavandula_host::{Isolation, Limits, Reuse};

use super::serve::{GuestArguments, Kind};
use super::subject::{Origin, Subject};
use super::{BROKEN, Result, print};

/// Checks that a component reuses its memory and leaves nothing of a request
/// in it.
///
/// Many requests, each with a random marker, go to an instance in an engine whose
/// memory belongs to the host. The verdict rests on what the host sees there. Exit
/// code 0: it holds. 1: it does not. 2: there was nothing to judge.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A handler crate may name typical requests for the check, and for `serve`, in its Cargo.toml:

    [[package.metadata.lavandula.request]]
    method = \"POST\"
    path = \"/render?user={{marker}}\"
    headers = { content-type = \"text/markdown\" }
    body = \"data/request.md\"

Each {{marker}} in the path, the headers and the body becomes the marker of the request. So it
does in the requests of a file:

    lavandula check handler.wasm --traffic session.har --host api.example.com
    lavandula check handler.wasm --traffic requests.http

A HAR is what the network panel of a browser exports. A .http file is what the editors of
JetBrains and the REST client of VS Code send:

    ### A name
    POST /render?user={{marker}}
    Content-Type: text/markdown

    < ./data/request.md")]
pub struct Arguments {
    /// A component, or the folder of a handler crate to build first. Default:
    /// the sample handler.
    #[arg(value_name = "COMPONENT|PATH")]
    subject: Option<PathBuf>,
    /// How many requests are sent. Default: 200, and more where a file has so many
    /// different ones that it takes more to compare them.
    #[arg(short = 'n', long, env = "LAVANDULA_REQUESTS")]
    requests: Option<u32>,
    /// Seed of the traffic: the same one gives the same requests.
    #[arg(long, env = "LAVANDULA_SEED", default_value_t = 1)]
    seed: u64,
    /// One instance that gets all requests and is rewound after each, as far as
    /// the component can be; or a new instance for each request, which are compared
    /// with each other.
    #[arg(long, env = "LAVANDULA_ISOLATION", value_enum, default_value_t = Kind::Rewind)]
    isolation: Kind,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
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
    #[command(flatten)]
    guest: GuestArguments,
}

/// How many requests are sent where nothing else is said, and that is enough.
const REQUESTS: u32 = 200;

/// What curl says that a body is.
const FORM: &str = "application/x-www-form-urlencoded";

fn header(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}` is no header: write it as NAME: VALUE"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let origin = Origin::find(arguments.subject.as_deref())?;
    let given = given(&arguments)?;
    let (plan, subject) = if given.is_empty() {
        let subject = origin.resolve()?;
        let typical = subject.typical.iter().map(shape);
        let typical = typical.collect::<Result<Vec<_>>>()?;
        (Plan::new().shapes(&typical), Some(subject))
    } else {
        (Plan::new().shapes(&given).given_only(), None)
    };
    let requests = match arguments.requests {
        Some(requests) => requests,
        None => REQUESTS.max(plan.least_requests()),
    };
    let plan = plan
        .requests(requests)
        .seed(arguments.seed)
        .isolation(match arguments.isolation {
            Kind::Instance => Isolation::Instance,
            Kind::Rewind => Isolation::Rewind(Reuse::default()),
        });
    if arguments.print_traffic {
        for request in plan.requests_as_text() {
            print(&request?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }

    let subject: Subject = match subject {
        Some(subject) => subject,
        None => origin.resolve()?,
    };
    let host = arguments
        .guest
        .host(Limits::default())
        .load(&subject.component)?;
    let bar = progress(requests);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(host.check_with(&plan, |done| bar.set_position(done.into())));
    bar.finish_and_clear();
    let report = report?;

    if arguments.json {
        print(&format!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        print(&report.to_string())?;
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(BROKEN)
    })
}

/// The requests that the arguments name, which are the only ones then.
fn given(arguments: &Arguments) -> Result<Vec<Shape>> {
    let selection = Selection::new().most(arguments.max_shapes as usize);
    let hosts = arguments.host.iter();
    let selection = hosts.fold(selection, |selection, host| selection.host(host));
    let mut given = Vec::new();
    for path in &arguments.traffic {
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
    if let Some(path) = &arguments.path {
        let shape = own(arguments, path)?;
        given.push(shape);
    }
    Ok(given)
}

/// The request that is given on the command line.
fn own(arguments: &Arguments, path: &str) -> Result<Shape> {
    let mut headers = arguments.header.clone();
    let (method, body) = match arguments.data.as_deref() {
        None => ("GET", read_body(arguments.body.as_deref())?),
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
    let method = arguments.method.as_deref().unwrap_or(method);
    Shape::new(method, path, headers, body)
        .map_err(|error| format!("that is no valid request: {error}").into())
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

/// A bar on stderr, where there is a terminal to see it.
fn progress(requests: u32) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} requests, {eta} left");
    let bar = ProgressBar::new(requests.into());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
