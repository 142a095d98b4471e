//! `changefeed restore`: shows the plan, asks, executes.

use std::process::ExitCode;

use anyhow::Result;
use changefeed_cosmos::DocumentName;
use changefeed_jobs::JobState;
use changefeed_operations::RESTORE;
use changefeed_operations::{
    Action, Counts, FilterOn, Plan, PlannedItem, RestoreReport, RestoreRequest, Selection, Target, UndoRequest,
};

use super::UsageError;
use super::arguments::{FilterOnArgument, HowArguments, Output, RestoreArguments, RestoreCommand};
use super::confirm::confirm;
use super::output::{describe, print_json, print_line, print_table, time, version_time};
use super::restore_job::{Large, follow_to_end, items, print_left, run_large, show};
use crate::service::Service;

/// Done, but some documents had changed and were left alone.
const CONFLICTS: u8 = 3;

/// Puts documents back.
pub async fn run(service: &Service, command: &RestoreCommand) -> Result<ExitCode> {
    match command {
        RestoreCommand::Run(arguments) => {
            let request = request(arguments)?;
            let plan = if request.is_job() { None } else { service.changefeed.restores.plan(&request).await? };
            match plan {
                Some(plan) => execute(service, plan, &arguments.how).await,
                None => run_large(service, Large::Restore(Box::new(request)), &arguments.how).await,
            }
        }
        RestoreCommand::Undo { id, how } => {
            let request = UndoRequest {
                dry_run: how.dry_run,
                force: how.force,
                reason: how.reason.clone(),
                requested_by: how.requested_by.clone(),
                ru_per_second: how.ru_per_second,
            };
            match service.changefeed.restores.plan_undo(id, &request).await? {
                Some(plan) => execute(service, plan, how).await,
                None => run_large(service, Large::Undo(id.clone(), request), how).await,
            }
        }
        RestoreCommand::List(output) => {
            let list = service.changefeed.restores.list().await?;
            match output.output {
                Output::Json => print_json(&list)?,
                Output::Table => {
                    let text = |text: Option<String>| text.unwrap_or_default();
                    let rows = list.items.into_iter().map(|view| {
                        let record = view.record;
                        let undone = record.undone_by.map(|by| format!("undone by {by}"));
                        let undo = record.undo_of.map(|of| format!("undo of {of}"));
                        vec![
                            record.id,
                            record.started_at,
                            format!("{:?}", record.state).to_lowercase(),
                            summary(&record.counts, true),
                            text(record.requested_by),
                            text(record.reason),
                            text(undone.or(undo)),
                        ]
                    });
                    print_table(&["Id", "Started", "State", "Documents", "Who", "Why", ""], rows)?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        RestoreCommand::Show { id, follow, output } => {
            if *follow && !follow_to_end(service, id, output.output).await? {
                return Ok(ExitCode::FAILURE);
            }
            let view = service.changefeed.restores.show(id).await?;
            show(&view, output.output)?;
            if *follow && output.output == Output::Table && view.continuation.is_some() {
                print_left(service, &view.record).await?;
            }
            Ok(if *follow { exit_code(view.record.state) } else { ExitCode::SUCCESS })
        }
        RestoreCommand::Items { id, output } => {
            items(service, id, output.output).await?;
            Ok(ExitCode::SUCCESS)
        }
        RestoreCommand::Cancel { id, output } => {
            service.changefeed.jobs.cancel(RESTORE, id).await?;
            show(&service.changefeed.restores.show(id).await?, output.output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn usage(message: &'static str) -> anyhow::Error {
    anyhow::Error::new(UsageError(message))
}

fn request(arguments: &RestoreArguments) -> Result<RestoreRequest> {
    let key = arguments.pk.as_ref().map(changefeed_cosmos::Key::text).or_else(|| arguments.partition_key.clone());
    let selection = match (&arguments.id, key, arguments.filters.as_slice(), arguments.all) {
        (Some(id), Some(partition_key), [], false) => {
            Selection::Documents(vec![DocumentName { id: id.clone(), partition_key }])
        }
        (Some(_), None, ..) => return Err(usage("--id needs --pk or --partition-key")),
        (None, Some(key), [], false) => Selection::Partition(key),
        (None, None, [], true) => Selection::All,
        (None, None, filters @ [_, ..], false) => {
            let on = match arguments.filter_on {
                Some(FilterOnArgument::Live) => FilterOn::Live,
                Some(FilterOnArgument::Target) | None => FilterOn::Target,
            };
            Selection::Filter { filters: filters.to_vec(), on }
        }
        _ => {
            return Err(usage(
                "give exactly one of: --id with --pk or --partition-key; --pk or --partition-key; --filter; --all",
            ));
        }
    };
    let target = match (arguments.as_of, arguments.before, &arguments.version, &selection) {
        (Some(moment), None, None, _) => Target::AsOf(moment),
        (None, Some(moment), None, _) => Target::Before(moment),
        (None, None, Some(version), Selection::Documents(_)) => Target::Version(version.clone()),
        (None, None, Some(_), _) => return Err(usage("--version goes with --id")),
        _ => return Err(usage("give exactly one of --as-of, --before and --version")),
    };
    Ok(RestoreRequest {
        selection,
        target,
        dry_run: arguments.how.dry_run,
        force: arguments.how.force,
        delete_created_after: arguments.delete_created_after,
        into: arguments.into.clone(),
        reason: arguments.how.reason.clone(),
        requested_by: arguments.how.requested_by.clone(),
        job: arguments.job,
        ru_per_second: arguments.how.ru_per_second,
    })
}

async fn execute(service: &Service, plan: Plan, how: &HowArguments) -> Result<ExitCode> {
    let counts = Counts::of(&plan.items);
    let people = how.output.output == Output::Table;
    if people {
        print_items(&plan.items)?;
        print_line(&summary(&counts, false))?;
    }
    if how.dry_run || counts.writes() == 0 {
        if !people {
            print_json(&plan.report())?;
        }
        return Ok(planned_exit_code(&counts));
    }
    if !how.yes {
        confirm(&format!("Write {} documents?", counts.writes()), "nothing was written")?;
    }
    let report = service.changefeed.restores.execute(plan).await?;
    if people {
        print_report(&report)?
    } else {
        print_json(&report)?
    }
    Ok(exit_code(report.state))
}

fn print_report(report: &RestoreReport) -> Result<()> {
    let left: Vec<PlannedItem> =
        report.items.iter().filter(|item| matches!(item.action, Action::Conflict | Action::Failed)).cloned().collect();
    if !left.is_empty() {
        print_items(&left)?;
    }
    let id = report.id.as_deref().unwrap_or_default();
    print_line(&format!("Restore {id}: {} for {:.0} RU", summary(&report.counts, true), report.request_charge))?;
    if report.counts.writes() == 0 {
        return Ok(());
    }
    print_line(&format!("To undo it: changefeed restore undo {id}"))
}

pub fn print_items(items: &[PlannedItem]) -> Result<()> {
    let row = |item: &PlannedItem| {
        let what = item.message.clone().unwrap_or_else(|| describe(&item.changes));
        let line = item.backup_line.as_ref().map(|line| format!("{}, line {}", line.file, line.number));
        let back_to = item.version.as_deref().and_then(version_time).map(time).or(line).unwrap_or_default();
        vec![
            item.id.clone(),
            item.partition_key.to_string(),
            format!("{:?}", item.action).to_lowercase(),
            back_to,
            what,
        ]
    };
    print_table(&["Id", "Partition key", "Action", "Back to", "What changes"], items.iter().map(row))
}

/// The counts in words: what is to be done, or was.
pub fn summary(counts: &Counts, done: bool) -> String {
    let [create, replace, delete] =
        if done { ["created", "replaced", "deleted"] } else { ["to create", "to replace", "to delete"] };
    let parts = [
        (counts.create, create),
        (counts.replace, replace),
        (counts.delete, delete),
        (counts.unchanged, "unchanged"),
        (counts.unknown, "unknown"),
        (counts.conflict, "in conflict"),
        (counts.failed, "failed"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if parts.is_empty() { "no documents".to_owned() } else { parts.join(", ") }
}

/// The exit code of a plan: that of a run in which everything that is planned to be written is.
pub fn planned_exit_code(counts: &Counts) -> ExitCode {
    exit_code(match counts {
        Counts { failed: 1.., .. } => JobState::Failed,
        Counts { conflict: 1.., .. } => JobState::Conflicts,
        _ => JobState::Done,
    })
}

pub fn exit_code(state: JobState) -> ExitCode {
    match state {
        JobState::Failed => ExitCode::FAILURE,
        JobState::Conflicts | JobState::Findings => ExitCode::from(CONFLICTS),
        JobState::Cancelled => ExitCode::FAILURE,
        JobState::Planned | JobState::Queued | JobState::Running | JobState::Done => ExitCode::SUCCESS,
    }
}
