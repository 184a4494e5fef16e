//! A guest that answers one request again and again, with something between them
//! that keeps them apart.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::catalogue::Isolation;
use super::instance::{Calls, Instance, Program, Request, Response};
use crate::Failure;
use crate::engine::Run;

/// Of what a request takes, what is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it, without a clock in between.
    Whole,
    /// The store, and the instance in it.
    Instantiate,
    /// The call of the handler.
    Handle,
    /// The end of the store.
    Drop,
    /// The call of `usage`.
    Usage,
    /// The call of `rewind`.
    Rewind,
    /// Nothing: what two readings of the clock come to.
    Clock,
}

impl Part {
    /// As in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Instantiate => "instantiate",
            Self::Handle => "handle",
            Self::Drop => "drop",
            Self::Usage => "usage",
            Self::Rewind => "rewind",
            Self::Clock => "clock",
        }
    }
}

/// Times one part of each request.
struct Stopwatch {
    part: Part,
    since: Instant,
    sum: Duration,
}

impl Stopwatch {
    fn new(part: Part) -> Self {
        Self {
            part,
            since: Instant::now(),
            sum: Duration::ZERO,
        }
    }

    fn begin(&mut self, part: Part) {
        if self.part == part {
            self.since = Instant::now();
        }
    }

    fn end(&mut self, part: Part) {
        if self.part == part {
            self.sum += self.since.elapsed();
        }
    }
}

/// A guest, a request, and what keeps requests apart.
pub struct Server {
    runtime: Rc<Runtime>,
    request: Request,
    life: Life,
}

/// How long an instance lives.
enum Life {
    /// For one request.
    Once(Box<Program>),
    /// For all of them.
    Kept(Box<Instance>, After),
}

/// What comes after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    Rewind,
}

impl Server {
    /// # Errors
    /// [`Failure`] where there is no instance, or it is not to be sealed.
    pub fn new(
        runtime: &Rc<Runtime>,
        program: &Program,
        isolation: Isolation,
        request: Request,
    ) -> Result<Self, Failure> {
        let life = match isolation {
            Isolation::Instance(_) => Life::Once(Box::new(program.clone())),
            Isolation::Rewind => {
                let mut instance = runtime.block_on(program.instance(Calls::Invocation))?;
                runtime.block_on(instance.seal())?;
                Life::Kept(Box::new(instance), After::Rewind)
            }
            Isolation::SelfRewind | Isolation::Arena | Isolation::Reuse => {
                let instance = runtime.block_on(program.instance(Calls::Handler))?;
                Life::Kept(Box::new(instance), After::Nothing)
            }
        };
        Ok(Self {
            runtime: Rc::clone(runtime),
            request,
            life,
        })
    }

    /// Bytes of the image that is put back after each request, where one is.
    ///
    /// # Errors
    /// [`Failure`] where the guest does not say so.
    pub fn image_bytes(&mut self) -> Result<u32, Failure> {
        match &mut self.life {
            Life::Kept(instance, After::Rewind) => self.runtime.block_on(instance.image_bytes()),
            _ => Ok(0),
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`Failure`] where that fails.
    pub fn answer(&mut self) -> Result<Response, Failure> {
        let mut watch = Stopwatch::new(Part::Whole);
        let serve = serve(&mut self.life, self.request, &mut watch);
        self.runtime.block_on(serve)
    }

    /// Answers so many requests and times a part of each.
    ///
    /// # Errors
    /// [`Failure`] where one fails, or is not answered with 200.
    pub fn run(&mut self, part: Part, repeats: u32) -> Result<Run, Failure> {
        let mut watch = Stopwatch::new(part);
        self.runtime.block_on(async {
            watch.begin(Part::Whole);
            for _ in 0..repeats {
                let response = serve(&mut self.life, self.request, &mut watch).await?;
                expect_ok(self.request.path, &response)?;
            }
            watch.end(Part::Whole);
            Ok::<_, Failure>(())
        })?;
        Ok(Run {
            elapsed: watch.sum.as_nanos() as f64,
            operations: f64::from(repeats),
        })
    }
}

/// One request, with all that belongs to it.
async fn serve(
    life: &mut Life,
    request: Request,
    watch: &mut Stopwatch,
) -> Result<Response, Failure> {
    watch.begin(Part::Clock);
    watch.end(Part::Clock);
    match life {
        Life::Once(program) => {
            watch.begin(Part::Instantiate);
            let mut instance = program.instance(Calls::Handler).await?;
            watch.end(Part::Instantiate);
            let response = handle(&mut instance, request, watch).await?;
            watch.begin(Part::Drop);
            drop(instance);
            watch.end(Part::Drop);
            Ok(response)
        }
        Life::Kept(instance, after) => {
            let response = handle(instance, request, watch).await?;
            if *after == After::Rewind {
                rewind(instance, watch).await?;
            }
            Ok(response)
        }
    }
}

async fn handle(
    instance: &mut Instance,
    request: Request,
    watch: &mut Stopwatch,
) -> Result<Response, Failure> {
    watch.begin(Part::Handle);
    let response = instance.handle(request).await?;
    watch.end(Part::Handle);
    Ok(response)
}

/// As a host does that takes no part of it on trust: what the guest says of its
/// arena has to agree with what it was told to do.
async fn rewind(instance: &mut Instance, watch: &mut Stopwatch) -> Result<(), Failure> {
    watch.begin(Part::Usage);
    let used = instance.usage().await?.used;
    watch.end(Part::Usage);
    if used != 0 {
        return Err(Failure::Guest {
            what: "a look at the arena after a request".to_owned(),
            reason: format!("{used} bytes of it are in use"),
        });
    }
    watch.begin(Part::Rewind);
    instance.rewind().await?;
    watch.end(Part::Rewind);
    Ok(())
}

/// Whether the request was answered as it should be.
pub fn expect_ok(path: &str, response: &Response) -> Result<(), Failure> {
    if response.status == 200 {
        return Ok(());
    }
    Err(Failure::Guest {
        what: format!("a request for {path}"),
        reason: format!(
            "it was answered with {}: {}",
            response.status,
            String::from_utf8_lossy(&response.body).trim_end()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Meter;
    use crate::requests::catalogue::Pool;
    use crate::requests::engine::pooled;
    use crate::requests::guests::rewinding_with;

    /// The guest of the rewind, with these features and this path asked for.
    fn server(features: &[&str], path: &'static str, isolation: Isolation) -> Server {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = Rc::new(runtime.expect("a runtime"));
        let engine = pooled(Pool::Tuned).expect("an engine");
        let component = rewinding_with(features).expect("it builds");
        let program = Program::new(&engine, &component.bytes, Meter::Time).expect("a component");
        let request = Request {
            method: "GET",
            path,
            body: b"",
        };
        Server::new(&runtime, &program, isolation, request).expect("an instance")
    }

    #[test]
    fn a_request_that_is_not_answered_with_200_is_no_figure() {
        for isolation in [Isolation::Rewind, Isolation::Instance(Pool::Tuned)] {
            let failed = server(&["statics-4"], "/many", isolation).run(Part::Whole, 1);
            let failure = failed.expect_err("it is a 404").to_string();
            assert!(failure.contains("404"), "{failure}");
        }
    }

    #[test]
    fn a_guest_that_was_not_put_back_is_no_figure() {
        let mut forgetful = server(&["statics-4", "forgetful"], "/0", Isolation::Rewind);
        assert!(forgetful.run(Part::Whole, 1).is_ok());
        let failure = forgetful.run(Part::Whole, 1).expect_err("as it was left");
        assert!(failure.to_string().contains("not as new"), "{failure}");
    }

    #[test]
    fn only_the_part_that_is_asked_for_is_timed() {
        let mut rewinding = server(&["statics-4"], "/1024", Isolation::Rewind);
        // The shortest of some: anything may come between two readings of a clock.
        let mut time = |part| {
            let runs = (0..20).map(|_| rewinding.run(part, 20).expect("answers"));
            runs.map(Run::per_operation).fold(f64::MAX, f64::min)
        };
        let (whole, rewind, clock) = (time(Part::Whole), time(Part::Rewind), time(Part::Clock));
        assert!(clock < rewind && rewind < whole, "{clock} {rewind} {whole}");
        // An instance that stays is neither made nor dropped.
        assert_eq!((time(Part::Instantiate), time(Part::Drop)), (0.0, 0.0));
    }
}
