//! Reads the live document as the newest version of its history.

use changefeed_cosmos::{Container, DocumentName, Error, printable};
use chrono::Utc;

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
        let Some(stored) = container.read_stored(&document.partition_key, &document.id).await? else { return Ok(None) };
        self.note_own_lsn(&stored.document);
        let observed = Observed::of_document(stored.document, Operation::Write, stored.lsn, container.key_paths())
            .map_err(|unusable| Error::corrupt(format!("reading document {}", printable(&document.id)), unusable))?;
        Ok(Some(version_of(observed, container.default_ttl(), self.actor_fields(), true, captured_by, Utc::now())))
    }
}
