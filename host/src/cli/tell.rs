//! What the command tells: logs, traces, and the address for operators.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::{future, thread};

use lavandula_host::{Admin, Current, Readiness};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use super::Result;

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object on a line, for machines.
    Json,
}

/// Logs what `filter` lets through, on stderr, from now on.
///
/// # Errors
/// Where `filter` is none.
pub fn log(filter: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!("`{filter}` is no log filter ({error}): write it as info or debug")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init(),
        // Flat, so that a field is found where it is looked for. The target tells
        // the lines of guests from ours.
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// The answers for operators, from a thread of their own: no guest keeps it from
/// answering.
#[derive(Debug)]
pub struct Operators {
    addr: SocketAddr,
    host: Arc<OnceLock<Current>>,
    readiness: watch::Sender<Readiness>,
}

impl Operators {
    /// Answers on `addr` from now on, and until the process ends. There is no
    /// server yet.
    pub fn answer(addr: SocketAddr) -> Result<Self> {
        let (readiness, ready) = watch::channel(Readiness::Starting);
        let host: Arc<OnceLock<Current>> = Arc::default();
        let told = host.clone();
        // Before there is a host, there is nothing to tell, which is what this is.
        let metrics = move || {
            told.get()
                .map_or_else(|| "# EOF\n".to_owned(), |current| current.host().metrics())
        };
        let admin = Admin::bind(addr, metrics, ready)?;
        let addr = admin.local_addr();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("lavandula-admin".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(admin.run(future::pending())) {
                    tracing::error!(%error, "nobody answers operators");
                }
            })?;
        tracing::info!(%addr, "answering operators: /metrics, /live, /ready");
        Ok(Self {
            addr,
            host,
            readiness,
        })
    }

    /// Where.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Tells of `host` from now on, which takes requests.
    pub fn ready(&self, host: &Current) {
        // The first one is the only one.
        let _ = self.host.set(host.clone());
        self.readiness.send_replace(Readiness::Ready);
    }

    /// It takes no more.
    pub fn draining(&self) {
        self.readiness.send_replace(Readiness::Draining);
    }
}

/// The export of traces, if there is any.
#[cfg(feature = "otel")]
#[derive(Debug)]
pub struct Traces(Option<lavandula_host::Exporter>);

#[cfg(feature = "otel")]
impl Traces {
    /// Exports to `endpoint`, or to where the environment says.
    pub fn export(endpoint: Option<&str>) -> Result<Self> {
        let exporter = lavandula_host::Exporter::start(endpoint)?;
        if let Some(exporter) = &exporter {
            tracing::info!(endpoint = exporter.endpoint(), "exporting traces");
        }
        Ok(Self(exporter))
    }

    /// Sends the last ones. Not to be called within a runtime.
    pub fn finish(self) {
        if let Some(exporter) = self.0 {
            exporter.finish();
        }
    }
}

/// The export of traces, which this build has not.
#[cfg(not(feature = "otel"))]
#[derive(Debug)]
pub struct Traces;

#[cfg(not(feature = "otel"))]
impl Traces {
    /// Nothing, unless an endpoint is given: whoever gives one wants traces there.
    pub fn export(endpoint: Option<&str>) -> Result<Self> {
        match endpoint {
            None => Ok(Self),
            Some(endpoint) => Err(format!(
                "cannot export traces to {endpoint}: this build has no exporter; build it with \
                 `cargo build --release -p lavandula-host --features otel`"
            )
            .into()),
        }
    }

    pub fn finish(self) {}
}
