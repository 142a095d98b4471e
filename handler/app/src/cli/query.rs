//! `changefeed query`: a SQL query against a container.

use anyhow::{Result, bail};
use changefeed_cosmos::Key;
use changefeed_operations::QueryRequest;
use clap::Args;
use serde_json::{Map, Value};

use super::document_arguments::parse_key;
use super::exit_code::Exit;
use super::output::{Output, OutputArguments, cell, print_json, print_table};
use crate::service::Service;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  changefeed query --container events --parameter @city=Davidson \\\n    \
    \"SELECT c.id FROM c WHERE c.city_name = @city\"")]
pub struct QueryArguments {
    /// Name of the container
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
    /// Maximum number of items; default: all
    #[arg(long)]
    max_items: Option<usize>,
    #[command(flatten)]
    output: OutputArguments,
}

/// Runs the query and prints every page: as a table, or as one JSON value per line.
pub async fn run(service: &Service, arguments: &QueryArguments) -> Result<Exit> {
    let mut request = QueryRequest {
        container: arguments.container.clone(),
        query: arguments.query.clone(),
        parameters: Some(Value::Object(parameters(&arguments.parameters)?)),
        partition_key: arguments.pk.as_ref().map(Key::text).or_else(|| arguments.partition_key.clone()),
        max_items: None,
        continuation: None,
    };
    let mut left = arguments.max_items.unwrap_or(usize::MAX);
    let mut items = Vec::new();
    loop {
        let page = service.changefeed.documents.query(&request).await?;
        for item in page.items.into_iter().take(left) {
            left -= 1;
            match arguments.output.output {
                Output::Json => print_json(&item)?,
                Output::Table => items.push(item),
            }
        }
        match page.continuation {
            Some(continuation) if left > 0 => request.continuation = Some(continuation),
            _ => break,
        }
    }
    if arguments.output.output == Output::Table {
        print_items(&items)?;
    }
    Ok(Exit::Done)
}

fn parameters(given: &[String]) -> Result<Map<String, Value>> {
    let parameter = |text: &String| {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| name.starts_with('@')) else {
            bail!("invalid --parameter {text:?}; use @NAME=VALUE");
        };
        Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
    };
    given.iter().map(parameter).collect()
}

/// Objects become rows. Every property becomes a column, in the order in which properties first appear.
fn print_items(items: &[Value]) -> Result<()> {
    let mut columns: Vec<&str> = Vec::new();
    for name in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    if columns.is_empty() {
        return print_table(&["Value"], items.iter().map(|item| vec![cell(item)]));
    }
    let row = |item: &Value| columns.iter().map(|name| item.get(name).map(cell).unwrap_or_default()).collect();
    print_table(&columns, items.iter().map(row))
}
