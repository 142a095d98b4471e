//! The items of a restore that is a job: a document of the jobs container for each page of them.
//!
//! It is written with the plan before anything of the page is done, and again with what became of it. Whoever goes on after
//! an interruption finds the plan, and does not make another of documents that were half restored.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::plan::PlannedItem;
use crate::capture::record::enclosed;
use crate::cosmos::{Error, ErrorKind, Key};
use crate::policy::retry;
use crate::read::record::whole;
use crate::store::{Role, Store};
use crate::version::SCHEMA;

pub(super) const PAGE_KIND: &str = "restore-items";
/// The most bytes of JSON that the changes of one document take in a record.
const MAX_RECORDED_CHANGES: usize = 2000;

/// How far a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PageState {
    Planned,
    Done,
}

/// A page of items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemsPage {
    pub id: String,
    pub kind: String,
    pub job_id: String,
    pub state: PageState,
    pub items: Vec<StoredItem>,
    /// Where the next page starts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// How many documents and versions were looked at for it.
    pub looked_at: u64,
    pub schema: u32,
    /// Seconds after which the service removes it: nobody undoes a plan.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttl: Option<u64>,
}

/// An item with the etag that its plan saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredItem {
    #[serde(flatten)]
    item: PlannedItem,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    live_etag: Option<String>,
}

impl From<PlannedItem> for StoredItem {
    fn from(item: PlannedItem) -> Self {
        Self { live_etag: item.live_etag.clone(), item: shortened(item) }
    }
}

impl From<StoredItem> for PlannedItem {
    fn from(stored: StoredItem) -> Self {
        Self { live_etag: stored.live_etag, ..stored.item }
    }
}

/// Leaves out changes that are long to tell: the versions that the item names tell them too.
pub(super) fn shortened(mut item: PlannedItem) -> PlannedItem {
    if json!(item.changes).to_string().len() > MAX_RECORDED_CHANGES {
        item.changes.clear();
    }
    item
}

/// A page as it is stored, and its etag.
#[derive(Clone, Debug)]
pub(super) struct StoredPage {
    pub page: ItemsPage,
    pub etag: String,
}

impl ItemsPage {
    pub(super) fn planned(id: String, job_id: String, items: Vec<PlannedItem>) -> Self {
        Self {
            id,
            kind: PAGE_KIND.to_owned(),
            job_id,
            state: PageState::Planned,
            items: items.into_iter().map(StoredItem::from).collect(),
            next: None,
            looked_at: 0,
            schema: SCHEMA,
            ttl: None,
        }
    }

    pub(super) fn items(&self) -> Vec<PlannedItem> {
        self.items.iter().cloned().map(PlannedItem::from).collect()
    }
}

impl Store {
    pub(super) async fn items_page(&self, id: &str) -> Result<Option<StoredPage>, Error> {
        let jobs = self.container(Role::Jobs).await?;
        match jobs.read(&Key::text(id), id).await? {
            Some(record) => self.items_page_of(record).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a record of the jobs container as a page.
    pub(super) async fn items_page_of(&self, record: Value) -> Result<StoredPage, Error> {
        let id = record["id"].as_str().unwrap_or_default().to_owned();
        let etag = record["_etag"].as_str().unwrap_or_default().to_owned();
        let record = whole(self.container(Role::Jobs).await?, record, &["items"]).await?;
        let page = serde_json::from_value(record)
            .map_err(|error| Error::invalid(format!("reading {id}"), error.to_string()))?;
        Ok(StoredPage { page, etag })
    }

    /// Stores a planned page, or finds the one that was stored before; and whether it is new.
    pub(super) async fn create_items_page(
        &self,
        page: ItemsPage,
        deadline: Instant,
    ) -> Result<(StoredPage, bool), Error> {
        match self.write_items_page(&page, None, deadline).await {
            Ok(etag) => Ok((StoredPage { page, etag }, true)),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let stored = self.items_page(&page.id).await?;
                stored.map(|stored| (stored, false)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Stores what became of a page, unless another runner has done that.
    pub(super) async fn finish_items_page(&self, stored: StoredPage, deadline: Instant) -> Result<ItemsPage, Error> {
        match self.write_items_page(&stored.page, Some(&stored.etag), deadline).await {
            Ok(_) => Ok(stored.page),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                match self.items_page(&stored.page.id).await? {
                    Some(other) if other.page.state == PageState::Done => Ok(other.page),
                    _ => Err(Error::new(ErrorKind::Unavailable, "storing items of a restore", error.to_string())),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a page, parts of what is too large for it first.
    async fn write_items_page(&self, page: &ItemsPage, etag: Option<&str>, deadline: Instant) -> Result<String, Error> {
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
}
