//! `changefeed retention`: counts expired versions, asks for confirmation, and removes them.

use anyhow::Result;
use changefeed_history::{SweepReport, SweepState};
use chrono::Utc;
use clap::Args;

use super::confirm::{Prompt, confirm};
use super::exit_code::Exit;
use super::output::{Output, OutputArguments, print_json, print_line};
use super::time;
use crate::service::Service;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  changefeed retention --dry-run")]
pub struct RetentionArguments {
    /// Count expired versions and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not count first and do not ask for confirmation
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// Removes expired versions.
pub async fn run(service: &Service, arguments: &RetentionArguments) -> Result<Exit> {
    // No version expires between the question and the removal.
    let expired = service.changefeed.retention.expired(Utc::now).await?;
    let for_humans = arguments.output.output == Output::Table;
    let print = |report: &SweepReport| if for_humans { print_line(&summary(report)) } else { print_json(report) };
    if arguments.dry_run || !arguments.yes {
        let plan = expired.count().await?;
        if arguments.dry_run || plan.versions == 0 {
            print(&plan)?;
            return Ok(Exit::Done);
        }
        if for_humans {
            print_line(&summary(&plan))?;
        }
        let prompt = Prompt {
            container: &service.settings().names.changes,
            question: format!("Remove {} versions? This cannot be undone.", plan.versions),
            declined: "nothing was removed",
        };
        confirm(service.settings(), prompt)?;
    }
    let report = expired.remove().await?;
    print(&report)?;
    Ok(Exit::Done)
}

fn summary(report: &SweepReport) -> String {
    let (Some(days), Some(until)) = (report.retention_days, report.superseded_until) else {
        return "CHANGEFEED_RETENTION_DAYS is not set: all versions are kept".to_owned();
    };
    let done = if report.dry_run {
        format!("found {} expired versions", report.versions)
    } else {
        format!("removed {} expired versions for {:.0} RU", report.versions, report.request_charge)
    };
    let end = match report.state {
        SweepState::Yielded => "; another sweep is running and continues",
        SweepState::OutOfTime => "; more may have expired",
        SweepState::Done | SweepState::Off => "",
    };
    format!("{done}, superseded at or before {} ({days} days and 1 hour ago){end}", time::of_second(until))
}
