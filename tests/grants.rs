//! What guests may reach beyond their request, and that they reach nothing else.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use http::Request;
use lavandula_host::{Door, Grants, Host, LoadError};
use tempfile::TempDir;

use support::command::{lavandula, run};
use support::component;
use support::http::Server;

const OUTBOUND: &str = "tests/guests/outbound";

fn host(grants: Grants) -> Host {
    let builder = Host::builder().timeout(Duration::from_secs(5));
    support::host_with(builder.grants(grants), OUTBOUND)
}

async fn get(host: &Host, path: &str) -> (u16, String) {
    let request = Request::get(path).body("").expect("a request");
    let outcome = host.request(request).await;
    assert!(outcome.failure.is_none(), "{path}: {:?}", outcome.failure);
    let body = String::from_utf8_lossy(outcome.response.body()).into_owned();
    (outcome.response.status().as_u16(), body)
}

#[track_caller]
fn assert_denied(path: &str, (status, body): (u16, String)) {
    assert_eq!(status, 403, "{path}: {body}");
}

fn text(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

/// A folder with a file, a folder within it, and links that lead out of it; beside
/// it a file that is nobody's business.
fn folders() -> TempDir {
    let outer = tempfile::tempdir().expect("a temporary folder");
    let inner = outer.path().join("data");
    fs::create_dir_all(inner.join("deep")).expect("a folder");
    for (path, text) in [
        (outer.path().join("secret"), "secret"),
        (inner.join("file"), "granted"),
        (inner.join("deep/file"), "deep"),
    ] {
        fs::write(path, text).expect("a file");
    }
    symlink("../secret", inner.join("relative")).expect("a link");
    symlink(outer.path().join("secret"), inner.join("absolute")).expect("a link");
    symlink("..", inner.join("up")).expect("a link");
    outer
}

fn dirs(outer: &Path, end: &str) -> Grants {
    let dir = format!("{}::/data{end}", outer.join("data").display());
    Grants {
        dirs: vec![dir.parse().expect("a folder")],
        ..Grants::default()
    }
}

// Nothing.

#[tokio::test]
async fn nothing_is_within_reach_by_default() {
    let (tcp, udp) = (tcp_server(), udp_server());
    let host = host(Grants::default());
    assert_eq!(get(&host, "/env/all").await, text(200, ""));
    for path in [
        "/env?PATH",
        "/read?/etc/hostname",
        "/read?Cargo.toml",
        "/list?/",
        "/list?.",
        "/write?written",
        &format!("/tcp?{tcp}"),
        &format!("/udp?{udp}"),
        "/listen?127.0.0.1:0",
        "/lookup?localhost",
    ] {
        assert_denied(path, get(&host, path).await);
    }
}

// Variables.

#[tokio::test]
async fn variables_are_those_that_were_granted() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let host = host(Grants {
        env: vec![pair("MODE", "test"), pair("EMPTY", "")],
        ..Grants::default()
    });
    assert_eq!(get(&host, "/env?MODE").await, text(200, "test"));
    assert_eq!(
        get(&host, "/env/all").await,
        text(200, "MODE=test\nEMPTY=\n")
    );
    assert_denied("PATH", get(&host, "/env?PATH").await);
}

// Folders.

#[tokio::test]
async fn a_folder_can_be_read_and_nothing_beside_it() {
    let outer = folders();
    for end in ["", ":ro", ":rw"] {
        for door in [Door::Fast, Door::WasiHttp] {
            let builder = Host::builder().grants(dirs(outer.path(), end)).door(door);
            let host = support::host_with(builder, OUTBOUND);
            assert_eq!(get(&host, "/read?/data/file").await, text(200, "granted"));
            assert_eq!(get(&host, "/read?/data/deep/file").await, text(200, "deep"));
            let within = "/read?/data/deep/../file";
            assert_eq!(get(&host, within).await, text(200, "granted"));
            let names = "absolute\ndeep\nfile\nrelative\nup";
            assert_eq!(get(&host, "/list?/data").await, text(200, names));
            let secret = outer.path().join("secret");
            for path in [
                "/data/../secret",
                "/data/deep/../../secret",
                "/data/relative",
                "/data/absolute",
                "/data/up/secret",
                "/secret",
                "../secret",
                "/etc/hostname",
                secret.to_str().expect("text"),
            ] {
                let answer = get(&host, &format!("/read?{path}")).await;
                assert_denied(path, answer);
            }
            for path in ["/", "/data/..", "/data/up"] {
                assert_denied(path, get(&host, &format!("/list?{path}")).await);
            }
        }
    }
}

#[tokio::test]
async fn a_read_only_folder_stays_as_it_is() {
    let outer = folders();
    let host = host(dirs(outer.path(), ""));
    for path in [
        "/write?/data/file",
        "/write?/data/new",
        "/write?/data/deep/new",
        "/remove?/data/file",
    ] {
        assert_denied(path, get(&host, path).await);
    }
    let inner = outer.path().join("data");
    assert_eq!(
        fs::read_to_string(inner.join("file")).expect("text"),
        "granted"
    );
    assert!(!inner.join("new").exists() && !inner.join("deep/new").exists());
}

#[tokio::test]
async fn a_writable_folder_can_be_changed_and_nothing_beside_it() {
    let outer = folders();
    let host = host(dirs(outer.path(), ":rw"));
    let inner = outer.path().join("data");
    assert_eq!(get(&host, "/write?/data/new").await, text(200, "written"));
    assert_eq!(
        fs::read_to_string(inner.join("new")).expect("text"),
        "written"
    );
    assert_eq!(get(&host, "/remove?/data/file").await, text(200, "removed"));
    assert!(!inner.join("file").exists());
    for path in [
        "/data/relative",
        "/data/absolute",
        "/data/up/new",
        "/data/../new",
    ] {
        assert_denied(path, get(&host, &format!("/write?{path}")).await);
    }
    let secret = fs::read_to_string(outer.path().join("secret"));
    assert_eq!(secret.expect("text"), "secret");
    assert!(!outer.path().join("new").exists());
}

#[tokio::test]
async fn a_folder_stays_the_one_that_it_was() {
    let outer = folders();
    let host = host(dirs(outer.path(), ""));
    let inner = outer.path().join("data");
    fs::rename(&inner, outer.path().join("moved")).expect("a new name");
    fs::create_dir(&inner).expect("another folder");
    fs::write(inner.join("file"), "another").expect("a file");
    assert_eq!(get(&host, "/read?/data/file").await, text(200, "granted"));
}

#[test]
fn a_folder_that_is_not_there_is_told_when_the_component_is_loaded() {
    let outer = folders();
    for name in ["none", "secret"] {
        let dir = outer.path().join(name);
        let grants = Grants {
            dirs: vec![dir.to_str().expect("text").parse().expect("a folder")],
            ..Grants::default()
        };
        let loaded = Host::builder().grants(grants).load(component(OUTBOUND));
        let error = loaded.expect_err("it is no folder");
        assert!(
            matches!(&error, LoadError::Dir { path, .. } if *path == dir),
            "{error}"
        );
    }
}

// Sockets.

/// Answers every connection with what it was sent, once.
fn tcp_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut line = [0; 5];
            let _ = stream.read_exact(&mut line);
            let _ = stream.write_all(&line);
        }
    });
    addr
}

/// The same by UDP.
fn udp_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let addr = socket.local_addr().expect("an address");
    thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let _ = socket.send_to(&bytes[..length], from);
        }
    });
    addr
}

fn connect(addresses: &[String]) -> Grants {
    let connect = addresses
        .iter()
        .map(|text| text.parse().expect("an address"));
    Grants {
        connect: connect.collect(),
        ..Grants::default()
    }
}

#[tokio::test]
async fn sockets_reach_the_addresses_that_were_granted() {
    let (tcp, udp) = (tcp_server(), udp_server());
    for addresses in [
        &[tcp.to_string(), udp.to_string()][..],
        &["127.0.0.1".to_owned()],
    ] {
        let host = host(connect(addresses));
        assert_eq!(
            get(&host, &format!("/tcp?{tcp}")).await,
            text(200, "ping\n")
        );
        assert_eq!(get(&host, &format!("/udp?{udp}")).await, text(200, "ping"));
        for path in [
            "/listen?127.0.0.1:0",
            "/listen?0.0.0.0:0",
            "/lookup?localhost",
        ] {
            assert_denied(path, get(&host, path).await);
        }
    }
}

#[tokio::test]
async fn sockets_reach_no_other_address() {
    let (tcp, udp) = (tcp_server(), udp_server());
    let other = format!("127.0.0.1:{}", tcp.port() ^ 1);
    for addresses in [[other], ["127.0.0.2".to_owned()]] {
        let host = host(connect(&addresses));
        for path in [
            format!("/tcp?{tcp}"),
            format!("/tcp?0.0.0.0:{}", tcp.port()),
            format!("/udp?{udp}"),
        ] {
            assert_denied(&path, get(&host, &path).await);
        }
    }
}

// The command.

#[test]
fn the_command_grants_what_it_is_told_to() {
    let outer = folders();
    let tcp = tcp_server();
    let dir = format!("{}::/data", outer.path().join("data").display());
    let server = Server::start(
        OUTBOUND,
        &[
            "--env",
            "MODE=a=b,c",
            // This one is set for the server by these tests.
            "--env",
            "RUST_BACKTRACE",
            "--dir",
            &dir,
            "--allow-connect",
            &format!("127.0.0.2,{tcp}"),
        ],
    );
    let mut client = server.client();
    for (path, status, body) in [
        ("/env/all", 200, "MODE=a=b,c\nRUST_BACKTRACE=full\n"),
        ("/read?/data/file", 200, "granted"),
        (&format!("/tcp?{tcp}"), 200, "ping\n"),
    ] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text()), (status, body), "{path}");
    }
    assert_eq!(client.get("/write?/data/file").status, 403);
    assert_eq!(client.get("/tcp?127.0.0.1:1").status, 403);
    let log = server.log();
    assert!(log.contains("--allow-connect 127.0.0.1:1"), "{log}");
}

#[test]
fn the_command_refuses_grants_that_make_no_sense() {
    for (options, told) in [
        (["--dir", "/no/such/folder"], "create it"),
        (["--dir", "::"], "HOST::GUEST"),
        (["--env", "LAVANDULA_NO_SUCH_VARIABLE"], "VARIABLE=VALUE"),
        (
            ["--allow-outbound", "https://a.test"],
            "without the `http://`",
        ),
        (
            ["--allow-connect", "localhost:80"],
            "names are not looked up",
        ),
    ] {
        let done = run(lavandula()
            .arg("serve")
            .arg(component(OUTBOUND))
            .args(["--addr", "127.0.0.1:0"])
            .args(options));
        assert_eq!(done.code, Some(2), "{options:?}: {}", done.stderr);
        assert!(done.stderr.contains(told), "{options:?}: {}", done.stderr);
        assert_eq!(done.stdout, "");
    }
}
