//! `lavandula serve`: a component behind HTTP.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgAction;
use clap::builder::BoolishValueParser;
use lavandula_host::{
    Current, Disclose, Door, HalfClose, Host, HostBuilder, Isolation, Limits, Reuse, Server,
    ServerConfig, Sharing,
};
use tokio::signal::unix::{SignalKind, signal};

use super::grants::GrantArguments;
use super::subject::{Origin, Subject};
use super::tell::{Operators, Traces};
use super::watch::Watch;
use super::{Result, print, units};

/// Serves a component over HTTP, one fresh instance per request unless
/// `--isolation` says otherwise.
///
/// Prints `Serving HTTP on http://ADDR/` once it listens. Ctrl-C and SIGTERM
/// drain: requests that are under way are answered, new ones are not accepted. Behind
/// something that balances load, `--shutdown-delay` gives it the time to notice first.
///
/// Every option may also be given by its environment variable, or in a file
/// (`--config`). The command line goes before the environment, and that before the
/// file.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A component, or the folder of a handler crate to build first. Default:
    /// the sample handler.
    #[arg(value_name = "COMPONENT|PATH")]
    subject: Option<PathBuf>,
    /// A TOML file with options by their long names, such as `max-memory = "64MiB"`
    /// or `watch = true`; `component = "handler.wasm"` names what is served, from
    /// the folder of the file.
    #[arg(long, env = "LAVANDULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print all options as they are in force, as such a file, with where each comes
    /// from, and serve nothing.
    #[arg(long)]
    print_config: bool,
    /// What that is.
    #[arg(skip)]
    pub effective: String,
    /// Build and load again what has changed, the component or the sources of the
    /// handler crate, and go on with it. No request is dropped: those under way end
    /// in the component that they began in.
    #[arg(
        long, env = "LAVANDULA_WATCH", value_name = "BOOL", value_parser = BoolishValueParser::new(),
        action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value_t = false, default_missing_value = "true"
    )]
    watch: bool,
    /// Take a component that `lavandula compile` has compiled as well. Such a file is
    /// not checked and runs outside of every sandbox: it has to be trusted as this
    /// program is, and whoever can write it.
    #[arg(
        long, env = "LAVANDULA_ALLOW_PRECOMPILED", value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value_t = false, default_missing_value = "true"
    )]
    allow_precompiled: bool,
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, env = "LAVANDULA_ADDR", value_parser = address, default_value_t = ServerConfig::default().addr)]
    addr: SocketAddr,
    /// Address for operators: /metrics in the format of OpenMetrics, /live and
    /// /ready. Best one that clients cannot reach, such as 127.0.0.1:9090; port 0
    /// takes any free one. Default: none.
    #[arg(long, env = "LAVANDULA_ADMIN_ADDR", value_parser = address)]
    admin_addr: Option<SocketAddr>,
    /// Export a span of each request to the OpenTelemetry collector at this URL,
    /// such as http://127.0.0.1:4318. For builds with the feature `otel`, which
    /// also know OTEL_EXPORTER_OTLP_ENDPOINT.
    #[arg(long, env = "LAVANDULA_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Threads that serve. Default: one for each processor.
    #[arg(long, env = "LAVANDULA_THREADS")]
    threads: Option<NonZeroUsize>,
    /// Tell with each response what its request used of memory, in the header
    /// `x-lavandula-memory`. For development.
    #[arg(long, env = "LAVANDULA_MEMORY_HEADER")]
    memory_header: bool,
    /// Instances that each thread makes ahead of their requests.
    #[arg(long, env = "LAVANDULA_READY_INSTANCES", value_name = "N", default_value_t = ServerConfig::default().ready_instances)]
    ready_instances: u32,
    #[command(flatten)]
    guest: GuestArguments,
    #[command(flatten)]
    grants: GrantArguments,
    #[command(flatten)]
    isolation: IsolationArguments,
    /// Largest body of a request.
    #[arg(long, env = "LAVANDULA_MAX_BODY", value_name = "SIZE", value_parser = units::bytes, default_value = "10MiB")]
    max_body: usize,
    /// Largest body of a response.
    #[arg(long, env = "LAVANDULA_MAX_RESPONSE", value_name = "SIZE", value_parser = units::bytes, default_value = "32MiB")]
    max_response: usize,
    /// Requests that run at the same time; others wait.
    #[arg(long, env = "LAVANDULA_MAX_IN_FLIGHT", default_value_t = Limits::default().max_in_flight, value_parser = clap::value_parser!(u32).range(1..))]
    max_in_flight: u32,
    /// Requests that may wait for their turn; others are answered with 503 at once.
    #[arg(long, env = "LAVANDULA_MAX_QUEUE", default_value_t = Limits::default().max_queue)]
    max_queue: u32,
    /// How long a request waits for its turn before it is answered with 503.
    #[arg(long, env = "LAVANDULA_QUEUE_WAIT", value_name = "TIME", value_parser = units::duration, default_value = "1s")]
    queue_wait: Duration,
    /// Connections at the same time.
    #[arg(long, env = "LAVANDULA_MAX_CONNECTIONS", default_value_t = ServerConfig::default().max_connections as u32, value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// How long a client may take for the headers of a request.
    #[arg(long, env = "LAVANDULA_HEADER_TIMEOUT", value_name = "TIME", value_parser = units::duration, default_value = "10s")]
    header_timeout: Duration,
    /// How long a client may pause within the body of a request.
    #[arg(long, env = "LAVANDULA_BODY_IDLE", value_name = "TIME", value_parser = units::duration, default_value = "10s")]
    body_idle: Duration,
    /// Target and headers of a request, and headers of a response.
    #[arg(long, env = "LAVANDULA_MAX_HEADERS", value_name = "SIZE", value_parser = units::bytes, default_value = "64KiB")]
    max_headers: usize,
    /// Request bodies that are held in memory, all together.
    #[arg(long, env = "LAVANDULA_MAX_BUFFERED", value_name = "SIZE", value_parser = units::bytes, default_value = "256MiB")]
    max_buffered: usize,
    /// Elements of all tables of an instance together.
    #[arg(long, env = "LAVANDULA_MAX_TABLE_ELEMENTS", value_name = "N", default_value_t = Limits::default().max_table_elements)]
    max_table_elements: usize,
    /// Handles to resources of the host (streams, bodies, fields) that an instance
    /// may hold at a time.
    #[arg(long, env = "LAVANDULA_MAX_HANDLES", value_name = "N", default_value_t = Limits::default().max_handles)]
    max_handles: usize,
    /// How long a connection may be idle.
    #[arg(long, env = "LAVANDULA_KEEP_ALIVE", value_name = "TIME", value_parser = units::duration, default_value = "60s")]
    keep_alive: Duration,
    /// Answer clients that have said that they will send no more, however long that
    /// takes. Most that say so are gone: without this their handlers end after a tenth
    /// of a second.
    #[arg(
        long, env = "LAVANDULA_HALF_CLOSE", value_name = "BOOL",
        value_parser = BoolishValueParser::new(),
        action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value_t = false, default_missing_value = "true"
    )]
    half_close: bool,
    /// How long to go on after Ctrl-C or SIGTERM and before the shutdown: /ready says
    /// `draining`, and answers ask clients to connect to another server. For servers
    /// behind something that balances load: longer than it takes to notice.
    #[arg(long, env = "LAVANDULA_SHUTDOWN_DELAY", value_name = "TIME", value_parser = units::delay, default_value = "0s")]
    shutdown_delay: Duration,
    /// How long a shutdown waits for requests that are under way.
    #[arg(long, env = "LAVANDULA_SHUTDOWN_GRACE", value_name = "TIME", value_parser = units::duration, default_value = "10s")]
    shutdown_grace: Duration,
}

/// What keeps requests apart.
#[derive(Debug, Clone, Copy, clap::Args)]
struct IsolationArguments {
    /// What keeps requests apart.
    #[arg(long, env = "LAVANDULA_ISOLATION", value_enum, default_value_t = Kept::Instance)]
    isolation: Kept,
    /// With `--isolation rewind` or `shared`: requests that an instance answers before
    /// it is dropped all the same. Default: 1000, or 128 where it is shared.
    #[arg(long, env = "LAVANDULA_REQUESTS_PER_INSTANCE", value_name = "N")]
    requests_per_instance: Option<NonZeroU32>,
    /// With `--isolation shared`: requests that an instance has at a time. Others get
    /// another one.
    #[arg(long, env = "LAVANDULA_REQUESTS_AT_A_TIME", value_name = "N", default_value_t = Sharing::default().at_a_time)]
    requests_at_a_time: NonZeroU32,
    /// With `--isolation rewind` or `shared`: most memory that an instance may have
    /// grown to and be used again.
    #[arg(long, env = "LAVANDULA_KEEP_MEMORY", value_name = "SIZE", value_parser = units::bytes, default_value = "8MiB")]
    keep_memory: usize,
    /// With `--isolation shared`: how long an instance stays without a request.
    #[arg(long, env = "LAVANDULA_IDLE_INSTANCE", value_name = "TIME", value_parser = units::duration, default_value = "1s")]
    idle_instance: Duration,
}

/// The kinds of isolation, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kept {
    /// A new instance for each request.
    Instance,
    /// An instance that is rewound after each request: all of its memory is put back
    /// to what it was before the first. For components with `lavandula::InvocationHeap`
    Rewind,
    /// Instances that have several requests at a time. For components with the door of
    /// WASI 0.3.
    Shared,
}

/// Those of them that can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Instance,
    Rewind,
}

impl From<IsolationArguments> for Isolation {
    fn from(arguments: IsolationArguments) -> Self {
        let memory = arguments.keep_memory;
        let requests = arguments.requests_per_instance;
        match arguments.isolation {
            Kept::Instance => Self::Instance,
            Kept::Rewind => Self::Rewind(Reuse {
                requests: requests.unwrap_or(Reuse::default().requests),
                memory,
            }),
            Kept::Shared => Self::Shared(Sharing {
                requests: requests.unwrap_or(Sharing::default().requests),
                at_a_time: arguments.requests_at_a_time,
                memory,
                idle: arguments.idle_instance,
            }),
        }
    }
}

/// How guests are run, for all commands that run them.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct GuestArguments {
    /// Linear memory of a request, over all memories of its instance.
    #[arg(long, env = "LAVANDULA_MAX_MEMORY", value_name = "SIZE", value_parser = units::bytes, default_value = "64MiB")]
    max_memory: usize,
    /// Wall time of a request.
    #[arg(long, env = "LAVANDULA_TIMEOUT", value_name = "TIME", value_parser = units::duration, default_value = "10s")]
    timeout: Duration,
    /// Enter the component by this door. Default: the fast one where it has it.
    #[arg(
        long,
        env = "LAVANDULA_DOOR",
        value_name = "fast|wasi-http|wasi-http-0.3"
    )]
    door: Option<Door>,
}

impl GuestArguments {
    /// The words that say the same, as far as they are not the defaults.
    pub fn words(&self) -> Vec<String> {
        let default = Limits::default();
        let mut words = Vec::new();
        if self.max_memory != default.max_memory {
            words.extend(["--max-memory".to_owned(), self.max_memory.to_string()]);
        }
        if self.timeout != default.timeout {
            let timeout = humantime::format_duration(self.timeout).to_string();
            words.extend(["--timeout".to_owned(), timeout.replace(' ', "")]);
        }
        if let Some(door) = self.door {
            words.extend(["--door".to_owned(), door.to_string()]);
        }
        words
    }

    /// A host with these limits, and with the others given.
    pub fn host(&self, others: Limits) -> HostBuilder {
        let host = Host::builder().limits(Limits {
            max_memory: self.max_memory,
            timeout: self.timeout,
            ..others
        });
        match self.door {
            Some(door) => host.door(door),
            None => host,
        }
    }
}

fn address(text: &str) -> std::result::Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no address: write it as 127.0.0.1:8080 or [::1]:8080"))
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    if arguments.print_config {
        print(&arguments.effective)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &arguments.config {
        tracing::info!(file = %file.display(), "options from a file");
    }
    let traces = Traces::export(arguments.otlp_endpoint.as_deref())?;
    let operators = arguments.admin_addr.map(Operators::answer).transpose()?;
    let origin = Origin::find(arguments.subject.as_deref())?;
    let watch = arguments.watch.then(|| Watch::new(&origin)).transpose()?;
    let subject = origin.resolve()?;
    let limits = Limits {
        max_request_body: arguments.max_body,
        max_response_body: arguments.max_response,
        max_in_flight: arguments.max_in_flight,
        max_queue: arguments.max_queue,
        queue_wait: arguments.queue_wait,
        body_idle: arguments.body_idle,
        max_header_bytes: arguments.max_headers,
        max_buffered: arguments.max_buffered,
        max_table_elements: arguments.max_table_elements,
        max_handles: arguments.max_handles,
        ..Limits::default()
    };
    let isolation = Isolation::from(arguments.isolation);
    let host = arguments.guest.host(limits).isolation(isolation);
    let mut host = host.grants(arguments.grants.into());
    if arguments.memory_header {
        host = host.disclose(Disclose::Memory);
    }
    if arguments.admin_addr.is_some() {
        // There is somebody to whom it can be told.
        host = host.measure_arena();
    }
    if arguments.allow_precompiled {
        // SAFETY: what is needed cannot be known here, and is on whoever says so: the
        // flag asks for this trust in so many words, and is off by default.
        host = unsafe { host.allow_precompiled() };
    }
    let host = host.load(&subject.component)?;
    let config = ServerConfig {
        addr: arguments.addr,
        header_timeout: arguments.header_timeout,
        keep_alive: arguments.keep_alive,
        half_close: match arguments.half_close {
            true => HalfClose::ReadsOn,
            false => HalfClose::Leaves,
        },
        max_connections: arguments.max_connections as usize,
        delay: arguments.shutdown_delay,
        grace: arguments.shutdown_grace,
        threads: arguments.threads,
        ready_instances: arguments.ready_instances,
    };

    // For accepting and signals: the server has its own threads for connections.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        // Before the first line is printed, so that whoever reads it may send
        // a signal at once.
        let stop = stop()?;
        match isolation {
            Isolation::Instance => {}
            // One, to be told now and not by the first client if it cannot be.
            Isolation::Rewind(_) | Isolation::Shared(_) => host.prepare(1).await?,
        }
        let current = Current::new(host);
        let server = Server::builder()
            .config(config)
            .bind(current.clone())
            .await?;
        let addr = server.local_addr();
        if let Some(operators) = &operators {
            operators.ready(&current);
        }
        let admin = operators.as_ref().map_or_else(String::new, |to| {
            format!("Admin on http://{}/\n", to.addr())
        });
        // Before the line that somebody waits for.
        tracing::info!(
            door = %current.host().door(),
            isolation = ?arguments.isolation.isolation,
            component = %subject.component.display(),
            "ready"
        );
        // All lines at once: whoever reads only the first may close the pipe.
        print(&format!(
            "Serving HTTP on http://{addr}/\n{admin}{}\n",
            invitation(addr, &subject)
        ))?;
        let stop = async {
            stop.await;
            if let Some(operators) = &operators {
                operators.draining();
            }
        };
        if let Some(watch) = watch {
            watch.keep(current)?;
        }
        server.run(stop).await;
        Ok(ExitCode::SUCCESS)
    });
    // Outside of the runtime: it blocks.
    traces.finish();
    done
}

/// A line to try it with.
fn invitation(addr: SocketAddr, subject: &Subject) -> String {
    match subject.typical.first() {
        Some(request) => format!("Try: {}", request.curl(&format!("http://{addr}"))),
        None => format!("Try: curl -i http://{addr}/"),
    }
}

/// Resolves at the first SIGINT or SIGTERM. The second one ends the process at
/// once, for those who cannot wait.
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let number = tokio::select! {
            _ = interrupt.recv() => libc::SIGINT,
            _ = terminate.recv() => libc::SIGTERM,
        };
        tracing::info!("draining; a second signal ends the process at once");
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(128 + number);
        });
    })
}
