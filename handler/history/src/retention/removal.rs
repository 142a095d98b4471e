//! Deletes a version that has parts.
//!
//! The record is deleted before its parts, so that a version that can be read is complete. If the process is killed in between,
//! no query would find the remaining parts. Therefore the sweep first records which versions it is about to delete, and a
//! later sweep deletes what is left.
//!
//! The race to mind: the same version is delivered again meanwhile. Capture may find the parts still stored and create the
//! record again, which would then lose its parts. So the record is read once more at the end.

use std::time::{Duration, Instant};

use changefeed_cosmos::{Container, Error, Key, KeyComponent, parts_prefix, read_id_and_key, retry, select_id_and_key};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use crate::retention_record::Removing;

/// Deletes items of the changes container.
#[derive(Clone, Copy)]
pub(super) struct Remover<'a> {
    pub changes: &'a Container,
    /// How long the delete of one item is retried.
    pub timeout: Duration,
}

impl Remover<'_> {
    /// Deletes one item, if it exists. Returns the charge.
    pub(super) async fn delete(&self, id: &str, key: &Key) -> Result<f64, Error> {
        let deadline = Instant::now() + self.timeout;
        let charge = retry(deadline, || self.changes.delete(key, id, None)).await?;
        Ok(charge.unwrap_or_default())
    }

    /// Deletes the record of a version, then its parts. Returns the charge.
    pub(super) async fn delete_version(&self, version: &Removing) -> Result<f64, Error> {
        let mut request_charge = 0.0;
        loop {
            request_charge += self.delete(&version.id, &version.key).await?;
            request_charge += self.delete_parts(version).await?;
            if !self.exists(version).await? {
                return Ok(request_charge);
            }
        }
    }

    /// Deletes the parts of a version whose removal was interrupted. Returns the charge. If the record still exists, nothing is
    /// deleted: the retention may have been made longer since, so the version has to be judged again.
    pub(super) async fn delete_orphaned_parts(&self, version: &Removing) -> Result<f64, Error> {
        if self.exists(version).await? { Ok(0.0) } else { self.delete_parts(version).await }
    }

    async fn exists(&self, version: &Removing) -> Result<bool, Error> {
        Ok(self.changes.read(&version.key, &version.id).await?.is_some())
    }

    async fn delete_parts(&self, version: &Removing) -> Result<f64, Error> {
        let paths = self.changes.key_paths();
        // The prefix of the id narrows the query, `partOf` decides: the id of another version may start the same way.
        let query = format!(
            "SELECT VALUE {} FROM c WHERE STARTSWITH(c.id, @prefix) AND c.partOf = @id",
            select_id_and_key(paths)
        );
        let parameters = Map::from_iter([
            ("@prefix".to_owned(), json!(parts_prefix(&version.id))),
            ("@id".to_owned(), json!(version.id)),
        ]);
        let parts: Vec<Value> =
            self.changes.select(&query, &parameters, self.scope_of_parts(&version.key)).await?.try_collect().await?;
        let mut request_charge = 0.0;
        for part in &parts {
            let part = read_id_and_key(part, paths)?;
            request_charge += self.delete(&part.id, &part.partition_key).await?;
        }
        Ok(request_charge)
    }

    /// The partition key value that the parts share with their record; `None` where they may have another one.
    fn scope_of_parts<'k>(&self, key: &'k Key) -> Option<&'k Key> {
        let shared = self.changes.key_paths().iter().all(|path| path.is_property("pk") || path.is_property("sourceId"));
        Some(key).filter(|key| shared && key.components().first() != Some(&KeyComponent::Undefined))
    }
}
