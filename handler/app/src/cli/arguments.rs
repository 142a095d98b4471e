//! The arguments of every subcommand.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use changefeed_cosmos::Key;
use changefeed_history::{Filter, Moment};
use changefeed_processor::ChangeFeedMode;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::backup_arguments::BackupCommand;
use super::dead_letters_arguments::DeadLettersCommand;
use super::leases_arguments::LeasesCommand;
use super::verify_arguments::VerifyArguments;

/// Keeps every version of every document of an Azure Cosmos DB container.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 120)]
pub struct Arguments {
    /// A local.settings.json; its Values serve where the environment has none
    #[arg(long, global = true, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the functions, as the Azure Functions host starts it
    Serve(ServeArguments),
    /// Run everything without Azure: an embedded Cosmos DB endpoint, a stand-in Functions host, and the functions
    #[cfg(feature = "local")]
    Local(LocalArguments),
    /// Capture without the Functions host, as one of any number of instances that share the work
    Process(ProcessArguments),
    /// Make the database and the containers; what is there already stays as it is
    Provision(ProvisionArguments),
    /// Write sample documents into the monitored container
    Populate(PopulateArguments),
    /// Delete documents of the monitored or the changes container
    Truncate(TruncateArguments),
    /// Ask one of the containers with a Cosmos DB SQL query
    Query(QueryArguments),
    /// Look at the versions of documents
    #[command(subcommand)]
    History(HistoryCommand),
    /// Put documents back, and undo that
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Write backups as files, look at them, restore them
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Look at documents that could not be kept as versions, try them again, give them up
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Remove versions that have expired, as the function Retention does every hour
    Retention(RetentionArguments),
    /// Hold the live documents against the history, and repair what differs
    Verify(VerifyArguments),
    /// Show settings, containers, leases and their lag
    Status(OutputArguments),
    /// Repair the leases of the change feeds, carry them elsewhere, or set them back
    #[command(subcommand)]
    Leases(LeasesCommand),
}

#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// The versions of a document, newest first
    Versions {
        #[command(flatten)]
        document: DocumentArguments,
        /// The most versions to show; all without
        #[arg(long)]
        max_items: Option<usize>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// One version
    Show {
        /// The id of the version
        version: String,
        #[command(flatten)]
        document: DocumentArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// The document as of a time
    Document {
        #[command(flatten)]
        document: DocumentArguments,
        /// The time: 2026-11-20T10:31:00Z, seconds since 1970, or -10m
        #[arg(long, allow_hyphen_values = true, value_parser = moment)]
        as_of: Moment,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// What differs between two versions, or a version and the live document
    Diff {
        #[command(flatten)]
        document: DocumentArguments,
        /// The id of a version, or live
        #[arg(long)]
        from: String,
        /// The id of a version, or live
        #[arg(long, default_value = "live")]
        to: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Live documents and versions that meet conditions, in time order
    Search {
        /// A condition: city_name=Davidson; = != < <= > >= contains; several must all be met
        #[arg(long = "filter", required = true, value_parser = Filter::parse)]
        filters: Vec<Filter>,
        /// Only changes not before this time
        #[arg(long, allow_hyphen_values = true, value_parser = moment)]
        from: Option<Moment>,
        /// Only changes not after this time
        #[arg(long, allow_hyphen_values = true, value_parser = moment)]
        to: Option<Moment>,
        /// The most rows to show; all without
        #[arg(long)]
        max_items: Option<usize>,
        #[command(flatten)]
        output: OutputArguments,
    },
}

#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// Show what a restore would do, ask, and do it
    Run(Box<RestoreArguments>),
    /// The restores, newest first
    List(OutputArguments),
    /// One restore, document by document
    Show {
        /// The id of the restore
        id: String,
        /// Of a large restore: show how it goes on, and work on it where nobody does; Ctrl-C detaches
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Every document of a restore, however many there are; as JSON a line each
    Items {
        /// The id of the restore
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// End a large restore before it is done; what was done stays done
    Cancel {
        /// The id of the restore
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show what undoing a restore would do, ask, and do it
    Undo {
        /// The id of the restore
        id: String,
        #[command(flatten)]
        how: HowArguments,
    },
}

/// A document.
#[derive(Debug, Args)]
pub struct DocumentArguments {
    /// The id of the document
    #[arg(long)]
    pub id: String,
    #[command(flatten)]
    pub key: KeyArguments,
}

/// A partition key value.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct KeyArguments {
    /// The partition key value, if it is one text
    #[arg(long)]
    pub pk: Option<String>,
    /// The partition key value: the JSON array of its components
    #[arg(long, value_name = "JSON", value_parser = key)]
    pub partition_key: Option<Key>,
}

impl KeyArguments {
    /// The key that was given.
    pub fn key(&self) -> Option<Key> {
        self.pk.as_ref().map(Key::text).or_else(|| self.partition_key.clone())
    }
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("target").required(true)))]
pub struct RestoreArguments {
    /// The document of this id; with --pk or --partition-key
    #[arg(long)]
    pub id: Option<String>,
    /// The partition key value, if it is one text; without --id every document of it
    #[arg(long)]
    pub pk: Option<String>,
    /// The partition key value: the JSON array of its components
    #[arg(long, value_name = "JSON", value_parser = key, conflicts_with = "pk")]
    pub partition_key: Option<Key>,
    /// Documents that meet this condition: city_name=Davidson; several must all be met
    #[arg(long = "filter", value_parser = Filter::parse)]
    pub filters: Vec<Filter>,
    /// In which state documents must meet the conditions
    #[arg(long, value_enum, requires = "filters")]
    pub filter_on: Option<FilterOnArgument>,
    /// Every document
    #[arg(long)]
    pub all: bool,
    /// Back to the newest version not after this time: 2026-11-20T10:31:00Z, seconds since 1970, or -10m
    #[arg(long, group = "target", allow_hyphen_values = true, value_parser = moment)]
    pub as_of: Option<Moment>,
    /// Back to the last version before this time
    #[arg(long, group = "target", allow_hyphen_values = true, value_parser = moment)]
    pub before: Option<Moment>,
    /// Back to this version
    #[arg(long, group = "target")]
    pub version: Option<String>,
    /// Delete documents that are known not to have existed then
    #[arg(long)]
    pub delete_created_after: bool,
    /// Write into another container instead
    #[arg(long, value_name = "CONTAINER")]
    pub into: Option<String>,
    /// Make a job of it, however small it is
    #[arg(long)]
    pub job: bool,
    #[command(flatten)]
    pub how: HowArguments,
}

/// How a restore is executed.
#[derive(Debug, Args)]
pub struct HowArguments {
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite documents that have changed meanwhile
    #[arg(long)]
    pub force: bool,
    /// Why, for the record
    #[arg(long)]
    pub reason: Option<String>,
    /// Who, for the record; by default the user's name
    #[arg(long, env = "USER")]
    pub requested_by: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// The most request units to use in a second; it makes a job of a restore
    #[arg(long, value_name = "RU")]
    pub ru_per_second: Option<f64>,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// In which state a document must meet a condition.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FilterOnArgument {
    /// As it was at the target
    Target,
    /// As it is now
    Live,
}

pub fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text, chrono::Utc::now())
}

fn key(text: &str) -> Result<Key, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The port on 127.0.0.1; without it FUNCTIONS_CUSTOMHANDLER_PORT
    #[arg(long)]
    pub port: Option<u16>,
}

#[derive(Debug, Args)]
pub struct ProcessArguments {
    /// What the change feed tells: LatestVersion or AllVersionsAndDeletes; without it CHANGEFEED_MODE
    #[arg(long, value_parser = ChangeFeedMode::from_str)]
    pub mode: Option<ChangeFeedMode>,
    /// Where to start when there are no leases yet: now, beginning, or a time; without it the beginning, or now in
    /// AllVersionsAndDeletes mode
    #[arg(long, allow_hyphen_values = true, value_parser = From::parse)]
    pub from: Option<From>,
    /// The name in the leases, of its own for each instance; without it a random one
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub instance: Option<String>,
    /// Serve /live, /ready and /metrics on this port; 0 for any that is free
    #[arg(long, value_name = "PORT")]
    pub health_port: Option<u16>,
    /// The address to serve them on: 0.0.0.0 in a container
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", requires = "health_port")]
    pub health_address: IpAddr,
    /// Print every change that was captured, as a line of JSON
    #[arg(long)]
    pub print: bool,
    /// The most changes in a batch; the service's default is 100
    #[arg(long)]
    pub max_items: Option<NonZeroU32>,
    /// How long to wait where there was nothing new [default: 5000]
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub poll_delay_ms: Option<u64>,
    /// How often to look for leases to take [default: 13000]
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub lease_acquire_interval_ms: Option<u64>,
    /// After what time without renewal a lease is free for other instances [default: 60000]
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub lease_expiration_interval_ms: Option<u64>,
    /// How often to renew a lease [default: 17000]
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub lease_renew_interval_ms: Option<u64>,
}

/// A start of the change feed.
#[derive(Clone, Copy, Debug)]
pub enum From {
    Now,
    Beginning,
    Time(Moment),
}

impl From {
    pub fn start(self) -> changefeed_processor::StartFrom {
        match self {
            Self::Now => changefeed_processor::StartFrom::Now,
            Self::Beginning => changefeed_processor::StartFrom::Beginning,
            Self::Time(moment) => changefeed_processor::StartFrom::Time(moment.time()),
        }
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(Self::Now),
            "beginning" => Ok(Self::Beginning),
            time => match moment(time) {
                Ok(moment) if moment.time() > chrono::Utc::now() => Err(format!("{time} is not over yet")),
                Ok(moment) => Ok(Self::Time(moment)),
                Err(error) => Err(format!("{error}; or now, or beginning")),
            },
        }
    }
}

#[derive(Debug, Args)]
pub struct ProvisionArguments {
    /// The partition key of the monitored container, if it is made; up to three paths for a hierarchical key
    #[arg(long = "partition-key", value_name = "PATH", default_value = "/pk", num_args = 1..=3, value_parser = key_path)]
    pub partition_key: Vec<String>,
    #[command(flatten)]
    pub output: OutputArguments,
}

fn key_path(text: &str) -> Result<String, String> {
    match text.strip_prefix('/') {
        Some(name) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("a path starts with a slash: /cartId".to_owned()),
    }
}

#[cfg(feature = "local")]
#[derive(Debug, Args)]
pub struct LocalArguments {
    /// The port of the stand-in Functions host; 0 for any that is free
    #[arg(long, default_value_t = 7071)]
    pub host_port: u16,
    /// The port of the embedded Cosmos DB endpoint; 0 for any that is free
    #[arg(long, default_value_t = 8081)]
    pub cosmos_port: u16,
    /// Also serve the endpoint's control interface, on this port; 0 for any that is free
    #[arg(long, value_name = "PORT")]
    pub control_port: Option<u16>,
    /// Write this many sample documents before reporting to be ready
    #[arg(long, value_name = "COUNT")]
    pub populate: Option<u64>,
    /// With --populate: the same seed writes the same documents
    #[arg(long, requires = "populate")]
    pub seed: Option<u64>,
    /// Only the embedded Cosmos DB endpoint
    #[arg(long, conflicts_with_all = ["populate", "require_keys", "host_port"])]
    pub cosmos_only: bool,
    /// Ask for function keys, as Azure does
    #[arg(long)]
    pub require_keys: bool,
    /// The folder with host.json and the functions
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub script_root: PathBuf,
}

/// How a subcommand answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
pub struct OutputArguments {
    /// The form of the answer
    #[arg(long, value_enum, default_value = "table")]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct PopulateArguments {
    /// How many documents to write
    #[arg(long)]
    pub count: u64,
    /// The same seed writes the same documents
    #[arg(long)]
    pub seed: Option<u64>,
    /// The most documents a second
    #[arg(long)]
    pub rate_per_second: Option<f64>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Args)]
pub struct TruncateArguments {
    /// The name of the monitored or the changes container
    #[arg(long)]
    pub container: String,
    /// The most documents to delete
    #[arg(long)]
    pub max: u64,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Args)]
pub struct RetentionArguments {
    /// Only count what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Do not count first, and do not ask
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Debug, Args)]
pub struct QueryArguments {
    /// The name of one of the containers
    #[arg(long)]
    pub container: String,
    /// The text of the query
    pub query: String,
    /// A value for the query, as JSON or plain text: @city=Davidson
    #[arg(long = "parameter", value_name = "@NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Stay within one partition key value: the JSON array of its components
    #[arg(long, value_name = "JSON")]
    pub partition_key: Option<String>,
    /// The most items to show; all without
    #[arg(long)]
    pub max_items: Option<usize>,
    #[command(flatten)]
    pub output: OutputArguments,
}
