//! `changefeed query`: a SQL query against a container.

use anyhow::Result;
use changefeed_cosmos::Key;
use changefeed_operations::QueryRequest;
use clap::Args;
use serde_json::{Map, Value, json};

use super::document_arguments::parse_key;
use super::exit_code::{Exit, UsageError};
use super::list::{DocumentsWriter, ListArguments, ListPage, print_pages};
use crate::service::Service;

/// Items of one page.
const PAGE_ITEMS: u32 = 100;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  changefeed query --container events --parameter @city=Davidson \\\n    \
    \"SELECT c.id FROM c WHERE c.city_name = @city\"")]
pub struct QueryArguments {
    /// Container to query: the monitored one, or any other of the database
    #[arg(long)]
    container: String,
    /// Text of the query
    query: String,
    /// Parameter of the query; the value is JSON or plain text, such as @city=Davidson
    #[arg(long = "parameter", value_name = "@NAME=VALUE")]
    parameters: Vec<String>,
    /// Query only this partition key value, if it is a single string
    #[arg(long, conflicts_with = "partition_key")]
    pk: Option<String>,
    /// Query only this partition key value, a JSON array of its components
    #[arg(long, value_name = "JSON", value_parser = parse_key)]
    partition_key: Option<Key>,
    #[command(flatten)]
    list: ListArguments,
}

/// Runs the query and prints every page.
pub async fn run(service: &Service, arguments: &QueryArguments) -> Result<Exit> {
    let mut request = QueryRequest {
        container: arguments.container.clone(),
        query: arguments.query.clone(),
        parameters: Some(Value::Object(parameters(&arguments.parameters)?)),
        partition_key: arguments.pk.as_ref().map(Key::text).or_else(|| arguments.partition_key.clone()),
        max_items: None,
        continuation: None,
    };
    let mut request_charge = 0.0;
    let writer = DocumentsWriter::new(arguments.list.output.format)?;
    print_pages(&arguments.list, PAGE_ITEMS, writer, async |page| {
        request.max_items = page.max_items;
        request.continuation = page.continuation;
        let page = service.changefeed.documents.query(&request).await?;
        request_charge += page.request_charge;
        let rest = json!({"requestCharge": request_charge});
        Ok(ListPage { items: page.items, rest, continuation: page.continuation })
    })
    .await?;
    Ok(Exit::Done)
}

fn parameters(given: &[String]) -> Result<Map<String, Value>> {
    let parameter = |text: &String| {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| name.starts_with('@')) else {
            return Err(UsageError(format!("invalid --parameter {text:?}; use @NAME=VALUE")).into());
        };
        Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
    };
    given.iter().map(parameter).collect()
}
