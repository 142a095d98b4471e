//! Where an export goes: standard output, a file, or a blob.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use changefeed_backup_format::{ErrorKind, Existing, FileWriter, LocationAccess};

use super::arguments::{ExportArguments, ExportFormat};
use super::copy::Output;
use crate::cli::backup::open_location;
use crate::cli::exit_code::usage;
use crate::cli::list::{Reader, print_bytes};

/// The name of the file in a folder, before the ending.
const NAME_IN_FOLDER: &str = "versions";
const EXISTS: &str = "pass --overwrite to replace it";

/// Where an export goes.
pub enum Destination {
    StandardOutput,
    File { writer: FileWriter, shown: String },
}

impl Destination {
    /// Opens the destination that was named. A file that exists is found here, before anything is read.
    pub async fn open(access: &LocationAccess, arguments: &ExportArguments, format: ExportFormat) -> Result<Self> {
        let to = match arguments.file.as_deref() {
            None | Some("-") if format == ExportFormat::Parquet && std::io::stdout().is_terminal() => {
                return Err(usage("Parquet is not text; use --file"));
            }
            None | Some("-") => return Ok(Self::StandardOutput),
            Some(to) => to,
        };
        let location = open_location(access, to)?;
        let path = to.split(['?', '#']).next().unwrap_or_default();
        let (folder, name) = if path.ends_with('/') || location.is_folder().await {
            (location, format!("{NAME_IN_FOLDER}.{}", format.ending()))
        } else {
            location.split().ok_or_else(|| usage("--file has no name of a file; add one"))?
        };
        let existing = if arguments.overwrite { Existing::Replace } else { Existing::Keep };
        let writer = folder.write_file(&name, existing).await.map_err(hinted)?;
        Ok(Self::File { writer, shown: format!("{folder}/{name}") })
    }

    /// Says what an interrupted export leaves behind.
    pub fn discarded(self) -> String {
        match self {
            Self::StandardOutput => "the output is incomplete".to_owned(),
            Self::File { shown, .. } => format!("{shown} was not written"),
        }
    }

    /// Completes the file; returns how it is named to people.
    pub async fn finish(self) -> Result<String> {
        match self {
            Self::StandardOutput => Ok("standard output".to_owned()),
            Self::File { writer, shown } => {
                writer.finish().await.map_err(hinted)?;
                Ok(shown)
            }
        }
    }
}

impl Output for Destination {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<Reader> {
        match self {
            Self::StandardOutput => print_bytes(&bytes),
            Self::File { writer, shown } => {
                writer.write(&bytes).await.with_context(|| format!("exporting to {shown}"))?;
                Ok(Reader::Reads)
            }
        }
    }
}

fn hinted(error: changefeed_backup_format::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::Conflict { anyhow::anyhow!("{error}; {EXISTS}") } else { error.into() }
}
