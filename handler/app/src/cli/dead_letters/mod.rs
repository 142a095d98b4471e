//! `changefeed dead-letters`: documents that could not be captured.

mod arguments;

use anyhow::{Result, bail};
use changefeed_cosmos::PageRequest;
use changefeed_cosmos::{Error, ErrorKind};
use changefeed_history::{DeadLetter, Replay, ReplayOutcome};
use serde_json::json;

pub use self::arguments::DeadLettersCommand;
use self::arguments::SelectionArguments;
use super::confirm::{Prompt, confirm};
use super::exit_code::Exit;
use super::list::{ItemsWriter, ListFormat, ListItem, ListPage, ListWriter, print_pages};
use super::output::{Output, print_json, print_line};
use super::standard_error::error as report_error;
use super::table::{Cell, Column};
use super::time;
use crate::service::Service;

/// Dead letters of one page.
const PAGE_ITEMS: u32 = 1000;

/// Lists, shows, replays or discards dead letters.
pub async fn run(service: &Service, command: &DeadLettersCommand) -> Result<Exit> {
    match command {
        DeadLettersCommand::List(list) => {
            print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |request| {
                let page = service.changefeed.dead_letters.list(&request).await?;
                Ok(ListPage::new(page.items, page.continuation))
            })
            .await?
        }
        DeadLettersCommand::Show { id, output } => {
            let letter = service.changefeed.dead_letters.show(id).await?;
            match output.output {
                Output::Json => print_json(&letter)?,
                Output::Table => print_letter(&letter)?,
            }
        }
        DeadLettersCommand::Replay { selection, output } => return replay(service, selection, output.format).await,
        DeadLettersCommand::Discard { selection, yes, output } => {
            discard(service, selection, *yes, output.output).await?
        }
    }
    Ok(Exit::Done)
}

/// All dead letters, page by page. Removing letters of a page does not shift the pages after it.
struct Pages<'a> {
    service: &'a Service,
    next: Option<PageRequest>,
}

impl<'a> Pages<'a> {
    fn new(service: &'a Service) -> Self {
        Self { service, next: Some(PageRequest { max_items: Some(PAGE_ITEMS), continuation: None }) }
    }

    async fn next(&mut self) -> Result<Option<Vec<DeadLetter>>> {
        let Some(request) = self.next.take() else { return Ok(None) };
        let page = self.service.changefeed.dead_letters.list(&request).await?;
        let request = |continuation| PageRequest { continuation: Some(continuation), ..request };
        self.next = page.continuation.map(request);
        Ok(Some(page.items))
    }
}

impl ListItem for DeadLetter {
    const CSV: &'static [&'static str] = &[
        "id",
        "reason",
        "message",
        "function",
        "invocationId",
        "capturedAt",
        "rewrittenByHost",
        "attempts",
        "attemptedAt",
        "omitted",
        "withoutPayload",
        "schema",
        "payload",
    ];

    fn columns() -> Vec<Column> {
        vec![
            time::column("Captured").optional(1),
            Column::fixed("Id"),
            Column::text("Reason").optional(2),
            Column::text("Message").optional(4),
            Column::number("Replays").optional(3),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            time::text_in_column(&self.captured_at).into(),
            self.id.clone().into(),
            self.reason.clone().into(),
            self.message.clone().into(),
            self.attempts.to_string().into(),
        ]
    }
}

fn print_letter(letter: &DeadLetter) -> Result<()> {
    print_line(&format!(
        "{}  {}  {}: {}",
        letter.id,
        time::of_text(&letter.captured_at),
        letter.reason,
        letter.message
    ))?;
    print_line(&format!("Delivered by invocation {} of {}", letter.invocation_id, letter.function))?;
    if let Some(attempted_at) = &letter.attempted_at {
        let last = time::of_text(attempted_at);
        print_line(&format!("Replayed {} times without success, last at {last}", letter.attempts))?;
    }
    if letter.without_payload {
        return print_line(
            "The payload is not stored: it could not be read, and may have fields that are never stored.",
        );
    }
    print_line(letter.payload.as_deref().unwrap_or_default())
}

/// Runs an action on every selected letter and reports each failure. A failure does not stop the other letters. With
/// `--all`, a letter that was removed concurrently is not a failure.
async fn for_each(
    selection: &SelectionArguments,
    service: &Service,
    mut act: impl AsyncFnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut failed = 0_usize;
    let mut count = |acted: Result<()>| match acted {
        Err(error) if !(selection.all && is_missing(&error)) => {
            report_error(format!("{error:#}"));
            failed += 1;
        }
        _ => {}
    };
    for id in &selection.ids {
        count(act(id).await);
    }
    if selection.all {
        let mut pages = Pages::new(service);
        while let Some(letters) = pages.next().await? {
            for letter in letters {
                count(act(&letter.id).await);
            }
        }
    }
    if failed > 0 { bail!("{failed} dead letters failed") } else { Ok(()) }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

async fn replay(service: &Service, selection: &SelectionArguments, format: ListFormat) -> Result<Exit> {
    let (mut stored, mut still_dead) = (0_u64, 0_u64);
    let mut lines = (!format.is_table()).then(|| ListWriter::new(format)).transpose()?;
    let replayed = for_each(selection, service, async |id| {
        let replay = service.changefeed.dead_letters.replay(id, None).await?;
        let counted = if replay.outcome == ReplayOutcome::StillDead { &mut still_dead } else { &mut stored };
        *counted += 1;
        match &mut lines {
            // The replays continue even if their outcomes are not read.
            Some(lines) => lines.add(&replay).map(|_| ()),
            None => print_line(&line(&replay)),
        }
    })
    .await;
    match lines {
        Some(lines) => lines.finish(&json!({}))?,
        None => print_line(&format!("stored {stored} dead letters, {still_dead} are still dead letters"))?,
    }
    replayed?;
    Ok(if still_dead > 0 { Exit::Found } else { Exit::Done })
}

impl ListItem for Replay {
    const CSV: &'static [&'static str] =
        &["id", "outcome", "version", "reason", "message", "attempts", "requestCharge"];

    fn columns() -> Vec<Column> {
        vec![
            Column::fixed("Id"),
            Column::fixed("Outcome"),
            Column::fixed("Version").optional(2),
            Column::text("Reason").optional(1),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.id.clone().into(),
            Cell::state(outcome(self)),
            Cell::version(text(&self.version), ""),
            text(&self.reason).into(),
        ]
    }
}

fn outcome(replay: &Replay) -> &'static str {
    match replay.outcome {
        ReplayOutcome::Stored => "stored",
        ReplayOutcome::AlreadyStored => "already stored",
        ReplayOutcome::StillDead => "still a dead letter",
        ReplayOutcome::Erased => "erased and removed",
        ReplayOutcome::Excluded => "excluded by the capture filter and removed",
    }
}

/// The outcome of one replay. It is printed at once, because there may be many.
fn line(replay: &Replay) -> String {
    let reason = || {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}: {}", text(&replay.reason), text(&replay.message))
    };
    format!("{}  {}  {}", replay.id, outcome(replay), replay.version.clone().unwrap_or_else(reason))
}

async fn discard(service: &Service, selection: &SelectionArguments, yes: bool, output: Output) -> Result<()> {
    if !yes {
        let mut count = selection.ids.len();
        let mut pages = Pages::new(service);
        while selection.all
            && let Some(letters) = pages.next().await?
        {
            count += letters.len();
        }
        let prompt = Prompt {
            container: &service.settings().names.dead_letters,
            question: format!("Discard {count} dead letters and their payloads? This cannot be undone."),
            declined: "nothing was discarded",
        };
        confirm(service.settings(), prompt)?;
    }
    let mut count = 0;
    let discarded = for_each(selection, service, async |id| {
        service.changefeed.dead_letters.discard(id, None).await?;
        count += 1;
        Ok(())
    })
    .await;
    match output {
        Output::Json => print_json(&json!({"discarded": count}))?,
        Output::Table => print_line(&format!("discarded {count} dead letters"))?,
    }
    discarded
}
