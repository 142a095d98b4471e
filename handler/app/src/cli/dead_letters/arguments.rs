//! The arguments of `changefeed dead-letters`.

use clap::{Args, Subcommand};

use crate::cli::list::{ListArguments, ListOutput};
use crate::cli::output::OutputArguments;

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List dead letters, newest first
    #[command(after_help = "Example:\n  changefeed dead-letters list --max-items 20")]
    List(ListArguments),
    /// Show one dead letter with its payload as delivered
    #[command(
        after_help = "Example:\n  changefeed dead-letters show 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    Show {
        /// Id of the dead letter
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Capture the documents again; those that are stored are removed from the dead letters
    #[command(after_help = "Example:\n  changefeed dead-letters replay --all")]
    Replay {
        #[command(flatten)]
        selection: SelectionArguments,
        #[command(flatten)]
        output: ListOutput,
    },
    /// Discard dead letters and their payloads; this cannot be undone
    #[command(
        after_help = "Example:\n  changefeed dead-letters discard 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    Discard {
        #[command(flatten)]
        selection: SelectionArguments,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
}

impl DeadLettersCommand {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Show { .. })
    }
}

/// Which dead letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SelectionArguments {
    /// Ids of dead letters
    pub ids: Vec<String>,
    /// Every dead letter
    #[arg(long)]
    pub all: bool,
}
