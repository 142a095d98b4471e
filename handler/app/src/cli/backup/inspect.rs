//! `changefeed backup verify` and `list`: read backups without Cosmos DB.

use anyhow::{Result, bail};
use changefeed_backup_format::{
    Content, Damage, ListedBackup, ListedState, LocationAccess, inspect, verify_listing, verify_segment,
};
use serde_json::json;

use super::location::open_location;
use crate::cli::exit_code::Exit;
use crate::cli::list::{ListFormat, ListItem, print_list};
use crate::cli::output::{Output, print_json, print_line};
use crate::cli::progress::bar;
use crate::cli::standard_error::note;
use crate::cli::table::{Cell, Column};
use crate::cli::time;

/// Reads a whole backup and reports damage.
pub async fn verify(access: &LocationAccess, location: &str, output: Output) -> Result<Exit> {
    let place = open_location(access, location)?;
    let mut verification = verify_listing(&place).await?;
    if verification.damages.contains(&Damage::NoManifest) {
        bail!("{place}: {}", Damage::NoManifest);
    }
    let segments = verification.manifest.as_ref().map(|manifest| manifest.segments.clone()).unwrap_or_default();
    let bar = bar("Reading", segments.len() as u64);
    for segment in segments {
        verification.add(verify_segment(&place, segment).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    match output {
        Output::Json => print_json(&verification)?,
        Output::Table => {
            for damage in &verification.damages {
                print_line(&damage.to_string())?;
            }
            if verification.omitted > 0 {
                print_line(&format!("and {} more", verification.omitted))?;
            }
            let result = if verification.is_sound() { "sound" } else { "damaged" };
            print_line(&format!(
                "{place}: {result}; {} documents and {} deletions in {} segments, {}",
                verification.documents,
                verification.deletions,
                verification.segments,
                indicatif::HumanBytes(verification.compressed_bytes)
            ))?;
        }
    }
    Ok(if verification.is_sound() { Exit::Done } else { Exit::Found })
}

/// Lists the backups below a location, or the one at the location itself. Unreadable ones are listed too, and the command
/// fails then.
pub async fn list(access: &LocationAccess, location: &str, format: ListFormat) -> Result<Exit> {
    let place = open_location(access, location)?;
    let backups = changefeed_backup_format::list(&place).await?;
    if backups.is_empty() && place.as_file().await?.is_some() {
        bail!("{place} is a file; use a folder or a blob URL");
    }
    let itself = if backups.is_empty() { inspect(&place).await? } else { None };
    if let Some(ListedState::Damaged { damage }) = &itself {
        bail!("{place}: {damage}");
    }
    let mut answer = json!({ "items": backups });
    if let Some(itself) = &itself {
        answer["itself"] = json!(itself);
    }
    match &itself {
        Some(itself) if format != ListFormat::Json => {
            let (kind, backup, documents) = match itself {
                ListedState::Finished { backup, documents, .. } => ("backup", backup, documents),
                ListedState::Unfinished { backup, documents } => ("unfinished backup", backup, documents),
                ListedState::Damaged { .. } | ListedState::Unreadable { .. } => bail!("could not read {place}"),
            };
            let message = format!("{place} is {kind} {} with {documents} documents", backup.id);
            if format.is_table() { print_line(&message)? } else { note(message) }
        }
        None if format.is_table() && backups.is_empty() => print_line(&format!("no backups in {place}"))?,
        Some(_) | None => {}
    }
    if !(format.is_table() && backups.is_empty()) {
        print_list(format, &answer, &backups)?;
    }
    let is_readable = !backups.iter().any(|backup| matches!(backup.state, ListedState::Unreadable { .. }));
    Ok(if is_readable { Exit::Done } else { Exit::Failed })
}

impl ListItem for ListedBackup {
    const CSV: &'static [&'static str] = &[
        "name",
        "state",
        "backup.id",
        "backup.source.account",
        "backup.source.database",
        "backup.source.container",
        "backup.source.partitionKeyPaths",
        "backup.content.kind",
        "backup.content.moment",
        "backup.filter",
        "backup.incrementalFrom",
        "backup.startedAt",
        "backup.createdBy",
        "createdAt",
        "documents",
        "deletions",
        "compressedBytes",
        "message",
        // What is damaged.
        "damage",
        "segments",
        "segment",
        "kind",
        "stated",
        "found",
        "known",
        "allowed",
    ];

    fn columns() -> Vec<Column> {
        vec![
            Column::text("Name"),
            Column::text("State"),
            Column::text("Container").optional(2),
            Column::text("Content"),
            time::column("Started"),
            Column::number("Documents").optional(1),
            Column::number("Deletions").optional(3),
            Column::number("Size").optional(4),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        row(self)
    }
}

fn row(listed: &ListedBackup) -> Vec<Cell> {
    let (state, backup, numbers) = match &listed.state {
        ListedState::Finished { backup, documents, deletions, compressed_bytes, .. } => {
            let size = indicatif::HumanBytes(*compressed_bytes).to_string();
            ("finished".to_owned(), Some(backup), [documents.to_string(), deletions.to_string(), size])
        }
        ListedState::Unfinished { backup, documents } => {
            ("unfinished".to_owned(), Some(backup), [documents.to_string(), String::new(), String::new()])
        }
        ListedState::Damaged { damage } => (damage.to_string(), None, Default::default()),
        ListedState::Unreadable { message } => (message.clone(), None, Default::default()),
    };
    let [container, content, started] = backup.map_or_else(Default::default, |backup| {
        let mut content = match backup.content {
            Content::Live {} => "live".to_owned(),
            Content::AsOf { moment } => format!("as of {moment}"),
        };
        if let Some(earlier) = &backup.incremental_from {
            content.push_str(&format!(", after {}", earlier.id));
        }
        for filter in &backup.filter {
            content.push_str(&format!(", {filter}"));
        }
        [
            format!("{}/{}", backup.source.database, backup.source.container),
            content,
            time::text_in_column(&backup.started_at.to_string()),
        ]
    });
    let texts = [container, content, started].into_iter().chain(numbers).map(Cell::from);
    [listed.name.clone().into(), Cell::state(state)].into_iter().chain(texts).collect()
}
