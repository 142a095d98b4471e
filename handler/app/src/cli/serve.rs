//! `changefeed serve`: the functions over HTTP.

use anyhow::{Context, Result};
use clap::Args;

use super::exit_code::Exit;
use crate::config::Settings;
use crate::server;
use crate::service::Service;

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Port on 127.0.0.1; default: FUNCTIONS_CUSTOMHANDLER_PORT
    #[arg(long)]
    port: Option<u16>,
}

/// Serves until the process receives a signal to stop.
pub async fn run(settings: Settings, arguments: &ServeArguments) -> Result<Exit> {
    let port = arguments.port.unwrap_or(settings.port);
    server::serve(Service::new(settings), port).await.context("serving the functions")?;
    Ok(Exit::Done)
}
