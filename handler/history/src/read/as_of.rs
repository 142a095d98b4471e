//! A document as of a time.
//!
//! The answer is the newest version whose source time is not after the requested time, unless it is a removal or had expired by
//! then. The live document counts as a version, so the answer is right even if capture lags. Before the horizon of the
//! retention, only the version that was current at the horizon is trusted; the state before that version is unknown.

use changefeed_cosmos::{DocumentName, Error};
use serde::Serialize;

use crate::history::History;
use crate::time_expression::TimeExpression;
use crate::version::{Operation, Version};
use crate::version_id::VersionId;

/// The number of versions expected to be read to find the newest. Versions of one second are not ordered by the query, so all of
/// them are read.
const EXPECTED_VERSIONS: usize = 4;

/// What is known about a document as of a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum AsOf {
    /// It was this version.
    Version {
        /// The version.
        version: Box<Version>,
        /// Whether the document may have been deleted before the requested time. No delete is recorded (LatestVersion mode
        /// reports none), but this is the last version of a document that no longer exists or was later found to be missing.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        may_be_deleted: bool,
    },
    /// It did not exist.
    Absent {
        /// The version that shows it: a removal, a version that had expired, or a later creation.
        because: VersionId,
    },
    /// The time is before the first known version, or before the retention horizon.
    Unknown {
        /// The second since 1970 from which on the history of the document is complete; absent if it has no versions.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<i64>,
    },
}

/// What was read of a document before its state is asked for.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The live document.
    pub live: Option<Version>,
    /// The newest captured version that is not after the last change. It is read if it is `None`.
    pub newest: Option<Option<Version>>,
    /// Whether it is certain that no delete was inferred after the last change.
    pub is_settled: bool,
}

impl History {
    /// The document as of a time.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub async fn document_as_of(&self, document: &DocumentName, time: TimeExpression) -> Result<AsOf, Error> {
        let second = time.second();
        let newest = self.versions_until(document, second, EXPECTED_VERSIONS).await?.next().await?;
        let live = self.live(document).await?;
        let horizon = self.horizon().await?;
        let known = Known { live, newest: Some(newest), is_settled: false };
        self.state_from(document, known, second, second, horizon).await
    }

    /// The horizon of the retention in seconds since 1970: for times from then on, no captured version was deleted. -1 if none was
    /// ever deleted. It is valid for versions read *before* this call, because it is recorded before a version is deleted.
    ///
    /// # Errors
    /// When the retention record cannot be read.
    pub async fn horizon(&self) -> Result<i64, Error> {
        self.horizon.second().await
    }

    /// The state of a document at `second`, from its last change not after `last_change`; both in seconds since 1970. `horizon` is the
    /// retention's, read after what is known, or known not to have changed since.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub async fn state_from(
        &self,
        document: &DocumentName,
        known: Known,
        last_change: i64,
        second: i64,
        horizon: i64,
    ) -> Result<AsOf, Error> {
        let Known { live, newest, is_settled } = known;
        let captured = match newest {
            Some(newest) => newest,
            None => self.versions_until(document, last_change, EXPECTED_VERSIONS).await?.next().await?,
        };
        if last_change < horizon
            && let Some(since) = self.current_at(document, live.as_ref(), horizon).await?
            && since > last_change
        {
            return Ok(AsOf::Unknown { since: Some(since) });
        }
        let is_missing = live.is_none();
        let live_id = live.as_ref().map(|live| live.id.clone());
        // The live document is the newest version, unless a newer one was captured after it was read. It is what capture stores of it.
        let live = live.filter(|live| live.source_ts <= last_change).map(|live| self.as_recorded(live));
        let newest = match (captured, live) {
            (Some(captured), Some(live)) if captured.order() > (live.source_ts, live.lsn.unwrap_or(i64::MAX), true) => {
                Some(captured)
            }
            (captured, live) => live.or(captured),
        };
        match newest {
            Some(version) if version.exists_at(second) => {
                // No version follows the live one.
                let is_live = live_id.is_some_and(|id| id == version.id);
                let may_be_deleted = if is_live || (is_settled && !is_missing) {
                    false
                } else {
                    let next = self.first_outline_after(document, last_change).await?;
                    next.map_or(is_missing, |next| next.inferred)
                };
                Ok(AsOf::Version { version: Box::new(version), may_be_deleted })
            }
            Some(version) => Ok(AsOf::Absent { because: version.id }),
            None => self.before_first_version(document).await,
        }
    }

    /// The second of the version that was current at the horizon. Earlier versions may have been deleted; this one was not.
    async fn current_at(
        &self,
        document: &DocumentName,
        live: Option<&Version>,
        horizon: i64,
    ) -> Result<Option<i64>, Error> {
        let captured = self
            .versions_until(document, horizon, EXPECTED_VERSIONS)
            .await?
            .next()
            .await?
            .map(|version| version.source_ts);
        let live = live.map(|live| live.source_ts).filter(|second| *second <= horizon);
        Ok(captured.max(live))
    }

    async fn before_first_version(&self, document: &DocumentName) -> Result<AsOf, Error> {
        Ok(match self.first_outline_after(document, i64::MIN).await? {
            Some(first) if first.operation == Operation::Create => AsOf::Absent { because: first.id },
            first => AsOf::Unknown { since: first.map(|first| first.source_ts) },
        })
    }
}
