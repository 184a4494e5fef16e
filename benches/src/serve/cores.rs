//! Processors: which of them servers and the client use, and how many files they
//! may open.

use std::process::Command;

use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::Failure;

/// Files that a process has open besides its connections.
const OTHER_FILES: u64 = 128;

/// Where servers and the client run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Wherever the kernel puts them.
    Free,
    /// The client on the last processor, servers on all others.
    Apart,
}

/// Places this thread, and what it starts.
#[derive(Debug)]
pub struct Cores {
    placement: Placement,
    /// Those that this process may use.
    all: Vec<usize>,
}

impl Cores {
    /// Of this process.
    ///
    /// # Errors
    /// [`Failure::Placement`] where they cannot be kept apart.
    pub fn new(placement: Placement) -> Result<Self, Failure> {
        let all = match placement {
            Placement::Free => Vec::new(),
            Placement::Apart => {
                let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
                allowed(&status)
            }
        };
        match (placement, all.len()) {
            (Placement::Apart, ..2) => Err(Failure::Placement(
                "there are no two processors that this process may use".to_owned(),
            )),
            _ => Ok(Self { placement, all }),
        }
    }

    /// From here on this thread and what it starts are where servers belong.
    ///
    /// # Errors
    /// [`Failure::Placement`] where the system denies it.
    pub fn for_servers(&self) -> Result<(), Failure> {
        match self.all.split_last() {
            Some((_, servers)) => place(servers),
            None => Ok(()),
        }
    }

    /// From here on this thread is where the client belongs.
    ///
    /// # Errors
    /// [`Failure::Placement`] where the system denies it.
    pub fn for_client(&self) -> Result<(), Failure> {
        match self.all.last() {
            Some(&client) => place(&[client]),
            None => Ok(()),
        }
    }

    /// In words.
    pub fn what(&self) -> String {
        match self.placement {
            Placement::Free => {
                "servers and client wherever the kernel puts them, on the same processors"
                    .to_owned()
            }
            Placement::Apart => format!(
                "the client on one processor, servers on {} other",
                self.all.len() - 1
            ),
        }
    }
}

/// Through `taskset`, since the call itself would take unsafe code. What is started
/// from here inherits it.
fn place(cores: &[usize]) -> Result<(), Failure> {
    let list: Vec<_> = cores.iter().map(usize::to_string).collect();
    let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    let output = Command::new("taskset")
        .args(["--cpu-list", "--pid", &list.join(",")])
        .arg(thread.file_name().unwrap_or_default())
        .output()
        .map_err(|error| Failure::Spawn {
            program: "taskset",
            error,
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::Placement(said));
    }
    Ok(())
}

/// The processors of `/proc/self/status`, which has them as `0-3,8`.
fn allowed(status: &str) -> Vec<usize> {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let parts = line.unwrap_or_default().trim().split(',');
    parts
        .filter_map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Some(from.parse().ok()?..=to.parse().ok()?)
        })
        .flatten()
        .collect()
}

/// Raises how many files this process and what it starts may open as far as it may
/// be raised.
///
/// # Errors
/// [`Failure::Files`] where that is not enough for so many connections.
pub fn raise_open_files(connections: usize) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where it is denied the limit stays, and that is what is looked at.
    let _ = setrlimit(Resource::Nofile, raised);
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = connections as u64 + OTHER_FILES;
    match allowed >= needed {
        true => Ok(()),
        false => Err(Failure::Files { allowed, needed }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_as_the_kernel_writes_them() {
        assert_eq!(
            allowed("a\nCpus_allowed_list:\t0-2,5,7-8\n"),
            [0, 1, 2, 5, 7, 8]
        );
        assert_eq!(allowed("Cpus_allowed_list:\t3\n"), [3]);
        assert!(allowed("nothing of it").is_empty());
    }

    #[test]
    fn files_are_not_enough_for_connections_without_end() {
        assert!(raise_open_files(16).is_ok());
        let limit = getrlimit(Resource::Nofile).maximum;
        if limit.is_some() {
            assert!(matches!(
                raise_open_files(usize::MAX / 2),
                Err(Failure::Files { .. })
            ));
        }
    }
}
