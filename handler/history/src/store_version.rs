//! Stores versions. They are created and never replaced.

use std::borrow::Cow;

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, Item, printable};
use tokio::time::Instant;

use crate::capture_rules::EXCLUDED;
use crate::erasure::ERASED;
use crate::history::History;
use crate::record::items;
use crate::version::Version;
use crate::version_id::VersionId;

impl History {
    /// Stores a version. Returns the charge, or `None` if it is stored already. Its parts are created first, so that a version
    /// that can be read is complete.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when the document is erased or excluded by the capture filter, and when it cannot be stored before the deadline.
    pub async fn store_version(&self, version: &Version, deadline: Instant) -> Result<Option<f64>, Error> {
        let document = DocumentName { id: version.source_id.clone(), partition_key: version.partition_key.clone() };
        if Box::pin(self.erased().current(deadline)).await?.contains(&document) {
            let action = format!("storing a version of document {}", printable(&document.id));
            return Err(Error::new(ErrorKind::Conflict, action, ERASED));
        }
        let Some(storable) = self.rules().await?.storable(Cow::Borrowed(version)) else {
            let action = format!("storing a version of document {}", printable(&document.id));
            return Err(Error::new(ErrorKind::Conflict, action, EXCLUDED));
        };
        let changes = self.changes.open().await?;
        create_record(&changes, &items(&storable)?, deadline).await
    }

    /// Stores versions. The results are in their order: the charge, or `None` if it is stored already. The caller leaves out those of erased
    /// and of excluded documents.
    ///
    /// # Errors
    /// When a version is not JSON, and when the container cannot be opened. A result is an error when the version cannot be stored before
    /// the deadline.
    pub async fn store_versions(
        &self,
        versions: &[Version],
        concurrency: usize,
        deadline: Instant,
    ) -> Result<Vec<Result<Option<f64>, Error>>, Error> {
        let (changes, rules) = (self.changes.open().await?, self.rules().await?);
        let (mut together, mut in_parts) = (Vec::new(), Vec::new());
        for (index, version) in versions.iter().enumerate() {
            let storable = rules.storable(Cow::Borrowed(version));
            let storable = storable.ok_or_else(|| Error::new(ErrorKind::Conflict, "storing versions", EXCLUDED))?;
            let mut items = items(&storable)?;
            match items.len() {
                1 => together.append(&mut items),
                _ => in_parts.push((index, items)),
            }
        }
        let mut stored = changes.create_many(&together, concurrency, deadline).await;
        for (index, items) in in_parts {
            stored.insert(index, create_record(&changes, &items, deadline).await);
        }
        Ok(stored)
    }

    /// Ensures that there is an exact record of a version. If the existing record is not exact or cannot be read, another one is
    /// created beside it. Returns the id of the exact record. `is_missing` says that there was no record, so that it is not read first.
    ///
    /// # Errors
    /// [`Corrupt`](changefeed_cosmos::ErrorKind::Corrupt) when both records exist and neither is exact, which this program never writes.
    pub async fn ensure_stored_exactly(
        &self,
        name: &DocumentName,
        version: &Version,
        is_missing: bool,
        deadline: Instant,
    ) -> Result<VersionId, Error> {
        let twin = Version { id: version.id.exact(), ..version.clone() };
        let is_exact = async |id: &VersionId| -> Result<bool, Error> {
            Ok(self.read_back(name, id).await?.is_some_and(|read| read.is_ok_and(|version| version.exact)))
        };
        for record in [version, &twin] {
            // Usually capture has stored it already.
            if !(is_missing && record.id == version.id) && is_exact(&record.id).await? {
                return Ok(record.id.clone());
            }
            let was_stored = self.store_version(record, deadline).await?.is_none();
            if !was_stored || is_exact(&record.id).await? {
                return Ok(record.id.clone());
            }
        }
        let message = format!("the history is damaged: neither this record nor {} is exact", twin.id);
        Err(Error::corrupt(format!("storing version {}", version.id), message))
    }
}

/// Creates the items of a record, whose parts come first. Returns the charge, or `None` if the record exists.
pub(crate) async fn create_record(
    container: &Container,
    items: &[Item],
    deadline: Instant,
) -> Result<Option<f64>, Error> {
    let mut request_charge = 0.0;
    let mut created = None;
    for item in items {
        created = container.create_one(&item.key(container)?, item, deadline).await?;
        request_charge += created.unwrap_or_default();
    }
    Ok(created.map(|_| request_charge))
}
