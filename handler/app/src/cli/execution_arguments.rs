//! How a restore or an undo is executed.

use clap::Args;

use super::output::OutputArguments;
use super::requester_arguments::RequesterArguments;

/// The heading of these options.
pub const EXECUTION: &str = "Execution";

/// How a restore or an undo is executed.
#[derive(Debug, Args)]
#[command(next_help_heading = EXECUTION)]
pub struct ExecutionArguments {
    /// Show the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite later changes, write inexact versions, and restore a window that is not fully captured
    #[arg(long)]
    pub force: bool,
    /// Reason, stored with the restore
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub requester: RequesterArguments,
    /// Do not ask for confirmation; a restore that runs as a job then shows no plan
    #[arg(long)]
    pub yes: bool,
    /// Limit in request units per second; runs the restore as a job; default of a job: CHANGEFEED_JOB_BUDGET
    #[arg(long, value_name = "RU")]
    pub ru_per_second: Option<f64>,
    #[command(flatten)]
    pub output: OutputArguments,
}
