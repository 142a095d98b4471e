//! What happened in a window of time: versions by time and operation, and the documents, fields and actors with the most of them.
//!
//! No bodies are read but for a sample, from which the changed fields are counted, and for compressed versions that a filter must judge.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use changefeed_cosmos::{Error, FieldPath, Key, Meter};
use serde::Serialize;

use super::activity_rows::{ActivityRow, activity_rows, utc};
use super::changes::incomplete;
use super::sampled_fields::count_fields;
use super::version_filter::VersionFilter;
use crate::bucket::BucketLength;
use crate::history::History;
use crate::untracked_fields::UntrackedFields;
use crate::version_id::VersionId;
use crate::window::Window;

const ACTION: &str = "reading the activity";
/// The number of documents, fields and actors that are shown.
const LARGEST: usize = 10;

/// Which versions to count.
#[derive(Clone, Debug)]
pub struct ActivityRequest {
    /// The window and the conditions.
    pub select: VersionFilter,
    /// The length of the buckets; by default one with which the window has at most 60.
    pub bucket: Option<BucketLength>,
    /// The properties of documents that restores set.
    pub stamp_fields: Vec<String>,
    /// The most versions that are read, [`MAX_ACTIVITY_VERSIONS`](crate::MAX_ACTIVITY_VERSIONS) unless a test sets it.
    pub max_versions: usize,
}

/// The versions of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Its first second, RFC 3339 in UTC.
    pub from: String,
    /// The number of versions by operation.
    pub counts: BTreeMap<String, usize>,
    /// The number of versions that restores wrote, which are counted by their operation too.
    pub by_restore: usize,
}

/// A field and the versions that changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldActivity {
    /// The field.
    pub path: FieldPath,
    /// The number of versions of the sample that changed it.
    pub versions: usize,
}

/// A document and its versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentActivity {
    /// Its id.
    pub id: String,
    /// Its partition key value.
    pub partition_key: Key,
    /// The number of its versions.
    pub versions: usize,
}

/// An actor and the versions of documents that name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActorActivity {
    /// The name.
    pub actor: String,
    /// The number of versions.
    pub versions: usize,
}

/// What happened in a window.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The buckets of the window, empty ones too.
    pub buckets: Vec<Bucket>,
    /// Their length.
    pub length: BucketLength,
    /// The ten fields with the most versions.
    pub fields: Vec<FieldActivity>,
    /// The number of versions that the fields were counted from.
    pub fields_sampled: usize,
    /// The ten documents with the most versions.
    pub documents: Vec<DocumentActivity>,
    /// The ten actors with the most versions.
    pub actors: Vec<ActorActivity>,
    /// The number of versions.
    pub versions: usize,
    /// The window. One without a start begins with its first version.
    pub window: Window,
    /// What the numbers do not show.
    pub warnings: Vec<String>,
}

impl History {
    /// Counts the versions of a window. `is_by_restore` says of a version, from its id, whether a restore wrote it.
    ///
    /// # Errors
    /// [`TooWide`](changefeed_cosmos::ErrorKind::TooWide) when the window has more versions than a request may read; the message has a
    /// window that fits. When the request is out of bounds, and when the containers cannot be read.
    pub async fn activity(
        &self,
        request: &ActivityRequest,
        is_by_restore: impl Fn(&VersionId) -> bool,
        meter: &Meter,
    ) -> Result<Activity, Error> {
        let history = self.metered(meter);
        let mut window = request.select.window;
        let has_start = window.from() > 0;
        let check = |window: Window| match request.bucket {
            Some(length) => length.check(window).map_err(|message| Error::invalid(ACTION, message)),
            None => Ok(()),
        };
        if has_start {
            check(window)?;
        }
        let changes = history.changes.open().await?;
        let monitored = history.monitored.open().await?;
        let selector = request.select.selector(&changes, monitored.key_paths(), ACTION)?;
        let rows = activity_rows(&history, &changes, &selector, request.max_versions).await?;
        if !has_start {
            window = window.starting_at(rows.first().map_or(window.to(), |first| first.source_ts));
            check(window)?;
        }
        let horizon = history.horizon().await?;
        let untracked = UntrackedFields::new(request.stamp_fields.clone(), monitored.key_paths());
        let fields = count_fields(&changes, &rows, selector.is_all(), horizon, &untracked).await?;
        let length = request.bucket.unwrap_or_else(|| BucketLength::for_window(window));
        Ok(Activity {
            buckets: buckets(window, length, &rows, is_by_restore),
            fields: largest(fields.versions)
                .into_iter()
                .map(|(path, versions)| FieldActivity { path, versions })
                .collect(),
            fields_sampled: fields.sampled,
            documents: documents(&rows),
            actors: largest(counts(rows.iter().filter_map(|row| row.actor.clone())))
                .into_iter()
                .map(|(actor, versions)| ActorActivity { actor, versions })
                .collect(),
            versions: rows.len(),
            warnings: incomplete(request.select.window, horizon).into_iter().collect(),
            length,
            window,
        })
    }
}

fn buckets(
    window: Window,
    length: BucketLength,
    rows: &[ActivityRow],
    is_by_restore: impl Fn(&VersionId) -> bool,
) -> Vec<Bucket> {
    let empty = |second| Bucket { from: utc(second), counts: BTreeMap::new(), by_restore: 0 };
    let mut buckets: Vec<Bucket> = length.starts(window).map(empty).collect();
    for row in rows {
        if let Some(bucket) = buckets.get_mut(length.number(window, row.source_ts)) {
            *bucket.counts.entry(row.operation.name().to_owned()).or_insert(0) += 1;
            bucket.by_restore += usize::from(is_by_restore(&row.version));
        }
    }
    buckets
}

fn documents(rows: &[ActivityRow]) -> Vec<DocumentActivity> {
    let names = rows.iter().map(|row| (row.partition_key.to_string(), row.id.clone()));
    let largest = largest(counts(names)).into_iter();
    let keys: HashMap<String, &Key> =
        rows.iter().map(|row| (row.partition_key.to_string(), &row.partition_key)).collect();
    let named = largest.filter_map(|((key, id), versions)| {
        Some(DocumentActivity { id, partition_key: (*keys.get(&key)?).clone(), versions })
    });
    named.collect()
}

fn counts<T: Eq + Hash>(items: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts
}

/// The largest counts, those of equal size in the order of their names.
fn largest<T: Ord>(counts: impl IntoIterator<Item = (T, usize)>) -> Vec<(T, usize)> {
    let mut counts: Vec<(T, usize)> = counts.into_iter().collect();
    counts
        .sort_by(|(one, versions), (other, other_versions)| other_versions.cmp(versions).then_with(|| one.cmp(other)));
    counts.truncate(LARGEST);
    counts
}
