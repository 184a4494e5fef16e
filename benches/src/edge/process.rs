//! A runtime as processes of its own: started, waited for, looked at, and ended with
//! everything that it has started.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use tempfile::TempDir;

use super::exchange::{Ask, Client};
use super::resident;

/// How long one may take until its first answer. It compiles what it serves first, and may
/// be unoptimised itself.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long one may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// What stands before the address where a server says that it listens.
const SERVING: &str = "Serving HTTP on http://";

/// How it is known where one listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listens {
    /// It says so.
    Says,
    /// It was told to listen there.
    At(SocketAddr),
}

/// Which of its processes are the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// All of them.
    Started,
    /// The one of which it says that it is process so and so, with those that it starts. All
    /// where it says nothing of the kind: then it serves itself.
    Told,
}

/// A runtime that listens. It ends with this value.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Open for as long as it is to serve: some end when it is closed.
    stdin: Option<ChildStdin>,
    addr: SocketAddr,
    began: Instant,
    serves: Serves,
    output: TempDir,
}

/// Why one does not run.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// There is no such program.
    #[error("it cannot be run: {0}")]
    Spawn(io::Error),
    /// It has ended, or does not listen.
    #[error("it {how}; the last that it said: {}", last_line(said))]
    Ended {
        /// What became of it.
        how: String,
        /// All that it said.
        said: String,
    },
}

impl NotStarted {
    /// All that it said.
    pub fn said(&self) -> &str {
        match self {
            Self::Spawn(_) => "",
            Self::Ended { said, .. } => said,
        }
    }
}

fn last_line(said: &str) -> String {
    let lines = said.lines().rev().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.join(" ")
    });
    let mut told = lines.filter(|line| !line.is_empty());
    told.next().unwrap_or_else(|| "nothing".to_owned())
}

impl Running {
    /// Starts it, and waits until it has given its first answer, which is to `GET /`.
    ///
    /// # Errors
    /// [`NotStarted`] where it does not, with what it said.
    pub fn start(
        command: &mut Command,
        listens: Listens,
        serves: Serves,
    ) -> Result<(Self, Duration), NotStarted> {
        // Into files: a pipe that nobody empties would stop it.
        let output = tempfile::tempdir().map_err(NotStarted::Spawn)?;
        let file = |name| File::create(output.path().join(name)).map_err(NotStarted::Spawn);
        command
            .stdin(Stdio::piped())
            .stdout(file(OUT)?)
            .stderr(file(ERR)?)
            // So that none of what it starts stays behind.
            .process_group(0);
        let began = Instant::now();
        let mut child = command.spawn().map_err(NotStarted::Spawn)?;
        let mut running = Self {
            stdin: child.stdin.take(),
            child,
            // Of no meaning before it is known.
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            began,
            serves,
            output,
        };
        running.addr = match listens {
            Listens::At(addr) => addr,
            Listens::Says => running.told()?,
        };
        let took = running.first_answer()?;
        Ok((running, took))
    }

    /// Where it says that it listens.
    fn told(&mut self) -> Result<SocketAddr, NotStarted> {
        loop {
            if let Some(addr) = [OUT, ERR].iter().find_map(|name| address(&self.read(name))) {
                return Ok(addr);
            }
            self.wait("does not say that it listens")?;
        }
    }

    /// How long it took from its start to its first answer.
    fn first_answer(&mut self) -> Result<Duration, NotStarted> {
        loop {
            let left = PATIENCE.saturating_sub(self.began.elapsed());
            let mut client = Client::new(self.addr, left.max(PAUSE));
            let how = match client.ask(&Ask::get("/")) {
                Ok(answer) if answer.status == 200 => return Ok(self.began.elapsed()),
                Ok(answer) => format!("answers GET / with {answer:?}"),
                Err(failed) => format!("does not answer: {failed}"),
            };
            self.wait(&how)?;
        }
    }

    /// A moment, unless it has ended or its time is up.
    fn wait(&mut self, how: &str) -> Result<(), NotStarted> {
        let how = match self.child.try_wait().ok().flatten() {
            Some(status) => format!("ended ({status})"),
            None if self.began.elapsed() > PATIENCE => format!("{how}, after {PATIENCE:?}"),
            None => {
                std::thread::sleep(PAUSE);
                return Ok(());
            }
        };
        Err(NotStarted::Ended {
            how,
            said: self.said(),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// All that it said so far.
    pub fn said(&self) -> String {
        [OUT, ERR].map(|name| self.read(name)).concat()
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.output.path().join(name));
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    /// Memory of its processes, where the system tells it.
    pub fn resident(&self) -> Option<u64> {
        let told = match self.serves {
            Serves::Started => None,
            Serves::Told => process(&self.said()),
        };
        resident::of_tree(told.unwrap_or(self.child.id()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let pid = Pid::from_child(&self.child);
        // It may have ended by itself, which is as good.
        let _ = kill_process(pid, Signal::TERM);
        let until = Instant::now() + GRACE;
        // Looked at and not waited for: as long as it was not, the number of its group is
        // nobody else's.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Ok(None)) && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

const OUT: &str = "stdout";
const ERR: &str = "stderr";

/// A port that nobody listens on at the moment, for those that cannot take any.
///
/// # Errors
/// Where the system has none.
pub fn free() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The address that a server says it listens on, where it has said so to the end.
fn address(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once(SERVING)?;
    let (addr, _) = rest.split_once('/')?;
    addr.parse().ok()
}

/// The process of which a starter says that it is the runtime's.
fn process(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once(" is process ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<(Running, Duration), NotStarted> {
        let mut command = Command::new("sh");
        Running::start(command.args(["-c", script]), Listens::Says, Serves::Started)
    }

    #[test]
    fn an_address_is_read_once_it_is_whole() {
        let said = "log http://a/\nServing HTTP on http://127.0.0.1:34567/\n";
        assert_eq!(address(said), Some(([127, 0, 0, 1], 34_567).into()));
        for end in 0..said.find("/\n").unwrap() {
            assert_eq!(address(&said[..end]), None, "{}", &said[..end]);
        }
    }

    #[test]
    fn the_process_of_a_runtime_is_the_one_that_is_told() {
        assert_eq!(
            process("warn: x\nnode 20.1 is process 4242\nmore"),
            Some(4242)
        );
        assert_eq!(process("this is process control"), None);
    }

    #[test]
    fn one_that_ends_says_why() {
        let failure = shell("echo no such thing >&2; echo; exit 3").expect_err("it ends");
        let text = failure.to_string();
        assert!(
            text.contains("no such thing") && text.contains('3'),
            "{text}"
        );
        assert!(failure.said().contains("no such thing"));
    }

    #[test]
    fn what_it_has_started_ends_with_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // Nobody listens there, so that it is ended with all that it has started.
        let script = format!("sleep 1000 & echo $! > {}; exit 3", file.path().display());
        shell(&script).expect_err("it ends");
        let child = std::fs::read_to_string(file.path()).unwrap();
        let stat = format!("/proc/{}/stat", child.trim());
        for _ in 0..1000 {
            // A zombie has ended: who took it over has not looked yet.
            match std::fs::read_to_string(&stat) {
                Ok(text) if !text.contains(") Z ") => std::thread::sleep(PAUSE),
                _ => return,
            }
        }
        panic!("its child goes on");
    }
}
