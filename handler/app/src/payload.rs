//! Changes that this process has read itself, in the form in which the Functions host delivers them.

use changefeed_cosmos::FEED_LSN;
use changefeed_processor::{Change, ChangeFeedMode};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// A change as the Functions host delivers it: the document, or in AllVersionsAndDeletes mode an envelope. Where the document has
/// another `_lsn` than the metadata, the envelope distinguishes them.
pub fn payload(mode: ChangeFeedMode, change: &Change) -> Result<Box<RawValue>, serde_json::Error> {
    match (mode, &change.current) {
        (ChangeFeedMode::LatestVersion, Some(document)) if !has_own_lsn(change, document) => to_raw_value(document),
        _ => to_raw_value(change),
    }
}

fn has_own_lsn(change: &Change, document: &Value) -> bool {
    let in_metadata = change.metadata.as_ref().and_then(|metadata| metadata.lsn);
    in_metadata.is_some() && document.get(FEED_LSN).is_some_and(|own| own.as_i64() != in_metadata)
}
