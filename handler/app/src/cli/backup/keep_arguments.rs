//! Which backups are kept, on the command line.

use clap::Args;

#[derive(Debug, Args)]
pub struct KeepArguments {
    /// Keep the newest backup of each of so many days
    #[arg(long, value_name = "COUNT")]
    pub keep_daily: Option<u32>,
    /// Keep the newest backup of each of so many weeks
    #[arg(long, value_name = "COUNT")]
    pub keep_weekly: Option<u32>,
    /// Keep the newest backup of each of so many months
    #[arg(long, value_name = "COUNT")]
    pub keep_monthly: Option<u32>,
}
