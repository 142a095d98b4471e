//! The arguments of `changefeed verify`.

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
    after_help = "Examples:\n  changefeed verify\n  changefeed verify --repair\n  changefeed verify --digests backups\n\nExit codes: 0 no differences, 1 failed, 3 differences found, 4 repair declined"
)]
pub struct VerifyArguments {
    #[command(subcommand)]
    pub command: Option<VerifyCommand>,
    #[command(flatten)]
    pub run: VerifyRunArguments,
}

impl VerifyArguments {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        let command = self.command.as_ref();
        command.is_some_and(|command| {
            matches!(command, VerifyCommand::List(_) | VerifyCommand::Findings { .. })
                || matches!(command, VerifyCommand::Show { follow: false, .. })
        })
    }
}

#[derive(Debug, Args)]
pub struct VerifyRunArguments {
    /// Capture missing documents and record unreported deletes; shows the differences and asks first
    #[arg(long)]
    pub repair: bool,
    /// With --repair: do not show the differences and do not ask for confirmation
    #[arg(long, requires = "repair")]
    pub yes: bool,
    /// Compare every version with its digest in this folder or blob URL, instead of documents with versions
    #[arg(long, value_name = "LOCATION", conflicts_with_all = ["repair", "pk", "partition_key", "grace_seconds"])]
    pub digests: Option<String>,
    /// Compare only documents of this partition key value, if it is a single string
    #[arg(long, conflicts_with = "partition_key")]
    pub pk: Option<String>,
    /// Compare only documents of this partition key value, a JSON array of its components
    #[arg(long, value_name = "JSON", value_parser = parse_key)]
    pub partition_key: Option<Key>,
    /// How long the capture may lag before a document counts as missing; default: 60
    #[arg(long, value_name = "SECONDS")]
    pub grace_seconds: Option<u32>,
    #[command(flatten)]
    pub budget: BudgetArgument,
    #[command(flatten)]
    pub requester: RequesterArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// List verifications, newest first
    #[command(after_help = "Example:\n  changefeed verify list")]
    List(ListArguments),
    /// Show the progress and the findings of a verification
    #[command(after_help = "Example:\n  changefeed verify show 1795790400-5f3a9c01 --all")]
    Show {
        /// Id of the verification
        id: String,
        /// Follow it to its end, and run it here if no other worker holds it; Ctrl-C detaches
        #[arg(long)]
        follow: bool,
        /// Show all findings; default: the first 20
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// List every finding of a verification
    #[command(after_help = "Example:\n  changefeed verify findings 1795790400-5f3a9c01 --output csv")]
    Findings {
        /// Id of the verification
        id: String,
        #[command(flatten)]
        list: ListArguments,
    },
    /// Cancel a verification; finished repairs are kept
    #[command(after_help = "Example:\n  changefeed verify cancel 1795790400-5f3a9c01")]
    Cancel {
        /// Id of the verification
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
}
