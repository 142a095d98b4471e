//! The versions of a window, and the paths that each of them changed.
//!
//! A page of n versions takes one query over each physical partition, sometimes two, and one request for each version whose earlier
//! version is not on the page. What is outside of the window is not read, apart from those earlier versions.

use changefeed_cosmos::{Container, Error, FieldPath, Key, page_items, page_token, read_page_token};
use chrono::{DateTime, SecondsFormat};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::previous::{Before, Previous, version_before};
use super::rows_in_order::{PageEnd, rows_in_order};
use super::total_order::ChangeOrder;
use super::version_filter::{VersionFilter, VersionSelector};
use crate::changed_paths::{PathChange, changed_paths, path_changes};
use crate::difference::FieldChange;
use crate::history::History;
use crate::record::read_version;
use crate::untracked_fields::UntrackedFields;
use crate::version::{Operation, Version};
use crate::version_id::VersionId;
use crate::window::Window;

const DEFAULT_PAGE_ITEMS: usize = 100;
/// The most paths of one version in a list.
const MAX_PATHS: usize = 100;
/// Earlier versions that are read at a time.
const CONCURRENT_READS: usize = 16;
/// The most paths of one version whose values a list has.
const MAX_VALUES: usize = 10;
/// The longest JSON text of the values of a path, before and after together, that a list has.
const MAX_VALUE_BYTES: usize = 1000;
/// The most times that one page reads rows, if none of those that it has read is selected.
const MAX_READS: usize = 2;
/// The name of the monitored container in answers.
const SOURCE: &str = "default";
const ACTION: &str = "listing changes";

/// Which versions to list.
#[derive(Clone, Debug)]
pub struct ChangesRequest {
    /// The window and the conditions.
    pub select: VersionFilter,
    /// The order of the list.
    pub order: ChangeOrder,
    /// The maximum number of versions on a page, 1 to 1,000; 100 by default.
    pub max_items: Option<u32>,
    /// The continuation of the page before; `None` for the first page. The window of the first page counts.
    pub continuation: Option<String>,
    /// Whether [`Change::changes`] is filled.
    pub values: bool,
    /// The properties of documents that restores set.
    pub stamp_fields: Vec<String>,
}

/// A version, and what it changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The id of the version.
    pub version_id: VersionId,
    /// The name of the monitored container in the settings.
    pub source: &'static str,
    /// The id of the document.
    pub id: String,
    /// Its partition key value.
    pub partition_key: Key,
    /// The time of the change in seconds since 1970.
    pub source_ts: i64,
    /// What happened.
    pub operation: Operation,
    /// Whether this is a delete that the change feed did not report.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inferred: bool,
    /// Who wrote the document, as it claims; a removal has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Whether the document is exactly the stored body.
    pub exact: bool,
    /// What is known about the document before it.
    pub previous: Previous,
    /// The paths that changed, at most 100. The empty path is the document itself: it was created or deleted. None if the document before is
    /// not known.
    pub paths: Vec<FieldPath>,
    /// If they were requested, the values before and after of the first ten paths, without those whose JSON has more than 1,000 bytes
    /// together. A version that creates or removes a document has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// The number of paths, if it is more than 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths_total: Option<usize>,
}

/// A page of versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangesPage {
    /// In the order of the request. A page with a continuation can have fewer versions than requested, even none.
    pub items: Vec<Change>,
    /// The window.
    pub window: Window,
    /// What the list cannot show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The continuation of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// What a continuation says.
#[derive(Serialize, Deserialize)]
struct Continuation {
    window: Window,
    order: ChangeOrder,
    after: PageEnd,
}

impl History {
    /// Lists the versions of a window.
    ///
    /// # Errors
    /// When the request is out of bounds, and when the containers cannot be read.
    pub async fn changes_in(&self, request: &ChangesRequest) -> Result<ChangesPage, Error> {
        let max_items = page_items(request.max_items, DEFAULT_PAGE_ITEMS, ACTION)?;
        let after: Option<Continuation> = read_page_token(request.continuation.as_deref(), ACTION)?;
        if after.as_ref().is_some_and(|after| after.order != request.order) {
            return Err(Error::invalid(ACTION, "the continuation is of a list in the other order; use the same order"));
        }
        let mut select = request.select.clone();
        if let Some(after) = &after {
            select.window = after.window;
        }
        let changes = self.changes.open().await?;
        let monitored = self.monitored.open().await?;
        let selector = select.selector(&changes, monitored.key_paths(), ACTION)?;
        let mut after = after.map(|after| after.after);
        let mut versions: Vec<Version> = Vec::new();
        // Most rows that a query finds are selected. Where none is, the next ones are read, but a page stays bounded.
        for _ in 0..MAX_READS {
            if !versions.is_empty() {
                break;
            }
            let found = rows_in_order(&changes, &selector, request.order, after.as_ref(), max_items + 1).await?;
            let (mut more, is_stuck) = (found.column.is_some(), found.rows.is_empty());
            let column = found.column.unwrap_or_default();
            for row in found.rows {
                let version = read_version(&changes, row.record).await?;
                if !selector.matches(&version) {
                    after = Some(PageEnd { place: row.place, column });
                    continue;
                }
                versions.push(version);
                // One version more shows that there is a next page, and may be the one before the last.
                if versions.len() > max_items {
                    more = true;
                    break;
                }
                after = Some(PageEnd { place: row.place, column });
            }
            if !more {
                after = None;
                break;
            }
            if is_stuck {
                break;
            }
        }
        let before = self.before_each(&changes, &versions, max_items, request.order, &selector).await?;
        versions.truncate(max_items);
        let untracked = UntrackedFields::new(request.stamp_fields.clone(), monitored.key_paths());
        let horizon = self.horizon().await?;
        let items = versions.into_iter().zip(before).map(|(version, earlier)| {
            let before = Before::of_itself(&version).unwrap_or_else(|| Before::of_stored(&version, earlier, horizon));
            change_of(version, &before, &untracked, request.values)
        });
        let items = items.collect();
        let next = after.map(|after| page_token(&Continuation { window: select.window, order: request.order, after }));
        let warnings = incomplete(select.window, horizon).into_iter().collect();
        Ok(ChangesPage { items, window: select.window, warnings, continuation: next.transpose()? })
    }

    /// The version before each of the first versions of a page, where it is needed.
    async fn before_each(
        &self,
        changes: &Container,
        versions: &[Version],
        count: usize,
        order: ChangeOrder,
        selector: &VersionSelector,
    ) -> Result<Vec<Option<Version>>, Error> {
        let neighbour = |number: usize| {
            let neighbour = match order {
                ChangeOrder::Newest => versions.get(number + 1),
                ChangeOrder::Oldest => number.checked_sub(1).and_then(|number| versions.get(number)),
            };
            // Other versions can be between two versions of a selection.
            neighbour.filter(|other| selector.is_all() && is_same_document(other, &versions[number]))
        };
        let reads = versions.iter().take(count).enumerate().map(|(number, version)| {
            let neighbour = neighbour(number);
            async move {
                let earlier = match neighbour {
                    _ if Before::of_itself(version).is_some() => None,
                    Some(neighbour) => Some(neighbour.clone()),
                    None => version_before(changes, version).await?,
                };
                match earlier {
                    // Both records are of one delete.
                    Some(same) if version.id.is_removal_by_a_restore() && same.id.is_delivered_removal() => {
                        version_before(changes, &same).await
                    }
                    earlier => Ok(earlier),
                }
            }
        });
        futures::stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
    }
}

fn change_of(version: Version, before: &Before, untracked: &UntrackedFields, with_values: bool) -> Change {
    let mut paths = paths_of(&version, before, untracked);
    let total = paths.len();
    paths.truncate(MAX_PATHS);
    let changes = if with_values { values_of(&version, before, untracked) } else { Vec::new() };
    Change {
        version_id: version.id,
        source: SOURCE,
        id: version.source_id,
        partition_key: version.partition_key,
        source_ts: version.source_ts,
        operation: version.operation,
        inferred: version.inferred,
        actor: version.actor,
        exact: version.exact,
        previous: before.state,
        paths,
        changes,
        paths_total: Some(total).filter(|total| *total > MAX_PATHS),
    }
}

/// The paths that a version changed. What changed in a document that is not known before is not known either, unless it was removed.
pub(super) fn paths_of(version: &Version, before: &Before, untracked: &UntrackedFields) -> Vec<FieldPath> {
    let after = version.document.as_ref().filter(|_| !version.operation.is_removal());
    let untracked = &untracked.and_omitted_of([version.omitted.as_slice(), &before.omitted]);
    match (before.state, after) {
        (Previous::Unknown, Some(_)) => Vec::new(),
        (Previous::Unknown, None) => vec![FieldPath::default()],
        (Previous::Known | Previous::None, after) => changed_paths(before.body.as_ref(), after, untracked),
    }
}

/// The values of the first paths that a version changed, without long ones.
fn values_of(version: &Version, before: &Before, untracked: &UntrackedFields) -> Vec<FieldChange> {
    let (Some(body), Some(after)) = (before.body.as_ref(), version.document.as_ref()) else { return Vec::new() };
    if version.operation.is_removal() {
        return Vec::new();
    }
    let untracked = &untracked.and_omitted_of([version.omitted.as_slice(), &before.omitted]);
    let bytes = |value: Option<&Value>| value.map_or(0, |value| value.to_string().len());
    let is_short = |change: &PathChange<'_>| bytes(change.before) + bytes(change.after) <= MAX_VALUE_BYTES;
    let changes = path_changes(Some(body), Some(after), untracked).into_iter().take(MAX_VALUES);
    changes.filter(is_short).map(|change| change.to_field_change()).collect()
}

fn is_same_document(one: &Version, other: &Version) -> bool {
    one.source_id == other.source_id && one.partition_key == other.partition_key
}

/// Says that the retention may have deleted versions of a window.
pub(super) fn incomplete(window: Window, horizon: i64) -> Option<String> {
    let time = |second: i64| {
        DateTime::from_timestamp(second, 0)
            .map_or_else(|| second.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
    };
    (window.from() < horizon).then(|| {
        format!(
            "the retention may have deleted versions from before {0}; what is shown is complete from {0} on",
            time(horizon)
        )
    })
}
