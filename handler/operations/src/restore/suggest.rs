//! Says what a name that matches nothing may have meant.

use changefeed_cosmos::{DocumentName, Error, read_id_and_key, select_id_and_key};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use super::restores::Restores;

/// The most other partition keys that a message names.
const MAX_NAMED: usize = 3;
/// Rows that are read to find them: a document has a row for each of its versions.
const MAX_ROWS: usize = 20;

impl Restores {
    /// Says that no document or version has a name, and where the same id exists.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub(super) async fn no_such_document(&self, name: &DocumentName) -> Result<String, Error> {
        let nothing = "no document or version has this id and partition key";
        let keys = self.other_keys(&name.id).await?;
        if keys.is_empty() {
            return Ok(format!("{nothing}; check the spelling, which is case-sensitive"));
        }
        Ok(format!("{nothing}; the same id exists with partition key {}", keys.join(" and ")))
    }

    /// Partition keys of live documents and versions with this id.
    async fn other_keys(&self, id: &str) -> Result<Vec<String>, Error> {
        let parameters = Map::from_iter([("@id".to_owned(), json!(id))]);
        let mut keys: Vec<String> = Vec::new();
        let mut add = |name: DocumentName| {
            let key = name.partition_key.to_string();
            if keys.len() < MAX_NAMED && !keys.contains(&key) {
                keys.push(key);
            }
        };
        let monitored = self.history.monitored().open().await?;
        let query = format!("SELECT VALUE {} FROM c WHERE c.id = @id", select_id_and_key(monitored.key_paths()));
        let mut live = monitored.select_few::<Value>(&query, &parameters, None, MAX_ROWS).await?;
        let mut rows = 0;
        while rows < MAX_ROWS
            && let Some(row) = live.try_next().await?
        {
            rows += 1;
            add(read_id_and_key(&row, monitored.key_paths())?);
        }
        let changes = self.history.changes().open().await?;
        let query = "SELECT VALUE {id: c.sourceId, partitionKey: c.partitionKey} FROM c \
                     WHERE c.sourceId = @id AND NOT IS_DEFINED(c.partOf)";
        let mut versions = changes.select_few::<DocumentName>(query, &parameters, None, MAX_ROWS).await?;
        let mut rows = 0;
        while rows < MAX_ROWS
            && let Some(name) = versions.try_next().await?
        {
            rows += 1;
            add(name);
        }
        Ok(keys)
    }
}
