//! The arguments of `changefeed source`.

use std::path::PathBuf;

use changefeed_cosmos::SourceName;
use changefeed_processor::ChangeFeedMode;
use clap::{Args, Subcommand};

use crate::cli::list::ListOutput;

#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// Write the folders of a source's triggers, and print the settings to set
    #[command(
        after_help = "Examples:\n  changefeed source add orders\n  changefeed source add sales --monitored Orders2024 --changes Orders2024-history"
    )]
    Add(AddArguments),
    /// List the sources that the settings name, and what is wrong with the folders of their triggers
    #[command(after_help = "Example:\n  changefeed source list")]
    List {
        #[command(flatten)]
        folder: FolderArguments,
        #[command(flatten)]
        output: ListOutput,
    },
    /// Remove the folders of a source's triggers, and print the settings to set; containers and leases are not deleted
    #[command(after_help = "Example:\n  changefeed source remove orders")]
    Remove {
        /// Name of the source
        name: SourceName,
        #[command(flatten)]
        folder: FolderArguments,
    },
}

impl SourceCommand {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::List { .. })
    }
}

#[derive(Debug, Args)]
pub struct AddArguments {
    /// Name of the source: lowercase letters and digits, the first of them a letter
    pub name: SourceName,
    /// Container of the versions; default: the monitored container's name and -changes
    #[arg(long, value_name = "NAME")]
    changes: Option<String>,
    /// Prefix of the leases; default: the name of the source
    #[arg(long, value_name = "PREFIX")]
    lease_prefix: Option<String>,
    /// Change feed mode: LatestVersion or AllVersionsAndDeletes; default: CHANGEFEED_MODE
    #[arg(long)]
    mode: Option<ChangeFeedMode>,
    #[command(flatten)]
    pub folder: FolderArguments,
}

impl AddArguments {
    /// The settings that the arguments name, by what they are called after the name of the source. `monitored` is an argument of all commands;
    /// the default is the name of the source.
    pub fn settings(&self, monitored: Option<&String>) -> [(&'static str, Option<String>); 4] {
        [
            ("monitored", monitored.cloned()),
            ("changes", self.changes.clone()),
            ("leasePrefix", self.lease_prefix.clone()),
            ("mode", self.mode.map(|mode| mode.to_string())),
        ]
    }
}

#[derive(Debug, Args)]
pub struct FolderArguments {
    /// Folder of the function app, with host.json
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub script_root: PathBuf,
}
