//! A document as of a time.
//!
//! The answer is the newest version whose source time is not after the moment, unless it was a removal or had expired by
//! then. The live document counts as a version, so that the answer is right while capture lags behind. Before the horizon of
//! the retention, only the version that was current at the horizon is sure to be the right one; what came before it is unknown.

use changefeed_cosmos::{DocumentName, Error};
use serde::Serialize;

use crate::history::History;
use crate::time_expression::TimeExpression;
use crate::version::{Operation, Version};
use crate::version_id::VersionId;

/// Versions that are read to find the newest: those of one second have no order in the query.
const NEWEST: usize = 4;

/// What is known of a document as of a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum AsOf {
    /// It was this version.
    Version {
        /// The version.
        version: Box<Version>,
        /// No delete is recorded (LatestVersion mode reports none), but the document does not exist now and this is its last
        /// version, or it was found to be missing later: it may have been deleted before the requested time.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        may_be_deleted: bool,
    },
    /// It did not exist.
    Absent {
        /// The version that shows it: a removal, one that had expired, or the later creation.
        because: VersionId,
    },
    /// The time is before the first known version, or before the retention horizon.
    Unknown {
        /// The second since 1970 that the history of the document reaches back to, as far as it is complete; absent if it
        /// has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<i64>,
    },
}

impl History {
    /// The document as of a moment.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub async fn document_as_of(&self, document: &DocumentName, moment: TimeExpression) -> Result<AsOf, Error> {
        self.document_at(document, moment.second(), moment.second()).await
    }

    /// The second since 1970 from which on the history is complete, as far as it was captured; before every version if none
    /// was ever removed. It is valid for what was read *before* this call: it is recorded before a version is removed.
    ///
    /// # Errors
    /// When the retention record cannot be read.
    pub async fn horizon(&self) -> Result<i64, Error> {
        self.horizon.second().await
    }

    /// The document after its last change not after `last_change`, as it was at `second`; both in seconds since 1970.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub async fn document_at(&self, document: &DocumentName, last_change: i64, second: i64) -> Result<AsOf, Error> {
        let captured = self.versions_until(document, last_change, NEWEST).await?.next().await?;
        let live = self.live(document).await?;
        let horizon = self.horizon().await?;
        self.state_at(document, captured, live, last_change, second, horizon).await
    }

    /// [`Self::state_at`], where the newest captured version may be known or not.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub async fn state_from(
        &self,
        document: &DocumentName,
        newest: Option<Option<Version>>,
        live: Option<Version>,
        last_change: i64,
        second: i64,
        horizon: i64,
    ) -> Result<AsOf, Error> {
        let captured = match newest {
            Some(newest) => newest,
            None => self.versions_until(document, last_change, NEWEST).await?.next().await?,
        };
        self.state_at(document, captured, live, last_change, second, horizon).await
    }

    /// [`Self::document_at`] with the newest captured version and the live document. `horizon` is the retention's and must have
    /// been read after them, or not have changed since.
    ///
    /// # Errors
    /// When the containers cannot be read.
    pub async fn state_at(
        &self,
        document: &DocumentName,
        captured: Option<Version>,
        live: Option<Version>,
        last_change: i64,
        second: i64,
        horizon: i64,
    ) -> Result<AsOf, Error> {
        if last_change < horizon
            && let Some(since) = self.current_at(document, live.as_ref(), horizon).await?
            && since > last_change
        {
            return Ok(AsOf::Unknown { since: Some(since) });
        }
        let gone = live.is_none();
        let live_id = live.as_ref().map(|live| live.id.clone());
        // The live document is the newest version, unless another was captured after it had been read.
        let live = live.filter(|live| live.source_ts <= last_change);
        let newest = match (captured, live) {
            (Some(captured), Some(live)) if captured.order() > (live.source_ts, live.lsn.unwrap_or(i64::MAX), true) => {
                Some(captured)
            }
            (captured, live) => live.or(captured),
        };
        match newest {
            Some(version) if version.exists_at(second) => {
                // Nothing comes after the version that is live.
                let is_live = live_id.is_some_and(|id| id == version.id);
                let next = if is_live { None } else { self.first_outline_after(document, last_change).await? };
                let may_be_deleted = next.map_or(gone, |next| next.inferred);
                Ok(AsOf::Version { version: Box::new(version), may_be_deleted })
            }
            Some(version) => Ok(AsOf::Absent { because: version.id }),
            None => self.before_first_version(document).await,
        }
    }

    /// The second of the version that was current at the horizon. Earlier versions may have been removed; this one was not.
    async fn current_at(
        &self,
        document: &DocumentName,
        live: Option<&Version>,
        horizon: i64,
    ) -> Result<Option<i64>, Error> {
        let captured =
            self.versions_until(document, horizon, NEWEST).await?.next().await?.map(|version| version.source_ts);
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
