//! The arguments of `changefeed leases`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use changefeed_processor::ChangeFeedMode;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::list::ListOutput;
use crate::cli::start_from::StartFrom;
use crate::feed::Feed;
use crate::service::Service;

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
    #[arg(long, conflicts_with = "mode")]
    jobs: bool,
    /// Use the leases of the capture in this mode: LatestVersion or AllVersionsAndDeletes; default: the one that has leases
    #[arg(long)]
    mode: Option<ChangeFeedMode>,
}

impl FeedArguments {
    /// The feeds that were asked for.
    pub fn feeds(&self) -> &'static [Feed] {
        match (self.jobs, self.mode) {
            (true, _) => &[Feed::Jobs],
            (false, None) => &Feed::CAPTURED,
            (false, Some(ChangeFeedMode::LatestVersion)) => &[Feed::Capture],
            (false, Some(ChangeFeedMode::AllVersionsAndDeletes)) => &[Feed::CaptureAllVersions],
        }
    }

    /// The feed of exported leases, which have the mode in which they can be used.
    ///
    /// # Errors
    /// When they are of another mode than the one that was asked for.
    pub fn feed_of(&self, leases: &[Value]) -> Result<Feed> {
        // A lease without a mode is in LatestVersion mode. What is no lease is refused later.
        let mode =
            leases.first().and_then(|lease| serde_json::from_value(lease["Mode"].clone()).ok()).unwrap_or_default();
        let feed = if self.jobs { Feed::Jobs } else { Feed::captured_in(self.mode.unwrap_or(mode)) };
        if feed.mode() != mode {
            bail!("the leases are of {mode} mode, and cannot be used in {} mode", feed.mode());
        }
        Ok(feed)
    }

    /// The one feed that was asked for: of the two that can be captured, the one that has leases, or else that of the setting.
    ///
    /// # Errors
    /// When both have leases, and when the leases cannot be read.
    pub async fn feed(&self, service: &Service) -> Result<Feed> {
        let feeds = self.feeds();
        if let [feed] = feeds {
            return Ok(*feed);
        }
        let mut with_leases = Vec::new();
        for feed in feeds.iter().copied() {
            if !service.lease_set(feed).await?.all().await?.is_empty() {
                with_leases.push(feed);
            }
        }
        match with_leases.as_slice() {
            [] => Ok(Feed::captured_in(service.settings().mode)),
            [feed] => Ok(*feed),
            _ => bail!("both modes have leases; pass --mode LatestVersion or --mode AllVersionsAndDeletes"),
        }
    }
}
