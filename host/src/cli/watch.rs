//! `serve --watch`: what has changed is built and loaded again, and takes the place
//! of what is served.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use lavandula_host::build::{Build, Depth, Sources};
use lavandula_host::{Current, Reload};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::subject::Origin;
use super::{Result, chain};

/// Changes come in swarms: an editor writes beside and renames, a compiler writes in
/// pieces. So long a silence ends one.
const SILENCE: Duration = Duration::from_millis(100);

/// The longest that a swarm is waited for.
const SWARM: Duration = Duration::from_secs(2);

/// How often a file is looked at although nothing was heard of it: file systems of
/// other machines tell nothing, and a folder that is replaced takes its watch along.
const LOOK: Duration = Duration::from_secs(2);

/// An ear to what a component is made of.
pub struct Watch {
    watched: Watched,
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
}

enum Watched {
    File { path: PathBuf, stamp: Option<Stamp> },
    Crate { build: Build, sources: Sources },
}

/// What tells one state of a file from another, whether it was written again or
/// replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// None where there is no file.
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
        })
    }
}

/// Why the wait is over.
enum Heard {
    Something,
    Nothing,
}

impl Watch {
    /// Listens from here on. Made before the component is built or loaded, so that
    /// no change falls in between.
    pub fn new(origin: &Origin) -> Result<Self> {
        let (tell, events) = mpsc::channel();
        let watcher = notify::recommended_watcher(move |event| {
            // Nobody listens any more where the server has ended.
            let _ = tell.send(event);
        });
        let watched = match origin {
            Origin::File(path) => Watched::File {
                stamp: Stamp::of(path),
                path: path.clone(),
            },
            Origin::Crate(build) => Watched::Crate {
                sources: build.sources()?,
                build: build.clone(),
            },
        };
        let mut this = Self {
            watched,
            watcher: watcher.map_err(refused)?,
            events,
        };
        this.listen().map_err(refused)?;
        Ok(this)
    }

    /// Keeps `current` at the newest component, on a thread of its own.
    pub fn keep(self, current: Current) -> Result<()> {
        // Its own, so that nothing of this happens on a thread that serves.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        thread::Builder::new()
            .name("lavandula-watch".to_owned())
            .spawn(move || self.run(&current, &runtime))?;
        Ok(())
    }

    fn listen(&mut self) -> notify::Result<()> {
        match &self.watched {
            // The folder, since the file itself is another one when it is replaced.
            Watched::File { path, .. } => {
                let folder = path.parent().filter(|folder| *folder != Path::new(""));
                let folder = folder.unwrap_or(Path::new("."));
                self.watcher.watch(folder, RecursiveMode::NonRecursive)
            }
            Watched::Crate { sources, .. } => sources.folders().try_for_each(|(folder, depth)| {
                let mode = match depth {
                    Depth::Folder => RecursiveMode::NonRecursive,
                    Depth::Tree => RecursiveMode::Recursive,
                };
                self.watcher.watch(folder, mode)
            }),
        }
    }

    fn run(mut self, current: &Current, runtime: &tokio::runtime::Runtime) {
        while let Some(heard) = self.wait() {
            let component = match &mut self.watched {
                Watched::File { path, stamp } => {
                    let now = Stamp::of(path);
                    // A file that is gone is on its way to be replaced.
                    if now.is_none() || now == *stamp {
                        continue;
                    }
                    *stamp = now;
                    path.clone()
                }
                Watched::Crate { build, .. } => match build.run() {
                    Ok(built) => built.component,
                    Err(error) => {
                        tell(&error);
                        self.listen_again();
                        continue;
                    }
                },
            };
            if matches!(self.watched, Watched::Crate { .. }) || matches!(heard, Heard::Nothing) {
                self.listen_again();
            }
            let began = Instant::now();
            match runtime.block_on(current.reload(&component)) {
                Ok(Reload::Replaced) => tracing::info!(
                    component = %component.display(),
                    millis = began.elapsed().as_millis(),
                    "reloaded: it answers the requests that come from now on"
                ),
                Ok(_) => tracing::debug!(component = %component.display(), "it is the same"),
                Err(error) => tell(&error),
            }
        }
    }

    /// What there is to listen to may have changed too: new folders, new
    /// dependencies, a new folder in the place of an old one.
    fn listen_again(&mut self) {
        if let Watched::Crate { build, sources } = &mut self.watched
            && let Ok(new) = build.sources()
        {
            *sources = new;
        }
        if let Err(error) = self.listen() {
            tracing::warn!(%error, "some changes may go unnoticed: start again to watch all of it");
        }
    }

    /// Waits for the end of a swarm of changes, or until it is time to look. None
    /// where nothing will be heard any more.
    fn wait(&self) -> Option<Heard> {
        loop {
            let event = match self.watched {
                Watched::File { .. } => match self.events.recv_timeout(LOOK) {
                    Err(RecvTimeoutError::Timeout) => return Some(Heard::Nothing),
                    event => event.ok()?,
                },
                Watched::Crate { .. } => self.events.recv().ok()?,
            };
            if self.concerns(event) {
                break;
            }
        }
        let mut heard = Instant::now();
        let end = heard + SWARM;
        while Instant::now() < end {
            let silent = (heard + SILENCE).saturating_duration_since(Instant::now());
            match self.events.recv_timeout(silent) {
                Ok(event) => {
                    if self.concerns(event) {
                        heard = Instant::now();
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        Some(Heard::Something)
    }

    fn concerns(&self, event: notify::Result<Event>) -> bool {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::debug!(%error, "watching");
                return false;
            }
        };
        if event.need_rescan() {
            return true;
        }
        let changed = match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            EventKind::Modify(ModifyKind::Metadata(_)) => false,
            _ => true,
        };
        changed
            && match &self.watched {
                // By whatever name: a link on the way to it may have changed.
                Watched::File { .. } => true,
                Watched::Crate { sources, .. } => {
                    event.paths.iter().any(|path| sources.concern(path))
                }
            }
    }
}

/// Why it cannot be watched.
fn refused(error: notify::Error) -> String {
    let advice = match error.kind {
        notify::ErrorKind::MaxFilesWatch => "raise `fs.inotify.max_user_watches` (see sysctl)",
        notify::ErrorKind::PathNotFound => "check that it exists",
        _ => "see whether this system can watch files",
    };
    let paths = error.paths.iter().map(|path| path.display().to_string());
    let paths: Vec<_> = paths.collect();
    let why = notify::Error::new(error.kind).to_string();
    format!(
        "cannot watch {}: {}: {advice}, or serve without `--watch`",
        paths.join(", "),
        why.trim_end_matches('.')
    )
}

fn tell(error: &dyn std::error::Error) {
    let why = chain(error);
    tracing::error!("the component from before goes on serving, since the change cannot: {why}");
}
