//! The arguments of `changefeed erase`.

use std::path::PathBuf;

use changefeed_cosmos::Key;
use clap::{Args, Subcommand};

use crate::cli::budget_argument::BudgetArgument;
use crate::cli::document_arguments::parse_key;
use crate::cli::list::ListArguments;
use crate::cli::output::OutputArguments;
use crate::cli::requester_arguments::RequesterArguments;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  changefeed erase --id 28036 --pk 28036\n  changefeed erase --list documents.jsonl --dry-run\n  changefeed erase --id 28036 --pk 28036 --lift\n\nExit codes: 0 erased, 1 failed, or something could not be removed, 4 declined"
)]
pub struct EraseArguments {
    #[command(subcommand)]
    pub command: Option<EraseCommand>,
    #[command(flatten)]
    pub run: EraseRunArguments,
}

impl EraseArguments {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        let command = self.command.as_ref();
        command.is_some_and(|command| {
            matches!(command, EraseCommand::List(_)) || matches!(command, EraseCommand::Show { follow: false, .. })
        })
    }
}

#[derive(Debug, Args)]
pub struct EraseRunArguments {
    /// Id of the document
    #[arg(long, conflicts_with = "list")]
    pub id: Option<String>,
    /// Partition key value, if it is a single string
    #[arg(long, requires = "id", conflicts_with = "partition_key")]
    pub pk: Option<String>,
    /// Partition key value as a JSON array of its components
    #[arg(long, requires = "id", value_name = "JSON", value_parser = parse_key)]
    pub partition_key: Option<Key>,
    /// File with the documents, up to 1,000: a JSON object with id and pk or partitionKey on each line
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
    /// Leave the live documents; they are no longer captured
    #[arg(long)]
    pub keep_live: bool,
    /// Count what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Lift the erasure: the documents are captured again; what was removed stays removed
    #[arg(long, conflicts_with_all = ["keep_live", "dry_run", "ru_per_second"])]
    pub lift: bool,
    /// Reason, stored with the erasure; do not name the document
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub requester: RequesterArguments,
    /// Do not count first, and do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub budget: BudgetArgument,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub enum EraseCommand {
    /// List erasures, newest first
    #[command(after_help = "Example:\n  changefeed erase list")]
    List(#[command(flatten)] ListArguments),
    /// Show the progress or the receipt of an erasure
    #[command(after_help = "Example:\n  changefeed erase show 1764267000-0a1b2c3d")]
    Show {
        /// Id of the erasure
        id: String,
        /// Follow it to its end; runs it here if no other worker does
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
}
