//! `changefeed backup policy`: sets, shows, removes and runs the policy.

mod arguments;
mod show;

use anyhow::Result;
use changefeed_operations::{BackupPolicy, PolicyEvent};
use serde_json::json;

pub use self::arguments::PolicyCommand;
use self::arguments::SetArguments;
use self::show::print;
use super::location::absolute;
use super::summary::print as print_backup;
use crate::backup_policy::look;
use crate::cli::exit_code::Exit;
use crate::cli::follow::{Followed, Following, follow};
use crate::cli::output::{Output, print_json, print_line};
use crate::cli::standard_error::note;
use crate::cli::time;
use crate::service::Service;

/// Sets, shows, removes or runs the policy.
pub async fn run(service: &Service, command: &PolicyCommand) -> Result<Exit> {
    match command {
        PolicyCommand::Set(arguments) => set(service, arguments).await,
        PolicyCommand::Show(output) => {
            show(service, output.output).await?;
            Ok(Exit::Done)
        }
        PolicyCommand::Remove(output) => {
            let was_set = service.changefeed.backup_policy.remove().await?;
            if was_set && output.output == Output::Table {
                print_line("The backup policy was removed. Its backups are not changed.")?;
            } else {
                print_not_set(output.output)?;
            }
            Ok(Exit::Done)
        }
        PolicyCommand::Run(output) => run_due(service, output.output).await,
    }
}

async fn set(service: &Service, arguments: &SetArguments) -> Result<Exit> {
    let policy = BackupPolicy {
        to: absolute(&arguments.to)?,
        every: arguments.every,
        at: arguments.at,
        time_zone: None,
        full_every: arguments.full_every,
        keep_daily: arguments.keep.keep_daily,
        keep_weekly: arguments.keep.keep_weekly,
        keep_monthly: arguments.keep.keep_monthly,
        digests: Some(!arguments.no_digests),
        ru_per_second: arguments.budget.ru_per_second,
        reason: arguments.reason.clone(),
        requested_by: arguments.requester.name(),
        unknown: serde_json::Map::new(),
    };
    print(&service.changefeed.backup_policy.set(policy, &time::zone()).await?, arguments.output.output)?;
    Ok(Exit::Done)
}

async fn show(service: &Service, output: Output) -> Result<()> {
    match service.changefeed.backup_policy.show().await? {
        Some(policy) => print(&policy, output),
        None => print_not_set(output),
    }
}

fn print_not_set(output: Output) -> Result<()> {
    match output {
        Output::Json => print_json(&json!({"policy": null})),
        Output::Table => print_line("No backup policy is set."),
    }
}

/// Starts the backup and the digests that are due, or takes part in those that are being written, and follows them to their end.
async fn run_due(service: &Service, output: Output) -> Result<Exit> {
    let for_humans = output == Output::Table;
    let look_once = async || {
        let look = look(service).await?;
        look.events.iter().for_each(|event| note(event.to_string()));
        anyhow::Ok(look)
    };
    let look = look_once().await?;
    let not_started = look.events.iter().any(|event| matches!(event, PolicyEvent::DigestsNotStarted(_)));
    let mut exit = if not_started { Exit::Failed } else { Exit::Done };
    let jobs = [(look.backup(), "Backing up"), (look.digests(), "Writing digests")];
    for (id, action) in jobs.into_iter().filter_map(|(id, action)| Some((id?, action))) {
        match follow(service, Following { id, action, phase: None, for_humans }).await? {
            Followed::Ended(state) if exit == Exit::Done => exit = Exit::of_job(state),
            Followed::Ended(_) => {}
            Followed::Detached => {
                note("To continue, run the same command again.");
                return Ok(Exit::Failed);
            }
        }
    }
    if look.unfinished().next().is_some() {
        // Notes how they have ended.
        look_once().await?;
    }
    match (output, look.backup()) {
        (Output::Json, _) => show(service, output).await?,
        (Output::Table, Some(id)) => print_backup(&service.changefeed.backups.show(id).await?, output)?,
        (Output::Table, None) => {}
    }
    Ok(exit)
}
