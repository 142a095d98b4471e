//! Versions without their documents: what there is, and in which order.

use futures::TryStreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::record::version_of;
use super::versions::{DocumentName, scope};
use crate::cosmos::{Error, ErrorKind, Key};
use crate::store::{Role, Store};
use crate::version::{Operation, Version};

/// A version without its document.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outline {
    pub id: String,
    pub source_id: String,
    pub partition_key: Key,
    pub operation: Operation,
    pub source_ts: i64,
    #[serde(default)]
    pub lsn: Option<i64>,
    #[serde(default)]
    pub expires_at: Option<i64>,
    #[serde(default)]
    pub captured_by: String,
    pub exact: bool,
    #[serde(default)]
    pub inferred: bool,
    /// When the record was written, in seconds since 1970 by the service's clock.
    #[serde(default)]
    pub recorded_at: i64,
    /// Whether the document is in the record as it is.
    #[serde(default)]
    pub is_plain: bool,
    /// Whether something of it was compressed.
    #[serde(default)]
    pub is_enclosed: bool,
}

impl Outline {
    /// See [`Version::order`].
    pub(crate) fn order(&self) -> (i64, i64, bool) {
        (self.source_ts, self.lsn.unwrap_or_default(), self.exact && !self.inferred)
    }
}

/// Which versions of a document: by source time, in seconds since 1970.
enum Which {
    /// The newest that are not after a second.
    Until(i64),
    /// Those of a second.
    At(i64),
    /// The first after a second.
    After(i64),
}

/// What a query selects for an [`Outline`].
pub(crate) fn outline() -> String {
    let fields = [
        "id",
        "sourceId",
        "partitionKey",
        "operation",
        "sourceTs",
        "lsn",
        "expiresAt",
        "capturedBy",
        "exact",
        "inferred",
    ];
    let fields: Vec<String> = fields.iter().map(|field| format!("{field}: c.{field}")).collect();
    let fields = format!("{}, recordedAt: c._ts", fields.join(", "));
    let enclosed = ["documentZstd", "documentParts", "previousZstd", "previousParts"];
    let enclosed: Vec<String> = enclosed.iter().map(|field| format!("IS_DEFINED(c.{field})")).collect();
    format!("SELECT VALUE {{{fields}, isPlain: IS_OBJECT(c.document), isEnclosed: ({})}}", enclosed.join(" OR "))
}

/// The newest versions of a document that are not after a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewestUntil {
    /// The newest of all.
    pub newest: Option<Outline>,
    /// The newest of those that were recorded in time.
    pub recorded: Option<Outline>,
}

impl Store {
    /// The newest version of a document.
    pub(crate) async fn last_outline(&self, document: &DocumentName) -> Result<Option<Outline>, Error> {
        Ok(self.outlines_until(document, i64::MAX, i64::MAX).await?.newest)
    }

    /// The newest versions of a document that are not after `second`, of all and of those that were recorded not after
    /// `recorded_until`; both in seconds since 1970.
    pub(crate) async fn outlines_until(
        &self,
        document: &DocumentName,
        second: i64,
        recorded_until: i64,
    ) -> Result<NewestUntil, Error> {
        let mut found = NewestUntil::default();
        let mut rows = self.outlines(document, &Which::Until(second)).await?;
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

    /// The first version of a document after a second since 1970.
    pub(crate) async fn first_outline_after(
        &self,
        document: &DocumentName,
        second: i64,
    ) -> Result<Option<Outline>, Error> {
        let found = self.outlines(document, &Which::After(second)).await?.next().await?;
        Ok(found.into_iter().min_by_key(Outline::order))
    }

    /// The versions of a document of one second since 1970.
    pub(crate) async fn outlines_at(&self, document: &DocumentName, second: i64) -> Result<Vec<Outline>, Error> {
        self.outlines(document, &Which::At(second)).await?.next().await
    }

    async fn outlines<'a>(&self, document: &'a DocumentName, which: &Which) -> Result<Outlines<'a>, Error> {
        let changes = self.container(Role::Changes).await?;
        let (condition, order, second) = match which {
            Which::Until(second) => ("<=", "DESC", second),
            Which::At(second) => ("=", "ASC", second),
            Which::After(second) => (">", "ASC", second),
        };
        let query = format!(
            "{} FROM c WHERE c.sourceId = @id AND c.sourceTs {condition} @second ORDER BY c.sourceTs {order}",
            outline()
        );
        let parameters =
            Map::from_iter([("@id".to_owned(), json!(document.id)), ("@second".to_owned(), json!(second))]);
        let rows = changes.select::<Value>(&query, &parameters, scope(changes, document).as_ref()).await?;
        Ok(Outlines { document, rows, ahead: None })
    }

    /// Reads a version back, whole: `None` when its record is gone, and what is wrong with it when it cannot be.
    pub(crate) async fn read_back(
        &self,
        document: &DocumentName,
        id: &str,
    ) -> Result<Option<Result<Version, String>>, Error> {
        let changes = self.container(Role::Changes).await?;
        let Some(record) = self.record_of(document, id).await? else { return Ok(None) };
        match version_of(changes, record).await {
            Ok(version)
                if !version.operation.is_removal() && !version.document.as_ref().is_some_and(Value::is_object) =>
            {
                Ok(Some(Err("it has no document".to_owned())))
            }
            Ok(version) => Ok(Some(Ok(version))),
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(Some(Err(error.to_string()))),
            Err(error) => Err(error),
        }
    }
}

/// The newest of versions; of those that nothing tells apart the first, as where versions are listed.
fn newest<'a>(versions: impl Iterator<Item = &'a Outline>) -> Option<&'a Outline> {
    versions.reduce(|newest, other| if other.order() > newest.order() { other } else { newest })
}

/// Versions of a document, those of one second at a time.
struct Outlines<'a> {
    document: &'a DocumentName,
    rows: BoxStream<'static, Result<Value, Error>>,
    ahead: Option<Outline>,
}

impl Outlines<'_> {
    /// Those of the next second, in no order; none at the end.
    async fn next(&mut self) -> Result<Vec<Outline>, Error> {
        let mut found: Vec<Outline> = self.ahead.take().into_iter().collect();
        while let Some(row) = self.rows.try_next().await? {
            // What is no version is none of this document's; a scan of all tells of it.
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
