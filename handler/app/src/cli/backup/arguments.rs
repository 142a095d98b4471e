//! The arguments of `changefeed backup`.

use changefeed_history::{Filter, TimeExpression};
use clap::{Args, Subcommand};

use crate::cli::budget_argument::BudgetArgument;
use crate::cli::execution_arguments::ExecutionArguments;
use crate::cli::field_arguments::FieldArguments;
use crate::cli::list::ListOutput;
use crate::cli::output::OutputArguments;
use crate::cli::requester_arguments::RequesterArguments;
use crate::cli::time;

use super::policy::PolicyCommand;
use super::prune::PruneArguments;
use super::rehearse::RehearseArguments;

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Create a backup; run the same command again to resume an interrupted one
    #[command(after_help = time::help(
        "Locations:\n  a folder, or a blob URL: https://account.blob.core.windows.net/container/prefix\n\n\
         Examples:\n  changefeed backup create --to backups/monday\n  \
         changefeed backup create --to backups/tuesday --incremental-from backups/monday"
    ))]
    Create(Box<CreateArguments>),
    /// Read a whole backup and report damage
    #[command(after_help = "Example:\n  changefeed backup verify backups/monday")]
    Verify {
        /// Folder or blob URL of the backup
        location: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show the plan of a restore from a backup, ask for confirmation, and execute it
    #[command(after_help = "Example:\n  changefeed backup restore backups/monday backups/tuesday --dry-run")]
    Restore(Box<RestoreArguments>),
    /// List the backups in a folder or below a blob URL
    #[command(after_help = "Example:\n  changefeed backup list backups")]
    List {
        /// Folder or blob URL
        location: String,
        #[command(flatten)]
        output: ListOutput,
    },
    /// Take backups on a schedule, and keep some of them
    #[command(
        after_help = "Example:\n  changefeed backup policy set --to backups --every 1d --at 02:00 --keep-daily 7"
    )]
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Delete backups that no rule keeps and that no kept backup needs; show the plan and ask first
    #[command(
        after_help = "Folders that are not finished backups of this container are listed and left. A policy prunes after each of its backups.\n\n\
                      Examples:\n  changefeed backup prune --dry-run\n  changefeed backup prune backups --keep-daily 7 --keep-monthly 12"
    )]
    Prune(PruneArguments),
    /// Restore a backup into a container of its own, compare every document, and remove the container
    #[command(after_help = "The container is created for the rehearsal, which needs the key of the account.\n\n\
                      Examples:\n  changefeed backup rehearse\n  changefeed backup rehearse backups/tuesday --ru-per-second 1000\n\n\
                      Exit codes: 0 all documents are the same, 1 failed, 3 a document is different")]
    Rehearse(RehearseArguments),
    /// Cancel a backup that is still being written
    #[command(after_help = "Example:\n  changefeed backup cancel 1795790400-5f3a9c01")]
    Cancel {
        /// Id of the backup
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
}

impl BackupCommand {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Verify { .. } | Self::Policy(PolicyCommand::Show(_)))
    }
}

/// A time. A relative one means another time when the same command is run again.
#[derive(Clone, Copy, Debug)]
pub struct AsOfArgument {
    pub moment: TimeExpression,
    pub is_relative: bool,
}

impl AsOfArgument {
    fn parse(text: &str) -> Result<Self, String> {
        let is_relative = TimeExpression::depends_on_now(text, chrono::Utc::now(), &time::zone());
        Ok(Self { moment: time::parse(text)?, is_relative })
    }
}

#[derive(Debug, Args)]
pub struct CreateArguments {
    /// Folder or blob URL to write to
    #[arg(long, value_name = "LOCATION")]
    pub to: String,
    /// Back up the documents as of this time; default: the live documents
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = AsOfArgument::parse)]
    pub as_of: Option<AsOfArgument>,
    /// Back up documents that match, such as city_name=Davidson; if repeated, all must match
    #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse)]
    pub filters: Vec<Filter>,
    /// Back up only changes and known deletes since the backup at this location
    #[arg(long, value_name = "LOCATION")]
    pub incremental_from: Option<String>,
    /// Discard an unfinished backup at the location and start a new one
    #[arg(long)]
    pub discard: bool,
    /// Reason, stored with the backup
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub requester: RequesterArguments,
    #[command(flatten)]
    pub budget: BudgetArgument,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// A backup and then its incremental ones in order; or a JSON or NDJSON file, or a folder of such files
    #[arg(required = true)]
    pub locations: Vec<String>,
    /// Restore documents that match in the backup, such as city_name=Davidson; if repeated, all must match
    #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse)]
    pub filters: Vec<Filter>,
    /// Delete documents that the incremental backups record as deleted
    #[arg(long)]
    pub delete_created_after: bool,
    /// Write into this container instead of the monitored one
    #[arg(long, value_name = "CONTAINER")]
    pub into: Option<String>,
    #[command(flatten)]
    pub fields: FieldArguments,
    #[command(flatten)]
    pub execution: ExecutionArguments,
}
