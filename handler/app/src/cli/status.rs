//! `changefeed status`: containers, leases and retention.

use anyhow::{Result, bail};
use changefeed_cosmos::SourceName;
use changefeed_history::{ContainerState, ContainerStatus, Growth, RetentionStatus, Role};
use changefeed_processor::LeaseState;
use indicatif::DecimalBytes;

use super::exit_code::Exit;
use super::list::ListItem;
use super::output::{Output, OutputArguments, print_json, print_line, print_table};
use super::table::{Cell, Column};
use super::time;
use crate::config::{DATABASE, MODE};
use crate::feed::Feed;
use crate::service::command_of;
use crate::sources::Sources;
use crate::status::{BackupStatus, LeaseStatus, Status};

/// Shows containers and leases of all sources.
///
/// Ends with [`Exit::Found`] when a container is missing, leases have gaps or overlap, a lease makes no progress or is unreadable, or a backup is
/// overdue.
///
/// # Errors
/// When containers or leases cannot be read.
pub async fn run(sources: &Sources, arguments: &OutputArguments) -> Result<Exit> {
    let status = Status::read_all(sources).await;
    let (mut failed, mut found) = (false, false);
    for source in status.of_sources() {
        let is_missing = source.containers.iter().any(|container| matches!(container.state, ContainerState::Missing));
        let unread = source.containers.iter().any(|container| matches!(container.state, ContainerState::Failed { .. }));
        // A missing container also makes the leases unreadable. That is not another failure.
        failed |= unread || source.leases_error.is_some() && !is_missing;
        let is_overdue = source.backups.as_ref().is_some_and(|backups| backups.overdue_since.is_some());
        let is_flawed = is_missing || is_overdue || source.leases_gap.is_some() || source.leases_overlap.is_some();
        found |= is_flawed || source.leases.iter().any(|lease| lease.is_stuck || lease.error.is_some());
    }
    if arguments.output == Output::Json {
        print_json(&status)?;
    } else if let Some(message) = common_failure(&status) {
        print_connection(&status)?;
        bail!("{message}");
    } else {
        let mut first = status;
        let others = std::mem::take(&mut first.other_sources);
        print_status(first)?;
        for other in others {
            print_line("")?;
            print_status(other)?;
        }
    }
    match (failed, found) {
        (true, _) => bail!("could not read the whole status; see above"),
        (false, true) => Ok(Exit::Found),
        (false, false) => Ok(Exit::Done),
    }
}

/// The reason why no container can be read. The leases and the retention cannot be read for the same reason.
fn common_failure(status: &Status) -> Option<&str> {
    let messages = status.containers.iter().map(|container| match &container.state {
        ContainerState::Failed { message } => Some(message.as_str()),
        _ => None,
    });
    messages.collect::<Option<Vec<_>>>()?.first().copied()
}

fn print_connection(status: &Status) -> Result<()> {
    let setting = |name: &str| status.settings[name].as_str().unwrap_or_default();
    let source = status.source.as_ref().map(|source| format!("Source: {source}; ")).unwrap_or_default();
    print_line(&format!(
        "{source}Account: {}; database: {}; mode: {}",
        setting("connection"),
        setting(DATABASE.name),
        setting(MODE.name)
    ))
}

fn print_status(status: Status) -> Result<()> {
    print_connection(&status)?;
    let container = |container: ContainerStatus| {
        let (key, items, size) = match container.state {
            ContainerState::Ready { partition_key_paths, items, bytes } => (
                partition_key_paths.join(" "),
                items.map_or_else(|| "?".to_owned(), |items| items.to_string()),
                bytes.map(|bytes| DecimalBytes(bytes).to_string()).unwrap_or_default(),
            ),
            ContainerState::Missing => {
                (String::new(), "missing; create it with: changefeed provision".to_owned(), String::new())
            }
            ContainerState::Failed { message } => (String::new(), message, String::new()),
        };
        vec![role(container.role).to_owned(), container.name, key, items, size]
    };
    let header = [
        Column::fixed("Role"),
        Column::text("Container"),
        Column::text("Key"),
        Column::text("Items"),
        Column::fixed("Size").optional(1),
    ];
    print_table(&header, status.containers.into_iter().map(container))?;
    print_line("")?;
    print_table(&LeaseStatus::columns(), status.leases.iter().map(LeaseStatus::cells))?;
    let source = status.source.as_ref();
    if let Some(range) = status.leases_gap {
        let (consequence, command) = match range.feed {
            Feed::Capture | Feed::CaptureAllVersions => ("its changes are not captured", "leases repair"),
            Feed::Jobs => ("queued jobs do not start", "leases repair --jobs"),
        };
        let command = command_of(source, command);
        print_line(&format!("GAP: no lease covers range {range}, so {consequence}. To create one: {command}"))?;
    }
    if let Some(range) = status.leases_overlap {
        print_line(&format!(
            "OVERLAP: several leases cover range {range}, so its changes are delivered more than once"
        ))?;
    }
    if let Some(error) = status.leases_error {
        print_line(&format!("Could not read the leases: {error}"))?;
    }
    if status.has_unknown_identity {
        print_line(&format!(
            "Dead letters have changes of unknown documents. To capture them: {}",
            command_of(source, "verify --repair")
        ))?;
    }
    if let Some(backups) = &status.backups {
        print_line(&describe_backups(source, backups))?;
    }
    if let Some(error) = status.backups_error {
        print_line(&format!("Could not read the backup policy: {error}"))?;
    }
    status.growth.iter().try_for_each(|growth| print_line(&describe_growth(growth)))?;
    match (status.retention, status.retention_error) {
        (Some(retention), _) => print_line(&describe(&retention)),
        (None, Some(error)) => print_line(&format!("Could not read the retention status: {error}")),
        (None, None) => Ok(()),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Monitored => "monitored",
        Role::Changes => "changes",
        Role::Leases => "leases",
        Role::Jobs => "jobs",
        Role::DeadLetters => "dead letters",
    }
}

fn describe_backups(source: Option<&SourceName>, backups: &BackupStatus) -> String {
    let newest = backups.newest.as_ref();
    let newest = newest.map_or_else(
        || "No backup of the policy has succeeded yet".to_owned(),
        |newest| format!("The newest backup of the policy is of {}", time::of_text(newest)),
    );
    let overdue = backups.overdue_since.as_ref();
    let overdue = overdue.map(|since| {
        let command = command_of(source, "backup policy show");
        format!(". OVERDUE: one is due since {}. To see why: {command}", time::of_text(since))
    });
    let problem = backups.problem.as_ref().map(|problem| format!(". The last look at the policy failed: {problem}"));
    format!("{newest}{}{}", overdue.unwrap_or_default(), problem.unwrap_or_default())
}

fn describe_growth(growth: &Growth) -> String {
    let bytes = growth.bytes_per_day();
    let verb = if bytes < 0.0 { "shrinks" } else { "grows" };
    let size = DecimalBytes(bytes.abs() as u64);
    let cost =
        growth.request_units_per_day.map(|units| format!("; storing its versions costs about {units:.0} RU a day"));
    let hours = (growth.seconds as f64 / 3600.0).round();
    format!("The history {verb} by {size} a day, observed for {hours} h{}", cost.unwrap_or_default())
}

fn describe(retention: &RetentionStatus) -> String {
    let period = match retention.days {
        Some(days) => format!("Superseded versions are kept for {days} days"),
        None => "Versions are kept forever".to_owned(),
    };
    let removed = retention.complete_since.as_ref().map_or_else(String::new, |since| {
        format!(
            "; {} removed so far; the history is complete since {}",
            retention.removed_versions,
            time::of_text(since)
        )
    });
    let warning = retention.warning.as_ref().map_or_else(String::new, |warning| format!(". Warning: {warning}"));
    format!("{period}{removed}{warning}")
}

impl ListItem for LeaseStatus {
    const CSV: &'static [&'static str] = &[
        "feed",
        "mode",
        "leaseToken",
        "owner",
        "isFree",
        "lag",
        "lagSeconds",
        "lastWritten",
        "lastCheckpoint",
        "isStuck",
        "state",
        "reason",
        "unchangedSince",
        "undeliverable",
        "failure",
        "error",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Feed"),
            Column::text("Lease"),
            Column::text("Owner").optional(3),
            Column::number("Lag"),
            Column::number("Behind").optional(2),
            time::column("Last checkpoint").optional(1),
            Column::text("State"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let unknown = || "-".to_owned();
        vec![
            feed_name(self.feed).into(),
            self.lease_token.clone().into(),
            self.owner.clone().unwrap_or_else(unknown).into(),
            self.lag.map_or_else(unknown, |lag| lag.to_string()).into(),
            self.lag_seconds.map_or_else(unknown, |seconds| format!("{seconds} s")).into(),
            self.last_checkpoint.as_deref().map_or_else(unknown, time::text_in_column).into(),
            Cell::state(lease_state(self)),
        ]
    }
}

/// The name of a feed, with its mode if that is not the default one.
fn feed_name(feed: Feed) -> &'static str {
    if feed == Feed::CaptureAllVersions { "capture (all versions)" } else { feed.name() }
}

fn lease_state(lease: &LeaseStatus) -> String {
    if let (None, Some(error)) = (&lease.failure, &lease.error) {
        return format!("UNREADABLE: {error}");
    }
    let name = match lease.state {
        LeaseState::Ok => return "ok".to_owned(),
        LeaseState::Free => return "free".to_owned(),
        LeaseState::PossiblyStalled => "POSSIBLY STALLED",
        LeaseState::Stalled => "STALLED",
        LeaseState::ReadsFail => "READS FAIL",
        LeaseState::HandlerFails => "HANDLER FAILS",
        LeaseState::OwnerGone => "OWNER GONE",
    };
    let recorded = lease.failure.as_ref().map(|failure| &failure.since);
    let since = recorded.or(lease.unchanged_since.as_ref());
    let since = since.map_or_else(String::new, |since| format!(" since {}", time::of_text(since)));
    format!("{name}{since}: {}", lease.reason.as_deref().unwrap_or_default())
}
