//! What a job found, or is to do: a document of the jobs container for each page of items.
//!
//! It is written with what was planned before anything of the page is done, and again with what became of it. Whoever goes on
//! after an interruption finds the plan, and does not make another of documents that were half done.

use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::num::NonZeroU32;

use crate::capture::record::enclosed;
use crate::cosmos::{Error, ErrorKind, Key, KeyRange, Page};
use crate::jobs::{PartPage, Run};
use crate::policy::retry;
use crate::read::record::whole;
use crate::store::{Role, Store};
use crate::version::SCHEMA;

/// How far a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PageState {
    Planned,
    Done,
}

/// A page of items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemsPage<I> {
    pub id: String,
    pub kind: String,
    pub job_id: String,
    pub state: PageState,
    pub items: Vec<I>,
    /// Where the next page starts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// How many documents and versions were looked at for it.
    pub looked_at: u64,
    /// Of those, how many nothing can be told of yet.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub pending: u64,
    pub schema: u32,
    /// Seconds after which the service removes it: nobody undoes a plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttl: Option<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A page as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredPage<I> {
    pub page: ItemsPage<I>,
    pub etag: String,
    /// When it was written, in seconds since 1970 by the service's clock; 0 where it was not read since.
    pub second: i64,
}

/// A page that is to be gone on with.
pub(crate) enum Planned<I> {
    /// It is stored; and whether it was before.
    Stored(StoredPage<I>, bool),
    /// There is nothing in it, so it is not stored.
    Empty(ItemsPage<I>),
    /// The run is stopping.
    Stopping,
}

impl<I> ItemsPage<I> {
    pub(crate) fn planned(id: String, kind: &str, job_id: String, items: Vec<I>) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            job_id,
            state: PageState::Planned,
            items,
            next: None,
            looked_at: 0,
            pending: 0,
            schema: SCHEMA,
            ttl: None,
        }
    }

    /// What the page of a part came to.
    pub(crate) fn moved<T>(&self, is_numbered: bool, was_begun: bool, result: T) -> PartPage<T> {
        PartPage { continuation: self.next.clone(), is_numbered, was_begun, result }
    }
}

/// Finds the page that an interrupted runner had begun with, or plans and stores it.
pub(crate) async fn plan_page<I: Serialize + DeserializeOwned, F: Future<Output = Result<ItemsPage<I>, Error>>>(
    run: &Run,
    id: &str,
    may_be_begun: bool,
    deadline: Instant,
    plan: impl Fn() -> F,
) -> Result<Planned<I>, Error> {
    if may_be_begun && let Some(stored) = retry(deadline, || run.store.items_page(id)).await? {
        return Ok(Planned::Stored(stored, true));
    }
    if !run.is_stopping() {
        run.pace().await;
    }
    if run.is_stopping() {
        return Ok(Planned::Stopping);
    }
    let page = retry(deadline, plan).await?;
    if page.items.is_empty() {
        return Ok(Planned::Empty(page));
    }
    let (stored, is_new) = run.store.create_items_page(page, deadline).await?;
    Ok(Planned::Stored(stored, !is_new))
}
impl Store {
    pub(crate) async fn items_page<I: DeserializeOwned>(&self, id: &str) -> Result<Option<StoredPage<I>>, Error> {
        let jobs = self.container(Role::Jobs).await?;
        match jobs.read(&Key::text(id), id).await? {
            Some(record) => self.items_page_of(record).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a record of the jobs container as a page.
    async fn items_page_of<I: DeserializeOwned>(&self, record: Value) -> Result<StoredPage<I>, Error> {
        let id = record["id"].as_str().unwrap_or_default().to_owned();
        let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
        let second = record["_ts"].as_i64().unwrap_or_default();
        let record = whole(self.container(Role::Jobs).await?, record, &["items"]).await?;
        let page = serde_json::from_value(record)
            .map_err(|error| Error::invalid(format!("reading {id}"), error.to_string()))?;
        Ok(StoredPage { page, etag, second })
    }

    /// Stores a planned page, or finds the one that was stored before; and whether it is new.
    async fn create_items_page<I: Serialize + DeserializeOwned>(
        &self,
        page: ItemsPage<I>,
        deadline: Instant,
    ) -> Result<(StoredPage<I>, bool), Error> {
        match self.write_items_page(&page, None, deadline).await {
            Ok(etag) => Ok((StoredPage { page, etag, second: 0 }, true)),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let stored = self.items_page(&page.id).await?;
                stored.map(|stored| (stored, false)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Stores what became of a page, unless another runner has done that.
    pub(crate) async fn finish_items_page<I: Serialize + DeserializeOwned>(
        &self,
        stored: StoredPage<I>,
        deadline: Instant,
    ) -> Result<ItemsPage<I>, Error> {
        match self.write_items_page(&stored.page, Some(&stored.etag), deadline).await {
            Ok(_) => Ok(stored.page),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                match self.items_page(&stored.page.id).await? {
                    Some(other) if other.page.state == PageState::Done => Ok(other.page),
                    _ => Err(Error::new(ErrorKind::Unavailable, "storing items of a job", error.to_string())),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a page, parts of what is too large for it first.
    async fn write_items_page<I: Serialize>(
        &self,
        page: &ItemsPage<I>,
        etag: Option<&str>,
        deadline: Instant,
    ) -> Result<String, Error> {
        let jobs = self.container(Role::Jobs).await?;
        let refused = |message| Error::invalid(format!("storing {}", page.id), message);
        let mut written = None;
        for item in enclosed(page, &page.id, &["items"], &Map::new()).map_err(refused)? {
            let key = Key::text(&item.id);
            written = Some(if item.id != page.id {
                retry(deadline, || jobs.upsert(&key, &item.id, &item.body)).await?
            } else if let Some(etag) = etag {
                retry(deadline, || jobs.replace(&key, &item.id, &item.body, etag)).await?
            } else {
                retry(deadline, || jobs.create(&key, &item.id, &item.body)).await?
            });
        }
        Ok(written.and_then(|written| written.etag).unwrap_or_default())
    }

    /// The next page of a job within a range of the jobs container.
    pub(crate) async fn pages_of<I: DeserializeOwned>(
        &self,
        kind: &str,
        job_id: &str,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<(Vec<StoredPage<I>>, Option<String>), Error> {
        let jobs = self.container(Role::Jobs).await?;
        let (query, parameters) = pages_query(kind, job_id);
        let page = jobs.query_range(query, &parameters, range, NonZeroU32::MIN, continuation).await?;
        let next = page.continuation.clone();
        Ok((self.read_pages(page).await?, next))
    }

    /// The items of a job for people to look at, some at a time; of pages that are `done` only, if that is asked for.
    pub(crate) async fn job_items<I: DeserializeOwned>(
        &self,
        kind: &str,
        job_id: &str,
        done: bool,
        continuation: Option<&str>,
    ) -> Result<(Vec<I>, Option<String>), Error> {
        let jobs = self.container(Role::Jobs).await?;
        let mut continuation = continuation.map(str::to_owned);
        loop {
            let (query, parameters) = pages_query(kind, job_id);
            let page = jobs.query(query, &parameters, None, NonZeroU32::MIN, continuation.as_deref()).await?;
            continuation.clone_from(&page.continuation);
            let pages: Vec<StoredPage<I>> = self.read_pages(page).await?;
            let shown = pages.into_iter().filter(|stored| !done || stored.page.state == PageState::Done);
            let items: Vec<I> = shown.flat_map(|stored| stored.page.items).collect();
            if !items.is_empty() || continuation.is_none() {
                return Ok((items, continuation));
            }
        }
    }

    async fn read_pages<I: DeserializeOwned>(&self, page: Page) -> Result<Vec<StoredPage<I>>, Error> {
        let mut pages = Vec::new();
        for record in page.items {
            pages.push(self.items_page_of(record).await?);
        }
        Ok(pages)
    }
}

fn pages_query(kind: &str, job_id: &str) -> (&'static str, Map<String, Value>) {
    let parameters = Map::from_iter([("@id".to_owned(), json!(job_id)), ("@kind".to_owned(), json!(kind))]);
    ("SELECT * FROM c WHERE c.jobId = @id AND c.kind = @kind", parameters)
}
