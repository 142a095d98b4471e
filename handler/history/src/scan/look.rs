//! A query that is read page by page, until there is enough for a page of what is made of its rows.

use std::num::NonZeroU32;

use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};

use crate::cosmos::{Container, Error, Key, KeyRange};
use crate::version::pk_of;

/// Pages of rows that are looked at for one page of items, where little comes of the rows.
const MAX_LOOKS: usize = 10;

/// What is read.
pub(crate) struct Source<'a> {
    pub container: &'a Container,
    /// What comes before `FROM`.
    pub select: String,
    /// All of which must hold.
    pub conditions: Vec<String>,
    pub parameters: Map<String, Value>,
    /// The partition key value, or the beginning of one, to stay within.
    pub key: Option<Key>,
    /// The most rows on a page.
    pub page_items: usize,
    /// Rows that are looked at side by side.
    pub concurrency: usize,
}

/// What came of a look.
pub(crate) struct Found<I> {
    pub items: Vec<I>,
    pub next: Option<String>,
    pub looked_at: u64,
}

impl<'a> Source<'a> {
    /// The versions of documents, or of those with a partition key value.
    pub(crate) fn of_versions(changes: &'a Container, select: String, key: Option<&Key>) -> Self {
        let (mut conditions, mut parameters) = (Vec::new(), Map::new());
        let pk = key.and_then(pk_of);
        // Under the first level of the usual key, a partition's history lies together.
        let prefix = pk.as_ref().and_then(|pk| Key::of(&json!({ "pk": pk }), &["/pk".to_owned()]).ok());
        let prefix = prefix.filter(|_| changes.key_paths().first().is_some_and(|path| path == "/pk"));
        match (key, pk) {
            (Some(_), Some(pk)) => {
                parameters.insert("@pk".to_owned(), pk);
                conditions.push("c.pk = @pk".to_owned());
            }
            (Some(_), None) => conditions.push("NOT IS_DEFINED(c.pk)".to_owned()),
            (None, _) => {}
        }
        Self { container: changes, select, conditions, parameters, key: prefix, page_items: 1, concurrency: 1 }
    }

    /// Asks for pages of a range, or of the partition key value, until there is enough for a page of items.
    pub(crate) async fn look<T, I, F: Future<Output = Result<Option<I>, Error>>>(
        &self,
        range: &KeyRange,
        continuation: Option<&str>,
        read: impl Fn(Value) -> Result<T, Error>,
        plan: impl Fn(T) -> F,
    ) -> Result<Found<I>, Error> {
        let conditions = if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        };
        let query = format!("{} FROM c{conditions}", self.select);
        let max_items = NonZeroU32::new(self.page_items as u32).unwrap_or(NonZeroU32::MIN);
        let mut looked = Found { items: Vec::new(), next: continuation.map(str::to_owned), looked_at: 0 };
        for _ in 0..MAX_LOOKS {
            let (next, container) = (looked.next.as_deref(), self.container);
            let page = match &self.key {
                Some(_) => container.query(&query, &self.parameters, self.key.as_ref(), max_items, next).await?,
                None => container.query_range(&query, &self.parameters, range, max_items, next).await?,
            };
            looked.next.clone_from(&page.continuation);
            let rows = page.items.into_iter().map(&read).collect::<Result<Vec<T>, Error>>()?;
            looked.looked_at += rows.len() as u64;
            let planned: Vec<Option<I>> =
                futures::stream::iter(rows).map(&plan).buffered(self.concurrency).try_collect().await?;
            looked.items.extend(planned.into_iter().flatten());
            if looked.next.is_none() || looked.items.len() >= self.page_items.div_ceil(2) {
                break;
            }
        }
        Ok(looked)
    }
}
