//! Everything that servers need to be started, and that all of them give the same
//! answers.

use std::path::{Path, PathBuf};

use lavandula_host::Door;
use lavandula_host::build::Build;
use tempfile::TempDir;

use super::answer::{Answer, Request};
use super::catalogue::{Isolation, Kind, Log, Programs, Subject};
use super::cores::Cores;
use super::floor::Known;
use super::process::Server;
use super::programs::{self, Wasmtime};
use crate::Failure;

/// What is asked of a stage.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The crate of the handler.
    pub handler: &'a Path,
    /// The crate of the same handler behind the door of WASI 0.3, where there is one.
    pub service: Option<&'a Path>,
    /// Servers, in the order of the report.
    pub subjects: Vec<&'static Subject>,
    /// Requests that are going to be sent.
    pub requests: Vec<Request>,
    /// The most connections that are opened.
    pub connections: usize,
    /// Where `lavandula` is, if not beside this program.
    pub lavandula: Option<&'a Path>,
    /// Where `wasmtime` is, if it is not to be built.
    pub wasmtime: Option<&'a Path>,
}

/// Servers, ready to be started.
#[derive(Debug)]
pub struct Stage<'a> {
    /// In the order of the report.
    pub subjects: Vec<&'static Subject>,
    /// The `wasmtime` that serves, where one takes part.
    pub wasmtime: Option<Wasmtime>,
    lavandula: PathBuf,
    bench: PathBuf,
    files: TempDir,
    requests: Vec<(Request, Answer)>,
    connections: usize,
    cores: &'a Cores,
}

const COMPONENT: &str = "component.wasm";
const SERVICE: &str = "service.wasm";
const ANSWERS: &str = "answers.json";

/// The one whose answers all others must give.
const REFERENCE: Subject = Subject {
    name: "the reference",
    what: "",
    colour: "",
    kind: Kind::Ours {
        isolation: Isolation::Instance,
        door: Door::Fast,
        log: Log::Warnings,
    },
};

impl<'a> Stage<'a> {
    /// Builds what is to be built, and asks the handler for its answers. `cores` says
    /// where servers are going to run.
    ///
    /// # Errors
    /// [`Failure`] where something is not there, does not build or does not answer.
    pub fn new(wanted: Wanted<'_>, cores: &'a Cores) -> Result<Self, Failure> {
        let needs = |subject: &&Subject| matches!(subject.kind, Kind::Wasmtime(_));
        // First, since what is named in vain is to be told at once.
        let wasmtime = match wanted.subjects.iter().any(needs) {
            true => Some(Wasmtime::find(wanted.wasmtime)?),
            false => None,
        };
        let bench = programs::bench()?;
        let lavandula = programs::lavandula(wanted.lavandula)?;
        let files = tempfile::tempdir().map_err(|error| Failure::Build(error.to_string()))?;
        Build::new(wanted.handler)
            .output(files.path().join(COMPONENT))
            .quiet()
            .run()?;
        let services = wanted.subjects.iter().any(|subject| subject.is_service());
        if let Some(service) = wanted.service.filter(|_| services) {
            Build::new(service)
                .output(files.path().join(SERVICE))
                .quiet()
                .run()?;
        }
        let mut stage = Self {
            subjects: wanted.subjects,
            wasmtime,
            lavandula,
            bench,
            files,
            requests: Vec::new(),
            connections: wanted.connections,
            cores,
        };
        stage.ask(&wanted.requests)?;
        Ok(stage)
    }

    /// Asks the handler once for each of its answers, and writes them down for the
    /// floor.
    fn ask(&mut self, requests: &[Request]) -> Result<(), Failure> {
        let mut command = REFERENCE.command(&self.programs());
        let server = Server::start(REFERENCE.name, command.current_dir(self.files.path()))?;
        for &request in requests {
            let answer = ask(&server, &request)?;
            if answer.status != 200 {
                let reason = format!("{} is answered with {answer:?}", request.path);
                return Err(server.failure(reason));
            }
            self.requests.push((request, answer));
        }
        let known: Vec<_> = self
            .requests
            .iter()
            .map(|(request, answer)| Known {
                method: request.method.to_owned(),
                path: request.path.to_owned(),
                answer: answer.clone(),
            })
            .collect();
        let path = self.files.path().join(ANSWERS);
        serde_json::to_vec(&known)
            .map_err(std::io::Error::from)
            .and_then(|json| std::fs::write(&path, json))
            .map_err(|error| Failure::Write { path, error })
    }

    fn programs(&self) -> Programs<'_> {
        // Files are named as seen from their folder, where servers are started.
        Programs {
            lavandula: &self.lavandula,
            wasmtime: self.wasmtime.as_ref().map_or(Path::new(""), |it| &it.path),
            bench: &self.bench,
            component: COMPONENT.as_ref(),
            service: SERVICE.as_ref(),
            answers: ANSWERS.as_ref(),
            connections: self.connections,
        }
    }

    /// Starts a server, and sees that it gives the answers that all others give.
    ///
    /// # Errors
    /// [`Failure::Server`] where it does not, with what differs.
    pub fn start(&self, subject: &Subject) -> Result<Server, Failure> {
        self.cores.for_servers()?;
        let mut command = subject.command(&self.programs());
        let server = Server::start(subject.name, command.current_dir(self.files.path()));
        self.cores.for_client()?;
        let server = server?;
        for (request, expected) in &self.requests {
            let answer = ask(&server, request)?;
            if let Some(difference) = answer.difference(expected) {
                let (method, path) = (request.method, request.path);
                return Err(server.failure(format!(
                    "it answers {method} {path} as no other does: {difference}"
                )));
            }
        }
        Ok(server)
    }

    /// The body that a request is answered with.
    pub fn body(&self, request: &Request) -> &[u8] {
        let found = self.requests.iter().find(|(known, _)| known == request);
        found.map_or(&[], |(_, answer)| &answer.body)
    }
}

fn ask(server: &Server, request: &Request) -> Result<Answer, Failure> {
    Answer::ask(server.addr(), request)
        .map_err(|error| server.failure(format!("no answer to {}: {error}", request.path)))
}
