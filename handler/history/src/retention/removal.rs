//! Removes a version that has parts.
//!
//! The record goes before its parts, so that a version that can be seen is whole. A kill in between would leave parts that
//! nobody looks for; so what is being removed is on record first, and a later sweep finishes it. The race to mind is a
//! redelivery of that very version, which may find the parts still there and write the record anew without them: the record
//! is looked for once more at the end.

use std::time::{Duration, Instant};

use changefeed_cosmos::{Container, Error, Key, KeyComponent, read_id_and_key, retry, select_id_and_key};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use crate::retention_record::Removing;

/// What deletes items of the changes container.
#[derive(Clone, Copy)]
pub(super) struct Remover<'a> {
    pub changes: &'a Container,
    /// How long throttling is waited out for one item.
    pub patience: Duration,
}

impl Remover<'_> {
    /// Deletes one item; the charge. That it is gone already is as good.
    pub(super) async fn delete(&self, id: &str, key: &Key) -> Result<f64, Error> {
        let deadline = Instant::now() + self.patience;
        let charge = retry(deadline, || self.changes.delete(key, id, None)).await?;
        Ok(charge.unwrap_or_default())
    }

    /// Deletes a version's record and its parts; the charge.
    pub(super) async fn remove(&self, version: &Removing) -> Result<f64, Error> {
        let mut request_charge = 0.0;
        loop {
            request_charge += self.delete(&version.id, &version.key).await?;
            request_charge += self.delete_parts(version).await?;
            if !self.exists(version).await? {
                return Ok(request_charge);
            }
        }
    }

    /// Deletes the parts of a version whose removal was interrupted. A version that is still there is left alone: whether
    /// it is to go may be judged otherwise now.
    pub(super) async fn finish(&self, version: &Removing) -> Result<f64, Error> {
        if self.exists(version).await? { Ok(0.0) } else { self.delete_parts(version).await }
    }

    async fn exists(&self, version: &Removing) -> Result<bool, Error> {
        Ok(self.changes.read(&version.key, &version.id).await?.is_some())
    }

    async fn delete_parts(&self, version: &Removing) -> Result<f64, Error> {
        let paths = self.changes.key_paths();
        // Ids are indexed, what the parts are of is not.
        let query = format!(
            "SELECT VALUE {} FROM c WHERE STARTSWITH(c.id, @prefix) AND c.partOf = @id",
            select_id_and_key(paths)
        );
        let parameters = Map::from_iter([
            ("@prefix".to_owned(), json!(format!("{}-", version.id))),
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

    /// The key that a version's parts share with its record; none where they may lie elsewhere.
    fn scope_of_parts<'k>(&self, key: &'k Key) -> Option<&'k Key> {
        let shared = self.changes.key_paths().iter().all(|path| ["/pk", "/sourceId"].contains(&path.as_str()));
        Some(key).filter(|key| shared && key.components().first() != Some(&KeyComponent::Undefined))
    }
}
