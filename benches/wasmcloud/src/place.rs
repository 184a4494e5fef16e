//! Puts a component and the HTTP server before it onto a host, without a scheduler.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tokio::time::sleep;
use wasmcloud_control_interface::{ClientBuilder, CtlResponse, Link};

/// Requests that the component answers at the same time.
const INSTANCES: u32 = 256;

/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(60);

const HTTP_SERVER: &str = "wasmcloud+builtin://http-server";

/// Has the host serve the component there, and waits until it does.
pub(crate) async fn serve(
    nats: &str,
    host: &str,
    component: &Path,
    addr: SocketAddr,
) -> Result<()> {
    let file = component
        .canonicalize()
        .with_context(|| format!("there is no component at {}", component.display()))?;
    if TcpStream::connect(addr).is_ok() {
        bail!("{addr} is in use; choose another port");
    }
    let nats = async_nats::connect(nats)
        .await
        .context("the NATS server does not answer")?;
    let control = ClientBuilder::new(nats).lattice("default").build();

    let address = HashMap::from([("default_address".to_owned(), addr.to_string())]);
    done(
        "put its configuration",
        control.put_config("http", address).await,
    )?;
    let image = format!("file://{}", file.display());
    let scaled = control.scale_component(host, &image, "handler", INSTANCES, None, vec![], false);
    done("start the component", scaled.await)?;
    let link = Link::builder()
        .source_id("http")
        .target("handler")
        .name("default")
        .wit_namespace("wasi")
        .wit_package("http")
        .interfaces(vec!["incoming-handler".to_owned()])
        .build()
        .map_err(|error| anyhow!("there is no such link: {error}"))?;
    done("link both", control.put_link(link).await)?;
    // The HTTP server listens for links that are known when it starts, and the host comes
    // to know this one by way of NATS.
    let began = Instant::now();
    loop {
        let links = control.get_links().await;
        let links = links.map_err(|error| anyhow!("the host tells no links: {error}"))?;
        if links.data().is_some_and(|links| !links.is_empty()) {
            break;
        }
        if began.elapsed() > PATIENCE {
            bail!("the host does not come to know the link within {PATIENCE:?}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    let started = control.start_provider(host, HTTP_SERVER, "http", None, vec!["http".to_owned()]);
    done("start the HTTP server", started.await)?;

    let began = Instant::now();
    while TcpStream::connect(addr).is_err() {
        if began.elapsed() > PATIENCE {
            bail!("nothing listens on {addr} after {PATIENCE:?}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// What the host says of it.
fn done<T, E: std::fmt::Display>(what: &str, said: Result<CtlResponse<T>, E>) -> Result<()> {
    let said = said.map_err(|error| anyhow!("the host did not {what}: {error}"))?;
    if !said.succeeded() {
        bail!("the host did not {what}: {}", said.message());
    }
    Ok(())
}
