//! Reads changes again from the change feed in AllVersionsAndDeletes mode.
//!
//! The service's etag of a page is the sequence number of the page's last change in the physical partition, in quotes. So the
//! changes after any known number can be requested, as long as the feed's retention window has them.

use std::num::NonZeroU32;

use azure_data_cosmos::models::{ChangeFeedItem, ChangeFeedOperationType};
use azure_data_cosmos::options::ChangeFeedMode;
use serde_json::{Map, Value, json};

use crate::change_feed::FeedStart;
use crate::container::Container;
use crate::error::Error;
use crate::key_range::KeyRange;

/// A page of changes.
#[derive(Debug)]
pub struct Changes {
    /// Each in its envelope: `current`, `previous` and `metadata`, as the service wrote them.
    pub envelopes: Vec<Value>,
    /// Request units.
    pub request_charge: f64,
    /// Whether the whole range was read. After a split, a page is of one part of the range.
    pub is_whole: bool,
}

impl Container {
    /// A page of up to `max_items` changes after a sequence number, of a range within one physical partition, oldest first. The
    /// changes of one transaction stay together.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when the feed no longer reaches back to the number, or when the account does not have this mode;
    /// otherwise as the service answers.
    pub async fn changes_after(&self, range: &KeyRange, lsn: i64, max_items: NonZeroU32) -> Result<Changes, Error> {
        let etag = format!("\"{lsn}\"");
        let mode = ChangeFeedMode::AllVersionsAndDeletes;
        let page = self.sdk_feed_page(range, FeedStart::After(&etag), mode, max_items).await?;
        let envelopes = page.items.iter().map(envelope).collect();
        Ok(Changes { envelopes, request_charge: page.request_charge, is_whole: page.parts.len() == 1 })
    }
}

fn envelope(item: &ChangeFeedItem<Value>) -> Value {
    let mut envelope = Map::new();
    envelope.extend(item.current().map(|current| ("current".to_owned(), current.clone())));
    envelope.extend(item.previous().map(|previous| ("previous".to_owned(), previous.clone())));
    let operation = item.operation_type().and_then(|operation| match operation {
        ChangeFeedOperationType::Create => Some("create"),
        ChangeFeedOperationType::Replace => Some("replace"),
        ChangeFeedOperationType::Delete => Some("delete"),
        _ => None,
    });
    let mut metadata = Map::new();
    metadata.extend(operation.map(|operation| ("operationType".to_owned(), json!(operation))));
    if let Some(written) = item.metadata() {
        let members = [
            ("lsn", written.lsn().map(|lsn| json!(lsn.value()))),
            ("crts", written.conflict_resolution_timestamp().map(|time| json!(time.as_secs_f64()))),
            ("previousImageLSN", written.previous_image_lsn().map(|lsn| json!(lsn.value()))),
            ("timeToLiveExpired", written.time_to_live_expired().map(|expired| json!(expired))),
            ("id", written.id().map(|id| json!(id))),
            ("partitionKey", written.partition_key().cloned()),
        ];
        metadata.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    envelope.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(envelope)
}
