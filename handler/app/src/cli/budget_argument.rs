//! The budget of a job on the command line.

use clap::Args;

#[derive(Debug, Args)]
pub struct BudgetArgument {
    /// Limit in request units per second; default: CHANGEFEED_JOB_BUDGET
    #[arg(long, value_name = "RU")]
    pub ru_per_second: Option<f64>,
}
