//! The arguments of `changefeed leases`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::arguments::From;
use crate::feed::Feed;

#[derive(Debug, Subcommand)]
pub enum LeasesCommand {
    /// Make leases for what none covers; instances may run
    Repair {
        /// Where they start: now, beginning, or a time
        #[arg(long, value_parser = From::parse, default_value = "beginning", allow_hyphen_values = true)]
        from: From,
        #[command(flatten)]
        feed: FeedArguments,
    },
    /// Print the leases as JSON, for `import`
    Export {
        #[command(flatten)]
        feed: FeedArguments,
    },
    /// Changefeed leases that were exported, of this prefix or another; no instance may run
    Import {
        /// The file, or - for standard input
        file: PathBuf,
        /// Replace the leases that there are
        #[arg(long)]
        overwrite: bool,
        #[command(flatten)]
        feed: FeedArguments,
    },
    /// Set all leases back, or forward; no instance may run
    Reset {
        /// now, beginning, or a time
        #[arg(long, value_parser = From::parse, allow_hyphen_values = true)]
        to: From,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        feed: FeedArguments,
    },
}

/// Which leases are meant.
#[derive(Debug, Args)]
pub struct FeedArguments {
    /// The leases of the jobs instead of those of the capture
    #[arg(long)]
    pub jobs: bool,
}

impl FeedArguments {
    pub fn feed(&self) -> Feed {
        if self.jobs { Feed::Jobs } else { Feed::Capture }
    }
}
