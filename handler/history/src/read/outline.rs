//! Reads versions without their documents.

use std::cmp::Ordering;
use std::collections::HashSet;

use changefeed_cosmos::{DocumentName, Error, ErrorKind, Key};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::versions::{is_meant, record_names, scope};
use crate::filter::Filter;
use crate::history::History;
use crate::record::read_version;
use crate::version::{Operation, Version};
use crate::version_id::VersionId;

/// Outlines on a page of a query of which usually only the first ones are needed.
const PAGE_OUTLINES: usize = 10;

/// A version without its document.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outline {
    /// The id of the version.
    pub id: VersionId,
    /// The id of the source document.
    pub source_id: String,
    /// The source's partition key.
    pub partition_key: Key,
    /// What happened.
    pub operation: Operation,
    /// The time of the change in seconds since 1970.
    pub source_ts: i64,
    /// The logical sequence number of the change.
    #[serde(default)]
    pub lsn: Option<i64>,
    /// Who wrote the version, as its document claims.
    #[serde(default)]
    pub actor: Option<String>,
    /// When the document expires by its time to live, in seconds since 1970.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// What captured it; see [`Version::captured_by`].
    #[serde(default)]
    pub captured_by: String,
    /// Whether the document is exactly the stored body.
    pub exact: bool,
    /// Whether this is a delete that the change feed did not report.
    #[serde(default)]
    pub inferred: bool,
    /// When the record was written, in seconds since 1970 by the service's clock.
    #[serde(default)]
    pub recorded_at: i64,
    /// Whether the record contains the document uncompressed.
    #[serde(default)]
    pub is_plain: bool,
    /// Whether a field of the record is compressed or split into parts.
    #[serde(default)]
    pub is_large: bool,
    /// Whether the stored document meets the filters of the query; the text of a large one is not looked at.
    #[serde(default)]
    pub meets: bool,
}

impl Outline {
    /// See [`Version::order`].
    pub fn order(&self) -> (i64, i64, bool) {
        (self.source_ts, self.lsn.unwrap_or_default(), self.exact && !self.inferred)
    }

    /// See [`Version::compare`].
    fn compare(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order()).then_with(|| self.id.cmp(&other.id))
    }
}

/// A range of source times, in seconds since 1970, and the order in which its versions are read.
enum TimeRange {
    /// Up to and including a second, newest first.
    Until(i64),
    /// Within a second.
    At(i64),
    /// After a second, oldest first.
    After(i64),
    /// Creations and removals up to and including a second, newest first.
    BoundariesUntil(i64),
}

/// The `SELECT` clause of a query for outlines.
pub fn outline_fields() -> String {
    format!("SELECT VALUE {}", outline_expression("true"))
}

/// The outline of the record `c`, as an expression of a query. `meets` is the condition for [`Outline::meets`].
fn outline_expression(meets: &str) -> String {
    let fields = [
        "id",
        "sourceId",
        "partitionKey",
        "operation",
        "sourceTs",
        "lsn",
        "actor",
        "expiresAt",
        "capturedBy",
        "exact",
        "inferred",
    ];
    let fields: Vec<String> = fields.iter().map(|field| format!("{field}: c.{field}")).collect();
    let fields = format!("{}, recordedAt: c._ts", fields.join(", "));
    let large = ["documentZstd", "documentParts", "previousZstd", "previousParts"];
    let large: Vec<String> = large.iter().map(|field| format!("IS_DEFINED(c.{field})")).collect();
    let large = large.join(" OR ");
    format!("{{{fields}, isPlain: IS_OBJECT(c.document), isLarge: ({large}), meets: ({meets})}}")
}

/// The newest versions of a document up to a time.
#[derive(Clone, Debug, Default)]
pub struct NewestVersions {
    /// The newest version.
    pub newest: Option<Outline>,
    /// The newest version whose record was written by a second time.
    pub recorded: Option<Outline>,
}

impl History {
    /// The newest version of a document.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn last_outline(&self, document: &DocumentName) -> Result<Option<Outline>, Error> {
        Ok(self.outlines_until(document, i64::MAX, i64::MAX, &[]).await?.newest)
    }

    /// The newest version of a document up to `second`, and the newest one whose record was written up to `recorded_until`; both in
    /// seconds since 1970. [`Outline::meets`] is about these filters.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn outlines_until(
        &self,
        document: &DocumentName,
        second: i64,
        recorded_until: i64,
        filters: &[Filter],
    ) -> Result<NewestVersions, Error> {
        let mut found = NewestVersions::default();
        let mut rows = self.filtered_outlines(document, &TimeRange::Until(second), filters).await?;
        loop {
            let same_second = rows.next().await?;
            if same_second.is_empty() {
                return Ok(found);
            }
            let recorded = same_second.iter().filter(|version| version.recorded_at <= recorded_until);
            found.recorded = newest(recorded).cloned();
            found.newest = found.newest.or_else(|| newest(same_second.iter()).cloned());
            if found.recorded.is_some() {
                return Ok(found);
            }
        }
    }

    /// At most `count` versions of a document that are older than one, newest first: than a version of `second`, in seconds since 1970,
    /// with this order and this id.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn outlines_before(
        &self,
        document: &DocumentName,
        second: i64,
        last: &((i64, i64, bool), VersionId),
        count: usize,
    ) -> Result<Vec<Outline>, Error> {
        let mut found = Vec::new();
        let mut rows = self.outlines(document, &TimeRange::Until(second)).await?;
        while found.len() < count {
            let mut same_second = rows.next().await?;
            if same_second.is_empty() {
                break;
            }
            same_second.sort_by(|one, other| other.compare(one));
            found.extend(same_second.into_iter().filter(|version| (version.order(), version.id.clone()) < *last));
        }
        found.truncate(count);
        Ok(found)
    }

    /// The first version of a document after a second since 1970.
    pub(crate) async fn first_outline_after(
        &self,
        document: &DocumentName,
        second: i64,
    ) -> Result<Option<Outline>, Error> {
        let found = self.outlines(document, &TimeRange::After(second)).await?.next().await?;
        Ok(found.into_iter().min_by_key(Outline::order))
    }

    /// The version that created the document of `version`, or created it again; `None` if the history does not have it.
    pub(super) async fn creation_of(
        &self,
        document: &DocumentName,
        version: &Version,
    ) -> Result<Option<Outline>, Error> {
        let order = (version.source_ts, version.lsn.unwrap_or(i64::MAX), true);
        let mut rows = self.outlines(document, &TimeRange::BoundariesUntil(version.source_ts)).await?;
        let boundary = loop {
            let same_second = rows.next().await?;
            if same_second.is_empty() {
                return Ok(None);
            }
            if let Some(newest) = newest(same_second.iter().filter(|outline| outline.order() <= order)) {
                break newest.clone();
            }
        };
        if boundary.operation == Operation::Create {
            return Ok(Some(boundary));
        }
        if version.expires_at.is_some() {
            // The document may have expired and been created again after that, which its versions alone show.
            return Ok(None);
        }
        let same_second = self.outlines_at(document, boundary.source_ts).await?;
        let next = same_second.into_iter().filter(|outline| outline.order() > boundary.order());
        match next.min_by_key(Outline::order) {
            Some(next) => Ok(Some(next)),
            None => self.first_outline_after(document, boundary.source_ts).await,
        }
    }

    /// The versions of a document with this source time, in seconds since 1970.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn outlines_at(&self, document: &DocumentName, second: i64) -> Result<Vec<Outline>, Error> {
        self.outlines(document, &TimeRange::At(second)).await?.next().await
    }

    /// The outlines of records of documents, in their order; `None` where there is no such record, and where its key does not follow
    /// from the name of the document.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn outlines_many(&self, records: &[(DocumentName, VersionId)]) -> Result<Vec<Option<Outline>>, Error> {
        let changes = self.changes.open().await?;
        let (indexes, names) = record_names(&changes, records);
        let rows = changes.select_many(&outline_expression("true"), &names).await?;
        let mut found = vec![None; records.len()];
        for (index, row) in indexes.into_iter().zip(rows) {
            let row = row.filter(|row| is_meant(row, &records[index].0));
            found[index] = row.and_then(|row| Outline::deserialize(&row).ok());
        }
        Ok(found)
    }

    /// For each document: whether it is certain that no version up to `last` was recorded after `recorded_until`, and that no delete after
    /// `last` was inferred. Then the newest version that was recorded by that time is the newest one of all up to `last`. Both are
    /// seconds since 1970.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn are_settled(
        &self,
        documents: &[DocumentName],
        last: i64,
        recorded_until: i64,
    ) -> Result<Vec<bool>, Error> {
        let changes = self.changes.open().await?;
        let keys: Vec<Option<Key>> = documents.iter().map(|document| scope(&changes, document)).collect();
        let parameters = Map::from_iter([
            ("@last".to_owned(), json!(last)),
            ("@recorded".to_owned(), json!(recorded_until)),
            ("@delete".to_owned(), json!(Operation::Delete)),
        ]);
        let is_late = "c.sourceTs <= @last AND c._ts > @recorded";
        let condition = format!("({is_late}) OR (c.sourceTs > @last AND c.operation = @delete)");
        let row = format!("[c.sourceId, c.partitionKey, ({is_late}) OR c.inferred]");
        let known: Vec<Key> = keys.iter().flatten().cloned().collect();
        let rows = changes.select_of_keys(&row, &known, &condition, &parameters).await?;
        let unsettled: HashSet<String> = rows
            .into_iter()
            .filter_map(|row| serde_json::from_value::<(String, Key, bool)>(row).ok())
            .filter(|(_, _, is_unsettled)| *is_unsettled)
            .map(|(id, partition_key, _)| DocumentName { id, partition_key }.to_index_key())
            .collect();
        let is_settled = |(document, key): (&DocumentName, &Option<Key>)| {
            key.is_some() && !unsettled.contains(&document.to_index_key())
        };
        Ok(documents.iter().zip(&keys).map(is_settled).collect())
    }

    /// For each document: whether this restore has deleted it, as the restore has recorded.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn are_removed_by(&self, restore_id: &str, documents: &[DocumentName]) -> Result<Vec<bool>, Error> {
        let changes = self.changes.open().await?;
        let keys: Vec<Option<Key>> = documents.iter().map(|document| scope(&changes, document)).collect();
        let parameters = Map::from_iter([("@delete".to_owned(), json!(Operation::Delete))]);
        let known: Vec<Key> = keys.iter().flatten().cloned().collect();
        let row = "[c.sourceId, c.partitionKey, c.id]";
        let rows = changes.select_of_keys(row, &known, "c.operation = @delete", &parameters).await?;
        let removed: HashSet<String> = rows
            .into_iter()
            .filter_map(|row| serde_json::from_value::<(String, Key, VersionId)>(row).ok())
            .filter(|(_, _, removal)| removal.is_removal_by(restore_id))
            .map(|(id, partition_key, _)| DocumentName { id, partition_key }.to_index_key())
            .collect();
        let mut are_removed = Vec::with_capacity(documents.len());
        for (document, key) in documents.iter().zip(keys) {
            are_removed.push(match key {
                Some(_) => removed.contains(&document.to_index_key()),
                None => self.is_removed_by(restore_id, document).await?,
            });
        }
        Ok(are_removed)
    }

    async fn is_removed_by(&self, restore_id: &str, document: &DocumentName) -> Result<bool, Error> {
        let mut rows = self.outlines(document, &TimeRange::BoundariesUntil(i64::MAX)).await?;
        loop {
            let same_second = rows.next().await?;
            if same_second.is_empty() || same_second.iter().any(|version| version.id.is_removal_by(restore_id)) {
                return Ok(!same_second.is_empty());
            }
        }
    }

    async fn outlines<'a>(&self, document: &'a DocumentName, range: &TimeRange) -> Result<Outlines<'a>, Error> {
        self.filtered_outlines(document, range, &[]).await
    }

    async fn filtered_outlines<'a>(
        &self,
        document: &'a DocumentName,
        range: &TimeRange,
        filters: &[Filter],
    ) -> Result<Outlines<'a>, Error> {
        let changes = self.changes.open().await?;
        let (condition, order, second) = match range {
            TimeRange::Until(second) => ("<=", "DESC", second),
            TimeRange::At(second) => ("=", "ASC", second),
            TimeRange::After(second) => (">", "ASC", second),
            TimeRange::BoundariesUntil(second) => ("<=", "DESC", second),
        };
        let boundaries = match range {
            TimeRange::BoundariesUntil(_) => " AND c.operation IN ('create', 'delete', 'expire')",
            TimeRange::Until(_) | TimeRange::At(_) | TimeRange::After(_) => "",
        };
        let mut parameters =
            Map::from_iter([("@id".to_owned(), json!(document.id)), ("@second".to_owned(), json!(second))]);
        let meets: Vec<String> = filters.iter().map(|filter| filter.condition("c.document", &mut parameters)).collect();
        let meets = if meets.is_empty() { "true".to_owned() } else { meets.join(" AND ") };
        let query = format!(
            "SELECT VALUE {} FROM c WHERE c.sourceId = @id AND c.sourceTs {condition} @second{boundaries} ORDER BY c.sourceTs \
             {order}",
            outline_expression(&meets)
        );
        let rows =
            changes.select_few::<Value>(&query, &parameters, scope(&changes, document).as_ref(), PAGE_OUTLINES).await?;
        Ok(Outlines { document, rows, ahead: None })
    }

    /// Reads a version back with its document: `None` if its record does not exist, `Err` with the reason if it is damaged.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn read_back(&self, document: &DocumentName, id: &str) -> Result<Option<Result<Version, String>>, Error> {
        let changes = self.changes.open().await?;
        let Some(record) = self.record_of(document, id).await? else { return Ok(None) };
        match read_version(&changes, record).await {
            Ok(version)
                if !version.operation.is_removal() && !version.document.as_ref().is_some_and(Value::is_object) =>
            {
                Ok(Some(Err("it has no document".to_owned())))
            }
            Ok(version) => Ok(Some(Ok(version))),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Some(Err(error.to_string()))),
            Err(error) => Err(error),
        }
    }
}

/// The newest version; see [`Version::compare`].
fn newest<'a>(versions: impl Iterator<Item = &'a Outline>) -> Option<&'a Outline> {
    versions.max_by(|one, other| one.compare(other))
}

/// The outlines of a document, grouped by second.
struct Outlines<'a> {
    document: &'a DocumentName,
    rows: BoxStream<'static, Result<Value, Error>>,
    ahead: Option<Outline>,
}

impl Outlines<'_> {
    /// The outlines of the next second, unordered; empty at the end.
    async fn next(&mut self) -> Result<Vec<Outline>, Error> {
        let mut found: Vec<Outline> = self.ahead.take().into_iter().collect();
        while let Some(row) = self.rows.try_next().await? {
            // An item that is not a version is skipped here; a verification reports it.
            let Ok(row) = Outline::deserialize(&row) else { continue };
            if row.partition_key != self.document.partition_key {
                continue;
            }
            if found.first().is_some_and(|first| first.source_ts != row.source_ts) {
                self.ahead = Some(row);
                break;
            }
            found.push(row);
        }
        Ok(found)
    }
}
