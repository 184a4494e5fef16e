//! A handler that tells of itself, in two builds: which one has answered can be seen.

use std::path::{Path, PathBuf};

use lavandula_host::build::Build;
use tempfile::TempDir;

use super::traffic::{Asked, Nature};
use crate::Failure;
use crate::serve::answer::{Answer, Request};
use crate::serve::process::Server;
use crate::serve::programs;

/// Where it is, from the folder of this package.
const HANDLER: &str = "../examples/everywhere";

/// What can be sent again. Its answer tells the builds apart: their memories differ.
const STATE: Request = Request {
    method: "GET",
    path: "/state",
    body: b"",
};

/// What must not be.
const DIGEST: Request = Request {
    method: "POST",
    path: "/digest",
    body: &[b'x'; 4096],
};

/// The handler as a component with these features.
///
/// # Errors
/// [`Failure::Target`] where it does not build.
pub fn component(output: &Path, features: &[&str]) -> Result<PathBuf, Failure> {
    let built = Build::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(HANDLER))
        .features(features.iter().map(|&feature| feature.to_owned()))
        .output(output)
        .quiet()
        .run()?;
    Ok(built.component)
}

/// What one server answers to a request of each nature.
///
/// # Errors
/// [`Failure::Server`] where it does not answer.
pub fn answers(server: &Server, addr: std::net::SocketAddr) -> Result<[Vec<u8>; 2], Failure> {
    let ask = |request| {
        let answer =
            Answer::ask(addr, request).map_err(|error| server.failure(error.to_string()))?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(server.failure(format!("it answers with {status}"))),
        }
    };
    Ok([ask(&STATE)?, ask(&DIGEST)?])
}

/// Requests of which half can be sent twice, where these answers are right.
pub fn traffic(states: Vec<Vec<u8>>, digest: Vec<u8>) -> Vec<Asked> {
    let asked = |request: &Request, nature, bodies| Asked {
        bytes: request.bytes(),
        nature,
        bodies,
    };
    vec![
        asked(&STATE, Nature::Repeatable, states),
        asked(&DIGEST, Nature::Unrepeatable, vec![digest]),
    ]
}

/// Both builds, and what each answers.
pub struct Builds {
    /// The one that all servers begin with.
    pub first: PathBuf,
    /// The one that replaces it.
    pub second: PathBuf,
    traffic: Vec<Asked>,
    /// The components are in it.
    _folder: TempDir,
}

impl Builds {
    /// Builds them, and asks each of them once, where nobody else does.
    ///
    /// # Errors
    /// [`Failure`] where one does not build or does not answer.
    pub fn new(lavandula: &Path) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(|error| Failure::Build(error.to_string()))?;
        let first = component(&folder.path().join("first.wasm"), &[])?;
        let second = component(&folder.path().join("second.wasm"), &["std-heap"])?;
        let ask = |component: &Path| {
            let mut command = programs::command(lavandula);
            command
                .arg("serve")
                .arg(component)
                .args(["--addr", "127.0.0.1:0"]);
            let server = Server::start("a server", &mut command)?;
            answers(&server, server.addr())
        };
        let ([state, digest], [other_state, other_digest]) = (ask(&first)?, ask(&second)?);
        if state == other_state || digest != other_digest {
            return Err(Failure::Build(
                "both builds of examples/everywhere answer alike, so that nothing would tell \
                 which one did: see its feature `std-heap`"
                    .to_owned(),
            ));
        }
        Ok(Self {
            first,
            second,
            traffic: traffic(vec![state, other_state], digest),
            _folder: folder,
        })
    }

    /// What is sent.
    pub fn traffic(&self) -> Vec<Asked> {
        self.traffic.clone()
    }

    /// What the builds are called, in the order of the bodies.
    pub fn names(&self) -> [&'static str; 2] {
        ["first build", "second build"]
    }
}
