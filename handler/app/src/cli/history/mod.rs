//! `changefeed history`: versions of documents.

mod activity;
mod arguments;
mod bar_chart;
mod blame;
mod by_restore;
mod changes;
mod export;
mod selection_arguments;
mod version_row;

use anyhow::Result;
use changefeed_cosmos::FieldPath;
use changefeed_history::{AsOf, BlameRequest, FieldChange, SearchRequest, SearchRow, Version, VersionsRequest};
use serde_json::Value;

pub use self::arguments::HistoryCommand;
use self::version_row::{VersionRow, operation, version_rows};
use super::document_arguments::DocumentArguments;
use super::exit_code::Exit;
use super::list::{ListArguments, ListItem, ListPage, ListWriter, print_list, print_pages};
use super::output::{Output, cell, field, print_json, print_line, shorten};
use super::time;
use crate::service::Service;

/// Width of a document in a table, in bytes.
const DOCUMENT_WIDTH: usize = 100;

/// Items of one page.
const PAGE_ITEMS: u32 = 100;

/// Lists, shows, compares and searches versions, of a document or of a window of time.
pub async fn run(service: &Service, command: &HistoryCommand) -> Result<Exit> {
    match command {
        HistoryCommand::Versions { document, list } => versions(service, document, list).await,
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
            if output.format.is_table() && difference.changes.is_empty() {
                print_line("No differences")
            } else {
                print_list(output.format, &difference, &difference.changes)
            }
        }
        HistoryCommand::Blame { document, as_of, max_versions, output } => {
            let request = BlameRequest { document: document.name(), as_of: *as_of, max_versions: Some(*max_versions) };
            blame::run(service, &request, output.format).await
        }
        HistoryCommand::Search { filters, from, to, list } => {
            let request = SearchRequest { filters: filters.clone(), from: *from, to: *to, ..SearchRequest::default() };
            search(service, request, list).await
        }
        HistoryCommand::Activity(arguments) => activity::run(service, arguments).await,
        HistoryCommand::Changes(arguments) => changes::run(service, arguments).await,
        HistoryCommand::Export(arguments) => return Box::pin(export::run(service, arguments)).await,
    }?;
    Ok(Exit::Done)
}

async fn versions(service: &Service, document: &DocumentArguments, list: &ListArguments) -> Result<()> {
    let document = document.name();
    let format = list.output.format;
    print_pages(list, PAGE_ITEMS, ListWriter::<VersionRow>::new(format)?, async |request| {
        let request = VersionsRequest {
            document: document.clone(),
            max_items: request.max_items,
            continuation: request.continuation,
        };
        let page = service.changefeed.history.versions(&request).await?;
        Ok(ListPage::new(version_rows(page.items, format.is_table()), page.continuation))
    })
    .await
}

async fn search(service: &Service, request: SearchRequest, list: &ListArguments) -> Result<()> {
    if let Ok((_, Some(warning))) = request.window(chrono::Utc::now()) {
        eprintln!("warning: {warning}");
    }
    print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |page| {
        let request = SearchRequest { max_items: page.max_items, continuation: page.continuation, ..request.clone() };
        let page = service.changefeed.history.search(&request).await?;
        Ok(ListPage::new(page.items, page.continuation))
    })
    .await
}

impl ListItem for SearchRow {
    const HEADER: &'static [&'static str] = &["Time", "Container", "Id", "Partition key", "Version", "Document"];
    const CSV: &'static [&'static str] =
        &["kind", "sourceTs", "container", "id", "partitionKey", "versionId", "operation", "actor", "document"];

    fn cells(&self) -> Vec<String> {
        vec![
            time::of_second(self.source_ts),
            self.container.clone(),
            self.id.clone(),
            self.partition_key.to_string(),
            self.version_id.clone(),
            brief(&self.document),
        ]
    }
}

impl ListItem for FieldChange {
    const HEADER: &'static [&'static str] = &["Field", "Before", "After"];
    const CSV: &'static [&'static str] = &["path", "before", "after"];

    fn cells(&self) -> Vec<String> {
        let value =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), |value| shorten(&value.to_string()));
        vec![field(&self.path), value(&self.before), value(&self.after)]
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
