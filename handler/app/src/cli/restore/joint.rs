//! `changefeed restore` with several sources: a plan of each, one question, one record and one undo.

use anyhow::Result;
use changefeed_jobs::JobState;
use changefeed_operations::{ExecuteRequest, JointRestore, JointRestores, RestoreRequest, UndoRequest};

use super::arguments::RestoreCommand;
use super::items::{describe_lag, summary};
use super::large::{follow_to_end, print_unwritten, show};
use super::{PAGE_ITEMS, request};
use crate::capture_lag::with_capture_lag;
use crate::cli::confirm::{Prompt, confirm};
use crate::cli::exit_code::{Exit, usage};
use crate::cli::follow::{Followed, Following, follow};
use crate::cli::list::{ListItem, ListPage, ListWriter, print_pages};
use crate::cli::output::{Output, print_json, print_line};
use crate::cli::table::{Cell, Column};
use crate::cli::time;
use crate::service::Service;
use crate::sources::Sources;

/// Runs, lists, shows, cancels or undoes restores of these sources together.
pub async fn run(sources: &Sources, command: &RestoreCommand) -> Result<Exit> {
    let joint = Joint { sources, restores: sources.joint_restores()? };
    match command {
        RestoreCommand::Run(arguments) => {
            let request = RestoreRequest { dry_run: true, store: true, ..request(arguments)? };
            let mut requests = Vec::new();
            for service in sources.all() {
                requests.push((service.source().clone(), with_capture_lag(service, request.clone()).await));
            }
            let planned = Box::pin(joint.restores.plan(requests)).await?;
            let execution = &arguments.execution;
            joint.carry_out(planned, execution.dry_run, execution.yes, execution.output.output).await
        }
        RestoreCommand::Undo { id, execution } => {
            let output = execution.output.output;
            if !execution.dry_run
                && let Some(undo) = joint.restores.undo_of(id).await?
            {
                if output == Output::Table {
                    print_line(&format!("Restore {id} is undone by restore {}, which was started before", undo.id))?;
                }
                return joint.finish(&undo.id, output).await;
            }
            let request = UndoRequest {
                dry_run: true,
                force: execution.force,
                reason: execution.reason.clone(),
                requested_by: execution.requester.name(),
                ru_per_second: execution.ru_per_second,
                key: None,
            };
            let planned = Box::pin(joint.restores.undo(id, &request)).await?;
            joint.carry_out(planned, execution.dry_run, execution.yes, output).await
        }
        RestoreCommand::List(list) => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let page = joint.restores.list(&request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?;
            Ok(Exit::Done)
        }
        RestoreCommand::Show { id, follow, output } => {
            if *follow {
                return joint.finish(id, output.output).await;
            }
            let restore = joint.restores.show(id).await?;
            joint.print(&restore, output.output).await?;
            Ok(Exit::Done)
        }
        RestoreCommand::Items { id, .. } => {
            let restore = joint.restores.show(id).await?;
            let commands: Vec<String> = restore
                .restores()
                .filter_map(|(source, restore)| {
                    Some(sources.named(source.as_str()).ok()?.command(&format!("restore items {restore}")))
                })
                .collect();
            Err(usage(format!("the documents are listed for each source: {}", commands.join("; "))))
        }
        RestoreCommand::Execute { id, reason, requester, yes, output } => {
            let planned = joint.restores.show(id).await?;
            if planned.state == JobState::Planned && !yes {
                if output.output == Output::Table {
                    joint.print(&planned, Output::Table).await?;
                }
                joint.confirm(&planned)?;
            }
            let request = ExecuteRequest { reason: reason.clone(), requested_by: requester.name() };
            Box::pin(joint.restores.execute(id, &request)).await?;
            joint.finish(id, output.output).await
        }
        RestoreCommand::Cancel { id, output } => {
            let restore = joint.restores.cancel(id).await?;
            joint.print(&restore, output.output).await?;
            Ok(Exit::Done)
        }
    }
}

struct Joint<'a> {
    sources: &'a Sources,
    restores: JointRestores,
}

impl Joint<'_> {
    /// Follows the plans, shows them, asks, and executes them.
    async fn carry_out(&self, planned: JointRestore, dry_run: bool, yes: bool, output: Output) -> Result<Exit> {
        let for_humans = output == Output::Table;
        for (service, id) in self.of_sources(&planned)? {
            let following = Following { id, action: "Planning", phase: None, for_humans };
            if follow(service, following).await? == Followed::Detached {
                self.restores.cancel(&planned.id).await?;
                print_line("nothing was written")?;
                return Ok(Exit::Failed);
            }
        }
        let planned = self.restores.show(&planned.id).await?;
        let is_shown_only = dry_run || planned.counts.writes() == 0 || planned.state != JobState::Planned;
        if for_humans || is_shown_only {
            self.print(&planned, output).await?;
        }
        if is_shown_only {
            if for_humans && planned.state == JobState::Planned && planned.counts.writes() > 0 {
                print_line(&format!("To execute this plan: {}", self.command("execute", &planned.id)))?;
            }
            return Ok(exit_of(&planned));
        }
        if !yes {
            self.confirm(&planned)?;
        }
        Box::pin(self.restores.execute(&planned.id, &ExecuteRequest::default())).await?;
        self.finish(&planned.id, output).await
    }

    fn confirm(&self, planned: &JointRestore) -> Result<()> {
        let containers: Vec<&str> =
            self.sources.all().map(|service| service.settings().names.monitored.as_str()).collect();
        let containers = containers.join(" and ");
        let prompt = Prompt {
            container: &containers,
            question: format!("Write {} documents?", planned.counts.writes()),
            declined: "nothing was written",
        };
        confirm(self.sources.first().settings(), prompt)
    }

    /// Follows the restores to their end, and prints the result.
    async fn finish(&self, id: &str, output: Output) -> Result<Exit> {
        let restore = self.restores.show(id).await?;
        for (service, id) in self.of_sources(&restore)? {
            if !follow_to_end(service, id, output).await? {
                return Ok(Exit::Failed);
            }
        }
        let restore = self.restores.show(id).await?;
        if output == Output::Json {
            print_json(&restore)?;
            return Ok(exit_of(&restore));
        }
        for ((service, _), member) in self.of_sources(&restore)?.into_iter().zip(&restore.members) {
            let record = &member.restore.record;
            print_unwritten(service, record).await?;
            let summary = summary(&record.counts, true);
            print_line(&format!("{}: {summary} for {:.0} RU", member.source, record.request_charge))?;
        }
        print_line(&format!(
            "Restore {}: {} for {:.0} RU",
            restore.id,
            summary(&restore.counts, restore.state != JobState::Planned),
            restore.request_charge
        ))?;
        if restore.counts.writes() > 0 && restore.state != JobState::Planned {
            print_line(&format!("To undo it: {}", self.command("undo", &restore.id)))?;
        }
        Ok(exit_of(&restore))
    }

    /// Shows the restore of each source, with its first documents.
    async fn print(&self, restore: &JointRestore, output: Output) -> Result<()> {
        if output == Output::Json {
            return print_json(restore);
        }
        for (service, id) in self.of_sources(restore)? {
            print_line(&format!("Source {}, restore {id}:", service.source()))?;
            let view = service.changefeed.restores.show(id).await?;
            show(service, &view, Output::Table)?;
            view.record.capture_lag.iter().try_for_each(|lag| print_line(&describe_lag(lag)))?;
            view.record.warnings.iter().try_for_each(|warning| print_line(warning))?;
            print_line("")?;
        }
        let summary = summary(&restore.counts, restore.state != JobState::Planned);
        print_line(&format!("{}  {}  {summary}", restore.id, state(restore.state)))
    }

    /// The restore of each source.
    fn of_sources<'r>(&self, restore: &'r JointRestore) -> Result<Vec<(&Service, &'r str)>> {
        restore.restores().map(|(source, id)| Ok((&**self.sources.named(source.as_str())?, id))).collect()
    }

    fn command(&self, verb: &str, id: &str) -> String {
        let names: Vec<&str> = self.sources.all().map(|service| service.source().as_str()).collect();
        format!("changefeed restore {verb} {id} --source {}", names.join(","))
    }
}

/// The exit of a command that ends with this restore: that of a plan is what its execution would end with.
fn exit_of(restore: &JointRestore) -> Exit {
    match restore.state {
        JobState::Planned => Exit::of_plan(&restore.counts),
        state => Exit::of_job(state),
    }
}

fn state(state: JobState) -> String {
    format!("{state:?}").to_lowercase()
}

impl ListItem for JointRestore {
    const CSV: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "undoOf",
        "lastUndo",
        "requestedBy",
        "reason",
        "startedAt",
        "counts.create",
        "counts.replace",
        "counts.merge",
        "counts.delete",
        "counts.unchanged",
        "counts.kept",
        "counts.unknown",
        "counts.conflict",
        "counts.failed",
        "requestCharge",
        "members",
        "schema",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Id"),
            time::column("Started").optional(2),
            Column::fixed("State"),
            Column::text("Documents"),
            Column::text("Requested by").optional(4),
            Column::text("Reason").optional(1),
            Column::text("Undo").optional(3),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let undone = self.last_undo.as_ref().map(|by| format!("undone by {by}"));
        let undo = self.undo_of.as_ref().map(|of| format!("undo of {of}"));
        vec![
            self.id.clone().into(),
            time::text_in_column(&self.started_at).into(),
            Cell::state(state(self.state)),
            summary(&self.counts, true).into(),
            self.requested_by.clone().unwrap_or_default().into(),
            self.reason.clone().unwrap_or_default().into(),
            undone.or(undo).unwrap_or_default().into(),
        ]
    }
}
