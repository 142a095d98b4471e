//! The arguments of `changefeed leases`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::list::ListOutput;
use crate::cli::start_from::StartFrom;
use crate::feed::Feed;

#[derive(Debug, Subcommand)]
pub enum LeasesCommand {
    /// List the leases, each with its lag
    #[command(after_help = "Example:\n  changefeed leases list --output csv")]
    List {
        #[command(flatten)]
        feed: FeedArguments,
        #[command(flatten)]
        output: ListOutput,
    },
    /// Create missing leases; safe while processors run
    #[command(after_help = "Examples:\n  changefeed leases repair\n  changefeed leases repair --jobs")]
    Repair {
        /// Start of the new leases: now, beginning, or a time; default: beginning (AllVersionsAndDeletes: now)
        #[arg(long, value_parser = StartFrom::parse, allow_hyphen_values = true)]
        from: Option<StartFrom>,
        #[command(flatten)]
        feed: FeedArguments,
    },
    /// Capture documents that stall leases of the Functions trigger, and move the leases past them; safe while it runs
    #[command(after_help = "Example:\n  changefeed leases unblock")]
    Unblock {
        /// Longest time to look at the leases first, in seconds; the trigger tries again every 13 seconds
        #[arg(long, value_name = "SECONDS", default_value = "40")]
        wait: u64,
        /// Also free leases without a checkpoint: their trigger starts from the beginning
        #[arg(long)]
        from_beginning: bool,
        #[command(flatten)]
        feed: FeedArguments,
    },
    /// Print the leases as JSON, for import
    #[command(after_help = "Example:\n  changefeed leases export > leases.json")]
    Export {
        #[command(flatten)]
        feed: FeedArguments,
    },
    /// Store exported leases, also those of another prefix; stop all processors first
    #[command(after_help = "Example:\n  changefeed leases import leases.json")]
    Import {
        /// File to read, or - for standard input
        file: PathBuf,
        /// Replace existing leases
        #[arg(long)]
        overwrite: bool,
        #[command(flatten)]
        feed: FeedArguments,
    },
    /// Set all leases to another start; stop all processors first
    #[command(after_help = "Example:\n  changefeed leases reset --to now")]
    Reset {
        /// New start: now, beginning, or a time
        #[arg(long, value_parser = StartFrom::parse, allow_hyphen_values = true)]
        to: StartFrom,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        feed: FeedArguments,
    },
}

impl LeasesCommand {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Export { .. })
    }
}

/// Which change feed's leases.
#[derive(Debug, Args)]
pub struct FeedArguments {
    /// Use the leases of the jobs instead of those of the capture
    #[arg(long)]
    pub jobs: bool,
}

impl FeedArguments {
    pub fn feed(&self) -> Feed {
        if self.jobs { Feed::Jobs } else { Feed::Capture }
    }
}
