//! `changefeed query`.

use anyhow::{Context, Result, bail};
use changefeed_operations::QueryRequest;
use serde_json::{Map, Value};

use super::arguments::{Output, QueryArguments};
use super::output::{cell, print_json, print_table};
use crate::service::Service;

/// Asks, and prints every page: a table, or a JSON value a line.
pub async fn run(service: &Service, arguments: &QueryArguments) -> Result<()> {
    let mut request = QueryRequest {
        container: arguments.container.clone(),
        query: arguments.query.clone(),
        parameters: Some(Value::Object(parameters(&arguments.parameters)?)),
        partition_key: match &arguments.partition_key {
            Some(text) => Some(serde_json::from_str(text).with_context(|| format!("--partition-key {text}"))?),
            None => None,
        },
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
    if arguments.output.output == Output::Table { print_items(&items) } else { Ok(()) }
}

fn parameters(given: &[String]) -> Result<Map<String, Value>> {
    let parameter = |text: &String| {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| name.starts_with('@')) else {
            bail!("--parameter {text}: allowed is @NAME=VALUE");
        };
        Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
    };
    given.iter().map(parameter).collect()
}

/// Objects become rows with a column for each property, in the order of the first object that has it.
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
