//! `lavandula npm`: a handler crate becomes an npm package.

use std::path::PathBuf;
use std::process::ExitCode;

use lavandula_host::npm::{Content, Npm};

use super::{Result, print};

/// Builds a handler crate into an npm package and prints where it is.
///
/// The package answers requests wherever there is the Fetch API: in workers, edge
/// functions, Node.js, Deno, Bun and browsers. It depends on nothing. Install it from
/// its folder, or publish it from there; `export { default } from 'NAME'` is a whole
/// worker.
///
/// Adds the WebAssembly target through rustup where it is missing. Nothing else is
/// needed: no wasm-bindgen, wasm-pack, wasm-opt or npm.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder of the handler crate, or its Cargo.toml.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Where to put the package. Default: lavandula/NAME-npm in the crate's target
    /// directory.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// What to call the package. Default: the name of the crate.
    #[arg(long)]
    name: Option<String>,
    /// Make the module and its bindings alone (core.js, core_bg.wasm, core_inline.js),
    /// for a package whose rest is by hand.
    #[arg(long)]
    core: bool,
    /// Features of the crate to turn on. May be given more than once.
    #[arg(short = 'F', long, value_name = "FEATURE", value_delimiter = ',')]
    features: Vec<String>,
    /// Compile without optimisation.
    #[arg(long)]
    dev: bool,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut npm = Npm::new(arguments.path).features(arguments.features);
    if let Some(folder) = arguments.output {
        npm = npm.output(folder);
    }
    if let Some(name) = arguments.name {
        npm = npm.name(name);
    }
    if arguments.core {
        npm = npm.content(Content::Core);
    }
    if arguments.dev {
        npm = npm.unoptimised();
    }
    let made = npm.run()?;
    print(&format!("{}\n", made.folder.display()))?;
    eprintln!("{}: {} bytes of WebAssembly", made.name, made.bytes);
    Ok(ExitCode::SUCCESS)
}
