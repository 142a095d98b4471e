//! The version of a document that a page shows.

use changefeed_cosmos::DocumentName;
use changefeed_history::Version;

use super::document_parameters::DocumentRequest;
use super::version_list::VersionList;
use crate::http::ApiError;
use crate::service::Service;

/// Versions of a second that are expected to be read to find one of them.
const EXPECTED_VERSIONS: usize = 4;

/// The version that is shown, and the one before it.
pub struct Chosen {
    /// The version. Of a live document that is not captured yet, what it will be.
    pub version: Version,
    /// The version before it, if one is known.
    pub previous: Option<Version>,
}

/// Finds the version that a request shows; `None` for a document that has none.
///
/// # Errors
/// When it cannot be read.
pub async fn chosen(
    service: &Service,
    request: &DocumentRequest,
    list: &VersionList,
    live: Option<&Version>,
) -> Result<Option<Chosen>, ApiError> {
    let id = request.version.as_deref().or_else(|| list.newest_id().map(|id| &**id));
    let found = match id {
        None => live.map(|live| (live.clone(), None)),
        Some(id) => match list.with_previous(id) {
            Some(found) => Some(found),
            None => Some(read(service, &request.document, id).await?),
        },
    };
    Ok(found.map(|(version, previous)| Chosen { version, previous }))
}

/// A version that is not on the page of the list, and the one before it.
async fn read(service: &Service, document: &DocumentName, id: &str) -> Result<(Version, Option<Version>), ApiError> {
    let history = &service.changefeed.history;
    let version = history.version(document, id).await?;
    let mut versions = history.versions_until(document, version.source_ts, EXPECTED_VERSIONS).await?;
    while let Some(found) = versions.next().await? {
        if found.id == version.id {
            return Ok((version, versions.next().await?));
        }
    }
    Ok((version, None))
}
