//! `changefeed switch-mode`: changes the change feed mode of the capture without missing a change. It looks at what is there, and says
//! which step is next.

mod record;
mod steps;

use std::time::Duration;

use anyhow::Result;
use changefeed_processor::ChangeFeedMode;
use clap::Args;
use serde_json::json;

use self::steps::{Step, StepState, look, remove_former_leases};
use super::confirm::{Prompt, confirm};
use super::exit_code::Exit;
use super::list::{ListItem, ListOutput, print_list};
use super::output::print_line;
use super::table::{Cell, Column};
use crate::service::Service;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(
    after_help = "Run it again after each step, until it says that nothing is left to do.\n\nExample:\n  changefeed switch-mode --to AllVersionsAndDeletes"
)]
pub struct SwitchModeArguments {
    /// Mode to switch to: AllVersionsAndDeletes or LatestVersion
    #[arg(long)]
    to: ChangeFeedMode,
    /// Longest time to wait for what needs no command: leases get owners, capture catches up; in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    wait: u64,
    /// Remove the leases of the former mode without asking, as the last step
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: ListOutput,
}

/// Prints the steps. Ends with [`Exit::Found`] while a step is left.
pub async fn run(service: &Service, arguments: &SwitchModeArguments) -> Result<Exit> {
    let until = tokio::time::Instant::now() + Duration::from_secs(arguments.wait);
    let mut steps = look(service, arguments.to).await?;
    while steps.iter().any(|step| step.state == StepState::Waits) && tokio::time::Instant::now() < until {
        tokio::time::sleep(PAUSE).await;
        steps = look(service, arguments.to).await?;
    }
    if steps.last().is_some_and(|last| last.state == StepState::Next && remove(service, arguments, last)) {
        remove_former_leases(service, arguments.to).await?;
        steps = look(service, arguments.to).await?;
    }
    let is_done = steps.iter().all(|step| step.state == StepState::Done);
    print_list(arguments.output.format, &json!({ "items": steps }), &steps)?;
    if arguments.output.format.is_table() {
        let next = steps.iter().find(|step| step.state != StepState::Done);
        match next {
            None => print_line(&format!("\nThe capture is in {} mode. Nothing is left to do.", arguments.to))?,
            Some(step) => {
                print_line(&format!("\nNext, {}:", step.name))?;
                for line in &step.actions {
                    print_line(&format!("  {line}"))?;
                }
                let command = service.command(&format!("switch-mode --to {}", arguments.to));
                print_line(&format!("Then: {command}"))?;
            }
        }
    }
    Ok(if is_done { Exit::Done } else { Exit::Found })
}

/// Whether the leases of the former mode are to be removed now.
fn remove(service: &Service, arguments: &SwitchModeArguments, step: &Step) -> bool {
    let prompt = Prompt {
        container: &service.settings().names.leases,
        question: format!("{}. Remove them?", step.found),
        declined: "nothing was removed",
    };
    // Without a terminal, or with another answer, the step stays the next one.
    arguments.yes || (arguments.output.format.is_table() && confirm(service.settings(), prompt).is_ok())
}

impl ListItem for Step {
    const CSV: &'static [&'static str] = &["name", "state", "found", "actions"];

    fn columns() -> Vec<Column> {
        vec![Column::text("Step"), Column::fixed("State"), Column::text("Found")]
    }

    fn cells(&self) -> Vec<Cell> {
        let state = match self.state {
            StepState::Done => "done",
            StepState::Next => "NEXT",
            StepState::Waits => "waits",
            StepState::Later => "later",
        };
        vec![self.name.into(), Cell::state(state), self.found.clone().into()]
    }
}
