//! `changefeed backup rehearse`: restores a backup into a container of its own, compares it, removes the container, and reports.

use anyhow::{Result, bail};
use changefeed_jobs::JobState;
use changefeed_operations::{Rehearsal, RehearsalReport};
use clap::Args;
use tokio::time::Instant;

use super::location::absolute;
use crate::cli::budget_argument::BudgetArgument;
use crate::cli::exit_code::{Exit, usage};
use crate::cli::follow::{Followed, Following, follow};
use crate::cli::output::{Output, OutputArguments, print_json, print_line};
use crate::cli::requester_arguments::RequesterArguments;
use crate::cli::standard_error::note;
use crate::jobs::worker;
use crate::service::Service;

#[derive(Debug, Args)]
pub struct RehearseArguments {
    /// A backup, with those beside it that it continues; or every backup of a chain in order; default: the newest of the policy
    pub locations: Vec<String>,
    /// Name of the container that is created and removed; default: changefeed-rehearsal- and a random number
    #[arg(long, value_name = "CONTAINER")]
    pub into: Option<String>,
    #[command(flatten)]
    pub budget: BudgetArgument,
    #[command(flatten)]
    pub requester: RequesterArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Restores, compares and removes. The container is removed after a failure, too.
pub async fn run(service: &Service, arguments: &RehearseArguments) -> Result<Exit> {
    let rehearsals = &service.changefeed.rehearsals;
    let locations = match arguments.locations.as_slice() {
        [] => match service.changefeed.backup_policy.show().await? {
            Some(view) => rehearsals.newest(&view.policy.to).await?,
            None => return Err(usage("no backup policy is set; name the location of a backup")),
        },
        [one] => rehearsals.chain(&absolute(one)?).await?,
        several => several.iter().map(|location| absolute(location)).collect::<Result<_>>()?,
    };
    let mut rehearsal = rehearsals.begin(locations, arguments.into.clone(), &worker()).await?;
    let output = arguments.output.output;
    if output == Output::Table {
        note(format!("Restoring {} into container {}", rehearsal.locations().join(", "), rehearsal.container()));
    }
    let rehearsed = rehearse(service, &mut rehearsal, arguments).await;
    let removed = rehearsals.end(&rehearsal).await;
    // What failed first is reported.
    let report = rehearsed?;
    removed?;
    match report {
        None => {
            note(format!("Stopped. Container {} was removed.", rehearsal.container()));
            Ok(Exit::Failed)
        }
        Some(report) => {
            print(&report, output)?;
            Ok(if report.different > 0 || report.unexpected > 0 { Exit::Found } else { Exit::Done })
        }
    }
}

/// Runs both jobs; no report after Ctrl-C.
async fn rehearse(
    service: &Service,
    rehearsal: &mut Rehearsal,
    arguments: &RehearseArguments,
) -> Result<Option<RehearsalReport>> {
    let rehearsals = &service.changefeed.rehearsals;
    let start = Instant::now();
    for (compare, action) in [(false, "Restoring"), (true, "Comparing")] {
        let requester = arguments.requester.name();
        let job = rehearsals.start(rehearsal, compare, arguments.budget.ru_per_second, requester).await?;
        let following =
            Following { id: &job.id, action, phase: None, for_humans: arguments.output.output == Output::Table };
        let renewing = async {
            loop {
                tokio::time::sleep(rehearsals.renew_interval()).await;
                if let Err(error) = rehearsals.renew(rehearsal).await {
                    if !error.is_transient() {
                        return error;
                    }
                    log::warn!("could not say that the rehearsal is alive: {error}");
                }
            }
        };
        let state = tokio::select! {
            followed = follow(service, following) => match followed? {
                Followed::Ended(state) => state,
                Followed::Detached => return Ok(None),
            },
            error = renewing => return Err(error.into()),
        };
        // A document that could not be written is a difference, which the comparison finds.
        let message = service.changefeed.jobs.job(&job.id).await?.job.message;
        if state == JobState::Cancelled || (state == JobState::Failed && message.is_some()) {
            let state = format!("{state:?}").to_lowercase();
            bail!("{} ended as {state}: {}", action.to_lowercase(), message.unwrap_or_default());
        }
    }
    Ok(Some(rehearsals.report(rehearsal, start.elapsed()).await?))
}

fn print(report: &RehearsalReport, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(report);
    }
    for item in &report.differences {
        let message = item.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        print_line(&format!(
            "{} {}  would be {}{message}",
            changefeed_cosmos::printable(&item.id),
            item.partition_key,
            format!("{:?}", item.action).to_lowercase()
        ))?;
    }
    let erased = if report.erased > 0 { format!(", {} erased", report.erased) } else { String::new() };
    print_line(&format!(
        "Rehearsal: {} documents restored, {} the same, {} different, {} unexpected{erased}, in {:.1} s for {:.0} RU; \
         container {} was removed",
        report.restored,
        report.same,
        report.different,
        report.unexpected,
        report.seconds,
        report.request_charge,
        report.container
    ))
}
