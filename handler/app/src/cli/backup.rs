//! `changefeed backup`: writes backups and restores them.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use changefeed_backup_format::{BackupWriter, LocationAccess, unfinished_backup};
use changefeed_jobs::JobState;
use changefeed_operations::BACKUP;
use changefeed_operations::{BackupRequest, BackupView};
use changefeed_operations::{FilterOn, RestoreRequest, Selection, Target};

use super::arguments::Output;
use super::backup_arguments::{AsOfArgument, BackupCommand, CreateArguments, FromArguments};
use super::backup_verify;
use super::follow::{Followed, Following, follow};
use super::output::{print_json, print_line};
use super::restore::exit_code;
use super::restore_job::{Large, run_large};
use crate::config::{Settings, Source, places};
use crate::jobs::host;
use crate::service::Service;

/// How often a backup that is to end is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

/// Writes, reads and restores backups. Cosmos DB is not needed to look at one.
pub async fn run(source: &Source, command: &BackupCommand) -> Result<ExitCode> {
    let service = || Settings::read(source).map(Service::of_command);
    let access = || places(source).map(|places| LocationAccess { host: Some(host()), ..places });
    match command {
        BackupCommand::Create(arguments) => create(&service()?, arguments).await,
        BackupCommand::Restore(arguments) => restore(&service()?, arguments).await,
        BackupCommand::Verify { place, output } => backup_verify::verify(&access()?, place, output.output).await,
        BackupCommand::List { place, output } => backup_verify::list(&access()?, place, output.output).await,
        BackupCommand::Cancel { id, output } => {
            let service = service()?;
            service.changefeed.backups.show(id).await?;
            service.changefeed.jobs.cancel(BACKUP, id).await?;
            print(&service.changefeed.backups.show(id).await?, output.output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A place as it is stored: the whole path of a folder.
pub fn whole(place: &str) -> Result<String> {
    let place = if place.len() > 1 { place.trim_end_matches('/') } else { place };
    if place.contains("://") {
        return Ok(place.to_owned());
    }
    let path = std::path::absolute(place).with_context(|| format!("{place:?} is no place"))?;
    path.into_os_string().into_string().map_err(|_| anyhow::anyhow!("{place:?} is not UTF-8"))
}

async fn create(service: &Service, arguments: &CreateArguments) -> Result<ExitCode> {
    let request = BackupRequest {
        to: whole(&arguments.to)?,
        as_of: arguments.as_of.map(|as_of| as_of.moment),
        filter: arguments.filters.clone(),
        incremental_from: arguments.incremental_from.as_deref().map(whole).transpose()?,
        reason: arguments.reason.clone(),
        requested_by: arguments.requested_by.clone(),
        ru_per_second: arguments.ru_per_second,
    };
    let id = match under_way(service, &request, arguments.as_of, arguments.discard).await? {
        Some(id) => id,
        None => service.changefeed.backups.create_job(&request).await?.id,
    };
    let people = arguments.output.output == Output::Table;
    let following = Following { id: &id, action: "Backing up", phase: None, people };
    let followed = follow(service, following).await?;
    let view = service.changefeed.backups.show(&id).await?;
    if followed == Followed::Detached {
        match &view.only_on {
            Some(_) => eprintln!("To go on with it, give the same command again."),
            None => eprintln!("The backup goes on where RunJobs or `changefeed process` runs, or by the same command."),
        }
        eprintln!("To end it: changefeed backup cancel {id}");
        return Ok(ExitCode::FAILURE);
    }
    print(&view, arguments.output.output)?;
    Ok(exit_code(view.state))
}

/// The backup that goes on in a place; none when one can begin there.
async fn under_way(
    service: &Service,
    request: &BackupRequest,
    as_of: Option<AsOfArgument>,
    discard: bool,
) -> Result<Option<String>> {
    let place = service.settings().places.open(&request.to)?;
    let backups = service.changefeed.backups.list().await?.items;
    let unfinished = unfinished_backup(&place).await?;
    let is_here = |backup: &BackupView| {
        backup.place() == request.to || unfinished.as_ref().is_some_and(|unfinished| unfinished.id == backup.id)
    };
    let mut open = backups.into_iter().filter(|backup| !backup.state.is_end() && is_here(backup));
    if discard {
        for open in open {
            end(service, &open.id).await?;
        }
        if unfinished.is_some() {
            BackupWriter::discard(&place).await?;
        }
        return Ok(None);
    }
    let Some(open) = open.find(|backup| !backup.progress.cancelling) else {
        let Some(backup) = unfinished else { return Ok(None) };
        bail!("in {place} is backup {}, which was given up unfinished; give --discard to begin anew", backup.id);
    };
    let asked: BackupRequest = serde_json::from_value(open.request.clone()).context("reading a backup's request")?;
    let same_moment = match as_of {
        Some(AsOfArgument { is_relative: true, .. }) => asked.as_of.is_some(),
        _ => asked.as_of == request.as_of,
    };
    if !same_moment || asked.filter != request.filter || asked.incremental_from != request.incremental_from {
        bail!(
            "in {place} is backup {}, unfinished, of something else{}; give what was asked for then, or --discard to \
             begin anew",
            open.id,
            of(&open)
        );
    }
    eprintln!("Going on with backup {}, begun {}{}", open.id, open.started_at, of(&open));
    keep_budget(service, &open.id, request.ru_per_second).await?;
    Ok(Some(open.id))
}

/// Ends a backup: at once, or when its runner next saves it, or else when its runner may be taken for dead.
async fn end(service: &Service, id: &str) -> Result<()> {
    let mut is_told = false;
    loop {
        let job = service.changefeed.jobs.cancel(BACKUP, id).await?;
        if job.state.is_end() {
            return Ok(());
        }
        if let Some(claim) = job.job.claim.filter(|_| !is_told) {
            eprintln!("waiting for {}, which has backup {id} until {}", claim.by, claim.until);
            is_told = true;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Holds a backup that is gone on with to this budget, where that can be.
async fn keep_budget(service: &Service, id: &str, asked: Option<f64>) -> Result<()> {
    let job = match asked {
        Some(budget) => service.changefeed.jobs.set_budget(id, budget).await?,
        None => service.changefeed.jobs.job(id).await?,
    };
    if job.job.ru_per_second != asked {
        let kept = job.job.ru_per_second.map_or("none".to_owned(), |budget| format!("{budget} RU a second"));
        let why = if asked.is_some() { ", because somebody works on it" } else { "" };
        eprintln!("It keeps its budget{why}: {kept}");
    }
    Ok(())
}

/// The moment of a backup, to be added to a sentence; nothing for one of the live documents.
fn of(view: &BackupView) -> String {
    let as_of = &view.request["asOf"];
    as_of.as_str().map(|moment| format!(", as of {moment}")).unwrap_or_default()
}

fn print(view: &BackupView, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(view);
    }
    if let Some(message) = &view.progress.message {
        print_line(message)?;
    }
    let counts = &view.counts;
    let mut parts = vec![format!("{} documents", counts.documents)];
    let more = [
        (counts.deletions, "deletions"),
        (counts.unknown, "left out, because the history does not reach back to them"),
        (counts.inexact, "with date-time strings that may have been rewritten by the Functions host"),
    ];
    parts.extend(more.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")));
    let state = match view.state {
        JobState::Done => String::new(),
        state => format!("{}: ", format!("{state:?}").to_lowercase()),
    };
    print_line(&format!(
        "Backup {}: {state}{}{}, {} in {} for {:.0} RU",
        view.id,
        parts.join(", "),
        of(view),
        indicatif::HumanBytes(counts.bytes),
        view.place(),
        view.request_charge
    ))
}

async fn restore(service: &Service, arguments: &FromArguments) -> Result<ExitCode> {
    let selection = match arguments.filters.as_slice() {
        [] => Selection::All,
        filters => Selection::Filter { filters: filters.to_vec(), on: FilterOn::Target },
    };
    let places = arguments.places.iter().map(|place| whole(place)).collect::<Result<_>>()?;
    let how = &arguments.how;
    let request = RestoreRequest {
        selection,
        target: Target::Backup(places),
        dry_run: how.dry_run,
        force: how.force,
        delete_created_after: arguments.delete_created_after,
        into: arguments.into.clone(),
        reason: how.reason.clone(),
        requested_by: how.requested_by.clone(),
        job: true,
        ru_per_second: how.ru_per_second,
    };
    run_large(service, Large::Restore(Box::new(request)), how).await
}
