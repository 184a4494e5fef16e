//! What is the same in every run: pages that a request writes, instructions that
//! it executes, and bytes that they copy and fill.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use tokio::runtime::Runtime;

use super::catalogue::{Handler, Isolation, Make, Pool, Sample};
use super::engine::{Price, metered};
use super::guests::Samples;
use super::instance::{Calls, Instance, Program};
use super::server::expect_ok;
use super::state::MAX_MEMORY;
use super::timing::Case;
use super::watch::{Creator, Watch};
use crate::Failure;
use crate::engine::Meter;

/// What one request comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Pages of linear memory, of the machine's size, that were written. Nothing
    /// where the system does not tell.
    pub pages_touched: Option<usize>,
    /// Instructions that were executed.
    pub instructions: u64,
    /// Bytes that were copied or filled by single instructions.
    pub bytes_moved: u64,
}

/// What one-shot runtimes pay for a guest that could be rewound, and is not: the
/// first request takes the image.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct OneShotRow {
    /// The handler.
    pub handler: &'static str,
    /// The first request of an instance, of which nobody has asked for anything.
    pub first: Counts,
    /// The first request of an instance that was sealed before, so that the image
    /// is not a part of it.
    pub sealed_before: Counts,
    /// The first request with std's allocator.
    pub std: Counts,
    /// Bytes of the image.
    pub image_bytes: u32,
}

/// Requests before one is counted, where an instance serves many.
const WARM: u32 = 3;

/// Counts, on engines of its own.
pub struct Counter {
    runtime: Rc<Runtime>,
    watch: Arc<Watch>,
    /// By what fuel is paid for.
    programs: BTreeMap<(Sample, Make), [Program; 2]>,
}

impl Counter {
    /// # Errors
    /// [`Failure::Engine`] where a component does not compile.
    pub fn new(runtime: &Rc<Runtime>, samples: &Samples) -> Result<Self, Failure> {
        let watch = Arc::new(Watch::default());
        let creator = Arc::new(Creator {
            watch: Arc::clone(&watch),
            largest: MAX_MEMORY,
        });
        let engine = |price| metered(price, Arc::clone(&creator) as _);
        let [instructions, bytes] = [
            engine(Price::Instructions)?,
            engine(Price::InstructionsAndBytes)?,
        ];
        let mut programs = BTreeMap::new();
        for (sample, make, component) in samples.iter() {
            let program = |engine| Program::new(engine, &component.bytes, Meter::Fuel);
            programs.insert((sample, make), [program(&instructions)?, program(&bytes)?]);
        }
        Ok(Self {
            runtime: Rc::clone(runtime),
            watch,
            programs,
        })
    }

    /// Counts one request.
    ///
    /// # Errors
    /// [`Failure`] where it fails.
    pub fn count(&self, case: &Case) -> Result<Counts, Failure> {
        let Case {
            handler,
            isolation,
            make,
        } = *case;
        self.each(handler, make, async |instance| match isolation {
            Isolation::Instance(_) => self.one(instance, handler, isolation).await,
            Isolation::Rewind => {
                instance.seal().await?;
                self.after_some(instance, handler, isolation).await
            }
            Isolation::SelfRewind | Isolation::Arena | Isolation::Reuse => {
                self.after_some(instance, handler, isolation).await
            }
        })
    }

    /// Counts what one-shot runtimes pay for.
    ///
    /// # Errors
    /// [`Failure`] where a request fails.
    pub fn one_shot(&self, handler: &'static Handler) -> Result<OneShotRow, Failure> {
        let isolation = Isolation::Instance(Pool::Tuned);
        let first = |make| {
            self.count(&Case {
                handler,
                isolation,
                make,
            })
        };
        let mut image_bytes = 0;
        let sealed_before = self.each(handler, Make::InvocationHeap, async |instance| {
            instance.seal().await?;
            let counts = self.one(instance, handler, isolation).await;
            image_bytes = instance.image_bytes().await?;
            counts
        })?;
        Ok(OneShotRow {
            handler: handler.name,
            first: first(Make::InvocationHeap)?,
            sealed_before,
            std: first(Make::Std)?,
            image_bytes,
        })
    }

    /// Lets `act` count in a new instance, with each kind of fuel.
    fn each(
        &self,
        handler: &Handler,
        make: Make,
        mut act: impl AsyncFnMut(&mut Instance) -> Result<(Option<usize>, u64), Failure>,
    ) -> Result<Counts, Failure> {
        let mut found = [(None, 0); 2];
        for (program, found) in self.programs[&(handler.sample, make)]
            .iter()
            .zip(&mut found)
        {
            self.watch.clear();
            *found = self.runtime.block_on(async {
                let mut instance = program.instance(Calls::Invocation).await?;
                act(&mut instance).await
            })?;
        }
        let [(pages_touched, instructions), (_, all)] = found;
        Ok(Counts {
            pages_touched,
            instructions,
            bytes_moved: all - instructions,
        })
    }

    /// Pages and fuel of a request in an instance that has served some.
    async fn after_some(
        &self,
        instance: &mut Instance,
        handler: &Handler,
        isolation: Isolation,
    ) -> Result<(Option<usize>, u64), Failure> {
        for _ in 0..WARM {
            self.one(instance, handler, isolation).await?;
        }
        self.one(instance, handler, isolation).await
    }

    /// Pages and fuel of a request, with what comes after it.
    async fn one(
        &self,
        instance: &mut Instance,
        handler: &Handler,
        isolation: Isolation,
    ) -> Result<(Option<usize>, u64), Failure> {
        let unwatched =
            |error: std::io::Error| Failure::Engine(format!("a memory cannot be watched: {error}"));
        self.watch.begin().map_err(unwatched)?;
        let before = instance.fuel()?;
        let response = instance.handle(handler.request()).await?;
        expect_ok(handler.path, &response)?;
        if isolation == Isolation::Rewind {
            instance.usage().await?;
            instance.rewind().await?;
        }
        Ok((self.watch.written(), instance.fuel()? - before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::catalogue::{SMALL_JSON, handler};

    /// If the rewind were not counted with the request, or did not put everything
    /// back, the next request would have more to do than the first one had.
    #[test]
    fn a_rewound_instance_answers_with_the_instructions_of_a_new_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = Rc::new(runtime.expect("a runtime"));
        let handler = handler(SMALL_JSON).expect("it is there");
        let make = Make::InvocationHeap;
        let samples = Samples::build([(handler.sample, make)], || ()).expect("it builds");
        let counter = Counter::new(&runtime, &samples).expect("a component");
        let after = |requests: u32| {
            let counts = counter.each(handler, make, async |instance| {
                instance.seal().await?;
                for _ in 0..requests {
                    counter.one(instance, handler, Isolation::Rewind).await?;
                }
                let alone = Isolation::Instance(Pool::Tuned);
                counter.one(instance, handler, alone).await
            });
            counts.expect("answers")
        };
        assert_eq!(after(0), after(1));
        assert_eq!(after(0), after(5));
    }
}
