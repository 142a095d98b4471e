//! Shows jobs of one kind: a list of their records, one record, and its items page by page.

use std::num::NonZeroU32;

use changefeed_cosmos::{
    Error, Key, MAX_PAGE_ITEMS, NewestFirst, PageRequest, check_record_id, page_items, page_token, read_page_token,
    reassemble, without_system_properties,
};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::jobs::Jobs;
use crate::kind::Kind;
use crate::pages::{PageState, StoredPage, pages_query};
use crate::state::JobState;

/// The position in a list of items: the continuation of the stored page that they are on, and how many of its items come before.
#[derive(Default, Serialize, Deserialize)]
struct ItemsPosition {
    page: Option<String>,
    skipped: usize,
}

/// The part of items that a request asks for, and the continuation for the next part.
///
/// # Errors
/// When the request is out of bounds, or its continuation is of another list.
pub fn page_of<I>(items: Vec<I>, request: &PageRequest) -> Result<(Vec<I>, Option<String>), Error> {
    let max_items = items_on_page(request)?;
    let position: ItemsPosition = read_page_token(request.continuation.as_deref(), LISTING_ITEMS)?.unwrap_or_default();
    let (items, next) = part_of(items, position.skipped, max_items);
    let next = next.map(|skipped| page_token(&ItemsPosition { page: None, skipped })).transpose()?;
    Ok((items, next))
}

const LISTING_ITEMS: &str = "listing items";

fn items_on_page(request: &PageRequest) -> Result<usize, Error> {
    page_items(request.max_items, MAX_PAGE_ITEMS as usize, LISTING_ITEMS)
}

/// The items after those that are skipped, and how many the next part skips if there is one.
fn part_of<I>(items: Vec<I>, skipped: usize, max_items: usize) -> (Vec<I>, Option<usize>) {
    let next = skipped.saturating_add(max_items);
    let is_last = items.len() <= next;
    (items.into_iter().skip(skipped).take(max_items).collect(), (!is_last).then_some(next))
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
        let list = NewestFirst { fields, time: "startedAt", only: Some(("kind", kind.name)) };
        self.open().await?.list_newest_first(&list, request, &action).await
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

    /// One record of a kind, whole. `large` are its fields that may be stored in parts.
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
        serde_json::from_value(record).map_err(|error| Error::corrupt(format!("reading {} {id}", kind.noun), error))
    }

    /// A page of the items of a job, and the continuation for the next page. With `done`, those of finished pages only.
    ///
    /// # Errors
    /// When the request is out of bounds or its continuation is not one of this list, and when the container cannot be read.
    pub async fn items<I: DeserializeOwned>(
        &self,
        page_kind: &str,
        job_id: &str,
        done: bool,
        request: &PageRequest,
    ) -> Result<(Vec<I>, Option<String>), Error> {
        let max_items = items_on_page(request)?;
        let position: Option<ItemsPosition> = read_page_token(request.continuation.as_deref(), LISTING_ITEMS)?;
        let mut position = position.unwrap_or_default();
        let jobs = self.open().await?;
        loop {
            let (query, parameters) = pages_query(page_kind, job_id);
            let page = jobs.query(query, &parameters, None, NonZeroU32::MIN, position.page.as_deref()).await?;
            let pages: Vec<StoredPage<I>> = self.parse_pages(page.items).await?;
            let shown = pages.into_iter().filter(|stored| !done || stored.page.state == PageState::Done);
            let (items, next) =
                part_of(shown.flat_map(|stored| stored.page.items).collect(), position.skipped, max_items);
            let next = match next {
                Some(skipped) => Some(ItemsPosition { skipped, ..position }),
                None => page.continuation.map(|page| ItemsPosition { page: Some(page), skipped: 0 }),
            };
            match next {
                Some(next) if items.is_empty() => position = next,
                next => return Ok((items, next.map(|next| page_token(&next)).transpose()?)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
