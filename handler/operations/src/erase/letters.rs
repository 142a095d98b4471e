//! Removes the dead letters that hold the documents.

use changefeed_cosmos::{Error, ErrorKind};
use changefeed_history::{DeadLetters, DocumentSet};
use serde_json::Value;

use super::erase_counts::EraseCounts;

/// Removes a dead letter, as it was read, if it may hold one of the documents.
///
/// # Errors
/// When the containers cannot be read or written.
pub(super) async fn sweep_letter(
    dead_letters: &DeadLetters,
    documents: &DocumentSet,
    record: Value,
    dry_run: bool,
) -> Result<EraseCounts, Error> {
    let id = record["id"].as_str().unwrap_or_default().to_owned();
    match dead_letters.may_hold(record, documents).await {
        Ok(false) => Ok(EraseCounts::default()),
        Ok(true) => {
            if !dry_run {
                dead_letters.erase(&id).await?;
            }
            Ok(EraseCounts { dead_letters: 1, ..EraseCounts::default() })
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            log::warn!("a damaged dead letter cannot be searched for erased documents: {error}");
            Ok(EraseCounts { unreadable: 1, ..EraseCounts::default() })
        }
        Err(error) => Err(error),
    }
}
