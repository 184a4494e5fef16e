//! Several `lavandula serve`: one is drained and replaced by another build, as in an
//! upgrade, and another one is killed.

use std::thread;
use std::time::{Duration, Instant};

use super::balancer::{self, Balancer};
use super::builds::Builds;
use super::report::{self, Report, Setting};
use super::servers::Member;
use super::timeline::{Bound, Timeline};
use super::traffic::Clients;
use super::{Plan, Safeguard, WARM_UP};
use crate::Failure;
use crate::progress::Steps;
use crate::serve::programs;

/// How long a server that is told to end goes on: several times as long as the balancer
/// takes to notice.
const DELAY: Duration = Duration::from_secs(1);

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does it.
///
/// # Errors
/// [`Failure`], which says what to do.
pub fn run(plan: &Plan, steps: &Steps) -> Result<Report, Failure> {
    let haproxy = balancer::find()?;
    steps.say("building the server and two builds of the handler");
    let lavandula = programs::lavandula(plan.program.as_deref())?;
    let builds = Builds::new(&lavandula)?;
    let delay = match plan.has(Safeguard::Delay) {
        true => DELAY,
        false => Duration::ZERO,
    };

    steps.say("starting the servers and the balancer");
    let mut members = (0..plan.members)
        .map(|number| Member::start(number, &lavandula, &builds.first, delay))
        .collect::<Result<Vec<_>, _>>()?;
    let seats: Vec<_> = members.iter().map(Member::seat).collect();
    let balancer = Balancer::start(&haproxy, &seats, &plan.without)?;
    for member in 0..plan.members {
        balancer.wait_until_up(member, PATIENCE)?;
    }

    steps.say("sending requests");
    let clients = Clients::start(balancer.addr(), builds.traffic(), plan.pace);
    thread::sleep(WARM_UP);
    let mut timeline = Timeline::new(clients.began(), &balancer);
    let mut notes = Vec::new();

    timeline.begin("before", Bound::NoFailure)?;
    thread::sleep(plan.time);

    steps.say("draining one");
    timeline.begin("one is drained", Bound::NoFailure)?;
    let told = Instant::now();
    members[0].drain(PATIENCE)?;
    notes.push(format!(
        "The drained server ended {:.1} s after it was told to, of which it went on for {:.1} s.",
        told.elapsed().as_secs_f64(),
        delay.as_secs_f64()
    ));
    // It is missed for a while, or what that does would be seen in the next window.
    thread::sleep(plan.time);

    steps.say("replacing it by another build");
    timeline.begin("it is replaced", Bound::NoFailure)?;
    let began = Instant::now();
    members[0].replace(&builds.second)?;
    balancer.wait_until_up(0, PATIENCE)?;
    notes.push(format!(
        "Its replacement was sent requests {:.1} s after it was started.",
        began.elapsed().as_secs_f64()
    ));
    thread::sleep(plan.time);

    steps.say("killing another");
    timeline.begin("another is killed", Bound::OnlyUnrepeatable)?;
    members[1].kill()?;
    thread::sleep(plan.time);

    steps.say("replacing that one");
    timeline.begin("that is replaced", Bound::NoFailure)?;
    members[1].replace(&builds.second)?;
    balancer.wait_until_up(1, PATIENCE)?;
    thread::sleep(plan.time);
    let windows = timeline.end()?;

    let samples = clients.stop();
    notes.extend(report::cost(&balancer, &samples));
    steps.done();
    let setting = Setting::new(plan, &haproxy, &["lavandula", "wasmtime", "hyper"])?;
    Ok(Report {
        setting,
        rows: report::rows(&windows, &samples, &builds.names()),
        notes,
    })
}
