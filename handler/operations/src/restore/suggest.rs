//! Says what a name that matches nothing may have meant.

use changefeed_cosmos::{DocumentName, Error, read_id_and_key, select_id_and_key};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use super::restores::Restores;

/// The most names that a message suggests.
const MAX_NAMED: usize = 3;
/// Rows that are read to find them: a document has a row for each of its versions.
const MAX_ROWS: usize = 20;

impl Restores {
    /// Says that no document or version has a name, and which similar names exist.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub(super) async fn no_such_document(&self, name: &DocumentName) -> Result<String, Error> {
        let nothing = "no document or version has this id and partition key";
        let similar = self.similar_names(&name.id).await?;
        let keys = |names: Vec<&DocumentName>| {
            names.iter().map(|name| name.partition_key.to_string()).collect::<Vec<_>>().join(" and ")
        };
        let (same, others): (Vec<_>, Vec<_>) = similar.iter().partition(|found| found.id == name.id);
        Ok(if !same.is_empty() {
            format!("{nothing}; the same id exists with partition key {}", keys(same))
        } else if let Some(first) = others.first() {
            let spelled_so = others.iter().copied().filter(|other| other.id == first.id).collect();
            format!("{nothing}; the id {:?} exists with partition key {}", first.id, keys(spelled_so))
        } else {
            format!("{nothing}; check the spelling, which is case-sensitive")
        })
    }

    /// Names of live documents and versions with this id or another spelling of it.
    async fn similar_names(&self, id: &str) -> Result<Vec<DocumentName>, Error> {
        let spellings = spellings(id);
        let parameters =
            spellings.iter().enumerate().map(|(n, id)| (format!("@id{n}"), json!(id))).collect::<Map<_, _>>();
        let is_spelled = |field: &str| {
            let tests: Vec<String> = (0..spellings.len()).map(|n| format!("{field} = @id{n}")).collect();
            format!("({})", tests.join(" OR "))
        };
        let mut names: Vec<DocumentName> = Vec::new();
        let mut add = |name: DocumentName| {
            if names.len() < MAX_NAMED && !names.contains(&name) {
                names.push(name);
            }
        };
        let monitored = self.history.monitored().open().await?;
        let selected = select_id_and_key(monitored.key_paths());
        let query = format!("SELECT VALUE {selected} FROM c WHERE {}", is_spelled("c.id"));
        let mut live = monitored.select_few::<Value>(&query, &parameters, None, MAX_ROWS).await?;
        let mut rows = 0;
        while rows < MAX_ROWS
            && let Some(row) = live.try_next().await?
        {
            rows += 1;
            add(read_id_and_key(&row, monitored.key_paths())?);
        }
        let changes = self.history.changes().open().await?;
        let query = format!(
            "SELECT VALUE {{id: c.sourceId, partitionKey: c.partitionKey}} FROM c WHERE {} AND NOT IS_DEFINED(c.partOf)",
            is_spelled("c.sourceId")
        );
        let mut versions = changes.select_few::<DocumentName>(&query, &parameters, None, MAX_ROWS).await?;
        let mut rows = 0;
        while rows < MAX_ROWS
            && let Some(name) = versions.try_next().await?
        {
            rows += 1;
            add(name);
        }
        Ok(names)
    }
}

/// An id as it is, without spaces around it, and in lower and upper case.
fn spellings(id: &str) -> Vec<String> {
    let trimmed = id.trim();
    let mut spellings = vec![id.to_owned()];
    for spelling in [trimmed.to_owned(), trimmed.to_lowercase(), trimmed.to_uppercase()] {
        if !spelling.is_empty() && !spellings.contains(&spelling) {
            spellings.push(spelling);
        }
    }
    spellings
}
