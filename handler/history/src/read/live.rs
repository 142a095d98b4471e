//! Reads the live document as the newest version of its history.

use changefeed_cosmos::{Container, DocumentName, Error, printable};
use chrono::Utc;
use serde_json::Value;

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
