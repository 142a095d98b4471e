//! `changefeed backup prune`: shows which backups no rule keeps, asks for confirmation, and deletes them.

use std::time::Duration;

use anyhow::Result;
use changefeed_operations::{PruneAction, PruneOrder, PrunePlan, PruneReport};
use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use super::keep_arguments::KeepArguments;
use super::location::absolute;
use crate::cli::confirm::{Prompt, confirm};
use crate::cli::exit_code::Exit;
use crate::cli::output::{Output, OutputArguments, print_json, print_line};
use crate::cli::time;
use crate::service::Service;

/// Longer than a prune takes.
const TIME: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Args)]
pub struct PruneArguments {
    /// Folder or blob URL below which the backups are; default: the location of the policy, and what it keeps
    pub location: Option<String>,
    #[command(flatten)]
    pub keep: KeepArguments,
    /// Show the plan and delete nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Deletes the backups that no rule keeps and that no backup needs which is kept.
pub async fn run(service: &Service, arguments: &PruneArguments) -> Result<Exit> {
    let policies = &service.changefeed.backup_policy;
    let order = PruneOrder {
        location: arguments.location.as_deref().map(absolute).transpose()?,
        keep_daily: arguments.keep.keep_daily,
        keep_weekly: arguments.keep.keep_weekly,
        keep_monthly: arguments.keep.keep_monthly,
        ..PruneOrder::default()
    };
    let request = policies.prune_request(&order, &time::zone()).await?;
    let plan = policies.plan_prune(&request).await?;
    let for_humans = arguments.output.output == Output::Table;
    if for_humans {
        print_plan(&plan)?;
    }
    let (count, bytes) = (plan.deleted().count(), plan.deleted().filter_map(|folder| folder.bytes).sum::<u64>());
    if arguments.dry_run {
        if !for_humans {
            print_json(&json!({"items": plan.folders}))?;
        }
        return Ok(Exit::Done);
    }
    if !arguments.yes && count > 0 {
        let prompt = Prompt {
            container: &service.settings().names.monitored,
            question: format!(
                "Delete {count} backups, {}, in {}? This cannot be undone.",
                indicatif::HumanBytes(bytes),
                request.location
            ),
            declined: "nothing was deleted",
        };
        confirm(service.settings(), prompt)?;
    }
    let report = policies.prune(&request, &plan, Instant::now() + TIME).await?;
    if for_humans {
        print_report(&report)?
    } else {
        print_json(&report)?
    }
    Ok(Exit::Done)
}

fn print_plan(plan: &PrunePlan) -> Result<()> {
    let widest = plan.folders.iter().map(|folder| folder.name.chars().count()).max().unwrap_or(0);
    for folder in &plan.folders {
        let action = match folder.action {
            PruneAction::Keep => "keep",
            PruneAction::Leave => "leave",
            PruneAction::Delete => "delete",
        };
        print_line(&format!("{:widest$}  {action:6}  {}", folder.name, folder.reason))?;
    }
    Ok(())
}

fn print_report(report: &PruneReport) -> Result<()> {
    for folder in &report.protected {
        print_line(&format!("{} is protected: {}", folder.name, folder.message))?;
    }
    print_line(&format!("{report}, {}", indicatif::HumanBytes(report.bytes)))
}
