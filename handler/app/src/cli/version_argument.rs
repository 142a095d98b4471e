//! The id of a version on the command line, or the beginning of one.

use anyhow::Result;
use changefeed_cosmos::DocumentName;
use changefeed_history::VersionId;

use crate::service::Service;

/// The id of the version that was meant. Costs one query, also when the whole id was given.
///
/// # Errors
/// When no version of the document has an id that begins like this, or several have.
pub async fn find_version(service: &Service, document: &DocumentName, given: &str) -> Result<VersionId> {
    Ok(service.changefeed.history.find_version(document, given).await?)
}
