//! Does what a row says, and looks at everything that follows from it.

use std::thread;
use std::time::{Duration, Instant};

use super::servers::Setup;
use super::support::http::{Answer, Client, Extent, PATIENCE, Server, request};
use super::table::{Gets, Row, Then, Told};

/// One row on one server.
pub struct Trial<'a> {
    row: &'a Row,
    pub server: &'a Server,
    pub setup: Setup,
    /// How long the log was when it began.
    from: usize,
}

/// Does this with each of these ways to serve a guest, side by side: most of it is
/// waiting.
pub fn each(setups: &[Setup], show: impl Fn(Setup) + Sync) {
    thread::scope(|scope| {
        for &setup in setups {
            let show = &show;
            scope.spawn(move || show(setup));
        }
    });
}

/// Shows the row on each of these servers, which tests share.
pub fn on(row: &Row, setups: &[Setup], show: impl Fn(&Trial<'_>) + Sync) {
    each(setups, |setup| {
        show(&Trial::new(row, setup.shared(), setup))
    });
}

/// The same where the fault is that the handler is asked for these paths.
pub fn asking(row: &Row, setups: &[Setup], paths: &[&str]) {
    on(row, setups, |trial| {
        for path in paths {
            trial.sending(path, &request("GET", path, b""));
        }
    });
}

impl<'a> Trial<'a> {
    pub fn new(row: &'a Row, server: &'a Server, setup: Setup) -> Self {
        Self {
            row,
            server,
            setup,
            from: server.log().len(),
        }
    }

    /// One that began when the server did.
    pub fn since_start(row: &'a Row, server: &'a Server, setup: Setup) -> Self {
        Self {
            from: 0,
            ..Self::new(row, server, setup)
        }
    }

    /// The name of the test.
    pub fn test(&self) -> &'static str {
        self.row.test
    }

    /// Sends these bytes on a new connection, and expects what the row says: of the
    /// answer, of what comes next, and of the log, for requests for `path`.
    #[track_caller]
    pub fn sending(&self, path: &str, bytes: &[u8]) {
        let mut client = self.server.client();
        client.send(bytes);
        self.meets(&mut client, path);
    }

    /// The client has done what is wrong, and now gets what the row says.
    #[track_caller]
    pub fn meets(&self, client: &mut Client, path: &str) {
        let then = self.answered(client, path);
        match then {
            Then::Stays => self.next_is_right(client),
            Then::Closes => client.assert_closed(),
        }
        self.next_is_right(&mut self.server.client());
        self.told(path);
    }

    #[track_caller]
    fn answered(&self, client: &mut Client, path: &str) -> Then {
        let at = || format!("{path} of {:?}: {}", self.setup, self.log());
        match self.row.gets {
            Gets::Failure(status, label, then) => {
                let answer = client.answer();
                let found = (answer.status, answer.label());
                assert_eq!(found, (status, Some(label)), "{}", at());
                let closes = answer.header("connection") == Some("close");
                assert_eq!(closes, then == Then::Closes, "{}", at());
                assert_tells_nothing(&answer);
                then
            }
            Gets::Answer(status) => {
                let answer = client.answer();
                let found = (answer.status, answer.label());
                assert_eq!(found, (status, None), "{}", at());
                Then::Stays
            }
            Gets::Bare(status) => {
                let answer = client.answer();
                let found = (answer.status, answer.label(), answer.text());
                assert_eq!(found, (status, None, ""), "{}", at());
                Then::Closes
            }
            Gets::Part(status) => {
                let (answer, extent) = client.answer_or_part();
                let found = (answer.status, answer.label(), extent);
                assert_eq!(found, (status, None, Extent::Part), "{}", at());
                assert!(!answer.body.is_empty(), "{}", at());
                Then::Closes
            }
            Gets::Words(words) => panic!("nobody looks whether it gets {words:?}"),
        }
    }

    /// What a connection is good for: its next requests, each in an instance of which
    /// nobody has used anything.
    #[track_caller]
    pub fn next_is_right(&self, client: &mut Client) {
        let after = || format!("after {} of {:?}", self.row.fault, self.setup);
        let answer = client.get("/count");
        let found = (answer.status, answer.text());
        assert_eq!(found, (200, "1"), "{}", after());
        let body = self.row.test.as_bytes();
        let answer = client.post("/echo", body);
        assert_eq!((answer.status, &*answer.body), (200, body), "{}", after());
    }

    /// What was logged since it began.
    pub fn log(&self) -> String {
        self.server.log()[self.from..].to_owned()
    }

    /// The log has what the row says, of requests for `path`.
    #[track_caller]
    pub fn told(&self, path: &str) {
        let path = path.split('?').next().unwrap_or_default();
        let named = !path.is_empty();
        let path = format!("path=\"{path}\"");
        for told in self.row.told {
            let mut marks = told.marks();
            match told {
                // Before there is a request there is no path.
                Told::Outcome(_) if !named => {}
                Told::Outcome(_) => marks.push(path.clone()),
                Told::Retired(_) if self.setup.isolation == "instance" => continue,
                Told::Retired(_) | Told::SharedRetired(_) | Told::Words(_) => {}
            }
            self.wait_for_line(&marks);
        }
    }

    /// Waits until a line of the log has all of this: an answer may be there before
    /// it was told of.
    #[track_caller]
    fn wait_for_line(&self, marks: &[String]) {
        let began = Instant::now();
        loop {
            let log = self.log();
            let has_all = |line: &str| marks.iter().all(|mark| line.contains(mark));
            if log.lines().any(has_all) {
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(3),
                "no line with {marks:?} by {:?}: {log}",
                self.setup
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What a stranger has no business to know of a failure.
#[track_caller]
pub fn assert_tells_nothing(answer: &Answer) {
    let told = answer.text().to_lowercase();
    for secret in [
        "wasm",
        "backtrace",
        "panic",
        "asked to",
        "0x",
        "/",
        "\\",
        ".rs",
    ] {
        assert!(!told.contains(secret), "`{secret}` in {told}");
    }
    assert!(told.len() < 100, "{told}");
}

/// It took about as long as a limit says: no less, and on a busy machine more.
#[track_caller]
pub fn assert_about(took: Duration, limit: Duration) {
    assert!(took >= limit && took < 10 * limit, "{took:?} for {limit:?}");
}

/// Waits until `done`.
#[track_caller]
pub fn wait_until(mut done: impl FnMut() -> bool, what: &str) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
