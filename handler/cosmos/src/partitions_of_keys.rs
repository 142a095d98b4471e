//! Finds the physical partitions of keys, for requests of our own.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use crate::container::Container;
use crate::error::{Error, ErrorKind};
use crate::gateway::{Feed, Target};
use crate::key::Key;
use crate::range_ids::Ranges;

impl Container {
    pub(crate) fn target(&self, feed: Feed) -> Target<'_> {
        Target { database: &self.database, container: &self.name, feed }
    }

    /// The numbers of keys by the ids of their partitions. A number whose partition is not found is in none.
    pub(crate) async fn by_range_id<'k>(
        &self,
        keys: impl Iterator<Item = (usize, &'k Key)>,
    ) -> Result<BTreeMap<String, Vec<usize>>, Error> {
        // The SDK says in which range a key is, and keeps the ranges that it has read, as we keep their ids. Both are read again together,
        // at most once.
        let known = self.range_ids.known();
        let (mut is_read, mut sdk_is_stale) = (known.is_none(), known.is_none());
        let mut ranges = match known {
            Some(known) => known,
            None => self.read_range_ids().await?,
        };
        let mut by_range: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, key) in keys {
            let mut id = self.range_id_of(key, &ranges, std::mem::take(&mut sdk_is_stale)).await?;
            if id.is_none() && !is_read {
                // The partition was split or merged since.
                is_read = true;
                ranges = self.read_range_ids().await?;
                id = self.range_id_of(key, &ranges, true).await?;
            }
            if let Some(id) = id {
                by_range.entry(id).or_default().push(number);
            }
        }
        Ok(by_range)
    }

    async fn range_id_of(&self, key: &Key, ranges: &Ranges, is_fresh: bool) -> Result<Option<String>, Error> {
        if ranges.len() == 1 {
            return Ok(ranges.values().next().cloned());
        }
        let range = self.find_range(key, is_fresh).await?;
        Ok(ranges.get(&range.min).cloned())
    }

    async fn read_range_ids(&self) -> Result<Arc<Ranges>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Page {
            partition_key_ranges: Vec<Range>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Range {
            id: String,
            min_inclusive: String,
            #[serde(default)]
            parents: Vec<String>,
        }
        let failed = |message: String| {
            Error::new(ErrorKind::Unavailable, format!("reading the ranges of {}", self.name), message)
        };
        let (mut found, mut continuation) = (Vec::new(), None::<String>);
        loop {
            let headers: Vec<_> =
                continuation.as_deref().map(|token| ("x-ms-continuation", token)).into_iter().collect();
            let answer = self.gateway.send(self.target(Feed::Ranges), &headers, None).await?;
            self.meter.add(answer.charge);
            if answer.status != 200 {
                return Err(failed(format!("answered with status {}", answer.status)));
            }
            let page: Page = serde_json::from_slice(&answer.body).map_err(|error| failed(error.to_string()))?;
            found.extend(page.partition_key_ranges);
            continuation = answer.continuation;
            if continuation.is_none() {
                break;
            }
        }
        // After a split, the list can have both the parts and the whole.
        let replaced: HashSet<String> = found.iter().flat_map(|range| range.parents.iter().cloned()).collect();
        let current = found.into_iter().filter(|range| !replaced.contains(&range.id));
        let ranges: Arc<Ranges> = Arc::new(current.map(|range| (range.min_inclusive, range.id)).collect());
        self.range_ids.keep(&ranges);
        Ok(ranges)
    }
}
