//! `changefeed restore`: shows the plan of a restore, asks for confirmation, and executes it.

mod arguments;
mod items;
mod joint;
mod large;

use anyhow::Result;
use changefeed_cosmos::{DocumentName, Key};
use changefeed_history::{LaterChanges, TimeExpression, VersionFilter, Window};
use changefeed_operations::RESTORE;
use changefeed_operations::{
    Action, Counts, ExecuteRequest, FilterOn, Plan, PlannedItem, RestoreItemsRequest, RestoreRecord, RestoreReport,
    RestoreRequest, Selection, Target, UndoRequest, WindowSelection,
};

pub use self::arguments::RestoreCommand;
use self::arguments::{FilterOnArgument, LaterChangesArgument, RestoreArguments};
use self::items::{describe_lag, print_items, summary};
pub use self::joint::run as run_joint;
pub use self::large::{Large, run_large};
use self::large::{execute_stored_plan, exit_of, finish, follow_to_end, print_unwritten, prompt, show};
use super::confirm::confirm;
use super::execution_arguments::ExecutionArguments;
use super::exit_code::{Exit, usage};
use super::list::{ListPage, ListWriter, print_pages};
use super::output::{Output, print_json, print_line};
use super::version_argument::find_version;
use crate::capture_lag::with_capture_lag;
use crate::service::Service;

/// Items of one page.
const PAGE_ITEMS: u32 = 100;

/// Runs, lists, shows, cancels or undoes restores.
pub async fn run(service: &Service, command: &RestoreCommand) -> Result<Exit> {
    match command {
        RestoreCommand::Run(arguments) => {
            let mut request = with_capture_lag(service, request(arguments)?).await;
            if let (Target::Version(given), Selection::Documents(documents)) = (&request.target, &request.selection)
                && let [document] = documents.as_slice()
            {
                request.target = Target::Version(find_version(service, document, given).await?.into());
            }
            let plan = if request.is_job() { None } else { service.changefeed.restores.plan(&request).await? };
            match plan {
                Some(plan) => execute(service, plan, &arguments.execution).await,
                None => run_large(service, Large::Restore(Box::new(request)), &arguments.execution).await,
            }
        }
        RestoreCommand::Undo { id, execution } => {
            let request = UndoRequest {
                dry_run: execution.dry_run,
                force: execution.force,
                reason: execution.reason.clone(),
                requested_by: execution.requester.name(),
                ru_per_second: execution.ru_per_second,
                key: None,
            };
            if !execution.dry_run
                && let Some(undo) = service.changefeed.restores.undo_of(id).await?
            {
                return show_earlier_undo(service, id, undo, execution.output.output).await;
            }
            match service.changefeed.restores.plan_undo(id, &request).await? {
                Some(plan) => execute(service, plan, execution).await,
                None => run_large(service, Large::Undo(id.clone(), request), execution).await,
            }
        }
        RestoreCommand::List(list) => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let page = service.changefeed.restores.list(&request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?;
            Ok(Exit::Done)
        }
        RestoreCommand::Show { id, follow, output } => {
            if *follow && !follow_to_end(service, id, output.output).await? {
                return Ok(Exit::Failed);
            }
            let view = service.changefeed.restores.show(id).await?;
            show(service, &view, output.output)?;
            if *follow && output.output == Output::Table && view.continuation.is_some() {
                print_unwritten(service, &view.record).await?;
            }
            Ok(if *follow { exit_of(&view) } else { Exit::Done })
        }
        RestoreCommand::Items { id, actions, list } => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let request = RestoreItemsRequest {
                    action: actions.iter().copied().map(Action::from).collect(),
                    max_items: request.max_items,
                    continuation: request.continuation,
                };
                let page = service.changefeed.restores.items_page(id, &request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?;
            Ok(Exit::Done)
        }
        RestoreCommand::Execute { id, reason, requester, yes, output } => {
            let request = ExecuteRequest { reason: reason.clone(), requested_by: requester.name() };
            execute_stored_plan(service, id, &request, *yes, output.output).await
        }
        RestoreCommand::Cancel { id, output } => {
            service.changefeed.jobs.cancel(RESTORE, id).await?;
            show(service, &service.changefeed.restores.show(id).await?, output.output)?;
            Ok(Exit::Done)
        }
    }
}

fn request(arguments: &RestoreArguments) -> Result<RestoreRequest> {
    let (selection, target) = match arguments.changed_between.as_slice() {
        [from, to] => window(arguments, *from, *to)?,
        _ => selection_and_target(arguments)?,
    };
    Ok(RestoreRequest {
        selection,
        target,
        fields: arguments.fields.only(),
        except_fields: arguments.fields.except(),
        dry_run: arguments.execution.dry_run,
        force: arguments.execution.force,
        delete_created_after: arguments.delete_created_after,
        into: arguments.into.clone(),
        reason: arguments.execution.reason.clone(),
        requested_by: arguments.execution.requester.name(),
        job: arguments.job,
        store: arguments.store,
        ru_per_second: arguments.execution.ru_per_second,
        capture_lag: None,
    })
}

/// The selection of a time window, and its target.
fn window(arguments: &RestoreArguments, from: TimeExpression, to: TimeExpression) -> Result<(Selection, Target)> {
    if arguments.id.is_some() || arguments.all || arguments.filter_on.is_some() || arguments.into.is_some() {
        return Err(usage("--changed-between can be used with --filter, --pk or --partition-key, and --actor"));
    }
    let strict_without_merge =
        arguments.strict && !matches!(arguments.later_changes, Some(LaterChangesArgument::Merge));
    if strict_without_merge {
        return Err(usage("--strict needs --later-changes merge"));
    }
    let (window, warning) = Window::new(Some(from), Some(to), chrono::Utc::now())
        .map_err(|message| usage(format!("--changed-between: {message}")))?;
    let selection = WindowSelection {
        versions: VersionFilter {
            filters: arguments.filters.clone(),
            actor: arguments.actor.clone(),
            ..VersionFilter::all(window)
        },
        partition: partition_key(arguments),
        later_changes: match arguments.later_changes {
            Some(LaterChangesArgument::Conflict) | None => LaterChanges::Conflict,
            Some(LaterChangesArgument::Keep) => LaterChanges::Keep,
            Some(LaterChangesArgument::Overwrite) => LaterChanges::Overwrite,
            Some(LaterChangesArgument::Merge) => LaterChanges::Merge,
        },
        strict: arguments.strict,
        warning,
    };
    Ok((Selection::Window(Box::new(selection)), Target::BeforeWindow(window)))
}

fn partition_key(arguments: &RestoreArguments) -> Option<Key> {
    arguments.pk.as_ref().map(Key::text).or_else(|| arguments.partition_key.clone())
}

fn selection_and_target(arguments: &RestoreArguments) -> Result<(Selection, Target)> {
    let key = partition_key(arguments);
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
                "give exactly one of: --id with --pk or --partition-key; --pk or --partition-key; --filter; --all; --changed-between",
            ));
        }
    };
    let target = match (arguments.as_of, arguments.before, &arguments.version, &selection) {
        (Some(moment), None, None, _) => Target::AsOf(moment),
        (None, Some(moment), None, _) => Target::Before(moment),
        (None, None, Some(version), Selection::Documents(_)) => Target::Version(version.clone()),
        (None, None, Some(_), _) => return Err(usage("--version needs --id")),
        _ => return Err(usage("give exactly one of --as-of, --before, --version and --changed-between")),
    };
    Ok((selection, target))
}

async fn execute(service: &Service, plan: Plan, execution: &ExecutionArguments) -> Result<Exit> {
    let counts = Counts::of(&plan.items);
    let for_humans = execution.output.output == Output::Table;
    if for_humans {
        print_items(&plan.items)?;
        print_line(&summary(&counts, false))?;
        plan.capture_lag.iter().try_for_each(|lag| print_line(&describe_lag(lag)))?;
        plan.warnings.iter().try_for_each(|warning| print_line(warning))?;
    }
    if execution.dry_run || counts.writes() == 0 {
        let report = plan.report();
        let exit = if report.message.is_some() { Exit::Found } else { Exit::of_plan(&counts) };
        match &report.message {
            _ if !for_humans => print_json(&report)?,
            Some(message) => print_line(message)?,
            None => {}
        }
        return Ok(exit);
    }
    if !execution.yes {
        confirm(service.settings(), prompt(service, &counts, plan.into.as_deref()))?;
    }
    let report = service.changefeed.restores.execute(plan).await?;
    print_report(service, &report, execution.output.output)?;
    Ok(Exit::of_job(report.state))
}

/// Shows an undo that was started before. Follows it if it is a job.
async fn show_earlier_undo(service: &Service, undone: &str, undo: RestoreRecord, output: Output) -> Result<Exit> {
    if output == Output::Table {
        print_line(&format!("Restore {undone} is undone by restore {}, which was started before", undo.id))?;
    }
    if undo.job.is_some() {
        return finish(service, &undo.id, output).await;
    }
    let report = undo.report();
    print_report(service, &report, output)?;
    Ok(Exit::of_job(report.state))
}

fn print_report(service: &Service, report: &RestoreReport, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(report);
    }
    let unwritten: Vec<PlannedItem> =
        report.items.iter().filter(|item| matches!(item.action, Action::Conflict | Action::Failed)).cloned().collect();
    if !unwritten.is_empty() {
        print_items(&unwritten)?;
    }
    let id = report.id.as_deref().unwrap_or_default();
    print_line(&format!("Restore {id}: {} for {:.0} RU", summary(&report.counts, true), report.request_charge))?;
    if report.counts.writes() == 0 {
        return Ok(());
    }
    print_line(&format!("To undo it: {}", service.command(&format!("restore undo {id}"))))
}
