//! Reaches for what its path says, with the query as it is: a URL, a file, a
//! variable, an address. What it gets it sends back; where it gets nothing it says
//! why, with status 403.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use lavandula::{Context, Request, Response};

#[cfg(target_arch = "wasm32")]
mod fetch;

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    let query = request.query().unwrap_or("");
    let reached = match request.path() {
        #[cfg(target_arch = "wasm32")]
        "/fetch" => return fetch::relay(query),
        "/env" => std::env::var(query).map_err(|error| error.to_string()),
        "/env/all" => Ok(variables()),
        "/read" => std::fs::read_to_string(query).map_err(|error| error.to_string()),
        "/write" => write(query).map_err(|error| error.to_string()),
        "/remove" => removed(std::fs::remove_file(query)),
        "/list" => list(query).map_err(|error| error.to_string()),
        "/tcp" => tcp(query).map_err(|error| error.to_string()),
        "/udp" => udp(query).map_err(|error| error.to_string()),
        "/listen" => listen(query).map_err(|error| error.to_string()),
        "/lookup" => lookup(query).map_err(|error| error.to_string()),
        other => Err(format!("nothing at {other}")),
    };
    match reached {
        Ok(text) => Response::ok(text, "text/plain"),
        Err(why) => Response::new(403).with_body(why.into_bytes()),
    }
}

lavandula::export!(handle);

fn variables() -> String {
    std::env::vars()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

fn write(path: &str) -> std::io::Result<String> {
    std::fs::write(path, "written")?;
    Ok("written".to_owned())
}

fn removed(result: std::io::Result<()>) -> Result<String, String> {
    result
        .map(|()| "removed".to_owned())
        .map_err(|error| error.to_string())
}

fn list(path: &str) -> std::io::Result<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join("\n"))
}

fn tcp(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"ping\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn udp(address: &str) -> std::io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"ping", address)?;
    let mut answer = [0; 64];
    let (length, _) = socket.recv_from(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn listen(address: &str) -> std::io::Result<String> {
    let listener = TcpListener::bind(address)?;
    Ok(listener.local_addr()?.to_string())
}

fn lookup(name: &str) -> std::io::Result<String> {
    let found: Vec<_> = (name, 80).to_socket_addrs()?.collect();
    Ok(format!("{found:?}"))
}
