//! Makes the next file of a chain from the versions and removals of an hour.

use changefeed_backup_format::{ChainLink, DigestFile, HistoryContainer, RemovedVersion, VersionDigest};
use changefeed_cosmos::Error;
use changefeed_history::RemovalCause;
use changefeed_jobs::Run;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::all::Digests;
use super::stored_versions::read_period;

pub(super) const HOUR: i64 = 3600;
/// After this number of versions, a file ends with the second that it has reached. The next one has the rest of the hour.
const FILE_VERSIONS: usize = 50_000;
/// Versions between two looks at the budget.
const PACE_VERSIONS: usize = 100;

/// The end of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChainEnd {
    /// The last file; `None` if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<ChainLink>,
    /// The end of its period, in seconds since 1970.
    pub to: i64,
}

impl Digests {
    /// The file after the end of a chain. It covers the time up to the end of the first hour in which something was stored or removed, or
    /// less where the hour has very many versions, or where the run is stopping. `None` if nothing was until `until`.
    pub(super) async fn next_file(&self, run: &Run, end: &ChainEnd, until: i64) -> Result<Option<DigestFile>, Error> {
        let from = end.to;
        let stored = self.history.first_stored(from, until).await?;
        let removed = self.history.first_removals(from, until).await?;
        let Some(first) = stored.into_iter().chain(removed).min() else { return Ok(None) };
        let hour_end = (first.div_euclid(HOUR) + 1) * HOUR;
        let (versions, to) = self.read_versions(run, from, hour_end).await?;
        let removals = self.history.removals(from, to).await?;
        let removals = removals.into_iter().flat_map(|removals| {
            let (second, cause) = (removals.second, cause(removals.cause).to_owned());
            removals.versions.into_iter().map(move |removed| RemovedVersion { removed, second, cause: cause.clone() })
        });
        let mut removals: Vec<RemovedVersion> = removals.collect();
        removals.sort();
        let history = Some(self.container().await?);
        Ok(Some(DigestFile { history, from, to, previous: end.last.clone(), versions, removals }))
    }

    /// The container of the history.
    pub(super) async fn container(&self) -> Result<HistoryContainer, Error> {
        let changes = self.history.changes();
        Ok(HistoryContainer {
            account: changes.account().host().await?,
            database: changes.database().to_owned(),
            container: changes.name().to_owned(),
            resource_id: changes.open().await?.definition().resource_id.clone(),
        })
    }

    /// The digests of the versions from a second on, sorted, and the second before which they are complete.
    async fn read_versions(&self, run: &Run, from: i64, hour_end: i64) -> Result<(Vec<VersionDigest>, i64), Error> {
        let changes = self.history.changes().open().await?;
        let mut versions: Vec<VersionDigest> = Vec::new();
        let mut rows = read_period(&changes, from, hour_end, self.jobs.options().page_items).await?;
        let mut to = hour_end;
        while let Some(version) = rows.try_next().await? {
            let is_next_second = versions.last().is_some_and(|last| last.second != version.second);
            if is_next_second && (versions.len() >= FILE_VERSIONS || run.is_stopping()) {
                to = version.second;
                break;
            }
            let sha256 = version.sha256();
            versions.push(VersionDigest { second: version.second, id: version.digest.name, sha256 });
            if versions.len().is_multiple_of(PACE_VERSIONS) {
                run.pace().await;
            }
        }
        versions.sort();
        Ok((versions, to))
    }
}

fn cause(cause: RemovalCause) -> &'static str {
    match cause {
        RemovalCause::Retention => "retention",
        RemovalCause::Erasure => "erasure",
    }
}
