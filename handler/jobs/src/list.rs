//! Shows jobs of one kind: a list of their records, one record, and its items page by page.

use std::num::NonZeroU32;

use changefeed_cosmos::{Error, Key, check_record_id, reassemble, without_system_properties};
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, json};

use crate::jobs::Jobs;
use crate::kind::Kind;
use crate::pages::{PageState, StoredPage, pages_query};

/// Records in a list.
const LISTED: usize = 100;

impl Jobs {
    /// The newest hundred records of a kind, newest first, with these fields.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn list<R: DeserializeOwned + Send + 'static>(
        &self,
        kind: Kind,
        fields: &[&str],
    ) -> Result<Vec<R>, Error> {
        let fields: Vec<String> = fields.iter().map(|field| format!("c.{field}")).collect();
        let query = format!("SELECT {} FROM c WHERE c.kind = @kind ORDER BY c.startedAt DESC", fields.join(", "));
        let parameters = Map::from_iter([("@kind".to_owned(), json!(kind.name))]);
        let mut records = self.open().await?.select_few::<R>(&query, &parameters, None, LISTED).await?;
        let mut listed = Vec::new();
        while listed.len() < LISTED
            && let Some(record) = records.try_next().await?
        {
            listed.push(record);
        }
        Ok(listed)
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

    /// The items of a job, some at a time, and where the next ones start. With `done`, those of finished pages only.
    ///
    /// # Errors
    /// When the continuation is not one of this list, and when the container cannot be read.
    pub async fn items<I: DeserializeOwned>(
        &self,
        page_kind: &str,
        job_id: &str,
        done: bool,
        continuation: Option<&str>,
    ) -> Result<(Vec<I>, Option<String>), Error> {
        let jobs = self.open().await?;
        let mut continuation = continuation.map(str::to_owned);
        loop {
            let (query, parameters) = pages_query(page_kind, job_id);
            let page = jobs.query(query, &parameters, None, NonZeroU32::MIN, continuation.as_deref()).await?;
            continuation.clone_from(&page.continuation);
            let pages: Vec<StoredPage<I>> = self.parse_pages(page.items).await?;
            let shown = pages.into_iter().filter(|stored| !done || stored.page.state == PageState::Done);
            let items: Vec<I> = shown.flat_map(|stored| stored.page.items).collect();
            if !items.is_empty() || continuation.is_none() {
                return Ok((items, continuation));
            }
        }
    }
}
