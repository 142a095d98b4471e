//! `changefeed dead-letters`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use changefeed_cosmos::{Error, ErrorKind};
use changefeed_history::{DeadLetter, DeadLettersRequest, Replay, ReplayOutcome};
use serde_json::json;

use super::arguments::Output;
use super::confirm::confirm;
use super::dead_letters_arguments::{DeadLettersCommand, WhichArguments};
use super::output::{print_json, print_line, print_table, shorten};
use crate::service::Service;

/// Done, but some could not be replayed.
const STILL_DEAD: u8 = 3;
/// Dead letters that are asked for at a time.
const PAGE_ITEMS: u32 = 1000;

/// Looks at dead letters, tries them again, gives them up.
pub async fn run(service: &Service, command: &DeadLettersCommand) -> Result<ExitCode> {
    match command {
        DeadLettersCommand::List { max_items, output } => list(service, *max_items, output.output).await?,
        DeadLettersCommand::Show { id, output } => {
            let letter = service.changefeed.dead_letters.show(id).await?;
            match output.output {
                Output::Json => print_json(&letter)?,
                Output::Table => print_letter(&letter)?,
            }
        }
        DeadLettersCommand::Replay { which, output } => return replay(service, which, output.output).await,
        DeadLettersCommand::Drop { which, yes, output } => drop(service, which, *yes, output.output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The dead letters that are meant, page by page. What is taken away on the way does not move the pages that follow.
struct Pages<'a> {
    service: &'a Service,
    next: Option<DeadLettersRequest>,
}

impl<'a> Pages<'a> {
    fn new(service: &'a Service) -> Self {
        Self { service, next: Some(DeadLettersRequest { max_items: Some(PAGE_ITEMS), continuation: None }) }
    }

    async fn next(&mut self) -> Result<Option<Vec<DeadLetter>>> {
        let Some(request) = self.next.take() else { return Ok(None) };
        let page = self.service.changefeed.dead_letters.list(&request).await?;
        let request = |continuation| DeadLettersRequest { continuation: Some(continuation), ..request };
        self.next = page.continuation.map(request);
        Ok(Some(page.items))
    }
}

async fn list(service: &Service, max_items: Option<usize>, output: Output) -> Result<()> {
    let mut left = max_items.unwrap_or(usize::MAX);
    let mut rows = Vec::new();
    let mut pages = Pages::new(service);
    while left > 0 {
        let Some(mut letters) = pages.next().await? else { break };
        letters.truncate(left);
        left -= letters.len();
        for letter in letters {
            match output {
                Output::Json => print_json(&letter)?,
                Output::Table => rows.push(vec![
                    letter.captured_at,
                    letter.id,
                    letter.reason,
                    shorten(&letter.message),
                    letter.attempts.to_string(),
                ]),
            }
        }
    }
    match output {
        Output::Json => Ok(()),
        Output::Table => print_table(&["Came", "Id", "Reason", "Message", "Replays"], rows),
    }
}

fn print_letter(letter: &DeadLetter) -> Result<()> {
    print_line(&format!("{}  {}  {}: {}", letter.id, letter.captured_at, letter.reason, letter.message))?;
    print_line(&format!("Brought by invocation {} of {}", letter.invocation_id, letter.function))?;
    if let Some(time) = &letter.attempted_at {
        print_line(&format!("Replayed in vain {} times, the last time at {time}", letter.attempts))?;
    }
    print_line(letter.payload.as_deref().unwrap_or_default())
}

/// Does something with every letter that is meant. One that cannot be done does not keep the others from it; with
/// `--all`, one that somebody else has taken away meanwhile is no failure.
async fn for_each(
    which: &WhichArguments,
    service: &Service,
    mut act: impl AsyncFnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut failed = 0_usize;
    let mut note = |acted: Result<()>| match acted {
        Err(error) if !(which.all && is_gone(&error)) => {
            eprintln!("error: {error:#}");
            failed += 1;
        }
        _ => {}
    };
    for id in &which.ids {
        note(act(id).await);
    }
    if which.all {
        let mut pages = Pages::new(service);
        while let Some(letters) = pages.next().await? {
            for letter in letters {
                note(act(&letter.id).await);
            }
        }
    }
    if failed > 0 { bail!("{failed} dead letters failed") } else { Ok(()) }
}

fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

async fn replay(service: &Service, which: &WhichArguments, output: Output) -> Result<ExitCode> {
    let (mut done, mut still_dead) = (0_u64, 0_u64);
    let replayed = for_each(which, service, async |id| {
        let replay = service.changefeed.dead_letters.replay(id).await?;
        let counted = if replay.outcome == ReplayOutcome::StillDead { &mut still_dead } else { &mut done };
        *counted += 1;
        match output {
            Output::Json => print_json(&replay),
            Output::Table => print_line(&line(replay)),
        }
    })
    .await;
    if output == Output::Table {
        print_line(&format!("{done} dead letters are stored, {still_dead} still dead"))?;
    }
    replayed?;
    Ok(if still_dead > 0 { ExitCode::from(STILL_DEAD) } else { ExitCode::SUCCESS })
}

/// What became of a dead letter, told at once: there may be many.
fn line(replay: Replay) -> String {
    let outcome = match replay.outcome {
        ReplayOutcome::Stored => "stored",
        ReplayOutcome::AlreadyStored => "was stored already",
        ReplayOutcome::StillDead => "still dead",
    };
    let reason = || {
        let text = |text: Option<String>| text.unwrap_or_default();
        format!("{}: {}", text(replay.reason), text(replay.message))
    };
    format!("{}  {outcome}  {}", replay.id, replay.version.unwrap_or_else(reason))
}

async fn drop(service: &Service, which: &WhichArguments, yes: bool, output: Output) -> Result<()> {
    if !yes {
        let mut count = which.ids.len();
        let mut pages = Pages::new(service);
        while which.all
            && let Some(letters) = pages.next().await?
        {
            count += letters.len();
        }
        confirm(&format!("Drop {count} dead letters, with their payloads, for good?"), "nothing was dropped")?;
    }
    let mut count = 0;
    let dropped = for_each(which, service, async |id| {
        service.changefeed.dead_letters.discard(id).await?;
        count += 1;
        Ok(())
    })
    .await;
    match output {
        Output::Json => print_json(&json!({"dropped": count}))?,
        Output::Table => print_line(&format!("{count} dead letters dropped"))?,
    }
    dropped
}
