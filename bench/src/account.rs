//! The account that a program is started with.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use local_cosmos::EMULATOR_KEY;
use tokio::process::Command;

/// An endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub url: String,
}

impl Account {
    /// The key of every account of a benchmark.
    pub(crate) const KEY: &str = EMULATOR_KEY;

    pub(crate) fn connection_string(&self) -> String {
        format!("AccountEndpoint={};AccountKey={};", self.url, Self::KEY)
    }

    /// Creates the containers of a capture as in production.
    pub(crate) async fn provision(&self, executable: &Path) -> Result<()> {
        let status = Command::new(executable)
            .arg("provision")
            .env("CosmosDB", self.connection_string())
            .stdout(Stdio::null())
            .status()
            .await
            .with_context(|| format!("starting {}", executable.display()))?;
        ensure!(status.success(), "changefeed provision: {status}");
        Ok(())
    }
}
