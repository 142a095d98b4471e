//! The subcommands. The arguments of each are in its own folder or file.

use std::path::PathBuf;

use changefeed_cosmos::SourceName;
use changefeed_history::TimeZone;
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
#[cfg(feature = "local")]
use clap_complete::Shell;

use super::backup::BackupCommand;
use super::command_groups::with_groups;
use super::dead_letters::DeadLettersCommand;
use super::digest::DigestCommand;
use super::erase::EraseArguments;
use super::history::HistoryCommand;
use super::leases::LeasesCommand;
use super::list::ListOutput;
#[cfg(feature = "local")]
use super::local::LocalArguments;
use super::output::OutputArguments;
use super::populate::PopulateArguments;
use super::process::ProcessArguments;
use super::provision::ProvisionArguments;
use super::query::QueryArguments;
use super::rehome::RehomeArguments;
use super::restore::RestoreCommand;
use super::retention::RetentionArguments;
use super::serve::ServeArguments;
use super::source::SourceCommand;
use super::switch_mode::SwitchModeArguments;
use super::terminal::TerminalArguments;
use super::truncate::TruncateArguments;
use super::verify::VerifyArguments;

/// The id of the option that names the monitored container.
const MONITORED_ARGUMENT: &str = "monitored";
/// The heading of the options that all commands have.
const SETTINGS: &str = "Settings";

/// Stores the versions of documents that an Azure Cosmos DB change feed delivers, and restores any of them.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    max_term_width = 120,
    after_help = "Examples:\n  changefeed history changes --since 10:31 --until 10:40\n  \
                  changefeed restore run --id 28036 --pk 28036 --as-of -10m\n\n\
                  To try it out without Azure: changefeed local --populate 1000"
)]
pub struct Arguments {
    #[command(flatten)]
    pub terminal: TerminalArguments,
    /// Settings file (local.settings.json); takes precedence over environment variables
    #[arg(long, global = true, value_name = "FILE", help_heading = SETTINGS)]
    pub settings: Option<PathBuf>,
    /// Zone of local times; default: CHANGEFEED_TIME_ZONE, or the machine's
    #[arg(long, global = true, value_name = "ZONE", help_heading = SETTINGS)]
    pub time_zone: Option<TimeZone>,
    /// Database; default: CHANGEFEED_DATABASE
    #[arg(long, global = true, value_name = "NAME", help_heading = SETTINGS)]
    pub database: Option<String>,
    /// Container whose documents are captured; default: CHANGEFEED_MONITORED_CONTAINER
    #[arg(long, global = true, value_name = "NAME", help_heading = SETTINGS)]
    pub monitored: Option<String>,
    /// Source, where CHANGEFEED_SOURCES names several; commands for all of them accept names with commas between them
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',', help_heading = SETTINGS)]
    pub source: Vec<SourceName>,
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// The arguments of this process. Ends it, with the help or with an error, when they are not arguments of a command.
    pub fn of_process() -> Self {
        let command = with_groups(Self::full_command()).color(color_of_help());
        let mut matches = command.get_matches();
        Self::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut Self::full_command()).exit())
    }
}

impl Arguments {
    /// The commands, in which `--container` names the monitored container too. `query` and `truncate` are without that name: they work on the
    /// container that their own `--container` names.
    pub fn full_command() -> clap::Command {
        let mut command = Self::command();
        let monitored = command.get_arguments().find(|argument| argument.get_id() == MONITORED_ARGUMENT).cloned();
        for name in ["query", "truncate"] {
            command = command.mut_subcommand(name, |subcommand| subcommand.args(monitored.clone()));
        }
        command.mut_arg(MONITORED_ARGUMENT, |argument| argument.visible_alias("container"))
    }
}

/// What `--color` says, before the arguments are parsed: help and errors of the arguments have colors too.
fn color_of_help() -> ColorChoice {
    let mut arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let mut choice = ColorChoice::Auto;
    while let Some(argument) = arguments.next() {
        let given = match argument.strip_prefix("--color") {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        choice = given.and_then(|given| ColorChoice::from_str(&given, true).ok()).unwrap_or(choice);
    }
    choice
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the functions; the Azure Functions host starts this
    Serve(ServeArguments),
    /// Run everything without Azure: an embedded Cosmos DB endpoint, a stand-in Functions host and the functions
    #[cfg(feature = "local")]
    Local(LocalArguments),
    /// Capture changes and run jobs without the Functions host; instances share the work
    Process(ProcessArguments),
    /// Create the database and the containers; existing resources are not changed
    Provision(ProvisionArguments),
    /// Write sample documents into the monitored container
    Populate(PopulateArguments),
    /// Delete documents of the monitored or the changes container
    Truncate(TruncateArguments),
    /// Run a SQL query against a container
    Query(QueryArguments),
    /// List, show, compare and search versions of documents
    #[command(
        after_help = "Examples:\n  changefeed history versions --id 28036 --pk 28036\n  changefeed history changes --since 10:31 --until 10:40"
    )]
    #[command(subcommand)]
    History(HistoryCommand),
    /// Restore documents, and undo a restore
    #[command(
        after_help = "Examples:\n  changefeed restore run --id 28036 --pk 28036 --as-of -10m\n  changefeed restore run --changed-between 10:31 10:40 --later-changes merge"
    )]
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Create, list, verify and restore backups as files
    #[command(after_help = "Example:\n  changefeed backup create --to backups/monday")]
    #[command(subcommand)]
    Backup(BackupCommand),
    /// List, show, replay or discard documents that could not be captured
    #[command(after_help = "Example:\n  changefeed dead-letters list")]
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Remove expired versions; the Retention function does this every hour
    Retention(RetentionArguments),
    /// Remove everything that is stored of documents, and refuse them until that is lifted
    Erase(EraseArguments),
    /// Copy a history from another account, from another partition key, or from copies of changes
    Rehome(RehomeArguments),
    /// Compare live documents with the history, and repair differences; or the history with its digests
    Verify(VerifyArguments),
    /// Write digests of the history, by which altered and removed versions are found
    #[command(after_help = "Example:\n  changefeed digest write --to backups")]
    #[command(subcommand)]
    Digest(DigestCommand),
    /// Show settings, containers, and leases with their lag
    #[command(after_help = "Example:\n  changefeed status")]
    Status(OutputArguments),
    /// Check everything that an app needs; say what to do about each problem
    #[command(after_help = "Example:\n  changefeed doctor --settings local.settings.json")]
    Doctor(ListOutput),
    /// Repair, unblock, export, import or reset the leases of the change feeds
    #[command(after_help = "Example:\n  changefeed leases repair")]
    #[command(subcommand)]
    Leases(LeasesCommand),
    /// Change the change feed mode of the capture without missing a change; says which step is next
    SwitchMode(SwitchModeArguments),
    /// Add, list or remove containers that the app captures, each with its own history
    #[command(after_help = "Example:\n  changefeed source add orders")]
    #[command(subcommand)]
    Source(SourceCommand),
    /// Print the completions of a shell
    #[cfg(feature = "local")]
    #[command(
        after_help = "Example:\n  changefeed completions bash > ~/.local/share/bash-completion/completions/changefeed"
    )]
    Completions {
        /// Shell
        shell: Shell,
    },
    /// Write a manual page for each command into a folder
    #[cfg(feature = "local")]
    #[command(after_help = "Example:\n  changefeed manual ~/.local/share/man/man1")]
    Manual {
        /// Folder; it is created if it does not exist
        folder: PathBuf,
    },
}

impl Command {
    /// Whether the command only reads, so that it ends when its output is closed.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::History(_) | Self::Query(_) | Self::Status(_) | Self::Doctor(_) => true,
            Self::Restore(command) => command.only_reads(),
            Self::Backup(command) => command.only_reads(),
            Self::DeadLetters(command) => command.only_reads(),
            Self::Leases(command) => command.only_reads(),
            Self::Verify(arguments) => arguments.only_reads(),
            Self::Digest(command) => command.only_reads(),
            Self::Erase(arguments) => arguments.only_reads(),
            Self::Rehome(arguments) => arguments.only_reads(),
            Self::Source(command) => command.only_reads(),
            #[cfg(feature = "local")]
            Self::Completions { .. } => true,
            #[cfg(feature = "local")]
            Self::Local(_) | Self::Manual { .. } => false,
            Self::Serve(_) | Self::Process(_) | Self::Provision(_) | Self::Populate(_) | Self::Truncate(_) => false,
            Self::Retention(_) | Self::SwitchMode(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command_groups::GROUPS;

    #[test]
    fn every_command_is_in_one_group_and_the_arguments_are_consistent() {
        let command = Arguments::full_command();
        let grouped = |name: &str| GROUPS.iter().flat_map(|(_, names)| *names).filter(|other| **other == name).count();
        for name in command.get_subcommands().map(clap::Command::get_name) {
            assert_eq!(grouped(name), 1, "{name}");
        }
        command.debug_assert();
    }
}
