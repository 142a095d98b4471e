//! Deletes items of the changes container: every delete of the retention and of erasures goes through [`Remover::delete`].
//!
//! A version may have parts. The record is deleted before its parts, so that a version that can be read is complete. If the process is killed in between,
//! no query would find the remaining parts. Therefore the sweep of the retention first records which versions it is about to delete, and a
//! later sweep deletes what is left. An erasure finds what is left by the document's id and key, which parts have too.
//!
//! The caller records a removal in the [removal log](crate::removal_log) before it deletes the version.
//!
//! The race to mind: the same version is delivered again meanwhile. Capture may find the parts still stored and create the
//! record again, which would then lose its parts. So the record is read once more at the end.

use std::time::Duration;

use changefeed_cosmos::{
    Container, DocumentName, Error, Key, KeyComponent, parts_prefix, read_id_and_key, select_id_and_key,
};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::retention_record::Removing;
use crate::version::pk_of;

/// An item of the changes container that holds something of a document.
pub(crate) struct HeldItem {
    /// The item's own id and key.
    pub name: DocumentName,
    /// Whether it is a part of a version that is too large for one item.
    pub is_part: bool,
}

impl HeldItem {
    pub(crate) fn id_and_key(&self) -> (&str, &Key) {
        (&self.name.id, &self.name.partition_key)
    }
}

/// The items that hold something of a document: its versions, then parts, those without a version too. `scope` is the key of
/// its versions, if that follows from the document's name.
pub(crate) async fn items_of(
    changes: &Container,
    document: &DocumentName,
    scope: Option<&Key>,
) -> Result<Vec<HeldItem>, Error> {
    let paths = changes.key_paths();
    let mut parameters = Map::from_iter([("@id".to_owned(), json!(document.id))]);
    let of_key = match pk_of(&document.partition_key) {
        Some(pk) => {
            parameters.insert("@pk".to_owned(), pk);
            "c.pk = @pk"
        }
        None => "NOT IS_DEFINED(c.pk)",
    };
    let query = format!(
        "SELECT VALUE {{name: {}, isPart: IS_DEFINED(c.partOf)}} FROM c WHERE c.sourceId = @id AND {of_key}",
        select_id_and_key(paths)
    );
    let rows: Vec<Value> = changes.select(&query, &parameters, scope).await?.try_collect().await?;
    let item =
        |row: &Value| Ok(HeldItem { name: read_id_and_key(&row["name"], paths)?, is_part: row["isPart"] == true });
    let mut items = rows.iter().map(item).collect::<Result<Vec<_>, Error>>()?;
    items.sort_by_key(|item| item.is_part);
    Ok(items)
}

/// Deletes items of the changes container.
#[derive(Clone, Copy)]
pub(crate) struct Remover<'a> {
    pub changes: &'a Container,
    /// How long the delete of one item is retried.
    pub timeout: Duration,
}

impl Remover<'_> {
    /// Deletes one item, if it exists. Returns the charge.
    pub(crate) async fn delete(&self, id: &str, key: &Key) -> Result<f64, Error> {
        let deadline = Instant::now() + self.timeout;
        Ok(self.changes.delete_until(deadline, key, id, None).await?.request_charge())
    }

    /// Deletes the record of a version, then its parts. Returns the charge.
    pub(crate) async fn delete_version(&self, version: &Removing) -> Result<f64, Error> {
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
    pub(crate) async fn delete_orphaned_parts(&self, version: &Removing) -> Result<f64, Error> {
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
