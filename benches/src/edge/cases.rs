//! The cases: what is sent to each runtime, and what is right. What answers are to be is
//! told by the handler itself, run in this process, without a runtime and without HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use lavandula::{Header, Invocation, Request};

use super::exchange::{Answer, Ask, Client, Failed, Sent, shown};
use super::random::Random;

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A case.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What is sent, and what is looked at.
    pub what: &'static str,
    run: fn(&mut Client) -> Judged,
}

/// What there is to say besides that it is right, or what is wrong.
pub type Judged = Result<Option<String>, String>;

impl Case {
    /// Runs it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn run(&self, addr: SocketAddr) -> Judged {
        (self.run)(&mut Client::new(addr, PATIENCE))
    }
}

/// In the order in which they are run: the one that ends instances is the last.
pub const CASES: [Case; 6] = [
    Case {
        name: "GET",
        what: "`GET /`: status, type and body",
        run: get,
    },
    Case {
        name: "HEAD, 404",
        what: "`HEAD /` has no body, and the connection goes on; a path and a method that there \
               are not are a 404 with the handler's own text",
        run: head_and_not_found,
    },
    Case {
        name: "headers",
        what: "four headers, one with two values and one with 4,000 bytes, arrive and come back",
        run: headers,
    },
    Case {
        name: "POST",
        what: "two different bodies of 1 MiB come back; one of 4 MiB arrives, by its checksum",
        run: post,
    },
    Case {
        name: "pieces",
        what: "a body in 24 chunks of 1 byte to 64 KiB, with 10 ms before each",
        run: pieces,
    },
    Case {
        name: "trap",
        what: "a handler that traps, three times: nothing that looks like success, and each time \
               the request after it is right",
        run: trap,
    },
];

/// Headers that belong to the requests of [`headers`], and to nothing that stands in
/// between.
const OWN: &str = "x-edge-";

/// Bytes of a value that is long, as a cookie may be.
const LONG: usize = 4_000;

const MIB: usize = 1 << 20;
const PAUSE: Duration = Duration::from_millis(10);

fn get(client: &mut Client) -> Judged {
    right(client, &Ask::get("/"))?;
    Ok(None)
}

fn head_and_not_found(client: &mut Client) -> Judged {
    let head = Ask {
        method: "HEAD",
        ..Ask::get("/")
    };
    let expected = expected(&Ask::get("/"));
    let answer = asked(client, &head)?;
    if answer.status != expected.status || !answer.body.is_empty() {
        return Err(format!("HEAD / is answered with {answer:?}"));
    }
    let mut told = None;
    if let Some(length) = answer.header("content-length")
        && length != expected.body.len().to_string().as_bytes()
    {
        told = Some(format!("HEAD tells a length of {}", shown(&length)));
    }
    // On the same connection, where it is kept: a body after all would be taken for the
    // next answer.
    right(client, &Ask::get("/nowhere"))?;
    right(client, &Ask::post("/", Sent::Whole(b"nobody takes this")))?;
    Ok(told)
}

fn headers(client: &mut Client) -> Judged {
    let long: String = "lavender "
        .chars()
        .cycle()
        .take(LONG - 1)
        .chain(['.'])
        .collect();
    let sent = [
        ("x-edge-plain", "value"),
        ("x-edge-twice", "first"),
        ("X-Edge-Signs", "a=1; b=\"2, 3\"; c=%20~!#$&'*+.^_`|"),
        ("x-edge-twice", "second"),
        ("x-edge-long", long.as_str()),
    ];
    let answer = asked(
        client,
        &Ask {
            headers: &sent,
            ..Ask::get("/headers")
        },
    )?;
    if answer.status != 200 {
        return Err(format!("GET /headers is answered with {answer:?}"));
    }
    // Names have no case, and two values of one name may become one with a comma.
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (name, value) in sent {
        join(&mut wanted, name, value);
    }
    wanted.sort();
    let text = std::str::from_utf8(&answer.body).map_err(|_| "the body is no text".to_owned())?;
    let mut arrived = Vec::new();
    for line in text.lines() {
        let (name, value) = line.split_once(": ").ok_or("a line is no header")?;
        join(&mut arrived, name, value);
    }
    let others = arrived.iter().filter(|(name, _)| !name.starts_with(OWN));
    let others: Vec<_> = others.map(|(name, _)| format!("`{name}`")).collect();
    arrived.retain(|(name, _)| name.starts_with(OWN));
    arrived.sort();
    differs("what arrived", &arrived, &wanted)?;
    let mut came = Vec::new();
    for (name, value) in &answer.headers {
        if name.starts_with(OWN) {
            join(&mut came, name, &String::from_utf8_lossy(value));
        }
    }
    came.sort();
    differs("what came back", &came, &wanted)?;
    Ok((!others.is_empty()).then(|| format!("the handler also sees {}", others.join(", "))))
}

fn join(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    match headers.iter_mut().find(|(known, _)| *known == name) {
        Some((_, values)) => *values = format!("{values}, {value}"),
        None => headers.push((name, value.to_owned())),
    }
}

fn differs(
    what: &str,
    found: &[(String, String)],
    wanted: &[(String, String)],
) -> Result<(), String> {
    let names = |headers: &[(String, String)]| {
        let names: Vec<_> = headers.iter().map(|(name, _)| name.clone()).collect();
        names.join(", ")
    };
    if names(found) != names(wanted) {
        return Err(format!("{what} are the headers {}", names(found)));
    }
    let other = found
        .iter()
        .zip(wanted)
        .find(|(found, wanted)| found != wanted);
    other.map_or(Ok(()), |((name, value), _)| {
        Err(format!("{what} as {name} is {}", shown(value.as_bytes())))
    })
}

fn post(client: &mut Client) -> Judged {
    let mut random = Random::new(1);
    // Two: who answers the second from the first is found out.
    for _ in 0..2 {
        let body = random.bytes(MIB);
        right(client, &Ask::post("/echo", Sent::Whole(&body)))?;
    }
    let body = random.bytes(4 * MIB);
    right(client, &Ask::post("/digest", Sent::Whole(&body)))?;
    Ok(None)
}

fn pieces(client: &mut Client) -> Judged {
    let mut random = Random::new(2);
    let pieces: Vec<_> = (0..24_u32)
        .map(|at| random.bytes(1 << (at * 7 % 17)))
        .collect();
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    right(client, &Ask::post("/echo", Sent::Pieces(&pieces, PAUSE)))?;
    Ok(None)
}

fn trap(client: &mut Client) -> Judged {
    let mut told = Vec::new();
    for _ in 0..3 {
        // On a connection of its own, so that one that is dropped is no other's.
        client.leave();
        let how = match client.ask(&Ask::get("/trap")) {
            Ok(answer) if answer.status >= 500 => answer.status.to_string(),
            Ok(answer) => return Err(format!("a trap is answered with {answer:?}")),
            Err(Failed::Dropped | Failed::Cut(_)) => "the connection is dropped".to_owned(),
            Err(failed) => return Err(format!("a trap: {failed}")),
        };
        if !told.contains(&how) {
            told.push(how);
        }
        client.leave();
        right(client, &Ask::get("/")).map_err(|why| format!("after a trap: {why}"))?;
        right(client, &Ask::post("/echo", Sent::Whole(b"still here")))
            .map_err(|why| format!("after a trap: {why}"))?;
    }
    Ok(Some(told.join(", or ")))
}

/// Asks, and compares the answer with the handler's own, to the byte.
fn right(client: &mut Client, ask: &Ask<'_>) -> Result<(), String> {
    let expected = expected(ask);
    let answer = asked(client, ask)?;
    let (method, path) = (ask.method, ask.path);
    if answer.status != expected.status {
        return Err(format!("{method} {path} is answered with {answer:?}"));
    }
    let types = [&answer, &expected].map(|answer| answer.header("content-type"));
    if types[0] != types[1] {
        let found = types[0].as_deref().map_or("none".to_owned(), shown);
        return Err(format!("the type of {method} {path} is {found}"));
    }
    if answer.body != expected.body {
        let bodies = answer.body.iter().zip(&expected.body);
        let same = bodies.take_while(|(a, b)| a == b).count();
        let (found, wanted) = (answer.body.len(), expected.body.len());
        return Err(format!(
            "the body of {method} {path} has {found} bytes and differs at byte {same} from the \
             right one of {wanted}"
        ));
    }
    Ok(())
}

fn asked(client: &mut Client, ask: &Ask<'_>) -> Result<Answer, String> {
    client
        .ask(ask)
        .map_err(|failed| format!("{} {}: {failed}", ask.method, ask.path))
}

/// What the handler answers, which is in this process.
pub fn expected(ask: &Ask<'_>) -> Answer {
    let body = match ask.body {
        Sent::Nothing => Vec::new(),
        Sent::Whole(body) => body.to_vec(),
        Sent::Pieces(pieces, _) => pieces.concat(),
    };
    let headers: Vec<_> = ask
        .headers
        .iter()
        .map(|(name, value)| Header {
            name,
            value: value.as_bytes(),
        })
        .collect();
    let request = Request::new(ask.method, ask.path)
        .with_headers(&headers)
        .with_body(&body);
    let answered = Invocation::new().run(|cx| {
        everywhere::handle(cx, request).map(|response| Answer {
            status: response.status(),
            headers: response
                .headers()
                .iter()
                .map(|header| (header.name.to_owned(), header.value.to_vec()))
                .collect(),
            body: response.body().as_bytes().to_vec(),
        })
    });
    match answered {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => unreachable!("an arena of the system's memory has room: {error}"),
        Err(error) => unreachable!("an invocation that is new can be run: {error}"),
    }
}
