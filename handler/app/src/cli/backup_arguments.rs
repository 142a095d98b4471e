//! The arguments of `changefeed backup`.

use changefeed_history::{Filter, Moment};
use clap::{Args, Subcommand};

use super::arguments::{HowArguments, OutputArguments, moment};

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Back up the live documents, or the documents as of a time; where that was interrupted, the same command goes on
    Create(Box<CreateArguments>),
    /// Read all of a backup and say what is damaged
    Verify {
        /// A folder, or a URL of blobs
        place: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show what restoring a backup would do, ask, and do it
    Restore(Box<FromArguments>),
    /// The backups in a folder, or below a URL of blobs
    List {
        /// A folder, or a URL of blobs
        place: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// End a backup before it is done
    Cancel {
        /// The id of the backup
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
}

/// A moment, and whether it was given as a time before now: then the same words mean another one the next time.
#[derive(Clone, Copy, Debug)]
pub struct AsOfArgument {
    pub moment: Moment,
    pub is_relative: bool,
}

impl AsOfArgument {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { moment: moment(text)?, is_relative: text.trim_start().starts_with('-') })
    }
}

#[derive(Debug, Args)]
pub struct CreateArguments {
    /// The place.
    #[arg(
        long,
        value_name = "PLACE",
        help = "Where to: a folder, or a URL of blobs (https://account.blob.core.windows.net/container/prefix)"
    )]
    pub to: String,
    /// The documents as of this time: 2026-11-20T10:31:00Z, seconds since 1970, or -10m; without it as they are now
    #[arg(long, allow_hyphen_values = true, value_parser = AsOfArgument::parse)]
    pub as_of: Option<AsOfArgument>,
    /// Only documents that meet this condition: city_name=Davidson; several must all be met
    #[arg(long = "filter", value_parser = Filter::parse)]
    pub filters: Vec<Filter>,
    /// Only what changed since the backup in this place, and what was deleted, as far as the history knows
    #[arg(long, value_name = "PLACE")]
    pub incremental_from: Option<String>,
    /// Discard an unfinished backup that is there, and begin anew
    #[arg(long)]
    pub discard: bool,
    /// Why, for the record
    #[arg(long)]
    pub reason: Option<String>,
    /// Who, for the record; by default the user's name
    #[arg(long, env = "USER")]
    pub requested_by: Option<String>,
    /// The most request units to use in a second
    #[arg(long, value_name = "RU")]
    pub ru_per_second: Option<f64>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Args)]
pub struct FromArguments {
    /// A backup, and after it the incremental ones in order; or a JSON or NDJSON file, or a folder of them
    #[arg(required = true)]
    pub places: Vec<String>,
    /// Only documents that meet this condition in the backup: city_name=Davidson; several must all be met
    #[arg(long = "filter", value_parser = Filter::parse)]
    pub filters: Vec<Filter>,
    /// Delete documents that the incremental backups know to have been deleted
    #[arg(long)]
    pub delete_created_after: bool,
    /// Write into another container instead
    #[arg(long, value_name = "CONTAINER")]
    pub into: Option<String>,
    #[command(flatten)]
    pub how: HowArguments,
}
