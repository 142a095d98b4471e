//! A document on the command line: its id and its partition key value.

use changefeed_cosmos::{DocumentName, Key};
use clap::Args;

/// A document.
#[derive(Debug, Args)]
pub struct DocumentArguments {
    /// Id of the document
    #[arg(long)]
    id: String,
    #[command(flatten)]
    key: KeyArguments,
}

/// A partition key value.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct KeyArguments {
    /// Partition key value, if it is a single string
    #[arg(long)]
    pk: Option<String>,
    /// Partition key value as a JSON array of its components
    #[arg(long, value_name = "JSON", value_parser = parse_key)]
    partition_key: Option<Key>,
}

impl DocumentArguments {
    /// The document that was named.
    pub fn name(&self) -> DocumentName {
        let key = self.key.pk.as_ref().map(Key::text).or_else(|| self.key.partition_key.clone());
        // clap requires one of the two arguments, so the empty key is never used.
        DocumentName { id: self.id.clone(), partition_key: key.unwrap_or_else(|| Key::text("")) }
    }
}

/// Reads the JSON array of a key's components.
pub fn parse_key(text: &str) -> Result<Key, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("not a JSON array of the key's components, such as [\"a\", 1]: {error}"))
}
