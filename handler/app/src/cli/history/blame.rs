//! `changefeed history blame`: the version that set each field of a document.

use anyhow::Result;
use changefeed_history::{Blame, BlameRequest, BlamedField, Origin};

use super::by_restore::by_restore;
use crate::cli::output::{Output, field, print_json, print_line, print_table, shorten, version_time};
use crate::cli::time;
use crate::service::Service;

const HEADER: [&str; 5] = ["Field", "Value", "Set at", "Version", "Actor"];

pub(super) async fn run(service: &Service, request: &BlameRequest, output: Output) -> Result<()> {
    let blame = service.changefeed.restores.blame(request).await?;
    match &blame {
        blame if output == Output::Json => print_json(blame),
        Blame::Version { fields, versions_read, may_be_deleted, .. } => {
            if *may_be_deleted {
                print_line("The document does not exist now. It may have been deleted before this time.")?;
            }
            print_table(&HEADER, fields.iter().map(row))?;
            print_notes(fields, *versions_read)
        }
        Blame::Absent { because: Some(because) } => {
            print_line(&format!("The document does not exist: see version {because}"))
        }
        Blame::Absent { because: None } => print_line("The document does not exist, and no delete is recorded"),
        Blame::Unknown { since: Some(since) } => {
            print_line(&format!("Unknown: the history of this document starts at {}", time::of_second(*since)))
        }
        Blame::Unknown { since: None } => print_line("Unknown: this document has no versions"),
    }
}

fn row(blamed: &BlamedField) -> Vec<String> {
    let (set_at, version, actor) = match &blamed.origin {
        Origin::Version(set_by) => {
            let mark = if set_by.exact { "" } else { " (inexact)" };
            let restore = by_restore(set_by.by_restore.as_deref(), set_by.requested_by.as_deref());
            let version = format!("{}{mark}{restore}", set_by.version_id);
            (time::of_second(set_by.source_ts), version, set_by.actor.clone().unwrap_or_default())
        }
        Origin::AtOrBefore { at_or_before } => {
            let time = version_time(at_or_before).map_or_else(String::new, time::of_second);
            (format!("{time} or before"), at_or_before.to_string(), String::new())
        }
        Origin::Unknown { .. } => ("unknown".to_owned(), String::new(), String::new()),
    };
    vec![field(&blamed.path), shorten(&blamed.value.to_string()), set_at, version, actor]
}

/// Says what the table leaves open, and why.
fn print_notes(fields: &[BlamedField], versions_read: usize) -> Result<()> {
    let has = |is: fn(&Origin) -> bool| fields.iter().any(|field| is(&field.origin));
    if has(|origin| matches!(origin, Origin::AtOrBefore { .. })) {
        print_line(&format!(
            "Some fields were not changed in the newest {versions_read} versions. Read more with --max-versions."
        ))?;
    }
    if has(|origin| matches!(origin, Origin::Unknown { .. })) {
        print_line("Unknown: the history does not reach back to the version that set the field.")?;
    }
    if has(|origin| matches!(origin, Origin::Version(set_by) if !set_by.exact)) {
        print_line(
            "Inexact: the Functions host may have rewritten date-time strings in the version or in the one before it.",
        )?;
    }
    if has(|origin| matches!(origin, Origin::Version(set_by) if !set_by.captured)) {
        print_line("The newest version is not captured yet. Another version before it may be missing too.")?;
    }
    Ok(())
}
