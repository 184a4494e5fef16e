//! `lavandula check`: is memory reused, and is nothing left in it?

mod output;
mod replay;
mod requests;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lavandula_host::check::{Comparison, Plan, Report};
use lavandula_host::{Isolation, Limits, Reuse};

use self::replay::option;
use super::compare::{self, Against};
use super::serve::{GuestArguments, Kind};
use super::subject::Subject;
use super::{Result, print};

/// Checks that a component reuses its memory and leaves nothing of a request
/// in it.
///
/// Many requests, each with a random marker, go to an instance in an engine whose
/// memory belongs to the host. The verdict rests on what the host sees there, in ten
/// kinds of evidence: answers, size, resources, footprint, addresses, content,
/// identity, pointers, claims and freshness (docs/check.md tells of each). Exit code 0:
/// it holds. 1: it does not. 2: there was nothing to judge.
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
    #[command(flatten)]
    compare: compare::Arguments,
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
    /// Send so many requests at a time to one instance, where they overlap: a component
    /// with the door of WASI 0.3. Their bodies arrive in pieces, in orders that the seed
    /// decides, and with them comes the evidence `overlap`. 1 is one after the other.
    #[arg(
        long, value_name = "N", env = "LAVANDULA_OVERLAP",
        value_parser = clap::value_parser!(u32).range(1..=128)
    )]
    overlap: Option<u32>,
    /// Of all requests, send those with these numbers only, the first of which is 1:
    /// what a report names, to look at it again.
    #[arg(
        long, value_name = "N,N", value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    only: Vec<u32>,
    #[command(flatten, next_help_heading = "What is sent")]
    given: requests::Arguments,
    #[command(flatten, next_help_heading = "How it is told")]
    output: output::Arguments,
    #[command(flatten, next_help_heading = "What a request may use")]
    guest: GuestArguments,
}

/// How many requests are sent where nothing else is said, and that is enough.
const REQUESTS: u32 = 200;

impl Arguments {
    /// What the verdict is about, as it was named.
    fn judged(&self) -> Option<&Path> {
        self.compare.candidate().or(self.subject.as_deref())
    }

    /// The words of this check of what is named so, but for how its report is told.
    fn again(&self, named: Option<&Path>) -> Vec<String> {
        let mut words = vec!["lavandula".to_owned(), "check".to_owned()];
        words.extend(named.map(|path| path.display().to_string()));
        words.extend(option("--seed", self.seed));
        if let Some(isolation) = self.isolation.to_possible_value() {
            words.extend(option("--isolation", isolation.get_name()));
        }
        words.extend(
            self.overlap
                .into_iter()
                .flat_map(|it| option("--overlap", it)),
        );
        words.extend(self.given.words());
        words.extend(self.guest.words());
        words
    }
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    if arguments.output.schema_only() {
        return output::schema();
    }
    let against = arguments.compare.against()?;
    let thresholds = arguments.compare.thresholds()?;
    let subjects = || against.subjects(arguments.subject.as_deref());
    let given = arguments.given.shapes()?;
    let (plan, found) = if given.is_empty() {
        let (first, subject) = subjects()?;
        // Two builds get the same requests: those of the one that is judged.
        let typical = match (&first, subject.typical.is_empty()) {
            (Some(first), true) => &first.typical,
            _ => &subject.typical,
        };
        let typical = requests::typical(typical)?;
        (Plan::new().shapes(&typical), Some((first, subject)))
    } else {
        (Plan::new().shapes(&given).given_only(), None)
    };
    // One at a time is what there is without.
    let plan = plan.overlap(arguments.overlap.unwrap_or(1));
    let requests = match arguments.requests {
        Some(requests) => requests,
        None => REQUESTS.max(plan.least_requests()),
    };
    let plan = plan
        .requests(requests)
        .seed(arguments.seed)
        .only(arguments.only.iter().copied())
        .isolation(match arguments.isolation {
            Kind::Instance => Isolation::Instance,
            Kind::Rewind => Isolation::Rewind(Reuse::default()),
        });
    if arguments.given.only_to_print() {
        for request in plan.requests_as_text() {
            print(&request?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    against.fits(&plan)?;

    let (first, subject) = match found {
        Some(found) => found,
        None => subjects()?,
    };
    let check = |subject: &Subject, named: Option<&Path>| {
        let report = check(subject, &plan, requests, &arguments.guest);
        report.map(|mut report| {
            replay::fill_in(&mut report, &arguments.again(named));
            report
        })
    };
    let older = first.as_ref();
    let first = older.map(|first| check(first, arguments.subject.as_deref()));
    let first = first.transpose()?;
    let report = check(&subject, arguments.judged())?;
    let baseline = match (&against, &first) {
        (Against::Stored(baseline), _) => Some(&**baseline),
        (_, first) => first.as_ref(),
    };
    match baseline {
        None => arguments.output.report(&report),
        Some(baseline) => {
            let comparison = Comparison::of(baseline, &report, &thresholds)?;
            arguments.output.comparison(&comparison)
        }
    }
}

fn check(subject: &Subject, plan: &Plan, requests: u32, guest: &GuestArguments) -> Result<Report> {
    let host = guest.host(Limits::default()).load(&subject.component)?;
    let bar = progress(requests);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(host.check_with(plan, |done| bar.set_position(done.into())));
    bar.finish_and_clear();
    let mut report = report?;
    report.component = Some(output::named(&subject.component));
    Ok(report)
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
