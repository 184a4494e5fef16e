//! A served component and a client of it: the real command, plain sockets,
//! requests as bytes.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::command::{Process, lavandula};
use super::component;

/// The longest that anything here may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The command that serves `component`.
fn serve(component: &Path, options: &[&str]) -> Command {
    let mut command = lavandula();
    command.arg("serve").arg(component).args(options);
    command
}

/// A server on a free port.
pub struct Server {
    pub process: Process,
    pub addr: SocketAddr,
    pub log: NamedTempFile,
    /// What it has printed after its first line.
    lines: Mutex<mpsc::Receiver<String>>,
}

impl Server {
    #[track_caller]
    pub fn start(folder: &str, options: &[&str]) -> Self {
        Self::of(&component(folder), options)
    }

    #[track_caller]
    pub fn of(component: &Path, options: &[&str]) -> Self {
        Self::launch(&mut serve(component, options))
    }

    /// The same with so many file descriptors at most.
    #[track_caller]
    pub fn with_descriptors(number: u32, folder: &str, options: &[&str]) -> Self {
        let serve = serve(&component(folder), options);
        let mut limited = Command::new("sh");
        limited
            .args(["-c", r#"ulimit -n "$0" && exec "$@""#])
            .arg(number.to_string())
            .arg(serve.get_program())
            .args(serve.get_args());
        for (name, value) in serve.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        Self::launch(&mut limited)
    }

    /// The server that `command` starts, which has `serve` and its options.
    #[track_caller]
    pub fn launch(command: &mut Command) -> Self {
        let log = NamedTempFile::new().expect("a temporary file");
        command
            .args(["--addr", "127.0.0.1:0"])
            // The server must not tell clients even where it is told to look.
            .env("RUST_BACKTRACE", "full")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("a temporary file"));
        let mut process = Process::start(command);

        let stdout = process.child().stdout.take().expect("it is piped");
        let (line, lines) = mpsc::channel();
        // Reads on to the end, so that the pipe is never full.
        thread::spawn(move || {
            for printed in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = line.send(printed);
            }
        });
        let line = lines.recv_timeout(PATIENCE);
        let addr = line.as_deref().ok().and_then(|line| {
            let rest = line.strip_prefix("Serving HTTP on http://")?;
            rest.strip_suffix('/')?.parse().ok()
        });
        match addr {
            Some(addr) => Self {
                process,
                addr,
                log,
                lines: Mutex::new(lines),
            },
            None => panic!("it does not serve: {line:?}, {}", text(log.path())),
        }
    }

    /// The next line that it prints.
    #[track_caller]
    pub fn line(&self) -> String {
        let lines = self.lines.lock().expect("no test panics with it");
        let line = lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|_| panic!("it prints no more: {}", self.log()))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        text(self.log.path())
    }

    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// A request of its own connection is answered by the handler.
    #[track_caller]
    pub fn assert_serves(&self) {
        let answer = self.client().post("/echo", b"ping");
        assert_eq!((answer.status, &*answer.body), (200, &b"ping"[..]));
    }

    /// Waits until it runs as many requests as it may.
    #[track_caller]
    pub fn wait_until_full(&self, prober: &mut Client) -> Answer {
        let began = Instant::now();
        loop {
            let answer = prober.get("/count");
            if answer.status == 503 {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "never full: {}", self.log());
        }
    }

    /// Waits until it takes no connections any more.
    #[track_caller]
    pub fn wait_until_deaf(&self) {
        let began = Instant::now();
        while TcpStream::connect(self.addr).is_ok() {
            assert!(began.elapsed() < PATIENCE, "still listening");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Processor time that its threads have had.
    pub fn computed(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id()));
        let nanoseconds = threads.expect("it runs").map(|thread| {
            let path = thread.expect("a folder").path().join("schedstat");
            // None where the thread has ended meanwhile.
            let stat = fs::read_to_string(path).unwrap_or_default();
            let first = stat.split(' ').next().unwrap_or_default();
            first.parse().unwrap_or(0)
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Resident memory, in KiB.
    pub fn resident(&self) -> u64 {
        let status = text(format!("/proc/{}/status", self.process.id()).as_ref());
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        number.unwrap_or_else(|| panic!("no VmRSS in {status}"))
    }
}

pub fn text(path: &Path) -> String {
    let bytes = fs::read(path).expect("the file is there");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A connection. Every wait on it is bounded.
pub struct Client {
    pub stream: BufReader<TcpStream>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How much of an answer there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The connection ended before it.
    Part,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    /// The label of a failure.
    pub fn label(&self) -> Option<&str> {
        self.header("x-lavandula-error")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// A request with nothing but what it needs.
pub fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n")
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl Client {
    #[track_caller]
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // A server that refuses a request may close before it has read all of
        // it. What it answered, or that it did not, is what counts.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(&request("GET", path, b""));
        self.answer()
    }

    #[track_caller]
    pub fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        self.send(&request("POST", path, body));
        self.answer()
    }

    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        read.expect("an answer in time");
        // A header may have any bytes.
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_suffix("\r\n");
        line.expect("a whole line of a head").to_owned()
    }

    /// The next answer up to its body.
    #[track_caller]
    pub fn head(&mut self) -> Answer {
        let line = self.line();
        let status = line.strip_prefix("HTTP/1.1 ");
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Answer {
            status: status.unwrap_or_else(|| panic!("no status: {line}")),
            headers,
            body: Vec::new(),
        }
    }

    /// The next answer, whole.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        match self.answer_or_part() {
            (answer, Extent::Whole) => answer,
            (answer, Extent::Part) => panic!("it was cut off: {answer:?}"),
        }
    }

    /// The next answer, as far as it came.
    #[track_caller]
    pub fn answer_or_part(&mut self) -> (Answer, Extent) {
        let mut answer = self.head();
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                match self.chunk() {
                    Some(chunk) if chunk.is_empty() => return (answer, Extent::Whole),
                    Some(chunk) => answer.body.extend_from_slice(&chunk),
                    None => return (answer, Extent::Part),
                }
            }
        }
        let length = answer.header("content-length");
        let length = length.unwrap_or_else(|| panic!("no length: {answer:?}"));
        let length: u64 = length.parse().expect("a number");
        let body = self.up_to(length);
        let whole = body.len() as u64 == length;
        answer.body = body;
        let extent = if whole { Extent::Whole } else { Extent::Part };
        (answer, extent)
    }

    /// The next chunk of a body, empty where it is the last one. None where the
    /// connection ends before that of the chunk.
    #[track_caller]
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.push(*self.up_to(1).first()?);
        }
        let size = String::from_utf8_lossy(&size);
        let size = size.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).expect("the size of a chunk");
        let mut chunk = self.up_to(size + 2);
        let whole = chunk.len() as u64 == size + 2;
        chunk.truncate(usize::try_from(size).expect("it fits"));
        whole.then_some(chunk)
    }

    /// So many bytes, or fewer where the connection ends before.
    #[track_caller]
    fn up_to(&mut self, length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.by_ref().take(length).read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("neither more nor an end: {error}"),
        }
        bytes
    }

    /// Says that nothing more will be sent.
    #[track_caller]
    pub fn half_close(&mut self) {
        let shut = self.stream.get_ref().shutdown(Shutdown::Write);
        shut.expect("a socket");
    }

    /// How long a read may take from here on.
    #[track_caller]
    pub fn be_patient_for(&mut self, limit: Duration) {
        let stream = self.stream.get_ref();
        stream.set_read_timeout(Some(limit)).expect("a socket");
    }

    /// Nothing comes, and the connection does not end either.
    #[track_caller]
    pub fn assert_silent_for(&mut self, time: Duration) {
        self.be_patient_for(time);
        match self.stream.fill_buf() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("it is not silent: {other:?}"),
        }
        self.be_patient_for(PATIENCE);
    }

    /// The server has closed the connection, and sent nothing more before.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            // It closed before it had read all that was sent.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("still open: {error}"),
        }
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}
