//! Our servers: `lavandula serve`, each at addresses that it keeps through its
//! replacement.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::balancer::{Readiness, Seat};
use crate::Failure;
use crate::serve::process::Server;
use crate::serve::programs;

/// One of the servers.
pub(super) struct Member {
    name: String,
    lavandula: PathBuf,
    delay: Duration,
    seat: Seat,
    /// None after it has ended.
    server: Option<Server>,
}

impl Member {
    /// Starts it, on any free ports.
    ///
    /// # Errors
    /// [`Failure::Server`] with what it said instead of serving.
    pub(super) fn start(
        number: usize,
        lavandula: &Path,
        component: &Path,
        delay: Duration,
    ) -> Result<Self, Failure> {
        let any = ([127, 0, 0, 1], 0).into();
        let mut member = Self {
            name: format!("server {number}"),
            lavandula: lavandula.to_owned(),
            delay,
            seat: Seat {
                addr: any,
                readiness: Readiness::At(any),
            },
            server: None,
        };
        member.replace(component)?;
        Ok(member)
    }

    /// Where it listens.
    pub(super) fn seat(&self) -> Seat {
        self.seat
    }

    /// Tells it to end, as an upgrade does, and waits until it has.
    ///
    /// # Errors
    /// [`Failure::Server`] where it does not, or not as it should.
    pub(super) fn drain(&mut self, limit: Duration) -> Result<(), Failure> {
        let Some(server) = &mut self.server else {
            return Ok(());
        };
        server.terminate()?;
        let status = server.end(limit)?;
        if !status.success() {
            return Err(server.failure(format!("it was told to end and did so with {status}")));
        }
        self.server = None;
        Ok(())
    }

    /// Ends it where it stands.
    ///
    /// # Errors
    /// [`Failure::Server`] where it had ended before.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        match self.server.take() {
            Some(server) => server.kill(),
            None => Ok(()),
        }
    }

    /// Starts another one in its place, at the same addresses.
    ///
    /// # Errors
    /// [`Failure::Server`] with what it said instead of serving.
    pub(super) fn replace(&mut self, component: &Path) -> Result<(), Failure> {
        let Readiness::At(admin) = self.seat.readiness else {
            return Ok(());
        };
        let mut command = programs::command(&self.lavandula);
        command
            .arg("serve")
            .arg(component)
            .args(["--addr", &self.seat.addr.to_string()])
            .args(["--admin-addr", &admin.to_string()])
            .args(["--shutdown-delay", &format!("{}ms", self.delay.as_millis())]);
        let server = Server::start(&self.name, &mut command)?;
        let admin = server.printed("Admin on http://").ok_or_else(|| {
            server.failure("it does not tell its address for operators".to_owned())
        })?;
        self.seat = Seat {
            addr: server.addr(),
            readiness: Readiness::At(admin),
        };
        self.server = Some(server);
        Ok(())
    }
}
