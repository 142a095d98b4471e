//! Deletes documents of the monitored or the changes container.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use changefeed_cosmos::{
    Container, Deletion, DocumentName, Error, ErrorKind, MAX_PAGE_ITEMS, read_id_and_key, select_id_and_key,
};
use changefeed_history::Role;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::documents::{Documents, Progress};
use crate::tryout_record::TRUNCATE;

/// The most documents that one request deletes.
const MAX_TRUNCATE: u64 = 10_000_000;
/// The most documents that the service cannot delete before the request fails.
const MAX_NOT_DELETED: usize = 1000;
/// The most messages about them in the report.
const MAX_MESSAGES: usize = 20;

/// A request to delete documents.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TruncateRequest {
    /// The name of the monitored container; of the changes container only with `allow_changes`.
    pub container: String,
    /// The most documents to delete.
    pub max: u64,
    /// The name of the container again, so that no request deletes by mistake.
    pub confirm: String,
    /// Who requests it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested_by: Option<String>,
    /// Whether the container can be the one with the history. A request from outside cannot set this.
    #[serde(skip)]
    pub allow_changes: bool,
}

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TruncateReport {
    /// Documents deleted.
    pub deleted: u64,
    /// Documents that the service cannot delete.
    #[serde(skip_serializing_if = "is_zero")]
    pub not_deleted: u64,
    /// Why, for the first 20 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Request units.
    pub request_charge: f64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Documents {
    /// Deletes up to `max` documents. LatestVersion mode does not report deletes: the history has no delete of these documents.
    /// Documents that the service cannot delete are reported.
    ///
    /// # Errors
    /// When the request is invalid, and when a delete fails. Documents that were deleted before are not restored.
    pub async fn truncate(&self, request: &TruncateRequest, progress: Progress<'_>) -> Result<TruncateReport, Error> {
        let roles: &[Role] = if request.allow_changes { &[Role::Monitored, Role::Changes] } else { &[Role::Monitored] };
        let role = self.containers.names().role_of(&request.container, roles)?;
        if request.confirm != request.container {
            return Err(Error::invalid(
                "truncating",
                format!("confirm is {:?}; repeat the name of the container: {:?}", request.confirm, request.container),
            ));
        }
        if !(1..=MAX_TRUNCATE).contains(&request.max) {
            return Err(Error::invalid(
                "truncating",
                format!("max is {}; allowed are 1 to {MAX_TRUNCATE}", request.max),
            ));
        }
        let container = self.containers.of(role).open().await?;
        let record = self.begin_record(TRUNCATE, request, request.requested_by.as_deref()).await?;
        let result = self.delete_documents(&container, request.max, progress).await;
        self.end_record(record, result).await
    }

    async fn delete_documents(
        &self,
        container: &Container,
        max: u64,
        progress: Progress<'_>,
    ) -> Result<TruncateReport, Error> {
        let query = format!("SELECT VALUE {} FROM c", select_id_and_key(container.key_paths()));
        let done = AtomicU64::new(0);
        let mut report = TruncateReport::default();
        let mut not_deleted = HashSet::new();
        // Each round queries again: the first page no longer has the documents that the round before deleted.
        while report.deleted < max {
            let wanted = u32::try_from(max - report.deleted).unwrap_or(MAX_PAGE_ITEMS).min(MAX_PAGE_ITEMS);
            let items = first_items(container, &query, wanted, &not_deleted, &mut report).await?;
            if items.is_empty() {
                break;
            }
            let delete = |name: DocumentName| {
                let done = &done;
                async move {
                    match container.delete(&name.partition_key, &name.id, None).await {
                        Ok(deletion) => {
                            if deletion.is_own() {
                                progress(done.fetch_add(1, Ordering::Relaxed) + 1, max);
                            }
                            Ok(Ok(deletion))
                        }
                        // The service cannot do it, and the other documents can be deleted.
                        Err(error) if error.is_unsupported() => Ok(Err((name, error))),
                        Err(error) => Err(error),
                    }
                }
            };
            let outcomes: Vec<Result<Deletion, (DocumentName, Error)>> =
                futures::stream::iter(items).map(delete).buffer_unordered(self.concurrency).try_collect().await?;
            let before = (report.deleted, not_deleted.len());
            for outcome in outcomes {
                match outcome {
                    Ok(deletion) => {
                        report.deleted += u64::from(deletion.is_own());
                        report.request_charge += deletion.request_charge();
                    }
                    Err((_, error)) if not_deleted.len() == MAX_NOT_DELETED => return Err(error),
                    Err((name, error)) => {
                        not_deleted.insert(name.to_index_key());
                        report.not_deleted += 1;
                        if report.messages.len() < MAX_MESSAGES {
                            report.messages.push(error.to_string());
                        }
                    }
                }
            }
            if before == (report.deleted, not_deleted.len()) {
                // Another writer deletes the same items, or the container has other keys. The next query might never end this.
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "truncating",
                    "none of the items that the query found exists; check whether another process deletes them, then retry",
                ));
            }
        }
        Ok(report)
    }
}

/// The first documents of the container that are not among `skipped`. Pages without one are skipped.
async fn first_items(
    container: &Container,
    query: &str,
    wanted: u32,
    skipped: &HashSet<String>,
    report: &mut TruncateReport,
) -> Result<Vec<DocumentName>, Error> {
    let page_size = NonZeroU32::new(wanted).unwrap_or(NonZeroU32::MIN);
    let mut continuation = None;
    loop {
        let page = container.query(query, &Map::new(), None, page_size, continuation.as_deref()).await?;
        report.request_charge += page.request_charge;
        let names = page.items.iter().map(|item| read_id_and_key(item, container.key_paths()));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let names: Vec<_> = names.into_iter().filter(|name| !skipped.contains(&name.to_index_key())).collect();
        if !names.is_empty() || page.continuation.is_none() {
            return Ok(names);
        }
        continuation = page.continuation;
    }
}
