//! The arguments of `changefeed verify`.

use changefeed_cosmos::Key;
use clap::{Args, Subcommand};

use super::arguments::OutputArguments;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct VerifyArguments {
    #[command(subcommand)]
    pub command: Option<VerifyCommand>,
    #[command(flatten)]
    pub run: VerifyRunArguments,
}

#[derive(Debug, Args)]
pub struct VerifyRunArguments {
    /// Show what differs, ask, capture what is missing, and record the deletes that nobody told of
    #[arg(long)]
    pub repair: bool,
    /// With --repair: do not show and ask first
    #[arg(long, requires = "repair")]
    pub yes: bool,
    /// Only the documents of this partition key value, a text
    #[arg(long, conflicts_with = "partition_key")]
    pub pk: Option<String>,
    /// Only the documents of this partition key value: the JSON array of its components
    #[arg(long, value_name = "JSON", value_parser = key)]
    pub partition_key: Option<Key>,
    /// How long capture may lag before something is missing; 60 without
    #[arg(long, value_name = "SECONDS")]
    pub grace: Option<u32>,
    /// The most request units to use in a second
    #[arg(long)]
    pub ru_per_second: Option<f64>,
    /// Who, for the record
    #[arg(long, env = "USER")]
    pub requested_by: Option<String>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// The verifications, newest first
    List(OutputArguments),
    /// How far a verification is, and what it found
    Show {
        /// The id of the verification
        id: String,
        /// Follow it to its end, and work on it where nobody else does
        #[arg(long)]
        follow: bool,
        /// Every finding, not only the first
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// End a verification before it is done; what was repaired stays repaired
    Cancel {
        /// The id of the verification
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
}

fn key(text: &str) -> Result<Key, String> {
    serde_json::from_str(text).map_err(|error| format!("the JSON array of the key's components: {error}"))
}
