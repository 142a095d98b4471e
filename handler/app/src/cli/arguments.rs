//! The subcommands. The arguments of each are in its own folder or file.

use std::path::PathBuf;

use changefeed_history::TimeZone;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::backup::BackupCommand;
use super::dead_letters::DeadLettersCommand;
use super::history::HistoryCommand;
use super::leases::LeasesCommand;
use super::list::ListOutput;
#[cfg(feature = "local")]
use super::local::LocalArguments;
use super::output::OutputArguments;
use super::populate::PopulateArguments;
use super::process::ProcessArguments;
use super::provision::ProvisionArguments;
use super::query::QueryArguments;
use super::restore::RestoreCommand;
use super::retention::RetentionArguments;
use super::serve::ServeArguments;
use super::truncate::TruncateArguments;
use super::verify::VerifyArguments;

/// Stores every version of every document of an Azure Cosmos DB container, and restores any of them.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 120)]
pub struct Arguments {
    /// Settings file (local.settings.json); takes precedence over environment variables
    #[arg(long, global = true, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Zone of local times; default: CHANGEFEED_TIME_ZONE, or the machine's
    #[arg(long, global = true, value_name = "ZONE")]
    pub time_zone: Option<TimeZone>,
    /// Database; default: CHANGEFEED_DATABASE
    #[arg(long, global = true, value_name = "NAME")]
    pub database: Option<String>,
    /// Monitored container; default: CHANGEFEED_MONITORED_CONTAINER
    #[arg(long, global = true, value_name = "NAME")]
    pub monitored: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the functions; the Azure Functions host starts this
    Serve(ServeArguments),
    /// Run everything without Azure: an embedded Cosmos DB endpoint, a stand-in Functions host and the functions
    #[cfg(feature = "local")]
    Local(LocalArguments),
    /// Capture changes and run jobs without the Functions host; instances share the work
    Process(ProcessArguments),
    /// Create the database and the containers; existing resources are not changed
    Provision(ProvisionArguments),
    /// Write sample documents into the monitored container
    Populate(PopulateArguments),
    /// Delete documents of the monitored or the changes container
    Truncate(TruncateArguments),
    /// Run a SQL query against a container
    Query(QueryArguments),
    /// List, show, compare and search versions of documents
    #[command(subcommand)]
    History(HistoryCommand),
    /// Restore documents, and undo a restore
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Create, list, verify and restore backups as files
    #[command(subcommand)]
    Backup(BackupCommand),
    /// List, show, replay or discard documents that could not be captured
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Remove expired versions; the Retention function does this every hour
    Retention(RetentionArguments),
    /// Compare live documents with the history, and repair differences
    Verify(VerifyArguments),
    /// Show settings, containers, and leases with their lag
    Status(OutputArguments),
    /// Check everything that an app needs; say what to do about each problem
    Doctor(ListOutput),
    /// Repair, unblock, export, import or reset the leases of the change feeds
    #[command(subcommand)]
    Leases(LeasesCommand),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  changefeed completions bash > ~/.local/share/bash-completion/completions/changefeed"
    )]
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Write a manual page for each command into a folder
    #[command(after_help = "Example:\n  changefeed manual ~/.local/share/man/man1")]
    Manual {
        /// Folder; it is created if it does not exist
        folder: PathBuf,
    },
}
