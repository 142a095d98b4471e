//! The copies of a document's changes that another program has made.

use std::collections::{HashMap, HashSet};

use changefeed_cosmos::{DocumentName, Error, FieldPath};
use changefeed_history::{ChangeToFold, FlatChange, FlatFields, FoldedChange, Version, fold_changes};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

use super::page::{Mode, Pages};
use super::rehome_record::RehomeCounts;

/// Versions of this history that are read at a time.
const PAGE_VERSIONS: usize = 100;
/// Changes that are stored together.
const CHUNK: usize = 50;

/// The times of the changes that were moved before, by number and digest.
type Imported = HashMap<(i64, [u8; 32]), i64>;

impl Pages<'_> {
    /// Moves or compares the changes of a document.
    pub(super) async fn move_copies(&self, flat: &FlatFields, name: &DocumentName) -> Result<RehomeCounts, Error> {
        let mut counts = RehomeCounts::default();
        let (mut changes, imported) = self.captured(name).await?;
        let captured = changes.len();
        let mut copies = self.copies(flat, name, None).await?;
        while let Some(copy) = copies.try_next().await? {
            match copy {
                Ok(copy) => changes.push(ChangeToFold {
                    copy_id: Some(copy.copy_id),
                    second: copy.second,
                    lsn: copy.lsn,
                    digest: Some(copy.digest),
                }),
                Err(_) if self.mode == Mode::Compare => {}
                Err(message) => {
                    counts.unreadable += 1;
                    counts.name(message);
                }
            }
        }
        let copied = changes.len() - captured;
        let folded = fold_changes(changes);
        if self.mode != Mode::Compare {
            counts.duplicates += (copied - folded.len()) as u64;
        }
        for chunk in folded.chunks(CHUNK) {
            let versions = self.versions_of(flat, name, chunk, &imported).await?;
            counts.add(self.put(versions).await?);
        }
        Ok(counts)
    }

    /// The versions of a document that this history has captured itself, and the times of those that were moved before.
    async fn captured(&self, name: &DocumentName) -> Result<(Vec<ChangeToFold>, Imported), Error> {
        let (mut captured, mut imported, mut second) = (Vec::new(), Imported::new(), None);
        loop {
            let next = self.rehomes.history.versions_after(name, second, PAGE_VERSIONS).await?;
            for version in next.versions {
                let is_import = version.id.is_import();
                match to_fold(version) {
                    ChangeToFold { lsn: Some(lsn), digest: Some(digest), second, .. } if is_import => {
                        imported.insert((lsn, digest), second);
                    }
                    _ if is_import => {}
                    change => captured.push(change),
                }
            }
            match next.last_second {
                Some(last) => second = Some(last),
                None => return Ok((captured, imported)),
            }
        }
    }

    /// The copies of a document's changes, or those of them with these ids; or why an item is none.
    async fn copies(
        &self,
        flat: &FlatFields,
        name: &DocumentName,
        ids: Option<&[&str]>,
    ) -> Result<futures::stream::BoxStream<'static, Result<Result<FlatChange, String>, Error>>, Error> {
        let changes = self.source.history.changes().open().await?;
        let id = FieldPath::property(&flat.id_field).query_properties().concat();
        let mut parameters = Map::from_iter([("@document".to_owned(), json!(name.id))]);
        let mut query = format!("SELECT * FROM c WHERE c{id} = @document");
        if let Some(ids) = ids {
            query.push_str(" AND ARRAY_CONTAINS(@ids, c.id)");
            parameters.insert("@ids".to_owned(), json!(ids));
        }
        let (flat, key_paths, name) = (flat.clone(), self.placer.key_paths.clone(), name.clone());
        let container = changes.name().to_owned();
        let items = changes.select::<Value>(&query, &parameters, None).await?;
        let copies = items.map_ok(move |item| {
            let id = item["id"].clone();
            flat.read(item, &key_paths).map_err(|message| format!("item {id} of container {container}: {message}"))
        });
        // The query selects by id only. Documents with the same id can have different keys.
        let is_meant = move |copy: &Result<FlatChange, String>| copy.as_ref().is_ok_and(|copy| copy.name != name);
        Ok(Box::pin(copies.try_filter(move |copy| std::future::ready(!is_meant(copy)))))
    }

    /// The versions of changes.
    async fn versions_of(
        &self,
        flat: &FlatFields,
        name: &DocumentName,
        folded: &[FoldedChange],
        imported: &Imported,
    ) -> Result<Vec<Version>, Error> {
        let ids: Vec<&str> = folded.iter().map(|change| change.copy_id.as_str()).collect();
        let by_id: HashMap<&str, &FoldedChange> = ids.iter().copied().zip(folded).collect();
        let mut copies = self.copies(flat, name, Some(&ids)).await?;
        let (mut versions, mut seen) = (Vec::new(), HashSet::new());
        while let Some(copy) = copies.try_next().await? {
            let Ok(copy) = copy else { continue };
            // Items of different partitions can have the same id.
            let Some(change) = by_id.get(copy.copy_id.as_str()).filter(|_| seen.insert(copy.copy_id.clone())) else {
                continue;
            };
            // A change that was moved before keeps its time, and so its id, whatever was copied or captured since.
            let before = copy.lsn.and_then(|lsn| imported.get(&(lsn, copy.digest)));
            let change = FoldedChange { second: before.copied().unwrap_or(change.second), ..(*change).clone() };
            let actors = self.rehomes.history.actor_fields();
            versions.push(copy.version(&change, self.default_ttl, actors, &self.placer.captured_by));
        }
        Ok(versions)
    }
}

fn to_fold(version: Version) -> ChangeToFold {
    let digest = version.document.as_ref().map(changefeed_history::document_digest);
    ChangeToFold { copy_id: None, second: version.source_ts, lsn: version.lsn, digest }
}
