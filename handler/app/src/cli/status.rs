//! `changefeed status`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use changefeed_history::{ContainerState, RetentionStatus};

use super::arguments::{Output, OutputArguments};
use super::output::{print_json, print_line, print_table};
use crate::service::{LeaseStatus, Service, Status};

/// The exit code when leases leave something out or overlap, or one is stuck or cannot be read.
const FOUND: u8 = 3;

/// Shows containers and leases; fails when any of them cannot be read. A gap between leases, or one that is stuck, is
/// a finding.
pub async fn run(service: &Service, arguments: &OutputArguments) -> Result<ExitCode> {
    let status = service.status().await;
    let is_missing = status.containers.iter().any(|container| matches!(container.state, ContainerState::Missing));
    let failed = status.containers.iter().any(|container| matches!(container.state, ContainerState::Failed { .. }));
    // Leases need containers.
    let failed = failed || status.leases_error.is_some() && !is_missing;
    let is_flawed = status.leases_gap.is_some() || status.leases_overlap.is_some();
    let found = is_flawed || status.leases.iter().any(|lease| lease.is_stuck || lease.error.is_some());
    if arguments.output == Output::Json {
        print_json(&status)?;
    } else {
        print_status(status)?;
    }
    match (failed, found) {
        (true, _) => bail!("not everything can be read"),
        (false, true) => Ok(ExitCode::from(FOUND)),
        (false, false) => Ok(ExitCode::SUCCESS),
    }
}

fn print_status(status: Status) -> Result<()> {
    let container = |container: changefeed_history::ContainerStatus| {
        let (key, items) = match container.state {
            ContainerState::Ready { partition_key_paths, items } => {
                (partition_key_paths.join(" "), items.map_or_else(|| "?".to_owned(), |items| items.to_string()))
            }
            ContainerState::Missing => (String::new(), "missing: run changefeed provision".to_owned()),
            ContainerState::Failed { message } => (String::new(), message),
        };
        vec![format!("{:?}", container.role), container.name, key, items]
    };
    print_table(&["Role", "Container", "Key", "Items"], status.containers.into_iter().map(container))?;
    let unknown = || "-".to_owned();
    let rows = status.leases.into_iter().map(|lease| {
        let state = lease_state(&lease);
        let number = |number: Option<i64>| number.map_or_else(unknown, |number| number.to_string());
        vec![
            lease.feed.name().to_owned(),
            lease.lease_token,
            lease.owner.unwrap_or_else(unknown),
            number(lease.lag),
            lease.lag_seconds.map_or_else(unknown, |seconds| format!("{seconds} s")),
            lease.last_checkpoint.unwrap_or_else(unknown),
            state,
        ]
    });
    print_table(&["Feed", "Lease", "Owner", "Lag", "Behind", "Last checkpoint", "State"], rows)?;
    if let Some(range) = status.leases_gap {
        print_line(&format!(
            "GAP: no lease covers the range {range}; what changes there is not seen. To make one: changefeed leases repair"
        ))?;
    }
    if let Some(range) = status.leases_overlap {
        print_line(&format!("OVERLAP: more than one lease covers the range {range}; what changes there comes twice"))?;
    }
    if let Some(error) = status.leases_error {
        print_line(&format!("The leases cannot be read: {error}"))?;
    }
    match (status.retention, status.retention_error) {
        (Some(retention), _) => print_line(&describe(&retention)),
        (None, Some(error)) => print_line(&format!("How the retention is doing cannot be read: {error}")),
        (None, None) => Ok(()),
    }
}

fn describe(retention: &RetentionStatus) -> String {
    let kept = match retention.days {
        Some(days) => format!("Superseded versions are kept for {days} days"),
        None => "Versions are kept for ever".to_owned(),
    };
    let removed = retention.complete_since.as_ref().map_or_else(String::new, |since| {
        format!("; {} were removed so far, and the history is complete since {since}", retention.removed_versions)
    });
    let warning = retention.warning.as_ref().map_or_else(String::new, |warning| format!(". Warning: {warning}"));
    format!("{kept}{removed}{warning}")
}

fn lease_state(lease: &LeaseStatus) -> String {
    if let (None, Some(error)) = (&lease.failure, &lease.error) {
        return format!("UNREADABLE: {error}");
    }
    match (&lease.failure, lease.is_stuck, lease.is_free) {
        (Some(failure), ..) => format!("STUCK since {}: {}", failure.since, failure.message),
        (None, true, true) => "STUCK: nobody reads it".to_owned(),
        (None, true, false) => "STUCK: does not move forward".to_owned(),
        (None, false, true) => "free".to_owned(),
        (None, false, false) => "ok".to_owned(),
    }
}
