//! A server as a process of its own: started, paused while another one is
//! measured, and looked at from outside.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Failure;

/// How long a server may take until it listens. It compiles its component first,
/// and may be unoptimised itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands before the address where a server says that it listens.
const BEFORE_ADDRESS: &str = "http://";

/// A server that listens. It ends with this value.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    addr: SocketAddr,
    output: TempDir,
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What it has in memory now.
    pub resident: u64,
    /// The most that it had.
    pub peak: u64,
}

impl Server {
    /// Starts it, and waits until it says where it listens.
    ///
    /// # Errors
    /// [`Failure::Server`] with what it said instead.
    pub fn start(name: &str, command: &mut Command) -> Result<Self, Failure> {
        Self::start_saying(name, command, BEFORE_ADDRESS)
    }

    /// The same for one that says something else before the address, such as another
    /// scheme.
    ///
    /// # Errors
    /// [`Failure::Server`] with what it said instead.
    pub fn start_saying(
        name: &str,
        command: &mut Command,
        before: &'static str,
    ) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::Server {
            server: name.to_owned(),
            reason,
        };
        // Into files: a pipe that nobody empties would stop it.
        let output = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let file = |name| File::create(output.path().join(name));
        let (out, err) = file(OUT)
            .and_then(|out| Ok((out, file(ERR)?)))
            .map_err(|error| failed(error.to_string()))?;
        let child = command
            // Held open for as long as the server is wanted: some end with their input,
            // and so do not outlive this process.
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| failed(format!("cannot run it: {error}")))?;
        let mut server = Self {
            name: name.to_owned(),
            child,
            // Of no meaning before it says so.
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            output,
        };
        server.addr = server.wait(before)?;
        Ok(server)
    }

    fn wait(&mut self, before: &str) -> Result<SocketAddr, Failure> {
        let began = Instant::now();
        loop {
            let said = [OUT, ERR].map(|name| self.said(name));
            if let Some(addr) = said.iter().find_map(|text| address(text, before)) {
                return Ok(addr);
            }
            let status = self.child.try_wait().ok().flatten();
            if status.is_some() || began.elapsed() > PATIENCE {
                let text = said.concat();
                let last = text.trim().lines().last().unwrap_or("nothing");
                let how = status.map_or_else(
                    || format!("does not listen after {PATIENCE:?}"),
                    |status| format!("ended ({status})"),
                );
                return Err(self.failure(format!("it {how}; the last that it said: {last}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn said(&self, name: &str) -> String {
        let bytes = std::fs::read(self.output.path().join(name));
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    /// Bytes that it has logged.
    pub fn logged(&self) -> u64 {
        let file = std::fs::metadata(self.output.path().join(ERR));
        file.map_or(0, |file| file.len())
    }

    /// What is wrong with it.
    pub fn failure(&self, reason: String) -> Failure {
        Failure::Server {
            server: self.name.clone(),
            reason,
        }
    }

    /// The address that it has printed after this, such as one for operators.
    pub fn printed(&self, before: &str) -> Option<SocketAddr> {
        let said = self.said(OUT);
        address(&said, before)
    }

    /// Tells it to end.
    ///
    /// # Errors
    /// [`Failure::Server`] where it has ended by itself.
    pub fn terminate(&mut self) -> Result<(), Failure> {
        self.signal(Signal::TERM)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`Failure::Server`] where it goes on for longer.
    pub fn end(&mut self, limit: Duration) -> Result<ExitStatus, Failure> {
        let began = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                _ if began.elapsed() > limit => {
                    return Err(self.failure(format!("it does not end within {limit:?}")));
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Ends it where it stands.
    ///
    /// # Errors
    /// [`Failure::Server`] where it has ended by itself.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.signal(Signal::KILL)?;
        self.child
            .wait()
            .map(drop)
            .map_err(|error| self.failure(error.to_string()))
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops it in its tracks: what it would do besides, such as the ticks of its
    /// clocks, is not to disturb the others.
    ///
    /// # Errors
    /// [`Failure::Server`] where it has ended.
    pub fn pause(&mut self) -> Result<(), Failure> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// [`Failure::Server`] where it has ended.
    pub fn go_on(&mut self) -> Result<(), Failure> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), Failure> {
        // As long as it was not waited for, the number is its own.
        if let Ok(Some(status)) = self.child.try_wait() {
            let text = self.said(ERR);
            let last = text.trim().lines().last().unwrap_or("nothing");
            let reason = format!("it ended ({status}); the last that it said: {last}");
            return Err(self.failure(reason));
        }
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| self.failure(format!("cannot send it a signal: {error}")))
    }

    /// What its memory is.
    pub fn memory(&self) -> Option<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        memory(&status.ok()?)
    }

    /// Time that its threads have spent on a processor, in steps of the kernel's
    /// clock ticks.
    pub fn cpu_time(&self) -> Option<Duration> {
        cpu_time_of(self.child.id())
    }
}

/// Time that the threads of this process have spent on a processor, in steps of the
/// kernel's clock ticks.
pub fn cpu_time_of(id: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
    cpu_time(&stat.ok()?, rustix::param::clock_ticks_per_second())
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const OUT: &str = "stdout";
const ERR: &str = "stderr";

/// The address that a server says it listens on, where it has said so to the end.
fn address(text: &str, before: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once(before)?;
    let (addr, _) = rest.split_once('/')?;
    addr.parse().ok()
}

fn memory(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    Some(Memory {
        resident: bytes("VmRSS:")?,
        peak: bytes("VmHWM:")?,
    })
}

fn cpu_time(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    // The second field is the name, in which anything may stand.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    Some(Duration::from_secs_f64(
        ticks as f64 / ticks_per_second as f64,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_once_it_is_whole() {
        let said = "Serving HTTP on http://127.0.0.1:34567/\nTry: curl http://127.0.0.1:1/\n";
        let address = |said| address(said, BEFORE_ADDRESS);
        assert_eq!(address(said), Some(([127, 0, 0, 1], 34_567).into()));
        for end in 0..said.find("/\n").unwrap() {
            assert_eq!(address(&said[..end]), None, "{}", &said[..end]);
        }
    }

    #[test]
    fn memory_and_time_are_those_of_the_kernels_files() {
        let status = "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\nThreads:\t3\n";
        let expected = Memory {
            resident: 1 << 20,
            peak: 2 << 20,
        };
        assert_eq!(memory(status), Some(expected));
        assert_eq!(memory("Name:\tx\n"), None);
        let stat = "42 (a) name 7) S 1 42 42 0 -1 4194304 1 2 3 4 150 50 9 9 20 0 3 0";
        assert_eq!(cpu_time(stat, 100), Some(Duration::from_secs(2)));
    }

    #[test]
    fn this_process_has_memory_and_has_used_time() {
        let read = |name| std::fs::read_to_string(format!("/proc/self/{name}"));
        if let (Ok(status), Ok(stat)) = (read("status"), read("stat")) {
            let memory = memory(&status).expect("the kernel tells it");
            assert!(memory.peak >= memory.resident && memory.resident > 0);
            assert!(cpu_time(&stat, rustix::param::clock_ticks_per_second()).is_some());
        }
    }

    #[test]
    fn a_server_that_ends_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such thing >&2; exit 3"]);
        let failure = Server::start("it", &mut command).expect_err("it ends");
        let text = failure.to_string();
        assert!(
            text.contains("no such thing") && text.contains('3'),
            "{text}"
        );
    }
}
