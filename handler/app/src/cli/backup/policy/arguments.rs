//! The arguments of `changefeed backup policy`.

use changefeed_operations::{Interval, TimeOfDay};
use clap::{Args, Subcommand};

use crate::cli::backup::keep_arguments::KeepArguments;
use crate::cli::budget_argument::BudgetArgument;
use crate::cli::output::OutputArguments;
use crate::cli::requester_arguments::RequesterArguments;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Set the policy; the first backup is due at once
    #[command(
        after_help = "Use a blob container that is immutable: with versioning and a time-based retention policy. Then no one can delete or \
                      change a backup before that time. Without a --keep option, every backup is kept.\n\n\
                      Examples:\n  \
                      changefeed backup policy set --to https://account.blob.core.windows.net/backups --every 6h\n  \
                      changefeed backup policy set --to backups --every 1d --at 02:00 --keep-daily 7 --keep-monthly 12"
    )]
    Set(Box<SetArguments>),
    /// Show the policy, its next run and its last ones
    #[command(after_help = "Example:\n  changefeed backup policy show")]
    Show(OutputArguments),
    /// Remove the policy; its backups are not changed
    #[command(after_help = "Example:\n  changefeed backup policy remove")]
    Remove(OutputArguments),
    /// Run the backup that is due, if one is, to its end
    #[command(
        after_help = "The function BackupPolicy and `changefeed process` run the policy too. Of all of them, one runs the backup.\n\n\
                      Example:\n  changefeed backup policy run"
    )]
    Run(OutputArguments),
}

#[derive(Debug, Args)]
pub struct SetArguments {
    /// Folder or blob URL below which each backup has a folder
    #[arg(long, value_name = "LOCATION")]
    pub to: String,
    /// How often a backup is taken, in hours or days, such as 6h or 1d
    #[arg(long, value_name = "INTERVAL")]
    pub every: Interval,
    /// Time of day, with an interval of days; default: midnight
    #[arg(long, value_name = "HH:MM")]
    pub at: Option<TimeOfDay>,
    /// How often a full backup is taken instead of an increment; default: 7d
    #[arg(long, value_name = "INTERVAL")]
    pub full_every: Option<Interval>,
    #[command(flatten)]
    pub keep: KeepArguments,
    /// Write no digests of the history to the location; default: they are written after each backup is started
    #[arg(long)]
    pub no_digests: bool,
    #[command(flatten)]
    pub budget: BudgetArgument,
    /// Reason, stored with each backup
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub requester: RequesterArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
