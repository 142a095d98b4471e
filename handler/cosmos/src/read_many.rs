//! Reads many items with few requests: those of one physical partition in one query.
//!
//! Items of a query have no sequence number. A caller that needs it reads the item by itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;

use azure_data_cosmos::options::ReadFeedRangesOptions;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use crate::container::Container;
use crate::document_name::{DocumentName, read_id_and_key, select_id_and_key};
use crate::error::Error;
use crate::key::{Key, KeyComponent};
use crate::key_range::KeyRange;
use crate::limits::MAX_PAGE_ITEMS;

/// Fewer items of a partition are read one by one: a query costs about as much as three reads.
pub(crate) const MIN_TOGETHER: usize = 4;
/// The most items of a query. An item has up to 2 MB, and all of them are in memory.
pub const MAX_TOGETHER: usize = 25;
/// The most items of a query for some of their fields.
pub(crate) const MAX_SELECTED: usize = 100;
/// Queries and reads in flight of one call.
pub(crate) const CONCURRENT_REQUESTS: usize = 8;

impl Container {
    /// Reads the items of these names, in their order; `None` where there is no such item. A name may be given twice.
    ///
    /// # Errors
    /// When a key does not match the container's key paths, and as the service answers.
    pub async fn read_many<'n>(&self, names: &'n [DocumentName]) -> Result<Vec<Option<Value>>, Error> {
        let read = |range: KeyRange, group: Vec<&'n DocumentName>| async move {
            match group[..] {
                [name] => Ok(vec![self.read(&name.partition_key, &name.id).await?]),
                _ => self.select_together("c", &range, &group).await,
            }
        };
        let size = |items: usize| if items < MIN_TOGETHER { 1 } else { MAX_TOGETHER };
        self.read_groups(names, size, read).await
    }

    /// The value of an expression over `c` for the items of these names, in their order; `None` where there is no such item.
    ///
    /// # Errors
    /// As [`Self::read_many`].
    pub async fn select_many<'n>(
        &self,
        expression: &str,
        names: &'n [DocumentName],
    ) -> Result<Vec<Option<Value>>, Error> {
        let read = |range: KeyRange, group: Vec<&'n DocumentName>| async move {
            self.select_together(expression, &range, &group).await
        };
        self.read_groups(names, |_| MAX_SELECTED, read).await
    }

    /// The value of an expression over `c` for the items of these partition keys that meet a condition, in no order.
    ///
    /// # Errors
    /// As [`Self::read_many`].
    pub async fn select_of_keys(
        &self,
        expression: &str,
        keys: &[Key],
        condition: &str,
        parameters: &Map<String, Value>,
    ) -> Result<Vec<Value>, Error> {
        let mut queries = Vec::new();
        for (range, indexes) in self.by_range(keys.iter()).await? {
            for indexes in indexes.chunks(MAX_SELECTED) {
                let mut parameters = parameters.clone();
                let has_key = |index: &usize| format!("({})", self.has_key(&keys[*index], &mut parameters));
                let has_key = indexes.iter().map(has_key).collect::<Vec<_>>().join(" OR ");
                let query = format!("SELECT VALUE {expression} FROM c WHERE ({has_key}) AND ({condition})");
                queries.push((range.clone(), query, parameters));
            }
        }
        let read = futures::stream::iter(queries)
            .map(|(range, query, parameters)| async move { self.select_in_range(&query, &parameters, &range).await });
        let rows: Vec<Vec<Value>> = read.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Reads names in groups. `size` is the size of a group, from the number of names in its physical partition.
    async fn read_groups<'n, F: Future<Output = Result<Vec<Option<Value>>, Error>>>(
        &self,
        names: &'n [DocumentName],
        size: impl Fn(usize) -> usize,
        read: impl Fn(KeyRange, Vec<&'n DocumentName>) -> F,
    ) -> Result<Vec<Option<Value>>, Error> {
        let keys: Vec<String> = names.iter().map(DocumentName::to_index_key).collect();
        let distinct: Vec<&DocumentName> = {
            let mut known = HashSet::new();
            names.iter().zip(&keys).filter(|(_, key)| known.insert(*key)).map(|(name, _)| name).collect()
        };
        let mut groups = Vec::new();
        for (range, indexes) in self.by_range(distinct.iter().map(|name| &name.partition_key)).await? {
            let size = size(indexes.len());
            groups.extend(indexes.chunks(size).map(|indexes| (range.clone(), indexes.to_vec())));
        }
        let reads = futures::stream::iter(groups).map(|(range, indexes): (KeyRange, Vec<usize>)| {
            let group: Vec<&DocumentName> = indexes.into_iter().map(|index| distinct[index]).collect();
            let items = read(range, group.clone());
            async move {
                let items = items.await?;
                Ok::<_, Error>(group.into_iter().map(DocumentName::to_index_key).zip(items).collect::<Vec<_>>())
            }
        });
        let read: Vec<Vec<(String, Option<Value>)>> = reads.buffer_unordered(CONCURRENT_REQUESTS).try_collect().await?;
        let mut items: HashMap<String, Value> =
            read.into_iter().flatten().filter_map(|(key, item)| Some((key, item?))).collect();
        if distinct.len() < names.len() {
            return Ok(keys.iter().map(|key| items.get(key).cloned()).collect());
        }
        Ok(keys.iter().map(|key| items.remove(key)).collect())
    }

    /// The indexes of keys by the range of their physical partition.
    async fn by_range(&self, keys: impl Iterator<Item = &Key>) -> Result<Vec<(KeyRange, Vec<usize>)>, Error> {
        let mut by_range: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (index, key) in keys.enumerate() {
            let range = self.range_of(key).await?;
            by_range.entry((range.min, range.max)).or_default().push(index);
        }
        Ok(by_range.into_iter().map(|((min, max), indexes)| (KeyRange { min, max }, indexes)).collect())
    }

    /// The range of the physical partition that a key belongs to, as the SDK knows it.
    pub async fn range_of(&self, key: &Key) -> Result<KeyRange, Error> {
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

    async fn select_together(
        &self,
        expression: &str,
        range: &KeyRange,
        names: &[&DocumentName],
    ) -> Result<Vec<Option<Value>>, Error> {
        let mut parameters = Map::new();
        let items: Vec<String> = names.iter().map(|name| self.is_item(name, &mut parameters)).collect();
        let name = select_id_and_key(self.key_paths());
        let query = format!("SELECT VALUE [{name}, {expression}] FROM c WHERE {}", items.join(" OR "));
        let mut found = HashMap::new();
        for row in self.select_in_range(&query, &parameters, range).await? {
            let Value::Array(mut row) = row else { continue };
            if let (Some(item), Some(name)) = (row.pop(), row.pop()) {
                found.insert(read_id_and_key(&name, self.key_paths())?.to_index_key(), item);
            }
        }
        Ok(names.iter().map(|name| found.remove(&name.to_index_key())).collect())
    }

    /// All rows of a query of a range.
    async fn select_in_range(
        &self,
        query: &str,
        parameters: &Map<String, Value>,
        range: &KeyRange,
    ) -> Result<Vec<Value>, Error> {
        let page_items = NonZeroU32::new(MAX_PAGE_ITEMS).unwrap_or(NonZeroU32::MIN);
        let (mut rows, mut continuation) = (Vec::new(), None);
        loop {
            let page = self.query_range(query, parameters, range, page_items, continuation.as_deref()).await?;
            rows.extend(page.items);
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The condition that `c` is the item of a name. Its key is part of it: each tenant may have an item of the same id.
    pub(crate) fn is_item(&self, name: &DocumentName, parameters: &mut Map<String, Value>) -> String {
        let id = parameter(parameters, name.id.as_str().into());
        format!("(c.id = {id} AND {})", self.has_key(&name.partition_key, parameters))
    }

    /// The condition that `c` has a partition key value.
    fn has_key(&self, key: &Key, parameters: &mut Map<String, Value>) -> String {
        let conditions = self.key_paths().iter().zip(key.components()).map(|(path, component)| {
            let property = format!("c{}", path.query_property());
            match component {
                KeyComponent::Undefined => format!("NOT IS_DEFINED({property})"),
                component => format!("{property} = {}", parameter(parameters, component.clone().into())),
            }
        });
        conditions.collect::<Vec<_>>().join(" AND ")
    }
}

/// Adds a parameter, and returns its name.
fn parameter(parameters: &mut Map<String, Value>, value: Value) -> String {
    let name = format!("@p{}", parameters.len());
    parameters.insert(name.clone(), value);
    name
}
