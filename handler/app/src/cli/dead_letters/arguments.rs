//! The arguments of `changefeed dead-letters`.

use clap::{Args, Subcommand};

use crate::cli::output::OutputArguments;

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List dead letters, newest first
    List {
        /// Maximum number of dead letters; default: all
        #[arg(long)]
        max_items: Option<usize>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show one dead letter with its payload as delivered
    Show {
        /// Id of the dead letter
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Capture the documents again; those that are stored are removed from the dead letters
    Replay {
        #[command(flatten)]
        selection: SelectionArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Discard dead letters and their payloads; this cannot be undone
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
