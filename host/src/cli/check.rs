//! `lavandula check`: is memory reused, and is nothing left in it?

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lavandula_host::build::TypicalRequest;
use lavandula_host::check::{Plan, Shape};
use lavandula_host::{Isolation, Limits, Reuse};

use super::serve::{GuestArguments, Kind};
use super::subject::Subject;
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

Each {{marker}} in the path, the headers and the body becomes the marker of the request.")]
pub struct Arguments {
    /// A component, or the folder of a handler crate to build first. Default:
    /// the sample handler.
    #[arg(value_name = "COMPONENT|PATH")]
    subject: Option<PathBuf>,
    /// How many requests are sent.
    #[arg(short = 'n', long, env = "LAVANDULA_REQUESTS", default_value_t = 200)]
    requests: u32,
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
    /// Send this request only: its path.
    #[arg(long)]
    path: Option<String>,
    /// The method to go with --path.
    #[arg(long, requires = "path", default_value = "GET")]
    method: String,
    /// A header to go with --path, as `NAME: VALUE`. May be given more than
    /// once.
    #[arg(short = 'H', long, requires = "path", value_parser = header)]
    header: Vec<(String, String)>,
    /// A file with the body to go with --path.
    #[arg(long, requires = "path", value_name = "FILE")]
    body: Option<PathBuf>,
    #[command(flatten)]
    guest: GuestArguments,
}

fn header(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}` is no header: write it as NAME: VALUE"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let subject = Subject::resolve(arguments.subject.as_deref())?;
    let mut plan = Plan::new()
        .requests(arguments.requests)
        .seed(arguments.seed)
        .isolation(match arguments.isolation {
            Kind::Instance => Isolation::Instance,
            Kind::Rewind => Isolation::Rewind(Reuse::default()),
        });
    match &arguments.path {
        Some(path) => {
            let body = read_body(arguments.body.as_deref())?;
            let shape = Shape::new(&arguments.method, path, arguments.header, body);
            plan = plan
                .shape(shape.map_err(|error| format!("that is no valid request: {error}"))?)
                .given_only();
        }
        None => {
            for request in &subject.typical {
                plan = plan.shape(shape(request)?);
            }
        }
    }

    let host = arguments
        .guest
        .host(Limits::default())
        .load(&subject.component)?;
    let bar = progress(arguments.requests);
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
