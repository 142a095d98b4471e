//! `changefeed retention`: counts what has expired, asks, and removes it.

use anyhow::Result;
use changefeed_history::{SweepReport, SweepRequest, SweepState};
use chrono::Utc;

use super::arguments::{Output, RetentionArguments};
use super::confirm::confirm;
use super::output::{print_json, print_line, time};
use crate::service::Service;

/// Removes versions that have expired.
pub async fn run(service: &Service, arguments: &RetentionArguments) -> Result<()> {
    let sweep = |dry_run| SweepRequest { now: Utc::now(), dry_run, time_limit: None };
    let people = arguments.output.output == Output::Table;
    if arguments.dry_run || !arguments.yes {
        let plan = service.changefeed.retention.sweep(&sweep(true)).await?;
        if arguments.dry_run || plan.versions == 0 {
            return if people { print_line(&summary(&plan)) } else { print_json(&plan) };
        }
        if people {
            print_line(&summary(&plan))?;
        }
        confirm(&format!("Remove {} versions for good?", plan.versions), "nothing was removed")?;
    }
    let report = service.changefeed.retention.sweep(&sweep(false)).await?;
    if people { print_line(&summary(&report)) } else { print_json(&report) }
}

fn summary(report: &SweepReport) -> String {
    let (Some(days), Some(until)) = (report.retention_days, report.superseded_until) else {
        return "CHANGEFEED_RETENTION_DAYS is not set: everything is kept".to_owned();
    };
    let done = if report.dry_run {
        format!("{} versions have expired", report.versions)
    } else {
        format!("{} versions removed for {:.0} RU", report.versions, report.request_charge)
    };
    let end = match report.state {
        SweepState::Yielded => "; another sweep is at work and goes on",
        SweepState::OutOfTime => "; there may be more",
        SweepState::Done | SweepState::Off => "",
    };
    format!("{done}: superseded not after {}, {days} days and an hour ago{end}", time(until))
}
