//! The arguments of `changefeed restore`.

use changefeed_cosmos::Key;
use changefeed_history::{Filter, TimeExpression};
use changefeed_operations::Action;
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::document_arguments::parse_key;
use crate::cli::execution_arguments::{EXECUTION, ExecutionArguments};
use crate::cli::field_arguments::FieldArguments;
use crate::cli::filter_help::FILTERS;
use crate::cli::list::ListArguments;
use crate::cli::output::OutputArguments;
use crate::cli::requester_arguments::RequesterArguments;
use crate::cli::time;

#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// Show the plan of a restore, ask for confirmation, and execute it
    #[command(after_help = format!("{FILTERS}{}", time::help(
        "Examples:\n  changefeed restore run --id 28036 --pk 28036 --as-of -10m\n  \
         changefeed restore run --filter city_name=Davidson --before 10:31 --dry-run\n  \
         changefeed restore run --changed-between 10:31 10:40 --later-changes merge\n\n\
         With --changed-between, --later-changes says what happens to documents that changed after TO:\n  \
         conflict: report them and write nothing; keep: leave them as they are;\n  \
         overwrite: return them to before FROM and lose the later changes; merge: undo only what changed in between\n\n\
         Exit codes: 0 done, 1 failed or detached, 3 conflicts, unknown states or no match, 4 declined"
    )))]
    Run(Box<RestoreArguments>),
    /// List restores, newest first
    #[command(after_help = "Example:\n  changefeed restore list --wide")]
    List(ListArguments),
    /// Show a restore: its state, its counts and its first documents
    #[command(after_help = "Example:\n  changefeed restore show 1795790400-5f3a9c01 --follow")]
    Show {
        /// Id of the restore
        id: String,
        /// Follow a job to its end, and run it here if no other worker holds it; Ctrl-C detaches
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// List all documents of a restore
    #[command(
        after_help = "Example:\n  changefeed restore items 1795790400-5f3a9c01 --action conflict --action failed"
    )]
    Items {
        /// Id of the restore
        id: String,
        /// Only documents with this action; if repeated, any of them
        #[arg(long = "action", value_enum)]
        actions: Vec<ActionName>,
        #[command(flatten)]
        list: ListArguments,
    },
    /// Execute a stored plan exactly as it was shown: once, within a week
    #[command(
        after_help = "A plan is stored by --dry-run --store, and by the dry run of a large restore.\n\nExample:\n  changefeed restore execute 1795790400-5f3a9c01 --reason 'release of 10:31'"
    )]
    Execute {
        /// Id of the dry run
        id: String,
        /// Reason, stored with the restore; default: that of the dry run
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        requester: RequesterArguments,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Cancel a restore that is a job; documents already written are not changed back
    #[command(after_help = "Example:\n  changefeed restore cancel 1795790400-5f3a9c01")]
    Cancel {
        /// Id of the restore
        id: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show the plan of an undo, ask for confirmation, and execute it
    #[command(after_help = "Example:\n  changefeed restore undo 1795790400-5f3a9c01 --dry-run")]
    Undo {
        /// Id of the restore
        id: String,
        #[command(flatten)]
        execution: ExecutionArguments,
    },
}

impl RestoreCommand {
    /// Whether the command only reads.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::List(_) | Self::Show { follow: false, .. } | Self::Items { .. })
    }
}

/// The headings of the options of a restore.
const DOCUMENTS: &str = "Which documents";
const STATE: &str = "To which state";

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("target").required(true)))]
pub struct RestoreArguments {
    /// Restore the document with this id; needs --pk or --partition-key
    #[arg(long, help_heading = DOCUMENTS)]
    pub id: Option<String>,
    /// Partition key value, if it is a single string; without --id, restore every document that has it
    #[arg(long, help_heading = DOCUMENTS)]
    pub pk: Option<String>,
    /// Partition key value as a JSON array of its components
    #[arg(long, value_name = "JSON", value_parser = parse_key, conflicts_with = "pk", help_heading = DOCUMENTS)]
    pub partition_key: Option<Key>,
    /// Restore documents that match, such as city_name=Davidson; if repeated, all must match
    #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse, help_heading = DOCUMENTS)]
    pub filters: Vec<Filter>,
    /// State that the filters match: the one to restore or the live one; default: target
    #[arg(long, value_enum, requires = "filters", help_heading = DOCUMENTS)]
    pub filter_on: Option<FilterOnArgument>,
    /// Restore every document
    #[arg(long, help_heading = DOCUMENTS)]
    pub all: bool,
    /// Restore the newest version at or before this time
    #[arg(long, value_name = "TIME", group = "target", allow_hyphen_values = true, value_parser = time::parse, help_heading = STATE)]
    pub as_of: Option<TimeExpression>,
    /// Restore the newest version before this time
    #[arg(long, value_name = "TIME", group = "target", allow_hyphen_values = true, value_parser = time::parse, help_heading = STATE)]
    pub before: Option<TimeExpression>,
    /// Restore the version with this id, or the beginning of one; needs --id
    #[arg(long, group = "target", help_heading = STATE)]
    pub version: Option<String>,
    /// Undo what changed between two times, both included
    #[arg(
        long, value_names = ["FROM", "TO"], num_args = 2, group = "target", allow_hyphen_values = true,
        value_parser = time::parse, help_heading = DOCUMENTS)]
    pub changed_between: Vec<TimeExpression>,
    /// What happens to documents that changed after the window; default: conflict
    #[arg(long, value_enum, value_name = "HOW", requires = "changed_between", help_heading = STATE)]
    pub later_changes: Option<LaterChangesArgument>,
    /// With merge: a document that would keep a part of what changed in the window is a conflict
    #[arg(long, requires = "later_changes", help_heading = STATE)]
    pub strict: bool,
    /// With --changed-between: only versions of this actor
    #[arg(long, value_name = "NAME", requires = "changed_between", help_heading = DOCUMENTS)]
    pub actor: Option<String>,
    #[command(flatten)]
    pub fields: FieldArguments,
    /// Delete documents that are known not to have existed at that time
    #[arg(long, help_heading = EXECUTION)]
    pub delete_created_after: bool,
    /// Write into this existing container, of the same partition key, instead of the monitored one
    #[arg(long, value_name = "CONTAINER", help_heading = EXECUTION)]
    pub into: Option<String>,
    /// With --dry-run: store the plan, to execute it later exactly as it was shown
    #[arg(long, requires = "dry_run", help_heading = EXECUTION)]
    pub store: bool,
    /// Run as a job even if the restore is small
    #[arg(long, help_heading = EXECUTION)]
    pub job: bool,
    #[command(flatten)]
    pub execution: ExecutionArguments,
}

/// What happens to documents that were changed after the window.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LaterChangesArgument {
    // They are reported. Without doc comments, so that the help stays in its short form.
    Conflict,
    // They stay as they are.
    Keep,
    // They return to their state before the window.
    Overwrite,
    // They lose only what the window changed.
    Merge,
}

/// The state of a document that must match the filters.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FilterOnArgument {
    // The version to restore. Without a doc comment, so that the help stays in its short form.
    Target,
    // The live document.
    Live,
}

// Without doc comments, so that the help stays in its short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ActionName {
    Create,
    Replace,
    Merge,
    Delete,
    Unchanged,
    Kept,
    Unknown,
    Conflict,
    Failed,
}

impl From<ActionName> for Action {
    fn from(name: ActionName) -> Self {
        match name {
            ActionName::Create => Self::Create,
            ActionName::Replace => Self::Replace,
            ActionName::Merge => Self::Merge,
            ActionName::Delete => Self::Delete,
            ActionName::Unchanged => Self::Unchanged,
            ActionName::Kept => Self::Kept,
            ActionName::Unknown => Self::Unknown,
            ActionName::Conflict => Self::Conflict,
            ActionName::Failed => Self::Failed,
        }
    }
}
