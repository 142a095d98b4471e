//! `changefeed history`: versions of documents.

mod activity;
mod arguments;
mod bar_chart;
mod blame;
mod by_restore;
mod changes;
mod rows;

use anyhow::Result;
use changefeed_cosmos::FieldPath;
use changefeed_history::{AsOf, BlameRequest, SearchRequest, SearchRow, Version, VersionsRequest};
use serde_json::Value;

pub use self::arguments::HistoryCommand;
use self::rows::Rows;
use super::document_arguments::DocumentArguments;
use super::exit_code::Exit;
use super::output::{Output, cell, describe, field, print_json, print_line, print_table, shorten};
use super::time;
use crate::service::Service;

/// Width of a document in a table, in bytes.
const DOCUMENT_WIDTH: usize = 100;

const VERSIONS_HEADER: [&str; 4] = ["Time", "Operation", "Version", "Changes"];
/// Items of one page of versions.
const PAGE_ITEMS: u32 = 100;

/// Lists, shows, compares and searches versions, of a document or of a window of time.
pub async fn run(service: &Service, command: &HistoryCommand) -> Result<Exit> {
    match command {
        HistoryCommand::Versions { document, max_items, output } => {
            versions(service, document, max_items.unwrap_or(usize::MAX), output.output).await
        }
        HistoryCommand::Show { version, document, output } => {
            let version = service.changefeed.history.version(&document.name(), version).await?;
            print_version(&version, output.output)
        }
        HistoryCommand::Document { document, as_of, output } => {
            let state = service.changefeed.history.document_as_of(&document.name(), *as_of).await?;
            match (&state, output.output) {
                (_, Output::Json) => print_json(&state),
                (AsOf::Version { version, may_be_deleted }, _) => {
                    if *may_be_deleted {
                        print_line("The document does not exist now. It may have been deleted before this time.")?;
                    }
                    print_version(version, Output::Table)
                }
                (AsOf::Absent { because }, _) => {
                    print_line(&format!("The document did not exist at this time: see version {because}"))
                }
                (AsOf::Unknown { since: Some(since) }, _) => {
                    print_line(&format!("Unknown: the history of this document starts at {}", time::of_second(*since)))
                }
                (AsOf::Unknown { since: None }, _) => print_line("Unknown: this document has no versions"),
            }
        }
        HistoryCommand::Diff { document, from, to, output } => {
            let difference = service.changefeed.history.difference(&document.name(), from, to).await?;
            match output.output {
                Output::Json => print_json(&difference),
                Output::Table if difference.changes.is_empty() => print_line("No differences"),
                Output::Table => {
                    let value = |value: &Option<Value>| {
                        value.as_ref().map_or_else(|| "-".to_owned(), |value| shorten(&value.to_string()))
                    };
                    let rows = difference
                        .changes
                        .iter()
                        .map(|change| vec![field(&change.path), value(&change.before), value(&change.after)]);
                    print_table(&["Field", "Before", "After"], rows)
                }
            }
        }
        HistoryCommand::Blame { document, as_of, max_versions, output } => {
            let request = BlameRequest { document: document.name(), as_of: *as_of, max_versions: Some(*max_versions) };
            blame::run(service, &request, output.output).await
        }
        HistoryCommand::Search { filters, from, to, max_items, output } => {
            let request = SearchRequest { filters: filters.clone(), from: *from, to: *to, ..SearchRequest::default() };
            search(service, request, max_items.unwrap_or(usize::MAX), output.output).await
        }
        HistoryCommand::Activity(arguments) => activity::run(service, arguments).await,
        HistoryCommand::Changes(arguments) => changes::run(service, arguments).await,
    }?;
    Ok(Exit::Done)
}

/// What happened, and who the document says did it.
fn operation(version: &Version) -> String {
    let operation = format!("{:?}", version.operation).to_lowercase();
    match &version.actor {
        _ if version.inferred => format!("{operation} (inferred)"),
        Some(actor) => format!("{operation} by {actor}"),
        None => operation,
    }
}

async fn versions(service: &Service, document: &DocumentArguments, max_items: usize, output: Output) -> Result<()> {
    let mut request = VersionsRequest { document: document.name(), max_items: Some(PAGE_ITEMS), continuation: None };
    let mut rows = Rows::new(output, max_items);
    loop {
        let page = service.changefeed.history.versions(&request).await?;
        for (version, older) in page.items.iter().zip(page.items.iter().skip(1).map(Some).chain([None])) {
            let changed = older.map_or_else(String::new, |older| describe_change(older, version));
            let added = rows.add(version, || {
                vec![time::of_second(version.source_ts), operation(version), version.id.to_string(), changed]
            })?;
            if !added {
                return rows.print(&VERSIONS_HEADER);
            }
        }
        match page.continuation {
            Some(continuation) => request.continuation = Some(continuation),
            None => return rows.print(&VERSIONS_HEADER),
        }
    }
}

async fn search(service: &Service, mut request: SearchRequest, max_items: usize, output: Output) -> Result<()> {
    let header = ["Time", "Container", "Id", "Partition key", "Version", "Document"];
    if let Ok((_, Some(warning))) = request.window(chrono::Utc::now()) {
        eprintln!("warning: {warning}");
    }
    let mut rows = Rows::new(output, max_items);
    loop {
        let page = service.changefeed.history.search(&request).await?;
        for row in &page.items {
            let SearchRow { source_ts, container, id, partition_key, version_id, document, .. } = row;
            let added = rows.add(row, || {
                vec![
                    time::of_second(*source_ts),
                    container.clone(),
                    id.clone(),
                    partition_key.to_string(),
                    version_id.clone(),
                    brief(document),
                ]
            })?;
            if !added {
                return rows.print(&header);
            }
        }
        match page.continuation {
            Some(continuation) => request.continuation = Some(continuation),
            None => return rows.print(&header),
        }
    }
}

/// The scalar properties of a document, as many as fit into a table cell.
fn brief(document: &Value) -> String {
    let properties =
        document.as_object().into_iter().flatten().filter(|(name, _)| !["id", "pk"].contains(&name.as_str()));
    let scalars = properties.filter(|(_, value)| !value.is_object() && !value.is_array());
    let mut text = String::new();
    for (name, value) in scalars {
        let part = format!("{}: {}", FieldPath::property(name), cell(value));
        if text.len() + part.len() > DOCUMENT_WIDTH {
            text.push('…');
            break;
        }
        text = if text.is_empty() { part } else { format!("{text}, {part}") };
    }
    text
}

fn describe_change(older: &Version, newer: &Version) -> String {
    let body = |version: &Version| version.document.clone().unwrap_or_default();
    describe(&changefeed_history::changes(&body(older), &body(newer)))
}

fn print_version(version: &Version, output: Output) -> Result<()> {
    if output == Output::Json {
        return print_json(version);
    }
    print_line(&format!("{}  {}  {}", version.id, time::of_second(version.source_ts), operation(version)))?;
    if !version.exact {
        print_line("The Functions host may have rewritten date-time strings in this version.")?;
    }
    match &version.document {
        Some(document) => print_line(&serde_json::to_string_pretty(document)?),
        None => Ok(()),
    }
}
