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
use changefeed_cosmos::{DocumentName, FieldPath};
use changefeed_history::{
    AsOf, BlameRequest, BlamedState, FieldChange, SearchRequest, SearchRow, Version, VersionsRequest,
};
use serde_json::Value;

pub use self::arguments::HistoryCommand;
use self::version_row::{VersionRow, operation, version_rows};
use super::document_arguments::DocumentArguments;
use super::exit_code::Exit;
use super::list::{ListArguments, ListItem, ListPage, ListWriter, print_list, print_pages};
use super::output::{Output, cell, field, print_json, print_line};
use super::standard_error;
use super::table::{Cell, Column};
use super::time;
use super::version_argument::find_version;
use crate::service::Service;

/// The longest part of a document that a table shows, in bytes.
const DOCUMENT_WIDTH: usize = 100;
/// Stands for the live document in place of the id of a version.
const LIVE: &str = "live";

/// Items of one page.
const PAGE_ITEMS: u32 = 100;

/// Lists, shows, compares and searches versions, of a document or of a window of time.
pub async fn run(service: &Service, command: &HistoryCommand) -> Result<Exit> {
    match command {
        HistoryCommand::Versions { document, list } => versions(service, document, list).await,
        HistoryCommand::Show { version, document, output } => {
            let name = document.name();
            let id = find_version(service, &name, version).await?;
            let version = service.changefeed.history.version(&name, &id).await?;
            print_version(&version, output.output)
        }
        HistoryCommand::Document { document, as_of, output } => {
            let state = service.changefeed.history.document_as_of(&document.name(), *as_of).await?;
            match (&state, output.output) {
                (_, Output::Json) => print_json(&state),
                (AsOf::Version { version, may_be_deleted }, _) => {
                    if *may_be_deleted {
                        print_line(
                            "The document may have been deleted before this time: no delete is recorded, but it was missing later.",
                        )?;
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
            let name = document.name();
            let (from, to) = (state(service, &name, from).await?, state(service, &name, to).await?);
            let difference = service.changefeed.history.difference(&name, &from, &to).await?;
            if output.format.is_table() && difference.changes.is_empty() {
                print_line("No differences")
            } else {
                print_list(output.format, &difference, &difference.changes)
            }
        }
        HistoryCommand::Blame { document, as_of, max_versions, output } => {
            let request = BlameRequest {
                document: document.name(),
                state: BlamedState::of_time(*as_of),
                max_versions: Some(*max_versions),
            };
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

/// A state to compare: the whole id of a version, or `live`.
async fn state(service: &Service, document: &DocumentName, given: &str) -> Result<String> {
    if given == LIVE { Ok(given.to_owned()) } else { Ok(find_version(service, document, given).await?.into()) }
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
        standard_error::warning(warning);
    }
    print_pages(list, PAGE_ITEMS, ListWriter::new(list.output.format)?, async |page| {
        let request = SearchRequest { max_items: page.max_items, continuation: page.continuation, ..request.clone() };
        let page = service.changefeed.history.search(&request).await?;
        Ok(ListPage::new(page.items, page.continuation))
    })
    .await
}

impl ListItem for SearchRow {
    const CSV: &'static [&'static str] =
        &["kind", "sourceTs", "container", "id", "partitionKey", "versionId", "operation", "actor", "document"];

    fn columns() -> Vec<Column> {
        vec![
            time::column("Time"),
            Column::text("Container").optional(2),
            Column::text("Id"),
            Column::text("Partition key").optional(3),
            Column::fixed("Version").optional(1),
            Column::text("Document"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            time::in_column(self.source_ts).into(),
            self.container.clone().into(),
            self.id.clone().into(),
            self.partition_key.to_string().into(),
            Cell::version(self.version_id.clone(), ""),
            brief(&self.document).into(),
        ]
    }
}

impl ListItem for FieldChange {
    const CSV: &'static [&'static str] = &["path", "before", "after"];

    fn columns() -> Vec<Column> {
        vec![Column::text("Field"), Column::text("Before"), Column::text("After")]
    }

    fn cells(&self) -> Vec<Cell> {
        let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
        vec![field(&self.path).into(), value(&self.before).into(), value(&self.after).into()]
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
