//! wadm, wasmCloud's scheduler, in this process, with one manifest.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;
use wadm::config::WadmConfig;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scheduler that runs.
pub(crate) struct Scheduler(JoinSet<Result<()>>);

/// Starts it, and gives it the manifest to put into practice.
pub(crate) async fn start(nats: &str, manifest: &Path) -> Result<Scheduler> {
    let text = std::fs::read_to_string(manifest)
        .with_context(|| format!("there is no manifest at {}", manifest.display()))?;
    let config = WadmConfig {
        nats_server: nats.to_owned(),
        ..WadmConfig::default()
    };
    let tasks = wadm::start_wadm(config)
        .await
        .context("wadm does not start")?;
    let client = async_nats::connect(nats)
        .await
        .context("the NATS server does not answer")?;
    let put = ask(&client, "put", text).await?;
    let name = put["name"]
        .as_str()
        .ok_or_else(|| anyhow!("wadm does not take the manifest: {put}"))?
        .to_owned();
    let deployed = ask(&client, &format!("deploy.{name}"), "{}".to_owned()).await?;
    if deployed["result"] != "acknowledged" {
        bail!("wadm does not deploy {name}: {deployed}");
    }
    Ok(Scheduler(tasks))
}

impl Scheduler {
    /// Ready when it has ended, and it should not.
    pub(crate) async fn ended(mut self) -> Error {
        match self.0.join_next().await {
            Some(Ok(Err(error))) => error.context("wadm ended"),
            _ => anyhow!("wadm ended"),
        }
    }
}

/// What wadm answers, once there is somebody who does.
async fn ask(client: &async_nats::Client, what: &str, payload: String) -> Result<Value> {
    let subject = format!("wadm.api.default.model.{what}");
    let began = Instant::now();
    loop {
        match client
            .request(subject.clone(), payload.clone().into())
            .await
        {
            Ok(answer) => {
                return serde_json::from_slice(&answer.payload)
                    .with_context(|| format!("wadm does not answer `{what}` in JSON"));
            }
            Err(error) if began.elapsed() > PATIENCE => {
                return Err(anyhow!("wadm does not answer `{what}`: {error}"));
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}
