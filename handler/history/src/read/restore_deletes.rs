//! Deletes that two records show: the one of the restore that deleted the document, and the one that the change feed of
//! AllVersionsAndDeletes mode delivers.
//!
//! Neither can replace the other. A restore records its deletes because LatestVersion mode delivers none, and it knows neither the time
//! nor the number that the service gives a delete. Its record has the number after that of the removed version, so what the change feed
//! delivers for it is the first change from that number on, whatever the clocks say.

use changefeed_cosmos::{DocumentName, Error, Key};
use futures::TryStreamExt;
use serde::Deserialize;
use serde_json::{Map, json};

use super::versions::scope;
use crate::history::History;
use crate::version_id::VersionId;

/// Seconds between both records of a delete, at most.
const CLOCK_DIFFERENCE: i64 = 300;
/// Versions of one document that are looked at.
const MAX_VERSIONS: usize = 1000;

/// What a record says about its place among the versions of a document.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NumberedVersion {
    pub id: VersionId,
    pub source_ts: i64,
    #[serde(default)]
    pub lsn: Option<i64>,
    pub partition_key: Key,
}

/// The deletes of one document that the change feed delivered and a restore recorded too.
pub(super) fn recorded_twice(versions: &[NumberedVersion]) -> Vec<&VersionId> {
    let (of_restores, others): (Vec<_>, Vec<_>) =
        versions.iter().partition(|version| version.id.is_removal_by_a_restore());
    let delivered = |recorded: &NumberedVersion| {
        let first = others.iter().filter(|version| version.lsn >= recorded.lsn).min_by_key(|version| version.lsn)?;
        let is_near = (first.source_ts - recorded.source_ts).abs() <= CLOCK_DIFFERENCE;
        (first.id.is_delivered_removal() && is_near).then_some(&first.id)
    };
    of_restores.into_iter().filter(|recorded| recorded.lsn.is_some()).filter_map(delivered).collect()
}

impl History {
    /// Whether a version is a delete that the change feed delivered and that a restore recorded too. `second` is the time of the version.
    /// This is one query.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn is_delete_by_restore(
        &self,
        document: &DocumentName,
        version: &VersionId,
        second: i64,
    ) -> Result<bool, Error> {
        if !version.is_delivered_removal() {
            return Ok(false);
        }
        let changes = self.changes.open().await?;
        let query = "SELECT c.id, c.sourceTs, c.lsn, c.partitionKey FROM c WHERE c.sourceId = @id AND c.sourceTs >= @first \
                     AND c.sourceTs <= @last";
        let parameters = Map::from_iter([
            ("@id".to_owned(), json!(document.id)),
            ("@first".to_owned(), json!(second.saturating_sub(CLOCK_DIFFERENCE))),
            ("@last".to_owned(), json!(second.saturating_add(CLOCK_DIFFERENCE))),
        ]);
        let scope = scope(&changes, document);
        let mut rows = changes.select_few::<NumberedVersion>(query, &parameters, scope.as_ref(), MAX_VERSIONS).await?;
        let mut versions = Vec::new();
        while versions.len() < MAX_VERSIONS
            && let Some(row) = rows.try_next().await?
        {
            // Documents with the same id can have different keys.
            if row.partition_key == document.partition_key {
                versions.push(row);
            }
        }
        Ok(recorded_twice(&versions).contains(&version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, source_ts: i64, lsn: i64) -> NumberedVersion {
        NumberedVersion { id: VersionId::from(id), source_ts, lsn: Some(lsn), partition_key: Key::text("a") }
    }

    #[test]
    fn the_first_change_after_what_a_restore_removed_is_its_delete_whatever_the_clocks_say() {
        let of_restore = |source_ts: i64| version("0000000009-delete-0000000008-abcd-ef", source_ts, 6);
        let (removed, delivered) = (version("0000000005-e", 5, 5), version("0000000010-delete-8", 10, 8));
        let (again, later) = (version("0000000011-f", 11, 9), version("0000000012-delete-10", 12, 10));
        for source_ts in [9, 10, 13] {
            let versions = [later.clone(), removed.clone(), of_restore(source_ts), again.clone(), delivered.clone()];
            assert_eq!(recorded_twice(&versions), [&delivered.id]);
        }
        // It is not captured yet, or the document was created again and then deleted by another writer.
        assert!(recorded_twice(&[removed.clone(), of_restore(9)]).is_empty());
        assert!(recorded_twice(&[removed, of_restore(9), again, later]).is_empty());
        assert!(recorded_twice(std::slice::from_ref(&delivered)).is_empty());
        let inferred = version("0000000005-e-gone", 10, 6);
        assert!(recorded_twice(&[of_restore(9), inferred]).is_empty());
        assert!(recorded_twice(&[of_restore(1000), delivered]).is_empty());
    }
}
