//! A query whose rows become the items of a page: rows are read until there are enough items.

use std::num::NonZeroU32;

use changefeed_cosmos::{Container, Error, Key, KeyRange};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use crate::places::ItemPlaces;

/// Pages of rows that are read for one page of items, where few rows become items.
const MAX_ROW_PAGES: usize = 10;

/// A query, and how many of its rows are processed at a time.
pub struct PagedQuery<'a> {
    /// The container to query.
    pub container: &'a Container,
    /// The text before `FROM`.
    pub select: String,
    /// All of which must hold.
    pub conditions: Vec<String>,
    /// The parameters of the conditions.
    pub parameters: Map<String, Value>,
    /// The partition key value, or the first components of one, that the query is limited to.
    pub key: Option<Key>,
    /// The most rows on a page.
    pub page_items: usize,
    /// The places for rows that are processed concurrently.
    pub places: ItemPlaces,
}

/// A page of items.
pub struct Found<I> {
    /// The items.
    pub items: Vec<I>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<String>,
    /// Rows that were processed for it.
    pub processed: u64,
}

impl PagedQuery<'_> {
    /// Reads pages of rows of a range, or of the partition key value, until there are enough items for a page. Each row becomes an
    /// item or none.
    pub async fn page<T, I, F: Future<Output = Result<Option<I>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        read: impl Fn(Value) -> Result<T, Error>,
        plan: impl Fn(T) -> F,
    ) -> Result<Found<I>, Error> {
        self.page_together(range, continuation, read, |rows| self.each(rows, &plan)).await
    }

    /// Makes an item or none of each row, several at a time.
    pub async fn each<T, I, F: Future<Output = Result<Option<I>, Error>>>(
        &self,
        rows: Vec<T>,
        plan: impl Fn(T) -> F,
    ) -> Result<Vec<I>, Error> {
        let plan = |row| self.places.take(plan(row));
        let planned = futures::stream::iter(rows).map(plan).buffered(self.places.count());
        let planned: Vec<Option<I>> = planned.try_collect().await?;
        Ok(planned.into_iter().flatten().collect())
    }

    /// [`Self::page`], where the rows of a page become items together.
    pub async fn page_together<T, I, F: Future<Output = Result<Vec<I>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        read: impl Fn(Value) -> Result<T, Error>,
        plan: impl Fn(Vec<T>) -> F,
    ) -> Result<Found<I>, Error> {
        let conditions = if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        };
        let query = format!("{} FROM c{conditions}", self.select);
        let max_items = NonZeroU32::new(self.page_items as u32).unwrap_or(NonZeroU32::MIN);
        let mut found = Found { items: Vec::new(), next: continuation.map(str::to_owned), processed: 0 };
        for _ in 0..MAX_ROW_PAGES {
            let (next, container) = (found.next.as_deref(), self.container);
            let page = match &self.key {
                Some(_) => container.query(&query, &self.parameters, self.key.as_ref(), max_items, next).await?,
                None => container.query_range(&query, &self.parameters, range, max_items, next).await?,
            };
            found.next.clone_from(&page.continuation);
            let rows = page.items.into_iter().map(&read).collect::<Result<Vec<T>, Error>>()?;
            found.processed += rows.len() as u64;
            found.items.extend(plan(rows).await?);
            if found.next.is_none() || found.items.len() >= self.page_items.div_ceil(2) {
                break;
            }
        }
        Ok(found)
    }
}
