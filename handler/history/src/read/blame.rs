//! Reads which version set each field of a document.
//!
//! Versions are read newest first, until every leaf is explained. The id and the key belong to the creation of the document, which is found
//! by a query of its own, so they do not make the whole history be read.

use std::collections::VecDeque;

use changefeed_cosmos::{DocumentName, Error};
use serde::Serialize;

use super::as_of::AsOf;
use crate::blame::{BlamedField, Blaming, SetBy};
use crate::history::History;
use crate::time_expression::TimeExpression;
use crate::version::Version;
use crate::version_id::VersionId;

/// The most versions that a request can ask for.
const MAX_VERSIONS: u32 = 1000;
/// Versions on a page of the query.
const PAGE_VERSIONS: usize = 50;

/// Whose fields to explain.
#[derive(Clone, Debug)]
pub struct BlameRequest {
    /// The document.
    pub document: DocumentName,
    /// The state that is explained.
    pub state: BlamedState,
    /// The maximum number of versions to read, 1 to 1,000; default 1,000.
    pub max_versions: Option<u32>,
}

/// The state of a document whose fields are explained.
#[derive(Clone, Debug, PartialEq)]
pub enum BlamedState {
    /// The live document.
    Live,
    /// The document as of a time.
    AsOf(TimeExpression),
    /// A version, by its id: several versions may be of one second.
    Version(String),
}

impl BlamedState {
    /// The state as of a time, or the live one.
    pub fn of_time(as_of: Option<TimeExpression>) -> Self {
        as_of.map_or(Self::Live, Self::AsOf)
    }
}

/// The fields of a document with the versions that set them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum Blame {
    /// The document exists.
    Version {
        /// The version whose fields are explained.
        version_id: VersionId,
        /// Its time in seconds since 1970.
        source_ts: i64,
        /// Whether the document may have been deleted before the requested time; see [`AsOf::Version`].
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        may_be_deleted: bool,
        /// The number of versions that were read, this one included.
        versions_read: usize,
        /// The leaves in the order of the document, without system properties and the fields that restores set.
        fields: Vec<BlamedField>,
    },
    /// It does not exist.
    Absent {
        /// The version that shows it; absent when no version does.
        #[serde(skip_serializing_if = "Option::is_none")]
        because: Option<VersionId>,
    },
    /// The history does not reach back to the time, or the document has never existed.
    Unknown {
        /// The second since 1970 from which on the history of the document is complete; absent if it has no versions.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<i64>,
    },
}

impl History {
    /// The version that set each field of a document.
    ///
    /// # Errors
    /// [`Invalid`](changefeed_cosmos::ErrorKind::Invalid) when `max_versions` is out of bounds, and when the containers cannot be read.
    pub async fn blame(&self, request: &BlameRequest) -> Result<Blame, Error> {
        let max_versions = request.max_versions.unwrap_or(MAX_VERSIONS);
        if !(1..=MAX_VERSIONS).contains(&max_versions) {
            let message = format!("maxVersions is {max_versions}; allowed are 1 to {MAX_VERSIONS}");
            return Err(Error::invalid("reading the request", message));
        }
        let document = &request.document;
        let (version, may_be_deleted) = match &request.state {
            BlamedState::Version(id) => match self.version(document, id).await? {
                version if version.operation.is_removal() => return Ok(Blame::Absent { because: Some(version.id) }),
                version => (version, false),
            },
            BlamedState::AsOf(time) => match self.document_as_of(document, *time).await? {
                AsOf::Version { version, may_be_deleted } => (*version, may_be_deleted),
                AsOf::Absent { because } => return Ok(Blame::Absent { because: Some(because) }),
                AsOf::Unknown { since } => return Ok(Blame::Unknown { since }),
            },
            BlamedState::Live => match self.live(document).await? {
                Some(version) => (self.as_recorded(version), false),
                None => return self.blame_nothing(document).await,
            },
        };
        let (version_id, source_ts) = (version.id.clone(), version.source_ts);
        let mut blaming = Blaming::new(version, false, &self.untracked_fields().await?);
        let is_end = self.observe_versions(document, &mut blaming, max_versions as usize).await?;
        if blaming.needs_creation()
            && let Some(creation) = self.creation(document, blaming.oldest()).await?
        {
            blaming.set_creation(&creation);
        }
        // Read last: a version is removed only after the horizon has passed it.
        let horizon = self.horizon().await?;
        Ok(Blame::Version {
            version_id,
            source_ts,
            may_be_deleted,
            versions_read: blaming.observed(),
            fields: blaming.finish(horizon, is_end),
        })
    }

    /// A document that does not exist now.
    async fn blame_nothing(&self, document: &DocumentName) -> Result<Blame, Error> {
        Ok(match self.last_outline(document).await? {
            Some(last) if last.operation.is_removal() => Blame::Absent { because: Some(last.id) },
            Some(_) => Blame::Absent { because: None },
            None => Blame::Unknown { since: None },
        })
    }

    /// Observes versions until everything is explained. Returns whether no version precedes the oldest one.
    async fn observe_versions(
        &self,
        document: &DocumentName,
        blaming: &mut Blaming,
        max_versions: usize,
    ) -> Result<bool, Error> {
        let second = blaming.oldest().source_ts;
        let mut versions = self.versions_until(document, second, PAGE_VERSIONS).await?;
        let mut same_second = Vec::new();
        let first_older = loop {
            match versions.next().await? {
                Some(version) if version.source_ts == second => same_second.push(version),
                other => break other,
            }
        };
        // Before the record of the version itself are versions that were captured since it was read.
        let own = same_second.iter().position(|version| version.id.is_same_version(&blaming.oldest().id));
        let is_end = first_older.is_none();
        let mut read: VecDeque<Version> =
            same_second.into_iter().skip(own.unwrap_or_default()).chain(first_older).collect();
        if own.is_some()
            && let Some(record) = read.pop_front()
        {
            blaming.observe(record);
        }
        while !blaming.is_done() && blaming.observed() < max_versions {
            let next = match read.pop_front() {
                None if is_end => None,
                None => versions.next().await?,
                next => next,
            };
            match next {
                Some(version) => blaming.observe(version),
                None => {
                    blaming.explain_oldest();
                    return Ok(true);
                }
            }
        }
        blaming.explain_oldest();
        Ok(false)
    }

    /// The version that created the document of this version, or that created it again; `None` if the history does not have it.
    async fn creation(&self, document: &DocumentName, version: &Version) -> Result<Option<SetBy>, Error> {
        Ok(self.creation_of(document, version).await?.map(|first| SetBy {
            version_id: first.id,
            source_ts: first.source_ts,
            operation: first.operation,
            actor: first.actor,
            by_restore: None,
            requested_by: None,
            exact: first.exact,
            captured: true,
        }))
    }
}
