//! Pages of the change feed of a container in LatestVersion mode: each document that was written after a position, in its newest
//! state.

use std::num::NonZeroU32;

use azure_data_cosmos::FeedScope;
use azure_data_cosmos::models::ChangeFeedItem;
use azure_data_cosmos::options::{
    ChangeFeedMode, ChangeFeedOptions, ChangeFeedStartFrom, FeedOptions, MaxItemCountHint,
};
use futures::StreamExt;
use serde_json::{Map, Value};

use crate::container::Container;
use crate::error::{Error, ErrorKind};
use crate::feed_token::{feed_parts, feed_token, session_lsn};
use crate::key_range::KeyRange;
use crate::limits::MAX_FAN_OUT;
use crate::system_properties::{FEED_LSN, SYSTEM_PROPERTIES};

/// Where a page of the change feed starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStart<'a> {
    /// After everything that was written so far.
    Now,
    /// After the page with this etag.
    After(&'a str),
}

/// A document in the change feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedItem {
    /// With the service's system properties, without the property that the feed adds.
    pub document: Value,
    /// The sequence number of its last write.
    pub lsn: Option<i64>,
    /// Whether the stored document has a property `_lsn` of the application's, which the feed has replaced.
    pub lacks_own_lsn: bool,
}

/// A page of the change feed of a range; empty when there is nothing new.
#[derive(Debug)]
pub struct FeedPage {
    /// In the order of their writes.
    pub items: Vec<FeedItem>,
    /// The parts of the range: one, or several after a split, of which one was read.
    pub parts: Vec<KeyRange>,
    /// The etag after which the next page starts; `None` when the range has several parts.
    pub continuation: Option<String>,
    /// The sequence number of the newest write in the physical partition when the page was read.
    pub newest_lsn: Option<i64>,
}

/// A page of either mode, with the SDK's items.
pub(crate) struct SdkPage {
    pub items: Vec<ChangeFeedItem<Value>>,
    pub parts: Vec<KeyRange>,
    pub continuation: Option<String>,
    pub newest_lsn: Option<i64>,
    /// Request units.
    pub request_charge: f64,
}

impl Container {
    /// Reads a page of the change feed of a range.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when the service does not accept the etag, and as it answers.
    pub async fn feed_page(
        &self,
        range: &KeyRange,
        start: FeedStart<'_>,
        max_items: NonZeroU32,
    ) -> Result<FeedPage, Error> {
        let page = self.sdk_feed_page(range, start, ChangeFeedMode::LatestVersion, max_items).await?;
        let SdkPage { items, parts, continuation, newest_lsn, .. } = page;
        Ok(FeedPage { items: items.iter().filter_map(item).collect(), parts, continuation, newest_lsn })
    }

    pub(crate) async fn sdk_feed_page(
        &self,
        range: &KeyRange,
        start: FeedStart<'_>,
        mode: ChangeFeedMode,
        max_items: NonZeroU32,
    ) -> Result<SdkPage, Error> {
        let action = || format!("reading the change feed of container {}", self.name);
        let failed = |error| self.noted(Error::from_sdk(action(), error));
        let is_all_versions = mode == ChangeFeedMode::AllVersionsAndDeletes;
        let mut options = ChangeFeedOptions::default()
            .with_feed_options(FeedOptions::default().with_max_fan_out(MAX_FAN_OUT))
            .with_mode(mode)
            .with_operation_options(self.meter.operation())
            .with_max_item_count(MaxItemCountHint::Limit(max_items));
        let start = match start {
            FeedStart::Now => ChangeFeedStartFrom::Now,
            FeedStart::After(etag) => {
                let token = feed_token(&self.definition().resource_id, range, etag, is_all_versions);
                options = options.with_continuation_token(token);
                ChangeFeedStartFrom::Beginning
            }
        };
        let scope = FeedScope::range(range.to_sdk()?);
        let pages = Box::pin(self.client.query_change_feed::<Value>(scope, start, Some(options))).await;
        let mut pages = pages.map_err(failed)?;
        let page = match pages.next().await {
            Some(page) => page.map_err(failed)?,
            None => return Err(Error::new(ErrorKind::Unavailable, action(), "the SDK returned no page")),
        };
        let request_charge = self.charge(page.headers());
        let newest_lsn = page.headers().session_token().and_then(|token| session_lsn(token.as_str()));
        let (parts, continuation) = feed_parts(range, &pages.to_continuation_token().map_err(failed)?)?;
        Ok(SdkPage { items: page.into_items(), parts, continuation, newest_lsn, request_charge })
    }
}

fn item(item: &ChangeFeedItem<Value>) -> Option<FeedItem> {
    let lsn = item.metadata().and_then(|metadata| metadata.lsn()).map(|lsn| lsn.value());
    Some(without_feed_lsn(item.current()?.clone(), lsn))
}

/// Takes the feed's `_lsn` out of a document. The feed puts it in the place of one of the application's, or else after the
/// service's properties.
fn without_feed_lsn(mut document: Value, in_metadata: Option<i64>) -> FeedItem {
    let mut names = document.as_object().into_iter().flat_map(Map::keys);
    let first = names.find(|name| *name == FEED_LSN || SYSTEM_PROPERTIES.contains(&name.as_str()));
    let lacks_own_lsn = first.is_some_and(|name| name == FEED_LSN);
    let of_feed = document[FEED_LSN].as_i64();
    if let Some(properties) = document.as_object_mut() {
        properties.shift_remove(FEED_LSN);
    }
    FeedItem { document, lsn: in_metadata.or(of_feed), lacks_own_lsn }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_number_of_the_feed_is_not_part_of_the_document() {
        let item = without_feed_lsn(json!({"id": "1", "_ts": 5, "_etag": "e", "_lsn": 7}), None);
        assert_eq!(
            (item.document, item.lsn, item.lacks_own_lsn),
            (json!({"id": "1", "_ts": 5, "_etag": "e"}), Some(7), false)
        );
        let item = without_feed_lsn(json!({"id": "1", "_lsn": 7, "_ts": 5}), Some(7));
        assert_eq!((item.document, item.lsn, item.lacks_own_lsn), (json!({"id": "1", "_ts": 5}), Some(7), true));
    }
}
