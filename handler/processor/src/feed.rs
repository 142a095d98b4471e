//! Reads one page of the change feed of one range, from a position that a lease can store. This is the only file of the
//! crate that names types of the Cosmos DB SDK.

use std::num::NonZeroU32;
use std::sync::Arc;

use azure_data_cosmos::FeedScope;
use azure_data_cosmos::models::{ChangeFeedItem, ChangeFeedOperationType};
use azure_data_cosmos::options::{
    ChangeFeedMode as SdkMode, ChangeFeedOptions, ChangeFeedStartFrom, FeedOptions, MaxItemCountHint,
};
use changefeed_cosmos::{Error, ErrorKind, KeyRange, MAX_FAN_OUT, feed_parts, feed_token, session_lsn};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use crate::change::{Change, ChangeMetadata, OperationType};
use crate::container::Container;
use crate::lease::FeedRange;
use crate::mode::ChangeFeedMode;

/// Where a page starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Position {
    Now,
    Beginning,
    /// After this time.
    Time(DateTime<Utc>),
    /// After the page with this etag.
    Continuation(String),
}

/// A page of changes; empty when there is nothing new.
#[derive(Debug)]
pub(crate) struct FeedPage {
    pub changes: Vec<Change>,
    /// The parts of the range: one, or several after a split, of which one was read.
    pub parts: Vec<FeedRange>,
    /// The etag from which the next page continues; `None` when the range has several parts.
    pub continuation: Option<String>,
    pub request_charge: f64,
    pub partition_key_range_id: Option<String>,
    /// The newest sequence number of the physical partition.
    pub session_lsn: Option<i64>,
}

/// A document that can be moved out of the SDK's item without a copy.
struct Shared(Arc<Value>);

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self(Arc::new(value)))
    }
}

impl Container {
    /// The ranges of the current physical partitions.
    pub(crate) async fn feed_ranges(&self) -> Result<Vec<FeedRange>, Error> {
        let ranges = self.items.ranges().await?;
        Ok(ranges.into_iter().map(|KeyRange { min, max }| FeedRange { min, max }).collect())
    }

    /// Reads up to `max_items` changes of `range` after `position`; the service's default is 100. The changes of one
    /// transaction stay together.
    pub(crate) async fn read_feed(
        &self,
        range: &FeedRange,
        position: &Position,
        mode: ChangeFeedMode,
        max_items: Option<NonZeroU32>,
    ) -> Result<FeedPage, Error> {
        let action = || format!("reading the change feed of {}", self.name());
        let failed = |error| Error::from_sdk(action(), error);
        let key_range = KeyRange { min: range.min.clone(), max: range.max.clone() };
        let mut options = ChangeFeedOptions::default()
            .with_feed_options(FeedOptions::default().with_max_fan_out(MAX_FAN_OUT))
            .with_mode(match mode {
                ChangeFeedMode::LatestVersion => SdkMode::LatestVersion,
                ChangeFeedMode::AllVersionsAndDeletes => SdkMode::AllVersionsAndDeletes,
            });
        if let Some(max_items) = max_items {
            options = options.with_max_item_count(MaxItemCountHint::Limit(max_items));
        }
        let start = match position {
            Position::Now => ChangeFeedStartFrom::Now,
            Position::Beginning => ChangeFeedStartFrom::Beginning,
            Position::Time(time) => ChangeFeedStartFrom::PointInTime(
                azure_core::time::OffsetDateTime::from_unix_timestamp(time.timestamp())
                    .map_err(|error| Error::invalid("starting the change feed", error.to_string()))?,
            ),
            Position::Continuation(etag) => {
                let is_all_versions = mode == ChangeFeedMode::AllVersionsAndDeletes;
                options =
                    options.with_continuation_token(feed_token(&self.resource_id, &key_range, etag, is_all_versions));
                ChangeFeedStartFrom::Beginning
            }
        };
        let scope = FeedScope::range(key_range.to_sdk()?);
        let pages = Box::pin(self.items.sdk_client().query_change_feed::<Shared>(scope, start, Some(options))).await;
        let mut pages = pages.map_err(failed)?;
        let page = match pages.next().await {
            Some(page) => page.map_err(failed)?,
            None => return Err(Error::new(ErrorKind::Unavailable, action(), "the SDK returned no page")),
        };
        let headers = page.headers();
        let request_charge = headers.request_charge().map_or(0.0, |charge| charge.value());
        let partition_key_range_id = headers.partition_key_range_id().map(str::to_owned);
        let session_lsn = headers.session_token().and_then(|token| session_lsn(token.as_str()));
        let (parts, continuation) = feed_parts(&key_range, &pages.to_continuation_token().map_err(failed)?)?;
        let parts = parts.into_iter().map(|KeyRange { min, max }| FeedRange { min, max }).collect();
        Ok(FeedPage {
            changes: page.into_items().into_iter().map(change).collect(),
            parts,
            continuation,
            request_charge,
            partition_key_range_id,
            session_lsn,
        })
    }
}

fn change(item: ChangeFeedItem<Shared>) -> Change {
    let metadata = item.metadata().map(|metadata| ChangeMetadata {
        crts: metadata.conflict_resolution_timestamp().map(|crts| crts.as_secs_f64()),
        lsn: metadata.lsn().map(|lsn| lsn.value()),
        operation_type: item.operation_type().and_then(|operation| match operation {
            ChangeFeedOperationType::Create => Some(OperationType::Create),
            ChangeFeedOperationType::Replace => Some(OperationType::Replace),
            ChangeFeedOperationType::Delete => Some(OperationType::Delete),
            _ => None,
        }),
        previous_image_lsn: metadata.previous_image_lsn().map(|lsn| lsn.value()),
        time_to_live_expired: metadata.time_to_live_expired(),
        id: metadata.id().map(str::to_owned),
        partition_key: metadata.partition_key().cloned(),
    });
    let current = item.current().map(|document| document.0.clone());
    let previous = item.previous().map(|document| document.0.clone());
    drop(item);
    Change { current: current.map(Arc::unwrap_or_clone), metadata, previous: previous.map(Arc::unwrap_or_clone) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::connect;
    use changefeed_cosmos::{Account, ContainerSpec, IndexPolicy, KeyPath, create_container, create_database};
    use local_cosmos::{Endpoint, Options};
    use std::time::Duration;

    #[tokio::test]
    async fn a_range_of_more_partitions_than_the_sdk_reads_by_default_is_read() {
        let endpoint = Endpoint::start(Options { partitions: Some(4), ..Options::default() }).await.expect("endpoint");
        let client = connect(&endpoint.connection_string()).await.expect("client");
        let account = Account::connected(client.clone());
        create_database(&account, "db").await.expect("database");
        let spec = ContainerSpec {
            name: "cart".into(),
            key_paths: vec![KeyPath::property("id")],
            index: IndexPolicy::default(),
        };
        create_container(&account, "db", &spec).await.expect("container");
        let mut partitions = endpoint.partitions("db", "cart").await.expect("partitions");
        while partitions.len() <= 100 {
            for partition in partitions {
                endpoint.split("db", "cart", Some(&partition.id), Duration::ZERO).await.expect("split");
            }
            partitions = endpoint.partitions("db", "cart").await.expect("partitions");
        }
        let container = Container::open(&client, "db", "cart").await.expect("open");
        let range = FeedRange { min: String::new(), max: "FF".into() };
        for position in [Position::Now, Position::Beginning] {
            let page = container.read_feed(&range, &position, ChangeFeedMode::LatestVersion, None).await;
            assert!(page.expect("page").parts.len() > 1);
        }
    }
}
