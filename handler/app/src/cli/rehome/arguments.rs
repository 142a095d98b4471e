//! The arguments of `changefeed rehome`.

use changefeed_cosmos::SourceName;
use changefeed_history::FlatFields;
use changefeed_operations::{RehomeRequest, RehomeSource};
use clap::{Args, Subcommand};

use crate::cli::budget_argument::BudgetArgument;
use crate::cli::list::ListArguments;
use crate::cli::output::OutputArguments;
use crate::cli::requester_arguments::RequesterArguments;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  changefeed rehome --from-connection OldCosmosDB --from-changes changes --from-jobs jobs\n  changefeed rehome --from-changes changes-by-zip --new-key --dry-run\n  changefeed rehome --from-changes history --flat --time-field changedAt\n\nExit codes: 0 moved, 1 failed, 3 something is missing, different or not readable, 4 declined"
)]
pub struct RehomeArguments {
    #[command(subcommand)]
    pub command: Option<RehomeCommand>,
    #[command(flatten)]
    pub run: RehomeRunArguments,
}

impl RehomeArguments {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        let command = self.command.as_ref();
        command.is_some_and(|command| {
            matches!(command, RehomeCommand::List(_)) || matches!(command, RehomeCommand::Show { follow: false, .. })
        })
    }
}

#[derive(Debug, Args)]
pub struct RehomeRunArguments {
    /// Container with the versions of the other history, or with copies of changes
    #[arg(long, value_name = "NAME")]
    pub from_changes: Option<String>,
    /// Name of the settings with the connection to its account, such as OldCosmosDB; default: this account
    #[arg(long, value_name = "SETTING", requires = "from_changes")]
    pub from_connection: Option<String>,
    /// Its database; default: this database
    #[arg(long, value_name = "NAME", requires = "from_changes")]
    pub from_database: Option<String>,
    /// Its source there, if that app has several; default: default
    #[arg(long, value_name = "NAME", requires = "from_changes")]
    pub from_source: Option<SourceName>,
    /// Container with its jobs: has the time since which it is complete, and which documents are erased
    #[arg(long, value_name = "NAME", requires = "from_changes")]
    pub from_jobs: Option<String>,
    /// Container with its dead letters
    #[arg(long, value_name = "NAME", requires = "from_changes")]
    pub from_dead_letters: Option<String>,
    /// The documents had another partition key: take the key of each version from its body
    #[arg(long, conflicts_with = "flat")]
    pub new_key: bool,
    /// Move although documents were erased in the other history and cannot be recorded as erased here
    #[arg(long, conflicts_with = "flat")]
    pub without_erased: bool,
    /// The items are copies of changes that another program has made, each with an id of its own
    #[arg(long, requires = "from_changes")]
    pub flat: bool,
    /// Property of a copy with the id of the document; default: _originalId
    #[arg(long, value_name = "PROPERTY", requires = "flat")]
    pub id_field: Option<String>,
    /// Property that the program has added, with the time of the change: seconds or milliseconds since 1970, or RFC 3339; default: when the copy was stored
    #[arg(long, value_name = "PROPERTY", requires = "flat")]
    pub time_field: Option<String>,
    /// Property with the sequence number of the change feed; default: _lsn
    #[arg(long, value_name = "PROPERTY", requires = "flat")]
    pub lsn_field: Option<String>,
    /// Property that the program has added, and the document does not have; may be repeated
    #[arg(long = "added-field", value_name = "PROPERTY", requires = "flat")]
    pub added_fields: Vec<String>,
    /// Count what would be stored, and store nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not count first, and do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub budget: BudgetArgument,
    #[command(flatten)]
    pub requester: RequesterArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

impl RehomeRunArguments {
    /// The request; `None` without a container to move from.
    pub fn request(&self) -> Option<RehomeRequest> {
        let defaults = FlatFields::default();
        let flat = FlatFields {
            id_field: self.id_field.clone().unwrap_or(defaults.id_field),
            time_field: self.time_field.clone(),
            lsn_field: self.lsn_field.clone().unwrap_or(defaults.lsn_field),
            added_fields: self.added_fields.clone(),
        };
        Some(RehomeRequest {
            from: RehomeSource {
                connection: self.from_connection.clone(),
                database: self.from_database.clone(),
                changes: self.from_changes.clone()?,
                source: self.from_source.clone(),
                dead_letters: self.from_dead_letters.clone(),
                jobs: self.from_jobs.clone(),
            },
            flat: self.flat.then_some(flat),
            new_key: self.new_key,
            without_erased: self.without_erased,
            dry_run: self.dry_run,
            requested_by: self.requester.name(),
            ru_per_second: self.budget.ru_per_second,
        })
    }
}

#[derive(Debug, Subcommand)]
pub enum RehomeCommand {
    /// List moves, newest first
    #[command(after_help = "Example:\n  changefeed rehome list")]
    List(#[command(flatten)] ListArguments),
    /// Show the progress or the result of a move
    #[command(after_help = "Example:\n  changefeed rehome show 1795790400-5f3a9c01 --follow")]
    Show {
        /// Id of the move
        id: String,
        /// Follow it to its end, and run it here if no other worker holds it; Ctrl-C detaches
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Cancel a move; stored versions remain
    #[command(after_help = "Example:\n  changefeed rehome cancel 1795790400-5f3a9c01")]
    Cancel {
        /// Id of the move
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
}
