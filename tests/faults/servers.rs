//! The servers that tests share, one for each way to serve a guest.
//!
//! A test that needs settings or a load of its own starts its own server.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::encode::encode;
use super::support::command::{lavandula, run};
use super::support::http::Server;
use super::support::{FAULTY, component, root};

/// The guest that speaks `wasi:http` itself.
pub const RAW: &str = "tests/guests/raw-http";

/// The guest whose requests may share an instance.
const OVERLAP: &str = "tests/guests/overlap";

/// The guest that is written by hand.
const BY_HAND: &str = "tests/faults/tables.wat";

/// The limits of the shared servers: short enough to be waited for, and so far
/// apart that it is plain which of them it was.
pub const TIMEOUT: Duration = Duration::from_millis(700);
pub const CLIENT_TIMEOUT: Duration = Duration::from_millis(250);
pub const MAX_BODY: usize = 16 << 10;
pub const MAX_RESPONSE: usize = 64 << 10;

const OPTIONS: [&str; 14] = [
    "--timeout",
    "700ms",
    "--header-timeout",
    "250ms",
    "--body-idle",
    "250ms",
    "--max-body",
    "16KiB",
    "--max-response",
    "64KiB",
    "--max-memory",
    "8MiB",
    "--max-handles",
    "100",
];

/// A guest, and how it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setup {
    pub guest: &'static str,
    pub door: &'static str,
    pub isolation: &'static str,
}

const fn faulty(door: &'static str, isolation: &'static str) -> Setup {
    Setup {
        guest: FAULTY,
        door,
        isolation,
    }
}

pub const FAST: [Setup; 2] = [faulty("fast", "instance"), faulty("fast", "rewind")];
pub const STANDARD: [Setup; 2] = [
    faulty("wasi-http", "instance"),
    faulty("wasi-http", "rewind"),
];
pub const EVERYWHERE: [Setup; 4] = [FAST[0], FAST[1], STANDARD[0], STANDARD[1]];

/// It has one door only, and keeps no image that it could be rewound to.
pub const BY_ITSELF: [Setup; 1] = [Setup {
    guest: RAW,
    door: "wasi-http",
    isolation: "instance",
}];

/// It has the fast door only, and keeps no image.
pub const TABLES: [Setup; 1] = [Setup {
    guest: BY_HAND,
    door: "fast",
    isolation: "instance",
}];

/// Requests share instances, each with an arena of its own.
pub const SHARED: Setup = Setup {
    guest: OVERLAP,
    door: "wasi-http-0.3",
    isolation: "shared",
};

impl Setup {
    /// The server that all tests share.
    #[track_caller]
    pub fn shared(self) -> &'static Server {
        type Place = &'static OnceLock<Shared>;
        static SERVERS: Mutex<Option<HashMap<Setup, Place>>> = Mutex::new(None);
        let place = {
            let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
            let servers = servers.get_or_insert_default();
            *servers
                .entry(self)
                .or_insert_with(|| Box::leak(Box::default()))
        };
        // Not under the lock: others start meanwhile.
        &place
            .get_or_init(|| Shared::of(self.start(&OPTIONS)))
            .server
    }

    /// A server with these options and no others.
    #[track_caller]
    pub fn start(self, options: &[&str]) -> Server {
        let own = ["--door", self.door, "--isolation", self.isolation];
        let own = [&own[..], &["--allow-precompiled"]].concat();
        Server::of(code(self.guest), &[&own, options].concat())
    }
}

/// The guest's code, compiled once: with some sixty servers, that is most of the time.
#[track_caller]
fn code(guest: &'static str) -> &'static Path {
    static FAULTY_CODE: OnceLock<PathBuf> = OnceLock::new();
    static RAW_CODE: OnceLock<PathBuf> = OnceLock::new();
    static HAND_CODE: OnceLock<PathBuf> = OnceLock::new();
    static OVERLAP_CODE: OnceLock<PathBuf> = OnceLock::new();
    let (place, component): (_, fn(&str) -> PathBuf) = match guest {
        BY_HAND => (&HAND_CODE, by_hand),
        RAW => (&RAW_CODE, component),
        OVERLAP => (&OVERLAP_CODE, component),
        _ => (&FAULTY_CODE, component),
    };
    place.get_or_init(|| {
        let component = component(guest);
        let code = component.with_extension("faults.cwasm");
        let compile = ["compile".as_ref(), component.as_os_str()];
        let mut command = lavandula();
        let done = run(command.args(compile).arg("--output").arg(&code));
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        code
    })
}

/// The component of a module's text.
fn by_hand(text: &str) -> PathBuf {
    let module = fs::read_to_string(root().join(text)).expect("it is in the tree");
    let component = encode(&module, "export lavandula:arena/handler@0.1.0;");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("by-hand.wasm");
    fs::write(&file, component).expect("a file in the target folder");
    file
}

/// A server that ends with the process of the tests. What lies in a static is never
/// dropped, so it takes somebody else to see to it: a shell that waits for the end
/// of its standard input, which comes whatever the tests end of.
struct Shared {
    server: Server,
    _watch: Child,
}

impl Shared {
    #[track_caller]
    fn of(server: Server) -> Self {
        let watch = Command::new("sh")
            .args(["-c", r#"read -r _; kill -KILL "$0""#])
            .arg(server.process.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            server,
            _watch: watch.expect("a shell"),
        }
    }
}
