//! `changefeed serve`: the functions over HTTP.

#[cfg(unix)]
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use super::exit_code::Exit;
use crate::config::Settings;
use crate::server;
use crate::sources::Sources;

/// The variable with the id of the process, which the host sets.
#[cfg(unix)]
const WORKER_ID: &str = "FUNCTIONS_CUSTOMHANDLER_WORKER_ID";
/// How often the parent is looked up.
#[cfg(unix)]
const PARENT_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  changefeed serve --port 7072")]
pub struct ServeArguments {
    /// Port on 127.0.0.1; default: FUNCTIONS_CUSTOMHANDLER_PORT
    #[arg(long)]
    port: Option<u16>,
}

/// Serves until the process receives a signal to stop, or the Functions host that has started it is gone.
pub async fn run(settings: Vec<Settings>, arguments: &ServeArguments) -> Result<Exit> {
    let sources = Sources::new(settings)?;
    let port = arguments.port.unwrap_or(sources.first().settings().port);
    sources.check_capture_rules().await?;
    let serving = server::serve(sources, port);
    tokio::select! {
        served = serving => served.context("serving the functions")?,
        () = host_is_gone() => log::warn!("the Functions host is gone; this process ends too"),
    }
    Ok(Exit::Done)
}

/// Waits until the process that started this one has ended. A host that is killed cannot end its child, which would keep the
/// port. Only a host sets a worker id: without one, this waits forever.
#[cfg(unix)]
async fn host_is_gone() {
    use std::os::unix::process::parent_id;

    if std::env::var_os(WORKER_ID).is_none() {
        std::future::pending::<()>().await;
    }
    let host = parent_id();
    while parent_id() == host {
        tokio::time::sleep(PARENT_INTERVAL).await;
    }
}

/// On other systems a process does not learn of the end of its parent in this way.
#[cfg(not(unix))]
async fn host_is_gone() {
    std::future::pending().await
}
