//! Reads the live document as the newest version of its history.

use changefeed_cosmos::{Container, DocumentName, Error, Key, printable, read_id_and_key, select_id_and_key};
use chrono::Utc;
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use crate::history::History;
use crate::observed::Observed;
use crate::record::version_of;
use crate::version::{Operation, Version};

impl History {
    /// The live document as a version; `None` if it does not exist.
    ///
    /// # Errors
    /// When the monitored container cannot be read.
    pub async fn live(&self, document: &DocumentName) -> Result<Option<Version>, Error> {
        self.live_in(&self.monitored.open().await?, document, "live").await
    }

    /// The live document of this container as a version captured by `captured_by`; `None` if it does not exist.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn live_in(
        &self,
        container: &Container,
        document: &DocumentName,
        captured_by: &str,
    ) -> Result<Option<Version>, Error> {
        let stored = container.read_stored(&document.partition_key, &document.id).await?;
        stored.map(|stored| self.as_version(container, document, stored.document, stored.lsn, captured_by)).transpose()
    }

    /// The partition keys of the live documents with an id.
    ///
    /// # Errors
    /// When the monitored container cannot be read.
    pub async fn live_keys(&self, id: &str) -> Result<Vec<Key>, Error> {
        let monitored = self.monitored.open().await?;
        let name = select_id_and_key(monitored.key_paths());
        let parameters = Map::from_iter([("@id".to_owned(), json!(id))]);
        let query = format!("SELECT VALUE {name} FROM c WHERE c.id = @id");
        let rows: Vec<Value> = monitored.select(&query, &parameters, None).await?.try_collect().await?;
        let key = |row: &Value| Ok(read_id_and_key(row, monitored.key_paths())?.partition_key);
        rows.iter().map(key).collect()
    }

    /// The live documents of these names as [`Self::live_in`] returns them, in their order, but without sequence numbers.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn live_many(
        &self,
        container: &Container,
        documents: &[DocumentName],
        captured_by: &str,
    ) -> Result<Vec<Option<Version>>, Error> {
        let stored = container.read_many(documents).await?;
        let versions = documents.iter().zip(stored).map(|(document, stored)| {
            stored.map(|stored| self.as_version(container, document, stored, None, captured_by)).transpose()
        });
        versions.collect()
    }

    fn as_version(
        &self,
        container: &Container,
        document: &DocumentName,
        stored: Value,
        lsn: Option<i64>,
        captured_by: &str,
    ) -> Result<Version, Error> {
        self.note_own_lsn(&stored);
        let observed = Observed::of_document(stored, Operation::Write, lsn, container.key_paths())
            .map_err(|unusable| Error::corrupt(format!("reading document {}", printable(&document.id)), unusable))?;
        Ok(version_of(observed, container.default_ttl(), self.actor_fields(), true, captured_by, Utc::now()))
    }
}
