//! The id and the partition key of a change, where the Functions host may have rewritten them.
//!
//! Properties wanted: a version is stored under the id and the key that its document has, or not at all; the history of a
//! document is never split over a key that does not exist; a batch costs at most one search of each feed range, and only if an
//! id or a key in it may have been rewritten.
//!
//! A batch is a part of the feed of one physical partition, without a gap, and does not say of which one. So the feed of every
//! partition is read from the first number in doubt on. A write is recognized by its number and its etag, and shows that the
//! batch is from that partition. A delete has no etag: another partition may have a delete with the same number, second and id.
//! It counts if it is from the partition of the batch, or if no other partition has one.
//!
//! The race to mind: the partition was split since. Its parts have the numbers of the whole, so each change is in one of them. A page
//! of a range that was split is only of one part, so the search is repeated with the ranges as they are now.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use changefeed_cosmos::{Container, Error, ErrorKind, Key, KeyComponent, KeyRange, retry};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Map, json};
use tokio::time::Instant;

use super::fidelity::{may_be_delivered_as, text_may_be_rewritten};
use super::permanent::is_permanent;
use crate::observed::{Observed, Unusable};
use crate::version::Operation;

/// The most pages that a batch reads of a range: one, and more only if the service ends pages early because documents are large.
const MAX_PAGES: usize = 20;
/// The most changes of a page, unless the batch itself has more.
const MAX_PAGE_ITEMS: i64 = 1000;

/// The changes of a batch as the change feed has them.
#[derive(Default)]
pub(super) struct FeedImages {
    /// By the index of the change in the batch.
    images: HashMap<usize, Observed>,
    /// Request units of the search.
    pub request_charge: f64,
}

impl FeedImages {
    pub(super) fn take(&mut self, index: usize) -> Option<Observed> {
        self.images.remove(&index)
    }
}

/// Whether the host may have rewritten the id or the key of a change.
pub(super) fn is_in_doubt(delivered: &Observed) -> bool {
    let mut components = delivered.partition_key.components().iter();
    is_id_in_doubt(delivered)
        || components.any(|component| matches!(component, KeyComponent::Text(text) if text_may_be_rewritten(text)))
}

fn is_id_in_doubt(delivered: &Observed) -> bool {
    !delivered.id_is_exact && text_may_be_rewritten(&delivered.id)
}

/// Why a change whose original id and key cannot be found is not stored as a version.
pub(super) fn unknown(delivered: &Observed) -> Unusable {
    let message = format!(
        "the Functions host may have rewritten the id {:?} or the partition key {}, and neither the change feed nor a live \
         document nor the history has the original; changefeed verify --repair tries again",
        delivered.id, delivered.partition_key
    );
    Unusable { code: UNKNOWN_IDENTITY, message }
}

/// The reason of the dead letter of a change whose id or key is not known.
pub const UNKNOWN_IDENTITY: &str = "unknown-identity";

/// Finds the changes of a batch in the feed, from the first one whose id or key is in doubt to the last one. `delivered` are
/// changes of AllVersionsAndDeletes mode with their index in the batch; the batch has `others` besides.
///
/// # Errors
/// A failure after which the batch must be delivered again. A feed that does not reach back is none.
pub(super) async fn find_in_feed(
    monitored: &Container,
    deadline: Instant,
    delivered: &[(usize, Observed)],
    others: usize,
) -> Result<FeedImages, Error> {
    let doubtful = || delivered.iter().filter(|(_, delivered)| is_in_doubt(delivered)).filter_map(|(_, it)| it.lsn);
    let (Some(first), Some(last)) = (doubtful().min(), doubtful().max()) else { return Ok(FeedImages::default()) };
    let wanted: Vec<&(usize, Observed)> =
        delivered.iter().filter(|(_, it)| it.lsn.is_some_and(|lsn| (first..=last).contains(&lsn))).collect();
    let page_items = page_items(wanted.len() + others, first, last);
    let search = || Search {
        monitored,
        deadline,
        first,
        last,
        wanted: &wanted,
        page_items,
        writes: HashMap::new(),
        removals: HashMap::new(),
        origins: HashSet::new(),
        is_partial: false,
        is_divided: false,
        request_charge: 0.0,
    };
    let mut found = search();
    found.read_all(&retry(deadline, || monitored.ranges()).await?).await?;
    if found.is_divided {
        let request_charge = found.request_charge;
        found = Search { request_charge, ..search() };
        found.read_all(&retry(deadline, || monitored.ranges_now()).await?).await?;
    }
    if found.is_divided {
        let action = format!("reading the change feed of container {}", monitored.name());
        return Err(Error::new(ErrorKind::Gone, action, "a partition was split meanwhile"));
    }
    Ok(found.found())
}

/// The size of a page that reaches from the first number to the last one: as many changes as the batch has, or as there are
/// numbers. A lease of a part of a partition, which a merge leaves, delivers only some of the changes of the partition.
fn page_items(batch: usize, first: i64, last: i64) -> NonZeroU32 {
    let numbers = last.saturating_sub(first).saturating_add(1).clamp(1, MAX_PAGE_ITEMS);
    let items = u32::try_from(batch).unwrap_or(u32::MAX).max(u32::try_from(numbers).unwrap_or(1));
    NonZeroU32::new(items).unwrap_or(NonZeroU32::MIN)
}

/// A search for the changes of a batch.
struct Search<'a> {
    monitored: &'a Container,
    deadline: Instant,
    /// The sequence numbers of the first and the last change in doubt.
    first: i64,
    last: i64,
    wanted: &'a [&'a (usize, Observed)],
    page_items: NonZeroU32,
    /// The creates and replaces, by the index of the delivered one.
    writes: HashMap<usize, Observed>,
    /// For each delivered removal the removals that it may be, with the number of their range.
    removals: HashMap<usize, Vec<(usize, Observed)>>,
    /// The ranges that have a create or replace of the batch.
    origins: HashSet<usize>,
    /// Whether a range could not be read to the end.
    is_partial: bool,
    /// Whether a range has been split since the ranges were read.
    is_divided: bool,
    request_charge: f64,
}

impl Search<'_> {
    /// Reads the ranges in their order, until each change in doubt is found in the partition of the batch.
    async fn read_all(&mut self, ranges: &[KeyRange]) -> Result<(), Error> {
        let mut ranges: Vec<&KeyRange> = ranges.iter().collect();
        ranges.sort_by(|left, right| left.min.cmp(&right.min));
        for (number, range) in ranges.into_iter().enumerate() {
            self.read(number, range).await?;
            if self.is_divided || self.is_complete() {
                break;
            }
        }
        Ok(())
    }

    /// Reads a range, page by page, as long as it has changes of the batch.
    async fn read(&mut self, number: usize, range: &KeyRange) -> Result<(), Error> {
        let mut after = self.first - 1;
        for _ in 0..MAX_PAGES {
            let page = || self.monitored.changes_after(range, after, self.page_items);
            let changes = match retry(self.deadline, page).await {
                Ok(changes) => changes,
                // The retention window has passed, or a change cannot be read.
                Err(error) if is_permanent(&error) => {
                    log::warn!("ids and keys that the host may have rewritten cannot be read again: {error}");
                    self.is_partial = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            self.request_charge += changes.request_charge;
            if !changes.is_whole {
                self.is_divided = true;
                return Ok(());
            }
            let is_full = changes.envelopes.len() >= self.page_items.get() as usize;
            let paths = self.monitored.key_paths();
            let images = changes.envelopes.into_iter().filter_map(|change| Observed::of_element(change, paths).ok());
            let images: Vec<Observed> = images.collect();
            let Some(reached) = images.iter().filter_map(|image| image.lsn).max() else { return Ok(()) };
            let matches = images.into_iter().filter(|image| self.compare(number, image)).count();
            if reached >= self.last || matches == 0 {
                return Ok(());
            }
            if is_full {
                // The batch is not from here, or transactions had more changes than there are numbers.
                self.is_partial = true;
                return Ok(());
            }
            after = reached;
        }
        self.is_partial = true;
        Ok(())
    }

    /// Whether a change of a range is one of the batch, or may be.
    fn compare(&mut self, number: usize, image: &Observed) -> bool {
        let mut is_match = false;
        for (index, delivered) in self.wanted {
            if !may_be_same_change(delivered, image) {
                continue;
            }
            is_match = true;
            if image.operation.is_removal() {
                self.removals.entry(*index).or_default().push((number, image.clone()));
            } else {
                self.origins.insert(number);
                self.writes.insert(*index, image.clone());
            }
        }
        is_match
    }

    /// Whether each change in doubt was found in the partition of the batch.
    fn is_complete(&self) -> bool {
        let is_of_origin = |index: &usize| {
            let mut candidates = self.removals.get(index).into_iter().flatten();
            candidates.any(|(number, _)| self.origins.contains(number))
        };
        let mut doubtful = self.wanted.iter().filter(|(_, delivered)| is_in_doubt(delivered));
        doubtful.all(|(index, _)| self.writes.contains_key(index) || is_of_origin(index))
    }

    fn found(self) -> FeedImages {
        let mut images = self.writes;
        for (index, mut candidates) in self.removals {
            if candidates.iter().any(|(number, _)| self.origins.contains(number)) {
                candidates.retain(|(number, _)| self.origins.contains(number));
            } else if self.is_partial {
                continue;
            }
            let is_same = |(_, other): &(usize, Observed), image: &Observed| {
                other.id == image.id && other.partition_key == image.partition_key
            };
            if let Some((_, image)) = candidates.pop()
                && candidates.iter().all(|candidate| is_same(candidate, &image))
            {
                images.insert(index, image);
            }
        }
        FeedImages { images, request_charge: self.request_charge }
    }
}

fn may_be_same_change(delivered: &Observed, image: &Observed) -> bool {
    let id = image.id == delivered.id || !delivered.id_is_exact && may_be_delivered_as(&image.id, &delivered.id);
    (delivered.lsn, delivered.operation, &delivered.etag) == (image.lsn, image.operation, &image.etag)
        && delivered.source_ts == image.source_ts
        && delivered.previous_lsn.is_none_or(|lsn| image.previous_lsn == Some(lsn))
        && id
        && key_may_be_delivered_as(&image.partition_key, &delivered.partition_key)
}

fn key_may_be_delivered_as(stored: &Key, delivered: &Key) -> bool {
    let (stored, delivered) = (stored.components(), delivered.components());
    let may_be = |pair: (&KeyComponent, &KeyComponent)| match pair {
        (KeyComponent::Text(stored), KeyComponent::Text(delivered)) => may_be_delivered_as(stored, delivered),
        (stored, delivered) => stored == delivered,
    };
    stored.len() == delivered.len() && stored.iter().zip(delivered).all(may_be)
}

/// The key of a change by the version that it replaced or removed, if the history has that: the only one with the change's id,
/// that version's number, and a key that the host may have delivered as this one.
pub(super) async fn known_key(
    changes: &Container,
    deadline: Instant,
    delivered: &Observed,
) -> Result<Option<Key>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Known {
        partition_key: Key,
        operation: Operation,
    }
    let Some(lsn) = delivered.previous_lsn.filter(|_| !is_id_in_doubt(delivered)) else { return Ok(None) };
    let query = "SELECT VALUE {partitionKey: c.partitionKey, operation: c.operation} FROM c \
                 WHERE c.sourceId = @id AND c.lsn = @lsn";
    let parameters = Map::from_iter([("@id".to_owned(), json!(delivered.id)), ("@lsn".to_owned(), json!(lsn))]);
    let known = retry(deadline, || async {
        changes.select::<serde_json::Value>(query, &parameters, None).await?.try_collect::<Vec<_>>().await
    })
    .await?;
    let mut keys = known
        .iter()
        // An item that is not a version is skipped here; a verification reports it.
        .filter_map(|known| Known::deserialize(known).ok())
        .filter(|known| !known.operation.is_removal())
        .map(|known| known.partition_key)
        .filter(|key| key_may_be_delivered_as(key, &delivered.partition_key));
    let first = keys.next();
    Ok(first.filter(|first| keys.all(|key| key == *first)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_cosmos::KeyPath;
    use serde_json::Value;

    fn delete(id: &str, key: &str, lsn: i64) -> Observed {
        let metadata = json!({"operationType": "delete", "lsn": lsn, "previousImageLSN": lsn - 1, "crts": 5, "id": id,
            "partitionKey": {"pk": key}});
        observed(json!({"current": {}, "metadata": metadata}))
    }

    fn create(id: &str, key: &str, lsn: i64) -> Observed {
        let current = json!({"id": id, "pk": key, "_ts": 5, "_etag": format!("\"{lsn}\"")});
        observed(json!({"current": current, "metadata": {"operationType": "create", "lsn": lsn, "crts": 5}}))
    }

    fn observed(change: Value) -> Observed {
        Observed::of_element(change, &[KeyPath::property("pk")]).expect("a change")
    }

    const HALF: &str = "2024-01-01T00:00:00.50Z";
    const OTHER: &str = "2024-01-01T02:00:00.5+02:00";
    const DELIVERED: &str = "2024-01-01T00:00:00.5Z";

    #[test]
    fn a_change_is_in_doubt_if_its_id_or_its_key_may_be_rewritten() {
        assert!(is_in_doubt(&delete("1", DELIVERED, 3)) && is_in_doubt(&create("1", DELIVERED, 3)));
        assert!(is_in_doubt(&create(DELIVERED, "a", 3)));
        // The metadata of a delete has the id as it is stored.
        assert!(!is_in_doubt(&delete(DELIVERED, "a", 3)) && !is_in_doubt(&create("1", "a", 3)));
    }

    #[test]
    fn the_changes_of_other_documents_are_distinguished() {
        let delivered = delete("1", DELIVERED, 3);
        assert!(may_be_same_change(&delivered, &delete("1", HALF, 3)));
        let later = Observed { source_ts: 6, ..delete("1", HALF, 3) };
        let of_another = Observed { previous_lsn: Some(1), ..delete("1", HALF, 3) };
        let expiry = Observed { operation: Operation::Expire, ..delete("1", HALF, 3) };
        for other in [delete("2", HALF, 3), delete("1", HALF, 4), delete("1", "a", 3), later, of_another, expiry] {
            assert!(!may_be_same_change(&delivered, &other), "{other:?}");
        }
        let written = create(DELIVERED, DELIVERED, 3);
        assert!(may_be_same_change(&written, &create(HALF, OTHER, 3)));
        let of_another = Observed { etag: Some("\"x\"".to_owned()), ..create(HALF, OTHER, 3) };
        assert!(!may_be_same_change(&written, &of_another));
    }
}
