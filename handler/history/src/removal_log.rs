//! Records which versions are about to be deleted, for the digests of the history: a version that the retention or an erasure has
//! removed is no finding.
//!
//! A removal is recorded before the version is deleted. If the process is killed in between, the version still exists, which is no finding
//! either. Removals are recorded only when digests are written: the record [`DIGESTS_RECORD`] in the jobs container says so, and is read
//! before each group of deletes.

use changefeed_cosmos::{Container, Error, ErrorKind, Key, LazyContainer, random_u64, retry, to_item};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::history::History;
use crate::retention_record::NEVER;
use crate::version::SCHEMA;
use crate::version_digest::RecordDigest;
use crate::version_id::VersionId;

/// The id and the kind of the record in the jobs container whose existence means that digests are written.
pub const DIGESTS_RECORD: &str = "digests";
/// The kind of the records of removals.
pub const REMOVALS: &str = "removals";
/// For how long a removal is recorded: 90 days. The digests are to be written more often.
const TTL_SECONDS: u64 = 90 * 86_400;
/// The most versions in a record.
pub(crate) const RECORDED_TOGETHER: usize = 1000;

/// Why versions are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovalCause {
    /// They have expired.
    Retention,
    /// Their document is erased.
    Erasure,
}

/// Versions that were about to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removals {
    id: String,
    kind: String,
    /// Why.
    pub cause: RemovalCause,
    /// Their names: see [`RecordDigest::name`].
    pub versions: Vec<String>,
    schema: u32,
    ttl: u64,
    /// When they were recorded, in seconds since 1970.
    #[serde(rename = "_ts", skip_serializing, default)]
    pub second: i64,
}

/// The time of the first item that meets a condition, from one second on and before another.
async fn first_second(container: &Container, condition: &str, from: i64, to: i64) -> Result<Option<i64>, Error> {
    let query = format!("SELECT c._ts FROM c WHERE {condition} AND c._ts >= @from AND c._ts < @to ORDER BY c._ts");
    let parameters = Map::from_iter([("@from".to_owned(), json!(from)), ("@to".to_owned(), json!(to))]);
    let mut rows = container.select_few::<Value>(&query, &parameters, None, 1).await?;
    Ok(rows.try_next().await?.and_then(|row| row["_ts"].as_f64()).map(|second| second as i64))
}

/// Records removals in the jobs container.
#[derive(Clone, Copy)]
pub(crate) struct RemovalLog<'a> {
    pub jobs: &'a Container,
    pub changes: &'a Container,
    pub cause: RemovalCause,
}

impl RemovalLog<'_> {
    /// Records that versions are about to be removed, by the id and the key of their items: at most [`RECORDED_TOGETHER`].
    pub(crate) async fn record(&self, versions: &[(&str, &Key)], deadline: Instant) -> Result<(), Error> {
        let id = self.jobs.own_id(DIGESTS_RECORD);
        let key = Key::text(&id);
        if versions.is_empty() || retry(deadline, || self.jobs.read(&key, &id)).await?.is_none() {
            return Ok(());
        }
        let mut names = Vec::with_capacity(versions.len());
        for (id, key) in versions {
            if VersionId::from(*id).shared_removal_id().is_none() {
                names.push((*id).to_owned());
            } else if let Some(record) = retry(deadline, || self.changes.read(key, id)).await? {
                names.push(RecordDigest::of(self.changes, record).await?.name);
            }
        }
        let id = format!("{REMOVALS}-{:016x}{:016x}", random_u64(), random_u64());
        let removals = Removals {
            id: id.clone(),
            kind: REMOVALS.to_owned(),
            cause: self.cause,
            versions: names,
            schema: SCHEMA,
            ttl: TTL_SECONDS,
            second: 0,
        };
        let (key, item) = (Key::text(&id), to_item(&removals)?);
        match retry(deadline, || self.jobs.create(&key, &id, &item)).await {
            // The reply to an earlier attempt was lost.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            created => created.map(drop),
        }
    }
}

impl History {
    /// The removals that were recorded from one second on and before another, in the order of their time.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn removals(&self, from: i64, to: i64) -> Result<Vec<Removals>, Error> {
        let query = "SELECT * FROM c WHERE c.kind = @kind AND c._ts >= @from AND c._ts < @to";
        let parameters = Map::from_iter([
            ("@kind".to_owned(), json!(REMOVALS)),
            ("@from".to_owned(), json!(from)),
            ("@to".to_owned(), json!(to)),
        ]);
        let rows: Vec<Value> = self.jobs().open().await?.select(query, &parameters, None).await?.try_collect().await?;
        let parse =
            |row| serde_json::from_value(row).map_err(|error| Error::corrupt("reading recorded removals", error));
        let mut removals = rows.into_iter().map(parse).collect::<Result<Vec<Removals>, Error>>()?;
        removals.sort_by(|one, other| (one.second, &one.id).cmp(&(other.second, &other.id)));
        Ok(removals)
    }

    /// The second of the first removals that were recorded from one second on and before another.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn first_removals(&self, from: i64, to: i64) -> Result<Option<i64>, Error> {
        let condition = format!("c.kind = '{REMOVALS}'");
        first_second(&self.jobs().open().await?, &condition, from, to).await
    }

    /// The second at which the first version was stored from one second on and before another.
    ///
    /// # Errors
    /// When the changes container cannot be read.
    pub async fn first_stored(&self, from: i64, to: i64) -> Result<Option<i64>, Error> {
        first_second(&self.changes.open().await?, "NOT IS_DEFINED(c.partOf)", from, to).await
    }

    /// Whether the retention or an erasure has ever begun to remove versions.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn was_anything_removed(&self, deadline: Instant) -> Result<bool, Error> {
        let was_swept = self.horizon.second().await? != NEVER;
        Ok(was_swept || !Box::pin(self.erased().current(deadline)).await?.is_empty())
    }

    /// The container of the records of jobs.
    fn jobs(&self) -> &LazyContainer {
        self.horizon.jobs()
    }
}
