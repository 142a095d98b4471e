//! The items of a job, what it found or is to do: one document of the jobs container for each page.
//!
//! A page is stored with its plan before any of it is executed, and stored again with the outcome. A worker that resumes an
//! interrupted job finds the plan, and does not make another plan of documents that were partly written.

use std::num::NonZeroU32;

use changefeed_cosmos::{Error, ErrorKind, Key, KeyRange, reassemble, retry, split_large_record};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::jobs::Jobs;
use crate::parts::PartPage;
use crate::run::Run;

/// The format of a page.
const SCHEMA: u32 = 1;
/// The number of pages that usually have the same tag, with room.
const TAGGED_PAGES: usize = 4;

/// The state of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PageState {
    /// Its items are planned, and perhaps executed in part.
    Planned,
    /// Its items have their outcome.
    Done,
}

/// A page of items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemsPage<I> {
    /// Its id in the jobs container.
    pub id: String,
    /// The kind of the items, which distinguishes pages from jobs.
    pub kind: String,
    /// The job that it belongs to.
    pub job_id: String,
    /// Its state.
    pub state: PageState,
    /// The items.
    pub items: Vec<I>,
    /// Texts by which the kind finds the page again.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tags: Vec<String>,
    /// Where the page starts, for kinds that read its source again when a stored plan is executed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
    /// Where the next page starts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// Documents and versions that were processed for it.
    #[serde(rename = "lookedAt")]
    pub processed: u64,
    /// Of those, how many cannot be judged yet.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub pending: u64,
    /// The format of the page.
    pub schema: u32,
    /// Seconds after which the service removes it. Pages of a dry run expire.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttl: Option<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A page as it is stored.
#[derive(Clone, Debug)]
pub struct StoredPage<I> {
    /// The page.
    pub page: ItemsPage<I>,
    /// Its etag.
    pub etag: String,
    /// When it was written, in seconds since 1970 by the service's clock; 0 if it was not read since.
    pub second: i64,
}

/// A page to execute.
pub enum Planned<I> {
    /// It is stored; and whether it was stored before.
    Stored(StoredPage<I>, bool),
    /// It has no items, so it is not stored.
    Empty(ItemsPage<I>),
    /// The run is stopping.
    Stopping,
}

impl<I> ItemsPage<I> {
    /// A page of planned items.
    pub fn planned(id: String, kind: &str, job_id: String, items: Vec<I>) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            job_id,
            state: PageState::Planned,
            items,
            tags: Vec::new(),
            from: None,
            next: None,
            processed: 0,
            pending: 0,
            schema: SCHEMA,
            ttl: None,
        }
    }

    /// The outcome of the page for its part.
    pub fn moved<T>(&self, is_numbered: bool, was_begun: bool, result: T) -> PartPage<T> {
        PartPage { continuation: self.next.clone(), is_numbered, was_begun, result }
    }
}

/// Finds the page that an interrupted worker had stored, or plans and stores it.
///
/// # Errors
/// When planning fails, and when the page cannot be stored before the deadline.
pub async fn plan_page<I: Serialize + DeserializeOwned, F: Future<Output = Result<ItemsPage<I>, Error>>>(
    run: &Run,
    id: &str,
    may_be_begun: bool,
    deadline: Instant,
    plan: impl Fn() -> F,
) -> Result<Planned<I>, Error> {
    if may_be_begun && let Some(stored) = retry(deadline, || run.jobs().items_page(id)).await? {
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
    let (stored, is_new) = run.jobs().create_items_page(page, deadline).await?;
    Ok(Planned::Stored(stored, !is_new))
}
impl Jobs {
    /// The page of this id; `None` if there is none.
    ///
    /// # Errors
    /// When the container cannot be read, and when the page is damaged.
    pub async fn items_page<I: DeserializeOwned>(&self, id: &str) -> Result<Option<StoredPage<I>>, Error> {
        let jobs = self.open().await?;
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
        let record = reassemble(&self.open().await?, record, &["items"]).await?;
        let page =
            serde_json::from_value(record).map_err(|error| Error::corrupt(format!("reading page {id}"), error))?;
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

    /// Stores the outcome of a page, unless another worker has stored it: then its outcome counts.
    ///
    /// # Errors
    /// When the page cannot be stored before the deadline.
    pub async fn finish_items_page<I: Serialize + DeserializeOwned>(
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
        let jobs = self.open().await?;
        let mut written = None;
        for item in split_large_record(page, &page.id, &["items"], &Map::new())? {
            let (key, body) = (Key::text(&item.id), item.value()?);
            written = Some(if item.id != page.id {
                retry(deadline, || jobs.upsert(&key, &item.id, &body)).await?
            } else if let Some(etag) = etag {
                retry(deadline, || jobs.replace(&key, &item.id, &body, etag)).await?
            } else {
                retry(deadline, || jobs.create(&key, &item.id, &body)).await?
            });
        }
        Ok(written.and_then(|written| written.etag).unwrap_or_default())
    }

    /// The next page of a job within a range of the jobs container.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn pages_of<I: DeserializeOwned>(
        &self,
        kind: &str,
        job_id: &str,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<(Vec<StoredPage<I>>, Option<String>), Error> {
        self.pages_where("", kind, job_id, range, continuation).await
    }

    /// The next page of a job that has tags, within a range of the jobs container.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn tagged_pages_of<I: DeserializeOwned>(
        &self,
        kind: &str,
        job_id: &str,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<(Vec<StoredPage<I>>, Option<String>), Error> {
        self.pages_where(" AND IS_DEFINED(c.tags[0])", kind, job_id, range, continuation).await
    }

    async fn pages_where<I: DeserializeOwned>(
        &self,
        condition: &str,
        kind: &str,
        job_id: &str,
        range: &KeyRange,
        continuation: Option<&str>,
    ) -> Result<(Vec<StoredPage<I>>, Option<String>), Error> {
        let jobs = self.open().await?;
        let (query, parameters) = pages_query(kind, job_id);
        let query = format!("{query}{condition}");
        let page = jobs.query_range(&query, &parameters, range, NonZeroU32::MIN, continuation).await?;
        let next = page.continuation.clone();
        Ok((self.parse_pages(page.items).await?, next))
    }

    /// The pages of a job that have a tag.
    ///
    /// # Errors
    /// When the container cannot be read.
    pub async fn pages_with_tag<I: DeserializeOwned>(
        &self,
        kind: &str,
        job_id: &str,
        tag: &str,
    ) -> Result<Vec<StoredPage<I>>, Error> {
        let jobs = self.open().await?;
        let (query, mut parameters) = pages_query(kind, job_id);
        parameters.insert("@tag".to_owned(), json!(tag));
        let query = format!("{query} AND ARRAY_CONTAINS(c.tags, @tag)");
        let records = jobs.select_few::<Value>(&query, &parameters, None, TAGGED_PAGES).await?.try_collect().await?;
        self.parse_pages(records).await
    }

    pub(crate) async fn parse_pages<I: DeserializeOwned>(
        &self,
        records: Vec<Value>,
    ) -> Result<Vec<StoredPage<I>>, Error> {
        let mut pages = Vec::new();
        for record in records {
            pages.push(self.items_page_of(record).await?);
        }
        Ok(pages)
    }
}

pub(crate) fn pages_query(kind: &str, job_id: &str) -> (&'static str, Map<String, Value>) {
    let parameters = Map::from_iter([("@id".to_owned(), json!(job_id)), ("@kind".to_owned(), json!(kind))]);
    ("SELECT * FROM c WHERE c.jobId = @id AND c.kind = @kind", parameters)
}
