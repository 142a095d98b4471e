//! Versions without their documents: what there is, and in which order.

use futures::TryStreamExt;
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
        (self.source_ts, self.lsn.unwrap_or_default(), self.exact)
    }
}

/// Which versions of a document.
enum Which {
    /// The newest.
    Last,
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
    let enclosed = ["documentZstd", "documentParts", "previousZstd", "previousParts"];
    let enclosed: Vec<String> = enclosed.iter().map(|field| format!("IS_DEFINED(c.{field})")).collect();
    format!(
        "SELECT VALUE {{{}, isPlain: IS_OBJECT(c.document), isEnclosed: ({})}}",
        fields.join(", "),
        enclosed.join(" OR ")
    )
}

impl Store {
    /// The newest version of a document.
    pub(crate) async fn last_outline(&self, document: &DocumentName) -> Result<Option<Outline>, Error> {
        let found = self.outlines(document, &Which::Last).await?;
        Ok(found.into_iter().reduce(|last, other| if other.order() > last.order() { other } else { last }))
    }

    /// The first version of a document after a second since 1970.
    pub(crate) async fn first_outline_after(
        &self,
        document: &DocumentName,
        second: i64,
    ) -> Result<Option<Outline>, Error> {
        let found = self.outlines(document, &Which::After(second)).await?;
        Ok(found.into_iter().min_by_key(Outline::order))
    }

    /// The versions of a document of one second since 1970.
    pub(crate) async fn outlines_at(&self, document: &DocumentName, second: i64) -> Result<Vec<Outline>, Error> {
        self.outlines(document, &Which::At(second)).await
    }

    /// Versions of one second.
    async fn outlines(&self, document: &DocumentName, which: &Which) -> Result<Vec<Outline>, Error> {
        let changes = self.container(Role::Changes).await?;
        let (condition, order, second) = match which {
            Which::Last => ("", " DESC", None),
            Which::At(second) => (" AND c.sourceTs = @second", "", Some(second)),
            Which::After(second) => (" AND c.sourceTs > @second", "", Some(second)),
        };
        let query = format!("{} FROM c WHERE c.sourceId = @id{condition} ORDER BY c.sourceTs{order}", outline());
        let mut parameters = Map::from_iter([("@id".to_owned(), json!(document.id))]);
        parameters.extend(second.map(|second| ("@second".to_owned(), json!(second))));
        let mut rows = changes.select::<Value>(&query, &parameters, scope(changes, document).as_ref()).await?;
        let mut found: Vec<Outline> = Vec::new();
        while let Some(row) = rows.try_next().await? {
            // What is no version is none of this document's; a scan of all tells of it.
            let Ok(row) = Outline::deserialize(&row) else { continue };
            if row.partition_key != document.partition_key {
                continue;
            }
            if found.first().is_some_and(|first| first.source_ts != row.source_ts) {
                break;
            }
            found.push(row);
        }
        Ok(found)
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
