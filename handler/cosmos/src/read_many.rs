//! Reads many items with few requests: those of one physical partition in one query.
//!
//! Items of a query have no sequence number. A caller that needs it reads the item by itself.

use std::collections::{BTreeMap, HashMap};

use azure_data_cosmos::options::ReadFeedRangesOptions;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use crate::container::Container;
use crate::document_name::{DocumentName, read_id_and_key, select_id_and_key};
use crate::error::Error;
use crate::key::Key;
use crate::key_range::KeyRange;
use crate::limits::MAX_PAGE_ITEMS;

/// Fewer items of a partition are read one by one: a query costs about as much as three reads.
const MIN_TOGETHER: usize = 4;
/// The most items of a query. An item has up to 2 MB, and all of them are in memory.
pub const MAX_TOGETHER: usize = 25;
/// Queries and reads in flight of one call.
const CONCURRENT_REQUESTS: usize = 8;

impl Container {
    /// Reads the items of these names, in their order; `None` where there is no such item.
    ///
    /// # Errors
    /// When a key does not match the container's key paths, and as the service answers.
    pub async fn read_many(&self, names: &[DocumentName]) -> Result<Vec<Option<Value>>, Error> {
        let mut by_range: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            let range = self.range_of(&name.partition_key).await?;
            by_range.entry((range.min, range.max)).or_default().push(index);
        }
        let groups = by_range.into_iter().flat_map(|((min, max), indexes)| {
            let size = if indexes.len() < MIN_TOGETHER { 1 } else { MAX_TOGETHER };
            let groups: Vec<Vec<usize>> = indexes.chunks(size).map(<[usize]>::to_vec).collect();
            groups.into_iter().map(move |indexes| (KeyRange { min: min.clone(), max: max.clone() }, indexes))
        });
        let read = futures::stream::iter(groups).map(async |(range, indexes)| {
            let items = match indexes[..] {
                [index] => vec![self.read(&names[index].partition_key, &names[index].id).await?],
                _ => self.read_together(&range, indexes.iter().map(|index| &names[*index])).await?,
            };
            Ok::<_, Error>(indexes.into_iter().zip(items).collect::<Vec<_>>())
        });
        let read: Vec<Vec<(usize, Option<Value>)>> = read.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await?;
        let mut items: HashMap<usize, Value> =
            read.into_iter().flatten().filter_map(|(index, item)| Some((index, item?))).collect();
        Ok((0..names.len()).map(|index| items.remove(&index)).collect())
    }

    /// The range of the physical partition that a key belongs to, as the SDK knows it.
    pub(crate) async fn range_of(&self, key: &Key) -> Result<KeyRange, Error> {
        self.find_range(key, false).await
    }

    /// [`Self::range_of`], after the SDK has read the ranges again if `is_fresh`.
    pub(crate) async fn find_range(&self, key: &Key, is_fresh: bool) -> Result<KeyRange, Error> {
        let failed = |message: &str| {
            let action = format!("finding the partition of key {key} of container {}", self.name);
            Error::new(crate::error::ErrorKind::Unavailable, action, message)
        };
        let options = ReadFeedRangesOptions::default().with_force_refresh(is_fresh);
        let found = Box::pin(self.client.feed_range_from_partition_key(key.to_sdk()?, Some(options))).await;
        let found = found.map_err(|error| failed(&error.to_string()))?;
        found.first().map(KeyRange::of).ok_or_else(|| failed("the container has no such partition"))
    }

    async fn read_together<'n>(
        &self,
        range: &KeyRange,
        names: impl Iterator<Item = &'n DocumentName>,
    ) -> Result<Vec<Option<Value>>, Error> {
        let names: Vec<&DocumentName> = names.collect();
        let parameters: Map<String, Value> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (format!("@id{index}"), Value::from(name.id.as_str())))
            .collect();
        let ids: Vec<&str> = parameters.keys().map(String::as_str).collect();
        let name = select_id_and_key(self.key_paths());
        let query = format!("SELECT VALUE [{name}, c] FROM c WHERE c.id IN ({})", ids.join(", "));
        let (mut found, mut continuation) = (HashMap::new(), None);
        let page_items = std::num::NonZeroU32::new(MAX_PAGE_ITEMS).unwrap_or(std::num::NonZeroU32::MIN);
        loop {
            let page = self.query_range(&query, &parameters, range, page_items, continuation.as_deref()).await?;
            for row in page.items {
                let Value::Array(mut row) = row else { continue };
                if let (Some(item), Some(name)) = (row.pop(), row.pop()) {
                    found.insert(read_id_and_key(&name, self.key_paths())?.to_index_key(), item);
                }
            }
            continuation = page.continuation;
            if continuation.is_none() {
                break;
            }
        }
        Ok(names.into_iter().map(|name| found.remove(&name.to_index_key())).collect())
    }
}
