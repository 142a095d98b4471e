//! Shows jobs of one kind: a list of their records, one record, and its items page by page.

use std::num::NonZeroU32;

use changefeed_cosmos::{
    Error, Key, MAX_PAGE_ITEMS, NewestFirst, PageRequest, check_record_id, page_items, page_token, read_page_token,
    reassemble, without_system_properties,
};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::jobs::Jobs;
use crate::kind::Kind;
use crate::pages::{PageState, StoredPage, pages_query};
use crate::state::JobState;

const TWO: NonZeroU32 = NonZeroU32::new(2).expect("not zero");
/// The most stored pages that one query reads in a list of few of the items.
const MAX_STORED_PAGES: NonZeroU32 = NonZeroU32::new(32).expect("not zero");

/// The position in a list of items: the continuation of the stored pages that they are on, and how many of their items come before.
#[derive(Default, Serialize, Deserialize)]
struct ItemsPosition {
    page: Option<String>,
    skipped: usize,
    /// The values of the listed items: a continuation of another list must not skip items of this one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    only: Vec<Value>,
}

/// Which items of a job are listed.
pub struct ListedItems<'l, I> {
    /// The kind of their pages.
    pub page_kind: &'l str,
    /// Their job.
    pub job_id: &'l str,
    /// Only those of finished pages.
    pub done: bool,
    /// A property of the items, and its values. Only items with one of them are listed; all items without any value.
    pub only: (&'static str, Vec<Value>),
    /// Whether an item has one of the values.
    pub is_listed: &'l (dyn Fn(&I) -> bool + Sync),
}

/// A stored page with its listed items, and nothing in the place of others; no items if they are stored in parts.
#[derive(Deserialize)]
struct ListedPage<I> {
    id: String,
    state: PageState,
    items: Option<Vec<Option<I>>>,
}

impl<'l, I> ListedItems<'l, I> {
    /// All items of a job, or those of finished pages.
    pub fn all(page_kind: &'l str, job_id: &'l str, done: bool) -> Self {
        Self { page_kind, job_id, done, only: ("", Vec::new()), is_listed: &|_| true }
    }

    /// The query for the listed items of each page. The items have no index, so they are chosen from the pages and not looked up.
    fn query(&self) -> (String, Map<String, Value>) {
        let (query, mut parameters) = pages_query(self.page_kind, self.job_id);
        let (property, values) = &self.only;
        if values.is_empty() {
            return (query.to_owned(), parameters);
        }
        parameters.insert("@only".to_owned(), json!(values));
        let item = format!("ARRAY_CONTAINS(@only, i[\"{property}\"]) ? i : null");
        let items = format!("ARRAY(SELECT VALUE ({item}) FROM i IN c.items)");
        let shown = format!("VALUE {{id: c.id, state: c.state, items: IS_DEFINED(c.items) ? {items} : null}}");
        (query.replacen('*', &shown, 1), parameters)
    }
}

/// The part of items that a request asks for, and the continuation for the next part.
///
/// # Errors
/// When the request is out of bounds, or its continuation is of another list.
pub fn page_of<I>(items: Vec<I>, request: &PageRequest) -> Result<(Vec<I>, Option<String>), Error> {
    let max_items = items_on_page(request)?;
    let position: ItemsPosition = read_page_token(request.continuation.as_deref(), LISTING_ITEMS)?.unwrap_or_default();
    let (items, next) = position.part_of(items, max_items, None);
    Ok((items, next.map(|next| page_token(&next)).transpose()?))
}

const LISTING_ITEMS: &str = "listing items";

fn items_on_page(request: &PageRequest) -> Result<usize, Error> {
    page_items(request.max_items, MAX_PAGE_ITEMS as usize, LISTING_ITEMS)
}

impl ItemsPosition {
    /// Of the items of the stored pages that follow the position, those that a page of the list gets, and the position after them if there
    /// are more. `continuation` is the one of the stored pages after these.
    ///
    /// The next request may read fewer stored pages at once. So what it skips may reach beyond those that it reads first.
    fn part_of<I>(
        &self,
        items: Vec<I>,
        max_items: usize,
        continuation: Option<String>,
    ) -> (Vec<I>, Option<ItemsPosition>) {
        let (only, end) = (self.only.clone(), self.skipped.saturating_add(max_items));
        let next = if items.len() > end {
            Some(Self { page: self.page.clone(), skipped: end, only })
        } else {
            let skipped = self.skipped.saturating_sub(items.len());
            continuation.map(|page| Self { page: Some(page), skipped, only })
        };
        (items.into_iter().skip(self.skipped).take(max_items).collect(), next)
    }
}

impl Jobs {
    /// A page of the records of a kind with these fields, newest first, and the continuation for the next page. The fields must include
    /// `id` and `startedAt`. A page has 100 records unless the request says otherwise.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the jobs container cannot be read.
    pub async fn list<R: DeserializeOwned>(
        &self,
        kind: Kind,
        fields: &[&str],
        request: &PageRequest,
    ) -> Result<(Vec<R>, Option<String>), Error> {
        let action = format!("listing each {}", kind.noun);
        self.newest(fields, &[("kind", &[kind.name])], request, &action).await
    }

    /// A page of the records of several kinds with these fields, newest first, and the continuation for the next page; as [`Self::list`].
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_kinds<R: DeserializeOwned>(
        &self,
        kinds: &[Kind],
        fields: &[&str],
        request: &PageRequest,
    ) -> Result<(Vec<R>, Option<String>), Error> {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        self.newest(fields, &[("kind", &names)], request, "listing jobs").await
    }

    /// The records with these fields of jobs of several kinds that have not ended, newest first, at most `most`.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn unfinished<R: DeserializeOwned>(
        &self,
        kinds: &[Kind],
        fields: &[&str],
        most: u32,
    ) -> Result<Vec<R>, Error> {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        let only: [(&str, &[&str]); 2] = [("kind", &names), ("state", &["queued", "running"])];
        let request = PageRequest { max_items: Some(most), continuation: None };
        Ok(self.newest(fields, &only, &request, "listing unfinished jobs").await?.0)
    }

    async fn newest<R: DeserializeOwned>(
        &self,
        fields: &[&str],
        only: &[(&str, &[&str])],
        request: &PageRequest,
        action: &str,
    ) -> Result<(Vec<R>, Option<String>), Error> {
        let list = NewestFirst { fields, time: "startedAt", only };
        let (records, next) = self.open().await?.list_newest_first::<Value>(&list, request, action).await?;
        let mut shown = Vec::with_capacity(records.len());
        for record in records {
            let id = record["id"].as_str().unwrap_or_default().to_owned();
            let read = serde_json::from_value(self.record_with_portions(record).await?);
            shown.push(read.map_err(|error| Error::corrupt(action, format!("record {id:?}: {error}")))?);
        }
        Ok((shown, next))
    }

    /// A record; if it is a divided job, with what its portions have done.
    async fn record_with_portions(&self, record: Value) -> Result<Value, Error> {
        let damaged = |error| Error::corrupt("reading a divided job", error);
        if !record["job"]["portions"].is_array() {
            return Ok(record);
        }
        let job = serde_json::from_value(record).map_err(damaged)?;
        let job = Box::pin(self.with_portions(job)).await?;
        serde_json::to_value(job).map_err(damaged)
    }

    /// Whether a job, of any kind, waits for a worker.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn has_queued(&self) -> Result<bool, Error> {
        let parameters = Map::from_iter([("@state".to_owned(), json!(JobState::Queued))]);
        let query = "SELECT VALUE c.id FROM c WHERE c.state = @state";
        let mut ids = self.open().await?.select_few::<String>(query, &parameters, None, 1).await?;
        Ok(ids.try_next().await?.is_some())
    }

    /// One record of a kind, whole; if it is a divided job, with what its portions have done. `large` are its fields that may be stored in parts.
    ///
    /// # Errors
    /// [`NotFound`](changefeed_cosmos::ErrorKind::NotFound) when there is no such record of this kind;
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when no record can have the id;
    /// [`Corrupt`](changefeed_cosmos::ErrorKind::Corrupt) when it cannot be parsed; and when the container cannot be read.
    pub async fn record<R: DeserializeOwned>(&self, kind: Kind, id: &str, large: &[&str]) -> Result<R, Error> {
        check_record_id(kind.noun, id)?;
        let jobs = self.open().await?;
        let record = jobs.read(&Key::text(id), id).await?.filter(|record| record["kind"] == kind.name);
        let record = record.ok_or_else(|| kind.not_found("reading", id))?;
        let record =
            if large.is_empty() { without_system_properties(record) } else { reassemble(&jobs, record, large).await? };
        serde_json::from_value(self.record_with_portions(record).await?)
            .map_err(|error| Error::corrupt(format!("reading {} {id}", kind.noun), error))
    }

    /// A page of the items of a job, and the continuation for the next page.
    ///
    /// # Errors
    /// When the request is out of bounds or its continuation is not one of this list, and when the container cannot be read.
    pub async fn items<I: DeserializeOwned>(
        &self,
        listed: ListedItems<'_, I>,
        request: &PageRequest,
    ) -> Result<(Vec<I>, Option<String>), Error> {
        let max_items = items_on_page(request)?;
        let position: Option<ItemsPosition> = read_page_token(request.continuation.as_deref(), LISTING_ITEMS)?;
        let (query, parameters) = listed.query();
        let ListedItems { done, only: (_, only), is_listed, .. } = listed;
        let mut position = position.unwrap_or_else(|| ItemsPosition { only: only.clone(), ..Default::default() });
        if position.only != only {
            return Err(Error::invalid(LISTING_ITEMS, "the continuation is of a list of other items"));
        }
        let jobs = self.open().await?;
        // Stored pages are large. More of them are read at once while none has a listed item.
        let mut stored_pages = NonZeroU32::MIN;
        loop {
            let page = jobs.query(&query, &parameters, None, stored_pages, position.page.as_deref()).await?;
            let pages: Vec<ListedPage<I>> = self.listed_pages(page.items, !only.is_empty()).await?;
            let shown = pages.into_iter().filter(|page| !done || page.state == PageState::Done);
            let items =
                shown.flat_map(|page| page.items.into_iter().flatten().flatten()).filter(|item| is_listed(item));
            let (items, next) = position.part_of(items.collect(), max_items, page.continuation);
            match next {
                Some(next) if items.is_empty() => position = next,
                next => return Ok((items, next.map(|next| page_token(&next)).transpose()?)),
            }
            if !only.is_empty() {
                stored_pages = stored_pages.saturating_mul(TWO).min(MAX_STORED_PAGES);
            }
        }
    }

    /// The pages of a query for listed items: `are_chosen` if it has chosen among the items.
    async fn listed_pages<I: DeserializeOwned>(
        &self,
        records: Vec<Value>,
        are_chosen: bool,
    ) -> Result<Vec<ListedPage<I>>, Error> {
        let whole = |stored: StoredPage<I>| {
            let StoredPage { page, .. } = stored;
            ListedPage { id: page.id, state: page.state, items: Some(page.items.into_iter().map(Some).collect()) }
        };
        if !are_chosen {
            return Ok(self.parse_pages(records).await?.into_iter().map(whole).collect());
        }
        let mut pages = Vec::new();
        for record in records {
            let found: ListedPage<I> =
                serde_json::from_value(record).map_err(|error| Error::corrupt(LISTING_ITEMS, error))?;
            match found.items {
                Some(_) => pages.push(found),
                None => pages.extend(self.items_page(&found.id).await?.map(whole)),
            }
        }
        Ok(pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_listed_once_however_many_stored_pages_a_request_reads() {
        let stored: [&[u32]; 6] = [&[], &[0, 1, 2], &[3], &[], &[4, 5, 6, 7, 8], &[9]];
        for (max_items, read_at_once) in [(1, 1), (2, 3), (3, 2), (4, 6), (7, 2)] {
            let (mut listed, mut position) = (Vec::new(), ItemsPosition::default());
            for request in 0.. {
                // Only every other request reads more than one stored page.
                let size = if request % 2 == 0 { read_at_once } else { 1 };
                let from = position.page.as_deref().map_or(0, |page| page.parse::<usize>().expect("a page"));
                let end = stored.len().min(from + size);
                let items: Vec<u32> = stored[from..end].concat();
                let continuation = (end < stored.len()).then(|| end.to_string());
                let (items, next) = position.part_of(items, max_items, continuation);
                assert!(items.len() <= max_items);
                listed.extend(items);
                match next {
                    Some(next) => position = next,
                    None => break,
                }
            }
            assert_eq!(listed, (0..10).collect::<Vec<u32>>(), "{max_items} items, {read_at_once} stored pages");
        }
    }

    #[test]
    fn items_are_paged_without_a_gap() {
        let items: Vec<u32> = (0..7).collect();
        let mut request = PageRequest { max_items: Some(3), continuation: None };
        let mut pages = Vec::new();
        loop {
            let (page, next) = page_of(items.clone(), &request).expect("a page");
            pages.push(page);
            request.continuation = next;
            if request.continuation.is_none() {
                break;
            }
        }
        assert_eq!(pages, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        let all = page_of(items, &PageRequest::default()).expect("a page");
        assert_eq!((all.0.len(), all.1), (7, None));
        assert!(page_of(vec![0], &PageRequest::after(Some("c1.x"))).is_err());
    }
}
