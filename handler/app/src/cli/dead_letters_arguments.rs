//! The arguments of `changefeed dead-letters`.

use clap::{Args, Subcommand};

use super::arguments::OutputArguments;

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// The dead letters, newest first
    List {
        /// The most to show; all without
        #[arg(long)]
        max_items: Option<usize>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// One dead letter, with its payload as it came
    Show {
        /// The id of the dead letter
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Capture their documents once more; what is stored now is no dead letter any more
    Replay {
        #[command(flatten)]
        which: WhichArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Give them up; their payloads are gone for good
    Drop {
        #[command(flatten)]
        which: WhichArguments,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
}

/// Dead letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhichArguments {
    /// The ids of dead letters
    pub ids: Vec<String>,
    /// Every one
    #[arg(long)]
    pub all: bool,
}
