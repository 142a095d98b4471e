//! Removes a document and its versions.

use changefeed_cosmos::{DocumentName, Error};
use tokio::time::Instant;

use super::erase_counts::EraseCounts;
use super::erasures::Erasures;

/// Removes a document, unless it stays live, and its versions.
///
/// # Errors
/// When the containers cannot be read or written.
pub(super) async fn erase_document(
    erasures: &Erasures,
    document: &DocumentName,
    keep_live: bool,
) -> Result<EraseCounts, Error> {
    let mut counts = EraseCounts::default();
    if !keep_live {
        let monitored = erasures.history.monitored().open().await?;
        let deadline = Instant::now() + erasures.timeout;
        match monitored.delete_until(deadline, &document.partition_key, &document.id, None).await {
            Ok(deleted) => counts.live = u64::from(deleted.is_own()),
            // The other documents can be erased.
            Err(error) if error.is_unsupported() => {
                log::warn!("{error}");
                counts.not_deleted = 1;
            }
            Err(error) => return Err(error),
        }
    }
    let removed = erasures.history.remove_items(document, erasures.timeout).await?;
    Ok(EraseCounts { versions: removed.versions, parts: removed.parts, ..counts })
}

/// Counts what [`erase_document`] would remove.
///
/// # Errors
/// When the containers cannot be read.
pub(super) async fn count_document(
    erasures: &Erasures,
    document: &DocumentName,
    keep_live: bool,
) -> Result<EraseCounts, Error> {
    let live = !keep_live && erasures.history.live(document).await?.is_some();
    let items = erasures.history.count_items(document).await?;
    Ok(EraseCounts { live: u64::from(live), versions: items.versions, parts: items.parts, ..EraseCounts::default() })
}
