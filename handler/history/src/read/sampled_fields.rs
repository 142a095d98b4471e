//! The fields that the versions of a window change most, counted from a sample.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use changefeed_cosmos::{Container, Error, FieldPath};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};

use super::activity_rows::ActivityRow;
use super::changes::paths_of;
use super::previous::{Before, Previous, version_before};
use crate::record::read_version;
use crate::untracked_fields::UntrackedFields;
use crate::version::{Operation, Version};
use crate::version_id::VersionId;

/// The most versions in a sample.
pub(super) const MAX_SAMPLE: usize = 1000;
/// Versions whose bodies one query reads.
const READ_AT_ONCE: usize = 100;
/// Queries at a time.
const CONCURRENT_READS: usize = 16;

/// How many versions changed each field, in a sample.
pub(super) struct FieldCounts {
    /// The number of versions by field.
    pub versions: BTreeMap<FieldPath, usize>,
    /// The number of versions that were looked at.
    pub sampled: usize,
}

/// Counts the fields that versions changed. At most [`MAX_SAMPLE`] of them are read, spread evenly. Versions that create or remove their
/// document change no fields of it. `rows` are oldest first; `is_all` says that they are all versions of their window.
pub(super) async fn count_fields(
    changes: &Container,
    rows: &[ActivityRow],
    is_all: bool,
    horizon: i64,
    untracked: &UntrackedFields,
) -> Result<FieldCounts, Error> {
    let changing: Vec<usize> = (0..rows.len())
        .filter(|number| matches!(rows[*number].operation, Operation::Write | Operation::Replace))
        .collect();
    let size = changing.len().min(MAX_SAMPLE);
    let sample: Vec<usize> = (0..size).map(|number| changing[number * changing.len() / size]).collect();
    let earlier = if is_all { earlier_rows(rows, &sample) } else { HashMap::new() };
    let of_rows = sample.iter().chain(earlier.values()).map(|number| rows[*number].version.clone());
    let bodies = read_versions(changes, &of_rows.collect()).await?;
    let version = |number: usize| bodies.get(&name_of(&rows[number]));
    let paths = sample.iter().map(|number| {
        let (found, before) = (version(*number), earlier.get(number).and_then(|number| version(*number)));
        async move {
            // The retention may have deleted it in the meantime.
            let Some(found) = found else { return Ok(Vec::new()) };
            let before = match (Before::of_itself(found), before) {
                (Some(before), _) => before,
                (None, Some(earlier)) => Before::of_stored(found, Some(earlier.clone()), horizon),
                (None, None) => Before::of_stored(found, version_before(changes, found).await?, horizon),
            };
            let is_known = before.state == Previous::Known;
            Ok::<_, Error>(if is_known { paths_of(found, &before, untracked) } else { Vec::new() })
        }
    });
    let paths: Vec<Vec<FieldPath>> = futures::stream::iter(paths).buffered(CONCURRENT_READS).try_collect().await?;
    let mut versions = BTreeMap::new();
    for path in paths.into_iter().flatten() {
        *versions.entry(path).or_insert(0) += 1;
    }
    Ok(FieldCounts { versions, sampled: size })
}

/// The id of a version, the id of its document, and the document's key.
type Name = (VersionId, String, String);

fn name_of(row: &ActivityRow) -> Name {
    (row.version.clone(), row.id.clone(), row.partition_key.to_string())
}

/// The row before each row of a sample, if its document has one.
fn earlier_rows(rows: &[ActivityRow], sample: &[usize]) -> HashMap<usize, usize> {
    let document = |number: &usize| (rows[*number].id.as_str(), rows[*number].partition_key.to_string());
    let sampled: BTreeSet<(&str, String)> = sample.iter().map(document).collect();
    let mut by_document: BTreeMap<(&str, String), Vec<usize>> = BTreeMap::new();
    for number in 0..rows.len() {
        let document = document(&number);
        if sampled.contains(&document) {
            by_document.entry(document).or_default().push(number);
        }
    }
    let mut earlier = HashMap::new();
    for numbers in by_document.values_mut() {
        numbers.sort_by_key(|number| {
            let row = &rows[*number];
            (row.source_ts, row.lsn, row.version.to_string())
        });
        earlier.extend(numbers.iter().skip(1).copied().zip(numbers.iter().copied()));
    }
    earlier.retain(|number, _| sample.binary_search(number).is_ok());
    earlier
}

/// Reads versions by their ids, many with one query.
async fn read_versions(changes: &Container, ids: &BTreeSet<VersionId>) -> Result<HashMap<Name, Version>, Error> {
    let ids: Vec<&VersionId> = ids.iter().collect();
    let reads = ids.chunks(READ_AT_ONCE).map(|ids| async move {
        let named = ids.iter().enumerate().map(|(number, id)| (format!("@id{number}"), json!(id)));
        let parameters: Map<String, Value> = named.collect();
        let names = parameters.keys().cloned().collect::<Vec<_>>().join(", ");
        let query = format!("SELECT * FROM c WHERE c.id IN ({names})");
        let records: Vec<Value> = changes.select(&query, &parameters, None).await?.try_collect().await?;
        let mut versions = Vec::new();
        for record in records {
            versions.push(read_version(changes, record).await?);
        }
        Ok::<_, Error>(versions)
    });
    let versions: Vec<Vec<Version>> = futures::stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
    let named = |version: Version| {
        ((version.id.clone(), version.source_id.clone(), version.partition_key.to_string()), version)
    };
    Ok(versions.into_iter().flatten().map(named).collect())
}
