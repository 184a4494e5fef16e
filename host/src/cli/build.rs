//! `lavandula build`: a handler crate becomes a component.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use lavandula_host::build::{Build, Target};

use super::{Result, print};

/// Builds a handler crate into a component and prints where it is.
///
/// Adds the WebAssembly target through rustup where it is missing. The crate
/// may say how it wants to be built in `[package.metadata.lavandula]` of its
/// Cargo.toml: `target`, `features`, `default-features`, `stack-size`, `strip`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder of the handler crate, or its Cargo.toml.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// What to compile for, whatever the crate says.
    #[arg(long, value_enum, env = "LAVANDULA_TARGET")]
    target: Option<TargetName>,
    /// Where to put the component. Default: lavandula/NAME.wasm in the crate's
    /// target directory. The names of its statics go beside it, into
    /// NAME.wasm.symbols.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Features of the crate to turn on. May be given more than once.
    #[arg(short = 'F', long, value_name = "FEATURE", value_delimiter = ',')]
    features: Vec<String>,
    /// Compile without optimisation and with debug information.
    #[arg(long)]
    dev: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TargetName {
    /// std with WASI 0.2 below it: clocks, environment, files.
    #[value(name = "wasm32-wasip2")]
    Wasip2,
    /// std with nothing below it: a smaller component with fewer imports.
    #[value(name = "wasm32-unknown-unknown")]
    Unknown,
    /// A program for a runtime that has an ABI of its own, as Fastly Compute: a core
    /// module, no component.
    #[value(name = "wasm32-wasip1")]
    Wasip1,
}

impl From<TargetName> for Target {
    fn from(name: TargetName) -> Self {
        match name {
            TargetName::Wasip2 => Self::Wasip2,
            TargetName::Unknown => Self::Unknown,
            TargetName::Wasip1 => Self::Wasip1,
        }
    }
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut build = Build::new(arguments.path).features(arguments.features);
    if let Some(target) = arguments.target {
        build = build.target(target.into());
    }
    if let Some(output) = arguments.output {
        build = build.output(output);
    }
    if arguments.dev {
        build = build.unoptimised();
    }
    let built = build.run()?;
    print(&format!("{}\n", built.component.display()))?;
    eprintln!("{} bytes for {}", built.bytes, built.target);
    Ok(ExitCode::SUCCESS)
}
