//! The live document, as what it is to the history: its newest version.

use chrono::Utc;

use super::versions::DocumentName;
use crate::capture::observed::Observed;
use crate::capture::record;
use crate::cosmos::{Container, Error};
use crate::store::{Role, Store};
use crate::version::{Operation, Version};

impl Store {
    /// The version that the monitored container holds now.
    pub(crate) async fn live(&self, document: &DocumentName) -> Result<Option<Version>, Error> {
        self.live_in(self.container(Role::Monitored).await?, document, "live").await
    }

    /// The version that a container holds now, as captured by `captured_by`.
    pub(crate) async fn live_in(
        &self,
        container: &Container,
        document: &DocumentName,
        captured_by: &str,
    ) -> Result<Option<Version>, Error> {
        let Some(stored) = container.read_stored(&document.partition_key, &document.id).await? else { return Ok(None) };
        let observed = Observed::of_document(stored.document, Operation::Write, stored.lsn, container.key_paths())
            .map_err(|unusable| Error::invalid(format!("reading document {}", document.id), unusable.to_string()))?;
        Ok(Some(record::version(observed, container.default_ttl().await, true, captured_by, Utc::now())))
    }
}
