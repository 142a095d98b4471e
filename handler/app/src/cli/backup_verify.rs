//! `changefeed backup verify` and `list`: look at backups, without Cosmos DB.

use std::process::ExitCode;

use anyhow::{Result, bail};
use changefeed_backup_format::{
    BackupLocation, Content, Damage, ListedBackup, ListedState, LocationAccess, inspect, verify_listing, verify_segment,
};

use serde_json::json;

use super::arguments::Output;
use super::backup::whole;
use super::output::{print_json, print_line, print_table};
use super::progress::bar;

/// Damage was found.
const DAMAGED: u8 = 3;

/// The place to look at. Nothing is stored of it, so that it may have a SAS.
fn open(access: &LocationAccess, place: &str) -> Result<BackupLocation> {
    if place.contains("://") && place.contains("sig=") {
        return Ok(BackupLocation::blobs(place, None)?);
    }
    Ok(access.open(&whole(place)?)?)
}

/// Reads all of a backup.
pub async fn verify(access: &LocationAccess, place: &str, output: Output) -> Result<ExitCode> {
    let place = open(access, place)?;
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
            let found = if verification.is_sound() { "sound" } else { "damaged" };
            print_line(&format!(
                "{place}: {found}; {} documents and {} deletions in {} segments, {}",
                verification.documents,
                verification.deletions,
                verification.segments,
                indicatif::HumanBytes(verification.compressed_bytes)
            ))?;
        }
    }
    Ok(if verification.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

/// Lists the backups below a place, or the one that is there. What could not be looked at is listed too, and makes it fail.
pub async fn list(access: &LocationAccess, place: &str, output: Output) -> Result<ExitCode> {
    let place = open(access, place)?;
    let backups = changefeed_backup_format::list(&place).await?;
    if backups.is_empty() && place.as_file().await?.is_some() {
        bail!("{place} is a file");
    }
    let itself = if backups.is_empty() { inspect(&place).await? } else { None };
    if let Some(ListedState::Damaged { damage }) = &itself {
        bail!("{place}: {damage}");
    }
    match (output, &itself) {
        (Output::Json, Some(itself)) => print_json(&json!({ "items": backups, "itself": itself }))?,
        (Output::Json, None) => print_json(&json!({ "items": backups }))?,
        (Output::Table, Some(itself)) => {
            let (what, backup, documents) = match itself {
                ListedState::Finished { backup, documents, .. } => ("backup", backup, documents),
                ListedState::Unfinished { backup, documents } => ("unfinished backup", backup, documents),
                ListedState::Damaged { .. } | ListedState::Unreadable { .. } => bail!("{place} cannot be read"),
            };
            print_line(&format!("{place} is itself {what} {} of {documents} documents", backup.id))?;
        }
        (Output::Table, None) if backups.is_empty() => print_line(&format!("there are no backups in {place}"))?,
        (Output::Table, None) => {
            let header = ["Name", "State", "Of", "Content", "Begun", "Documents", "Deletions", "Size"];
            print_table(&header, backups.iter().map(row))?;
        }
    }
    let is_whole = !backups.iter().any(|backup| matches!(backup.state, ListedState::Unreadable { .. }));
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn row(listed: &ListedBackup) -> Vec<String> {
    let (state, backup, numbers) = match &listed.state {
        ListedState::Finished { backup, documents, deletions, compressed_bytes, .. } => {
            let size = indicatif::HumanBytes(*compressed_bytes).to_string();
            ("whole".to_owned(), Some(backup), [documents.to_string(), deletions.to_string(), size])
        }
        ListedState::Unfinished { backup, documents } => {
            ("unfinished".to_owned(), Some(backup), [documents.to_string(), String::new(), String::new()])
        }
        ListedState::Damaged { damage } => (damage.to_string(), None, Default::default()),
        ListedState::Unreadable { message } => (message.clone(), None, Default::default()),
    };
    let [of, content, begun] = backup.map_or_else(Default::default, |backup| {
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
        [format!("{}/{}", backup.source.database, backup.source.container), content, backup.started_at.to_string()]
    });
    [listed.name.clone(), state, of, content, begun].into_iter().chain(numbers).collect()
}
