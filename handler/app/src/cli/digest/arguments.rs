//! The arguments of `changefeed digest`.

use clap::{Args, Subcommand};

use crate::cli::budget_argument::BudgetArgument;
use crate::cli::list::ListArguments;
use crate::cli::output::OutputArguments;
use crate::cli::requester_arguments::RequesterArguments;

#[derive(Debug, Subcommand)]
pub enum DigestCommand {
    /// Write the digests of the hours that are over, and continue the chain at the location
    #[command(after_help = "Examples:\n  changefeed digest write --to backups\n  changefeed verify --digests backups")]
    Write(WriteArguments),
    /// List jobs that write digests, newest first
    #[command(after_help = "Example:\n  changefeed digest list")]
    List(ListArguments),
    /// Show the progress of a job that writes digests
    #[command(after_help = "Example:\n  changefeed digest show 1795790400-5f3a9c01 --follow")]
    Show {
        /// Id of the job
        id: String,
        /// Follow it to its end, and run it here if no other worker holds it; Ctrl-C detaches
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Cancel a job that writes digests; files that are written stay
    #[command(after_help = "Example:\n  changefeed digest cancel 1795790400-5f3a9c01")]
    Cancel {
        /// Id of the job
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
}

impl DigestCommand {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::List(_) | Self::Show { follow: false, .. })
    }
}

#[derive(Debug, Args)]
pub struct WriteArguments {
    /// Folder or blob URL to write to; the files are in the folder digests below it
    #[arg(long, value_name = "LOCATION")]
    pub to: String,
    /// How long an hour is over before it is written; default: 900
    #[arg(long, value_name = "SECONDS")]
    pub grace_seconds: Option<u32>,
    #[command(flatten)]
    pub budget: BudgetArgument,
    #[command(flatten)]
    pub requester: RequesterArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
