//! The arguments of `changefeed history`.

use changefeed_history::{Filter, TimeExpression};
use clap::Subcommand;

use super::activity::ActivityArguments;
use super::changes::ChangesArguments;
use super::export::ExportArguments;
use crate::cli::document_arguments::DocumentArguments;
use crate::cli::filter_help::FILTERS;
use crate::cli::list::{ListArguments, ListOutput};
use crate::cli::output::OutputArguments;
use crate::cli::time;

#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// List the versions of a document, newest first
    #[command(after_help = "Example:\n  changefeed history versions --id 28036 --pk 28036 --max-items 10")]
    Versions {
        #[command(flatten)]
        document: DocumentArguments,
        #[command(flatten)]
        list: ListArguments,
    },
    /// Show one version
    #[command(after_help = "Example:\n  changefeed history show 1795790400 --id 28036 --pk 28036")]
    Show {
        /// Id of the version, or the beginning of one
        version: String,
        #[command(flatten)]
        document: DocumentArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show a document as of a time
    #[command(after_help = time::help("Example:\n  changefeed history document --id 28036 --pk 28036 --as-of -10m"))]
    Document {
        #[command(flatten)]
        document: DocumentArguments,
        /// Time to look at
        #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time::parse)]
        as_of: TimeExpression,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Compare two versions, or a version with the live document
    #[command(
        after_help = "Examples:\n  changefeed history diff --id 28036 --pk 28036 --from 1795790400\n  changefeed history diff --id 28036 --pk 28036 --from 1795790400 --to 1795790500"
    )]
    Diff {
        #[command(flatten)]
        document: DocumentArguments,
        /// Id of the older version, the beginning of one, or live
        #[arg(long, value_name = "VERSION")]
        from: String,
        /// Id of the newer version, the beginning of one, or live
        #[arg(long, value_name = "VERSION", default_value = "live")]
        to: String,
        #[command(flatten)]
        output: ListOutput,
    },
    /// Show which version set each field of a document
    #[command(after_help = time::help("Example:\n  changefeed history blame --id 28036 --pk 28036"))]
    Blame {
        #[command(flatten)]
        document: DocumentArguments,
        /// Time to look at; default: the live document
        #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time::parse)]
        as_of: Option<TimeExpression>,
        /// Maximum number of versions to read, 1 to 1000
        #[arg(long, value_name = "NUMBER", default_value = "1000")]
        max_versions: u32,
        #[command(flatten)]
        output: ListOutput,
    },
    /// Search live documents and versions, in time order
    #[command(after_help = format!("{FILTERS}{}", time::help(
        "Examples:\n  changefeed history search --filter city_name=Davidson --since yesterday\n  \
         changefeed history search --filter 'zip in (28035, 28036) and tags[]=new' --from 10:31 --to 10:40"
    )))]
    Search {
        /// Filter, such as city_name=Davidson; if repeated, all must match
        #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse)]
        filters: Vec<Filter>,
        /// Earliest time of a change; default: no limit
        #[arg(long, visible_alias = "since", value_name = "TIME", allow_hyphen_values = true, value_parser = time::parse)]
        from: Option<TimeExpression>,
        /// Latest time of a change; default: no limit
        #[arg(long, visible_alias = "until", value_name = "TIME", allow_hyphen_values = true, value_parser = time::parse)]
        to: Option<TimeExpression>,
        #[command(flatten)]
        list: ListArguments,
    },
    /// Count the versions in a window of time, and show the busiest documents, fields and actors
    #[command(after_help = time::help(
        "Examples:\n  changefeed history activity --since -1d\n  \
         changefeed history activity --since -1h --bucket 1m --filter city_name=Davidson"
    ))]
    Activity(ActivityArguments),
    /// List the versions in a window of time, with the fields that each of them changed
    #[command(after_help = time::help(
        "Examples:\n  changefeed history changes --since -1h\n  \
         changefeed history changes --since 2026-11-20T10:31:00Z --until 2026-11-20T10:40:00Z --operation delete"
    ))]
    Changes(ChangesArguments),
    /// Write versions with their documents to a file or a blob: those of a document, of a filter, or of a window of time
    #[command(after_help = format!("{FILTERS}{}", time::help(
        "Examples:\n  changefeed history export --since 10:31 --until 10:40 --file incident.jsonl\n  \
         changefeed history export --filter city_name=Davidson --fields city_name,zip --file davidson.csv\n  \
         changefeed history export --id 28036 --pk 28036 --file https://account.blob.core.windows.net/exports/28036.parquet"
    )))]
    Export(Box<ExportArguments>),
}
