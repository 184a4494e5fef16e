//! HAProxy: its configuration, and what it says of its servers.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use tempfile::TempDir;

use super::Safeguard;
use crate::Failure;
use crate::serve::process::cpu_time_of;

/// Where it is besides the `PATH`, which has no folders of administrators for others.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// How long it takes to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it asks a server whether it is ready.
pub const CHECK: Duration = Duration::from_millis(200);

/// How many answers in a row must say that it is not.
pub const FALL: u32 = 2;

/// A `haproxy` that can be run.
#[derive(Debug, Clone)]
pub struct Haproxy {
    /// Where it is.
    pub path: PathBuf,
    /// Its version, without its name.
    pub version: String,
}

/// Finds it.
///
/// # Errors
/// [`Failure::Spawn`], which says what to install.
pub fn find() -> Result<Haproxy, Failure> {
    let folders = FOLDERS.map(|folder| Path::new(folder).join("haproxy"));
    let mut last = std::io::ErrorKind::NotFound.into();
    for path in [PathBuf::from("haproxy")].into_iter().chain(folders) {
        match Command::new(&path).arg("-v").stdin(Stdio::null()).output() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout);
                if let Some(version) = version(&said) {
                    let version = version.to_owned();
                    return Ok(Haproxy { path, version });
                }
            }
            Err(error) => last = error,
        }
    }
    Err(Failure::Spawn {
        program: "haproxy (2.2 or later: `apt-get install haproxy`)",
        error: last,
    })
}

/// Of `HAProxy version 2.6.12-1 2025/10/03 - https://...`.
fn version(said: &str) -> Option<&str> {
    let rest = said.split_once("version ")?.1;
    rest.split_whitespace().next()
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// For clients.
    pub addr: SocketAddr,
    /// Where it says whether it is ready.
    pub readiness: Readiness,
}

/// How a balancer learns whether a server takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// From `/ready` at an address for operators.
    At(SocketAddr),
    /// From this path at the address for clients: it has no other.
    Path(&'static str),
}

/// Counters of HAProxy, of all servers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Requests that it sent to the same server again.
    pub retries: u64,
    /// Those that it sent to another one instead.
    pub redispatches: u64,
}

impl Counters {
    /// What was added since.
    pub fn since(self, before: Self) -> Self {
        Self {
            retries: self.retries.saturating_sub(before.retries),
            redispatches: self.redispatches.saturating_sub(before.redispatches),
        }
    }
}

/// A HAProxy that runs. It ends with this value.
#[derive(Debug)]
pub struct Balancer {
    child: Child,
    addr: SocketAddr,
    folder: TempDir,
}

impl Balancer {
    /// Starts it before these servers.
    ///
    /// # Errors
    /// [`Failure::Server`] with what it said.
    pub fn start(
        haproxy: &Haproxy,
        seats: &[Seat],
        without: &[Safeguard],
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        // The socket is opened here and given to it, so that nobody else takes its port
        // in between.
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Failure::Client)?;
        let addr = listener.local_addr().map_err(Failure::Client)?;
        let bind = format!("fd@{}", listener.as_raw_fd());
        let text = configuration(&bind, &folder.path().join(SOCKET), seats, without);
        let file = folder.path().join("haproxy.cfg");
        let log = folder.path().join(LOG);
        let log = std::fs::write(&file, text)
            .and_then(|()| File::create(log))
            .map_err(|error| failed(error.to_string()))?;
        let err = log.try_clone().map_err(|error| failed(error.to_string()))?;
        fcntl_setfd(&listener, FdFlags::empty())
            .map_err(|error| failed(format!("it cannot be given a socket: {error}")))?;
        let child = Command::new(&haproxy.path)
            .args(["-db", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(err)
            .spawn()
            .map_err(|error| failed(format!("cannot run it: {error}")))?;
        // Ours is not to be inherited by servers that are started later.
        drop(listener);
        let mut balancer = Self {
            child,
            addr,
            folder,
        };
        balancer.wait()?;
        Ok(balancer)
    }

    fn wait(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        while self.statistics().is_err() {
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || began.elapsed() > PATIENCE {
                let said = std::fs::read(self.folder.path().join(LOG)).unwrap_or_default();
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                return Err(failed(format!("it does not start: {said}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Time that it has spent on a processor.
    pub fn cpu_time(&self) -> Option<Duration> {
        cpu_time_of(self.child.id())
    }

    /// Waits until this server is sent requests.
    ///
    /// # Errors
    /// [`Failure::Server`] where it is not in that time.
    pub fn wait_until_up(&self, server: usize, limit: Duration) -> Result<(), Failure> {
        let name = name(server);
        let began = Instant::now();
        loop {
            let table = self.statistics()?;
            let row = table.iter().find(|row| row.name == name);
            let status = row.map_or("unknown", |row| row.status.as_str());
            // It is not asked where there are no checks.
            if status.starts_with("UP") || status == "no check" {
                return Ok(());
            }
            if began.elapsed() > limit {
                return Err(failed(format!("{name} is {status} after {limit:?}")));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its counters.
    ///
    /// # Errors
    /// [`Failure::Server`] where it does not tell.
    pub fn counters(&self) -> Result<Counters, Failure> {
        let table = self.statistics()?;
        // The row of all of them together counts them once more.
        let servers = table.iter().filter(|row| row.name != "BACKEND");
        Ok(servers.fold(Counters::default(), |sum, row| Counters {
            retries: sum.retries + row.counters.retries,
            redispatches: sum.redispatches + row.counters.redispatches,
        }))
    }

    fn statistics(&self) -> Result<Vec<Row>, Failure> {
        let ask = || {
            let mut socket = UnixStream::connect(self.folder.path().join(SOCKET))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.write_all(b"show stat\n")?;
            let mut text = String::new();
            socket.read_to_string(&mut text)?;
            Ok::<_, std::io::Error>(text)
        };
        let text = ask().map_err(|error| failed(format!("it does not tell: {error}")))?;
        rows(&text).ok_or_else(|| failed("its statistics cannot be read".to_owned()))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SOCKET: &str = "admin.sock";
const LOG: &str = "log";
const BACKEND: &str = "servers";

fn failed(reason: String) -> Failure {
    Failure::Server {
        server: "haproxy".to_owned(),
        reason,
    }
}

/// What a server is called.
fn name(server: usize) -> String {
    format!("server{server}")
}

/// The file that it is told by.
fn configuration(bind: &str, socket: &Path, seats: &[Seat], without: &[Safeguard]) -> String {
    let has = |safeguard| !without.contains(&safeguard);
    let retries = match has(Safeguard::Retries) {
        true => {
            "    retries 3\n    option redispatch 1\n    \
             retry-on conn-failure empty-response\n"
        }
        false => "    retries 0\n",
    };
    let mut text = format!(
        "global\n    \
             stats socket {} mode 600 level admin\n\
         defaults\n    \
             mode http\n    \
             timeout connect 500ms\n    \
             timeout client 60s\n    \
             timeout server 30s\n    \
             timeout check 1s\n\
         {retries}\
         frontend clients\n    \
             bind {bind}\n    \
             default_backend {BACKEND}\n\
         backend {BACKEND}\n    \
             balance roundrobin\n",
        socket.display()
    );
    if has(Safeguard::Retries) {
        // What was taken already must not be done twice, unless that is no harm.
        text.push_str("    http-request disable-l7-retry unless METH_GET\n");
    }
    let check = has(Safeguard::Readiness);
    if check && let Some(seat) = seats.first() {
        let path = match seat.readiness {
            Readiness::At(_) => "/ready",
            Readiness::Path(path) => path,
        };
        // Without a host, a server that wants one would be taken to be ill.
        text.push_str(&format!(
            "    option httpchk\n    \
                 http-check send meth GET uri {path} ver HTTP/1.1 hdr host localhost\n    \
                 http-check expect status 200\n"
        ));
    }
    for (number, seat) in seats.iter().enumerate() {
        text.push_str(&format!("    server {} {}", name(number), seat.addr));
        if check {
            let interval = CHECK.as_millis();
            text.push_str(&format!(" check inter {interval}ms fall {FALL} rise 1"));
            if let Readiness::At(addr) = seat.readiness {
                text.push_str(&format!(" addr {} port {}", addr.ip(), addr.port()));
            }
        }
        text.push('\n');
    }
    text
}

/// What it says of a server, or of all of them together.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    status: String,
    counters: Counters,
}

/// The rows of the backend, of what it answers to `show stat`. None where that is
/// something else.
fn rows(text: &str) -> Option<Vec<Row>> {
    let mut lines = text.lines();
    let names: Vec<_> = lines.next()?.strip_prefix("# ")?.split(',').collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    let (group, name) = (place("pxname")?, place("svname")?);
    let status = place("status")?;
    let (retries, redispatches) = (place("wretr")?, place("wredis")?);
    let mut rows = Vec::new();
    for line in lines {
        let fields: Vec<_> = line.split(',').collect();
        if fields.get(group) != Some(&BACKEND) {
            continue;
        }
        // What does not apply is empty.
        let number = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        rows.push(Row {
            name: (*fields.get(name)?).to_owned(),
            status: (*fields.get(status)?).to_owned(),
            counters: Counters {
                retries: number(retries),
                redispatches: number(redispatches),
            },
        });
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats() -> [Seat; 2] {
        [1, 2].map(|port| Seat {
            addr: ([127, 0, 0, 1], port).into(),
            readiness: Readiness::At(([127, 0, 0, 1], 100 + port).into()),
        })
    }

    #[test]
    fn servers_are_asked_at_the_address_for_operators() {
        let text = configuration("fd@3", Path::new("/s"), &seats(), &[]);
        assert!(text.contains("\n    bind fd@3\n"), "{text}");
        assert!(text.contains(" uri /ready "), "{text}");
        let second = "server server1 127.0.0.1:2 check inter 200ms fall 2 rise 1 \
                      addr 127.0.0.1 port 102\n";
        assert!(text.contains(second), "{text}");
    }

    #[test]
    fn what_is_left_out_is_not_in_it() {
        let without = [Safeguard::Readiness, Safeguard::Retries];
        let text = configuration("fd@3", Path::new("/s"), &seats(), &without);
        assert!(text.contains("retries 0\n"), "{text}");
        for word in ["check", "retry", "redispatch"] {
            let mut lines = text.lines().filter(|line| !line.contains("timeout"));
            assert!(lines.all(|line| !line.contains(word)), "{word}: {text}");
        }
    }

    #[test]
    fn statistics_are_read_by_their_names() {
        let text = "# pxname,svname,wretr,wredis,status,\nclients,FRONTEND,,,OPEN,\n\
                    servers,server0,3,1,UP 1/2,\nservers,BACKEND,3,1,UP,\n\n";
        let rows = rows(text).expect("it is a table");
        assert_eq!(rows.len(), 2);
        assert_eq!((&*rows[0].name, &*rows[0].status), ("server0", "UP 1/2"));
        let counters = Counters {
            retries: 3,
            redispatches: 1,
        };
        assert_eq!(rows[0].counters, counters);
        assert_eq!(super::rows("Unknown command\n"), None);
    }

    #[test]
    fn a_version_is_the_word_after_version() {
        let said = "HAProxy version 2.6.12-1+deb12u3 2025/10/03 - https://haproxy.org/\n";
        assert_eq!(version(said), Some("2.6.12-1+deb12u3"));
        assert_eq!(version("no such thing"), None);
    }
}
