//! `changefeed doctor`: checks everything that an app needs, and says what to do about each problem.

use anyhow::Result;
use changefeed_cosmos::{Error, Key, SourceName};
use changefeed_history::{ContainerState, Role};
use changefeed_jobs::new_id;
use changefeed_processor::ChangeFeedMode;
use chrono::Utc;
use futures::TryStreamExt;
use futures::future::join_all;
use serde::Serialize;
use serde_json::json;

use super::exit_code::Exit;
use super::list::{ListItem, ListOutput, print_list};
use super::output::print_line;
use super::source::TriggerOf;
use super::table::{Cell, Column};
use crate::feed::Feed;
use crate::service::Service;
use crate::sources::Sources;
use crate::status::Status;

/// Seconds after which the service removes the item that is written to find out whether this is allowed.
const PROBE_TTL: u64 = 60;
/// Seconds by which the clock of this machine may differ from the service's.
const MAX_CLOCK_DIFFERENCE: i64 = 300;

/// What was checked, and what was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    /// The source, if the app has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceName>,
    name: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What to do; absent if the check is ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Ok,
    /// It works, and could be better.
    Advice,
    Problem,
    /// It could not be checked because of an earlier problem.
    NotChecked,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { source: None, name, state: State::Ok, found: found.into(), advice: None }
    }

    fn problem(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { source: None, name, state: State::Problem, found: found.into(), advice: Some(advice.into()) }
    }

    fn advice(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Advice, ..Self::problem(name, found, advice) }
    }

    fn not_checked(name: &'static str) -> Self {
        let found = "because of a problem above".to_owned();
        Self { source: None, name, state: State::NotChecked, found, advice: None }
    }
}

/// Checks the app, each source of it. Ends with [`Exit::Found`] when there is a problem.
pub async fn run(sources: &Sources, arguments: &ListOutput) -> Result<Exit> {
    let of_sources = join_all(sources.all().map(async |service| {
        let of_source = |check| Check { source: service.named_source().cloned(), ..check };
        let mut checks = checks(service).await;
        checks.extend(trigger(service));
        checks.into_iter().map(of_source).collect::<Vec<_>>()
    }));
    let checks: Vec<Check> = of_sources.await.into_iter().flatten().collect();
    let service = sources.first();
    let has_problem = checks.iter().any(|check| check.state == State::Problem);
    if arguments.format.is_table() {
        let names = &service.settings().names;
        print_line(&format!("{}; database {}", service.settings().connection, names.database))?;
    }
    print_list(arguments.format, &json!({ "items": checks }), &checks)?;
    Ok(if has_problem { Exit::Found } else { Exit::Done })
}

impl ListItem for Check {
    const CSV: &'static [&'static str] = &["source", "name", "state", "found", "advice"];

    fn columns() -> Vec<Column> {
        vec![Column::fixed("Check"), Column::fixed("State"), Column::text("Found"), Column::text("What to do")]
    }

    fn cells(&self) -> Vec<Cell> {
        let state = match self.state {
            State::Ok => "ok",
            State::Advice => "advice",
            State::Problem => "PROBLEM",
            State::NotChecked => "not checked",
        };
        let advice = self.advice.clone().unwrap_or_default();
        let name = match &self.source {
            Some(source) => format!("{source}: {}", self.name),
            None => self.name.to_owned(),
        };
        vec![name.into(), Cell::state(state), self.found.clone().into(), advice.into()]
    }
}

async fn checks(service: &Service) -> Vec<Check> {
    let status = Status::read(service).await;
    let mut checks = containers(&status);
    if checks.iter().any(|check| check.state == State::Problem) {
        let others = [
            "index",
            "capture rules",
            "permissions",
            "clock",
            "regions",
            "mode",
            "leases",
            "retention",
            "backups",
            "dead letters",
        ];
        checks.extend(others.map(Check::not_checked));
        return checks;
    }
    checks.extend([
        index(service).await,
        capture_rules(service).await,
        permissions(service).await,
        clock(service).await,
        regions(service).await,
        mode(service, &status).await,
        leases(service, &status),
        retention(&status),
        backups(service, &status),
        dead_letters(service, &status),
    ]);
    checks
}

/// Whether the function that the host calls with the changes of a source with a name reads its container with its leases. Only the folder of
/// the app shows it.
fn trigger(service: &Service) -> Option<Check> {
    const NAME: &str = "trigger";
    let (settings, feed) = (service.settings(), Feed::captured_in(service.settings().mode));
    let folder = settings.app_root.as_deref().filter(|_| !settings.source.is_default())?;
    let function = settings.function(feed);
    let expected = TriggerOf { monitored: &settings.names.monitored, lease_prefix: settings.lease_prefix(feed) };
    Some(match expected.differs_from(folder, &function) {
        None => Check::ok(NAME, format!("{function} reads {}", settings.names.monitored)),
        Some(found) => Check::problem(NAME, found, format!("run changefeed source add {}", settings.source)),
    })
}

/// The connection and the containers.
fn containers(status: &Status) -> Vec<Check> {
    let states = status.containers.iter().map(|container| (&container.name, &container.state));
    let (mut missing, mut failed) = (Vec::new(), Vec::new());
    for (name, state) in states {
        match state {
            ContainerState::Ready { .. } => {}
            ContainerState::Missing => missing.push(name.as_str()),
            ContainerState::Failed { message } => failed.push(message.as_str()),
        }
    }
    let connection = match failed.first() {
        None => Check::ok("connection", "the account answers"),
        Some(message) => {
            Check::problem("connection", *message, "check the connection string or the identity, and the network")
        }
    };
    let containers = match missing.as_slice() {
        _ if !failed.is_empty() => Check::not_checked("containers"),
        [] => Check::ok("containers", "all exist"),
        missing => Check::problem("containers", format!("missing: {}", missing.join(", ")), "run changefeed provision"),
    };
    vec![connection, containers]
}

async fn index(service: &Service) -> Check {
    let mut missing = Vec::new();
    for role in [Role::Changes, Role::Jobs, Role::DeadLetters] {
        match service.changefeed.containers.missing_indexes(role).await {
            Ok(paths) => missing.extend(paths),
            Err(error) => {
                return Check::problem(
                    "index",
                    error.to_string(),
                    "let the app read the definitions of its containers",
                );
            }
        }
    }
    if missing.is_empty() {
        return Check::ok("index", "all paths of queries are indexed");
    }
    Check::problem("index", format!("not indexed: {}", missing.join(", ")), "run changefeed provision --update-index")
}

/// What is never stored in the history, and whether the partition key allows it.
async fn capture_rules(service: &Service) -> Check {
    const NAME: &str = "capture rules";
    if let Err(error) = service.changefeed.history.rules().await {
        return Check::problem(
            NAME,
            error.to_string(),
            "correct the setting of omitted fields, or of the capture filter",
        );
    }
    let rules = &service.settings().capture_rules;
    let omitted: Vec<String> = rules.omitted().fields().iter().map(ToString::to_string).collect();
    let omitted = (!omitted.is_empty()).then(|| format!("never stored: {}", omitted.join(", ")));
    let filter = rules.filter().map(|filter| format!("captured: documents with {}", filter.text()));
    let found: Vec<String> = omitted.into_iter().chain(filter).collect();
    Check::ok(NAME, if found.is_empty() { "everything is captured".to_owned() } else { found.join("; ") })
}

/// Reads the monitored container, and writes an item that expires into the jobs container.
async fn permissions(service: &Service) -> Check {
    let containers = &service.changefeed.containers;
    let probe = async {
        let monitored = containers.of(Role::Monitored).open().await?;
        let query = "SELECT TOP 1 VALUE 1 FROM c";
        let mut first = monitored.select_few::<serde_json::Value>(query, &serde_json::Map::new(), None, 1).await?;
        first.try_next().await?;
        let id = format!("doctor-{}", new_id(Utc::now()));
        let item = json!({"id": id, "kind": "doctor", "ttl": PROBE_TTL});
        containers.of(Role::Jobs).open().await?.upsert(&Key::text(&id), &id, &item).await?;
        Ok::<_, Error>(())
    };
    match probe.await {
        Ok(()) => Check::ok("permissions", "the data of the containers can be read and written"),
        Err(error) => Check::problem(
            "permissions",
            error.to_string(),
            "give the identity the role Cosmos DB Built-in Data Contributor on the database",
        ),
    }
}

async fn clock(service: &Service) -> Check {
    match service.changefeed.history.clock().second().await {
        Err(error) => Check::problem("clock", error.to_string(), "let the app write the container of the jobs"),
        Ok(second) => {
            let difference = Utc::now().timestamp() - second;
            if difference.abs() <= MAX_CLOCK_DIFFERENCE {
                return Check::ok("clock", format!("within {} s of the service's", difference.abs().max(1)));
            }
            let found = format!("this machine's clock differs by {difference} s from the service's");
            Check::problem("clock", found, "set the clock of this machine; the retention refuses to run")
        }
    }
}

/// Whether one region takes writes, so that the versions have an order.
async fn regions(service: &Service) -> Check {
    let read = async { service.changefeed.containers.account().client().await?.has_several_write_regions().await };
    match read.await {
        Ok(false) => Check::ok("regions", "one region takes writes"),
        Ok(true) => Check::advice(
            "regions",
            "several regions take writes: the versions of different regions have no common order, and the loser of a conflict may have no version",
            "let one region of the account take writes, or write each document in one region only",
        ),
        Err(error) => Check::problem("regions", error.to_string(), "check the network between the app and the account"),
    }
}

/// Whether the account has the mode that sees every version and every delete.
async fn mode(service: &Service, status: &Status) -> Check {
    let mode = status.mode.as_deref().and_then(|mode| mode.parse().ok()).unwrap_or(service.settings().mode);
    let available = service.has_all_versions().await;
    let to_all_versions = service.command("switch-mode --to AllVersionsAndDeletes");
    match (mode, available) {
        (ChangeFeedMode::AllVersionsAndDeletes, Ok(())) => {
            Check::ok("mode", "AllVersionsAndDeletes: every version and delete")
        }
        (ChangeFeedMode::AllVersionsAndDeletes, Err(error)) => Check::problem(
            "mode",
            format!("capture is in AllVersionsAndDeletes mode, and the account does not have it: {error}"),
            format!(
                "turn on continuous backup for the account, or: {}",
                service.command("switch-mode --to LatestVersion")
            ),
        ),
        (ChangeFeedMode::LatestVersion, Ok(())) => Check::advice(
            "mode",
            "LatestVersion: no deletes, and changes in quick succession are one version",
            format!("the account has AllVersionsAndDeletes mode; use it: {to_all_versions}"),
        ),
        (ChangeFeedMode::LatestVersion, Err(_)) => Check::advice(
            "mode",
            "LatestVersion: no deletes, and changes in quick succession are one version",
            format!("turn on continuous backup for the account, then: {to_all_versions}"),
        ),
    }
}

fn leases(service: &Service, status: &Status) -> Check {
    let run = |words: &str| format!("run {}", service.command(words));
    if let Some(error) = &status.leases_error {
        return Check::problem("leases", error, run("status"));
    }
    if let Some(range) = &status.leases_gap {
        return Check::problem("leases", format!("no lease covers range {range}"), run("leases repair"));
    }
    if let Some(range) = &status.leases_overlap {
        return Check::problem("leases", format!("several leases cover range {range}"), run("status"));
    }
    if let Some(lease) = status.leases.iter().find(|lease| lease.is_stuck || lease.error.is_some()) {
        let reason = lease.reason.as_ref().or(lease.error.as_ref());
        let found =
            format!("lease {} of {}: {}", lease.lease_token, lease.feed.name(), reason.map_or("stuck", String::as_str));
        return Check::problem("leases", found, run("status") + ", and see docs/troubleshooting.md");
    }
    if status.leases.is_empty() {
        return Check::advice(
            "leases",
            "there are none",
            "start the function app or changefeed process: nothing is captured yet",
        );
    }
    Check::ok("leases", format!("{} leases make progress", status.leases.len()))
}

fn retention(status: &Status) -> Check {
    match (&status.retention, &status.retention_error) {
        (_, Some(error)) => Check::problem("retention", error, "let the app read the container of the jobs"),
        (Some(retention), None) => match (&retention.warning, retention.days) {
            (Some(warning), _) => Check::problem("retention", warning, "check the function Retention"),
            (None, Some(days)) => Check::ok("retention", format!("superseded versions are kept for {days} days")),
            (None, None) => Check::advice(
                "retention",
                "versions are kept forever",
                "set CHANGEFEED_RETENTION_DAYS, unless that is what you want",
            ),
        },
        (None, None) => Check::not_checked("retention"),
    }
}

/// Whether the backups of the policy are taken.
fn backups(service: &Service, status: &Status) -> Check {
    let advice = format!(
        "look at it: {}; and at the log of the function BackupPolicy or of changefeed process",
        service.command("backup policy show")
    );
    if let Some(error) = &status.backups_error {
        return Check::problem("backups", error, "let the app read the container of the jobs");
    }
    let Some(backups) = &status.backups else {
        return Check::advice(
            "backups",
            "no backup policy is set: the history is only in the account that it protects",
            format!("set one: {}", service.command("backup policy set")),
        );
    };
    let newest = backups.newest.as_ref().map(|newest| format!("the newest is of {newest}"));
    let newest = newest.unwrap_or_else(|| "none has succeeded yet".to_owned());
    match (&backups.overdue_since, &backups.problem) {
        (Some(since), _) => Check::problem("backups", format!("one is overdue since {since}; {newest}"), advice),
        (None, Some(problem)) => Check::problem("backups", problem, advice),
        (None, None) => Check::ok("backups", newest),
    }
}

fn dead_letters(service: &Service, status: &Status) -> Check {
    if status.has_unknown_identity {
        return Check::problem(
            "dead letters",
            "some are changes of unknown documents",
            format!("run {}, then {}", service.command("verify --repair"), service.command("dead-letters replay")),
        );
    }
    let items = status.containers.iter().find_map(|container| match (container.role, &container.state) {
        (Role::DeadLetters, ContainerState::Ready { items, .. }) => *items,
        _ => None,
    });
    match items {
        Some(0) | None => Check::ok("dead letters", "none"),
        Some(items) => {
            let advice = format!("look at them: {}", service.command("dead-letters list"));
            Check::problem("dead letters", format!("{items} items"), advice)
        }
    }
}
