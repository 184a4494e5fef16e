//! When it is time to end.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, stdin};
use tokio::signal::unix::{SignalKind, signal};

/// Ready at SIGTERM, Ctrl-C, and the end of the standard input: who has started this and
/// is gone has closed it. Signals are caught from here on.
pub(crate) fn end() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = closed() => {}
        }
    })
}

async fn closed() {
    let (mut input, mut buffer) = (stdin(), [0; 64]);
    // What is written to it means nothing.
    while let Ok(1..) = input.read(&mut buffer).await {}
}
