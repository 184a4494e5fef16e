//! A wasmCloud host in this process.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nkeys::KeyPair;
use tokio::time::timeout;
use wasmcloud_host::url::Url;
use wasmcloud_host::wasmbus::{Features, Host as Wasmbus, HostConfig};

/// How long it may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// A host that runs.
pub(crate) struct Host {
    id: String,
    _host: Arc<Wasmbus>,
    shutdown: Pin<Box<dyn Future<Output = Result<()>>>>,
}

/// Starts one in the lattice of this NATS server.
pub(crate) async fn start(nats: &str, labels: BTreeMap<String, String>) -> Result<Host> {
    let url = Url::parse(nats).with_context(|| format!("`{nats}` is no URL of a NATS server"))?;
    // Made here, since the host does not tell the one that it makes.
    let key = Arc::new(KeyPair::new_server());
    let config = HostConfig {
        ctl_nats_url: url.clone(),
        rpc_nats_url: url,
        host_key: Some(key.clone()),
        labels: labels.into_iter().collect(),
        allow_file_load: true,
        experimental_features: Features::new().enable_builtin_http_server(),
        ..HostConfig::default()
    };
    let (host, shutdown) = Wasmbus::new(config)
        .await
        .context("the host does not start")?;
    Ok(Host {
        id: key.public_key(),
        _host: host,
        shutdown: Box::pin(shutdown),
    })
}

impl Host {
    /// By which it is called in the lattice.
    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    /// Ends it. Where its NATS server is gone it would try for ever to take leave.
    pub(crate) async fn stop(self) -> Result<()> {
        let stopped = timeout(GRACE, self.shutdown).await;
        let stopped = stopped.with_context(|| format!("the host has not ended in {GRACE:?}"))?;
        stopped.context("the host does not end")
    }
}
