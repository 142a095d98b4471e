//! The arguments of `changefeed dead-letters`.

use clap::{Args, Subcommand};

use crate::cli::list::{ListArguments, ListOutput};
use crate::cli::output::OutputArguments;

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List dead letters, newest first
    List(ListArguments),
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
        output: ListOutput,
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
