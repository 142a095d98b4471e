//! The arguments of every subcommand.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Make the database and the containers; what is there already stays as it is
    Provision(OutputArguments),
    /// Write sample documents into the monitored container
    Populate(PopulateArguments),
    /// Delete documents of the monitored or the changes container
    Truncate(TruncateArguments),
    /// Ask one of the containers with a Cosmos DB SQL query
    Query(QueryArguments),
    /// Show settings, containers, leases and their lag
    Status(OutputArguments),
}

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The port on 127.0.0.1; without it FUNCTIONS_CUSTOMHANDLER_PORT
    #[arg(long)]
    pub port: Option<u16>,
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
