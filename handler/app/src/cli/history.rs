//! `changefeed history`.

use anyhow::Result;
use changefeed_cosmos::DocumentName;
use changefeed_history::{AsOf, SearchRequest, SearchRow, Version, VersionsRequest};
use serde::Serialize;
use serde_json::Value;

use super::arguments::{DocumentArguments, HistoryCommand, Output};
use super::output::{cell, describe, print_json, print_line, print_table, shorten, time};
use crate::service::Service;

/// How wide a document may be in a table.
const DOCUMENT_WIDTH: usize = 100;

/// Looks at versions.
pub async fn run(service: &Service, command: &HistoryCommand) -> Result<()> {
    match command {
        HistoryCommand::Versions { document, max_items, output } => {
            versions(service, document, max_items.unwrap_or(usize::MAX), output.output).await
        }
        HistoryCommand::Show { version, document, output } => {
            let version = service.changefeed.history.version(&name(document), version).await?;
            print_version(&version, output.output)
        }
        HistoryCommand::Document { document, as_of, output } => {
            let state = service.changefeed.history.document_as_of(&name(document), *as_of).await?;
            match (&state, output.output) {
                (_, Output::Json) => print_json(&state),
                (AsOf::Version { version, may_be_deleted }, _) => {
                    if *may_be_deleted {
                        print_line("It is gone now, and may have been deleted before then.")?;
                    }
                    print_version(version, Output::Table)
                }
                (AsOf::Absent { because }, _) => print_line(&format!("It did not exist: {because}")),
                (AsOf::Unknown { since: Some(since) }, _) => {
                    print_line(&format!("Unknown: the history of the document reaches back to {}", time(*since)))
                }
                (AsOf::Unknown { since: None }, _) => print_line("Unknown: the document has no versions"),
            }
        }
        HistoryCommand::Diff { document, from, to, output } => {
            let difference = service.changefeed.history.difference(&name(document), from, to).await?;
            match output.output {
                Output::Json => print_json(&difference),
                Output::Table if difference.changes.is_empty() => print_line("They are the same"),
                Output::Table => {
                    let value = |value: &Option<Value>| {
                        value.as_ref().map_or_else(|| "-".to_owned(), |value| shorten(&value.to_string()))
                    };
                    let rows = difference
                        .changes
                        .iter()
                        .map(|change| vec![change.path.clone(), value(&change.before), value(&change.after)]);
                    print_table(&["Field", "Before", "After"], rows)
                }
            }
        }
        HistoryCommand::Search { filters, from, to, max_items, output } => {
            let request = SearchRequest { filters: filters.clone(), from: *from, to: *to, ..SearchRequest::default() };
            search(service, request, max_items.unwrap_or(usize::MAX), output.output).await
        }
    }
}

fn operation(version: &Version) -> String {
    let operation = format!("{:?}", version.operation).to_lowercase();
    if version.inferred { format!("{operation} (inferred)") } else { operation }
}

fn name(document: &DocumentArguments) -> DocumentName {
    // The arguments' group makes sure that one of them is there.
    let partition_key = document.key.key().unwrap_or_else(|| changefeed_cosmos::Key::text(""));
    DocumentName { id: document.id.clone(), partition_key }
}

async fn versions(service: &Service, document: &DocumentArguments, max_items: usize, output: Output) -> Result<()> {
    let mut request = VersionsRequest { document: name(document), max_items: Some(100), continuation: None };
    let mut rows = Rows::new(output, max_items);
    loop {
        let page = service.changefeed.history.versions(&request).await?;
        for (version, older) in page.items.iter().zip(page.items.iter().skip(1).map(Some).chain([None])) {
            let changed = older.map_or_else(String::new, |older| describe_change(older, version));
            let more = rows
                .add(version, || vec![time(version.source_ts), operation(version), version.id.to_string(), changed])?;
            if !more {
                return rows.print(&["Time", "What", "Version", "Changes"]);
            }
        }
        match page.continuation {
            Some(continuation) => request.continuation = Some(continuation),
            None => return rows.print(&["Time", "What", "Version", "Changes"]),
        }
    }
}

async fn search(service: &Service, mut request: SearchRequest, max_items: usize, output: Output) -> Result<()> {
    let header = ["Time", "Container", "Id", "Partition key", "Version", "Document"];
    let mut rows = Rows::new(output, max_items);
    loop {
        let page = service.changefeed.history.search(&request).await?;
        for row in &page.items {
            let SearchRow { source_ts, container, id, partition_key, version_id, document, .. } = row;
            let more = rows.add(row, || {
                vec![
                    time(*source_ts),
                    container.clone(),
                    id.clone(),
                    partition_key.to_string(),
                    version_id.clone(),
                    brief(document),
                ]
            })?;
            if !more {
                return rows.print(&header);
            }
        }
        match page.continuation {
            Some(continuation) => request.continuation = Some(continuation),
            None => return rows.print(&header),
        }
    }
}

/// The plain fields of a document, as many as fit.
fn brief(document: &Value) -> String {
    let properties =
        document.as_object().into_iter().flatten().filter(|(name, _)| !["id", "pk"].contains(&name.as_str()));
    let plain = properties.filter(|(_, value)| !value.is_object() && !value.is_array());
    let mut text = String::new();
    for (name, value) in plain {
        let part = format!("{name}: {}", cell(value));
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
    print_line(&format!("{}  {}  {}", version.id, time(version.source_ts), operation(version)))?;
    if !version.exact {
        print_line("Date-time strings in it may have been rewritten by the Functions host.")?;
    }
    match &version.document {
        Some(document) => print_line(&serde_json::to_string_pretty(document)?),
        None => Ok(()),
    }
}

/// Rows for people, or lines of JSON as they come; up to a number.
struct Rows {
    output: Output,
    left: usize,
    cells: Vec<Vec<String>>,
}

impl Rows {
    fn new(output: Output, max_items: usize) -> Self {
        Self { output, left: max_items, cells: Vec::new() }
    }

    /// Adds a row; false when no more are wanted.
    fn add(&mut self, value: &impl Serialize, cells: impl FnOnce() -> Vec<String>) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        match self.output {
            Output::Json => print_json(value)?,
            Output::Table => self.cells.push(cells()),
        }
        Ok(true)
    }

    fn print(self, header: &[&str]) -> Result<()> {
        if self.output == Output::Json { Ok(()) } else { print_table(header, self.cells) }
    }
}
