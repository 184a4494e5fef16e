//! wasmCloud on NATS: a host of two is killed, and a blank one takes its place. That the
//! component comes to be on it is the doing of wasmCloud's scheduler.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::balancer::{self, Balancer, Readiness, Seat};
use super::report::{self, Report, Setting};
use super::timeline::{Bound, Timeline};
use super::traffic::Clients;
use super::{Plan, WARM_UP, builds};
use crate::Failure;
use crate::progress::Steps;
use crate::serve::process::Server;

/// Where the program is once it is built, from the folder of this package.
pub const PROGRAM: &str = "wasmcloud/target/release/lavandula-bench-wasmcloud";

/// How long the scheduler may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// How long the scheduler may take to have a component on a host.
const PATIENCE: Duration = Duration::from_secs(240);

/// What it prints before the address of its NATS server, and hosts before that of theirs.
const NATS: &str = "nats://";

/// Does it.
///
/// # Errors
/// [`Failure`], which says what to do.
pub fn run(plan: &Plan, steps: &Steps) -> Result<Report, Failure> {
    let haproxy = balancer::find()?;
    let program = program(plan.program.as_deref())?;
    steps.say("building the handler");
    let failed = |error: std::io::Error| Failure::Build(error.to_string());
    let folder = tempfile::tempdir().map_err(failed)?;
    let component = builds::component(&folder.path().join("everywhere.wasm"), &[])?;
    let seats = seats(plan.members)?;
    let file = folder.path().join("manifest.yaml");
    std::fs::write(&file, manifest(&component, &seats)).map_err(failed)?;

    steps.say("starting NATS, the scheduler and the hosts");
    let mut command = Command::new(&program);
    command.arg("scheduler").arg(&file);
    let scheduler = Scheduler(Server::start_saying("the scheduler", &mut command, NATS)?);
    let start = |seat: usize| {
        let mut command = Command::new(&program);
        command
            .args(["host", "--nats", &format!("{NATS}{}", scheduler.0.addr())])
            .args(["--label", &format!("seat={seat}")]);
        Server::start_saying(&format!("host {seat}"), &mut command, NATS)
    };
    let mut hosts = (0..plan.members)
        .map(start)
        .collect::<Result<Vec<_>, _>>()?;
    let balancer = Balancer::start(&haproxy, &seats, &plan.without)?;
    let began = Instant::now();
    for seat in 0..plan.members {
        balancer.wait_until_up(seat, PATIENCE)?;
    }
    let mut notes = vec![format!(
        "The scheduler had the component on all hosts {:.1} s after they were started.",
        began.elapsed().as_secs_f64()
    )];
    let [state, digest] = builds::answers(&hosts[0], seats[0].addr)?;

    steps.say("sending requests");
    let traffic = builds::traffic(vec![state], digest);
    let clients = Clients::start(balancer.addr(), traffic, plan.pace);
    thread::sleep(WARM_UP);
    let mut timeline = Timeline::new(clients.began(), &balancer);
    timeline.begin("before", Bound::NoFailure)?;
    thread::sleep(plan.time);

    steps.say("killing a host");
    timeline.begin("a host is killed", Bound::OnlyUnrepeatable)?;
    hosts.remove(0).kill()?;
    thread::sleep(plan.time);

    steps.say("starting a blank one in its place");
    timeline.begin("a blank one is started", Bound::NoFailure)?;
    let began = Instant::now();
    let replacement = start(0)?;
    balancer.wait_until_up(0, PATIENCE)?;
    notes.push(format!(
        "The scheduler had the component on the blank host, and it was sent requests, {:.1} s \
         after it was started.",
        began.elapsed().as_secs_f64()
    ));
    timeline.begin("after", Bound::NoFailure)?;
    thread::sleep(plan.time);
    let windows = timeline.end()?;

    let samples = clients.stop();
    notes.extend(report::cost(&balancer, &samples));
    drop(replacement);
    steps.done();
    Ok(Report {
        setting: Setting::new(plan, &haproxy, &["lavandula"])?,
        rows: report::rows(&windows, &samples, &["handler"]),
        notes,
    })
}

/// The scheduler, which has started a NATS server: killed, it would leave that behind.
struct Scheduler(Server);

impl Drop for Scheduler {
    fn drop(&mut self) {
        // Where it does not end, it is killed as any other.
        let _ = self.0.terminate().and_then(|()| self.0.end(GRACE));
    }
}

/// The program that was named, or else the one that is built here.
fn program(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
    let path = named.map_or(built, Path::to_owned);
    path.canonicalize().map_err(|error| {
        Failure::Build(format!(
            "there is no wasmCloud at {} ({error}): build it with `cargo +nightly build --release \
             --locked --manifest-path benches/wasmcloud/Cargo.toml`, which takes some twenty \
             minutes, or give `--program PATH`",
            path.display()
        ))
    })
}

/// Places for hosts, on ports that are free now. The HTTP servers of hosts are told where
/// to listen before there is a host, so nobody can hold the ports for them.
fn seats(number: usize) -> Result<Vec<Seat>, Failure> {
    let held = (0..number)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Failure::Client)?;
    let addrs: Result<Vec<SocketAddr>, _> = held.iter().map(TcpListener::local_addr).collect();
    let addrs = addrs.map_err(Failure::Client)?;
    Ok(addrs
        .into_iter()
        .map(|addr| Seat {
            addr,
            // It has no other address than that for clients.
            readiness: Readiness::Path("/state"),
        })
        .collect())
}

/// What the scheduler is to bring about: the component on every host, and on each an
/// HTTP server of its own, since all of them are on one machine and need ports that
/// differ. Where each host has a machine of its own, one HTTP server on every host does,
/// as in `examples/everywhere/wasmcloud.yaml`.
fn manifest(component: &Path, seats: &[Seat]) -> String {
    let mut text = format!(
        "apiVersion: core.oam.dev/v1beta1\n\
         kind: Application\n\
         metadata:\n  \
           name: everywhere\n  \
           annotations:\n    \
             description: A lavandula handler\n\
         spec:\n  \
           components:\n    \
             - name: handler\n      \
               type: component\n      \
               properties:\n        \
                 image: file://{}\n      \
               traits:\n        \
                 - type: daemonscaler\n          \
                   properties:\n            \
                     instances: 256\n",
        component.display()
    );
    for (number, seat) in seats.iter().enumerate() {
        text.push_str(&format!(
            "    - name: http-{number}\n      \
                   type: capability\n      \
                   properties:\n        \
                     image: wasmcloud+builtin://http-server\n        \
                     config:\n          \
                       - name: address-{number}\n            \
                         properties:\n              \
                           default_address: {}\n      \
                   traits:\n        \
                     - type: spreadscaler\n          \
                       properties:\n            \
                         instances: 1\n            \
                         spread:\n              \
                           - name: seat-{number}\n                \
                             requirements:\n                  \
                               seat: \"{number}\"\n        \
                     - type: link\n          \
                       properties:\n            \
                         target: handler\n            \
                         namespace: wasi\n            \
                         package: http\n            \
                         interfaces: [incoming-handler]\n",
            seat.addr
        ));
    }
    text
}
