//! Windows of time, one after the other: in each, something else is done to the
//! servers.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::balancer::{Balancer, Counters};
use crate::Failure;

/// What clients may see of what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Nothing.
    NoFailure,
    /// Failures of requests that must not be sent twice: of those that a server had
    /// when it was killed nobody knows whether it did what they asked for.
    OnlyUnrepeatable,
}

/// A window.
#[derive(Debug, Clone)]
pub struct Window {
    /// What is done in it.
    pub name: &'static str,
    /// What may be seen of it.
    pub bound: Bound,
    /// From here, since the clients began.
    pub from: Duration,
    /// To here.
    pub to: Duration,
    /// What the balancer did in it.
    pub counters: Counters,
}

/// The windows so far.
pub struct Timeline<'a> {
    began: Instant,
    balancer: &'a Balancer,
    windows: Vec<Window>,
    /// The counters at the beginning of the last one.
    before: Counters,
}

impl<'a> Timeline<'a> {
    /// Of clients that began then.
    pub fn new(began: Instant, balancer: &'a Balancer) -> Self {
        Self {
            began,
            balancer,
            windows: Vec::new(),
            before: Counters::default(),
        }
    }

    /// Ends the window that there is, and begins another.
    ///
    /// # Errors
    /// [`Failure::Server`] where the balancer is gone.
    pub fn begin(&mut self, name: &'static str, bound: Bound) -> Result<(), Failure> {
        self.close()?;
        let now = self.began.elapsed();
        self.windows.push(Window {
            name,
            bound,
            from: now,
            to: now,
            counters: Counters::default(),
        });
        Ok(())
    }

    /// Ends the last one.
    ///
    /// # Errors
    /// [`Failure::Server`] where the balancer is gone.
    pub fn end(mut self) -> Result<Vec<Window>, Failure> {
        self.close()?;
        Ok(self.windows)
    }

    fn close(&mut self) -> Result<(), Failure> {
        let counters = self.balancer.counters()?;
        if let Some(last) = self.windows.last_mut() {
            last.to = self.began.elapsed();
            last.counters = counters.since(self.before);
        }
        self.before = counters;
        Ok(())
    }
}
